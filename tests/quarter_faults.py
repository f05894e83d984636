"""What goes wrong while a run applies: the key is refused, the process or its machine ends, a colleague edits."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from answered_steps import run_here
from emulators import KEY
from team import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarter import Quarter

    from reconciler.emulator import ApiResponse, RawRequest

FAULTS = (*["never"] * 8, *["edit"] * 3, *["key"] * 2, "interrupt", "terminate", "kill", "lose")
"""What may happen to an apply; a process of its own takes long, so that few are ended."""
_SIGNALS = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "kill": signal.SIGKILL, "lose": signal.SIGKILL}
_CLOCKED = """
import sys
from datetime import datetime
from reconciler.cli import main, planning
at = datetime.fromisoformat(sys.argv.pop(1))
planning.datetime = type("Clock", (datetime,), {"now": staticmethod(lambda _: at)})
main.main()
"""
"""A process of its own has the team's time too."""


class LostError(Exception):
    """The machine of a run is gone: no further step runs."""


class Fault:
    """One fault, at one of the first requests of an apply that it is for."""

    def __init__(self, quarter: Quarter, kind: str, environment: str) -> None:
        self.quarter, self.kind, self.environment = quarter, kind, environment
        self.is_at_write = quarter.random.random() < 0.6
        self.to_come = quarter.random.choice((0, 0, 0, 1, 2))
        self.has_come = False
        self.process: subprocess.Popen[bytes] | None = None
        self.error: BaseException | None = None

    def run(self, arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """The command with its fault: in this process, or as one of its own where that is ended."""
        if self.kind == "never":
            return run_here(arguments, environ)
        api, keys = self.quarter.emulator.api, self.quarter.emulator.store.keys
        answer, kept = api.answer, keys[KEY]
        self.answer = answer
        api.answer = self._disturbed  # type: ignore[method-assign]
        try:
            done = (self._run_apart if self.kind in _SIGNALS else run_here)(arguments, environ)
        finally:
            api.answer = answer  # type: ignore[method-assign]
            keys[KEY] = kept
        if self.error is not None:
            raise self.error
        if self.kind == "lose" and self.has_come:
            raise LostError
        return done

    def _run_apart(self, arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        command = [sys.executable, "-I", "-c", _CLOCKED, self.quarter.team.now.isoformat(), *arguments[1:]]
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = self.process.communicate(timeout=100)
        code = self.process.returncode
        return (128 - code if code < 0 else code), out, err

    def _disturbed(self, request: RawRequest) -> ApiResponse:
        """The answer, after what goes wrong; this is the thread of the server."""
        if self.has_come or (request.method != "GET") is not self.is_at_write or not self._is_for(request):
            return self.answer(request)
        self.to_come -= 1
        if self.to_come >= 0:
            return self.answer(request)
        self.has_come = True
        self.quarter.counts[f"faults: {self.kind}"] += 1
        if self.kind == "key":
            self.quarter.emulator.store.keys.pop(KEY, None)
        elif self.kind == "edit":
            self._edit(request)
        elif self.process is not None:
            answer = self.answer(request)
            self.process.send_signal(_SIGNALS[self.kind])
            return answer
        return self.answer(request)

    def _is_for(self, request: RawRequest) -> bool:
        return self.kind != "edit" or bool(self._editable(request))

    def _editable(self, request: RawRequest) -> list[str]:
        """The flags that a colleague may edit in this moment.

        One that is looked up right now: its state is in the answer. While something is written, one that the run has
        nothing to do with: what was looked at before a write is used within seconds, and no product sees what happens
        between its last look and its write.
        """
        permit = self.quarter.rules.permit
        if request.method != "GET":
            return [key for key in KEYS if permit is None or key not in permit.keys]
        return [key for key in KEYS if key in parse_qs(request.query).get("key", ())]

    def _edit(self, request: RawRequest) -> None:
        """A colleague edits a flag."""
        try:
            self.quarter.rules.close_interval()
            self.quarter.team.pass_time(10)
            self.quarter.edit_in(self.environment, self.quarter.random.choice(self._editable(request)))
            self.quarter.team.pass_time(10)
        except BaseException as error:  # noqa: BLE001 - it is raised where the test runs
            self.error = error

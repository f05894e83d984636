"""What `advance` and `watch` wrote is told, also where what comes after the write fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from emulators import seeded
from histories import git
from looks import BOB, edit
from rollout_rigs import FLAG, KEY, Rig, a_rig

from reconciler.emulator.requests import text_response
from reconciler.errors import InterruptedRunError
from reconciler.rollouts.advance import Advance
from reconciler.rollouts.standing import MoveKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from conftest import Repository

    from reconciler.emulator import ApiResponse, RawRequest
    from reconciler.rollouts.advance import Look

FULL = "/dev/full"
DUE = f"key: {KEY}\nrolloutPercentage: 100\nrollout: {{steps: [10% 1h, 100%]}}\n"
MOVED = f"{KEY}: applied: 0% to 10%"


@pytest.fixture
def rig(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return a_rig(repository, tmp_path, monkeypatch)


@pytest.fixture
def due(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A rollout whose first step is to be made now, by the clock of this machine."""
    now = datetime.now(UTC)
    monkeypatch.setattr(repository.emulator.store, "_now", lambda: now - timedelta(days=10))
    edit(repository.emulator, BOB, KEY, rolloutPercentage=0)
    monkeypatch.setattr(repository.emulator.store, "_now", lambda: now)
    repository.write("flags/new-checkout.yaml", DUE)
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    git(repository.root, "add", "--all")
    git(repository.root, "commit", "--quiet", "--message=m", at=int((now - timedelta(days=5)).timestamp()))
    repository.emulator.log.clear()
    return repository


def installed(*arguments: str, stdout: str = "") -> subprocess.CompletedProcess[str]:
    """The command as users run it; stdout goes to a file where one is named."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    script = f'exec "$0" "$@"{f" >{stdout}" if stdout else ""}'
    command = ["/bin/sh", "-c", script, sys.executable, "-m", "reconciler", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def reads_fail_after(repository: Repository, is_last: Callable[[RawRequest], bool], status: int = 400) -> None:
    """From the request after this one on, every read is refused."""
    answer, is_over = repository.emulator.api.answer, [False]

    def answer_or_refuse(request: RawRequest) -> ApiResponse:
        if is_over[0] and request.method == "GET":
            return text_response(status, "not now")
        answered = answer(request)
        is_over[0] = is_over[0] or is_last(request)
        return answered

    repository.emulator.api.answer = answer_or_refuse  # type: ignore[method-assign]


def reads_back() -> Callable[[RawRequest], bool]:
    """Whether a request reads back what was written."""
    writes: list[RawRequest] = []

    def seen(request: RawRequest) -> bool:
        if request.method != "GET":
            writes.append(request)
        return bool(writes) and request.method == "GET"

    return seen


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("options", "stdout"),
    [((), FULL), (("--report", FULL), ""), (("--output", FULL), ""), (("--report", FULL, "--output", FULL), FULL)],
)
def test_what_advance_wrote_is_told(due: Repository, form: str, options: tuple[str, ...], stdout: str) -> None:
    """On stderr where stdout fails; and the exit code says that something was written and something failed."""
    ran = installed("advance", "--format", form, *options, stdout=stdout)
    assert due.live(KEY)["rolloutPercentage"] == 10
    assert ran.returncode == 7
    assert "The plan was applied, but" in ran.stderr
    assert MOVED in ran.stderr if stdout else '"applied"' in ran.stdout or MOVED in ran.stdout


def test_an_advance_that_wrote_nothing_fails_plainly(due: Repository) -> None:
    ran = installed("advance", "--dry-run", stdout=FULL)
    assert (ran.returncode, due.emulator.writes) == (1, [])
    assert "Advance, dry run: 1 up" in ran.stderr


def test_a_watch_tells_what_it_wrote_where_stdout_is_full(due: Repository) -> None:
    ran = installed("watch", stdout=FULL)
    assert due.live(KEY)["rolloutPercentage"] == 10
    assert ran.returncode == 7
    assert MOVED in ran.stderr


def test_a_watch_tells_what_it_wrote_before_it_looks_on(due: Repository) -> None:
    """The look for drift is refused at once: the write is said, and it is counted."""
    reads_fail_after(due, reads_back(), status=401)
    ran = installed("watch")
    assert ran.returncode == 4
    assert MOVED in ran.stdout


def down_and_up(rig: Rig) -> None:
    """One rollout is to go back, by what its guard says; another one is to make its first step."""
    seeded(rig.repository.emulator, [{"key": "search", "enabled": True, "rolloutPercentage": 0, "projectId": "7"}])
    rig.run()
    rig.repository.write("flags/search.yaml", "key: search\nrolloutPercentage: 5\nrollout: {steps: [3% 1h, 5%]}\n")
    rig.hours = 1
    rig.commit(FLAG)
    rig.guard_says(1)
    rig.writes()
    rig.hours = 2


def test_what_went_down_is_told_where_no_step_up_can_be_planned(rig: Rig) -> None:
    """The reads before the steps up fail; the rollback stays in the report, and the code says both."""
    down_and_up(rig)
    reads_fail_after(rig.repository, reads_back())
    rollouts = {item["key"]: item["move"] for item in rig.rollouts(code=7)}
    assert (rollouts[KEY]["status"], rollouts["search"]["status"]) == ("applied", "skipped")
    assert "not now" in rollouts["search"]["error"]
    assert rig.writes() == [{"rolloutPercentage": 0}]


def test_what_went_down_is_told_after_a_signal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the steps up are planned."""
    down_and_up(rig)
    plan = Advance.plan

    async def interrupted(advance: Advance, look: Look, kinds: Collection[MoveKind]) -> Any:
        if MoveKind.UP in kinds:
            raise InterruptedRunError("Interrupted: nothing more is sent.", signal.SIGTERM)
        return await plan(advance, look, kinds)

    monkeypatch.setattr(Advance, "plan", interrupted)
    ran = rig.run(code=143)
    assert f"{KEY}: applied: 1% back to 0%" in ran.out
    assert "search: skipped: 0% to 3%" in ran.out
    assert rig.writes() == [{"rolloutPercentage": 0}]

"""Steps of workflows whose commands this process runs: no new interpreter for each of them.

`python` and `reconciler` on the PATH of a step are scripts that ask for their command to be run, and print what it
printed. All else of a step is the shell's, as in `workflow_runner`.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
from contextlib import redirect_stderr, redirect_stdout, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from reconciler.ci.__main__ import main
from reconciler.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_TOOL = """#!/usr/bin/env bash
cd {directory}
printf '%s\\0' {name} "$@" > arguments
echo >&"$ASKED"
read -r code <&"$ANSWERED"
IFS= read -r -d '' out < stdout
printf %s "$out"
IFS= read -r -d '' err < stderr
printf %s "$err" >&2
exit "$code"
"""
"""Nothing but what the shell itself can do: each process that it starts takes longer than the rest."""


class AnsweredSteps:
    """Runs commands of steps in this process. `run` is asked for each: its exit code, and what it prints."""

    def __init__(
        self, directory: Path, run: Callable[[Sequence[str], Mapping[str, str]], tuple[int, bytes, bytes]]
    ) -> None:
        self.directory, self.run = directory, run
        directory.mkdir()

    def put_tools(self, tools: Path) -> None:
        """Write the scripts into a directory of PATH, over those that are there."""
        for name in ("python", "python3", "reconciler"):
            text = _TOOL.format(directory=shlex.quote(str(self.directory)), name=name)
            (tools / name).write_text(text, encoding="utf-8")
            (tools / name).chmod(0o755)

    def call(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], **_: Any
    ) -> subprocess.CompletedProcess[str]:
        """Takes the place of `subprocess.run` for the shell of a step."""
        asked, ask = os.pipe()
        answered, answer = os.pipe()
        with TemporaryFile() as out, TemporaryFile() as err:
            process = subprocess.Popen(
                command, cwd=cwd, env={**env, "ASKED": str(ask), "ANSWERED": str(answered)},
                stdout=out, stderr=err, pass_fds=(ask, answered),
            )  # fmt: skip
            os.close(ask)
            os.close(answered)
            try:
                while os.read(asked, 1):  # its end: the shell and all that it started have ended
                    os.write(answer, b"%d\n" % self._answer(env))
                code = process.wait()
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                process.wait()
                os.close(asked)
                os.close(answer)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(command, code, *texts)

    def _answer(self, environ: Mapping[str, str]) -> int:
        arguments = (self.directory / "arguments").read_text(encoding="utf-8").split("\0")[:-1]
        code, out, err = self.run(arguments, environ)
        (self.directory / "stdout").write_bytes(out)
        (self.directory / "stderr").write_bytes(err)
        return code


def run_here(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run `reconciler …` or `python -I -m reconciler.ci …` in this process: exit code, stdout, stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with patch.dict(os.environ, environ, clear=True), redirect_stdout(out), redirect_stderr(err):
        if arguments[0] == "reconciler":
            code = run(arguments[1:])
        else:
            assert list(arguments[1:4]) == ["-I", "-m", "reconciler.ci"], arguments
            code = main(arguments[4:], environ)
    return code, *(stream.buffer.getvalue() for stream in (out, err))  # type: ignore[attr-defined]

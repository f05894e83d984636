"""`reconciler demo`: the main job end to end against the emulator, in a temporary directory, with no key."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from reconciler.cli.emulation import EMULATOR_KEY, create_emulator
from reconciler.cli.main import run
from reconciler.cli.options import Settings, shared_options
from reconciler.cli.output import Output
from reconciler.cli.signals import raise_pending
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.emulator.app import Emulator

_OTHER_USER = "another.user@example.com"
_EDITED = "new-checkout"


@click.command
@shared_options
def demo(settings: Settings) -> int:
    """Show the main job end to end: plan, apply, plan again, and what an edit by hand looks like.

    Runs the real commands against the emulator on this machine. Needs no key, touches nothing of yours, and leaves
    nothing behind.
    """
    output = Output.of(settings)
    with TemporaryDirectory(prefix="reconciler-demo-") as name:
        directory = Path(name)
        with as_file(files("reconciler.cli") / "demo_flags") as shipped:
            shutil.copytree(shipped, directory, dirs_exist_ok=True)
        emulator = create_emulator(state=directory / "live.json")
        from reconciler.emulator.server import serve  # noqa: PLC0415 - an extra

        with serve(emulator.app) as url, _surroundings(directory, url, EMULATOR_KEY):
            _Story(output, settings, emulator).tell()
    output.print("\nThe emulator is stopped and its directory is gone. Next: `reconciler --help`, README.md.\n")
    return 0


class _Story:
    """The steps of the demo, each announced in a line before its command runs."""

    def __init__(self, output: Output, settings: Settings, emulator: Emulator) -> None:
        self._output = output
        self._settings = settings
        self._emulator = emulator
        self._step = 0

    def tell(self) -> None:
        self._say("Four flags are declared in YAML. Are the files right? (No network is needed for this.)")
        self._run("validate")
        self._say("What differs between git and the live project, which calls would change it, and who would notice?")
        self._run("plan", "--out", "plan.json", "--quiet")
        self._say("Apply exactly the plan that was reviewed and saved, or nothing. Then read it back.")
        self._run("apply", "plan.json", "--auto-approve", "--format", "markdown", "--quiet")
        self._say("Is anything left to do?")
        self._run("plan")
        self._say(f"Meanwhile {_OTHER_USER} sets {_EDITED} to 100 percent by hand.")
        self._edit_by_hand()
        self._run("plan", "--target", _EDITED, "--detailed-exitcode", expected=2)

    def _say(self, sentence: str) -> None:
        self._step += 1
        line = f"{self._step}. {sentence}"
        self._output.print(f"\n{click.style(line, bold=True) if self._output.terminal().color else line}\n")

    def _run(self, *arguments: str, expected: int = 0) -> None:
        self._output.print(f"\n$ reconciler {' '.join(arguments)}\n\n")
        options = ["--no-color"] if self._settings.no_color else []
        code = run([*arguments, *options])
        raise_pending()
        if code != expected:
            raise ReconcilerError(f"The demo's `reconciler {arguments[0]}` ended with exit code {code}.")

    def _edit_by_hand(self) -> None:
        flags = self._emulator.store.flags.values()
        flag_id = next(flag["id"] for flag in flags if flag["key"] == _EDITED)
        self._emulator.edit_as(_OTHER_USER, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 100})


@contextmanager
def _surroundings(directory: Path, url: str, key: str) -> Iterator[None]:
    """The directory and the environment variables that the commands of the demo run in."""
    variables = {"RECONCILER_API_URL": url, "AMPLITUDE_MANAGEMENT_API_KEY": key, "RECONCILER_ENV": ""}
    before, where = {name: os.environ.get(name) for name in variables}, Path.cwd()
    os.environ.update(variables)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(where)
        _restore(before)


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

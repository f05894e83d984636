"""The entry point: the table of commands, which are imported when they run, and where errors become exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO

import click

from reconciler import __version__
from reconciler.cli import signals
from reconciler.cli.failures import STDOUT, forget_keys, report_failure
from reconciler.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import ReadableBuffer


_COMPLETES = "_RECONCILER_COMPLETE"
"""The variable with which shells ask what completes a line."""


class CommandEntry(NamedTuple):
    """Where a command is (`module:attribute`) and what it does, in one line."""

    target: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group over a table of commands, in the table's order."""

    def __init__(self, *, entries: Mapping[str, CommandEntry], **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**attributes)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which a project needs them."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, imported now."""
        entry = self.entries.get(cmd_name)
        return entry.load() if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.entries[name].help) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for, or an error that names the nearest one."""
        if args[0] not in self.entries and not args[0].startswith("-"):
            raise click.UsageError(f'There is no command "{args[0]}".{_suggestion(args[0], self.entries)}', ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the group's own options; says so where a command's option stands before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f'"{error.option_name}" stands before the command: options come after it, as in '
                f'"reconciler plan --env production".',
                ctx,
            ) from error


_ELSEWHERE = {
    "diff": "plan",
    "preview": "plan",
    "status": "drift",
    "deploy": "apply",
    "sync": "apply",
    "lint": "validate",
}
"""What other tools call our commands."""


def _suggestion(name: str, names: Mapping[str, CommandEntry]) -> str:
    elsewhere = _ELSEWHERE.get(name.lower())
    return f' Did you mean "{elsewhere}"?' if elsewhere else suggestion(name, names)


_SUCCESSES = frozenset({0, 2})
"""The exit codes without an error: done, and changes, drift or unformatted files."""

_COMMANDS = "reconciler.cli.commands"

COMMANDS = {
    "validate": CommandEntry(f"{_COMMANDS}.validate:validate", "Check flag files and configuration, offline."),
    "test": CommandEntry(f"{_COMMANDS}.test:test", "Prove or refute who gets what, for all users, offline."),
    "plan": CommandEntry(f"{_COMMANDS}.plan:plan", "Show what would change, and who would notice. Only reads."),
    "apply": CommandEntry(f"{_COMMANDS}.apply:apply", "Plan, show, ask, apply, and read back."),
    "show": CommandEntry(f"{_COMMANDS}.show:show", "Show a saved plan again, offline."),
    "drift": CommandEntry(f"{_COMMANDS}.drift:drift", "Show what differs live, and who changed it when."),
    "advance": CommandEntry(f"{_COMMANDS}.advance:advance", "Move each rollout by at most one declared step."),
    "watch": CommandEntry(f"{_COMMANDS}.watch:watch", "Look for drift and advance rollouts, again and again."),
    "history": CommandEntry(f"{_COMMANDS}.history:history", "Show a flag's versions, with what changed in each."),
    "evaluate": CommandEntry(f"{_COMMANDS}.evaluate:evaluate", "Show which variant a user gets, and why."),
    "doctor": CommandEntry(f"{_COMMANDS}.doctor:doctor", "Check key, host, project, clock and limits."),
    "import": CommandEntry(f"{_COMMANDS}.import_flags:import_flags", "Write live flags as YAML."),
    "rollback": CommandEntry(f"{_COMMANDS}.rollback:rollback", "Rewrite a flag's YAML to a past version."),
    "fmt": CommandEntry(f"{_COMMANDS}.fmt:fmt", "Bring flag files into one order and style, comments kept."),
    "init": CommandEntry(f"{_COMMANDS}.init:init", "Write a configuration, an example flag and CI files."),
    "schema": CommandEntry(f"{_COMMANDS}.schema:schema", "Print a JSON Schema of a file or a document."),
    "export": CommandEntry(f"{_COMMANDS}.export:export", "Write flags for SDKs, OpenFeature, TypeScript or Python."),
    "serve": CommandEntry(f"{_COMMANDS}.serve:serve", "Serve flags to SDKs on this machine, before they are live."),
    "emulator": CommandEntry(f"{_COMMANDS}.emulator:emulator", "Serve the Management API on this machine."),
    "demo": CommandEntry(f"{_COMMANDS}.demo:demo", "The main job end to end against the emulator; no key needed."),
}

cli = LazyGroup(
    name="reconciler",
    entries=COMMANDS,
    help="Feature flags as code for Amplitude Experiment: YAML in git is compared with the live project over the "
    "Management API, shown as a plan, and applied.\n\nOptions come after the command: reconciler COMMAND --help.",
    epilog="Exit codes: 0 done, 1 failed, 2 changes or drift, 3 invalid files, 4 key refused, 5 unsafe, "
    "6 stale plan, 7 applied in part, 64 wrong usage, 130/143 interrupted.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=lambda ctx, _, wanted: _print_version(ctx) if wanted else None,
            help="Show the version.",
        )
    ],
)


def main() -> NoReturn:
    """What the installed command runs: always exits with a code of the contract."""
    signals.install()
    # A terminal that cannot show a character shows its escape; no report ends in an encoding error.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = _named(sys.stdout)
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    _open_closed_streams()
    sys.exit(_flush(run(sys.argv[1:])))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code. Failures are shown, on stdout too where JSON was asked for."""
    forget_keys()
    if _COMPLETES in os.environ:
        import_module("reconciler.cli.bash")
    try:
        with signals.raising():
            signals.raise_pending()
            code = cli.main(args=list(arguments), prog_name="reconciler", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the one handler: everything ends in an exit code
        return report_failure(error, arguments)
    return code if isinstance(code, int) else 0


class _Stdout(FileIO):
    """Stdout, of which an error names it: libraries write to it too, as click does for `--help`."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = STDOUT
            raise


def _named(stream: TextIOWrapper) -> TextIOWrapper:
    return TextIOWrapper(
        BufferedWriter(_Stdout(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def _open_closed_streams() -> None:
    """Put /dev/null where a standard stream was closed, as some schedulers do.

    Python has None in its place; and the next file or connection would be given its number, and what a library
    writes to that number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end


def _flush(code: int) -> int:
    """Write what the standard streams still hold, and give the exit code that is true afterwards.

    Python flushes them once more at the end, and exits with 120 where that fails. A stream that cannot be written
    is therefore led to /dev/null; a result that is lost with it is a failure, unless another one was shown already.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _discard(sys.stdout)
        if code in _SUCCESSES:
            code = report_failure(error, ())
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)
    return code


def _discard(stream: TextIO) -> None:
    """Lead what a stream still holds to /dev/null."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stream.fileno())


def _print_version(ctx: click.Context) -> None:
    click.echo(f"reconciler {__version__}")
    ctx.exit()


if __name__ == "__main__":
    main()

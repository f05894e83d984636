"""The group of all commands, which imports a command's module only when that command runs.

`--help` of the group needs names and short helps only: they stand in the table of `main`.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        """The names, in the order in which they are met in a project's life."""
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


def _suggestion(name: str, names: Mapping[str, CommandEntry]) -> str:
    near = get_close_matches(name, names, n=1)
    return f' Did you mean "{near[0]}"?' if near else ""

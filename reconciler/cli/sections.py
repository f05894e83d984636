"""Help of commands with many options: the options in sections, those of one purpose together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Which flags": ("targets", "changed_since", "shard", "prune", "unarchive"),
    "Safety": ("allow", "shield", "reviewed", "on_refusal", "expect_commit"),
    "Applying": ("auto_approve", "on_error", "no_verify"),
    "Output": ("form", "output_file", "show_users", "out", "page", "record", "report", "detailed_exitcode"),
}
_REST: Final = "Options"


class SectionedCommand(click.Command):
    """A command of which `--help` shows the options by purpose, and what is left as `Options`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, each in the order of the table, without empty ones."""
        records = {
            param.name: record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None
        }
        for title, names in _SECTIONS.items():
            found = [records.pop(name) for name in names if name in records]
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)
        with formatter.section(_REST):
            formatter.write_dl(list(records.values()))

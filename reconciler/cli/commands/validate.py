"""`reconciler validate`: every finding about the configuration and the flag files, offline."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from reconciler.cli.options import Settings, format_option, shared_options
from reconciler.cli.output import Output, directory_in_repository
from reconciler.cli.source_lines import source_lines
from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import InvalidInputError
from reconciler.files.config_file import PLACEHOLDERS, find_config, load_configs
from reconciler.files.load import Checked, check_desired
from reconciler.reports.findings import FindingsReport
from reconciler.reports.registry import FINDINGS, RenderOptions, render
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model.config import Config


@click.command
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@shared_options
@format_option(FINDINGS, "How to show findings; github annotates a pull request.")
def validate(settings: Settings, *, paths: tuple[Path, ...], form: str) -> int:
    """Check the configuration and the flag files, all of them or those given, and show every finding.

    Looks at all environments unless one is chosen. Needs no network and no key. Ends with exit code 3 when there is
    an error; warnings do not fail.

    \b
      reconciler validate
      reconciler validate flags/new-checkout.yaml --format json
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    file = find_config(settings.config)
    checked = _checked(file, settings.environment, paths)
    report = FindingsReport(
        findings=checked.findings,
        read=_extent(checked),
        directory=directory_in_repository(file.parent, os.environ),
        lines=source_lines(checked.findings, file.parent) if form == "text" else {},
    )
    output.print(render(FINDINGS, form, report, RenderOptions(terminal=output.terminal())))
    if form != "text":
        output.info(f"Read {report.read}.")
    return InvalidInputError.exit_code if any(item.is_error for item in checked.findings) else 0


def _checked(file: Path, environment: str | None, paths: tuple[Path, ...]) -> Checked:
    """What is wrong with the configuration or, where nothing is, with the flag files."""
    try:
        configs = load_configs(file, environment)
        today = datetime.now(UTC).date()
        checked = check_desired(configs, paths=paths or None, today=today, tells_unmanaged=True)
        return replace(checked, findings=(*_placeholders(configs), *checked.findings))
    except InvalidInputError as error:
        if not error.diagnostics:
            raise
        return Checked(findings=error.diagnostics)


def _placeholders(configs: Sequence[Config]) -> Iterator[Diagnostic]:
    """What `init` left to be filled in."""
    for project_id in sorted(PLACEHOLDERS.intersection(config.project_id for config in configs)):
        yield Diagnostic(
            severity=Severity.WARNING,
            rule="placeholder",
            message=f'`projectId` is still the placeholder "{project_id}": commands that ask the server refuse it.',
            position=SourcePosition(file=configs[0].file.name, line=1, column=1),
            hint="Put the project's id there: Amplitude shows it in the settings of the project.",
        )


def _extent(checked: Checked) -> str:
    """How much was looked at."""
    return f"{counted(checked.flags, 'flag')} in {counted(checked.files, 'file')}"

"""`reconciler validate`: every finding about the configuration and the flag files, offline."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Settings, shared_options
from reconciler.errors import InvalidInputError
from reconciler.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.cli.voice import Voice
    from reconciler.desired.load import Checked


@click.command
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@shared_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How to show findings; github annotates a pull request.",
)
def validate(settings: Settings, *, paths: tuple[Path, ...], form: str) -> int:
    """Check the configuration and the flag files, all of them or those given, and show every finding.

    Looks at all environments unless one is chosen. Needs no network and no key. Ends with exit code 3 when there is
    an error; warnings do not fail.

    \b
      reconciler validate
      reconciler validate flags/new-checkout.yaml --format json
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.voice import Voice
    from reconciler.desired.config_file import find_config

    voice = Voice.of(settings)
    file = find_config(settings.config)
    checked = _checked(file, settings.environment, paths)
    voice.result(_show(checked, form, voice, _directory_in_repository(file.parent, os.environ)))
    if form != "text":
        voice.note(f"Read {_extent(checked)}.")
    return InvalidInputError.exit_code if any(item.is_error for item in checked.findings) else 0


def _checked(file: Path, environment: str | None, paths: tuple[Path, ...]) -> Checked:
    """What is wrong with the configuration or, where nothing is, with the flag files."""
    from reconciler.desired.config_file import load_configs
    from reconciler.desired.load import Checked, check_desired

    try:
        configs = load_configs(file, environment)
        return check_desired(configs, paths=paths or None, today=datetime.now(UTC).date())
    except InvalidInputError as error:
        if not error.diagnostics:
            raise
        return Checked(findings=error.diagnostics)


def _extent(checked: Checked) -> str:
    """How much was looked at."""
    return f"{counted(checked.flags, 'flag')} in {counted(checked.files, 'file')}"


def _show(checked: Checked, form: str, voice: Voice, directory: str) -> str:
    from reconciler.render.findings import render_findings_text, render_github, render_sarif
    from reconciler.render.json_report import findings_document, render_json

    findings = checked.findings
    if form == "json":
        return render_json(findings_document(findings))
    if form == "sarif":
        return render_json(render_sarif(findings, directory))
    if form == "github":
        return render_github(findings, directory)
    return render_findings_text(findings, voice.paper(), read=_extent(checked))


def _directory_in_repository(directory: Path, environ: Mapping[str, str]) -> str:
    """Where files' names start, seen from the root of the checkout (GITHUB_WORKSPACE, or else here): `sub/` or ``."""
    root = environ.get("GITHUB_WORKSPACE") or os.curdir
    relative = Path(os.path.relpath(directory.resolve(), Path(root).resolve())).as_posix()
    return "" if relative == "." or relative.startswith("..") else f"{relative}/"

"""The configuration of one environment and the flags of its files, read without a network."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.files.config_file import find_config, load_config
from reconciler.files.load import load_desired
from reconciler.reports.sanitize import visible
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.cli.options import Settings
    from reconciler.cli.output import Output
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState


class Loaded(Struct, frozen=True, kw_only=True):
    """The configuration of one environment, and the flags that its files declare."""

    config: Config
    desired: DesiredState


def load(settings: Settings, output: Output) -> Loaded:
    """The configuration of one environment and its flags. Raises InvalidInputError, UsageError."""
    config = load_config(find_config(settings.config), settings.environment)
    desired = load_desired(config, today=now().date())
    for warning in desired.warnings:
        place = f"{visible(str(warning.position))}: " if warning.position else ""
        output.warning(f"{place}{warning.message} [{warning.rule}]")
    output.debug(f"Loaded {counted(len(desired.flags), 'flag')} from {counted(desired.files, 'file')}.")
    return Loaded(config=config, desired=desired)


def now() -> datetime:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)

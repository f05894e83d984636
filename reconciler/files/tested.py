"""Flags and the tests of them, of one or several environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.errors import UsageError
from reconciler.files.listing import choose_files, list_flag_files
from reconciler.files.load import Checking, desired_of, refuse_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic
    from reconciler.evaluation.assertions import Assertion
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState


def load_tested(
    configs: Sequence[Config],
    paths: Sequence[Path] | None,
    *,
    today: date | None,
    base_error: Callable[[str], str | None] | None,
) -> list[tuple[DesiredState, tuple[Assertion, ...]]]:
    """Every declared flag of each environment, and what the tests in these files and directories, or in all, claim.

    `base_error` is as `check_tests` takes it. Raises the errors of `load_desired`, with the findings of all
    environments as `check_desired` gives them; UsageError for a path without tests.
    """
    file = configs[0].file
    listings = {config.flags_dir: list_flag_files(file.parent, config.flags_dir) for config in configs}
    chosen = listings
    if paths:
        chosen = dict(zip(listings, choose_files([*listings.values()], paths, file), strict=True))
        if not any(listing.tests for listing in chosen.values()):
            raise UsageError(f"There are no tests in {', '.join(map(str, paths))}: their files end in .test.yaml.")
    checked = [Checking(configs=(config,), today=today, decodes=True) for config in configs]
    groups: dict[Path, list[Checking]] = {}
    for config, checking in zip(configs, checked, strict=True):
        checking.check(listings[config.flags_dir])
        checking.check_tests(chosen[config.flags_dir], base_error=base_error)
        groups.setdefault(config.flags_dir, []).append(checking)
    refuse_errors([item for group in groups.values() for item in _diagnostics_of(group)], configs[0])
    return [(desired_of(checking), tuple(checking.claims)) for checking in checked]


def _diagnostics_of(group: Sequence[Checking]) -> tuple[Diagnostic, ...]:
    """The findings of several environments that share a directory, each once."""
    whole = Checking(configs=tuple(config for checking in group for config in checking.configs))
    for checking in group:
        for item, holds_in in checking.findings.items():
            whole.findings.setdefault(item, set()).update(holds_in)
    return whole.diagnostics()

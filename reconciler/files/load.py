"""Flag files to the DesiredState of an environment, or to every finding there is.

Files are read one by one, and of each nothing is kept but the decoded flags.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import InvalidInputError
from reconciler.files.checking import Checking
from reconciler.files.listing import FlagFile, choose_files, list_flag_files
from reconciler.model.flag import DesiredState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic
    from reconciler.model.config import Config


def load_desired(config: Config, *, paths: Sequence[Path] | None = None, today: date | None = None) -> DesiredState:
    """Every declared flag of one environment, by key, sorted; warnings beside them.

    `paths`: only these files and directories; the configuration file itself adds nothing. `today`: warn of flags
    that have expired by then. Raises InvalidInputError with all findings where there is an error among them,
    UsageError for a path that holds no flag file.
    """
    (checking,) = _check((config,), paths=paths, today=today, decodes=True)
    diagnostics = checking.diagnostics()
    if any(item.is_error for item in diagnostics):
        raise InvalidInputError(_summary(diagnostics), diagnostics)
    flags = dict(sorted(checking.flags.items(), key=itemgetter(0)))
    return DesiredState(flags=flags, files=checking.files, texts=checking.texts, warnings=diagnostics)


def load_contents(config: Config, contents: Mapping[str, bytes]) -> DesiredState:
    """Every flag that files declare which are held in memory, by their shown names, as a commit may have them.

    Raises InvalidInputError with all findings where there is an error among them.
    """
    checking = Checking(configs=(config,), decodes=True)
    for name, content in contents.items():
        checking.check_file(FlagFile(name, name), content)
    diagnostics = checking.diagnostics()
    if any(item.is_error for item in diagnostics):
        raise InvalidInputError(_summary(diagnostics), diagnostics)
    return DesiredState(flags=dict(sorted(checking.flags.items(), key=itemgetter(0))), files=len(contents))


class Checked(Struct, frozen=True, kw_only=True):
    """What a check came to: how many files were read, how many flags they declare, and every finding."""

    files: int = 0
    flags: int = 0
    findings: tuple[Diagnostic, ...] = ()


def check_desired(
    configs: Sequence[Config], *, paths: Sequence[Path] | None = None, today: date | None = None
) -> Checked:
    """Check the flag files of several environments; findings come in the order of files and lines.

    A finding that holds in all of them is given once; one that does not says in which. Raises UsageError for a
    path that holds no flag file.
    """
    checked = _check(configs, paths=paths, today=today, decodes=False)
    return Checked(
        files=sum(checking.files for checking in checked),
        flags=sum(len(checking.places) for checking in checked),
        findings=tuple(item for checking in checked for item in checking.diagnostics()),
    )


def _check(
    configs: Sequence[Config],
    *,
    paths: Sequence[Path] | None,
    today: date | None,
    decodes: bool,
) -> list[Checking]:
    """One Checking for each directory of flag files, its files read once for all environments that use it."""
    groups: dict[Path, list[Config]] = {}
    for config in configs:
        groups.setdefault(config.flags_dir, []).append(config)
    file = configs[0].file
    listings = [list_flag_files(file.parent, directory) for directory in groups]
    if paths:
        listings = choose_files(listings, paths, file)
    checked = []
    for group, listing in zip(groups.values(), listings, strict=True):
        checking = Checking(configs=tuple(group), today=today, decodes=decodes)
        checking.check(listing)
        checked.append(checking)
    return checked


def _summary(diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(item.is_error for item in diagnostics)
    files = len({item.position.file for item in diagnostics if item.is_error and item.position})
    return f"The flag files are invalid: {errors} error{'s' * (errors != 1)} in {files} file{'s' * (files != 1)}."

"""What files seem to declare that are not read as flag files: `--prune` must not take it for gone."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import UNREAD_FILE, Diagnostic, Severity, SourcePosition
from reconciler.files.listing import MAX_TOTAL_BYTES, read_flag_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.files.listing import FileListing, FlagFile

_KEY: Final = r"""["']?key["']?\s*[:=]\s*["']?([^\s"',}#]+)"""
_keys_in: Final = re.compile(rf"(?:^[ \t]*|[{{,]\s*){_KEY}", re.MULTILINE).findall
"""The keys that a text may declare, as YAML, JSON or TOML, also where it is none of these."""

_top_keys_in: Final = re.compile(rf"^{_KEY}", re.MULTILINE).findall
"""Those of YAML that stand at the start of a line: tests have none there."""


def unread_keys(files: Sequence[FlagFile]) -> dict[str, str]:
    """The keys that files which are left out may declare, each with the shown name of its file.

    The name of a file, up to its first dot, may be a key too.
    """
    found: dict[str, str] = {}
    for file, text in _texts(files):
        name = PurePosixPath(file.shown).name.lstrip(".#").split(".")[0]
        for key in (*_keys_in(text), name):
            found.setdefault(key, file.shown)
    return found


def keys_among_tests(listing: FileListing) -> dict[str, str]:
    """The keys that files declare whose names say that they hold tests, each with the shown name of its file."""
    return {key: file.shown for file, text in _texts(listing.tests) for key in _top_keys_in(text)}


def told_of_tests(keys: dict[str, str]) -> Iterator[Diagnostic]:
    """A warning for each flag that is declared where tests stand."""
    for key, shown in keys.items():
        message = f"This file is not read as a flag file: it declares {key!a}, and by its name it holds tests."
        position = SourcePosition(file=shown, line=1, column=1)
        yield Diagnostic(severity=Severity.WARNING, rule=UNREAD_FILE, message=message, position=position)


def _texts(files: Sequence[FlagFile]) -> Iterator[tuple[FlagFile, str]]:
    """What files hold, as far as it can be read; of what is too much in all, nothing. NULs are UTF-16's."""
    left = MAX_TOTAL_BYTES
    for file in files:
        try:
            content = read_flag_file(file.path) if left > 0 else b""
        except OSError:
            content = b""
        left -= len(content)
        yield file, content.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff\ufffd")

"""The lines that findings point at, read again from the files for people to see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic

_MOST_BYTES = 2 * 1024 * 1024
_MOST_FILES = 100
_IDS = re.compile(r"/inclusions(/|$)")
_PERSONAL = re.compile(r"@|\busers\b|\b(user|device)_id\b")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML's way of counting."""


def source_lines(findings: Iterable[Diagnostic], directory: Path) -> Mapping[tuple[str, int], str]:
    """Lines by file and number, for findings whose files are named as seen from `directory`.

    Files that cannot be read give none. Lines that may hold ids of users are left out: logs need not have them. So is
    the first line, where a finding is about the whole file.
    """
    wanted: dict[str, set[int]] = {}
    for item in findings:
        place = item.position
        is_whole = place is not None and (item.path, place.line, place.column) == ("", 1, 1)
        if place is not None and not is_whole and not _IDS.search(item.path):
            wanted.setdefault(place.file, set()).add(place.line)
    found: dict[tuple[str, int], str] = {}
    for name in list(wanted)[:_MOST_FILES]:
        lines = _lines_of(directory / name)
        found |= {(name, number): lines[number - 1] for number in wanted[name] if number <= len(lines)}
    return {place: line for place, line in found.items() if not _PERSONAL.search(line)}


def _lines_of(path: Path) -> list[str]:
    try:
        # What is no regular file may never end.
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return []
        return _BREAK.split(path.read_bytes().decode("utf-8", errors="replace"))
    except OSError:
        return []

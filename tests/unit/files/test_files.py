"""Which files are flag files: what is listed, and what the name of a file alone says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.files.listing import is_flag_file, list_flag_files

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "reconciler.yaml",
    ".hidden.yaml",
    "flags/a.yaml",
    "flags/b.yml",
    "flags/c.yaml.orig",
    "flags/.d.yaml",
    "flags/.team/e.yaml",
    "flags/team/f.yaml",
    "flags/team/.g.yml",
    "flags/notes.md",
    "flags/j.test.yaml",
    "flags/k.test.yml",
    "flags/test.yaml",
    "flags-of-others/h.yaml",
    "others/flags/i.yaml",
)


@pytest.mark.parametrize("directory", [".", "flags", "flags/team", "others"])
def test_a_name_says_whether_a_file_is_listed(tmp_path: Path, directory: str) -> None:
    """Of regular files those are listed whose names say so, from whichever directory."""
    for name in NAMES:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    listed = {file.shown for file in list_flag_files(tmp_path, tmp_path / directory).files}
    assert listed == {name for name in NAMES if is_flag_file(name, directory)}
    assert listed

"""What files seem to declare that are not read as flag files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.files import unread
from reconciler.files.listing import FileListing, FlagFile
from reconciler.files.unread import keys_among_tests, told_of_tests, unread_keys

if TYPE_CHECKING:
    from pathlib import Path


def files_in(root: Path, **texts: str | bytes) -> tuple[FlagFile, ...]:
    """Files of these names, shown as in a directory `flags`."""
    for name, text in texts.items():
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return tuple(FlagFile(str(root / name), f"flags/{name}") for name in texts)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("key: a", ["a"]),
        ("# x\nenabled: true\nkey: a # why\n", ["a"]),
        ("  key:  'a'\n---\n\tkey: b,\n", ["a", "b"]),
        ('{"name": "x", "key": "a"}', ["a"]),
        ("[{key: a}, {key : b}]", ["a", "b"]),
        ('key = "a"\n', ["a"]),
        ("monkey: a\nx key: b\n", []),
        ("key:\n", []),
        ("key: a".encode("utf-16"), ["a"]),
        (b"\xef\xbb\xbfkey: a", ["a"]),
        (b"key: a\n\xff\n", ["a"]),
    ],
)
def test_keys_that_a_file_may_declare(tmp_path: Path, text: str | bytes, keys: list[str]) -> None:
    """In YAML, JSON and TOML, in any encoding; and the name of the file."""
    found = unread_keys(files_in(tmp_path, **{".#gone.yaml.bak": text}))
    assert found == dict.fromkeys([*keys, "gone"], "flags/.#gone.yaml.bak")


def test_the_first_file_that_may_declare_a_key_is_named(tmp_path: Path) -> None:
    """Files that cannot be read have a name."""
    files = files_in(tmp_path, **{"b.txt": "key: same", "a.txt": "key: same\n"})
    missing = FlagFile(str(tmp_path / "gone"), "flags/gone")
    assert unread_keys([*files, missing]) == {
        "same": "flags/b.txt", "b": "flags/b.txt", "a": "flags/a.txt", "gone": "flags/gone",
    }  # fmt: skip


def test_no_more_is_read_than_may_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in their order, until the sum is reached."""
    monkeypatch.setattr(unread, "MAX_TOTAL_BYTES", 18)
    files = files_in(tmp_path, a="key: 1", b="key: 2", c="key: 3", d="key: 4")
    assert [*unread_keys(files)] == ["1", "a", "2", "b", "3", "c", "d"]


def test_keys_that_files_of_tests_declare(tmp_path: Path) -> None:
    """Only at the start of a line: within tests `key` is another thing. One warning for each."""
    files = files_in(tmp_path, **{"a.test.yaml": "enabled: true\nkey: a\n", "b.test.yaml": "tests:\n  - key: b\n"})
    keys = keys_among_tests(FileListing(files=(), tests=files))
    assert keys == {"a": "flags/a.test.yaml"}
    (told,) = told_of_tests(keys)
    assert (told.is_error, str(told.position)) == (False, "flags/a.test.yaml:1:1")
    assert told.message == "This file is not read as a flag file: it declares 'a', and by its name it holds tests."

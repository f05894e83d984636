"""Files in the house style, and files in which an edit has been made: formats.txt holds what goes in and comes out.

A block begins with `== name`. With `[edit ...]` behind it the JSON there replaces fields of the first document, for
an environment where one stands before it; null takes a field away. Without, the file is formatted.
UPDATE_SNAPSHOTS=1 rewrites what follows `=>`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from reconciler.files.format import format_text, rewrite_flag
from reconciler.files.yaml.reader import read_documents

FILE = Path(__file__).with_name("formats.txt")
BLOCK = re.compile(
    r"^== (?P<name>[^[\n]*?)(?: \[edit (?P<environment>\w+ )?(?P<fields>.*)\])?\n(?P<text>(?:.*\n)*?)=>\n"
)


def blocks() -> dict[str, tuple[re.Match[str], str]]:
    """Each block by its name, and what stands behind its `=>`."""
    parts = re.split(r"^(?=== )", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {found["name"]: (found, part[found.end() :]) for part in parts if (found := BLOCK.match(part))}


def made(block: re.Match[str]) -> str:
    """What comes out."""
    if block["fields"] is None:
        return format_text(block["text"], "flag.yaml")
    fields = {**read_documents(block["text"], "")[0].value, **json.loads(block["fields"])}
    wanted = {name: value for name, value in fields.items() if value is not None and name != "environments"}
    environment = block["environment"].strip() if block["environment"] else None
    return rewrite_flag(block["text"], 0, wanted, environment=environment)


@pytest.mark.parametrize("name", blocks())
def test_a_file_comes_out_as_it_was_reviewed(name: str) -> None:
    """Comments and blank lines stand where they belong; formatting it again changes nothing."""
    block, expected = blocks()[name]
    text = made(block)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        content = FILE.read_text(encoding="utf-8")
        at = content.index(block[0]) + len(block[0])
        FILE.write_text(content[:at] + text + "\n" + content[at + len(expected) :], encoding="utf-8")
        expected = text + "\n"
    assert text.rstrip("\n") == expected.rstrip("\n")
    if block["fields"] is None:
        assert format_text(text, "flag.yaml") == text

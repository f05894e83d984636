"""Whole sessions at a command line: what each command says, to the word. UPDATE_SNAPSHOTS=1 rewrites transcripts/.

In a transcript `$` begins a command, `!` a line of stderr, `=` an exit code that is not 0, `#` a remark. `%` is what
happens beside commands: `write FILE` with its lines behind `>`, `remove FILE`, `edit KEY FIELDS` of a live flag by
hand, `seed FLAG`, and `commit HOURS`, so many before a fixed time. Reads have no order: they are sorted behind other
messages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from emulators import seeded
from histories import git
from looks import BOB, edit

if TYPE_CHECKING:
    from conftest import Repository

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
MASKS = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://SERVER"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d(:|&#58;)\d\d(:|&#58;)\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\d+ ms, "), "N ms, "),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d(:|&#58;)\d\d UTC"), "TIME UTC"),
    (re.compile(r"ok   clock .*"), "ok   clock OK"),
    (re.compile(r"\b[0-9a-f]{40}\b|(?<=commit )(?!0000000)[0-9a-f]{7,12}\b"), "COMMIT"),
    (re.compile(r"(less than a minute|\d+ (min|s)) ago"), "T ago"),
)


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=lambda file: file.stem)
def test_a_session_reads_as_it_did(repository: Repository, file: Path) -> None:
    """Output, messages and exit codes of all its commands."""
    wanted = file.read_text(encoding="utf-8")
    shown = played(repository, wanted)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def played(repository: Repository, transcript: str) -> str:
    """The transcript with what its commands say now."""
    shown: list[str] = []
    for part in re.findall(r"^[$%#] .*(?:\n>.*)*", transcript, re.MULTILINE):
        shown += ["", part]
        head, *content = part.split("\n")
        kind, _, rest = head.partition(" ")
        if kind == "$":
            ran = repository.run(*shlex.split(rest)[1:])
            said = sorted(ran.err.splitlines(), key=lambda text: text if text.startswith("GET /") else "")
            shown += [*ran.out.splitlines(), *(f"! {text}" for text in said)]
            shown += [f"= {ran.code}"] if ran.code else []
        elif kind == "%":
            happen(repository, *rest.split(" ", 2), "".join(f"{line[2:]}\n" for line in content))
    text = "\n".join(line.rstrip() for line in shown).strip() + "\n"
    for mask, instead in MASKS:
        text = mask.sub(instead, text)
    return text.replace(str(repository.root), "ROOT").replace(repository.root.name, "ROOT")


def happen(repository: Repository, what: str, name: str, *rest: str) -> None:
    """Something beside the commands."""
    match what:
        case "write":
            repository.write(name, rest[-1])
        case "remove":
            (repository.root / name).unlink()
        case "edit":
            edit(repository.emulator, BOB, name, **json.loads(rest[0]))
        case "commit":
            git(repository.root, "init", "--quiet", "--initial-branch=main")
            git(repository.root, "add", "--all")
            git(repository.root, "commit", "--quiet", "--message=m", at=1_600_000_000 - int(name) * 3600)
        case "seed":
            seeded(repository.emulator, [json.loads(" ".join([name, *rest]))])
        case _:
            raise AssertionError(what)

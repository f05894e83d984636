"""No comment is lost: neither by formatting nor by changing values, in the corpus and in random files."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from commented_yaml import a_commented_file, a_document, comments_in
from worlds import a_world, an_emulator

from reconciler.files.decode import for_environment
from reconciler.files.format import check_format, format_text, rewrite_flag
from reconciler.files.yaml.reader import read_documents
from reconciler.importer import roll_back
from reconciler.model.wire import decode_flag

CORPUS = sorted((Path(__file__).parent.parent / "corpus" / "comments").iterdir())
SEEDS = 60


def values_in(text: str) -> list[Any]:
    return [document.value for document in read_documents(text, "")]


def check_formatting(text: str) -> None:
    """The text formats to the same values and comments, and its formatted form to itself."""
    assert check_format(text.encode(), "") == ()
    formatted = format_text(text, "")
    assert values_in(formatted) == values_in(text)
    assert comments_in(formatted) == comments_in(text)
    assert format_text(formatted, "") == formatted


def check_rollback(text: str, random: Random) -> None:
    """Each document of the text takes over the values of another flag, and keeps every comment."""
    config = a_world(an_emulator()).config
    for index, value in enumerate(values_in(text)):
        document = for_environment(value, None)
        answer = {**a_document(random, document["key"]), "id": "1", "projectId": "7"}
        version = decode_flag(answer | {"targetSegments": answer["targetSegments"] or []}).spec
        rolled = roll_back(document, version, config)
        assert rolled.obstacles == ()
        changed = rewrite_flag(text, index, rolled.document, environment=None)
        assert comments_in(changed) == comments_in(text)
        assert for_environment(values_in(changed)[index], None) == rolled.document
        for name in rolled.document.keys() & {"enabled", "rolloutPercentage", "name"}:
            assert rolled.document[name] == answer.get(name, document[name])


def test_the_corpus_has_sixty_files() -> None:
    """What the other tests walk is there."""
    assert len(CORPUS) == 60
    assert sum(len(comments_in(path.read_text(encoding="utf-8"))) for path in CORPUS) > 600


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_formatting_keeps_every_comment_of_the_corpus(path: Path) -> None:
    """A file formats to the same values and comments, and stays as it is when formatted again."""
    check_formatting(path.read_bytes().decode())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_rolling_back_keeps_every_comment_of_the_corpus(path: Path) -> None:
    """Other values, other segments and other variants take none of the comments away."""
    for seed in range(3):
        check_rollback(path.read_bytes().decode(), Random(seed))


def test_random_files_keep_their_comments() -> None:
    """The same for files of any order and style, with comments wherever YAML has room for them."""
    for seed in range(SEEDS):
        random = Random(seed)
        text = a_commented_file(random, *(f"flag-{number}" for number in range(random.randint(1, 3))))
        check_formatting(text)
        check_rollback(text, random)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(10))
def test_thousands_of_random_files_keep_their_comments(batch: int) -> None:
    """The same over five thousand files."""
    for seed in range(10_000 + 500 * batch, 10_500 + 500 * batch):
        random = Random(seed)
        text = a_commented_file(random, *(f"flag-{number}" for number in range(random.randint(1, 3))))
        check_formatting(text)
        check_rollback(text, random)

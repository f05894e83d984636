"""Documents, where they begin, and where their values stand."""

from __future__ import annotations

import pytest

from reconciler.files.yaml.reader import Document, read_documents, read_source

FLAG = """\
# yaml-language-server: $schema=../schemas/flag.schema.json
key: new-checkout
rolloutWeights: {control: 1, "tre/at~ment": 2}
variants:
  - key: control
    payload:
      text: |
        two
        lines
  - {key: treatment}
---
key: other
tags: []
"""


@pytest.fixture
def flag() -> Document:
    """The first document of FLAG."""
    return read_documents(FLAG, "flags/a.yaml")[0]


def test_a_document_begins_at_its_first_key() -> None:
    """Comments and dividers in front of a document are not part of it."""
    first, second = read_documents(FLAG, "flags/a.yaml")
    assert str(first.start) == "flags/a.yaml:2:1"
    assert str(second.start) == "flags/a.yaml:12:1"


def test_values_are_those_of_the_text(flag: Document) -> None:
    """Mappings keep the order of the file, and block text its lines."""
    assert list(flag.value) == ["key", "rolloutWeights", "variants"]
    assert flag.value["variants"][0] == {"key": "control", "payload": {"text": "two\nlines\n"}}


@pytest.mark.parametrize(
    ("pointer", "of_key", "place"),
    [
        ("", False, (2, 1)),
        ("/key", False, (2, 6)),
        ("/key", True, (2, 1)),
        ("/rolloutWeights/control", True, (3, 18)),
        ("/rolloutWeights/tre~1at~0ment", False, (3, 45)),
        ("/variants/0", False, (5, 5)),
        ("/variants/0/payload/text", True, (7, 7)),
        ("/variants/1/key", False, (10, 11)),
        ("/variants/2", False, (5, 3)),
        ("/variants/x", False, (5, 3)),
        ("/nowhere/at/all", False, (2, 1)),
        ("/nowhere", True, (2, 1)),
        ("/nowhere/key", False, (2, 1)),
        ("/variants/9/0/key", False, (5, 3)),
        ("/rolloutWeights/nowhere", True, (3, 17)),
        ("/variants/1/key/a", True, (10, 11)),
        ("/rolloutWeights/control/0", False, (3, 27)),
    ],
)
def test_a_pointer_has_a_position(flag: Document, pointer: str, of_key: bool, place: tuple[int, int]) -> None:
    """Values and keys are found by pointer, and what is not there by its nearest ancestor."""
    position = flag.position_of(pointer, of_key=of_key)
    assert (position.line, position.column) == place


def test_columns_count_characters_not_bytes() -> None:
    """What editors show as a column."""
    (document,) = read_documents("a: [é😀, b]\n", "f")
    assert document.position_of("/a/1").column == 9


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_windows_are_line_ends(end: str) -> None:
    """CRLF reads as LF does, and lines are counted alike."""
    (document,) = read_documents(f"a: 1{end}b: |{end}  x{end}  y{end}c: 2", "f")
    assert document.value == {"a": 1, "b": "x\ny\n", "c": 2}
    assert document.position_of("/c", of_key=True).line == 5


def test_a_tab_may_stand_behind_a_value_and_inside_text() -> None:
    """Only indentation must be free of tabs."""
    assert read_documents("a: 1\t# why\nb: 'x\ty'\nc: \"x\\ty\"\n", "f")[0].value == {
        "a": 1,
        "b": "x\ty",
        "c": "x\ty",
    }


def test_joiners_are_fine_where_scripts_and_emoji_need_them() -> None:
    """A family of emoji and a Persian word are text like any other."""
    text = "👩\u200d💻 \u0645\u06cc\u200c\u062e\u0648"
    assert read_documents(f"a: {text}\n", "f")[0].value == {"a": text}


def test_text_and_bytes_read_alike() -> None:
    """A str is taken for its UTF-8 bytes."""
    assert read_documents("a: é\n", "f")[0].value == read_documents("a: é\n".encode(), "f")[0].value == {"a": "é"}


def test_a_document_may_say_that_it_is_yaml_1_2() -> None:
    """The one directive that changes nothing."""
    assert read_documents("%YAML 1.2\n---\na: yes\n", "f")[0].value == {"a": "yes"}


@pytest.mark.parametrize("depth", [49, 50])
def test_fifty_levels_are_not_too_deep(depth: int) -> None:
    """The limit is the number of collections inside one another."""
    assert read_documents("[" * depth + "]" * depth, "f")


def test_a_file_of_exactly_the_limit_is_read() -> None:
    """One byte less than too large."""
    content = b"a: " + b"x" * (1024 * 1024 - 3)
    assert len(read_documents(content, "f")[0].value["a"]) == 1024 * 1024 - 3


def test_a_quoted_merge_sign_and_composed_letters_are_keys() -> None:
    """Only the plain sign merges, and only letters in another form are refused."""
    assert read_documents('"<<": 1\ncafé: 2\nvalue: <<\n', "f")[0].value == {"<<": 1, "café": 2, "value": "<<"}


@pytest.mark.parametrize(("shape", "beside"), [("[{}]", 1), ("a: [{}]", 3), ("---\na: 1\n---\nb: [{}]", 6)])
def test_a_file_may_hold_just_so_many_values(shape: str, beside: int) -> None:
    """Keys and collections count, over all documents; the value after the last is refused."""
    most = ",".join(["x"] * (100_000 - beside))
    assert read_source(shape.replace("{}", most).encode(), "a.yaml").diagnostics == ()
    (finding,) = read_source(shape.replace("{}", f"{most},x").encode(), "a.yaml").diagnostics
    assert finding.rule == "too-many-values"


def test_warnings_of_plain_words_are_those_of_their_document() -> None:
    """At their values, keys and items."""
    documents = read_documents("a: yes\n---\nb: [x, On]\n---\nNO: 1\n", "f")
    assert [[(str(item.position), item.path) for item in document.ambiguous] for document in documents] == [
        [("f:1:4", "/a")],
        [("f:3:8", "/b/1")],
        [("f:5:1", "/NO")],
    ]

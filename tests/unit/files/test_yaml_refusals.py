"""Everything that strict YAML refuses, with rule, line and column; and nothing of the file in any message."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidInputError
from reconciler.files.yaml import events, reader, scalars
from reconciler.files.yaml.reader import read_documents, read_source

Place = tuple[str, int, int]

REFUSALS: dict[str, tuple[str | bytes, list[Place]]] = {
    "anchor on a scalar": ("a: &x 1\n", [("yaml-anchor", 1, 4)]),
    "anchor on a mapping": ("a: &x\n  b: 1\n", [("yaml-anchor", 1, 4)]),
    "anchor on a key": ("&x a: 1\n", [("yaml-anchor", 1, 1)]),
    "anchor and alias": ("a: &x 1\nb: *x\n", [("yaml-anchor", 1, 4), ("yaml-alias", 2, 4)]),
    "alias as a key": ("a: 1\n*x : 2\n", [("yaml-alias", 2, 1)]),
    "alias that is a whole document": ("*x\n", [("yaml-alias", 1, 1)]),
    "glob that was not quoted": ("flags: *ops\n", [("yaml-alias", 1, 8)]),
    "recursive alias": ("a: &a [*a]\n", [("yaml-anchor", 1, 4), ("yaml-alias", 1, 8)]),
    "merge key": ("a:\n  <<: {b: 1}\n", [("yaml-merge-key", 2, 3)]),
    "explicit core tag": ("a: !!str 1\n", [("yaml-tag", 1, 4)]),
    "local tag": ("a: !x 1\n", [("yaml-tag", 1, 4)]),
    "tag that is not specific": ("a: ! 1\n", [("yaml-tag", 1, 4)]),
    "tag on a mapping": ("!!python/object:os.system {a: 1}\n", [("yaml-tag", 1, 1)]),
    "tag on a list": ("a: !!set [b]\n", [("yaml-tag", 1, 4)]),
    "undefined tag handle": ("a: !x!y 1\n", [("yaml-tag", 1, 4)]),
    "tag directive": ("%TAG ! tag:example.com,2000:\n---\na: 1\n", [("yaml-directive", 1, 1)]),
    "older version": ("%YAML 1.1\n---\na: 1\n", [("yaml-directive", 1, 1)]),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", [("duplicate-key", 3, 1)]),
    "duplicate key in braces": ("a: {x: 1, x: 2}\n", [("duplicate-key", 1, 11)]),
    "duplicate key in two notations": ("a: 1\n'a': 2\n", [("duplicate-key", 2, 1)]),
    "number as a key": ("1: a\n", [("non-string-key", 1, 1)]),
    "boolean as a key": ("a: {true: 1}\n", [("non-string-key", 1, 5)]),
    "null as a key": ("~: 1\n", [("non-string-key", 1, 1)]),
    "nothing as a key": ("{? : 1}\n", [("non-string-key", 1, 4)]),
    "list as a key": ("? [a]\n: b\n", [("non-string-key", 1, 3)]),
    "mapping as a key": ("{a: 1}: b\n", [("non-string-key", 1, 1)]),
    "key in another Unicode form": ("a: 1\ncafe\u0301: 1\n", [("key-not-nfc", 2, 1)]),
    "not UTF-8": (b"a: 1\nb: \xe9\n", [("not-utf8", 2, 4)]),
    "UTF-16": ("a: 1".encode("utf-16"), [("not-utf8", 1, 1)]),
    "UTF-8 of a surrogate": (b"a: \xed\xa0\x80", [("not-utf8", 1, 4)]),
    "byte order mark": (b"\xef\xbb\xbfa: 1\n", [("byte-order-mark", 1, 1)]),
    "byte order mark inside": ("a: x\ufeffy\n", [("byte-order-mark", 1, 5)]),
    "NUL": (b"a: x\0y\n", [("control-character", 1, 5)]),
    "escape character": ("a: \x1b[31m\n", [("control-character", 1, 4)]),
    "DEL": ("a: x\x7f\n", [("control-character", 1, 5)]),
    "C1 control": ("a: x\x9b\n", [("control-character", 1, 5)]),
    "next line U+0085": ("a: 1\x85b: 2\n", [("control-character", 1, 5)]),
    "line separator U+2028": ("a: 1\u2028b: 2\n", [("control-character", 1, 5)]),
    "lone CR": ("a: 1\rb: 2\n", [("control-character", 1, 5)]),
    "NUL by escape": ('a: "x\\0"\n', [("control-character", 1, 4)]),
    "escape character by escape": ('a: b\nc: "\\e[31m"\n', [("control-character", 2, 4)]),
    "right-to-left override": ("a: x\u202ey\n", [("bidirectional-character", 1, 5)]),
    "isolate in a comment": ("# \u2066\na: 1\n", [("bidirectional-character", 1, 3)]),
    "right-to-left override by escape": ('a: "\\u202E"\n', [("bidirectional-character", 1, 4)]),
    "bidirectional control in a key": ('"a\\u200F": 1\n', [("bidirectional-character", 1, 1)]),
    "zero-width space": ("a: x\u200by\n", [("zero-width-character", 1, 5)]),
    "joiner after a plain letter": ("a: x\u200dy\n", [("zero-width-character", 1, 5)]),
    "lone surrogate by escape": ('a: 1\nb: "\\ud800"\n', [("lone-surrogate", 2, 7)]),
    "surrogate pair by escapes": ('a: "\\ud83d\\ude00"\n', [("lone-surrogate", 1, 7)]),
    "NaN": ("a: .nan\n", [("non-finite-number", 1, 4)]),
    "infinity": ("a: -.inf\n", [("non-finite-number", 1, 4)]),
    "tab that indents": ("a:\n\tb: 1\n", [("yaml-syntax", 2, 1)]),
    "open bracket": ("a: [1, 2\nb: 1\n", [("yaml-syntax", 2, 2)]),
    "open quote": ("a: 'x\n", [("yaml-syntax", 2, 1)]),
    "colon in text": ("a: b: c\n", [("yaml-syntax", 1, 5)]),
    "indentation": ("a: 1\n  b: 2\n", [("yaml-syntax", 2, 4)]),
    "at sign": ("a: @b\n", [("yaml-syntax", 1, 4)]),
    "escape that does not exist": ('a: "\\q"\n', [("yaml-syntax", 1, 5)]),
    "nothing at all": ("", [("empty-file", 1, 1)]),
    "comments only": ("# a\n\n# b\n", [("empty-file", 1, 1)]),
    "empty document": ("---\n---\na: 1\n", [("empty-document", 2, 1)]),
    "null document": ("null\n", [("empty-document", 1, 1)]),
    "divider at the end": ("a: 1\n---\n", [("empty-document", 3, 1)]),
    "too deep": ("a: " + "[" * 60 + "]" * 60, [("too-deep", 1, 53)]),
    # libyaml 0.2.6 has a limit of its own, and refuses these while it looks ahead for a key.
    "too deep for libyaml": ("a: 1\né: " + "[" * 5_000, [("too-deep", 2, 53)]),
    "braces too deep for libyaml": ("{" * 5_000, [("too-deep", 1, 51)]),
    "lists too deep for libyaml": ("- " * 5_000, [("too-deep", 1, 101)]),
    "too deep behind another fault": ("a: &x 1\nb: " + "[" * 5_000, [("yaml-anchor", 1, 4), ("too-deep", 2, 53)]),
    "too large": ("a: " + "x" * scalars.MAX_BYTES, [("file-too-large", 1, 1)]),
    "several at once": ("a: &x 1\nb: !y 2\nb: 3\nc: .inf\n4: 5\n", [
        ("yaml-anchor", 1, 4), ("yaml-tag", 2, 4), ("duplicate-key", 3, 1), ("non-finite-number", 4, 4),
        ("non-string-key", 5, 1),
    ]),
    "several characters at once": ("a: \x00\nb: \u202e\n", [
        ("control-character", 1, 4), ("bidirectional-character", 2, 4),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_its_rule_line_and_column(name: str) -> None:
    """Every refusal is found, once, at its place in the file."""
    content, expected = REFUSALS[name]
    found = read_source(content, "flags/a.yaml").diagnostics
    assert [(item.rule, item.position.line, item.position.column) for item in found if item.position] == expected
    assert {item.position.file for item in found if item.position} == {"flags/a.yaml"}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_text_gives_no_documents_to_those_who_ask_for_all(name: str) -> None:
    """`read_documents` raises the findings that `read_source` gives."""
    content, expected = REFUSALS[name]
    with pytest.raises(InvalidInputError) as caught:
        read_documents(content, "f.yaml")
    assert len(caught.value.diagnostics) == len(expected)


@pytest.mark.parametrize("name", REFUSALS)
def test_the_python_parser_refuses_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libyaml the same rules refuse; syntax errors can stand a few columns apart."""
    monkeypatch.setattr(events, "HAS_LIBYAML", False)
    content, expected = REFUSALS[name]
    found = read_source(content, "f.yaml").diagnostics
    assert [item.rule for item in found] == [rule for rule, _, _ in expected]


def test_a_duplicate_key_names_both_lines() -> None:
    """The message says where the key stood first, and where it stands again."""
    (finding,) = read_source("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f.yaml").diagnostics
    assert finding.message == "The key stands on line 3 and again on line 5."
    assert finding.path == "/b/c"


@pytest.mark.parametrize(
    "content",
    [
        "aws_secret_access_key = wJalrXUtnFEMI: [\n",
        '{"token": "s3cr3t-value", oops',
        "password: 's3cr3t-value\n",
        "a: !!s3cr3t-value x\n",
        "a: *s3cr3t-value\n",
        "a: @s3cr3t-value\n",
        "s3cr3t-value: 1\ns3cr3t-value: 2\n",
        b"a: s3cr3t-value\xff",
    ],
)
def test_no_message_quotes_the_file(content: str | bytes) -> None:
    """A link to another user's credentials must not print them in a CI log."""
    found = read_source(content, "f.yaml").diagnostics
    assert found
    for item in found:
        assert "s3cr3t" not in f"{item.message} {item.hint}"
        assert "wJalrXUtnFEMI" not in f"{item.message} {item.hint}"


def test_at_most_a_hundred_findings_are_made_of_one_file() -> None:
    """A file that is wrong everywhere does not fill the memory with findings."""
    assert len(read_source("- &a 1\n" * 5000, "f").diagnostics) == 100
    assert len(read_source("\x00" * 5000, "f").diagnostics) == 100


def test_findings_break_only_the_values_they_are_about() -> None:
    """Checks that follow can leave out what was said already."""
    (document,) = read_source("a: *x\nb: [1, *y]\nc: 1\nc: 2\n", "f").documents
    assert document.value == {"a": None, "b": [1, None], "c": 1}
    assert document.is_broken_at("/a")
    assert document.is_broken_at("/b/1/c")
    assert not document.is_broken_at("/b")
    assert not document.is_broken_at("/c")


def test_findings_break_values_of_their_own_document_only() -> None:
    """The next document in the file has the same pointers."""
    first, second = read_source("a: *x\n---\na: 1\n", "f").documents
    assert first.is_broken_at("/a")
    assert not second.is_broken_at("/a")


def test_as_many_values_as_are_allowed_are_read() -> None:
    """Scalars, keys and collections count, in all documents together; the first one too many is named."""
    allowed = "- 1\n" * (scalars.MAX_NODES - 3)
    assert len(read_documents(f"[]\n---\n{allowed}- 1\n", "f")) == 2
    (finding,) = read_source(f"[]\n---\n{allowed}- 1\n- 1\n", "f").diagnostics
    assert (finding.rule, finding.position and finding.position.line) == ("too-many-values", scalars.MAX_NODES + 1)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("[1, 2, 3]", []),
        ("[1, 2, !x 3]", ["yaml-tag"]),
        ("[1, 2, &x []]", ["yaml-anchor"]),
        ("[1, 2, 3, 4]", ["too-many-values"]),
        ("[1, 2, 3, !x 4]", ["too-many-values"]),
        ("[1, 2, 3, &x []]", ["too-many-values"]),
        ("[1, 2, 3, []]", ["too-many-values"]),
    ],
)
def test_the_last_value_that_is_allowed_may_be_refused_itself(
    text: str, rules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For what it is; of the one behind it nothing is said but that it is one too many."""
    monkeypatch.setattr(reader, "MAX_NODES", 4)
    assert [item.rule for item in read_source(text, "f").diagnostics] == rules


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x 1\nb: !x y\nc: *x\n", {"a": 1, "b": "y", "c": None}),
        ("a: &x {b: [!t 1, *x, .nan]}\n", {"a": {"b": [1, None, None]}}),
        ("&x a: 1\nb: 2\n", {"a": 1, "b": 2}),
        ("1: a\n~: b\nc: 3\nc: 4\n", {"c": 3}),
    ],
)
def test_what_is_refused_leaves_the_rest_as_it_is(text: str, value: object) -> None:
    """What has an anchor or a tag counts; an alias and no number are null; other keys that are refused are gone."""
    (document,) = read_source(text, "f").documents
    assert document.value == value

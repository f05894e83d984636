"""Scalars that every YAML reader understands alike."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.files.format import flag_to_yaml
from reconciler.files.yaml.reader import read_documents
from reconciler.files.yaml.scalar_style import is_plain, key_text, literal_block, scalar_text
from reconciler.files.yaml.scalars import find_forbidden

MUST_BE_QUOTED = [
    "on", "off", "yes", "no", "Yes", "NO", "y", "N", "true", "False", "null", "NULL", "~", "", "nan", ".inf", ".NaN",
    "Infinity", "0012", "12", "-3", "+1", "1_000", "1:30", "190:20:30", "0x1F", "0o17", "0b11", "1e5", "1.5", ".5",
    "2024-01-01", "2024-01-01T10:00:00Z", "=", "<<", "- item", "-", "---", "...", "? key", ": value", "a: b", "a:",
    "a #b", "#tag", "&anchor", "*alias", "!tag", "|", ">", "%percent", "@user", "`tick`", "'single'", '"double"',
    " lead", "trail ", "tab\tinside", "[list]", "{map}", ", comma",
]  # fmt: skip
MAY_BE_PLAIN = ["control", "One-page checkout", "Today's flow", "ada@example.com", "not equal", "/path/x", "a, b",
                "Ünïcode text", "mHdQDzeE", "glob match", "(none)", "$price", "_internal"]  # fmt: skip


@pytest.mark.parametrize("text", MUST_BE_QUOTED)
def test_what_some_reader_would_take_for_something_else_is_quoted(text: str) -> None:
    """Words, numbers, dates, indicators and outer space stand in quotes, as JSON would write them."""
    assert scalar_text(text) == json.dumps(text)
    assert scalar_text(text, in_flow=True) == json.dumps(text)
    assert key_text(text) == json.dumps(text)


@pytest.mark.parametrize("text", MAY_BE_PLAIN)
def test_ordinary_text_stands_plain(text: str) -> None:
    """What no reader can mistake needs no quotes."""
    assert scalar_text(text) == text


@pytest.mark.parametrize("text", ["gp:plan", "a, b", "a[0]", "x{y}", "what?", "C#", "it's"])
def test_more_is_quoted_between_brackets(text: str) -> None:
    """Commas, brackets, colons and marks that end or begin something in a flow collection are quoted there."""
    assert is_plain(text)
    assert not is_plain(text, in_flow=True)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (-3, "-3"), (10**20, str(10**20)), (1.5, "1.5"), (1e16, "1.0e+16"), (1.5e-7, "1.5e-07"), (2.0, "2.0")],
)
def test_numbers_are_numbers_to_readers_of_both_versions(number: float, text: str) -> None:
    """An exponent comes with a point and a sign: without them YAML 1.1 reads text."""
    assert scalar_text(number) == text
    assert yaml.safe_load(text) == number


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb", "a\n\nb\n", "# not a comment\n- nor a list\n", "a:\n"])
def test_text_of_several_lines_is_a_literal_block(text: str) -> None:
    """Lines stay lines wherever that is exact."""
    found = literal_block(text)
    assert found is not None
    header, lines = found
    assert header == ("|" if text.endswith("\n") else "|-")
    assert yaml.safe_load(f"x: {header}\n" + "".join(f"  {line}\n" if line else "\n" for line in lines)) == {
        "x": text
    }


@pytest.mark.parametrize(
    "text",
    [
        "one line",
        "\na",
        "a\n\n",
        "a\n b",
        "a \nb",
        "a\n\tb",
        "a\r\nb",
        "a\n \nb",
        "\n",
        "a\rb\nc",
        "a\x00b\nc",
        "a\u200bb\nc",
    ],
)
def test_where_a_block_would_not_be_exact_quotes_are_used(text: str) -> None:
    """Blanks at the ends of lines and of the text are a matter that readers and editors disagree about."""
    assert literal_block(text) is None


TEXT = st.text(
    st.one_of(
        st.sampled_from(list("aAyYnN01 29.-+_:~#'\"\\,[]{}&*!|>%@`?=<\n\tenofulrs/eExo")),
        st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Cn", "Co"]),
    ),
    max_size=30,
)
JSON = st.recursive(
    st.one_of(TEXT, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=JSON)
def test_every_reader_gives_the_value_back(value: object) -> None:
    """What is written is read as the same value by the strict reader and by PyYAML, in any nesting."""
    document = {"key": "k", "variants": [{"key": "on", "payload": value}], "description": "x"}
    text = flag_to_yaml(document)
    assert yaml.safe_load(text) == document
    assert flag_to_yaml(document) == text
    if find_forbidden(text) is None and _has_plain_keys(value):
        read = read_documents(text, "flag.yaml")[0].value
        assert json.dumps(read, sort_keys=True) == json.dumps(document, sort_keys=True)


def _has_plain_keys(value: object) -> bool:
    """Whether the strict reader accepts every key: it refuses merge keys, and forms other than NFC."""
    from unicodedata import is_normalized

    if isinstance(value, dict):
        return all(k != "<<" and is_normalized("NFC", k) and _has_plain_keys(v) for k, v in value.items())
    return all(map(_has_plain_keys, value)) if isinstance(value, list) else True


@settings(max_examples=150, deadline=None)
@given(text=TEXT)
def test_text_comes_back_in_every_place(text: str) -> None:
    """As a field, as a key, between brackets and in a list, text is that text to PyYAML and to the strict reader."""
    document = {"key": "k", "description": text, "tags": [text, "x"], "rolloutWeights": {text: 1}}
    written = flag_to_yaml(document)
    assert yaml.safe_load(written) == document
    if find_forbidden(written) is None and _has_plain_keys(document):
        assert read_documents(written, "flag.yaml")[0].value == document

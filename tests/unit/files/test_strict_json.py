"""Strict JSON: the value of good text, and one clean error for everything that the json module lets through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import calls_of

from reconciler.strict_json import (
    MAX_DEPTH,
    Flaw,
    MalformedJsonError,
    flaw_in,
    join_pointer,
    parse_json,
    parse_with_flaws,
    split_pointer,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_json_text_gives_its_value_back(value: object, ascii_only: bool) -> None:
    """What json writes is read as it was, escaped or not, as text or as bytes."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


@given(st.binary(max_size=60) | st.text(max_size=60) | st.text('[]{}",:\\u1e0dD8 \t', max_size=60))
def test_any_content_gives_a_value_or_the_one_error(content: str | bytes) -> None:
    """No other exception leaves the parser."""
    try:
        value = parse_json(content)
    except MalformedJsonError:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("NaN", "NaN"),
        ('{"a": Infinity}', "infinities"),
        ("[-Infinity]", "infinities"),
        ("[1e999]", "double"),
        ("[-1.5e400]", "double"),
        ('{"a": 1, "a": 2}', "same key twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "same key twice"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udc00": 1}', "surrogate"),
        ('["\\udbff\\u0041"]', "surrogate"),
        (b'"\xff"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        ("{}".encode("utf-16"), "UTF-8"),
        ('"\ud800"', "surrogate"),
        ("", "line 1, column 1"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a":\n 1,}', "line 2"),
        ("[1] 2", "column 5"),
        ("1" * 5000, "too long"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "levels deep"),
        ('["["]' + "[" * 200, "column 6"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "levels deep"),
        ("[" * 100_000, "levels deep"),
    ],
)
def test_what_is_not_strict_json_is_refused(content: str | bytes, words: str) -> None:
    """Each refusal says what it is about."""
    with pytest.raises(MalformedJsonError, match=words):
        parse_json(content)


@pytest.mark.parametrize(
    "text", ["[" * MAX_DEPTH + "]" * MAX_DEPTH, json.dumps("[" * 500), json.dumps(["]" * 300, '"[' * 300, "\\" * 99])]
)
def test_brackets_inside_text_are_no_depth(text: str) -> None:
    """Only real nesting counts."""
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize("unit", ["[", '{"a":', '["\\"', "[[],", '"'])
def test_a_million_brackets_end_quickly_in_an_error(unit: str) -> None:
    """Depth is found without recursion and without a call for each bracket beyond it."""

    def parse() -> None:
        with pytest.raises(MalformedJsonError):
            parse_json(unit * (1_000_000 // len(unit)))

    assert calls_of(parse) < 1_000


def test_surrogate_pairs_are_characters() -> None:
    """An escaped emoji is one character."""
    assert parse_json('"\\ud83d\\ude00"') == "😀"


def test_no_message_quotes_the_text() -> None:
    """Answers and plans hold personal data."""
    with pytest.raises(MalformedJsonError) as caught:
        parse_json('{"user": "ada@example.com", "user": oops}')
    assert "ada" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


FLAWED = [
    (b"[NaN]", "NaN"),
    (b'{"a": -Infinity}', "infinities"),
    (b"[[1e999]]", "double"),
    (b"[" + b"1" * 5000 + b"]", "too long"),
    (b'{"a": {"b": 1, "b": 1}}', "same key twice"),
    (b'["\\ud800"]', "surrogate"),
    (b'{"\\udc00": 1}', "surrogate"),
    (b'["\xff"]', "surrogate"),
    (b'["a\tb"]', "control character"),
    (b'{"a\x00": 1}', "control character"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "levels deep"),
    (b"[" * 200_000 + b'"]"' + b"]" * 200_000, "levels deep"),
    (b'{"]": ' * 200_000 + b"1" + b"}" * 200_000, "levels deep"),
]


@pytest.mark.parametrize(("content", "words"), FLAWED, ids=lambda part: part if isinstance(part, str) else "")
def test_flaws_are_found_where_they_are(content: bytes, words: str) -> None:
    """What strict JSON refuses is found in the part that holds it, and in no other."""
    with pytest.raises(MalformedJsonError):
        parse_json(content)
    value = parse_with_flaws(b'{"flawed": %s, "sound": [1, 1.5, "a", null, {"b": true}]}' % content)
    assert words in (flaw_in(value["flawed"]) or "")
    assert flaw_in(value["sound"]) is None


@given(VALUES)
def test_what_is_strict_json_has_no_flaws(value: object) -> None:
    """Both readings are the same then."""
    text = json.dumps(value).encode()
    assert parse_with_flaws(text) == parse_json(text)
    assert flaw_in(parse_with_flaws(text)) is None


@given(st.binary(max_size=60) | st.text('[]{}",:\\u1e0dD8 \t', max_size=60).map(str.encode))
def test_any_bytes_give_a_value_with_flaws_or_the_one_error(content: bytes) -> None:
    """No other exception leaves the parser; and without a flaw it is what strict JSON reads."""
    try:
        value = parse_with_flaws(content)
    except MalformedJsonError:
        return
    if flaw_in(value) is None:
        assert parse_json(content) == value


def test_as_many_levels_as_allowed_are_no_flaw() -> None:
    """To the level."""
    text = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert flaw_in(parse_with_flaws(text)) is None
    assert parse_json(text) == parse_with_flaws(text)


def test_of_an_object_with_a_member_twice_the_others_are_known() -> None:
    """They may say whose it is."""
    value = parse_with_flaws(b'{"id": 5, "key": "a", "key": "b"}')
    assert isinstance(value, Flaw)
    assert value.members == {"id": 5}


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a": [1\x01]}', b'{"a": "x', b"[" * 200_000 + b"]" * 199_999])
def test_what_is_no_json_at_all_has_no_value(content: bytes) -> None:
    """However deep it is, and wherever its control characters stand."""
    with pytest.raises(MalformedJsonError, match="Not JSON"):
        parse_with_flaws(content)


@pytest.mark.parametrize(
    ("tokens", "pointer"),
    [((), ""), (("",), "/"), (("a", 0, "b"), "/a/0/b"), (("a/b", "~", "~1", "/~"), "/a~1b/~0/~01/~1~0")],
)
def test_pointers(tokens: tuple[str | int, ...], pointer: str) -> None:
    """Slashes and tildes are escaped, as RFC 6901 says."""
    assert join_pointer(tokens) == pointer
    assert split_pointer(pointer) == tuple(map(str, tokens))


@pytest.mark.parametrize("unit", ['{"a": %s}', "[%s]", '[1, %s, ""]'])
def test_a_value_may_be_as_deep_as_is_allowed(unit: str) -> None:
    """Through lists and through objects, beside whatever ends before."""
    text = "1"
    for _ in range(MAX_DEPTH):
        text = unit % text
    assert parse_json(text) == parse_with_flaws(text.encode()) == json.loads(text)
    assert flaw_in(json.loads(text)) is None
    with pytest.raises(MalformedJsonError, match="levels deep"):
        parse_json(unit % text)
    assert "levels deep" in (flaw_in(parse_with_flaws((unit % text).encode())) or "")

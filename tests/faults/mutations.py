"""Answers that have been damaged: as bytes, as a proxy or a bad disk would, and as JSON, as a new version might."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

PIECES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"null", b"true", b"{}", b"[]", b'""', b'"\\ud800"', b"\xff",
    b"\x00", b"<html>", b'{"id":"1"}', b",", b"}", b"]", b":", b"1" * 5000, b"[" * 2000, b"\xef\xbb\xbf",
    b'"a":1,"a":2', b"'",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63, 10**400, 0.5, 1e300, "", "0", "..", "a/b", "a\x00b", "\u202e", "x" * 3000, [],
    {}, [[]],
    [None], {"": None}, {"id": {}}, "../../etc", "http://evil.example.com", ["a", 1, None], {"key": "__proto__"},
)  # fmt: skip


def mutated(body: bytes, random: Random) -> bytes:
    """The answer with one to three damages."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        body = _as_json(body, random) if random.random() < 0.6 else _as_bytes(body, random)
    return body


def _as_bytes(body: bytes, random: Random) -> bytes:
    place = random.randrange(len(body) + 1)
    other = random.randrange(len(body) + 1)
    return random.choice((
        lambda: body[:place],
        lambda: body[place:],
        lambda: body[:place] + random.choice(PIECES) + body[place:],
        lambda: body[: min(place, other)] + body[max(place, other) :],
        lambda: body[:place] + bytes([random.randrange(256)]) + body[place + 1 :],
        lambda: body + body,
        lambda: body[:place] + body[other : other + 20] + body[place:],
    ))()  # fmt: skip


def _as_json(body: bytes, random: Random) -> bytes:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _as_bytes(body, random)
    return json.dumps(_changed(value, random)).encode()


def _changed(value: Any, random: Random) -> Any:
    """The value with one node replaced, dropped, doubled or renamed, wherever it stands."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.7:
            return {**value, key: _changed(value[key], random)}
        rest = {name: item for name, item in value.items() if name != key}
        return random.choice((rest, {**rest, key.upper(): value[key]}, {**value, key: random.choice(VALUES)}))
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        if random.random() < 0.7:
            return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
        without = [*value[:place], *value[place + 1 :]]
        return random.choice((without, [*value, value[place]], value[::-1]))
    return random.choice(VALUES)

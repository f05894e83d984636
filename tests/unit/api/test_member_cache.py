"""Lists of users and cohorts that are kept between plans: found again only while their flag was not edited."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import a_flag, a_live_flag

from reconciler.api.member_cache import MemberCache, decode_cache, encode_cache

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FLAG = a_live_flag(a_flag("f"), id="1", last_modified_at="2026-01-01T00:00:00Z")
HERE = {"origin": "https://example.com", "project_id": "7"}


def a_cache() -> MemberCache:
    """With a list of users and one of cohorts."""
    cache = MemberCache(**HERE, full_read_at=NOW)
    cache.keep(FLAG, "on", "users", ("b", "a"))
    cache.keep(FLAG, "on", "cohorts", ())
    return cache


def test_lists_of_a_flag_as_it_is_now() -> None:
    """By flag, variant and kind; those of a flag that does not say when it changed are not kept."""
    cache = a_cache()
    assert cache.find(FLAG, "on", "users") == ("b", "a")
    assert cache.find(FLAG, "on", "cohorts") == ()
    assert cache.find(FLAG, "off", "users") is None
    assert cache.find(a_live_flag(a_flag("f"), id="2", last_modified_at=FLAG.last_modified_at), "on", "users") is None
    edited = a_live_flag(a_flag("f"), id="1", last_modified_at="2026-01-01T00:00:01Z")
    assert cache.find(edited, "on", "users") is None
    silent = a_live_flag(a_flag("f"), id="3", last_modified_at=None)
    cache.keep(silent, "on", "users", ("a",))
    assert cache.find(silent, "on", "users") is None


def test_the_document_that_is_kept() -> None:
    """A later version of the program reads it: by id, variant and kind, in their order."""
    assert encode_cache(a_cache()) == {
        "formatVersion": 1,
        "origin": "https://example.com",
        "projectId": "7",
        "fullReadAt": "2026-01-02T00:00:00+00:00",
        "lists": {
            "1/on/cohorts": ["2026-01-01T00:00:00Z", []],
            "1/on/users": ["2026-01-01T00:00:00Z", ["b", "a"]],
        },
    }
    assert list(encode_cache(a_cache())["lists"]) == ["1/on/cohorts", "1/on/users"]


@pytest.mark.parametrize(
    ("age", "there", "is_kept"),
    [
        (timedelta(), {}, True),
        (timedelta(hours=23, minutes=59, seconds=59), {}, True),
        (timedelta(hours=24), {}, False),
        (timedelta(seconds=-1), {}, False),
        (timedelta(), {"origin": "https://other.example.com"}, False),
        (timedelta(), {"project_id": "8"}, False),
    ],
)
def test_a_cache_is_of_one_place_and_time(age: timedelta, there: dict[str, str], *, is_kept: bool) -> None:
    """Otherwise it is an empty one of now."""
    cache = a_cache()
    found = decode_cache(json.dumps(encode_cache(cache)), **HERE | there, now=NOW + age)
    assert found == (cache if is_kept else MemberCache(**HERE | there, full_read_at=NOW + age))


@pytest.mark.parametrize(
    "change",
    [
        {"formatVersion": 0},
        {"fullReadAt": "soon"},
        {"fullReadAt": "2026-01-02T00:00:00"},  # says no zone
        {"fullReadAt": 5},
        {"lists": []},
        {"lists": {"1/on/users": ["2026"]}},
        {"lists": {"1/on/users": [5, []]}},
        {"lists": {"1/on/users": ["2026", [5]]}},
    ],
)
def test_what_is_no_cache_is_an_empty_one(change: dict[str, Any]) -> None:
    """Any text and any value may stand in the file."""
    empty = MemberCache(**HERE, full_read_at=NOW)
    assert decode_cache(json.dumps(encode_cache(a_cache()) | change), **HERE, now=NOW) == empty
    for text in ("", "[]", "5", "null", "{}", "{"):
        assert decode_cache(text, **HERE, now=NOW) == empty

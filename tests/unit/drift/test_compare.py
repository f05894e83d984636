"""One declared flag beside the live one: what differs, what is kept in another form, and what is told of both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, a_condition, a_desired_flag, a_flag, a_live_flag, a_segment, a_variant
from msgspec.structs import replace

from reconciler.drift.compare import DifferingFlag, compare_with_live, explained, with_unsent
from reconciler.drift.report import Attribution, Basis, Cause, StoredOtherwise
from reconciler.model.config import Ignored
from reconciler.model.flag import UNSET, FlagSpec, Version, Weights
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.plan import ValueChange

KEY = "f"
BOTH = (a_variant("a"), a_variant("b"))
FOUR = tuple(map(a_variant, "abcd"))


def a_spec(**fields: Any) -> FlagSpec:
    return a_flag(KEY, **{"enabled": True, "variants": BOTH} | fields)


def zip_codes(code: str) -> dict[str, Any]:
    weights = Weights.of({"a": 1})
    segment = a_segment("s", conditions=(a_condition("zip", "is", (code,)),), percentage=50, rollout_weights=weights)
    return {"target_segments": (segment,)}


def compared(declared: FlagSpec, live: FlagSpec, *paths: str, **options: Any) -> DifferingFlag | None:
    ignored = Ignored(tuple((path,) for path in paths))
    desired = a_desired_flag(declared, ignored=ignored)
    settings: dict[str, Any] = {"managed_tag": None, "shows_tags": True} | options
    return compare_with_live(desired, a_live_flag(live), **settings)


@pytest.mark.parametrize(
    ("declared", "live", "changes", "stored", "doubtful"),
    [
        ({"name": "N"}, {"name": "M"}, ["/name"], {}, []),
        ({"name": "N "}, {"name": "N"}, [], {"/name": "without space around it"}, []),
        ({"name": "N ", "enabled": False}, {"name": "N"}, ["/enabled"], {"/name": "without space around it"}, []),
        ({"rollout_weights": Weights.of({"a": 1, "b": 2})},
         {"rollout_weights": Weights.of({"a": 33.33, "b": 66.67}), "rollout_percentage": 100},
         [], {"/rolloutWeights": "as percentages"}, []),
        ({"rollout_weights": Weights.of(dict.fromkeys("abcd", 1)), "variants": FOUR},
         {"rollout_weights": Weights.of({"a": 25.01, "b": 25.01, "c": 24.99, "d": 24.99}), "rollout_percentage": 100,
          "variants": FOUR},
         [], {"/rolloutWeights": "as percentages"}, ["/rolloutWeights"]),
        (zip_codes("007"), zip_codes("7"), [], {"/targetSegments": "with values as numbers"}, ["/targetSegments"]),
        (zip_codes("8"), zip_codes("7"), ["/targetSegments"], {}, []),
        ({"archived": False}, {"archived": True, "name": "M"}, ["/archived"], {}, []),
        ({"name": "N"}, {"archived": True, "name": "M"}, ["/archived"], {}, []),
        ({"name": "N", "archived": False}, {"archived": True, "name": "M"}, ["/archived", "/name"], {}, []),
    ],
)  # fmt: skip
def test_what_differs(
    declared: dict[str, Any], live: dict[str, Any], changes: list[str], stored: dict[str, str], doubtful: list[str]
) -> None:
    """Also by its form alone: where that moves users it may be a value that was not sent."""
    found = compared(a_spec(**declared), a_spec(**live))
    assert found is not None
    assert sorted(change.path for change in found.changes) == changes
    assert found.stored == tuple(StoredOtherwise(key=KEY, path=path, how=how) for path, how in stored.items())
    assert ([change.path for change in found.doubtful], found.orders) == (doubtful, None)


@pytest.mark.parametrize(
    ("declared", "live", "ignored"),
    [
        ({}, {"name": "M"}, ()),
        ({"archived": True, "name": "N"}, {"archived": True, "name": "M"}, ()),
        ({"name": "N"}, {"archived": True, "name": "M"}, ("archived",)),
        ({"name": "N"}, {"name": "M"}, ("name",)),
    ],
)
def test_what_does_not_differ(declared: dict[str, Any], live: dict[str, Any], ignored: tuple[str, ...]) -> None:
    """What is not declared, is ignored, or stays archived."""
    assert compared(a_spec(**declared), a_spec(**live), *ignored) is None


def test_of_a_flag_that_was_archived_it_is_said_alone() -> None:
    """Without what its variants are; one that is declared to live is compared in whole, but for their order."""
    found = compared(a_spec(), a_spec(archived=True, variants=BOTH[::-1]))
    assert found is not None
    change = ValueChange(path="/archived", before=True, after=False)
    assert (found.changes, found.pairs, found.wanted) == ((change,), {}, a_spec())
    found = compared(a_spec(archived=False), a_spec(archived=True, variants=BOTH[::-1]))
    assert found is not None
    assert ([item.path for item in found.changes], found.orders, found.pairs.keys()) == (
        ["/archived"], None, {"a", "b"},
    )  # fmt: skip


def test_an_order_that_no_call_makes_is_no_difference() -> None:
    """It is told all the same."""
    found = compared(a_spec(), a_spec(variants=BOTH[::-1]))
    assert found is not None
    assert (found.changes, found.orders) == ((), (["b", "a"], ["a", "b"]))


@pytest.mark.parametrize(
    ("shows_tags", "tag", "live", "changes"),
    [
        (True, None, ("x",), ["/tags"]),
        (True, "ours", ("t", "ours"), []),
        (True, "ours", ("t",), ["/tags"]),
        (False, "ours", (), []),
    ],
)
def test_tags_are_compared_where_they_are_shown(
    *, shows_tags: bool, tag: str | None, live: tuple[str, ...], changes: list[str]
) -> None:
    """With the one that marks what is managed."""
    found = compared(a_spec(tags=("t",)), a_spec(tags=live or UNSET), managed_tag=tag, shows_tags=shows_tags)
    assert [change.path for change in (found.changes if found else ())] == changes


EDITED = "2030-01-02T00:00:00Z"


def test_all_that_is_said_of_a_flag() -> None:
    """Who edited it and why it differs; until when that is known, while it is."""
    declared_at = datetime(2029, 1, 1, tzinfo=UTC)
    live = a_live_flag(a_spec(enabled=False), id="9", last_modified_at=EDITED, last_modified_by="bob@example.com")
    desired = a_desired_flag(a_spec(), frozen_until=date(2030, 1, 3), known_until=NOON, known_reason="why")
    found = compare_with_live(desired, live, managed_tag=None, shows_tags=True)
    assert found is not None
    since = DeclaredValue(value=True, commit="c", at=declared_at)
    timelines = {(KEY, "/enabled"): Timeline(values=(since,))}
    old, new = (
        Version(
            version=number,
            created_at=at,
            created_by="bob@example.com",
            flag=a_live_flag(a_spec(enabled=number == 1), id="9"),
        )
        for number, at in ((1, "2028-01-01T00:00:00Z"), (2, EDITED))
    )
    (before, after) = (explained(found, (new, old), timelines, at) for at in (NOON - timedelta(seconds=1), NOON))
    assert (before.key, before.flag_id, before.source) == (KEY, "9", desired.source)
    assert (before.frozen_until, before.known_until, before.known_reason) == (date(2030, 1, 3), NOON, "why")
    assert (after.frozen_until, after.known_until, after.known_reason) == (date(2030, 1, 3), None, "why")
    assert explained(found, (), {}, NOON + timedelta(days=1)).frozen_until is None
    (change,) = before.changes
    assert (change.change.path, change.cause, change.declared) == ("/enabled", Cause.LIVE_EDIT, since)
    assert change.attribution == Attribution(by="bob@example.com", at=EDITED, version=2, basis=Basis.VERSION)
    assert not before.is_archived_unasked


@pytest.mark.parametrize(
    ("archived", "live", "is_unasked"),
    [(UNSET, True, True), (False, True, False), (UNSET, False, False), (UNSET, UNSET, False)],
)
def test_a_flag_that_was_archived_and_is_not_brought_back(archived: Any, live: Any, is_unasked: bool) -> None:
    """Where its file does not say `archived`."""
    found = compared(a_spec(archived=archived, name="N"), a_spec(archived=live, name="M"))
    assert found is not None
    assert explained(found, (), {}, NOON).is_archived_unasked is is_unasked


def test_what_was_kept_as_it_is_declared_is_no_form() -> None:
    """A version shows the declared value: another one that reads alike is an edit."""
    found = compared(a_spec(**zip_codes("007")), a_spec(**zip_codes("7"), name="M"))
    assert found is not None
    shown = [
        Version(version=1, created_at=EDITED, created_by=None, flag=a_live_flag(a_spec(**zip_codes(code))))
        for code in ("7", "007")
    ]
    assert with_unsent(found, {}, shown[:1]) == found
    assert with_unsent(found, {}, shown) == replace(found, changes=found.doubtful, stored=())

"""What a look says in sum: who was last, why, how many runs a sweep takes, what counts as drift, and orders."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from builders import a_desired_flag, a_flag, a_live_flag

from reconciler.drift import Attribution, Cause, DriftReport, FlagDrift
from reconciler.drift.compare import DifferingFlag, told_of_orders
from reconciler.drift.report import AttributedChange, Basis, FieldOfFlag, Notification, Sweep
from reconciler.planning.plan import ValueChange

CHANGE = ValueChange(path="/enabled", before=True, after=False)


def a_drift(*changes: AttributedChange, key: str = "a") -> FlagDrift:
    return FlagDrift(key=key, flag_id="1", changes=changes)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"at": "2030-01-01T00:00:00Z", "version": 9}, {"at": "2030-01-02T00:00:00Z", "version": 1}),
        ({"at": "2030-01-01T00:00:00Z", "version": 2}, {"at": "2030-01-01T00:00:00Z", "version": 3}),
        ({"at": "2030-01-01T00:00:00Z"}, {"at": "2030-01-01T00:00:00Z", "version": 1}),
        ({"at": "2030-01-01T02:00:00+02:00"}, {"at": "2030-01-01T01:00:00Z"}),
        ({}, {"at": "1970-01-01T00:00:00Z"}),
        ({"at": "soon", "version": 5}, {"at": "1970-01-01T00:00:00Z"}),
    ],
)
def test_the_latest_attribution(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """By its time, then by its version; what cannot be read comes first."""
    for order in permutations([earlier, later]):
        changes = [AttributedChange(change=CHANGE, attribution=Attribution(**fields)) for fields in order]
        assert a_drift(*changes).latest == Attribution(**later)


@pytest.mark.parametrize(
    ("causes", "cause"),
    [
        ([Cause.NOT_APPLIED, Cause.UNKNOWN, Cause.LIVE_EDIT], Cause.LIVE_EDIT),
        ([Cause.NOT_APPLIED, Cause.UNKNOWN], Cause.UNKNOWN),
        ([Cause.NOT_APPLIED, Cause.NOT_APPLIED], Cause.NOT_APPLIED),
    ],
)
def test_the_cause_of_a_flags_drift(causes: list[Cause], cause: Cause) -> None:
    assert a_drift(*(AttributedChange(change=CHANGE, cause=item) for item in causes)).cause is cause


def test_the_words_of_documents() -> None:
    """Scripts and the formats of reports go by them."""
    assert [*Basis] == ["version", "oldest-version", "last-edit", "unknown"]
    assert [*Cause] == ["live-edit", "not-applied", "unknown"]
    assert [*Notification] == ["new", "changed", "recovered", "same", "none"]


@pytest.mark.parametrize(("total", "done", "runs"), [(0, 0, 1), (9, 3, 3), (10, 3, 4), (2, 3, 1), (5, 0, None)])
def test_how_many_runs_a_sweep_takes(total: int, done: int, runs: int | None) -> None:
    assert Sweep(total=total, done=done).runs == runs


@pytest.mark.parametrize(
    ("fields", "drifted"),
    [
        ({}, set()),
        ({"flags": (a_drift(key="a"),)}, {"a"}),
        ({"missing": ("a", "b")}, {"a", "b"}),
        ({"duplicates": {"a": ("1", "2")}}, {"a"}),
        ({"remembered": (FieldOfFlag(key="a", path="/x"),)}, {"a"}),
        ({"flags": (a_drift(key="a"), a_drift(key="b")), "missing": ("c",), "known": frozenset("ac")}, {"b"}),
        ({"unmanaged": ("a",), "unchecked": (FieldOfFlag(key="b"),), "checked": frozenset("c")}, set()),
    ],
)
def test_what_counts_as_drift(fields: dict[str, Any], drifted: set[str]) -> None:
    """What differs, is missing, there twice or remembered, but for what is known until later."""
    report = DriftReport(project_id="7", region="us", environment=None, **fields)
    assert (report.drifted, report.is_drifted) == (drifted, bool(drifted))


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, "; and 1 flag more"), (7, "; and 2 flags more")])
def test_orders_of_variants_are_told_in_one_warning(count: int, more: str) -> None:
    """Of five flags at most; those without another order are left out."""
    found = [
        DifferingFlag(
            desired=a_desired_flag(a_flag(f"f{number}")),
            live=a_live_flag(),
            wanted=a_flag(),
            changes=(),
            pairs={},
            orders=(("b", "a"), ("a", "b")) if number else None,
        )
        for number in range(count + 1)
    ]
    named = "; ".join(f'"f{number}": b, a, declared is a, b' for number in range(1, 6))
    said = f"The order of variants decides bucketing and cannot be changed by the API: {named}{more}."
    assert told_of_orders(found) == (said,)
    assert told_of_orders(found[:1]) == ()

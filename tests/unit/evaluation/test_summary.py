"""Counts over a file: variants, reasons, the matrix, what is not known; and that no user is kept."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import pytest
from builders import a_full_flag, a_full_variant
from evaluations import counted, evaluate, evaluator_of, matrix_of
from msgspec.structs import replace
from random_claims import alone

from reconciler.errors import InvalidInputError
from reconciler.evaluation.comparison import STICKY, Comparison, UserCount, compare, summarize
from reconciler.evaluation.evaluate import COHORTS_LISTED, NO_AMPLITUDE_ID, FlagWithParents
from reconciler.evaluation.result import Allocation, Reason
from reconciler.evaluation.users import read_users
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Weights

PEOPLE = [{"user_id": f"user-{number}", "country": "US" if number % 4 == 0 else "DE"} for number in range(400)]
BETA = TargetSegment(
    name="Beta",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=100,
    rollout_weights=Weights.of({"treatment": 1}),
)


def a_spec(**fields: Any) -> FlagSpec:
    """A flag at 10 % that hashes user ids."""
    return a_full_flag(**{"bucketing_key": "user_id", "enabled": True} | fields)


def sides(before: FlagSpec | None, after: FlagSpec | None) -> Comparison:
    """Both sides of a flag."""
    live, desired = (evaluator_of(spec) for spec in (before, after))
    return Comparison(key="f", flag_id="1", is_declared=True, live=live, desired=desired)


def test_counts_are_of_what_each_user_gets() -> None:
    """The matrix, both columns, and the moved share follow from evaluating every user by hand."""
    before, after = a_spec(), a_spec(rollout_percentage=50, target_segments=(BETA,))
    expected: dict[tuple[str, str], int] = {}
    for user in PEOPLE:
        pair = evaluate(before, user).variant, evaluate(after, user).variant
        expected[pair] = expected.get(pair, 0) + 1
    summary = counted(sides(before, after), PEOPLE)

    assert matrix_of(summary) == expected
    moved = sum(count for (x, y), count in expected.items() if x != y)
    assert summary.moved == UserCount(count=moved, share=Fraction(moved, 400))
    assert moved > 0
    assert [row.variant for row in summary.variants] == ["control", "treatment", "off"]
    assert (
        sum(row.live.count for row in summary.variants) == sum(row.desired.count for row in summary.variants) == 400
    )
    assert summary.variants[-1].live.count == sum(count for (x, _), count in expected.items() if x == "off")


def test_reasons_come_in_the_order_they_are_asked() -> None:
    """Segments by name, then the rest; who is in a segment is what the API cannot say and a file can."""
    rows = counted(sides(a_spec(), a_spec(target_segments=(BETA,))), [*PEOPLE, {"device_id": "d"}]).reasons

    found = [(row.reason, row.segment, row.allocation, row.live.count, row.desired.count) for row in rows]
    rest = "All Other Users"
    assert found[0] == (Reason.SEGMENT, "Beta", Allocation.EVERYONE, 0, 100)
    assert found[-1] == (Reason.REST, rest, Allocation.NO_VALUE, 1, 1)
    assert [row[:3] for row in found[1:3]] == [
        (Reason.REST, rest, Allocation.ALLOCATED), (Reason.REST, rest, Allocation.NOT_ALLOCATED),
    ]  # fmt: skip
    assert sum(row[3] for row in found) == sum(row[4] for row in found) == 401


def test_what_is_not_known_is_not_counted_as_moved() -> None:
    """Without a salt it is unknown who gets what: those users are undecided."""
    before = a_spec(rollout_percentage=0)
    summary = counted(sides(before, a_spec(bucketing_salt=UNSET)), PEOPLE)
    assert (summary.moved.count, summary.undecided.count) == (0, 400)
    assert matrix_of(summary) == {("off", None): 400}
    assert [row.variant for row in summary.variants] == ["control", "treatment", "off", None]
    some = counted(sides(before, a_spec(bucketing_salt=UNSET)), [*PEOPLE[:2], {"device_id": "d"}])
    assert matrix_of(some) == {("off", None): 2, ("off", "off"): 1}
    assert [row.variant for row in some.variants] == ["control", "treatment", "off", None]


def summary_notes(spec: FlagSpec, people: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """What is said of a file of users, with how many each note is about."""
    return list(counted(sides(spec, spec), people).notes)


def test_notes_count_users() -> None:
    """A doubt is counted once for a user, though it is one on both sides."""
    variants = (a_full_variant("control"), a_full_variant("treatment", cohorts=("c",)))
    spec = a_spec(variants=variants)
    summary = counted(sides(spec, spec), [*PEOPLE[:3], {"user_id": "x", "cohort_ids": []}])
    assert summary.notes == ((COHORTS_LISTED, 3),)


@pytest.mark.parametrize("known", [1, 3])
def test_notes_come_by_the_number_of_users(known: int) -> None:
    """The most frequent first; equals by their text."""
    variants = (a_full_variant("control"), a_full_variant("treatment", cohorts=("c",)))
    spec = a_spec(variants=variants, bucketing_key=UNSET)
    people = [{"user_id": "x", "amplitude_id": 7}] * 2 + [{"user_id": "x", "cohort_ids": []}] * known
    found = [(NO_AMPLITUDE_ID, known), (COHORTS_LISTED, 2)]
    assert summary_notes(spec, people) == sorted(found, key=lambda item: -item[1])
    equals = [{"user_id": "x", "amplitude_id": 7}, {"user_id": "x", "cohort_ids": []}]
    assert summary_notes(spec, equals) == [(NO_AMPLITUDE_ID, 1), (COHORTS_LISTED, 1)]
    assert summary_notes(spec, [{"user_id": "x"}]) == [(NO_AMPLITUDE_ID, 1), (COHORTS_LISTED, 1)]


def test_no_users_are_no_shares() -> None:
    """An empty file is counted: no user, 0 %."""
    summary = counted(sides(a_spec(), a_spec()), [])
    assert (summary.total, summary.matrix, summary.reasons) == (0, (), ())
    assert summary.moved == UserCount(count=0, share=Fraction(0))


def test_lines_that_are_no_users_end_the_count() -> None:
    """They are named, the first of them at least; a wrong count is worse than none."""
    lines = [{"user_id": 1.5}, PEOPLE[0]] * 30
    with pytest.raises(InvalidInputError) as caught:
        counted(sides(a_spec(), a_spec()), lines)
    places = [finding.position.line for finding in caught.value.diagnostics if finding.position]
    assert places == list(range(1, 40, 2))


SHOWN = a_spec(deployments=("web",))
HERE, LIVE = (
    "The flag is attached to no deployment, so no SDK is given it.",
    "Live, the flag is attached to no deployment",
)


@pytest.mark.parametrize(
    ("before", "after", "notes"),
    [
        (SHOWN, SHOWN, [STICKY]),
        (None, SHOWN, [STICKY]),
        (SHOWN, None, [STICKY]),
        (None, None, []),
        (replace(SHOWN, enabled=False), None, []),
        (a_spec(deployments=()), a_spec(deployments=()), [HERE, STICKY]),
        (None, a_spec(deployments=()), [HERE, STICKY]),
        (SHOWN, a_spec(enabled=False, deployments=()), [HERE, STICKY]),
        (a_spec(deployments=(), enabled=False), None, [f"{LIVE}, so no SDK is given it."]),
        (a_spec(deployments=()), SHOWN, [f"{LIVE}, so no SDK is given it.", STICKY]),
    ],
)
def test_what_is_said_of_the_two_states(before: FlagSpec | None, after: FlagSpec | None, notes: list[str]) -> None:
    """Behind what is given; where both are one, one evaluator serves for both."""
    sides = [alone(spec) if spec else FlagWithParents(flag=None) for spec in (before, after)]
    comparison = compare("f", *sides, is_declared=True, notes=["given"])
    assert comparison.notes == ("given", *notes)
    assert comparison.flag_id == ("1" if before else None)
    assert (comparison.live is comparison.desired) is (before == after)


class Endless:
    """A file of so many users, of which no two lines are there at once."""

    def __init__(self, lines: int) -> None:
        self.lines, self.read = lines, 0

    def readline(self, size: int) -> bytes:
        """The next line."""
        self.read += 1
        return b'{"user_id": "user-%d", "plan": "pro"}\n' % self.read if self.read <= self.lines else b""


def test_memory_does_not_grow_with_the_file() -> None:
    """Ten times as many users take no more memory."""
    both = sides(a_spec(), a_spec(rollout_percentage=50))

    def peak(lines: int) -> int:
        tracemalloc.start()
        assert summarize(both, read_users(Endless(lines), "users.jsonl")).total == lines  # type: ignore[arg-type]
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(100)
    assert peak(5000) < peak(500) + 20_000

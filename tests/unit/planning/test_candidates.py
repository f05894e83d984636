"""The sets of calls that reach a state: how the one edit of a flag is split, and what a shield takes, to the body."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_full_flag, a_segment

from reconciler.model.flag import Weights
from reconciler.model.wire import encode_segments
from reconciler.planning.candidates import plain_candidates, shielded_candidate
from reconciler.planning.operations import DeleteVariant, EditFlag, EditVariant
from reconciler.planning.segments import shielded_segments

F: dict[str, Any] = {"flag_key": "new-checkout"}
OTHER = EditVariant(**F, variant_key="control", body={"name": "n"})
ON, OFF, GO, COME = {"enabled": True}, {"enabled": False}, {"archive": True}, {"archive": False}
NAME = {"name": "x"}
MORE = {
    "off": "One call more than the fewest: the flag is disabled before its segments get a new variant.",
    "on": "One call more than the fewest: the flag is enabled after a variant of its segments is gone.",
    "go": "One call more than the fewest: the flag is archived after everything else.",
    "back": "One call more than the fewest: the flag is unarchived first.",
    "come": "One call more than the fewest: the flag is unarchived first and switched on last.",
    "two": "Two calls more than the fewest: the flag is unarchived first and switched on last.",
}


@pytest.mark.parametrize(
    ("live", "after", "body", "may_switch", "split"),
    [
        ({}, {}, NAME, True, [([NAME], "")]),
        ({}, {}, ON, True, [([ON], "")]),
        ({}, {}, OFF, True, [([OFF], "")]),
        ({}, {}, GO, True, [([GO], "")]),
        ({}, {}, ON | NAME, True, [([ON | NAME], ""), ([NAME, ON], "on")]),
        ({}, {}, OFF | NAME, True, [([OFF | NAME], ""), ([OFF, NAME], "off")]),
        ({}, {}, GO | NAME, True, [([GO | NAME], ""), ([NAME, GO], "go")]),
        ({"enabled": False}, {"enabled": False}, COME, True, [([COME], "")]),
        ({"enabled": False}, {"enabled": False}, COME | NAME, True, [([COME | NAME], ""), ([COME, NAME], "back")]),
        ({"enabled": True}, {"enabled": True}, COME | NAME, False, [([COME | NAME], ""), ([COME, NAME], "back")]),
        (
            {"enabled": True}, {"enabled": False}, COME | OFF | NAME, True,
            [([COME | NAME | OFF], ""), ([COME | OFF, NAME], "back")],
        ),
        (
            {"enabled": False}, {"enabled": True}, COME | ON, True,
            [([COME, ON], "come"), ([COME, ON], "come")],
        ),
        (
            {"enabled": False}, {"enabled": True}, COME | ON | NAME, True,
            [([COME | NAME, ON], "come"), ([COME, NAME | ON], "come"), ([COME, NAME, ON], "two")],
        ),
        (
            {"enabled": True}, {"enabled": True}, COME | NAME, True,
            [
                ([COME | NAME], ""), ([COME | OFF | NAME, ON], "come"), ([COME | OFF, NAME | ON], "come"),
                ([COME | OFF, NAME, ON], "two"),
            ],
        ),
    ],
)  # fmt: skip
def test_how_an_edit_is_split(
    live: dict[str, Any], after: dict[str, Any], body: dict[str, Any], may_switch: bool, split: Any
) -> None:
    """Whole first, then with the switch alone; nothing that is not declared is sent to do so."""
    before, then = a_full_flag(archived="archive" in body, **live), a_full_flag(**after)
    calls = (EditFlag(**F, body=body), OTHER)
    found = list(plain_candidates(before, then, calls, may_switch=may_switch))
    assert [
        ([item.body for item in candidate.operations[:-1]], *candidate.notes)  # type: ignore[attr-defined]
        for candidate in found
    ] == [(bodies, *([MORE[why]] if why else [])) for bodies, why in split]
    for candidate in found:
        assert candidate.operations[-1] == OTHER
        assert candidate.precedence == tuple((at, at + 1) for at in range(len(candidate.operations) - 2))


def test_calls_without_an_edit_of_the_flag_are_all_there_is() -> None:
    (found,) = plain_candidates(a_full_flag(), a_full_flag(), (OTHER,), may_switch=True)
    assert (found.operations, found.precedence, found.notes) == ((OTHER,), (), ())


def test_a_flag_that_comes_back_alone_is_not_switched_off_meanwhile() -> None:
    (found,) = plain_candidates(
        a_full_flag(archived=True), a_full_flag(), (EditFlag(**F, body=COME),), may_switch=True
    )
    assert found.operations == (EditFlag(**F, body=COME),)


SHIELDED = "Shielded: a last segment keeps the old rollout for everyone while weights change behind it."
HIDDEN = "Behind the shield, the weight of each variant that goes is set to 0 first: one call more for each."


def test_what_a_shield_takes() -> None:
    """It goes up first and comes down with all else; what goes weighs nothing by then. One that is up stays."""
    before, after = a_full_flag(target_segments=(a_segment(),)), a_full_flag(target_segments=(a_segment("New"),))
    gone = DeleteVariant(**F, variant_key="control")
    up = EditFlag(**F, body={"targetSegments": encode_segments(shielded_segments(before))})
    down = EditFlag(**F, body=NAME | {"targetSegments": encode_segments((a_segment("New"),))})
    hidden = EditVariant(**F, variant_key="control", body={"rolloutWeight": 0})
    found = shielded_candidate(before, after, (EditFlag(**F, body=NAME), gone, OTHER))
    assert found.operations == (up, down, hidden, gone, OTHER)
    assert found.precedence == ((0, 1), (0, 2), (0, 3), (0, 4))
    assert found.notes == (SHIELDED, HIDDEN)

    bare = shielded_candidate(before, after, (OTHER,))
    assert bare.operations == (up, EditFlag(**F, body={"targetSegments": down.body["targetSegments"]}), OTHER)
    assert (bare.precedence, bare.notes) == (((0, 1), (0, 2)), (SHIELDED,))

    left = a_full_flag(target_segments=shielded_segments(before), rollout_weights=Weights.of({"treatment": 1}))
    again = shielded_candidate(left, after, (EditFlag(**F, body=NAME), gone))
    assert again.operations == (down, gone)
    assert (again.precedence, again.notes) == ((), (SHIELDED,))

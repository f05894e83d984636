"""The order of more calls than an exact search takes: by rule of thumb or by the next state, improved by swaps."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.model.flag import UNSET, FlagSpec, Variant, Weights
from reconciler.planning.operations import CreateVariant, DeleteVariant, EditFlag, EditVariant, apply_in_any_order
from reconciler.planning.ordering import order_operations

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation

F: dict[str, Any] = {"flag_key": "f"}


def a_flag(weights: dict[str, int], **fields: Any) -> FlagSpec:
    """A flag at 100 % that is on, of variants with these weights."""
    defaults = {
        "enabled": True,
        "archived": False,
        "bucketing_key": "user_id",
        "bucketing_salt": "salt",
        "rollout_percentage": 100,
        "rollout_weights": Weights.of(weights),
        "variants": tuple(Variant(key=key) for key in weights),
        "target_segments": (),
    }
    return FlagSpec(key="f", **defaults | fields)


def made(number: int, weight: int) -> CreateVariant:
    """Variant `c0`, `c1`, …, new."""
    return CreateVariant(**F, variant_key=f"c{number}", body={"key": f"c{number}", "rolloutWeight": weight})


def weighed(key: str, weight: int) -> EditVariant:
    """Another weight of a variant."""
    return EditVariant(**F, variant_key=key, body={"rolloutWeight": weight})


@pytest.mark.parametrize(
    ("creates", "edits", "seed", "order", "percent"),
    [
        (5, 7, 0, "c0 e2 e5 e6 c1 e3 c2 c3 c4 e0 e1 e4", 30.06),
        (6, 7, 0, "e5 e1 e0 e3 e4 e2 c0 e6 c1 c2 c3 c4 c5", 52.47),
        (2, 11, 1, "c0 e10 e0 e6 e9 c1 e3 e8 e7 e4 e1 e2 e5", 19.58),
        (9, 9, 4, "c0 c1 c2 c3 c4 c5 c6 c7 e6 c8 e5 e7 e1 e8 e2 e0 e4 e3", 69.26),
        (10, 9, 5, "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 e7 e4 e2 e1 e5 e8 e6 e3 e0", 86.30),
    ],
    ids=["12: exact", "13: by the next state", "13: three rounds of swaps", "18: swaps", "19: no swaps"],
)
def test_new_variants_and_weights(creates: int, edits: int, seed: int, order: str, percent: float) -> None:
    """Exact up to 12 calls, improved by swaps up to 18, and beyond by what comes first alone."""
    random = Random(seed)
    keys = [f"e{number}" for number in range(edits)]
    old, new = ({key: random.randint(1, 20) for key in keys} for _ in "xy")
    weights = {key: weight + (weight == old[key]) for key, weight in new.items()}
    calls = (
        *(made(number, random.randint(1, 20)) for number in range(creates)),
        *(weighed(key, weight) for key, weight in weights.items()),
    )

    found = order_operations(a_flag(old), apply_in_any_order(a_flag(old), calls), calls)

    assert " ".join(call.variant_key for call in found.operations) == order  # type: ignore[attr-defined]
    assert float(found.transient * 100) == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize(
    ("old", "new", "order"),
    [
        ({"e0": 4, "e1": 3, "e2": 3}, {"e0": 2, "e1": 2, "e2": 2}, "e2 e0 e1"),
        ({"e0": 0, "e1": 4, "e2": 1}, {"e0": 1, "e1": 3, "e2": 3, "c0": 0}, "e2 e0 e1 c0"),
        ({"e0": 2, "e1": 4, "e2": 2}, {"e0": 1, "e1": 3, "e2": 0, "c0": 3}, "c0 e2 e0 e1"),
        ({"e0": 2, "e1": 3, "e2": 2}, {"e0": 4, "e1": 2, "e2": 4, "c0": 4, "c1": 0}, "e2 e0 c0 e1 c1"),
    ],
)
def test_a_call_that_leads_nowhere_good_is_not_made_first(
    old: dict[str, int], new: dict[str, int], order: str
) -> None:
    """Although it is the first by preference, and costs no more by itself than the best order does."""
    calls = (
        *(weighed(key, new[key]) for key in old),
        *(made(int(key[1:]), weight) for key, weight in new.items() if key not in old),
    )
    found = order_operations(a_flag(old), apply_in_any_order(a_flag(old), calls), calls)
    assert " ".join(call.variant_key for call in found.operations) == order  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "percentage", "place"),
    [
        ({"rolloutPercentage": 49}, 50, "first"),
        ({"rolloutPercentage": 50}, 50, "late"),
        ({"rolloutPercentage": 51}, 50, "late"),
        ({"rolloutPercentage": 0}, UNSET, "late"),
        ({"targetSegments": []}, 50, "late"),
        ({"bucketingSalt": "other"}, UNSET, "late"),
    ],
)
def test_of_a_flag_that_is_off_the_rule_of_thumb_decides(body: dict[str, Any], percentage: Any, place: str) -> None:
    """A shrinking rollout, new variants, rising weights, falling weights, all else of the flag, and removals."""
    weights = {"gone": 1, "down": 9, "up": 1, "deep": 9, "high": 1, "old": 1, "still": 3, "w1": 0, "w2": 0, "w3": 0}
    live = a_flag(weights, enabled=False, rollout_percentage=percentage)
    edit = EditFlag(**F, body=body)
    calls: tuple[Operation, ...] = (
        DeleteVariant(**F, variant_key="gone"), DeleteVariant(**F, variant_key="old"), weighed("deep", 1),
        EditVariant(**F, variant_key="still", body={"key": "renamed"}), weighed("down", 8), weighed("up", 2),
        weighed("high", 9), weighed("w1", 3), weighed("w2", 4), weighed("w3", 5), edit, made(0, 0), made(1, 50),
    )  # fmt: skip

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    steps = ["c0", "c1", "high", "w3", "w2", "w1", "up", "still", "down", "deep", "gone", "old"]
    steps.insert(0 if place == "first" else 10, "flag")
    assert [getattr(call, "variant_key", "flag") for call in found.operations] == steps


def test_weights_that_are_not_shown_rise_from_nothing() -> None:
    """A weight that is not known is taken for none."""
    keys = [f"v{number:02}" for number in range(13)]
    live = a_flag(dict.fromkeys(keys, 1), enabled=False, rollout_weights=UNSET)
    calls = tuple(weighed(key, number) for number, key in enumerate(keys))

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    assert [call.variant_key for call in found.operations] == keys[::-1]  # type: ignore[attr-defined]


def test_many_calls_that_no_order_allows() -> None:
    """Two variants that exchange keys are refused as in the exact search."""
    weights = {f"v{number}": number for number in range(14)}
    exchange = [EditVariant(**F, variant_key=old, body={"key": new}) for old, new in (("v0", "v1"), ("v1", "v0"))]
    calls = (*exchange, *(weighed(key, 50) for key in list(weights)[2:]))

    with pytest.raises(ValueError, match="No order of the calls for f keeps every variant in existence"):
        order_operations(a_flag(weights), a_flag(weights), calls)

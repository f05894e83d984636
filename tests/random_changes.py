"""Random changes that move users: weights alone, and everything that an existing flag's calls can change."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from random_flags import a_random_change, a_random_flag, random_segments

from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.planning.compare import compare_flags
from reconciler.planning.operations import EditVariant, apply_in_any_order

if TYPE_CHECKING:
    from brute_force import Weighing

    from reconciler.planning.operations import Operation


def a_flag(weights: Weighing, percentage: int = 100) -> FlagSpec:
    """A flag that is on, without segments."""
    return FlagSpec(
        key="flag",
        enabled=True,
        archived=False,
        bucketing_key="user_id",
        bucketing_salt="mHdQDzeE",
        bucketing_unit="User",
        rollout_percentage=percentage,
        rollout_weights=Weights.of(weights),
        variants=tuple(Variant(key=key) for key in weights),
        target_segments=(),
    )


def weight_calls(old: Weighing, new: Weighing) -> tuple[Operation, ...]:
    """One PATCH per weight that differs."""
    return tuple(
        EditVariant(flag_key="flag", variant_key=key, body={"rolloutWeight": new[key]})
        for key in old
        if old[key] != new[key]
    )


class WeightChange(NamedTuple):
    """Weights before and after, the live flag, and one call for each weight that differs."""

    old: Weighing
    new: Weighing
    live: FlagSpec
    calls: tuple[Operation, ...]


def a_random_weight_change(seed: int) -> WeightChange | None:
    """A change of up to 6 weights; None where either side would be all zero, which no flag that is on may be."""
    random = Random(seed)
    keys = "abcdef"[: random.randint(2, 6)]
    choices = (0, 1, 1, 2, 5, 10, 20, 33, 34, 50, 90, 100)
    old, new = ({key: random.choice(choices) for key in keys} for _ in "xy")
    percentage = random.choice((100, 100, 37))
    if not (any(old.values()) and any(new.values())):
        return None
    return WeightChange(old, new, a_flag(old, percentage), weight_calls(old, new))


def a_random_pair(random: Random) -> tuple[FlagSpec, FlagSpec, tuple[Operation, ...]]:
    """A live flag, what it becomes, and the calls: weights, segments, variants that come and go, renames."""
    live = _bucketed_by_ids(a_random_flag(random, variants=random.randint(1, 3)))
    desired = a_random_change(random, live)
    variants = list(desired.variants or ())
    if random.random() < 0.4:
        variants.append(Variant(key="new", users=(), cohorts=()))
    if random.random() < 0.4:
        variants.remove(random.choice(variants))
    if random.random() < 0.2 and variants:
        place = random.randrange(len(variants))
        if variants[place].key != "new":
            variants[place] = replace(variants[place], key="renamed", renamed_from=variants[place].key)
    variants = variants or [Variant(key="only", users=(), cohorts=())]
    keys = [variant.key for variant in variants]
    weights = Weights.of({key: random.choice((1, 2, 10, 50)) for key in keys})
    segments = random_segments(random, keys) if random.random() < 0.7 else ()
    desired = replace(
        desired,
        variants=tuple(variants),
        rollout_weights=weights,
        target_segments=segments,
        enabled=random.random() < 0.9,
    )
    desired = _bucketed_by_ids(desired)
    calls = compare_flags(desired, live).operations
    return live, apply_in_any_order(live, calls), calls


def _bucketed_by_ids(flag: FlagSpec) -> FlagSpec:
    """The flag bucketed by what no two users share, so that shares of users are shares of hashes."""
    own = {"gp:plan": "amplitude_id"}
    segments = tuple(
        replace(item, bucketing_key=own.get(str(item.bucketing_key), item.bucketing_key))
        for item in flag.target_segments or ()
    )
    key = own.get(str(flag.bucketing_key), flag.bucketing_key)
    return replace(flag, bucketing_unit="User", bucketing_key=key, target_segments=segments)

"""Random pairs of a live flag and its declaration, small enough for a search through every way between them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from builders import a_config
from worlds import UNGUARDED, desired_of

from reconciler.model.flag import Condition, FlagSpec, LiveFlag, TargetSegment, Variant, Weights
from reconciler.planning.planner import Planner

if TYPE_CHECKING:
    from reconciler.planning.plan import FlagPlan


@dataclass(frozen=True)
class State:
    """A flag as the model keeps it. `segments` is an index into the pair's segment lists and the variants named."""

    enabled: bool
    percentage: int
    segments: tuple[int, frozenset[str]]
    weights: frozenset[tuple[str, int]]
    users: frozenset[tuple[str, str]]
    deployments: frozenset[str]

    @property
    def variants(self) -> set[str]:
        return {key for key, _ in self.weights}


SEGMENT_LISTS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (("a",),),
    (("b",),),
    (("a", "b"),),
    (("c",),),
    (("a",), ("c",)),
)


def random_state(random: Random) -> State:
    keys = random.sample(["a", "b", "c"], random.randint(1, 3))
    weights = {key: random.choice([0, 1, 2, 50]) for key in keys}
    if not any(weights.values()):
        weights[keys[0]] = 1
    fitting = [i for i, names in enumerate(SEGMENT_LISTS) if {key for item in names for key in item} <= set(keys)]
    chosen = random.choice(fitting)
    return State(
        enabled=random.random() < 0.6,
        percentage=random.choice([0, 50, 100]),
        segments=(chosen, frozenset(key for names in SEGMENT_LISTS[chosen] for key in names)),
        weights=frozenset(weights.items()),
        users=frozenset((random.choice(keys), user) for user in random.sample("wxyz", random.randint(0, 4))),
        deployments=frozenset(random.sample(["1", "2"], random.randint(0, 2))),
    )


def as_spec(state: State, order: list[str]) -> FlagSpec:
    """The state as a flag, its variants in the given order."""
    keys = [key for key in order if key in state.variants]
    segments = tuple(
        TargetSegment(
            name=f"S{index}",
            conditions=(Condition(prop="country", op="is", values=("US",)),),
            percentage=100,
            rollout_weights=Weights.of(dict.fromkeys(names, 1)),
        )
        for index, names in enumerate(SEGMENT_LISTS[state.segments[0]])
    )
    return FlagSpec(
        key="f",
        enabled=state.enabled,
        archived=False,
        rollout_percentage=state.percentage,
        rollout_weights=Weights.of(dict(state.weights)),
        variants=tuple(
            Variant(key=key, users=tuple(sorted(user for name, user in state.users if name == key))) for key in keys
        ),
        target_segments=segments,
        deployments=tuple(sorted(state.deployments)),
        bucketing_salt="s",
        bucketing_key="user_id",
    )


@dataclass(frozen=True)
class SmallPair:
    """Where a flag is and where it is to be: for the search as states, for the planner as flags."""

    start: State
    goal: State
    live: FlagSpec
    desired: FlagSpec


def a_small_pair(seed: int) -> SmallPair:
    """A pair of up to 3 variants, 4 users, 2 segments and 2 deployments."""
    random = Random(seed)
    start, goal = random_state(random), random_state(random)
    order = random.sample("abc", 3)
    return SmallPair(start, goal, as_spec(start, order), as_spec(goal, order))


def plan_of(live: FlagSpec, desired: FlagSpec) -> FlagPlan | None:
    """What the planner would do about it, no guard asked; None: nothing."""
    (declared,) = desired_of(desired).flags.values()
    flag = LiveFlag(id="9", project_id="7", spec=live)
    return Planner(config=a_config(), options=UNGUARDED).plan_flag(declared, flag)

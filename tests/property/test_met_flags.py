"""The short answer that a flag is what is declared never differs from the long one."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_config
from msgspec.structs import replace
from random_flags import a_random_change, a_random_flag

from reconciler.diagnostics import SourcePosition
from reconciler.model import UNSET, DesiredFlag, FlagSpec, LiveFlag, TargetSegment, Variant, Weights
from reconciler.planning import planner
from reconciler.planning.met import is_plainly_met
from reconciler.planning.plan import PlanOptions
from reconciler.planning.shield import shielded_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = 40
PAIRS = 40
OPTIONAL = sorted(set(FlagSpec.__struct_fields__) - {"key", "archived"})
PAYLOADS: tuple[Any, ...] = (UNSET, None, {}, {"a": 1}, {"a": 1.0}, {"a": True}, 1, True, "1")
TEXTS: tuple[Any, ...] = (UNSET, "", "a", "b")
TAGS: tuple[Any, ...] = (UNSET, (), ("x",), ("x", "managed"), ("managed", "x"), ("managed",))
SEGMENT = TargetSegment(name="All", conditions=(), percentage=5, rollout_weights=Weights.of({"a": 1}))
DEPLOYMENTS: tuple[Any, ...] = (UNSET, (), ("1", "2"), ("2", "1"), ("1",))


def a_live_spec(random: Random) -> FlagSpec:
    """A flag with every kind of field, as a server may show it."""
    spec = a_random_flag(random)
    variants = tuple(
        replace(item, payload=random.choice(PAYLOADS), name=random.choice(TEXTS), description=random.choice(TEXTS))
        for item in spec.variants or ()
    )
    if random.random() < 0.1:
        spec = replace(spec, target_segments=shielded_segments(spec))
    return replace(
        spec, name=random.choice(TEXTS), variants=variants, tags=random.choice(TAGS),
        deployments=random.choice(DEPLOYMENTS),
    )  # fmt: skip


def declared_of(random: Random, live: FlagSpec) -> FlagSpec:
    """The declaration of just this flag, or of some of its fields, or of something a little different."""
    spec = live
    if random.random() < 0.5:
        spec = replace(spec, **dict.fromkeys(random.sample(OPTIONAL, random.randint(1, 4)), UNSET))
    if random.random() < 0.3 and spec.variants:
        spec = a_random_change(random, spec)
    if random.random() < 0.3 and spec.variants:
        place = random.randrange(len(spec.variants))
        drawn = {
            "payload": random.choice(PAYLOADS),
            "description": random.choice(TEXTS),
            "users": random.choice((UNSET, (), ("user-1",), ("user-1", "user-1"))),
            "cohorts": random.choice((UNSET, (), ("c1",))),
            "renamed_from": random.choice((None, "v0", "old")),
        }
        name = random.choice(sorted(drawn))
        changed = replace(spec.variants[place], **{name: drawn[name]})
        spec = replace(spec, variants=(*spec.variants[:place], changed, *spec.variants[place + 1 :]))
    if random.random() < 0.3:
        spec = replace(spec, tags=random.choice(TAGS), deployments=random.choice(DEPLOYMENTS))
    return replace(spec, archived=random.choice((UNSET, False, False, True)))


def pairs(seed: int) -> Iterator[tuple[FlagSpec, FlagSpec]]:
    """Declarations and live flags that are nearly the same."""
    random = Random(seed)
    for _ in range(PAIRS):
        live = a_live_spec(random)
        yield declared_of(random, live), live


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_flag_that_is_met_has_no_plan(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the short answer is yes, the long way finds nothing to do and nothing to refuse."""
    monkeypatch.setattr(planner, "is_plainly_met", lambda *_, **__: False)
    met = 0
    for desired, live in pairs(seed):
        for managed_tag, shows_tags in ((None, True), ("managed", True), (None, False)):
            if not is_plainly_met(desired, live, managed_tag, shows_tags=shows_tags):
                continue
            met += 1
            plans = planner.Planner(
                config=a_config(managed_tag=managed_tag), options=PlanOptions(), shows_tags=shows_tags
            )
            place = SourcePosition(file="a.yaml", line=1, column=1)
            declared = DesiredFlag(spec=desired, source=place)
            assert plans.plan_flag(declared, LiveFlag(id="1", project_id="7", spec=live)) is None, (desired, live)
    assert met > PAIRS / 4


OTHER: dict[str, Any] = {
    "name": "other", "description": "other", "enabled": False, "archived": True, "evaluation_mode": "local",
    "bucketing_key": "device_id", "bucketing_salt": "other", "bucketing_unit": "org", "rollout_percentage": 1,
    "rollout_weights": Weights.of({"a": 9}), "variants": (Variant(key="b"),), "target_segments": (SEGMENT,),
    "deployments": ("2",), "tags": ("other",),
}  # fmt: skip
"""Of every field, a value that the flag below does not have."""


@pytest.mark.parametrize("name", sorted(set(FlagSpec.__struct_fields__) - {"key"}))
def test_no_field_is_overlooked(name: str) -> None:
    """A flag that differs in one field, whichever it is, is not what is declared."""
    live = FlagSpec(
        key="f", name="", description="", enabled=True, archived=False, evaluation_mode="remote",
        bucketing_key="user_id", bucketing_salt="s", bucketing_unit="User", rollout_percentage=100,
        rollout_weights=Weights.of({"a": 1}), variants=(Variant(key="a"),), target_segments=(), deployments=("1",),
        tags=("x",),
    )  # fmt: skip
    desired = replace(live, **{name: OTHER[name]})
    assert is_plainly_met(live, live, None, shows_tags=True)
    assert not is_plainly_met(desired, live, None, shows_tags=True)

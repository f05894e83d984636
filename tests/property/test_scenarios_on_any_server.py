"""Declarations on servers among which every two behaviours meet: met, or told why not.

Each of them meets one thing that the reference leaves open. Either the run ends with exit code 0, and the server then
has what is declared, judged by its own records; or the report names the field and what the server made of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from emulators import PROJECT, a_live_flag, an_emulator, flag_of, pairwise_behaviours, seeded
from worlds import a_world, is_declared

from reconciler.apply.report import Status
from reconciler.emulator import Behaviour
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from worlds import World

    from reconciler.apply.report import FlagOutcome
    from reconciler.emulator import Emulator

SERVERS = pairwise_behaviours()
EXPECTED = Behaviour()
APPLIES = 3
AT_FIRST = {"archived_details"}
"""With these the first apply may stop half-way: a server that hides archived flags shows them once they are back."""

TOLD = ("The server said", "live ", "does not show it")
"""How a message says what the server made of something."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is live, what is declared, and the fields that a message may blame; `prepare` does what no flag shows.

    It is met at once by every server but those that do not behave as expected in one of `fails_by`; by none where
    that is "any".
    """

    live: tuple[dict[str, Any], ...] = (a_live_flag("f"),)
    specs: tuple[FlagSpec, ...]
    blames: str
    prepare: Callable[[Emulator], None] = field(default=lambda _: None)
    fails_by: str = ""


def a_segment(*values: str, op: str = "is", name: str = "S", **weights: int) -> TargetSegment:
    return TargetSegment(
        name=name,
        conditions=(Condition(prop="version", op=op, values=values),),
        percentage=50,
        rollout_weights=Weights.of(weights or {"treatment": 1}),
    )


def a_live_segment(**weights: float) -> dict[str, Any]:
    condition = {"type": "property", "prop": "country", "op": "is", "values": ["US"]}
    return {"name": "L", "conditions": [condition], "percentage": 25, "rolloutWeights": weights}


def with_payloads(*payloads: Any) -> tuple[Variant, ...]:
    """The two variants, with these payloads."""
    return tuple(Variant(key=key, payload=item) for key, item in zip(("control", "treatment"), payloads, strict=True))


def only(**fields: Any) -> tuple[FlagSpec, ...]:
    """One declared flag."""
    return (FlagSpec(key="f", **fields),)


def depends(emulator: Emulator) -> None:
    """A child of the flag, on as it is, whose key comes behind."""
    named = {flag_of(emulator, "f")["id"]: ["treatment"]}
    seeded(emulator, [a_live_flag("later", parentDependencies={"flags": named, "operator": "all"})])


def an_archived_experiment(emulator: Emulator) -> None:
    """It has the key, and no list shows it."""
    emulator.store.seed_experiment({"projectId": PROJECT, "key": "new", "archived": True})


NEW = FlagSpec(
    key="new",
    name="New",
    description="All of it",
    enabled=True,
    rollout_percentage=40,
    rollout_weights=Weights.of({"a": 1, "b": 2}),
    variants=(Variant(key="a", payload={"x": None}, users=("u1", "u2")), Variant(key="b", cohorts=("c1",))),
    target_segments=(a_segment("1.10", "2", b=1),),
    deployments=("67",),
    tags=("Growth", "x"),
)
BOTH = (Variant(key="control"), Variant(key="treatment"))
RENAMED = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
USERS = [{"key": "control", "users": ["a", "b", "b"]}, {"key": "treatment", "users": ["c"]}]

CASES = {
    "text with space around it": Case(specs=only(name=" New ", description="Text\n"), blames="name|description"),
    "tags with capitals": Case(specs=only(tags=("Growth", "TEAM-a")), blames="tags"),
    "no payload": Case(
        live=(a_live_flag("f", variants=[{"key": "control", "payload": {"a": 1}}, {"key": "treatment"}]),),
        specs=only(variants=with_payloads(None, {"b": 1})),
        blames="payload",
        fails_by="edit_variant_verb approvals",
    ),
    "members that are null": Case(
        specs=only(variants=with_payloads({"a": None, "b": [{"c": None}]}, [None])),
        blames="payload",
        fails_by="edit_variant_verb approvals",
    ),
    "large numbers": Case(
        specs=only(variants=with_payloads({"id": 2**60 + 1}, [-(2**60) - 1])),
        blames="payload",
        fails_by="edit_variant_verb approvals",
    ),
    "values that read as numbers": Case(
        specs=only(target_segments=(a_segment("1.0", "1.10", "2"),)), blames="targetSegments", fails_by="approvals"
    ),
    "a condition without values": Case(
        specs=only(target_segments=(a_segment(),)), blames="targetSegments", fails_by="empty_values approvals"
    ),
    "thirds": Case(
        live=(a_live_flag("f", variants=[{"key": key} for key in "abc"], rolloutWeights={"a": 2, "b": 1, "c": 1}),),
        specs=only(
            rollout_weights=Weights.of({"a": 1, "b": 1, "c": 1}),
            target_segments=(a_segment("1", a=1, b=2),),
        ),
        blames="rolloutWeight|targetSegments",
        fails_by="edit_variant_verb approvals",
    ),
    "weights that are fractions live": Case(
        live=(
            a_live_flag(
                "f",
                rolloutWeights={"control": 33.4, "treatment": 66.6},
                targetSegments=[a_live_segment(control=0.5, treatment=0.25)],
            ),
        ),
        specs=only(rollout_weights=Weights.of({"control": 334, "treatment": 666}), rollout_percentage=80),
        blames="rolloutWeight|rolloutPercentage",
        fails_by="approvals",
    ),
    "an edit that ends in the archive": Case(
        specs=only(archived=True, name="Old", variants=with_payloads({"a": 1}, {"b": 2})),
        blames="archive|payload|name",
        fails_by="edit_variant_verb approvals",
    ),
    "an archived flag that differs": Case(
        live=(a_live_flag("f", archived=True),), specs=only(archived=True, name="Other"), blames="archive"
    ),
    "a flag that comes back": Case(
        live=(a_live_flag("f", archived=True),),
        specs=only(archived=False, name="Back", variants=with_payloads({"a": 1}, {"b": 2})),
        blames="archive|payload|name",
        fails_by="archived_details edit_variant_verb approvals",
    ),
    "parent and child go": Case(
        specs=(FlagSpec(key="f", archived=True), FlagSpec(key="later", archived=True)),
        blames="archive",
        prepare=depends,
    ),
    "a variant that a child names": Case(
        specs=only(variants=BOTH[:1], rollout_weights=Weights.of({"control": 1})),
        blames="treatment|rolloutWeight",
        fails_by="dependents approvals",
        prepare=depends,
    ),
    "off without a deployment": Case(
        specs=only(enabled=False), blames="enabled", fails_by="disable_without_deployment"
    ),
    "off with the last deployment": Case(
        live=(a_live_flag("f", deployments=["67"]),),
        specs=only(enabled=False, deployments=()),
        blames="enabled|deployments",
    ),
    "on, wider, salted": Case(
        live=(a_live_flag("f", enabled=False),),
        specs=only(enabled=True, rollout_percentage=50, bucketing_salt="salt"),
        blames="enabled|rolloutPercentage|bucketingSalt",
        fails_by="approvals",
    ),
    "a new flag": Case(
        live=(),
        specs=(NEW,),
        blames="enabled|rollout|variants|targetSegments|inclusions|users|payload|deployments|tags",
        fails_by="approvals",
    ),
    "a key that is no flag's": Case(
        live=(),
        specs=(FlagSpec(key="new", variants=BOTH),),
        blames="unique over",
        prepare=an_archived_experiment,
        fails_by="any",
    ),
    "a variant gets another key": Case(
        live=(a_live_flag("f", targetSegments=[a_live_segment(treatment=1, control=2)]),),
        specs=only(variants=RENAMED),
        blames="key|rolloutWeight|targetSegments|variants",
        fails_by="edit_variant_verb approvals",
    ),
    "listed users": Case(
        live=(a_live_flag("f", variants=USERS),),
        specs=only(variants=(Variant(key="control", users=("b", "d")), Variant(key="treatment", users=()))),
        blames="users",
        fails_by="delete_body",
    ),
}


@pytest.mark.parametrize("why", CASES)
def test_what_is_declared_is_met_or_told(why: str, count: Callable[[str, int], None]) -> None:
    """On every server, in at most two further runs."""
    case, ends = CASES[why], Counter[str]()
    for server in SERVERS:
        ends[_end_of(case, server)] += 1
    for end, number in ends.items():
        count(f"runs that end {end}", number)
    assert bool(ends["with 0"]) is (case.fails_by != "any")


def test_the_servers_meet_the_cases() -> None:
    """Each behaviour is that of some server, and there are more cases than behaviours that refuse or rewrite."""
    for name, alternatives in type(SERVERS[0]).alternatives().items():
        assert {getattr(server, name) for server in SERVERS} == set(alternatives), name
    assert len(CASES) >= 16


def _end_of(case: Case, server: Behaviour) -> str:
    """How the last run ended, after the judgement of all of them."""
    emulator = an_emulator(*case.live, behaviour=server)
    case.prepare(emulator)
    odd = {name for name in server.alternatives() if getattr(server, name) != getattr(EXPECTED, name)} | {"any"}
    excuses = odd.intersection(case.fails_by.split())
    world = a_world(emulator, *case.specs)
    for _ in range(APPLIES):
        planned = world.look()
        assert not planned.plan.held, (server, planned.plan.held)
        report = world.carry_out(planned).report
        assert report is not None
        if report.exit_code == 0:
            stored = {(item.key, path.path) for item in report.outcomes for path in item.stored}
            _judge_success(case, world, stored)
            return "with 0"
        assert excuses, (server, report)
        for outcome in report.outcomes:
            _judge_failure(case, outcome)
    assert excuses - AT_FIRST, (server, report)
    return f"with {report.exit_code}, told"


def _judge_success(case: Case, world: World, stored: set[tuple[str, str]]) -> None:
    server = world.emulator.behaviour
    for _ in range(server.read_lag + 1):
        plan = world.plan()
    assert {(flag.key, change.path) for flag in plan.flags for change in flag.changes} == stored, server
    for spec in case.specs:
        record = flag_of(world.emulator, spec.key)
        lacking = [name for name, met in _met(spec, record) if not met and not record["archived"]]
        assert lacking == (["tags"] if server.tags == "absent" and "tags" in lacking else []), (server, lacking)
        assert record["archived"] is (spec.archived is True)


def _judge_failure(case: Case, outcome: FlagOutcome) -> None:
    if outcome.error is None:
        assert outcome.status is Status.APPLIED
        return
    told = " ".join([outcome.error, *(item.error or "" for item in outcome.operations)])
    assert re.search(case.blames, outcome.error), told
    assert any(words in told for words in TOLD), told


def _met(spec: FlagSpec, record: dict[str, Any]) -> list[tuple[str, bool]]:
    """By the name of each declared field, whether a record has its value, in any form that a server may keep."""
    plain = {
        "name": lambda: record["name"].strip() == spec.name.strip(),  # type: ignore[union-attr]
        "description": lambda: record["description"].strip() == spec.description.strip(),  # type: ignore[union-attr]
        "enabled": lambda: record["enabled"] is spec.enabled,
        "rollout_percentage": lambda: record["rolloutPercentage"] == spec.rollout_percentage,
        "bucketing_salt": lambda: record["bucketingSalt"] == spec.bucketing_salt,
        "rollout_weights": lambda: _shares(record["rolloutWeights"]) == _shares(spec.rollout_weights.as_dict()),  # type: ignore[union-attr]
        "deployments": lambda: {*record["deployments"]} == {*spec.deployments},  # type: ignore[misc]
        "tags": lambda: {tag.lower() for tag in record["tags"]} == {tag.lower() for tag in spec.tags},  # type: ignore[union-attr]
        "variants": lambda: _variants_met(spec, record),
        "target_segments": lambda: _segments_met(spec, record),
    }
    return [(name, is_met()) for name, is_met in plain.items() if is_declared(getattr(spec, name))]


def _variants_met(spec: FlagSpec, record: dict[str, Any]) -> bool:
    there = {item["key"]: item for item in record["variants"]}
    return there.keys() == {item.key for item in spec.variants or ()} and all(  # type: ignore[union-attr]
        (not is_declared(item.payload) or _plain(item.payload) == _plain(there[item.key]["payload"]))
        and (not is_declared(item.users) or {*item.users} == {*there[item.key]["users"]})  # type: ignore[misc]
        for item in spec.variants or ()  # type: ignore[union-attr]
    )


def _segments_met(spec: FlagSpec, record: dict[str, Any]) -> bool:
    def shown(name: str, percentage: float, values: Any, weights: Any) -> tuple[Any, ...]:
        return name.strip(), percentage, {_number(value) for value in values}, _shares(weights)

    return [
        shown(item["name"], item["percentage"], item["conditions"][0]["values"], item["rolloutWeights"])
        for item in record["targetSegments"]
    ] == [
        shown(item.name, item.percentage, item.conditions[0].values, item.rollout_weights.as_dict())
        for item in spec.target_segments or ()  # type: ignore[union-attr]
    ]


def _shares(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {key: round(weight / total, 3) for key, weight in weights.items() if weight}


def _number(value: Any) -> Any:
    return float(value) if re.fullmatch(r"[0-9.]+", str(value)) else value


def _plain(value: Any) -> Any:
    """A payload without nulls, none as an empty object, numbers as doubles."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

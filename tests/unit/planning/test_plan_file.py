"""A plan as a document: complete enough to be shown again, and refused as soon as it is not what it was."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from builders import COMMIT, NOON, a_plan
from emulators import a_live_flag
from msgspec.structs import replace
from worlds import UNGUARDED, a_world, an_emulator, random_live_flag, random_spec

from reconciler.errors import StalePlanError
from reconciler.evaluation.exposure import FlagExposure, ListedMove, PayloadShare, SegmentTransition
from reconciler.files.schema import check
from reconciler.planning.exposure_json import decode_exposure, encode_exposure
from reconciler.planning.plan import (
    Action,
    PlannedRollout,
    PlanOptions,
    Refusal,
    Released,
    RolloutStanding,
    ValueChange,
)
from reconciler.planning.plan_file import check_saved, decode_plan, digest_of, encode_plan
from reconciler.planning.rollout_json import declared_rollouts, decode_rollout, encode_rollout
from reconciler.planning.warnings import with_exposure
from reconciler.reports.registry import PLAN, RenderOptions, render

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan


def a_random_plan(seed: int) -> Plan:
    """A plan with several flags and kinds of operations, stamped."""
    random = Random(seed)
    live = [random_live_flag(random, f"flag-{index}") for index in range(3)]
    specs = [random_spec(random, flag["key"], flag) for flag in live] + [random_spec(random, "new", None)]
    plan = with_exposure(a_world(an_emulator(*live), *specs, options=UNGUARDED).plan())
    return replace(plan, created_at=NOON, commit=COMMIT, origin="https://experiment.amplitude.com")


@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed: int) -> None:
    """A document read and written again is the same document."""
    document = json.loads(json.dumps(encode_plan(a_random_plan(seed))))
    assert encode_plan(decode_plan(document)) == document


def test_a_plan_of_nothing() -> None:
    """All figures are 0; what is allowed stands in its order."""
    guards = frozenset({"updates", "empty", "quota", "archives", "exposure:a", "exposure"})
    plan = a_world(an_emulator(a_live_flag("a")), options=PlanOptions(allow=guards)).plan()
    document = encode_plan(replace(plan, created_at=NOON, commit=COMMIT, origin="https://experiment.amplitude.com"))
    assert document["options"]["allow"] == sorted(guards)
    assert document["summary"] == {
        "create": 0, "update": 0, "archive": 0, "unarchive": 0, "unchanged": 0, "unmanaged": 1,
        "operations": 0, "maxExposureChange": 0, "maxTransient": 0,
    }  # fmt: skip


def test_an_untouched_plan_is_accepted() -> None:
    """The same plan made again within a day is the saved one."""
    plan = a_random_plan(1)
    again = replace(plan, created_at=NOON + timedelta(hours=23), requests=99)
    check_saved(encode_plan(plan), again, NOON + timedelta(hours=23))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"commit": "f" * 40}, "commit"),
        ({"origin": "https://experiment.eu.amplitude.com"}, "origin"),
        ({"project_id": "8"}, "projectId"),
        ({"environment": "production"}, "environment"),
        ({"region": "eu"}, "region"),
        ({"flags": ()}, "stale"),
    ],
)
def test_another_plan_is_refused(change: dict[str, Any], word: str) -> None:
    """A plan for another place, or of another state, is stale, and the message says why."""
    plan = a_random_plan(1)
    with pytest.raises(StalePlanError, match=word):
        check_saved(encode_plan(plan), replace(plan, **change), NOON)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(hours=24, seconds=1), "older than 24 hours"),
        (timedelta(days=9000), "older than 24 hours"),
        (timedelta(minutes=-6), "from the future: it was made at 2030-01-02 12:00 UTC, and it is 2030-01-02 11:54"),
        (timedelta(days=-1), "from the future"),
    ],
)
def test_age(age: timedelta, words: str) -> None:
    """A plan of another day, or of the future, is refused, and the message says which of the two it is."""
    plan = a_random_plan(1)
    with pytest.raises(StalePlanError, match=words):
        check_saved(encode_plan(plan), plan, NOON + age)


@pytest.mark.parametrize("age", [timedelta(hours=24), timedelta(), timedelta(minutes=-5)])
def test_a_plan_of_the_day_is_accepted(age: timedelta) -> None:
    """A day exactly, and clocks that are five minutes apart."""
    plan = a_random_plan(1)
    check_saved(encode_plan(plan), plan, NOON + age)


def test_a_plan_without_a_date_is_refused() -> None:
    """Its age is not known."""
    plan = a_random_plan(1)
    with pytest.raises(StalePlanError, match="when it was made"):
        check_saved(encode_plan(replace(plan, created_at=None)), plan, NOON)


ODD = [
    None, True, 0, -1, 1.5, 1e308, 10**30, "", "x", "1/0", "0/5", "9" * 5000, [], {}, [None], [0, 0], [1], {"a": 1},
    [[]], "2030-01-01", "/variants/x/payload", "/targetSegments", "/variants", "/rolloutWeights",
]  # fmt: skip
"""What may stand where something else should."""


@pytest.mark.parametrize("seed", range(8))
def test_odd_values_are_no_plan_or_are_shown(seed: int) -> None:
    """With any value in a field, with a digest that fits: it is refused as no plan, or every form shows it."""
    random, original = Random(seed), json.loads(json.dumps(encode_plan(a_random_plan(seed))))
    places = [path for path in _places(original) if path and path != ("digest",)]
    for path in random.sample(places, 60):
        document = copy.deepcopy(original)
        _put(document, path, random.choice(ODD))
        document["digest"] = digest_of(document)
        if check(document, "plan"):
            continue
        with suppress(StalePlanError):
            plan = decode_plan(document)
            for form in ("text", "markdown", "html", "json"):
                render(PLAN, form, plan, RenderOptions(show_users=random.random() < 0.5))


@pytest.mark.parametrize("shard", [[0, 0], [0, 1], [3, 2], [1], [1, 2, 3], [True, True], "1/2", [], {}, 0, [1.5, 2]])
def test_a_shard_is_one_of_so_many(shard: Any) -> None:
    """Counted from 1."""
    document = encode_plan(a_random_plan(1))
    document["options"]["shard"] = shard
    document["digest"] = digest_of(document)
    if not check(document, "plan"):
        with pytest.raises(StalePlanError):
            decode_plan(document)


@pytest.mark.parametrize("shard", [[1, 1], [1, 2]])
def test_a_shard_can_be_saved(shard: list[int]) -> None:
    """The only one as well."""
    document = encode_plan(a_plan())
    document["options"]["shard"] = shard
    document["digest"] = digest_of(document)
    assert decode_plan(document).options.shard == tuple(shard)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every place in a document, those of collections included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def test_every_tampering_is_refused() -> None:
    """Whichever single value of a saved plan is changed, it is refused."""
    document = encode_plan(a_random_plan(3))
    paths = list(_paths(document))
    assert len(paths) > 100
    for path in paths:
        broken = copy.deepcopy(document)
        _change(broken, path)
        with pytest.raises(StalePlanError):
            decode_plan(broken)


@pytest.mark.parametrize("document", [{}, {"formatVersion": 1}, {"formatVersion": 2, "digest": ""}])
def test_what_is_no_plan_is_refused(document: dict[str, Any]) -> None:
    """A JSON file that is not a plan is named so."""
    with pytest.raises(StalePlanError, match="not a saved plan"):
        decode_plan(document)


UNREADABLE, UNLIKE = (
    "The saved plan cannot be read ({}).",
    "The saved plan is not as `plan --out` writes one: see {}.",
)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("flags", 0, "operations", 0, "kind"), "drop-project", UNREADABLE.format("KeyError")),
        (("flags", 0, "exposure", "transitions", 0, "switchedShare"), "1/0", UNREADABLE.format("ZeroDivisionError")),
        (("flags", 0, "action"), "drop", UNREADABLE.format("ValueError")),
        (("flags", 0, "changes"), 1, UNREADABLE.format("TypeError")),
        (("flags", 0, "source"), 1, UNREADABLE.format("TypeError")),
        (("createdAt",), "2030-01-02T12:00:00", UNREADABLE.format("ValueError")),
        (("summary", "operations"), 77, UNLIKE.format("'summary'")),
        (("x" * 50,), 1, UNLIKE.format("'" + "x" * 39)),
        (("warnings",), None, UNREADABLE.format("TypeError")),
    ],
)
def test_a_plan_with_a_true_digest_and_strange_content_is_refused(place: Any, value: Any, said: str) -> None:
    """A digest that fits does not make a plan of what is none."""
    document = json.loads(json.dumps(encode_plan(a_plan())))
    _put(document, place, value)
    document["digest"] = digest_of(document)
    with pytest.raises(StalePlanError, match=f"^{re.escape(said)} Make a new one\\.$"):
        decode_plan(document)


def _of_one(**change: Any) -> Plan:
    plan = a_random_plan(1)
    return replace(plan, flags=(plan.flags[0], replace(plan.flags[1], **change)), options=PlanOptions())


REFUSAL = Refusal(guard="rebucket", message="all move", override="--allow rebucket")


@pytest.mark.parametrize(
    ("plan", "fits"),
    [
        (_of_one(source=None, action=Action.ARCHIVE), {"prune": True}),
        (_of_one(action=Action.UNARCHIVE), {"unarchive": True}),
        (_of_one(held=(REFUSAL,)), {"allow": frozenset({"transient"})}),
    ],
    ids=["archived", "unarchived", "held"],
)
def test_options_fit_what_is_planned(plan: Plan, fits: dict[str, Any]) -> None:
    """With the option that it takes a plan is read; with others it is none."""
    fitting = replace(plan, options=PlanOptions(**fits))
    assert encode_plan(decode_plan(encode_plan(fitting))) == encode_plan(fitting)
    others = PlanOptions(allow=frozenset({f"rebucket:{plan.flags[1].key}"}))
    with pytest.raises(StalePlanError):
        decode_plan(encode_plan(replace(plan, options=others)))


def _first_two(plan: Plan) -> Plan:
    return replace(plan, flags=plan.flags[:2], options=PlanOptions())


PLAN_OF_TWO = _first_two(a_random_plan(1))
NAMED_WRONGLY = ValueChange(path="/variants/a/description", before="x", after=5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"refusals": (REFUSAL,)}, "a plan of which nothing may be sent is not saved"),
        ({"flags": (replace(PLAN_OF_TWO.flags[0], held=(REFUSAL,)),)}, "nothing may be sent is not saved"),
        ({"unmanaged": (PLAN_OF_TWO.flags[1].key,)}, "what a plan names is in its scope, once"),
        ({"options": PlanOptions(targets=(PLAN_OF_TWO.flags[0].key,))}, "what a plan names is in its scope, once"),
        ({"flags": PLAN_OF_TWO.flags[::-1]}, "cannot be read"),
        ({"flags": (replace(PLAN_OF_TWO.flags[0], changes=(NAMED_WRONGLY,)),)}, "cannot be read"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    """Although its digest fits."""
    assert decode_plan(encode_plan(PLAN_OF_TWO)).flags
    with pytest.raises(StalePlanError, match=said):
        decode_plan(encode_plan(replace(PLAN_OF_TWO, **change)))


ALL_KEYS = (
    "formatVersion environment projectId region origin tool createdAt commit options summary flags unmanaged refusals"
    " warnings requests"
)


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({}, {}),
        (
            {"released": (Released(key="f", path="/tags", live=["x"]), Released(key="g", path="", live=None))},
            {"released": [{"key": "f", "path": "/tags", "live": ["x"]}, {"key": "g", "path": "", "live": None}]},
        ),
        ({"deployments": {"67": "web"}}, {"deployments": {"67": "web"}}),
        ({"hourly_drift_requests": 0}, {"hourlyDriftRequests": 0}),
        ({"hourly_drift_requests": 48}, {"hourlyDriftRequests": 48}),
    ],
)
def test_what_stands_beside_the_flags_of_a_document(beside: dict[str, Any], named: dict[str, Any]) -> None:
    """Only where there is some; and it is read as it was written."""
    plan = a_plan(**beside)
    document = json.loads(json.dumps(encode_plan(plan)))
    assert list(document) == [*ALL_KEYS.split(), *named, "digest"]
    assert {name: document[name] for name in named} == named
    again = decode_plan(document)
    assert all(getattr(again, name) == value for name, value in beside.items())


@pytest.mark.parametrize(
    "standing",
    [
        None,
        RolloutStanding(phase="waiting"),
        RolloutStanding(phase="running", step=1, since=NOON, upcoming=50, why="early"),
        RolloutStanding(phase="running", step=1, since=NOON, upcoming=50, due_at=NOON + timedelta(hours=1)),
    ],
)
def test_rollouts_are_kept(standing: RolloutStanding | None) -> None:
    """With how far they are, where that is known."""
    rollout = PlannedRollout(
        key="f", path="/rolloutPercentage", live=10, steps=((25, 3600), (100, None)), guards=("errors",),
        on_fail="pause", window="office", standing=standing, start=None if standing else 0,
    )  # fmt: skip
    assert decode_rollout(json.loads(json.dumps(encode_rollout(rollout)))) == rollout


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))
    else:
        yield path


def _change(document: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        document = document[step]
    value = document[path[-1]]
    document[path[-1]] = f"{value}x" if isinstance(value, str) else "other"


def test_a_rollout_in_a_document() -> None:
    """As other programs read it; of what is declared it leaves out how far it is."""
    standing = RolloutStanding(
        phase="running", step=1, since=NOON, upcoming=100, due_at=NOON + timedelta(hours=1), why="early"
    )
    rollout = PlannedRollout(
        key="f", path="/rolloutPercentage", live=10, steps=((25, 3600), (100, None)), guards=("errors",),
        on_fail="pause", window="office", standing=standing, start=0,
    )  # fmt: skip
    declared = {
        "key": "f", "path": "/rolloutPercentage", "guards": ["errors"], "onFail": "pause", "window": "office",
    }  # fmt: skip
    document = encode_rollout(rollout)
    assert document == declared | {
        "live": 10,
        "start": 0,
        "steps": [{"percentage": 25, "seconds": 3600, "adds": 25}, {"percentage": 100, "seconds": None, "adds": 75}],
        "standing": {
            "phase": "running", "step": 1, "since": "2030-01-02T12:00:00Z",
            "next": {"percentage": 100, "dueAt": "2030-01-02T13:00:00Z"}, "why": "early",
        },
    }  # fmt: skip
    steps = [{"percentage": 25, "seconds": 3600}, {"percentage": 100, "seconds": None}]
    assert declared_rollouts([document]) == [declared | {"steps": steps}]
    ended = encode_rollout(replace(rollout, standing=RolloutStanding(phase="done"), start=None))
    assert ended["standing"] == {"phase": "done", "step": 0, "since": None, "next": None, "why": ""}
    assert "start" not in ended
    assert "standing" not in encode_rollout(replace(rollout, standing=None))
    assert replace(rollout, live=None, start=None).adds == (25, 75)
    assert replace(rollout, live=30, start=None).adds == (0, 70)
    assert replace(rollout, live=30, start=10, steps=((40, 1), (20, 1), (60, 1), (50, None))).adds == (30, 0, 20, 0)


THIRD = Fraction(1, 3)
WHOLE = SegmentTransition(
    before_segment="Beta", after_segment="All Other Users",
    before=(("a", THIRD), ("off", 2 * THIRD)), after=(("b", Fraction(1)),),
    matrix=(("a", "b", THIRD), ("off", "b", 2 * THIRD)), switched=Fraction(1), unavoidable=2 * THIRD,
    is_exact=False,
)  # fmt: skip
OF_ALL: dict[str, Any] = {
    "beforeSegment": "Beta", "afterSegment": "All Other Users",
    "switched": 100.0, "unavoidable": 66.6667, "excess": 33.3333, "exact": False,
    "before": {"a": "1/3", "off": "2/3"}, "after": {"b": "1"},
    "matrix": [{"from": "a", "to": "b", "share": "1/3"}, {"from": "off", "to": "b", "share": "2/3"}],
    "switchedShare": "1", "unavoidableShare": "2/3",
}  # fmt: skip


@pytest.mark.parametrize(
    ("exposure", "document"),
    [
        (FlagExposure(), {"switched": 0.0, "exact": True, "transitions": [], "notes": []}),
        (
            FlagExposure(
                transitions=(
                    WHOLE,
                    replace(WHOLE, switched=THIRD, unavoidable=THIRD, is_exact=True, mode="local"),
                    replace(WHOLE, deployments=("67", "68")),
                ),
                notes=("one", "two"),
            ),
            {
                "switched": 100.0, "exact": False, "notes": ["one", "two"],
                "transitions": [
                    OF_ALL,
                    OF_ALL | {
                        "switched": 33.3333, "unavoidable": 33.3333, "excess": 0.0, "exact": True, "mode": "local",
                        "switchedShare": "1/3", "unavoidableShare": "1/3",
                    },
                    OF_ALL | {"deployments": ["67", "68"]},
                ],
            },
        ),
        (
            FlagExposure(
                listed=(
                    ListedMove(kind="users", before="off", after="a", count=2),
                    ListedMove(kind="cohorts", before="a", after="b", count=1, deployments=("67",)),
                    ListedMove(kind="users", before="a", after="off", count=3, mode="remote"),
                ),
                payloads=(
                    PayloadShare(variant="a", share=THIRD),
                    PayloadShare(variant="b", share=Fraction(0), users=2),
                    PayloadShare(variant="c", share=Fraction(1), cohorts=1),
                ),
                dependents=("child", "other"),
            ),
            {
                "switched": 0.0, "exact": True, "transitions": [], "notes": [],
                "listed": [
                    {"kind": "users", "from": "off", "to": "a", "count": 2},
                    {"kind": "cohorts", "from": "a", "to": "b", "count": 1, "deployments": ["67"]},
                    {"kind": "users", "from": "a", "to": "off", "count": 3, "mode": "remote"},
                ],
                "payloads": [
                    {"variant": "a", "share": "1/3"},
                    {"variant": "b", "share": "0", "users": 2},
                    {"variant": "c", "share": "1", "cohorts": 1},
                ],
                "dependents": ["child", "other"],
            },
        ),
    ],
    ids=["of nobody", "of segments", "beside them"],
)  # fmt: skip
def test_exposure_in_a_document(exposure: FlagExposure, document: dict[str, Any]) -> None:
    """As other programs read it, and back; what is empty is left out."""
    assert encode_exposure(exposure) == document
    assert decode_exposure(document) == exposure

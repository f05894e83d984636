"""What a server keeps in a form of its own: the report says which field and how, and drift calls it no drift."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag
from jsonschema import Draft202012Validator
from looks import BOB, edit, look
from worlds import a_world, an_emulator

from reconciler.apply import ApplyOptions
from reconciler.emulator import Behaviour
from reconciler.emulator.requests import text_response
from reconciler.files.schema import load_schema
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.plan import MembersChange, ValueChange
from reconciler.planning.stored import how_stored
from reconciler.reports.registry import APPLY, render

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.emulator import ApiResponse, RawRequest
    from reconciler.model.versions import Place

THIRDS = Weights.of({"control": 1, "treatment": 1, "third": 1})
THREE = (Variant(key="control"), Variant(key="treatment"), Variant(key="third"))
LIVE_THREE = {
    "variants": [{"key": "control"}, {"key": "treatment"}, {"key": "third"}],
    "rolloutWeights": {"control": 1, "treatment": 1, "third": 2},
}
SIX = tuple(Variant(key=key) for key in "abcdef")
SIXTHS = Weights.of(dict.fromkeys("abcdef", 1))
LIVE_SIX = {
    "variants": [{"key": key} for key in "abcdef"],
    "rolloutWeights": dict.fromkeys("abcde", 1) | {"f": 2},
}
SEGMENT = TargetSegment(
    name="S",
    conditions=(Condition(prop="version", op="is", values=("1.0", "1.10", "2", "-0")),),
    percentage=100,
    rollout_weights=Weights.of({"treatment": 1}),
)


def with_payload(payload: Any) -> dict[str, Any]:
    """A declared payload of one variant."""
    return {"variants": (Variant(key="control"), Variant(key="treatment", payload=payload))}


def live_payload(payload: Any) -> dict[str, Any]:
    """The same, live."""
    return {"variants": [{"key": "control"}, {"key": "treatment", "payload": payload}]}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = {
    "text is trimmed": ({"text": "trimmed"}, {}, {"name": "New \n"}, "/name", "without space around it"),
    "a description is trimmed": ({"text": "trimmed"}, {}, {"description": " x"}, "/description", "without space"),
    "tags are in lower case": ({"tag_case": "lower"}, {}, {"tags": ("Growth", "b")}, "/tags", "in lower case"),
    "no payload is an object": (
        {"no_payload": "object"}, live_payload({"a": 1}), with_payload(None), "/variants/treatment/payload", "as an"
    ),
    "members that are null are dropped": (
        {"null_members": "dropped"}, {}, with_payload({"a": None, "b": [{"c": None}]}),
        "/variants/treatment/payload", "without members that are null",
    ),
    "large numbers are doubles": (
        {"payload_integers": "doubles"}, {}, with_payload({"a": 2**53 + 1}),
        "/variants/treatment/payload", "with large numbers as doubles",
    ),
    "weights are percentages": (
        {"weights_shown": "percentages"}, LIVE_THREE, {"variants": THREE, "rollout_weights": THIRDS},
        "/rolloutWeights", "as percentages",
    ),
    "weights of many are percentages": (
        {"weights_shown": "percentages"}, LIVE_SIX, {"variants": SIX, "rollout_weights": SIXTHS},
        "/rolloutWeights", "as percentages",
    ),
    "condition values are numbers": (
        {"condition_values": "numbers"}, {}, {"target_segments": (SEGMENT,)},
        "/targetSegments", "with values as numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", CASES)
def test_what_is_stored_otherwise_is_learnt_from_the_read_back(why: str) -> None:
    """The first apply and the second: exit code 0, the field and how; drift says it, and is no drift."""
    behaviour, live, declared, path, how = CASES[why]
    emulator = an_emulator(a_live_flag("f", **live), behaviour=Behaviour(**behaviour))
    world = a_world(emulator, FlagSpec(key="f", **declared))
    for _ in range(2):
        report = world.apply().report
        assert report is not None
        assert (report.exit_code, report.verified) == (0, True), render(APPLY, "text", report)
        (outcome,) = report.outcomes
        assert [item.path for item in outcome.stored] == [path]
        assert how in outcome.stored[0].how
        document = json.loads(render(APPLY, "json", report))
        Draft202012Validator(load_schema("report")).validate(document)
        assert document["flags"][0]["storedOtherwise"] == [{"path": path, "how": outcome.stored[0].how}]
        for form in ("text", "markdown", "html"):
            assert f"stored otherwise: {outcome.stored[0].how}" in render(APPLY, form, report)
    (planned,) = world.plan().flags
    assert any(text.startswith(f"{path} differs by its form alone") for text in planned.warnings)
    found = look(world)
    assert not found.is_drifted
    assert [(item.key, item.path, item.how) for item in found.stored] == [("f", path, outcome.stored[0].how)]


@pytest.mark.parametrize("ends", ["the looks fail", "a call is refused"])
def test_nothing_is_learnt_where_not_all_is_known(ends: str) -> None:
    """What the last look did not show, or a flag that has failed, is not as it was declared."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(text="trimmed"))
    deployments = ("404",) if ends == "a call is refused" else UNSET
    delays = ApplyOptions(read_back_delays=(0.25,))
    world = a_world(emulator, FlagSpec(key="f", name=" New", deployments=deployments), apply_options=delays)
    planned, real = world.look(), emulator.api.answer
    looks: list[str] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET" and emulator.writes:
            looks.append(request.path)
            if ends == "the looks fail" and len(looks) > 1:
                return text_response(400, "no")
        return real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    assert outcome.stored == ()
    if ends == "the looks fail":
        assert (outcome.status.value, outcome.verified, len(looks)) == ("unknown", False, 2)
        assert str(outcome.error).startswith("What was applied could not be read back: ")
    else:
        assert (outcome.status.value, outcome.verified) == ("failed", None)


@pytest.mark.parametrize(("delays", "used"), [((0.5, 0.99, 1.0, 2.0), 3), ((0.25, 0.99), 2), ((1.5, 2.0), 1)])
def test_a_form_of_the_servers_own_is_learnt_after_a_second(delays: tuple[float, ...], used: int) -> None:
    """Or when the looks are used up: till then it may be a write that shows late."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(text="trimmed"))
    world = a_world(emulator, FlagSpec(key="f", name=" New"), apply_options=ApplyOptions(read_back_delays=delays))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    world.sleep = sleep
    report = world.apply().report
    assert report is not None
    assert (report.exit_code, tuple(slept)) == (0, delays[:used])
    assert [item.path for item in report.outcomes[0].stored] == ["/name"]


@pytest.mark.parametrize("why", ["condition values are numbers", "weights of many are percentages"])
@pytest.mark.parametrize(("days", "is_drifted"), [(-1, False), (1, True)])
def test_a_form_that_moves_users_is_drift_where_it_was_never_sent(why: str, days: int, *, is_drifted: bool) -> None:
    """Git tells since when it is declared, and is asked for that field alone."""
    behaviour, live, declared, path, _ = CASES[why]
    emulator = an_emulator(a_live_flag("f", **live), a_live_flag("g"), behaviour=Behaviour(**behaviour))
    specs = FlagSpec(key="f", **declared), FlagSpec(key="g", rollout_percentage=100)
    assert a_world(emulator, *specs).apply().report is not None
    asked: list[Place] = []

    def history(places: Collection[Place], _: datetime | None = None) -> dict[Place, Timeline]:
        asked.extend(places)
        value = DeclaredValue(value=1, commit="abc1234", at=datetime.now(UTC) + timedelta(days=days))
        return dict.fromkeys(places, Timeline(values=(value,)))

    found = look(a_world(emulator, *specs, history=history))
    assert (found.is_drifted, [item.path for item in found.stored]) == (is_drifted, [] if is_drifted else [path])
    assert asked == [("f", path)] * (1 + is_drifted)


@pytest.mark.parametrize(("budget", "is_known"), [(1, False), (2, True), (3, True)])
def test_versions_of_what_differs_are_read_before_those_of_what_may(budget: int, *, is_known: bool) -> None:
    """Where a budget has no room for both."""
    behaviour, live, declared, _, _ = CASES["condition values are numbers"]
    emulator = an_emulator(a_live_flag("a", **live), a_live_flag("b"), behaviour=Behaviour(**behaviour))
    world = a_world(emulator, FlagSpec(key="a", **declared), FlagSpec(key="b", rollout_percentage=100))
    assert world.apply().report is not None
    version = edit(emulator, BOB, "b", rolloutPercentage=5)
    report = look(world, budget=budget)
    (drift,) = report.flags
    assert (drift.key, drift.latest.version, report.requests) == ("b", version if is_known else None, budget)


@pytest.mark.parametrize("why", CASES)
def test_what_is_stored_as_it_comes_is_not_called_so(why: str) -> None:
    """On a server that keeps what it gets there is nothing to learn."""
    _, live, declared, _, _ = CASES[why]
    world = a_world(an_emulator(a_live_flag("f", **live)), FlagSpec(key="f", **declared))
    report = world.apply().report
    assert report is not None
    assert [outcome.stored for outcome in report.outcomes] == [()]
    assert look(world).stored == ()
    assert world.plan().is_empty


def test_another_value_is_no_form_of_the_declared_one() -> None:
    """A server that ignores a write, or a colleague who edits: not as declared, and drift."""
    emulator = an_emulator(a_live_flag("f", name="Old", tags=["x"]), behaviour=Behaviour(text="trimmed"))
    world = a_world(emulator, FlagSpec(key="f", name="New ", tags=("x", "y")))
    assert look(world).is_drifted
    assert look(world).stored == ()


def _asking(values: list[str]) -> list[Any]:
    return [{"name": "S", "conditions": [{"prop": "version", "op": "is", "values": values}], "percentage": 1}]


NUMERALS = (
    (["1.0", "1.10"], ["1.0", "1.1"], "with values as numbers"),
    (["1.0", "1.10"], ["1", "1.1"], "with values as numbers"),
    (["2e3", "007", "x"], ["2000", "7", "x"], "with values as numbers"),
    (["2e3", "007"], ["2000.0", "007"], "with values as numbers"),
    (["-0", "+5"], ["0", "5"], "with values as numbers"),
    (["1.0"], ["1.01"], ""),
    (["1.1"], ["1.10"], ""),
    (["x"], ["X"], ""),
    (["1", "2"], ["1"], ""),
)


BOTH = "without members that are null and with large numbers as doubles"


def _weighing(name: str, a: float, b: float) -> dict[str, Any]:
    """A segment with these weights."""
    return {"name": name, "rolloutWeights": {"a": a, "b": b}}


@pytest.mark.parametrize(
    ("path", "declared", "live", "how"),
    [
        ("/name", "x", "x ", ""),
        ("/name", "X ", "x", ""),
        ("/name", "Caf\u00e9", "Cafe\u0301", ""),
        ("/description", "a\nb\n", "a\r\nb\r\n", "with other line ends"),
        ("/description", "a\r\nb", "a\nb", "with other line ends"),
        ("/variants/a/description", " a\nb", "a\r\nb", "without space around it and with other line ends"),
        ("/description", "a\nb", "a b", ""),
        ("/tags", [" A", "b"], ["A", "b"], "without space around them"),
        ("/tags", ["A", "B"], ["b", "a"], "in lower case"),
        ("/tags", ["A", "B"], ["a"], ""),
        ("/variants/a/payload", None, {}, "as an empty object"),
        ("/variants/a/payload", {"a": None, "n": 2**60 + 1}, {"n": 2.0**60}, BOTH),
        ("/variants/a/payload", [{"a": [2**60 + 1, 5]}], [{"a": [2.0**60, 5]}], "with large numbers as doubles"),
        ("/variants/a/payload", {"a": 1}, {}, ""),
        ("/variants/a/payload", {"a": True}, {"a": 1}, ""),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.33, "b": 66.67}, "as percentages"),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33, "b": 67}, ""),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.33}, ""),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.34, "b": 66.66}, "as percentages"),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.35, "b": 66.65}, ""),
        ("/rolloutWeights", {"a": 0, "b": 2}, {"a": 0, "b": 100}, "as percentages"),
        ("/rolloutWeights", {"a": 0, "b": 2}, {"a": 0.01, "b": 99.99}, ""),
        ("/rolloutWeights", {"a": 0, "b": 0}, {"a": 50, "b": 50}, ""),
        ("/name", " x", "x", "without space around it"),
        ("/targetSegments", [_weighing("S", 1, 2)], [_weighing("S", 33.33, 66.67)], "with weights as percentages"),
        ("/targetSegments", [{"name": "S"}], [{"name": "T"}], ""),
        ("/targetSegments", [{"name": " S"}], [{"name": "S"}], "with names without space around them"),
        ("/targetSegments", [{"name": " S", "percentage": 1}], [{"name": "S", "percentage": 1.01}], ""),
        (
            "/targetSegments",
            [_weighing(" S", 1, 3), {"name": "T"}],
            [_weighing("S", 25, 75), {"name": "T"}],
            "with weights as percentages and with names without space around them",
        ),
        ("/enabled", True, False, ""),
        ("/targetSegments", _asking(["1.0"]), None, ""),
        ("/targetSegments", _asking(["1.0"]), [None], ""),
        ("/targetSegments", _asking(["1.0"]), [], ""),
        ("/targetSegments", None, _asking(["1.0"]), ""),
        ("/rolloutWeights", {"a": 1}, None, ""),
        *(("/targetSegments", _asking(declared), _asking(live), how) for declared, live, how in NUMERALS),
    ],
)
def test_forms(path: str, declared: Any, live: Any, how: str) -> None:
    """The live value is the declared one put into a form, or it is another value."""
    found = how_stored(ValueChange(path=path, before=live, after=declared))
    assert found == how


def test_members_have_no_form() -> None:
    """Users and cohorts are kept as they are sent: what differs is another member."""
    assert how_stored(MembersChange(path="/variants/a/inclusions/users", added=("a",), removed=("A",))) == ""

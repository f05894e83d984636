"""An edit of a flag by hand between a run's calls and its read-back: it stays, and it is reported.

Only what the run's own calls left undone is put right, and each call for that stands in the report.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_PROJECT, OTHER_USER, PROJECT, a_live_flag, an_emulator, flag_of, variant_of
from faults.drills import attempt
from faults.test_waits import a_wired_world, report_of
from faults.wire import Fault, Passage, answered, arriving
from jsonschema import Draft202012Validator
from virtual_time import run_in_virtual_time

from reconciler.apply import Status
from reconciler.emulator import Behaviour
from reconciler.files.schema import load_schema
from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.reports.registry import APPLY, render

if TYPE_CHECKING:
    import httpx
    from faults.drills import Attempt, WiredWorld

    from reconciler.emulator import Emulator

LIVE = a_live_flag(
    "a",
    rolloutPercentage=10,
    enabled=False,
    variants=[{"key": "control", "users": ["ada"]}, {"key": "treatment"}],
    tags=["t"],
)
SPEC = FlagSpec(
    key="a",
    enabled=False,
    rollout_percentage=50,
    rollout_weights=Weights.of({"control": 1, "treatment": 1}),
    variants=(Variant(key="control", users=("ada", "bea")), Variant(key="treatment", users=("eve",))),
    target_segments=(),
    deployments=(),
    tags=("t",),
)
EDITS: dict[str, tuple[str, str, Any]] = {
    "a user is added": ("POST", "/variants/control/users", {"inclusions": ["zoe"]}),
    "a user is added elsewhere": ("POST", "/variants/treatment/users", {"inclusions": ["zoe"]}),
    "a user is removed": ("DELETE", "/variants/control/bulk-delete-users", {"users": ["ada"]}),
    "an added user is removed": ("DELETE", "/variants/control/bulk-delete-users", {"users": ["bea"]}),
    "a list is emptied": ("DELETE", "/variants/control/users", None),
    "a deployment is attached": ("POST", "/deployments", {"deployments": ["67"]}),
    "a variant is added": ("POST", "/variants", {"key": "third", "rolloutWeight": 1}),
    "a variant is removed": ("DELETE", "/variants/treatment", None),
    "a weight is changed": ("PATCH", "/variants/control", {"rolloutWeight": 9}),
    "the rollout is changed": ("PATCH", "", {"rolloutPercentage": 0}),
    "the rollout is taken back": ("PATCH", "", {"rolloutPercentage": 10}),
    "it is switched on": ("PATCH", "", {"enabled": True}),
    "a segment is added": (
        "PATCH",
        "",
        {"targetSegments": [{"name": "S", "conditions": [], "percentage": 1, "rolloutWeights": {"control": 1}}]},
    ),
    "tags are changed": ("PATCH", "", {"tags": ["t", "u"]}),
    "it is archived": ("PATCH", "", {"archive": True}),
}


AS_BEFORE = {"the rollout is taken back", "an added user is removed"}
AS_BEFORE_OF_A_NEW_FLAG = {"the rollout is changed", "a user is removed", "a list is emptied"}
"""What looks like a server that shows writes late: the flag is as it was before a call."""


def edit_before_reading_back(world: WiredWorld, calls: int, edit: tuple[str, str, Any]) -> list[Any]:
    """Edit the flag by hand before the first read after so many calls; and how the flag is then."""
    after: list[Any] = []
    method, path, body = edit

    async def gate(passage: Passage) -> None:
        made = sum(earlier.commits for earlier in world.wire.passages)
        if not passage.is_write and made == calls and not after:
            flag = flag_of(world.emulator, "a")
            world.emulator.edit_as(OTHER_USER, method, f"/flags/{flag['id']}{path}", body)
            after.append(shown(world.emulator))

    world.wire.gate = gate
    return after


def shown(emulator: Emulator, key: str = "a") -> Any:
    """A flag, but for who edited it when."""
    return {name: value for name, value in flag_of(emulator, key).items() if not name.startswith("lastModified")}


@pytest.mark.parametrize("is_new", [False, True], ids=["a flag that was there", "a new flag"])
@pytest.mark.parametrize("why", EDITS)
def test_an_edit_by_hand_after_the_last_call_stays(why: str, is_new: bool) -> None:
    """No call that the plan did not show is sent; the edit is reported, and the next plan shows it."""
    emulator = an_emulator(*([] if is_new else [LIVE]))
    world = a_wired_world(emulator, SPEC)
    calls = len(list(run_in_virtual_time(world.plan_async()).plan.operations))
    after = edit_before_reading_back(world, calls, EDITS[why])
    done = run_in_virtual_time(attempt(world))
    assert after, "the edit came"
    assert [shown(emulator)] == after
    report = report_of(done)
    assert (report.exit_code, report.verified) == (7, False)
    assert not any(item.is_added for item in report.outcomes[0].operations)
    assert len([passage for passage in done.sent if passage.is_write]) == calls
    if why not in AS_BEFORE and not (is_new and why in AS_BEFORE_OF_A_NEW_FLAG):
        what = "archived by hand" if why == "it is archived" else "edited"
        assert f"{what} meanwhile" in str(report.outcomes[0].error)


def added_calls(done: Attempt) -> list[dict[str, Any]]:
    """What the report says of calls that were in no plan."""
    report = report_of(done)
    document = json.loads(render(APPLY, "json", report))
    Draft202012Validator(load_schema("report")).validate(document)
    return [call for flag in document["flags"] for call in flag["operations"] if "added" in call]


def test_a_call_that_is_added_stands_in_the_report_with_its_request() -> None:
    """A server that leaves weights behind: what puts that right is reported as it was sent, in every form."""
    emulator = an_emulator(a_live_flag("a"), behaviour=Behaviour(rename_rewrites=False))
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    weights = Weights.of({"control": 1, "new": 1})
    world = a_wired_world(emulator, FlagSpec(key="a", variants=variants, rollout_weights=weights, name="N"))
    done = run_in_virtual_time(attempt(world))
    report, sent = report_of(done), [passage for passage in done.sent if passage.is_write]
    assert report.exit_code == 0
    path = f"/api/1/flags/{flag_of(emulator, 'a')['id']}/variants/new"
    (added,) = added_calls(done)
    assert added == {
        "order": 3, "status": "applied", "attempts": 1, "httpStatus": 200, "error": None, "added": True,
        "kind": "edit-variant", "method": "PATCH", "path": path, "body": {"rolloutWeight": 1},
    }  # fmt: skip
    assert (sent[-1].call, sent[-1].body) == (("PATCH", path), {"rolloutWeight": 1})
    for form in ("text", "markdown", "html"):
        text = render(APPLY, form, report)
        assert "not in the plan: PATCH" in text
        assert path in text


def test_users_of_an_added_call_are_counted_in_text() -> None:
    """JSON holds their ids, as it does for plans; text does not."""
    emulator = an_emulator(LIVE, behaviour=Behaviour(duplicate_user="twice"))
    world = a_wired_world(emulator, SPEC)

    def plan(passage: Passage) -> Fault | None:
        return twice if passage.raw.path.endswith("/control/users") and passage.is_write else None

    async def twice(passage: Passage) -> httpx.Response:
        passage.deliver()
        return answered(passage.deliver())

    world.wire.plan = plan
    done = run_in_virtual_time(attempt(world))
    (added,) = added_calls(done)
    assert (added["kind"], added["user"]) == ("remove-user-at", "bea")
    assert variant_of(emulator, "a", "control")["users"] == ["ada", "bea"]
    assert "bea" not in render(APPLY, "text", report_of(done))


def test_what_a_server_switched_on_is_switched_off_in_sight() -> None:
    """A new flag that comes out enabled at 100 %: the call for that is in the report."""
    emulator = an_emulator(behaviour=Behaviour(new_flag="on"))
    spec = FlagSpec(key="a", enabled=False, rollout_percentage=0, variants=(Variant(key="on"),))
    done = run_in_virtual_time(attempt(a_wired_world(emulator, spec)))
    assert report_of(done).exit_code == 0
    (added,) = added_calls(done)
    assert (added["method"], added["body"]) == ("PATCH", {"enabled": False, "rolloutPercentage": 0})
    assert flag_of(emulator, "a")["enabled"] is False


def test_an_added_call_goes_out_where_it_is_needed() -> None:
    """What a lost create turns out to have switched on is switched off before anything else is sent."""
    emulator = an_emulator(behaviour=Behaviour(new_flag="on"))
    variants = (Variant(key="on", users=("ada",)), Variant(key="control", users=("eve",)))
    spec = FlagSpec(key="a", enabled=False, rollout_percentage=0, variants=variants)
    world = a_wired_world(emulator, spec)

    async def lost(passage: Passage) -> httpx.Response:
        passage.deliver()
        return arriving(500, b"oops")

    world.wire.plan = lambda passage: lost if passage.call == ("POST", "/api/1/flags") else None
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).exit_code == 0
    calls = [(passage.raw.method, passage.raw.path.rpartition("/")[2]) for passage in done.sent if passage.is_write]
    flag_id = flag_of(emulator, "a")["id"]
    assert calls == [("POST", "flags"), ("PATCH", flag_id), ("POST", "users"), ("POST", "users")]
    (added,) = added_calls(done)
    assert added["order"] == 4


def test_what_a_lost_call_left_undone_is_not_put_right_where_that_loses_conditions() -> None:
    """A lost rename whose server left segments behind: they are not replaced, since no guard has seen the loss."""
    condition = {"type": "cohort", "prop": "userdata_cohort", "op": "is", "values": ["c1"]}
    segment = {"name": "S", "conditions": [condition], "percentage": 100, "rolloutWeights": {"treatment": 1}}
    emulator = an_emulator(a_live_flag("a", targetSegments=[segment]), behaviour=Behaviour(rename_rewrites=False))
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    world = a_wired_world(emulator, FlagSpec(key="a", variants=variants))

    async def lost(passage: Passage) -> httpx.Response:
        passage.deliver()
        return arriving(500, b"oops")

    world.wire.plan = lambda passage: lost if passage.is_write else None
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).outcomes[0].status is Status.UNKNOWN
    assert len([passage for passage in done.sent if passage.is_write]) == 1
    assert flag_of(emulator, "a")["targetSegments"][0]["conditions"] == [condition]


def test_a_lost_create_that_left_another_flag_is_unclear() -> None:
    """Only what a server may switch on by itself is put right: a flag of that key with another name is not ours."""
    emulator = an_emulator()
    spec = FlagSpec(key="a", name="Ours", variants=(Variant(key="on", users=("ada",)),))
    world = a_wired_world(emulator, spec)
    body = {"projectId": PROJECT, "key": "a", "name": "Theirs", "variants": [{"key": "on"}]}

    async def lost(passage: Passage) -> httpx.Response:
        emulator.edit_as(OTHER_USER, "POST", "/flags", body)
        return arriving(500, b"oops")

    world.wire.plan = lambda passage: lost if passage.call == ("POST", "/api/1/flags") else None
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).outcomes[0].status is Status.UNKNOWN
    assert len([passage for passage in done.sent if passage.is_write]) == 1
    assert flag_of(emulator, "a")["name"] == "Theirs"


NEW = FlagSpec(
    key="new",
    enabled=True,
    rollout_percentage=50,
    variants=(Variant(key="on", users=("ada",)), Variant(key="control")),
    tags=("t",),
)


def answering_creates(world: WiredWorld, body: Any, *, is_made: bool = True) -> None:
    """Creates are done, or not, and answered with this."""

    async def lie(passage: Passage) -> httpx.Response:
        if is_made:
            passage.deliver()
        return arriving(200, json.dumps(body).encode(), {"content-type": "application/json"})

    world.wire.plan = lambda passage: lie if passage.call == ("POST", "/api/1/flags") else None


@pytest.mark.parametrize("is_made", [True, False], ids=["and made it", "and made nothing"])
@pytest.mark.parametrize("whose", ["another flag", "a flag of the plan", "another project's", "no flag's", "a word"])
def test_the_id_that_a_create_is_answered_with_is_read_before_it_is_used(whose: str, is_made: bool) -> None:
    """Nothing goes to a flag that has another key or project, with any answer."""
    emulator = an_emulator(a_live_flag("foreign"), LIVE, projects={PROJECT: {"67": "web"}, OTHER_PROJECT: {}})
    emulator.store.seed_flag({"projectId": OTHER_PROJECT, "key": "new"})
    ids = {
        "another flag": flag_of(emulator, "foreign")["id"],
        "a flag of the plan": flag_of(emulator, "a")["id"],
        "another project's": flag_of(emulator, "new")["id"],
        "no flag's": "424242",
        "a word": "flags",
    }
    before = {flag_id: dict(record) for flag_id, record in emulator.store.flags.items()}
    world = a_wired_world(emulator, NEW)
    answering_creates(world, {"id": ids[whose], "url": "https://app.example.com/"}, is_made=is_made)
    done = run_in_virtual_time(attempt(world))
    outcome = report_of(done).outcomes[0]
    assert {flag_id: emulator.store.flags[flag_id] for flag_id in before} == before
    assert [passage.call for passage in done.sent if passage.is_write] == [("POST", "/api/1/flags")]
    assert (outcome.status, outcome.flag_id, report_of(done).exit_code) == (Status.UNKNOWN, None, 7)
    assert [item.status for item in outcome.operations][:2] == [Status.UNKNOWN, Status.SKIPPED]
    assert ids[whose] in str(outcome.error)
    world.wire.plan = lambda _: None
    if is_made:
        assert run_in_virtual_time(attempt(world)).exit_code == 0


def test_a_create_takes_one_read_more_before_its_next_call() -> None:
    """And none where no call follows: its read-back comes after that."""
    for spec, reads in ((NEW, 1), (FlagSpec(key="new", variants=(Variant(key="on"),)), 0)):
        world = a_wired_world(an_emulator(), spec, verify=False)
        done = run_in_virtual_time(attempt(world))
        assert report_of(done).exit_code == 0
        listed = {"/api/1/flags", "/api/1/experiments"}
        last = max(number for number, item in enumerate(done.sent) if item.raw.method != "GET")
        details = [item for item in done.sent[:last] if item.raw.method == "GET" and item.raw.path not in listed]
        assert len(details) == reads

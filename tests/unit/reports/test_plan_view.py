"""What is said of a whole plan and of each flag, whatever the format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from builders import a_flag_plan, a_plan, a_position
from msgspec.structs import replace

from reconciler.api.credentials import REGIONS
from reconciler.planning.operations import CreateFlag, EditFlag, RemoveUserAt
from reconciler.planning.plan import Action, PlanOptions, Refusal, Released, ValueChange
from reconciler.reports.plan_view import call_line, flag_link, names_users, place_text, plan_view, project_title

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation

REFUSAL = Refusal(guard="g", message="m", override="--allow g")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"created_at": None, "commit": None}, ""),
        ({"commit": None}, "Made 2030-01-02 12:00 UTC"),
        ({"created_at": None}, "Made from commit 0123456789ab"),
        ({"created_at": None, "commit": None, "options": PlanOptions(prune=True)}, "Made with --prune"),
        ({"created_at": None, "commit": "abc", "options": PlanOptions(unarchive=True)},
         "Made from commit abc with --unarchive"),
        ({"commit": "a\nb", "options": PlanOptions(allow=frozenset({"b", "a:x", "c"}))},
         "Made 2030-01-02 12:00 UTC from commit a\\nb with --allow b, c, a:x"),
    ],
)  # fmt: skip
def test_when_and_from_what_a_plan_was_made(fields: dict[str, Any], text: str) -> None:
    """As far as it is known, and with which options that let it do more."""
    assert plan_view(a_plan(**fields)).made == text


@pytest.mark.parametrize(
    ("fields", "flag_id", "link"),
    [
        ({}, "123", f"{REGIONS['us'].url}/amplitude/7/config/123"),
        ({"project_id": "7/8"}, "1/2", f"{REGIONS['us'].url}/amplitude/7%2F8/config/1%2F2"),
        ({}, None, ""),
        ({"origin": "http://127.0.0.1"}, "123", ""),
        ({"region": "eu"}, "123", ""),
        ({"region": "mars"}, "123", ""),
        ({"region": "eu", "origin": REGIONS["eu"].url}, "123", f"{REGIONS['eu'].url}/amplitude/7/config/123"),
    ],
)
def test_the_address_of_a_flag(fields: dict[str, Any], flag_id: str | None, link: str) -> None:
    """Only of one that is there, in Amplitude itself."""
    plan = a_plan(a_flag_plan(flag_id=flag_id), **{"origin": REGIONS["us"].url} | fields)
    assert flag_link(plan, flag_id) == link
    assert plan_view(plan).flags[0].link == link


@pytest.mark.parametrize(
    ("fields", "facts", "costs"),
    [
        ({"unchanged": 0, "unmanaged": (), "requests": 0}, (), ()),
        ({"unchanged": 1, "unmanaged": (), "requests": 1}, ("1 flag unchanged", "read with 1 request"), ()),
        ({"unchanged": 2, "unmanaged": ("a", "b"), "requests": 2, "hourly_drift_requests": 0},
         ("2 flags unchanged", "2 flags not managed here: a, b", "read with 2 requests"),
         ("drift every hour would send 0 requests a day",)),
        ({"unchanged": 0, "unmanaged": ("a", "b"), "requests": 0, "hourly_drift_requests": 1,
          "released": (Released(key="a", path="", live=None), Released(key="b", path="/name", live="x"))},
         ("1 flag not managed here: b",), ("drift every hour would send 1 request a day",)),
    ],
)  # fmt: skip
def test_facts_and_costs(fields: dict[str, Any], facts: tuple[str, ...], costs: tuple[str, ...]) -> None:
    """Only where there are some; a flag that is released is told in the table."""
    view = plan_view(a_plan(**fields))
    assert (view.facts, view.costs) == (facts, costs)


def test_a_refusal_and_what_can_be_done() -> None:
    """What is safer comes first; the flag that is held is named, and what the forge calls a change."""
    refusals = (
        REFUSAL,
        replace(REFUSAL, alternatives=("wait", "ask")),
        replace(REFUSAL, override=""),
        replace(REFUSAL, override="", alternatives=("wait",)),
    )
    plan = a_plan(a_flag_plan("a", held=(replace(REFUSAL, guard="h\n"),)), a_flag_plan("b"), refusals=refusals)
    view = plan_view(plan, request="merge request")
    assert [line.advice for line in view.refusals] == [
        "To continue anyway: --allow g",
        "Safer: wait; or ask. To continue anyway: --allow g",
        "No --allow overrides this.",
        "Safer: wait. No --allow overrides this.",
    ]
    assert {(line.key, line.request, line.message) for line in view.refusals} == {("", "merge request", "m")}
    (held,) = view.held
    assert (held.guard, held.key, held.request, view.count_held) == ("h\\n", "a", "merge request", 1)
    assert plan_view(plan).held[0].request == "pull request"


def test_a_section() -> None:
    """The action, or that the flag is held; sizes in words; exposure only where calls are sent."""
    plan = a_plan(
        a_flag_plan("a", action=Action.CREATE),
        a_flag_plan("b", held=(REFUSAL,)),
        a_flag_plan("c", held=(REFUSAL,), operations=(), source=None),
    )
    sections = {section.key: section for section in plan_view(plan).flags}
    assert [
        (item.symbol, item.word, item.kind, item.action, item.size, item.place, item.exposure is None)
        for item in map(sections.__getitem__, "abc")
    ] == [
        ("+", "create", "create", "create", "2 fields, 2 calls", "flags/a.yaml:2", False),
        ("!", "update, held", "held", "update", "2 fields, 2 calls", "flags/b.yaml:2", False),
        ("!", "held", "held", "update", "2 fields, 0 calls", "", True),
    ]


def test_what_moves_most_is_told_of_several_flags() -> None:
    """Of one alone its row says it; one call is one in the headline, and never in the last line."""
    one, two = (plan_view(a_plan(*(a_flag_plan(key) for key in keys))) for keys in ("a", "ab"))
    assert (one.widest, len(two.widest)) == ((), 1)
    single = plan_view(a_plan(a_flag_plan(operations=a_flag_plan().operations[:1])))
    assert "; 1 API calls; " in single.last_line
    assert single.headline == single.last_line.replace("calls", "call")
    assert two.headline == two.last_line
    assert (one.marker, plan_view(a_plan(environment="live")).marker) == ("plan", "plan-live")


def test_places_and_projects() -> None:
    assert (place_text(None), place_text(a_position(file="a\tb", line=3))) == ("", "a\\tb:3")
    assert project_title("7", "us", None) == "project 7 (us)"
    assert project_title("7", "eu", "li\nve") == "project 7 (eu), environment li\\nve"


USERS = {"inclusions": {"users": ["ada"], "cohorts": ["c"]}}


ONE_COPY = ("one copy of a user who is listed twice", 'one copy of "ada"')


@pytest.mark.parametrize(
    ("operation", "flag_id", "path", "bodies", "notes"),
    [
        (EditFlag(flag_key="a", body={"name": "x"}), "1", "/1", ('{"name": "x"}',) * 2, (None, None)),
        (EditFlag(flag_key="a", body={"archive": True}), None, "/{id}", ('{"archive": true}',) * 2, (None, None)),
        (CreateFlag(flag_key="a", body={"key": "a", "variants": [USERS]}), None, "",
         tuple(f'{{"key": "a", "variants": [{{"inclusions": {{"users": [{shown}], "cohorts": ["c"]}}}}]}}'
               for shown in ("1 user", '"ada"')), (None, None)),
        (RemoveUserAt(flag_key="a", variant_key="t", user="ada", index=3), "1", "/1/variants/t/users/3",
         (None, None), ONE_COPY),
        (a_flag_plan().operations[1], "1", "/1/variants/treatment/users",
         ('{"inclusions": [2 users]}', '{"inclusions": ["ada@example.com", "00123"]}'), (None, None)),
    ],
)  # fmt: skip
def test_calls_are_shown_as_they_are_sent(
    operation: Operation,
    flag_id: str | None,
    path: str,
    bodies: tuple[str | None, ...],
    notes: tuple[str | None, ...],
) -> None:
    """But for ids of users, unless they are asked for."""
    lines = [call_line(2, operation, flag_id, show_users=show) for show in (False, True)]
    assert (tuple(line.body for line in lines), tuple(line.note for line in lines)) == (bodies, notes)
    for line in lines:
        request = operation.request(flag_id) if flag_id else operation.request()
        assert (line.order, line.kind, line.method) == (2, operation.kind, request.method)
        assert line.path == f"/api/1/flags{path}"


def test_one_flag_that_names_users_is_enough() -> None:
    """Beside others that name none."""
    change = ValueChange(path="/name", before="a", after="b")
    others = [a_flag_plan(key, changes=(change,), operations=()) for key in ("a", "c")]
    assert names_users(a_plan(*others, a_flag_plan("b")))
    assert not names_users(a_plan(*others))


def test_notes_of_several_flags_stand_once_for_the_plan() -> None:
    """In the order of their first appearance; those of one flag stay with it."""
    exposure = a_flag_plan().exposure
    assert exposure is not None
    flags = [
        a_flag_plan(key, exposure=replace(exposure, notes=notes))
        for key, notes in (("a", ("z\n", "one")), ("b", ("y", "z\n")), ("c", ("y",)))
    ]
    view = plan_view(a_plan(*flags, a_flag_plan("d", exposure=None), warnings=("w\n",)))
    assert (view.notes, view.warnings) == (("z\\n", "y"), ("w\\n",))
    sections = {section.key: section for section in view.flags}
    assert [item and item.notes for item in (sections[key].exposure for key in "abcd")] == [("one",), (), (), None]

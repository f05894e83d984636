"""`--since`: what it costs, what it sees, and what it does where there is no feed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from builders import NOON
from emulators import a_live_flag, seeded
from looks import ADA, BOB, Cron, a_declaration, changed_paths, edit, flag_id_of, include, look
from worlds import World, a_world, an_emulator

from reconciler.drift.report import Sweep
from reconciler.drift.view import parse_since
from reconciler.emulator import Behaviour, Emulator
from reconciler.errors import UnknownTargetError, UsageError
from reconciler.model.flag import FlagSpec

EXPERIMENTS: tuple[dict[str, Any], ...] = (
    {"experimentType": "a-b-test", "evaluationMode": "remote", "rolloutPercentage": 100},
    {"stickyBucketing": False},
    {"enabled": True, "variants": [{"key": "control"}]},
)
"""What versions of experiments show: something of their own, or nothing that all flags have."""

LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)


class Clocked:
    """A project of three flags as declared, whose clock is ours."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.time = NOON - timedelta(days=1)
        self.emulator = Emulator(behaviour=behaviour, now=lambda: self.time)
        base = an_emulator(*(a_live_flag(key, createdAt="2030-01-01T00:00:00.000Z") for key in ("a", "b", "c")))
        self.emulator.load(base.dump())
        self.world: World = a_world(self.emulator, *(a_declaration(key) for key in ("a", "b", "c")))
        self.time = NOON


def paths(world: World) -> list[str]:
    """What the last look asked for, without ids."""
    return [entry.path.removeprefix("/api/1") for entry in world.emulator.log]


def test_an_unchanged_project_costs_one_request() -> None:
    """Where no version was made since then, the feed is all that is read, and there is no drift to speak of."""
    world = Clocked().world
    report = look(world, since=NOON)
    assert paths(world) == ["/versions"]
    assert not report.is_drifted
    assert report.requests == 1


def test_only_flags_that_were_edited_are_read() -> None:
    """An edit of one flag makes drift of that one; the others are neither read nor reported."""
    project = Clocked()
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    report = look(project.world, since=NOON)
    (drift,) = report.flags
    assert (drift.key, drift.latest.by, drift.latest.version) == ("b", BOB, 2)
    assert report.checked == {"b"}
    flag_id = flag_id_of(project.emulator, "b")
    assert [path for path in paths(project.world) if path.startswith("/flags/")] == [
        *(f"/flags/{flag_id}/variants/{variant}/users" for variant in ("control", "treatment")),
        f"/flags/{flag_id}/versions",
    ]


def test_older_drift_is_not_looked_for() -> None:
    """A difference that was made before that time stays unreported, and the report says from when on it looked."""
    project = Clocked()
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    project.time += timedelta(hours=1)
    edit(project.emulator, ADA, "a", description="seen")
    report = look(project.world, since=project.time)
    assert report.flags == ()
    assert report.since == project.time
    assert report.checked == {"a"}


def test_an_edit_that_restores_the_declaration_is_no_drift() -> None:
    """Edited and equal is equal."""
    project = Clocked()
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    edit(project.emulator, BOB, "b", rolloutPercentage=100)
    assert not look(project.world, since=NOON).is_drifted


def test_a_flag_that_was_archived_since_then_is_drift() -> None:
    """An archived flag is no longer in the list, but its edit is in the feed."""
    project = Clocked()
    edit(project.emulator, BOB, "b", archive=True)
    (drift,) = look(project.world, since=NOON).flags
    assert changed_paths(drift) == ["/archived"]
    assert drift.latest.by == BOB


def test_new_undeclared_flags_are_unmanaged() -> None:
    """What was made since then and is not declared is named, and is no drift."""
    project = Clocked()
    project.emulator.store.seed_flag({"projectId": "7", "key": "foreign"})
    report = look(project.world, since=NOON)
    assert report.unmanaged == ("foreign",)
    assert not report.is_drifted


@pytest.mark.parametrize("refusal", ["403", "404"])
def test_without_a_feed_the_list_says_what_was_edited(refusal: str) -> None:
    """A server without a feed costs one request more: the list's times decide which flags are read."""
    project = Clocked(Behaviour(feeds=refusal))  # type: ignore[arg-type]
    assert not look(project.world, since=NOON).is_drifted
    assert paths(project.world) == ["/versions", "/flags"]
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    (drift,) = look(project.world, since=NOON).flags
    assert (drift.key, drift.latest.by) == ("b", BOB)


def test_without_a_feed_what_is_known_to_differ_is_looked_at() -> None:
    """Though it was not edited since then: it may be as declared again, or declared otherwise."""
    project = Clocked(Behaviour(feeds="404"))
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    cron = Cron(project.world, since=NOON)
    assert cron.run().checked == {"b"}
    report = cron.run(since=NOON + timedelta(hours=1))
    assert (report.checked, [flag.key for flag in report.flags]) == ({"b"}, ["b"])


def test_without_a_feed_what_the_list_does_not_date_is_looked_at() -> None:
    """A flag that is missing, or was archived at any time, is drift; an old one that is not declared is not named."""
    project = Clocked(Behaviour(feeds="404"))
    project.world.desired = a_world(project.emulator, a_declaration("b"), a_declaration("gone")).desired
    project.time -= timedelta(days=1)
    edit(project.emulator, BOB, "b", archive=True)
    report = look(project.world, since=NOON)
    assert [(drift.key, *changed_paths(drift)) for drift in report.flags] == [("b", "/archived")]
    assert (report.missing, report.unmanaged) == (("gone",), ())
    project.time = NOON
    edit(project.emulator, BOB, "c", description="seen")
    assert look(project.world, since=NOON).unmanaged == ("c",)


@pytest.mark.parametrize("text", ["soon", ""])
def test_without_a_feed_a_flag_of_which_no_time_can_be_read_is_looked_at(text: str) -> None:
    """What cannot be known to be old may be new."""
    project = Clocked(Behaviour(feeds="404"))
    project.time -= timedelta(days=1)
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    assert not look(project.world, since=NOON).is_drifted
    state = json.loads(project.emulator.dump())
    (flag,) = [flag for flag in state["flags"] if flag["key"] == "b"]
    flag["lastModifiedAt"] = text
    project.emulator.load(json.dumps(state).encode())
    assert look(project.world, since=NOON).checked == {"b"}


def test_edits_of_inclusions_may_go_unseen() -> None:
    """Where an edit of inclusions makes no version the feed does not know of it; a whole look does."""
    project = Clocked(Behaviour(inclusion_edits_bump=False))
    include(project.emulator, BOB, "b", "treatment", "eve@example.com")
    assert not look(project.world, since=NOON).is_drifted
    assert look(project.world).is_drifted


def test_many_edited_flags_are_read_from_the_list() -> None:
    """Beyond a few flags one page of the list is cheaper than a look-up each."""
    keys = [f"flag-{number}" for number in range(8)]
    world = a_world(an_emulator(*(a_live_flag(key) for key in keys)), *(a_declaration(key) for key in keys))
    report = look(world, since=EARLIER)
    assert report.checked == set(keys)
    assert [path for path in paths(world) if not path.startswith("/flags/")] == ["/versions", "/flags"]


@pytest.mark.parametrize(
    ("edited", "declared", "requests"), [(3, 3, 3), (4, 4, 1), (5, 4000, 1), (5, 4001, 5), (6, 4001, 1)]
)
def test_edited_flags_are_told_in_order_for_the_fewest_requests(edited: int, declared: int, requests: int) -> None:
    """One by one up to three, or as many as the list has pages, if the project has just the declared flags."""
    keys = [f"flag-{number}" for number in range(edited)]
    others = [f"other-{number}" for number in range(declared - edited)]
    world = a_world(
        an_emulator(*(a_live_flag(key, enabled=False) for key in keys)),
        *(FlagSpec(key=key, enabled=True) for key in [*keys, *others]),
    )
    report = look(world, since=EARLIER)
    assert [flag.key for flag in report.flags] == keys
    assert paths(world).count("/flags") == requests


def test_a_target_that_is_no_flag_is_named() -> None:
    """The first of them; one that is live is none, though no file declares it and nobody edited it."""
    project = Clocked()
    project.time -= timedelta(days=9)
    seeded(project.emulator, [a_live_flag("live", createdAt="2029-01-01T00:00:00.000Z")])
    project.time = NOON
    assert look(project.world, since=NOON, targets=("live", "a")).warnings == ()
    with pytest.raises(UnknownTargetError, match='There is no flag "b-gone", neither'):
        look(project.world, since=NOON, targets=("d-gone", "c-gone", "b-gone", "e-gone"))
    (warning,) = look(project.world, since=NOON, targets=("x*", "a")).warnings
    assert warning == 'The target "x*" matches no flag, neither declared nor edited since then.'
    assert paths(project.world) == ["/versions"], "a pattern is no key to look up"


def test_what_was_made_since_then_is_told_in_order() -> None:
    """Flags that no file declares."""
    project = Clocked()
    names = ["e", "g", "d", "f", "i", "h"]
    seeded(project.emulator, [a_live_flag(key) for key in names])
    assert look(project.world, since=NOON).unmanaged == tuple(sorted(names))


def test_what_differed_last_time_is_looked_at_again() -> None:
    """With a memory, --since does not take drift for recovered because the flag was not edited meanwhile."""
    project = Clocked()
    cron = Cron(project.world)
    edit(project.emulator, BOB, "b", rolloutPercentage=5)
    assert cron.run().notice == "new"
    project.time += timedelta(hours=1)
    report = cron.run(since=project.time)
    assert (report.notice, report.is_drifted) == ("same", True)
    assert report.checked == {"b"}


def test_a_budget_that_the_feed_takes_checks_what_was_edited() -> None:
    """With a memory too: nothing is left to sweep with."""
    project = Clocked()
    cron = Cron(project.world, since=NOON, budget=1)
    assert [cron.run().requests for _ in range(2)] == [1, 1]


def test_a_budget_that_shows_what_was_edited_leaves_its_inclusions_unchecked() -> None:
    """The feed, and a look at the flag."""
    project = Clocked()
    edit(project.emulator, BOB, "b", description="seen")
    report = look(project.world, since=NOON, budget=2)
    assert (report.checked, [place.key for place in report.unchecked]) == ({"b"}, ["b", "b"])


def test_without_a_memory_nothing_is_swept() -> None:
    project = Clocked()
    report = look(project.world, since=NOON, budget=50)
    assert (paths(project.world), report.sweep) == (["/versions"], Sweep(total=0, done=0))


def test_a_budget_and_a_memory_sweep_what_the_feed_does_not_show() -> None:
    """What --since saves goes into inclusion reads in turn, so that unseen edits come to light."""
    project = Clocked(Behaviour(inclusion_edits_bump=False))
    include(project.emulator, BOB, "c", "treatment", "eve@example.com")
    cron = Cron(project.world, since=NOON, budget=4)
    reports = [cron.run() for _ in range(3)]
    assert [report.is_drifted for report in reports] == [False, False, True]
    assert all(report.sweep is not None and report.sweep.runs == 3 for report in reports)
    assert [report.edits for report in reports] == [()] * 3, "the feed tells of edits too"


@pytest.mark.parametrize(("bumps", "run"), [(True, 0), (False, 1)])
def test_what_the_feed_shows_is_read_first(*, bumps: bool, run: int) -> None:
    """Whatever its turn would be: a list of inclusions that was edited comes before those that were not."""
    project = Clocked(Behaviour(inclusion_edits_bump=bumps))
    include(project.emulator, BOB, "c", "treatment", "eve@example.com")
    cron = Cron(project.world, since=NOON, budget=6)
    assert [cron.run().is_drifted for _ in range(run + 1)] == [False] * run + [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOON - timedelta(hours=2)),
        ("90s", NOON - timedelta(seconds=90)),
        ("30m", NOON - timedelta(minutes=30)),
        ("1d", NOON - timedelta(days=1)),
        ("2w", NOON - timedelta(weeks=2)),
        ("2030-01-02T14:00:00+02:00", NOON),
        ("2030-01-02T12:00:00Z", NOON),
        ("2030-01-02T12:00", NOON),
        ("2030-01-02", NOON.replace(hour=0)),
    ],
)
def test_times_and_spans(text: str, expected: datetime) -> None:
    """ISO 8601 is read as it stands, UTC where it names no zone; a span counts back from now. In UTC."""
    for now in (NOON, NOON.astimezone(timezone(timedelta(hours=5)))):
        assert (parse_since(text, now), parse_since(text, now).tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2 h", "-2h", "1y", "2030-13-01", "999999w", "1000000s", "\uff12h"]
)
def test_other_times_are_refused(text: str) -> None:
    """What is neither a time nor a span is wrong usage."""
    with pytest.raises(UsageError, match=f"^--since {text!r} is no time: use ISO 8601, as in 2030"):
        parse_since(text, NOON)


@pytest.mark.parametrize("shown", EXPERIMENTS)
@pytest.mark.parametrize(("key", "unmanaged"), [("pricing", ("foreign",)), ("a", ("foreign",))])
def test_experiments_in_the_feed_are_no_unmanaged_flags(
    shown: dict[str, Any], key: str, unmanaged: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand in the same feed; a declared key is looked at all the same."""
    project = Clocked()
    seeded(project.emulator, [{"key": "foreign"}])
    emulator = project.emulator

    async def with_an_experiment(scope: Any, receive: Any, send: Any) -> None:
        async def add(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                document = json.loads(message["body"])
                flag = {"id": "99", "projectId": "7", "key": key, **shown}
                row = {"createdAt": "2031-01-01T00:00:00.000Z", "createdBy": BOB, "version": 1, "flagConfig": flag}
                document["versions"].insert(0, row)
                message = {**message, "body": json.dumps(document).encode()}
            elif message["type"] == "http.response.start":
                headers = [item for item in message["headers"] if item[0] != b"content-length"]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, add if scope["path"].endswith("/api/1/versions") else send)

    app = emulator.app
    monkeypatch.setattr(emulator, "app", with_an_experiment)
    report = look(project.world, since=NOON)
    assert report.unmanaged == unmanaged
    assert ("a" in report.checked) is (key == "a")
    assert [item.key for item in report.edits or ()] == ["foreign"]

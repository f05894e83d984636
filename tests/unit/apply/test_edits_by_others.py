"""Edits by others between two calls of one flag are named in the report, as far as the feed shows them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest
from builders import a_live_flag as a_flag
from emulators import USER, a_live_flag, flag_of
from jsonschema import Draft202012Validator
from refreshes import log
from worlds import OTHER_USER, a_world, after_writes, an_emulator, run_now

from reconciler.api.live import find_flag
from reconciler.apply import Cancellation, apply_plan, edits
from reconciler.apply.steps import steps_of
from reconciler.emulator import Behaviour
from reconciler.files.schema import load_schema
from reconciler.model.flag import FlagSpec, Variant, Version
from reconciler.planning.operations import EditFlag
from reconciler.reports.registry import APPLY, render

SPEC = FlagSpec(key="f", name="n", variants=(Variant(key="control", name="C"), Variant(key="treatment", name="T")))


def applied(editor: str | None, *, behaviour: Behaviour | None = None, before: bool = False) -> Any:
    """The report of an apply of three calls, after the second of which the flag is edited by hand."""
    emulator = an_emulator(a_live_flag("f"), a_live_flag("undated"), behaviour=behaviour)
    flag_of(emulator, "undated")["lastModifiedAt"] = None
    path = f"/flags/{flag_of(emulator, 'f')['id']}"

    def edit() -> None:
        if editor:
            emulator.edit_as(editor, "PATCH", path, {"description": "by hand"})

    if before:
        edit()
        return a_world(emulator, SPEC).apply().report
    world = a_world(emulator, SPEC)
    return world.apply(lambda: after_writes(world, 2, edit)).report


@pytest.mark.parametrize("editor", [OTHER_USER, USER])
def test_an_edit_between_two_calls_is_named(editor: str) -> None:
    """By another user, or by the key's own by hand: more versions than calls. It fails nothing."""
    report = applied(editor)
    (outcome,) = report.outcomes
    assert editor in outcome.editors
    assert (report.exit_code, report.verified) == (0, True)
    document = json.loads(render(APPLY, "json", report))
    Draft202012Validator(load_schema("report")).validate(document)
    assert document["flags"][0]["editors"] == list(outcome.editors)
    for form in ("text", "markdown", "html"):
        assert "Others edited the flag between the calls" in render(APPLY, form, report)


@pytest.mark.parametrize(
    ("editor", "settings"),
    [
        (None, {}),
        (OTHER_USER, {"before": True}),
        (OTHER_USER, {"behaviour": Behaviour(feeds="403")}),
        (OTHER_USER, {"behaviour": Behaviour(feeds="404")}),
    ],
)
def test_nothing_is_said_without_such_an_edit_or_a_feed(editor: str | None, settings: dict[str, Any]) -> None:
    """Edits before the plan are no edits meanwhile, and where there is no feed nothing is known."""
    report = applied(editor, **settings)
    assert [outcome.editors for outcome in report.outcomes] == [()]
    assert report.exit_code == 0


@pytest.mark.parametrize("variant", ["control", "treatment"])
def test_an_edit_of_what_a_call_has_set_is_named_too(variant: str) -> None:
    """Between two calls, of the field of the first or of the second: undone or overwritten, it is told."""
    variants = (Variant(key="control", name="C"), Variant(key="treatment", name="T"))
    emulator = an_emulator(a_live_flag("f"))
    path = f"/flags/{flag_of(emulator, 'f')['id']}/variants/{variant}"
    world = a_world(emulator, FlagSpec(key="f", variants=variants))

    def edit() -> None:
        emulator.edit_as(OTHER_USER, "PATCH", path, {"name": "by hand"})

    report = world.apply(lambda: after_writes(world, 1, edit)).report
    assert OTHER_USER in report.outcomes[0].editors


@pytest.mark.parametrize("spec", [FlagSpec(key="f", name="n"), FlagSpec(key="f", enabled=True, deployments=("404",))])
def test_one_call_asks_for_no_versions(spec: FlagSpec) -> None:
    """There is nothing between a look and one call that the feed could tell of; nor is what was not sent a call."""
    world = a_world(an_emulator(a_live_flag("f", enabled=False)), spec)
    world.apply(world.emulator.log.clear)
    assert not [entry for entry in log(world.emulator) if "versions" in entry]


@pytest.mark.parametrize("is_dated", [True, False])
def test_since_when_the_feed_is_asked(*, is_dated: bool) -> None:
    """Since the server's time before the first call; where it says none, since the last edit that the plan knew."""
    emulator = an_emulator(a_live_flag("f"), a_live_flag("old"), a_live_flag("undated"), a_live_flag("new"))
    known = {"f": "2026-01-02T00:00:00.000Z", "old": "2026-01-01T00:00:00.000Z", "new": "2026-01-03T00:00:00.000Z"}
    for key in (*known, "undated"):
        flag_of(emulator, key)["lastModifiedAt"] = known.get(key)
    world, real = a_world(emulator, SPEC), emulator.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"date"]
                date = [(b"date", b"Sat, 03 Jan 2026 04:05:06 GMT")] if is_dated else []
                message = {**message, "headers": [*kept, *date]}
            await send(message)

        await real(scope, receive, dated)

    async def work() -> None:
        run = await world.plan_async()
        emulator.app = app
        async with world.client(read_only=False) as client:
            await find_flag(client, "f")
            asked = len(emulator.log)
            report = await apply_plan(run.plan, client, desired=world.desired, live=run.live, config=world.config)
            assert report.requests == len(emulator.log) - asked

    run_now(work())
    (asked,) = [entry.query["start"] for entry in emulator.log if entry.path == "/api/1/versions"]
    assert asked == ("2026-01-03T04:05:06Z" if is_dated else known["new"])


def test_a_signal_while_the_feed_is_read() -> None:
    """All was applied and read back: of edits by others nothing is known."""
    emulator, cancellation = an_emulator(a_live_flag("f")), Cancellation()
    world, real = dataclasses.replace(a_world(emulator, SPEC), cancellation=cancellation), emulator.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/api/1/versions":
            cancellation.interrupt(15)
            await asyncio.sleep(5)
        await real(scope, receive, send)

    emulator.app = app
    report = world.apply().report
    assert report is not None
    (outcome,) = report.outcomes
    assert (outcome.status.value, outcome.verified, outcome.editors) == ("applied", True, ())
    assert (report.verified, report.signal_number, report.exit_code) == (True, 15, 143)


@pytest.mark.parametrize(
    ("attempts", "creators", "editors"),
    [
        ((1, 1), (), ()),
        ((1, 1), ("a", "a"), ()),
        ((1, 1), ("a", "a", "a"), ("a",)),
        ((2, 1), ("a", "a", "a"), ()),
        ((2, 0), ("a", "a", "a"), ("a",)),
        ((1, 1), ("a", "b"), ("a", "b")),
        ((1, 1), ("b", "a", "a"), ("a", "b")),
        ((9, 9), ("a", None), ("a", "an unknown user")),
        ((1, 1), (None, None), ()),
    ],
)
def test_who_edited_by_the_versions(
    attempts: tuple[int, ...], creators: tuple[str | None, ...], editors: tuple[str, ...]
) -> None:
    """All who made one where several did, or where there are more than calls were sent; the most versions first."""
    calls = steps_of([EditFlag(flag_key="f", body={"name": "n"})] * len(attempts))
    for step, count in zip(calls, attempts, strict=True):
        step.attempts = count
    versions = [
        Version(version=number, created_at="2026-01-02T00:00:00.000Z", created_by=name, flag=a_flag())
        for number, name in enumerate(creators)
    ]
    run: Any = SimpleNamespace(steps=calls)
    assert edits._editors(run, versions) == editors

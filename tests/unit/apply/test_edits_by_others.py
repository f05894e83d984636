"""Edits by others between two calls of one flag are named in the report, as far as the feed shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from emulators import USER, a_live_flag, flag_of
from jsonschema import Draft202012Validator
from refreshes import log
from worlds import OTHER_USER, a_world, after_writes, an_emulator

from reconciler.emulator import Behaviour
from reconciler.files.schema import load_schema
from reconciler.model.flag import FlagSpec, Variant
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


def test_one_call_asks_for_no_versions() -> None:
    """There is nothing between a look and one call that the feed could tell of."""
    world = a_world(an_emulator(a_live_flag("f")), FlagSpec(key="f", name="n"))
    world.apply()
    assert not [entry for entry in log(world.emulator) if "versions" in entry]

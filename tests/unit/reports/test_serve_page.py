"""The page of `serve`: each flag in a row, and the user who is asked for."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_config, a_full_flag, a_live_flag
from msgspec.structs import replace

from reconciler import reports
from reconciler.model.flag import UNSET, Dependencies, Weights
from reconciler.reports.serve_page import STATIC, PageState, render_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.strict_json import Json

EVERYONE = a_full_flag("everyone", bucketing_key="user_id", enabled=True, rollout_percentage=100, name="For all")
FLAGS = {
    spec.key: a_live_flag(spec, id=str(number))
    for number, spec in enumerate(
        (
            EVERYONE,
            replace(EVERYONE, key="archived", name="archived", archived=True, evaluation_mode="local"),
            replace(EVERYONE, key="off", name="Off", enabled=False),
            replace(EVERYONE, key="unknown", name=UNSET, bucketing_salt=UNSET, evaluation_mode=UNSET),
        )
    )
}


CITY = {"user_id": "u", "city": "Öland"}
LINES = {"plan": "pro", "city": "Öland = x", "user_properties": {"plan": "pro"}}


def a_state(**fields: Any) -> PageState:
    """Four flags, and nothing overridden."""

    def override(_: str, __: Sequence[Json], ___: Sequence[str]) -> str | None:
        return None

    defaults = {
        "config": a_config(), "source": "git", "flags": FLAGS, "live": None, "problem": None, "warnings": (),
        "complete": lambda user: user, "override": override,
    }  # fmt: skip
    return PageState(**defaults | fields)


def rows(page: str) -> list[list[str]]:
    """The cells of the table, as text; of choices what is selected."""
    found = []
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL):
        chosen = re.sub(r"<option( selected)?[^>]*>([^<]*)</option>", lambda m: m[2] if m[1] else "", row)
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", chosen.replace("<br>", " "), re.DOTALL)
        found.append([unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in cells])
    return found


def test_a_row_for_each_flag() -> None:
    """By key: its name where it has another one, its state, and what the user gets and why."""
    found = rows(render_page(a_state(), {"user_id": "user-1"}))
    assert [row[:2] for row in found] == [
        ["archived", "archived, local"],
        ["everyone For all", "on, remote"],
        ["off Off", "off, remote"],
        ["unknown", "on"],
    ]
    assert [row[2] for row in found] == ["off", found[1][2], "off", "unknown"]
    assert found[1][2] in {"control", "treatment"}
    assert [row[3] for row in found] == [
        "the flag is archived",
        "All Other Users: allocated",
        "the flag is disabled",
        "All Other Users: the salt is not known",
    ]


def test_live_flags_stand_beside() -> None:
    """What differs is marked; a flag that is not live says so."""
    live = {key: flag for key, flag in FLAGS.items() if key != "unknown"}
    live["off"] = replace(live["off"], spec=replace(live["off"].spec, enabled=True))
    page = render_page(a_state(live=live), {"user_id": "user-1"})
    found = rows(page)
    variant = found[1][2]
    assert [row[4] for row in found] == ["off", variant, f"{variant} differs", "not live differs"]
    assert page.count('<tr class="differs">') == 2


def test_overrides_stand_above_rules() -> None:
    """Of the user who is asked for by the ids, and of everyone, who is selected."""

    def override(key: str, ids: Sequence[Json], variants: Sequence[str]) -> str | None:
        assert variants == ("control", "treatment", "off")
        if not ids:
            return "treatment" if key == "off" else None
        return "control" if (key, *ids) == ("off", "user-1", "phone") else None

    found = rows(render_page(a_state(override=override), {"user_id": "user-1", "device_id": "phone"}))
    assert found[2][2:] == ["control", "overridden for this session", "treatment"]
    assert found[0][4] == ""


@pytest.mark.parametrize(
    ("query", "user", "problem"),
    [
        ({}, {}, None),
        ({"user_id": "u", "device_id": "d"}, {"user_id": "u", "device_id": "d"}, None),
        ({"properties": "plan = pro\n\n city=Öland = x"}, LINES, None),
        ({"user_id": "u", "properties": '\n {"city": "Öland", "user_id": "v"}'}, CITY, None),
        ({"properties": '{"user_id": "v"}'}, {"user_id": "v"}, None),
        ({"device_id": "d", "properties": '{"device_id": "e"}'}, {"device_id": "d"}, None),
        ({"properties": "plan"}, {}, "Each line of the properties is name=value."),
        ({"properties": "amplitude_id=1\namplitude_id=2"}, {}, "amplitude_id is a string or a whole number."),
        ({"properties": "=pro"}, {}, "Each line of the properties is name=value."),
        ({"properties": "{"}, {}, ""),
    ],
)  # fmt: skip
def test_the_user_who_is_typed_in(query: dict[str, str], user: dict[str, Any], problem: str | None) -> None:
    """Lines or JSON; the fields of ids come before those of JSON. What cannot be read is said, and stays."""
    asked: list[dict[str, Any]] = []

    def complete(found: dict[str, Any]) -> dict[str, Any]:
        asked.append(found)
        return found

    page = render_page(a_state(complete=complete), query)
    assert asked == [user]
    told = re.findall(r'<p class="notice refused" role="alert">(.*?)</p>', page)
    assert len(told) == (problem is not None)
    assert not problem or told == [problem]
    for name in ("user_id", "device_id"):
        assert f'name="{name}" value="{query.get(name, "")}"' in page
    (area,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert unescape(area) == query.get("properties", "")


def test_an_empty_page_and_its_problems() -> None:
    """What is served is named, with what is wrong with it."""
    page = render_page(a_state(flags={}, problem="line <1>", warnings=("One.",), source="files"), {})
    assert "<h1>Flags of files, served here</h1>" in page
    assert "line &lt;1&gt;" in page
    assert "<strong>Warning:</strong> One." in page
    assert "<tbody>" not in page


def test_an_override_counts_for_the_flags_that_depend_on_it() -> None:
    """They are evaluated as if the flag gave the variant; beside it stands what they are live, without."""
    needs = Dependencies(flags=((FLAGS["off"].id, ("treatment",)),), operator="all")
    spec = replace(EVERYONE, key="child", rollout_weights=Weights.of({"treatment": 1}))
    flags = [*FLAGS.values(), a_live_flag(spec, id="9", parent_dependencies=needs)]
    by_id, by_key = {flag.id: flag for flag in flags}, {flag.key: flag for flag in flags}

    def override(key: str, _: Sequence[Json], __: Sequence[str]) -> str | None:
        return "treatment" if key == "off" else None

    for chosen, variant in ((override, "treatment"), (a_state().override, "off")):
        state = a_state(flags=by_id, live=by_key, override=chosen)
        row = rows(render_page(state, {"user_id": "u"}))[1]
        assert (row[0], row[2], row[4].split()[0]) == ("child For all", variant, "off")


def test_what_the_page_loads() -> None:
    """Its style and its script, as they are in the package."""
    templates = Path(reports.__file__).parent / "templates"
    assert {name: read() for name, read in STATIC.items()} == {
        name: (templates / name).read_text(encoding="utf-8") for name in ("serve.css", "serve.js")
    }

"""What a newer declaration lets go of, and the live values that stay."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from builders import a_desired_flag, a_flag, a_full_flag, a_full_variant, a_live_state, a_variant
from msgspec.structs import replace

from reconciler.model.flag import Variant
from reconciler.planning.plan import Released
from reconciler.planning.releases import declaration_differs, released_paths, releases

LIVE = a_full_flag(
    enabled=True,
    rollout_percentage=7,
    tags=("x",),
    variants=(a_full_variant("a", payload={"x": 1}, users=("u",)), a_variant("b")),
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", {"enabled": True, "rolloutPercentage": 7}),
        ("/tags", ["x"]),
        ("/rolloutPercentage", 7),
        ("/variants/a/payload", {"x": 1}),
        ("/variants/b/payload", None),
        ("/variants/gone/payload", None),
    ],
)
def test_live_values_that_stay(path: str, value: Any) -> None:
    """As far as they are shown; in the order of keys, without flags that are archived."""
    live = a_live_state(LIVE)
    found = releases({LIVE.key: [path], "gone": [path], "a": [""], "archived": [path]}, live, frozenset({"archived"}))
    assert found == (
        Released(key="a", path="", live=None),
        Released(key="gone", path=path, live=None),
        Released(key=LIVE.key, path=path, live=value),
    )


def test_what_is_let_go() -> None:
    """The fields of the flag, then those of each variant that stays, also under another key; or the flag."""
    before = a_flag(enabled=True, tags=("x",), name="n", variants=(
        Variant(key="a", payload=1, users=("u",)), Variant(key="b", name="B"), Variant(key="c", name="C"),
    ))  # fmt: skip
    after = a_flag(enabled=True, variants=(Variant(key="new", renamed_from="a", users=()), Variant(key="b")))
    assert released_paths(before, after) == ("/name", "/tags", "/variants/new/payload", "/variants/b/name")
    assert released_paths(before, None) == ("",)
    assert released_paths(before, before) == ()
    assert released_paths(a_flag(name="n"), a_flag(tags=("x",))) == ("/name",)


def test_whether_a_declaration_differs() -> None:
    """What it says of the flag, or until when it is frozen; owners and places in files do not matter."""
    flag = a_desired_flag(a_flag(name="n"))
    assert not declaration_differs(None, None)
    assert declaration_differs(flag, None)
    assert declaration_differs(None, flag)
    assert not declaration_differs(flag, replace(flag, source=replace(flag.source, line=99)))
    assert declaration_differs(flag, a_desired_flag(a_flag(name="m")))
    assert declaration_differs(flag, replace(flag, frozen_until=date(2030, 1, 1)))

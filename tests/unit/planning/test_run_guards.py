"""Limits of a whole run, to the number and to the word."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from builders import a_config, a_desired_state, a_flag, a_flag_plan, a_full_flag, a_live_state, a_plan, a_variant
from msgspec.structs import replace

from reconciler.model.config import Limit, Requests, Safety
from reconciler.planning.guards import FLAG_GUARDS, check_guards
from reconciler.planning.plan import Action, PlanOptions
from reconciler.planning.planner import build_plan
from reconciler.planning.run_guards import Facts
from reconciler.planning.warnings import with_exposure

NAMES = [f"f{number:02}" for number in range(20)]


def refusals(
    declared: dict[str, Any],
    *,
    live: int = 20,
    safety: dict[str, Any] | None = None,
    elsewhere: int = 0,
    state: dict[str, Any] | None = None,
    budget: int = 100_000,
    **options: Any,
) -> list[str]:
    """Why guards of the run refuse a plan of flags `f00`, `f01`, …, of which these fields are declared."""
    config = a_config(
        managed_tag="managed", safety=Safety(**safety or {}), requests=Requests(daily_budget=budget),
        deployments={"web": "67", "tv": "68"},
    )  # fmt: skip
    specs = (a_flag(name, **fields) for name, fields in declared.items())
    desired = replace(a_desired_state(*specs), elsewhere=elsewhere)
    shown = {"tags": ("managed",), "archived": False} | (state or {})
    fields = {name: shown.pop(name) for name in ("tags", "archived")}
    seen = a_live_state(*(a_full_flag(name, **fields) for name in NAMES[:live]), **shown)
    plan = with_exposure(build_plan(desired, seen, config, PlanOptions(**options)), seen)
    return [f"{item.guard}: {item.message}" for item in check_guards(plan, desired, seen, config, ()).refusals]


def some(changed: int, count: int = 20, **fields: Any) -> dict[str, Any]:
    """So many declared flags, of which the first differ from what is live."""
    return {name: (fields or {"name": "x"}) if at < changed else {} for at, name in enumerate(NAMES[:count])}


LISTED = {"f00": {"name": "x", "variants": (a_variant("control", users=(), cohorts=()), a_variant("treatment"))}}
"""Two lists are read, before its first call and after its last."""
NEW = {name: {"variants": (a_variant("on"),)} for name in ("n1", "n2")}
THREE, TENTH = Limit(count=3), Limit(share=Fraction(1, 10))


@pytest.mark.parametrize(
    ("changed", "limit", "said"),
    [
        (3, THREE, None),
        (4, THREE, "updates: 4 updates, more than safety.maxUpdates allows (3)."),
        (2, TENTH, None),
        (3, TENTH, "updates: 3 updates of 20 declared live flags, more than safety.maxUpdates allows (10%)."),
        (0, Limit(count=0), None),
        (1, Limit(count=0), "updates: 1 updates, more than safety.maxUpdates allows (0)."),
    ],
)
def test_updates(changed: int, limit: Limit, said: str | None) -> None:
    """A number, or a share of the declared flags that are live."""
    assert refusals(some(changed), safety={"max_updates": limit}) == ([] if said is None else [said])


def test_a_guard_that_is_allowed_says_nothing() -> None:
    """For the run as a whole; for one flag there is none of its kind."""
    said = "updates: 1 updates, more than safety.maxUpdates allows (0)."
    none = {"max_updates": Limit(count=0)}
    assert refusals(some(1), safety=none, allow=frozenset({"updates"})) == []
    assert refusals(some(1), safety=none, allow=frozenset({"archives", "updates:f00"})) == [said]


def test_a_share_of_few_flags_is_no_limit() -> None:
    safety = {"max_updates": TENTH, "min_flags": 5}
    assert refusals(some(4, 4), safety=safety) == []
    assert refusals(some(5, 5), safety=safety) == [
        "updates: 5 updates of 5 declared live flags, more than safety.maxUpdates allows (10%)."
    ]


def test_archives() -> None:
    safety = {"max_archives": THREE}
    assert refusals(some(3, archived=True), safety=safety) == []
    said = "archives: 4 archives, more than safety.maxArchives allows (3)."
    assert refusals(some(4, archived=True), safety=safety) == [said]
    assert refusals(some(0, 16), safety=safety, prune=True) == [said]


def test_flags_that_are_made_or_archived_are_no_updates() -> None:
    none = {"max_updates": Limit(count=0), "max_archives": Limit(count=20)}
    assert refusals(some(4, archived=True), safety=none) == []
    assert refusals(some(4, 4, variants=(a_variant("on"),)), live=0, safety=none) == []


def test_flags_that_get_the_managed_tag_alone_are_no_updates() -> None:
    """Their own tags may stay; one of which anything else changes is one."""
    safety = {"max_updates": Limit(count=0)}
    assert refusals(some(20, tags=("x",)), safety=safety, state={"tags": ("x",)}) == []
    assert refusals(some(20, tags=()), safety=safety, state={"tags": ("x",)}) == [
        "updates: 20 updates, more than safety.maxUpdates allows (0)."
    ]
    assert len(refusals(some(20, tags=("x",), name="y"), safety=safety, state={"tags": ("x",)})) == 1


def test_no_flag_is_declared() -> None:
    """Refused, unless there are files of other environments and nothing is pruned."""
    said = (
        "empty: No flag is declared, but 20 are live: a wrong directory, or an empty checkout? `reconciler import` "
        "writes live flags as files."
    )
    free = {"max_archives": Limit(count=99)}
    assert refusals({}) == [said]
    assert refusals({}, elsewhere=1) == []
    assert refusals({}, elsewhere=1, prune=True, safety=free) == [said]
    assert refusals({}, live=0) == []


@pytest.mark.parametrize(
    ("declared", "state", "budget", "said"),
    [
        (some(2), {"requests": 5, "pages": 1}, 9, None),
        (some(2), {"requests": 5, "pages": 1}, 8, (4, 5, 8, 9)),
        (some(2), {"requests": 5, "pages": 9}, 10, (6, 5, 10, 11)),
        (some(0), {"requests": 5}, 1, None),
        (NEW, {"requests": 5, "pages": 1}, 14, None),
        (NEW, {"requests": 5, "pages": 1}, 13, (9, 5, 13, 14)),
        (LISTED, {"requests": 5, "pages": 1}, 12, None),
        (LISTED, {"requests": 5, "pages": 1}, 11, (7, 5, 11, 12)),
    ],
)
def test_the_budget_of_the_day(
    declared: dict[str, Any], state: dict[str, Any], budget: int, said: tuple[int, ...] | None
) -> None:
    """A write for each call, and two looks at each flag, by key or by the pages of the list."""
    told = (
        "quota: Applying takes about {} requests after the {} of the refresh, more than requests.dailyBudget leaves "
        "({} for each run): it would end half-way. Use --target for a part of it, or raise the budget to {} at least."
    )
    expected = [told.format(*said)] if said else []
    free = {"max_updates": Limit(count=99)}
    assert refusals(declared, state=state, budget=budget, safety=free) == expected


def test_a_shard_has_its_part_of_a_number() -> None:
    """By its flags, rounded up; archives count over all shards."""
    both = [refusals(some(20), safety={"max_updates": THREE}, shard=(number, 2)) for number in (1, 2)]
    for (said,) in both:
        assert "updates, more than safety.maxUpdates allows (3, 2 of them in this shard)." in said
    archives = [refusals(some(4, archived=True), safety={"max_archives": THREE}, shard=(n, 2)) for n in (1, 2)]
    assert all("archives: 4 archives in all shards, " in said for (said,) in archives)


OF_A_SHARE = "updates: {} updates of {} declared live flags, more than safety.maxUpdates allows (10%)."


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        (2, {}, None),
        (3, {}, (3, 20)),
        (4, {"targets": ("f00", "f01", "f02", "f03")}, (4, 20)),
        (4, {"targets": ("f00", "f01")}, None),
        (20, {"shard": (1, 2)}, (11, 11)),
        (20, {"shard": (2, 2)}, (9, 9)),
        (4, {"shard": (1, 2), "targets": ("f0[0-3]",)}, (2, 11)),
        (20, {"shard": (1, 2), "min_flags": 12}, (11, 11)),
        (4, {"shard": (1, 2), "min_flags": 12}, None),
        (8, {"shard": (1, 2), "min_flags": 12}, (3, 11)),
        (4, {"shard": (1, 2), "min_flags": 11}, (2, 11)),
        (20, {"shard": (1, 2), "min_flags": 20}, (11, 11)),
        (20, {"shard": (1, 2), "min_flags": 21}, None),
        (4, {"read": 4, "targets": ("f0[0-3]",)}, (4, 20)),
        (4, {"read": 4, "targets": ("f0[0-5]",)}, (4, 18)),
        (4, {"read": 4, "targets": ("f0[0-3]",), "shard": (2, 2)}, (2, 9)),
    ],
)
def test_what_a_share_is_of(changed: int, options: dict[str, Any], said: tuple[int, int] | None) -> None:
    """The declared flags of the shard, whichever are targets. Of few in a shard one in part counts as a whole one.

    Where only targets were read, `read` of them, a declared flag outside of them counts as live.
    """
    rest = dict(options)
    safety, read = {"max_updates": TENTH, "min_flags": rest.pop("min_flags", 1)}, rest.pop("read", None)
    state = None if read is None else {"is_complete": False}
    found = refusals(some(changed), live=20 if read is None else read, safety=safety, state=state, **rest)
    assert found == ([OF_A_SHARE.format(*said)] if said else [])


def test_a_shard_of_flags_of_which_none_is_live() -> None:
    assert refusals(some(20), live=0, safety={"max_updates": Limit(count=0)}, shard=(1, 2)) == []


@pytest.mark.parametrize(
    ("declared", "options", "own"),
    [
        (some(4, archived=True), {}, (2, 2)),
        (some(4, archived=True), {"targets": ("f0*",)}, (2, 2)),
        (some(4, archived=True), {"targets": ("f00", "f01", "f02")}, None),
        (some(4, archived=True), {"state": {"archived": True}}, None),
        (some(0, 16), {"prune": True}, (3, 1)),
        (some(0, 16), {}, None),
        (some(0, 16), {"prune": True, "state": {"tags": ()}}, None),
    ],
)
def test_archives_of_all_shards_count(
    declared: dict[str, Any], options: dict[str, Any], own: tuple[int, int] | None
) -> None:
    """Those that another shard makes by the same declaration: no flag that is archived, no target, no pruned one."""
    for number in (1, 2):
        what = f"archives: 4 archives in all shards, {own[number - 1]} of them in this one" if own else ""
        said = [f"{what}, more than safety.maxArchives allows (3)."] if own else []
        assert refusals(declared, safety={"max_archives": THREE}, shard=(number, 2), **options) == said
    if own:
        said = [f"{what} of 20 declared live flags, more than safety.maxArchives allows (10%)."]
        assert refusals(declared, safety={"max_archives": TENTH}, shard=(2, 2), **options) == (
            said if len(declared) == 20 else [said[0].replace("of 20", "of 16")]
        )


def test_a_flag_that_comes_back_is_an_update() -> None:
    declared, state = some(4, archived=False), {"archived": True}
    said = "updates: 4 updates, more than safety.maxUpdates allows (3)."
    assert refusals(declared, state=state, safety={"max_updates": THREE}, unarchive=True) == [said]


@pytest.mark.parametrize(
    ("guard", "fields", "refuses"),
    [
        ("experiment", {"action": Action.CREATE}, True),
        ("experiment", {"action": Action.UPDATE}, False),
        ("experiment", {"action": Action.CREATE, "key": "other"}, False),
        ("unread-file", {"action": Action.ARCHIVE, "source": None}, True),
        ("unread-file", {"action": Action.ARCHIVE}, False),
        ("unread-file", {"action": Action.UPDATE, "source": None}, False),
        ("unread-file", {"action": Action.ARCHIVE, "source": None, "key": "other"}, False),
        ("exposure", {}, True),
        ("exposure", {"action": Action.CREATE}, False),
        ("exposure", {"exposure": None}, False),
        ("transient", {"transient": Fraction(5, 100)}, False),
        ("transient", {"transient": Fraction(501, 10_000)}, True),
    ],
)
def test_when_a_guard_of_a_flag_refuses(guard: str, fields: dict[str, Any], *, refuses: bool) -> None:
    """By what happens to the flag as a whole; a limit that is reached is not passed."""
    flag = a_flag_plan(**{"key": "new-checkout"} | fields)
    facts = Facts(
        plan=a_plan(flag),
        desired=replace(a_desired_state(), unread={"new-checkout": "flags/a.yml"}),
        live=a_live_state(taken=frozenset({"new-checkout"})),
        config=a_config(safety=Safety(max_exposure_change=Fraction(39, 100))),
    )
    (check,) = (item.check for item in FLAG_GUARDS if item.name == guard)
    assert len(list(check(flag, facts))) == refuses

"""What is read for an evaluation: one flag and its parents, whole, with the fewest requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, an_emulator, each_behaviour
from evaluations import family_of
from worlds import a_world

from reconciler.emulator.requests import text_response
from reconciler.errors import RejectedError
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    from reconciler.emulator import Behaviour
    from reconciler.evaluation.evaluate import FlagWithParents

LISTED = [
    {"key": "control", "users": ["ada@example.com", "dev-1"]},
    {"key": "treatment", "cohorts": ["c1"]},
]


def depending(*ids: str, **fields: Any) -> dict[str, Any]:
    """A flag that depends on others."""
    dependencies = {"flags": {flag_id: ["on"] for flag_id in ids}, "operator": "ALL"}
    return a_live_flag(**fields) | {"parentDependencies": dependencies}


def paths(emulator: Any) -> list[str]:
    """What was asked for, sorted, without the prefix."""
    return sorted(entry.path.removeprefix("/api/1/") for entry in emulator.log)


def keys(family: FlagWithParents) -> list[str]:
    """The parents' keys in their order."""
    return [parent.key for parent in family.parents]


@pytest.mark.parametrize("behaviour", list(each_behaviour()))
def test_inclusions_of_every_variant_are_read(behaviour: Behaviour) -> None:
    """With any list of the server, users and cohorts of all variants are there, declared or not, in their order."""
    emulator = an_emulator(
        a_live_flag(variants=LISTED), a_live_flag("new-checkout-2"), a_live_flag("other"), behaviour=behaviour
    )
    flag = family_of(a_world(emulator)).flag
    assert flag is not None
    assert isinstance(flag.spec.variants, tuple)
    assert [(item.key, item.users, item.cohorts) for item in flag.spec.variants] == [
        ("control", ("ada@example.com", "dev-1"), ()), ("treatment", (), ("c1",)),
    ]  # fmt: skip


def test_nothing_else_is_read() -> None:
    """One look-up, and a list of users and one of cohorts for each variant."""
    emulator = an_emulator(a_live_flag(id="5", variants=LISTED), a_live_flag("other"))
    family_of(a_world(emulator))
    lists = [f"flags/5/variants/{key}/{kind}" for key in ("control", "treatment") for kind in ("cohorts", "users")]
    assert paths(emulator) == ["flags", *lists]


def test_declared_fields_are_read_as_for_a_plan() -> None:
    """A declared payload that the list hides takes one request more: the plan's calls have to be known."""
    emulator = an_emulator(a_live_flag(id="5", variants=LISTED))
    declared = FlagSpec(
        key="new-checkout",
        variants=(Variant(key="old", renamed_from="control", payload={}), Variant(key="treatment")),
    )
    family_of(a_world(emulator, declared))
    assert paths(emulator)[:2] == ["flags", "flags/5/variants"]


def test_a_flag_that_is_not_there() -> None:
    """One look-up says so."""
    emulator = an_emulator(a_live_flag("new-checkout-2"))
    assert family_of(a_world(emulator)).flag is None
    assert paths(emulator) == ["flags"]


def test_an_archived_flag_is_found() -> None:
    """It is there, and known to be archived."""
    flag = family_of(a_world(an_emulator(a_live_flag(archived=True)))).flag
    assert flag is not None
    assert flag.spec.archived is True


def test_parents_come_after_their_own() -> None:
    """Grandparents first, each once, with their inclusions."""
    flags = [
        depending("2", "3", id="1"),
        depending("4", key="left", id="2"),
        depending("4", "2", key="right", id="3"),
        a_live_flag("top", id="4", variants=LISTED),
    ]
    emulator = an_emulator(*flags)
    family = family_of(a_world(emulator))
    assert family.flag is not None
    assert (family.flag.key, keys(family)) == ("new-checkout", ["top", "left", "right"])
    assert family.parents[0].spec.variants
    assert family.parents[0].spec.variants[0].users == ("ada@example.com", "dev-1")
    assert sum(path in {"flags/2", "flags/3", "flags/4"} for path in paths(emulator)) == 3


def test_circles_end() -> None:
    """Flags that depend on each other are read once."""
    flags = [depending("2", id="1"), depending("3", key="two", id="2"), depending("1", "2", key="three", id="3")]
    assert keys(family_of(a_world(an_emulator(*flags)))) == ["three", "two"]


def test_parents_that_cannot_be_read_are_left_out() -> None:
    """One that is gone, and one of another project."""
    flags = [depending("2", "99", "3", id="1"), a_live_flag("on", id="3"), a_live_flag("two", id="2", projectId="8")]
    emulator = an_emulator(*flags, projects={"7": {}, "8": {}})
    assert keys(family_of(a_world(emulator))) == ["on"]


def test_a_chain_of_parents_is_not_followed_forever() -> None:
    """A long one is read so far."""
    chain = [depending(str(number + 1), key=f"flag-{number}", id=str(number), variants=[]) for number in range(1, 80)]
    emulator = an_emulator(*chain)
    assert len(family_of(a_world(emulator), "flag-1").parents) == 50


@pytest.mark.parametrize(("side_by_side", "read"), [(30, 30 + 20), (49, 49 + 1), (50, 50), (60, 50)])
def test_no_more_than_fifty_parents_are_read(side_by_side: int, read: int) -> None:
    """Of a flag with many, and theirs, which come after."""
    ids = [str(number) for number in range(100, 100 + side_by_side)]
    above = [
        depending("900", key="above", id="800"),
        *(depending(str(n + 1), key=f"k{n}", id=str(n)) for n in range(900, 940)),
    ]
    parents = [depending("800", key=f"flag-{flag_id}", id=flag_id, variants=[]) for flag_id in ids]
    emulator = an_emulator(depending(*ids, id="1"), *parents, *above)
    assert len(family_of(a_world(emulator)).parents) == read


def test_a_parent_of_which_a_read_fails_is_not_left_out() -> None:
    """Only one that this key may not see, or that is gone, is."""
    emulator = an_emulator(depending("2", id="1"), a_live_flag("two", id="2"))
    real = emulator.api.answer
    emulator.api.answer = lambda request: (  # type: ignore[method-assign]
        text_response(400, "no") if request.path.endswith("/flags/2") else real(request)
    )
    with pytest.raises(RejectedError):
        family_of(a_world(emulator))

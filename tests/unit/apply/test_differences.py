"""What a report says of a flag that was read back and is not as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emulators import a_live_flag, flag_of
from worlds import a_world, after_writes, an_emulator

from reconciler.apply.differences import differences
from reconciler.model.flag import FlagSpec, Variant
from reconciler.planning.plan import LeafChange, MembersChange, ValueChange

if TYPE_CHECKING:
    from reconciler.planning.plan import FieldChange


def a_leaf(path: str) -> LeafChange:
    """A value within a segment."""
    return LeafChange(path=path, before="ada@example.com", after=None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (ValueChange(path="/name", before="é", after=None), 'name (declared none, live "é")'),
        (ValueChange(path="/enabled", before=False, after=True), "enabled (declared true, live false)"),
        (ValueChange(path="/name", before=1, after="x" * 58), f'name (declared "{"x" * 58}", live 1)'),
        (ValueChange(path="/name", before=1, after="x" * 59), f'name (declared "{"x" * 58}…, live 1)'),
        (
            MembersChange(path="/variants/a/inclusions/users", added=("ada@example.com", "b"), removed=("c",)),
            "variants/a/inclusions/users (2 lacking, 1 too many)",
        ),
        (ValueChange(path="/targetSegments", before=[{"name": "S"}], after=[]), "targetSegments"),
        (
            ValueChange(path="/targetSegments", before=[], after=[], details=tuple(map(a_leaf, ("/a", "/b", "/c")))),
            "targetSegments (/a, /b, /c)",
        ),
        (
            ValueChange(
                path="/targetSegments", before=[], after=[], details=tuple(map(a_leaf, ("/a", "/b", "/c", "/d")))
            ),
            "targetSegments (/a, /b, /c, 1 more)",
        ),
    ],
)
def test_a_field_is_told_with_what_may_be_shown(change: FieldChange, told: str) -> None:
    """Values up to 60 characters; of segments three places, and of lists the counts, since both may name users."""
    assert differences([change, change]) == f"{told}, {told}"


def test_a_flag_that_is_gone_lacks_all_that_was_planned() -> None:
    """Each call is named once, those on a variant with its key."""
    emulator = an_emulator(a_live_flag("f"))
    variants = (Variant(key="control", name="C", users=("u",)), Variant(key="treatment", users=("v",)))
    world = a_world(
        emulator, FlagSpec(key="f", name="n", rollout_percentage=7, variants=variants, deployments=("67",))
    )
    flag_id = flag_of(emulator, "f")["id"]
    count = len(world.plan().flags[0].operations)

    report = world.apply(lambda: after_writes(world, count, lambda: emulator.store.remove([flag_id]))).report

    assert report is not None
    (outcome,) = report.outcomes
    told = "edit-variant control, add-users control, add-users treatment, name, rolloutPercentage, add-deployments"
    assert outcome.error == (
        f"Read back, the flag is not as declared: {told}."
        " The flag is not there any more: nothing more was sent. Plan again."
    )
    assert (outcome.status.value, outcome.verified, report.exit_code) == ("unknown", False, 7)
    assert {item.status.value for item in outcome.operations} == {"unknown"}

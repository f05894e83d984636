"""A flag's versions and what changed in each."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from builders import a_flag, a_segment
from builders import a_live_flag as a_live
from emulators import a_live_flag
from looks import ADA, BOB, edit, flag_id_of, history_of, include
from worlds import an_emulator, random_live_flag

from reconciler.drift.history import HistoryEntry, history_entries
from reconciler.model.flag import UNSET, Version
from reconciler.model.rollout import PlacedRollout, Rollout, Step
from reconciler.planning.plan import ValueChange

KEY = "new-checkout"


def paths(entry: HistoryEntry) -> list[str]:
    """The fields that a version changed."""
    return [change.path for change in entry.changes]


def test_newest_first_with_before_the_older_value() -> None:
    """Each version names its editor and time, and its differences from the one before."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, ADA, KEY, rolloutPercentage=5)
    edit(emulator, BOB, KEY, rolloutPercentage=7, enabled=False)
    newest, middle, oldest = history_of(emulator, KEY)
    assert [newest.version, middle.version, oldest.version] == [3, 2, 1]
    assert [newest.created_by, middle.created_by] == [BOB, ADA]
    assert newest.changes == (
        ValueChange(path="/enabled", before=True, after=False),
        ValueChange(path="/rolloutPercentage", before=5, after=7),
    )
    assert (oldest.is_first, oldest.changes) == (True, ())
    assert not newest.is_first


def test_variants_and_segments_are_told_apart() -> None:
    """An added variant, its weight, and a new segment stand under their own paths."""
    emulator = an_emulator(a_live_flag())
    path = f"/flags/{flag_id_of(emulator, KEY)}/variants"
    emulator.edit_as(ADA, "POST", path, {"key": "third", "rolloutWeight": 2})
    segment = {"name": "Beta", "conditions": [], "percentage": 5, "rolloutWeights": {"third": 1}}
    edit(emulator, BOB, KEY, targetSegments=[segment])
    newest, middle, _ = history_of(emulator, KEY)
    assert paths(newest) == ["/targetSegments"]
    assert paths(middle) == ["/rolloutWeights", "/variants/third"]


def test_a_version_without_a_visible_change_has_none() -> None:
    """Versions do not show inclusions: an edit of them is a version without changes."""
    emulator = an_emulator(a_live_flag())
    include(emulator, BOB, KEY, "treatment", "eve@example.com")
    newest, _ = history_of(emulator, KEY)
    assert newest.changes == ()
    assert not newest.is_first


def test_any_order_will_do() -> None:
    """The server's order is not relied on."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, ADA, KEY, rolloutPercentage=5)
    assert history_entries(()) == ()
    entries = history_of(emulator, KEY)
    assert [entry.version for entry in entries] == [2, 1]


@pytest.mark.parametrize("seed", range(20))
def test_replaying_the_changes_gives_the_newest_version(seed: int) -> None:
    """The changes of all versions, one after the other, lead from the first version's plain fields to the last's."""
    random = Random(seed)
    emulator = an_emulator(random_live_flag(random, KEY))
    (first,) = emulator.store.versions
    fields = {"/name": first["flag"]["name"], "/rolloutPercentage": first["flag"]["rolloutPercentage"]}
    for _ in range(10):
        edit(emulator, ADA, KEY, name=random.choice("abc"), rolloutPercentage=random.choice([1, 2, 3]))
    for entry in reversed(history_of(emulator, KEY)):
        for change in entry.changes:
            assert isinstance(change, ValueChange)
            assert fields[change.path] == change.before
            fields[change.path] = change.after
    (now,) = emulator.store.flags.values()
    assert fields == {"/name": now["name"], "/rolloutPercentage": now["rolloutPercentage"]}


STEPS = Rollout(steps=(Step(5, timedelta(hours=1)), Step(20, timedelta(hours=1)), Step(100)))
ROLLOUTS = (PlacedRollout(rollout=STEPS, end=100), PlacedRollout(rollout=STEPS, end=100, segment="Beta"))


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        ((0, 0), (5, 0), "step 1 of 3"),
        ((5, 0), (20, 0), "step 2 of 3"),
        ((0, 5), (0, 100), "step 3 of 3 of segment Beta"),
        ((0, 5), (5, 20), "step 1 of 3, step 2 of 3 of segment Beta"),
        ((0, 0), (7, 0), ""),
        ((20, 0), (5, 0), ""),
        ((20, 0), (20, 0), ""),
        ((None, 0), (5, 0), ""),
        ((0, 0), (None, 0), ""),
    ],
)
def test_steps_of_rollouts(before: tuple[Any, int], after: tuple[Any, int], step: str) -> None:
    """What raised a percentage to that of a declared step; the first version that is shown makes none."""
    versions = []
    for number, (own, beta) in enumerate((before, after), 1):
        percentage = UNSET if own is None else own
        spec = a_flag(rollout_percentage=percentage, target_segments=(a_segment("Beta", percentage=beta),))
        versions.append(Version(version=number, created_at="2030", created_by=None, flag=a_live(spec)))
    newest, oldest = history_entries(versions, ROLLOUTS)
    assert (newest.step, oldest.step) == (step, "")

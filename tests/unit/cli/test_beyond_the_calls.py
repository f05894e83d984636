"""What no call can change is said: the order of variants, and fields of flags that stay archived."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from emulators import seeded

if TYPE_CHECKING:
    from conftest import Repository

REVERSED = "key: new-checkout\nvariants: [{key: treatment}, {key: control}]\n"


@pytest.mark.parametrize("more", ["", "rolloutPercentage: 50\n"])
def test_another_order_of_variants_is_said_on_every_plan(repository: Repository, more: str) -> None:
    """Whether anything else changes or not, in every format; it is no change."""
    repository.write("flags/new-checkout.yaml", REVERSED + more)
    for form in ("text", "markdown", "html", "json"):
        ran = repository.run("plan", "--format", form, "--detailed-exitcode")
        assert ran.code == (2 if more else 0)
        assert "The order of variants decides bucketing and cannot be changed by the API" in ran.out
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nvariants: [{key: control}, {key: treatment}]\n")
    assert "order of variants" not in repository.run("plan").out


def test_a_flag_that_stays_archived_is_not_edited(repository: Repository) -> None:
    """Declared fields and the managed tag wait until it comes back, and the plan says which."""
    seeded(repository.emulator, [{"key": "old", "name": "", "archived": True}])
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    repository.write("flags/old.yaml", "key: old\narchived: true\nname: Old\n")
    ran = repository.run("plan", "--format", "json", "--detailed-exitcode")
    assert (ran.code, json.loads(ran.out)["flags"]) == (0, [])
    assert [text for text in json.loads(ran.out)["warnings"] if text.startswith('"old" stays archived')]
    assert "/name, /tags" in ran.out
    assert repository.run("apply", "--auto-approve").code == 0
    assert repository.emulator.writes == []
    assert repository.run("drift").code == 0
    repository.write("flags/old.yaml", "key: old\narchived: true\nname: ''\ntags: []\n")
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    assert "stays archived" not in repository.run("plan").out


@pytest.mark.parametrize("more", ["", "name: Old\nenabled: true\nvariants: [{key: a}]\ntags: [x]\n"])
def test_a_flag_that_is_not_there_is_archived_enough(repository: Repository, more: str) -> None:
    """Neither planned nor drift, also for a look at edits alone, and for one that remembers."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    repository.write("flags/old.yaml", f"key: old\narchived: true\n{more}")
    assert repository.run("plan", "--detailed-exitcode").code == 0
    for options in ((), ("--target", "old"), ("--since", "1h"), ("--state", "drift.json"), ("--state", "drift.json")):
        ran = repository.run("drift", *options)
        assert (ran.code, "old" in ran.out) == (0, False), ran.out
    repository.write("flags/old.yaml", "key: old\nvariants: [{key: a}]\n")
    assert repository.run("drift").code == 2

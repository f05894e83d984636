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


def test_another_order_of_variants_is_said_of_a_frozen_flag(repository: Repository) -> None:
    """It is not applied, but what it declares cannot be reached either."""
    repository.write("flags/new-checkout.yaml", REVERSED + "frozenUntil: 2999-01-01\n")
    assert "it will be control, treatment, declared is treatment, control" in repository.run("plan").out


@pytest.mark.parametrize("more", ["", "rolloutPercentage: 50\n"])
def test_another_order_of_variants_is_said_by_drift(repository: Repository, more: str) -> None:
    """Beside other drift or alone; it is none itself. A few flags are named, the others counted."""
    repository.write("flags/new-checkout.yaml", REVERSED + more)
    words = '"new-checkout": control, treatment, declared is treatment, control.'
    for form in ("text", "markdown"):
        ran = repository.run("drift", "--format", form)
        assert ran.code == (2 if more else 0)
        assert "declared is treatment, control" in ran.out
    (warning,) = json.loads(repository.run("drift", "--format", "json").out)["warnings"]
    assert warning.endswith(f"cannot be changed by the API: {words}")
    keys = [f"flag-{number}" for number in range(7)]
    seeded(repository.emulator, [{"key": key, "variants": [{"key": "a"}, {"key": "b"}]} for key in keys])
    for key in keys:
        repository.write(f"flags/{key}.yaml", f"key: {key}\nvariants: [{{key: b}}, {{key: a}}]\n")
    (warning,) = json.loads(repository.run("drift", "--format", "json").out)["warnings"]
    assert warning.count("declared is") == 5
    assert warning.endswith("; and 3 flags more.")


def test_import_says_that_it_takes_the_live_order_of_variants(repository: Repository) -> None:
    """A file that declared another one is rewritten, and that is the only place where it changes."""
    path = repository.write("flags/new-checkout.yaml", REVERSED)
    ran = repository.run("import", "--target", "new-checkout", "--force")
    assert "new-checkout: its file gets the live order of variants" in ran.err
    assert path.read_text().index("control") < path.read_text().index("treatment")
    assert "live order" not in repository.run("import", "--target", "new-checkout", "--force").err


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

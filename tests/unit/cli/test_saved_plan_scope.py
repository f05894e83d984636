"""What makes a saved plan stale: the flags that it touches and what they rest on, and nothing beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER, seeded

from reconciler.planning.plan_file import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository


def save(repository: Repository) -> None:
    """Save the plan of the repository."""
    assert repository.run("plan", "--out", "plan.json").code == 0


def edit(repository: Repository, key: str, **fields: Any) -> None:
    """Let a colleague edit a flag."""
    repository.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{repository.live(key)['id']}", fields)


ELSEWHERE: dict[str, Callable[[Repository], None]] = {
    "a flag that nothing declares is created": lambda repository: seeded(repository.emulator, [{"key": "late"}]),
    "a flag that nothing declares is archived": lambda repository: edit(repository, "other-flag", archive=True),
    "a flag that nothing declares is edited": lambda repository: edit(repository, "other-flag", name="Else"),
    "a declared flag that it does not touch is edited": lambda repository: edit(repository, "quiet", name="Else"),
    "a declared flag that it does not touch is archived": lambda repository: edit(repository, "quiet", archive=True),
    "another file is added": lambda repository: [
        repository.write("flags/new.yaml", "key: brand-new\nvariants: [{key: control}]\n")
    ].clear(),
}


@pytest.mark.parametrize("why", ELSEWHERE)
def test_what_happens_elsewhere_leaves_a_plan_alone(repository: Repository, why: str) -> None:
    """It is applied as it was saved, and nothing else is."""
    seeded(repository.emulator, [{"key": "quiet", "name": "Quiet", "tags": ["managed"]}])
    repository.write("flags/quiet.yaml", "key: quiet\nname: Quiet\n")
    save(repository)
    ELSEWHERE[why](repository)
    repository.emulator.log.clear()
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 0, ran.err
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert len(repository.emulator.writes) == len(
        [entry for entry in repository.emulator.writes if repository.live("new-checkout")["id"] in entry.path]
    )


ROLLED = """\
key: rolled
enabled: true
rolloutPercentage: 100
rollout:
  steps: [10% 1h, 100%]
  onFail: off
"""


@pytest.fixture
def rolled(repository: Repository) -> Repository:
    """A saved plan that shows a rollout of a flag which it does not touch."""
    seeded(repository.emulator, [{"key": "rolled", "enabled": True, "rolloutPercentage": 10, "tags": ["managed"]}])
    repository.write("flags/rolled.yaml", ROLLED)
    save(repository)
    repository.emulator.log.clear()
    return repository


@pytest.mark.parametrize("percentage", [50, 100])
def test_a_rollout_elsewhere_may_move_on_and_end(rolled: Repository, percentage: int) -> None:
    """Where it stands is its own matter."""
    edit(rolled, "rolled", rolloutPercentage=percentage)
    ran = rolled.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("change", ["taken away", "another step", "another flag's"])
def test_a_rollout_that_is_shown_is_one_that_is_declared(rolled: Repository, change: str) -> None:
    """A file that shows others was edited, also where its digest fits."""
    document = json.loads((rolled.root / "plan.json").read_text("utf-8"))
    (shown,) = document["rollouts"]
    if change == "another step":
        shown["steps"][0]["seconds"] = 86_400
    elif change == "another flag's":
        document["rollouts"].append({**shown, "key": "quiet"})
    else:
        del document["rollouts"]
    rolled.write("plan.json", json.dumps({**document, "digest": digest_of(document)}))
    ran = rolled.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 6
    assert "its rollouts are not those of now" in ran.err
    assert rolled.emulator.writes == []


BENEATH: dict[str, tuple[Callable[[Repository], None], str]] = {
    "it is edited": (lambda repository: edit(repository, "new-checkout", name="Else"), "live flag has changed"),
    "it is archived": (lambda repository: edit(repository, "new-checkout", archive=True), "live flag has changed"),
    "its file changes": (
        lambda repository: [
            repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 51\n")
        ].clear(),
        "declaration has changed",
    ),
    "it was applied": (
        lambda repository: edit(repository, "new-checkout", rolloutPercentage=50),
        "nothing is to be done any more",
    ),
}


@pytest.mark.parametrize("why", BENEATH)
def test_what_a_plan_touches_makes_it_stale(repository: Repository, why: str) -> None:
    """Exit code 6; the message names the flag and what became of it; nothing is sent."""
    save(repository)
    change, words = BENEATH[why]
    change(repository)
    repository.emulator.log.clear()
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 6
    assert "new-checkout (" in ran.err
    assert words in ran.err
    assert repository.emulator.writes == []


def test_a_child_that_came_meanwhile_makes_the_plan_of_its_parent_stale(repository: Repository) -> None:
    """A flag that depends on one that the plan turns off is something that the plan rests on."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nenabled: false\n")
    save(repository)
    flag_id = repository.live("new-checkout")["id"]
    child = {"key": "child", "enabled": True, "parentDependencies": {"flags": {flag_id: []}, "operator": "all"}}
    seeded(repository.emulator, [child])
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 6
    assert "new-checkout (other flags that it rests on" in ran.err

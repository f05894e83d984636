"""Where a rollout stands is shown by `plan`, `drift` and their pages, from what `advance` goes by."""

from __future__ import annotations

import json
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, seeded
from histories import git
from jsonschema import Draft202012Validator
from looks import BOB, edit
from rollout_rigs import FLAG, KEY, SEGMENTS, Rig, a_rig

from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

ROLLOUT = "rollout: "


@pytest.fixture
def rig(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A flag at 0 % since before it is declared with a rollout, and a guard that says better or equal."""
    return a_rig(repository, tmp_path, monkeypatch)


def shown(rig: Rig) -> list[str]:
    """What each command and format says, one line each."""
    commands = [("plan", form) for form in ("text", "markdown", "html")]
    commands += [("drift", form) for form in ("text", "markdown")]
    lines = []
    for command, form in commands:
        ran = rig.repository.run(command, "--format", form)
        (line,) = [line for line in ran.out.splitlines() if "rollout: " in line] or [""]
        lines.append(unescape(line).replace("`", ""))
    return lines


def standings(rig: Rig) -> list[Any]:
    """What the documents of plan and drift say, which are as their schemas say."""
    found = []
    for command in ("plan", "drift"):
        rig.repository.emulator.log.clear()
        document = json.loads(rig.repository.run(command, "--format", "json").out)
        assert document["requests"] == len(rig.repository.emulator.log)
        Draft202012Validator(load_schema(command)).validate(document)
        (rollout,) = document["rollouts"]
        found.append(rollout["standing"])
    return found


def test_the_step_that_stands_and_the_next(rig: Rig) -> None:
    """In every format, before the first step and between two; a plan that was saved keeps it."""
    assert all(f"{ROLLOUT}before step 1 of 4; 1% from 2030-01-07T08:00:00Z on" in line for line in shown(rig))
    rig.run()
    rig.run(after=3)
    said = f"{ROLLOUT}step 2 of 4, 10%, since 2030-01-07T11:00:00Z; 50% from 2030-01-08T11:00:00Z on"
    assert all(said in line for line in shown(rig)), shown(rig)
    for standing in standings(rig):
        assert (standing["phase"], standing["step"], standing["since"]) == ("waiting", 2, "2030-01-07T11:00:00Z")
        assert standing["next"] == {"percentage": 50, "dueAt": "2030-01-08T11:00:00Z"}
    rig.repository.run("plan", "--out", "plan.json")
    assert said in rig.repository.run("show", "plan.json").out
    assert "step 2 of 4, 10%; 50% from 2030-01-08T11:00:00Z on" in rig.run("--dry-run").out


def test_a_rollback_is_seen(rig: Rig) -> None:
    """When, and what to do about it, although the percentage is that of before; it is no drift."""
    rig.run()
    rig.guard_says(1)
    rig.run(after=1)
    said = f"{ROLLOUT}rolled back at 2030-01-07T09:00:00Z: it went down to 0% at 2030-01-07 09:00 UTC"
    assert all(said in line for line in shown(rig)), shown(rig)
    assert {item["phase"] for item in standings(rig)} == {"rolled-back"}
    assert rig.repository.run("drift").code == 0


def test_a_checkout_that_does_not_tell_says_nothing(rig: Rig) -> None:
    """A shallow clone holds `advance` there; a plan that is made in one does not call the rollout held."""
    rig.commit(FLAG + "notes: x\n")
    git(rig.repository.root, "clone", "--quiet", "--depth=1", f"file://{rig.repository.root}", "shallow")
    for command in ("plan", "drift"):
        text = rig.repository.run(command, "--config", "shallow/reconciler.yaml").out
        assert "rollout: 0% live, and `reconciler advance --dry-run` says where it stands" in text


def test_a_hand_in_the_web_app_is_seen(rig: Rig) -> None:
    """What holds a rollout."""
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=7)
    assert all(f"{ROLLOUT}held: 7% is no step of the rollout, set by bob" in line for line in shown(rig)), shown(rig)
    assert [item["phase"] for item in standings(rig)] == ["held", "held"]


def test_guards_are_not_asked_by_a_plan(rig: Rig) -> None:
    """Nor by drift: a command of a guard runs for `advance` alone."""
    rig.run()
    rig.guard_says(1)
    assert all("step 1 of 4, 1%" in line for line in shown(rig))
    assert rig.live() == 1


def test_a_step_makes_no_plan_of_another_flag_stale(rig: Rig) -> None:
    """A saved plan shows where the rollout stood; it may stand elsewhere when the plan is applied."""
    seeded(rig.repository.emulator, [a_live_flag("search", projectId="7")])
    rig.repository.write("flags/search.yaml", "key: search\ndescription: new\n")
    rig.commit(FLAG)
    assert rig.repository.run("plan", "--out", "plan.json").code == 0
    rig.run()
    ran = rig.repository.run("apply", "plan.json", "--auto-approve")
    assert (ran.code, rig.repository.live("search")["description"]) == (0, "new"), ran


def test_a_plan_counts_the_reads_of_rollouts(rig: Rig) -> None:
    """As all others."""
    before = len(rig.repository.emulator.log)
    document = json.loads(rig.repository.run("plan", "--format", "json").out)
    assert document["requests"] == len(rig.repository.emulator.log) - before


def test_what_it_costs(rig: Rig) -> None:
    """A read of versions for each flag with a rollout that is not done, and none within a budget that is spent."""
    with_one = json.loads(rig.repository.run("drift", "--format", "json").out)
    budget = str(with_one["requests"] - 1)
    without = json.loads(rig.repository.run("drift", "--format", "json", "--budget", budget).out)
    assert with_one["requests"] == without["requests"] + 1
    assert "standing" not in without["rollouts"][0]
    text = rig.repository.run("drift", "--budget", budget).out
    assert "`reconciler advance --dry-run` says where it stands" in text
    edit(rig.repository.emulator, BOB, KEY, rolloutPercentage=100)
    done = json.loads(rig.repository.run("drift", "--format", "json").out)
    assert (done["requests"], "rollouts" in done) == (without["requests"], False)


def test_segments_are_told_apart(rig: Rig) -> None:
    """A line for each rollout of a flag."""
    rig.commit(FLAG + SEGMENTS)
    assert rig.repository.run("apply", "--auto-approve").code == 0
    rig.run()
    text = rig.repository.run("plan").out
    assert "of All Other Users: 1% live; steps" in text
    assert "rollout: step 1 of 4, 1%" in text
    assert "of segment Beta: 5% live; steps" in text
    assert "rollout: step 1 of 2, 5%" in text
    text = rig.repository.run("drift").out
    assert "new-checkout, All Other Users: rollout: step 1 of 4, 1%" in text
    assert "new-checkout, segment Beta: rollout: step 1 of 2, 5%" in text

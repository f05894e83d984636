"""Rollouts in files: checked with a place, kept by every command that writes files, and never undone by apply."""

from __future__ import annotations

import json
from html import unescape
from typing import TYPE_CHECKING

import pytest
from histories import git
from jsonschema import Draft202012Validator
from looks import edit

from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from conftest import Repository

CONFIG = """\
version: 1
projectId: "7"
strategies:
  careful: {steps: ["1% 2h", "10% 1d", "100%"], window: office}
windows:
  office: {days: mon-thu, hours: "09:00-16:00", zone: Europe/Berlin}
guards:
  errors: {prometheus: PROM_URL, failed: f, of: o, against: control}
  check: {command: CHECK}
"""
FLAG = """\
key: new-checkout
enabled: true
rolloutPercentage: 100
rollout: {strategy: careful, guards: [errors], attempt: 2}
"""
NEW = """\
key: brand-new
enabled: true
rolloutPercentage: 100
rollout: {steps: ["5% 1h", "100%"]}
variants: [{key: control}, {key: treatment}]
rolloutWeights: {control: 1, treatment: 1}
targetSegments:
  - name: Beta
    conditions: [{prop: country, op: is, values: [US]}]
    percentage: 50
    rollout: {steps: ["10% 1h", "50%"]}
    rolloutWeights: {treatment: 1}
"""


@pytest.fixture(autouse=True)
def declared(repository: Repository) -> None:
    repository.write("reconciler.yaml", CONFIG)
    repository.write("flags/new-checkout.yaml", FLAG)


def findings(repository: Repository) -> list[tuple[str, str, int]]:
    """Rule, path and line of each finding."""
    found = json.loads(repository.run("validate", "--format", "json").out)["findings"]
    return [(item["rule"], item["path"], item["line"]) for item in found if item["severity"] == "error"]


@pytest.mark.parametrize(
    ("rollout", "rule", "path"),
    [
        ("{strategy: creful}", "unknown-strategy", "/rollout/strategy"),
        ("{strategy: careful, guards: [erors]}", "unknown-guard", "/rollout/guards/0"),
        ("{strategy: careful, window: ofice}", "unknown-window", "/rollout/window"),
        ("{strategy: careful, steps: ['100%']}", "invalid-rollout", "/rollout"),
        ("{guards: [check]}", "invalid-rollout", "/rollout"),
        ("{steps: ['10% 1h', '5% 1h', '100%']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['10% 1h', '10% 1h', '100%']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['0% 1h', '100%']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['10% 1h', '50%']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['10%', '100%']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['10% 1h', '100% 1h']}", "invalid-rollout", "/rollout/steps"),
        ("{steps: ['10 1h', '100%']}", "invalid-step", "/rollout/steps/0"),
        ("{steps: ['101% 1h', '100%']}", "invalid-step", "/rollout/steps/0"),
        ("{strategy: careful, start: 2030-02-30T00:00:00Z}", "invalid-rollout", "/rollout/start"),
        ("{strategy: careful, attempt: 0}", None, "/rollout/attempt"),
        ("{strategy: careful, onFail: nothing}", None, "/rollout/onFail"),
        ("{strategy: careful, gaurds: []}", "unknown-field", "/rollout/gaurds"),
    ],
)
def test_findings_have_a_place(repository: Repository, rollout: str, rule: str | None, path: str) -> None:
    repository.write("flags/new-checkout.yaml", f"key: new-checkout\nrolloutPercentage: 100\nrollout: {rollout}\n")
    found = findings(repository)
    assert [(item[1], item[2]) for item in found] == [(path, 3)]
    assert rule is None or found[0][0] == rule


@pytest.mark.parametrize(
    ("line", "rule", "path"),
    [
        ("windows: {office: {days: mo, hours: '09:00-16:00', zone: UTC}}", "invalid-window", "/windows/office/days"),
        ("windows: {office: {days: mon, hours: '9-16', zone: UTC}}", "invalid-window", "/windows/office/hours"),
        ("windows: {office: {days: mon, hours: '09:00-16:00', zone: X}}", "invalid-window", "/windows/office/zone"),
        ("applyWindows: [ofice]", "unknown-window", "/applyWindows/0"),
        ("strategies: {s: {steps: ['5% 1h', '5%']}}", "invalid-rollout", "/strategies/s/steps"),
        ("strategies: {s: {steps: ['5%'], window: x}}", "unknown-window", "/strategies/s/window"),
        ("guards: {g: {prometheus: PROM_URL}}", None, "/guards/g"),
        ("guards: {g: {prometheus: 'https://x.example.com'}}", None, None),
        ("environments: {a: {windows: [x]}}", "unknown-window", "/environments/a/windows/0"),
    ],
)
def test_so_have_those_of_the_configuration(
    repository: Repository, line: str, rule: str | None, path: str | None
) -> None:
    repository.write("reconciler.yaml", f'version: 1\nprojectId: "7"\n{line}\n')
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nenabled: true\n")
    found = findings(repository)
    assert found, "nothing was found"
    assert path is None or path in {item[1] for item in found}
    assert rule is None or {item[0] for item in found} == {rule}
    assert {item[2] for item in found} == {3}


def test_what_is_on_its_way_is_neither_planned_nor_drift(repository: Repository) -> None:
    """The live percentage stays; what else is declared is applied."""
    assert findings(repository) == []
    assert repository.run("plan").out.strip().splitlines()[-1] == "No changes."
    assert repository.run("drift").code == 0
    repository.write("flags/new-checkout.yaml", FLAG + "description: changed\n")
    assert repository.run("apply", "--auto-approve").code == 0
    live = repository.live("new-checkout")
    assert (live["rolloutPercentage"], live["description"]) == (10, "changed")


def test_a_new_flag_begins_at_zero(repository: Repository) -> None:
    """And so does a new segment, of a flag that is new or not."""
    repository.write("flags/new.yaml", NEW)
    assert repository.run("apply", "--auto-approve", "--allow", "updates").code == 0
    live = repository.live("brand-new")
    assert (live["rolloutPercentage"], live["enabled"]) == (0, True)
    assert [item["percentage"] for item in live["targetSegments"]] == [0]
    more = NEW[NEW.index("targetSegments") :].replace("Beta", "Gamma").replace("US", "CA")
    repository.write("flags/new.yaml", NEW + more.split("\n", 1)[1])
    assert repository.run("apply", "--auto-approve").code == 0
    assert [item["percentage"] for item in repository.live("brand-new")["targetSegments"]] == [0, 0]
    assert repository.run("plan", "--detailed-exitcode").code == 0


def test_a_flag_that_is_turned_on_begins_at_zero(repository: Repository) -> None:
    """Any percentage that it has while it serves no user reaches no user at once."""
    flag = next(flag for flag in repository.emulator.store.flags.values() if flag["key"] == "other-flag")
    flag["enabled"], flag["rolloutPercentage"] = False, 100
    repository.write("flags/other.yaml", FLAG.replace("new-checkout", "other-flag").replace("[errors]", "[check]"))
    ran = repository.run("apply", "--auto-approve", "--allow", "kill-switch")
    assert ran.code == 0, ran.err
    live = repository.live("other-flag")
    assert (live["enabled"], live["rolloutPercentage"]) == (True, 0)


def test_files_keep_their_rollouts(repository: Repository) -> None:
    """Through fmt, import --force and rollback, with the percentages that they lead to."""
    segments = "targetSegments:\n" + NEW.partition("targetSegments:\n")[2]
    text = FLAG + segments
    path = repository.write("flags/new-checkout.yaml", text)
    assert repository.run("fmt").code == 0
    assert findings(repository) == []
    assert repository.run("apply", "--auto-approve").code == 0
    for arguments in (
        ("import", "--target", "new-checkout", "--force"),
        ("rollback", "new-checkout", "--to", "1"),
    ):
        ran = repository.run(*arguments)
        assert ran.code == 0, ran.err
        written = path.read_text()
        assert "rolloutPercentage: 100" in written
        assert "strategy: careful" in written
        assert findings(repository) == []
    path.write_text(text)
    assert repository.run("import", "--target", "new-checkout", "--force").code == 0
    assert "percentage: 50" in path.read_text()
    assert "10% 1h" in path.read_text()


def test_a_plan_shows_the_steps_and_whom_each_adds(repository: Repository) -> None:
    """In every format, from what is live on; the saved plan is shown again as it was."""
    says = "10% live; steps 1% for 2h, 10% for 1d, 100% (adds 90%); guards errors, on failure rollback; in the window"
    assert says in repository.run("plan", "--out", "plan.json").out
    shown = json.loads((repository.root / "plan.json").read_text())["rollouts"]
    Draft202012Validator(load_schema("plan")["properties"]["rollouts"]).validate(shown)
    assert [step["adds"] for step in shown[0]["steps"]] == [0, 0, 90]
    for form in ("text", "markdown", "html"):
        page = unescape(repository.run("show", "plan.json", "--format", form).out)
        assert "let out in steps, of All Other Users" in page, form
    repository.write("flags/new-checkout.yaml", FLAG.replace("100", "10").partition("rollout: ")[0])
    assert "let out" not in repository.run("plan").out


def test_the_steps_of_a_flag_that_is_turned_on_count_from_0(repository: Repository) -> None:
    """The plan sets the percentage to 0, so what was live before says nothing of whom a step adds."""
    edit(repository.emulator, "grace@example.com", "new-checkout", enabled=False, rolloutPercentage=50)
    says = "50% live, 0% after this plan; steps 1% for 2h (adds 1%), 10% for 1d (adds 9%), 100% (adds 90%); guards"
    assert says in repository.run("plan", "--allow", "kill-switch", "--out", "plan.json").out
    assert says in repository.run("show", "plan.json").out
    shown = json.loads((repository.root / "plan.json").read_text())["rollouts"]
    Draft202012Validator(load_schema("plan")["properties"]["rollouts"]).validate(shown)
    assert (shown[0]["live"], shown[0]["start"], [step["adds"] for step in shown[0]["steps"]]) == (50, 0, [1, 9, 90])


def test_a_merge_that_takes_a_rollout_out_is_a_change_of_the_flag(repository: Repository) -> None:
    """What was left to the rollout is then declared, and applied with the rest of what changed."""
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    git(repository.root, "add", "--all")
    git(repository.root, "commit", "--quiet", "--message=m")
    repository.write("flags/new-checkout.yaml", FLAG.partition("rollout: ")[0])
    assert repository.run("apply", "--auto-approve", "--changed-since", "HEAD").code == 0
    assert repository.live("new-checkout")["rolloutPercentage"] == 100

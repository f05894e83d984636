"""The workflows of examples/ci and the action, step by step as they stand, beside an emulator and a local GitHub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from emulators import KEY, OTHER_USER, flag_of
from github_server import TOKEN
from workflow_runner import PINNED

from reconciler.ci.review import record_in

if TYPE_CHECKING:
    from conftest import World
    from workflow_runner import JobRun

    from reconciler.emulator import ApiResponse, RawRequest

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "examples" / "ci" / "github"
PLAN, APPLY, DRIFT, ADVANCE = (GITHUB / f"flags-{name}.yml" for name in ("plan", "apply", "drift", "advance"))
WORKFLOWS = sorted(GITHUB.glob("*.yml"))


def a_pull_request(world: World, rollout: int | str, branch: str = "change") -> None:
    """A branch that sets the rollout, checked out merged into main, as GitHub does for a pull request."""
    world.git("checkout", "--quiet", "-B", branch, "main")
    world.write("flags/new-checkout.yaml", f"key: new-checkout\nrolloutPercentage: {rollout}\n")
    world.write("README.md", f"{rollout}\n")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", branch)


def on_pull_request(world: World, *, fork: bool = False) -> dict[str, JobRun]:
    """Run the workflow of pull requests for number 5."""
    world.runner.environ["GITHUB_REF"] = "refs/pull/5/merge"
    repository = "mallory/flags" if fork else world.runner.contexts["github.repository"]
    return world.runner.run(PLAN, **{"github.event.pull_request.head.repo.full_name": repository})


def on_merge(
    world: World, status: str = "identical", files: tuple[str, ...] = (), *, number: int | None = 5
) -> dict[str, JobRun]:
    """Run the workflow of the default branch for what is checked out, which a pull request brought (None: no one).

    `files` changed on the branch since. `main` is what is checked out afterwards.
    """
    before, commit = world.git("rev-parse", "main"), world.git("rev-parse", "HEAD")
    world.runner.environ |= {"GITHUB_SHA": commit, "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main"}
    world.github.comparisons[f"{commit}...main"] = {"status": status, "files": [{"filename": name} for name in files]}
    for base in {before, *world.github.parents.values(), *(item["sha"] for item in world.github.deployments)}:
        world.github.push(base, commit, *world.git("rev-list", "--reverse", f"{base}..{commit}").split())
    world.github.parents[commit] = before
    if number:
        world.github.add_pull(number, commit)
    runs = world.runner.run(APPLY, **{"github.event.before": before})
    world.git("branch", "--force", "main", commit)
    return runs


def comments(world: World) -> list[str]:
    """What the comments of pull request 5 say."""
    return [comment["body"] for comment in world.github.comments.get(5, [])]


def test_a_pull_request_gets_one_comment_with_its_plan(world: World) -> None:
    """Opened, then pushed to: the comment is made, then updated; nothing is written to Amplitude."""
    a_pull_request(world, 50)
    runs = on_pull_request(world)
    assert all(run.succeeded for run in runs.values())
    assert runs["plan"].outputs["code"] == "2"
    page = Path(world.runner.artifacts["plan"]) / "plan.html"
    assert "new-checkout" in page.read_text(encoding="utf-8")
    assert "(https://github.example.com/artifacts/plan)" in comments(world)[0]
    assert len(comments(world)) == 1
    assert "**Plan: 0 create, 1 update, 0 archive; 1 API call; max exposure change 40%**" in comments(world)[0]
    assert "max exposure change 40%" in runs["plan"].summary
    a_pull_request(world, 60)
    on_pull_request(world)
    assert len(comments(world)) == 1
    assert "`10` | `60`" in comments(world)[0]
    assert world.github.writes() == ["POST", "PATCH"]
    assert world.emulator.writes == []


@pytest.mark.usefixtures("commands_in_process")
def test_a_pull_request_without_changes_gets_no_comment(world: World) -> None:
    """What differs live but is not in the pull request's files is not its business."""
    world.edit_by_hand(rolloutPercentage=77)
    world.git("checkout", "--quiet", "-B", "docs", "main")
    world.write("README.md", "words\n")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", "docs")
    runs = on_pull_request(world)
    assert runs["comment"].log == "Comment on pull request 5: left out.\n"
    assert comments(world) == []


def test_a_pull_request_of_a_fork_is_validated_without_a_key(world: World) -> None:
    """It is checked and annotated; no job that knows a secret runs, and no user is asked anything."""
    a_pull_request(world, "much")
    runs = on_pull_request(world, fork=True)
    assert not runs["validate"].succeeded
    assert re.search(r"^::error .*file=flags/new-checkout.yaml,line=2", runs["validate"].log, re.MULTILINE)
    a_pull_request(world, 50)
    runs = on_pull_request(world, fork=True)
    assert runs["validate"].succeeded
    assert runs["plan"].is_skipped
    assert runs["comment"].is_skipped
    assert (world.emulator.log, world.github.requests) == ([], [])


@pytest.mark.usefixtures("commands_in_process")
def test_a_plan_that_fails_is_said_in_the_comment(world: World) -> None:
    """A refused key fails the check and replaces the comment; neither log nor comment shows the key."""
    a_pull_request(world, 50)
    on_pull_request(world)
    world.runner.contexts["secrets.AMPLITUDE_MANAGEMENT_API_KEY"] = "not-the-key-0123456789"
    runs = on_pull_request(world)
    assert not runs["plan"].succeeded
    assert runs["comment"].succeeded
    assert "**There is no plan.**" in comments(world)[0]
    assert "key is missing or unknown" in comments(world)[0]
    assert len(comments(world)) == 1
    assert "not-the-key" not in runs["plan"].log + comments(world)[0]


@pytest.mark.usefixtures("commands_in_process")
def test_an_invalid_push_replaces_an_older_plan(world: World) -> None:
    """The comment of the push before says that there is no plan now, and has no record any more."""
    a_pull_request(world, 50)
    on_pull_request(world)
    a_pull_request(world, "much")
    runs = on_pull_request(world)
    assert runs["plan"].is_skipped
    assert runs["comment"].succeeded, runs["comment"].log
    (comment,) = comments(world)
    assert "**There is no plan.**" in comment
    assert record_in(comment) is None


def test_a_merge_is_applied_once(world: World) -> None:
    """The merged state becomes live and its report the summary; running again finds nothing to do."""
    a_pull_request(world, 50)
    on_pull_request(world)
    runs = on_merge(world)
    assert [run.result for run in runs.values()] == ["success"] * 3, runs
    assert world.live_rollout() == 50
    assert "1 applied, 0 failed" in runs["apply"].summary
    (comment,) = comments(world)
    assert "1 applied" in comment
    assert "Merged by grace." in comment
    writes = len(world.emulator.writes)
    assert on_merge(world, status="ahead", files=("README.md",))["apply"].succeeded
    assert len(world.emulator.writes) == writes


@pytest.mark.usefixtures("commands_in_process")
def test_a_merge_touches_only_what_it_changes(world: World) -> None:
    """A flag is set to 0 % by hand; a merge that is about another flag leaves it there."""
    world.edit_by_hand(rolloutPercentage=0)
    world.write("flags/other.yaml", "key: other-flag\nvariants:\n  - key: treatment\n")
    world.commit("an import")
    world.git("checkout", "--quiet", "-B", "change", "main")
    world.write("flags/other.yaml", "key: other-flag\nname: Other\nvariants:\n  - key: treatment\n")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", "change")
    on_pull_request(world)
    runs = on_merge(world)
    assert runs["outcome"].succeeded, runs
    assert world.live_rollout() == 0
    assert flag_of(world.emulator, "other-flag")["name"] == "Other"


@pytest.mark.usefixtures("commands_in_process")
def test_nothing_to_do_in_the_review_is_no_review_of_what_is_to_do_later(world: World) -> None:
    """The live flag was as the pull request wants it, and was edited before the merge: no reviewer saw that plan."""
    world.edit_by_hand(rolloutPercentage=50)
    a_pull_request(world, 50)
    assert on_pull_request(world)["plan"].outputs["code"] == "0"
    assert "No changes." in comments(world)[0]
    world.edit_by_hand(rolloutPercentage=0)
    assert not on_merge(world)["outcome"].succeeded
    assert world.live_rollout() == 0
    assert "was reviewed as unchanged and is 0 → 50 now" in comments(world)[0]


@pytest.mark.usefixtures("commands_in_process")
@pytest.mark.parametrize("what", ["a field", "a file"])
def test_what_a_pull_request_releases_is_said_in_its_comment(world: World, what: str) -> None:
    """No call is made, but from then on it is not managed."""
    world.write("flags/other.yaml", "key: other-flag\nvariants:\n  - key: treatment\n")
    world.commit()
    file = world.root / "flags/new-checkout.yaml"
    world.git("checkout", "--quiet", "-B", "change", "main")
    if what == "a file":
        file.unlink()
    else:
        file.write_text(file.read_text(encoding="utf-8").replace("rolloutPercentage: 10\n", ""), encoding="utf-8")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", "change")
    assert on_pull_request(world)["plan"].outputs["code"] == "0"
    row = next(line for line in comments(world)[0].splitlines() if "new-checkout" in line)
    assert "released" in row


@pytest.mark.usefixtures("commands_in_process")
def test_an_edit_between_review_and_merge_holds_the_flag(world: World) -> None:
    """Nothing of it is sent; the comment says what differs and who did it, and the run fails."""
    a_pull_request(world, 50)
    on_pull_request(world)
    world.edit_by_hand(rolloutPercentage=20)
    runs = on_merge(world)
    assert [run.result for run in runs.values()] == ["success", "success", "failure"], runs
    assert world.live_rollout() == 20
    (comment,) = comments(world)
    assert "reviewed as 10 → 50 and is 20 → 50 now" in comment
    assert OTHER_USER.partition("@")[0] in comment
    a_pull_request(world, 60, "next")
    world.github.comments.clear()
    on_pull_request(world)
    assert "`20` | `60`" in comments(world)[0]
    assert on_merge(world)["outcome"].succeeded
    assert world.live_rollout() == 60


@pytest.mark.usefixtures("commands_in_process")
def test_a_push_without_a_pull_request_applies_what_it_changes(world: World) -> None:
    """There is no record to go by."""
    world.git("checkout", "--quiet", "--detach", "main")
    text = (world.root / "flags/new-checkout.yaml").read_text(encoding="utf-8")
    world.write("flags/new-checkout.yaml", text.replace("10", "30"))
    world.commit()
    runs = on_merge(world, number=None)
    assert runs["outcome"].succeeded, runs
    assert world.live_rollout() == 30


@pytest.mark.usefixtures("commands_in_process")
def test_what_a_dropped_run_was_to_apply_is_applied_by_the_next(world: World) -> None:
    """GitHub keeps one waiting run of a group: the commit that was applied last is the base, not the push's."""
    a_pull_request(world, 50)
    on_pull_request(world)
    head = world.git("rev-parse", "HEAD")
    world.github.deploy("flags-apply", world.git("rev-parse", "main"), "success")
    world.github.add_pull(5, head)
    world.git("branch", "--force", "main", head)
    world.write("flags/other.yaml", "key: other-flag\nvariants:\n  - key: treatment\n")
    world.git("checkout", "--quiet", "-B", "other")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", "other")
    world.runner.environ["GITHUB_REF"] = "refs/pull/6/merge"
    planned = world.runner.run(PLAN, **{"github.event.pull_request.head.repo.full_name": "example/flags"})
    assert planned["comment"].succeeded, [run.log for run in planned.values()]
    assert len(world.github.bodies(6)) == 1, planned
    runs = on_merge(world, number=6)
    assert runs["outcome"].succeeded, runs
    assert world.live_rollout() == 50
    assert flag_of(world.emulator, "other-flag")
    assert "2 applied" in comments(world)[0]


@pytest.mark.usefixtures("commands_in_process")
@pytest.mark.parametrize(("workflow", "event"), [(ADVANCE, {}), (DRIFT, {"inputs.undo": "other-*"})])
def test_what_else_runs_before_the_apply_does_not_count_as_applied(
    world: World, workflow: Path, event: dict[str, str]
) -> None:
    """A schedule, or drift that is undone: it runs for the commit that is still to be applied."""
    a_pull_request(world, 50)
    on_pull_request(world)
    head = world.git("rev-parse", "HEAD")
    world.github.deploy("flags-apply", world.git("rev-parse", "main"), "success")
    world.runner.environ["GITHUB_SHA"] = head
    assert not any(run.result == "failure" for run in world.runner.run(workflow, **event).values())
    assert world.live_rollout() == 10
    assert on_merge(world)["outcome"].succeeded
    assert world.live_rollout() == 50


@pytest.mark.usefixtures("commands_in_process")
def test_a_label_allows_what_a_guard_holds(world: World) -> None:
    """From review to apply, where the person who set it may push."""
    config = 'version: 1\nprojectId: "7"\nsafety: {maxExposureChange: 1%}\n'
    world.write("reconciler.yaml", config)
    world.commit()
    world.github.permissions["grace"] = "write"
    world.github.add_label(5, "flags-allow:exposure:new-checkout", "mallory")
    a_pull_request(world, 50)
    assert not on_pull_request(world)["plan"].succeeded
    assert "or the label `flags-allow:exposure:new-checkout` on the pull request" in comments(world)[0]
    assert "(https://github.example.com/artifacts/plan)" in comments(world)[0]
    page = (Path(world.runner.artifacts["plan"]) / "plan.html").read_text(encoding="utf-8")
    assert "held by safety check exposure" in page
    world.github.add_label(5, "flags-allow:exposure:new-checkout", "grace")
    assert on_pull_request(world)["plan"].succeeded
    assert on_merge(world)["outcome"].succeeded
    assert world.live_rollout() == 50


@pytest.mark.usefixtures("commands_in_process")
def test_an_older_commit_does_not_win_over_a_newer_one(world: World) -> None:
    """A run that comes late, or is started again, applies nothing once the flags have moved on."""
    a_pull_request(world, 50)
    run = on_merge(world, status="ahead", files=("flags/new-checkout.yaml",))["apply"]
    assert not run.succeeded
    assert "main has moved on" in run.log
    assert world.emulator.log == []


@pytest.mark.usefixtures("commands_in_process")
def test_a_failed_apply_fails_the_run_and_still_reports(world: World) -> None:
    """A refused key: the job fails, so that the next run begins where this one did; the comment says it."""
    a_pull_request(world, 50)
    on_pull_request(world)
    world.runner.contexts["secrets.AMPLITUDE_MANAGEMENT_API_KEY"] = "not-the-key-0123456789"
    runs = on_merge(world)
    assert [run.result for run in runs.values()] == ["success", "failure", "failure"]
    assert "**There is no report of the apply.**" in comments(world)[0]
    assert world.emulator.writes == []
    world.runner.contexts["secrets.AMPLITUDE_MANAGEMENT_API_KEY"] = KEY
    world.write("README.md", "words\n")
    world.commit()
    assert on_merge(world, number=None)["outcome"].succeeded
    assert world.live_rollout() == 50


@pytest.mark.usefixtures("commands_in_process")
def test_a_merge_that_was_cut_short_and_is_reverted_leaves_nothing_live(world: World) -> None:
    """The key is refused after the first write: then main says again what was applied before, and live does not."""
    a_pull_request(world, 50)
    on_pull_request(world)
    world.github.deploy("flags-apply", world.git("rev-parse", "main"), "success")
    answer, keys = world.emulator.api.answer, world.emulator.store.keys

    def answer_once(request: RawRequest) -> ApiResponse:
        answered = answer(request)
        if request.method != "GET":
            keys.pop(KEY, None)
        return answered

    user = keys[KEY]
    world.emulator.api.answer = answer_once  # type: ignore[method-assign]
    assert not on_merge(world)["apply"].succeeded
    world.emulator.api.answer = answer  # type: ignore[method-assign]
    keys[KEY] = user
    assert world.live_rollout() == 50
    world.git("checkout", "--quiet", "-B", "revert", "main")
    world.write("flags/new-checkout.yaml", world.git("show", "main^1:flags/new-checkout.yaml") + "\n")
    world.commit()
    world.git("checkout", "--quiet", "--detach", "main")
    world.git("merge", "--quiet", "--no-ff", "--message", "merge", "revert")
    on_pull_request(world)
    assert "`50` | `10`" in comments(world)[0]
    assert on_merge(world)["outcome"].succeeded
    assert world.live_rollout() == 10


def test_drift_is_undone_on_purpose(world: World) -> None:
    """A run by hand with the flag's key: its plan first, then exactly that."""
    world.edit_by_hand(rolloutPercentage=20)
    runs = world.runner.run(DRIFT, **{"inputs.undo": "new-checkout other-*"})
    assert [name for name, run in runs.items() if not run.is_skipped] == ["undo-plan", "undo"]
    assert all(run.succeeded for run in runs.values()), runs
    assert "10%" in runs["undo-plan"].summary
    assert world.live_rollout() == 10


@pytest.mark.usefixtures("commands_in_process")
def test_drift_has_one_issue_from_first_to_last(world: World) -> None:
    """Hour by hour: nothing, an edit by hand, another one, no access, and the edit taken back."""

    def an_hour_later() -> JobRun:
        return world.runner.run(DRIFT)["issue"]

    assert an_hour_later().log == "Issue: none open.\n"
    world.edit_by_hand(rolloutPercentage=100)
    runs = world.runner.run(DRIFT)
    assert [run.result for run in runs.values()] == ["success", "success", "skipped", "skipped"]
    assert "grace@example.com" in runs["drift"].summary
    (issue,) = world.github.issues
    assert (issue["title"], issue["state"]) == ("Feature flags differ from git", "open")
    world.edit_by_hand(enabled=False)
    assert an_hour_later().log == "Issue: updated.\n"
    assert "enabled" in issue["body"]
    world.runner.contexts["secrets.AMPLITUDE_MANAGEMENT_API_KEY"] = "not-the-key-0123456789"
    runs = world.runner.run(DRIFT)
    assert not runs["drift"].succeeded
    assert runs["issue"].is_skipped
    assert issue["state"] == "open"
    world.runner.contexts["secrets.AMPLITUDE_MANAGEMENT_API_KEY"] = KEY
    world.edit_by_hand(rolloutPercentage=10, enabled=True)
    assert an_hour_later().log == "Issue: closed.\n"
    assert [item["state"] for item in world.github.issues] == ["closed"]
    assert world.emulator.writes == []


def test_a_rollout_is_advanced_on_a_schedule(world: World) -> None:
    """One step; the next run waits, and the summary says until when. Neither apply nor drift minds it."""
    world.write(
        "flags/new-checkout.yaml",
        "key: new-checkout\nrolloutPercentage: 100\nrollout: {steps: ['50% 1h', '100%']}\n",
    )
    world.commit()
    run = world.runner.run(ADVANCE)["advance"]
    assert run.succeeded, run.log
    assert "applied: 10% to 50%" in run.summary
    assert flag_of(world.emulator, "new-checkout")["rolloutPercentage"] == 50
    assert "step 1 of 2, 50%; 100% from" in world.runner.run(ADVANCE)["advance"].summary
    assert world.runner.run(DRIFT)["issue"].log == "Issue: none open.\n"
    assert len(world.emulator.writes) == 1


def run_action(world: World, mode: str, *, event: str = "push", **inputs: str) -> tuple[JobRun, dict[str, str]]:
    """Run the action in a mode, with the key and the token."""
    given = {"management_key": KEY, "github_token": TOKEN, **inputs}
    return world.runner.run_action(ROOT / "action.yml", event, mode=mode, **given)


def test_the_action_validates_plans_applies_and_looks_for_drift(world: World) -> None:
    """All modes in the order of a change; the exit code is an output, and only what is wrong fails."""
    world.runner.environ["GITHUB_REF"] = "refs/pull/5/merge"
    a_pull_request(world, 50)
    run, contexts = run_action(world, "validate", management_key="")
    assert run.succeeded, run.log
    run, contexts = run_action(world, "test", management_key="")
    assert run.succeeded, run.log
    run, contexts = run_action(world, "plan", event="pull_request", args="--target=new-*\n\n--show-users\n")
    assert run.succeeded, run.log
    assert contexts["steps.run.outputs.code"] == "2"
    assert "max exposure change 40%" in comments(world)[0]
    run, _ = run_action(world, "plan", event="push")
    assert "Comment" not in run.log
    commit = world.git("rev-parse", "HEAD")
    world.runner.environ |= {"GITHUB_SHA": commit, "GITHUB_REF_NAME": "main"}
    assert not run_action(world, "apply")[0].succeeded
    assert world.live_rollout() == 10
    world.github.comparisons[f"{commit}...main"] = {"status": "identical"}
    run, _ = run_action(world, "apply")
    assert run.succeeded, run.log
    assert world.live_rollout() == 50
    assert run_action(world, "drift")[0].log.endswith("Issue: none open.\n")
    world.edit_by_hand(rolloutPercentage=99)
    assert run_action(world, "drift")[0].log.endswith("Issue: opened.\n")
    assert not run_action(world, "drift", issue="false")[0].succeeded


@pytest.mark.usefixtures("commands_in_process")
def test_the_action_shows_all_findings_in_the_summary(world: World) -> None:
    """GitHub annotates ten lines only. Where nothing is found there is nothing to read."""
    assert run_action(world, "validate", management_key="")[0].summary == ""
    for number in range(12):
        world.write(f"flags/wrong-{number}.yaml", f"key: wrong-{number}\nrolloutPercentage: 250\n")
    run, _ = run_action(world, "validate", management_key="")
    assert not run.succeeded
    assert run.log.count("::error file=") == run.summary.count("[whole-percentage]") == 12
    assert run.summary.startswith("```\n")
    assert run.summary.endswith("```\n")


@pytest.mark.usefixtures("commands_in_process")
@pytest.mark.parametrize("changed", ["service/reconciler.yaml", "service/all/x.yaml", "docs/y.md", "other/z.md"])
def test_the_action_watches_what_the_configuration_names(world: World, changed: str) -> None:
    """With a configuration in a subdirectory an old run overwrites nothing that a newer one applied."""
    world.write("service/reconciler.yaml", 'version: 1\nprojectId: "7"\nflags: all\n')
    world.write("service/all/x.yaml", "key: new-checkout\nrolloutPercentage: 50\n")
    commit = world.commit()
    world.runner.environ |= {"GITHUB_SHA": commit, "GITHUB_REF_NAME": "main", "GITHUB_WORKSPACE": str(world.root)}
    world.github.comparisons[f"{commit}...main"] = {"status": "ahead", "files": [{"filename": changed}]}
    run, _ = run_action(world, "apply", config="service/reconciler.yaml", paths="docs\n")
    assert run.succeeded is (changed == "other/z.md"), run.log
    assert world.live_rollout() == (50 if run.succeeded else 10)


@pytest.mark.usefixtures("commands_in_process")
@pytest.mark.parametrize(
    "args", ["--config=a/b.yaml", "--target=x\n--config\nb.yaml", "-cb.yaml", "-c\nb.yaml", "-qcb"]
)
def test_the_configuration_of_an_apply_is_an_input(world: World, args: str) -> None:
    """Among other options it would be applied and not watched."""
    run, _ = run_action(world, "apply", args=args)
    assert not run.succeeded
    assert "with the input config" in run.log
    assert (world.github.requests, world.emulator.log) == ([], [])


@pytest.mark.usefixtures("commands_in_process")
@pytest.mark.parametrize(
    ("mode", "inputs"),
    [
        ("destroy", {}),
        ("plan", {"config": "missing.yaml"}),
        ("plan", {"environment": "production"}),
        ("drift", {"management_key": "not-the-key-0123456789"}),
    ],
)
def test_the_action_fails_where_the_command_does(world: World, mode: str, inputs: dict[str, str]) -> None:
    """Wrong inputs fail the step instead of being taken for no changes."""
    run, _ = run_action(world, mode, **inputs)
    assert not run.succeeded
    assert world.github.issues == []


@pytest.mark.parametrize("version", ["", "latest", "0.1.0 --index-url=x", "0.1.0; y", ">=0.1"])
def test_the_action_installs_exact_versions_only(world: World, version: str) -> None:
    """Nothing but a version gets into what is installed."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    run = world.runner.run_steps(action["runs"]["steps"][:1], {"inputs.version": version})
    assert not run.succeeded
    assert "has to be exact" in run.log


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_no_more_than_it_needs(file: Path) -> None:
    """Pinned actions, no permission by default, no contents written, no credentials left, no privileged trigger."""
    text = file.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    for name, job in workflow["jobs"].items():
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        assert writes <= {"pull-requests", "issues"}
        holds_key = "secrets." in str(job)
        assert holds_key is ("environment" in job), f"{name}: the key belongs to protected environments"
        assert not (holds_key and writes), f"{name}: what has the key cannot write to the repository"
        assert not writes or "actions/checkout" not in str(job), f"{name}: what writes sees no file of the repository"
        assert job["timeout-minutes"] <= 60
        uses = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(PINNED.match(use) for use in uses)
    for line in text.splitlines():
        assert "uses:" not in line or re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


COMMANDS = {"reconciler", "cat", "rm", "echo", "exit", "read"}
WORDS = {"if", "then", "fi", "else", "case", "esac", "while", "do", "done", "in", "[", "]"}


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda file: file.stem)
def test_a_step_with_the_key_starts_the_tool_only(file: Path) -> None:
    """No git, no interpreter, nothing of the checkout sees the key; where Python runs, it imports nothing of it."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    runs = document["runs"]["steps"] if "runs" in document else []
    steps = [*runs, *(step for job in document.get("jobs", {}).values() for step in job["steps"])]
    for step in (step for step in steps if "run" in step):
        script = step["run"].replace("\\\n", " ").replace('"$RUNNER_TEMP/reconciler/bin/reconciler"', "reconciler")
        if "AMPLITUDE_MANAGEMENT_API_KEY" in str(step.get("env")):
            parts = re.split(r"\n|;;|; | \|\| | then | && ", script)
            first = (re.sub(r"^\s*(\w+|\*)\)\s*", "", part).split() for part in parts)
            commands = {words[0] for words in first if words and not re.match(r"[\w]+\+?=|#", words[0])}
            assert commands - WORDS <= COMMANDS, step["name"]
            assert "reconciler" in commands
        for start in re.finditer(r"(?:^|[\s/\"])python3?(?=[\s\"])", script):
            assert re.match(r'"? -I ', script[start.end() :]), step["name"]


def test_applies_are_queued_and_never_cut_short() -> None:
    """Two merges never apply at once, and a newer one does not cancel one that is under way."""
    workflow = yaml.safe_load(APPLY.read_text(encoding="utf-8"))
    assert workflow["concurrency"] == {"group": "flags-apply", "cancel-in-progress": False}
    assert workflow[True]["push"]["branches"] == ["main"]

"""The pipeline of examples/ci/gitlab, job by job as it stands, beside an emulator and a local GitLab."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from emulators import KEY
from gitlab_server import a_gitlab
from workflow_runner import INSTALL

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from conftest import World
    from gitlab_server import GitlabState

PIPELINE = Path(__file__).parents[2] / "examples" / "ci" / "gitlab" / ".gitlab-ci.yml"
JOBS: dict[str, Any] = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
SECRETS = {"flags-comment": "GITLAB_TOKEN", "flags-plan": "KEY", "flags-apply": "KEY", "flags-drift": "KEY"}
OF_MERGE_REQUESTS = ("flags labels", "flags plan", "flags comment")
OF_MERGES = ("flags review", "flags apply", "flags outcome")


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitlabState]:
    """The stand-in; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with a_gitlab() as state:
        yield state


def run_job(
    world: World, gitlab: GitlabState, name: str, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the script of a job, with the secrets that its environment has."""
    scope = JOBS[name].get("environment", {}).get("name", "")
    environ = {name: value for name, value in gitlab.environ.items() if name != "GITLAB_TOKEN"}
    if SECRETS.get(scope) == "GITLAB_TOKEN":
        environ["GITLAB_TOKEN"] = gitlab.environ["GITLAB_TOKEN"]
    elif scope:
        environ["AMPLITUDE_MANAGEMENT_API_KEY"] = KEY
    script = "set -eo pipefail\n" + "\n".join(JOBS[name]["script"])
    return world.runner.call(
        ["bash", "-c", script],
        cwd=world.root,
        env={**world.environ, **environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def run_jobs(world: World, gitlab: GitlabState, names: tuple[str, ...], **variables: str) -> dict[str, int]:
    """The exit code of each job that ran, artifacts passed on; one that fails stops all but those that run always."""
    codes: dict[str, int] = {}
    for name in names:
        if any(codes.values()) and JOBS[name].get("when") != "always":
            continue
        done = run_job(world, gitlab, name, variables)
        assert KEY not in done.stdout + done.stderr
        codes[name] = done.returncode
    for name in ("plan", "review", "report"):
        shutil.rmtree(world.root / name, ignore_errors=True)
    return codes


def merge_request(world: World, gitlab: GitlabState, rollout: int) -> dict[str, int]:
    """Open merge request 5, which sets the rollout, and run its pipeline."""
    world.git("checkout", "--quiet", "-B", "change", "main")
    world.write("flags/new-checkout.yaml", f"key: new-checkout\nrolloutPercentage: {rollout}\n")
    world.commit()
    base = world.git("rev-parse", "main")
    return run_jobs(world, gitlab, OF_MERGE_REQUESTS, CI_MERGE_REQUEST_IID="5", CI_MERGE_REQUEST_DIFF_BASE_SHA=base)


def merge(world: World, gitlab: GitlabState) -> dict[str, int]:
    """Merge what is checked out, and run the pipeline of the default branch."""
    before, head = world.git("rev-parse", "main"), world.git("rev-parse", "HEAD")
    gitlab.push(before, head, head)
    gitlab.add_pull(5, head)
    codes = run_jobs(world, gitlab, OF_MERGES, CI_COMMIT_SHA=head, CI_COMMIT_BEFORE_SHA=before)
    gitlab.deploy("flags-apply", head, "failure" if codes["flags apply"] else "success")
    world.git("branch", "--force", "main", head)
    return codes


def test_what_was_reviewed_is_applied(world: World, gitlab: GitlabState) -> None:
    """The note shows the plan, then what came of it."""
    assert merge_request(world, gitlab, 50) == dict.fromkeys(OF_MERGE_REQUESTS, 0)
    assert "max exposure change 40%" in gitlab.bodies(5)[0]
    assert merge(world, gitlab) == dict.fromkeys(OF_MERGES, 0)
    assert world.live_rollout() == 50
    (note,) = gitlab.bodies(5)
    assert "1 applied" in note
    assert "Merged by grace." in note


@pytest.mark.usefixtures("commands_in_process")
def test_an_edit_between_review_and_merge_holds_the_flag(world: World, gitlab: GitlabState) -> None:
    """Nothing of it is sent; the note says what differs, and the last job fails."""
    merge_request(world, gitlab, 50)
    world.edit_by_hand(rolloutPercentage=20)
    assert merge(world, gitlab) == {"flags review": 0, "flags apply": 0, "flags outcome": 6}
    assert world.live_rollout() == 20
    assert "reviewed as 10 → 50 and is 20 → 50 now" in gitlab.bodies(5)[0]


@pytest.mark.usefixtures("commands_in_process")
def test_a_plan_that_fails_is_said_in_the_note(world: World, gitlab: GitlabState) -> None:
    """A file that cannot be read: the note holds the error."""
    world.git("checkout", "--quiet", "-B", "change", "main")
    world.write("flags/new-checkout.yaml", "key: [\n")
    world.commit()
    base = world.git("rev-parse", "main")
    gitlab.add_comment(5, "<!-- reconciler:plan -->\nan older plan")
    codes = run_jobs(world, gitlab, OF_MERGE_REQUESTS, CI_MERGE_REQUEST_IID="5", CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert codes == {"flags labels": 0, "flags plan": 3, "flags comment": 0}
    assert "**There is no plan.**" in gitlab.bodies(5)[0]
    assert "older" not in gitlab.bodies(5)[0]


def test_validation_and_drift_run_as_they_stand(world: World, gitlab: GitlabState) -> None:
    """One without a secret; the other fails its job where there is drift. The tool is installed without secrets."""
    (install,) = JOBS["default"]["before_script"]
    without = f"env -u AMPLITUDE_MANAGEMENT_API_KEY -u GITLAB_TOKEN {INSTALL}"
    assert install.replace(" --quiet", "") == without
    assert run_jobs(world, gitlab, ("flags validate", "flags drift")) == {"flags validate": 0, "flags drift": 0}
    world.edit_by_hand(rolloutPercentage=51)
    assert run_jobs(world, gitlab, ("flags drift",)) == {"flags drift": 2}
    assert "environment" not in JOBS["flags validate"]


@pytest.mark.usefixtures("commands_in_process")
def test_a_rollout_is_advanced_on_a_schedule(world: World, gitlab: GitlabState) -> None:
    """One step with one write; the next run waits, and the watch for drift does not mind."""
    rollout = "key: new-checkout\nrolloutPercentage: 100\nrollout: {steps: ['50% 1h', '100%']}\n"
    world.write("flags/new-checkout.yaml", rollout)
    world.commit()
    assert run_jobs(world, gitlab, ("flags advance",)) == {"flags advance": 0}
    assert world.live_rollout() == 50
    assert run_jobs(world, gitlab, ("flags advance", "flags drift")) == {"flags advance": 0, "flags drift": 0}
    assert (world.live_rollout(), len(world.emulator.writes)) == (50, 1)


def test_no_job_has_the_key_and_the_token() -> None:
    """Each secret is scoped to an environment, and a job has one environment."""
    for name, job in JOBS.items():
        if not isinstance(job, dict) or "script" not in job:
            continue
        text = str(job["script"])
        scope = SECRETS.get(job.get("environment", {}).get("name", ""))
        assert ("GITLAB_TOKEN" in text) <= (scope == "GITLAB_TOKEN"), name
        commands = ("plan", "apply", "drift", "advance")
        assert any(f"reconciler {word}" in text for word in commands) is (scope == "KEY")

"""The two ways to run the product in CI, one for each environment: the workflows of examples/ci, and the action.

Both run step by step as they stand. What GitHub adds is done here: the events' contexts, and deployments.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulators import KEY
from github_server import TOKEN

if TYPE_CHECKING:
    from collections.abc import Collection

    from github_server import GithubState
    from workflow_runner import JobRun, Runner

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
PLAN, APPLY, DRIFT = (
    ROOT / "examples" / "ci" / "github" / f"flags-{name}.yml" for name in ("plan", "apply", "drift")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to: whether it succeeded, and what the jobs say of the command.

    `code` is its exit code, "" where it was not called; `base` the commit that the run began from; `reviewed` are the
    keys that the review record names, None without a record.
    """

    succeeded: bool
    code: str = ""
    base: str = ""
    reviewed: frozenset[str] | None = None
    log: str = ""


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """CI of one environment. `deployments` names the job's environment, and `comment` that of a plan."""

    runner: Runner
    github: GithubState
    environment: str
    deployments: str
    comment: str

    def issue(self) -> str:
        """The open issue of the environment; empty where there is none."""
        sign = f"<!-- reconciler:{self.comment.replace('plan', 'drift')} -->"
        bodies = [item["body"] for item in self.github.issues if item["state"] == "open"]
        found = [body for body in bodies if body.splitlines()[0] == sign]
        assert len(found) <= 1, found
        return "".join(found)

    def _at(self, **environ: str) -> None:
        self.runner.environ |= environ

    def _at_main(self, head: str) -> None:
        self._at(GITHUB_SHA=head, GITHUB_REF="refs/heads/main", GITHUB_REF_NAME="main")


class Workflows(Pipeline):
    """The workflows of examples/ci, with the environment in a variable."""

    def plan(self, number: int) -> Outcome:
        """The run of a pull request, which is checked out merged into its base."""
        self._at(GITHUB_REF=f"refs/pull/{number}/merge", RECONCILER_ENV=self.environment)
        repository = self.runner.contexts["github.repository"]
        runs = self.runner.run(PLAN, **{"github.event.pull_request.head.repo.full_name": repository})
        return Outcome(
            succeeded=all(run.succeeded for run in runs.values()),
            code=runs["plan"].outputs.get("code", ""),
            log=_logs(runs),
        )

    def apply(self, head: str, pushed: str) -> Outcome:
        """The run of a push of main: of `head`, which is checked out, after `pushed`."""
        self._at_main(head)
        self._at(RECONCILER_ENV=self.environment)
        runs = self.runner.run(APPLY, **{"github.event.before": pushed})
        return Outcome(
            succeeded=runs["apply"].succeeded and not runs["apply"].is_skipped,
            code=runs["apply"].outputs.get("code", ""),
            base=runs["review"].outputs.get("base", ""),
            reviewed=_named(Path(self.runner.artifacts["review"]) / "record.json"),
            log=_logs(runs),
        )

    def drift(self) -> Outcome:
        """The run that looks for drift; `code` says whether there is some."""
        self._at(RECONCILER_ENV=self.environment)
        runs = self.runner.run(DRIFT, **{"inputs.undo": ""})
        return Outcome(succeeded=runs["issue"].succeeded, code=runs["drift"].outputs.get("code", ""), log=_logs(runs))

    def undo(self, head: str, key: str, allow: str) -> Outcome:
        """The run that makes a live flag as it is declared."""
        self._at_main(head)
        self._at(RECONCILER_ENV=self.environment)
        runs = self.runner.run(DRIFT, **{"inputs.undo": key, "inputs.allow": allow})
        return Outcome(succeeded=runs["undo"].succeeded and not runs["undo"].is_skipped, log=_logs(runs))


class Action(Pipeline):
    """The action, with the environment among its inputs."""

    def plan(self, number: int) -> Outcome:
        """The run of a pull request, which is checked out merged into its base."""
        self._at(GITHUB_REF=f"refs/pull/{number}/merge", RECONCILER_ENV="")
        run, contexts = self._run("pull_request", "plan", args="--changed-since=HEAD^1")
        return _of_action(run, contexts)

    def apply(self, head: str, pushed: str) -> Outcome:
        """The run of a push of main: of `head`, which is checked out, after `pushed`."""
        self._at_main(head)
        self._at(RECONCILER_ENV="")
        run, contexts = self._run("push", "apply", before=pushed, deployment_environment=self.deployments)
        return _of_action(run, contexts)

    def drift(self) -> Outcome:
        """The run that looks for drift; `code` says whether there is some."""
        self._at(RECONCILER_ENV="")
        run, contexts = self._run("schedule", "drift")
        return _of_action(run, contexts)

    def undo(self, head: str, key: str, allow: str) -> Outcome:
        """The run that makes a live flag as it is declared."""
        self._at_main(head)
        self._at(RECONCILER_ENV="")
        options = [f"--target={key}", *([f"--allow={allow}"] if allow else [])]
        run, contexts = self._run("workflow_dispatch", "apply", args="\n".join(options), before="")
        return _of_action(run, contexts)

    def _run(self, event: str, mode: str, **inputs: str) -> tuple[JobRun, dict[str, str]]:
        given = {"management_key": KEY, "github_token": TOKEN, "environment": self.environment, **inputs}
        return self.runner.run_action(ACTION, event, mode=mode, **given)


def _of_action(run: JobRun, contexts: dict[str, str]) -> Outcome:
    return Outcome(
        succeeded=run.succeeded,
        code=contexts.get("steps.run.outputs.code", ""),
        base=contexts.get("steps.review.outputs.base", ""),
        reviewed=_named(Path(contexts["runner.temp"]) / "reconciler-reviewed.json"),
        log=run.log,
    )


def _logs(runs: dict[str, JobRun]) -> str:
    return "".join(run.log for run in runs.values())


def _named(record: Path) -> frozenset[str] | None:
    """The keys that a review record names; None where there is none."""
    if not record.exists() or not record.stat().st_size:
        return None
    flags: Collection[str] = json.loads(record.read_text(encoding="utf-8"))["flags"]
    return frozenset(flags)

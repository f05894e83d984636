"""Runs the steps of workflows as they stand: the shell of a runner, its files and contexts, without the runner.

`run:` steps go through bash as GitHub's runner calls it. `uses:` steps are the few actions whose effect a test needs:
a checkout is the directory given, artifacts are files kept between jobs. Installing the tool is checked for its form
and not done: `python` and `reconciler` are those of the tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reconciler import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INSTALL = f"python -I -m pip install amplitude-flag-reconciler=={__version__}"
PINNED = re.compile(r"[\w-]+/[\w.-]+@[0-9a-f]{40}\Z")
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_TERM = re.compile(r"(?P<left>[\w.-]+)\s*(?P<sign>==|!=)\s*(?P<right>'[^']*'|[\w.-]+)\Z")


@dataclass(slots=True)
class JobRun:
    """What a job left: whether it succeeded, its outputs, what it logged, and its summary."""

    succeeded: bool = True
    is_skipped: bool = False
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""

    @property
    def result(self) -> str:
        """As in the context `needs`."""
        return "skipped" if self.is_skipped else "success" if self.succeeded else "failure"


@dataclass(slots=True, kw_only=True)
class Runner:
    """A machine on which jobs run, one after the other; `environ` is what every step sees.

    `deploy` is told of each job that has an environment: its name, the commit, and "success" or "failure".
    """

    directory: Path
    checkout: Path
    environ: dict[str, str]
    contexts: dict[str, str]
    artifacts: dict[str, str] = field(default_factory=dict)
    call: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
    deploy: Callable[[str, str, str], None] = lambda *_: None

    def run(self, file: Path, **event: str) -> dict[str, JobRun]:
        """Run every job of a workflow, in its order, for an event given by its contexts."""
        runs: dict[str, JobRun] = {}
        for name, job in _read(file)["jobs"].items():
            needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            contexts = {**self.contexts, **event}
            for need in needed:
                contexts |= {f"needs.{need}.outputs.{key}": value for key, value in runs[need].outputs.items()}
                contexts[f"needs.{need}.result"] = runs[need].result
            failed = any(not runs[need].succeeded or runs[need].is_skipped for need in needed)
            condition = str(job.get("if", ""))
            if (failed and "cancelled()" not in condition) or not is_true(condition, contexts):
                runs[name] = JobRun(is_skipped=True)
                continue
            runs[name] = self.run_steps(job["steps"], contexts)
            runs[name].outputs = {key: filled(value, contexts) for key, value in job.get("outputs", {}).items()}
            if "environment" in job:
                self.deploy(job["environment"], self.environ.get("GITHUB_SHA", ""), runs[name].result)
        return runs

    def run_action(self, file: Path, event: str, **inputs: str) -> tuple[JobRun, dict[str, str]]:
        """Run a composite action with its defaults and these inputs: what it leaves, and its contexts.

        The tools of PATH take the place of its installation.
        """
        action = _read(file)
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        defaults = {name: fields.get("default", "") for name, fields in action["inputs"].items()}
        contexts = {f"inputs.{name}": filled(str(value), {}) for name, value in {**defaults, **given}.items()}
        in_place = {
            "name": "In place of the installation",
            "shell": "bash",
            "run": 'mkdir "$RUNNER_TEMP/reconciler"; ln -s "${PATH%%:*}" "$RUNNER_TEMP/reconciler/bin"',
        }
        contexts["github.event_name"] = event
        return self.run_steps([in_place, *action["runs"]["steps"][1:]], contexts), contexts

    def run_steps(self, steps: list[dict[str, Any]], contexts: dict[str, str]) -> JobRun:
        """Run steps until one fails; outputs of steps become contexts."""
        temp = self.directory / f"job-{len(list(self.directory.iterdir()))}"
        temp.mkdir()
        contexts["runner.temp"] = str(temp)
        run = JobRun()
        for step in steps:
            if not is_true(str(step.get("if", "")), contexts):
                continue
            if "uses" in step:
                self._use(step, contexts)
            elif not self._shell(step, contexts, run, temp):
                run.succeeded = False
                break
        return run

    def _use(self, step: dict[str, Any], contexts: dict[str, str]) -> None:
        assert PINNED.match(step["uses"]), step["uses"]
        action, inputs = step["uses"].partition("@")[0], step.get("with", {})
        if action == "actions/checkout":
            assert inputs["persist-credentials"] is False
        elif action == "actions/upload-artifact":
            self.artifacts[inputs["name"]] = filled(inputs["path"], contexts)
            if "id" in step:
                url = f"https://github.example.com/artifacts/{inputs['name']}"
                contexts[f"steps.{step['id']}.outputs.artifact-url"] = url
        elif action == "actions/download-artifact":
            source, target = Path(self.artifacts[inputs["name"]]), Path(filled(inputs["path"], contexts))
            target.mkdir(exist_ok=True)
            for file in source.iterdir() if source.is_dir() else (source,):
                (target / file.name).write_bytes(file.read_bytes())
        else:
            assert action == "actions/setup-python"

    def _shell(self, step: dict[str, Any], contexts: dict[str, str], run: JobRun, temp: Path) -> bool:
        script = step["run"]
        assert "${{" not in script, "an expression in a script is a way to inject into it"
        if step.get("name") == "Install" and "shell" not in step:
            assert script == INSTALL
            return True
        files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        environ = {
            **self.environ,
            "RUNNER_TEMP": str(temp),
            **{name: str(file) for name, file in files.items()},
            **{name: filled(str(value), contexts) for name, value in step.get("env", {}).items()},
        }
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
        done = self.call(
            ["bash", *options, "-c", script],
            cwd=self.checkout,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        run.log += done.stdout + done.stderr
        run.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            contexts[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode == 0


@cache
def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return read


def filled(text: str, contexts: Mapping[str, str]) -> str:
    """The text with its expressions replaced; a context that is not there is empty, as in GitHub's."""
    return _EXPRESSION.sub(lambda found: contexts.get(found[1], ""), text)


def is_true(condition: str, contexts: Mapping[str, str]) -> bool:
    """Whether an `if:` holds: comparisons joined by `&&`, and these by `||`. Nothing is cancelled here."""
    inner = _EXPRESSION.sub(r"\1", condition).strip()
    ways = inner.split("||") if inner else []
    return not ways or any(all(_holds(term.strip(), contexts) for term in way.split("&&")) for way in ways)


def _holds(term: str, contexts: Mapping[str, str]) -> bool:
    if term == "!cancelled()":
        return True
    found = _TERM.match(term)
    assert found, f"the test knows no condition {term!r}"
    right = found["right"]
    value = right.strip("'") if right.startswith("'") else contexts.get(right, "")
    return (contexts.get(found["left"], "") == value) is (found["sign"] == "==")


def tool_directory(directory: Path) -> Path:
    """A directory with `python`, `python3` and `reconciler` of the tests, to be first on PATH."""
    tools = directory / "tools"
    tools.mkdir()
    for name in ("python", "python3"):
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tools / "reconciler").write_text(f'#!/bin/sh\nexec {sys.executable} -I -m reconciler "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return tools


def bare_environ(directory: Path) -> dict[str, str]:
    """The environment of a machine that is new: a PATH, a HOME, and git's author."""
    home = directory / "home"
    home.mkdir()
    return {
        "PATH": f"{tool_directory(directory)}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CI": "true",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
    }  # fmt: skip

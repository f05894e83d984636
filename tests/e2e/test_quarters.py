"""A team's quarter in random order: what was reviewed is what happens, and nothing else."""

from __future__ import annotations

import ssl
from datetime import datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import pytest
import team
from answered_steps import AnsweredSteps
from emulators import KEY, an_emulator
from github_server import a_github
from pipelines import Action, Workflows
from quarter import Quarter
from workflow_runner import Runner, bare_environ

from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHORT, LONG = (6,), range(2, 202)
SHORT_EVENTS, LONG_EVENTS = 36, 60
BUCKETING = {"bucketingKey": "user_id", "bucketingSalt": "salt"}
"""One for all flags: what was counted for one need not be counted again for another."""


@pytest.fixture
def quarter_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Quarter]]:
    """Makes the quarter of a seed."""
    people = team.Team(Random())
    emulator = an_emulator(projects={number: {} for number in team.PROJECTS.values()}, now=lambda: people.now)
    emulator.store.seed_flags(
        {**team.resolved(team.a_document(key), name), "projectId": number, **BUCKETING}
        for name, number in team.PROJECTS.items()
        for key in team.KEYS
    )
    root, jobs = tmp_path / "repository", tmp_path / "jobs"
    for directory in (root, jobs):
        directory.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr("ssl.create_default_context", cache(ssl.create_default_context))  # 40 ms for each step
    clock = type("Clock", (datetime,), {"now": staticmethod(lambda _: people.now.replace(microsecond=0))})
    monkeypatch.setattr("reconciler.cli.loading.datetime", clock)
    with serve(emulator.app) as url, a_github() as github:
        environ = {**bare_environ(tmp_path), "RECONCILER_API_URL": url}
        github.permissions["grace"] = "write"
        quarter = Quarter(root, people, emulator, github, environ)
        steps = AnsweredSteps(tmp_path / "steps", quarter.step)
        steps.put_tools(tmp_path / "tools")
        told = github.environ
        runner = Runner(
            directory=jobs,
            checkout=root,
            environ={**environ, **{name: value for name, value in told.items() if name != "GITHUB_TOKEN"}},
            contexts={
                "secrets.AMPLITUDE_MANAGEMENT_API_KEY": KEY,
                "github.token": told["GITHUB_TOKEN"],
                "github.repository": told["GITHUB_REPOSITORY"],
            },
            call=steps.call,
        )
        both = {"runner": runner, "github": github}
        quarter.pipelines = {
            "staging": Action(**both, environment="staging", deployments="flags-staging", comment="plan-staging"),
            "production": Workflows(**both, environment="production", deployments="flags-apply", comment="plan"),
        }

        def make(seed: int) -> Quarter:
            people.random.seed(seed)
            quarter.begin()
            return quarter

        yield make


def play(quarter: Quarter, events: int, count: Callable[[str, int], None]) -> None:
    """One quarter, and how much was tried in it."""
    quarter.play(events)
    for name, number in quarter.counts.items():
        count(name, number)


@pytest.mark.parametrize("seed", SHORT)
def test_a_quarter(seed: int, quarter_of: Callable[[int], Quarter], count: Callable[[str, int], None]) -> None:
    """In every order."""
    play(quarter_of(seed), SHORT_EVENTS, count)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_many_quarters(seed: int, quarter_of: Callable[[int], Quarter], count: Callable[[str, int], None]) -> None:
    """The long form."""
    play(quarter_of(seed), LONG_EVENTS, count)

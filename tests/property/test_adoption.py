"""Importing any project: nothing is left to plan, and applying what was written makes the project again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from adoption import a_random_live_flag, a_random_project, a_repository
from emulators import an_emulator, each_behaviour, pairwise_behaviours

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.emulator import Behaviour

SHORT, LONG = 100, 1_000
BATCHES = 10


def check_projects(directory: Path, seeds: range) -> None:
    for seed in seeds:
        emulator = a_random_project(Random(seed))
        first = a_repository(directory / f"{seed}", emulator, deployments={"web": "67"})
        result = first.adopt()
        assert not result.skipped, seed
        assert not result.partial, seed
        assert first.world.plan().is_empty, seed
        written = first.texts()
        assert len(written) == len(emulator.store.flags), seed

        again = a_repository(directory / f"{seed}-again", an_emulator(), deployments={"web": "67"})
        for name, text in written.items():
            again.write(name, text)
        assert again.world.apply().report.exit_code == 0, seed
        for name in written:
            (again.config.flags_dir / name).unlink()
        again.adopt()
        assert again.texts() == written, seed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_import_plans_nothing_and_makes_the_project_again(tmp_path: Path, batch: int) -> None:
    """After an import the plan is empty; applied to an empty project, it gives a project that imports the same."""
    check_projects(tmp_path, range(batch * SHORT // BATCHES, (batch + 1) * SHORT // BATCHES))


@pytest.mark.parametrize("behaviour", [*each_behaviour(), *pairwise_behaviours()])
def test_any_server_can_be_imported(tmp_path: Path, behaviour: Behaviour) -> None:
    """Under every behaviour that the reference leaves open, an import ends, and nothing is left to plan."""
    for seed in range(2):
        random = Random(seed)
        flags = [a_random_live_flag(random, f"flag-{number}") for number in range(2)]
        repository = a_repository(tmp_path / str(seed), an_emulator(*flags, behaviour=behaviour))
        assert not repository.adopt().skipped
        assert repository.world.plan().is_empty
        before = repository.texts()
        assert repository.adopt().files == ()
        assert repository.texts() == before


@pytest.mark.long
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_thousand_projects_come_back(tmp_path: Path, batch: int) -> None:
    """The same over a thousand further projects."""
    check_projects(tmp_path, range(10_000 + batch * LONG // BATCHES, 10_000 + (batch + 1) * LONG // BATCHES))

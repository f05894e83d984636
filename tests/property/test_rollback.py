"""Rolling back to every version of random histories, and applying: what the file declares is what the version had."""

from __future__ import annotations

import copy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from adoption import a_random_live_flag, a_repository
from emulators import an_emulator
from worlds import OTHER_USER, run_now

from reconciler.emulator.records import FlagRecord, flag_record
from reconciler.files.format import rewrite_flag
from reconciler.importer import find_declared_flags, roll_back
from reconciler.model.fields import FIELDS

if TYPE_CHECKING:
    from pathlib import Path

    from adoption import Repository

    from reconciler.model.flag import Version

KEY = "flag"
SHORT, LONG = 20, 1_000
BATCHES = 4
PLAIN = (
    "name", "description", "enabled", "evaluation_mode", "bucketing_key", "bucketing_salt", "bucketing_unit",
    "rollout_percentage",
)  # fmt: skip
EDITED = (
    "name", "description", "enabled", "evaluationMode", "bucketingKey", "bucketingSalt", "bucketingUnit",
    "rolloutPercentage", "rolloutWeights", "variants", "targetSegments", "deployments", "tags",
)  # fmt: skip


def edit(repository: Repository, random: Random) -> None:
    """Another client changes one to four fields: a version more."""
    store = repository.emulator.store
    flag = copy.deepcopy(next(iter(store.flags.values())))
    other = a_random_live_flag(random, KEY)
    for name in random.sample(EDITED, random.randint(1, 4)):
        if name in {"rolloutWeights", "variants", "targetSegments"}:
            flag |= {each: other[each] for each in ("rolloutWeights", "variants", "targetSegments")}
        else:
            flag[name] = other[name]
    store.commit(whole(repository, flag), OTHER_USER)


def whole(repository: Repository, flag: dict[str, Any]) -> FlagRecord:
    """The record as the emulator keeps it, every field there."""
    return flag_record(flag, flag_id=flag["id"], user=OTHER_USER, at=repository.emulator.store.timestamp())


def versions(repository: Repository) -> tuple[Version, ...]:
    """Every version of the flag as the client reads them one by one."""

    async def work() -> Any:
        flag_id = next(iter(repository.emulator.store.flags))
        async with repository.world.client(read_only=True) as client:
            numbers = [item.version for item in await client.list_versions(flag_id)]
            return [await client.get_version(flag_id, number) for number in sorted(numbers)]

    return tuple(run_now(work()))


def check_history(directory: Path, seed: int) -> None:
    random = Random(seed)
    repository = a_repository(directory / str(seed), an_emulator(a_random_live_flag(random, KEY)))
    for _ in range(4):
        edit(repository, random)
    repository.adopt()
    for version in versions(repository)[:5]:
        declared = find_declared_flags(repository.config)[KEY]
        rolled = roll_back(declared.document, version.flag.spec, repository.config)
        assert rolled.obstacles == (), seed
        text = rewrite_flag(declared.text, declared.index, rolled.document, environment=None)
        repository.write(f"{KEY}.yaml", text)
        report = repository.world.apply().report
        assert report is not None
        assert report.exit_code == 0, (seed, version.version, report)
        assert repository.world.plan().is_empty
        check_declared_fields(repository, version, seed)


def check_declared_fields(repository: Repository, version: Version, seed: int) -> None:
    """The live flag has the version's value in every field that the file declares and the version shows."""
    declared = find_declared_flags(repository.config)[KEY].document
    again = roll_back(declared, version.flag.spec, repository.config)
    assert again.changed == (), (seed, version.version, again.changed)
    (live,) = repository.emulator.store.flags.values()
    for name, public in ((field.name, field.public) for field in FIELDS):
        if public in declared and name in PLAIN:
            assert live[public] == getattr(version.flag.spec, name), (seed, version.version, name)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_version_comes_back(tmp_path: Path, batch: int) -> None:
    """Rolled back and applied, the declared fields have the version's values, and nothing is left to plan."""
    for seed in range(batch * SHORT // BATCHES, (batch + 1) * SHORT // BATCHES):
        check_history(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_thousand_histories_come_back(tmp_path: Path, batch: int) -> None:
    """The same over a thousand histories of five versions."""
    for seed in range(1_000 + batch * LONG // BATCHES, 1_000 + (batch + 1) * LONG // BATCHES):
        check_history(tmp_path, seed)

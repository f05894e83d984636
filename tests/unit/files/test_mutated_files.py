"""Mutated flag files end in flags or in findings with a place; never in another exception, and never slowly."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from work import calls_of
from yaml_mutations import EXAMPLES, mutate
from yaml_oracle import check_agreement

from reconciler.files.config_file import load_config
from reconciler.files.listing import FlagFile
from reconciler.files.load import Checking
from reconciler.files.yaml.reader import read_source

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.config import Config

CONFIG = """\
version: 1
ignore: [{flags: "ops-*", paths: [/enabled]}]
environments:
  staging: {projectId: "1", deployments: {web: "1", ios: "2", server: "3"}}
  production: {projectId: "2", deployments: {web: "4", ios: "5", server: "6"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """An environment under which the examples hold."""
    (tmp_path / "flags").mkdir()
    (tmp_path / "reconciler.yaml").write_text(CONFIG)
    return load_config(tmp_path / "reconciler.yaml", "production")


def check_mutant(config: Config, content: bytes) -> int:
    """The number of flags that a file declares; all that must hold of any file is asserted."""
    checking = Checking(configs=(config,), decodes=True)
    calls = calls_of(lambda: checking.check_file(FlagFile("flags/a.yaml", "flags/a.yaml"), content))
    assert calls < 200_000, content
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    for item in checking.diagnostics():
        assert item.position is not None
        assert 1 <= item.position.line <= lines + 1, (item, content)
        assert item.position.column >= 1
    assert checking.errors or checking.flags
    check_agreement(content, read_source(content, "f"))
    return 0 if checking.errors else len(checking.flags)


def run_mutants(config: Config, seed: int, count: int) -> None:
    """Mutants of one seed; some of them must still be good, or the mutations test nothing but refusal."""
    random = Random(seed)
    good = sum(check_mutant(config, mutate(random)) > 0 for _ in range(count))
    assert 0 < good < count


def test_examples_are_good_before_they_are_mutated(config: Config) -> None:
    """Each seed file declares flags."""
    assert all(check_mutant(config, content) for content in EXAMPLES)


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_end_in_flags_or_findings(config: Config, seed: int) -> None:
    """500 mutants of each seed."""
    run_mutants(config, seed, 500)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_twenty_thousand_mutated_files_end_in_flags_or_findings(config: Config, seed: int) -> None:
    """1,000 mutants of each of 20 seeds."""
    run_mutants(config, seed, 1000)

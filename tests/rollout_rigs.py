"""A repository of git whose flag has a rollout, the versions of a server, and a clock that is set."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from histories import git
from jsonschema import Draft202012Validator
from looks import BOB, edit

from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from conftest import Ran, Repository

KEY = "new-checkout"
START = datetime(2030, 1, 7, 8, tzinfo=UTC)  # a Monday
CONFIG = """\
version: 1
projectId: "7"
windows:
  office: {days: mon-thu, hours: "09:00-16:00", zone: Europe/Berlin}
guards:
  check: {command: CHECK}
"""
FLAG = """\
key: new-checkout
enabled: true
rolloutPercentage: 100
rollout: {steps: ["1% 2h", "10% 1d", "50% 2d", "100%"], guards: [check]}
"""
SEGMENTS = """\
targetSegments:
  - name: Beta
    conditions: [{prop: country, op: is, values: [US]}]
    percentage: 50
    rollout: {steps: ["5% 1h", "50%"]}
    rolloutWeights: {treatment: 1}
"""


@dataclass
class Rig:
    """A repository whose time is told."""

    repository: Repository
    hours: float = 0
    verdict: Path = field(default=None)  # type: ignore[assignment]

    def now(self) -> datetime:
        return START + timedelta(hours=self.hours)

    def commit(self, text: str, *, config: str = CONFIG) -> None:
        self.repository.write("reconciler.yaml", config)
        self.repository.write("flags/new-checkout.yaml", text)
        git(self.repository.root, "add", "--all")
        git(self.repository.root, "commit", "--quiet", "--allow-empty", "--message=m", at=int(self.now().timestamp()))

    def guard_says(self, code: int) -> None:
        self.verdict.write_text(str(code))

    def live(self) -> Any:
        return self.repository.live(KEY)["rolloutPercentage"]

    def run(self, *arguments: str, after: float = 0, code: int = 0) -> Ran:
        """Run `advance` some hours later."""
        self.hours += after
        ran = self.repository.run("advance", *arguments)
        assert ran.code == code, ran.out + ran.err
        return ran

    def rollouts(self, *arguments: str, after: float = 0, code: int = 0) -> list[Any]:
        """The rollouts of its JSON document, which is as its schema says."""
        document = json.loads(self.run("--format", "json", *arguments, after=after, code=code).out)
        Draft202012Validator(load_schema("advance")).validate(document)
        return list(document["rollouts"])

    def writes(self) -> list[Any]:
        """What was sent that writes, since the last call; bodies only."""
        sent = [entry.body for entry in self.repository.emulator.log if entry.method != "GET"]
        self.repository.emulator.log.clear()
        return sent


def a_rig(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A flag at 0 % since before it is declared with a rollout, and a guard that says better or equal."""
    made = Rig(repository, hours=-100, verdict=tmp_path / "verdict")
    # The module that the others import it from comes last: they may be imported here for the first time.
    for module in ("advancing", "commands.advance", "commands.apply", "commands.drift", "planning"):
        monkeypatch.setattr(f"reconciler.cli.{module}.now", made.now)
    monkeypatch.setattr(repository.emulator.store, "_now", made.now)
    script = (
        "import os, sys; sys.exit(int(open(sys.argv[1]).read()) + ('AMPLITUDE_MANAGEMENT_API_KEY' in os.environ))"
    )
    monkeypatch.setenv("CHECK", f'{sys.executable} -c "{script}" {made.verdict}')
    made.guard_says(0)
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    repository.write(".gitignore", "verdict\nreport.json\n")
    edit(repository.emulator, BOB, KEY, rolloutPercentage=0)
    made.hours = 0
    made.commit(FLAG)
    repository.emulator.log.clear()
    return made

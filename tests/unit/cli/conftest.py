"""A user's repository beside an emulator, and a way to run commands as the installed one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, PROJECT, an_emulator

from reconciler.cli.main import run
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.emulator import Emulator

CONFIG = f'version: 1\nprojectId: "{PROJECT}"\nmanagedTag: managed\n'
LIVE = {
    "key": "new-checkout",
    "enabled": True,
    "rolloutPercentage": 10,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [{"key": "control"}, {"key": "treatment", "users": ["ada@example.com"]}],
    "tags": ["managed"],
}
DECLARED = "key: new-checkout\nrolloutPercentage: 50\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A directory with reconciler.yaml and flags/, in which commands run against an emulator."""

    root: Path
    emulator: Emulator
    url: str
    capture: pytest.CaptureFixture[str]

    def write(self, name: str, text: str) -> Path:
        """Write a file of the repository."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str) -> Ran:
        """Run a command as the installed one would."""
        self.capture.readouterr()
        code = run([*arguments])
        out, err = self.capture.readouterr()
        return Ran(code, out, err)

    def live(self, key: str) -> dict[str, Any]:
        """A live flag, as the emulator keeps it."""
        return dict(next(flag for flag in self.emulator.store.flags.values() if flag["key"] == key))


@pytest.fixture
def repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Repository]:
    """A repository that declares one change to one live flag."""
    emulator = an_emulator(LIVE, {"key": "other-flag"})
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", KEY)
        monkeypatch.delenv("RECONCILER_ENV", raising=False)
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.chdir(tmp_path)
        repository = Repository(tmp_path, emulator, url, capsys)
        repository.write("reconciler.yaml", CONFIG)
        repository.write("flags/new-checkout.yaml", DECLARED)
        yield repository


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions of a request follow at once, as many as ever."""
    monkeypatch.setattr("reconciler.api.limits.uniform", lambda low, high: 0.0)

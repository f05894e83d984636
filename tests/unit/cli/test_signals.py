"""Signals, met by the real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Repository

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a command in the repository of the test."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("number", SIGNALS)
def test_the_emulator_ends_with_the_signals_code(number: signal.Signals) -> None:
    """It prints where it is as soon as it serves, and ends with 130 or 143."""
    process = start("emulator")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("export RECONCILER_API_URL=http://127.0.0.1:")
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_reading_sends_nothing(repository: Repository, number: signal.Signals) -> None:
    """During the refresh: the signal's code, a JSON failure, no write."""
    slow_down(repository, seconds=0.6)
    process = start("apply", "--auto-approve", "--format", "json")
    wait_for_requests(repository, 1)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err
    assert json.loads(out)["error"] == {
        "kind": "interrupted", "message": json.loads(out)["error"]["message"], "exitCode": 128 + number,
    }  # fmt: skip
    assert repository.emulator.writes == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_writing_leaves_a_report(repository: Repository, number: signal.Signals) -> None:
    """During the calls: nothing more is sent, the report is printed and written, the signal's code."""
    for index in range(3):
        repository.write(f"flags/new-{index}.yaml", f"key: new-{index}\nenabled: true\nvariants: [{{key: a}}]\n")
    slow_down(repository, seconds=0.6)
    process = start("apply", "--auto-approve", "--format", "json", "--report", "report.json")
    while not repository.emulator.writes:
        time.sleep(0.01)
    process.send_signal(number)
    signalled = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err
    document = json.loads(out)
    assert document["error"]["kind"] == "interrupted"
    assert document["summary"]["applied"] < 4
    assert json.loads((repository.root / "report.json").read_text()) == document
    assert [entry for entry in repository.emulator.writes if entry.arrived > signalled + 0.4] == []


def slow_down(repository: Repository, seconds: float) -> None:
    """Let the server wait before each answer."""
    from reconciler.emulator import Limits

    repository.emulator.limits = Limits(latency=seconds)


def wait_for_requests(repository: Repository, count: int) -> None:
    """Wait until the server has been asked; it waits before it answers, so the log alone would come too late."""
    seen: list[object] = []
    repository.emulator.api.observers.append(seen.append)
    deadline = time.monotonic() + 60
    while len(seen) + len(repository.emulator.log) < count and time.monotonic() < deadline:
        time.sleep(0.01)

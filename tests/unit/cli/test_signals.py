"""Signals, met by the real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from threading import Event
from typing import TYPE_CHECKING

import pytest

from reconciler.emulator import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository

    from reconciler.emulator import RawRequest

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
    arrived = slow_down_from(repository, lambda _: True)
    process = start("apply", "--auto-approve", "--format", "json")
    assert arrived.wait(60)
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
    arrived = slow_down_from(repository, lambda request: request.method != "GET")
    process = start("apply", "--auto-approve", "--format", "json", "--report", "report.json")
    assert arrived.wait(60)
    process.send_signal(number)
    signalled = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err
    document = json.loads(out)
    assert document["error"]["kind"] == "interrupted"
    assert document["summary"]["applied"] < 4
    assert json.loads((repository.root / "report.json").read_text()) == document
    assert [entry for entry in repository.emulator.writes if entry.arrived > signalled + 0.4] == []


def slow_down_from(repository: Repository, condition: Callable[[RawRequest], bool]) -> Event:
    """Let the server wait before each answer that comes after a request which fits; that it came is told."""
    arrived = Event()

    def look(request: RawRequest) -> None:
        if condition(request):
            repository.emulator.limits = Limits(latency=0.6)
            arrived.set()

    repository.emulator.api.observers.append(look)
    return arrived

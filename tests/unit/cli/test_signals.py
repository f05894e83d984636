"""Signals, met by the real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from random import Random
from threading import Event
from typing import TYPE_CHECKING

import pytest

from reconciler.emulator import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository

    from reconciler.emulator import RawRequest

SIGNALS = [signal.SIGINT, signal.SIGTERM]


PATIENT = """
from reconciler.cli import main, signals
signals.PATIENCE_SECONDS = 3600
main.main()
"""


def start(*arguments: str, program: str = "from reconciler.__main__ import main; main()") -> subprocess.Popen[str]:
    """Start a command in the repository of the test."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
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


@pytest.mark.parametrize("seed", range(12))
def test_later_signals_change_nothing(repository: Repository, seed: int) -> None:
    """Two signals at any distance, while it reads or writes: the code of one of them, and one whole document.

    Of two that wait for a process that has no turn the system does not tell which was first.
    """
    random = Random(seed)
    is_writing, first, second = bool(seed % 2), random.choice(SIGNALS), random.choice(SIGNALS)
    arrived = slow_down_from(repository, lambda request: (request.method != "GET") == is_writing)
    command = ["apply", "--auto-approve", "--report", "report.json"]
    command = command if is_writing else random.choice([command, ["plan"], ["drift"]])
    process = start(*command, "--format", "json", program=PATIENT)
    assert arrived.wait(60)
    process.send_signal(first)
    time.sleep(random.choice([0, random.uniform(0, 0.2)]))
    process.send_signal(second)
    out, err = process.communicate(timeout=20)
    assert process.returncode in {128 + first, 128 + second}, err
    assert "Traceback" not in err
    assert json.loads(out)["error"]["exitCode"] == process.returncode
    if command[0] == "apply":
        assert json.loads((repository.root / "report.json").read_text()) == json.loads(out)


def test_a_second_signal_after_a_while_ends_the_process() -> None:
    """However far it is, with the code of the first, and after what must be done before."""
    program = (
        "import os, signal, sys\n"
        "from reconciler.cli import signals\n"
        "signals.PATIENCE_SECONDS = 0\n"
        "signals.install()\n"
        "signals.before_abrupt_end(lambda: print('last words', flush=True))\n"
        "for number in (signal.SIGTERM, signal.SIGINT): os.kill(os.getpid(), number)\n"
        "print('too late')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "last words\n")


TOLD = """
import asyncio, os, signal
from reconciler.cli import signals

async def main():
    heard = []
    with signals.told_to(heard.append, asyncio.get_running_loop()):
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            for _ in range(5):
                await asyncio.sleep(0)
    print(*heard)

signals.PATIENCE_SECONDS = 60
signals.install()
asyncio.run(main())
"""


def test_a_run_is_told_of_the_first_signal_alone() -> None:
    """Once, however many come."""
    done = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=False)
    assert done.stdout == f"{int(signal.SIGTERM)}\n", done.stderr


BUSY = """
import hashlib, os, subprocess, sys
from reconciler.cli import main, signals

def run(arguments):
    try:
        with signals.raising():
            pid = os.getpid()
            delivered = f"while grep -q 'ShdPnd:.*[1-9a-f]' /proc/{pid}/status; do :; done"
            struck = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; kill -TERM {pid}; {delivered}; kill -INT {pid}"])
            while True:  # long calls during which no handler runs
                hashlib.pbkdf2_hmac("sha256", b"", b"", 400_000)
    except BaseException as error:
        return main.report_failure(error, arguments)

main.run = run
main.main()
"""


def test_the_first_signal_is_the_one_that_came_first() -> None:
    """Not the one with the lower number, where both came before a handler could run."""
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "Error: Terminated.\n")


ENDING = """
import atexit, os, signal, sys, time
from reconciler.cli import main, signals

def strike():
    os.kill(os.getpid(), signal.SIG{late})

def run(arguments):
    with signals.raising():
        try:
            os.kill(os.getpid(), signal.SIG{first})
        except BaseException:
            strike()
    return {code}

class Last:
    def __del__(self):  # when modules are taken down
        kill(pid, number)

atexit.register(lambda: os.kill(os.getpid(), signal.SIG{late}))  # before our own
main.run, sys.argv = run, ["reconciler"]
kill, pid, number, last = os.kill, os.getpid(), signal.SIG{late}, Last()
main.main()
"""


@pytest.mark.parametrize("first", ["INT", "TERM"])
@pytest.mark.parametrize("late", ["INT", "TERM"])
def test_signals_of_the_last_moments_change_nothing(first: str, late: str) -> None:
    """While the process ends, even when Python has put its default handlers back."""
    code = 128 + signal.Signals[f"SIG{first}"]
    program = ENDING.format(first=first, late=late, code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")


def slow_down_from(repository: Repository, condition: Callable[[RawRequest], bool]) -> Event:
    """Let the server wait before each answer that comes after a request which fits; that it came is told."""
    arrived = Event()

    def look(request: RawRequest) -> None:
        if condition(request):
            repository.emulator.limits = Limits(latency=0.6)
            arrived.set()

    repository.emulator.api.observers.append(look)
    return arrived

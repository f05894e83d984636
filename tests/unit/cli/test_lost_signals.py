"""A signal whose exception Python drops is met before anything is written."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOSING = """
import os, signal, sys
from reconciler.cli import signals

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

signals.install()
sys.unraisablehook = lambda _: None
dropped = Dropped()
with signals.raising():
    del dropped
    print("still here", flush=True)
    signals.raise_pending()
    print("too late")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_dropped_signal_is_remembered(name: str) -> None:
    """Raised inside a destructor it is lost; asked for, it is raised again."""
    command = [sys.executable, "-c", LOSING.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "still here\n"
    assert done.returncode != 0


BETWEEN = """
import asyncio, os, signal
from reconciler.cli import signals

async def work():
    os.kill(os.getpid(), signal.{name}) if {early} else None
    await asyncio.sleep(60 if {early} else 0)
    print("worked", flush=True)

signals.install()
with signals.raising():
    signals.run_until_signal(work())
    os.kill(os.getpid(), signal.{name})
    print("too late")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("early", [True, False])
def test_a_signal_around_the_end_of_an_event_loop(name: str, *, early: bool) -> None:
    """One in the loop ends the work, and is raised after it; one after the loop is raised as before it."""
    command = [sys.executable, "-c", BETWEEN.format(name=name, early=early)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ("" if early else "worked\n")
    assert done.returncode != 0

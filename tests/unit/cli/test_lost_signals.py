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

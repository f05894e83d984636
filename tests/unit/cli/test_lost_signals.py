"""A signal whose exception Python drops is met before anything is written."""

from __future__ import annotations

import signal
import subprocess
import sys
from inspect import CORO_CLOSED, getcoroutinestate

import pytest

from reconciler.cli import signals

LOSING = """
import os, signal, sys
from reconciler.cli import signals

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

signals.install()
signals.PATIENCE_SECONDS = {patience}
signals.before_abrupt_end(lambda: print("last words", flush=True))
sys.unraisablehook = lambda _: None
dropped = Dropped()

def raised(act):
    try:
        act()
    except BaseException as error:
        print(type(error).__name__, *error.args, flush=True)
    else:
        print("nothing", flush=True)

with signals.raising():
    {loss}
    {acts}
"""

PENDING = "raised(signals.raise_pending); raised(signals.hold); signals.raise_pending()"
AGAIN = "raised(lambda: os.kill(os.getpid(), signal.{other})); os.kill(os.getpid(), signal.{name}); print('too late')"
HELD = """signals.hold()
    raised(lambda: os.kill(os.getpid(), signal.{other}))
    with signals.raising():
        raised(lambda: os.kill(os.getpid(), signal.{name}))
        os.kill(os.getpid(), signal.{name})
        print("too late")
"""
NAMES = {"SIGINT": "KeyboardInterrupt", "SIGTERM": "TerminatedError 143"}


def lose(name: str, acts: str, patience: float, loss: str = "del dropped") -> tuple[int, str]:
    """Lose a signal and do something; the exit code, and what was raised."""
    command = [sys.executable, "-c", LOSING.format(name=name, acts=acts, patience=patience, loss=loss)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_dropped_signal_is_remembered(name: str, code: int) -> None:
    """Raised inside a destructor it is lost; asked for, it is raised again, as often as it is asked for."""
    found = lose(name, PENDING + "\n    print('too late')", 3600)
    assert found == (-2 if name == "SIGINT" else code, f"{NAMES[name]}\n{NAMES[name]}\n")


@pytest.mark.parametrize(
    ("name", "other", "code"), [("SIGINT", "SIGTERM", 130), ("SIGTERM", "SIGINT", 143), ("SIGINT", "SIGINT", 130)]
)
def test_a_later_signal_is_the_first_one_again(name: str, other: str, code: int) -> None:
    """It ends the process with the code of the first, which ended nothing; not where it comes at once."""
    again = AGAIN.format(name=name, other=other)
    assert lose(name, again, 0) == (code, "last words\n")
    assert lose(name, again, 3600) == (0, "nothing\ntoo late\n")


@pytest.mark.parametrize(("name", "other"), [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGINT")])
def test_a_signal_that_was_held_is_raised_by_the_next(name: str, other: str) -> None:
    """While the outcome is written, as the first one, and once: the third ends the process."""
    found = lose(name, HELD.format(name=name, other=other), 0, loss="del Dropped.__del__")
    assert found == (130 if other == "SIGINT" else 143, f"nothing\n{NAMES[other]}\nlast words\n")


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
    code = -2 if name == "SIGINT" else 143
    assert (done.stdout, done.returncode) == ("" if early else "worked\n", code)


def test_signals_are_no_exceptions_within_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are before and after it; one that came before it, or was lost, is raised before any work is done."""
    seen = []

    async def work() -> int:
        seen.append(signals._state.raises)
        return 7

    with signals.raising():
        assert signals.run_until_signal(work()) == 7
        assert signals._state.raises
        monkeypatch.setattr(signals._state, "first", signal.SIGTERM)
        unused = work()
        with pytest.raises(signals.TerminatedError, match=r"^143$"):
            signals.run_until_signal(unused)
        assert (getcoroutinestate(unused), signals._state.raises) == (CORO_CLOSED, True)
    assert seen == [False]

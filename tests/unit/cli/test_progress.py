"""Progress on a terminal, as a person sees it, and its silence everywhere else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from emulators import seeded
from rollout_rigs import FLAG, a_rig
from terminals import at_terminal

from reconciler.cli import signals
from reconciler.cli.output import Output
from reconciler.cli.progress import SHOW_AFTER_SECONDS, ProgressDisplay, paused
from reconciler.cli.progress_bar import Bar, Speed, SpeedMeter, progress_text
from reconciler.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

    from reconciler.emulator import RawRequest

FLAGS = 20
READING = re.compile(
    r"Reading variants and inclusions .*\d+ of \d+ · \d+ left, about \d+ s · [\d.]+ calls/s · "
    r"[\d,]+ left of the day's budget"
)
APPLYING = re.compile(r"Applying .*\d+ of \d+ · \d+ left, about \d+ s · [\d.]+ calls/s · [\d,]+ left of the day's")
READING_BACK = re.compile(r"Reading back")
SOME_READS, SOME_WRITES = ("GET", FLAGS // 2), ("PATCH", FLAGS // 2)
SAFETY_NET = 30
"""Seconds after which a server that holds its answers gives up waiting for a line that does not come."""


def grow(repository: Repository) -> None:
    """Many flags with inclusions, of which every one is read and changes, one call at a time."""
    users = {"variants": [{"key": "a", "users": ["ada@example.com"]}]}
    seeded(repository.emulator, [{"key": f"flag-{number}", "enabled": True, **users} for number in range(FLAGS)])
    for number in range(FLAGS):
        repository.write(
            f"flags/flag-{number}.yaml",
            f"key: flag-{number}\nname: New\nvariants: [{{key: a, inclusions: {{users: [ada@example.com]}}}}]\n",
        )
    text = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", text + "requests: {concurrency: 1}\nsafety: {maxUpdates: 100%}\n")


class Holds:
    """A server that stops answering at certain requests, each until a line stands on the terminal.

    So what is shown does not depend on how fast the machine is. A request is named by its method and its number
    among those of that method.
    """

    def __init__(self, repository: Repository, waits: dict[tuple[str, int], re.Pattern[str]]) -> None:
        self._waits = [(request, line, Event()) for request, line in waits.items()]
        self._seen: Counter[str] = Counter()
        grow(repository)
        repository.emulator.api.observers.append(self._hold)

    def _hold(self, request: RawRequest) -> None:
        self._seen[request.method] += 1
        for (method, number), _, is_shown in self._waits:
            if request.method == method and self._seen[method] == number:
                is_shown.wait(SAFETY_NET)

    def look(self, lines: list[str]) -> bool:
        """Let the server go on where it waits for a line that is there; whether it waits for none any more."""
        for _, line, is_shown in self._waits:
            if any(map(line.search, lines)):
                is_shown.set()
        return all(is_shown.is_set() for _, _, is_shown in self._waits)

    def release(self) -> None:
        """Let the server answer everything."""
        for _, _, is_shown in self._waits:
            is_shown.set()


def hurried(*arguments: str, patience: float = 0) -> str:
    """A program that runs the command, and shows how far it is after so many seconds."""
    return (
        "import sys\n"
        "from reconciler.cli import progress\n"
        "from reconciler.cli.main import run\n"
        f"progress.SHOW_AFTER_SECONDS = {patience}\n"
        f"sys.exit(run({list(arguments)!r}))\n"
    )


def test_a_refresh_shows_reads_speed_rest_and_budget(repository: Repository) -> None:
    """On a terminal: reads done and left, for how long, how fast, and the budget; afterwards none of it is left."""
    seen = at_terminal("plan", when=Holds(repository, {SOME_READS: READING}).look)
    assert seen.code == 0, seen.raw
    assert any(READING.search(line) for line in seen.lines), seen.lines
    assert seen.last == []
    assert not seen.screen.cursor.hidden
    assert b"\x1b[?25l" not in seen.raw


def test_an_apply_shows_calls_and_read_backs(repository: Repository) -> None:
    """An apply counts operations and read-backs together, and the budget goes on from what the refresh took."""
    holds = Holds(repository, {SOME_WRITES: APPLYING, ("GET", 3 * FLAGS): READING_BACK})
    seen = at_terminal("apply", "--auto-approve", when=holds.look)
    assert seen.code == 0, seen.raw
    applying = [line for line in seen.lines if APPLYING.search(line)]
    assert applying, seen.lines
    left = [int(re.search(r"([\d,]+) left of the day's", line)[1].replace(",", "")) for line in applying]  # type: ignore[index]
    assert max(left) < 100_000 - FLAGS
    assert any(line.startswith("Reading back") for line in seen.lines)
    assert seen.last == []


def test_stdout_is_the_same_with_and_without_a_terminal(repository: Repository) -> None:
    """What the command was called for does not depend on who watches."""
    seen = at_terminal("plan", when=Holds(repository, {SOME_READS: READING}).look)
    piped = subprocess.run([sys.executable, "-m", "reconciler", "plan"], capture_output=True, check=True)
    assert any("calls/s" in line for line in seen.lines)
    assert seen.out == piped.stdout
    assert piped.stderr == b""


class Recorded(Progress):
    """What was counted, stage by stage."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int | None, str]] = []
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "what" and "unit" in self.__dict__ and value != self.what:
            self.end()
        super().__setattr__(name, value)

    def start(self, what: str, total: int | None = None, *, unit: str = "calls") -> None:
        self.end()
        self.done = 0
        super().start(what, total, unit=unit)

    def end(self) -> None:
        """The stage is over; one in which nothing was done is none."""
        if self.done:
            self.stages.append((self.what, self.done, self.total, self.unit))


def flags(count: int) -> tuple[str, int, int, str]:
    return "Reading flags", count, count, "calls"


def details(count: int) -> tuple[str, int, int, str]:
    return "Reading variants and inclusions", count, count, "calls"


def versions(count: int) -> tuple[str, int, int, str]:
    return "Reading versions", count, count, "calls"


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        (["plan"], 0, [flags(2), details(5), versions(1)]),
        (["plan", "--target", "new-checkout"], 0, [flags(1), details(1), versions(1)]),
        (
            ["apply", "--auto-approve"],
            7,
            [
                *(flags(2), details(5), versions(1)),
                *(("Applying", 9, 12, "calls"), ("Reading back", 15, 15, "calls")),
            ],
        ),
        (
            ["apply", "--auto-approve", "--no-verify"],
            7,
            [flags(2), details(5), versions(1), ("Applying", 9, 9, "calls")],
        ),
        (["drift"], 2, [flags(2), details(2), details(3), versions(4), versions(1)]),
        (
            ["advance"],
            0,
            [
                *[flags(1), details(1), versions(1)] * 2,
                *(("Applying", 1, 2, "calls"), ("Reading back", 2, 2, "calls")),
            ],
        ),
        (["import", "--out", "imported"], 0, [flags(1), details(15)]),
        (["test"], 1, [("Reading flags", 2, 2, "flags")]),
        (["evaluate", "new-checkout", "--users", "users.jsonl"], 0, [("Evaluating", 2, None, "users")]),
    ],
)
def test_every_command_counts_what_it_does(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    code: int,
    *,
    expected: list[tuple[str, int, int | None, str]],
) -> None:
    """Each stage with its name, what was done of how much, and the unit."""
    claims = "".join(
        f"  - {{name: {key}, flag: {key}, against: live, never: 'a -> off'}}\n" for key in ("flag-0", "flag-1")
    )
    repository.write("flags/all.test.yaml", f"tests:\n{claims}")
    repository.write("users.jsonl", '{"user_id": "ada@example.com"}\n' * 2)
    rig = a_rig(repository, tmp_path, monkeypatch)
    users = {"variants": [{"key": "a", "users": ["ada@example.com"]}]}
    seeded(repository.emulator, [{"key": f"flag-{number}", "enabled": True, **users} for number in range(3)])
    seeded(repository.emulator, [{"key": "flag-3", "archived": True, **users}])
    for number in range(4):
        repository.write(
            f"flags/flag-{number}.yaml",
            f"key: flag-{number}\nname: New\nvariants: [{{key: a, inclusions: {{users: [bob@example.com]}}}}]\n",
        )
    rig.commit(FLAG)
    rig.hours = 1
    progress = Recorded()
    monkeypatch.setattr("reconciler.cli.progress.Progress", lambda: progress)
    ran = repository.run(*command)
    progress.end()
    assert ran.code == code, ran.err
    assert progress.stages == expected


@pytest.mark.parametrize(
    ("options", "environ"),
    [(["--quiet"], {}), ([], {"CI": "true"}), ([], {"TERM": "dumb"})],
    ids=["quiet", "CI", "dumb terminal"],
)
def test_nothing_is_shown_to_those_who_do_not_watch(
    repository: Repository, options: list[str], environ: dict[str, str]
) -> None:
    """--quiet, a build and a terminal without cursor movement get not one byte."""
    grow(repository)
    seen = at_terminal(program=hurried("plan", *options), **environ)
    assert seen.code == 0
    assert seen.raw == b""


@pytest.mark.parametrize(
    ("is_terminal", "environ", "quiet", "is_shown"),
    [
        (True, {}, False, True),
        (True, {"TERM": "xterm", "CI": ""}, False, True),
        (True, {"CI": "0"}, False, True),
        (True, {"CI": "FALSE"}, False, True),
        (False, {}, False, False),
        (True, {}, True, False),
        (True, {"TERM": "dumb"}, False, False),
        (True, {"CI": "1"}, False, False),
    ],
)
def test_who_watches(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, is_terminal: bool, quiet: bool, is_shown: bool
) -> None:
    """A terminal that can move its cursor, outside of a build, without --quiet; colours are as elsewhere."""
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: is_terminal))
    for color in (True, False):
        display = ProgressDisplay.of(Output(quiet=quiet, color=color), environ)
        assert (display._timer is not None, display._color) == (is_shown, color)


def test_what_is_shown_of_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests as they are now, what it leaves of the day's budget, and since when it works."""
    monkeypatch.setattr("reconciler.cli.progress.monotonic", lambda: 7.0)
    display = ProgressDisplay(is_watched=False)
    assert (display.requests(), display.budget, display.started) == (0, None, 7.0)
    client: Any = SimpleNamespace(requests=3)
    display.follow(client, 1000, spent=10)
    client.requests = 4
    assert (display.requests(), display.budget) == (4, 990)


@pytest.mark.parametrize("value", ["0", "False"])
def test_a_build_that_is_none_is_watched(repository: Repository, value: str) -> None:
    """CI says no as well as yes."""
    assert at_terminal("plan", when=Holds(repository, {SOME_READS: re.compile("")}).look, CI=value).raw != b""


def test_a_quick_command_shows_nothing(repository: Repository) -> None:
    """What is done before its time comes pays nothing and leaves no flicker."""
    grow(repository)
    seen = at_terminal(program=hurried("plan", patience=3_600))
    assert seen.code == 0
    assert seen.raw == b""
    assert 0.2 <= SHOW_AFTER_SECONDS <= 1


@pytest.mark.parametrize(
    ("option", "variable", "is_colored"),
    [("--no-color", "", False), ("--verbose", "1", False), ("--verbose", "", True)],
)
def test_no_color_is_respected(repository: Repository, option: str, variable: str, *, is_colored: bool) -> None:
    """Without colours the bar still moves; not one code that sets a colour is sent."""
    seen = at_terminal("plan", option, when=Holds(repository, {SOME_READS: READING}).look, NO_COLOR=variable)
    assert any("calls/s" in line for line in seen.lines)
    assert (re.search(rb"\x1b\[[\d;]*[34]\d(;\d+)*m", seen.raw) is not None) == is_colored


def test_a_narrow_terminal_keeps_what_matters(repository: Repository) -> None:
    """Where there is no room, the budget and the speed go first and no line breaks."""
    counts = re.compile(r"\d+ of \d+")
    seen = at_terminal("plan", columns=56, when=Holds(repository, {SOME_READS: counts}).look)
    counted = [line for line in seen.lines if counts.search(line)]
    assert counted, seen.lines
    assert not any("budget" in line for line in counted)
    assert seen.last == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_the_terminal_as_it_was(repository: Repository, times: int) -> None:
    """Interrupted while the bar shows, even at once: the cursor is there, the bar is not, 130."""
    holds = Holds(repository, {SOME_WRITES: re.compile("never")})

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        holds.release()

    seen = at_terminal(
        "apply", "--auto-approve", when=lambda lines: any("Applying" in line for line in lines), then=interrupt
    )
    assert seen.code == 130, seen.raw
    assert not seen.screen.cursor.hidden
    assert not any("calls/s" in line for line in seen.last), seen.last


def test_an_interrupted_plan_leaves_one_line(repository: Repository) -> None:
    """During the refresh: the bar goes, the error stays."""
    holds = Holds(repository, {SOME_READS: re.compile("never")})

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)
        holds.release()

    seen = at_terminal("plan", when=lambda lines: any("calls/s" in line for line in lines), then=interrupt)
    assert seen.code == 130
    assert seen.last == ["Error: Interrupted."]


def test_a_file_of_users_shows_how_many_are_done(repository: Repository, tmp_path: Path) -> None:
    """Evaluating a file counts users, not calls, and names no budget."""
    users, is_shown = tmp_path / "users.jsonl", Event()
    os.mkfifo(users)

    def write() -> None:
        with users.open("w") as stream:
            while not is_shown.wait(0.01):
                stream.write('{"user_id": "ada@example.com"}\n' * 100)
                stream.flush()

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        seen = at_terminal(
            "evaluate", "new-checkout", "--users", "users.jsonl",
            when=lambda lines: any("users/s" in line for line in lines), then=lambda _: is_shown.set(),
        )  # fmt: skip
        is_shown.set()
        os.close(os.open(users, os.O_RDONLY | os.O_NONBLOCK))  # were it never opened, the writer would wait for ever
        written.result()
    assert seen.code == 0
    shown = [line for line in seen.lines if line.startswith("Evaluating")]
    assert any(re.search(r"[\d,]+ · [\d,]+ users/s$", line) for line in shown), seen.lines
    assert seen.last == []


def test_a_message_meanwhile_stands_above_the_bar(tmp_path: Path) -> None:
    """A warning that comes while the bar shows is whole, on a line of its own, and the bar comes back."""
    program = (
        "import time\n"
        "from pathlib import Path\n"
        "from reconciler.cli import progress\n"
        "from reconciler.cli.output import Output\n"
        "def wait(name):\n"
        f"    while not (Path({str(tmp_path)!r}) / name).exists(): time.sleep(0.01)\n"
        "output = Output(color=False)\n"
        "with progress.ProgressDisplay.of(output) as it:\n"
        "    it.progress.start('Reading flags', 2)\n"
        "    wait('first')\n"
        "    output.warning('something is odd')\n"
        "    it.progress.start('Reading on', 2)\n"
        "    wait('second')\n"
        "    output.print('done\\n')\n"
    )

    def look(lines: list[str]) -> bool:
        for name, words in (("first", "Reading flags"), ("second", "Reading on")):
            if any(words in line for line in lines):
                (tmp_path / name).touch()
        return False

    seen = at_terminal(program=program, when=look)
    assert seen.last == ["Warning: something is odd"]
    assert b"done\n" in seen.out
    assert seen.raw.count(b"Warning: something is odd\r\n") == 1
    after = seen.raw.split(b"Warning: something is odd")[1]
    assert b"Reading on" in after


@pytest.mark.parametrize(
    ("stage", "speed", "budget", "said"),
    [
        (Progress("", done=3), Speed(), None, ("3",)),
        (Progress("", done=3, total=5), Speed(), None, ("3 of 5", "2 left")),
        (Progress("", done=3), Speed(units=0.5), 99_997, ("3", "0.5 calls/s", "99,997 left of the day's budget")),
        (
            Progress("", done=1200, total=4000),
            Speed(units=46.4, steps=46.4),
            98_800,
            ("1,200 of 4,000", "2,800 left, about 60 s", "46 calls/s", "98,800 left of the day's budget"),
        ),
        (
            Progress("", done=0, total=90_000),
            Speed(units=10, steps=10),
            0,
            ("0 of 90,000", "90,000 left, about 2 h", "10 calls/s", "0 left of the day's budget"),
        ),
        (Progress("", done=1, total=600), Speed(steps=1), None, ("1 of 600", "599 left, about 10 min")),
        (Progress("", done=4, total=4), Speed(units=2, steps=2), None, ("4 of 4", "2 calls/s")),
        (Progress("", done=9000, unit="users"), Speed(units=3000), None, ("9,000", "3,000 users/s")),
        (Progress("", done=3), Speed(units=1.2), None, ("3", "1 calls/s")),
        (Progress("", done=3), Speed(units=0.96), None, ("3", "1.0 calls/s")),
        (Progress("", done=9, total=10), Speed(steps=9), None, ("9 of 10", "1 left, about 1 s")),
        (Progress("", done=1, total=120), Speed(steps=1), None, ("1 of 120", "119 left, about 119 s")),
        (Progress("", done=0, total=120), Speed(steps=1), None, ("0 of 120", "120 left, about 2 min")),
        (Progress("", done=0, total=7199), Speed(steps=1), None, ("0 of 7,199", "7,199 left, about 120 min")),
        (Progress("", done=0, total=7200), Speed(steps=1), None, ("0 of 7,200", "7,200 left, about 2 h")),
    ],
)
def test_what_is_said(stage: Progress, speed: Speed, budget: int | None, said: tuple[str, ...]) -> None:
    """Done, left and how long, speed, budget: each only where it is known."""
    assert progress_text(stage, speed, budget) == said


def test_speed_is_that_of_the_last_seconds() -> None:
    """A slow start is forgotten, and a count that starts over is measured from then on."""
    meter = SpeedMeter()
    assert meter.measure(0, 0, 0) == Speed() == Speed(units=0, steps=0)
    assert meter.measure(10, 10, 5) == Speed(units=1, steps=0.5)
    assert meter.measure(20, 1010, 1005) == Speed(units=100, steps=100)
    assert meter.measure(21, 1011, 1) == Speed()
    assert meter.measure(22, 1013, 2) == Speed(units=2, steps=1)
    assert meter.measure(23, 5, 3) == Speed()
    assert meter.measure(24, 9, 4) == Speed(units=4, steps=1)


def drawn(monkeypatch: pytest.MonkeyPatch, stage: Progress, width: int, budget: int | None = 1000) -> str:
    """The line ten seconds and 40 requests after the work began."""
    monkeypatch.setattr("reconciler.cli.progress_bar.monotonic", lambda: 1010.0)
    display = ProgressDisplay(is_watched=False)
    display.progress, display.requests, display.budget, display.started = stage, lambda: 40, budget, 1000.0
    bar = Bar(display, color=False)
    bar._console.width = width
    with bar._console.capture() as capture:
        bar._console.print(bar.line())
    return capture.get()


READ = Progress("Reading variants", done=20, total=120)
SPEED, LEFT = " · 4 calls/s", " · 960 left of the day's budget"


@pytest.mark.parametrize(
    ("stage", "width", "bar", "words"),
    [
        (READ, 130, "━━━━━" + " " * 25, "20 of 120 · 100 left, about 50 s" + SPEED + LEFT),
        (READ, 90, "━━━━╸" + " " * 22, "20 of 120 · 100 left, about 50 s" + SPEED),
        (READ, 70, "", "20 of 120 · 100 left, about 50 s" + SPEED),
        (READ, 56, "", "20 of 120 · 100 left, about 50 s"),
        (READ, 40, "━━" + " " * 10, "20 of 120"),
        (Progress("Reading", total=0), 100, " " * 30, "0 of 0" + SPEED + LEFT),
        (Progress("Reading", done=1, total=1), 100, "━" * 30, "1 of 1" + SPEED + LEFT),
        (Progress("W\u200bx", done=1, total=2), 56, "", "1 of 2 · 1 left, about 10 s" + SPEED),
        (Progress("Users", done=2, total=22, unit="users"), 56, "", "2 of 22 · 20 left, about 100 s · 0.2 users/s"),
        (Progress("Users", done=30, total=60, unit="users"), 70, "━" * 10 + " " * 10,
         "30 of 60 · 30 left, about 10 s · 3 users/s"),
    ],
)  # fmt: skip
def test_a_line_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, stage: Progress, width: int, bar: str, words: str
) -> None:
    """The words that weigh least go first; a bar is drawn where at least ten cells are left for it."""
    what = stage.what.replace("\u200b", "\\u200b")
    assert drawn(monkeypatch, stage, width) == " ".join(filter(None, (what, bar, words))) + "\n"


@pytest.mark.parametrize(
    ("width", "line"),
    [(19, "Reading variants 40"), (16, "Reading vari… 40"), (8, "Read… 40")],
)
def test_what_is_longer_than_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch, width: int, line: str) -> None:
    assert drawn(monkeypatch, Progress("Reading variants"), width) == f"{line}\n"


@pytest.mark.parametrize(
    ("stage", "budget", "words"),
    [
        (Progress("Reading", done=7), 1000, "40" + SPEED + LEFT),
        (Progress("Reading", done=70), 1000, "70" + SPEED + LEFT),
        (Progress("Evaluating", done=30, unit="users"), 1000, "30 · 3 users/s"),
        (Progress("Reading", done=70), 30, "70" + SPEED + " · 0 left of the day's budget"),
        (Progress("Reading", done=70), None, "70" + SPEED),
    ],
)
def test_work_without_a_known_end(
    monkeypatch: pytest.MonkeyPatch, stage: Progress, budget: int | None, words: str
) -> None:
    """Requests are what is done, as long as nothing else is; a budget that is spent has nothing left."""
    line = drawn(monkeypatch, stage, 100, budget)
    assert re.fullmatch(rf"{stage.what} [━ ]{{29,30}} {re.escape(words)}\n", line)


def test_a_message_hides_what_is_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone, and it comes back after any error."""
    acts: list[str] = []

    class Shown:
        def __init__(self, name: str) -> None:
            self.hide = lambda: acts.append(f"hide {name}")
            self.show = lambda: acts.append(f"show {name}")

    monkeypatch.setattr("reconciler.cli.progress._shown", [Shown("back"), Shown("front")])
    with suppress(OSError), paused():
        acts.append("write")
        raise OSError("full")
    assert acts == ["hide front", "write", "show front"]


def test_a_message_at_the_end_brings_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that a message hides comes back, unless the work is over by then."""
    acts: list[str] = []
    is_shown = Event()

    class Drawn:
        def __init__(self, display: ProgressDisplay, *, color: bool) -> None:
            acts.append(f"made, color {color}")

        def show(self) -> None:
            acts.append("show")
            is_shown.set()

        def hide(self) -> None:
            acts.append("hide")

    monkeypatch.setattr("reconciler.cli.progress_bar.Bar", Drawn)
    monkeypatch.setattr("reconciler.cli.progress.SHOW_AFTER_SECONDS", 0)
    with ProgressDisplay(is_watched=True, color=False) as display:
        assert is_shown.wait(SAFETY_NET)
        with paused():
            acts.append("write")
        held = paused()
        held.__enter__()
    held.__exit__(None, None, None)
    display.show()
    with paused():
        acts.append("write")
    assert acts == ["made, color False", "show", "hide", "write", "show", "hide", "hide", "write"]


def test_nothing_is_left_of_a_quick_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would show its progress later does not wait for that time, and keeps no process from ending."""
    monkeypatch.setattr("reconciler.cli.progress.SHOW_AFTER_SECONDS", 3600)
    with ProgressDisplay(is_watched=True):
        (waiting,) = (thread for thread in threading.enumerate() if isinstance(thread, threading.Timer))
        assert (waiting.interval, waiting.daemon) == (3600, True)
    waiting.join(SAFETY_NET)
    assert not waiting.is_alive()


@pytest.mark.parametrize(("shown", "written"), [([], b""), ([None], b"\r\x1b[K")])
def test_what_is_shown_is_wiped_before_an_abrupt_end(
    monkeypatch: pytest.MonkeyPatch, shown: list[None], written: bytes
) -> None:
    """Where nothing is shown, nothing is written; a terminal that is gone changes nothing."""
    (wipe,) = [act for act in signals._last_acts if act.__module__ == "reconciler.cli.progress"]
    monkeypatch.setattr("reconciler.cli.progress._shown", shown)
    with TemporaryFile() as file:
        monkeypatch.setattr("sys.stderr", SimpleNamespace(fileno=file.fileno))
        wipe()
        file.seek(0)
        assert file.read() == written
    monkeypatch.setattr("sys.stderr", SimpleNamespace(fileno=lambda: -1))
    wipe()


def test_the_drawing_is_not_even_imported_for_a_quick_command() -> None:
    """Noting where a command is needs no rich."""
    program = (
        "import sys\n"
        "from reconciler.cli.progress import ProgressDisplay\n"
        "with ProgressDisplay(is_watched=True) as display: display.progress.advance(5)\n"
        "assert not any(name.partition('.')[0] == 'rich' for name in sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_a_terminal_nothing_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a pipe or a file: no thread, no byte."""
    before = threading.active_count()
    with ProgressDisplay.of(Output()) as progress:
        progress.progress.advance(1000)
        assert threading.active_count() == before
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "more"),
    [
        (("plan",), ["Reading versions"]),
        (("drift",), ["Reading variants and inclusions", "Reading versions"]),
        (("drift", "--budget", "99"), ["Reading variants and inclusions", "Reading versions"]),
        (("import", "--force"), []),
    ],
)
def test_all_reads_of_a_command_count_in_one_place(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    more: list[str],
) -> None:
    """What is shown is what is read, where rollouts stand too."""
    rig = a_rig(repository, tmp_path, monkeypatch)
    rig.commit(FLAG + "description: new\n")
    counted: list[Progress] = []
    told: list[str] = []
    start = Progress.start

    def noting(self: Progress, what: str, *total: int, **options: Any) -> None:
        counted.append(self)
        told.append(what)
        start(self, what, *total, **options)

    monkeypatch.setattr(Progress, "start", noting)
    assert rig.repository.run(*command).code in {0, 2}
    assert len({id(progress) for progress in counted}) == 1
    assert set(told) == {"Reading flags", *more}

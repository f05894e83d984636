"""`watch` as a process: rounds, metrics, failures that pass, and its end on a signal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import click
import httpx
import pytest
from histories import git
from looks import BOB, edit
from rollout_rigs import CONFIG, a_rig
from rollout_rigs import FLAG as ROLLOUT

from reconciler.cli import signals
from reconciler.cli.advancing import AdvanceArguments
from reconciler.cli.commands.watch import SpanType
from reconciler.cli.main import run
from reconciler.cli.metrics_server import MOST_AT_ONCE, published
from reconciler.cli.options import Settings
from reconciler.cli.output import Output, StdoutError
from reconciler.cli.watching import Rounds
from reconciler.errors import PartlyAppliedError
from reconciler.reports.metrics import Watched, metrics_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Repository

    from reconciler.errors import ReconcilerError

FLAG = "key: new-checkout\nrolloutPercentage: 100\nrollout: {steps: ['10% 1h', '20% 1h', '100%']}\n"


@contextmanager
def watching(repository: Repository, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that watches, every second."""
    command = [sys.executable, "-m", "reconciler", "watch", "--every", "1s", *arguments]
    process = subprocess.Popen(
        command,
        cwd=repository.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def commit(repository: Repository, text: str) -> None:
    repository.write("flags/new-checkout.yaml", text)
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    git(repository.root, "add", "--all")
    git(repository.root, "commit", "--quiet", "--message=m", at=1_900_000_000 - 10**9)


def line(process: subprocess.Popen[str], *, of_stderr: bool = False) -> str:
    stream = process.stderr if of_stderr else process.stdout
    assert stream
    return stream.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rounds_until_a_signal(repository: Repository, number: int) -> None:
    """Each round says what it saw; the metrics are those of the last one, and promtool accepts them."""
    edit(repository.emulator, BOB, "new-checkout", rolloutPercentage=10)
    commit(repository, FLAG)
    with watching(repository, "--metrics", "0") as process:
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", line(process, of_stderr=True))
        assert found
        assert re.search(r"Drift: 0 flags\. Advance: 1 waiting$", line(process).rstrip())
        edit(repository.emulator, BOB, "new-checkout", rolloutPercentage=15)
        while "1 held" not in line(process):
            pass
        line(process)
        with urlopen(found[0]) as answer:
            text = answer.read().decode()
        assert 'reconciler_rollout_percentage{flag="new-checkout",segment=""} 15\n' in text
        assert 'reconciler_rollout_phase{flag="new-checkout",segment="",phase="held"} 1\n' in text
        assert "reconciler_round_failures_total 0\n" in text
        process.send_signal(number)
        _, err = process.communicate()
        assert process.returncode == 128 + number
        assert "Traceback" not in err
    assert not [entry for entry in repository.emulator.log if entry.method != "GET"]


def test_a_failed_round_is_followed_by_another(repository: Repository) -> None:
    """Files that are broken for a while, as in the middle of an update of the checkout."""
    commit(repository, FLAG)
    with watching(repository) as process:
        assert "Drift: 0 flags" in line(process)
        repository.write("flags/new-checkout.yaml", "key: [\n")
        assert "invalid" in line(process, of_stderr=True)
        repository.write("flags/new-checkout.yaml", FLAG)
        assert "Drift: 0 flags" in line(process)


def test_what_is_wrong_from_the_start_ends_it(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("flags/new-checkout.yaml", "key: [\n")
    assert repository.run("watch").code == 3
    assert repository.run("watch", "--every", "5 minutes").code == 64
    repository.write("flags/new-checkout.yaml", FLAG)
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    assert repository.run("watch").code == 4


@pytest.mark.parametrize(("options", "seconds"), [((), 300), (("--every", "10m"), 600)])
def test_rounds_are_five_minutes_apart_unless_that_is_given(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], seconds: int
) -> None:
    found: list[float] = []
    monkeypatch.setattr("reconciler.cli.watching.Rounds.run", lambda self: found.append(self.seconds))
    assert (repository.run("watch", *options).code, found) == (0, [seconds])


def test_promtool_accepts_the_metrics(repository: Repository) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    commit(repository, FLAG)
    with watching(repository, "--metrics", "0") as process:
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", line(process, of_stderr=True))
        assert found
        line(process)
        line(process)
        with urlopen(found[0]) as answer:
            texts = [answer.read().decode(), metrics_text(Watched())]
    for text in texts:
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_port_that_is_taken_is_a_failure(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """The command is right: it names the address and ends as the other servers do."""
    port = repository.url.rpartition(":")[2]
    assert run(["watch", "--metrics", port]) == 1
    assert f"127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


HELD = "safety: {maxUpdates: 0}\n"


class EnoughError(Exception):
    """The rounds of a test are over."""


TIMES = [datetime(2030, 1, day, hour, tzinfo=UTC) for day, hour in ((7, 8), (7, 23), (8, 0), (8, 1))]


def rounds(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    *acts: Callable[[], object],
    seconds: float = 0,
    **fields: Any,
) -> list[Watched]:
    """What is known after each round: one, and one more after each of these acts; their clock is that of `TIMES`."""
    seen: list[Watched] = []
    monkeypatch.setattr("reconciler.cli.watching.now", lambda: TIMES[len(seen)])

    def publish(watched: Watched) -> None:
        seen.append(watched)
        if len(seen) > len(acts):
            raise EnoughError
        acts[len(seen) - 1]()

    settings = Settings(config=repository.root / "reconciler.yaml")
    made = Rounds(
        settings=settings,
        arguments=AdvanceArguments(**fields),
        key_file=None,
        output=Output(),
        seconds=seconds,
        publish=publish,
    )
    with pytest.raises(EnoughError):
        made.run()
    return seen


def test_what_rounds_see(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags that differ and flags that are not live; requests of the day, from midnight on those of the new one."""
    repository.write("flags/gone.yaml", "key: gone\nenabled: true\n")
    log, counts = repository.emulator.log, []

    def act(percentage: int) -> Callable[[], object]:
        def edit_it() -> None:
            counts.append(sum(entry.method == "GET" for entry in log))
            edit(repository.emulator, BOB, "new-checkout", rolloutPercentage=percentage)

        return edit_it

    seen = rounds(repository, monkeypatch, act(50), act(49))
    counts.append(sum(entry.method == "GET" for entry in log))
    assert [item.drifted for item in seen] == [2, 1, 2]
    assert [item.requests for item in seen] == [counts[0], counts[1], counts[2] - counts[1]]
    assert [(item.rounds, item.failures, item.last_round) for item in seen] == [
        (number, 0, TIMES[number - 1]) for number in (1, 2, 3)
    ]
    assert repository.capture.readouterr().out.splitlines() == [
        "2030-01-07T08:00:00Z Drift: 2 flags. No rollouts.",
        "2030-01-07T23:00:00Z Drift: 1 flag. No rollouts.",
        "2030-01-08T00:00:00Z Drift: 2 flags. No rollouts.",
    ]


def test_rounds_share_the_budget_of_a_day(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round for which none is left fails; on the next day there is one again."""
    text = (repository.root / "reconciler.yaml").read_text()
    log = repository.emulator.log

    def limit() -> None:
        repository.write("reconciler.yaml", f"{text}requests: {{dailyBudget: {len(log)}}}\n")

    seen = rounds(repository, monkeypatch, limit, lambda: None)
    assert [(item.failures, item.last_good) for item in seen] == [(0, TIMES[0]), (1, TIMES[0]), (1, TIMES[2])]
    assert len(log) == 2 * seen[0].requests == 2 * seen[2].requests
    assert "Error: 2030-01-07T23:00:00Z GET /api/1/flags was not sent: " in repository.capture.readouterr().err


def test_a_signal_before_the_first_round_ends_it(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its exception was lost; nothing is asked of the server."""
    monkeypatch.setattr(signals._state, "first", signal.SIGTERM)
    made = Rounds(
        settings=Settings(),
        arguments=AdvanceArguments(),
        key_file=None,
        output=Output(),
        seconds=0,
        publish=lambda _: None,
    )
    with signals.raising(), pytest.raises(signals.TerminatedError):
        made.run()
    assert repository.emulator.log == []


def test_signals_are_no_exceptions_within_a_round(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came in the middle of a call would leave its outcome unknown."""
    raises = []
    with signals.raising():
        rounds(repository, monkeypatch, lambda: raises.append(signals._state.raises))
    assert raises == [False]


def test_between_rounds_is_a_pause(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many seconds as were asked for."""
    pauses, sleep = [], asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("reconciler.cli.watching.asyncio.sleep", note)
    rounds(repository, monkeypatch, lambda: pauses.append(-1.0), lambda: pauses.append(-1.0), seconds=300.0)
    assert pauses == [-1, 300, -1, 300]


def test_rounds_look_at_targets_alone(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("flags/gone.yaml", "key: gone\nenabled: true\n")
    assert [item.drifted for item in rounds(repository, monkeypatch, targets=("go*",))] == [1]


def test_a_failed_round_is_counted(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen before is still shown, and the reason is said with its time."""
    file, text = "flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n"
    acts = (lambda: repository.write(file, "key: [\n"), lambda: repository.write(file, text))
    seen = rounds(repository, monkeypatch, *acts)
    assert [(item.rounds, item.failures, item.drifted) for item in seen] == [(1, 0, 1), (2, 1, 1), (3, 1, 0)]
    assert [item.last_round for item in seen] == TIMES[:3]
    assert [item.last_good for item in seen] == [TIMES[0], TIMES[0], TIMES[2]]
    assert "Error: 2030-01-07T23:00:00Z " in repository.capture.readouterr().err


def test_rounds_that_may_write_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard of the run refuses the step: the round is a failed one, and says so. Allowed, the step is made."""
    rig = a_rig(repository, tmp_path, monkeypatch)
    rig.commit(ROLLOUT, config=CONFIG + "safety: {maxUpdates: 0}\n")
    rig.hours = 1
    (refused,) = rounds(repository, monkeypatch)
    assert (refused.failures, refused.moves["up"], rig.live()) == (1, 0, 0)
    assert "Error: Refused as unsafe: updates: " in repository.capture.readouterr().err
    (allowed,) = rounds(repository, monkeypatch, allow=frozenset({"updates"}))
    assert (allowed.failures, allowed.moves["up"], rig.live()) == (0, 1, 1)


def test_every_move_is_a_line_of_its_own(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the time of its round, before that of the round itself."""
    rig = a_rig(repository, tmp_path, monkeypatch)
    edit(repository.emulator, BOB, "other-flag", rolloutPercentage=0, enabled=True)
    repository.write("flags/other.yaml", ROLLOUT.replace("new-checkout", "other-flag"))
    rig.commit(ROLLOUT)
    rig.hours = 1
    rounds(repository, monkeypatch)
    assert repository.capture.readouterr().out.splitlines() == [
        "2030-01-07T08:00:00Z new-checkout: applied: 0% to 1%",
        "2030-01-07T08:00:00Z other-flag: applied: 0% to 1%",
        "2030-01-07T08:00:00Z Drift: 0 flags. Advance: 2 up",
    ]


@pytest.mark.parametrize(("extra", "live", "error"), [("", 1, PartlyAppliedError), (HELD, 0, StdoutError)])
def test_moves_that_cannot_be_said_end_it(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extra: str,
    *,
    live: int,
    error: type[ReconcilerError],
) -> None:
    """Nothing else tells of them; the error says whether one was made."""
    rig = a_rig(repository, tmp_path, monkeypatch)
    rig.commit(ROLLOUT, config=CONFIG + extra)
    rig.hours = 1

    def fail(*_: object) -> None:
        raise StdoutError("full")

    monkeypatch.setattr(Output, "print", fail)
    settings = Settings(config=repository.root / "reconciler.yaml")
    made = Rounds(
        settings=settings,
        arguments=AdvanceArguments(),
        key_file=None,
        output=Output(),
        seconds=0,
        publish=lambda _: pytest.fail("the round went well"),
    )
    with pytest.raises(error) as caught:
        made.run()
    assert (type(caught.value), rig.live()) == (error, live)


def test_where_metrics_are(capsys: pytest.CaptureFixture[str]) -> None:
    """At /metrics only, of Prometheus' type: what was published last, and zeros before that. None without a port."""
    with published(None, Output()) as publish:
        publish(Watched())
    assert capsys.readouterr().err == ""
    with published(0, Output()) as publish:
        address = capsys.readouterr().err.strip().removeprefix("Metrics: ")
        answers = [httpx.get(address)]
        publish(Watched(rounds=5))
        answers += [httpx.get(address), httpx.get(f"{address}/more")]
    assert [(answer.status_code, answer.headers["content-type"]) for answer in answers] == [
        (code, "text/plain; version=0.0.4; charset=utf-8") for code in (200, 200, 404)
    ]
    assert [answer.text for answer in answers] == [metrics_text(Watched()), metrics_text(Watched(rounds=5)), ""]
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_no_other_site_can_point_its_name_at_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    """A page that does is told nothing of the flags."""
    with published(0, Output()):
        address = capsys.readouterr().err.strip().removeprefix("Metrics: ")
        hosts = ("attacker.example.com", "attacker.example.com:9464", "localhost.example.com", "[", "", "localhost:1")
        answers = [httpx.get(address, headers={"Host": host}) for host in hosts]
    assert [answer.status_code for answer in answers] == [421, 421, 421, 421, 421, 200]
    assert not [answer for answer in answers[:-1] if "reconciler_" in answer.text]


def test_connections_to_metrics_are_few(capfd: pytest.CaptureFixture[str]) -> None:
    """Those that send nothing take neither threads nor files without end; once they are gone, it answers again."""
    with published(0, Output()):
        address = capfd.readouterr().err.strip().removeprefix("Metrics: ")
        before, port = threading.active_count(), httpx.URL(address).port
        held = [socket.create_connection(("127.0.0.1", port or 0)) for _ in range(MOST_AT_ONCE + 5)]
        with pytest.raises(httpx.TransportError):
            httpx.get(address)
        assert threading.active_count() <= before + MOST_AT_ONCE
        for connection in held:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        answered = False
        while not answered:
            with suppress(httpx.TransportError):
                answered = httpx.get(address).status_code == 200
    assert capfd.readouterr().err == ""


def test_metrics_are_answered_again_after_threads_were_refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has no thread left costs the request, and no place for a later one."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with published(0, Output()):
        address = capfd.readouterr().err.strip().removeprefix("Metrics: ")
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            for _ in range(MOST_AT_ONCE + 1):
                with pytest.raises(httpx.TransportError):
                    httpx.get(address)
        assert httpx.get(address).status_code == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("999999s", 999_999), ("1m", 60)]
)
def test_times_between_rounds(text: str, seconds: int) -> None:
    """A whole number of seconds, minutes or hours."""
    assert SpanType().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["0s", "5", "s", "05m", "1d", "1.5h", "1000000s", "5m ", "\u0665m", "-1s"])
def test_what_is_no_time_between_rounds(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time as in 30s, 5m or 1h"):
        SpanType().convert(text, None, None)

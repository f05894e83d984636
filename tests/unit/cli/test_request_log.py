"""What is said of requests while they are made: each with --verbose, and that one waits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from emulators import KEY
from looks import BOB, edit

from reconciler.api.transport import Exchange, Wait
from reconciler.cli.output import Output
from reconciler.cli.progress import RequestLog
from reconciler.emulator.requests import text_response

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.emulator import ApiResponse, RawRequest

START = datetime(2030, 1, 1, 5, 0, tzinfo=UTC)


def a_wait(seconds: float, *, status: int | None = 429, asked: float | None = None, after: float = 0) -> Wait:
    return Wait(status=status, seconds=seconds, until=START + timedelta(seconds=after + seconds), asked=asked)


def test_verbose_logs_each_request_and_never_the_key(repository: Repository) -> None:
    edit(repository.emulator, BOB, "new-checkout", rolloutPercentage=20)
    for command in (("plan",), ("apply", "--auto-approve"), ("drift",)):
        repository.emulator.log.clear()
        ran = repository.run(*command, "--verbose")
        lines = re.findall(r"^(GET|PATCH) (/api/1/\S+) 200, \d+ ms, attempt 1$", ran.err, re.MULTILINE)
        assert [(entry.method, entry.path.partition("?")[0]) for entry in repository.emulator.log] == lines
        assert lines
        assert KEY not in ran.err
        assert "/api/1/" not in repository.run(*command).err


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (a_wait(3600), "429: waiting 3,600 s, until 06:00 UTC\n"),
        (a_wait(120, asked=3600), "429: the server asks for 3,600 s; waiting 120 s, until 05:02 UTC\n"),
        (a_wait(60, asked=60), "429: waiting 60 s, until 05:01 UTC\n"),
        (a_wait(7.4, status=503), "503: waiting 7 s, until 05:00 UTC\n"),
        (a_wait(1, status=None), "no answer: waiting 1 s, until 05:00 UTC\n"),
        (a_wait(0.9), ""),
    ],
)
def test_waiting_is_said(wait: Wait, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    RequestLog(Output()).wait(wait)
    assert capsys.readouterr().err == words
    RequestLog(Output(quiet=True)).wait(wait)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("no_pauses")
def test_a_command_says_that_it_waits(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --verbose, too."""
    monkeypatch.setattr("reconciler.cli.progress._LONG_WAIT", 0.0)
    real, asked = repository.emulator.api.answer, []

    def answer(request: RawRequest) -> ApiResponse:
        asked.append(request)
        return real(request) if asked[1:] else text_response(503, "later")

    repository.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = repository.run("plan")
    assert (ran.code, re.sub(r"until \d\d:\d\d", "until then", ran.err)) == (0, "503: waiting 0 s, until then UTC\n")


def test_a_pause_that_calls_share_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Sixteen calls that were turned away within a second wait for one pause; a later pause is another one."""
    log = RequestLog(Output())
    for number in range(16):
        log.wait(a_wait(60, after=number / 16))
    log.wait(a_wait(60, after=1))
    assert len(capsys.readouterr().err.splitlines()) == 1
    log.wait(a_wait(60, after=1.25))
    log.wait(a_wait(60, after=61))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_attempt_without_an_answer_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    exchange = Exchange(method="PATCH", path="/api/1/flags/1", status=None, seconds=0.0304, attempt=3)
    RequestLog(Output(verbose=True)).request(exchange)
    RequestLog(Output()).request(exchange)
    assert capsys.readouterr().err == "PATCH /api/1/flags/1 no answer, 30 ms, attempt 3\n"


def test_a_limit_that_one_run_cannot_meet_is_told_with_the_number_it_needs(repository: Repository) -> None:
    """While it reads, and where it would end half-way."""
    variants = ", ".join(f"{{key: {key}, inclusions: {{users: []}}}}" for key in ("control", "treatment"))
    repository.write("flags/new-checkout.yaml", f"key: new-checkout\nvariants: [{variants}]\n")
    config = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", config + "requests: {dailyBudget: 2}\n")
    ran = repository.run("plan")
    assert ran.code == 1
    assert "To read what is declared takes at least 3 requests in one run." in ran.err
    repository.write("reconciler.yaml", config + "requests: {dailyBudget: 4}\n")
    ran = repository.run("plan")
    assert ran.code == 5
    needed = re.search(r"raise the budget to ([0-9]+) at least", ran.err)
    assert needed
    repository.write("reconciler.yaml", config + f"requests: {{dailyBudget: {needed[1]}}}\n")
    assert repository.run("apply", "--auto-approve").code == 0

"""`watch` as a process: rounds, metrics, failures that pass, and its end on a signal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from histories import git
from looks import BOB, edit

from reconciler.cli.main import run
from reconciler.reports.metrics import Watched, metrics_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Repository

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


def test_a_port_that_is_taken_is_wrong_usage(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    port = repository.url.rpartition(":")[2]
    assert run(["watch", "--metrics", port]) == 64
    assert "cannot be used" in capsys.readouterr().err

"""`reconciler emulator`, as a process: what it says, which keys it takes, what it comes back to, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from reconciler.cli.emulation import EMULATOR_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "a-key-of-the-environment"


@contextmanager
def an_emulator(
    directory: Path, *options: str, number: signal.Signals = signal.SIGTERM, key: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """An emulator's URL, and everything it said by the end, stderr last. It must end by the signal, in silence."""
    command = [sys.executable, "-m", "reconciler", "emulator", *options]
    environ = {**os.environ, "AMPLITUDE_MANAGEMENT_API_KEY": key}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=directory, stdout=pipe, stderr=pipe, text=True, env=environ)
    said: list[str] = []
    assert process.stdout is not None
    said += [process.stdout.readline(), process.stdout.readline()]
    try:
        yield said[0].partition("=")[2].strip(), said
    finally:
        process.send_signal(number)
        said += process.communicate(timeout=20)
        assert process.returncode == 128 + number, said


def ask(url: str, path: str, key: str, method: str = "GET", body: object = None) -> int:
    """The status of a request."""
    request = Request(url + path, method=method, headers={"Authorization": f"Bearer {key}"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_needs_no_configuration(tmp_path: Path) -> None:
    """In a directory that is no repository of flags it serves a project of its own."""
    with an_emulator(tmp_path) as (url, _):
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "/api/1/flags?projectId=217854", EMULATOR_KEY) == 200


def test_says_what_it_serves(tmp_path: Path) -> None:
    """How other commands use it, for a shell, and beside it the projects of every environment."""
    (tmp_path / "reconciler.yaml").write_text(
        'version: 1\nenvironments: {production: {projectId: "7"}, staging: {projectId: "8"}}\n'
    )
    with an_emulator(tmp_path) as (url, said):
        pass
    assert said == [
        f"export RECONCILER_API_URL={url}\n",
        f"export AMPLITUDE_MANAGEMENT_API_KEY={EMULATOR_KEY}\n",
        "",
        f"The emulator serves project 7, 8 at {url}. Ctrl-C ends it.\n",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_quietly(tmp_path: Path, number: signal.Signals) -> None:
    """Being ended is no error: the code is the signal's, and nothing is said."""
    with an_emulator(tmp_path, number=number) as (_, said):
        pass
    assert said[-1].splitlines() == [line for line in said[-1].splitlines() if "Ctrl-C ends it." in line]


def test_takes_the_key_of_the_environment(tmp_path: Path) -> None:
    """A key that is set opens the emulator, beside the one it prints; no word, no state and no file has it."""
    with an_emulator(tmp_path, "--state", "state.json", key=KEY) as (url, said):
        assert ask(url, "/api/1/flags?projectId=217854", KEY) == 200
        assert ask(url, "/api/1/flags?projectId=217854", EMULATOR_KEY) == 200
        assert ask(url, "/api/1/flags?projectId=217854", "another-key") == 401
        new = {"projectId": "217854", "key": "a", "variants": [{"key": "on"}]}
        assert ask(url, "/api/1/flags", KEY, "POST", new) == 200
        with urlopen(url + "/_emulator/state") as answer:
            assert KEY.encode() not in answer.read()
    assert EMULATOR_KEY in "".join(said)
    assert KEY not in "".join(said)
    assert KEY not in (tmp_path / "state.json").read_text()


@pytest.mark.parametrize("key", ["", "two words", "\u00e9"])
def test_what_cannot_be_a_key_opens_nothing(tmp_path: Path, key: str) -> None:
    """An empty or malformed key of the environment is no key, and no reason not to serve."""
    with an_emulator(tmp_path, key=key) as (url, _):
        assert ask(url, "/api/1/flags?projectId=217854", "two words") == 401
        assert ask(url, "/api/1/flags?projectId=217854", "") == 401


def test_a_reset_keeps_projects_and_keys(tmp_path: Path) -> None:
    """What it comes back to is what it served first: its project and both keys, without flags."""
    with an_emulator(tmp_path, key=KEY) as (url, _):
        new = {"projectId": "217854", "key": "a", "variants": [{"key": "on"}]}
        assert ask(url, "/api/1/flags", EMULATOR_KEY, "POST", new) == 200
        assert ask(url, "/_emulator/reset", "", "POST") == 204
        for each in (KEY, EMULATOR_KEY):
            assert ask(url, "/api/1/flags?projectId=217854", each) == 200
        with urlopen(url + "/_emulator/state") as answer:
            assert json.loads(answer.read())["flags"] == []

"""The installed way: `drift` in a process of its own, against the emulator over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from emulators import KEY, OTHER_USER, PROJECT, a_live_flag, an_emulator
from looks import edit

from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from pathlib import Path


def start(root: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the command."""
    environ = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environ |= {"RECONCILER_API_URL": url, "AMPLITUDE_MANAGEMENT_API_KEY": KEY}
    command = [sys.executable, "-m", "reconciler", "drift", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=root, env=environ, stdout=pipe, stderr=pipe, text=True)


def test_a_day_of_a_cron(tmp_path: Path) -> None:
    """Quiet while nothing changes, one alert for an edit by hand, one for its end, and few requests for all that."""
    emulator = an_emulator(*(a_live_flag(f"flag-{number}") for number in range(20)))
    (tmp_path / "reconciler.yaml").write_text(f'version: 1\nprojectId: "{PROJECT}"\n')
    (tmp_path / "flags").mkdir()
    for number in range(20):
        text = f"key: flag-{number}\nenabled: true\nrolloutPercentage: 100\n"
        (tmp_path / f"flags/flag-{number}.yaml").write_text(text)
    with serve(emulator) as url, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        gone = start(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", "--format", "json")

        def run() -> tuple[int, str, int]:
            process = start(tmp_path, url, "--state", "drift.json", "--format", "json")
            document = json.loads(process.communicate(timeout=60)[0])
            return process.returncode, document["notify"], document["requests"]

        assert run() == (0, "none", 1)
        edit(emulator, OTHER_USER, "flag-7", enabled=False)
        for expected, requests in (((2, "new"), 3), ((2, "same"), 3)):  # the list, the feed, the flag's versions
            *outcome, sent = run()
            assert (tuple(outcome), sent) == (expected, requests)
        edit(emulator, OTHER_USER, "flag-7", enabled=True)
        *outcome, sent = run()
        assert tuple(outcome) == (0, "recovered")
        assert sent <= 3
        failure = json.loads(gone.communicate(timeout=60)[0])
    assert (gone.returncode, failure["error"]["exitCode"]) == (1, 1)

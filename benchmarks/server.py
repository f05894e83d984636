"""Servers in processes of their own, and the admin endpoints of the emulator."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from benchmarks.measure import ENVIRON
from benchmarks.projects import KEY, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What reached the server: how many requests of which method and status, and when (seconds, ascending)."""

    methods: Counter[str]
    refused: int
    arrivals: tuple[float, ...]

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return len(self.arrivals)

    @property
    def seconds(self) -> float:
        """From the first arrival to the last."""
        return self.arrivals[-1] - self.arrivals[0] if self.arrivals else 0.0

    @property
    def busiest_second(self) -> int:
        """The most arrivals in any window of one second."""
        return most_in_a_second(self.arrivals)

    def between(self, first: float, last: float) -> Traffic:
        """Those requests that arrived from one time to another, of any method."""
        return replace(self, arrivals=tuple(time for time in self.arrivals if first <= time <= last))

    @property
    def per_second(self) -> float:
        """The mean rate from the first arrival to the last."""
        return (self.requests - 1) / self.seconds if self.seconds else 0.0


def most_in_a_second(arrivals: Sequence[float]) -> int:
    """The most of these ascending times that lie within less than one second of each other."""
    most, start = 0, 0
    for end, time in enumerate(arrivals):
        while arrivals[start] <= time - 1:
            start += 1
        most = max(most, end - start + 1)
    return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running emulator. `environ` is what the command needs to reach it."""

    url: str

    @property
    def environ(self) -> dict[str, str]:
        """The address and the key, for the command's environment."""
        return {"RECONCILER_API_URL": self.url, "AMPLITUDE_MANAGEMENT_API_KEY": KEY}

    def put(self, state: bytes = b"") -> None:
        """Put a state in place (none: an empty project), and forget what was asked."""
        self._ask("PUT", "state", state or state_of())
        self.forget()

    def forget(self) -> None:
        """Empty the log."""
        self._ask("DELETE", "log")

    def traffic(self, *methods: str) -> Traffic:
        """What was asked since the log was emptied; only these methods, if any are named."""
        entries = [item for item in json.loads(self._ask("GET", "log")) if not methods or item["method"] in methods]
        return Traffic(
            methods=Counter(item["method"] for item in entries),
            refused=sum(item["status"] >= 400 for item in entries),
            arrivals=tuple(item["arrived"] for item in entries),
        )

    def _ask(self, method: str, name: str, body: bytes | None = None) -> bytes:
        with urlopen(Request(f"{self.url}/_emulator/{name}", data=body, method=method)) as answer:
            return bytes(answer.read())


@contextmanager
def emulator(command: str, directory: Path, *, latency: int = 0) -> Iterator[Server]:
    """A server for the block, started in an empty directory. `latency` is milliseconds before each answer."""
    with started([command, "emulator", "--quiet", "--latency", str(latency)], directory) as url:
        yield Server(url=url)


@contextmanager
def started(arguments: Sequence[str], directory: Path) -> Iterator[str]:
    """The address that a server says first, which runs for the block."""
    process = subprocess.Popen(
        arguments, cwd=directory, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        greeting = process.stdout.readline()
        match = re.search(r"http://\S+", greeting)
        if match is None:
            raise RuntimeError(f"the server did not start: {greeting}")
        yield match.group()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()

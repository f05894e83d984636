"""What SDKs wait for: the first answer of `serve`, and an edit of a file on its way to a stream."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from benchmarks.peers import BIN
from benchmarks.projects import DEPLOYMENTS
from benchmarks.server import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from http.client import HTTPResponse
    from pathlib import Path

    from benchmarks.projects import Project
    from benchmarks.workshop import Workshop

EDITS = 40


def serve(shop: Workshop, project: Project) -> None:
    """From the command to the first answer, and from an edit to the stream, in seconds."""
    size, first = len(project.flags), []
    for _ in range(shop.runs * 2 - 1):
        begin = time.monotonic()
        with _serving(project.directory) as url:
            _open(url, "/sdk/v2/flags", next(iter(DEPLOYMENTS))).read()
            first.append(time.monotonic() - begin)
    with _serving(project.directory) as url:
        edits = sorted(_edits(project, url))
    rows = [
        (name, *(f"{values[len(values) * share // 100] * 1000:.0f} ms" for share in (50, 95)))
        for name, values in {"command to first answer": sorted(first), "edit to stream": edits}.items()
    ]
    shop.report.add(f"serve, {size:,} flags", ("", "median", "p95"), rows)
    if size == 1000:
        shop.report.expect("`serve`, 1,000 flags: first answer, median in s", sorted(first)[len(first) // 2], 0.5)
        shop.report.expect(
            "`serve`, 1,000 flags: edit to stream, p95 in ms", edits[len(edits) * 95 // 100] * 1000, 100
        )


def _edits(project: Project, url: str) -> Iterator[float]:
    """How long each of some edits took until the stream told it."""
    local = (flag for flag in project.flags.values() if flag["enabled"] and flag["evaluationMode"] == "local")
    key, deployment = next((flag["key"], flag["deployments"][0]) for flag in local if flag["deployments"])
    file = project.file_of(key)
    text = file.read_text()
    stream = _open(url, "/sdk/stream/v1/flags", deployment)
    _next_event(stream)
    for number in range(EDITS):
        time.sleep(0.5)  # the reading of all files, which follows each edit, is over
        draft = file.with_suffix(".new")
        percentage = (project.flags[key]["rolloutPercentage"] + 1 + number) % 101
        draft.write_text(re.sub(r"rolloutPercentage: \d+", f"rolloutPercentage: {percentage}", text))
        begin = time.monotonic()
        draft.replace(file)
        _next_event(stream)
        yield time.monotonic() - begin
    stream.close()
    file.write_text(text)


def _next_event(stream: HTTPResponse) -> None:
    while not stream.readline().startswith(b"data: ["):
        pass


def _open(url: str, path: str, deployment: str) -> HTTPResponse:
    headers = {"Authorization": f"Api-Key {deployment}"}
    answer: HTTPResponse = urlopen(Request(url + path, headers=headers), timeout=30)
    return answer


def _serving(directory: Path) -> AbstractContextManager[str]:
    return started([str(BIN / "reconciler"), "serve", "--quiet"], directory)

"""Guards against a real Prometheus, whose history is filled in by promtool."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from reconciler.model.rollout import GuardSource
from reconciler.rollouts.guards import Question, ask
from reconciler.rollouts.sequential import Verdict
from reconciler.rollouts.sources import OutsideSources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILED = 'sum(increase(errors_total{variant="$variant"}[$window]))'
OF = 'sum(increase(requests_total{variant="$variant"}[$window]))'
EVERY = 15
PER_SAMPLE = {"control": (2, 100), "healthy": (2, 100), "doubled": (4, 100)}
"""Failures and requests of a variant in so many seconds."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that knows three hours of counters of three variants."""
    programs = [shutil.which(name) for name in ("prometheus", "promtool")]
    if None in programs:
        pytest.skip("Debian's package prometheus is not installed")
    server, promtool = map(str, programs)
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "empty.yml").write_text("global: {}\n")
    (directory / "history").write_text(history())
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "history", "data"],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [server, "--config.file=empty.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/-/ready", directory)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def history() -> str:
    """Counters in OpenMetrics, up to now."""
    now, lines = int(time.time()), []
    for place, name in enumerate(("errors", "requests")):
        lines += [f"# TYPE {name} counter"]
        for variant, counts in PER_SAMPLE.items():
            for number in range(3 * 3600 // EVERY):
                at = now - 3 * 3600 + number * EVERY
                lines.append(f'{name}_total{{variant="{variant}"}} {number * counts[place]} {at}')
    return "\n".join([*lines, "# EOF\n"])


def wait_for(address: str, directory: Path) -> None:
    for _ in range(600):
        try:
            with urlopen(address) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        time.sleep(0.05)
    pytest.fail(f"Prometheus did not start in {directory}")


@pytest.mark.parametrize(
    ("variants", "verdict"),
    [(("control", "healthy"), "FINE"), (("control", "doubled"), "WORSE"), (("control", "absent"), "UNKNOWN")],
)
def test_guards_read_it(prometheus: str, variants: tuple[str, ...], verdict: str) -> None:
    source = GuardSource(kind="prometheus", variable="PROM", failed=FAILED, of=OF, against="control")
    question = Question(key="f", segment=None, percentage=50, seconds=2 * 3600, variants=variants, tests=1)
    found = ask("g", source, question, OutsideSources(environ={"PROM": prometheus}))
    assert found.verdict is Verdict[verdict], found.why


@pytest.mark.parametrize("query", ["nonsense(", "up", "requests_total", "vector(1) == 2", "'text'"])
def test_queries_that_give_no_number_are_unknown(prometheus: str, query: str) -> None:
    source = GuardSource(kind="prometheus", variable="PROM", failed=query, of=OF, against="control")
    question = Question(key="f", segment=None, percentage=50, seconds=7200, variants=("control", "healthy"), tests=1)
    found = ask("g", source, question, OutsideSources(environ={"PROM": prometheus}))
    assert found.verdict is Verdict.UNKNOWN

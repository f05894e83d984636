"""What runs in every process of a copy while it is learned which test reaches which lines; a plugin of pytest too.

Copied among the packages of the copy's environment, where it finds all it needs beside itself: also commands that are
started without any variable of the environment are seen. PYTEST_DONT_REWRITE: it is there before pytest is.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

REACH = Path(sys.prefix) / "reach"
"""There while it is learned: `sources` names what is traced, `now` the test that runs; the rest is written here."""
_NOW = REACH / "now"
_results: dict[str, tuple[float, bool]] = {}
_started = 0.0


def _trace() -> None:
    """Note the lines that this process runs, for the test that runs now."""
    import coverage  # noqa: PLC0415 - not where nothing is learned

    tracer = coverage.Coverage(
        data_file=str(REACH / "data"),
        data_suffix=True,
        config_file=False,
        include=[f"{folder}/*" for folder in (REACH / "sources").read_text().split("\n")],
        context=_NOW.read_text() if _NOW.exists() else None,
        messages=False,
    )
    tracer.set_option("run:disable_warnings", ["no-data-collected"])
    tracer.start()
    atexit.register(tracer.save)


def pytest_runtest_logstart(nodeid: str) -> None:
    """From here on, lines are reached by this test."""
    global _started  # noqa: PLW0603 - one test at a time
    _started = time.monotonic()
    _switch(_test_of(nodeid))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure in any part of a test is one."""
    test = _test_of(report.nodeid)
    seconds, has_passed = _results.get(test, (0.0, True))
    _results[test] = seconds, has_passed and not report.failed


def pytest_runtest_logfinish(nodeid: str) -> None:
    """The time that the test took, for any purpose."""
    test = _test_of(nodeid)
    seconds, has_passed = _results.get(test, (0.0, True))
    _results[test] = seconds + time.monotonic() - _started, has_passed
    _switch("")


def pytest_unconfigure() -> None:
    """Leave the results where they are looked for."""
    if REACH.is_dir():
        (REACH / "results.json").write_text(json.dumps(_results))


def _test_of(nodeid: str) -> str:
    """All rows of a test are one."""
    return nodeid.split("[", 1)[0]


def _switch(test: str) -> None:
    if REACH.is_dir():
        import coverage  # noqa: PLC0415

        tracer = coverage.Coverage.current()
        assert tracer is not None
        if sys.gettrace() is None:  # Python stops tracing when the recursion limit is met in it
            tracer.stop()
            tracer.start()
        tracer.switch_context(test)
        _NOW.write_text(test)


if REACH.is_dir():
    _trace()

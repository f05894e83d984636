"""`make mutants`: put a sample of small faults into copies of the code, run the tests, list what no test noticed."""

from __future__ import annotations

import argparse
import difflib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from mutants.changes import Change, changes_in, is_sound
from mutants.copies import Copy, Processes, make_copy
from mutants.reach import Reach, file_of, states_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS = "tests"
_CHUNKS = 6
"""Runs of tests for each copy while it is learned what they reach: few, and the copies end at about the same time."""
_GRACE, _PATIENCE = 60, 5
"""A run that takes this many seconds, and this many times as long as its tests took, hangs."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault in one module."""

    name: str
    change: Change

    def shown(self, source: bytes) -> str:
        """Where it is, what it is, the lines before and after."""
        before, after = (text.decode().splitlines() for text in (source, self.change.applied_to(source)))
        lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
        line = source.count(b"\n", 0, self.change.start) + 1
        changed = "\n".join(f"    {text}" for text in lines if not text.startswith("@@"))
        return f"{self.name}:{line}: {self.change.kind}\n{changed}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: `killed`, `hung`, `survived` or `not reached`; and how many tests were run."""

    mutant: Mutant
    word: str
    ran: int
    reached: int


def main() -> int:
    """List what survived; 0 with any result."""
    options = _options()
    root: Path = options.root.resolve()
    began = time.monotonic()
    sources = _sources(root, options)
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as scratch,
        ThreadPoolExecutor(options.jobs) as pool,
        _ended_by_signals() as processes,
    ):
        copies: Queue[Copy] = Queue()
        for number in range(options.jobs):
            copies.put(make_copy(root, Path(scratch) / str(number), processes))
        reach = _learn(root, options, copies, pool)
        sample = _sample(sources, options.seed, options.count)
        _say(f"{len(sample)} mutants, seed {options.seed}, after {time.monotonic() - began:.0f} s")

        def judge(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                return _judge(mutant, sources[mutant.name], reach, copy, options.seconds)
            finally:
                copies.put(copy)

        verdicts = []
        for verdict in pool.map(judge, sample):
            verdicts.append(verdict)
            _report(verdict, sources[verdict.mutant.name])
            _say(f"{len(verdicts)} of {len(sample)}: {verdict.mutant.name} {verdict.word}, {verdict.ran} tests")
    _summarise(verdicts)
    _say(f"{time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[Processes]:
    """Tests that end with the block, which signals end too: with the code 128 and the signal's number."""
    processes, numbers = Processes(), (signal.SIGINT, signal.SIGTERM)

    def end(number: int, _: object) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, end)
    try:
        yield processes
    finally:
        processes.end()


def _learn(root: Path, options: argparse.Namespace, copies: Queue[Copy], pool: ThreadPoolExecutor) -> Reach:
    kept = root / ".mutants" / "reach.json"
    reach = Reach.read(kept)
    folders = [options.package, _TESTS]
    files = [name for name in reach.forget_changed(states_of(root, folders)) if _is_in(name, options.tests)]
    chunks = [files[at :: _CHUNKS * copies.qsize()] for at in range(min(len(files), _CHUNKS * copies.qsize()))]
    _say(f"{len(files)} files of tests have to show what they reach")

    def learn(chunk: list[str]) -> None:
        copy = copies.get()
        try:
            reach.learn(copy, folders, chunk)
        finally:
            copies.put(copy)

    for number, _ in enumerate(pool.map(learn, chunks), 1):
        _say(f"{number} of {len(chunks)} parts learned")
        reach.write(kept)
    reach.tests = {name: test for name, test in reach.tests.items() if _is_in(file_of(name), options.tests)}
    for name, test in reach.tests.items():
        if not test.has_passed:
            _say(f"left out, for it fails without any fault: {name}")
    return reach


def _sources(root: Path, options: argparse.Namespace) -> dict[str, bytes]:
    files = sorted((root / options.package).rglob("*.py"))
    names = {str(file.relative_to(root)): file.read_bytes() for file in files}
    wanted = [path.rstrip("/") for path in options.paths] or [options.package]
    missing = [path for path in wanted if not any(_is_in(name, [path]) for name in names)]
    if missing:
        raise SystemExit(f"no code to put faults into: {', '.join(missing)}")
    return {name: source for name, source in names.items() if _is_in(name, wanted)}


def _is_in(name: str, paths: list[str]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def _sample(sources: dict[str, bytes], seed: int, count: int) -> list[Mutant]:
    """Statements at random, and of each one kind of fault, then one fault: what is dense counts no more for it."""
    chance = random.Random(seed)
    places: dict[tuple[str, int], dict[str, list[Change]]] = defaultdict(lambda: defaultdict(list))
    for name, source in sources.items():
        for change in changes_in(source):
            places[name, change.first][change.kind].append(change)
    order = sorted(places)
    chance.shuffle(order)
    found: list[Mutant] = []
    for name, line in order:
        if len(found) == count:
            break
        kinds = places[name, line]
        change = chance.choice(kinds[chance.choice(sorted(kinds))])
        if is_sound(sources[name], change):
            found.append(Mutant(name, change))
    return found


def _judge(mutant: Mutant, source: bytes, reach: Reach, copy: Copy, budget: float) -> Verdict:
    tests = reach.of(mutant.change, mutant.name, copy.root)
    chosen = list(_within(budget, tests, reach))
    if not chosen:
        return Verdict(mutant, "not reached", 0, 0)
    copy.write(mutant.name, mutant.change.applied_to(source))
    try:
        code = copy.test(chosen, seconds=_GRACE + _PATIENCE * sum(reach.tests[test].seconds for test in chosen))
    finally:
        copy.write(mutant.name, source)
    if code not in {0, 1, None} and copy.test(chosen, "--collect-only") != 0:
        raise RuntimeError(f"the tests cannot be run without any fault:\n{copy.said()}")
    word = {0: "survived", None: "hung"}.get(code, "killed")
    return Verdict(mutant, word, len(chosen), len(tests))


def _within(budget: float, tests: list[str], reach: Reach) -> Iterator[str]:
    for test in tests:
        budget -= reach.tests[test].seconds
        yield test
        if budget <= 0:
            return


def _report(verdict: Verdict, source: bytes) -> None:
    if verdict.word in {"survived", "not reached"}:
        print(
            f"{verdict.mutant.shown(source)}\n    {verdict.word}; {verdict.ran} of {verdict.reached} tests",
            flush=True,
        )


def _summarise(verdicts: list[Verdict]) -> None:
    print(f"\n{'package':<14}{'mutants':>9}{'killed':>9}{'hung':>9}{'survived':>10}{'not reached':>13}{'share':>8}")
    packages: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        package = verdict.mutant.name.split("/")[1].removesuffix(".py")
        packages[package][verdict.word] += 1
        packages["~all"][verdict.word] += 1
    for package, words in sorted(packages.items()):
        total = words.total()
        share = (words["killed"] + words["hung"]) / total
        counted = f"{total:>9}{words['killed']:>9}{words['hung']:>9}{words['survived']:>10}{words['not reached']:>13}"
        print(f"{package.lstrip('~'):<14}{counted}{share:>8.0%}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or folders to put faults into; all of the package without")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--package", default="reconciler", help="the folder of the code")
    parser.add_argument("--tests", nargs="+", default=[_TESTS], help="files or folders of tests to run; all without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument(
        "--seconds", type=float, default=60, help="time for the tests of one mutant, the fastest first"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

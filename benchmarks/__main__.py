"""`make bench`: generate projects, serve them, measure this command beside its peers, print and write the ratios."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import offline, online, peers, serving
from benchmarks.measure import FailedRunError
from benchmarks.projects import Inclusions
from benchmarks.workshop import Workshop

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
SIZES = (100, 1000, 10_000)
MOST_IMPORTED = 1000
"""An import reads each flag by itself: at the allowed rate, 10,000 of them take two minutes and show nothing new."""


def main() -> int:
    """Measure; 0 with any figures, 1 where a contender did not do its work."""
    options = _options()
    sizes: tuple[int, ...] = (options.size,) if options.size else (100,) if options.quick else SIZES
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as scratch:
        runs = 1 if options.quick else 5
        shop = Workshop(scratch=Path(scratch), command=str(peers.COMMAND), runs=runs)
        try:
            measure(shop, sizes, quick=options.quick)
        except FailedRunError as error:
            print(error, file=sys.stderr)
            return 1
    if sizes == SIZES or options.write:
        shop.report.write(PAGE, sizes)
    missed = [target.what for target in shop.report.targets if not target.is_met]
    print(
        f"\n{len(shop.report.targets) - len(missed)} of {len(shop.report.targets)} targets met.", *missed, sep="\n  "
    )
    return 0


def measure(shop: Workshop, sizes: tuple[int, ...], *, quick: bool) -> None:
    """Everything, the cheap first."""
    offline.start_up(shop)
    planned = {}
    for size in sizes:
        project = shop.project(size)
        offline.validate(shop, project)
        offline.decide(shop, project)
        if size <= MOST_IMPORTED:
            online.drift_and_import(shop, project)
            serving.serve(shop, project)
        planned[size] = online.plans(shop, project)
    if {1000, 10_000} <= planned.keys():
        growth = planned[10_000].cpu / planned[1000].cpu
        shop.report.expect("no-op `plan`, CPU, 10,000 flags against 1,000", growth, 11)
    if 10_000 in planned:
        shop.report.expect("no-op `plan`, 10,000 flags, memory in MiB", planned[10_000].mebibytes, 250)
    online.changed_since(shop, shop.project(sizes[-1]))
    read = shop.project(100 if quick else 1000, Inclusions.ALL)
    for latency in (20, 100):
        online.refresh(shop, read, latency)
    online.first_apply(shop, shop.project(100 if quick else 1000, Inclusions.USERS))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", type=int, help="so many flags instead of 100, 1,000 and 10,000")
    parser.add_argument("--quick", action="store_true", help="100 flags, one run of each")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md although not all was measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""What needs no server: start-up and `validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.measure import Command, compare
from benchmarks.workshop import LARGE

if TYPE_CHECKING:
    from benchmarks.projects import Project
    from benchmarks.workshop import Workshop


def start_up(shop: Workshop) -> None:
    """`--help` beside the library that parses the options, and nothing else."""
    here = shop.scratch
    costs = compare(
        [
            Command(name="reconciler --help", arguments=(shop.command, "--help"), directory=here),
            Command(name="import click", arguments=(str(peers.PYTHON), "-c", "import click"), directory=here),
        ],
        runs=shop.runs * 5,
    )
    shop.report.compare("Start-up", costs)
    ours, click = costs.values()
    shop.report.expect("`--help`, wall, against `import click`", ours.wall / click.wall, 1.6)


def validate(shop: Workshop, project: Project) -> None:
    """All files, cold: nothing is kept between two runs."""
    size = len(project.flags)
    ours = Command(name="reconciler validate", arguments=(shop.command, "validate"), directory=project.directory)
    others = [peers.script(project, "validate"), *peers.validators(project)]
    if size >= LARGE:
        others = [item for item in others if item.name != peers.CHECK_JSONSCHEMA]
    if size <= 100:
        others.append(peers.script(project, "validate", plain=True))
    for missing in {peers.CHECK_JSONSCHEMA, peers.AJV} - {item.name for item in others}:
        shop.report.skip(f"{missing} on {size:,} flags ({'it takes minutes' if size >= LARGE else 'not installed'})")
    costs = compare([ours, *others], runs=min(shop.runs, 3))
    shop.report.compare(f"validate, {size:,} flags", costs)
    own = costs[ours.name]
    limits = {peers.USUAL: 0.35, peers.CHECK_JSONSCHEMA: 0.1}
    for name, limit in limits.items():
        if name in costs and size >= 1000:
            shop.report.expect(
                f"`validate`, {size:,} flags, wall, against {name}", own.wall / costs[name].wall, limit
            )
    if size >= LARGE:
        shop.report.expect(f"`validate`, {size:,} flags, memory in MiB", own.mebibytes, 150)

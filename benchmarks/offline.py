"""What needs no server: start-up, `validate` and `test`."""

from __future__ import annotations

import json
import shutil
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


def decide(shop: Workshop, project: Project) -> None:
    """Five claims about all users of each flag, all of which hold: none is decided by its first case."""
    size = len(project.flags)
    tests = project.directory / "flags" / "tests"
    tests.mkdir()
    for key, flag in project.flags.items():
        (tests / f"{key}.test.yaml").write_text(_claims(key, [*(item["key"] for item in flag["variants"]), "off"]))
    try:
        ours = Command(name="reconciler test", arguments=(shop.command, "test"), directory=project.directory)
        check = Command(name="reconciler validate", arguments=(shop.command, "validate"), directory=project.directory)
        costs = compare([ours, check], runs=min(shop.runs, 3))
    finally:
        shutil.rmtree(tests)
    shop.report.compare(f"test, {size:,} flags with 5 claims each", costs)
    if size == LARGE // 10:
        shop.report.expect(f"`test`, {size:,} flags with 5 claims each, CPU in s", costs[ours.name].cpu, 1.0)


def _claims(key: str, variants: list[str]) -> str:
    always = f"always: {json.dumps(variants)}"
    claims = [
        always,
        f"users: {{country: Norway}}, {always}",
        f"users: {{country: {{not: [Norway, Sweden]}}}}, {always}",
        f"users: {{user_properties.plan: {{not: trial}}}}, share: {{{variants[0]}: <= 100%}}",
        f"users: {{user_properties.plan: trial, version: {{greater: '2.0.0'}}}}, {always}",
    ]
    return "tests:\n" + "".join(f"  - {{name: {n}. claim, flag: {key}, {text}}}\n" for n, text in enumerate(claims))

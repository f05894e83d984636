"""What talks to a server: plans, drift, import, and how well reads and writes keep to the rate."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.measure import Command, Cost, compare, run_once
from benchmarks.projects import as_yaml
from benchmarks.terraform import Form, is_installed, terraform_plan
from benchmarks.workshop import LARGE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.projects import Project
    from benchmarks.server import Server, Traffic
    from benchmarks.workshop import Workshop

PER_SECOND = 95
ALLOWED_PER_SECOND = 100


def plans(shop: Workshop, project: Project) -> Cost:
    """A plan with nothing to do, and one with one flag changed, beside the peers that plan."""
    size = len(project.flags)
    with shop.emulator() as server:
        server.put(project.state())
        ours = shop.ours(project, server, "plan", "--detailed-exitcode")
        quick, slow = _planners(shop, project, server)
        costs = compare([ours, *quick], runs=shop.runs_of(project)) | {item.name: run_once(item) for item in slow}
        shop.report.compare(f"plan without a change, {size:,} flags", costs)
        run_once(ours)
        shop.report.expect(f"no-op `plan`, {size:,} flags: requests", server.traffic().requests, project.pages)
        if size == 1000:
            _expect_no_op(shop, costs)
        _change(project)
        changed = shop.ours(project, server, "plan", "--detailed-exitcode", codes=(2,))
        others = [item for item in quick if item.name in {Form.BLOCKS.value, peers.OCTODNS}]
        others = [_changes(item, project) for item in others]
        found = compare([changed, *others], runs=shop.runs_of(project))
        shop.report.compare(f"plan with one flag changed, {size:,} flags", found)
        run_once(changed)
        shop.report.expect(f"one-change `plan`, {size:,} flags: requests", server.traffic().requests, project.pages)
        _expect(shop, "one-change `plan`", found, {Form.BLOCKS.value: 0.35, peers.OCTODNS: 0.12}, size=size)
    return costs[ours.name]


def _expect_no_op(shop: Workshop, costs: dict[str, Cost]) -> None:
    limits = {Form.BLOCKS.value: 0.35, Form.FOR_EACH.value: 0.03, peers.OCTODNS: 0.12}
    _expect(shop, "no-op `plan`", costs, limits, size=1000)
    own, other = next(iter(costs.values())), costs.get(Form.BLOCKS.value)
    if other:
        shop.report.expect(f"no-op `plan`, 1,000 flags, CPU, against {Form.BLOCKS.value}", own.cpu / other.cpu, 0.2)
        ratio = own.mebibytes / other.mebibytes
        shop.report.expect(f"no-op `plan`, 1,000 flags, memory, against {Form.BLOCKS.value}", ratio, 0.30)


def _expect(shop: Workshop, what: str, costs: dict[str, Cost], limits: dict[str, float], *, size: int) -> None:
    own = next(iter(costs.values()))
    for name, limit in limits.items():
        if name in costs and size == 1000:
            figure = own.wall / costs[name].wall
            shop.report.expect(f"{what}, {size:,} flags, wall, against {name}", figure, limit)


def _planners(shop: Workshop, project: Project, server: Server) -> tuple[list[Command], list[Command]]:
    """The peers that plan: those that take turns with us, and those that are so slow that they run once."""
    size, quick, slow = len(project.flags), [peers.script(project, "plan", server.environ)], list[Command]()
    if size <= 100:
        slow.append(peers.script(project, "plan", server.environ, plain=True))
    if not is_installed():
        shop.report.skip("terraform (not installed)")
    else:
        quick.append(terraform_plan(project, shop.place(), Form.BLOCKS))
        if size <= 1000:
            slow.append(terraform_plan(project, shop.place(), Form.FOR_EACH))
    octodns = peers.octodns_plan(project, shop.place()) if size <= 1000 else None
    if octodns:
        quick.append(octodns)
    elif size <= 1000:
        shop.report.skip("octoDNS (not installed: `make bench-peers`)")
    return quick, slow


def _change(project: Project, count: int = 1) -> None:
    for key in list(project.flags)[:count]:
        flag = project.flags[key]
        project.file_of(key).write_text(as_yaml(flag | {"rolloutPercentage": (flag["rolloutPercentage"] + 1) % 100}))


def _changes(command: Command, project: Project) -> Command:
    """The same peer where it finds a change too: terraform reads our files, octoDNS has its own."""
    zone = next((command.directory / "config").glob("*.yaml"), None)
    if zone is not None:
        zone.write_text(zone.read_text().replace("192.0.2.1\n", "192.0.2.251\n", 1))
    codes = frozenset({0, 2}) if command.name.startswith("terraform") else command.codes
    assert project.directory.exists()
    return Command(
        name=command.name,
        arguments=command.arguments,
        directory=command.directory,
        environ=command.environ,
        codes=codes,
    )


def drift_and_import(shop: Workshop, project: Project) -> None:
    """`drift` without drift, and an import into an empty directory."""
    size, rows = len(project.flags), []
    with shop.emulator() as server:
        server.put(project.state())
        out = shop.place()
        commands = {
            "drift": (shop.ours(project, server, "drift"), project.pages),
            # The list hides what variants hold beside key and name: one read for each flag.
            "import": (
                shop.ours(project, server, "import", "--out", str(out), "--no-inclusions"),
                project.pages + size,
            ),
        }
        for name, (command, fewest) in commands.items():
            cost = run_once(command)
            requests = server.traffic().requests
            rows.append((name, f"{cost.wall:.2f} s", f"{cost.cpu:.2f} s", f"{cost.mebibytes:.0f} MiB", str(requests)))
            shop.report.expect(f"`{name}`, {size:,} flags: requests against the fewest", requests / fewest, 1)
        shutil.rmtree(out, ignore_errors=True)
    head = ("", "wall", "CPU", "memory", "requests")
    shop.report.add(f"drift and import, {size:,} flags", head, rows)


def refresh(shop: Workshop, project: Project, latency: int) -> None:
    """A no-op plan of flags that declare their inclusions: one read for each list, at the allowed rate."""
    fewest = project.pages + project.lists
    with shop.emulator(latency) as server:
        server.put(project.state())
        cost = run_once(shop.ours(project, server, "plan"))
        traffic = server.traffic()
    title = f"Refresh of {len(project.flags):,} flags with inclusions, {latency} ms latency"
    _show_traffic(shop, title, traffic, cost, fewest)
    name = f"refresh at {latency} ms"
    shop.report.expect(f"{name}: requests against the fewest", traffic.requests / fewest, 1)
    shop.report.expect(f"{name}: seconds against {fewest}/{PER_SECOND}", traffic.seconds * PER_SECOND / fewest, 1.05)
    shop.report.expect(f"{name}: most arrivals in a second", traffic.busiest_second, ALLOWED_PER_SECOND)
    shop.report.expect(f"{name}: refusals", traffic.refused, 0)
    shop.report.expect(f"{name}: share of a core", cost.cpu / cost.wall, 0.35)


def first_apply(shop: Workshop, project: Project, latency: int = 20) -> None:
    """Every flag is new: a create, an edit, and a list of users for each variant; then the read-back."""
    fewest = 2 * len(project.flags) + project.lists
    with shop.emulator(latency) as server:
        server.put()
        planned = run_once(shop.ours(project, server, "plan"))
        cost = run_once(shop.ours(project, server, "apply", "--auto-approve"))
        writes, reads, both = server.traffic("POST", "PATCH", "DELETE"), server.traffic("GET"), server.traffic()
    # A flag that was just made is read once, by the id of the answer, before anything else is sent to that id.
    title = f"First apply of {len(project.flags):,} flags, {latency} ms latency"
    during = both.between(writes.arrivals[0], writes.arrivals[-1])
    _show_traffic(shop, title, during, cost, fewest + len(project.flags))
    shop.report.expect("first `apply`: writes against the fewest", writes.requests / fewest, 1)
    share = during.per_second / PER_SECOND
    shop.report.expect("first `apply`: share of the allowed rate", share, 0.9, at_least=True)
    shop.report.expect("first `apply`: most arrivals in a second", both.busiest_second, ALLOWED_PER_SECOND)
    shop.report.expect("first `apply`: refusals", writes.refused + reads.refused, 0)
    # DriftState grows with the plan, and with nothing that is done beside it.
    memory = cost.mebibytes / planned.mebibytes
    shop.report.expect("first `apply`: memory against the `plan` of the same flags", memory, 1.1)
    # Before: the list, the look-up of what it does not show, experiments that may have one of the keys, deployments
    # that are attached, and the list once more right before the first write. After: the list and all lists of users.
    fewest = 5 + project.pages + len(project.flags) + project.lists
    shop.report.expect("first `apply`: reads", reads.requests, fewest)


def _show_traffic(shop: Workshop, title: str, traffic: Traffic, cost: Cost, fewest: int) -> None:
    rows = [
        ("requests, and the fewest possible", f"{traffic.requests:,}, {fewest:,}"),
        ("seconds from the first to the last", f"{traffic.seconds:.1f}"),
        ("requests a second, of those allowed", f"{traffic.per_second:.1f} of {PER_SECOND}"),
        ("most in any second", str(traffic.busiest_second)),
        ("wall, CPU, memory", f"{cost.wall:.1f} s, {cost.cpu:.1f} s, {cost.mebibytes:.0f} MiB"),
    ]
    shop.report.add(title, ("", ""), rows)


def changed_since(shop: Workshop, project: Project) -> None:
    """Three flags changed since a commit: everything is loaded and validated, and three flags are read."""
    _commit(project.directory)
    _change(project, 3)
    with shop.emulator() as server:
        server.put(project.state())
        command = shop.ours(project, server, "plan", "--changed-since", "HEAD")
        validate = Command(name="validate", arguments=(shop.command, "validate"), directory=project.directory)
        costs = compare([command, validate], runs=3 * shop.runs)  # both are short: many turns of each
        run_once(command)
        requests = server.traffic().requests
    size = len(project.flags)
    shop.report.compare(f"plan --changed-since with 3 flags changed, {size:,} flags", costs)
    what = f"`--changed-since`, 3 of {size:,} flags"
    shop.report.expect(f"{what}: requests", requests, 3)
    if size >= LARGE:
        ratio = costs[command.name].wall / costs[validate.name].wall
        shop.report.expect(f"{what}: wall against `validate`", ratio, 1.3)


def _commit(directory: Path) -> None:
    identity = ("-c", "user.name=Benchmark", "-c", "user.email=you@example.com", "-c", "commit.gpgsign=false")
    for arguments in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "Flags")):
        subprocess.run(["git", *arguments], cwd=directory, check=True)

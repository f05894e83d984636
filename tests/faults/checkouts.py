"""A scenario as a user has it: a directory with files, a server on a real socket, and the installed command."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulators import KEY, PROJECT
from fault_injection import Arrival, FaultInjector
from faults.drills import a_wired_world

from reconciler.api.limits import RetryPolicy
from reconciler.apply import ApplyOptions
from reconciler.emulator import RawRequest, serve
from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.model.wire import encode_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from faults.drills import WiredWorld
    from faults.scenarios import Scenario

    from reconciler.emulator import Behaviour
    from reconciler.model.flag import FlagSpec, Variant
    from reconciler.planning.plan import PlanOptions

COMMAND = str(Path(sys.executable).parent / "reconciler")
SECONDS = 60


@dataclass(kw_only=True)
class Checkout:
    """A directory with the scenario's files, and the server that it is applied to."""

    root: Path
    world: WiredWorld
    url: str
    network: FaultInjector
    door: Doorkeeper
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """What `plan` and `apply` need to be asked for the scenario."""
        return _options(self.world.options)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command in the directory."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> Ran:
        """Run a command in the directory to its end."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=SECONDS)
        return Ran(process.returncode, out, err)

    def apply(self, *arguments: str) -> Ran:
        """Run `apply` as the scenario has it."""
        return self.run("apply", "--auto-approve", *self.options, *arguments)

    def report(self, name: str = "report.json") -> Any:
        """A report that was written, or None."""
        file = self.root / name
        return json.loads(file.read_text("utf-8")) if file.exists() else None


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands in this process retry and look again without waiting."""
    quick = functools.partial(RetryPolicy, attempts=2, base=0.001, longest=0.002)
    monkeypatch.setattr("reconciler.api.transport.RetryPolicy", quick)
    monkeypatch.setattr("reconciler.apply.ambiguous.LOOKS", (0.0,))
    monkeypatch.setattr("reconciler.apply.ambiguous.LOOKS_FOR_CREATE", (0.0,))
    monkeypatch.setattr("reconciler.apply.flag_run.LAG", (0.0,))
    hasty = functools.partial(ApplyOptions, read_back_delays=(0.001,))
    monkeypatch.setattr("reconciler.cli.commands.apply.ApplyOptions", hasty)


@contextmanager
def a_checkout(
    root: Path, scenario: Scenario, behaviour: Behaviour | None = None, *, key: str = KEY
) -> Iterator[Checkout]:
    """The scenario in a directory and on a socket, behind a network that lets everything pass."""
    world = a_wired_world(scenario, behaviour)
    world.emulator.store.add_key(key, "ada@example.com", [PROJECT])
    world.emulator.remember()
    network = FaultInjector(world.emulator.app, plan=lambda _: None)
    door = Doorkeeper(network)
    with serve(door) as url:
        write_files(root, scenario)
        yield Checkout(root=root, world=world, url=url, network=network, door=door, environ=_environ(url, key))


@dataclass
class Hold:
    """The n-th request is held, before it is done or after it, until it is released; `reached` is called meanwhile.

    `drop`: it is not done at all. Nothing here depends on how long anything takes.
    """

    number: int
    reached: Callable[[Arrival], None]
    after_commit: bool = False
    drop: bool = False
    request: RawRequest = field(init=False)
    released: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


@dataclass
class Doorkeeper:
    """The application in front of the network, which holds one request if it is told to."""

    network: FaultInjector
    hold: Hold | None = None
    arrived: list[str] = field(default_factory=list)
    """The method of each request that came, in order."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_asked = scope["path"].startswith("/api/")
        if is_asked:
            self.arrived.append(scope["method"])
        hold, number = self.hold, len(self.arrived)
        if hold is None or number != hold.number or not is_asked:
            await self.network(scope, receive, send)
            return
        answer: list[Any] = []

        async def keep(event: Any) -> None:
            answer.append(event)

        body = await receive()
        arrival = Arrival(number=number, method=scope["method"], path=scope["raw_path"].decode())

        hold.request = RawRequest(method=arrival.method, path=arrival.path, body=body.get("body", b""))

        async def again() -> Any:
            return body

        if hold.after_commit:
            await self.network(scope, again, keep)
        hold.reached(arrival)
        while not hold.released.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.002)
        if not hold.after_commit and not hold.drop:
            await self.network(scope, again, keep)
        hold.done.set()
        for event in answer:
            await send(event)


def _environ(url: str, key: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return kept | {"RECONCILER_API_URL": url, "AMPLITUDE_MANAGEMENT_API_KEY": key}


def write_files(root: Path, scenario: Scenario) -> None:
    """The scenario's configuration, and one file for each declared flag."""
    config: dict[str, Any] = {"version": 1, "projectId": PROJECT, "requests": {"perSecond": 1000}}
    if "managed_tag" in scenario.config:
        config["managedTag"] = scenario.config["managed_tag"]
    (root / "reconciler.yaml").write_text(json.dumps(config), "utf-8")
    (root / "flags").mkdir(exist_ok=True)
    for spec in scenario.specs:
        write_flag(root, spec)


def write_flag(root: Path, spec: FlagSpec) -> None:
    """The file of one flag; JSON is YAML."""
    (root / "flags" / f"{spec.key}.yaml").write_text(json.dumps(document_of(spec), indent=1), "utf-8")


def document_of(spec: FlagSpec) -> dict[str, Any]:
    """A declaration as the document that says it."""
    document: dict[str, Any] = {"key": spec.key} | {
        item.public: encode_field(item, value)
        for item in FIELDS
        if not isinstance(value := getattr(spec, item.name), Unset) and item.name != "variants"
    }
    if not isinstance(spec.variants, Unset):
        document["variants"] = [_variant_of(variant) for variant in spec.variants]
    return document


def _variant_of(variant: Variant) -> dict[str, Any]:
    fields = {name: getattr(variant, name) for name in ("key", "name", "description", "payload")}
    body = {name: value for name, value in fields.items() if not isinstance(value, Unset)}
    lists = {name: getattr(variant, name) for name in ("users", "cohorts")}
    if inclusions := {name: list(value) for name, value in lists.items() if not isinstance(value, Unset)}:
        body["inclusions"] = inclusions
    if variant.renamed_from is not None:
        body["renamedFrom"] = variant.renamed_from
    return body


def _options(options: PlanOptions) -> list[str]:
    named = {"--prune": options.prune, "--unarchive": options.unarchive, "--shield": options.shield}
    allowed = [word for name in sorted(options.allow) for word in ("--allow", name)]
    return [name for name, is_given in named.items() if is_given] + allowed

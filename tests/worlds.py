"""Whole runs in process: a declaration, an emulator, and plan and apply between them, with random pairs of both."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from builders import a_config, a_position
from emulators import AUTHORIZATION, DEPLOYMENTS, KEY, OTHER_USER, PROJECT, an_emulator
from msgspec import structs
from virtual_time import run_in_virtual_time

from reconciler.api.client import connect
from reconciler.api.credentials import ApiKey, Origin, origin_for, read_key
from reconciler.apply import ApplyOptions, ApplyReport, Cancellation, apply_plan
from reconciler.model.config import Requests
from reconciler.model.flag import (
    UNSET,
    Condition,
    DesiredFlag,
    DesiredState,
    FlagSpec,
    LiveState,
    TargetSegment,
    Unset,
    Variant,
    Weights,
)
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.preview import read_and_plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from random import Random

    from reconciler.api.client import Client
    from reconciler.emulator import Emulator
    from reconciler.model.config import Config
    from reconciler.model.versions import History
    from reconciler.progress import Progress

__all__ = ["AUTHORIZATION", "DEPLOYMENTS", "OTHER_USER", "PROJECT", "an_emulator"]

ENVIRON = {"RECONCILER_API_URL": "http://127.0.0.1:1", "AMPLITUDE_MANAGEMENT_API_KEY": KEY}
FAST = Requests(per_second=100_000, concurrency=16, daily_budget=10_000_000)
NO_WAIT = ApplyOptions(read_back_delays=(0.001, 0.001, 0.001, 0.001))
UNGUARDED = PlanOptions(
    unarchive=True,
    allow=frozenset(
        {
            "archives",
            "dependents",
            "deployments",
            "empty",
            "exposure",
            "kill-switch",
            "rebucket",
            "transient",
            "updates",
        }
    ),
)


def desired_of(*specs: FlagSpec) -> DesiredState:
    """A declaration of these flags."""
    flags = {spec.key: DesiredFlag(spec=spec, source=a_position()) for spec in specs}
    return DesiredState(flags=dict(sorted(flags.items())), files=len(flags))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One plan, and what became of it."""

    plan: Plan
    live: LiveState
    report: ApplyReport | None = None


@dataclass(kw_only=True)
class World:
    """A declaration and a project."""

    emulator: Emulator
    desired: DesiredState
    config: Config
    options: PlanOptions = UNGUARDED
    apply_options: ApplyOptions = NO_WAIT
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    history: History | None = None
    progress: Progress | None = None
    cancellation: Cancellation | None = None

    @asynccontextmanager
    async def client(self, *, read_only: bool) -> AsyncIterator[Client]:
        """A client of the emulator in process."""
        origin: Origin = origin_for("us", ENVIRON)
        key: ApiKey = read_key(ENVIRON, None, origin=origin)
        http = httpx.ASGITransport(self.emulator.app)
        async with connect(self.config, key, origin, read_only=read_only, http=http) as client:
            yield client

    async def plan_async(self) -> Run:
        """A plan of now."""
        async with self.client(read_only=True) as client:
            plan, live = await read_and_plan(
                client, self.desired, self.config, self.options, now=datetime.now(UTC), history=self.history
            )
        return Run(plan=plan, live=live)

    async def apply_async(self, meanwhile: Callable[[], None] | None = None) -> Run:
        """Plan, let `meanwhile` happen, and apply."""
        run = await self.plan_async()
        if meanwhile:
            meanwhile()
        return await self.apply_planned(run)

    async def apply_planned(self, run: Run) -> Run:
        """Apply what was planned."""
        async with self.client(read_only=False) as client:
            report = await apply_plan(
                run.plan,
                client,
                desired=self.desired,
                live=run.live,
                config=self.config,
                options=self.apply_options,
                cancellation=self.cancellation,
                progress=self.progress,
                sleep=self.sleep,
            )
        return replace(run, report=report)

    def look(self) -> Run:
        """A plan of now, with what it was made from."""
        return run_now(self.plan_async())

    def plan(self) -> Plan:
        """A plan of now."""
        return self.look().plan

    def carry_out(self, planned: Run) -> Run:
        """Apply what was planned."""
        return run_now(self.apply_planned(planned))

    def apply(self, meanwhile: Callable[[], None] | None = None) -> Run:
        """Plan and apply."""
        return run_now(self.apply_async(meanwhile))


def run_now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine; what it waits takes no time."""
    return run_in_virtual_time(work)


def a_world(emulator: Emulator, *specs: FlagSpec, **settings: Any) -> World:
    """A world of this emulator and declaration; `settings` are those of World and of Config."""
    own = {
        name: settings.pop(name) for name in ("options", "apply_options", "history", "progress") if name in settings
    }
    config = a_config(**{"requests": FAST} | settings)
    return World(emulator=emulator, desired=desired_of(*specs), config=config, **own)


def after_writes(world: World, number: int, act: Callable[[], None]) -> None:
    """Let `act` happen once, right after so many writes were done."""
    commit, left = world.emulator.store.commit, [number]

    def counted(*args: Any, **settings: Any) -> Any:
        result = commit(*args, **settings)
        left[0] -= 1
        if left[0] == 0:
            act()
        return result

    world.emulator.store.commit = counted  # type: ignore[method-assign]


# Random pairs


def random_live_flag(random: Random, key: str) -> dict[str, Any]:
    """A flag as the emulator is seeded with it: any variants, weights, segments, inclusions."""
    names = random.sample(["a", "b", "c", "d"], random.randint(1, 4))
    return {
        "projectId": PROJECT,
        "key": key,
        "name": random.choice(["", "N", "M"]),
        "description": random.choice(["", "text"]),
        "enabled": random.random() < 0.6,
        "evaluationMode": random.choice(["remote", "local"]),
        "bucketingKey": random.choice(["amplitude_id", "user_id", "device_id"]),
        "rolloutPercentage": random.choice([0, 10, 50, 100]),
        "variants": [_random_live_variant(random, name) for name in names],
        "rolloutWeights": _random_weights(random, names),
        "targetSegments": [_random_live_segment(random, names, index) for index in range(random.randint(0, 2))],
        "deployments": random.sample(sorted(DEPLOYMENTS), random.randint(0, 3)),
        "tags": random.sample(["x", "y", "z"], random.randint(0, 2)),
    }


def _random_live_variant(random: Random, name: str) -> dict[str, Any]:
    users = [f"{name}-{user}" for user in random.sample(range(6), random.randint(0, 4))]
    copies = random.sample(users, 1) * random.randint(1, 2) if users and random.random() < 0.15 else []
    return {
        "key": name,
        "name": random.choice(["", "V"]),
        "description": random.choice(["", "W"]),
        "payload": random.choice([None, {}, {"x": 1}, [1, 2], "text", True, 1.5]),
        "users": users + copies,
        "cohorts": [f"c{cohort}" for cohort in random.sample(range(3), random.randint(0, 2))],
    }


def _random_weights(random: Random, names: list[str]) -> dict[str, int]:
    weights = {name: random.choice([0, 1, 1, 2, 50]) for name in names}
    if not any(weights.values()):
        weights[random.choice(names)] = 1
    return weights


def _random_live_segment(random: Random, names: list[str], index: int) -> dict[str, Any]:
    condition = {"type": "property", "prop": random.choice(["country", "gp:plan"]), "op": "is", "values": ["US"]}
    return {
        "name": f"Segment {index}",
        "conditions": [condition],
        "percentage": random.choice([0, 25, 100]),
        "bucketingKey": random.choice(["amplitude_id", "user_id"]),
        "rolloutWeights": _random_weights(random, random.sample(names, random.randint(1, len(names)))),
    }


def random_spec(random: Random, key: str, live: dict[str, Any] | None) -> FlagSpec:
    """A declaration of a flag, as near to the live one as chance has it; some fields stay undeclared."""
    base = live or random_live_flag(random, key)
    other = random_live_flag(random, key)

    def pick(name: str) -> Any:
        return base[name] if random.random() < 0.6 else other[name]

    declares_variants = live is None or random.random() < 0.7
    variants = pick("variants") if declares_variants else base["variants"]
    names = [variant["key"] for variant in variants]
    spec = FlagSpec(
        key=key,
        name=pick("name"),
        description=pick("description"),
        enabled=pick("enabled"),
        archived=random.choice([False, False, UNSET]),
        evaluation_mode=pick("evaluationMode"),
        bucketing_key=pick("bucketingKey"),
        bucketing_salt=random.choice([UNSET, "salt"]),
        rollout_percentage=pick("rolloutPercentage"),
        rollout_weights=Weights.of(_random_weights(random, names)),
        variants=tuple(_random_variant(random, variant) for variant in variants) if declares_variants else UNSET,
        target_segments=_random_segments(random, names),
        deployments=tuple(pick("deployments")),
        tags=tuple(pick("tags")),
    )
    optional = ("name", "description", "enabled", "evaluation_mode", "bucketing_key", "rollout_percentage",
                "rollout_weights", "deployments", "tags")  # fmt: skip
    dropped = {name: UNSET for name in optional if random.random() < 0.25}
    if live is not None and not (declares_variants and _names_gone(live, names)) and random.random() < 0.3:
        dropped["target_segments"] = UNSET
    return structs.replace(spec, **dropped)


def _names_gone(live: dict[str, Any], names: list[str]) -> bool:
    return any(set(segment["rolloutWeights"]) - set(names) for segment in live["targetSegments"])


def _random_variant(random: Random, variant: dict[str, Any]) -> Variant:
    users = tuple(f"{variant['key']}-{user}" for user in random.sample(range(6), random.randint(0, 4)))
    return Variant(
        key=variant["key"],
        name=random.choice([UNSET, variant["name"], "V2"]),
        description=random.choice([UNSET, variant["description"]]),
        payload=random.choice([UNSET, variant["payload"], {"y": [1, {"z": None}]}]),
        users=random.choice([UNSET, tuple(dict.fromkeys(variant["users"])), users, ()]),
        cohorts=random.choice([UNSET, tuple(variant["cohorts"]), ("c1",)]),
    )


def _random_segments(random: Random, names: list[str]) -> tuple[TargetSegment, ...]:
    return tuple(
        TargetSegment(
            name=f"Segment {index}",
            conditions=(Condition(prop="country", op="is", values=(random.choice(["US", "CA"]),)),),
            percentage=random.choice([0, 25, 100]),
            rollout_weights=Weights.of(_random_weights(random, random.sample(names, random.randint(1, len(names))))),
            bucketing_key=random.choice([UNSET, "user_id"]),
        )
        for index in range(random.randint(0, 2))
    )


def is_declared(value: object) -> bool:
    """Whether a field of a spec is said."""
    return not isinstance(value, Unset)

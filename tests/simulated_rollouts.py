"""A rollout in simulated time, with everything that goes wrong, and the rules that its writes are held to.

Runs come late, twice at once, and are killed at any request; the server and the network fail; guards are asked of
metrics that vanish, lie or come late; people edit the flag in the web app; and attempts are declared. Then the
versions of the flag are read: every write of ours must be one that the rules allow.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
from builders import a_config, a_position
from emulators import OTHER_USER, USER, an_emulator
from fault_injection import Arrival, Cut, Fault, FaultInjector, Respond
from official_engine import OfficialFlag
from worlds import ENVIRON, FAST, run_now

from reconciler.api.client import connect
from reconciler.api.credentials import origin_for, read_key
from reconciler.apply.context import Cancellation
from reconciler.cli.advancing import AdvanceArguments, Running, advance_once
from reconciler.cli.loading import Loaded
from reconciler.cli.planning import Credentials
from reconciler.errors import ReconcilerError
from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec, Variant, Weights
from reconciler.model.rollout import GuardSource, PlacedRollout, Rollout, Step, parse_window
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.rollouts.sequential import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random


START = datetime(2030, 1, 7, 8, tzinfo=UTC)
KEY, BASES = "new-checkout", (0, 0, 0, 3)
WINDOW = parse_window("mon-fri", "06:00-20:00", "Europe/Berlin")
USERS = [{"user_id": f"user-{number}"} for number in range(40)]
ORIGIN = origin_for("us", ENVIRON)
CREDENTIALS = Credentials(origin=ORIGIN, key=read_key(ENVIRON, None, origin=ORIGIN))
assert WINDOW is not None


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Simulation:
    """One flag, one rollout, and what happens to them."""

    random: Random
    now: datetime = START
    declared: list[DeclaredValue] = field(default_factory=list)
    verdict: Verdict = Verdict.FINE
    source: GuardSource = field(default_factory=lambda: GuardSource(kind="command", variable="X"))
    answers: list[tuple[datetime, Verdict]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        random = self.random
        chosen = sorted(random.sample([5, 10, 20, 50, 80], random.randint(1, 3)))
        steps = [Step(value, timedelta(hours=random.choice([1, 6, 24]))) for value in chosen] + [Step(100)]
        self.rollout = Rollout(
            steps=tuple(steps),
            guards=("g",) if random.random() < 0.8 else (),
            on_fail=random.choice(["rollback", "rollback", "hold", "off"]),
            window="office" if random.random() < 0.3 else None,
        )
        self.base = random.choice(BASES)
        self.now = START - timedelta(days=1)
        variants = [{"key": "control"}, {"key": "treatment"}]
        flag = {"key": KEY, "enabled": True, "rolloutPercentage": self.base, "variants": variants}
        weights = {"control": 1, "treatment": random.choice([1, 3])}
        self.emulator = an_emulator(flag | {"rolloutWeights": weights}, now=lambda: self.now)
        self.now = START
        self.declare(1)

    def declare(self, attempt: int) -> None:
        """The branch gets a declaration now."""
        self.declared.insert(0, DeclaredValue(value={"attempt": attempt}, commit="c", at=self.now))
        self.attempt = attempt

    @property
    def loaded(self) -> Loaded:
        """What is checked out."""
        rollout = Rollout(
            steps=self.rollout.steps,
            guards=self.rollout.guards,
            on_fail=self.rollout.on_fail,
            window=self.rollout.window,
            attempt=self.attempt,
        )
        spec = FlagSpec(key=KEY, rollout_percentage=100)
        flag = DesiredFlag(spec=spec, source=a_position(), rollouts=(PlacedRollout(rollout=rollout, end=100),))
        config = a_config(requests=FAST, guards={"g": self.source}, windows={"office": WINDOW})
        return Loaded(config=config, desired=DesiredState(flags={KEY: flag}, files=1))

    def history(self, places: Any, _until: Any) -> Mapping[Any, Timeline]:
        """What git tells."""
        return dict.fromkeys(places, Timeline(values=tuple(self.declared)))

    # The sources of guards

    def verdict_now(self) -> Verdict:
        self.answers.append((self.now, self.verdict))
        return self.verdict

    # What happens

    def hand(self) -> None:
        """A person edits the flag in the web app."""
        values = [0, 0, self.base, 1, 7, *self.rollout.percentages]
        fields: dict[str, Any] = {"rolloutPercentage": self.random.choice(values)}
        if self.random.random() < 0.3:
            fields = {"enabled": self.random.random() < 0.6}
        if self.random.random() < 0.2:
            fields = {"description": str(self.random.random())}
        flag_id = next(iter(self.emulator.store.flags))
        self.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", fields)
        self.counts["hands"] += 1

    def plan_of_faults(self, *, alone: bool) -> tuple[Any, bool]:
        """What becomes of the requests of a run, and whether it is killed by that.

        No person edits while two are under way: between a look and the write after it the API does not show it.
        """
        random, kind = self.random, self.random.random()
        number = random.randint(1, 9)
        if kind < 0.5:
            return (lambda _: None), False
        if kind < 0.65:
            self.counts["killed"] += 1
            is_after = random.random() < 0.5

            def killed(arrival: Arrival) -> Fault | None:
                return Cut(after_commit=is_after) if arrival.number >= number else None

            return killed, True
        if kind < 0.75 and alone:

            def meanwhile(arrival: Arrival) -> Fault | None:
                if arrival.number == number and arrival.method == "GET":
                    self.hand()
                return None

            return meanwhile, False
        fault = random.choice(
            [
                Respond(status=500),
                Respond(status=503),
                Respond(status=500, after_commit=True),
                Cut(),
                Cut(after_commit=True),
            ]
        )
        share = random.choice([0.1, 0.5])
        self.counts["faulty"] += 1
        return (lambda _: fault if random.random() < share else None), False

    async def advance(self, *, alone: bool = True) -> None:
        """One run, from the look to the read-back."""
        plan, dies = self.plan_of_faults(alone=alone)
        cut: Any = KilledError if dies else (lambda: httpx.ReadError("cut"))
        http = httpx.ASGITransport(FaultInjector(self.emulator.app, plan, cut))
        loaded = self.loaded
        with suppress(KilledError, ReconcilerError, BaseExceptionGroup):
            async with connect(loaded.config, CREDENTIALS.key, ORIGIN, read_only=False, http=http) as client:
                running = Running(client, CREDENTIALS, Cancellation(), None)
                await advance_once(loaded, AdvanceArguments(), running)
        self.counts["runs"] += 1

    def live_through(self, events: int) -> None:
        """So many events, up to 12 hours apart."""
        for _ in range(events):
            self.now += timedelta(seconds=self.random.randrange(1, 12 * 3600))
            self.verdict = self.random.choices([Verdict.FINE, Verdict.UNKNOWN, Verdict.WORSE], [8, 2, 1])[0]
            kind = self.random.random()
            if kind < 0.04:
                self.hand()
            elif kind < 0.08:
                self.declare(self.attempt + 1)
            elif kind < 0.10 and self.attempt > 1:
                self.declare(self.attempt - 1)
            elif kind < 0.25:
                self.counts["doubled"] += 1
                run_now(self.twice())
            else:
                run_now(self.advance())

    async def twice(self) -> None:
        """Two runs at once, request by request."""
        await asyncio.gather(self.advance(alone=False), self.advance(alone=False))

    # The rules

    def check(self) -> None:
        """Hold every write of ours to the rules."""
        records = self.emulator.store.versions_of(next(iter(self.emulator.store.flags)))
        seen = [Seen.of(record) for record in records]
        for index, (before, after) in enumerate(pairwise(seen)):
            if after.by != USER or (before.percentage, before.enabled) == (after.percentage, after.enabled):
                continue
            self.counts["writes"] += 1
            if after.enabled and after.percentage > before.percentage:
                self.check_step(seen[: index + 1], before, after)
            else:
                self.check_fall(seen[: index + 1], after)

    def check_step(self, earlier: list[Seen], before: Seen, after: Seen) -> None:
        self.counts["steps"] += 1
        values, since = self.rollout.percentages, self.declared_since(after.at)
        place = values.index(after.percentage)
        base = [item for item in earlier if item.at < since][-1].share
        assert before.percentage == (values[place - 1] if place else base), "one step at a time"
        falls = [two for one, two in pairwise(earlier) if two.at >= since and two.share < one.share]
        assert not falls, "none back after a rollback without a later declaration"
        said = {verdict for at, verdict in self.answers if at == after.at}
        assert said == ({Verdict.FINE} if self.rollout.guards else set()), "every guard agreed"
        if place or before.percentage in values:
            stood = max(since, next(one.at for one in _standing(earlier)))
            assert after.at - stood >= (self.rollout.steps[place - 1].hold or timedelta(0)), "it stood long enough"
        assert self.rollout.window is None or WINDOW is None or WINDOW.is_open(after.at), "the window was open"
        one, other = OfficialFlag(before.spec), OfficialFlag(after.spec)
        for user in USERS:
            had = one.assign(user)[0]
            assert had == "off" or other.assign(user)[0] == had, "no user loses a variant"

    def check_fall(self, earlier: list[Seen], after: Seen) -> None:
        self.counts["falls"] += 1
        assert Verdict.WORSE in {verdict for at, verdict in self.answers if at == after.at}, "a guard said worse"
        since = self.declared_since(after.at)
        if self.rollout.on_fail == "off":
            assert not after.enabled
        else:
            assert self.rollout.on_fail == "rollback"
            assert after.percentage == [item for item in earlier if item.at < since][-1].share

    def declared_since(self, at: datetime) -> datetime:
        """Since when the attempt of a time, or a higher one, was declared."""
        known = [item for item in reversed(self.declared) if item.at is not None and item.at <= at]
        attempt = known[-1].value["attempt"]
        first = len(known) - 1
        while first and known[first - 1].value["attempt"] >= attempt:
            first -= 1
        found = known[first].at
        assert found is not None
        return found


@dataclass(frozen=True)
class Seen:
    """A version of the flag."""

    percentage: float
    enabled: bool
    at: datetime
    by: str
    spec: FlagSpec

    @property
    def share(self) -> float:
        return self.percentage if self.enabled else 0

    @classmethod
    def of(cls, record: Any) -> Seen:
        flag = record["flag"]
        at = datetime.fromisoformat(record["createdAt"])
        return cls(flag["rolloutPercentage"], flag["enabled"], at, record["createdBy"], _spec_of(flag))


def _spec_of(flag: Any) -> FlagSpec:
    return FlagSpec(
        key=flag["key"],
        enabled=flag["enabled"],
        evaluation_mode=flag["evaluationMode"],
        bucketing_key="user_id",
        bucketing_salt=flag["bucketingSalt"],
        bucketing_unit="User",
        rollout_percentage=flag["rolloutPercentage"],
        rollout_weights=Weights.of(flag["rolloutWeights"]),
        variants=tuple(Variant(key=item["key"]) for item in flag["variants"]),
        target_segments=(),
    )


def _standing(earlier: list[Seen]) -> Iterator[Seen]:
    """The versions since which the last share has stood, the oldest first."""
    found = []
    for item in reversed(earlier):
        if item.share != earlier[-1].share:
            break
        found.append(item)
    return reversed(found)


class SimulatedSources:
    """What the advance of a simulation asks."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def counts(self, *_: Any) -> Any:
        raise AssertionError

    def verdict(self, *_: Any) -> Verdict:
        return self.simulation.verdict_now()


async def at_once(function: Any, *arguments: Any) -> Any:
    return function(*arguments)

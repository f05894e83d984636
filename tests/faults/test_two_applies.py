"""Two runs at once on one project: in any interleaving, a lost update that could be seen is seen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER, a_live_flag, an_emulator
from faults.drills import WiredWorld, attempt
from faults.wire import Passage, Wire
from virtual_time import run_in_virtual_time
from worlds import UNGUARDED, a_world, desired_of

from reconciler.apply import ApplyOptions, Status
from reconciler.model.flag import FlagSpec, Variant, Weights

if TYPE_CHECKING:
    from faults.drills import Attempt

    from reconciler.emulator import Emulator

SHORT, LONG = 60, 2000


@dataclass
class Turns:
    """Lets requests of several runs pass one at a time, in an order that chance decides."""

    random: Random
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def gate(self, _: Passage) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        asyncio.get_running_loop().call_later(0.01, self._next)
        await mine

    def _next(self) -> None:
        chosen = self.waiting.pop(self.random.randrange(len(self.waiting)))
        chosen.set_result(None)


@dataclass(frozen=True)
class Moment:
    """A delivered request on a flag: whose it is, and how the flag was before it."""

    who: str
    is_write: bool
    is_look: bool
    before: dict[str, Any]


class History:
    """Everything that was delivered, in order, with the state before it."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._state = dict(emulator.store.flags)
        self.moments: list[Moment] = []

    def watch(self, who: str) -> Any:
        def saw(passage: Passage) -> None:
            query = f"&{passage.raw.query}&"
            is_look = passage.call == ("GET", "/api/1/flags") and ("&key=" not in query or "&key=a&" in query)
            self.moments.append(Moment(who, passage.is_write and bool(passage.commits), is_look, self._state))
            self._state = dict(self._emulator.store.flags)

        return saw

    def note(self, who: str) -> None:
        self.moments.append(Moment(who, True, False, self._state))
        self._state = dict(self._emulator.store.flags)


def variants(*users: str) -> tuple[Variant, ...]:
    return (Variant(key="control", users=users), Variant(key="treatment"))


def declarations(random: Random) -> tuple[FlagSpec, FlagSpec]:
    """Two wishes for one flag, and for a flag that does not exist."""
    weights = [Weights.of({"control": random.randint(0, 3), "treatment": random.randint(1, 3)}) for _ in range(2)]
    return tuple(  # type: ignore[return-value]
        FlagSpec(
            key="a",
            rollout_percentage=random.choice([20, 40, 60]),
            rollout_weights=weight,
            variants=variants(*random.sample(["x", "y", "z"], random.randint(0, 3))),
            tags=tuple(random.sample(["t", "u"], random.randint(0, 2))),
        )
        for weight in weights
    )


def a_runner(emulator: Emulator, specs: tuple[FlagSpec, ...], turns: Turns, watch: Any) -> WiredWorld:
    world = a_world(emulator, *specs)
    return WiredWorld(
        emulator=emulator,
        desired=desired_of(*specs),
        config=world.config,
        options=UNGUARDED,
        apply_options=ApplyOptions(),
        wire=Wire(emulator, gate=turns.gate, watch=watch),
    )


def shown(state: dict[str, Any], key: str) -> Any:
    """What a run can see of a flag."""
    for record in state.values():
        if record["key"] == key:
            return {name: value for name, value in record.items() if not name.startswith("lastModified")}
    return None


def _interleave(seed: int) -> tuple[History, dict[str, Attempt], dict[str, WiredWorld]]:
    random = Random(seed)
    emulator = an_emulator(a_live_flag("a", rolloutPercentage=50), a_live_flag("foreign"))
    turns, history = Turns(random), History(emulator)
    wishes = dict(zip(("one", "other"), declarations(random), strict=True))
    new = FlagSpec(key="new", variants=(Variant(key="on"),))
    runners = {who: a_runner(emulator, (spec, new), turns, history.watch(who)) for who, spec in wishes.items()}

    async def both() -> dict[str, Attempt]:
        results = await asyncio.gather(*(attempt(runner) for runner in runners.values()))
        return dict(zip(runners, results, strict=True))

    return history, run_in_virtual_time(both()), runners


def _check(seed: int) -> int:
    history, attempts, runners = _interleave(seed)
    emulator = next(iter(runners.values())).emulator
    for who, attempted in attempts.items():
        _check_run(who, attempted, runners[who], history)
    keys = [flag["key"] for flag in emulator.store.flags.values()]
    assert len(keys) == len(set(keys)), "made twice"
    assert run_in_virtual_time(attempt(runners["one"])).exit_code in {0, 7}
    last = run_in_virtual_time(attempt(runners["one"]))
    assert last.exit_code == 0
    assert last.plan is not None
    return sum(attempted.exit_code != 0 for attempted in attempts.values())


def _check_run(who: str, attempted: Attempt, runner: WiredWorld, history: History) -> None:
    """Of a run that says that a flag is as declared: the last time it looked, it was; nor did it write unseen."""
    assert attempted.report is not None, attempted.error
    outcome = {item.key: item for item in attempted.report.outcomes}.get("a")
    if outcome is None or outcome.status is not Status.APPLIED:
        return
    looks, first_write = _looks(who, history)
    before = [shown(moment.before, "a") for place, moment in looks if place < first_write]
    assert before[0]["rolloutPercentage"] == before[-1]["rolloutPercentage"], f"{who} wrote over what it had seen"
    seen = shown(looks[-1][1].before, "a")
    spec = runner.desired.flags["a"].spec
    assert seen["rolloutPercentage"] == spec.rollout_percentage, f"{who} reports what it did not see"


def _looks(who: str, history: History) -> tuple[list[tuple[int, Moment]], int]:
    """The moments at which a run looked at flags, and when it wrote first."""
    own = [(place, moment) for place, moment in enumerate(history.moments) if moment.who == who]
    first_write = min(place for place, moment in own if moment.is_write)
    return [(place, moment) for place, moment in own if moment.is_look], first_write


@pytest.mark.parametrize("block", range(4))
def test_two_applies_at_once(block: int, count: Any) -> None:
    """No flag is made twice, no update that a look has shown is lost unseen, and one more run sets all right."""
    _check_block(block, SHORT // 4, count)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", range(8))
def test_two_applies_at_once_many_times(block: int, count: Any) -> None:
    """The same in thousands of interleavings."""
    _check_block(1000 + block, LONG // 8, count)


def _check_block(block: int, size: int, count: Any) -> None:
    seen = sum(_check(seed) for seed in range(block * size, (block + 1) * size))
    count("interleavings of two runs", size)
    count("runs that saw the other and said so", seen)
    assert seen


@pytest.mark.parametrize("number", range(1, 12))
def test_a_colleague_before_any_request(number: int, count: Any) -> None:
    """Who edits the flag by hand right before the n-th request is overwritten only where that cannot be seen."""
    emulator = an_emulator(a_live_flag("a", rolloutPercentage=50))
    history, flag_id = History(emulator), next(iter(emulator.store.flags))
    spec = FlagSpec(key="a", rollout_percentage=60, variants=variants("x"))
    runner = a_runner(emulator, (spec,), Turns(Random(1)), history.watch("us"))
    edits: list[int] = []

    async def gate(passage: Passage) -> None:
        if passage.number == number:
            emulator.edit_as(
                OTHER_USER, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 5, "description": "by hand"}
            )
            history.note("colleague")
            edits.append(len([moment for moment in history.moments if moment.who == "us" and moment.is_write]))

    runner.wire.gate = gate
    done = run_in_virtual_time(attempt(runner))
    record = emulator.store.flags[flag_id]
    if edits:
        assert record["description"] == "by hand", "S1: a field that is not declared"
    assert done.report is not None
    outcome = {item.key: item for item in done.report.outcomes}["a"]
    if outcome.status is Status.APPLIED and edits:
        assert record["rolloutPercentage"] in {60, 5}
        looks, _ = _looks("us", history)
        assert shown(looks[-1][1].before, "a")["rolloutPercentage"] == 60
    count("edits by hand before a request", len(edits))

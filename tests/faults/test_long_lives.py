"""Long lives of one project: files change, a colleague edits by hand, runs fail and die; then all is put right.

The rules are what can happen, the invariants what must hold after each step, in any order.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from emulators import OTHER_USER, an_emulator
from faults.drills import WiredWorld, attempt
from faults.fault_kinds import KINDS
from faults.oracles import records
from faults.wire import Passage, Wire
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from virtual_time import run_in_virtual_time
from worlds import DEPLOYMENTS, UNGUARDED, a_world, desired_of, random_live_flag, random_spec

from reconciler.apply import ApplyOptions
from reconciler.emulator import RefusedError
from reconciler.errors import InvalidInputError
from reconciler.model.canonical import same_json
from reconciler.model.fields import FIELDS
from reconciler.model.flag import FlagSpec, Unset

SEEDS = st.integers(min_value=0, max_value=2**32)
PLACES = st.integers(min_value=1, max_value=25)
LIVE = ("a", "b", "c", "foreign")
DECLARABLE = ("a", "b", "c", "new", "newer")
SHORT = settings(
    max_examples=10, stateful_step_count=15, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck), database=None,
)  # fmt: skip
LONG = settings(SHORT, max_examples=500, stateful_step_count=50)


class KilledError(Exception):
    """The process is gone: nothing is sent any more, nothing is said."""


class Life(RuleBasedStateMachine):
    """One project, one repository, one colleague."""

    steps = 0

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        random = Random(seed)
        self.emulator = an_emulator(*(random_live_flag(random, key) for key in LIVE))
        self.specs: dict[str, FlagSpec] = {}
        self.foreign = self._foreign()
        for key in DECLARABLE[:4]:
            self.declare(seed, key)

    @rule(seed=SEEDS, key=st.sampled_from(DECLARABLE))
    def declare(self, seed: int, key: str) -> None:
        """A flag file is edited."""
        live = next((dict(flag) for flag in self.emulator.store.flags.values() if flag["key"] == key), None)
        self.specs[key] = random_spec(Random(seed), key, live)

    @rule(key=st.sampled_from(DECLARABLE))
    def forget(self, key: str) -> None:
        """A flag file is deleted."""
        self.specs.pop(key, None)

    @rule(seed=SEEDS)
    def edit_by_hand(self, seed: int) -> None:
        """A colleague changes something in the console."""
        random = Random(seed)
        flag = random.choice(list(self.emulator.store.flags.values()))
        path, variant = f"/flags/{flag['id']}", random.choice(flag["variants"])["key"]
        method, where, body = random.choice([
            ("PATCH", path, {"description": f"by hand {seed}"}),
            ("PATCH", path, {"rolloutPercentage": random.randint(0, 100), "enabled": random.random() < 0.5}),
            ("PATCH", path, {"archive": random.random() < 0.5}),
            ("PATCH", path, {"tags": ["theirs"]}),
            ("POST", f"{path}/variants/{variant}/users", {"inclusions": [f"hand-{seed % 5}"]}),
            ("PATCH", f"{path}/variants/{variant}", {"rolloutWeight": random.randint(1, 5)}),
            ("POST", f"{path}/variants", {"key": f"v{seed % 3}", "rolloutWeight": 1}),
            ("POST", f"{path}/deployments", {"deployments": [random.choice(sorted(DEPLOYMENTS))]}),
        ])  # fmt: skip
        try:
            self.emulator.edit_as(OTHER_USER, method, where, body)
        except RefusedError:
            return
        self.foreign = self._foreign()

    @rule()
    def plan(self) -> None:
        """A plan is looked at: GET only."""
        world = self._world()
        with suppress(InvalidInputError):
            run_in_virtual_time(world.plan_async())
        assert not world.wire.writes

    @rule()
    def apply(self) -> None:
        """A run without trouble: where it ends well, nothing is left to do."""
        world = self._world()
        if run_in_virtual_time(attempt(world)).exit_code == 0:
            again = run_in_virtual_time(attempt(world))
            assert again.plan is not None
            assert again.plan.is_empty

    @rule(kind=st.sampled_from(KINDS), number=PLACES)
    def apply_in_trouble(self, kind: Any, number: int) -> None:
        """A run that meets a fault."""
        world = self._world()
        world.wire.plan = lambda passage: kind.fault if number <= passage.number < number + kind.lasts else None
        run_in_virtual_time(attempt(world))
        world.wire.settle()
        self.foreign = self._foreign()

    @rule(number=PLACES, after_commit=st.booleans())
    def die(self, number: int, after_commit: bool) -> None:
        """A run that is killed at a request."""
        world = self._world()

        async def killed(passage: Passage) -> Any:
            if after_commit and passage.number == number:
                passage.deliver()
            raise KilledError

        world.wire.plan = lambda passage: killed if passage.number >= number else None
        with suppress(KilledError):
            run_in_virtual_time(attempt(world))
        self.foreign = self._foreign()

    @precondition(lambda self: hasattr(self, "emulator"))
    @invariant()
    def nothing_is_twice(self) -> None:
        type(self).steps += 1
        keys = [flag["key"] for flag in self.emulator.store.flags.values()]
        assert len(keys) == len(set(keys))

    @precondition(lambda self: hasattr(self, "emulator"))
    @invariant()
    def foreign_flags_stay(self) -> None:
        assert self._foreign() == self.foreign

    def teardown(self) -> None:
        """In the end, without edits by others: a few runs, and the declared state holds."""
        if not hasattr(self, "emulator"):
            return
        world = self._world()
        for _ in range(3):
            last = run_in_virtual_time(attempt(world))
            if last.exit_code == 0:
                break
        if last.exit_code in {3, 5}:  # what is declared cannot be met, or has no weight: said, and nothing sent
            assert not [passage for passage in last.sent if passage.is_write]
            return
        assert last.exit_code == 0, (last.error, last.report)
        assert run_in_virtual_time(world.plan_async()).plan.is_empty

    def _foreign(self) -> dict[str, Any]:
        return {key: record for key, record in records(self.emulator).items() if record["key"] not in DECLARABLE}

    def _world(self) -> WiredWorld:
        config = a_world(self.emulator).config
        wire = Wire(self.emulator, watch=self._watch())
        return WiredWorld(
            emulator=self.emulator,
            desired=desired_of(*self.specs.values()),
            config=config,
            options=UNGUARDED,
            apply_options=ApplyOptions(),
            wire=wire,
        )

    def _watch(self) -> Any:
        """Every write is on a declared flag, and moves only what is declared of it."""
        state = records(self.emulator)

        def saw(passage: Passage) -> None:
            nonlocal state
            before, state = state, records(self.emulator)
            for flag_id, record in state.items():
                if before.get(flag_id) is not record:
                    self._check_write(before.get(flag_id), record)

        return saw

    def _check_write(self, before: dict[str, Any] | None, record: dict[str, Any]) -> None:
        spec = self.specs.get(record["key"])
        assert spec is not None, f"S1: {record['key']} is not declared"
        for name, public in ((field.name, field.public) for field in FIELDS):
            if before is not None and public != "variants" and isinstance(getattr(spec, name), Unset):
                if public == "rolloutWeights" and not isinstance(spec.variants, Unset):
                    continue  # a variant that goes takes its weight along
                assert same_json(record[public], before[public]), f"S1: {public} is not declared"


def test_long_lives(count: Any) -> None:
    """In any order of events, the promises hold and the declared state is reached in the end."""
    _live(SHORT, count)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_long_lives(count: Any) -> None:
    """The same for 500 lives of 50 steps."""
    _live(LONG, count)


def _live(how: settings, count: Any) -> None:
    Life.steps = 0
    run_state_machine_as_test(Life, settings=how)
    count("lives", how.max_examples)
    count("steps", Life.steps)

"""Advancing rollouts: look where each stands, ask its guards, and plan one write for each that is to move.

The plan goes the way of every plan: it is read again, judged by the guards of flags and of the run, and applied with
a look before each write and a read-back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.live import fetch_live_state
from reconciler.model.canonical import fields_that_moved
from reconciler.model.config import matcher
from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec
from reconciler.model.rollout import closed_until
from reconciler.planning.guards import ALLOWABLE, WINDOW
from reconciler.planning.held import hold
from reconciler.planning.plan import PlanOptions
from reconciler.preview import read_and_plan
from reconciler.rollouts.guards import Question, ask, variants_with_users
from reconciler.rollouts.reader import RolloutReader
from reconciler.rollouts.standing import (
    MoveKind,
    Standing,
    decided,
    moved_spec,
    one_way,
)
from reconciler.text import time_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag, LiveState
    from reconciler.model.rollout import PlacedRollout
    from reconciler.model.versions import History
    from reconciler.planning.plan import FlagPlan, Plan
    from reconciler.progress import Progress
    from reconciler.rollouts.guards import Answer, Sources
    from reconciler.rollouts.position import Position
    from reconciler.rollouts.reader import Facts


class Look(Struct, frozen=True, kw_only=True):
    """Where every rollout in scope stands at a time, and the live flags that this was read from."""

    standings: tuple[Standing, ...]
    live: Mapping[str, LiveFlag]


class Advance(Struct, frozen=True, kw_only=True):
    """A run: what is declared, and how to tell what git and the guards' sources say. `allow` as for a plan."""

    client: Client
    desired: DesiredState
    config: Config
    history: History
    sources: Sources
    now: datetime
    targets: tuple[str, ...]
    allow: frozenset[str]
    progress: Progress | None

    @property
    def config_of_moves(self) -> Config:
        """What moves are planned, applied and read back by: no tag is added."""
        return replace(self.config, managed_tag=None)

    async def look(self) -> Look:
        """Where each rollout stands and what is to be done with it. Sends GET only. Raises ApiErrors."""
        declared = self._in_scope()
        if not declared:
            return Look(standings=(), live={})
        keys = tuple(declared)
        state = await fetch_live_state(self.client, self._nothing(), targets=keys, progress=self.progress)
        live = {key: state.flags[key] for key in keys if key in state.flags}
        reader = RolloutReader(
            client=self.client, config=self.config, history=self.history, now=self.now, progress=self.progress
        )
        found = await reader.positions(tuple(declared.values()), live)
        standings = [await self._standing(*item) for item in found]
        return Look(standings=one_way(standings), live=live)

    def _in_scope(self) -> dict[str, DesiredFlag]:
        is_target = matcher(self.targets)
        return {key: flag for key, flag in self.desired.flags.items() if flag.rollouts and is_target(key)}

    def _nothing(self) -> DesiredState:
        """The same flags, of which nothing is declared: nothing beyond the list is read of them."""
        flags = {
            key: DesiredFlag(spec=FlagSpec(key=key), source=flag.source) for key, flag in self.desired.flags.items()
        }
        return replace(self.desired, flags=flags)

    async def _standing(self, facts: Facts, found: Position) -> Standing:
        standing = Standing(key=facts.flag.key, placed=facts.placed, position=found, declared_at=facts.since)
        if found.asks_guards and facts.live is not None:
            standing = replace(standing, answers=await self._answers(facts.placed, facts.live, found))
        return decided(standing, self._why_no_step(facts.flag))

    async def _answers(self, placed: PlacedRollout, live: LiveFlag, found: Position) -> tuple[Answer, ...]:
        """What the guards say, asked one after the other in a thread: their sources may take their time."""
        rollout = placed.rollout
        question = Question(
            key=live.key,
            segment=placed.segment,
            percentage=found.live,
            seconds=max(60, int((self.now - (found.since or self.now)).total_seconds())),
            variants=variants_with_users(live.spec),
            tests=max(1, len(rollout.guards) * (len(rollout.steps) - 1)),
        )
        return tuple(
            [
                await asyncio.to_thread(ask, name, self.config.guards[name], question, self.sources)
                for name in rollout.guards
            ]
        )

    def _why_no_step(self, flag: DesiredFlag) -> str:
        """What keeps every rollout of a flag from a step up, also where its guards allow it."""
        if flag.expires is not None and flag.expires < self.now.date():
            return f"the flag has expired on {flag.expires}"
        windows = [self.config.windows[name] for name in self.config.apply_windows]
        opening = None if WINDOW in self.allow else closed_until(windows, self.now)
        return f"writes are made in a window only, which opens at {time_text(opening)}" if opening else ""

    async def plan(self, look: Look, kinds: Collection[MoveKind]) -> tuple[Plan, LiveState, DesiredState] | None:
        """The plan of the moves of some kinds, as `read_and_plan` makes it; None where there are none.

        A flag that was edited since the look is held. Guards do not hold what goes down: that is what they are for.
        """
        chosen = [item for item in look.standings if item.move is not None and item.move.kind in kinds]
        if not chosen:
            return None
        desired = self._moved(look, chosen)
        keys = tuple(dict.fromkeys(item.key for item in chosen))
        # What was turned off since the declaration counts as a rollback, so that no step up undoes it.
        allow = self.allow | {f"kill-switch:{key}" for key in keys} if MoveKind.UP in kinds else ALLOWABLE
        plan, live = await read_and_plan(
            self.client,
            desired,
            self.config_of_moves,
            PlanOptions(targets=keys, allow=frozenset(allow)),
            now=self.now,
            progress=self.progress,
        )
        flags = tuple(_held_unless_same(flag, look.live, live.flags) for flag in plan.flags)
        return replace(plan, flags=flags), live, desired

    def _moved(self, look: Look, standings: Sequence[Standing]) -> DesiredState:
        nothing, flags = self._nothing(), {}
        for key, flag in nothing.flags.items():
            own = [item for item in standings if item.key == key]
            fields = moved_spec(look.live[key].spec, own) if own else {}
            flags[key] = replace(flag, spec=FlagSpec(key=key, **fields))  # type: ignore[arg-type] # by their names
        return replace(nothing, flags=flags)


def _held_unless_same(plan: FlagPlan, looked_at: Mapping[str, LiveFlag], now: Mapping[str, LiveFlag]) -> FlagPlan:
    """The plan of a flag, held where the flag is not what was looked at, or one call would not do."""
    key = plan.key
    if key not in now or fields_that_moved(looked_at[key], now[key]):
        message = f'"{key}" was edited while its rollouts were looked at: the next run looks again.'
    elif len(plan.operations) != 1:
        message = f'"{key}" takes more than one call to be moved: apply what is pending first.'
    else:
        return plan
    return replace(plan, held=(*plan.held, hold(key, "moved-meanwhile", message)))

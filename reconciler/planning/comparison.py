"""The two sides of an evaluation: the flag as it is live, and as it is once the plan is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.evaluation.rules import is_on
from reconciler.evaluation.state import FlagState, Member
from reconciler.model import Unset
from reconciler.planning.frozen import is_frozen
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import Planner, is_left_archived

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconciler.api.parents import Lineage
    from reconciler.config import Config
    from reconciler.model import DesiredFlag, DesiredState, FlagSpec, LiveFlag

_OPTIONS = PlanOptions(unarchive=True)
STICKY = "Sticky bucketing, an experiment's setting that the flags API does not show, is not evaluated."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A flag on both sides, ready for users.

    `before` and `after` are the flag itself, None where it does not exist; `live` and `desired` evaluate them
    together with the flags they depend on. Without a declaration nothing is planned, and the sides are one.
    `notes` are what holds for every user.
    """

    key: str
    flag_id: str | None
    is_declared: bool
    before: FlagSpec | None
    after: FlagSpec | None
    live: FlagState
    desired: FlagState
    notes: tuple[str, ...] = ()


def take_sides(key: str, lineage: Lineage, desired: DesiredState, config: Config, *, now: datetime) -> Sides:
    """Both sides of a flag that exists or is declared.

    The desired side is what the plan's calls make of the live flag, and of those it depends on; guards are not
    asked, and an archived flag that declares `archived: false` comes back. Raises InvalidInputError where no calls
    can meet the declaration.
    """
    flag, declared = lineage.flag, desired.flags.get(key)
    family = (*lineage.parents, *([flag] if flag else []))
    changed = {item.key: _planned(desired.flags.get(item.key), item, config) for item in family}
    before = flag.spec if flag else None
    after = changed[key] if flag else _planned(declared, None, config)
    live = [_member(item, item.spec) for item in family]
    then = [_member(item, changed[item.key]) for item in family]
    if flag is None:
        live = [Member(flag_id="", key=key, spec=None)]
        then = [replace(live[0], spec=after)]
    state = FlagState(live)
    return Sides(
        key=key,
        flag_id=flag.id if flag else None,
        is_declared=declared is not None,
        before=before,
        after=after,
        live=state,
        desired=state if then == live else FlagState(then),
        notes=(
            *_plan_notes(flag, declared, now),
            *_parent_notes(lineage, changed),
            *_state_notes(before, after),
        ),
    )


def _planned(declared: DesiredFlag | None, live: LiveFlag | None, config: Config) -> FlagSpec | None:
    """What a flag is after its plan: as it is live where nothing is to do."""
    before = live.spec if live else None
    if declared is None:
        return before
    shows_tags = before is None or not isinstance(before.tags, Unset)
    plan = Planner(config=config, options=_OPTIONS, shows_tags=shows_tags).plan_flag(declared, live)
    return before if plan is None else plan.after


def _member(flag: LiveFlag, spec: FlagSpec | None) -> Member:
    return Member(flag_id=flag.id, key=flag.key, spec=spec, dependencies=flag.parent_dependencies)


def _plan_notes(flag: LiveFlag | None, declared: DesiredFlag | None, now: datetime) -> Iterator[str]:
    if declared is None:
        yield "No flag file declares this flag: a plan leaves it as it is."
        return
    if is_frozen(declared, now):
        yield f"Frozen until {declared.frozen_until}: until then a plan leaves the flag as it is live."
    if flag is None or not flag.spec.archived:
        return
    if is_left_archived(declared, flag, _OPTIONS):
        yield "The flag is archived, and its declaration does not say `archived`: a plan is refused."
    elif declared.spec.archived is False:
        yield "The flag is archived: a plan brings it back only with --unarchive."


def _parent_notes(lineage: Lineage, changed: dict[str, FlagSpec | None]) -> Iterator[str]:
    for parent in lineage.parents:
        if changed[parent.key] != parent.spec:
            yield f'Flag "{parent.key}", which it depends on, is changed by a plan too: desired counts with that.'


def _state_notes(before: FlagSpec | None, after: FlagSpec | None) -> Iterator[str]:
    if after is not None and after.deployments == ():
        yield "The flag is attached to no deployment, so no SDK is given it."
    elif before is not None and before.deployments == ():
        yield "Live, the flag is attached to no deployment, so no SDK is given it."
    if any(spec is not None and is_on(spec) for spec in (before, after)):
        yield STICKY

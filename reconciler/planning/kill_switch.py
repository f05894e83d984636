"""Emergency switches: what was turned off live since git has said that it is on.

A plan that would turn it on again undoes what may have been done in an emergency, so it is a guard's business. Only
times decide: since when git declares what it declares, and which version of the flag turned it off. Who did it does
not matter, because the API does not say whose the reconciler's own key is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.exposure import exposure_of
from reconciler.model.flag import OFF, Unset
from reconciler.model.versions import since_when
from reconciler.planning.segments import pair_segments, without_shield
from reconciler.strict_json import join_pointer
from reconciler.text import time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconciler.model.flag import FlagSpec, TargetSegment, Version
    from reconciler.model.versions import History, Place, Since, Timeline
    from reconciler.planning.plan import FlagPlan, Plan
    from reconciler.strict_json import Json

UNASKED = "git was not asked."

_SEGMENTS = "/targetSegments"


class KillSwitch(Struct, frozen=True, kw_only=True):
    """A flag, or a share of its users, that is off live and that the plan would turn on; `message` says why not."""

    key: str
    message: str


class TurnedOn(Struct, frozen=True, kw_only=True):
    """A place of a flag that is off live and on in the plan: a switch, or a percentage.

    `path` is the declared one, `name` what people call it, `wanted` the declared value. `is_off` tells whether it is
    off in a flag or version; None where that does not show it.
    """

    key: str
    flag_id: str
    path: str
    name: str
    wanted: Json
    is_off: Callable[[FlagSpec], bool | None]

    @property
    def place(self) -> Place:
        """The place in the declaration."""
        return self.key, self.path


def turned_on(plan: Plan) -> tuple[TurnedOn, ...]:
    """What the plan turns on in flags that exist: the versions of these flags are worth a read."""
    return tuple(item for flag in plan.flags for item in _turned_on(flag))


def find_kill_switches(
    turned: Sequence[TurnedOn], versions: Mapping[str, Sequence[Version]], history: History | None
) -> tuple[KillSwitch, ...]:
    """The emergency switches among what a plan turns on. `versions` holds those of each flag, newest first, by key.

    What has been off since the flag was made was never turned off, and is none. Of the rest each counts, unless git
    has declared the present value since after it was turned off. Where one of the two times is not known it counts.
    """
    off = {item: since_when(versions.get(item.key, ()), item.is_off) for item in turned}
    asked = [item for item in turned if not off[item].is_from_the_start]
    timelines = history([item.place for item in asked], None) if history and asked else {}
    found = ((item, _why(item, off[item], timelines.get(item.place))) for item in asked)
    return tuple(KillSwitch(key=item.key, message=message) for item, message in found if message)


def _turned_on(flag: FlagPlan) -> Iterator[TurnedOn]:
    before, after, flag_id = flag.before, flag.after, flag.flag_id
    if before is None or after is None or flag_id is None:
        return

    def one(path: str, name: str, wanted: Json, is_off: Callable[[FlagSpec], bool | None]) -> TurnedOn:
        return TurnedOn(key=flag.key, flag_id=flag_id, path=path, name=name, wanted=wanted, is_off=is_off)

    if before.enabled is False and after.enabled is True:
        yield one("/enabled", "enabled", True, _is_disabled)
    if before.rollout_percentage == 0 and after.rollout_percentage:
        yield one("/rolloutPercentage", "rolloutPercentage", after.rollout_percentage, _is_at_zero)
    raised = set()
    for new, old in pair_segments(after.target_segments or (), before.target_segments or ()):
        if old is not None and old.percentage == 0 and new.percentage:
            raised.add(old.name)
            path = join_pointer(("targetSegments", new.name, "percentage"))
            yield one(path, f"percentage of segment {new.name}", new.percentage, _SegmentAtZero(old.name))
    at_zero = [item for item in without_shield(before.target_segments or ()) if item.percentage == 0]
    left = [item.name for item in at_zero if item.name not in raised]
    served = _served_by_others(before, after) if left else frozenset()
    for segment in filter(served.__contains__, left):
        name = f"percentage of segment {segment}, whose users others would serve,"
        yield one(_SEGMENTS, name, None, _SegmentAtZero(segment))


def _served_by_others(before: FlagSpec, after: FlagSpec) -> frozenset[str]:
    """The live segments of which users who get nothing get a variant elsewhere: it goes, or others come before it.

    A flag that is off or archived live is taken as on: the segment was set to 0 apart from that.
    """
    found = exposure_of(replace(before, enabled=True, archived=False), after).transitions
    return frozenset(
        item.before_segment
        for item in found
        if not item.clients and any(share and old == OFF != new for old, new, share in item.matrix)
    )


def _is_disabled(spec: FlagSpec) -> bool | None:
    return None if isinstance(spec.enabled, Unset) else not spec.enabled


def _is_at_zero(spec: FlagSpec) -> bool | None:
    return None if isinstance(spec.rollout_percentage, Unset) else spec.rollout_percentage == 0


class _SegmentAtZero(Struct, frozen=True):
    """Whether the segment of a name is at 0; one that is not there was not: it was added so."""

    name: str

    def __call__(self, spec: FlagSpec) -> bool | None:
        if isinstance(spec.target_segments, Unset):
            return None
        found: TargetSegment | None = next((item for item in spec.target_segments if item.name == self.name), None)
        return found is not None and found.percentage == 0


def _why(item: TurnedOn, off: Since, timeline: Timeline | None) -> str:
    """Why this counts as an emergency switch; empty where it does not."""
    declared = timeline.since if timeline else None
    if off.at is not None and declared is not None and declared.at is not None and declared.at > off.at:
        return ""
    is_switch = item.path == "/enabled"
    what = f'"{item.key}"' + ("" if is_switch else f": {item.name}")
    done = "turned off" if is_switch else "set to 0"
    if off.version is None:
        return f"{what} is {'off' if is_switch else '0'} live, and versions do not show since when: it stays so."
    by = f" by {off.version.created_by}" if off.version.created_by else ""
    earlier = " or an earlier one" if off.is_at_most else ""
    told = f"{what} was {done} live{by} at {off.version.created_at} (version {off.version.version}{earlier})"
    if declared is None or declared.at is None:
        gap = (timeline.gap if timeline else "") or UNASKED
        return f"{told}, and it is not known since when git says {_words(item)}. {gap}"
    since = time_text(declared.at)
    commit = f"commit {(declared.commit or '')[:7]}"
    return f"{told}, and git has not said {_words(item)} since: it has said so from {since} on ({commit})."


def _words(item: TurnedOn) -> str:
    if item.path == _SEGMENTS:
        return "`targetSegments` as it is"
    value = str(item.wanted).lower() if isinstance(item.wanted, bool) else str(item.wanted)
    return f"`{item.path.rpartition('/')[2]}: {value}`"

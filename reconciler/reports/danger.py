"""How much a plan does to each flag: the level and the order in every format, and one short row for each.

The order is by level, then by how many users are affected and by what changes, never by the size of a flag, of its
changes or of a list: what others add cannot hide an effect. A row has a bounded length for the same reason.
"""

from __future__ import annotations

import re
from enum import IntEnum, auto
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.rules import ALL_OTHER_USERS
from reconciler.model.flag import OFF
from reconciler.planning.plan import Action, MembersChange
from reconciler.planning.warnings import warnings_beside
from reconciler.reports.affected import affected, by_share, is_anyone_affected, loses, moved, name, reached
from reconciler.reports.fields import flow_text
from reconciler.reports.sanitize import visible
from reconciler.text import counted, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.evaluation.exposure import FlagExposure
    from reconciler.planning.plan import FieldChange, FlagPlan, ValueChange

_MOST_WORDS = 4
KEY_LENGTH = 100
"""Characters of a flag's key in a row."""

_CHANGE_LENGTH = 160
_AFFECTED_LENGTH = 280
_MANY = Fraction(1, 10)
_MOST = Fraction(1, 2)
_VARIANT_TEXT = re.compile(r"/variants/[^/]+/(name|description)")
_BUCKETING = {"/bucketingKey", "/bucketingSalt", "/bucketingUnit"}
_HARMLESS = {"/name", "/description", "/tags"}
_SWITCHES = {
    ("/enabled", True): "turned on",
    ("/enabled", False): "turned off",
    ("/archived", True): "archived",
    ("/archived", False): "unarchived",
}


class Danger(IntEnum):
    """What a change does, the gravest first where as many users are affected."""

    HELD = auto()
    SWITCHED = auto()
    REBUCKETED = auto()
    REMOVED = auto()
    MOVED = auto()
    TOUCHED = auto()
    CREATED = auto()
    HARMLESS = auto()


class Level(IntEnum):
    """How much a reviewer should look at an effect, the most first.

    High: the flag, or its bucketing, is switched for at least a tenth of the users of a segment, or for another flag.
    Medium: users who have a variant get another one, none, or another payload, or the plan warns beside what it does
    to users. Low: users who have none get one, or no user is affected.
    """

    HIGH = auto()
    MEDIUM = auto()
    LOW = auto()

    @property
    def word(self) -> str:
        """The level as it is shown."""
        return self.name.lower()


class Effect(Struct, frozen=True, kw_only=True):
    """What a plan does to one flag, in two short texts: what changes, and who is affected ("": not known).

    `share` is the largest share of users of any segment who get another variant, in the end or between two calls,
    those of deployments that come or go included; 0 for a flag that does not exist yet. `reach` is the largest
    share of users of any segment whom a new flag gives a variant. `key` is the flag's, cut where it is very long.
    """

    danger: Danger
    level: Level
    share: Fraction
    reach: Fraction
    key: str
    change: str
    affected: str

    @property
    def is_harmless(self) -> bool:
        """Whether names, descriptions and tags are all that changes."""
        return self.danger is Danger.HARMLESS

    @property
    def rank(self) -> tuple[bool, Level, Fraction, Fraction, Danger]:
        """Sorts what is held first, then by level, by users who are moved or reached, and by what changes."""
        return self.danger is not Danger.HELD, self.level, -self.share, -self.reach, self.danger


def effect_of(flag: FlagPlan) -> Effect:
    """The effect of a flag's plan."""
    found = sorted(_by_fields(flag.changes, flag.exposure), key=lambda item: item[0])
    danger = _danger(flag, min((danger for danger, _ in found), default=Danger.HARMLESS))
    return Effect(
        danger=danger,
        level=_level(flag, min((danger for danger, _ in found), default=Danger.HARMLESS)),
        share=_share(flag),
        reach=_switched(flag) if flag.action is Action.CREATE else Fraction(0),
        key=cut(visible(flag.key), KEY_LENGTH),
        change=cut(_change(flag, [words for _, words in found if words]), _CHANGE_LENGTH),
        affected=cut(affected(flag), _AFFECTED_LENGTH),
    )


def _change(flag: FlagPlan, words: list[str]) -> str:
    """What changes, after what holds it."""
    held = "held by safety check " + ", ".join(dict.fromkeys(item.guard for item in flag.held)) if flag.held else ""
    return ": ".join(filter(None, (held, ", ".join(_words(flag, words)))))


def _words(flag: FlagPlan, words: list[str]) -> list[str]:
    words = [*dict.fromkeys(words)]
    if flag.action is Action.CREATE:
        words = ["created"]
    elif warnings := warnings_beside(flag):
        words = [*words[: _MOST_WORDS - 1], counted(len(warnings), "warning")]
    more = len(words) - _MOST_WORDS
    return [*words[:_MOST_WORDS], f"{more} more"] if more > 0 else words


def by_danger(flags: Iterable[FlagPlan]) -> list[tuple[FlagPlan, Effect]]:
    """The flags with their effects, the gravest first; those of one rank by key."""
    found = [(flag, effect_of(flag)) for flag in flags]
    return sorted(found, key=lambda pair: (pair[1].rank, pair[0].key))


def widest_moves(flags: Sequence[FlagPlan]) -> Iterator[str]:
    """Which flag moves most users, and of which segment; and the same of new flags where there are several.

    Nothing where no user is moved. Of several that move as many it is the first.
    """
    new = [flag for flag in flags if flag.action is Action.CREATE]
    live = [flag for flag in flags if flag.action is not Action.CREATE]
    several = new if len(new) > 1 else []
    for title, found, words in (("Max exposure change", live, moved), ("Widest new flag", several, reached)):
        widest = max(filter(_switched, found), key=_switched, default=None)
        if widest and widest.exposure:
            yield f"{title}: {cut(visible(widest.key), KEY_LENGTH)}, {words(widest, by_share(widest.exposure)[0])}."


def danger_of(changes: Iterable[FieldChange]) -> Danger:
    """The gravest of what changes, by the fields alone."""
    return min((danger for danger, _ in _by_fields(changes, None)), default=Danger.HARMLESS)


def _danger(flag: FlagPlan, gravest: Danger) -> Danger:
    """The class of a flag. A change that moves no user and warns of nothing comes after one that moves users."""
    if flag.held:
        return Danger.HELD
    if flag.action is Action.CREATE:
        return Danger.CREATED
    if flag.exposure is not None and not flag.exposure.is_exact and flag.exposure.switched:
        gravest = min(gravest, Danger.REBUCKETED)
    if _share(flag):
        return min(gravest, Danger.MOVED)
    if flag.warnings:
        return min(gravest, Danger.TOUCHED)
    return gravest if is_anyone_affected(flag) else max(gravest, Danger.TOUCHED)


def _level(flag: FlagPlan, gravest: Danger) -> Level:
    exposure = flag.exposure
    if flag.action is Action.CREATE:
        return Level.LOW
    if exposure is None:
        return Level.HIGH if gravest <= Danger.REMOVED else Level.LOW if gravest is Danger.HARMLESS else Level.MEDIUM
    if not is_anyone_affected(flag):
        return Level.LOW
    is_switch = gravest <= Danger.REBUCKETED or not exposure.is_exact or _is_switch(exposure)
    if exposure.dependents or (is_switch and exposure.switched >= _MANY):
        return Level.HIGH
    return Level.MEDIUM if flag.warnings or flag.transient or loses(exposure) else Level.LOW


def _is_switch(exposure: FlagExposure) -> bool:
    """Whether clients or all users of the flag lose it, or most users of a segment get what no user had."""
    if any(item.clients and not _is_off(item.before) and item.switched for item in exposure.transitions):
        return True
    was_off, is_off = (
        all(_is_off(getattr(item, side)) for item in exposure.transitions) for side in ("before", "after")
    )
    return is_off or (was_off and exposure.switched >= _MOST)


def _is_off(side: tuple[tuple[str, Fraction], ...]) -> bool:
    return not any(share and variant != OFF for variant, share in side)


def _share(flag: FlagPlan) -> Fraction:
    return Fraction(0) if flag.action is Action.CREATE else max(flag.transient, _switched(flag))


def _switched(flag: FlagPlan) -> Fraction:
    return flag.exposure.switched if flag.exposure else Fraction(0)


def _targeting(exposure: FlagExposure) -> str:
    """Whether segments get users of the rest, or leave some to it."""
    items = [item for item in exposure.transitions if item.before_segment != item.after_segment]
    come = any(item.before_segment == ALL_OTHER_USERS for item in items)
    go = any(item.after_segment == ALL_OTHER_USERS for item in items)
    return f"targeting {'widened' if come else 'narrowed'}" if come != go else "targeting"


def _by_fields(changes: Iterable[FieldChange], exposure: FlagExposure | None) -> Iterator[tuple[Danger, str]]:
    """What each field does, in words; users and cohorts are counted over all variants, and come last."""
    members: dict[str, list[MembersChange]] = {}
    for change in changes:
        if isinstance(change, MembersChange):
            members.setdefault("user" if change.path.endswith("/users") else "cohort", []).append(change)
        elif change.path == "/targetSegments":
            yield Danger.MOVED, _segments(change, exposure)
        else:
            yield _classify(change)
    for noun, lists in members.items():
        added, removed = sum(len(item.added) for item in lists), sum(len(item.removed) for item in lists)
        yield Danger.TOUCHED, _added_and_removed(added, removed, f"listed {noun}")


def _segments(change: ValueChange, exposure: FlagExposure | None) -> str:
    """The words for segments; only in another order they are the same ones."""
    sides = [side if isinstance(side, list | tuple) else () for side in (change.before, change.after)]
    shown = [sorted(map(flow_text, side)) for side in sides]
    if sides[0] and shown[0] == shown[1]:
        return "order of segments"
    return _targeting(exposure) if exposure else "targeting"


def _classify(change: ValueChange) -> tuple[Danger, str]:
    path, after = change.path, change.after
    if path in {"/enabled", "/archived"} and isinstance(after, bool):
        return Danger.SWITCHED, _SWITCHES[path, after]
    if path in _BUCKETING:
        return Danger.REBUCKETED, f"re-buckets all users by another {path[1:].removeprefix('bucketing').lower()}"
    if path == "/deployments":
        return _deployments(change)
    if path.startswith("/variants/"):
        return _variant(change)
    if path in _HARMLESS:
        return Danger.HARMLESS, path[1:]
    if path == "/rolloutPercentage":
        return Danger.MOVED, f"rollout {flow_text(change.before)} → {flow_text(after)}%"
    if path == "/evaluationMode":
        return Danger.REMOVED, f"evaluation mode {flow_text(change.before)} → {flow_text(after)}"
    if path == "/rolloutWeights":
        return Danger.MOVED, "weights"
    return Danger.TOUCHED, name(path.removeprefix("/"))


def _deployments(change: ValueChange) -> tuple[Danger, str]:
    before, after = ({*side} if isinstance(side, list | tuple) else set() for side in (change.before, change.after))
    words = _added_and_removed(len(after - before), len(before - after), "deployment")
    return Danger.REMOVED if before - after else Danger.TOUCHED, words


def _variant(change: ValueChange) -> tuple[Danger, str]:
    """Whole variants are told by what they hold: a live key may have any sign in it, a slash too."""
    key = change.path.removeprefix("/variants/")
    for side, danger, word in ((change.before, Danger.REMOVED, "removed"), (change.after, Danger.TOUCHED, "added")):
        other = change.after if side is change.before else change.before
        if other is None and isinstance(side, dict) and side.get("key") == key:
            return danger, f"variant {name(key)} {word}"
    if change.path.endswith("/key"):
        return Danger.REMOVED, f"variant {name(str(change.before))} renamed {name(str(change.after))}"
    if change.path.endswith("/payload"):
        return Danger.TOUCHED, f"payload of {name(key.removesuffix('/payload'))}"
    if _VARIANT_TEXT.fullmatch(change.path):
        variant, _, field = key.rpartition("/")
        return Danger.HARMLESS, f"{field} of {name(variant)}"
    return Danger.TOUCHED, f"variant {name(key)}"


def _added_and_removed(added: int, removed: int, noun: str) -> str:
    sides = [f"{counted(added, noun)} added"] if added else []
    sides += [f"{counted(removed, noun)} removed"] if removed else []
    return ", ".join(sides)

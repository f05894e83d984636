"""How much a plan does to each flag: the order in which every format shows flags, and one short row for each.

The order is by how many users are affected and then by what changes, never by the size of a flag, of its changes or
of a list: what others add cannot hide an effect. A row has a bounded length for the same reason.
"""

from __future__ import annotations

import re
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.exposure import FlagExposure, deployments_in_words, listed_in_words
from reconciler.model.reads import MEMBERS
from reconciler.planning.plan import Action, MembersChange
from reconciler.reports.exposure_view import matrix_of, moves_in
from reconciler.reports.fields import flow_text
from reconciler.reports.sanitize import visible
from reconciler.text import counted, cut, first_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.evaluation.exposure import SegmentTransition
    from reconciler.planning.plan import FieldChange, FlagPlan, ValueChange

_MOST_WORDS = 4
_MOST_MOVES = 2
_NAME_LENGTH = 40
_KEY_LENGTH = 100
_ROW_LENGTH = 160
_VARIANT_TEXT = re.compile(r"/variants/[^/]+/(name|description)")
_BUCKETING = {"/bucketingKey", "/bucketingSalt", "/bucketingUnit"}
_HARMLESS = {"/name", "/description", "/tags"}
_SHARES = {"/rolloutWeights": "weights", "/targetSegments": "targeting"}
_SWITCHES = {
    ("/enabled", True): "turned on",
    ("/enabled", False): "turned off",
    ("/archived", True): "archived",
    ("/archived", False): "unarchived",
}


class Danger(IntEnum):
    """What a change does, the gravest first where as many users are affected."""

    HELD = 0
    SWITCHED = 1
    REBUCKETED = 2
    REMOVED = 3
    MOVED = 4
    TOUCHED = 5
    CREATED = 6
    HARMLESS = 7


class Effect(Struct, frozen=True, kw_only=True):
    """What a plan does to one flag, in two short texts: what changes, and who is affected ("": not known, or none).

    `share` is the largest share of users of any segment who get another variant, in the end or between two calls,
    those of deployments that come or go included; 0 for a flag that does not exist yet. `reach` is the largest
    share of users of any segment whom a new flag gives a variant. `key` is the flag's, cut where it is very long.
    """

    danger: Danger
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
    def rank(self) -> tuple[bool, Fraction, Fraction, Danger]:
        """Sorts what is held first, then the gravest: by users who are moved or reached, and by what changes."""
        return self.danger is not Danger.HELD, -self.share, -self.reach, self.danger


def effect_of(flag: FlagPlan) -> Effect:
    """The effect of a flag's plan."""
    found = list(_classified(flag.changes))
    danger = _danger(flag, min((danger for danger, _ in found), default=Danger.HARMLESS))
    words = [words for _, words in sorted(found, key=lambda item: item[0]) if words]
    if flag.action is Action.CREATE:
        words = ["created"]
    elif flag.warnings:
        words = [*words[: _MOST_WORDS - 1], counted(len(flag.warnings), "warning")]
    if flag.held:
        words = ["held by " + ", ".join(dict.fromkeys(item.guard for item in flag.held)), *words]
    more = len(words) - _MOST_WORDS
    words = [*words[:_MOST_WORDS], f"{more} more"] if more > 0 else words
    return Effect(
        danger=danger,
        share=_share(flag),
        reach=_switched(flag) if flag.action is Action.CREATE else Fraction(0),
        key=cut(visible(flag.key), _KEY_LENGTH),
        change=cut(", ".join(dict.fromkeys(words)), _ROW_LENGTH),
        affected=cut(_affected(flag), _ROW_LENGTH),
    )


def by_danger(flags: Iterable[FlagPlan]) -> list[tuple[FlagPlan, Effect]]:
    """The flags with their effects, the gravest first; those of one rank by key."""
    found = [(flag, effect_of(flag)) for flag in flags]
    return sorted(found, key=lambda pair: (pair[1].rank, pair[0].key))


def widest_moves(flags: Sequence[FlagPlan]) -> Iterator[str]:
    """Which flag moves most users, and of which segment; and the same of new flags. Nothing where no user is moved.

    Of several that move as many it is the first.
    """
    new = [flag for flag in flags if flag.action is Action.CREATE]
    live = [flag for flag in flags if flag.action is not Action.CREATE]
    for title, found, words in (("Max exposure change", live, _moved), ("Widest new flag", new, _reached)):
        if widest := max(filter(_switched, found), key=_switched, default=None):
            yield f"{title}: {cut(visible(widest.key), _KEY_LENGTH)}, {words(_widest(widest))}."


def danger_of(changes: Iterable[FieldChange]) -> Danger:
    """The gravest of what changes, by the fields alone."""
    return min((danger for danger, _ in _classified(changes)), default=Danger.HARMLESS)


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
    if flag.exposure is None or flag.exposure.listed or flag.exposure.payloads or _loses_deployments(flag):
        return gravest
    return max(gravest, Danger.TOUCHED)


def _share(flag: FlagPlan) -> Fraction:
    return Fraction(0) if flag.action is Action.CREATE else max(flag.transient, _switched(flag))


def _switched(flag: FlagPlan) -> Fraction:
    return flag.exposure.switched if flag.exposure else Fraction(0)


def _widest(flag: FlagPlan) -> SegmentTransition:
    assert flag.exposure is not None
    return max(flag.exposure.transitions, key=lambda item: item.switched)


def _classified(changes: Iterable[FieldChange]) -> Iterator[tuple[Danger, str]]:
    """What each field does, in words; users and cohorts are counted over all variants, and come last."""
    members: dict[str, list[MembersChange]] = {}
    for change in changes:
        if isinstance(change, MembersChange):
            members.setdefault("user" if change.path.endswith("/users") else "cohort", []).append(change)
        else:
            yield _classify(change)
    for noun, lists in members.items():
        added, removed = sum(len(item.added) for item in lists), sum(len(item.removed) for item in lists)
        yield Danger.TOUCHED, _added_and_removed(added, removed, f"listed {noun}")


def _classify(change: ValueChange) -> tuple[Danger, str]:
    path, after = change.path, change.after
    if path in {"/enabled", "/archived"} and isinstance(after, bool):
        return Danger.SWITCHED, _SWITCHES[path, after]
    if path in _BUCKETING:
        return Danger.REBUCKETED, "re-bucketed"
    if path == "/deployments":
        return _deployments(change)
    if path.startswith("/variants/"):
        return _variant(change)
    if path in _HARMLESS:
        return Danger.HARMLESS, ""
    if path == "/rolloutPercentage":
        return Danger.MOVED, f"rollout {flow_text(change.before)} → {flow_text(after)}%"
    if path == "/evaluationMode":
        return Danger.REMOVED, "evaluation mode"
    if path in _SHARES:
        return Danger.MOVED, _SHARES[path]
    return Danger.TOUCHED, _name(path.removeprefix("/"))


def _deployments(change: ValueChange) -> tuple[Danger, str]:
    before, after = ({*side} if isinstance(side, list | tuple) else set() for side in (change.before, change.after))
    words = _added_and_removed(len(after - before), len(before - after), "deployment")
    return Danger.REMOVED if before - after else Danger.TOUCHED, words


def _loses_deployments(flag: FlagPlan) -> bool:
    """Whether clients of a deployment get nothing any more."""
    return danger_of(item for item in flag.changes if item.path == "/deployments") is Danger.REMOVED


def _variant(change: ValueChange) -> tuple[Danger, str]:
    """Whole variants are told by what they hold: a live key may have any sign in it, a slash too."""
    name = change.path.removeprefix("/variants/")
    for side, danger, word in ((change.before, Danger.REMOVED, "removed"), (change.after, Danger.TOUCHED, "added")):
        other = change.after if side is change.before else change.before
        if other is None and isinstance(side, dict) and side.get("key") == name:
            return danger, f"variant {_name(name)} {word}"
    if change.path.endswith("/key"):
        return Danger.REMOVED, f"variant {_name(str(change.before))} renamed {_name(str(change.after))}"
    if change.path.endswith("/payload"):
        return Danger.TOUCHED, f"payload of {_name(name.removesuffix('/payload'))}"
    if _VARIANT_TEXT.fullmatch(change.path):
        return Danger.HARMLESS, ""
    return Danger.TOUCHED, f"variant {_name(name)}"


def _added_and_removed(added: int, removed: int, noun: str) -> str:
    sides = [f"{counted(added, noun)} added"] if added else []
    sides += [f"{counted(removed, noun)} removed"] if removed else []
    return ", ".join(sides)


def _affected(flag: FlagPlan) -> str:
    return "; ".join(_affected_parts(flag))


def _affected_parts(flag: FlagPlan) -> Iterator[str]:
    exposure, is_new = flag.exposure or FlagExposure(), flag.action is Action.CREATE
    if exposure.switched:
        yield (_reached if is_new else _moved)(_widest(flag))
    for item in exposure.payloads:
        yield f"{percent(item.share)} keep {_name(item.variant)} with another payload"
    for kind in MEMBERS:
        if listed := listed_in_words(exposure.listed, kind):
            yield f"listed {kind}: {listed}"
    if flag.transient:
        yield f"temporarily wrong variant during apply: {percent(flag.transient)}"


def _moved(item: SegmentTransition) -> str:
    moves = [f"{_name(move.before)} → {_name(move.after)}" for move in moves_in(matrix_of(item))]
    return f"{percent(item.switched)} of {_segment(item)}: {first_of(moves, _MOST_MOVES)}"


def _reached(item: SegmentTransition) -> str:
    return f"reaches {percent(item.switched)} of {_name(item.after_segment)}"


def _segment(item: SegmentTransition) -> str:
    names = " → ".join(dict.fromkeys(_name(name) for name in (item.before_segment, item.after_segment)))
    return f"{names} of {_name(deployments_in_words(item))}" if item.deployments else names


def _name(text: str) -> str:
    return cut(visible(text), _NAME_LENGTH)

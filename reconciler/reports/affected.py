"""Who is affected by what a plan does to a flag, in words of bounded length.

"No user is affected" is said only where nothing speaks against it: no share of users, no listed user or cohort, no
payload, no flag that depends on this one, no moment between two calls.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.evaluation.rules import ALL_OTHER_USERS
from reconciler.model.flag import OFF
from reconciler.planning.plan import Action
from reconciler.planning.warnings import UNSEEN_LISTS
from reconciler.reports.exposure_view import matrix_of, moves_in
from reconciler.reports.sanitize import visible
from reconciler.text import counted, cut, first_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.exposure import FlagExposure, ListedMove, PayloadShare, SegmentTransition
    from reconciler.planning.plan import FlagPlan

NO_USER = "no user is affected"
_MOST_MOVES = 3
_MOST_SEGMENTS = 2
_MOST_LISTED = 3
_NAME_LENGTH = 40
_SWITCHES = frozenset({"/enabled", "/archived"})


def name(text: str) -> str:
    """A name that others gave, as it may stand in a row: visible, and cut where it is long."""
    return cut(visible(text), _NAME_LENGTH)


def affected(flag: FlagPlan) -> str:
    """Who is affected, the most users first; NO_USER, or "" where that is not known."""
    exposure = flag.exposure
    if exposure is None or (flag.held and not flag.operations):
        return ""
    return "; ".join(_parts(flag, exposure)) or _no_user_moves(flag, exposure)


def is_anyone_affected(flag: FlagPlan) -> bool:
    """Whether a user of a flag that exists is, or may be, affected."""
    return flag.action is not Action.CREATE and not affected(flag).startswith(NO_USER)


def loses(exposure: FlagExposure) -> bool:
    """Whether users who have a variant get another one, or none; listed users and other payloads included."""
    cells = (cell for item in exposure.transitions for cell in item.matrix)
    listed = ((item.before, item.after, item.count) for item in exposure.listed)
    return bool(exposure.payloads) or any(share and old not in {OFF, new} for old, new, share in (*cells, *listed))


def moved(flag: FlagPlan, item: SegmentTransition) -> str:
    """`40% of All Other Users: 20% off → control, 20% off → treatment`."""
    moves = moves_in(matrix_of(item))
    words = [f"{name(move.before)} → {name(move.after)}" for move in moves]
    if len(moves) > 1:
        words = [f"{move.text} {text}" for move, text in zip(moves, words, strict=True)]
    label = "" if item.is_exact else " (expected)"
    return f"{percent(item.switched)} of {_segment(flag, item)}{label}: {first_of(words, _MOST_MOVES)}"


def reached(_: FlagPlan, item: SegmentTransition) -> str:
    """`30% of All Other Users`, whom a new flag gives a variant."""
    return f"reaches {percent(item.switched)} of {name(item.after_segment)}"


def by_share(exposure: FlagExposure) -> list[SegmentTransition]:
    """The transitions in which users get another variant, the largest share first."""
    found = [item for item in exposure.transitions if item.switched]
    return sorted(found, key=lambda item: -item.switched)


def _parts(flag: FlagPlan, exposure: FlagExposure) -> Iterator[str]:
    is_new = flag.action is Action.CREATE
    found = by_share(exposure)
    yield from ((reached if is_new else moved)(flag, item) for item in found[:1])
    if exposure.listed:
        yield first_of([*map(_listed, exposure.listed)], _MOST_LISTED)
    if UNSEEN_LISTS in flag.warnings:
        yield "listed users, who are not shown while it is archived"
    yield from (_payload(flag, item, exposure) for item in exposure.payloads[:_MOST_LISTED])
    if exposure.dependents:
        yield f"users of {first_of([name(key) for key in exposure.dependents], _MOST_LISTED)}, which depends on it"
    if any(item.path == "/evaluationMode" for item in flag.changes) and _serves(exposure) and not is_new:
        yield "clients of the other evaluation mode"
    if flag.transient:
        yield f"temporarily wrong variant during apply: {percent(flag.transient)}"
    if not is_new:
        yield from (moved(flag, item) for item in found[1:_MOST_SEGMENTS])
    rest = found[1 if is_new else _MOST_SEGMENTS :]
    if len(rest) == 1:
        yield f"{percent(rest[0].switched)} of {name(rest[0].after_segment) if is_new else _segment(flag, rest[0])}"
    elif rest:
        yield f"at most {percent(rest[0].switched)} of {counted(len(rest), 'more segment')}"


def _no_user_moves(flag: FlagPlan, exposure: FlagExposure) -> str:
    if flag.operations and exposure.transitions and not _serves(exposure):
        return f"{NO_USER}: the flag gives no variant"
    return NO_USER


def _serves(exposure: FlagExposure) -> bool:
    """Whether the flag gives any share of users a variant, before or after."""
    sides = (side for item in exposure.transitions for side in (item.before, item.after))
    return any(share and variant != OFF for side in sides for variant, share in side)


def _listed(item: ListedMove) -> str:
    who = counted(item.count, f"listed {item.kind.removesuffix('s')}")
    clients = f" of {name(item.clients)}" if item.clients else ""
    return f"{who}{clients}: {name(item.before)} → {name(item.after)}"


def _payload(flag: FlagPlan, item: PayloadShare, exposure: FlagExposure) -> str:
    who = [_keepers(flag, item, exposure)] if item.share else []
    who += [counted(item.users, "listed user")] if item.users else []
    who += [counted(item.cohorts, "listed cohort")] if item.cohorts else []
    verb = "gets" if not item.share and item.users + item.cohorts == 1 else "get"
    return f"{' and '.join(who)} {verb} a new payload of {name(item.variant)}"


def _keepers(flag: FlagPlan, item: PayloadShare, exposure: FlagExposure) -> str:
    """`50% of users` who keep a variant; where segments differ in that, of which segment, and how many others."""
    kept = [
        (sum(share for old, new, share in of.matrix if old == new == item.variant), of) for of in exposure.transitions
    ]
    (share, widest), *others = sorted(kept, key=lambda pair: -pair[0])
    if all(other == share for other, _ in others):
        return f"{percent(item.share)} of users"
    more = [other for other, _ in others if other]
    rest = f" and at most {percent(Fraction(more[0]))} of {counted(len(more), 'more segment')}" if more else ""
    return f"{percent(item.share)} of {_segment(flag, widest)}{rest}"


def _segment(flag: FlagPlan, item: SegmentTransition) -> str:
    """Whose transition it is. Users move between segments of a flag that is on; one that is off has none."""
    before, after = name(item.before_segment), name(item.after_segment)
    if before == after:
        names = before
    elif any(change.path in _SWITCHES for change in flag.changes):
        was_off = item.before_segment == ALL_OTHER_USERS and all(variant == OFF for variant, _ in item.before)
        names = after if was_off else before
    else:
        names = f"those moving from {before} to {after}"
    return f"{names} of {name(item.clients)}" if item.clients else names

"""The sets of calls that reach the declared state, the fewest first: as planned, split around a switch, shielded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.rules import segments_of
from reconciler.model.flag import Unset
from reconciler.model.wire import encode_segments
from reconciler.planning.operations import DeleteVariant, EditFlag, EditVariant, Phase
from reconciler.planning.segments import is_shielded, shielded_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation
    from reconciler.strict_json import Json

Body = dict[str, "Json"]

_SPLIT_NOTES = {
    Phase.DISABLE: "the flag is disabled before its segments get a new variant",
    Phase.ENABLE: "the flag is enabled after a variant of its segments is gone",
    Phase.ARCHIVE: "the flag is archived after everything else",
    Phase.UNARCHIVE: "the flag is unarchived first",
}
_MORE = {2: "One call more", 3: "Two calls more"}
_SHIELDED = "Shielded: a last segment keeps the old rollout for everyone while weights change behind it."
_HIDDEN = "Behind the shield, the weight of each variant that goes is set to 0 first: one call more for each."


class Candidate(Struct, frozen=True, kw_only=True):
    """One set of calls that reaches the declared state, not in order.

    `precedence` holds pairs of positions (first, then) that any order must keep; `notes` say what was spent.
    """

    operations: tuple[Operation, ...]
    precedence: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


def plain_candidates(
    before: FlagSpec | None, after: FlagSpec, operations: tuple[Operation, ...], *, may_switch: bool
) -> Iterator[Candidate]:
    """The calls as they are, then with the PATCH of the flag split where it switches the flag; the fewest first.

    `may_switch`: whether `enabled` is declared. What is not declared is never sent, not even for a moment.
    """
    edit = _edit_among(operations)
    if edit is None:
        yield Candidate(operations=operations)
        return
    others = tuple(item for item in operations if item is not edit)
    phase = edit.phase
    if before is not None and phase is Phase.UNARCHIVE and others:
        choices = _unarchiving_bodies(before, after, edit.body, may_switch=may_switch)
    else:
        choices = _switching_bodies(edit.body, phase)
    for bodies in choices:
        edits = tuple(EditFlag(flag_key=edit.flag_key, body=body) for body in bodies)
        yield Candidate(
            operations=(*edits, *others),
            precedence=tuple((first, first + 1) for first in range(len(edits) - 1)),
            notes=(_split_note(bodies, phase),) if len(edits) > 1 else (),
        )


def _split_note(bodies: tuple[Body, ...], phase: Phase) -> str:
    comes_on = phase is Phase.UNARCHIVE and bodies[-1].get("enabled") is True
    last = " and switched on last" if comes_on else ""
    return f"{_MORE[len(bodies)]} than the fewest: {_SPLIT_NOTES[phase]}{last}."


def shielded_candidate(before: FlagSpec, after: FlagSpec, operations: tuple[Operation, ...]) -> Candidate:
    """A shield is added, weights change behind it, and one PATCH removes it with all else that it carries.

    A variant that is removed is named by the shield, so it goes after that PATCH, and must weigh 0 by then.
    """
    edit = _edit_among(operations)
    others = tuple(item for item in operations if item is not edit)
    body = ({} if edit is None else edit.body) | {"targetSegments": encode_segments(segments_of(after))}
    opening = EditFlag(flag_key=after.key, body={"targetSegments": encode_segments(shielded_segments(before))})
    closing = EditFlag(flag_key=after.key, body=body)
    hiding = tuple(_weights_to_hide(before, others))
    edits = (closing,) if is_shielded(before) else (opening, closing)
    calls = (*edits, *hiding, *others)
    return Candidate(
        operations=calls,
        precedence=() if is_shielded(before) else tuple((0, then) for then in range(1, len(calls))),
        notes=(_SHIELDED, _HIDDEN) if hiding else (_SHIELDED,),
    )


def _switching_bodies(body: Body, phase: Phase) -> Iterator[tuple[Body, ...]]:
    """The PATCH whole, then in two with the switch alone in one of them."""
    yield (body,)
    name = {Phase.DISABLE: "enabled", Phase.ENABLE: "enabled", Phase.ARCHIVE: "archive"}.get(phase)
    if name is None or len(body) == 1:
        return
    switch = {name: body[name]}
    rest = {field: value for field, value in body.items() if field != name}
    yield (switch, rest) if phase is Phase.DISABLE else (rest, switch)


def _unarchiving_bodies(
    before: FlagSpec, after: FlagSpec, body: Body, *, may_switch: bool
) -> Iterator[tuple[Body, ...]]:
    """Unarchiving comes first, since an archived flag may refuse every other call; enabling comes last.

    A flag that was archived while it was on comes back on. Only where that would show users something is it
    switched off meanwhile, and only where `enabled` is declared: a run that dies then leaves the flag off, which a
    declaration that is silent about it would never notice.
    """
    rest = {field: value for field, value in body.items() if field not in {"archive", "enabled"}}
    back: Body = {"archive": False}
    comes_back_on = may_switch and before.enabled is not False
    if may_switch and after.enabled is True:
        if comes_back_on:
            yield (back | rest,)
            back["enabled"] = False
        last: Body = {"enabled": True}
        yield back | rest, last
        yield back, rest | last
        if rest:
            yield back, rest, last
        return
    if comes_back_on:
        back["enabled"] = False
    yield (back | rest,)
    if rest:
        yield back, rest


def _weights_to_hide(before: FlagSpec, operations: tuple[Operation, ...]) -> Iterator[EditVariant]:
    weights = before.rollout_weights
    for operation in operations:
        if isinstance(operation, DeleteVariant) and not isinstance(weights, Unset):
            key = operation.variant_key
            if weights.get(key):
                yield EditVariant(flag_key=operation.flag_key, variant_key=key, body={"rolloutWeight": 0})


def _edit_among(operations: tuple[Operation, ...]) -> EditFlag | None:
    return next((item for item in operations if isinstance(item, EditFlag)), None)

"""The shield: a last segment that matches everyone and keeps the old rollout, while weights change behind it.

Weights of the rest can only be changed one variant at a time; behind the shield nobody sees the steps. It has a
reserved name, so a run that dies between its calls leaves something the next plan recognises and takes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.evaluation.rules import ALWAYS_TRUE, flag_bucketing, segments_of
from reconciler.model.flag import TargetSegment, Unset, Weights
from reconciler.model.wire import losses_of

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec

SHIELD_NAME: Final = "reconciler-shield"
"""The reserved name; no declared segment may have it."""


def is_shielded(spec: FlagSpec) -> bool:
    """Whether the flag still has the shield of a plan that did not come to its end."""
    return any(segment.name == SHIELD_NAME for segment in segments_of(spec))


def without_shield(segments: tuple[TargetSegment, ...]) -> tuple[TargetSegment, ...]:
    """The segments that are not the shield, in order."""
    return tuple(segment for segment in segments if segment.name != SHIELD_NAME)


def shielded_segments(spec: FlagSpec) -> tuple[TargetSegment, ...]:
    """The flag's segments and, last, the shield: the rollout of everyone else as it is now, for everyone else."""
    shield = TargetSegment(
        name=SHIELD_NAME,
        conditions=(ALWAYS_TRUE,),
        percentage=0 if isinstance(spec.rollout_percentage, Unset) else spec.rollout_percentage,
        rollout_weights=Weights() if isinstance(spec.rollout_weights, Unset) else spec.rollout_weights,
        bucketing_key=flag_bucketing(spec).key,
    )
    return (*without_shield(segments_of(spec)), shield)


def can_shield(spec: FlagSpec) -> bool:
    """Whether the flag's segments can be sent back whole, to the last field: a PATCH replaces all of them."""
    return not any(segment.unlisted or losses_of(segment) for segment in segments_of(spec))

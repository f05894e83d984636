"""A flag live and desired, ready to be evaluated for users on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.evaluate import Evaluator, FlagWithParents
from reconciler.evaluation.rules import is_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.evaluation.result import Result
    from reconciler.model.config import Config
    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json

STICKY = "Sticky bucketing, an experiment's setting that the flags API does not show, is not evaluated."


class Comparison(Struct, frozen=True, kw_only=True):
    """A flag on both sides, each together with the flags that it depends on there.

    `flag_id` is None where the flag is not live. Where nothing differs, both sides are the same object. `notes` hold
    for every user.
    """

    key: str
    flag_id: str | None
    is_declared: bool
    live: Evaluator
    desired: Evaluator
    notes: tuple[str, ...] = ()


class UserReport(Struct, frozen=True, kw_only=True):
    """What one user gets on both sides. `fields` describe the user as they were given."""

    comparison: Comparison
    config: Config
    fields: Mapping[str, Json]
    live: Result
    desired: Result


def compare(
    key: str, live: FlagWithParents, desired: FlagWithParents, *, is_declared: bool, notes: Iterable[str] = ()
) -> Comparison:
    """Both sides of a flag, prepared. `notes` come first; what the two states themselves give is added."""
    before, after = (side.flag.spec if side.flag else None for side in (live, desired))
    evaluator = Evaluator(live)
    return Comparison(
        key=key,
        flag_id=live.flag.id if live.flag else None,
        is_declared=is_declared,
        live=evaluator,
        desired=evaluator if desired == live else Evaluator(desired),
        notes=(*notes, *_parent_notes(live, desired), *_state_notes(before, after)),
    )


def _parent_notes(live: FlagWithParents, desired: FlagWithParents) -> Iterator[str]:
    for old, new in zip(live.parents, desired.parents, strict=True):
        if old != new:
            yield f'Flag "{old.key}", which it depends on, is changed by a plan too: desired counts with that.'


def _state_notes(before: FlagSpec | None, after: FlagSpec | None) -> Iterator[str]:
    if after is not None and after.deployments == ():
        yield "The flag is attached to no deployment, so no SDK is given it."
    elif before is not None and before.deployments == ():
        yield "Live, the flag is attached to no deployment, so no SDK is given it."
    if any(spec is not None and is_on(spec) for spec in (before, after)):
        yield STICKY

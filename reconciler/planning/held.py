"""Flags that are held: nothing of them is sent, and the others go on.

Some are held before any call can be planned, because what is declared and what is live do not fit together.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from reconciler.model.flag import Unset
from reconciler.planning.plan import Action, FlagPlan, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.diagnostics import Diagnostic
    from reconciler.model.flag import DesiredFlag, LiveFlag

_DUPLICATES, _ARCHIVED, _UNARCHIVE, _UNMET = "duplicates", "archived", "unarchive", "unmet-declaration"

HELD_UNPLANNED = (_DUPLICATES, _ARCHIVED, _UNARCHIVE, _UNMET)
"""The guards of flags for which no calls are planned. `--allow` overrides none of them."""


def hold(
    key: str,
    guard: str,
    message: str,
    alternatives: Iterable[str] = (),
    *,
    is_allowable: bool = False,
    override: str = "",
) -> Refusal:
    """Why a flag is held; where the guard is allowable, `--allow` for this flag alone overrides it."""
    if is_allowable:
        override = f"--allow {shlex.quote(f'{guard}:{key}')}"
    named = tuple(text.replace("{key}", shlex.quote(key)) for text in alternatives)
    return Refusal(guard=guard, message=message, override=override, alternatives=named)


def held_as_duplicate(desired: DesiredFlag, ids: Iterable[str]) -> FlagPlan:
    """A declared flag of which several are live: which of them is meant cannot be told."""
    message = f'Several live flags carry the key "{desired.key}" (ids {", ".join(ids)}).'
    return _held(
        desired, None, hold(desired.key, _DUPLICATES, message, ("archive all but one of them in Amplitude",))
    )


def held_as_archived(desired: DesiredFlag, live: LiveFlag) -> FlagPlan | None:
    """A declared flag that is archived live, and that nothing says may come back; None where that is ignored."""
    key = desired.key
    if desired.ignored.covers("archived"):
        return None
    if isinstance(desired.spec.archived, Unset):
        ways = ("remove its file", "declare `archived: true`", "declare `archived: false` and use --unarchive")
        return _held(desired, live, hold(key, _ARCHIVED, f'"{key}" is declared, but archived live.', ways))
    message = f'"{key}" declares `archived: false`, but is archived live.'
    return _held(desired, live, hold(key, _UNARCHIVE, message, ("declare `archived: true`",), override="--unarchive"))


def held_as_unmet(desired: DesiredFlag, live: LiveFlag | None, problems: Iterable[Diagnostic]) -> FlagPlan:
    """A flag whose declaration no calls can meet."""
    ways = ("adopt what is live with `reconciler import --target {key} --force`",) if live else ()
    return _held(desired, live, *(hold(desired.key, _UNMET, item.message, ways) for item in problems))


def _held(desired: DesiredFlag, live: LiveFlag | None, *refusals: Refusal) -> FlagPlan:
    return FlagPlan(
        key=desired.key,
        flag_id=live.id if live else None,
        action=Action.UPDATE,
        changes=(),
        operations=(),
        source=desired.source,
        held=refusals,
    )

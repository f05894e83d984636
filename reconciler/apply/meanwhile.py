"""Edits of a flag by others during a run: all that neither the plan nor the run's own calls explain.

A server may show writes late, so each part of a flag may be as it was before the run, or as any of the calls since
left it. It may also do more or less than the model of it says, where the reference is silent: what a call touched
and planning does not ask for again is as declared, by whichever client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.canonical import canonical_text, canonical_value
from reconciler.model.fields import FIELDS, VARIANT_FIELDS, ValueKind
from reconciler.model.flag import Unset
from reconciler.model.reads import MEMBERS
from reconciler.planning.operations import VARIANT_ORDER, ImpossibleCallError, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.model.flag import FlagSpec, LiveFlag, Variant
    from reconciler.planning.operations import Operation

    Content = str | frozenset[str]


def moved_meanwhile(
    before: LiveFlag, made: Sequence[Operation], now: LiveFlag, left: Sequence[Operation]
) -> tuple[str, ...]:
    """The fields, named as in FlagSpec, that others edited.

    `before` is the flag that the plan was made from, or as its create left it; `made` are this run's calls since,
    in their order, `now` what is shown by now and `left` what planning asks for then. Empty where nothing moved that
    both readings show.
    """
    if before.id != now.id:
        return ("id",)
    calls = [operation for operation in made if not operation.CREATES_FLAG]
    states = [dict(_parts(spec)) for spec in _states(before.spec, calls)]
    hidden = {part for part, content in states[0].items() if content is None}
    loose = (_set_by(calls) - _set_by(left)) | hidden
    shown = ((part, content) for part, content in _parts(now.spec) if content is not None and part not in loose)
    return tuple(sorted({part[0] for part, content in shown if not _explained(part, content, states)}))


def _set_by(operations: Iterable[Operation]) -> set[Part]:
    return {part for operation in operations for part in operation.sets}


def _states(spec: FlagSpec, calls: Sequence[Operation]) -> Iterator[FlagSpec]:
    yield spec
    for operation in calls:
        try:
            spec = operation.effect(spec)
        except ImpossibleCallError:
            return
        yield spec


def _parts(spec: FlagSpec) -> Iterator[tuple[Part, Content | None]]:
    """The smallest pieces that one call can change; None for one that is not shown."""
    for field in FIELDS:
        value = getattr(spec, field.name)
        if isinstance(value, Unset):
            yield (field.name,), None
        elif field.kind is ValueKind.VARIANTS:
            yield from _variant_parts(value)
        elif field.kind.is_set:
            yield (field.name,), frozenset(value)
        else:
            yield (field.name,), canonical_text(canonical_value(field, value))


def _variant_parts(variants: Sequence[Variant]) -> Iterator[tuple[Part, Content | None]]:
    keys = [variant.key for variant in variants]
    yield ("variants",), frozenset(keys)
    yield VARIANT_ORDER, canonical_text(keys)
    for variant in variants:
        for name in (*VARIANT_FIELDS, *MEMBERS):
            value = getattr(variant, name)
            as_content = frozenset if name in MEMBERS else canonical_text
            yield ("variants", variant.key, name), None if isinstance(value, Unset) else as_content(value)


def _explained(part: Part, content: Content, states: Iterable[dict[Part, Content | None]]) -> bool:
    """Whether a part is as in one of the states, or, of a set, between two of them."""
    known = [earlier for state in states if (earlier := state.get(part)) is not None]
    if not known or content in known:
        return True
    if isinstance(content, str):
        return False
    sets = [frozenset(earlier) for earlier in known]
    return frozenset.intersection(*sets) <= content <= frozenset.union(*sets)

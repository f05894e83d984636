"""What differs between two declarations of a flag, and what the newer one lets go of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.fields import FIELDS, VARIANT_FIELDS
from reconciler.model.flag import Unset
from reconciler.model.reads import MEMBERS, path_of
from reconciler.model.wire import encode_field
from reconciler.planning.plan import Released

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.model.fields import Field
    from reconciler.model.flag import DesiredFlag, FlagSpec, LiveState, Variant
    from reconciler.strict_json import Json

_OF_VARIANTS = (*VARIANT_FIELDS, *MEMBERS)


def declaration_differs(before: DesiredFlag | None, after: DesiredFlag | None) -> bool:
    """Whether the plan of a flag may differ: its place in files, owner and notes do not matter."""
    if before is None or after is None:
        return before is not after
    return (before.spec, before.frozen_until, before.rollouts) != (after.spec, after.frozen_until, after.rollouts)


def released_paths(before: FlagSpec, after: FlagSpec | None) -> tuple[str, ...]:
    """JSON Pointers to what `before` declares and `after` does not; `("",)` where `after` is None."""
    if after is None:
        return ("",)
    found = [f"/{field.public}" for field in FIELDS if _is_let_go(before, after, field.name)]
    variants = {key: variant for variant in after.variants or () for key in (variant.renamed_from, variant.key)}
    for variant in before.variants or ():
        now = variants.get(variant.key)
        if now is not None:
            found += [path_of(now, name) for name in _OF_VARIANTS if _is_let_go(variant, now, name)]
    return tuple(found)


def _is_let_go(before: FlagSpec | Variant, after: FlagSpec | Variant, name: str) -> bool:
    return not isinstance(getattr(before, name), Unset) and isinstance(getattr(after, name), Unset)


def releases(paths: Mapping[str, Sequence[str]], live: LiveState, archived: frozenset[str]) -> tuple[Released, ...]:
    """The pointers by key with the live values that stay. Keys in `archived` are archived by the plan: left out."""
    return tuple(
        Released(key=key, path=path, live=_live_value(live.flags[key].spec, path) if key in live.flags else None)
        for key in sorted(paths.keys() - archived)
        for path in paths[key]
    )


def _live_value(spec: FlagSpec, path: str) -> Json:
    """What stays; None for a list of users or cohorts, which is not read where it is not managed."""
    if not path:
        shown = [field for field in FIELDS if field.name in {"enabled", "rollout_percentage"}]
        return dict(_values(spec, shown))
    name, *below = path.split("/")[1:]
    if not below:
        return dict(_values(spec, FIELDS)).get(name)
    variant = next((item for item in spec.variants or () if item.key == below[0]), None)
    value = getattr(variant, below[1], None)
    return None if isinstance(value, Unset) else value


def _values(spec: FlagSpec, fields: Sequence[Field]) -> Iterator[tuple[str, Json]]:
    for field in fields:
        value = getattr(spec, field.name)
        if not isinstance(value, Unset):
            yield field.public, encode_field(field, value)

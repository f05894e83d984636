"""What a file says already, kept as it is written there where it means what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diagnostics import SourcePosition
from reconciler.files.decode import decode_document
from reconciler.model.canonical import field_differs, payload_differs
from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.planning.segments import with_bucketing_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.config import Config
    from reconciler.model.flag import FlagSpec, Variant
    from reconciler.strict_json import Json

NOWHERE = SourcePosition(file="", line=1, column=1)


def preserve_spelling(document: dict[str, Json], keep: Mapping[str, Json], config: Config) -> dict[str, Json]:
    """The document, with each field that `keep` declares too, and that means the same, as `keep` has it.

    Both must hold to schema and rules. `{a: 1, b: 1}` and `{a: 50, b: 50}` mean the same, as do lists of tags in
    any order. Weights that name a variant which the document no longer has are not kept, even if it weighs nothing.
    """
    if not keep:
        return document
    wanted, kept = _spec_of(document, config), _spec_of(keep, config)
    chosen = dict(document)
    for field in FIELDS:
        name, public = field.name, field.public
        if keep.get(public) is None or document.get(public) is None:
            continue
        new, old = getattr(wanted, name), getattr(kept, name)
        if name == "target_segments":
            old = with_bucketing_keys(old, new, wanted.bucketing_key)
        is_same = _same_variants(new, old) if name == "variants" else not field_differs(field, new, old)
        if is_same and _names_only(name, old, wanted):
            chosen[public] = keep[public]
    return chosen


def _spec_of(document: Mapping[str, Json], config: Config) -> FlagSpec:
    """What a document declares; null takes a default away."""
    body = {name: value for name, value in document.items() if value is not None}
    return decode_document(body, NOWHERE, config.deployments).spec


def _names_only(name: str, value: Json, wanted: FlagSpec) -> bool:
    """Whether weights, the flag's or those of segments, name no variants but the flag's, where those are said."""
    if isinstance(wanted.variants, Unset):
        return True
    keys = {variant.key for variant in wanted.variants}
    if name == "rollout_weights":
        return keys.issuperset(value)
    return name != "target_segments" or all(keys.issuperset(segment.rollout_weights) for segment in value)


def _same_variants(new: tuple[Variant, ...], old: tuple[Variant, ...]) -> bool:
    return len(new) == len(old) and all(_same_variant(*pair) for pair in zip(new, old, strict=True))


def _same_variant(new: Variant, old: Variant) -> bool:
    if new.key != old.key or old.renamed_from is not None or not _same_payload(new, old):
        return False
    return all(
        _as_set(getattr(new, name)) == _as_set(getattr(old, name))
        for name in ("name", "description", "users", "cohorts")
    )


def _same_payload(new: Variant, old: Variant) -> bool:
    if isinstance(new.payload, Unset) or isinstance(old.payload, Unset):
        return new.payload is old.payload
    return not payload_differs(new.payload, old.payload)


def _as_set(value: Json) -> Json:
    return frozenset(value) if isinstance(value, tuple) else value

"""The fields of a live flag as JSON values of a flag document, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.model.canonical import whole_weights
from reconciler.model.fields import FIELDS, ValueKind
from reconciler.model.flag import Unset
from reconciler.model.wire import encode_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model.config import Config
    from reconciler.model.fields import Field
    from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights
    from reconciler.strict_json import Json

_CERTAIN: Final = {field.public: encode_field(field, field.new) for field in FIELDS if field.is_certain}
"""What a new flag has for certain, by the name of the field. A minimal document leaves it out; the others are always
written: what a create that is silent about them makes of them is not in the reference."""

_SAID_BY_ITSELF: Final = frozenset({"archived", "rollout_weights"})
"""What says nothing where a new flag has it: a flag that is not archived, and weights that are all 0."""

_NEW_VARIANT: Final[dict[str, Json]] = {"name": "", "description": "", "payload": None}
_NO_PAYLOADS: Final[tuple[Json, ...]] = (None, {})


def document_of(
    spec: FlagSpec, config: Config, keep: Mapping[str, Json], *, minimal: bool = False
) -> dict[str, Json]:
    """Everything that is set in a live spec, so that a change of it elsewhere is seen.

    `archived` is said of a flag that is, empty names of variants and empty lists of members where `keep` declares
    them. `minimal`: without what a new flag has anyway, as far as `keep` does not declare it.
    """
    document: dict[str, Json] = {"key": spec.key}
    for field in FIELDS:
        if isinstance(getattr(spec, field.name), Unset):
            continue
        value, public = _value(spec, field, config, keep, minimal=minimal), field.public
        is_said = public in keep or public in config.defaults or public not in _CERTAIN or value != _CERTAIN[public]
        if is_said or not (minimal or field.name in _SAID_BY_ITSELF):
            document[public] = value
    return document


def _value(spec: FlagSpec, field: Field, config: Config, keep: Mapping[str, Json], *, minimal: bool) -> Json:
    value = getattr(spec, field.name)
    match field.kind:
        case ValueKind.WEIGHTS:
            return own_weights(value, _keys(spec))
        case ValueKind.VARIANTS:
            return variants_of(value, keep.get(field.public) or (), minimal=minimal)
        case ValueKind.SEGMENTS:
            return [segment_of(item, _keys(spec)) for item in value]
        case ValueKind.DEPLOYMENTS:
            return deployment_names(value, config)
        case ValueKind.STRINGS:
            return sorted(set(value) - {config.managed_tag} if field.name == "tags" else set(value))
        case _:
            return value


def _keys(spec: FlagSpec) -> tuple[str, ...]:
    return tuple(variant.key for variant in spec.variants or ())


def own_weights(weights: Weights, keys: tuple[str, ...]) -> dict[str, Json]:
    """The flag's weights with every variant in its order; weights of what is no variant mean nothing."""
    if not any(weights.as_dict().values()):
        return {}
    whole = whole_weights(weights)
    return {key: whole.get(key) for key in keys} if keys else whole.as_dict()


def segment_of(segment: TargetSegment, keys: tuple[str, ...]) -> dict[str, Json]:
    """A segment; its weights in the order of the variants, those of 0 left out."""
    body: dict[str, Json] = {"name": segment.name, "conditions": [_condition(item) for item in segment.conditions]}
    if not segment.conditions:
        body["everyone"] = True
    body["percentage"] = segment.percentage
    if not isinstance(segment.bucketing_key, Unset):
        body["bucketingKey"] = segment.bucketing_key
    body["rolloutWeights"] = _segment_weights(whole_weights(segment.rollout_weights), keys)
    return body


def _segment_weights(weights: Weights, keys: tuple[str, ...]) -> dict[str, Json]:
    found = {key: weights.get(key) for key in (*(key for key in keys if key in set(weights)), *weights)}
    return {key: weight for key, weight in found.items() if weight} or found


def _condition(condition: Condition) -> dict[str, Json]:
    return {"prop": condition.prop, "op": condition.op, "values": list(condition.values)}


def variants_of(
    variants: Iterable[Variant], keep: Iterable[Mapping[str, Json]], *, minimal: bool
) -> list[dict[str, Json]]:
    """The variants in their order. What `keep` declares of a variant of the same key is written too."""
    declared = {item["key"]: item for item in keep}
    return [variant_of(variant, declared.get(variant.key, {}), minimal=minimal) for variant in variants]


def variant_of(variant: Variant, keep: Mapping[str, Json], *, minimal: bool) -> dict[str, Json]:
    """One variant; inclusions that were not read are taken from `keep`."""
    body: dict[str, Json] = {"key": variant.key}
    for name, empty in _NEW_VARIANT.items():
        value = getattr(variant, name)
        if isinstance(value, Unset):
            continue
        is_empty = (minimal and value in _NO_PAYLOADS) if name == "payload" else value == empty
        if name in keep or not is_empty:
            body[name] = value
    inclusions = {
        name: members
        for name in ("users", "cohorts")
        if (members := _members(getattr(variant, name), name, keep.get("inclusions") or {})) is not None
    }
    return body | ({"inclusions": inclusions} if inclusions else {})


def _members(live: tuple[str, ...] | Unset, name: str, keep: Mapping[str, Json]) -> list[str] | None:
    if isinstance(live, Unset):
        return keep.get(name)
    return sorted(live) if live or name in keep else None


def deployment_names(ids: Iterable[str], config: Config) -> list[str]:
    """Deployments by their configured names, where they have one, sorted."""
    names: dict[str, str] = {}
    for name, deployment in config.deployments.items():
        names.setdefault(deployment, name)
    return sorted({names.get(deployment, deployment) for deployment in ids})

"""JSON of the Management API to the model and back: the one place that knows the API's field names.

Decoding is strict about what it uses (a wrong type is a InvalidResponseError that names the path) and tolerant
about what it does not (unknown fields are remembered by name, those of segments with their values). Ids come as
strings or numbers; they leave as strings. A field that an answer does not show is UNSET, never empty.
Rests on: "List", "Get details", "List variants", "Edit", "Create" of the API reference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec import Struct

from reconciler.errors import InvalidResponseError
from reconciler.model.fields import FIELDS, VARIANT_FIELDS, ValueKind, is_path_segment, why_no_segment
from reconciler.model.flag import (
    UNSET,
    Condition,
    Dependencies,
    FlagSpec,
    LiveFlag,
    TargetSegment,
    Unset,
    Variant,
    Weights,
)
from reconciler.text import json_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.fields import Field
    from reconciler.model.flag import Number
    from reconciler.strict_json import Json

T = TypeVar("T")

_ARCHIVE_MARKERS = ("archived", "deleted", "archive")

_DECIDES_NOTHING = frozenset({"id", "description", "createdBy", "createdAt", "lastModifiedBy", "lastModifiedAt"})
_SEGMENT_FIELDS = _DECIDES_NOTHING | {"name", "conditions", "percentage", "bucketingKey", "rolloutWeights"}
_CONDITION_FIELDS = _DECIDES_NOTHING | {"type", "prop", "op", "values"}
"""What an edit sends of segments and conditions, and what says nothing about who matches. All else is remembered."""


class Request(Struct, frozen=True, kw_only=True):
    """One request: `segments` of the path below /api/1, unescaped, and the JSON body or None.

    Where it is not `is_repeatable` it may be sent again only if it was surely not sent: it names a place in a list,
    which may be another one by now.
    """

    method: str
    segments: tuple[str, ...]
    body: dict[str, Json] | None = None
    is_repeatable: bool = True

    @property
    def path(self) -> str:
        """The path as it is sent, for keys and ids that need no escaping (all that validation lets through)."""
        return "/api/1/" + "/".join(self.segments)


def encode_segments(segments: tuple[TargetSegment, ...]) -> list[Json]:
    """`targetSegments` as the API takes it."""
    return [encode_segment(segment) for segment in segments]


def encode_segment(segment: TargetSegment) -> dict[str, Json]:
    """One segment as the API takes it; `bucketingKey` only where it is said."""
    body: dict[str, Json] = {
        "name": segment.name,
        "conditions": [
            {"type": item.type, "prop": item.prop, "op": item.op, "values": list(item.values)}
            for item in segment.conditions
        ],
        "percentage": segment.percentage,
    }
    if not isinstance(segment.bucketing_key, Unset):
        body["bucketingKey"] = segment.bucketing_key
    body["rolloutWeights"] = segment.rollout_weights.as_dict()
    return body


def losses_of(segment: TargetSegment) -> tuple[str, ...]:
    """What the server would lose of a live segment that is sent back, by name; nothing of one that can be sent.

    That is each type of condition other than `property`, which an edit does not take, and each field of a condition
    that the reference does not list: it may decide who matches. What a segment itself holds beside the reference is
    none of it. Rests on "Edit": `targetSegments` replaces all segments and does not support cohorts.
    """
    kinds = [f"{item.type} conditions" for item in segment.conditions if item.type != "property"]
    fields = [name for condition in segment.conditions for name, _ in condition.unlisted]
    return tuple(dict.fromkeys((*kinds, *fields)))


def encode_variant(variant: Variant) -> dict[str, Json]:
    """What a create or POST carries of a variant: key, name, description and payload, where said."""
    body: dict[str, Json] = {"key": variant.key}
    for name in VARIANT_FIELDS:
        value = getattr(variant, name)
        if not isinstance(value, Unset):
            body[name] = value
    return body


def encode_field(field: Field, value: Json) -> Json:
    """The value of a field of FlagSpec (not UNSET) as JSON of a flag file; inclusions included."""
    encode = _ENCODERS.get(field.kind)
    return value if encode is None else encode(value)


def _encode_variant_with_inclusions(variant: Variant) -> dict[str, Json]:
    body = encode_variant(variant)
    inclusions = {
        name: list(members)
        for name in ("users", "cohorts")
        if not isinstance(members := getattr(variant, name), Unset)
    }
    if inclusions:
        body["inclusions"] = inclusions
    return body


def decode_flag(answer: Json, where: str = "flag", *, archived: bool = False) -> LiveFlag:
    """A flag of a list, of details, or of a version.

    `archived` is what to assume where the answer itself carries no marker (`archived` or `deleted`).
    Raises InvalidResponseError naming the path under `where`.
    """
    body = typed(answer, dict, where)
    fields = {name: _optional(body, public, decode, where) for name, public, decode in _READERS}
    fields["archived"] = _archived(body, where, otherwise=archived)
    return LiveFlag(
        id=_required(body, "id", path_id, where),
        project_id=_required(body, "projectId", identifier, where),
        spec=FlagSpec(key=_path_text(_required(body, "key", _string, where), "key", f"{where}/key"), **fields),
        created_by=_by(body, "createdBy", where),
        created_at=_by(body, "createdAt", where),
        last_modified_by=_by(body, "lastModifiedBy", where),
        last_modified_at=_by(body, "lastModifiedAt", where),
        parent_dependencies=_dependencies(body.get("parentDependencies"), f"{where}/parentDependencies"),
    )


def check_field(public: str, value: Json) -> None:
    """See that a value can be that of a field by its name in the API. Raises MalformedAnswerError, KeyError."""
    _DECODERS[_KIND_OF[public]](value, public)


def decode_variants(answer: Json, where: str = "variants") -> tuple[Variant, ...]:
    """The variants of a flag, in the server's order; a field that is not shown is UNSET. No key comes twice."""
    variants = tuple(
        decode_variant(item, f"{where}/{index}") for index, item in enumerate(typed(answer, list, where))
    )
    if len({variant.key for variant in variants}) < len(variants):
        raise InvalidResponseError(f"Invalid response from the API: a variant is named twice at {where}.")
    return variants


def decode_variant(answer: Json, where: str = "variant") -> Variant:
    """One variant, without inclusions: they have reads of their own."""
    body = typed(answer, dict, where)
    return Variant(
        key=_required(body, "key", _string, where),
        name=_optional(body, "name", _text, where),
        description=_optional(body, "description", _text, where),
        payload=body.get("payload", UNSET),
    )


def decode_strings(answer: Json, where: str = "list") -> tuple[str, ...]:
    """A list of strings; null is the empty list."""
    return tuple(_string(item, f"{where}/{index}") for index, item in enumerate(typed(_or(answer, []), list, where)))


def decode_ids(answer: Json, where: str = "list") -> tuple[str, ...]:
    """A list of ids, each a string or a whole number, or an object with an `id`, as strings."""
    found = []
    for index, item in enumerate(typed(_or(answer, []), list, where)):
        path = f"{where}/{index}"
        found.append(_required(item, "id", identifier, path) if isinstance(item, dict) else identifier(item, path))
    return tuple(found)


def identifier(value: Json, where: str) -> str:
    """An id as a string, whichever of the two forms the server used."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise malformed(value, "an id", where)


def path_id(value: Json, where: str) -> str:
    """An id that requests name in their path, as a string."""
    return _path_text(value if value == "" else identifier(value, where), "id", where)


def _path_text(text: str, noun: str, where: str) -> str:
    if is_path_segment(text):
        return text
    raise InvalidResponseError(
        f"Invalid response from the API: the {noun} at {where} cannot be used: {why_no_segment(text)}."
    )


def _archived(body: dict[str, Json], where: str, *, otherwise: bool) -> bool:
    for marker in _ARCHIVE_MARKERS:
        if body.get(marker) is not None and _boolean(body[marker], f"{where}/{marker}"):
            return True
    return False if shows_archived(body) else otherwise


def shows_archived(answer: Json) -> bool:
    """Whether a flag's JSON itself says if it is archived."""
    return isinstance(answer, dict) and any(answer.get(name) is not None for name in _ARCHIVE_MARKERS)


def _segments(value: Json, where: str) -> tuple[TargetSegment, ...]:
    return tuple(_segment(item, f"{where}/{index}") for index, item in enumerate(typed(_or(value, []), list, where)))


def _segment(value: Json, where: str) -> TargetSegment:
    body = typed(value, dict, where)
    conditions = typed(_or(body.get("conditions"), []), list, f"{where}/conditions")
    percentage = body.get("percentage")
    return TargetSegment(
        name=_text(body.get("name"), f"{where}/name"),
        conditions=tuple(_condition(item, f"{where}/conditions/{index}") for index, item in enumerate(conditions)),
        percentage=0 if percentage is None else _number(percentage, f"{where}/percentage"),
        rollout_weights=_weights(body.get("rolloutWeights"), f"{where}/rolloutWeights"),
        bucketing_key=_optional(body, "bucketingKey", _string, where),
        unlisted=_unlisted(body, _SEGMENT_FIELDS),
    )


def _condition(value: Json, where: str) -> Condition:
    body = typed(value, dict, where)
    values = typed(_or(body.get("values"), []), list, f"{where}/values")
    kind = body.get("type")
    return Condition(
        prop=_required(body, "prop", _string, where),
        op=_required(body, "op", _string, where),
        values=tuple([item if isinstance(item, str) else _scalar_text(item, f"{where}/values") for item in values]),
        type="property" if kind is None else _required(body, "type", _string, where),
        unlisted=_unlisted(body, _CONDITION_FIELDS),
    )


def _unlisted(body: dict[str, Json], listed: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The unlisted fields that say something (0 does; null, false and empty do not): names with JSON text, sorted."""
    names = sorted(name for name in body.keys() - listed if body[name] or _is_number(body[name]))
    return tuple((name, json.dumps(body[name], sort_keys=True)) for name in names)


def _scalar_text(value: Json, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise malformed(value, "a string", where)


def _dependencies(value: Json, where: str) -> Dependencies | None:
    if value is None:
        return None
    body = typed(value, dict, where)
    flags = typed(_or(body.get("flags"), {}), dict, f"{where}/flags")
    operator = body.get("operator")
    if not flags:
        return None
    found = (
        (path_id(key, f"{where}/flags"), decode_strings(item, f"{where}/flags/{key}")) for key, item in flags.items()
    )
    return Dependencies(
        flags=tuple(sorted(found)),
        operator="all" if operator is None else _string(operator, f"{where}/operator"),
    )


def _weights(value: Json, where: str) -> Weights:
    body = typed(_or(value, {}), dict, where)
    return Weights(
        tuple(
            [
                (key, weight if weight.__class__ is int and weight >= 0 else _number(weight, f"{where}/{key}"))
                for key, weight in body.items()
            ]
        )
    )


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Json, where: str) -> Number:
    if not _is_number(value) or value < 0:
        raise malformed(value, "a number of 0 or more", where)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _string(value: Json, where: str) -> str:
    result: str = typed(value, str, where)
    return result


def _text(value: Json, where: str) -> str:
    return "" if value is None else _string(value, where)


def _boolean(value: Json, where: str) -> bool:
    result: bool = typed(value, bool, where)
    return result


def _by(body: dict[str, Json], name: str, where: str) -> str | None:
    value = body.get(name)
    return None if value is None or value == "" else _required(body, name, identifier, where)


def _optional(body: dict[str, Json], name: str, decode: Callable[[Json, str], T], where: str) -> T | Unset:
    value = body.get(name)
    if value and value.__class__ is _AS_IT_IS.get(decode):
        return cast("T", value)
    if value is None and (name not in body or decode is not _text):
        return UNSET
    return decode(value, f"{where}/{name}")


def _required(body: dict[str, Json], name: str, decode: Callable[[Json, str], T], where: str) -> T:
    value = body.get(name)
    if value and value.__class__ is _AS_IT_IS.get(decode):
        return cast("T", value)
    if value is None:
        raise InvalidResponseError(f"Invalid response from the API: {where}/{name} is missing.")
    return decode(value, f"{where}/{name}")


_AS_IT_IS: dict[Callable[[Json, str], Any], type] = {_string: str, _text: str, identifier: str, _boolean: bool}
"""Which values, unless they are empty, a decoder gives as they are: most of them, and no path need be spelled."""


def _or(value: Json, empty: Json) -> Json:
    """The value, where null stands for the empty one. Nothing else does: `{}` is not an empty list."""
    return empty if value is None else value


def typed(value: Json, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - the caller names the type
    """The value, which must be of this type; `where` is its place, for messages. Raises InvalidResponseError."""
    if not isinstance(value, kind):
        words = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
        raise malformed(value, words.get(kind, kind.__name__), where)
    return value


def malformed(value: Json, expected: str, where: str) -> InvalidResponseError:
    """The error of an answer that has another value at `where` than was `expected`."""
    return InvalidResponseError(
        f"Invalid response from the API: expected {expected} at {where}, got {json_kind(value)}."
    )


_DECODERS: dict[ValueKind, Callable[[Json, str], Any]] = {
    ValueKind.TEXT: _text,
    ValueKind.WORD: _string,
    ValueKind.ID: identifier,
    ValueKind.SWITCH: _boolean,
    ValueKind.NUMBER: _number,
    ValueKind.WEIGHTS: _weights,
    ValueKind.VARIANTS: decode_variants,
    ValueKind.SEGMENTS: _segments,
    ValueKind.DEPLOYMENTS: decode_ids,
    ValueKind.STRINGS: decode_strings,
}
_KIND_OF = {field.public: field.kind for field in FIELDS}
_READERS = tuple((field.name, field.public, _DECODERS[field.kind]) for field in FIELDS if field.name != "archived")
"""How each field is read; whether a flag is archived is told by markers of several names."""

_ENCODERS: dict[ValueKind, Callable[[Any], Json]] = {
    ValueKind.WEIGHTS: Weights.as_dict,
    ValueKind.VARIANTS: lambda variants: [_encode_variant_with_inclusions(variant) for variant in variants],
    ValueKind.SEGMENTS: encode_segments,
    ValueKind.DEPLOYMENTS: list,
    ValueKind.STRINGS: list,
}
"""The kinds whose values are no JSON as they stand."""

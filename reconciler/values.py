"""What a flag's variants are worth in code: the one type that OpenFeature and generated types give a flag.

The payloads decide where all of them are of one type. Without payloads a flag whose only variant is `on` is a
boolean; any other is a string, the key of the variant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reconciler.delivery import payload_of
from reconciler.model.flag import OFF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import Variant
    from reconciler.strict_json import Json


class ValueType(StrEnum):
    """The types of OpenFeature."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


_DEFAULTS: Final[dict[ValueType, Json]] = {
    ValueType.BOOLEAN: False,
    ValueType.STRING: OFF,
    ValueType.INTEGER: 0,
    ValueType.FLOAT: 0.0,
    ValueType.OBJECT: {},
}

NO_VALUE: Final = object()
"""A variant that says nothing about its value, as `off` among payloads: the caller's default counts."""


def type_of(variants: Sequence[Variant]) -> ValueType:
    """The type of a flag with these variants."""
    kinds = {_kind(payload) for payload in map(payload_of, variants) if payload is not None}
    if kinds == {ValueType.INTEGER, ValueType.FLOAT}:
        return ValueType.FLOAT
    if len(kinds) == 1:
        return kinds.pop()
    return ValueType.BOOLEAN if [item.key for item in variants] == ["on"] else ValueType.STRING


def has_payloads(variants: Sequence[Variant]) -> bool:
    """Whether the payloads decide about the type, so that the values are payloads."""
    kinds = {_kind(payload) for payload in map(payload_of, variants) if payload is not None}
    return len(kinds) == 1 or kinds == {ValueType.INTEGER, ValueType.FLOAT}


def default_of(variants: Sequence[Variant]) -> Json:
    """What code falls back to where no flag can be asked."""
    kind = type_of(variants)
    return "" if kind is ValueType.STRING and has_payloads(variants) else _DEFAULTS[kind]


def value_of(variants: Sequence[Variant], key: str) -> Json:
    """The value of a user who gets the variant `key` of such a flag; NO_VALUE where it has none."""
    if has_payloads(variants):
        payload = next((payload_of(item) for item in variants if item.key == key), None)
        if payload is None:
            return NO_VALUE
        return float(payload) if type_of(variants) is ValueType.FLOAT else payload
    return key != OFF if type_of(variants) is ValueType.BOOLEAN else key


def _kind(payload: Json) -> ValueType:
    match payload:
        case bool():
            return ValueType.BOOLEAN
        case str():
            return ValueType.STRING
        case int():
            return ValueType.INTEGER
        case float():
            return ValueType.FLOAT
        case _:
            return ValueType.OBJECT

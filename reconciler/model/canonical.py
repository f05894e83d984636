"""The one definition of "equal", and fingerprints built on it.

Rules (each tested in tests/unit/test_canonical.py): JSON numbers by value, so 1 and 1.0 are equal and true and 1
are not; weights by ratio; users, cohorts, tags, deployments, the conditions of a
segment, all of which must hold, and the values of a condition as sets; segments in order.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, Final

from reconciler.model.fields import FIELDS, VARIANT_FIELDS, ValueKind
from reconciler.model.flag import UNSET, Unset, Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.model.fields import Field
    from reconciler.model.flag import FlagSpec, LiveFlag, Number, TargetSegment, Variant
    from reconciler.strict_json import Json

_MOST_PARTS: Final = 10_000
"""The most parts of a whole for which a double is taken to be one of them."""


def canonical_json(value: Json) -> Json:
    """The value with each number in one form: a float that is a whole number becomes an int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: canonical_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical_json(item) for item in value]
    return value


def canonical_text(value: Json) -> str:
    """JSON text that is equal exactly for equal values: sorted keys, no spaces, one form per number."""
    return json.dumps(canonical_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def same_json(left: Json, right: Json) -> bool:
    """Whether two JSON values are equal; true and 1 are not, 1 and 1.0 are."""
    return left is right or canonical_text(left) == canonical_text(right)


def weight_ratio(weights: Weights) -> tuple[tuple[str, Number], ...]:
    """The smallest whole numbers with the same ratios, sorted by key, zeros left out; decimals exactly."""
    parts = [(key, *exact(weight).as_integer_ratio()) for key, weight in weights.pairs if weight]
    common = lcm(*(below for _, _, below in parts))
    whole = {key: above * (common // below) for key, above, below in parts}
    divisor = gcd(*whole.values())
    return tuple(sorted((key, weight // divisor) for key, weight in whole.items()))


def exact(number: Number) -> Fraction | int:
    """A number as it is meant: a fraction of JSON is a decimal, not the double next to it.

    A double right next to a fraction of few parts is that fraction: 33.333333333333336 is a third of 100.
    """
    if isinstance(number, int):
        return number
    near = Fraction(number).limit_denominator(_MOST_PARTS)
    return near if float(near) == number else Fraction(str(number))


def whole_weights(weights: Weights) -> Weights:
    """The same ratios in whole numbers: the weights where they are whole, else their smallest such multiple."""
    found = {key: Fraction(exact(weight)) for key, weight in weights.pairs}
    common = lcm(*(weight.denominator for weight in found.values()))
    return Weights.of({key: int(weight * common) for key, weight in found.items()})


def same_weights(left: Weights, right: Weights) -> bool:
    """Whether both give every variant the same share."""
    return weight_ratio(left) == weight_ratio(right)


def canonical_segment(segment: TargetSegment) -> Json:
    """A segment as a JSON value for comparing; weights as ratios, the bucketing key None when not said.

    What the reference does not list is left out: no declaration can say it.
    """
    conditions = [
        {"type": item.type, "prop": item.prop, "op": item.op, "values": canonical_set(item.values)}
        for item in segment.conditions
    ]
    return {
        "name": segment.name,
        "conditions": list({canonical_text(item): item for item in sorted(conditions, key=canonical_text)}.values()),
        "percentage": canonical_json(segment.percentage),
        "bucketingKey": None if segment.bucketing_key is UNSET else segment.bucketing_key,
        "rolloutWeights": dict(weight_ratio(segment.rollout_weights)),
    }


def same_conditions(left: TargetSegment, right: TargetSegment) -> bool:
    """Whether two segments match the same users, as far as a declaration can say it."""
    return bool(canonical_segment(left)["conditions"] == canonical_segment(right)["conditions"])


def _segment_content(segment: TargetSegment) -> Json:
    """All that was shown of a segment: fields that the reference does not list included."""
    unlisted = [segment.unlisted, *(condition.unlisted for condition in segment.conditions)]
    return canonical_segment(segment) | ({"unlisted": unlisted} if any(unlisted) else {})


def canonical_set(members: Iterable[str]) -> list[str]:
    """A set of strings in its one order."""
    return sorted(set(members))


def shown(spec: FlagSpec, field: Field) -> Json:
    """A field of a live flag, or what its absence means; UNSET when that cannot be known."""
    value = getattr(spec, field.name)
    return field.new if isinstance(value, Unset) and field.always_shown else value


def canonical_value(field: Field, value: Json) -> Json:
    """The value of a field (not UNSET) in a form that is equal exactly for equal values."""
    canonical = _CANONICAL.get(field.kind)
    return value if canonical is None else canonical(value)


def field_differs(field: Field, desired: Json, live: Json) -> bool:
    """Whether a declared field of a flag differs; UNSET on either side never does."""
    if isinstance(desired, Unset) or isinstance(live, Unset) or desired == live:
        return False
    return bool(canonical_value(field, desired) != canonical_value(field, live))


def payload_differs(desired: Json, live: Json) -> bool:
    """Whether a declared payload differs from the live one, where None is a variant that has none.

    None equals null and `{}`, because a server may keep neither. A live `{}` is a payload: only `{}` equals it,
    and a declared null removes it.
    """
    if live is None and (desired is None or desired == {}):
        return False
    return not same_json(desired, live)


def paired_variants(declared: FlagSpec, live: FlagSpec) -> Iterator[tuple[Variant, Variant]]:
    """Each declared variant that exists and the live one that it is: of its key, or of the key it was renamed from.

    A rename counts only while the live flag has the old key and not the new one.
    """
    if isinstance(declared.variants, Unset) or isinstance(live.variants, Unset):
        return
    by_key = {variant.key: variant for variant in live.variants}
    for variant in declared.variants:
        found = by_key.get(variant.key) or by_key.get(variant.renamed_from or "")
        if found is not None:
            yield variant, found


def pair_variants(declared: FlagSpec, live: FlagSpec) -> dict[str, Variant]:
    """The live variant that each declared variant is, by the declared key."""
    return {variant.key: found for variant, found in paired_variants(declared, live)}


def fingerprint(flag: LiveFlag) -> str:
    """`sha256:…` over id, content and time of last change: all that was shown of a live flag.

    Two refreshes of an untouched flag with the same reads give the same fingerprint.
    """
    return "sha256:" + hashlib.sha256(canonical_text(_live_content(flag)).encode()).hexdigest()


def _live_content(flag: LiveFlag) -> Json:
    dependencies = flag.parent_dependencies
    return {
        "id": flag.id,
        "lastModifiedAt": flag.last_modified_at,
        "spec": _spec_content(flag.spec),
        "parents": None if dependencies is None else [dependencies.operator, sorted(dependencies.flags)],
    }


def _spec_content(spec: FlagSpec) -> dict[str, Json]:
    content = {field.name: value for field in FIELDS if (value := getattr(spec, field.name)) is not UNSET}
    content |= {name: _CONTENT[kind](content[name]) for name, kind in _COMPOSITE if name in content}
    return {"key": spec.key} | content


def _variant_content(variant: Variant) -> Json:
    shown = {
        name: value for name in ("key", *VARIANT_FIELDS) if not isinstance(value := getattr(variant, name), Unset)
    }
    if not isinstance(variant.users, Unset):
        shown["users"] = sorted(variant.users)
    if not isinstance(variant.cohorts, Unset):
        shown["cohorts"] = canonical_set(variant.cohorts)
    return shown


_CANONICAL: dict[ValueKind, Callable[[Any], Json]] = {
    ValueKind.WEIGHTS: weight_ratio,
    ValueKind.SEGMENTS: lambda segments: [canonical_segment(segment) for segment in segments],
    ValueKind.DEPLOYMENTS: canonical_set,
    ValueKind.STRINGS: canonical_set,
}
"""The kinds of which different values can be equal."""

_CONTENT: dict[ValueKind, Callable[[Any], Json]] = {
    ValueKind.WEIGHTS: Weights.as_dict,
    ValueKind.VARIANTS: lambda variants: [_variant_content(variant) for variant in variants],
    ValueKind.SEGMENTS: lambda segments: [_segment_content(segment) for segment in segments],
    ValueKind.DEPLOYMENTS: canonical_set,
    ValueKind.STRINGS: canonical_set,
}
"""All that was shown, as JSON, of the kinds that are no JSON as they stand."""

_COMPOSITE = tuple((field.name, field.kind) for field in FIELDS if field.kind in _CONTENT)


def fields_that_moved(before: LiveFlag, now: LiveFlag) -> tuple[str, ...]:
    """The fields of a live flag, named as in FlagSpec, that both readings show and that differ.

    Readings of different endpoints show different amounts; what only one of them shows is no difference.
    """
    if before.id != now.id:
        return ("id",)
    old, new = _spec_content(before.spec), _spec_content(now.spec)
    moved = [
        name
        for name in old.keys() & new.keys() - {"variants"}
        if canonical_text(old[name]) != canonical_text(new[name])
    ]
    if _variants_moved(old.get("variants"), new.get("variants")):
        moved.append("variants")
    return tuple(sorted(moved))


def _variants_moved(before: list[Json] | None, now: list[Json] | None) -> bool:
    if before is None or now is None:
        return False
    if [item["key"] for item in before] != [item["key"] for item in now]:
        return True
    return any(
        canonical_text(old[name]) != canonical_text(new[name])
        for old, new in zip(before, now, strict=True)
        for name in old.keys() & new.keys()
    )

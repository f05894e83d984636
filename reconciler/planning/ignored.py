"""A declaration with the live value at every place that `ignore` leaves to others: it makes no difference there.

A list or map that is declared replaces the live one as a whole, so what stays live has to be in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from reconciler.model.canonical import pair_variants, shown
from reconciler.model.fields import FIELD, FIELDS, VARIANT_FIELDS, ValueKind
from reconciler.model.flag import UNSET, Unset, Weights
from reconciler.model.reads import MEMBERS
from reconciler.planning.normalise import live_as_renamed
from reconciler.planning.segments import pair_segments, without_shield

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.model.config import Ignored
    from reconciler.model.flag import FlagSpec, TargetSegment, Variant
    from reconciler.strict_json import Json

T = TypeVar("T")

_UNMANAGED: Final = dict.fromkeys((*VARIANT_FIELDS, *MEMBERS), UNSET)


def keep_ignored(desired: FlagSpec, live: FlagSpec, ignored: Ignored) -> FlagSpec:
    """The declaration as it applies to a live flag, ignored places as they are live.

    A field that is ignored as a whole is not managed. What stays of lists keeps its place behind what it follows
    live. The weight of a variant that is ignored stays with it, unless the declared weights name it.
    """
    if not ignored:
        return desired
    seen = live_as_renamed(desired, live)
    kept: dict[str, Any] = {}
    for field in FIELDS:
        inner, wanted, present = ignored.at(field.public), getattr(desired, field.name), shown(seen, field)
        if isinstance(wanted, Unset):
            continue
        if inner.is_whole:
            kept[field.name] = UNSET
        elif isinstance(present, Unset):
            continue
        elif field.kind is ValueKind.WEIGHTS:
            kept[field.name] = _weights(desired, seen, ignored)
        elif inner and field.kind is ValueKind.VARIANTS:
            kept[field.name] = _variants(desired, seen, inner)
        elif inner and field.kind is ValueKind.SEGMENTS:
            kept[field.name] = _segments(wanted, present, inner)
        elif inner and field.kind.is_set:
            kept[field.name] = _members(wanted, present, inner)
    return replace(desired, **kept)


def kept_segments(desired: FlagSpec, live: FlagSpec, ignored: Ignored) -> tuple[TargetSegment, ...]:
    """The live segments that stay because they are ignored, where segments are declared."""
    if not ignored or isinstance(desired.target_segments, Unset):
        return ()
    inner, names = ignored.at("targetSegments"), {item.name for item in desired.target_segments}
    return tuple(item for item in live.target_segments or () if inner.covers(item.name) and item.name not in names)


def _members(wanted: Sequence[str], present: Sequence[str], ignored: Ignored) -> tuple[str, ...]:
    return (*wanted, *(item for item in present if ignored.covers(item) and item not in wanted))


def _weights(desired: FlagSpec, live: FlagSpec, ignored: Ignored) -> Weights:
    """The declared weights, with the live numbers of ignored variants under the keys that they are to have."""
    wanted: Mapping[str, Any] = desired.rollout_weights.as_dict() if desired.rollout_weights else {}
    present: Weights = shown(live, FIELD["rollout_weights"])
    own, variants = ignored.at("rolloutWeights"), ignored.at("variants")
    new_keys = {found.key: key for key, found in pair_variants(desired, live).items()}
    kept = {}
    for key, weight in present.pairs:
        name = new_keys.get(key, key)
        if name not in wanted and (own.covers(name) or variants.covers(name)):
            kept[name] = weight
    return Weights.of({**wanted, **kept})


def _variants(desired: FlagSpec, live: FlagSpec, ignored: Ignored) -> tuple[Variant, ...]:
    pairs = pair_variants(desired, live)
    known = {found.key: key for key, found in pairs.items()}
    wanted = {
        item.key: _variant(item, pairs.get(item.key), ignored.at_declared(item.key))
        for item in desired.variants or ()
    }
    return _with_kept(
        tuple(wanted.values()),
        tuple(replace(item, **_UNMANAGED) for item in live.variants or ()),
        lambda item: item.key not in known and ignored.covers(item.key),
        lambda item: wanted.get(known.get(item.key, "")),
    )


def _variant(wanted: Variant, live: Variant | None, ignored: Ignored) -> Variant:
    if live is None:
        return wanted
    kept: dict[str, Any] = {name: UNSET for name in VARIANT_FIELDS if ignored.at_declared(name).is_whole}
    members = ignored.at_declared("inclusions")
    for kind in MEMBERS:
        inner, declared, present = members.at_declared(kind), getattr(wanted, kind), getattr(live, kind)
        if inner.is_whole:
            kept[kind] = UNSET
        elif not isinstance(declared, Unset) and not isinstance(present, Unset):
            kept[kind] = _members(declared, present, inner)
    if "payload" not in kept and not isinstance(wanted.payload, Unset):
        kept["payload"] = _value(wanted.payload, live.payload, ignored.at_declared("payload"))
    return replace(wanted, **kept)


def _value(wanted: Json, live: Json, ignored: Ignored) -> Json:
    """A JSON value with the live one at the ignored places in its objects: members of others have no name."""
    if not isinstance(live, dict) or not (isinstance(wanted, dict) or wanted is None):
        return wanted
    merged: dict[str, Json] = {}
    for key, value in (wanted or {}).items():
        inner = ignored.at_declared(key)
        merged[key] = value if inner.is_whole else _value(value, live.get(key), inner)
    for key, value in live.items():
        if key in merged:
            continue
        inner = ignored.at(key)
        if inner.is_whole:
            merged[key] = value
        elif (rest := _value(None, value, inner)) is not None:
            merged[key] = rest
    return merged or wanted


def _segments(
    wanted: tuple[TargetSegment, ...], live: tuple[TargetSegment, ...], ignored: Ignored
) -> tuple[TargetSegment, ...]:
    names = {item.name for item in wanted}
    rest = tuple(item for item in without_shield(live) if item.name in names or not ignored.covers(item.name))
    partner: dict[int, TargetSegment] = {}
    made = []
    for segment, found in pair_segments(wanted, rest):
        made.append(segment if found is None else _segment(segment, found, ignored.at_declared(segment.name)))
        partner[id(found)] = made[-1]
    return _with_kept(
        tuple(made),
        live,
        lambda item: item.name not in names and ignored.covers(item.name),
        lambda item: partner.get(id(item)),
    )


def _segment(wanted: TargetSegment, live: TargetSegment, ignored: Ignored) -> TargetSegment:
    if live.name != wanted.name:
        return wanted
    kept: dict[str, Any] = {}
    if ignored.at_declared("conditions").is_whole:
        kept["conditions"] = live.conditions
    if ignored.at_declared("percentage").is_whole:
        kept["percentage"] = live.percentage
    if ignored.covers("bucketingKey"):
        kept["bucketing_key"] = live.bucketing_key
    inner = ignored.at_declared("rolloutWeights")
    if inner:
        own = {} if inner.is_whole else wanted.rollout_weights.as_dict()
        theirs = {key: weight for key, weight in live.rollout_weights.pairs if inner.covers(key)}
        kept["rollout_weights"] = Weights.of({**theirs, **own})
    return replace(wanted, **kept)


def _with_kept(
    wanted: tuple[T, ...], live: Sequence[T], is_kept: Callable[[T], bool], partner: Callable[[T], T | None]
) -> tuple[T, ...]:
    """The declared items with the live ones that stay, each behind the one that it follows live, else in front."""
    result = list(wanted)
    place = 0
    for item in live:
        if is_kept(item):
            result.insert(place, item)
            place += 1
        elif (own := partner(item)) is not None:
            place = next(index for index, other in enumerate(result) if other is own) + 1
    return tuple(result)

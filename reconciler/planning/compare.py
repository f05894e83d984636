"""What differs between a declared and a live flag, and the fewest calls that turn one into the other: one walk.

This module decides what is sent; `ordering` decides when. Equality is `canonical`'s.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.canonical import (
    canonical_json,
    field_differs,
    pair_variants,
    payload_differs,
    same_conditions,
    same_weights,
    shown,
)
from reconciler.model.fields import FIELD, FIELDS, VARIANT_FIELDS
from reconciler.model.flag import UNSET, FlagSpec, Unset, Variant, Weights
from reconciler.model.reads import MEMBERS, path_of
from reconciler.model.wire import encode_field, encode_segments, encode_variant
from reconciler.planning.operations import (
    BULK_REMOVAL_LIMIT,
    AddDeployments,
    AddMembers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveDeployment,
    RemoveMembers,
    RemoveUserAt,
)
from reconciler.planning.plan import LeafChange, MembersChange, ValueChange
from reconciler.strict_json import join_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.model.flag import MemberKind, Number
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FieldChange
    from reconciler.planning.segments import Segments
    from reconciler.strict_json import Json


class Differences(Struct, frozen=True):
    """What differs, in the order of a flag file, and the calls that it takes, not yet in order."""

    changes: tuple[FieldChange, ...] = ()
    operations: tuple[Operation, ...] = ()


def compare_new(desired: FlagSpec, project_id: str) -> Differences:
    """Every declared field of a flag that does not exist.

    POST with all it can carry, a PATCH for what else differs from what a new flag is, then inclusions. Where there is
    a PATCH, it carries every declared switch, also one that a new flag has so: a server may begin otherwise.
    """
    changes: list[FieldChange] = []
    body: dict[str, Json] = {"projectId": project_id, "key": desired.key}
    rest: dict[str, Json] = {}
    as_new: dict[str, Json] = {}
    for field in FIELDS:
        wanted = getattr(desired, field.name)
        if isinstance(wanted, Unset):
            continue
        value = encode_field(field, wanted)
        changes.append(ValueChange(path=f"/{field.public}", before=None, after=value))
        if field.in_create:
            body[field.public] = value
        elif field.edit and wanted != field.new:
            rest[field.edit] = value
        elif field.edit and field.may_start_on:
            as_new[field.edit] = value
    variants = desired.variants or ()
    body["variants"] = [encode_variant(variant) for variant in variants]
    operations: list[Operation] = [CreateFlag(flag_key=desired.key, body=body)]
    if rest:
        operations.append(EditFlag(flag_key=desired.key, body=rest | as_new))
    for variant in variants:
        operations += (call for found in _members(desired.key, variant, None) for call in found.operations)
    return Differences(tuple(changes), tuple(operations))


def compare_flags(desired: FlagSpec, live: FlagSpec) -> Differences:
    """Every declared field that differs, and the fewest calls for a flag that exists: one PATCH of it at most."""
    pairs = pair_variants(desired, live)
    changes: list[FieldChange] = []
    operations: list[Operation] = []
    body: dict[str, Json] = {}
    for field in FIELDS:
        if field.name == "variants":
            for found in _variants(desired, live, pairs):
                changes += found.changes
                operations += found.operations
            continue
        wanted = getattr(desired, field.name)
        present: Any = _weights_by_new_key(live, pairs) if field.name == "rollout_weights" else shown(live, field)
        if not field_differs(field, wanted, present):
            continue
        after = encode_field(field, wanted)
        before = _spelled_alike(present, wanted) if field.name == "target_segments" else present
        changes.append(ValueChange(path=f"/{field.public}", before=encode_field(field, before), after=after))
        if field.edit:
            body[field.edit] = after
    if _names_what_goes(desired, live, pairs):
        body["targetSegments"] = encode_segments(desired.target_segments or ())
    if body:
        operations.insert(0, EditFlag(flag_key=desired.key, body=body))
    operations += _deployment_calls(desired, live)
    return Differences(tuple(changes), tuple(operations))


def _spelled_alike(live: Segments, wanted: Segments) -> Segments:
    """The live segments, conditions and weights as they are declared where they mean the same: no change to show."""
    declared = {segment.name: segment for segment in wanted}
    alike = []
    for segment in live:
        other = declared.get(segment.name)
        same: dict[str, Any] = {}
        if other is not None and same_weights(segment.rollout_weights, other.rollout_weights):
            same["rollout_weights"] = other.rollout_weights
        if other is not None and same_conditions(segment, other):
            same["conditions"] = other.conditions
        alike.append(replace(segment, **same))
    return tuple(alike)


def _names_what_goes(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> bool:
    """Whether declared segments equal the live ones, but these still name, at weight 0, a variant that is to go."""
    if isinstance(desired.target_segments, Unset) or isinstance(desired.variants, Unset):
        return False
    gone = {variant.key for variant in live.variants or ()} - {variant.key for variant in pairs.values()}
    return bool(gone) and any(gone & set(segment.rollout_weights) for segment in live.target_segments or ())


def _variants(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> Iterator[Differences]:
    weights = weights_to_send(desired, live, pairs)
    if isinstance(desired.variants, Unset):
        for key, weight in weights.items():
            edit = EditVariant(flag_key=desired.key, variant_key=key, body={"rolloutWeight": weight})
            yield Differences(operations=(edit,))
        return
    for variant in desired.variants:
        found = pairs.get(variant.key)
        share: dict[str, Json] = {"rolloutWeight": weights[variant.key]} if variant.key in weights else {}
        if found is None:
            body = encode_variant(variant)
            create = CreateVariant(flag_key=desired.key, variant_key=variant.key, body=body | share)
            yield Differences((ValueChange(path=f"/variants/{variant.key}", before=None, after=body),), (create,))
        else:
            yield _edited_variant(desired.key, variant, found, share)
        yield from _members(desired.key, variant, found)
    kept = {variant.key for variant in pairs.values()}
    for variant in live.variants or ():
        if variant.key not in kept:
            change = ValueChange(path=f"/variants/{variant.key}", before=encode_variant(variant), after=None)
            yield Differences((change,), (DeleteVariant(flag_key=desired.key, variant_key=variant.key),))


def _edited_variant(flag_key: str, desired: Variant, live: Variant, share: dict[str, Json]) -> Differences:
    """The fields of a variant that differ, its key where it is renamed, and one PATCH for them and its weight."""
    fields: dict[str, Json] = {} if desired.key == live.key else {"key": desired.key}
    for name in VARIANT_FIELDS:
        wanted, found = getattr(desired, name), getattr(live, name)
        if wanted is UNSET or found is UNSET:
            continue
        if payload_differs(wanted, found) if name == "payload" else wanted != found:
            fields[name] = wanted
    changes = tuple(
        ValueChange(path=f"/variants/{desired.key}/{name}", before=getattr(live, name), after=after)
        for name, after in fields.items()
    )
    body = fields | share
    return Differences(changes, (EditVariant(flag_key=flag_key, variant_key=live.key, body=body),) if body else ())


def weights_to_send(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> dict[str, Number]:
    """The declared weight of each variant (by its declared key) whose weight a call must carry.

    Every new variant's; of the others none where the ratios among those that stay are equal already. Where only
    variants that are to weigh 0 spoil the ratios, only these; else each whose number differs. Declared numbers
    are sent as they stand, never scaled.
    """
    if isinstance(desired.rollout_weights, Unset):
        return {}
    wanted, present = desired.rollout_weights, shown(live, FIELD["rollout_weights"])
    if isinstance(desired.variants, Unset):
        stay = {variant.key: variant.key for variant in live.variants or ()}
        new: list[str] = []
    else:
        stay = {key: variant.key for key, variant in pairs.items()}
        new = [variant.key for variant in desired.variants if variant.key not in pairs]
    found = {key: present.get(old) for key, old in stay.items()}
    sent: dict[str, Number] = {key: wanted.get(key) for key in new}
    fixed = any(sent.values())
    support = {key: weight for key, weight in found.items() if wanted.get(key)}
    if not fixed and _same_ratio(support, wanted):
        return sent | {key: 0 for key, weight in found.items() if weight and key not in support}
    return sent | {key: wanted.get(key) for key, weight in found.items() if weight != wanted.get(key)}


def _same_ratio(found: Mapping[str, Number], wanted: Weights) -> bool:
    return same_weights(Weights.of(found), Weights.of({key: wanted.get(key) for key in found}))


def _weights_by_new_key(live: FlagSpec, pairs: Mapping[str, Variant]) -> Weights:
    """The live weights of the live variants, under the keys that renamed ones are to have."""
    weights: Weights = shown(live, FIELD["rollout_weights"])
    new_keys = {variant.key: key for key, variant in pairs.items()}
    return Weights.of({new_keys.get(item.key, item.key): weights.get(item.key) for item in live.variants or ()})


def _members(flag_key: str, desired: Variant, live: Variant | None) -> Iterator[Differences]:
    """The lists of a variant that differ. One that was not shown is not taken for an empty one."""
    for kind in MEMBERS:
        wanted, listed = getattr(desired, kind), () if live is None else getattr(live, kind)
        if wanted is UNSET or listed is UNSET:
            continue
        present = set(listed)
        if wanted == listed and len(present) == len(listed):
            continue
        added, removed = set(wanted) - present, present - set(wanted)
        surplus = _surplus_copies(wanted, listed) if kind == "users" else ()
        if added or removed or surplus:
            gone = tuple(sorted([*removed, *(user for user, _ in surplus)]))
            change = MembersChange(path=path_of(desired, kind), added=tuple(sorted(added)), removed=gone)
            yield Differences((change,), tuple(_member_calls(flag_key, desired, kind, listed, surplus)))


def _member_calls(
    flag_key: str, desired: Variant, kind: MemberKind, listed: tuple[str, ...], surplus: Iterable[tuple[str, int]]
) -> Iterator[Operation]:
    key, wanted = desired.key, getattr(desired, kind)
    added, removed = sorted(set(wanted) - set(listed)), sorted(set(listed) - set(wanted))
    if added:
        yield AddMembers(flag_key=flag_key, variant_key=key, member_kind=kind, members=tuple(added))
    if kind == "users" and removed and set(wanted).isdisjoint(listed) and _clear_is_better(wanted, listed, removed):
        yield ClearUsers(flag_key=flag_key, variant_key=key)
        return
    for start in range(0, len(removed), BULK_REMOVAL_LIMIT):
        batch = tuple(removed[start : start + BULK_REMOVAL_LIMIT])
        yield RemoveMembers(flag_key=flag_key, variant_key=key, member_kind=kind, members=batch)
    for user, index in surplus:
        yield RemoveUserAt(flag_key=flag_key, variant_key=key, user=user, index=index)


def _clear_is_better(wanted: tuple[str, ...], listed: tuple[str, ...], removed: list[str]) -> bool:
    """Whether one clear beats naming the users: fewer calls, an empty declaration, or copies to be rid of.

    At a tie the users are named, because then the new ones can be added before the old ones go.
    """
    return not wanted or len(removed) > BULK_REMOVAL_LIMIT or max(Counter(listed).values()) > 1


def _surplus_copies(wanted: Iterable[str], listed: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Each copy beyond the first of a user who is to stay, with its index, highest index first."""
    keep, seen, surplus = set(wanted), set[str](), []
    for index, user in enumerate(listed):
        if user in seen and user in keep:
            surplus.append((user, index))
        seen.add(user)
    return tuple(reversed(surplus))


def _deployment_calls(desired: FlagSpec, live: FlagSpec) -> Iterator[Operation]:
    listed = shown(live, FIELD["deployments"])
    if isinstance(desired.deployments, Unset) or isinstance(listed, Unset):
        return
    if added := sorted(set(desired.deployments) - set(listed)):
        yield AddDeployments(flag_key=desired.key, deployments=tuple(added))
    for deployment in sorted(set(listed) - set(desired.deployments)):
        yield RemoveDeployment(flag_key=desired.key, deployment=deployment)


def with_details(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """The changes of a flag, those inside composite values described leaf by leaf."""
    return tuple(_described(tuple(changes)))


def _described(changes: tuple[FieldChange, ...]) -> Iterator[FieldChange]:
    composite = {
        change.path: change
        for change in changes
        if isinstance(change, ValueChange) and _is_composite(change.before) and _is_composite(change.after)
    }
    details = _leaves(composite) if composite else {}
    for change in changes:
        leaves = details.get(change.path)
        if leaves and isinstance(change, ValueChange):
            yield ValueChange(path=change.path, before=change.before, after=change.after, details=leaves)
        else:
            yield change


def _is_composite(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _leaves(changes: Mapping[str, ValueChange]) -> dict[str, tuple[LeafChange, ...]]:
    from deepdiff import DeepDiff  # noqa: PLC0415 - 72 ms that an empty plan does not need

    before = {path: canonical_json(change.before) for path, change in changes.items()}
    after = {path: canonical_json(change.after) for path, change in changes.items()}
    tree = DeepDiff(before, after, view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0)
    found: dict[str, list[LeafChange]] = {}
    for items in tree.values():
        for item in items:
            root, *rest = item.path(output_format="list")
            leaf = LeafChange(
                path=join_pointer(rest),
                before=_present(item.t1),
                after=_present(item.t2),
            )
            found.setdefault(root, []).append(leaf)
    return {path: tuple(sorted(leaves, key=lambda leaf: leaf.path)) for path, leaves in found.items()}


def _present(value: Json) -> Json:
    return None if type(value).__name__ == "NotPresent" else value

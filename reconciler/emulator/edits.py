"""What a write does to a flag: a record in, a new record out. Bodies are valid by then; here the flag decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from reconciler.emulator.errors import RefusedError, bad_request, not_found
from reconciler.emulator.records import segment_record, variant_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Literal

    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import FlagRecord, Json, VariantRecord

    Inclusions: TypeAlias = Literal["users", "cohorts"]

USER_LIMIT = 2000
"""Inclusions that one variant can hold."""

COHORT_LIMIT = 10
"""Cohorts that one variant can hold."""


def find_variant(flag: FlagRecord, key: str) -> VariantRecord:
    """The variant of that key, or a 404."""
    for variant in flag["variants"]:
        if variant["key"] == key:
            return variant
    raise not_found(f"variant {key!r}")


def edit_flag(flag: FlagRecord, changes: Mapping[str, Json]) -> FlagRecord:
    """The flag with the fields of a PATCH. Segments are replaced as a whole."""
    changed = {name: value for name, value in changes.items() if name not in {"archive", "targetSegments"}}
    if "archive" in changes:
        changed["archived"] = changes["archive"]
    if "targetSegments" in changes:
        bucketing_key = changes.get("bucketingKey", flag["bucketingKey"])
        changed["targetSegments"] = [segment_record(item, bucketing_key) for item in changes["targetSegments"]]
    return cast("FlagRecord", {**flag, **changed})


def add_variant(flag: FlagRecord, given: Mapping[str, Json], behaviour: Behaviour) -> FlagRecord:
    """The flag with one variant more, of the given weight, or of none."""
    _key_is_free(flag, given["key"])
    variant = variant_record(given)
    others = flag["variants"]
    variants = [*others, variant] if behaviour.posted_variant_place == "last" else [variant, *others]
    weights = {**flag["rolloutWeights"], variant["key"]: given.get("rolloutWeight", 0)}
    return {**flag, "variants": variants, "rolloutWeights": weights}


def edit_variant(flag: FlagRecord, key: str, changes: Mapping[str, Json], behaviour: Behaviour) -> FlagRecord:
    """The flag with one variant edited. A new key takes the inclusions along."""
    variant = find_variant(flag, key)
    fields = {name: changes[name] for name in ("key", "name", "description", "payload") if name in changes}
    new_key = fields.get("key", key)
    if new_key != key:
        _key_is_free(flag, new_key)
        flag = _rename_in_weights(flag, key, new_key) if behaviour.rename_rewrites else flag
    weights = flag["rolloutWeights"]
    if "rolloutWeight" in changes:
        weights = {**weights, new_key: changes["rolloutWeight"]}
    edited = cast("VariantRecord", {**variant, **fields})
    return {**_with_variant(flag, key, edited), "rolloutWeights": weights}


def remove_variant(flag: FlagRecord, key: str, behaviour: Behaviour) -> FlagRecord:
    """The flag without the variant, its inclusions and its weight."""
    if len(flag["variants"]) == 1:
        raise bad_request(f"{key!r} is the last variant and cannot be removed")
    if behaviour.delete_named_variant == "refuse":
        _no_segment_names(flag, key)
    if behaviour.delete_named_variant == "cascade":
        flag = _in_segments(flag, lambda weights: _without(weights, key))
    variants = [variant for variant in flag["variants"] if variant["key"] != key]
    return {**flag, "variants": variants, "rolloutWeights": _without(flag["rolloutWeights"], key)}


def add_users(
    flag: FlagRecord, key: str, users: Sequence[str], behaviour: Behaviour
) -> tuple[FlagRecord, RefusedError | None]:
    """The flag with the users added, and the refusal to answer with even so: part of them may not have fitted."""
    present = find_variant(flag, key)["users"]
    new = list(users) if behaviour.duplicate_user == "twice" else _new_members(present, users)
    members = [*present, *new]
    if len(members) <= USER_LIMIT:
        return _with_members(flag, key, "users", members), None
    refusal = bad_request(f"a variant holds at most {USER_LIMIT} inclusions; these would make {len(members)}")
    if behaviour.over_limit == "all":
        raise refusal
    return _with_members(flag, key, "users", members[:USER_LIMIT]), refusal


def add_cohorts(flag: FlagRecord, key: str, cohorts: Sequence[str]) -> FlagRecord:
    """The flag with the cohorts added that the variant does not have yet."""
    present = find_variant(flag, key)["cohorts"]
    members = [*present, *_new_members(present, cohorts)]
    if len(members) > COHORT_LIMIT:
        raise bad_request(f"a variant holds at most {COHORT_LIMIT} cohorts; these would make {len(members)}")
    return _with_members(flag, key, "cohorts", members)


def remove_members(
    flag: FlagRecord, key: str, kind: Inclusions, gone: Collection[str], behaviour: Behaviour
) -> FlagRecord:
    """The flag without these users or cohorts."""
    members = list(find_variant(flag, key)[kind])
    absent = sorted(set(gone) - set(members))
    if absent and behaviour.absent_user_removal == "400":
        raise bad_request(f"{absent[0]!r} is not included in variant {key!r}")
    if behaviour.bulk_delete_copies == "all":
        return _with_members(flag, key, kind, [member for member in members if member not in set(gone)])
    for member in set(gone).intersection(members):
        members.remove(member)
    return _with_members(flag, key, kind, members)


def remove_user_at(flag: FlagRecord, key: str, index: int) -> FlagRecord:
    """The flag without the user at an index, counted from 0."""
    users = find_variant(flag, key)["users"]
    if index >= len(users):
        raise bad_request(f"variant {key!r} has no user at index {index}")
    return _with_members(flag, key, "users", [*users[:index], *users[index + 1 :]])


def clear_users(flag: FlagRecord, key: str) -> FlagRecord:
    """The flag with no users in that variant."""
    return _with_members(flag, key, "users", [])


def attach(flag: FlagRecord, deployments: Sequence[str]) -> FlagRecord:
    """The flag with the deployments that it does not have yet."""
    present = flag["deployments"]
    return {**flag, "deployments": [*present, *_new_members(present, deployments)]}


def detach(flag: FlagRecord, deployment: str) -> FlagRecord:
    """The flag without the deployment."""
    if deployment not in flag["deployments"]:
        raise not_found(f"deployment {deployment!r} of the flag")
    return {**flag, "deployments": [item for item in flag["deployments"] if item != deployment]}


def _key_is_free(flag: FlagRecord, key: str) -> None:
    if any(variant["key"] == key for variant in flag["variants"]):
        raise bad_request(f"the flag already has a variant {key!r}")


def _no_segment_names(flag: FlagRecord, key: str) -> None:
    for segment in flag["targetSegments"]:
        if key in segment["rolloutWeights"]:
            raise bad_request(f"the segment {segment['name']!r} names the variant {key!r}")


def _rename_in_weights(flag: FlagRecord, old: str, new: str) -> FlagRecord:
    renamed = _in_segments(flag, lambda weights: _renamed(weights, old, new))
    return {**renamed, "rolloutWeights": _renamed(flag["rolloutWeights"], old, new)}


def _in_segments(flag: FlagRecord, change: Callable[[dict[str, int]], dict[str, int]]) -> FlagRecord:
    segments = flag["targetSegments"]
    return {
        **flag,
        "targetSegments": [{**item, "rolloutWeights": change(item["rolloutWeights"])} for item in segments],
    }


def _renamed(weights: Mapping[str, int], old: str, new: str) -> dict[str, int]:
    return {new if key == old else key: weight for key, weight in weights.items()}


def _without(weights: Mapping[str, int], gone: str) -> dict[str, int]:
    return {key: weight for key, weight in weights.items() if key != gone}


def _new_members(present: Collection[str], given: Sequence[str]) -> list[str]:
    known = set(present)
    return [item for item in dict.fromkeys(given) if item not in known]


def _with_members(flag: FlagRecord, key: str, kind: Inclusions, members: list[str]) -> FlagRecord:
    return _with_variant(flag, key, cast("VariantRecord", {**find_variant(flag, key), kind: members}))


def _with_variant(flag: FlagRecord, key: str, edited: VariantRecord) -> FlagRecord:
    return {**flag, "variants": [edited if item["key"] == key else item for item in flag["variants"]]}

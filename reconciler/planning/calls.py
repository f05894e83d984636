"""The fewest calls that turn a live flag into its declaration, not yet in order: planning.md's table, row by row.

Everything here is exact about what is sent and silent about when: `ordering` decides that.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.canonical import field_differs, pair_variants, same_weights, shown
from reconciler.fields import FIELD, FIELDS
from reconciler.model import UNSET, FlagSpec, Unset, Variant, Weights
from reconciler.planning.diff import surplus_copies, variant_fields_that_differ
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
from reconciler.wire import encode_field, encode_segments, encode_variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Json, Number
    from reconciler.planning.operations import Operation


def calls_for_new_flag(desired: FlagSpec, project_id: str) -> tuple[Operation, ...]:
    """POST with all it can carry, a PATCH for what else differs from what a new flag is, then inclusions."""
    body: dict[str, Json] = {"projectId": project_id, "key": desired.key}
    rest: dict[str, Json] = {}
    for field in FIELDS:
        wanted = getattr(desired, field.name)
        if isinstance(wanted, Unset):
            continue
        if field.in_create:
            body[field.public] = encode_field(field, wanted)
        elif field.edit and wanted != field.new:
            rest[field.edit] = encode_field(field, wanted)
    variants = () if isinstance(desired.variants, Unset) else desired.variants
    body["variants"] = [encode_variant(variant) for variant in variants]
    operations: list[Operation] = [CreateFlag(flag_key=desired.key, body=body)]
    if rest:
        operations.append(EditFlag(flag_key=desired.key, body=rest))
    for variant in variants:
        operations += _inclusion_calls(desired.key, variant, None)
    return tuple(operations)


def calls_for_existing_flag(desired: FlagSpec, live: FlagSpec) -> tuple[Operation, ...]:
    """The fewest calls for a flag that exists."""
    operations: list[Operation] = []
    body = {
        field.edit: encode_field(field, wanted)
        for field in FIELDS
        if field.edit and field_differs(field, wanted := getattr(desired, field.name), shown(live, field))
    }
    if "targetSegments" not in body and _names_what_goes(desired, live):
        body["targetSegments"] = encode_segments(desired.target_segments or ())
    if body:
        operations.append(EditFlag(flag_key=desired.key, body=body))
    operations += _variant_calls(desired, live)
    operations += _deployment_calls(desired, live)
    return tuple(operations)


def _names_what_goes(desired: FlagSpec, live: FlagSpec) -> bool:
    """Whether declared segments equal the live ones, but these still name, at weight 0, a variant that is to go."""
    if isinstance(desired.target_segments, Unset) or isinstance(desired.variants, Unset):
        return False
    kept = {variant.key for variant in pair_variants(desired, live).values()}
    gone = {variant.key for variant in live.variants or ()} - kept
    return any(gone & set(segment.rollout_weights) for segment in live.target_segments or ())


def _variant_calls(desired: FlagSpec, live: FlagSpec) -> Iterator[Operation]:
    pairs = pair_variants(desired, live)
    weights = weights_to_send(desired, live, pairs)
    if isinstance(desired.variants, Unset):
        for key, weight in weights.items():
            yield EditVariant(flag_key=desired.key, variant_key=key, body={"rolloutWeight": weight})
        return
    for variant in desired.variants:
        found = pairs.get(variant.key)
        share: dict[str, Json] = {"rolloutWeight": weights[variant.key]} if variant.key in weights else {}
        if found is None:
            body = encode_variant(variant) | share
            yield CreateVariant(flag_key=desired.key, variant_key=variant.key, body=body)
        elif body := variant_fields_that_differ(variant, found) | share:
            yield EditVariant(flag_key=desired.key, variant_key=found.key, body=body)
        yield from _inclusion_calls(desired.key, variant, found)
    kept = {variant.key for variant in pairs.values()}
    for variant in live.variants or ():
        if variant.key not in kept:
            yield DeleteVariant(flag_key=desired.key, variant_key=variant.key)


def weights_to_send(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> dict[str, Number]:
    """The declared weight of each variant (by its declared key) whose weight a call must carry.

    Every new variant's; of the others none where the ratios among those that stay are equal already. Where only
    variants that are to weigh 0 spoil the ratios, only these; else each whose number differs. Declared numbers
    are sent as they stand, never scaled.
    """
    if isinstance(desired.rollout_weights, Unset):
        return {}
    wanted, shown_weights = desired.rollout_weights, shown(live, FIELD["rollout_weights"])
    if isinstance(desired.variants, Unset):
        stay = {variant.key: variant.key for variant in live.variants or ()}
        new: list[str] = []
    else:
        stay = {key: variant.key for key, variant in pairs.items()}
        new = [variant.key for variant in desired.variants if variant.key not in pairs]
    found = {key: shown_weights.get(old) for key, old in stay.items()}
    sent: dict[str, Number] = {key: wanted.get(key) for key in new}
    fixed = any(sent.values())
    if not fixed and _same_ratio(found, wanted):
        return sent
    support = {key: weight for key, weight in found.items() if wanted.get(key)}
    if not fixed and support and _same_ratio(support, wanted):
        return sent | {key: 0 for key, weight in found.items() if weight and key not in support}
    return sent | {key: wanted.get(key) for key, weight in found.items() if weight != wanted.get(key)}


def _same_ratio(found: Mapping[str, Number], wanted: Weights) -> bool:
    return same_weights(Weights.of(found), Weights.of({key: wanted.get(key) for key in found}))


def _inclusion_calls(flag_key: str, desired: Variant, live: Variant | None) -> Iterator[Operation]:
    if not isinstance(desired.users, Unset) and not _is_hidden(live, "users"):
        yield from _user_calls(flag_key, desired.key, desired.users, _listed(live, "users"))
    if not isinstance(desired.cohorts, Unset) and not _is_hidden(live, "cohorts"):
        listed = _listed(live, "cohorts")
        if added := sorted(set(desired.cohorts) - set(listed)):
            yield AddMembers(flag_key=flag_key, variant_key=desired.key, member_kind="cohorts", members=tuple(added))
        for batch in batched_removals(set(listed) - set(desired.cohorts)):
            yield RemoveMembers(flag_key=flag_key, variant_key=desired.key, member_kind="cohorts", members=batch)


def _user_calls(flag_key: str, key: str, wanted: tuple[str, ...], listed: tuple[str, ...]) -> Iterator[Operation]:
    added, removed = sorted(set(wanted) - set(listed)), set(listed) - set(wanted)
    if added:
        yield AddMembers(flag_key=flag_key, variant_key=key, members=tuple(added))
    if removed and not set(wanted) & set(listed) and _clear_is_better(wanted, listed, removed):
        yield ClearUsers(flag_key=flag_key, variant_key=key)
        return
    for batch in batched_removals(removed):
        yield RemoveMembers(flag_key=flag_key, variant_key=key, members=batch)
    for user, index in surplus_copies(wanted, listed):
        yield RemoveUserAt(flag_key=flag_key, variant_key=key, user=user, index=index)


def _clear_is_better(wanted: tuple[str, ...], listed: tuple[str, ...], removed: set[str]) -> bool:
    """Whether one clear beats naming the users: fewer calls, an empty declaration, or copies to be rid of.

    At a tie the users are named, because then the new ones can be added before the old ones go.
    """
    return not wanted or len(removed) > BULK_REMOVAL_LIMIT or max(Counter(listed).values()) > 1


def batched_removals(members: set[str]) -> Iterator[tuple[str, ...]]:
    """Sorted batches of what one bulk removal takes."""
    ordered = sorted(members)
    for start in range(0, len(ordered), BULK_REMOVAL_LIMIT):
        yield tuple(ordered[start : start + BULK_REMOVAL_LIMIT])


def _deployment_calls(desired: FlagSpec, live: FlagSpec) -> Iterator[Operation]:
    listed = shown(live, FIELD["deployments"])
    if isinstance(desired.deployments, Unset) or isinstance(listed, Unset):
        return
    if added := sorted(set(desired.deployments) - set(listed)):
        yield AddDeployments(flag_key=desired.key, deployments=tuple(added))
    for deployment in sorted(set(listed) - set(desired.deployments)):
        yield RemoveDeployment(flag_key=desired.key, deployment=deployment)


def _is_hidden(live: Variant | None, name: str) -> bool:
    """Whether an existing variant's members could not be read: not shown is not empty."""
    return live is not None and isinstance(getattr(live, name), Unset)


def _listed(live: Variant | None, name: str) -> tuple[str, ...]:
    members = UNSET if live is None else getattr(live, name)
    return () if isinstance(members, Unset) else members

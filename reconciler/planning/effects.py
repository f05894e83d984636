"""A pure model of the Management API: what a flag is after a call.

Where the reference is silent it takes the likeliest server (a posted variant goes last; a rename takes the
weights, the segments and the inclusions along; a delete drops the variant's weight and leaves segments alone);
the read-back after an apply finds out where a real one differs.
Rests on: "Create variant", "Edit variant", "Remove variant", the inclusion and deployment calls, "Edit", "Create".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from reconciler.evaluation.rules import variants_of
from reconciler.fields import FIELDS, NEW_FLAG
from reconciler.model import FlagSpec, TargetSegment, Unset, Variant, Weights
from reconciler.planning.operations import (
    AddCohorts,
    AddDeployments,
    AddUsers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveCohorts,
    RemoveDeployment,
    RemoveUserAt,
    RemoveUsers,
)
from reconciler.wire import decode_flag, decode_variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.model import Json, Number
    from reconciler.planning.operations import Operation


class ImpossibleCallError(ValueError):
    """The call cannot be made in this state: it names something that is not there, or makes what is there already."""


def apply_operations(spec: FlagSpec | None, operations: Iterable[Operation]) -> FlagSpec:
    """The flag after the calls, one after another; `spec` is None before it exists.

    Raises ImpossibleCallError at the first that cannot be made, or when there is no flag in the end.
    """
    state = spec
    for operation in operations:
        state = apply_operation(state, operation)
    if state is None:
        raise ImpossibleCallError("There is no flag, and no call creates it.")
    return state


def settle(spec: FlagSpec | None, operations: Iterable[Operation]) -> FlagSpec:
    """The flag once all calls are made, for calls that are not in order yet.

    A list is cleared before it is added to, and calls wait for what they name. Raises ImpossibleCallError when
    no order makes all of them possible.
    """
    state = spec
    waiting = sorted(operations, key=_settling_rank)
    while waiting:
        rank = _settling_rank(waiting[0])
        state, waiting = _settle_one(state, waiting, rank)
    return apply_operations(state, ())


def _settle_one(state: FlagSpec | None, waiting: list[Operation], rank: int) -> tuple[FlagSpec, list[Operation]]:
    """Make the first call of this rank that can be made."""
    refused: ImpossibleCallError | None = None
    for place, operation in enumerate(waiting):
        if _settling_rank(operation) != rank:
            break
        try:
            return apply_operation(state, operation), waiting[:place] + waiting[place + 1 :]
        except ImpossibleCallError as error:
            refused = refused or error
    raise refused or ImpossibleCallError("No call can be made.")


def _settling_rank(operation: Operation) -> int:
    match operation:
        case CreateFlag():
            return 0
        case CreateVariant() | EditVariant() | DeleteVariant():
            return 1
        case EditFlag() | ClearUsers() | RemoveUserAt():
            return 2
        case _:
            return 3


def apply_operation(spec: FlagSpec | None, operation: Operation) -> FlagSpec:
    """The flag after one call; `spec` is None before it exists. Raises ImpossibleCallError."""
    if isinstance(operation, CreateFlag):
        if spec is not None:
            raise ImpossibleCallError(f"Flag {operation.flag_key} exists already.")
        return _created(operation)
    if spec is None:
        raise ImpossibleCallError(f"Flag {operation.flag_key} does not exist yet.")
    match operation:
        case EditFlag(body=body):
            return _edited(spec, body)
        case CreateVariant(body=body):
            return _with_variant(spec, body)
        case EditVariant(variant_key=key, body=body):
            return _with_edited_variant(spec, key, body)
        case DeleteVariant(variant_key=key):
            return _without_variant(spec, key)
        case AddDeployments(deployments=ids):
            return replace(spec, deployments=_union(spec.deployments, ids))
        case RemoveDeployment(deployment=deployment):
            return replace(spec, deployments=_difference(spec.deployments, (deployment,)))
        case _:
            return _with_inclusions(spec, operation)


def _created(operation: CreateFlag) -> FlagSpec:
    """A new flag: off, under its key's name, and its variants weigh alike, unless the create says otherwise."""
    said = _decoded(operation.flag_key, operation.body)
    alike = Weights.of({variant.key: 1 for variant in variants_of(said)})
    new = replace(NEW_FLAG, key=said.key, name=said.key, variants=(), rollout_weights=alike)
    known = {field.name: value for field in FIELDS if not isinstance(value := getattr(said, field.name), Unset)}
    return _fresh_lists(replace(new, **known))


def _edited(spec: FlagSpec, body: dict[str, Json]) -> FlagSpec:
    said = _decoded(spec.key, body)
    return replace(spec, **{field.name: getattr(said, field.name) for field in FIELDS if field.edit in body})


def _decoded(key: str, body: dict[str, Json]) -> FlagSpec:
    return decode_flag({"key": key, "id": "0", "projectId": "0"} | body).spec


def _fresh_lists(spec: FlagSpec) -> FlagSpec:
    variants = tuple(replace(variant, users=(), cohorts=()) for variant in variants_of(spec))
    return replace(spec, variants=variants)


def _with_variant(spec: FlagSpec, body: dict[str, Json]) -> FlagSpec:
    made = replace(decode_variant(body), users=(), cohorts=())
    if made.key in _keys(spec):
        raise ImpossibleCallError(f"Variant {made.key} exists already.")
    return replace(
        spec,
        variants=(*variants_of(spec), made),
        rollout_weights=_weighed(_weights(spec), made.key, body.get("rolloutWeight", 0)),
    )


def _with_edited_variant(spec: FlagSpec, key: str, body: dict[str, Json]) -> FlagSpec:
    _require(spec, key)
    renamed: str = body.get("key", key)
    if renamed != key and renamed in _keys(spec):
        raise ImpossibleCallError(f"Variant {key} cannot be renamed to {renamed}: that key is taken.")
    said = decode_variant(body | {"key": renamed})
    names = ["key", *(name for name in ("name", "description", "payload") if name in body)]
    fields = {name: getattr(said, name) for name in names}
    spec = _changed(spec, key, lambda variant: replace(variant, **fields))
    if renamed != key:
        spec = _with_renamed_weights(spec, key, renamed)
    if "rolloutWeight" in body:
        spec = replace(spec, rollout_weights=_weighed(_weights(spec), renamed, body["rolloutWeight"]))
    return spec


def _with_renamed_weights(spec: FlagSpec, key: str, renamed: str) -> FlagSpec:
    def rename(weights: Weights) -> Weights:
        return Weights(tuple((renamed if name == key else name, weight) for name, weight in weights.pairs))

    def rename_in(segment: TargetSegment) -> TargetSegment:
        return replace(segment, rollout_weights=rename(segment.rollout_weights))

    segments = spec.target_segments
    return replace(
        spec,
        rollout_weights=rename(_weights(spec)),
        target_segments=segments if isinstance(segments, Unset) else tuple(map(rename_in, segments)),
    )


def _without_variant(spec: FlagSpec, key: str) -> FlagSpec:
    _require(spec, key)
    kept = tuple(variant for variant in variants_of(spec) if variant.key != key)
    weights = Weights(tuple((name, weight) for name, weight in _weights(spec).pairs if name != key))
    return replace(spec, variants=kept, rollout_weights=weights)


def _with_inclusions(
    spec: FlagSpec,
    operation: AddUsers | RemoveUsers | RemoveUserAt | ClearUsers | AddCohorts | RemoveCohorts,
) -> FlagSpec:
    key = operation.variant_key
    _require(spec, key)
    match operation:
        case AddUsers(users=users):
            return _changed(spec, key, lambda variant: replace(variant, users=_union(variant.users, users)))
        case RemoveUsers(users=users):
            return _changed(spec, key, lambda variant: replace(variant, users=_difference(variant.users, users)))
        case RemoveUserAt(user=user, index=index):
            return _changed(spec, key, lambda variant: replace(variant, users=_less_one(variant.users, user, index)))
        case ClearUsers():
            return _changed(spec, key, lambda variant: replace(variant, users=()))
        case AddCohorts(cohorts=ids):
            return _changed(spec, key, lambda variant: replace(variant, cohorts=_union(variant.cohorts, ids)))
        case RemoveCohorts(cohorts=ids):
            return _changed(spec, key, lambda variant: replace(variant, cohorts=_difference(variant.cohorts, ids)))
        case _:
            assert_never(operation)


def _changed(spec: FlagSpec, key: str, change: Callable[[Variant], Variant]) -> FlagSpec:
    variants = tuple(change(variant) if variant.key == key else variant for variant in variants_of(spec))
    return replace(spec, variants=variants)


def _union(members: tuple[str, ...] | Unset, added: tuple[str, ...]) -> tuple[str, ...]:
    present = () if isinstance(members, Unset) else members
    known = set(present)
    return (*present, *(member for member in added if member not in known))


def _difference(members: tuple[str, ...] | Unset, removed: tuple[str, ...]) -> tuple[str, ...]:
    gone = set(removed)
    return () if isinstance(members, Unset) else tuple(member for member in members if member not in gone)


def _less_one(members: tuple[str, ...] | Unset, user: str, index: int) -> tuple[str, ...]:
    """Without one copy of the user: the one at `index`, or the last where the list has moved meanwhile."""
    present = () if isinstance(members, Unset) else members
    places = [place for place, member in enumerate(present) if member == user]
    if not places:
        raise ImpossibleCallError("The user whose surplus copy is to go is not listed.")
    place = index if index in places else places[-1]
    return present[:place] + present[place + 1 :]


def _weighed(weights: Weights, key: str, weight: Number) -> Weights:
    return Weights.of(weights.as_dict() | {key: weight})


def _weights(spec: FlagSpec) -> Weights:
    return Weights() if isinstance(spec.rollout_weights, Unset) else spec.rollout_weights


def _keys(spec: FlagSpec) -> set[str]:
    return {variant.key for variant in variants_of(spec)}


def _require(spec: FlagSpec, key: str) -> None:
    if key not in _keys(spec):
        raise ImpossibleCallError(f"Flag {spec.key} has no variant {key}.")

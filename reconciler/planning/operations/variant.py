"""Operations on the variants of a flag.

Where the reference is silent they take the likeliest server: a posted variant goes last; a rename takes the weights,
the segments and the inclusions along; a delete drops the variant's weight and leaves segments alone. The read-back
after an apply finds out where a real one differs. Rests on "Create variant", "Edit variant", "Remove variant".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from reconciler.evaluation.rules import variants_of
from reconciler.model.fields import FLAG, VARIANT_FIELDS
from reconciler.model.flag import Unset, Weights
from reconciler.model.wire import Request, decode_variant
from reconciler.planning.operations.base import (
    UNKNOWN_ID,
    VARIANT_ORDER,
    ImpossibleCallError,
    Operation,
    Part,
    Phase,
    VariantOperation,
    fields_in,
    is_covered,
    keys_of,
    require_variant,
    weights_of,
    with_weight,
)
from reconciler.planning.operations.flag import EditFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import FlagSpec, TargetSegment
    from reconciler.strict_json import Json


class CreateVariant(VariantOperation, frozen=True, kw_only=True):
    """POST /flags/{id}/variants. `body` is key, weight and every declared field."""

    KINDS = ("create-variant",)
    PHASE = Phase.VARIANTS
    MOVES_EXPOSURE = True
    RANK: ClassVar[int] = 1

    body: dict[str, Json]

    @property
    def names(self) -> frozenset[str]:
        """The keys that the operation knows its variant by."""
        return frozenset({self.variant_key})

    @property
    def sets(self) -> tuple[Part, ...]:
        """What its body says of the variant, and the order."""
        return (*_sets(self), VARIANT_ORDER)

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """POST /flags/{id}/variants."""
        return Request(method="POST", segments=FLAG.segments(flag_id, "variants"), body=self.body)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        made = replace(decode_variant(self.body), users=(), cohorts=())
        if made.key in keys_of(spec):
            raise ImpossibleCallError(f"Variant {made.key} exists already.")
        weights = with_weight(spec, made.key, self.body.get("rolloutWeight", 0))
        return replace(spec, variants=(*variants_of(spec), made), rollout_weights=weights)

    def makes_variant(self, key: str) -> bool:
        """Its own."""
        return key == self.variant_key

    def remaining(self, left: Sequence[Operation]) -> CreateVariant | None:
        """The creation that is asked for now: it may weigh something else by now."""
        return next(
            (item for item in left if isinstance(item, CreateVariant) and item.variant_key == self.variant_key), None
        )

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"variant_key": document["body"]["key"], "body": document["body"]}


class EditVariant(VariantOperation, frozen=True, kw_only=True):
    """PATCH /flags/{id}/variants/{variant_key}. `body` holds only what changes; a rename carries `key`.

    PATCH, as the reference's example has it. Its heading says POST, which is never tried: it might create.
    """

    KINDS = ("edit-variant",)
    PHASE = Phase.VARIANTS
    RANK: ClassVar[int] = 1

    body: dict[str, Json]

    @property
    def moves_exposure(self) -> bool:
        """Where it renames the variant or changes its weight."""
        return "key" in self.body or "rolloutWeight" in self.body

    @property
    def new_key(self) -> str:
        """The variant's key after the call."""
        key: str = self.body.get("key", self.variant_key)
        return key

    @property
    def names(self) -> frozenset[str]:
        """The keys that the operation knows its variant by: the one it has, and the one it gets."""
        return frozenset({self.variant_key, self.new_key})

    @property
    def sets(self) -> tuple[Part, ...]:
        """What its body says of the variant, under its key of before and after."""
        return _sets(self)

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """PATCH /flags/{id}/variants/{variant_key}."""
        return Request(method="PATCH", segments=self.path(flag_id), body=self.body)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        old, new = self.variant_key, self.new_key
        require_variant(spec, old)
        if new != old and new in keys_of(spec):
            raise ImpossibleCallError(f"Variant {old} cannot be renamed to {new}: that key is taken.")
        said = decode_variant(self.body | {"key": new})
        names = ["key", *(name for name in VARIANT_FIELDS if name in self.body)]
        fields = {name: getattr(said, name) for name in names}
        variants = tuple(replace(item, **fields) if item.key == old else item for item in variants_of(spec))
        spec = replace(spec, variants=variants)
        if new != old:
            spec = _with_renamed_weights(spec, old, new)
        if "rolloutWeight" in self.body:
            spec = replace(spec, rollout_weights=with_weight(spec, new, self.body["rolloutWeight"]))
        return spec

    def makes_variant(self, key: str) -> bool:
        """Where it renames another one to it."""
        return key == self.new_key != self.variant_key

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where every field is in a planned PATCH, or POST, of the same variant with the same value."""
        return is_covered(
            self.body,
            [
                item.body
                for item in planned
                if isinstance(item, EditVariant | CreateVariant) and not self.names.isdisjoint(item.names)
            ],
        )

    def remaining(self, left: Sequence[Operation]) -> EditVariant | None:
        """The fields that are still asked for. A variant that was renamed meanwhile is edited under its new key."""
        for item in left:
            if isinstance(item, EditVariant) and not self.names.isdisjoint(item.names):
                fields = fields_in(self.body, [item.body])
                key = self.variant_key if "key" in item.body else item.variant_key
                return replace(self, variant_key=key, body=fields) if fields else None
        return None

    def may_entail(self, other: Operation) -> bool:
        """A rename may leave the weight, or the places in segments, behind under the old key."""
        if "key" not in self.body:
            return False
        if isinstance(other, EditVariant):
            return other.variant_key == self.new_key and other.body.keys() == {"rolloutWeight"}
        return isinstance(other, EditFlag) and other.body.keys() == {"targetSegments"}

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return super()._read(document, below) | {"body": document["body"]}


class DeleteVariant(VariantOperation, frozen=True, kw_only=True):
    """DELETE /flags/{id}/variants/{variant_key}. Its inclusions go with it."""

    KINDS = ("delete-variant",)
    MOVES_EXPOSURE = True
    RANK: ClassVar[int] = 1

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE /flags/{id}/variants/{variant_key}."""
        return Request(method="DELETE", segments=self.path(flag_id))

    def _change(self, spec: FlagSpec) -> FlagSpec:
        require_variant(spec, self.variant_key)
        kept = tuple(variant for variant in variants_of(spec) if variant.key != self.variant_key)
        weights = tuple(pair for pair in weights_of(spec).pairs if pair[0] != self.variant_key)
        return replace(spec, variants=kept, rollout_weights=Weights(weights))

    def may_leave(self, other: Operation) -> bool:
        """It may change segments that named the variant, or the weights of the others."""
        if isinstance(other, EditFlag):
            return other.body.keys() == {"targetSegments"}
        return isinstance(other, EditVariant) and other.body.keys() == {"rolloutWeight"}


def _sets(operation: CreateVariant | EditVariant) -> tuple[Part, ...]:
    names = [name for name in VARIANT_FIELDS if name in operation.body]
    weights: tuple[Part, ...] = (("rollout_weights",),) if "rolloutWeight" in operation.body else ()
    return (*(("variants", key, name) for key in operation.names for name in names), *weights)


def _with_renamed_weights(spec: FlagSpec, key: str, renamed: str) -> FlagSpec:
    def rename(weights: Weights) -> Weights:
        return Weights(tuple((renamed if name == key else name, weight) for name, weight in weights.pairs))

    def rename_in(segment: TargetSegment) -> TargetSegment:
        return replace(segment, rollout_weights=rename(segment.rollout_weights))

    segments = spec.target_segments
    return replace(
        spec,
        rollout_weights=rename(weights_of(spec)),
        target_segments=segments if isinstance(segments, Unset) else tuple(map(rename_in, segments)),
    )

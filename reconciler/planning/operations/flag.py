"""Operations on a flag as a whole, and on the deployments that serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from reconciler.evaluation.rules import variants_of
from reconciler.model.fields import FIELDS, FLAG, NEW_FLAG
from reconciler.model.flag import Unset, Weights
from reconciler.model.wire import Request, decode_flag
from reconciler.planning.operations.base import (
    UNKNOWN_ID,
    ImpossibleCallError,
    Operation,
    Part,
    Phase,
    difference,
    fields_in,
    is_covered,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json


_MOVES_EXPOSURE = frozenset(field.edit for field in FIELDS if field.moves_users)
_FIELD_OF = {field.edit: field.name for field in FIELDS if field.edit}
_MAY_START_ON = frozenset(field.edit for field in FIELDS if field.may_start_on)

_SWITCHES = (
    ("archive", False, Phase.UNARCHIVE),
    ("archive", True, Phase.ARCHIVE),
    ("enabled", False, Phase.DISABLE),
    ("enabled", True, Phase.ENABLE),
)


def without_inclusions(spec: FlagSpec) -> FlagSpec:
    """A flag as a create leaves it, which carries no inclusions ("Create")."""
    if isinstance(spec.variants, Unset):
        return spec
    return replace(spec, variants=tuple(replace(item, users=(), cohorts=()) for item in spec.variants))


class CreateFlag(Operation, frozen=True, kw_only=True):
    """POST /flags. `body` is everything that a create can carry."""

    KINDS = ("create-flag",)
    PHASE = Phase.CREATE_FLAG
    MOVES_EXPOSURE = True
    RANK: ClassVar[int] = 0
    CREATES_FLAG: ClassVar[bool] = True

    body: dict[str, Json]

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """POST /flags."""
        return Request(method="POST", segments=FLAG.segments(), body=self.body)

    def effect(self, spec: FlagSpec | None) -> FlagSpec:
        """A new flag: off, under its key's name, and its variants weigh alike, unless the create says otherwise."""
        if spec is not None:
            raise ImpossibleCallError(f"Flag {self.flag_key} exists already.")
        said = _decoded(self.flag_key, self.body)
        alike = Weights.of({variant.key: 1 for variant in variants_of(said)})
        new = replace(NEW_FLAG, key=said.key, name=said.key, variants=(), rollout_weights=alike)
        known = {field.name: value for field in FIELDS if not isinstance(value := getattr(said, field.name), Unset)}
        made = replace(new, **known)
        return without_inclusions(made)

    def may_entail(self, other: Operation) -> bool:
        """A server may have switched on what it just made."""
        return isinstance(other, EditFlag) and other.body.keys() <= _MAY_START_ON

    def may_leave(self, other: Operation) -> bool:
        """A server may add a variant of its own."""
        return other.kind == "delete-variant" or self.may_entail(other)

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"body": document["body"]}


class EditFlag(Operation, frozen=True, kw_only=True):
    """PATCH /flags/{id}. `body` holds only what changes."""

    KINDS = ("edit-flag",)
    RANK: ClassVar[int] = 2

    body: dict[str, Json]

    @property
    def phase(self) -> Phase:
        """A PATCH that switches the flag on or off belongs where the switch belongs."""
        body = self.body
        return next((phase for name, value, phase in _SWITCHES if body.get(name) is value), Phase.SEGMENTS)

    @property
    def moves_exposure(self) -> bool:
        """Where it edits a field that decides who gets which variant."""
        return not _MOVES_EXPOSURE.isdisjoint(self.body)

    @property
    def sets(self) -> tuple[Part, ...]:
        """The fields that it edits."""
        return tuple((_FIELD_OF[name],) for name in self.body)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The fields that it edits, sorted."""
        return tuple(sorted(self.body))

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """PATCH /flags/{id}."""
        return Request(method="PATCH", segments=FLAG.segments(flag_id), body=self.body)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        said = _decoded(spec.key, self.body)
        return replace(spec, **{field.name: getattr(said, field.name) for field in FIELDS if field.edit in self.body})

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where every field is in a planned PATCH, or POST, of the flag with the same value."""
        return is_covered(self.body, [item.body for item in planned if isinstance(item, EditFlag | CreateFlag)])

    def remaining(self, left: Sequence[Operation]) -> EditFlag | None:
        """The fields that are still asked for."""
        fields = fields_in(self.body, [item.body for item in left if isinstance(item, EditFlag)])
        return replace(self, body=fields) if fields else None

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"body": document["body"]}


def _decoded(key: str, body: dict[str, Json]) -> FlagSpec:
    return decode_flag({"key": key, "id": "0", "projectId": "0"} | body).spec


class AddDeployments(Operation, frozen=True, kw_only=True):
    """POST …/deployments: all new ones at once."""

    KINDS = ("add-deployments",)
    PHASE = Phase.DEPLOYMENTS

    deployments: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.deployments:
            raise ValueError("at least one deployment goes into one request")

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """POST …/deployments."""
        body = {"deployments": list(self.deployments)}
        return Request(method="POST", segments=FLAG.segments(flag_id, "deployments"), body=body)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        return replace(spec, deployments=union(spec.deployments, self.deployments))

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where each deployment is in a planned operation of the same kind."""
        return set(self.deployments) <= _added(planned)

    def remaining(self, left: Sequence[Operation]) -> AddDeployments | None:
        """The deployments that are still asked for."""
        wanted = _added(left)
        deployments = tuple(item for item in self.deployments if item in wanted)
        return replace(self, deployments=deployments) if deployments else None

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"deployments": tuple(document["body"]["deployments"])}


class RemoveDeployment(Operation, frozen=True, kw_only=True):
    """DELETE …/deployments/{deployment}."""

    KINDS = ("remove-deployment",)

    deployment: str

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE …/deployments/{deployment}."""
        return Request(method="DELETE", segments=FLAG.segments(flag_id, "deployments", self.deployment))

    def _change(self, spec: FlagSpec) -> FlagSpec:
        return replace(spec, deployments=difference(spec.deployments, (self.deployment,)))

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"deployment": below[1]}


def _added(operations: Sequence[Operation]) -> set[str]:
    return {name for item in operations if isinstance(item, AddDeployments) for name in item.deployments}

"""What every operation of a plan is: one request to the server, and all that planning and apply know of it."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from reconciler.evaluation.rules import variants_of
from reconciler.model.canonical import same_json
from reconciler.model.fields import FLAG
from reconciler.model.flag import Unset, Weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from reconciler.model.flag import FlagSpec, Number
    from reconciler.model.wire import Request
    from reconciler.strict_json import Json

Part = tuple[str, ...]
"""What one call can change by itself: a field of FlagSpec, or `("variants", key, field)` of a variant."""

VARIANT_ORDER: Part = ("variants", "")
"""The order of the variants."""

UNKNOWN_ID = "{id}"
"""Stands in paths for the id of a flag that is not yet created."""


class Phase(IntEnum):
    """The order of calls among which exposure does not choose."""

    UNARCHIVE = auto()
    DISABLE = auto()
    CREATE_FLAG = auto()
    VARIANTS = auto()
    SEGMENTS = auto()
    INCLUSIONS = auto()
    DEPLOYMENTS = auto()
    REMOVALS = auto()
    ENABLE = auto()
    ARCHIVE = auto()


class ImpossibleCallError(ValueError):
    """The call cannot be made in this state: it names something that is not there, or makes what is there already."""


class Operation(Struct, frozen=True, kw_only=True):
    """One thing that can be done to a flag, as pure data: exactly one request. Each kind is a class of its own.

    `KINDS` are its kinds as in contract.md; `PHASE` is where the call stands among those of a flag, `MOVES_EXPOSURE`
    whether it can change the flag's rules, each unless its body says otherwise. `RANK` orders calls where nothing
    else does, so that each finds what it names: the flag, its variants, what replaces or empties a list, the rest.
    """

    KINDS: ClassVar[tuple[str, ...]]
    PHASE: ClassVar[Phase] = Phase.REMOVALS
    MOVES_EXPOSURE: ClassVar[bool] = False
    RANK: ClassVar[int] = 3
    CREATES_FLAG: ClassVar[bool] = False

    flag_key: str

    @property
    def kind(self) -> str:
        """The operation's kind, as in contract.md."""
        return self.KINDS[0]

    @property
    def phase(self) -> Phase:
        """Where the call stands among those of a flag, as far as exposure does not choose."""
        return self.PHASE

    @property
    def moves_exposure(self) -> bool:
        """Whether the call can change the rules of a flag. Inclusions are no rules: they touch listed users only."""
        return self.MOVES_EXPOSURE

    @property
    def names_users(self) -> bool:
        """Whether the body of the request holds ids of users."""
        return False

    @property
    def sets(self) -> tuple[Part, ...]:
        """The parts of an existing flag that the call gives a value."""
        return ()

    @property
    def copy(self) -> tuple[str, str] | None:
        """The variant and the user of whom it removes one surplus copy from the list; None for other operations."""
        return None

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the call is about, for a reader: fields, or its kind and the variant."""
        return (self.kind,)

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """The one request that the operation is: what a plan prints and what apply sends."""
        raise NotImplementedError

    def effect(self, spec: FlagSpec | None) -> FlagSpec:
        """The flag after the call; `spec` is None before it exists. Raises ImpossibleCallError."""
        if spec is None:
            raise ImpossibleCallError(f"Flag {self.flag_key} does not exist yet.")
        return self._change(spec)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        raise NotImplementedError

    def makes_variant(self, key: str) -> bool:
        """Whether the variant has this key by this call alone: it creates it, or renames another one to it."""
        return False

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Whether the operation does nothing that the planned ones together would not do."""
        return self in planned

    def remaining(self, left: Sequence[Operation]) -> Operation | None:
        """The part of it that `left`, what a fresh plan asks for, still holds; None where it is in place."""
        return self if self in left else None

    def may_entail(self, other: Operation) -> bool:
        """Whether `other`, which no plan showed, may be asked for because the server did more, or less, than this.

        It may have switched on what was just made, or have left weights and segments behind under an old key.
        """
        return False

    def may_leave(self, other: Operation) -> bool:
        """The same, of what a read-back shows when all calls are made: it may also be what the server left undone."""
        return self.may_entail(other)

    def to_json(self, flag_id: str | None) -> dict[str, Json]:
        """Kind, method, path and body, exactly as they are sent; the id of a flag not yet created is `{id}`."""
        request = self.request(UNKNOWN_ID if flag_id is None else flag_id)
        return {"kind": self.kind, "method": request.method, "path": request.path, "body": request.body}

    @classmethod
    def from_json(cls, document: dict[str, Json], flag_key: str) -> Self:
        """The reverse of `to_json`. Raises LookupError, TypeError or ValueError for what that never gives."""
        below = document["path"].split("/")[5:]  # /api/1/flags/{id}/…
        return cls(flag_key=flag_key, **cls._read(document, below))

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        """The arguments but `flag_key`; `below` is the path below the flag's."""
        raise NotImplementedError


class VariantOperation(Operation, frozen=True, kw_only=True):
    """An operation on one variant, which `variant_key` names as it is called when the call is made."""

    variant_key: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """The kind and the variant."""
        return (f"{self.kind} {self.variant_key}",)

    def path(self, flag_id: str) -> tuple[str, ...]:
        """The path of the variant below /api/1."""
        return FLAG.segments(flag_id, "variants", self.variant_key)

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"variant_key": below[1]}


def is_covered(body: dict[str, Json], bodies: Iterable[dict[str, Json]]) -> bool:
    """Whether each field of a body is in one of the others with the same value."""
    return len(fields_in(body, bodies)) == len(body)


def fields_in(body: dict[str, Json], bodies: Iterable[dict[str, Json]]) -> dict[str, Json]:
    """The fields of a body that are in one of the others with the same value."""
    others = list(bodies)
    return {
        name: value
        for name, value in body.items()
        if any(name in other and same_json(other[name], value) for other in others)
    }


def union(members: tuple[str, ...] | Unset, added: tuple[str, ...]) -> tuple[str, ...]:
    """A list with members added that it does not have yet."""
    present = members or ()
    known = set(present)
    return (*present, *(member for member in added if member not in known))


def difference(members: tuple[str, ...] | Unset, removed: tuple[str, ...]) -> tuple[str, ...]:
    """A list without these members."""
    gone = set(removed)
    return tuple(member for member in members or () if member not in gone)


def weights_of(spec: FlagSpec) -> Weights:
    """The weights of a flag; empty ones where they are not said."""
    return spec.rollout_weights or Weights()


def with_weight(spec: FlagSpec, key: str, weight: Number) -> Weights:
    """The weights of a flag with that of one variant."""
    return Weights.of(weights_of(spec).as_dict() | {key: weight})


def keys_of(spec: FlagSpec) -> set[str]:
    """The keys of a flag's variants."""
    return {variant.key for variant in variants_of(spec)}


def require_variant(spec: FlagSpec, key: str) -> None:
    """See that the flag has the variant. Raises ImpossibleCallError."""
    if key not in keys_of(spec):
        raise ImpossibleCallError(f"Flag {spec.key} has no variant {key}.")

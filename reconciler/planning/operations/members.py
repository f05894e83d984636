"""Operations on the users and cohorts that a variant includes.

Rests on "Add users to variant", "Add cohorts to variant", "Remove users from variant", "Remove all users from
variant", "Bulk remove users from variant" and "Bulk remove cohorts from variant".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from reconciler.evaluation.rules import variants_of
from reconciler.model.wire import Request
from reconciler.planning.operations.base import (
    UNKNOWN_ID,
    ImpossibleCallError,
    Operation,
    Phase,
    VariantOperation,
    difference,
    require_variant,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from reconciler.model.flag import FlagSpec, MemberKind, Unset
    from reconciler.strict_json import Json

BULK_REMOVAL_LIMIT = 100
"""Users or cohorts in one bulk removal ("Bulk remove users from variant": limited to 100 for each request)."""


class MembersOperation(VariantOperation, frozen=True, kw_only=True):
    """An operation on one list of inclusions of a variant."""

    member_kind: MemberKind = "users"

    def _change(self, spec: FlagSpec) -> FlagSpec:
        require_variant(spec, self.variant_key)
        name = self.member_kind
        variants = tuple(
            replace(item, **{name: self._change_list(getattr(item, name))}) if item.key == self.variant_key else item
            for item in variants_of(spec)
        )
        return replace(spec, variants=variants)

    def _change_list(self, members: tuple[str, ...] | Unset) -> tuple[str, ...]:
        raise NotImplementedError

    def is_on_same_list(self, other: Operation) -> bool:
        """Whether the other operation is on the same list of the same variant."""
        return (
            isinstance(other, MembersOperation)
            and other.variant_key == self.variant_key
            and other.member_kind == self.member_kind
        )


class _NamingMembers(MembersOperation, frozen=True, kw_only=True):
    """An operation that names what it adds or removes, at least one."""

    MOST: ClassVar[int | None] = None

    members: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.members or (self.MOST is not None and len(self.members) > self.MOST):
            raise ValueError(f"between 1 and {self.MOST or 'any number of'} members go into one request")

    @property
    def names_users(self) -> bool:
        """Where the members are users."""
        return self.member_kind == "users"

    def _named_in(self, others: Sequence[Operation]) -> set[str]:
        """The members that operations of the same kind on the same list name."""
        return {
            member
            for item in others
            if isinstance(item, _NamingMembers) and type(item) is type(self) and self.is_on_same_list(item)
            for member in item.members
        }

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where each member is in a planned operation of the same kind on the same list."""
        return set(self.members) <= self._named_in(planned)

    def remaining(self, left: Sequence[Operation]) -> Self | None:
        """The members that are still asked for."""
        wanted = self._named_in(left)
        members = tuple(member for member in self.members if member in wanted)
        return replace(self, members=members) if members else None

    def may_leave(self, other: Operation) -> bool:
        """Its users may be listed afterwards, twice or still."""
        return self.names_users and self.is_on_same_list(other) and _removes_only(other, self.members)

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        (members,) = document["body"].values()
        kind = document["kind"].partition("-")[2]
        return super()._read(document, below) | {"member_kind": kind, "members": tuple(members)}


class AddMembers(_NamingMembers, frozen=True, kw_only=True):
    """POST …/users or …/cohorts."""

    KINDS = ("add-users", "add-cohorts")
    PHASE = Phase.INCLUSIONS

    @property
    def kind(self) -> str:
        """`add-users` or `add-cohorts`."""
        return f"add-{self.member_kind}"

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """POST …/users or …/cohorts."""
        segments = (*self.path(flag_id), self.member_kind)
        return Request(method="POST", segments=segments, body={"inclusions": list(self.members)})

    def _change_list(self, members: tuple[str, ...] | Unset) -> tuple[str, ...]:
        return union(members, self.members)


class RemoveMembers(_NamingMembers, frozen=True, kw_only=True):
    """DELETE …/bulk-delete-users or …/bulk-delete-cohorts: at most 100; the body's key is `users` for both (sic)."""

    KINDS = ("remove-users", "remove-cohorts")
    MOST = BULK_REMOVAL_LIMIT

    @property
    def kind(self) -> str:
        """`remove-users` or `remove-cohorts`."""
        return f"remove-{self.member_kind}"

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE …/bulk-delete-users or …/bulk-delete-cohorts."""
        segments = (*self.path(flag_id), f"bulk-delete-{self.member_kind}")
        return Request(method="DELETE", segments=segments, body={"users": list(self.members)})

    def _change_list(self, members: tuple[str, ...] | Unset) -> tuple[str, ...]:
        return difference(members, self.members)

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where the whole list is cleared, too."""
        is_cleared = any(isinstance(item, ClearUsers) and self.is_on_same_list(item) for item in planned)
        return is_cleared or super().is_covered_by(planned)


class RemoveUserAt(MembersOperation, frozen=True, kw_only=True):
    """DELETE …/users/{index}: one surplus copy of `user`. The list is read again right before it is sent.

    Not repeated after any answer, 429 included: another user may have that index by then.
    """

    KINDS = ("remove-user-at",)
    RANK: ClassVar[int] = 2

    user: str
    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError("a place in a list is 0 or more")

    @property
    def copy(self) -> tuple[str, str]:
        """Which user of which variant it is about: copies of one user are alike."""
        return self.variant_key, self.user

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE …/users/{index}."""
        segments = (*self.path(flag_id), "users", str(self.index))
        return Request(method="DELETE", segments=segments, is_repeatable=False)

    def _change_list(self, members: tuple[str, ...] | Unset) -> tuple[str, ...]:
        present = members or ()
        places = [place for place, member in enumerate(present) if member == self.user]
        if not places:
            raise ImpossibleCallError("The user whose surplus copy is to go is not listed.")
        place = self.index if self.index in places else places[-1]
        return present[:place] + present[place + 1 :]

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """By the removal of any copy of the user."""
        return any(item.copy == self.copy for item in planned)

    def remaining(self, left: Sequence[Operation]) -> RemoveUserAt | None:
        """The last removal of a copy of the user that is still asked for."""
        alike = [item for item in left if isinstance(item, RemoveUserAt) and item.copy == self.copy]
        return alike[-1] if alike else None

    def to_json(self, flag_id: str | None) -> dict[str, Json]:
        """With the user, whom the request does not name."""
        return super().to_json(flag_id) | {"user": self.user}

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return super()._read(document, below) | {"user": document["user"], "index": int(below[3])}


class ClearUsers(MembersOperation, frozen=True, kw_only=True):
    """DELETE …/users: when no live user is to stay."""

    KINDS = ("clear-users",)
    RANK: ClassVar[int] = 2

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE …/users."""
        return Request(method="DELETE", segments=(*self.path(flag_id), "users"))

    def _change_list(self, members: tuple[str, ...] | Unset) -> tuple[str, ...]:
        return ()

    def remaining(self, left: Sequence[Operation]) -> Operation | None:
        """A list that was given wanted users meanwhile is not cleared any more: some of it is removed."""
        removals = (item for item in left if isinstance(item, RemoveMembers) and self.is_on_same_list(item))
        return self if self in left else next(removals, None)


def _removes_only(operation: Operation, users: Sequence[str]) -> bool:
    """Whether it removes users, by name or by place, and none but these."""
    if isinstance(operation, RemoveUserAt):
        return operation.user in users
    return isinstance(operation, RemoveMembers) and set(operation.members) <= set(users)

"""The closed set of things that can be done to a project: one frozen class per kind, each exactly one request.

Pure data: an operation knows what it would send, and does nothing. `request_of` is what a plan prints and what
apply sends; both are held against the client by tests/contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from msgspec import Struct

if TYPE_CHECKING:
    from reconciler.model import Json

UNKNOWN_ID = "{id}"
"""Stands in paths for the id of a flag that is not yet created."""


class CreateFlag(Struct, frozen=True, kw_only=True):
    """POST /flags. `body` is everything a create can carry."""

    flag_key: str
    body: dict[str, Json]


class EditFlag(Struct, frozen=True, kw_only=True):
    """PATCH /flags/{id}. `body` holds only what changes."""

    flag_key: str
    body: dict[str, Json]


class CreateVariant(Struct, frozen=True, kw_only=True):
    """POST /flags/{id}/variants. `body` is key, weight and every declared field."""

    flag_key: str
    variant_key: str
    body: dict[str, Json]


class EditVariant(Struct, frozen=True, kw_only=True):
    """PATCH /flags/{id}/variants/{variant_key}. `body` holds only what changes; a rename carries `key`."""

    flag_key: str
    variant_key: str
    body: dict[str, Json]


class DeleteVariant(Struct, frozen=True, kw_only=True):
    """DELETE /flags/{id}/variants/{variant_key}. Its inclusions go with it."""

    flag_key: str
    variant_key: str


class AddUsers(Struct, frozen=True, kw_only=True):
    """POST …/users."""

    flag_key: str
    variant_key: str
    users: tuple[str, ...]


class RemoveUsers(Struct, frozen=True, kw_only=True):
    """DELETE …/bulk-delete-users: at most 100."""

    flag_key: str
    variant_key: str
    users: tuple[str, ...]


class RemoveUserAt(Struct, frozen=True, kw_only=True):
    """DELETE …/users/{index}: one surplus copy of `user`. The list is read again right before it is sent."""

    flag_key: str
    variant_key: str
    user: str
    index: int


class ClearUsers(Struct, frozen=True, kw_only=True):
    """DELETE …/users: when no live user is to stay."""

    flag_key: str
    variant_key: str


class AddCohorts(Struct, frozen=True, kw_only=True):
    """POST …/cohorts."""

    flag_key: str
    variant_key: str
    cohorts: tuple[str, ...]


class RemoveCohorts(Struct, frozen=True, kw_only=True):
    """DELETE …/bulk-delete-cohorts: at most 100; the body's key is `users` (sic)."""

    flag_key: str
    variant_key: str
    cohorts: tuple[str, ...]


class AddDeployments(Struct, frozen=True, kw_only=True):
    """POST …/deployments: all new ones at once."""

    flag_key: str
    deployments: tuple[str, ...]


class RemoveDeployment(Struct, frozen=True, kw_only=True):
    """DELETE …/deployments/{deployment}."""

    flag_key: str
    deployment: str


Operation: TypeAlias = (
    CreateFlag
    | EditFlag
    | CreateVariant
    | EditVariant
    | DeleteVariant
    | AddUsers
    | RemoveUsers
    | RemoveUserAt
    | ClearUsers
    | AddCohorts
    | RemoveCohorts
    | AddDeployments
    | RemoveDeployment
)

KINDS: dict[type[Operation], str] = {
    CreateFlag: "create-flag",
    EditFlag: "edit-flag",
    CreateVariant: "create-variant",
    EditVariant: "edit-variant",
    DeleteVariant: "delete-variant",
    AddUsers: "add-users",
    RemoveUsers: "remove-users",
    RemoveUserAt: "remove-user-at",
    ClearUsers: "clear-users",
    AddCohorts: "add-cohorts",
    RemoveCohorts: "remove-cohorts",
    AddDeployments: "add-deployments",
    RemoveDeployment: "remove-deployment",
}


class Request(Struct, frozen=True, kw_only=True):
    """One request: `segments` of the path below /api/1, unescaped, and the JSON body or None."""

    method: str
    segments: tuple[str, ...]
    body: dict[str, Json] | None = None

    @property
    def path(self) -> str:
        """The path as it is sent, for keys and ids that need no escaping (all that validation lets through)."""
        return "/api/1/" + "/".join(self.segments)


def kind_of(operation: Operation) -> str:
    """The operation's kind, as in contract.md."""
    return KINDS[type(operation)]


def request_of(operation: Operation, flag_id: str = UNKNOWN_ID) -> Request:
    """The one request that the operation is."""
    match operation:
        case CreateFlag(body=body):
            return Request(method="POST", segments=("flags",), body=body)
        case EditFlag(body=body):
            return Request(method="PATCH", segments=("flags", flag_id), body=body)
        case CreateVariant(body=body):
            return Request(method="POST", segments=("flags", flag_id, "variants"), body=body)
        case AddDeployments(deployments=ids):
            path = ("flags", flag_id, "deployments")
            return Request(method="POST", segments=path, body={"deployments": list(ids)})
        case RemoveDeployment(deployment=deployment):
            return Request(method="DELETE", segments=("flags", flag_id, "deployments", deployment))
        case _:
            return _variant_request(operation, ("flags", flag_id, "variants", operation.variant_key))


def _variant_request(
    operation: EditVariant
    | DeleteVariant
    | AddUsers
    | RemoveUsers
    | RemoveUserAt
    | ClearUsers
    | AddCohorts
    | RemoveCohorts,
    path: tuple[str, ...],
) -> Request:
    match operation:
        case EditVariant(body=body):
            return Request(method="PATCH", segments=path, body=body)
        case DeleteVariant():
            return Request(method="DELETE", segments=path)
        case AddUsers(users=users):
            return Request(method="POST", segments=(*path, "users"), body={"inclusions": list(users)})
        case RemoveUsers(users=users):
            return Request(method="DELETE", segments=(*path, "bulk-delete-users"), body={"users": list(users)})
        case RemoveUserAt(index=index):
            return Request(method="DELETE", segments=(*path, "users", str(index)))
        case ClearUsers():
            return Request(method="DELETE", segments=(*path, "users"))
        case AddCohorts(cohorts=ids):
            return Request(method="POST", segments=(*path, "cohorts"), body={"inclusions": list(ids)})
        case RemoveCohorts(cohorts=ids):
            return Request(method="DELETE", segments=(*path, "bulk-delete-cohorts"), body={"users": list(ids)})
        case _:
            assert_never(operation)

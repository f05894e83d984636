"""Operations as JSON: kind, method, path and body, exactly as they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planning.operations import (
    UNKNOWN_ID,
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
    kind_of,
    request_of,
)

if TYPE_CHECKING:
    from reconciler.model import Json
    from reconciler.planning.operations import Operation


def encode_operation(operation: Operation, flag_id: str | None) -> dict[str, Json]:
    """One operation; the id of a flag not yet created is `{id}`."""
    request = request_of(operation, UNKNOWN_ID if flag_id is None else flag_id)
    body: dict[str, Json] = {
        "kind": kind_of(operation),
        "method": request.method,
        "path": request.path,
        "body": request.body,
    }
    return body | {"user": operation.user} if isinstance(operation, RemoveUserAt) else body


def decode_operation(document: dict[str, Json], flag_key: str) -> Operation:
    """The reverse of `encode_operation`. Raises ValueError for a kind that does not exist."""
    kind, body = document["kind"], document["body"]
    # /api/1/flags/{id}/variants/{variant}/… and /api/1/flags/{id}/deployments/{deployment}
    below = document["path"].split("/")[5:]
    if kind == "create-flag":
        return CreateFlag(flag_key=flag_key, body=body)
    if kind == "edit-flag":
        return EditFlag(flag_key=flag_key, body=body)
    if kind == "create-variant":
        return CreateVariant(flag_key=flag_key, variant_key=body["key"], body=body)
    if kind == "add-deployments":
        return AddDeployments(flag_key=flag_key, deployments=tuple(body["deployments"]))
    if kind == "remove-deployment":
        return RemoveDeployment(flag_key=flag_key, deployment=below[1])
    return _decode_variant_operation(document, flag_key, below[1:])


def _decode_variant_operation(document: dict[str, Json], flag_key: str, below: list[str]) -> Operation:
    body, variant = document["body"], below[0]
    match document["kind"]:
        case "edit-variant":
            return EditVariant(flag_key=flag_key, variant_key=variant, body=body)
        case "delete-variant":
            return DeleteVariant(flag_key=flag_key, variant_key=variant)
        case "add-users":
            return AddUsers(flag_key=flag_key, variant_key=variant, users=tuple(body["inclusions"]))
        case "remove-users":
            return RemoveUsers(flag_key=flag_key, variant_key=variant, users=tuple(body["users"]))
        case "remove-user-at":
            index = int(below[2])
            return RemoveUserAt(flag_key=flag_key, variant_key=variant, user=document["user"], index=index)
        case "clear-users":
            return ClearUsers(flag_key=flag_key, variant_key=variant)
        case "add-cohorts":
            return AddCohorts(flag_key=flag_key, variant_key=variant, cohorts=tuple(body["inclusions"]))
        case "remove-cohorts":
            return RemoveCohorts(flag_key=flag_key, variant_key=variant, cohorts=tuple(body["users"]))
        case kind:
            raise ValueError(f"There is no operation of kind {kind}.")

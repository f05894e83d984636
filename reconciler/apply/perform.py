"""One operation to one method of the client. A kind without an arm here fails type checking."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

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

if TYPE_CHECKING:
    from reconciler.api.answers import Answer, CreatedFlag
    from reconciler.api.client import Client
    from reconciler.planning.operations import Operation


async def perform(client: Client, flag_id: str, operation: Operation) -> Answer | CreatedFlag:
    """Send one operation on an existing flag, or create it (then `flag_id` is not used).

    Raises ApiError: NotSentError, AmbiguousError, RejectedError, BudgetError.
    """
    match operation:
        case CreateFlag(body=body):
            return await client.create_flag(body)
        case EditFlag(body=body):
            return await client.edit_flag(flag_id, body)
        case CreateVariant(body=body):
            return await client.create_variant(flag_id, body)
        case EditVariant(variant_key=key, body=body):
            return await client.edit_variant(flag_id, key, body)
        case DeleteVariant(variant_key=key):
            return await client.delete_variant(flag_id, key)
        case AddDeployments(deployments=deployments):
            return await client.add_deployments(flag_id, deployments)
        case RemoveDeployment(deployment=deployment):
            return await client.remove_deployment(flag_id, deployment)
        case _:
            return await _perform_on_inclusions(client, flag_id, operation)


async def _perform_on_inclusions(
    client: Client,
    flag_id: str,
    operation: AddUsers | RemoveUsers | RemoveUserAt | ClearUsers | AddCohorts | RemoveCohorts,
) -> Answer:
    key = operation.variant_key
    match operation:
        case AddUsers(users=users):
            return await client.add_users(flag_id, key, users)
        case RemoveUsers(users=users):
            return await client.remove_users(flag_id, key, users)
        case RemoveUserAt(index=index):
            return await client.remove_user_at(flag_id, key, index)
        case ClearUsers():
            return await client.clear_users(flag_id, key)
        case AddCohorts(cohorts=cohorts):
            return await client.add_cohorts(flag_id, key, cohorts)
        case RemoveCohorts(cohorts=cohorts):
            return await client.remove_cohorts(flag_id, key, cohorts)
        case _:
            assert_never(operation)

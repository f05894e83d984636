"""The client against the API reference's own samples, with nothing in between: what is sent, what is understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import ask
from contract.endpoints import DEPLOYMENT_ID, ENDPOINTS, FLAG_ID, PROJECT_ID, USER, Endpoint

from reconciler.api.responses import CreatedFlag, DeploymentInfo, WriteResult
from reconciler.model.flag import Variant
from reconciler.planning.operations import (
    KINDS,
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
    decode_operation,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.client import Client
    from reconciler.planning.operations import Operation

BY_NUMBER = {row.number: row for row in ENDPOINTS}
_ON = "on"
_FLAG = {"flag_key": "flag-key"}
_VARIANT = _FLAG | {"variant_key": _ON}

READS: dict[int, Callable[[Client, Endpoint], Awaitable[Any]]] = {
    1: lambda client, _: client.list_flags(),
    2: lambda client, _: client.get_flag(FLAG_ID),
    3: lambda client, _: client.list_versions(FLAG_ID),
    4: lambda client, _: client.get_version(FLAG_ID, 3),
    5: lambda client, _: client.list_variants(FLAG_ID),
    6: lambda client, _: client.get_variant(FLAG_ID, _ON),
    7: lambda client, _: client.list_users(FLAG_ID, _ON),
    8: lambda client, _: client.list_cohorts(FLAG_ID, _ON),
    18: lambda client, _: client.list_deployments(FLAG_ID),
    23: lambda client, row: client.list_all_versions(
        start=row.query["start"], end=row.query["end"], limit=3, cursor="0"
    ),
    24: lambda client, _: client.list_all_deployments(),
    25: lambda client, _: client.list_experiments(),
}

WRITES: dict[int, Callable[[Endpoint], Operation]] = {
    9: lambda row: CreateVariant(**_FLAG, variant_key=row.body["key"], body=row.body),
    10: lambda row: EditVariant(**_VARIANT, body=row.body),
    11: lambda _: DeleteVariant(**_FLAG, variant_key="unused"),
    12: lambda row: AddMembers(**_VARIANT, members=tuple(row.body["inclusions"])),
    13: lambda row: AddMembers(**_VARIANT, member_kind="cohorts", members=tuple(row.body["inclusions"])),
    14: lambda _: RemoveUserAt(**_VARIANT, user=USER, index=0),
    15: lambda _: ClearUsers(**_VARIANT),
    16: lambda row: RemoveMembers(**_VARIANT, members=tuple(row.body["users"])),
    17: lambda row: RemoveMembers(**_VARIANT, member_kind="cohorts", members=tuple(row.body["users"])),
    19: lambda _: AddDeployments(**_FLAG, deployments=(DEPLOYMENT_ID,)),
    20: lambda _: RemoveDeployment(**_FLAG, deployment=DEPLOYMENT_ID),
    21: lambda row: EditFlag(**_FLAG, body=row.body),
    22: lambda row: CreateFlag(**_FLAG, body=row.body),
}
CALLS = READS.keys() | WRITES.keys()


async def call(client: Client, row: Endpoint) -> Any:
    """The call of an endpoint: a read of the client, or the request of an operation."""
    if row.number in READS:
        return await READS[row.number](client, row)
    return await client.write(WRITES[row.number](row).request(FLAG_ID))


@dataclass
class SampleServer:
    """Answers every request with one sample, and remembers what it was asked."""

    row: Endpoint
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.row.answers == "text":
            return httpx.Response(200, text=self.row.answer or "")
        return httpx.Response(200, json=self.row.answer)


def exchange(number: int) -> tuple[Any, httpx.Request]:
    """What the client makes of a sample, and the one request that it sent for it."""
    server = SampleServer(BY_NUMBER[number])
    result = ask(server, lambda client: call(client, server.row))
    (request,) = server.requests
    return result, request


def test_every_endpoint_of_the_reference_has_a_read_or_an_operation() -> None:
    """There is a call for each row of the contract table, and no row is missing."""
    assert sorted(CALLS) == sorted(BY_NUMBER) == list(range(1, 26))


def test_every_kind_of_operation_is_held_against_the_reference() -> None:
    """No kind of operation is left out of the table, and each is what its JSON says."""
    operations = [operation(BY_NUMBER[number]) for number, operation in WRITES.items()]
    assert {operation.kind for operation in operations} == set(KINDS)
    for operation in operations:
        assert decode_operation(operation.to_json(FLAG_ID), "flag-key") == operation


@pytest.mark.parametrize("number", sorted(CALLS), ids=lambda number: BY_NUMBER[number].name)
def test_sends_what_the_reference_shows(number: int) -> None:
    """Each call sends the documented verb, path and body, and the documented query besides the project."""
    row = BY_NUMBER[number]
    _, request = exchange(number)
    assert (request.method, request.url.raw_path.partition(b"?")[0].decode()) == (row.method, row.url_path)
    assert request.content == (b"" if row.body is None else httpx.Response(200, json=row.body).content)
    extra = {"projectId": PROJECT_ID} if number in {1, 25} else {}
    assert dict(request.url.params) == {**row.query, **extra}


@pytest.mark.parametrize("number", sorted(CALLS), ids=lambda number: BY_NUMBER[number].name)
def test_sends_the_documented_headers(number: int) -> None:
    """Each request says who asks, what it accepts, and carries the key; a body comes with its type."""
    _, request = exchange(number)
    assert request.headers["authorization"] == "Bearer test-management-key"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("reconciler/")
    assert request.headers["cache-control"] == "no-cache"
    assert request.headers.get("content-type") == (None if BY_NUMBER[number].body is None else "application/json")


@pytest.mark.parametrize("number", sorted(WRITES.keys() - {22}))
def test_writes_are_done_when_the_status_says_so(number: int) -> None:
    """A write that answers `OK` text is done, with any text."""
    assert exchange(number)[0] == WriteResult(status=200)


def test_understands_the_list() -> None:
    """The list's sample gives the flag with its segments and dependencies, and the next cursor."""
    page, _ = exchange(1)
    (flag,) = page.flags
    assert (flag.id, flag.project_id, flag.key, flag.created_by) == (FLAG_ID, PROJECT_ID, "flag-key", USER)
    assert flag.spec.target_segments[0].conditions[0].prop == "city"
    assert flag.parent_dependencies.flags == (("12345", ("on",)),)
    assert (page.next_cursor, len(page.ids), page.unmarked) == ("1000", 1, {FLAG_ID})


def test_understands_details() -> None:
    """The sample of the details gives a flag that is not archived."""
    flag, _ = exchange(2)
    assert (flag.key, flag.spec.enabled, flag.spec.archived) == ("flag-key", True, False)


def test_understands_versions() -> None:
    """The samples of versions give them newest first, each with its flag, author and time."""
    versions, _ = exchange(3)
    assert [(item.version, item.created_by) for item in versions] == [(3, USER), (2, USER), (1, USER)]
    assert versions[0].created_at == "2023-07-29T03:32:49.594Z"
    assert [item.flag.spec.enabled for item in versions] == [True, False, False]
    assert exchange(4)[0] == versions[0]
    feed, _ = exchange(23)
    assert (feed.versions, feed.next_cursor, len(feed.ids)) == (versions, "3003", 3)


def test_understands_variants() -> None:
    """The samples of variants give the same variant, alone or in a list."""
    variant = Variant(key="on", name="", description="", payload={})
    assert exchange(5)[0] == (variant,)
    assert exchange(6)[0] == variant


def test_understands_inclusions() -> None:
    """The samples of inclusions give users and cohorts in the server's order."""
    assert exchange(7)[0] == ("user@example.com", "user-id")
    assert exchange(8)[0] == ("cohort-id-1", "cohort-id-2")


def test_understands_deployments() -> None:
    """The samples of deployments give the same one, of a flag or of all."""
    deployment = DeploymentInfo(
        id=DEPLOYMENT_ID, project_id=PROJECT_ID, label="rest-api", key="client-abc", deleted=False
    )
    assert exchange(18)[0] == exchange(24)[0].deployments == (deployment,)


def test_understands_the_answer_to_a_create() -> None:
    """A create's sample gives the id of the new flag; the URL beside it is not followed."""
    assert exchange(22)[0] == CreatedFlag(id=FLAG_ID, status=200)

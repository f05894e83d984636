"""The Management API: one method for each endpoint that reads, in the reference's order, and one that writes.

Two lists that it documents on other pages stand at the end. Reads give values of the model; what belongs to another
project is dropped, even if the server did not filter it. Writes give their status: the reference promises no more
than `OK` text, so only the answer to a create is read. Every method raises the ApiErrors of `Transport.send`, and
reads InvalidResponseError besides.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from reconciler.api.limits import Repeat
from reconciler.api.pages import PAGE_SIZE, read_pages
from reconciler.api.responses import (
    CreatedFlag,
    DeploymentInfo,
    DeploymentPage,
    FlagPage,
    VersionPage,
    WriteResult,
    decode,
    decode_created,
    decode_deployment_page,
    decode_deployments,
    decode_flag_page,
    decode_members,
    decode_rows,
    decode_version,
    decode_version_page,
    decode_versions,
)
from reconciler.api.transport import Transport
from reconciler.errors import NOT_OFFERED, InvalidResponseError, RejectedError
from reconciler.model.fields import FLAG
from reconciler.model.wire import decode_flag, decode_variant, decode_variants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    import httpx

    from reconciler.api.credentials import ApiKey, Origin
    from reconciler.api.limits import Clock, RetryPolicy
    from reconciler.api.transport import Exchange, Look, Response, Wait
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag, Variant, Version
    from reconciler.model.wire import Request


_EXPERIMENTS = "experiments"


class Client:
    """The API for one project. It decides nothing."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self.project_id = project_id

    @property
    def requests(self) -> int:
        """How many requests were sent so far, every attempt counted."""
        return self._transport.requests

    @property
    def concurrency(self) -> int:
        """How many calls may be in flight at once."""
        return self._transport.concurrency

    @property
    def server_date(self) -> datetime | None:
        """The server's clock (UTC) as of its last answer; None where it does not say."""
        return self._transport.server_date

    async def list_flags(
        self,
        *,
        key: str | None = None,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
        include_archived: bool = False,
    ) -> FlagPage:
        """1 · "List". `key` may be taken for a substring by the server: compare again."""
        query = {"projectId": self.project_id, "limit": str(limit)}
        if key is not None:
            query["key"] = key
        if cursor is not None:
            query["cursor"] = cursor
        if include_archived:
            query["includeArchived"] = "true"
        reply = await self._transport.send("GET", FLAG.segments(), query=query)
        return decode_rows(reply, FLAG.path, lambda body, flaws: decode_flag_page(body, flaws, self.project_id))

    async def get_flag(self, flag_id: str) -> LiveFlag:
        """2 · "Get details". A flag of another project is a RejectedError 404, as if it were not there."""
        reply = await self._transport.send("GET", FLAG.segments(flag_id))
        flag = decode(reply, decode_flag)
        if flag.id != flag_id:
            raise InvalidResponseError(f"{reply.call}: the answer is about another flag, {flag.id}.")
        if flag.project_id != self.project_id:
            raise RejectedError(f"{reply.call}: the flag belongs to another project.", status=404)
        return flag

    async def list_versions(self, flag_id: str) -> tuple[Version, ...]:
        """3 · "List versions", newest first."""
        return decode(await self._transport.send("GET", FLAG.segments(flag_id, "versions")), decode_versions)

    async def get_version(self, flag_id: str, version: int) -> Version:
        """4 · "Get version details"."""
        reply = await self._transport.send("GET", FLAG.segments(flag_id, "versions", str(version)))
        found = decode(reply, decode_version)
        if found.version != version:
            raise InvalidResponseError(f"{reply.call}: the answer is about another version, {found.version}.")
        return found

    async def list_variants(self, flag_id: str) -> tuple[Variant, ...]:
        """5 · "List variants", in the order that decides bucketing."""
        return decode(await self._transport.send("GET", FLAG.segments(flag_id, "variants")), decode_variants)

    async def get_variant(self, flag_id: str, variant: str) -> Variant:
        """6 · "Get variant details"."""
        reply = await self._transport.send("GET", FLAG.segments(flag_id, "variants", variant))
        found = decode(reply, decode_variant)
        if found.key != variant:
            raise InvalidResponseError(f"{reply.call}: the answer is about another variant.")
        return found

    async def list_users(self, flag_id: str, variant: str) -> tuple[str, ...]:
        """7 · "Get variant inclusions": users and devices in the order that removal by index counts in."""
        path = FLAG.segments(flag_id, "variants", variant, "users")
        return decode(await self._transport.send("GET", path), decode_members)

    async def list_cohorts(self, flag_id: str, variant: str) -> tuple[str, ...]:
        """8 · "Get variant cohort inclusions"."""
        path = FLAG.segments(flag_id, "variants", variant, "cohorts")
        return decode(await self._transport.send("GET", path), decode_members)

    async def list_deployments(self, flag_id: str) -> tuple[DeploymentInfo, ...]:
        """18 · "List deployments" of a flag."""
        return decode(await self._transport.send("GET", FLAG.segments(flag_id, "deployments")), decode_deployments)

    async def write(self, request: Request, *, look: Look | None = None) -> WriteResult | CreatedFlag:
        """9 to 17 and 19 to 22 · Send a write exactly as it is; of a create, the new flag.

        However long it waits, it is sent only while `look` is not old, and raises what that raises.
        After the AmbiguousError of a create look the key up with `live.find_flag` before anything is sent again.
        """
        is_create = (request.method, request.segments) == ("POST", FLAG.segments())
        if is_create and (request.body or {}).get("projectId") != self.project_id:
            raise ValueError("a flag is created in the client's own project")
        repeat = None if request.is_repeatable else Repeat.IF_NOT_SENT
        try:
            reply = await self._transport.send(
                request.method, request.segments, body=request.body, repeat=repeat, look=look
            )
        except RejectedError as error:
            raise _with_hint(error, request) from None
        return decode_created(reply) if is_create else WriteResult(status=reply.status)

    async def list_all_versions(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> VersionPage | None:
        """The feed of the versions of all flags, newest first, between two ISO 8601 times.

        None where the server or the key does not offer it (403 or 404).
        """
        given = {"start": start, "end": end, "limit": str(limit), "cursor": cursor}
        query = {name: value for name, value in given.items() if value is not None}
        reply = await self._optional("versions", query)
        if reply is None:
            return None
        return decode_rows(reply, "versions", lambda body, flaws: decode_version_page(body, flaws, self.project_id))

    async def list_all_deployments(self) -> DeploymentPage | None:
        """Every deployment of our project, as one page.

        None where the server or the key does not offer the list (403 or 404).
        """

        async def read(limit: int, cursor: str | None) -> DeploymentPage | None:
            query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
            reply = await self._optional("deployments", query)
            if reply is None:
                return None
            return decode_rows(
                reply, "deployments", lambda body, flaws: decode_deployment_page(body, flaws, self.project_id)
            )

        pages = [page async for page in read_pages("GET /api/1/deployments", read)]
        found = {item.id: item for page in pages for item in page.deployments}
        return (
            DeploymentPage(
                deployments=tuple(found.values()),
                next_cursor=None,
                ids=tuple(found),
                unread=tuple(item for page in pages for item in page.unread),
            )
            if pages
            else None
        )

    async def list_experiments(self) -> FlagPage | None:
        """The experiments of our project that are not archived, as one page, by what they have in common with flags.

        None where the server or the key does not offer the list (403 or 404).
        """

        async def read(limit: int, cursor: str | None) -> FlagPage | None:
            query = {"projectId": self.project_id, "limit": str(limit)}
            reply = await self._optional(_EXPERIMENTS, query | ({} if cursor is None else {"cursor": cursor}))
            if reply is None:
                return None
            return decode_rows(
                reply,
                _EXPERIMENTS,
                lambda body, flaws: decode_flag_page(body, flaws, self.project_id, _EXPERIMENTS),
            )

        pages = [page async for page in read_pages(f"GET /api/1/{_EXPERIMENTS}", read)]
        if not pages:
            return None
        found = {item.id: item for page in pages for item in page.flags}
        return FlagPage(
            flags=tuple(found.values()),
            next_cursor=None,
            ids=tuple(found),
            unread=tuple(item for page in pages for item in page.unread),
        )

    async def _optional(self, name: str, query: dict[str, str]) -> Response | None:
        try:
            return await self._transport.send("GET", (name,), query=query)
        except RejectedError as error:
            if error.status in NOT_OFFERED:
                return None
            raise


def _with_hint(error: RejectedError, request: Request) -> RejectedError:
    """The error of a variant that was not edited, with what it may mean: "Edit variant" names two verbs."""
    if request.method != "PATCH" or "variants" not in request.segments or error.status not in {404, 405}:
        return error
    return RejectedError(
        f"{error} If the variant is there, this server does not edit variants by PATCH, as the example of the"
        " API reference does; nothing else is tried, because another verb might create one.",
        status=error.status,
    )


@asynccontextmanager
async def connect(
    config: Config,
    key: ApiKey,
    origin: Origin,
    *,
    read_only: bool,
    policy: RetryPolicy | None = None,
    clock: Clock | None = None,
    http: httpx.AsyncBaseTransport | None = None,
    watch: Callable[[Exchange], None] | None = None,
    on_wait: Callable[[Wait], None] | None = None,
    spent: int = 0,
) -> AsyncIterator[Client]:
    """A client for the configuration's project, with its `requests` limits, until the block ends.

    `read_only` refuses everything but GET, inside the transport. `http` stands in for the network (the emulator in
    process); `watch` is told of every attempt, `on_wait` of every pause before another one. `spent` requests of
    `dailyBudget` are used already.
    """
    transport = Transport(
        origin=origin,
        key=key,
        read_only=read_only,
        requests=config.requests,
        policy=policy,
        clock=clock,
        http=http,
        watch=watch,
        on_wait=on_wait,
        spent=spent,
    )
    async with transport:
        yield Client(transport, config.project_id)

"""A client for one run, opened and closed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from reconciler.api.client import Client
from reconciler.api.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from reconciler.api.credentials import ApiKey, Origin
    from reconciler.api.limits import Clock
    from reconciler.api.retry import RetryPolicy
    from reconciler.api.transport import Exchange
    from reconciler.model.config import Config


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
    spent: int = 0,
) -> AsyncIterator[Client]:
    """A client for the configuration's project, with its `requests` limits, until the block ends.

    `read_only` refuses everything but GET, inside the transport. `http` stands in for the network (the emulator in
    process); `watch` is told of every attempt. `spent` requests of `dailyBudget` are gone already.
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
        spent=spent,
    )
    async with transport:
        yield Client(transport, config.project_id)

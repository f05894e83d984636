"""Several applications at one address, and the marks of a server that is no production."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from reconciler.sdk.hosts import ELSEWHERE, is_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK: Final = (b"x-reconciler-serve", b"not production")
"""The header of each answer."""


def by_prefix(apps: Mapping[tuple[str, ...], ASGIApp], otherwise: ASGIApp) -> ASGIApp:
    """One application that hands each request to the one whose prefixes begin its path.

    A client that hangs up in the middle of its request is no error.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        chosen = next((app for prefixes, app in apps.items() if path.startswith(prefixes)), otherwise)
        with suppress(ClientDisconnect):
            await chosen(scope, receive, send)

    return app


def marked(inner: ASGIApp) -> ASGIApp:
    """The same application, its answers marked, for this machine's names only.

    A page of another site can point its own name at this machine; a request that carries such a name is refused.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), MARK]}
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if is_of_this_machine(host):
            await inner(scope, receive, send_marked)
        else:
            refusal = PlainTextResponse(ELSEWHERE, 421)
            await refusal(scope, receive, send_marked)

    return app

"""Serves a local stand-in of a forge: JSON over HTTP on a free port, with its requests kept and failures to order."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class ForgeState:
    """What every stand-in keeps: its address, what it was asked, the failures to come, and what a forge has."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    url: str = ""
    events: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    """Pull requests that are not open any more; merged ones are told by tests about that."""

    def writes(self) -> list[str]:
        """The methods of the requests that changed something."""
        return [method for method, _ in self.requests if method != "GET"]

    def is_token(self, headers: Any) -> bool:
        """Whether a request has the right token."""
        raise NotImplementedError

    def handle(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of one request."""
        raise NotImplementedError


State = TypeVar("State", bound=ForgeState)


def page(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """The part of a list that a request asks for."""
    size, number = int(query["per_page"]), int(query["page"])
    return items[(number - 1) * size : number * size]


class _Handler(BaseHTTPRequestHandler):
    state: ForgeState

    def _answer(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        self.state.requests.append((self.command, self.path))
        if self.state.failures:
            status, answer = self.state.failures.pop(0), {"message": "Unavailable"}
        elif not self.state.is_token(self.headers):
            status, answer = 401, {"message": "Bad credentials"}
        else:
            query = {name: ",".join(values) for name, values in parse_qs(url.query).items()}
            status, answer = self.state.handle(self.command, url.path, query, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        if status in {301, 302}:
            self.send_header("Location", f"{self.state.url}/elsewhere")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Say nothing: requests are kept in the state."""


@contextmanager
def served(state: State) -> Iterator[State]:
    """The stand-in, served on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The emulator on a real socket of this machine: in a thread of its own, or in the foreground."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import uvicorn

from reconciler.emulator.app import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

HOST = "127.0.0.1"
_START_SECONDS = 10.0
_STOP_SECONDS = 1


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready."""

    def __init__(self, app: ASGIApp, on_start: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


@contextmanager
def serve(served: Emulator | ASGIApp, *, port: int = 0) -> Iterator[str]:
    """Serves in a thread while the block runs; gives the base URL, without /api/1. Port 0 is any free one.

    An emulator's state of now becomes the one that its `reset` comes back to. OSError where the port is taken.
    """
    app = _app_of(served)
    with _listen(port) as listener:
        server = _Server(app, on_start=lambda: None)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="emulator", daemon=True)
        thread.start()
        try:
            _wait_for_start(server, thread)
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join()


def serve_in_foreground(served: Emulator | ASGIApp, *, port: int = 0, on_start: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM, which is raised again once everything is closed.

    `on_start` is given the base URL when requests can come. OSError where the port is taken.
    """
    app = _app_of(served)
    with _listen(port) as listener:
        _Server(app, on_start=lambda: on_start(_url(listener))).run(sockets=[listener])


def _app_of(served: Emulator | ASGIApp) -> ASGIApp:
    if not isinstance(served, Emulator):
        return served
    served.remember()
    return served.app


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP: 40 ms an answer otherwise
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _wait_for_start(server: uvicorn.Server, thread: Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the emulator did not start")
        time.sleep(0.002)

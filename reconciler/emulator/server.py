"""The emulator on a real socket of this machine: in a thread of its own, or in the foreground."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import uvicorn

from reconciler.emulator.app import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

HOST = "127.0.0.1"
_STOP_SECONDS = 1.0
_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.002


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and that ends without a pause where nothing is under way.

    uvicorn's own looks for the end ten times a second, and always waits for a tenth of one.
    """

    def __init__(self, app: ASGIApp, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False)
        )
        self._on_start, self._on_stop = on_start, on_stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self.is_ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._on_start()
        self.is_ready.set()

    def stop(self) -> None:
        """Ends the serving, from any thread or signal handler."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True  # uvicorn would raise the last signal again, not the first
        else:
            super().handle_exit(sig, frame)
        self.stop()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        self._on_stop()
        state, deadline = self.server_state, time.monotonic() + _STOP_SECONDS
        # asyncio of Python 3.11 never closes a connection that was accepted just before its listener was closed.
        await asyncio.sleep(_LOOK_SECONDS)
        for listener in self.servers:
            listener.close()
        for connection in list(state.connections):
            connection.shutdown()
        # uvicorn does not tell when one ends
        while (state.connections or state.tasks) and not self.force_exit and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def serve(
    served: Emulator | ASGIApp,
    *,
    port: int = 0,
    on_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Serves in a thread while the block runs; gives the base URL, without /api/1. Port 0 is any free one.

    An emulator's state of now becomes the one that its `reset` comes back to. `on_start` and `on_stop` are called in
    the event loop, before the first request and before open connections are waited for. OSError where the port is
    taken.
    """
    app = _app_of(served)
    with _listen(port) as listener:
        server = _Server(app, on_start, on_stop)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="emulator", daemon=True)
        thread.start()
        try:
            _wait_for_start(server, thread)
            yield _url(listener)
        finally:
            server.stop()
            thread.join()


def serve_in_foreground(
    served: Emulator | ASGIApp,
    *,
    port: int = 0,
    on_start: Callable[[str], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGINT or SIGTERM, which is raised again once everything is closed.

    `on_start` is given the base URL when requests can come; both are called in the event loop, as by `serve`. OSError
    where the port is taken.
    """
    app = _app_of(served)
    with _listen(port) as listener:
        _Server(app, lambda: on_start(_url(listener)), on_stop).run(sockets=[listener])


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
        listener.listen()
    except OSError as error:
        listener.close()
        error.filename = f"{HOST}:{port}"
        raise
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _wait_for_start(server: _Server, thread: Thread) -> None:
    while not server.is_ready.wait(_LOOK_SECONDS):
        if not thread.is_alive():
            raise RuntimeError("the emulator did not start")

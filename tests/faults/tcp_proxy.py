"""Between a client and a server on real sockets: one connection is cut as a network would cut it.

Requests are told apart by their Content-Length; each goes to the server over a connection of its own, so that what
reached it is known for certain.
"""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cut(Enum):
    """What happens to the connection of one request."""

    RESET_BEFORE = "reset before the server has the request"
    CLOSE_BEFORE = "closed before the server has the request"
    RESET_AFTER = "reset after the server has answered"
    CLOSE_AFTER = "closed after the server has answered"
    HALF_A_HEAD = "closed within the answer's head"
    HALF_A_BODY = "closed within the answer's body"
    STALL_BEFORE = "never answered, never delivered"
    STALL_AFTER = "never answered, but delivered"
    NOT_HTTP = "answered with something that is no HTTP"
    IDLE = "answered in full, then closed though it was to be kept open"


@dataclass
class Proxy:
    """What passes: `arrivals` counts requests, `delivered` those that the server had. `cuts` is by arrival.

    `stalled` is told, again and again, that a request will never be answered while nothing else is under way.
    """

    upstream: tuple[str, int]
    cuts: dict[int, Cut] = field(default_factory=dict)
    stalled: Callable[[], None] = lambda: None
    arrivals: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    _under_way: int = 0
    _lock: Lock = field(default_factory=Lock)
    _closing: Event = field(default_factory=Event)

    def serve(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._converse, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            while (request := _read_message(connection)) is not None:
                with self._lock:
                    line = request.partition(b"\r\n")[0].decode()
                    self.arrivals.append(line)
                    cut = self.cuts.get(len(self.arrivals))
                    self._under_way += 1
                try:
                    if not self._pass(connection, request, line, cut):
                        return
                finally:
                    with self._lock:
                        self._under_way -= 1

    def _pass(self, connection: socket.socket, request: bytes, line: str, cut: Cut | None) -> bool:
        """Deliver and answer, or not; whether the connection goes on."""
        if cut in {Cut.RESET_BEFORE, Cut.CLOSE_BEFORE, Cut.STALL_BEFORE}:
            self._end(connection, cut)
            return False
        answer = self._deliver(request, line)
        if answer is None:
            return False
        head, _, body = answer.partition(b"\r\n\r\n")
        match cut:
            case None | Cut.IDLE:
                connection.sendall(answer)
            case Cut.HALF_A_HEAD:
                connection.sendall(answer[: len(head) // 2])
            case Cut.HALF_A_BODY:
                connection.sendall(answer[: len(answer) - max(1, len(body) // 2)])
            case Cut.NOT_HTTP:
                connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")
            case _:
                self._end(connection, cut)
        return cut is None

    def _deliver(self, request: bytes, line: str) -> bytes | None:
        """The server's answer; None where it broke off."""
        with socket.create_connection(self.upstream) as server:
            server.sendall(request)
            answer = _read_message(server)
        with self._lock:
            self.delivered.append(line)
        return answer

    def _end(self, connection: socket.socket, cut: Cut) -> None:
        if cut in {Cut.STALL_BEFORE, Cut.STALL_AFTER}:
            self._stall(connection)
        elif cut in {Cut.RESET_BEFORE, Cut.RESET_AFTER}:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _stall(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        while not self._closing.is_set():
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                if self._under_way == 1:
                    self.stalled()
            except OSError:
                return


def _read_message(connection: socket.socket) -> bytes | None:
    """A whole request or answer, as it came; None where the other side has gone."""
    data = b""
    try:
        while not _is_whole(data):
            data += (piece := connection.recv(65536))
            if not piece:
                return None
    except OSError:
        return None
    return data


def _is_whole(data: bytes) -> bool:
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= _content_length(head)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def a_proxy(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server at `url`, and its own address."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy((parts.hostname, parts.port))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        try:
            yield proxy, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            proxy.close()
            listener.shutdown(socket.SHUT_RDWR)

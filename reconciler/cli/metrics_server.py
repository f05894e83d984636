"""The metrics of `watch` over HTTP, for this machine."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from reconciler.errors import ReconcilerError
from reconciler.reports.metrics import CONTENT_TYPE, Watched, metrics_text
from reconciler.sdk.hosts import ELSEWHERE, is_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.cli.output import Output

MOST_AT_ONCE = 16
"""Further connections are closed at once: each takes a thread and a file, and rounds need files of their own."""

_PATIENCE_SECONDS = 5.0


@contextmanager
def published(port: int | None, output: Output) -> Iterator[Callable[[Watched], None]]:
    """A server of metrics on this machine while the block runs; what is given last is what it shows.

    Without a port there is none. Raises ReconcilerError for a port that cannot be used.
    """
    if port is None:
        yield lambda _: None
        return
    try:
        server = _Server(port)
    except OSError as error:
        raise ReconcilerError(f"127.0.0.1:{port}: {error.strerror}.") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    output.info(f"Metrics: http://127.0.0.1:{server.server_port}/metrics")
    try:
        yield server.show
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Answers each request in a thread; what clients do wrong is no concern of the command's."""

    daemon_threads = True
    request_queue_size = 2 * MOST_AT_ONCE

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.text = metrics_text(Watched())
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def show(self, watched: Watched) -> None:
        """Answer with this from now on."""
        self.text = metrics_text(watched)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own
        """Answer in a thread, or close the connection where there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the machine has no thread left
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own
        """Answer, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    """The metrics, at /metrics only."""

    server: _Server
    timeout = _PATIENCE_SECONDS

    def do_GET(self) -> None:
        """Answer for a name of this machine."""
        if not is_of_this_machine(self.headers.get("Host", "")):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, ELSEWHERE)
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.server.text)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

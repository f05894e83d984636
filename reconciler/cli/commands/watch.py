"""`reconciler watch`: drift and advance, again and again, in one process."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import click

from reconciler.cli.advancing import AdvanceArguments
from reconciler.cli.options import Settings, allow_option, key_file_option, shared_options, target_option
from reconciler.cli.output import Output
from reconciler.cli.watching import Rounds
from reconciler.errors import UsageError
from reconciler.reports.metrics import CONTENT_TYPE, Watched, metrics_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_is_span = re.compile(r"([1-9][0-9]{0,5})([smh])", re.ASCII).fullmatch
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class SpanType(click.ParamType[float]):
    """A time between rounds: `30s`, `5m`, `1h`."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; fails with a usage error."""
        if isinstance(value, float):
            return value
        found = _is_span(str(value))
        if found is None:
            self.fail(f"{value!r} is no time as in 30s, 5m or 1h.", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2]])


@click.command
@shared_options
@click.option("--every", type=SpanType(), default="5m", show_default=True, help="How long to wait between rounds.")
@click.option(
    "--metrics",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve metrics for Prometheus on 127.0.0.1; 0 takes a free port.",
)
@target_option
@allow_option
@key_file_option
def watch(
    settings: Settings,
    *,
    every: float,
    port: int | None,
    targets: tuple[str, ...],
    allow: tuple[str, ...],
    api_key_file: Path | None,
) -> int:
    """Look for drift and advance rollouts in rounds, until it is interrupted.

    Use it where scheduled jobs of hosted CI run too late. Each round reads the files again, so keep the checkout up
    to date. All rounds share `requests.dailyBudget`. If a round fails, stderr says why, and the next round tries
    again. Drift is reported, never corrected.

    \b
      reconciler watch --every 5m --metrics 9464 --env production
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    arguments = AdvanceArguments(targets=targets, allow=frozenset(allow))
    with _published(port, output) as publish:
        Rounds(
            settings=settings,
            arguments=arguments,
            key_file=api_key_file,
            output=output,
            seconds=every,
            publish=publish,
        ).run()
    return 0


@contextmanager
def _published(port: int | None, output: Output) -> Iterator[Callable[[Watched], None]]:
    """A server of metrics on this machine while the block runs; what is given last is what it shows."""
    if port is None:
        yield lambda _: None
        return
    shown = [metrics_text(Watched())]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The metrics, at /metrics only."""
            is_there = self.path == "/metrics"
            body = shown[0].encode() if is_there else b""
            self.send_response(200 if is_there else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UsageError(f"Port {port} cannot be used: {error.strerror}.") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    output.info(f"Metrics: http://127.0.0.1:{server.server_port}/metrics")
    try:
        yield lambda watched: shown.__setitem__(0, metrics_text(watched))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

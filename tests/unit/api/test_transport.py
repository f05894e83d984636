"""The one way out: where it goes, what it carries, what it takes in, and what it refuses to send."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import LOOPBACK, StoppedClock, a_key, ask, network, send
from emulators import KEY, a_live_flag, an_emulator

from reconciler import __version__
from reconciler.api.body import LARGEST_BODY
from reconciler.api.credentials import REGIONS, ApiKey, Origin
from reconciler.api.transport import Exchange, Transport, _is_at
from reconciler.emulator import serve
from reconciler.errors import (
    AmbiguousError,
    ApiError,
    InvalidResponseError,
    NotSentError,
    RejectedError,
)
from reconciler.model.config import Requests
from reconciler.model.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from reconciler.api.client import Client

CANARY = "canary/4f+7d9a2b8c1e6035"
BAD_SEGMENTS = [
    "", ".", "..", "/", "a/b", "../1", "..%2f", "%2e%2e", "%2e", "a%2fb", "\\", "a\\b", "?", "a?b", "#", "a#b", ";",
    "a;b", "a b", " ", "\n", "a\n", "\r\nHost: evil", "\x00", "a\x00", "ä", "\u2024\u2024", "\uff0e\uff0e",
    "on\u200b", "a:b", "@", "a@b",
    "//evil.example.com", "https://evil.example.com", "{id}", "a,b", "a&b", "a=b", "+", "*", "'", '"', "<",
    "a" * 513,
]  # fmt: skip


class Recorder:
    """Answers 200 to everything, and remembers the requests."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.requests: list[httpx.Request] = []
        self.headers = headers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, headers=list(self.headers), json=[])


@pytest.mark.parametrize("segment", BAD_SEGMENTS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_segment_that_is_none_is_not_sent(method: str, segment: str) -> None:
    """What would be empty, a dot, or more than one segment of a path goes nowhere, wherever it stands."""
    server = Recorder()
    for path in (["flags", segment], [segment, "1"], ["flags", "1", "variants", segment, "users"]):
        with pytest.raises(NotSentError, match="cannot stand in the path"):
            send(server, method, path)
    assert server.requests == []


@pytest.mark.parametrize("segment", ["1", "on", "new-checkout", "Variant_B", "v1.2", "a..b", "~x", "a" * 512])
def test_a_plain_segment_is_sent_as_it_is(segment: str) -> None:
    """Ids and keys of letters, digits and the unreserved marks need no escaping."""
    server = Recorder()
    send(server, "GET", ["flags", segment])
    assert server.requests[0].url.raw_path == f"/api/1/flags/{segment}".encode()


@pytest.mark.parametrize(
    "origin", [LOOPBACK, REGIONS["us"], REGIONS["eu"], Origin(scheme="http", host="[::1]", port=80, is_loopback=True)]
)
def test_requests_go_to_the_origin(origin: Origin) -> None:
    """Scheme, host and port are the origin's, and nothing else is in the address."""
    server = Recorder()
    send(server, "GET", ["flags"], query={"key": "a&projectId=9#@evil.example.com/../"}, origin=origin)
    (request,) = server.requests
    assert str(request.url).startswith(f"{origin.url}/api/1/flags?")
    assert dict(request.url.params) == {"key": "a&projectId=9#@evil.example.com/../"}
    assert request.headers["host"] == origin.url.partition("://")[2]


def test_an_address_elsewhere_is_not_sent() -> None:
    """Even an origin that was put together wrongly gets no request that leads somewhere else."""
    for host in (
        "127.0.0.1@evil.example.com",
        "evil.example.com/",
        "evil.example.com#",
        "evil.example.com?",
        "EVIL.com",
    ):
        server = Recorder()
        with pytest.raises(NotSentError):
            send(server, "GET", ["flags"], origin=Origin(scheme="https", host=host, port=443))
        assert server.requests == []


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and the like in the environment do not reroute requests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    emulator = an_emulator(a_live_flag("one"))
    with serve(emulator) as url:
        port = int(url.rpartition(":")[2])
        origin = Origin(scheme="http", host="127.0.0.1", port=port, is_loopback=True)
        reply = send(None, "GET", ["flags"], origin=origin)
    assert reply.status == 200
    assert len(emulator.log) == 1


def test_the_environment_cannot_listen_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither other authorities nor a file for the connections' keys are taken from the environment."""
    log, authorities = tmp_path / "keys", tmp_path / "authorities"
    authorities.write_text("no certificate")
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    transport = Transport(origin=REGIONS["us"], key=a_key(), read_only=True)
    context = transport._http._pool._ssl_context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] > 50
    assert context.keylog_filename is None
    assert not log.exists()


@pytest.mark.parametrize("concurrency", [1, 16, 64])
def test_connections_are_as_many_as_calls_and_go_after_two_seconds(concurrency: int) -> None:
    """Servers drop theirs later: a write after a pause meets a new one."""
    pool = Transport(
        origin=LOOPBACK, key=a_key(), read_only=True, requests=Requests(concurrency=concurrency)
    )._http._pool
    assert (pool._max_connections, pool._max_keepalive_connections, pool._keepalive_expiry, pool._retries) == (
        concurrency, concurrency, 2.0, 0,
    )  # fmt: skip
    assert pool._ssl_context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("body", "content"), [(None, None), ({"key": "\u00fc"}, '{"key":"\u00fc"}')])
def test_what_every_request_carries(body: Any, content: str | None) -> None:
    """Who asks, what is understood, and that no cache may answer; with a body its type."""
    server = Recorder()
    send(server, "POST", ["flags"], body=body)
    (request,) = server.requests
    expected = {
        "user-agent": f"reconciler/{__version__}",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "cache-control": "no-cache",
        "authorization": f"Bearer {KEY}",
    }
    if content is not None:
        expected |= {"content-type": "application/json", "content-length": str(len(content.encode()))}
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    assert {name: value for name, value in headers.items() if value != "0"} == expected
    assert request.content.decode() == (content or "")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "get", "Get", "HEAD", "OPTIONS", "", "GET "])
def test_read_only_lets_nothing_but_get_through(method: str) -> None:
    """A transport that only reads refuses every other method before anything is sent."""
    server = Recorder()
    with pytest.raises(NotSentError, match="only reads"):
        send(server, method, ["flags"], read_only=True)
    send(server, "GET", ["flags"], read_only=True)
    assert [request.method for request in server.requests] == ["GET"]


def test_read_only_holds_against_the_emulator() -> None:
    """Every write of the client is refused by a client that only reads, and the server sees none."""
    emulator = an_emulator()
    for method in ("POST", "PATCH", "DELETE"):
        write = Request(method=method, segments=("flags", "1"), body={"name": "x"})
        with pytest.raises(NotSentError):
            ask(emulator, lambda client, write=write: client.write(write), read_only=True)
    assert emulator.log == []


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://evil.example.com/login?token=1", "the host evil.example.com."),
        ("//evil.example.com", "the host evil.example.com."),
        ("/elsewhere", "another place"),
        ("", "another place"),
        ("https://[", "another place"),
        ("https://evil.example.com\x1b[31m/", "another place"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_errors_that_name_the_host(status: int, location: str, words: str) -> None:
    """No redirect is followed; the message names where it led, and nothing else of it."""
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, headers={"Location": location})

    with pytest.raises(RejectedError) as caught:
        send(answer, "POST", ["flags"])
    assert words in str(caught.value)
    assert "token" not in str(caught.value)
    assert caught.value.status == status
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, RejectedError),
        (399, RejectedError),
        (400, RejectedError),
        (499, RejectedError),
        (500, AmbiguousError),
        (599, AmbiguousError),
    ],
)
def test_what_a_status_means_for_a_write(status: int, kind: type[ApiError]) -> None:
    """The server did not do what it answers with 3xx or 4xx; anything else leaves that open."""
    with pytest.raises(ApiError) as caught:
        send(lambda _: httpx.Response(status), "POST", ["flags"])
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert ("redirect" in str(caught.value)) is (status < 400)


@pytest.mark.parametrize("status", [200, 299])
def test_any_success_is_one(status: int) -> None:
    assert send(lambda _: httpx.Response(status), "POST", ["flags"]).status == status


def test_cookies_are_not_kept() -> None:
    """What a server sets is not sent back."""
    server = Recorder(("Set-Cookie", "sticky=1; Path=/"))
    ask(server, _twice)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


async def _twice(client: Any) -> None:
    await client.list_variants("1")
    await client.list_variants("1")


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "body", [{"x": float("nan")}, {"x": float("inf")}, {"x": "\ud800"}, {"x": {1, 2}}, {"x": b""}, DEEP]
)
def test_a_body_that_is_no_json_is_not_sent(body: Any) -> None:
    """What cannot be written as JSON is refused before any attempt."""
    server = Recorder()
    with pytest.raises(NotSentError, match="JSON"):
        send(server, "PATCH", ["flags", "1"], body=body)
    assert server.requests == []


def test_an_empty_body_is_a_body() -> None:
    """`{}` is sent as such; only None means no body."""
    server = Recorder()
    send(server, "PATCH", ["flags", "1"], body={})
    send(server, "DELETE", ["flags", "1"], body={"users": ["ä"]})
    send(server, "DELETE", ["flags", "1"])
    assert [request.content for request in server.requests] == [b"{}", '{"users":["ä"]}'.encode(), b""]


def test_the_watcher_is_told_of_every_attempt() -> None:
    """The watcher hears method, path and status, and of broken attempts that they had none."""
    outcomes = iter([httpx.ReadError("x"), httpx.Response(503), httpx.Response(200, json=[])])

    def answer(_: httpx.Request) -> httpx.Response:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    heard: list[Exchange] = []
    send(answer, "GET", ["flags", "1"], query={"key": "x"}, watch=heard.append)
    assert heard == [
        Exchange(method="GET", path="/api/1/flags/1", status=status, seconds=0, attempt=attempt)
        for attempt, status in ((1, None), (2, 503), (3, 200))
    ]


class Counter:
    """A look that is never old, and counts the attempts that rest on it."""

    is_old = False

    def __init__(self) -> None:
        self.started = self.ended = 0

    async def renew(self) -> None:
        raise AssertionError("it is never old")

    def attempt_started(self) -> None:
        self.started += 1

    def attempt_ended(self) -> None:
        self.ended += 1


class Silent(httpx.AsyncBaseTransport):
    """Answers 429 once, and then never."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_silent = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked > 1:
            self.is_silent.set()
            await asyncio.Event().wait()
        return httpx.Response(429, stream=httpx.ByteStream(b""))


def test_a_write_that_is_given_up_has_counted_its_attempts() -> None:
    """The look of a write is told of each attempt; one that was abandoned has a start and no end."""
    look, server = Counter(), Silent()

    async def session(client: Client) -> None:
        request = Request(method="PATCH", segments=("flags", "1"), body={"name": "x"})
        writing = asyncio.ensure_future(client.write(request, look=look))
        await server.is_silent.wait()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    ask(server, session)
    assert (look.started, look.ended) == (2, 1)


class Aging(Counter):
    """A look that is old when it is asked for the first time, or later."""

    def __init__(self, *answers: bool) -> None:
        super().__init__()
        self.answers, self.renewals = [*answers], 0

    @property
    def is_old(self) -> bool:  # type: ignore[override]
        return self.answers.pop(0)

    async def renew(self) -> None:
        self.renewals += 1


@pytest.mark.parametrize(
    ("answers", "renewals"),
    [([False, False], 0), ([True, False], 1), ([False, True, True, False], 1), ([True, True, True, False], 2)],
)
def test_a_write_is_sent_while_its_look_is_new(answers: list[bool], renewals: int) -> None:
    """One that is old, before the write waits for its turn or behind that, is renewed."""
    look, server = Aging(*answers), Recorder()
    request = Request(method="PATCH", segments=("flags", "1"), body={"name": "x"})
    ask(server, lambda client: client.write(request, look=look))
    assert (look.renewals, look.answers, look.started, look.ended) == (renewals, [], 1, 1)
    assert len(server.requests) == 1


def test_the_servers_clock_is_remembered() -> None:
    """The Date of the last answer that had one is there to be compared with."""
    dates = iter([{}, {"Date": "Wed, 02 Jan 2030 11:00:00 GMT"}, {}, {"Date": "soon"}])

    async def session(client: Client) -> list[str | None]:
        seen = [client.server_date]
        for _ in range(4):
            await client.list_users("1", "on")
            seen.append(client.server_date)
        return [None if date is None else date.isoformat() for date in seen]

    found = ask(lambda _: httpx.Response(200, headers=next(dates), json=[]), session)
    assert found == [None, None, *["2030-01-02T11:00:00+00:00"] * 3]


def echoing(request: httpx.Request) -> httpx.Response:
    """A server that gives back all it was sent, as some error pages do."""
    return httpx.Response(400, text=f"bad: {dict(request.headers)}\r\n::error::x\x1b[31m" + "y" * 1000)


def test_a_refusal_quotes_the_server_safely() -> None:
    """The server's words are there, on one line, clipped, without the key and without control characters."""
    with pytest.raises(RejectedError) as caught:
        send(echoing, "PATCH", ["flags", "1"], key=ApiKey(CANARY))
    message = str(caught.value)
    assert "The server said" in message
    assert message.isprintable()
    assert len(message) < 400
    assert CANARY not in message


FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "echo": echoing,
    "echo 500": lambda request: httpx.Response(500, text=str(dict(request.headers))),
    "echo 401": lambda request: httpx.Response(401, text=str(dict(request.headers))),
    "echo redirect": lambda request: httpx.Response(
        302, headers={"Location": f"https://{request.headers['authorization'][7:20]}.example.com/{request.headers}"}
    ),
    "echo 200": lambda request: httpx.Response(200, text=str(dict(request.headers))),
    "bad gzip": lambda request: httpx.Response(
        200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(str(request.headers).encode())
    ),
}


def _raising(error: type[httpx.RequestError]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error(f"illegal header {request.headers['authorization']!r}", request=request)

    return answer


CREATE = Request(method="POST", segments=("flags",), body={"projectId": "7", "key": "x"})

FAULTS |= {
    error.__name__: _raising(error)
    for error in (httpx.LocalProtocolError, httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_key_is_in_nothing_that_is_raised_or_logged(
    method: str, fault: Callable[[httpx.Request], httpx.Response], caplog: pytest.LogCaptureFixture
) -> None:
    """Messages, representations, tracebacks with their causes, and debug logs are all without the key."""
    caplog.set_level(logging.DEBUG)
    key = ApiKey(CANARY)
    heard: list[Exchange] = []

    async def call(client: Any) -> Any:
        return await (client.get_flag("1") if method == "GET" else client.write(CREATE))

    with pytest.raises(ApiError) as caught:
        ask(fault, call, key=key, watch=heard.append)
    error = caught.value
    shown = [str(error), repr(error), repr(heard), repr(key), caplog.text]
    shown += traceback.format_exception(error)
    assert not any(CANARY in text for text in shown)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_the_key_is_in_one_header_and_nowhere_else() -> None:
    """Address, body and every other header of a request are without the key."""
    server = Recorder()
    send(server, "PATCH", ["flags", "1"], query={"key": "x"}, body={"name": "x"}, key=ApiKey(CANARY))
    (request,) = server.requests
    assert request.headers.pop("authorization") == f"Bearer {CANARY}"
    assert CANARY not in f"{request.url}{request.headers.raw!r}{request.content!r}"


def test_html_instead_of_an_answer_names_the_call() -> None:
    """A login page with status 200 is no empty project."""
    with pytest.raises(InvalidResponseError, match="GET /api/1/flags"):
        ask(lambda _: httpx.Response(200, html="<html>"), lambda client: client.list_flags())


def test_requests_count_every_attempt() -> None:
    """A call that is repeated counts as often as it was sent."""
    outcomes = iter([httpx.Response(503), httpx.Response(429), httpx.Response(200, json=[])])

    async def session() -> int:
        transport = Transport(
            origin=LOOPBACK,
            key=a_key(),
            read_only=True,
            clock=StoppedClock().clock,
            http=network(lambda _: next(outcomes)),
        )
        async with transport:
            await transport.send("GET", ["flags"])
            return transport.requests

    assert asyncio.run(session()) == 3


@pytest.mark.parametrize(
    ("method", "segments", "status", "is_hinted"),
    [
        ("PATCH", ("flags", "1", "variants", "on"), 404, True),
        ("PATCH", ("flags", "1", "variants", "on"), 405, True),
        ("PATCH", ("flags", "1", "variants", "on"), 400, False),
        ("PATCH", ("flags", "1", "variants", "on"), 406, False),
        ("DELETE", ("flags", "1", "variants", "on"), 404, False),
        ("PATCH", ("flags", "1"), 404, False),
    ],
)
def test_a_variant_that_is_not_edited_may_need_another_verb(
    method: str, segments: tuple[str, ...], status: int, *, is_hinted: bool
) -> None:
    """That is said, and nothing else is tried."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(status)

    with pytest.raises(RejectedError) as caught:
        ask(answer, lambda client: client.write(Request(method=method, segments=segments, body={"name": "x"})))
    assert ("this server does not edit variants by PATCH" in str(caught.value)) is is_hinted
    assert (caught.value.status, asked) == (status, [method])


@pytest.mark.parametrize("body", [None, {}, {"projectId": "8"}, {"projectId": 7}])
def test_a_flag_of_another_project_is_not_created(body: Any) -> None:
    """Nor one that names none: such a call is a mistake of the program."""
    server = Recorder()
    with pytest.raises(ValueError, match="in the client's own project"):
        ask(server, lambda client: client.write(Request(method="POST", segments=("flags",), body=body)))
    assert server.requests == []


@pytest.mark.parametrize(("status", "is_offered"), [(403, False), (404, False), (400, True)])
@pytest.mark.parametrize("name", ["list_all_deployments", "list_experiments", "list_all_versions"])
def test_a_list_that_is_not_offered_is_none(name: str, status: int, *, is_offered: bool) -> None:
    """Any other refusal is a failure."""
    with pytest.raises(RejectedError) if is_offered else nullcontext():
        assert ask(lambda _: httpx.Response(status), lambda client: getattr(client, name)()) is None


def test_a_flag_of_another_project_is_as_if_it_were_not_there() -> None:
    with pytest.raises(RejectedError, match="belongs to another project") as caught:
        ask(
            lambda _: httpx.Response(200, json={"id": 1, "projectId": 8, "key": "a"}),
            lambda client: client.get_flag("1"),
        )
    assert caught.value.status == 404


class Answered(httpx.AsyncBaseTransport):
    """A network that notes when it is opened and closed, and of each answer when it is closed."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body, self.noted = status, body, list[str]()

    async def __aenter__(self) -> Self:
        self.noted.append("network opened")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.noted.append("network closed")

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        noted = self.noted

        class Body(httpx.ByteStream):
            async def aclose(self) -> None:
                noted.append("answer closed")

        return httpx.Response(self.status, stream=Body(self.body))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(200, b"[]", None), (404, b"no", RejectedError), (200, b" " * (LARGEST_BODY + 1), AmbiguousError)],
)
def test_what_is_opened_is_closed(status: int, body: bytes, error: type[ApiError] | None) -> None:
    """An answer gives its connection back, read or refused, and the network ends with the transport."""
    network = Answered(status, body)
    with pytest.raises(error) if error else nullcontext():
        send(network, "POST", ["flags"])
    assert network.noted == ["network opened", "answer closed", "network closed"]


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("https://a.example.com/api/1/flags", True),
        ("https://a.example.com:443/api/1/flags?key=f", True),
        ("https://a.example.com/api/1/flags#x", False),
        ("https://user@a.example.com/api/1/flags", False),
        ("https://:password@a.example.com/api/1/flags", False),
        ("https://a.example.com:444/api/1/flags", False),
        ("https://b.example.com/api/1/flags", False),
        ("http://a.example.com/api/1/flags", False),
        ("http://a.example.com:443/api/1/flags", False),
        ("https://a.example.com/api/1/flags/1", False),
        ("https://a.example.com/", False),
    ],
)
def test_the_last_look_at_an_address_sees_every_part_of_it(address: str, *, is_ours: bool) -> None:
    """Scheme, host, port and path are the intended ones; a user, a password or a fragment is none of them."""
    origin = Origin(scheme="https", host="a.example.com", port=443)
    assert _is_at(origin, httpx.URL(address), "/api/1/flags") == is_ours

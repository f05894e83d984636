"""Sources of guards, against a server on this machine: counts, every way in which there are none, and the key."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace
from speaking import HEAD, speaking
from virtual_time import run_in_virtual_time

from reconciler.model.rollout import GuardSource
from reconciler.rollouts.guards import Answer, NoDataError, Question, SourceError, ask
from reconciler.rollouts.sequential import Counts, Verdict
from reconciler.rollouts.sources import MOST_BYTES, OutsideSources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROMETHEUS = GuardSource(
    kind="prometheus", variable="PROM", failed='f{v="$variant"}[$window]', of='o{v="$variant"}', against="control"
)
JSON = GuardSource(kind="json", variable="URL", failed="/$variant/failed", of="/$variant/of", against="control")
COMMAND = GuardSource(kind="command", variable="CHECK")
QUESTION = Question(key="f", segment=None, percentage=10, seconds=90, variants=("control", "treatment"), tests=1)
KEY = "the-management-key-0123456789"


class Served:
    """What a server was asked, and what it answers: a status and a body, by path and query."""

    def __init__(self, answer: Callable[[str, dict[str, list[str]]], tuple[int, str]]) -> None:
        self.answer, self.asked = answer, []  # type: ignore[var-annotated]


@contextmanager
def serving(answer: Callable[[str, dict[str, list[str]]], tuple[int, str]]) -> Iterator[tuple[str, Served]]:
    """A server on this machine."""
    served = Served(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            served.asked.append((self.path, dict(self.headers)))
            status, body = served.answer(parts.path, parse_qs(parts.query))
            self.send_response(status)
            if status in {301, 302}:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vector(*values: object) -> str:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def asked(source: GuardSource, sources: OutsideSources, question: Question = QUESTION) -> Answer:
    return ask("g", source, question, sources)


NUMBERS = ["1" + "0" * 400, "-1" + "0" * 400, "1e999", '"1e999"', '"1' + "0" * 400 + '"']
"""Numbers that no count can be, as JSON."""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("source", [PROMETHEUS, JSON])
def test_a_number_that_is_too_large_is_unknown(source: GuardSource, number: str) -> None:
    """It is no defect, and it decides nothing."""
    value = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1, "N"]}})
    body = (
        value
        if source is PROMETHEUS
        else '{"control": {"failed": 1, "of": 9}, "treatment": {"failed": 1, "of": "N"}}'
    )
    with serving(lambda _path, _query: (200, body.replace('"N"', number))) as (url, _):
        found = asked(source, OutsideSources(environ={"PROM": url, "URL": url}))
        assert found.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("source", [PROMETHEUS, JSON])
@pytest.mark.parametrize("said", [(HEAD + b"\r\n", b" "), (HEAD, b"X-More: 1\r\n"), (HEAD, b"X")])
def test_an_answer_in_drops_ends(source: GuardSource, said: tuple[bytes, ...]) -> None:
    """Each part comes in time, and the whole never does."""
    with speaking(*said, pause=0.05) as url:
        found = asked(source, OutsideSources(environ={"PROM": url, "URL": url}, answer_seconds=0.4))
        assert found.verdict is Verdict.UNKNOWN
        assert found.why.endswith("took too long")


def packed(text: bytes, times: int) -> bytes:
    """The text compressed so many times, as an answer that says so."""
    for _ in range(times):
        text = gzip.compress(text, 9)
    codings = ", ".join(["gzip"] * times)
    return HEAD + f"Content-Encoding: {codings}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


@pytest.mark.parametrize("times", [1, 2])
def test_a_compressed_answer_is_not_inflated_beyond_the_limit(times: int) -> None:
    """A few KiB may stand for gigabytes."""
    answer = packed(bytes(64 * MOST_BYTES), times)
    with speaking(answer) as url:
        tracemalloc.start()
        found = asked(JSON, OutsideSources(environ={"URL": url}))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found.verdict is Verdict.UNKNOWN
    assert peak < 8 * MOST_BYTES


def test_a_compressed_answer_counts() -> None:
    """Gzip is asked for, and understood."""
    counts = {name: {"failed": 10, "of": 1000} for name in ("control", "treatment")}
    with speaking(packed(json.dumps(counts).encode(), 1)) as url:
        assert asked(JSON, OutsideSources(environ={"URL": url})).verdict is Verdict.FINE


@pytest.mark.parametrize(("failed", "verdict"), [("10", Verdict.FINE), ("300", Verdict.WORSE)])
def test_prometheus_counts_decide(failed: str, verdict: Verdict) -> None:
    """Queries name the variant and the time that the step has stood; counts are compared."""

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
        assert path == "/prefix/api/v1/query"
        (text,) = query["query"]
        if text.startswith("o"):
            return 200, vector("1000")
        assert "[90s]" in text
        return 200, vector(failed if "treatment" in text else "10")

    with serving(answer) as (url, served):
        found = asked(PROMETHEUS, OutsideSources(environ={"PROM": f"{url}/prefix/"}))
        assert found.verdict is verdict
        assert "control 10 of 1000" in found.why
        assert len(served.asked) == 4


BAD = [
    (200, vector()),
    (200, vector("1", "2")),
    (200, vector("NaN")),
    (200, vector("x")),
    (200, vector("+Inf")),
    (200, vector("-5")),
    (200, json.dumps({"status": "error", "error": "secret words"})),
    (200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [{"values": []}]}})),
    (200, "null"),
    (200, "{"),
    (200, ""),
    (200, " " * 2_000_000),
    (204, ""),
    (302, ""),
    (404, "{}"),
    (500, vector("1000")),
]


@pytest.mark.parametrize("source", [PROMETHEUS, JSON])
@pytest.mark.parametrize(("status", "body"), BAD)
def test_everything_else_is_unknown(source: GuardSource, status: int, body: str) -> None:
    """Nothing that was answered is said, and no redirect is followed."""
    with serving(lambda _path, _query: (status, body)) as (url, served):
        found = asked(source, OutsideSources(environ={"PROM": url, "URL": url}))
        assert found.verdict is Verdict.UNKNOWN
        assert "secret words" not in found.why
        assert not any(path.startswith("/elsewhere") for path, _ in served.asked)


def test_json_is_read_by_pointers() -> None:
    """The variant is part of the address and of the pointers."""
    document = json.dumps({"control": {"failed": 10, "of": 1000}, "treatment": {"failed": "300", "of": 1000.0}})
    with serving(lambda _path, _query: (200, document)) as (url, served):
        sources = OutsideSources(environ={"URL": f"{url}/errors?v=$variant&w=$window"})
        assert asked(JSON, sources).verdict is Verdict.WORSE
        assert [path for path, _ in served.asked] == ["/errors?v=treatment&w=90s", "/errors?v=control&w=90s"]
        assert {headers["Accept-Encoding"] for _, headers in served.asked} == {"gzip"}
        assert sources.counts(JSON, ["control"], 90) == {"control": Counts(10, 1000)}


def test_what_a_pointer_leads_to() -> None:
    """Keys of objects and places in lists; keys of variants go into the address as one part of its path."""
    document = json.dumps({"rows": [{"a/b": 3}, {"a/b": "1e3"}]})
    source = GuardSource(kind="json", variable="URL", failed="/rows/0/$variant", of="/rows/1/$variant", against="c")
    with serving(lambda _path, _query: (200, document)) as (url, served):
        sources = OutsideSources(environ={"URL": f"{url}/$variant"})
        with pytest.raises(NoDataError, match=r"^the answer of URL has no /rows/0/\$variant for c$"):
            sources.counts(source, ["c"], 90)
        assert [path for path, _ in served.asked] == ["/c"]
    pointed = replace(source, failed="/rows/0/a~1b", of="/rows/1/a~1b")
    with serving(lambda _path, _query: (200, document)) as (url, served):
        assert OutsideSources(environ={"URL": f"{url}/$variant"}).counts(pointed, ["a/b"], 90) == {
            "a/b": Counts(3, 1000)
        }
        assert [path for path, _ in served.asked] == ["/a%2Fb"]


NOT_ONE = "a query of PROM does not give one number for treatment"
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1, "5"]}}


@pytest.mark.parametrize(
    ("source", "status", "answer", "why", "lacks_data"),
    [
        (PROMETHEUS, 200, SCALAR, "treatment 5 of 5, control 5 of 5", True),
        (PROMETHEUS, 200, json.loads(vector()), "a query of PROM has no data for treatment", True),
        (PROMETHEUS, 200, json.loads(vector("1", "2")), NOT_ONE, False),
        (PROMETHEUS, 200, {**SCALAR, "status": "error"}, NOT_ONE, False),
        (PROMETHEUS, 200, json.loads(vector("x")), "PROM does not give a number for treatment", False),
        (JSON, 200, {}, "the answer of URL has no /$variant/failed for treatment", True),
        (JSON, 200, {"treatment": [1]}, "the answer of URL has no /$variant/failed for treatment", True),
        (JSON, 200, {"treatment": {"failed": True}}, "URL does not give a number for treatment", False),
        (JSON, 200, {"treatment": {"failed": None}}, "URL does not give a number for treatment", False),
        (JSON, 404, {}, "URL answered with 404", False),
        (JSON, 302, {}, "URL answered with 302", False),
        (JSON, 200, "1" * 1_000_000, "URL answered with more than a megabyte", False),
        (JSON, 200, "1" * 999_998, "the answer of URL has no /$variant/failed for treatment", True),
    ],
)  # fmt: skip
def test_what_is_said_of_an_answer(source: GuardSource, status: int, answer: Any, why: str, lacks_data: bool) -> None:
    """In words that tell which variable and which variant; and whether there are only no data yet."""
    with serving(lambda _path, _query: (status, json.dumps(answer))) as (url, _):
        found = asked(source, OutsideSources(environ={"PROM": url, "URL": url}))
    assert found == Answer(guard="g", verdict=Verdict.UNKNOWN, why=why, lacks_data=lacks_data)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://example.com", "URL is no address that begins with https://, nor one of this machine"),
        ("ftp://127.0.0.1", "URL is no address that begins with https://, nor one of this machine"),
        ("http://127.0.0.1:9", "URL does not answer: ConnectError"),
        ("https://127.0.0.1:9", "URL does not answer: ConnectError"),
        (" ", "URL is not set"),
        (f"https://127.0.0.1/{KEY}", "URL holds the management key, which no guard may see"),
    ],
)
def test_what_is_said_of_an_address(address: str, why: str) -> None:
    sources = OutsideSources(environ={"URL": address}, has_key=lambda text: KEY in text)
    assert asked(JSON, sources) == Answer(guard="g", verdict=Verdict.UNKNOWN, why=why)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(lambda _path, _query: (200, "{}")) as (url, served):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        asked(JSON, OutsideSources(environ={"URL": url}))
        assert len(served.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com", "ftp://127.0.0.1", "file:///etc/passwd", "x", "http://", "https:///x", "https://x:y",
        "https://xn--/", "https://example.com:99999", "https://example.com:0", "https://\udcff/", "https://a/\udcff",
        "https://a..b/", f"https://{'a' * 64}/", "https://[::1", "https://a\n/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", [PROMETHEUS, JSON])
def test_addresses_are_https_or_this_machine(source: GuardSource, address: str) -> None:
    name = "PROM" if source is PROMETHEUS else "URL"
    why = f"{name} is no address that begins with https://, nor one of this machine"
    found = asked(source, OutsideSources(environ={name: address}))
    assert found == Answer(guard="g", verdict=Verdict.UNKNOWN, why=why)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_may_be_asked_without_tls(host: str) -> None:
    """It is asked: nothing listens there, and that is what is said."""
    found = asked(JSON, OutsideSources(environ={"URL": f"http://{host}:9"}))
    assert found.verdict is Verdict.UNKNOWN
    assert "https" not in found.why


def test_a_variable_that_is_not_set_is_no_address() -> None:
    for environ in ({}, {JSON.variable: ""}, {JSON.variable: " \n"}):
        found = asked(JSON, OutsideSources(environ=environ, has_key=lambda text: KEY in text))
        assert (found.verdict, found.why) == (Verdict.UNKNOWN, f"{JSON.variable} is not set")


def test_no_variable_leads_to_the_key() -> None:
    """Neither by its name nor by what it holds; nothing is sent."""
    with serving(lambda _path, _query: (200, "{}")) as (url, served):
        environ = {"AMPLITUDE_MANAGEMENT_API_KEY": url, "URL": f"{url}/?key={KEY}"}
        sources = OutsideSources(environ=environ, has_key=lambda text: KEY in text)
        named = GuardSource(kind="json", variable="AMPLITUDE_MANAGEMENT_API_KEY", failed="/f", of="/o", against="c")
        for source in (named, JSON):
            found = asked(source, sources)
            assert found.verdict is Verdict.UNKNOWN
            assert "management key" in found.why
            assert KEY not in found.why
        assert served.asked == []


@pytest.mark.parametrize(("code", "verdict"), [(0, "FINE"), (1, "WORSE"), (2, "UNKNOWN"), (3, "UNKNOWN"), (-9, None)])
def test_the_exit_code_of_a_command_decides(code: int, verdict: str | None) -> None:
    end = f"sys.exit({code})" if code >= 0 else "os.kill(os.getpid(), 9)"
    command = f'{sys.executable} -c "import os, sys; {end}"'
    found = asked(COMMAND, OutsideSources(environ={"CHECK": command}))
    assert found.verdict is Verdict[verdict or "UNKNOWN"]


def test_a_command_gets_the_question_and_no_key(tmp_path: Path) -> None:
    """What it needs to know is in its environment; the key is not, in no variable."""
    script, seen = tmp_path / "check.py", tmp_path / "seen"
    script.write_text(f"import json, os; json.dump(dict(os.environ), open({str(seen)!r}, 'w'))")
    environ = {
        "CHECK": f"{sys.executable} {script}",
        "AMPLITUDE_MANAGEMENT_API_KEY": KEY,
        "COPY": f"Bearer {KEY}",
        "OTHER": "kept",
    }
    sources = OutsideSources(environ=environ, has_key=lambda text: KEY in text)
    question = replace(QUESTION, segment="Beta", percentage=2.5)
    assert asked(COMMAND, sources, question) == Answer(guard="g", verdict=Verdict.FINE)
    given = json.loads(seen.read_text())
    assert KEY not in json.dumps(given)
    assert given["OTHER"] == "kept"
    named = {name: value for name, value in given.items() if name.startswith("RECONCILER_")}
    assert named == {
        "RECONCILER_FLAG": "f",
        "RECONCILER_SEGMENT": "Beta",
        "RECONCILER_PERCENTAGE": "2.5",
        "RECONCILER_SECONDS": "90",
        "RECONCILER_VARIANTS": "control,treatment",
    }


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("", "CHECK is not set"),
        (" ", "CHECK is not set"),
        ("/no/such/program", "the command of CHECK cannot be run: No such file or directory"),
        ("'unclosed", "the command of CHECK cannot be run: ValueError"),
        ("/", "the command of CHECK cannot be run: Permission denied"),
    ],
)
def test_a_command_that_cannot_be_run_is_unknown(command: str, why: str) -> None:
    found = asked(COMMAND, OutsideSources(environ={"CHECK": command}))
    assert found == Answer(guard="g", verdict=Verdict.UNKNOWN, why=why)


def test_a_command_has_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """What it writes is not shown: a result on the standard output stays alone there."""
    command = f"{sys.executable} -c \"import sys; print('x'); print('y', file=sys.stderr)\""
    assert asked(COMMAND, OutsideSources(environ={"CHECK": command})).verdict is Verdict.FINE
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_command_that_hangs_is_ended_with_its_children() -> None:
    command = "sh -c 'sleep 1000 & sleep 1000'"
    found = asked(COMMAND, OutsideSources(environ={"CHECK": command}, command_seconds=0.2))
    assert (found.verdict, found.why) == (Verdict.UNKNOWN, "the command of CHECK took too long")


def test_every_variant_counts() -> None:
    """One that is worse outweighs the others, and one that is unknown those that are fine."""
    counts = {"control": Counts(10, 1000), "a": Counts(10, 1000), "b": Counts(300, 1000), "c": Counts(0, 5)}

    class Fixed:
        def counts(self, source: GuardSource, variants: list[str], seconds: int) -> dict[str, Counts]:
            return {variant: counts[variant] for variant in variants}

        def verdict(self, source: GuardSource, question: Question) -> Verdict:
            raise AssertionError

    for variants, verdict in (("a", "FINE"), ("ac", "UNKNOWN"), ("abc", "WORSE"), ("", "UNKNOWN")):
        question = Question(key="f", segment=None, percentage=1, seconds=90, variants=("control", *variants), tests=1)
        assert ask("g", PROMETHEUS, question, Fixed()).verdict is Verdict[verdict]


@pytest.mark.parametrize(
    ("length", "seconds", "why"),
    [
        (1_000_000, 19.9, None),
        (1_000_001, 0, "URL answered with more than a megabyte"),
        (100, 20.1, "URL took too long"),
    ],
)
def test_how_long_and_how_large_an_answer_may_be(
    monkeypatch: pytest.MonkeyPatch, length: int, seconds: float, why: str | None
) -> None:
    """Each part of it has ten seconds, the whole twenty; a command has a minute."""

    async def answered(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        assert request.extensions["timeout"] == dict.fromkeys(("connect", "read", "write", "pool"), 10)
        assert request.headers["accept-encoding"] == "gzip"
        await asyncio.sleep(seconds)
        body = b'{"control": {"failed": 1, "of": 2}}'
        return httpx.Response(200, stream=httpx.ByteStream(body + b" " * (length - len(body))))

    monkeypatch.setattr("httpx.AsyncHTTPTransport.handle_async_request", answered)
    monkeypatch.setattr("asyncio.run", run_in_virtual_time)
    sources = OutsideSources(environ={"URL": "https://guards.example.com/"})
    assert sources.command_seconds == 60
    if why is None:
        assert sources.counts(JSON, ["control"], 60) == {"control": Counts(1, 2)}
    else:
        with pytest.raises(SourceError, match=f"^{why}$"):
            sources.counts(JSON, ["control"], 60)

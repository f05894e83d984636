"""The key is where it belongs and nowhere else; requests go to one place; what only reads sends GET only."""

from __future__ import annotations

import base64
import html
import json
import socket
import threading
import urllib.parse
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, a_live_flag
from fault_injection import Cut, Drip, Respond, Truncate
from faults.checkouts import Checkout, a_checkout, hurry
from faults.scenarios import SCENARIOS, Scenario, live_variants
from faults.tcp_proxy import a_proxy

from reconciler.cli.main import run
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fault_injection import Arrival, Fault

READING = (
    ("plan",), ("plan", "--format", "json"), ("plan", "--format", "markdown"), ("plan", "--format", "html"),
    ("plan", "--out", "plan.json"), ("drift",), ("drift", "--format", "json"), ("drift", "--since", "1d"),
    ("drift", "--state", "drift.json"), ("history", "a"), ("history", "a", "--format", "json"),
    ("evaluate", "a", "--user-id", "ada"), ("doctor",), ("doctor", "--format", "json"),
    ("import", "--out", "imported"), ("rollback", "a", "--to", "1", "--out", "back.yaml"), ("validate",),
)  # fmt: skip
WRITING = (
    ("apply", "--auto-approve", "--report", "report.json"),
    ("apply", "--auto-approve", "--format", "json", "--report", "report.json"),
    ("apply", "--auto-approve", "--format", "html", "--output", "report.html"),
)
SHAPES = {
    "plain": "canary0123456789abcdef",
    "with signs": "canary+/=&%?#'\"\\<>$`~!@^*()[]{}|;:,.",
    "long": "canary" + "0123456789abcdef" * 40,
}
SCENARIO = Scenario(
    name="canary",
    live=(a_live_flag("a", rolloutPercentage=50, variants=live_variants(control=["x"])), a_live_flag("b")),
    specs=(
        FlagSpec(key="a", variants=(Variant(key="control", users=("y",)), Variant(key="treatment"))),
        FlagSpec(key="new", variants=(Variant(key="on", users=("z",)),), enabled=True),
    ),
)


def forms_of(key: str) -> list[str]:
    """Every way in which the key may be written down."""
    encoded = base64.b64encode(key.encode()).decode()
    quoted = urllib.parse.quote(key, safe="")
    ways = ("\\u{:04x}", "%{:02x}", "&#{};", "&#x{:X};", "\\x{:02x}")
    escaped = ["".join(way.format(ord(item)) for item in key) for way in ways]
    usual = [key, json.dumps(key)[1:-1], quoted, quoted.lower(), urllib.parse.quote_plus(key), html.escape(key)]
    return [*escaped, *usual, encoded.rstrip("="), key.encode().hex()]


def faults_for(key: str) -> dict[str, Callable[[Arrival], Fault | None]]:
    """Servers that say the key back, in every way that gets into a message."""
    said = " | ".join(forms_of(key))
    page = f"<html><pre>Authorization: Bearer {said}</pre></html>".encode()
    as_json = json.dumps({"error": said, "flags": said, "key": said}).encode()
    after = 3

    def always(fault: Fault) -> Callable[[Arrival], Fault | None]:
        return lambda _: fault

    def on_writes(fault: Fault) -> Callable[[Arrival], Fault | None]:
        return lambda arrival: fault if arrival.method != "GET" else None

    return {
        "nothing": lambda _: None,
        "400 that quotes": always(Respond(status=400, body=page)),
        "401 that quotes": always(Respond(status=401, body=as_json)),
        "403 that quotes": always(Respond(status=403, body=page)),
        "404 that quotes": always(Respond(status=404, body=page)),
        "500 that quotes": always(Respond(status=500, body=page)),
        "429 that quotes": always(Respond(status=429, body=page, headers=(("Retry-After", "0"),))),
        "200 that quotes": always(Respond(status=200, body=page)),
        "JSON that quotes": always(Respond(status=200, body=as_json)),
        "a redirect that quotes": always(
            Respond(status=302, headers=(("Location", f"https://evil.example.com/{urllib.parse.quote(key)}"),))
        ),
        "a write that is refused": on_writes(Respond(status=400, body=page)),
        "a write that fails": on_writes(Respond(status=500, body=as_json, after_commit=True)),
        "a key that is taken away": lambda a: Respond(status=401, body=page) if a.number > after else None,
        "cut": always(Cut()),
        "truncated": always(Truncate(keep=5)),
        "dripping": always(Drip(pause=0, size=7)),
    }


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said matters, not when."""
    hurry(monkeypatch)


@contextmanager
def _entered(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.chdir(checkout.root)
        for name, value in checkout.environ.items():
            if name.startswith(("RECONCILER", "AMPLITUDE")):
                patch.setenv(name, value)
        yield


CASES = [(shape, fault) for shape in SHAPES for fault in faults_for("x")]


@pytest.fixture
def search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: Any
) -> Callable[..., None]:
    """Runs commands with a key under a fault, and looks for the key in all that they say and write."""

    def searched(shape: str, fault: str, *commands: tuple[str, ...]) -> None:
        key = SHAPES[shape]
        with a_checkout(tmp_path, SCENARIO, key=key) as checkout, _entered(checkout, monkeypatch):
            checkout.network.plan = faults_for(key)[fault]
            for command in commands:
                capsys.readouterr()
                run([*command, "--verbose"])
                said = "".join(capsys.readouterr())
                written = [file.read_text("utf-8", "replace") for file in tmp_path.rglob("*") if file.is_file()]
                for form in forms_of(key):
                    assert form not in said, f"{command[0]} says the key"
                    assert not [text for text in written if form in text], f"{command[0]} writes the key"
        count("commands searched for the key", len(commands))

    return searched


@pytest.mark.parametrize(("shape", "fault"), CASES[::3])
def test_the_key_is_said_nowhere(shape: str, fault: str, search: Callable[..., None]) -> None:
    """Not on stdout or stderr, not in a traceback, not in any file, with any answer of the server."""
    search(shape, fault, *READING[::2], *WRITING[:1])


@pytest.mark.long
@pytest.mark.parametrize(("shape", "fault"), CASES)
def test_the_key_is_said_nowhere_by_any_command(shape: str, fault: str, search: Callable[..., None]) -> None:
    """The same for every command, every shape of key and every fault."""
    search(shape, fault, *READING, *WRITING)


def test_a_defect_does_not_say_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception of a library that holds the key, and a traceback with it, are shown without."""
    key = SHAPES["with signs"]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(" ".join(forms_of(key)))

    with a_checkout(tmp_path, SCENARIO, key=key) as checkout, _entered(checkout, monkeypatch):
        monkeypatch.setattr("reconciler.preview.fetch_live_state", broken)
        for command in (["plan"], ["plan", "--verbose"], ["plan", "--verbose", "--format", "json"]):
            assert run(command) == 1
            said = "".join(capsys.readouterr())
            assert not [form for form in forms_of(key) if form in said]


def test_the_key_in_a_file_is_said_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that comes from a file is kept as secret as one of the environment."""
    key = SHAPES["plain"]
    (tmp_path / "key").write_text(key + "\n", "utf-8")
    (tmp_path / "key").chmod(0o600)
    with a_checkout(tmp_path, SCENARIO, key=key) as checkout, _entered(checkout, monkeypatch):
        monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
        checkout.network.plan = faults_for(key)["400 that quotes"]
        for command in READING[:10]:
            if command[0] != "validate":
                run([*command, "--api-key-file", "key", "--verbose"])
        assert key not in "".join(capsys.readouterr())


def test_the_key_is_in_no_argument_of_a_process(tmp_path: Path) -> None:
    """The command's own process shows it to no other user who lists processes."""
    with a_checkout(tmp_path, SCENARIO, key=SHAPES["plain"]) as checkout:
        process = checkout.start("plan")
        assert SHAPES["plain"] not in Path(f"/proc/{process.pid}/cmdline").read_text("utf-8")
        process.communicate(timeout=30)


class Sentinel:
    """A server that must never be called; it counts those who do."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.calls = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    made = Sentinel()
    yield made
    made.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_reach_no_host(
    status: int, sentinel: Sentinel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Any
) -> None:
    """With any redirect of any status, no other host hears of it."""
    with a_checkout(tmp_path, SCENARIO) as checkout, _entered(checkout, monkeypatch):
        location = (("Location", f"{sentinel.url}/api/1/flags"),)
        for last in (None, 4):
            checkout.network.plan = lambda arrival, last=last: (
                Respond(status=status, headers=location) if last is None or arrival.method != "GET" else None
            )
            for command in (*READING, *WRITING):
                run([*command])
    assert sentinel.calls == 0
    count("commands with redirects", 2 * len(READING + WRITING))


ANSWERS = {
    "a create's url": lambda url: {"id": "77", "url": f"{url}/flag"},
    "a cursor": lambda url: {"flags": [], "nextCursor": f"{url}/api/1/flags?cursor=1"},
    "a link": lambda url: {"flags": [], "next": f"{url}/next", "links": {"next": url}},
    "an id": lambda url: {"flags": [{"id": f"{url}/x", "projectId": "7", "key": "a", "variants": []}]},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_addresses_in_answers_reach_no_host(
    answer: Callable[[str], Any], sentinel: Sentinel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an answer names is data: it is not called, and does not become a path."""
    with a_checkout(tmp_path, SCENARIO) as checkout, _entered(checkout, monkeypatch):
        body = json.dumps(answer(sentinel.url)).encode()
        checkout.network.plan = lambda _: Respond(status=200, body=body)
        for command in (*READING, *WRITING):
            run([*command])
        assert all(arrival.path.startswith("/api/1/") for arrival in checkout.network.arrivals)
    assert sentinel.calls == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_the_environment_reroutes_nothing(variable: str, sentinel: Sentinel, tmp_path: Path) -> None:
    """Proxies that the environment names are not used: they would read the key."""
    with a_checkout(tmp_path, SCENARIO) as checkout:
        assert checkout.run("plan", **{variable: sentinel.url}).code == 0
    assert sentinel.calls == 0


@pytest.mark.parametrize(
    "line",
    ["host: {url}", "apiUrl: {url}", "baseUrl: {url}", "base_url: {url}", "region: {url}", "proxy: {url}",
     "environments: {{x: {{region: {url}}}}}", "requests: {{url: {url}}}", "safety: {{host: {url}}}"],
)  # fmt: skip
def test_a_repository_cannot_choose_a_host(
    line: str, sentinel: Sentinel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no key for a host in any file: each of these is an invalid configuration."""
    with a_checkout(tmp_path, SCENARIO) as checkout, _entered(checkout, monkeypatch):
        (tmp_path / "reconciler.yaml").write_text(
            f'version: 1\nprojectId: "7"\n{line.format(url=sentinel.url)}\n', "utf-8"
        )
        assert run(["plan"]) == 3
        assert checkout.network.arrivals == []
    assert sentinel.calls == 0


def test_what_reads_sends_get_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Any) -> None:
    """At the socket, every line that a reading command sends is a GET, in good days and bad."""
    with a_checkout(tmp_path, SCENARIO) as checkout, a_proxy(checkout.url) as (proxy, url):
        checkout.environ["RECONCILER_API_URL"] = url
        with _entered(checkout, monkeypatch):
            for fault in ("nothing", "400 that quotes", "200 that quotes", "truncated"):
                checkout.network.plan = faults_for(KEY)[fault]
                for command in READING:
                    run([*command])
    assert proxy.arrivals
    assert {line.split()[0] for line in proxy.arrivals} == {"GET"}
    count("requests of reading commands", len(proxy.arrivals))


def test_apply_does_send_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail: apply, over the same socket, sends more than GET."""
    scenario = replace(SCENARIOS["several"], name="proof")
    with a_checkout(tmp_path, scenario) as checkout, a_proxy(checkout.url) as (proxy, url):
        checkout.environ["RECONCILER_API_URL"] = url
        with _entered(checkout, monkeypatch):
            assert run([*WRITING[0], *checkout.options]) == 0
    assert {"GET", "PATCH", "POST"} <= {line.split()[0] for line in proxy.arrivals}

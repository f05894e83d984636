"""The emulator on a real socket, and its admin endpoints."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from emulators import AUTHORIZATION, a_live_flag, an_emulator, flag_of

from reconciler.emulator import ApiResponse, Emulator, serve, server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def emulator() -> Emulator:
    return an_emulator(a_live_flag())


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    with serve(emulator) as url, httpx.Client(base_url=url, headers=AUTHORIZATION) as client:
        yield client


def test_it_is_served_over_http(client: httpx.Client, emulator: Emulator) -> None:
    """Reads, writes and DELETE with a body work over a socket, and are in the log."""
    assert client.get("/api/1/flags", params={"key": "new-checkout"}).json()["flags"][0]["id"] == "1001"
    assert client.patch("/api/1/flags/1001", json={"enabled": False}).text == "OK"
    path = "/api/1/flags/1001/variants/control/bulk-delete-users"
    assert client.request("DELETE", path, json={"users": ["ada"]}).status_code == 200
    assert flag_of(emulator, "new-checkout")["enabled"] is False
    assert [(entry.method, entry.path) for entry in emulator.log] == [
        ("GET", "/api/1/flags"),
        ("PATCH", "/api/1/flags/1001"),
        ("DELETE", path),
    ]
    assert emulator.log[0].query == {"key": "new-checkout"}


def test_escaped_segments_are_told_apart_before_they_are_decoded(client: httpx.Client) -> None:
    """An escaped slash stays inside its segment and leads to no other endpoint."""
    answer = client.get("/api/1/flags/1001%2Fvariants")
    assert (answer.status_code, answer.text) == (404, "flag '1001/variants' not found")


def test_a_program_that_answers_for_it_may_say_a_status_alone(client: httpx.Client, emulator: Emulator) -> None:
    """As a test of faults does."""
    emulator.api.answer = lambda _: ApiResponse(status=503)  # type: ignore[method-assign]
    answer = client.get("/api/1/flags")
    assert (answer.status_code, answer.content) == (503, b"")


def test_what_a_request_does_not_say_of_itself_is_missing(client: httpx.Client) -> None:
    """Neither a type of its body nor a key is made up."""
    answer = client.patch("/api/1/flags/1001", content=b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text == "the Content-Type must be application/json, not 'missing'"
    assert set(answer.headers) == {"content-type", "content-length", "date"}
    del client.headers["Authorization"]
    answer = client.get("/api/1/flags")
    assert (answer.status_code, answer.text) == (401, "the management key is missing or unknown")


def test_it_listens_on_this_machine_only(client: httpx.Client) -> None:
    """The address is a loopback one, at a port that was free."""
    assert client.base_url.host == "127.0.0.1"
    assert (client.base_url.port or 0) >= 1024


def test_it_stops_with_its_block(emulator: Emulator) -> None:
    """After the block no server listens any more, and no thread is left."""
    with serve(emulator) as url:
        port = httpx.URL(url).port
        assert port is not None
        assert "emulator" in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert "emulator" not in [thread.name for thread in threading.enumerate()]


def test_an_answer_under_way_is_still_given_when_it_stops(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that has arrived before the end of the block is answered, while new connections are refused."""
    monkeypatch.setattr(server, "_STOP_SECONDS", 20)
    arrived, stopping, refused = threading.Event(), threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        assert await asyncio.to_thread(refused.wait, 10)
        await emulator.app(scope, receive, send)

    def connect_until_refused(port: int | None) -> None:
        assert stopping.wait(20)
        with suppress(OSError):
            while not refused.wait(0.01):
                socket.create_connection(("127.0.0.1", port)).close()
        refused.set()

    with ThreadPoolExecutor() as pool:
        with serve(slow, on_stop=stopping.set) as url:
            answer = pool.submit(httpx.get, f"{url}/api/1/flags/1001", headers=AUTHORIZATION, timeout=20)
            assert arrived.wait(20)
            pool.submit(connect_until_refused, httpx.URL(url).port)
        assert answer.result().json()["key"] == "new-checkout"


def test_a_long_answer_is_sent_to_its_end_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has said all of it, and the client has yet to read it."""
    monkeypatch.setattr(server, "_STOP_SECONDS", 3600)
    said, stopping = threading.Event(), threading.Event()
    size = 30_000_000

    async def long(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(size)})
        said.set()

    def read(connection: socket.socket) -> int:
        assert stopping.wait(20)
        return sum(len(part) for part in iter(lambda: connection.recv(1_000_000), b""))

    with ThreadPoolExecutor() as pool:
        with serve(long, on_stop=stopping.set) as url:
            address = httpx.URL(url)
            connection = socket.create_connection((address.host, address.port or 0))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert said.wait(20)
            reading = pool.submit(read, connection)
        assert reading.result() > size
    connection.close()


def test_work_for_a_client_that_is_gone_is_done_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that was asked for takes effect."""
    monkeypatch.setattr(server, "_STOP_SECONDS", 3600)
    gone, done = threading.Event(), threading.Event()

    async def write(_: Any, receive: Any, __: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        await ending.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        done.set()

    ending = asyncio.Event()
    with serve(write, on_stop=ending.set) as url:
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port or 0)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert gone.wait(20)
    assert done.is_set()


def test_it_ends_at_once_where_nothing_is_under_way(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits neither for its own next look nor for a client that keeps its connection without a request."""
    monkeypatch.setattr(server, "_TICK_SECONDS", 3600)
    monkeypatch.setattr(server, "_STOP_SECONDS", 3600)
    monkeypatch.setattr(uvicorn, "Config", partial(uvicorn.Config, timeout_keep_alive=3600))
    with httpx.Client(headers=AUTHORIZATION) as client:
        with serve(emulator) as url:
            assert client.get(f"{url}/api/1/flags").status_code == 200
        with serve(emulator, port=httpx.URL(url).port or 0) as again:
            assert again == url


def test_an_answer_that_takes_too_long_is_given_up_when_it_stops(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block ends, and the client is told of an error."""
    monkeypatch.setattr(server, "_STOP_SECONDS", 0.01)
    arrived = threading.Event()

    async def never(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        await asyncio.Event().wait()
        await emulator.app(scope, receive, send)

    with ThreadPoolExecutor() as pool:
        with serve(never) as url:
            answer = pool.submit(httpx.get, url, timeout=20)
            assert arrived.wait(20)
        assert answer.result().status_code == 500


def test_connections_that_were_just_accepted_are_closed_when_it_stops(emulator: Emulator) -> None:
    """They have asked for nothing yet; one that stays open would be a warning of this run."""
    for _ in range(20):
        with serve(emulator.app) as url:
            address = ("127.0.0.1", int(url.rpartition(":")[2]))
            clients = [socket.create_connection(address) for _ in range(3)]
        for client in clients:
            client.close()
    gc.collect()


def test_a_reset_comes_back_to_where_serving_began(emulator: Emulator) -> None:
    """What was seeded before it is kept."""
    emulator.store.seed_flag({"projectId": "7", "key": "seeded-later"})
    start = emulator.dump()
    with serve(emulator) as url:
        assert httpx.post(f"{url}/_emulator/reset").status_code == 204
    assert emulator.dump() == start


def test_a_server_that_cannot_start_is_an_error(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called first raises: the block is not entered, and the port is free again."""
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def refuse() -> None:
        raise ValueError("not now")

    with pytest.raises(RuntimeError, match=r"^the emulator did not start$"), serve(emulator, on_start=refuse):
        raise AssertionError
    assert [str(item.exc_value) for item in raised] == ["not now"]


def test_a_taken_port_is_an_error(emulator: Emulator) -> None:
    """Asking for a port that is in use raises OSError, which names it."""
    with serve(emulator) as url:
        port = httpx.URL(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use") as caught, serve(emulator, port=port):
            pass
        assert caught.value.filename == f"127.0.0.1:{port}"


def test_a_port_is_kept_before_it_is_served(emulator: Emulator) -> None:
    """From when it is asked for: nobody else gets it in between."""
    with server._listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"), serve(emulator, port=port):
            raise AssertionError


def test_a_slow_start_is_waited_for(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for again and again, as long as the server may still come."""
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0)
    with serve(emulator) as url:
        assert httpx.get(f"{url}/api/1/flags").status_code == 401


def test_an_answer_does_not_wait_for_the_clients_acknowledgement(client: httpx.Client) -> None:
    """Nothing is held back to be sent together: half of many answers on one connection come in under 40 ms."""
    assert median(client.get("/api/1/flags/1001").elapsed.total_seconds() for _ in range(60)) < 0.04


def test_the_log_can_be_read_and_emptied_from_outside(client: httpx.Client) -> None:
    """The admin endpoints show each request and forget them on demand; calls of them are not in the log."""
    client.patch("/api/1/flags/1001", json={"enabled": False})
    (entry,) = client.get("/_emulator/log", headers={"Authorization": ""}).json()
    assert {name: entry[name] for name in ("number", "method", "path", "query", "body", "status", "user")} == {
        "number": 1,
        "method": "PATCH",
        "path": "/api/1/flags/1001",
        "query": {},
        "body": {"enabled": False},
        "status": 200,
        "user": "ada@example.com",
    }
    assert client.delete("/_emulator/log").status_code == 204
    assert client.get("/_emulator/log").json() == []


def test_the_state_can_be_read_and_replaced_from_outside(client: httpx.Client, emulator: Emulator) -> None:
    """What was read can be put back; what is no state is a 400 and changes nothing."""
    answer = client.get("/_emulator/state")
    assert answer.headers["content-type"] == "application/json"
    start = answer.content
    client.patch("/api/1/flags/1001", json={"enabled": False})
    changed = client.get("/_emulator/state").content
    assert client.put("/_emulator/state", content=b"[]").status_code == 400
    assert emulator.dump() == changed != start
    assert client.put("/_emulator/state", content=start).status_code == 204
    assert emulator.dump() == start


def test_a_page_resets_nothing(client: httpx.Client, emulator: Emulator) -> None:
    """What a form of any site can send, with the origin that browsers add, changes nothing."""
    emulator.store.seed_flag({"projectId": "7", "key": "more"})
    before = emulator.dump()
    answer = client.post("/_emulator/reset", headers={"Origin": "https://shop.example.com"})
    assert (answer.status_code, emulator.dump()) == (403, before)


def test_it_can_be_reset_from_outside(client: httpx.Client, emulator: Emulator) -> None:
    """A reset is back to where serving began, or to the state that was put there since."""
    start = emulator.dump()
    client.patch("/api/1/flags/1001", json={"rolloutPercentage": 1})
    middle = emulator.dump()
    assert client.post("/_emulator/reset").status_code == 204
    assert emulator.dump() == start
    client.put("/_emulator/state", content=middle)
    client.patch("/api/1/flags/1001", json={"rolloutPercentage": 2})
    client.post("/_emulator/reset")
    assert emulator.dump() == middle


def test_it_can_be_served_in_the_foreground_until_a_signal() -> None:
    """A process that serves says where, answers, and ends on SIGTERM."""
    program = (
        "from reconciler.emulator import Emulator, serve_in_foreground, server\n"
        "server._TICK_SECONDS = 3600\n"
        "serve_in_foreground(Emulator(), on_start=lambda url: print(url, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert (httpx.URL(url).port or 0) >= 1024
        assert httpx.get(f"{url}/api/1/flags").status_code == 401
        process.terminate()
        assert process.wait(timeout=20) == -15
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_the_first_signal_is_the_one_that_ends_it() -> None:
    """A second one, of another kind, ends the waiting for answers, and is not raised again."""
    program = (
        "import asyncio\n"
        "from reconciler.emulator import serve_in_foreground, server\n"
        "server._TICK_SECONDS = server._STOP_SECONDS = 3600\n"
        "def say(text): print(text, flush=True)\n"
        "async def never(scope, receive, send):\n"
        "    say('asked')\n"
        "    await asyncio.Event().wait()\n"
        "serve_in_foreground(never, on_start=say, on_stop=lambda: say('ending'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = httpx.URL(process.stdout.readline().strip())
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "ending\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == -signal.SIGTERM

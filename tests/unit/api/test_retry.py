"""What is sent again, how often, and after how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import StoppedClock, ask, send

from reconciler.api.credentials import REGIONS, ApiKey
from reconciler.api.limits import Failure, Repeat, RetryPolicy, http_date, retry_after, seconds_to_wait
from reconciler.api.responses import WriteResult
from reconciler.api.transport import Wait
from reconciler.errors import (
    AccessError,
    AmbiguousError,
    ApiError,
    BudgetError,
    NotSentError,
    RejectedError,
)
from reconciler.model.config import Requests
from reconciler.planning.operations import EditFlag, RemoveUserAt

if TYPE_CHECKING:
    from reconciler.api.client import Client

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
DATE = "Wed, 02 Jan 2030 11:00:00 GMT"

NOT_SENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.LocalProtocolError("illegal header"),
    httpx.UnsupportedProtocol("gopher"),
]
AMBIGUOUS = [
    httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
    httpx.WriteError("broken pipe"),
    httpx.WriteTimeout("slow"),
    httpx.CloseError("close"),
    httpx.DecodingError("gzip"),
    httpx.ProxyError("proxy"),
    TimeoutError(),
    ConnectionResetError("reset"),
    *(httpx.Response(status) for status in (199, 500, 502, 503, 504, 599)),
]
REJECTED = [httpx.Response(status) for status in (300, 302, 399, 400, 401, 403, 404, 405, 408, 409, 410, 422, 499)]
TOO_MANY_REQUESTS = [httpx.Response(429)]


def kind(outcome: Any) -> type[ApiError]:
    """The error that an outcome is."""
    if outcome in NOT_SENT:
        return NotSentError
    if outcome in AMBIGUOUS:
        return AmbiguousError
    return AccessError if getattr(outcome, "status_code", 0) in {401, 403} else RejectedError


def name(outcome: Any) -> str:
    """An outcome as a test's name."""
    return str(outcome.status_code) if isinstance(outcome, httpx.Response) else type(outcome).__name__


class Server:
    """Gives each request the next outcome; the last one for ever."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.sent = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        outcome = self.outcomes[min(self.sent, len(self.outcomes) - 1)]
        self.sent += 1
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)


OK = httpx.Response(200, json=[])


@pytest.mark.parametrize("outcome", [*NOT_SENT, *AMBIGUOUS, *REJECTED, *TOO_MANY_REQUESTS], ids=name)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_each_failure_has_its_kind_and_is_repeated_or_not(method: str, outcome: Any) -> None:
    """Reads repeat what was not sent, is unclear, or was throttled; writes only what surely had no effect."""
    server = Server(outcome)
    with pytest.raises(kind(outcome)) as caught:
        send(server, method, ["flags"])
    repeats = outcome in NOT_SENT or outcome in TOO_MANY_REQUESTS or (outcome in AMBIGUOUS and method == "GET")
    assert type(caught.value) is kind(outcome)
    assert server.sent == (4 if repeats else 1)
    assert caught.value.status == getattr(outcome, "status_code", None)
    said = str(caught.value)
    assert f"{method} /api/1/flags" in said
    assert ("Run it again later." in said) == (outcome in AMBIGUOUS and method == "GET")
    assert ("It may or may not have taken effect." in said) == (outcome in AMBIGUOUS and method != "GET")


PLACE = RemoveUserAt(flag_key="f", variant_key="on", user="x", index=4).request("123")
EDIT = EditFlag(flag_key="f", body={}).request("1")


@pytest.mark.parametrize("outcome", [*AMBIGUOUS, *REJECTED, *TOO_MANY_REQUESTS], ids=name)
def test_a_call_that_names_a_place_is_never_repeated_after_an_answer(outcome: Any) -> None:
    """Removal by index is not sent again unless it was never sent: the place may be another's."""
    server = Server(outcome)
    with pytest.raises(ApiError):
        ask(server, lambda client: client.write(PLACE))
    assert server.sent == 1


@pytest.mark.parametrize("outcome", NOT_SENT, ids=name)
def test_a_call_that_names_a_place_is_repeated_when_it_never_left(outcome: Any) -> None:
    """What never left cannot have moved anything."""
    server = Server(outcome, OK)
    ask(server, lambda client: client.write(PLACE))
    assert server.sent == 2


def test_a_call_may_succeed_in_the_end() -> None:
    """After different failures, none of which had an effect."""
    server = Server(httpx.Response(429), httpx.ConnectError("x"), OK)
    assert ask(server, lambda client: client.write(EDIT)) == WriteResult(status=200)
    assert server.sent == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "Wed, 02 Jan 2030 11:00:30 GMT", "date": DATE}, 30),
        ({"retry-after": "Wed, 02 Jan 2030 10:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Wed, 02 Jan 2030 12:00:45 GMT"}, 45),
        ({"retry-after": "Wed, 02 Jan 2030 12:00:45 GMT", "date": "garbage"}, 45),
        ({"retry-after": "Wed, 99 Jan 2030 12:00:45 GMT"}, None),
        ({"retry-after": "2030-01-02T12:00:45Z"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds or a date, which counts from the server's own clock; negative is 0, and nonsense is nothing."""
    assert retry_after(headers, now=NOON) == seconds


@pytest.mark.parametrize("text", ["Wed, 02 Jan 2030 12:00:00 GMT", "Wed, 02 Jan 2030 14:00:00 +0200",
                                  "Wed, 02 Jan 2030 12:00:00 -0000"])  # fmt: skip
def test_dates_of_headers_are_in_utc(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without a zone too, in any zone of this machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = http_date(text)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found is not None
    assert (found, found.utcoffset()) == (NOON, timedelta(0))


def test_the_server_is_waited_for_as_it_asks() -> None:
    """Retry-After decides the wait, up to two minutes."""
    time = StoppedClock()
    answers = [httpx.Response(429, headers={"Retry-After": text}) for text in ("3", "1e9", "-5")]
    told: list[Wait] = []
    ask(Server(*answers, OK), lambda client: client.list_users("1", "on"), clock=time.clock, on_wait=told.append)
    assert [round(seconds, 6) for seconds in time.slept if seconds] == [3, 120]
    assert told == [
        Wait(status=429, seconds=seconds, until=NOON + timedelta(seconds=seconds), asked=asked)
        for seconds, asked in ((3, 3), (120, 1e9), (0, 0))
    ]


def test_a_date_counts_from_the_servers_clock() -> None:
    """A server an hour behind us does not make us wait an hour."""
    time = StoppedClock()
    headers = {"Retry-After": "Wed, 02 Jan 2030 11:00:09 GMT", "Date": DATE}
    send(Server(httpx.Response(429, headers=headers), OK), "PATCH", ["flags"], clock=time.clock)
    assert time.slept == [9]


def test_waits_grow_and_are_jittered() -> None:
    """Without Retry-After the waits are random within windows that double, and differ from call to call."""
    waits = []
    for _ in range(40):
        time = StoppedClock()
        with pytest.raises(AmbiguousError):
            send(Server(httpx.ReadError("x")), "GET", ["flags"], clock=time.clock)
        waits.append(time.slept)
    for position, window in enumerate((0.5, 1.0, 2.0)):
        column = [slept[position] for slept in waits]
        assert all(0 <= seconds <= window for seconds in column)
        assert max(column) > window / 2 > min(column)


def test_windows_of_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """From half a second on, each twice as long as the one before, and twenty seconds at most."""
    chosen: list[tuple[float, float]] = []
    monkeypatch.setattr("reconciler.api.limits.uniform", lambda low, high: chosen.append((low, high)) or high)
    failure = Failure(AmbiguousError("x", ""))
    waits = [seconds_to_wait(failure, attempt, RetryPolicy()) for attempt in range(1, 9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert [low for low, _ in chosen] == [0] * 8


def test_throttling_holds_back_every_call() -> None:
    """One 429 pauses the whole run: another call that follows waits it out as well."""
    time = StoppedClock()
    server = Server(httpx.Response(429, headers={"Retry-After": "60"}), OK)
    starts: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        starts.append(time.seconds)
        return server(request)

    async def two(client: Any) -> None:
        await client.list_variants("1")
        await client.list_variants("2")

    ask(answer, two, clock=time.clock)
    assert starts == [1000, 1060, 1060]


def test_a_run_has_a_budget_of_retries() -> None:
    """Repetitions over all calls of a run are limited, and the message says that they are used up."""
    server = Server(httpx.ReadError("x"))
    policy = RetryPolicy(retries=5)

    async def many(client: Any) -> list[tuple[Exception, int]]:
        errors: list[tuple[Exception, int]] = []
        for flag in ("1", "2", "3"):
            before = server.sent
            try:
                await client.list_variants(flag)
            except ApiError as error:
                errors.append((error, server.sent - before))
        return errors

    errors = ask(server, many, policy=policy)
    assert [(type(error), sent) for error, sent in errors] == [
        (AmbiguousError, 4),
        (BudgetError, 3),
        (BudgetError, 1),
    ]
    assert "5 repetitions" in str(errors[1][0])


def test_a_call_without_repetitions_left_says_what_its_last_failure_was() -> None:
    """Its status too, by which callers tell failures apart."""
    with pytest.raises(BudgetError) as caught:
        send(Server(httpx.Response(503)), "GET", ["flags"], policy=RetryPolicy(retries=1))
    assert caught.value.status == 503


def test_a_write_that_may_not_be_repeated_is_no_matter_of_budgets() -> None:
    """An ambiguous write stays ambiguous when the retries are used up."""
    with pytest.raises(AmbiguousError):
        send(Server(httpx.ReadError("x")), "POST", ["flags"], policy=RetryPolicy(retries=0))


def test_the_daily_budget_ends_the_run_before_the_request() -> None:
    """The request that would go over the budget is not sent; every attempt counts."""
    server = Server(httpx.ReadError("x"), OK)
    with pytest.raises(BudgetError, match="dailyBudget"):
        ask(server, lambda client: _lists(client, 5), requests=Requests(per_second=100_000, daily_budget=3))
    assert server.sent == 3


def test_what_the_run_sent_before_counts() -> None:
    """An apply's budget is what its refresh left of it."""
    server, requests = Server(OK), Requests(per_second=100_000, daily_budget=5)
    with pytest.raises(BudgetError, match="dailyBudget"):
        ask(server, lambda client: _lists(client, 5), requests=requests, spent=3)
    assert server.sent == 2


async def _lists(client: Any, times: int) -> None:
    for _ in range(times):
        await client.list_variants("1")


def test_a_budget_may_end_within_a_call() -> None:
    """A call that was tried once before the budget ended is not tried again."""
    server = Server(httpx.Response(429))
    with pytest.raises(BudgetError):
        send(server, "PATCH", ["flags"], requests=Requests(per_second=10**5, daily_budget=1))
    assert server.sent == 1


def test_a_run_has_a_deadline() -> None:
    """When the run has taken too long nothing more is sent."""
    time = StoppedClock()
    server = Server(httpx.Response(429, headers={"Retry-After": "100"}), OK)
    with pytest.raises(BudgetError, match="90 seconds"):
        send(server, "GET", ["flags"], clock=time.clock, policy=RetryPolicy(run_seconds=90))
    assert server.sent == 1


SAID: list[tuple[str, Any, str]] = [
    (
        "GET",
        httpx.Response(401, text="no"),
        (
            "was refused (401): the key is wrong, or belongs to another region than the one behind http://127.0.0.1:8."
            ' Check AMPLITUDE_MANAGEMENT_API_KEY and `region`. The server said: "no".'
        ),
    ),
    (
        "GET",
        httpx.Response(403),
        (
            "was refused (403): the key of AMPLITUDE_MANAGEMENT_API_KEY has no access to this project. Check"
            " `projectId`, and in Amplitude's settings what the key may do."
        ),
    ),
    (
        "POST",
        httpx.Response(403),
        (
            "was refused (403): the key of AMPLITUDE_MANAGEMENT_API_KEY may not make this change. The project may"
            " ask for approvals of changes, or the key's role may not edit."
        ),
    ),
    (
        "GET",
        httpx.Response(429, text="slow down"),
        (
            "was turned away (429): the project's requests a second or a day are used up, by this run or by others."
            ' Lower requests.perSecond, or wait for 00:00 UTC. The server said: "slow down".'
        ),
    ),
    (
        "GET",
        httpx.Response(302),
        (
            "was answered with a redirect (302) to another place. Redirects are not followed: the key would go along."
            " Check the region."
        ),
    ),
    ("POST", httpx.Response(422, text=" a\n b "), 'was rejected (422). The server said: "a b".'),
    (
        "POST",
        httpx.Response(500, text="x"),
        'failed on the server (500). The server said: "x". It may or may not have taken effect.',
    ),
    ("GET", TimeoutError("soon"), "was not answered in time. Run it again later."),
    (
        "GET",
        httpx.ConnectError("no such host"),
        "could not be sent to http://127.0.0.1:8 (ConnectError: no such host). Check the network and the address.",
    ),
    ("POST", httpx.ReadError(""), "broke off (ReadError). It may or may not have taken effect."),
]


@pytest.mark.parametrize(("method", "outcome", "said"), SAID)
def test_every_failure_says_what_it_was_and_what_to_check(method: str, outcome: Any, said: str) -> None:
    """The call, what became of it, what the server said, and what can be done; exit code 4 where it is the key."""
    with pytest.raises(ApiError) as caught:
        send(Server(outcome), method, ["flags"])
    assert str(caught.value) == f"{method} /api/1/flags {said}"
    assert caught.value.exit_code == (4 if isinstance(caught.value, AccessError) else 1)


def test_a_key_of_another_region_is_told_of_the_one_that_was_asked() -> None:
    """By its name."""
    with pytest.raises(AccessError, match="belongs to another region than `eu`") as caught:
        send(Server(httpx.Response(401)), "GET", ["flags"], origin=REGIONS["eu"])
    assert not caught.value.may_read


@pytest.mark.parametrize("is_read", [True, False])
def test_a_key_that_was_accepted_before_is_not_said_to_be_wrong(*, is_read: bool) -> None:
    """It was revoked, or may not make this change. A failure before accepts no key."""

    async def work(client: Client) -> object:
        await client.write(EDIT)
        return await (client.list_users("1", "on") if is_read else client.write(EDIT))

    said = "was accepted earlier in this run, so it was revoked or replaced meanwhile"
    with pytest.raises(AccessError, match=said) as caught:
        ask(Server(OK, httpx.Response(401)), work)
    assert f" meanwhile{'' if is_read else ', or it may not make this change'}. Check it in" in str(caught.value)
    with pytest.raises(AccessError, match="the key is wrong"):
        ask(Server(httpx.Response(429), httpx.Response(401)), work)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_of_a_file_is_said_to_be_of_it(status: int) -> None:
    """The variable is not named then."""
    key = ApiKey("k" * 16, place="the file 'key.txt'")
    with pytest.raises(AccessError, match=r"the file 'key\.txt'") as caught:
        send(Server(httpx.Response(status)), "GET", ["flags"], key=key)
    assert "AMPLITUDE_MANAGEMENT_API_KEY" not in str(caught.value)


def test_reads_are_the_default_to_repeat_always() -> None:
    """A caller may ask for less repetition than the method would allow."""
    server = Server(httpx.ReadError("x"))
    with pytest.raises(AmbiguousError):
        send(server, "GET", ["flags"], repeat=Repeat.IF_WITHOUT_EFFECT)
    assert server.sent == 1

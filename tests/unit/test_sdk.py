"""The server that SDKs ask, over a feed of flags: what it refuses and why, streams, cohorts, OFREP, overrides."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_condition, a_flag, a_live_flag, a_segment, a_variant
from msgspec.structs import replace

from reconciler.emulator.server import serve
from reconciler.errors import UsageError
from reconciler.model.flag import Dependencies, Weights
from reconciler.sdk.app import SdkServer
from reconciler.sdk.cohorts import Cohorts, read_cohorts
from reconciler.sdk.feed import Deployment, Feed, Served, UnknownFlagError
from reconciler.sdk.front import by_prefix
from reconciler.sdk.hosts import is_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.model.flag import LiveFlag

WEB = Deployment(id="67", project_id="7", key="client-67", label="web")
AUTH = {"Authorization": "Api-Key web"}
COHORTS = Cohorts(members={"beta": ("lin", "ann"), "other": ("ann",)}, last_modified=1234)
MEMBER = replace(a_condition("userdata_cohort", "is", ("beta",)), type="cohort")
SPEC = a_flag(
    "new-checkout",
    enabled=True,
    evaluation_mode="local",
    bucketing_key="user_id",
    bucketing_salt="s",
    rollout_percentage=100,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(a_variant("a", payload={"x": 1}), a_variant("b", payload={"x": 2})),
    target_segments=(a_segment("Beta", conditions=(MEMBER,), rollout_weights=Weights.of({"a": 1})),),
    deployments=("67",),
)


def a_feed(*flags: LiveFlag, deployments: tuple[Deployment, ...] = (WEB,)) -> Feed:
    served = flags or (a_live_flag(SPEC, id="1"),)
    return Feed(lambda: Served(flags={flag.id: flag for flag in served}, deployments=deployments))


def ask(feed: Feed, method: str, path: str, cohorts: Cohorts = COHORTS, **given: Any) -> httpx.Response:
    """The answer to one request, in process."""
    given = {"headers": AUTH} | given

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(SdkServer(feed, cohorts).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **given)

    return asyncio.run(run())


def packed(value: bytes) -> str:
    return base64.b64encode(value).decode()


def user_of(text: str) -> dict[str, str]:
    return {**AUTH, "X-Amp-Exp-User": text}


KEYS = {**AUTH, "X-Amp-Exp-Flag-Keys": packed(b"{}")}


@pytest.mark.parametrize(
    ("method", "path", "given", "said"),
    [
        ("GET", "/sdk/v2/vardata", {"headers": user_of("%%%")}, "X-Amp-Exp-User is not in base64."),
        ("GET", "/sdk/v2/vardata", {"headers": user_of(f"{packed(b'{}')}~")}, "X-Amp-Exp-User is not in base64."),
        ("GET", "/sdk/v2/vardata", {"headers": {**AUTH, "X-Amp-Exp-User": b"Z\xfc"}},
         "X-Amp-Exp-User is not in base64."),
        ("GET", "/sdk/v2/vardata", {"headers": user_of(packed(b"{"))},
         "X-Amp-Exp-User cannot be read. Not JSON at line 1, column 2."),
        ("GET", "/sdk/v2/vardata", {"headers": user_of(packed(b"[1]"))}, "A user is a JSON object."),
        ("GET", "/sdk/v2/flags", {"headers": KEYS}, "X-Amp-Exp-Flag-Keys is not a list."),
        ("POST", "/sdk/v2/vardata", {"content": b"no"}, "The body cannot be read. Not JSON at line 1, column 1."),
        ("POST", "/sdk/v2/vardata", {"content": b"[" * 100_000},
         "The body cannot be read. The JSON is nested more than 100 levels deep."),
        ("POST", "/sdk/v2/vardata", {"content": b'{"user_id": "u", "user_properties": {"x": NaN}}'},
         "The body cannot be read. NaN and infinities are not JSON."),
        ("POST", "/sdk/v2/vardata", {"content": b'{"user_id": "\\ud83d"}'},
         "The body cannot be read. The JSON holds half of a surrogate pair, which is no character."),
        ("POST", "/sdk/v2/vardata", {"json": {"user_id": []}}, "user_id is a string or a whole number."),
        ("GET", "/v1/vardata", {"params": {"context": "{"}},
         "context cannot be read. Not JSON at line 1, column 2."),
        ("GET", "/sdk/v1/cohort/beta", {"params": {"maxCohortSize": "x"}}, "maxCohortSize is not a whole number."),
        ("GET", "/sdk/v1/cohort/beta", {"params": {"maxCohortSize": "\u00b2"}},
         "maxCohortSize is not a whole number."),
    ],
)  # fmt: skip
def test_what_cannot_be_read(method: str, path: str, given: dict[str, Any], said: str) -> None:
    answer = ask(a_feed(), method, path, **given)
    assert (answer.status_code, answer.text) == (400, said)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Api-Key web"}, 200),
        ({"Authorization": "api-key  web "}, 200),
        ({"Authorization": "BEARER client-67"}, 200),
        ({"X-API-Key": "67"}, 200),
        ({"Authorization": "Basic web", "X-API-Key": "67"}, 200),
        ({"Authorization": "Basic web"}, 401),
        ({"Authorization": "Bearer", "X-API-Key": "67"}, 401),
        ({"X-API-Key": "WEB"}, 401),
    ],
)
def test_where_the_deployment_key_stands(headers: dict[str, str], status: int) -> None:
    assert ask(a_feed(), "GET", "/v1/flags", headers=headers).status_code == status


def test_an_unknown_deployment_key() -> None:
    """The names are sorted, and for this machine only; keys, which clients write into their logs, are not told."""
    said = "The deployment key is missing or unknown."
    answer = ask(a_feed(), "GET", "/v1/flags", headers={})
    assert (answer.status_code, answer.text) == (401, f"{said} Known here: 67, web.")
    many = tuple(Deployment(id=f"{number:02}", project_id="7", key="", label=f"{number:02}") for number in range(30))
    known = ", ".join(item.id for item in many)
    assert ask(a_feed(deployments=many[::-1]), "GET", "/v1/flags").text == f"{said} Known here: {known}."
    assert ask(a_feed(deployments=()), "GET", "/v1/flags").text == f"{said} Known here: none."
    assert ask(a_feed(), "GET", "/v1/flags", headers={"Origin": "http://localhost"}).text == said


def test_a_name_that_several_deployments_have() -> None:
    """A key counts more than a configured name, that more than an id, and that more than a label."""
    four = [
        Deployment(id="1", project_id="7", key="x", label=""),
        Deployment(id="2", project_id="7", key="", label="y", names=frozenset({"x", "web"})),
        Deployment(id="web", project_id="7", key="k", label="x"),
        Deployment(id="x", project_id="7", key="l", label="web"),
    ]
    for order in (four, four[::-1]):
        feed = a_feed(deployments=tuple(order))
        assert [found and found.id for found in map(feed.deployment, ("x", "web", "l", "y", "z", ""))] == [
            "1", "2", "x", "2", None, None,
        ]  # fmt: skip


def test_where_a_user_stands() -> None:
    """The header outdoes the body, the query both; an empty body is none; null is absent."""
    flag = replace(
        SPEC, target_segments=(), variants=(a_variant("a", users=("ada",)), a_variant("b", users=("bob",)))
    )
    feed = a_feed(a_live_flag(flag))
    header = user_of(packed(b'{"user_id": "bob", "device_id": null}'))
    for given, key in (
        ({"json": {"user_id": "ada"}}, "a"),
        ({"json": {"user_id": "ada"}, "headers": header}, "b"),
        ({"json": {"user_id": "bob"}, "params": {"user_id": "ada"}}, "a"),
        ({"params": {"context": '{"user_id": "ada"}'}}, "a"),
        ({"params": {"device_id": "bob"}}, "b"),
    ):
        found = ask(feed, "POST", "/v1/vardata", **given).json()  # type: ignore[arg-type]
        assert found == {"new-checkout": {"key": key, "value": key}}


def test_a_stream_has_the_flags_again_where_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """And blanks in between, so that clients stay; it ends with the feed."""
    monkeypatch.setattr("reconciler.sdk.app.KEEP_ALIVE_SECONDS", 0.02)
    shown = [a_live_flag(SPEC, id="1")]
    feed = Feed(lambda: Served(flags={shown[0].id: shown[0]}, deployments=(WEB,)))
    with (
        serve(SdkServer(feed, COHORTS).app, on_stop=feed.close) as url,
        httpx.stream("GET", f"{url}/sdk/stream/v1/flags", headers=AUTH) as stream,
    ):
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = filter(None, stream.iter_lines())
        assert next(lines) == f"data: {feed.local(WEB).decode()}"
        assert next(lines) == "data:  "
        shown[0] = a_live_flag(replace(SPEC, enabled=False), id="1")
        feed.refresh()
        changed = next(line for line in lines if line != "data:  ")
        assert json.loads(changed.removeprefix("data: "))[0]["segments"][0]["variant"] == "off"
        feed.close()
        assert set(lines) <= {"data:  "}


def test_a_cohort() -> None:
    """As it is, nothing where it has not changed, and a refusal where it is larger than wanted."""

    def asked(cohort: str, **params: str) -> tuple[int, Any]:
        answer = ask(a_feed(), "GET", f"/sdk/v1/cohort/{cohort}", params=params)
        return answer.status_code, answer.json() if answer.status_code == 200 else answer.text

    known = {"cohortId": "beta", "lastModified": 1234, "size": 2, "memberIds": ["lin", "ann"], "groupType": "User"}
    assert asked("beta") == asked("beta", maxCohortSize="2", lastModified="1233") == (200, known)
    assert asked("beta", maxCohortSize="9" * 50) == (200, known)
    assert asked("gone") == (200, known | {"cohortId": "gone", "size": 0, "memberIds": []})
    assert asked("beta", lastModified="1234") == (204, "")
    assert ask(a_feed(), "GET", "/sdk/v1/cohort/x", Cohorts()).json()["lastModified"] == 0
    assert asked("beta", maxCohortSize="1") == (413, "The cohort is larger than maxCohortSize.")
    page = ask(a_feed(), "GET", "/sdk/v1/cohort/beta", headers={"Origin": "http://localhost:3000"})
    assert (page.status_code, page.text) == (403, "Members of cohorts are not for pages.")


def test_members_of_cohorts_are_in_them() -> None:
    """By the user's id, unless the user says otherwise; without a file nothing is added."""
    server = SdkServer(a_feed(), COHORTS)
    assert server.known_user({"user_id": "ann"}) == {"user_id": "ann", "cohort_ids": ["beta", "other"]}
    assert server.known_user({"user_id": "eve"}) == {"user_id": "eve", "cohort_ids": []}
    for user in ({"user_id": "ann", "cohort_ids": []}, {"device_id": "ann"}, {"user_id": 7}):
        assert server.known_user(user) == user
    assert SdkServer(a_feed(), Cohorts()).known_user({"user_id": "ann"}) == {"user_id": "ann"}


@pytest.mark.parametrize(
    ("fields", "override", "reason", "variant"),
    [
        ({}, None, "SPLIT", {"a", "b"}),
        ({"enabled": False}, None, "DISABLED", {"off"}),
        ({"rollout_percentage": 0}, None, "DEFAULT", {"off"}),
        ({"variants": (a_variant("a", payload={"x": 1}, users=("u",)),)}, None, "TARGETING_MATCH", {"a"}),
        ({}, "b", "STATIC", {"b"}),
        ({}, "off", "STATIC", {"off"}),
    ],
)  # fmt: skip
def test_reasons_of_ofrep(fields: dict[str, Any], override: str | None, reason: str, variant: set[str]) -> None:
    """The key of the context is the user's id, unless it has one beside it."""
    feed = a_feed(a_live_flag(replace(SPEC, **fields), id="1"))
    if override:
        feed.override("new-checkout", override)
    for context in ({"targetingKey": "u"}, {"targetingKey": "eve", "user_id": "u"}):
        answer = ask(feed, "POST", "/ofrep/v1/evaluate/flags/new-checkout", json={"context": context})
        found = answer.json()
        assert (answer.status_code, found["key"], found["reason"]) == (200, "new-checkout", reason)
        assert found["variant"] in variant
        assert found["metadata"].keys() <= {"segmentName", "deployed", "evaluationMode", "flagType", "default"}
        assert ("value" in found) is (found["variant"] != "off")


@pytest.mark.parametrize(
    ("path", "body", "status", "answer"),
    [
        ("/flags/f", {"context": {"targetingKey": "u"}}, 404,
         {"key": "f", "errorCode": "FLAG_NOT_FOUND", "errorDetails": 'No flag "f" is attached to this deployment.'}),
        ("/flags/f", {"context": []}, 400,
         {"key": "f", "errorCode": "INVALID_CONTEXT", "errorDetails": "The context is an object."}),
        ("/flags", {"context": {"targetingKey": []}}, 400,
         {"errorCode": "INVALID_CONTEXT", "errorDetails": "user_id is a string or a whole number."}),
        ("/flags/f", b"", 400,
         {"key": "f", "errorCode": "PARSE_ERROR",
          "errorDetails": "The body cannot be read. Not JSON at line 1, column 1."}),
        ("/flags", b'{"context": {"x": 1e999}}', 400,
         {"errorCode": "PARSE_ERROR",
          "errorDetails": "The body cannot be read. The JSON holds a number beyond what a double can carry."}),
    ],
)  # fmt: skip
def test_refusals_of_ofrep(path: str, body: Any, status: int, answer: dict[str, str]) -> None:
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    found = ask(a_feed(), "POST", f"/ofrep/v1/evaluate{path}", **given)
    assert (found.status_code, found.json()) == (status, answer)


def test_the_key_of_a_context_is_no_property() -> None:
    """Others are, in any order; the tag is that of the answer."""
    segments = [
        a_segment(key, conditions=(a_condition(f"gp:{key}", "is", ("u",)),), rollout_weights=Weights.of({variant: 1}))
        for key, variant in (("targetingKey", "a"), ("plan", "b"))
    ]
    spec = replace(
        SPEC, rollout_percentage=0, target_segments=tuple(replace(item, percentage=100) for item in segments)
    )
    feed = a_feed(a_live_flag(spec, id="1"))
    answers = [
        ask(feed, "POST", "/ofrep/v1/evaluate/flags", json={"context": context})
        for context in ({"targetingKey": "u", "plan": "u"}, {"plan": "u", "targetingKey": "u"}, {"targetingKey": "u"})
    ]
    assert [answer.json()["flags"][0]["variant"] for answer in answers] == ["b", "b", "off"]
    tags = [answer.headers["etag"] for answer in answers]
    assert (tags[0] == tags[1], tags[0] == tags[2]) == (True, False)


@pytest.mark.parametrize("body", [{}, {"context": None}, []])
def test_ofrep_without_a_context(body: Any) -> None:
    """A user of whom nothing is known; the answer has a tag that stands for it."""
    found = ask(a_feed(), "POST", "/ofrep/v1/evaluate/flags", json=body)
    assert [flag["variant"] for flag in found.json()["flags"]] == ["off"]
    tag = found.headers["etag"]
    assert (tag[0], tag[-1], len(tag)) == ('"', '"', 34)
    again = ask(a_feed(), "POST", "/ofrep/v1/evaluate/flags", json=body, headers={**AUTH, "If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("names", ["acme", ["acme"]])
def test_groups_are_bucketed_by_their_names(names: Any) -> None:
    """A group that is no list is one name."""
    feed = a_feed(a_live_flag(replace(SPEC, bucketing_unit="org id", target_segments=())))
    users = [{"user_id": "u", "groups": {"org id": given}} for given in (names, ["acme"])] + [{"user_id": "u"}]
    one, other, alone = (ask(feed, "POST", "/sdk/v2/vardata", json=user).json()["new-checkout"] for user in users)
    assert one == other
    assert (one["key"] in {"a", "b"}, alone["key"]) == (True, "off")


def test_local_configurations_are_compact() -> None:
    """No blank stands between members: thousands of flags are sent to each client."""
    feed = a_feed()
    assert feed.local(WEB).startswith(b'[{"key":"new-checkout","metadata":{"deployed":true,')
    answer = ask(feed, "GET", "/sdk/v2/flags")
    assert (answer.content, answer.headers["content-type"]) == (feed.local(WEB), "application/json")


def test_what_has_no_path_goes_to_the_last_application() -> None:
    """As a server's start and end."""
    seen: list[str] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(by_prefix({("/sdk",): AssertionError}, app)({"type": "lifespan"}, None, None))  # type: ignore[dict-item,arg-type]
    assert seen == ["lifespan"]


def test_without_the_engine_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags are served all the same."""
    monkeypatch.setitem(sys.modules, "reconciler.sdk.engine", None)
    answer = ask(a_feed(), "POST", "/sdk/v2/vardata", json={})
    assert (answer.status_code, "`pip install 'amplitude-flag-reconciler[serve]'`" in answer.text) == (501, True)
    assert ask(a_feed(), "GET", "/v1/flags").status_code == 200


def test_a_configuration_is_made_once() -> None:
    """Until its flag, what it depends on, or whether it belongs to the deployment differs."""
    parent = a_live_flag(replace(SPEC, key="parent"), id="9")
    needs = Dependencies(flags=(("9", ("a",)),), operator="all")
    child = a_live_flag(SPEC, id="1", parent_dependencies=needs)
    shown = {"1": child, "9": parent}
    feed = Feed(lambda: Served(flags=dict(shown), deployments=(WEB,)))

    def made(change: Callable[[], Any] = lambda: None) -> dict[str, Any]:
        change()
        feed.refresh()
        return {config["key"]: config for config in feed.configs(WEB, local=True)}

    first, second = made(), made()
    assert all(first[key] is second[key] for key in ("new-checkout", "parent"))
    text = feed.local(WEB)
    assert feed.local(WEB) is text
    moved = made(lambda: shown.update({"9": replace(parent, spec=replace(parent.spec, key="other"))}))
    assert moved["new-checkout"]["dependencies"] == ["other"]
    unattached = made(lambda: shown.update({"9": replace(parent, spec=replace(parent.spec, deployments=()))}))
    assert (unattached["parent"]["metadata"]["deployed"], first["parent"]["metadata"]["deployed"]) == (False, True)
    gone = made(lambda: shown.pop("9"))
    assert (list(gone), "dependencies" in gone["new-checkout"]) == (["new-checkout"], False)
    assert b'"parent"' not in feed.local(WEB)


def test_overrides() -> None:
    """Those of a user count more, by either id; those of one flag can be taken back alone."""
    feed = a_feed(a_live_flag(SPEC, id="1"), a_live_flag(replace(SPEC, key="other"), id="2"))
    feed.override("new-checkout", "a")
    feed.override("new-checkout", "b", "lin")
    feed.override("new-checkout", "b", "ann")
    feed.override("other", "off", "lin")
    overrides = feed.overrides
    known = ("a", "b", "off")
    for ids, variants, given in (
        ((None, "lin"), known, "b"), (("ann",), known, "b"), (("eve", None), known, "a"), (("lin",), ("a",), "a"),
        (("lin",), (), None),
    ):  # fmt: skip
        assert overrides.variant_of("new-checkout", ids, variants) == given
    assert overrides.variant_of("other", ("eve",), known) is None
    (config, other) = feed.configs(WEB, local=True)
    mark = {"segmentName": "override"}
    by_ids = [
        [{"selector": ["context", "user", name], "op": "is", "values": ["lin", "ann"]}]
        for name in ("user_id", "device_id")
    ]
    assert config["segments"][:2] == [
        {"metadata": mark, "conditions": by_ids, "variant": "b"}, {"metadata": mark, "variant": "a"},
    ]  # fmt: skip
    assert (len(other["segments"]), other["segments"][0]["variant"]) == (3, "off")
    overrides.clear("new-checkout")
    assert (overrides.everyone, overrides.users) == ({}, {"other": {"lin": "off"}})
    overrides.clear()
    assert overrides.users == {}


def test_overrides_of_variants_that_are_gone() -> None:
    """Give nothing until the variants are back; those that are there still count."""
    shown = [a_live_flag(SPEC, id="1")]
    feed = Feed(lambda: Served(flags={"1": shown[0]}, deployments=(WEB,)))
    plain = feed.configs(WEB, local=True)[0]["segments"]
    feed.override("new-checkout", "a")
    feed.override("new-checkout", "b", "7")
    both = feed.configs(WEB, local=True)[0]["segments"]
    assert [segment["variant"] for segment in both[:2]] == ["b", "a"]
    assert feed.overrides.variant_of("new-checkout", (7,), ("a", "b")) == "b"
    without = replace(SPEC, variants=(a_variant("b"),), rollout_weights=Weights.of({"b": 1}), target_segments=())
    shown[0] = a_live_flag(without, id="1")
    feed.refresh()
    assert [segment["variant"] for segment in feed.configs(WEB, local=True)[0]["segments"]] == ["b", "b"]
    shown[0] = a_live_flag(SPEC, id="1")
    feed.refresh()
    assert feed.configs(WEB, local=True)[0]["segments"] == both == [*both[:2], *plain]


@pytest.mark.parametrize(
    ("key", "variant", "said"),
    [
        ("gone", "a", 'There is no flag "gone".'),
        ("new-checkout", "c", 'Flag "new-checkout" has no variant "c", only a, b, off.'),
    ],
)
def test_overrides_of_what_there_is_not(key: str, variant: str, said: str) -> None:
    with pytest.raises(UnknownFlagError) as caught:
        a_feed().override(key, variant)
    assert str(caught.value) == said


def test_flags_of_several_projects() -> None:
    """By key, in any project or in one."""
    flags = a_live_flag(SPEC, id="1"), a_live_flag(SPEC, id="2", project_id="8")
    feed = a_feed(*flags)
    assert [feed.flag("new-checkout", project) for project in (None, "7", "8", "9")] == [flags[0], *flags, None]
    assert feed.flag("other") is None


def test_a_file_of_cohorts(tmp_path: Path) -> None:
    """With the time of its last change in milliseconds; what is wrong with it is said with its name."""
    file = tmp_path / "cohorts.json"
    file.write_text('{"beta": ["lin"], "empty": []}')
    os.utime(file, (1.5, 1.5))
    assert read_cohorts(file) == Cohorts(members={"beta": ("lin",), "empty": ()}, last_modified=1500)
    form = 'is not an object of lists of user ids, as in {"cohort-id": ["ada@example.com"]}.'
    for text, said in (
        ("[]", f" {form}"),
        ('{"a": "b"}', f" {form}"),
        ('{"a": [1]}', f" {form}"),
        ("{", ": Not JSON"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError) as caught:
            read_cohorts(file)
        assert str(caught.value).startswith(f"{file}{said}")
    with pytest.raises(UsageError) as caught:
        read_cohorts(tmp_path / "gone")
    assert str(caught.value) == f"{tmp_path / 'gone'} cannot be read: No such file or directory."


def test_a_value_is_that_of_the_deployments_own_project() -> None:
    """Flags of several projects may have one key."""
    other = replace(SPEC, deployments=("68",), variants=(a_variant("a", payload={"x": 8}), a_variant("b")))
    feed = a_feed(a_live_flag(other, id="1", project_id="8"), a_live_flag(SPEC, id="2"))
    feed.override("new-checkout", "a")
    answer = ask(feed, "POST", "/ofrep/v1/evaluate/flags/new-checkout", json={"context": {"targetingKey": "u"}})
    assert answer.json()["value"] == {"x": 1}


def test_an_override_counts_at_once_for_users_who_are_evaluated_here() -> None:
    """What was prepared for the evaluation before is not kept."""
    feed = a_feed()
    for variant in ("a", "b", "off", "a"):
        feed.override("new-checkout", variant, "u")
        found = ask(feed, "POST", "/sdk/v2/vardata", json={"user_id": "u"}).json()
        assert found["new-checkout"]["key"] == variant
        assert feed.remote(WEB) is feed.remote(WEB)


def test_who_waits_for_changes_is_told_of_each_and_of_the_end() -> None:
    """As long as they wait."""
    feed = a_feed()
    with feed.changes() as event, feed.changes() as other:
        feed.refresh()
        assert (event.is_set(), other.is_set(), feed.is_closed) == (True, True, False)
        event.clear()
        feed.close()
        assert (event.is_set(), feed.is_closed) == (True, True)
    event.clear()
    feed.refresh()
    assert not event.is_set()


def test_json_of_a_flag_that_is_the_same_is_kept() -> None:
    """Until its configuration differs."""
    flag = a_live_flag(SPEC, id="1")
    shown = [flag]
    feed = Feed(lambda: Served(flags={"1": shown[0]}, deployments=(WEB,)))
    (config,) = feed.configs(WEB, local=True)
    encoded = feed._memo.encode(config)
    assert feed._memo.encode(config) is encoded
    feed.local(WEB)
    shown[0] = a_live_flag(replace(SPEC, enabled=False), id="1")
    feed.refresh()
    assert json.loads(feed.local(WEB))[0] == feed.configs(WEB, local=True)[0] != json.loads(encoded)


@pytest.mark.parametrize("key", ["", "a", "ab", "abc", "abcd", "12345 salt", "\u00fc\U0001f600", "x" * 1000])
def test_hashes_are_those_of_the_official_engine(key: str) -> None:
    """Which are whole numbers of 32 bits without a sign."""
    engine = pytest.importorskip("reconciler.sdk.engine")
    assert engine.FastEngine().get_hash(key) == engine.EvaluationEngine().get_hash(key)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("127.0.0.2", False),
        ("localhost.example.com", False),
        ("example.com:80", False),
        ("[", False),
        ("", False),
    ],
)
def test_names_of_this_machine(host: str, *, is_ours: bool) -> None:
    """With any port; a page of another site may point its own name here."""
    assert is_of_this_machine(host) is is_ours

"""Invalid responses are errors, never "nothing there"."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import ask
from contract.endpoints import FLAG, LISTED_FLAG, VERSIONS

from reconciler.api.responses import CreatedFlag, DeploymentInfo, Unread, decode_version_page
from reconciler.errors import AmbiguousError, InvalidResponseError, RejectedError
from reconciler.model.flag import UNSET
from reconciler.model.wire import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.client import Client

READS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "list": lambda client: client.list_flags(),
    "details": lambda client: client.get_flag("1"),
    "versions": lambda client: client.list_versions("1"),
    "version": lambda client: client.get_version("1", 2),
    "variants": lambda client: client.list_variants("1"),
    "variant": lambda client: client.get_variant("1", "on"),
    "users": lambda client: client.list_users("1", "on"),
    "cohorts": lambda client: client.list_cohorts("1", "on"),
    "deployments": lambda client: client.list_deployments("1"),
    "feed": lambda client: client.list_all_versions(),
    "all deployments": lambda client: client.list_all_deployments(),
}

PATHS = {
    "list": "flags",
    "details": "flags/1",
    "versions": "flags/1/versions",
    "version": "flags/1/versions/2",
    "variants": "flags/1/variants",
    "variant": "flags/1/variants/on",
    "users": "flags/1/variants/on/users",
    "cohorts": "flags/1/variants/on/cohorts",
    "deployments": "flags/1/deployments",
    "feed": "versions",
    "all deployments": "deployments",
}

NONSENSE = {
    "nothing": b"",
    "OK": b"OK",
    "HTML": b"<!doctype html><html><body>Sign in</body></html>",
    "null": b"null",
    "true": b"true",
    "number": b"7",
    "text": b'"flags"',
    "object": b"{}",
    "list of nulls": b"[null]",
    "list of lists": b"[[]]",
    "flags null": b'{"flags": null, "versions": null, "deployments": null}',
    "flags object": b'{"flags": {}, "versions": {}, "deployments": {}}',
    "flags text": b'{"flags": "none", "versions": "none", "deployments": "none"}',
    "truncated": b'{"flags": [',
    "NaN": b'{"flags": [], "versions": [], "deployments": [], "x": NaN}',
    "too large a number": b'{"flags": [], "versions": [], "deployments": [], "x": 1e999}',
    "twice the same key": b'{"flags": [], "versions": [], "deployments": [], "deployments": []}',
    "two values": b'{"flags": [], "versions": [], "deployments": []} []',
    "not UTF-8": b'{"flags": ["\xff"], "versions": ["\xff"], "deployments": ["\xff"]}',
    "UTF-16": '{"flags": [], "versions": [], "deployments": []}'.encode("utf-16"),
    "deep": b"[" * 100_000,
    "gzip without saying so": gzip.compress(b'{"flags": []}'),
}


def answering(body: bytes | Any, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    """A server that says the same to everything."""
    if isinstance(body, bytes):
        return lambda _: httpx.Response(status, content=body)
    return lambda _: httpx.Response(status, json=body)


@pytest.mark.parametrize("read", READS)
def test_every_read_asks_at_its_own_address(read: str) -> None:
    """The error of a wrong answer names it."""
    with pytest.raises(InvalidResponseError, match=f"^GET /api/1/{PATHS[read]}: "):
        ask(answering(b"7"), READS[read])


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_read_takes_nonsense_for_nothing(read: Callable[[Client], Awaitable[Any]], body: bytes) -> None:
    """Every read meets every kind of nonsense with an error that names the call."""
    with pytest.raises(InvalidResponseError, match=r"GET /api/1/") as caught:
        ask(answering(body), read)
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None), ("id", ""), ("id", True), ("id", 1.5), ("id", {}), ("projectId", None), ("projectId", []),
        ("key", None), ("key", 7), ("enabled", "yes"), ("enabled", 1), ("rolloutPercentage", "5"),
        ("rolloutPercentage", -1), ("rolloutPercentage", True), ("rolloutWeights", []),
        ("rolloutWeights", {"on": "1"}),
        ("variants", {}), ("variants", ["on"]), ("variants", [{"name": "On"}]), ("targetSegments", {}),
        ("targetSegments", [{"name": "x", "conditions": {"prop": "a"}}]), ("deployments", "67"), ("tags", "a"),
        ("tags", [1]), ("deleted", "no"), ("parentDependencies", []),
    ],
)  # fmt: skip
def test_one_wrong_field_spoils_one_flag(field: str, value: Any) -> None:
    """A flag with a field of the wrong type is set aside with the place, not read without it; the others are read."""
    body = {"flags": [LISTED_FLAG, LISTED_FLAG | {"id": 5, "key": "spoiled", field: value}]}
    page = ask(answering(body), lambda client: client.list_flags())
    assert ([flag.key for flag in page.flags], len(page.ids)) == (["flag-key"], 2)
    (unread,) = page.unread
    assert "flags/1" in unread.reason
    assert unread.id == (None if field == "id" else "5")
    assert unread.key == (None if field == "key" else "spoiled")


VERSION = VERSIONS[0]
DEPLOYMENT = {"id": "5", "projectId": "7", "label": "web", "key": "k"}


@pytest.mark.parametrize(
    ("read", "body", "said"),
    [
        ("versions", [VERSION, VERSION | {"version": None}], "a whole number at versions/1/version, got null"),
        ("versions", [VERSION, VERSION | {"version": "1.5"}], "a whole number at versions/1/version, got a string"),
        ("versions", [VERSION, VERSION | {"createdAt": 5}], "a time at versions/1/createdAt, got a number"),
        ("versions", [VERSION, VERSION | {"createdBy": []}], "an id at versions/1/createdBy, got a list"),
        ("versions", [VERSION, VERSION | {"flagConfig": None}], "an object at versions/1/flagConfig, got null"),
        ("versions", [VERSION, []], "an object at versions/1, got a list"),
        ("version", VERSION | {"version": True}, "a whole number at version/version, got true"),
        ("version", VERSION | {"flagConfig": []}, "an object at version/flagConfig, got a list"),
        ("version", [], "an object at version, got a list"),
        ("deployments", [DEPLOYMENT, DEPLOYMENT | {"id": []}], "an id at answer/1/id, got a list"),
        ("deployments", [DEPLOYMENT, DEPLOYMENT | {"projectId": 5.5}], "an id at answer/1/projectId, got a number"),
        ("deployments", [DEPLOYMENT, []], "an object at answer/1, got a list"),
        ("users", ["a", True], "an id at answer/1, got true"),
        ("cohorts", ["a", 5, None], "an id at answer/2, got null"),
        ("users", {}, "a list at answer, got an object"),
        ("variants", [{"key": "a"}, {"key": "b", "name": 5}], "a string at variants/1/name, got a number"),
        ("variants", [{"key": "a"}, 5], "an object at variants/1, got a number"),
        ("list", [], "an object at answer, got a list"),
        ("feed", {"versions": {}}, "a list at versions, got an object"),
        ("all deployments", {"deployments": 5}, "a list at deployments, got a number"),
        ("list", {"flags": [], "nextCursor": True}, "an id at nextCursor, got true"),
    ],
)
def test_a_wrong_part_of_an_answer_is_named_with_its_place(read: str, body: Any, said: str) -> None:
    """In lists with its number, from 0."""
    with pytest.raises(InvalidResponseError) as caught:
        ask(answering(body), READS[read])
    assert str(caught.value).endswith(f": Invalid response from the API: expected {said}.")


@pytest.mark.parametrize(
    ("row_id", "key", "name"),
    [("5", "f", ("5", "f")), ("5", None, ("5", None)), (None, "f", (None, "f")), (None, None, ("?",))],
)
def test_what_tells_rows_that_cannot_be_read_apart(
    row_id: str | None, key: str | None, name: tuple[Any, ...]
) -> None:
    """Id and key as far as it says them, or else its place."""
    assert Unread(id=row_id, key=key, reason="?").name == name


@pytest.mark.parametrize(
    ("fields", "archived"), [({}, UNSET), ({"archived": True}, True), ({"archived": False}, False)]
)
def test_a_version_may_not_say_whether_its_flag_was_archived(fields: dict[str, Any], archived: Any) -> None:
    """Then that is not known, as for every field that it does not show."""
    answer = VERSION | {"version": 2, "flagConfig": VERSION["flagConfig"] | fields}
    assert ask(answering(answer), READS["version"]).flag.spec.archived is archived


@pytest.mark.parametrize(
    ("fields", "cursor"),
    [
        ({}, None), ({"nextCursor": None}, None), ({"nextCursor": ""}, None), ({"nextCursor": 0}, None),
        ({"nextCursor": "0"}, None), ({"nextCursor": 1000}, "1000"), ({"nextCursor": "1000"}, "1000"),
        ({"nextCursor": "eyJhIjoxfQ=="}, "eyJhIjoxfQ=="),
    ],
)  # fmt: skip
def test_cursors_of_every_style(fields: dict[str, Any], cursor: str | None) -> None:
    """A cursor is text or a number; null, nothing, an empty text and 0 are the end."""
    page = ask(answering({"flags": [], **fields}), lambda client: client.list_flags())
    assert page.next_cursor == cursor


@pytest.mark.parametrize("cursor", [True, False, 1.5, [], {}])
def test_a_cursor_of_another_type_is_an_error(cursor: Any) -> None:
    """A cursor that is neither text nor a number cannot be followed, and is not taken for the end."""
    with pytest.raises(InvalidResponseError, match="nextCursor"):
        ask(answering({"flags": [], "nextCursor": cursor}), lambda client: client.list_flags())


@pytest.mark.parametrize("project", ["8", 8, "07", "7 "])
def test_other_projects_are_dropped(project: Any) -> None:
    """What belongs to another project is not seen, even when it is malformed, with any filter of the server."""
    foreign = {"id": 5, "projectId": project, "key": None}
    page = ask(answering({"flags": [foreign, LISTED_FLAG]}), lambda client: client.list_flags())
    assert ([flag.key for flag in page.flags], len(page.ids)) == (["flag-key"], 2)
    feed = [{"flagConfig": foreign}, *VERSIONS]
    assert len(ask(answering({"versions": feed}), lambda client: client.list_all_versions()).versions) == 3
    with pytest.raises(RejectedError, match="another project") as caught:
        ask(answering(FLAG | {"projectId": project}), lambda client: client.get_flag("123"))
    assert caught.value.status == 404


def test_ids_come_as_text_or_as_numbers() -> None:
    """Numbers become text, so that the same id is the same in both forms."""
    as_numbers = LISTED_FLAG | {"id": 123, "projectId": 7, "deployments": [67], "bucketingSalt": 5}
    as_text = LISTED_FLAG | {"id": "123", "projectId": "7", "deployments": ["67"], "bucketingSalt": "5"}
    pages = [ask(answering({"flags": [row]}), lambda client: client.list_flags()) for row in (as_numbers, as_text)]
    assert pages[0] == pages[1]
    assert ask(answering([1, "a", "1", "1"]), lambda client: client.list_users("1", "on")) == ("1", "a", "1", "1")


@pytest.mark.parametrize("value", [3, "3"])
def test_a_versions_number_comes_in_both_forms(value: Any) -> None:
    """A version's number is a number, however it is written; its author may be null or a number."""
    version = ask(
        answering(VERSIONS[0] | {"version": value, "createdBy": 17}), lambda client: client.get_version("1", 3)
    )
    assert (version.version, version.created_by) == (3, "17")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("version", None, "a whole number at version/version, got null"),
        ("version", "three", "a whole number at version/version, got a string"),
        ("version", True, "a whole number at version/version, got true"),
        ("version", 2.5, "a whole number at version/version, got a number"),
        ("createdAt", 5, "a time at version/createdAt, got a number"),
    ],
)
def test_a_version_without_number_or_time_is_an_error(field: str, value: Any, expected: str) -> None:
    """History without its order is refused."""
    with pytest.raises(InvalidResponseError, match=f"expected {re.escape(expected)}"):
        ask(answering(VERSIONS[0] | {field: value}), lambda client: client.get_version("1", 3))


def test_rows_of_the_feed_that_are_no_versions_are_set_aside() -> None:
    """They may be of any flag: they are no flags of others, of which nothing is said."""
    feed = ask(answering({"versions": [5, None, [], *VERSIONS]}), lambda client: client.list_all_versions())
    assert (len(feed.versions), [item.key for item in feed.unread]) == (3, [None] * 3)


CREATE = Request(method="POST", segments=("flags",), body={"projectId": "7", "key": "new"})


def test_a_create_gives_the_id_of_the_new_flag() -> None:
    """A number too; the address beside it is not used."""
    found = ask(answering({"id": 5, "url": "http://x"}, 201), lambda client: client.write(CREATE))
    assert found == CreatedFlag(id="5", status=201)


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"id": null}', b'{"id": true}', b"[]", b'{"url": "http://x"}'])
def test_a_create_without_an_id_is_ambiguous(body: bytes) -> None:
    """The flag exists at an unknown id: it has to be looked up, not created again."""
    with pytest.raises(AmbiguousError, match="look it up") as caught:
        ask(answering(body), lambda client: client.write(CREATE))
    assert caught.value.status == 200
    if body in {b"{}", b"[]"}:
        said = "an id at id, got null" if body == b"{}" else "an object at answer, got a list"
        assert str(caught.value) == (
            f"POST /api/1/flags: Invalid response from the API: expected {said}."
            " The flag was created; look it up by its key."
        )


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><title>Sign in</title>",
        b"\r\n <HTML>",
        b"\xef\xbb\xbf<html></html>",
        b'<?xml version="1.0"?><html/>',
        b"<!-- \xff {} --><html>",
    ],
)
def test_a_web_page_is_said_to_be_one(read: Callable[[Client], Awaitable[Any]], body: bytes) -> None:
    """With what to check: the address, or what stands in between."""
    with pytest.raises(InvalidResponseError) as caught:
        ask(lambda _: httpx.Response(200, content=body, headers={"content-type": "text/html"}), read)
    said = str(caught.value)
    assert said.startswith("GET /api/1/")
    assert "The address answered with a web page instead of JSON: check RECONCILER_API_URL" in said
    assert "Not JSON" not in said


@pytest.mark.parametrize("body", [b"", b"OK", b"ok", b"<html>", b"{}", b"\xff\x00", b'{"x": NaN}'])
@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_write_is_done_by_its_status_alone(body: bytes, status: int) -> None:
    """What a write answers is not read."""
    edit = Request(method="PATCH", segments=("flags", "1"), body={"name": "x"})
    answer = ask(answering(b"" if status == 204 else body, status), lambda client: client.write(edit))
    assert answer.status == status


@pytest.mark.parametrize("status", [403, 404])
def test_the_optional_lists_may_be_missing(status: int) -> None:
    """A server or key without the two feeds gives None, and no error."""
    assert ask(answering(b"no", status), lambda client: client.list_all_versions()) is None
    assert ask(answering(b"no", status), lambda client: client.list_all_deployments()) is None


@pytest.mark.parametrize("status", [400, 401, 405])
def test_the_optional_lists_may_not_fail_otherwise(status: int) -> None:
    """Any other refusal is one."""
    with pytest.raises(RejectedError):
        ask(answering(b"no", status), lambda client: client.list_all_deployments())


@pytest.mark.parametrize("status", [404, 405])
def test_a_variant_that_cannot_be_patched_is_not_posted(status: int) -> None:
    """Where PATCH is unknown the message says so, and no other verb is tried."""
    verbs = []

    def answer(request: httpx.Request) -> httpx.Response:
        verbs.append(request.method)
        return httpx.Response(status)

    edit = Request(method="PATCH", segments=("flags", "1", "variants", "on"), body={"name": "x"})
    with pytest.raises(RejectedError, match="by PATCH") as caught:
        ask(answer, lambda client: client.write(edit))
    assert (verbs, caught.value.status) == (["PATCH"], status)


@pytest.mark.parametrize("project", [{"projectId": "8"}, {}])
def test_a_flag_is_created_in_the_clients_own_project(project: dict[str, str]) -> None:
    """Another project, or none: nothing is sent."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    create = Request(method="POST", segments=("flags",), body=project | {"key": "x"})
    with pytest.raises(ValueError, match="project"):
        ask(answer, lambda client: client.write(create))
    assert sent == []


ABOUT_OTHERS: dict[str, tuple[Callable[[Client], Awaitable[Any]], Any]] = {
    "details": (lambda client: client.get_flag("1"), {"id": 2, "projectId": 7, "key": "b"}),
    "version": (
        lambda client: client.get_version("1", 2),
        {"version": 3, "createdAt": "2030-01-02T00:00:00Z", "flagConfig": {"id": 1, "projectId": 7, "key": "a"}},
    ),
    "variant": (lambda client: client.get_variant("1", "on"), {"key": "off-by-one"}),
}


@pytest.mark.parametrize("name", ABOUT_OTHERS)
def test_an_answer_about_something_else_is_refused(name: str) -> None:
    """What was asked for by its name is checked by its name: a cache or a proxy may mix answers up."""
    read, body = ABOUT_OTHERS[name]
    with pytest.raises(InvalidResponseError, match="is about another"):
        ask(lambda _: httpx.Response(200, json=body), read)


ROWS = [
    b'{"id": "1", "projectId": "7", "label": "web", "key": "c", "deleted": true}',
    b'{"id": 2, "projectId": 7, "key": "d", "label": 5, "bucketingUnit": "User"}',
    b'{"id": 3, "projectId": "7", "label": NaN, "key": "x"}',
    b'{"id": true, "projectId": 7, "key": 5}',
    b'{"id": 4, "projectId": 8, "x": NaN}',
    b'{"id": "\\ud800", "projectId": "7", "state": "running"}',
    b"5",
    b'{"id": "", "projectId": "7", "key": "a", "key": "b"}',
    b'{"id": 9, "projectId": [], "x": NaN, "key": "\\ud800"}',
]
INVALID = "Invalid response from the API"
UNREAD: list[tuple[int, str | None, str | None, str]] = [
    (2, "3", "x", f"{INVALID} at {{0}}. NaN and infinities are not JSON."),
    (3, None, None, f"{INVALID}: expected an id at {{0}}/id, got true."),
    (5, None, None, f"{INVALID} at {{0}}. The JSON holds half of a surrogate pair, which is no character."),
    (6, None, None, f"{INVALID}: expected an object at {{0}}, got a number."),
    (7, None, None, f"{INVALID} at {{0}}. The JSON holds an object with the same key twice."),
    (8, "9", None, f"{INVALID} at {{0}}. NaN and infinities are not JSON."),
]


@pytest.mark.parametrize("member", ["flags", "versions", "deployments"])
def test_rows_that_cannot_be_read_are_set_aside_one_by_one(member: str) -> None:
    """With what they say of themselves and what is wrong with them; the others are read."""
    rows, inside, read = ROWS, "", READS["all deployments" if member == "deployments" else "list"]
    if member == "versions":
        head = b'{"version": %d, "createdAt": "2030", "flagConfig": %s}'
        rows, inside, read = [head % item for item in enumerate(ROWS)], "/flagConfig", READS["feed"]
    body = b'{"%s": [%s], "nextCursor": "0"}' % (member.encode(), b",".join(rows))
    page = ask(answering(body), read)
    kind = "deployment" if member == "deployments" else "flag"
    assert page.unread == tuple(
        Unread(id=row_id, key=key, what=kind, reason=reason.format(f"{member}/{index}{inside}"))
        for index, row_id, key, reason in UNREAD
    )
    seen = ("1", "2", "3", "True", "4", "\ud800", "", "", "9")
    if member == "flags":
        assert ([flag.key for flag in page.flags], page.ids, page.unmarked) == (["c", "d"], seen, {"2"})
    elif member == "versions":
        assert [(item.version, item.flag.key, item.created_by) for item in page.versions] == [
            (0, "c", None),
            (1, "d", None),
        ]
        assert page.ids == tuple(f"{row_id} {index}" for index, row_id in enumerate(seen))
        assert page.experiments.isdisjoint({"d"})
        assert {"c", "x"} <= page.experiments
    else:
        web = DeploymentInfo(id="1", project_id="7", label="web", key="c", deleted=True)
        assert page.deployments == (web, DeploymentInfo(id="2", project_id="7", label="", key="d", deleted=False))
        assert (page.ids, page.next_cursor) == (("1", "2"), None)


@pytest.mark.parametrize("field", ["bucketingSalt", "bucketingUnit", "evaluationMode", "rolloutPercentage"])
def test_versions_that_show_what_only_flags_have_are_of_flags(field: str) -> None:
    """One such field is enough, unless there is one of experiments too."""
    config = {"id": "1", "projectId": "7", "key": "a", field: 0 if field == "rolloutPercentage" else "local"}
    for more in ("decision", "decisionReason", "endDate", "experimentType", "rolledOutVariant", "startDate", "state",
                 "stickyBucketing", None):  # fmt: skip
        row = {"version": 1, "createdAt": "2030", "flagConfig": config | ({} if more is None else {more: None})}
        feed = ask(answering({"versions": [row]}), lambda client: client.list_all_versions())
        assert feed.experiments == (frozenset() if more is None else {"a"})


@pytest.mark.parametrize(
    ("unread", "said"),
    [
        (Unread(id=None, key=None, reason="?"), "A flag (no id) cannot be read. ?"),
        (Unread(id="5", key="k" * 80, reason="?"), f'The flag "{"k" * 80}" (id 5) cannot be read. ?'),
        (Unread(id="5", key="k" * 81, reason="?"), f'The flag "{"k" * 79}…" (id 5) cannot be read. ?'),
        (
            Unread(id="5" * 81, key=None, reason="?", what="deployment"),
            f"A deployment (id {'5' * 79}…) cannot be read. ?",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_called_by_what_it_says(unread: Unread, said: str) -> None:
    """Its key and id, cut where they are long."""
    assert str(unread) == said


OF_FLAGS = {"bucketingSalt": "s", "bucketingUnit": "user", "evaluationMode": "remote", "rolloutPercentage": 5}


@pytest.mark.parametrize(
    ("shown", "is_experiment"),
    [
        (OF_FLAGS, False),
        *(({name: value}, False) for name, value in OF_FLAGS.items()),
        ({}, True),
        ({"tags": []}, True),
        *(
            (OF_FLAGS | {name: None}, True)
            for name in (
                "decision", "decisionReason", "endDate", "experimentType", "rolledOutVariant", "startDate", "state",
                "stickyBucketing",
            )
        ),
    ],
)  # fmt: skip
def test_which_versions_look_like_those_of_an_experiment(shown: dict[str, Any], *, is_experiment: bool) -> None:
    """By what experiments alone show, or because nothing is shown of what every flag has."""
    row = {"version": 1, "createdAt": "2030", "flagConfig": {"id": 1, "projectId": 7, "key": "a", **shown}}
    page = decode_version_page({"versions": [row, {"version": 1, "flagConfig": {"key": "b", **OF_FLAGS}}]}, {}, "7")
    assert page.experiments == ({"a"} if is_experiment else set())


def test_a_variant_is_the_one_that_was_asked_for() -> None:
    """With what is shown of it."""
    found = ask(answering({"key": "on", "name": "On"}), READS["variant"])
    assert (found.key, found.name, found.payload) == ("on", "On", UNSET)

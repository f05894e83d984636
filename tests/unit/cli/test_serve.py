"""`serve`: what SDKs ask is answered from the files, from what is live, or from a plan."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from serving import ADA, CHECKOUT, DEPLOYMENT, REMOTE, a_repository, a_session, events, variants, wait_for, write_flag

from reconciler.cli.commands.serve import start_session
from reconciler.cli.emulation import create_emulator
from reconciler.cli.main import run
from reconciler.cli.options import Settings
from reconciler.cli.output import Output
from reconciler.cli.serving import Recorder
from reconciler.cli.signals import TerminatedError
from reconciler.emulator.server import serve
from reconciler.errors import UsageError
from reconciler.evaluation.users import read_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.cli.serving import Session
    from reconciler.emulator import Emulator

AMPLITUDE_ID = 3249336229543
"""What is made of the id "lin": the first 44 bits of its SHA-256."""
EXTRA = "Error: `serve` is an extra: install it with `pip install 'amplitude-flag-reconciler[serve]'`.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of a local and a remote flag."""
    return a_repository(tmp_path, CHECKOUT, REMOTE)


@pytest.fixture
def client(root: Path) -> Iterator[httpx.Client]:
    """A client of a session over the files."""
    with a_session(root) as (_, client):
        yield client


def test_what_sdks_get_that_evaluate_themselves(client: httpx.Client) -> None:
    """Both paths give the same array; flags of the remote mode are off in it; keys can be asked for."""
    found = client.get("/sdk/v2/flags?v=0").json()
    assert [flag["key"] for flag in found] == ["new-checkout", "search"]
    assert found[1]["segments"] == [{"metadata": {"segmentName": "default"}, "variant": "off"}]
    assert client.get("/v1/flags").json() == found
    assert client.get("/v1/flags?flag_keys=search,other").json() == found[1:]


@pytest.mark.parametrize("name", ["web", "67", "client-67"])
def test_a_deployment_is_chosen_by_its_name_id_or_key(client: httpx.Client, name: str) -> None:
    """What is configured is known offline; a deployment that no flag is attached to gets none."""
    assert len(client.get("/sdk/v2/flags", headers={"Authorization": f"Api-Key {name}"}).json()) == 2
    assert client.get("/sdk/v2/flags", headers={"Authorization": "Api-Key mobile"}).json() == []


@pytest.mark.parametrize("path", ["/sdk/v2/flags", "/sdk/v2/vardata", "/v1/vardata", "/sdk/stream/v1/flags"])
def test_an_unknown_deployment_key(client: httpx.Client, path: str) -> None:
    """401, as the service answers; which ones there are is said, but not to a page of another site."""
    for headers in ({"Authorization": "Api-Key other"}, {"Authorization": ""}):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, "web" in answer.text) == (401, True)
    answer = client.get(path, headers={"Authorization": "Api-Key other", "Origin": "https://shop.example.com"})
    assert (answer.status_code, "web" in answer.text) == (401, False)


def test_the_user_comes_in_every_form(client: httpx.Client) -> None:
    """In the body, or in a header in either alphabet of base64; some flags alone where they are named."""
    text = json.dumps(ADA | {"user_properties": {"name": "Ünal ??>>", "none": None}}).encode()
    keys = base64.urlsafe_b64encode(b'["search"]').decode().rstrip("=")
    for encoded in (base64.urlsafe_b64encode(text).rstrip(b"="), base64.b64encode(text)):
        headers = {"X-Amp-Exp-User": encoded.decode()}
        answer = client.get("/sdk/v2/vardata?v=0", headers=headers).json()
        assert answer["search"]["key"] == answer["search"]["value"] == "treatment"
        assert answer["search"]["payload"] == {"layout": "classic"}
        assert list(client.get("/sdk/v2/vardata", headers=headers | {"X-Amp-Exp-Flag-Keys": keys}).json()) == [
            "search"
        ]
    assert variants(client, ADA) == {"new-checkout": "treatment", "search": "treatment"}
    assert variants(client, ADA | {"device_id": None}) == variants(client, ADA)
    assert client.get("/v1/vardata", params=ADA | {"flag_keys": "search"}).json()["search"]["key"] == "treatment"
    context = json.dumps({"user_properties": {"plan": "pro"}})
    assert client.get("/v1/vardata", params=ADA | {"context": context}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("GET", "/sdk/v2/vardata", {"headers": {"X-Amp-Exp-User": "%%%"}}),
        ("GET", "/sdk/v2/vardata", {"headers": {"X-Amp-Exp-User": base64.b64encode(b"[1]").decode()}}),
        ("GET", "/sdk/v2/vardata", {"headers": {"X-Amp-Exp-Flag-Keys": base64.b64encode(b"{}").decode()}}),
        ("POST", "/sdk/v2/vardata", {"content": b"not json"}),
        ("POST", "/sdk/v2/vardata", {"content": b'"ada"'}),
        ("GET", "/v1/vardata", {"params": {"context": "{"}}),
    ],
)
def test_what_cannot_be_read(client: httpx.Client, method: str, path: str, given: dict[str, Any]) -> None:
    """400, with a reason that repeats nothing of the user."""
    answer = client.request(method, path, **given)
    assert answer.status_code == 400
    assert "ada" not in answer.text


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": {"ada": 1}},
        {"user_properties": ["ada"]},
        {"cohort_ids": "ada"},
        {"groups": 3},
        {"groups": {"org": [{"ada": 1}]}, "group_properties": {"org": {"x": {}}}},
        {"groups": {"org": ["x"]}, "group_properties": {"org": "ada"}},
        {"groups": {"org": ["x"]}, "group_properties": {"org": {"x": "ada"}}},
        {"groups": {"org": ["x"]}, "group_cohort_ids": {"org": {"x": "ada"}}},
    ],
)
def test_what_is_no_user(tmp_path: Path, fields: dict[str, Any]) -> None:
    """400 on every path that evaluates, and no line of --record: `evaluate --users` would refuse the file."""
    recorded = tmp_path / "users.jsonl"
    header = base64.b64encode(json.dumps(fields).encode()).decode()
    with a_session(a_repository(tmp_path, CHECKOUT), record=recorded) as (_, client):
        answers = [
            client.post("/sdk/v2/vardata", json=fields),
            client.get("/sdk/v2/vardata", headers={"X-Amp-Exp-User": header}),
            client.get("/v1/vardata", params={"context": json.dumps(fields)}),
            client.post("/ofrep/v1/evaluate/flags", json={"context": fields}),
        ]
    assert [answer.status_code for answer in answers] == [400] * 4
    assert not any("ada" in answer.text for answer in answers)
    assert not recorded.exists() or recorded.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("most", ["x", "-1", "1.5", "²"])
def test_a_size_that_is_no_number(client: httpx.Client, most: str) -> None:
    """400 for the largest size of a cohort."""
    assert client.get("/sdk/v1/cohort/beta", params={"maxCohortSize": most}).status_code == 400


def test_a_user_who_gets_no_variant(tmp_path: Path) -> None:
    """Has `off`, marked as the default one; the older path leaves the flag out."""
    with a_session(a_repository(tmp_path, CHECKOUT | {"enabled": False})) as (_, client):
        found = client.post("/sdk/v2/vardata", json=ADA).json()["new-checkout"]
        assert (found["key"], found["metadata"]["default"]) == ("off", True)
        assert client.post("/v1/vardata", json=ADA).json() == {}


def test_browsers_may_ask(client: httpx.Client) -> None:
    """A page of any origin may ask with the headers of the SDK; the rest of the server is for its own page."""
    asks = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,x-amp-exp-user,x-amp-exp-flag-keys",
    }
    asks["Access-Control-Request-Private-Network"] = "true"  # of a page of another machine, as Chrome asks it
    answer = client.options("/sdk/v2/vardata", headers=asks)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-amp-exp-user" in answer.headers["access-control-allow-headers"]
    assert client.get("/sdk/v2/flags", headers={"Origin": "null"}).headers["access-control-allow-origin"] == "*"
    for path in ("/", "/_serve/overrides", "/api/1/flags"):
        assert (
            "access-control-allow-origin" not in client.get(path, headers={"Origin": "http://localhost:3000"}).headers
        )


def test_it_cannot_be_mistaken_for_production(client: httpx.Client) -> None:
    """Each answer is marked, and a name of another machine is refused."""
    for path in ("/", "/sdk/v2/flags", "/api/1/flags", "/nothing", "/_serve/serve.js"):
        assert client.get(path).headers["x-reconciler-serve"] == "not production"
    for host in ("evil.example.com", "evil.example.com:80", "127.0.0.1.example.com", ""):
        answer = client.get("/sdk/v2/flags", headers={"Host": host})
        assert (answer.status_code, answer.headers["x-reconciler-serve"]) == (421, "not production")
    for host in ("localhost", "localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/sdk/v2/flags", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "request_line",
    ["POST /sdk/v2/vardata", "POST /ofrep/v1/evaluate/flags", "PUT /_serve/overrides/search", "POST /api/1/flags"],
)
def test_a_client_that_hangs_up(root: Path, request_line: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of its request: nothing is said, and others are answered."""
    head = f"{request_line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Api-Key web\r\nContent-Length: 9\r\n\r\n"
    with a_session(root) as (_, client):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
            connection.sendall(head.encode() + b"{")
            assert variants(client, ADA)["search"] == "treatment"  # by now the first one is under way
        assert variants(client, ADA)["search"] == "treatment"
    assert caplog.records == []


def test_flags_that_do_not_say_where_they_belong(tmp_path: Path) -> None:
    """Are served to every deployment; without any, there is one called default."""
    flag = {name: value for name, value in CHECKOUT.items() if name != "deployments"}
    with a_session(a_repository(tmp_path, flag, config='version: 1\nprojectId: "7"\n')) as (_, client):
        client.headers["Authorization"] = "Api-Key default"
        assert len(client.get("/sdk/v2/flags").json()) == 1


def test_overrides_by_one_call(client: httpx.Client) -> None:
    """For everyone or one user, for SDKs that evaluate themselves too; the user's counts more; all can be cleared."""
    grace = {"user_id": "grace"}
    before = variants(client, grace)["new-checkout"]
    assert client.put("/_serve/overrides/new-checkout", json={"variant": "off"}).status_code == 204
    assert client.put("/_serve/overrides/new-checkout", json={"variant": "control", "user": "lin"}).status_code == 204
    assert variants(client, ADA)["new-checkout"] == "off"
    assert variants(client, {"user_id": "lin"})["new-checkout"] == "control"
    assert variants(client, {"device_id": "lin"})["new-checkout"] == "control"
    assert client.get("/_serve/overrides").json() == {
        "everyone": {"new-checkout": "off"},
        "users": {"new-checkout": {"lin": "control"}},
    }
    first, second = client.get("/sdk/v2/flags").json()[0]["segments"][:2]
    assert (first["variant"], second["variant"], "conditions" in second) == ("control", "off", False)
    assert client.delete("/_serve/overrides/new-checkout").status_code == 204
    assert variants(client, grace)["new-checkout"] == before
    client.put("/_serve/overrides/search", json={"variant": "off"})
    client.delete("/_serve/overrides")
    assert variants(client, ADA)["search"] == "treatment"


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("new-checkout", b'{"variant": "blue"}', 404),
        ("other", b'{"variant": "control"}', 404),
        ("new-checkout", b"{}", 400),
        ("new-checkout", b"[]", 400),
        ("new-checkout", b"variant=control", 400),
        ("new-checkout", b'{"variant": null}', 400),
        ("new-checkout", b'{"variant": "control", "variant": "treatment"}', 400),
        ("new-checkout", b'{"variant": "control", "user": {"id": "lin"}}', 400),
        ("new-checkout", b'{"variant": "control", "user": ' + b"[" * 100_000, 400),
        ("new-checkout", b'{"variant": "\xff"}', 400),
    ],
)
def test_overrides_of_what_there_is_not(client: httpx.Client, key: str, body: bytes, status: int) -> None:
    """Are refused, with the variants that there are."""
    answer = client.put(f"/_serve/overrides/{key}", content=body)
    said = {
        400: 'The body is {"variant": "treatment"}, with "user" for one user only.',
        404: 'Flag "new-checkout" has no variant "blue", only control, treatment, off.'
        if key == "new-checkout"
        else 'There is no flag "other".',
    }
    assert (answer.status_code, answer.text) == (status, said[status])


def test_overrides_leave_flags_of_the_remote_mode_off_for_local_sdks(client: httpx.Client) -> None:
    """In production too such an SDK never has them."""
    client.put("/_serve/overrides/search", json={"variant": "control"})
    assert client.get("/sdk/v2/flags?flag_keys=search").status_code == 200
    assert client.get("/sdk/v2/flags").json()[1]["segments"][0]["variant"] == "off"
    assert variants(client, ADA)["search"] == "control"


def test_a_form_of_another_site_sets_nothing(client: httpx.Client) -> None:
    """What a form can send, a POST, is not taken."""
    assert client.post("/_serve/overrides/new-checkout", json={"variant": "off"}).status_code == 405


def test_the_page(client: httpx.Client) -> None:
    """Flags with the variant of the user who is typed in and the reason; no markup of theirs; overrides are shown."""
    page = client.get("/", params={"user_id": "ada@example.com", "properties": "country=US\nplan=<b>"}).text
    assert "listed in the variant" in page
    for ids in ({"user_id": "ada@example.com"}, {"device_id": "ada@example.com"}):
        assert "listed in the variant" in client.get("/", params=ids | {"properties": ' {"plan": "pro"}'}).text
    assert "listed in the variant" not in client.get("/", params={"properties": '{"plan": "pro"}'}).text
    assert "<b>" not in page
    assert "treatment" in page
    assert "name=value" in page
    client.put("/_serve/overrides/new-checkout", json={"variant": "off"})
    assert "overridden for this session" in client.get("/").text
    client.delete("/_serve/overrides")
    client.put("/_serve/overrides/new-checkout", json={"variant": "off", "user": "lin"})
    assert [
        "overridden for this session" in client.get("/", params={name: "lin"}).text
        for name in ("user_id", "device_id", "other")
    ] == [True, True, False]
    for text, said in (
        ("{", "Not JSON at line 1, column 2."),
        ('{"user_id": {}}', "user_id is a string or a whole number."),
        ("country=US\nplan", "Each line of the properties is name=value."),
        ("= x", "Each line of the properties is name=value."),
        ("groups=3", "groups is an object."),
        ("country=US\n\nplan=", None),
    ):
        page = client.get("/", params={"properties": text}).text
        assert re.findall(r'role="alert">(.*?)<', page) == ([said] if said else [])
    for name, kind in (("serve.css", "text/css"), ("serve.js", "text/javascript")):
        assert client.get(f"/_serve/{name}").headers["content-type"].startswith(kind)
    missing = client.get("/_serve/page.html")
    assert (missing.status_code, missing.text) == (404, "not found")
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-frame-options"] == "DENY"


def test_cohorts_of_a_file(root: Path, tmp_path: Path) -> None:
    """Members are in their cohorts, here and for SDKs that ask who is; without the file no user is."""
    file = tmp_path / "cohorts.json"
    file.write_text('{"beta": ["lin"], "empty": []}')
    with a_session(root, cohorts=file) as (_, client):
        assert variants(client, {"user_id": "lin"})["new-checkout"] == "treatment"
        found = client.get("/sdk/v1/cohort/beta?maxCohortSize=2147483647").json()
        assert found | {"lastModified": 0} == {
            "cohortId": "beta", "lastModified": 0, "size": 1, "memberIds": ["lin"], "groupType": "User",
        }  # fmt: skip
        assert client.get(f"/sdk/v1/cohort/beta?lastModified={found['lastModified']}").status_code == 204
        assert client.get("/sdk/v1/cohort/beta?maxCohortSize=0").status_code == 413
        assert client.get("/sdk/v1/cohort/none").json()["memberIds"] == []


def test_cohorts_that_are_edited(root: Path, tmp_path: Path) -> None:
    """Are served as they are then; where they are not valid, those before are, and the page says why."""
    file = tmp_path / "cohorts" / "cohorts.json"
    file.parent.mkdir()
    file.write_text('{"beta": ["lin"]}')
    with a_session(root, cohorts=file, watches=True) as (session, client):

        def is_beta() -> bool:
            return variants(client, {"user_id": "ann"})["new-checkout"] == "treatment"

        assert not is_beta()
        file.write_text('{"beta": ["ann"]}')
        wait_for(is_beta)
        file.write_text('{"beta": ["lin"')
        wait_for(lambda: session.problem)
        assert str(file) in str(session.problem)
        assert is_beta()
        draft = file.with_suffix(".new")
        draft.write_text('{"beta": ["lin"]}')
        draft.replace(file)
        wait_for(lambda: not is_beta())
        assert session.problem is None


@pytest.mark.parametrize("text", ["[", "[]", '{"beta": "lin"}', '{"beta": [1]}'])
def test_cohorts_that_are_none(root: Path, tmp_path: Path, text: str) -> None:
    """Are a wrong usage."""
    (tmp_path / "cohorts.json").write_text(text)
    with pytest.raises(UsageError):
        start_session(
            Settings(config=root / "reconciler.yaml"), Output(quiet=True), cohorts=tmp_path / "cohorts.json"
        )


def test_users_are_kept(root: Path, tmp_path: Path) -> None:
    """Each user who is evaluated once, as a line that `evaluate --users` reads, in a private file."""
    file = tmp_path / "users.jsonl"
    with a_session(root, record=file) as (_, client):
        for user in (ADA, ADA, {"user_id": "lin", "user_properties": {"plan": "pro"}}):
            variants(client, user)
        client.get("/", params={"user_id": "only looked at"})
    with file.open("rb") as stream:
        assert list(read_users(stream, "users.jsonl")) == [
            ADA, {"user_id": "lin", "user_properties": {"plan": "pro"}},
        ]  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_users_that_goes_while_it_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is made again, private as before; where that cannot be, it is said once, and users are answered."""
    directory = root / "kept"
    directory.mkdir()
    file = directory / "users.jsonl"
    settings = Settings(config=root / "reconciler.yaml")
    session = start_session(settings, Output(), record=file)
    with serve(session.app) as url, httpx.Client(base_url=url, headers=DEPLOYMENT) as client:
        file.unlink()
        variants(client, ADA)
        assert (file.stat().st_mode & 0o777, len(file.read_text().splitlines())) == (0o600, 1)
        file.unlink()
        directory.rmdir()
        capsys.readouterr()
        for name, said in (("lin", f"Error: {file} cannot be written: No such file or directory.\n"), ("ann", "")):
            assert variants(client, {"user_id": name}).keys() == {"new-checkout", "search"}
            assert capsys.readouterr().err == said
        directory.mkdir()
        variants(client, {"user_id": "lin"})
        assert [json.loads(line)["user_id"] for line in file.read_text().splitlines()] == ["lin"]


def test_users_are_kept_as_they_were_evaluated(root: Path, tmp_path: Path) -> None:
    """With the cohorts and the ids that they were given here, so that `evaluate` says the same of them."""
    cohorts, file = tmp_path / "cohorts.json", tmp_path / "users.jsonl"
    cohorts.write_text('{"beta": ["lin"]}')
    with a_session(root, record=file, cohorts=cohorts, amplitude_ids=True) as (_, client):
        client.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "lin"}})
    (line,) = file.read_text().splitlines()
    user = json.loads(line)
    assert (user["cohort_ids"], user["amplitude_id"]) == (["beta"], AMPLITUDE_ID)


def test_ids_of_amplitude(tmp_path: Path) -> None:
    """A share by amplitude_id gives nothing to users without one, unless ids are made for them; both are said."""
    flag = {name: value for name, value in CHECKOUT.items() if name not in {"bucketingKey", "bucketingSalt"}}
    root = a_repository(tmp_path, flag)
    people = [{"user_id": f"user-{number}"} for number in range(40)]
    with a_session(root) as (session, client):
        assert {variants(client, user)["new-checkout"] for user in people} == {"off"}
        assert {variants(client, user | {"amplitude_id": 7})["new-checkout"] for user in people} != {"off"}
        salt, ids = session.warnings()
        assert salt == (
            "new-checkout: no bucketingSalt is known, so shares are right and fall on other users than in "
            "production. --from live,files is exact."
        )
        assert ids == (
            "new-checkout: bucketed by amplitude_id, which SDKs do not send, so a share gives no variant. "
            "--amplitude-ids makes one of the user's id: right shares, other users than in production."
        )
    with a_session(root, amplitude_ids=True) as (session, client):
        assert {variants(client, user)["new-checkout"] for user in people} == {"control", "treatment"}
        assert len(list(session.warnings())) == 1


@pytest.mark.parametrize(
    ("user", "made"),
    [
        ({"user_id": "lin", "device_id": "x"}, AMPLITUDE_ID), ({"user_id": "lin"}, AMPLITUDE_ID),
        ({"device_id": "lin"}, AMPLITUDE_ID), ({"user_id": "", "device_id": "lin"}, AMPLITUDE_ID),
        ({"user_id": "lin", "amplitude_id": 5}, 5), ({"user_properties": {}}, None), ({"user_id": ""}, None),
    ],
)  # fmt: skip
def test_whose_id_is_made(root: Path, user: dict[str, Any], made: int | None) -> None:
    """That of the user's id, or else of the device's; one that is given stays, and without a name there is none."""
    made_here = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True), amplitude_ids=True)
    given = start_session(Settings(config=root / "reconciler.yaml"), Output(quiet=True))
    assert made_here._complete(user) == user | ({} if made is None else {"amplitude_id": made})
    assert given._complete(user) == user


def test_what_the_page_is_made_of(tmp_path: Path) -> None:
    """Each file by its type, and what may differ from production."""
    root = a_repository(tmp_path, {name: value for name, value in CHECKOUT.items() if name != "bucketingSalt"})
    with a_session(root) as (session, client):
        page = client.get("/")
        types = [client.get(f"/_serve/{name}").headers["content-type"] for name in ("serve.css", "serve.js")]
        (warning,) = session.warnings()
    assert types == ["text/css; charset=utf-8", "text/javascript; charset=utf-8"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert warning.partition(",")[0] in page.text


def test_a_user_whose_id_is_a_number(client: httpx.Client) -> None:
    """Is the same as one whose id is that number as text."""
    assert client.put("/_serve/overrides/search", json={"variant": "off", "user": 7}).status_code == 204
    assert variants(client, {"user_id": "7"})["search"] == "off"
    assert client.get("/_serve/overrides").json() == {"everyone": {}, "users": {"search": {"7": "off"}}}


def test_flags_that_are_off_because_their_files_say_too_little(tmp_path: Path) -> None:
    """They may be on in production, so that is said; not of those that are off or archived, which is said enough."""
    bare = CHECKOUT | {"key": "d"}
    del bare["variants"], bare["rolloutWeights"]
    silent = {name: value for name, value in CHECKOUT.items() if name != "enabled"} | {"key": "e"}
    others = [bare | {"key": "a", "enabled": False}, silent | {"key": "b", "archived": True}]
    weighed = bare | {"key": "c", "rolloutWeights": {"x": 1}}
    with a_session(a_repository(tmp_path, CHECKOUT, bare, silent, weighed, *others)) as (session, client):
        assert list(session.warnings()) == [
            "d, e: the files leave out enabled or variants, so no user gets a variant. --from live,files is exact."
        ]
        found = variants(client, ADA)
        assert {found["d"], found["e"], found["a"]} == {"off"}
        assert found["c"] == "x"


def test_a_key_of_amplitude_that_a_file_names_is_warned_of_as_well(tmp_path: Path) -> None:
    """As where the file names none, and that is Amplitude's own key."""
    root = a_repository(tmp_path, CHECKOUT | {"bucketingKey": "amplitude_id"})
    with a_session(root) as (session, _):
        assert any("bucketed by amplitude_id" in warning for warning in session.warnings())
    root = a_repository(tmp_path, CHECKOUT | {"bucketingKey": "user_id"})
    with a_session(root) as (session, _):
        assert not any("amplitude_id" in warning for warning in session.warnings())


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more"), (7, " and 2 more")])
def test_warnings_name_five_flags_that_are_on(tmp_path: Path, count: int, more: str) -> None:
    """In order of their keys; those that are off or archived give no share, and are not named."""
    bare = {name: value for name, value in CHECKOUT.items() if name != "bucketingSalt"}
    names = [f"flag-{number}" for number in range(count)]
    off = [bare | {"key": "a-off", "enabled": False}, bare | {"key": "a-gone", "archived": True}]
    with a_session(a_repository(tmp_path, *off, *(bare | {"key": name} for name in names))) as (session, _):
        (warning,) = session.warnings()
        assert session.deployment_names == ["mobile", "web"]
    assert warning.partition(":")[0] == ", ".join(names[:5]) + more


def test_ofrep(client: httpx.Client) -> None:
    """One flag and all, with the value by the type of the payloads; unknown flags, contexts and keys are refused."""
    ada = {"context": {"targetingKey": "ada@example.com", "plan": "pro", "country": "US"}}
    for headers in (DEPLOYMENT, {"Authorization": "Bearer web"}, {"Authorization": "", "X-API-Key": "web"}):
        one = client.post("/ofrep/v1/evaluate/flags/new-checkout", json=ada, headers=headers)
        assert one.json() == {
            "key": "new-checkout",
            "reason": "TARGETING_MATCH",
            "variant": "treatment",
            "value": {"layout": "classic"},
            "metadata": one.json()["metadata"],
        }
    everything = client.post("/ofrep/v1/evaluate/flags", json=ada)
    assert [flag["key"] for flag in everything.json()["flags"]] == ["new-checkout", "search"]
    tag = everything.headers["etag"]
    same = client.post("/ofrep/v1/evaluate/flags", json=ada, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    client.put("/_serve/overrides/search", json={"variant": "off"})
    other = client.post("/ofrep/v1/evaluate/flags", json=ada, headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert "value" not in other.json()["flags"][1]
    gone = client.post("/ofrep/v1/evaluate/flags/other", json=ada)
    assert (gone.status_code, gone.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    for context in ([], {"targetingKey": {}}):
        for path in ("/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/search"):
            bad = client.post(path, json={"context": context})
            assert (bad.status_code, bad.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    assert client.post("/ofrep/v1/evaluate/flags", content=b"{").status_code == 400
    assert client.post("/ofrep/v1/evaluate/flags", json=ada, headers={"Authorization": ""}).status_code == 401


def test_the_command(root: Path) -> None:
    """It prints where it serves, and ends at once when it is interrupted, open streams or not."""
    command = [sys.executable, "-m", "reconciler", "serve", "--set", "search=control", "--user", "lin:search=off"]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, headers=DEPLOYMENT) as client:
            assert variants(client, ADA)["search"] == "control"
            assert variants(client, {"user_id": "lin"})["search"] == "off"
            with client.stream("GET", "/sdk/stream/v1/flags") as stream:
                seen = events(stream.iter_lines())
                next(seen)
                process.send_signal(signal.SIGINT)
                assert list(seen) == []  # it ends, and is not cut off
                out, err = process.communicate(timeout=60)
        assert process.returncode == 130
    assert out == ""
    assert err == f"Serving 2 flags at {url}, not production. Deployment keys: mobile, web. Ctrl-C ends it.\n"


@pytest.mark.parametrize("command", ["serve", "emulator"])
@pytest.mark.parametrize(("ending", "code"), [(None, 0), (KeyboardInterrupt, 130), (TerminatedError, 143)])
def test_the_code_is_that_of_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: str, ending: type[BaseException] | None, code: int
) -> None:
    """A server that ends by itself has done what it is for; a signal has the code of a signal."""
    ports = []

    def end(_: object, *, port: int, **__: object) -> None:
        ports.append(port)
        if ending:
            raise ending

    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", end)
    assert run([command, "--config", str(root / "reconciler.yaml"), "--port", "65535"]) == code
    assert ports == [65535]


def test_what_may_differ_from_production_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After where it serves: each as a warning."""
    root = a_repository(tmp_path, {name: value for name, value in CHECKOUT.items() if name != "bucketingSalt"})

    async def start(on_start: Callable[[str], None]) -> None:
        on_start("http://127.0.0.1:1")

    def started(_: object, *, on_start: Callable[[str], None], **__: object) -> None:
        asyncio.run(start(on_start))

    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", started)
    assert run(["serve", "--config", str(root / "reconciler.yaml")]) == 0
    said = capsys.readouterr()
    assert said.out == "http://127.0.0.1:1\n"
    first, second = said.err.splitlines()
    assert first.startswith("Serving 1 flag at http://127.0.0.1:1, not production.")
    assert second.startswith("Warning: new-checkout: no bucketingSalt is known,")


def test_options_of_the_command_reach_the_session(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each as it was given; without them the files are served, and nothing is kept."""
    given: list[dict[str, Any]] = []

    def noting(*arguments: Any, **options: Any) -> Session:
        given.append(options)
        return start_session(*arguments, **options)

    monkeypatch.setattr("reconciler.cli.commands.serve.start_session", noting)
    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", lambda *_, **__: None)
    (root / "cohorts.json").write_text("{}")
    (root / "key").write_text("k" * 32)
    config = ("--config", str(root / "reconciler.yaml"))
    paths = {"cohorts": root / "cohorts.json", "record": root / "users.jsonl", "key_file": root / "key"}
    more = (
        "--cohorts",
        str(paths["cohorts"]),
        "--record",
        str(paths["record"]),
        "--api-key-file",
        str(paths["key_file"]),
    )
    assert run(["serve", *config]) == 0
    assert run(["serve", *config, *more, "--amplitude-ids", "--from", "files"]) == 0
    nothing = {"source": "files", "cohorts": None, "record": None, "amplitude_ids": False, "key_file": None}
    assert given == [nothing, nothing | paths | {"amplitude_ids": True}]
    assert (root / "users.jsonl").read_text() == ""


def test_options_of_the_emulator_reach_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds are a thousandth of a second; the state is kept from the start."""
    given: list[dict[str, Any]] = []

    def noting(**options: Any) -> Emulator:
        given.append(options)
        return create_emulator(**options)

    monkeypatch.setattr("reconciler.cli.commands.emulator.create_emulator", noting)
    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", lambda *_, **__: None)
    config = ("--config", str(root / "reconciler.yaml"))
    assert run(["emulator", *config]) == 0
    state = root / "state.json"
    assert run(["emulator", *config, "--state", str(state), "--latency", "250", "--rate", "3"]) == 0
    configs = [[config.project_id for config in options.pop("configs")] for options in given]
    assert configs == [["7"], ["7"]]
    assert given == [
        {"state": None, "latency": 0.0, "rate": None},
        {"state": state, "latency": 0.25, "rate": 3},
    ]
    assert list(json.loads(state.read_text())["projects"]) == ["7"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--latency", "60001"), 64),
        (("--latency", "60000"), 0),
        (("--latency", "-1"), 64),
        (("--rate", "0"), 64),
        (("--rate", "1"), 0),
        (("--port", "65536"), 64),
        (("--port", "65535"), 0),
        (("--port", "0"), 0),
    ],
)
def test_the_limits_of_the_emulators_options(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], code: int
) -> None:
    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", lambda *_, **__: None)
    assert run(["emulator", "--config", str(root / "reconciler.yaml"), *arguments]) == code


@pytest.mark.parametrize(("options", "count"), [((), 1), (("--no-watch",), 0)])
def test_changes_are_looked_for_unless_that_is_unwanted(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    count: int,
) -> None:
    """One look, from when requests can come; on stdout there is the address alone."""
    looks = []

    async def watch(_: object) -> None:
        looks.append(asyncio.current_task())

    async def serve_shortly(on_start: Callable[[str], None]) -> None:
        on_start("http://127.0.0.1:9")
        assert looks == []
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))  # type: ignore[operator]

    def serve_once(_: object, *, on_start: Callable[[str], None], **__: object) -> None:
        asyncio.run(serve_shortly(on_start))

    monkeypatch.setattr("reconciler.cli.serving.Session.watch", watch)
    monkeypatch.setattr("reconciler.emulator.server.serve_in_foreground", serve_once)
    assert run(["serve", "--config", str(root / "reconciler.yaml"), *options]) == 0
    assert len(looks) == count
    said = "Serving 2 flags at http://127.0.0.1:9, not production. Deployment keys: mobile, web. Ctrl-C ends it.\n"
    assert capsys.readouterr() == ("http://127.0.0.1:9\n", said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "new-checkout"], "'new-checkout' is not FLAG=VARIANT."),
        (["--set", "=off"], "'=off' is not FLAG=VARIANT."),
        (["--set", "new-checkout="], "'new-checkout=' is not FLAG=VARIANT."),
        (["--set", "lin:new-checkout=off"], "'lin:new-checkout=off' is not FLAG=VARIANT."),
        (["--set", "other=control"], 'There is no flag "other".'),
        (["--set", "new-checkout=blue"], 'Flag "new-checkout" has no variant "blue", only control, treatment, off.'),
        (["--user", "new-checkout=off"], "'new-checkout=off' is not ID:FLAG=VARIANT."),
        (["--user", ":new-checkout=off"], "':new-checkout=off' is not ID:FLAG=VARIANT."),
        (["--user", "lin:=off"], "'lin:=off' is not ID:FLAG=VARIANT."),
        (["--host", "0.0.0.0"], "--host"),
        (["--port", "65536"], "0<=x<=65535"),
        (["--port", "-1"], "0<=x<=65535"),
        (["--record", "no/x"], "Error: There is no directory 'no' to write x to."),
    ],
)
def test_wrong_options(root: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Are refused before anything is served; there is no other address to serve at."""
    assert run(["serve", "--config", str(root / "reconciler.yaml"), *options]) == 64
    out, err = capsys.readouterr()
    assert (out, words in err) == ("", True), err


def test_a_record_that_cannot_be_kept(tmp_path: Path) -> None:
    """It is said before anything is served."""
    with pytest.raises(UsageError, match="x cannot be written: No such file or directory"):
        Recorder(tmp_path / "no" / "x", Output(quiet=True))


def test_invalid_files_at_the_start(root: Path) -> None:
    """Nothing is served: exit code 3."""
    write_flag(root, CHECKOUT | {"rolloutPercentage": 500})
    assert run(["serve", "--config", str(root / "reconciler.yaml")]) == 3


@pytest.mark.parametrize("name", ["watchfiles", "amplitude_experiment"])
def test_without_a_part_of_the_extra(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What would be missing only later is said at the start."""
    monkeypatch.setattr("reconciler.cli.commands.serve.find_spec", lambda wanted: None if wanted == name else wanted)
    assert run(["serve", "--config", str(root / "reconciler.yaml")]) == 1
    assert capsys.readouterr() == ("", EXTRA)


def test_a_port_that_is_taken(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    with a_session(root) as (_, client):
        port = str(client.base_url.port)
        assert run(["serve", "--config", str(root / "reconciler.yaml"), "--port", port]) == 1
    assert f"127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_without_the_extra(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "reconciler.cli.serving", raising=False)
    monkeypatch.delitem(sys.modules, "reconciler.sdk.app", raising=False)
    assert run(["serve", "--config", str(root / "reconciler.yaml")]) == 1
    assert capsys.readouterr() == ("", EXTRA)


def test_the_emulator_without_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "reconciler.emulator.app", None)
    assert run(["emulator", "--port", "0"]) == 1
    said = "The emulator is an extra: install it with `pip install 'amplitude-flag-reconciler[emulator]'`."
    assert capsys.readouterr() == ("", f"Error: {said}\n")

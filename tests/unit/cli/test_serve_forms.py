"""What each client was seen to ask, letter by letter, is answered by `serve` as that client needs it.

The SDKs for Python, Node and browsers themselves run in tests/sdks; for Go and for Amplitude's evaluation-proxy their
requests stand here.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from serving import ADA, CHECKOUT, REMOTE, a_repository, a_session

from reconciler.cli.emulation import EMULATOR_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROXY = {"deployment": "web", "management": EMULATOR_KEY, "cohorts": ("api-key", "secret-key")}
"""What the proxy is configured with."""
ODD = {"user_id": "ada?>~é@example.com", "device_id": "", "user_properties": {"plan": "p+r/o"}}
"""A user whose JSON has both letters in base64 in which its alphabets differ, and needs padding."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client without any header of its own."""
    root = a_repository(tmp_path, CHECKOUT, REMOTE)
    (root / "cohorts.json").write_text('{"beta": ["lin", "ann"]}')
    with (
        a_session(root, cohorts=root / "cohorts.json") as (_, session),
        httpx.Client(base_url=session.base_url) as client,
    ):
        yield client


def encoded(value: Any, *, urlsafe: bool) -> str:
    """JSON in base64: of Go in the standard alphabet with padding, of Node in the other one without."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=") if urlsafe else base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("library", "query"),
    [
        ("experiment-python-server/1.13.0", "?v=0"),
        ("experiment-node-server/1.13.6", ""),
        ("experiment-go-server/1.9.0", "?v=0"),
        ("experiment-js-client/1.23.1", "?delivery_method=web"),
        ("evaluation-proxy", "?v=0"),
    ],
)
def test_flags(client: httpx.Client, library: str, query: str) -> None:
    """A JSON array, in which nothing stands that one of them does not know."""
    headers = {"Authorization": "Api-Key web", "Content-Type": "application/json", "X-Amp-Exp-Library": library}
    answer = client.get(f"/sdk/v2/flags{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert [flag["key"] for flag in answer.json()] == ["new-checkout", "search"]
    for flag in answer.json():
        assert flag.keys() <= {"key", "metadata", "dependencies", "variants", "segments"}
        assert {name for item in flag["segments"] for name in item} <= {
            "metadata", "bucket", "conditions", "variant",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "query", "urlsafe"),
    [
        ("POST", "?v=0", None),
        ("GET", "?v=0", True),
        ("GET", "", False),
        ("GET", "?v=0&eval_mode=remote&delivery_method=feature", True),
    ],
    ids=["python", "node", "go", "browser"],
)
@pytest.mark.parametrize("user", [ADA, ODD])
def test_variants(client: httpx.Client, method: str, query: str, urlsafe: bool | None, user: Any) -> None:
    """A user in the body with nulls, or in a header in either alphabet; of all flags, and of those that are named."""
    headers = {"Authorization": "Api-Key web"}
    if urlsafe is None:
        asked = {"content": json.dumps(user | {"country": None, "groups": None}), "headers": headers}
    else:
        asked = {"headers": headers | {"X-Amp-Exp-User": encoded(user, urlsafe=urlsafe)}}
    if urlsafe:
        asked["headers"] |= {"X-Amp-Exp-Track": "no-track", "X-Amp-Exp-Exposure-Track": "no-track"}
    answer = client.request(method, f"/sdk/v2/vardata{query}", **asked)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"new-checkout", "search"}
    expected = client.post("/sdk/v2/vardata", json=user, headers=headers).json()
    assert answer.json() == expected
    if user == ADA:
        assert answer.json()["search"]["key"] == "treatment"
    for alphabet in (True, False):
        asked["headers"] |= {"X-Amp-Exp-Flag-Keys": encoded(["search"], urlsafe=alphabet)}
        assert client.request(method, f"/sdk/v2/vardata{query}", **asked).json() == {"search": expected["search"]}


def test_what_the_proxy_reads(client: httpx.Client) -> None:
    """Deployments with all of the five fields it needs, the flags of one by its key there, and members of cohorts."""
    bearer = {"Authorization": f"Bearer {PROXY['management']}"}
    found = client.get("/api/1/deployments", headers=bearer).json()["deployments"]
    assert [item.keys() >= {"id", "projectId", "label", "key", "deleted"} for item in found] == [True, True]
    (web,) = [item for item in found if item["label"] == PROXY["deployment"]]
    assert (web["id"], web["projectId"], web["deleted"]) == ("67", "7", False)
    flags = client.get("/sdk/v2/flags?v=0", headers={"Authorization": f"Api-Key {web['key']}"}).json()
    assert [flag["key"] for flag in flags] == ["new-checkout", "search"]
    asked = {
        value
        for flag in flags
        for segment in flag["segments"]
        for alternative in segment.get("conditions", ())
        for condition in alternative
        if condition["selector"][-1] == "cohort_ids"
        for value in condition["values"]
    }
    assert asked == {"beta"}
    cohort = client.get("/sdk/v1/cohort/beta?maxCohortSize=2147483647", auth=PROXY["cohorts"])
    assert (cohort.status_code, cohort.json()["memberIds"], cohort.json()["groupType"]) == (
        200,
        ["lin", "ann"],
        "User",
    )
    again = {"maxCohortSize": 2147483647, "lastModified": cohort.json()["lastModified"]}
    assert client.get("/sdk/v1/cohort/beta", params=again, auth=PROXY["cohorts"]).status_code == 204
    assert client.get("/api/1/deployments", headers={"Authorization": "Bearer other"}).status_code == 401


def test_plain_http(client: httpx.Client) -> None:
    """As documented for those without an SDK: parameters of the query, or a context."""
    headers = {"Authorization": "Api-Key web"}
    params = {"user_id": "ada@example.com", "flag_keys": "search", "context": json.dumps({"country": "US"})}
    for method in ("GET", "POST"):
        answer = client.request(method, "/v1/vardata", params=params, headers=headers)
        assert (answer.status_code, answer.json()) == (
            200,
            {"search": {"key": "treatment", "value": "treatment", "payload": {"layout": "classic"}}},
        )
    assert client.get("/v1/vardata", params={"context": "{"}, headers=headers).status_code == 400
    assert client.get("/v1/vardata", params=params, headers={"Authorization": "Api-Key none"}).status_code == 401
    assert [item["key"] for item in client.get("/v1/flags?flag_keys=search", headers=headers).json()] == ["search"]

"""`emulator` answers SDKs too, from its own state, as it is edited over the Management API."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from emulators import KEY, PROJECT, an_emulator
from serving import CHECKOUT, DEPLOYMENT, events, variants

from reconciler.cli.feeding import with_sdks
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.emulator import Emulator

BEARER = {"Authorization": f"Bearer {KEY}"}
ADA = {"user_id": "ada@example.com"}


@pytest.fixture
def emulator() -> Emulator:
    """An emulator with the flag attached to the deployment `web`."""
    return an_emulator(CHECKOUT | {"id": "1", "deployments": ["67"]})


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of it that is the deployment `web`."""
    app, feed = with_sdks(emulator, {})
    with serve(app, on_stop=feed.close) as url, httpx.Client(base_url=url, headers=DEPLOYMENT) as client:
        yield client


def edit(client: httpx.Client, method: str, path: str, body: Any) -> None:
    """One call of the Management API."""
    assert client.request(method, f"/api/1{path}", json=body, headers=BEARER).status_code == 200


def test_edits_are_served_and_streamed(client: httpx.Client) -> None:
    """A flag that is edited, detached and attached again, each at once."""
    with client.stream("GET", "/sdk/stream/v1/flags") as stream:
        seen = events(stream.iter_lines())
        assert len(next(seen)[0]["segments"]) > 1
        edit(client, "PATCH", "/flags/1", {"enabled": False})
        assert len(next(seen)[0]["segments"]) == 1
        assert variants(client, ADA) == {"new-checkout": "off"}
        edit(client, "PATCH", "/flags/1", {"name": "Another name, which SDKs are not told"})
        client.delete("/api/1/flags/1/deployments/67", headers=BEARER)
        assert next(seen) == []
        edit(client, "POST", "/flags/1/deployments", {"deployments": ["67"]})
        assert [flag["key"] for flag in next(seen)] == ["new-checkout"]


def test_a_flag_that_others_depend_on(client: httpx.Client, emulator: Emulator) -> None:
    """It comes along where it is not attached, marked, and no user is told its variant there."""
    depends = {"parentDependencies": {"flags": {"1": ["treatment"]}, "operator": "all"}}
    emulator.store.seed_flag(
        CHECKOUT | depends | {"projectId": PROJECT, "id": "2", "key": "child", "deployments": ["67", "68"]}
    )
    for key, deployed in (("web", True), ("mobile", False), ("web", True)):
        headers = {"Authorization": f"Api-Key {key}"}
        child, parent = client.get("/sdk/v2/flags", headers=headers).json()
        assert (child["dependencies"], parent["metadata"]["deployed"]) == (["new-checkout"], deployed)
        found = client.post("/sdk/v2/vardata", json={"user_id": "lin"}, headers=headers).json()
        assert set(found) == ({"child", "new-checkout"} if deployed else {"child"})


@pytest.mark.parametrize("path", ["/sdk/v2/flags", "/api/1/flags", "/_emulator/state"])
def test_no_other_site_can_point_its_name_here(client: httpx.Client, path: str) -> None:
    """A page that does is told nothing, and changes nothing."""
    headers = {**BEARER, "Host": "attacker.example.com"} if path.startswith("/api") else {"Host": "example.com:80"}
    assert client.get(path, headers=headers).status_code == 421
    assert client.get(path, headers={**BEARER} if path.startswith("/api") else {}).status_code == 200


def test_a_deployment_that_is_archived_is_unknown(client: httpx.Client) -> None:
    """Until it is back; a new one is known at once by its key, id and label."""
    for archive, status in ((True, 401), (False, 200)):
        edit(client, "PATCH", "/deployments/67", {"archive": archive})
        assert client.get("/sdk/v2/flags").status_code == status
    body = {"projectId": PROJECT, "label": "backend", "type": "server"}
    made = client.post("/api/1/deployments", json=body, headers=BEARER).json()["id"]
    for name in ("backend", made, f"server-{made}"):
        assert client.get("/sdk/v2/flags", headers={"Authorization": f"Api-Key {name}"}).json() == []


def test_without_the_engine(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags are served without Amplitude's package; who gets what is answered with what to install."""
    for name in [name for name in sys.modules if name.startswith(("amplitude_experiment", "reconciler.sdk.engine"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amplitude_experiment", None)
    assert len(client.get("/sdk/v2/flags").json()) == 1
    for path in ("/sdk/v2/vardata", "/ofrep/v1/evaluate/flags"):
        answer = client.post(path, json={})
        assert (answer.status_code, "amplitude-flag-reconciler[serve]" in answer.text) == (501, True)


def test_the_command_serves_both(tmp_path: Any) -> None:
    """The Management API and what SDKs ask, at one address, with the names of the configuration."""
    (tmp_path / "reconciler.yaml").write_text('version: 1\nprojectId: "7"\ndeployments: {web: "67"}\n')
    command = [sys.executable, "-m", "reconciler", "emulator", "--quiet"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
    ) as process:
        assert process.stdout is not None
        url, key = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
        with httpx.Client(base_url=url, headers=DEPLOYMENT) as client:
            body = {"projectId": "7", "key": "new-checkout", "deployments": ["67"]}
            created = client.post("/api/1/flags", json=body, headers={"Authorization": f"Bearer {key}"})
            assert created.status_code == 200
            assert [flag["key"] for flag in client.get("/sdk/v2/flags").json()] == ["new-checkout"]
        process.terminate()
        assert process.wait(60) == 143

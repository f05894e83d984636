"""Deployments one by one, created and edited: what Amplitude's own command line asks."""

from __future__ import annotations

from typing import Any

import pytest
from emulators import OTHER_PROJECT, PROJECT, an_emulator, ask

WEB = {"id": "67", "projectId": PROJECT, "label": "web", "key": "client-67", "deleted": False}


def test_one_deployment() -> None:
    """It is shown as in the list of all; one that is not there is a 404."""
    emulator = an_emulator()
    assert ask(emulator, "GET", "/deployments/67").json() == WEB
    assert ask(emulator, "GET", "/deployments").json()["deployments"][0] == WEB
    assert ask(emulator, "GET", "/deployments/99").status == 404


def test_a_new_deployment() -> None:
    """It has an id and a key of its own, and flags can be attached to it."""
    emulator = an_emulator({"id": "1", "key": "new-checkout"})
    body = {"projectId": PROJECT, "label": "backend", "type": "server"}
    created = ask(emulator, "POST", "/deployments", body).json()["id"]
    shown = ask(emulator, "GET", f"/deployments/{created}").json()
    assert (shown["label"], shown["projectId"], shown["deleted"]) == ("backend", PROJECT, False)
    assert shown["key"] not in {"client-67", "client-68", "client-69"}
    assert ask(emulator, "POST", "/flags/1/deployments", {"deployments": [created]}).status == 200


def test_an_edit() -> None:
    """A label changes; an archived deployment is marked, and comes back."""
    emulator = an_emulator()
    assert ask(emulator, "PATCH", "/deployments/67", {"label": "shop"}).body == b"OK"
    assert ask(emulator, "GET", "/deployments/67").json() == WEB | {"label": "shop"}
    for archive in (True, False):
        assert ask(emulator, "PATCH", "/deployments/67", {"archive": archive}).status == 200
        assert ask(emulator, "GET", "/deployments/67").json()["deleted"] is archive


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/deployments", {"projectId": PROJECT, "label": "x"}, 400),
        ("POST", "/deployments", {"projectId": PROJECT, "label": "x", "type": "browser"}, 400),
        ("POST", "/deployments", {"projectId": PROJECT, "label": "", "type": "client"}, 400),
        ("POST", "/deployments", {"projectId": "99", "label": "x", "type": "client"}, 403),
        ("PATCH", "/deployments/67", {}, 400),
        ("PATCH", "/deployments/67", {"type": "server"}, 400),
        ("PATCH", "/deployments/99", {"label": "x"}, 404),
        ("DELETE", "/deployments/67", None, 405),
    ],
)
def test_what_is_refused(method: str, path: str, body: Any, status: int) -> None:
    """Unknown fields, kinds and ids, and projects that the key does not reach."""
    emulator = an_emulator(projects={PROJECT: {"67": "web"}, OTHER_PROJECT: {}})
    assert ask(emulator, method, path, body).status == status

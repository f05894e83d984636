"""What the fixture for applications asks its server, and which deployment's key it gives."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from reconciler.pytest_plugin import Flags, _chosen, _path

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "http://127.0.0.1:1"


@pytest.fixture
def asked() -> list[tuple[str, str, Any]]:
    return []


@pytest.fixture
def server(asked: list[tuple[str, str, Any]]) -> Iterator[httpx.Client]:
    """A client of a server that knows the flag `banner` alone."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, json.loads(request.content or b"null")))
        return httpx.Response(200 if "nothing" not in request.url.path else 404, text='no flag "nothing"')

    with httpx.Client(base_url=URL, transport=httpx.MockTransport(answer)) as client:
        yield client


def test_overrides_are_set_and_cleared(asked: list[tuple[str, str, Any]], server: httpx.Client) -> None:
    """For everyone or one user, whoever that is; what the server refuses is an error in its words."""
    flags = Flags(URL, ["web"], server)
    flags.set("banner", "on")
    flags.set("banner", "off", user="ada")
    flags.set("banner", "off", user="")
    flags.clear()
    with pytest.raises(ValueError, match='no flag "nothing"'):
        flags.set("nothing", "on")
    path = "/_serve/overrides"
    assert asked == [
        ("PUT", f"{path}/banner", {"variant": "on"}),
        ("PUT", f"{path}/banner", {"variant": "off", "user": "ada"}),
        ("PUT", f"{path}/banner", {"variant": "off", "user": ""}),
        ("DELETE", path, None),
        ("PUT", f"{path}/nothing", {"variant": "on"}),
    ]
    assert flags.url == URL


def test_what_cannot_be_cleared_is_an_error() -> None:
    """The next test would begin with the overrides of this one."""
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    with httpx.Client(base_url=URL, transport=transport) as client, pytest.raises(httpx.HTTPStatusError):
        Flags(URL, ["web"], client).clear()


def test_the_key_is_that_of_the_only_deployment(server: httpx.Client) -> None:
    """Or of the chosen one; of several none is guessed."""
    names = ["ios", "web"]
    assert Flags(URL, _chosen("", ["web"]), server).deployment_key == "web"
    assert Flags(URL, _chosen("web", names), server).deployment_key == "web"
    assert _chosen("", names) == names
    with pytest.raises(ValueError, match=r"ios, web\. Choose one with"):
        _ = Flags(URL, names, server).deployment_key
    with pytest.raises(pytest.UsageError, match='there is no deployment "tv": ios, web'):
        _chosen("tv", names)


@pytest.mark.parametrize(("given", "path"), [("", None), ("a/b.yaml", Path("/root/a/b.yaml")), ("/c", Path("/c"))])
def test_paths_are_relative_to_the_configuration_of_pytest(given: str, path: Path | None) -> None:
    config = SimpleNamespace(rootpath=Path("/root"), getini={"reconciler_config": given}.__getitem__)
    assert _path(cast("pytest.Config", config), "reconciler_config") == path

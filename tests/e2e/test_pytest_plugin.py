"""The fixture for applications, where the configuration names several deployments."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from workflow_runner import bare_environ

if TYPE_CHECKING:
    from pathlib import Path

FLAG = """\
key: banner
enabled: true
rolloutPercentage: 0
variants: [{key: "on"}]
deployments: [web]
"""
TEST = """\
import json, urllib.request

def asked(flags, key):
    address = f"{flags.url}/v1/vardata?user_id=u&flag_keys=banner"
    request = urllib.request.Request(address, headers={"Authorization": f"Api-Key {key}"})
    return json.load(urllib.request.urlopen(request))

def test_chosen(flags):
    flags.set("banner", "on")
    assert asked(flags, flags.deployment_key)["banner"]["key"] == "on"

def test_named(flags):
    flags.set("banner", "on")
    assert asked(flags, "web")["banner"]["key"] == "on"
    assert asked(flags, "ios") == {}
"""

OVERRIDES = """\
import json, pytest, urllib.request

@pytest.fixture
def key(served_flags):
    served_flags.set("banner", "on")  # before `flags` is asked for

def shown(flags, user):
    address = f"{flags.url}/v1/vardata?user_id={user}&flag_keys=banner"
    request = urllib.request.Request(address, headers={"Authorization": f"Api-Key {flags.deployment_key}"})
    return [variant["key"] for variant in json.load(urllib.request.urlopen(request)).values()]

def test_begins_without(key, flags):
    assert shown(flags, "ada") == []

def test_one_user(flags):
    flags.set("banner", "on", user="ada")
    assert (shown(flags, "ada"), shown(flags, "bob")) == (["on"], [])

def test_is_over_with_its_test(served_flags):
    assert shown(served_flags, "ada") == []

def test_everyone_until_it_is_cleared(flags):
    flags.set("banner", "on")
    assert (shown(flags, "ada"), shown(flags, "bob")) == (["on"], ["on"])
    flags.clear()
    assert (shown(flags, "ada"), shown(flags, "bob")) == ([], [])

@pytest.mark.parametrize(("flag", "variant"), [("nothing", "on"), ("banner", "red")])
def test_what_there_is_not(flags, flag, variant):
    with pytest.raises(ValueError, match=f'"{flag}"'):
        flags.set(flag, variant)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application whose flag is attached to the second of two deployments."""
    config = 'version: 1\nprojectId: "7"\ndeployments: {ios: "68", web: "67"}\n'
    for name, text in (("reconciler.yaml", config), ("flags/banner.yaml", FLAG), ("test_app.py", TEST)):
        file = tmp_path / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "app"


def ran(app: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The application's tests, run as its developers do."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "reconciler.pytest_plugin", "-p", "no:cacheprovider"]
    home = app.parent / str(len(options))
    home.mkdir()
    environ = {**bare_environ(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    return subprocess.run([*command, *options], cwd=app, env=environ, capture_output=True, text=True, check=False)


def test_the_deployment_is_chosen_in_the_configuration_of_pytest(app: Path) -> None:
    """Flags are attached to deployments, so another one's key would show the application other flags."""
    done = ran(app, "-o", "reconciler_deployment=web")
    assert done.stdout.splitlines()[-1].startswith("2 passed"), done.stdout + done.stderr


def test_none_is_guessed(app: Path) -> None:
    """Where several are named and none is chosen, the key says so; who names a deployment needs none."""
    done = ran(app)
    assert "ios, web" in done.stdout
    assert "reconciler_deployment" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed"), done.stdout + done.stderr
    done = ran(app, "-o", "reconciler_deployment=tv")
    assert 'no deployment "tv"' in done.stdout + done.stderr
    assert "passed" not in done.stdout


def test_a_proxy_is_not_asked(app: Path) -> None:
    """The one of the environment, as in many a CI: it does not reach this machine's server."""
    (app / "test_app.py").write_text('def test_set(flags):\n    flags.set("banner", "on")\n')
    done = ran(app, HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1")
    assert done.stdout.splitlines()[-1].startswith("1 passed"), done.stdout + done.stderr


@pytest.mark.parametrize(("environment", "expected"), [("staging", "1 passed"), ("production", "1 failed")])
def test_the_configuration_and_its_environment_are_chosen(app: Path, environment: str, expected: str) -> None:
    """By pytest's own configuration: the flag is on in one environment only."""
    (app / "conf").mkdir()
    (app / "flags").rename(app / "conf/flags")
    (app / "conf/flags/banner.yaml").write_text(
        FLAG + "bucketingKey: user_id\nenvironments: {staging: {rolloutPercentage: 100}}\n"
    )
    environments = 'environments: {production: {projectId: "7"}, staging: {projectId: "8"}}\n'
    (app / "conf/flags.yaml").write_text('version: 1\ndeployments: {web: "67"}\n' + environments)
    (app / "reconciler.yaml").unlink()
    (app / "test_app.py").write_text(
        TEST.partition("def test_chosen")[0]
        + 'def test_on(flags):\n    assert asked(flags, flags.deployment_key)["banner"]["key"] == "on"\n'
    )
    done = ran(app, "-o", "reconciler_config=conf/flags.yaml", "-o", f"reconciler_env={environment}")
    assert done.stdout.splitlines()[-1].startswith(expected), done.stdout + done.stderr


def test_what_a_test_sets_ends_with_it(app: Path) -> None:
    """For everyone or for one user; what was set before is over, and what there is not cannot be set."""
    (app / "reconciler.yaml").write_text('version: 1\nprojectId: "7"\ndeployments: {web: "67"}\n')
    (app / "test_app.py").write_text(OVERRIDES)
    done = ran(app)
    assert done.stdout.splitlines()[-1].startswith("6 passed"), done.stdout + done.stderr

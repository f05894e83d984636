"""What the published tests of Amplitude's SDKs expect of a project: the same situations, on flags that we serve.

Written from what those tests (of the SDKs for Python, Node, Go, Ruby, PHP and the JVM) show of their flags and users.
The flags stand in situations/flags and what they claim beside them. Only address and key are others. What cannot be
had:

- `sdk-local-evaluation-group-cohort-ci-test`: cohorts of groups. The Management API knows cohorts of users only.
- a segment of a cohort, as `sdk-cohort-ci-test` has: flag files cannot declare it. Its cohort is listed instead.
- the holdout and mutual exclusion groups of `sdk-ci-local-dependencies-test` and `…-holdout`: the API shows and
  changes flags only. Here flags of the same keys, salts and weights stand for them, and dependencies are live only.
- what is asked of the SDK alone: a missing key, retries after 1 ms, pools of connections, and mocked answers.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from amplitude_experiment import User
from amplitude_experiment.cohort.cohort_sync_config import CohortSyncConfig
from amplitude_experiment.remote.fetch_options import FetchOptions
from emulators import PROJECT, an_emulator
from sdks import test_node_sdks
from sdks.test_python_sdk import local_client, remote_client
from serving import a_session

from reconciler.cli.feeding import with_sdks
from reconciler.cli.main import run
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore")
"""The SDK warns of its own use of its libraries."""

HERE = Path(__file__).parent / "situations"
TEST_USER = {"user_id": "test_user"}
BOTH_IDS = {"user_id": "user_id", "device_id": "device_id"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of what the files declare."""
    root = tmp_path / "situations"
    shutil.copytree(HERE, root)
    with a_session(root, cohorts=root / "cohorts.json") as (_, http):
        yield str(http.base_url)


def shown(variant: Any) -> tuple[Any, ...] | None:
    """What those tests compare."""
    return None if variant is None else (variant.key, variant.value, variant.payload)


def given(client: Any, user: dict[str, Any], keys: set[str] | None = None) -> dict[str, Any]:
    """What a user gets of the deployed flags, without those of which that is the default."""
    found = client.evaluate_v2(User(**user), keys)
    return {
        key: variant
        for key, variant in found.items()
        if variant.metadata.get("deployed", True) and not variant.metadata.get("default")
    }


def test_the_claims_hold_for_all_users(capsys: pytest.CaptureFixture[str]) -> None:
    """`reconciler test` proves what the SDKs' tests try with a user each."""
    assert run(["test", "--config", str(HERE / "reconciler.yaml")]) == 0
    assert capsys.readouterr().out == "9 proved.\n"


def test_local_evaluation(url: str) -> None:
    """All flags, one flag, a key that there is not, payloads, cohorts of users, and lists."""
    sync = CohortSyncConfig(api_key="any", secret_key="any", cohort_server_url=url)
    with local_client(url, cohort_sync_config=sync) as client:
        on = ("on", "on", "payload")
        assert shown(given(client, TEST_USER).get("sdk-local-evaluation-ci-test")) == on
        one = given(client, TEST_USER, {"sdk-local-evaluation-ci-test"})
        assert {key: shown(variant) for key, variant in one.items()} == {"sdk-local-evaluation-ci-test": on}
        assert given(client, TEST_USER, {"does-not-exist"}) == {}
        assert "sdk-ci-test" not in given(client, TEST_USER), "a flag of the remote mode"
        payload = given(client, TEST_USER)["sdk-payload-ci-test"].payload
        assert payload == {"key1": "val1", "key2": "val2"}
        payload = given(client, {"device_id": "device_id"})["sdk-payload-ci-test"].payload
        assert payload == [{"key1": "obj1"}, {"key2": "obj2"}]
        cohort = "sdk-local-evaluation-user-cohort-ci-test"
        for member, expected in (("12345", ("on", "on", None)), ("23456", ("on", "on", None)), ("34567", None)):
            assert shown(given(client, BOTH_IDS | {"user_id": member}).get(cohort)) == expected
        for name in ("control", "treatment"):
            assert given(client, {"user_id": name})["sdk-ci-local-test-instrumentation-test"].key == name


def test_remote_evaluation(url: str) -> None:
    """The flag of the remote mode with its payload; flags by name."""
    with remote_client(url) as client:
        assert shown(client.fetch_v2(User(**TEST_USER))["sdk-ci-test"]) == ("on", "on", "payload")
        for tracks in (True, False):
            options = FetchOptions(tracksAssignment=tracks, tracksExposure=not tracks, flagKeys=["sdk-ci-test"])
            assert list(client.fetch_v2(User(**TEST_USER), options)) == ["sdk-ci-test"]


def test_an_invalid_key_fails_at_the_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the answer of the service."""
    monkeypatch.setattr("sdks.test_python_sdk.LocalEvaluationClient", _with_another_key)
    with pytest.raises(Exception, match="401"), local_client(url):
        pass


def _with_another_key(_: str, config: Any) -> Any:
    from amplitude_experiment import LocalEvaluationClient

    return LocalEvaluationClient("client-of-no-deployment", config)


@pytest.mark.skipif(test_node_sdks.pytestmark.args[0], reason="The SDKs for Node are not here.")
def test_node(url: str) -> None:
    """The same of the SDK for Node, local and remote."""
    users = [TEST_USER, {"user_id": "12345"}, {"device_id": "device_id"}]
    for answers in test_node_sdks.ask(url, ("local", "remote"), users):
        assert answers["local"] | {"sdk-ci-test": "on"} == answers["remote"]
        assert answers["local"]["sdk-local-evaluation-ci-test"] == "on"
    first, member, bare = (item["remote"] for item in test_node_sdks.ask(url, ("remote",), users))
    assert (first["sdk-payload-ci-test"], bare["sdk-payload-ci-test"]) == ("jsonobject", "jsonarray")
    cohort = "sdk-local-evaluation-user-cohort-ci-test"
    assert (first[cohort], member[cohort]) == ("off", "on")


def group(number: int, key: str, salt: str, **weights: int) -> dict[str, Any]:
    """A flag that stands for a group of experiments."""
    return {
        "id": str(number), "projectId": PROJECT, "key": key, "enabled": True, "evaluationMode": "local",
        "bucketingKey": "device_id", "bucketingSalt": salt, "rolloutPercentage": 100, "rolloutWeights": weights,
        "variants": [{"key": name} for name in weights],
    }  # fmt: skip


def depending(number: int, key: str, **parents: list[str]) -> dict[str, Any]:
    """A flag that lets those through who have these variants of others."""
    flags = {name.removeprefix("f"): allowed for name, allowed in parents.items()}
    return group(number, key, "any", control=1) | {
        "deployments": ["67"], "parentDependencies": {"operator": "ALL", "flags": flags},
    }  # fmt: skip


def test_dependencies() -> None:
    """Whom the holdout keeps out has none of the one flag, and `control` of the other."""
    app, feed = with_sdks(
        an_emulator(
            group(901, "holdout-group", "nI33zio8", holdout=1, on=99),
            group(902, "mutex-group", "any", **{"slot-1": 1}),
            group(903, "force-holdout", "ubvfZywq", holdout=99, on=1),
            depending(904, "sdk-ci-local-dependencies-test", f901=["on"], f902=["slot-1"]),
            depending(905, "sdk-ci-local-dependencies-test-holdout", f903=["on"]),
        ),
        {},
    )
    with serve(app, on_stop=feed.close) as url, local_client(url) as client:
        for keys in (None, {"sdk-ci-local-dependencies-test"}):
            found = given(client, BOTH_IDS, keys)
            assert shown(found.get("sdk-ci-local-dependencies-test")) == ("control", "control", None)
            assert "sdk-ci-local-dependencies-test-holdout" not in found
            assert "holdout-group" not in found
        assert given(client, BOTH_IDS, {"does-not-exist"}) == {}

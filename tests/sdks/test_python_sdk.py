"""Amplitude's SDK for Python, unmodified, on what is served: local, remote and streaming, beside our evaluation."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from amplitude_experiment import (
    LocalEvaluationClient,
    LocalEvaluationConfig,
    RemoteEvaluationClient,
    RemoteEvaluationConfig,
    User,
)
from amplitude_experiment.cohort.cohort_sync_config import CohortSyncConfig
from emulators import KEY, PROJECT, an_emulator
from evaluations import evaluator_of
from msgspec.structs import replace
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError
from random_flags import a_random_flag, a_random_user
from serving import CHECKOUT, a_repository, a_session, wait_for, write_flag

from reconciler.cli.feeding import record_of, with_sdks
from reconciler.cli.main import run
from reconciler.delivery import OFF
from reconciler.emulator.server import serve
from reconciler.model.flag import LiveFlag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.model.flag import FlagSpec

pytestmark = pytest.mark.filterwarnings("ignore")
"""The SDK warns of its own use of its libraries."""

FLAGS, USERS = 20, 2_000
LOGGER = logging.getLogger("amplitude-of-tests")
LOGGER.disabled = True


@contextmanager
def local_client(url: str, **options: Any) -> Iterator[Any]:
    """A client that evaluates here, started."""
    patience = 60_000  # of a machine with much to do: after it the SDK would poll
    config = LocalEvaluationConfig(
        server_url=url, stream_server_url=url, stream_flag_conn_timeout=patience, logger=LOGGER, **options
    )
    client = LocalEvaluationClient("web", config)
    client.start()
    try:
        yield client
    finally:
        client.stop()


@contextmanager
def remote_client(url: str) -> Iterator[Any]:
    """A client that asks the server."""
    with RemoteEvaluationClient("web", RemoteEvaluationConfig(server_url=url, logger=LOGGER)) as client:
        yield client


def random_specs(random: Random, count: int) -> dict[str, FlagSpec]:
    """Flags of the local mode, attached to the deployment `web`, by key."""
    return {
        f"flag-{number}": replace(
            a_random_flag(random), key=f"flag-{number}", evaluation_mode="local", deployments=("67",)
        )
        for number in range(count)
    }


def people(random: Random, count: int) -> list[dict[str, Any]]:
    """Users as this SDK can describe them."""
    users = (a_random_user(random, number) for number in range(count))
    return [{name: value for name, value in user.items() if name != "amplitude_id"} for user in users]


def seeded(specs: dict[str, FlagSpec]) -> Any:
    """An emulator that holds the flags."""
    flags = (LiveFlag(id="", project_id=PROJECT, spec=spec) for spec in specs.values())
    return an_emulator(*map(record_of, flags))


def compare(specs: dict[str, FlagSpec], users: list[dict[str, Any]], *urls: str) -> None:
    """On every server each client gives every user the variants that we say."""
    expected = {key: evaluator_of(spec) for key, spec in specs.items()}
    with ExitStack() as stack:
        clients = [
            client
            for url in urls
            for client in (
                stack.enter_context(local_client(url)),
                stack.enter_context(local_client(url, stream_updates=True)),
            )
        ]
        remotes = [stack.enter_context(remote_client(url)) for url in urls]
        for fields in users:
            ours = {key: evaluator.evaluate(fields).variant for key, evaluator in expected.items()}
            for client in clients:
                assert {key: item.key for key, item in client.evaluate_v2(User(**fields)).items()} == ours
            for client in remotes:
                assert {key: item.key for key, item in client.fetch_v2(User(**fields)).items()} == ours


def test_every_client_gives_what_we_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local, streaming and remote, on the emulator and on what is live of it: the same variants for every user."""
    random = Random(20)
    specs = random_specs(random, FLAGS)
    emulator = seeded(specs)
    app, feed = with_sdks(emulator, {})
    with serve(app, on_stop=feed.close) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", KEY)
        root = a_repository(tmp_path)
        with a_session(root, source="live") as (_, http):
            compare(specs, people(random, USERS // 10), url, str(http.base_url))
            compare(specs, people(random, USERS), url)


@pytest.mark.long
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("seed", range(20))
def test_every_client_gives_what_we_give_long(seed: int) -> None:
    """200 flags for 100,000 users each, ten flags and their users at a time."""
    random = Random(1000 + seed)
    specs = random_specs(random, 10)
    app, feed = with_sdks(seeded(specs), {})
    with serve(app, on_stop=feed.close) as url:
        compare(specs, people(random, 100_000), url)


def test_a_streaming_client_follows_an_edit(tmp_path: Path) -> None:
    """It has the new flags as soon as the file has changed, without asking again."""
    root, ada = a_repository(tmp_path, CHECKOUT), User(user_id="ada@example.com")
    with a_session(root, watches=True) as (_, http), local_client(str(http.base_url), stream_updates=True) as client:
        assert client.evaluate_v2(ada)["new-checkout"].payload == {"layout": "classic"}
        for enabled in (False, True):
            write_flag(root, CHECKOUT | {"enabled": enabled})
            wait_for(lambda wanted=enabled: (client.evaluate_v2(ada)["new-checkout"].key != OFF) is wanted)


def test_cohorts_are_downloaded(tmp_path: Path) -> None:
    """A client that syncs cohorts knows the members of the file."""
    file = tmp_path / "cohorts.json"
    file.write_text('{"beta": ["lin"]}')
    with a_session(a_repository(tmp_path, CHECKOUT | {"rolloutPercentage": 0}), cohorts=file) as (_, http):
        sync = CohortSyncConfig(api_key="any", secret_key="any", cohort_server_url=str(http.base_url))
        with local_client(str(http.base_url), cohort_sync_config=sync) as client:
            found = [client.evaluate_v2(User(user_id=name))["new-checkout"].key for name in ("lin", "kim")]
    assert found == ["treatment", OFF]


def test_a_plan_before_its_apply_and_live_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What clients get of a saved plan is what they get live once it is applied."""
    random = Random(23)
    flags = 5
    emulator = seeded(random_specs(random, flags))
    root, users = a_repository(tmp_path), people(random, 200)
    for key in random_specs(random, flags):
        write_flag(root, {"key": key, "enabled": True, "rolloutPercentage": random.randint(1, 99)})
    app, feed = with_sdks(emulator, {})
    with serve(app, on_stop=feed.close) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", KEY)
        monkeypatch.chdir(root)
        assert run(["plan", "--out", "plan.json", "--quiet"]) == 0
        with a_session(root, source="plan.json") as (_, http):
            planned = answers(str(http.base_url), users)
        live = answers(url, users)
        assert run(["apply", "--auto-approve", "--quiet"]) == 0
        assert answers(url, users) == planned != live


def answers(url: str, users: list[dict[str, Any]]) -> list[Any]:
    """What local and remote evaluation give the users; they agree."""
    with local_client(url) as local, remote_client(url) as remote:
        found = [
            [{key: item.key for key, item in ask(User(**user)).items()} for user in users]
            for ask in (local.evaluate_v2, remote.fetch_v2)
        ]
    assert found[0] == found[1]
    return found[0]


def test_openfeature(tmp_path: Path) -> None:
    """OpenFeature's provider for OFREP gives values by their type, and the code's own default where there is none."""
    boolean = CHECKOUT | {"key": "banner", "variants": [{"key": "on"}], "rolloutWeights": {"on": 1}}
    number = boolean | {"key": "limit", "variants": [{"key": "on", "payload": 3}]}
    rate = boolean | {"key": "rate", "variants": [{"key": "on", "payload": 1.5}, {"key": "one", "payload": 1}]}
    word = CHECKOUT | {"key": "word", "variants": [{"key": "control"}, {"key": "treatment"}]}
    gone = CHECKOUT | {"key": "gone", "enabled": False}
    rate["rolloutWeights"] = {"one": 1}
    root = a_repository(tmp_path, CHECKOUT, boolean, number, rate, word, gone)
    context = EvaluationContext("ada@example.com", {"country": "US"})
    with a_session(root) as (_, http):
        provider = OFREPProvider(str(http.base_url), headers_factory=lambda: {"Authorization": "Bearer web"})
        with provider.session:
            assert provider.resolve_object_details("new-checkout", {}, context).value == {"layout": "classic"}
            assert provider.resolve_boolean_details("banner", False, context).value is True
            assert provider.resolve_integer_details("limit", 0, context).value == 3
            assert provider.resolve_float_details("rate", 0.0, context).value == 1.0
            assert provider.resolve_string_details("word", "", context).value in {"control", "treatment"}
            found = provider.resolve_object_details("gone", {"own": 1}, context)
            assert (found.value, found.variant, found.reason) == ({"own": 1}, OFF, "DISABLED")
            with pytest.raises(FlagNotFoundError):
                provider.resolve_boolean_details("other", False, context)

"""SDKs and providers for Node and browsers, unmodified, on what is served. `make sdks` fetches them with npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from evaluations import evaluator_of
from sdks.test_python_sdk import people, random_specs, seeded

from reconciler.cli.feeding import with_sdks
from reconciler.emulator.server import serve
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.sdk.cohorts import Cohorts

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent / "node"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules" / "@amplitude").is_dir(),
    reason="The SDKs for Node are not here: `make sdks` fetches them, where npm is.",
)

FLAGS, USERS = 20, 100


def ask(url: str, clients: Sequence[str], users: list[dict[str, Any]], flags: Sequence[str] = ()) -> list[Any]:
    """What each client gives each user, by flag."""
    lines = "".join(json.dumps({"user": user, "flags": flags}) + "\n" for user in users)
    done = subprocess.run(
        [str(NODE), "ask.js", url, *clients], cwd=HERE, input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(specs: dict[str, FlagSpec], users: list[dict[str, Any]]) -> None:
    """Every client gives every user the variants that we say."""
    evaluators = {key: evaluator_of(spec) for key, spec in specs.items()}
    members = tuple(user["user_id"] for user in users if "c1" in user.pop("cohort_ids", ()) and "user_id" in user)
    app, feed = with_sdks(seeded(specs), {}, Cohorts(members={"c1": members}))
    clients = ("local", "streaming", "remote", "openfeature")
    with serve(app, on_stop=feed.close) as url:
        for user, answers in zip(users, ask(url, clients, users, list(specs)), strict=True):
            cohorts = ["c1"] if user.get("user_id") in members else []
            known = user | {"cohort_ids": cohorts}
            ours = {key: evaluator.evaluate(known).variant for key, evaluator in evaluators.items()}
            assert answers == dict.fromkeys(clients, ours), user


def plain(user: dict[str, Any]) -> dict[str, Any]:
    """The user without what Amplitude's own engines read otherwise; see the test below."""
    properties = {name: value for name, value in user["user_properties"].items() if value not in ("", [], "many")}
    return user | {"user_properties": properties}


def test_every_client_gives_what_we_give() -> None:
    """Local, streaming and remote evaluation, and OpenFeature: the same variants for every user."""
    random = Random(21)
    compare(random_specs(random, FLAGS), [plain(user) for user in people(random, USERS)])


@pytest.mark.long
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("seed", range(10))
def test_every_client_gives_what_we_give_long(seed: int) -> None:
    """200 flags for 100,000 users, twenty flags and a tenth of the users at a time."""
    random = Random(2000 + seed)
    compare(random_specs(random, FLAGS), [plain(user) for user in people(random, 10_000)])


@pytest.mark.parametrize(
    ("condition", "value", "python", "node"),
    [
        (Condition(prop="gp:x", op="set is not", values=("beta",)), [], False, True),
        (Condition(prop="gp:x", op="greater or equal", values=("10",)), "many", True, False),
        (Condition(prop="gp:x", op="is", values=("(none)",)), "", True, False),
        (Condition(prop="gp:x", op="is", values=("0",)), 0, False, True),
        (Condition(prop="gp:x", op="glob match", values=("a",)), "a\n", True, False),
        (Condition(prop="gp:x", op="glob match", values=("/shop/*",)), "/shop/é.[1]", True, True),
        (Condition(prop="gp:x", op="glob match", values=("a-b #**",)), "a-b #\n/", True, True),
    ],
    ids=str,
)
def test_what_engines_read_otherwise(condition: Condition, value: Any, python: bool, node: bool) -> None:
    """Empty values, text that is no number, and a line break at the end: the SDKs differ, not what they are given."""
    spec = FlagSpec(
        key="flag",
        enabled=True,
        evaluation_mode="local",
        rollout_percentage=0,
        variants=(Variant(key="on"),),
        deployments=("67",),
        target_segments=(
            TargetSegment(name="one", conditions=(condition,), percentage=100, rollout_weights=Weights((("on", 1),))),
        ),
    )
    app, feed = with_sdks(seeded({"flag": spec}), {})
    with serve(app, on_stop=feed.close) as url:
        (answer,) = ask(url, ("local", "remote"), [{"user_id": "u", "user_properties": {"x": value}}])
    assert {name: found["flag"] == "on" for name, found in answer.items()} == {"local": node, "remote": python}

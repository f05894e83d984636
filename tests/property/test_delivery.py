"""What SDKs get of a project's flags, evaluated by Amplitude's own engine, beside our evaluation."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from amplitude_experiment.evaluation.types import EvaluationFlag
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from random_flags import a_random_flag, a_random_user

from reconciler.delivery import deliver, pattern_of
from reconciler.evaluation.conditions import glob_pattern
from reconciler.evaluation.evaluate import Evaluator, FlagWithParents
from reconciler.model.flag import Dependencies, LiveFlag
from reconciler.sdk.engine import RemoteEvaluation, flag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECTS, FLAGS, USERS = 40, 8, 60


def a_project(random: Random, flags: int = FLAGS) -> list[LiveFlag]:
    """Flags of which some depend on earlier ones, some on one that is not there, and some are archived."""
    project: list[LiveFlag] = []
    for number in range(flags):
        mode = random.choice(("local", "remote"))
        spec = replace(a_random_flag(random), key=f"flag-{number}", evaluation_mode=mode, deployments=("67",))
        spec = replace(
            spec, archived=random.random() < 0.05, deployments=random.choice((("67",), ("67", "68"), ("68",)))
        )
        parents = random.sample(project, min(len(project), random.choice((0, 0, 1, 2))))
        ids = [*(parent.id for parent in parents), *(["gone"] if random.random() < 0.1 else [])]
        allowed = [tuple(random.sample(("v0", "v1", "off"), random.randint(0, 2))) for _ in ids]
        operator = random.choice(("all", "ANY", "all", "some"))
        project.append(
            LiveFlag(
                id=str(number),
                project_id="7",
                spec=spec,
                parent_dependencies=Dependencies(flags=tuple(zip(ids, allowed, strict=True)), operator=operator)
                if ids
                else None,
            )
        )
    return project


def ours(project: Sequence[LiveFlag], users: Sequence[Mapping[str, Any]]) -> dict[str, list[str | None]]:
    """The variants of the users by flag, as `evaluate` says."""
    evaluators = {
        flag.key: Evaluator(FlagWithParents(flag=flag, parents=tuple(project[:place])))
        for place, flag in enumerate(project)
    }
    return {key: [evaluator.evaluate(user).variant for user in users] for key, evaluator in evaluators.items()}


def test_the_engine_gives_what_we_give() -> None:
    """Of every flag that is delivered to a deployment, each user gets the variant that we say."""
    for seed in range(PROJECTS):
        random = Random(seed)
        project = a_project(random)
        users = [a_random_user(random, number) for number in range(USERS)]
        delivered = RemoteEvaluation(deliver(project, deployment="67"))
        expected = ours(project, users)
        attached = {flag.key for flag in project if "67" in (flag.spec.deployments or ()) and not flag.spec.archived}
        for place, user in enumerate(users):
            found = {key: variant["key"] for key, variant in delivered.evaluate(user).items()}
            assert found == {key: expected[key][place] for key in attached}


def test_local_sdks_get_flags_of_the_remote_mode_switched_off() -> None:
    """Such a flag is there, with one segment that gives no variant; the others are as for remote evaluation."""
    project = a_project(Random(7))
    remote = {config["key"]: config for config in deliver(project)}
    local = {config["key"]: config for config in deliver(project, local=True)}
    assert remote.keys() == local.keys()
    for flag in project:
        if flag.key in local and flag.spec.evaluation_mode == "remote":
            assert local[flag.key]["segments"] == [{"metadata": {"segmentName": "default"}, "variant": "off"}]
            assert "dependencies" not in local[flag.key]
        elif flag.key in local:
            assert local[flag.key] == remote[flag.key]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:marshmallow")
@pytest.mark.filterwarnings("ignore:The 'default' argument")
def test_the_strictest_sdk_reads_it() -> None:
    """The decoder of the Python SDK, which refuses unknown fields, reads every configuration as our own does."""
    for seed in range(10):
        for local in (True, False):
            configs = deliver(a_project(Random(seed)), local=local)
            assert EvaluationFlag.schema().load(configs, many=True) == [flag_of(config) for config in configs]


def test_circles_end() -> None:
    """Flags that depend on each other are delivered, and can be evaluated: one of the dependencies counts as met."""
    random = Random(1)
    circle = [
        LiveFlag(
            id=str(number),
            project_id="7",
            spec=replace(a_random_flag(random), key=f"flag-{number}", enabled=True),
            parent_dependencies=Dependencies(
                flags=((str((number + 1) % 3), ("v0",)), (str(number), ("v0",))), operator="all"
            ),
        )
        for number in range(3)
    ]
    configs = deliver(circle)
    assert [config.get("dependencies") for config in configs] == [None, ["flag-2"], ["flag-0"]]
    assert set(RemoteEvaluation(configs).evaluate({"user_id": "ada"})) == {"flag-0", "flag-1", "flag-2"}


@settings(max_examples=500, deadline=None)
@given(
    glob=st.text(st.sampled_from("ab/*.[]()+?^$|\\{}- \n#é🦎"), max_size=8),
    value=st.text(st.sampled_from("ab/*.[]()+?^$|\\{}- #é🦎"), max_size=8),
)
def test_patterns(glob: str, value: str) -> None:
    """A pattern matches what the glob matches, and escapes nothing but signs of syntax."""
    pattern = pattern_of(glob)
    assert bool(re.search(pattern, value)) == bool(glob_pattern(glob).fullmatch(value))
    escaped = set(re.findall(r"\\(.)", pattern.replace(r"[\s\S]*", ""), re.DOTALL))
    assert escaped <= set(r"\^$.|?*+(){}[]")


@pytest.mark.parametrize("glob", ["/shop/**", "a*b", "*"])
def test_patterns_need_nothing_that_other_engines_lack(glob: str) -> None:
    r"""Neither `\A`, `\Z` nor a look-ahead: Go and JavaScript have no such thing, or read it otherwise."""
    assert pattern_of(glob).startswith("^")
    assert pattern_of(glob).endswith("$")
    assert not re.search(r"\\[AZz]|\(\?", pattern_of(glob))

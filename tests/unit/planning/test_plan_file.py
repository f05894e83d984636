"""A plan as a document: complete enough to be shown again, and refused as soon as it is not what it was."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from builders import COMMIT, NOON
from msgspec.structs import replace
from worlds import UNGUARDED, a_world, an_emulator, random_live_flag, random_spec

from reconciler.errors import StalePlanError
from reconciler.planning.exposure import with_exposure
from reconciler.planning.plan_file import check_saved, decode_plan, digest_of, encode_plan

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan


def a_random_plan(seed: int) -> Plan:
    """A plan with several flags and kinds of operations, stamped."""
    random = Random(seed)
    live = [random_live_flag(random, f"flag-{index}") for index in range(3)]
    specs = [random_spec(random, flag["key"], flag) for flag in live] + [random_spec(random, "new", None)]
    plan = with_exposure(a_world(an_emulator(*live), *specs, options=UNGUARDED).plan())
    return replace(plan, created_at=NOON, commit=COMMIT, origin="https://experiment.amplitude.com")


@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed: int) -> None:
    """A document read and written again is the same document."""
    document = json.loads(json.dumps(encode_plan(a_random_plan(seed))))
    assert encode_plan(decode_plan(document)) == document


def test_an_untouched_plan_is_accepted() -> None:
    """The same plan made again within a day is the saved one."""
    plan = a_random_plan(1)
    again = replace(plan, created_at=NOON + timedelta(hours=23), requests=99)
    check_saved(encode_plan(plan), again, NOON + timedelta(hours=23))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"commit": "f" * 40}, "commit"),
        ({"origin": "https://experiment.eu.amplitude.com"}, "origin"),
        ({"project_id": "8"}, "projectId"),
        ({"environment": "production"}, "environment"),
        ({"region": "eu"}, "region"),
        ({"flags": ()}, "stale"),
        ({"unmanaged": ("other",)}, "stale"),
    ],
)
def test_another_plan_is_refused(change: dict[str, Any], word: str) -> None:
    """A plan for another place, or of another state, is stale, and the message says why."""
    plan = a_random_plan(1)
    with pytest.raises(StalePlanError, match=word):
        check_saved(encode_plan(plan), replace(plan, **change), NOON)


@pytest.mark.parametrize("age", [timedelta(hours=24, seconds=1), timedelta(minutes=-6)])
def test_age(age: timedelta) -> None:
    """A plan of another day, or of the future, is refused."""
    plan = a_random_plan(1)
    with pytest.raises(StalePlanError, match="24 hours"):
        check_saved(encode_plan(plan), plan, NOON + age)


def test_every_tampering_is_refused() -> None:
    """Whichever single value of a saved plan is changed, it is refused."""
    document = encode_plan(a_random_plan(3))
    paths = list(_paths(document))
    assert len(paths) > 100
    for path in paths:
        broken = copy.deepcopy(document)
        _change(broken, path)
        with pytest.raises(StalePlanError):
            decode_plan(broken)


@pytest.mark.parametrize("document", [{}, {"formatVersion": 1}, {"formatVersion": 2, "digest": ""}])
def test_what_is_no_plan_is_refused(document: dict[str, Any]) -> None:
    """A JSON file that is not a plan is named so."""
    with pytest.raises(StalePlanError, match="not a saved plan"):
        decode_plan(document)


def test_a_plan_with_a_true_digest_and_strange_content_is_refused() -> None:
    """A digest that fits does not make a plan of what is none."""
    document = encode_plan(a_random_plan(1))
    document["flags"][0]["operations"][0]["kind"] = "drop-project"
    document["digest"] = digest_of(document)
    with pytest.raises(StalePlanError):
        decode_plan(document)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))
    else:
        yield path


def _change(document: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        document = document[step]
    value = document[path[-1]]
    document[path[-1]] = f"{value}x" if isinstance(value, str) else "other"

"""Evaluates flags of an emulator in process: one user, or lines of users."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from builders import NOON, a_config
from worlds import run_now

from reconciler.api.parents import read_with_parents
from reconciler.evaluation.comparison import UserReport, UsersReport, summarize
from reconciler.evaluation.evaluate import Evaluator, FlagWithParents
from reconciler.evaluation.users import read_users, user_of_json
from reconciler.model.flag import Dependencies, FlagSpec, LiveFlag, Variant, Weights
from reconciler.planning.comparison import compare_with_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worlds import World

    from reconciler.evaluation.comparison import Comparison, Summary
    from reconciler.evaluation.result import Result


DECLARED = FlagSpec(
    key="f",
    enabled=True,
    archived=False,
    bucketing_key="user_id",
    bucketing_salt="salt",
    bucketing_unit="User",
    rollout_percentage=100,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(Variant(key="a"), Variant(key="b")),
    target_segments=(),
)
"""A flag of which all that decides is declared: half of everybody has a, the other half b."""


def family_of(world: World, key: str = "new-checkout") -> FlagWithParents:
    """The flag and its parents, as they are read; the emulator's log then holds these requests alone."""

    async def read() -> FlagWithParents:
        async with world.client(read_only=True) as client:
            return await read_with_parents(
                client, key, {name: flag.spec for name, flag in world.desired.flags.items()}
            )

    world.emulator.log.clear()
    family: FlagWithParents = run_now(read())
    assert {entry.method for entry in world.emulator.log} <= {"GET"}
    return family


def comparison_of(world: World, key: str = "new-checkout") -> Comparison:
    """Both sides of a flag."""
    return compare_with_plan(key, family_of(world, key), world.desired, world.config, now=NOON)


def evaluator_of(spec: FlagSpec | None, *parents: LiveFlag, dependencies: Dependencies | None = None) -> Evaluator:
    """The evaluator of a flag of id 1 (None: of no flag) and its parents."""
    flag = LiveFlag(id="1", project_id="7", spec=spec, parent_dependencies=dependencies) if spec else None
    return Evaluator(FlagWithParents(flag=flag, parents=parents))


def evaluate(spec: FlagSpec | None, user: dict[str, Any], **family: Any) -> Result:
    """What one user gets of a flag."""
    return evaluator_of(spec, **family).evaluate(user)


def results_of(comparison: Comparison, **fields: Any) -> tuple[Result, Result]:
    """What a user gets, live and desired."""
    user = user_of_json(fields)
    return comparison.live.evaluate(user), comparison.desired.evaluate(user)


def counted(comparison: Comparison, users: Iterable[dict[str, Any]]) -> Summary:
    """A file of these users, counted."""
    lines = "".join(json.dumps(user) + "\n" for user in users)
    return summarize(comparison, read_users(BytesIO(lines.encode()), "users.jsonl"))


def user_report(comparison: Comparison, **fields: Any) -> UserReport:
    """What a user gets, as it is shown."""
    live, desired = results_of(comparison, **fields)
    return UserReport(comparison=comparison, config=a_config(), fields=fields, live=live, desired=desired)


def users_report(comparison: Comparison, users: Iterable[dict[str, Any]]) -> UsersReport:
    """What the users of a file get, as it is shown."""
    return UsersReport(
        comparison=comparison, config=a_config(), file="users.jsonl", summary=counted(comparison, users)
    )


def matrix_of(summary: Summary) -> dict[tuple[str | None, str | None], int]:
    """How many users have which variants live and desired."""
    return {(cell.live, cell.desired): cell.users.count for cell in summary.matrix}

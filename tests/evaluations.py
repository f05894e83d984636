"""Evaluates flags of an emulator in process: one user, or lines of users."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from builders import NOON
from worlds import run_now

from reconciler.api.parents import read_lineage
from reconciler.evaluation.summary import take_census
from reconciler.evaluation.users import read_users, user_of_json
from reconciler.planning.comparison import take_sides

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worlds import World

    from reconciler.api.parents import Lineage
    from reconciler.evaluation.result import Verdict
    from reconciler.evaluation.summary import Census
    from reconciler.planning.comparison import Sides


def lineage_of(world: World, key: str = "new-checkout") -> Lineage:
    """The flag and its parents, as they are read; the emulator's log then holds these requests alone."""

    async def read() -> Lineage:
        async with world.client(read_only=True) as client:
            return await read_lineage(client, key, {name: flag.spec for name, flag in world.desired.flags.items()})

    world.emulator.log.clear()
    lineage: Lineage = run_now(read())
    assert {entry.method for entry in world.emulator.log} <= {"GET"}
    return lineage


def sides_of(world: World, key: str = "new-checkout") -> Sides:
    """Both sides of a flag."""
    return take_sides(key, lineage_of(world, key), world.desired, world.config, now=NOON)


def judged(sides: Sides, **fields: Any) -> tuple[Verdict, Verdict]:
    """What a user gets, live and desired."""
    user = user_of_json(fields)
    return sides.live.judge(user), sides.desired.judge(user)


def counted(sides: Sides, users: Iterable[dict[str, Any]]) -> Census:
    """A file of these users, counted."""
    lines = "".join(json.dumps(user) + "\n" for user in users)
    return take_census(sides, read_users(BytesIO(lines.encode()), "users.jsonl"))


def matrix_of(census: Census) -> dict[tuple[str | None, str | None], int]:
    """How many users have which variants live and desired."""
    return {(cell.live, cell.desired): cell.share.count for cell in census.matrix}

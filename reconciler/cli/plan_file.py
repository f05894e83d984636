"""Reading saved plans and review records from files. `planning` decides whether they are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import StalePlanError, UsageError
from reconciler.files.schema import check
from reconciler.planning.plan_file import check_digest, decode_plan
from reconciler.planning.review import decode_record
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.planning.plan import Plan
    from reconciler.planning.review import ReviewRecord
    from reconciler.strict_json import Json

_MOST_BYTES = 256 * 1024 * 1024


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A plan as it was saved: the document, and the plan it describes."""

    document: dict[str, Json]
    plan: Plan


def read_plan_file(path: Path) -> SavedPlan:
    """The plan in a file. Raises UsageError where it cannot be read, StalePlanError where it is no whole plan."""
    document = _read(path, "plan", "a saved plan", "Make a new one with `plan --out`.", check_digest)
    return SavedPlan(document=document, plan=decode_plan(document))


def read_record_file(path: Path) -> ReviewRecord:
    """The review record in a file. Raises UsageError where it cannot be read, StalePlanError where it is none."""
    return decode_record(_read(path, "record", "a review record", "Make a new one with `plan --record`."))


def _read(
    path: Path, schema: str, what: str, advice: str, check_whole: Callable[[dict[str, Json]], None] | None = None
) -> dict[str, Json]:
    """A JSON document of a schema; `check_whole` raises where it was changed."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise UsageError(f"The {what.rsplit(maxsplit=1)[-1]} {str(path)!r} cannot be read: {reason}.") from error
    if len(content) > _MOST_BYTES:
        raise StalePlanError(f"{str(path)!r} is too big for {what}.")
    try:
        document = parse_json(content)
    except MalformedJsonError as error:
        raise StalePlanError(f"{str(path)!r} is not {what}: {error} {advice}") from error
    if not isinstance(document, dict):
        raise StalePlanError(f"{str(path)!r} is not {what}. {advice}")
    if check_whole is not None:
        check_whole(document)
    if findings := check(document, schema):
        wrong = f"{findings[0].path or '/'}: {findings[0].message}"
        raise StalePlanError(f"{str(path)!r} is not valid as {what}: {wrong} {advice}")
    return document

"""Reading a saved plan from a file. What makes it stale is `planning.plan_file`'s business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import StalePlanError, UsageError
from reconciler.files.schema import check
from reconciler.planning.plan_file import check_digest, decode_plan
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.planning.plan import Plan
    from reconciler.strict_json import Json

_MOST_BYTES = 256 * 1024 * 1024


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A plan as it was saved: the document, and the plan it describes."""

    document: dict[str, Json]
    plan: Plan


def read_plan_file(path: Path) -> SavedPlan:
    """The plan in a file. Raises UsageError where it cannot be read, StalePlanError where it is no whole plan."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The plan {str(path)!r} cannot be read: {error.strerror or 'no reason given'}.") from error
    if len(content) > _MOST_BYTES:
        raise StalePlanError(f"{str(path)!r} is too big for a plan.")
    try:
        document = parse_json(content)
    except MalformedJsonError as error:
        raise StalePlanError(
            f"{str(path)!r} is not a saved plan: {error} Make a new one with `plan --out`."
        ) from error
    if not isinstance(document, dict):
        raise StalePlanError(f"{str(path)!r} is not a saved plan. Make a new one with `plan --out`.")
    check_digest(document)
    if findings := check(document, "plan"):
        what = f"{findings[0].path or '/'}: {findings[0].message}"
        raise StalePlanError(f"{str(path)!r} is not a valid plan: {what} Make a new one with `plan --out`.")
    return SavedPlan(document=document, plan=decode_plan(document))

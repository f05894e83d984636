"""Edits by others between the calls of one flag: what the feed of versions shows of the time of the run.

There is no conditional write, so an edit of the same field between two calls may be overwritten unseen. The feed
tells that there was one: by versions of several users, or by more versions than calls were sent.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.api.versions import read_feed
from reconciler.errors import ApiError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.flag_run import FlagRun
    from reconciler.model.flag import Version

_FEWEST_CALLS = 2
"""Between the look and one call an edit is seen, or falls into an instant that no read can show."""


async def note_edits_by_others(context: ApplyContext, runs: Sequence[FlagRun], since: datetime | None) -> None:
    """Note in each run of several calls that others edited its flag meanwhile, as far as the feed shows it.

    `since` is the server's time before the first call, where it says one; else the last edit that the plan was made
    from stands for it. One request for each page, and none where no flag took several calls. Without a feed nothing
    is noted, and a failure of it changes nothing else.
    """
    watched = {run.flag_id: run for run in runs if run.flag_id is not None and _sent(run) >= _FEWEST_CALLS}
    edits = [flag.last_modified_at for flag in context.live.flags.values() if flag.last_modified_at is not None]
    start = since.isoformat().replace("+00:00", "Z") if since else max(edits, default=None)
    if not watched or start is None:
        return
    try:
        feed = await context.cancellation.run_unless_cancelled(read_feed(context.client, start))
    except (ApiError, InterruptedRunError):
        return
    made: dict[str, list[Version]] = {}
    for version in feed.versions if feed else ():
        made.setdefault(version.flag.id, []).append(version)
    for flag_id, run in watched.items():
        run.editors = _editors(run, [item for item in made.get(flag_id, ()) if _is_within(item, run)])


def _sent(run: FlagRun) -> int:
    """How many calls were sent, also those of which the read-back shows nothing: an edit may have undone them."""
    return sum(step.attempts > 0 for step in run.steps)


def _is_within(version: Version, run: FlagRun) -> bool:
    """Whether a version was made after the flag was read for the plan. The server writes all its times alike."""
    planned = run.context.live.flags.get(run.plan.key)
    return planned is None or planned.last_modified_at is None or version.created_at > planned.last_modified_at


def _editors(run: FlagRun, versions: Sequence[Version]) -> tuple[str, ...]:
    """Who made versions during the run, most versions first; none where all of them may be this run's own."""
    counts = Counter(version.created_by or "an unknown user" for version in versions)
    sent = sum(step.attempts for step in run.steps)
    return tuple(name for name, _ in counts.most_common()) if len(counts) > 1 or len(versions) > sent else ()

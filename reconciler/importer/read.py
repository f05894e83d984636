"""The live flags with everything that a flag file can say of them: one list, and what it hides, read in parallel."""

from __future__ import annotations

import re
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.api.hydration import hydrate
from reconciler.api.live import fetch_live_state
from reconciler.api.responses import Unread
from reconciler.model.config import matcher
from reconciler.model.fields import VARIANT_FIELDS
from reconciler.model.reads import SHOWN_BY_READS, reads_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.api.client import Client
    from reconciler.errors import InvalidResponseError
    from reconciler.model.flag import DesiredState, LiveFlag, LiveState
    from reconciler.model.reads import Read
    from reconciler.progress import Progress

_is_variant_key = re.compile(r"[A-Za-z0-9_-]+").fullmatch


async def read_importable(
    client: Client,
    *,
    targets: Sequence[str],
    desired: DesiredState,
    inclusions: bool,
    progress: Progress | None,
) -> tuple[LiveState, tuple[LiveFlag, ...]]:
    """The live state, and its flags that are to be imported, sorted by key, as complete as the API shows them.

    `targets` are globs of keys; none means all. Archived flags are left out unless a target is exactly their key.
    Keys that `desired` declares are looked up too where the list does not show them; archived flags that are found so
    are not left out.
    With `inclusions` False users and cohorts stay unread (UNSET). At most `client.concurrency` reads are under way
    at a time. Rests on "List", "List variants", "Get variant inclusions" and "Get variant cohort inclusions".
    A flag of which an answer is malformed is left out with a warning of the state. Raises ApiErrors, also for a flag
    that a target names and that cannot be read.
    """
    live = await fetch_live_state(client, desired, targets=tuple(targets), hydrates=False, progress=progress)
    is_target, spelled = matcher(targets), desired.flags.keys() | set(targets)
    chosen = [
        flag for flag in live.flags.values() if (flag.key in spelled if flag.spec.archived else is_target(flag.key))
    ]
    needs = partial(_needs, fields=SHOWN_BY_READS if inclusions else VARIANT_FIELDS)
    faulty: dict[str, InvalidResponseError] | None = None if targets else {}
    complete = await hydrate(client, chosen, needs, progress=progress, faulty=faulty)
    aside = (
        str(Unread(id=flag.id, key=flag.key, reason=f"{faulty[flag.id]} It is left out."))
        for flag in chosen
        if faulty and flag.id in faulty
    )
    live = replace(live, warnings=(*live.warnings, *aside))
    return live, tuple(sorted(complete, key=lambda flag: flag.key))


def _needs(flag: LiveFlag, fields: Iterable[str]) -> tuple[Read, ...]:
    """The reads that show every such field of every variant.

    A variant whose key no file can hold is not asked about: its flag's variants cannot be declared anyway.
    """
    variants = [variant for variant in flag.spec.variants or () if _is_variant_key(variant.key)]
    return reads_of(flag.spec, product(variants, fields))

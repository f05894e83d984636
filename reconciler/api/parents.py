"""Reading one flag, everything that decides who gets what of it, and the flags that it depends on. Nothing else."""

from __future__ import annotations

from itertools import chain, product
from typing import TYPE_CHECKING

from reconciler.api.hydration import hydrate
from reconciler.api.live import find_flag
from reconciler.api.pages import map_bounded
from reconciler.errors import NOT_OFFERED, RejectedError
from reconciler.evaluation.evaluate import FlagWithParents, in_order, parent_ids
from reconciler.evaluation.rules import variants_of
from reconciler.model.reads import MEMBERS, hidden_fields, reads_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.api.client import Client
    from reconciler.model.flag import FlagSpec, LiveFlag
    from reconciler.model.reads import Read

MOST_PARENTS = 50
"""So many flags that a flag depends on, in turn or at once, are read; what lies beyond counts as not readable."""


async def read_with_parents(client: Client, key: str, declared: Mapping[str, FlagSpec]) -> FlagWithParents:
    """The live flag of a key, whole, and its parents, theirs included.

    `declared` are the declarations by key: of these flags the fields that they name are read too. Rests on "List",
    "Get details", "List variants", "Get variant inclusions" and "Get variant cohort inclusions". Raises ApiErrors; a
    parent that this key may not see, or that is gone, is left out.
    """
    flag = await find_flag(client, key)
    if flag is None:
        return FlagWithParents(flag=None)
    parents = await read_parents(client, [flag])
    found = [await completed(client, item, declared) for item in (*in_order(flag, parents), flag)]
    return FlagWithParents(flag=found[-1], parents=tuple(found[:-1]))


async def read_parents(client: Client, flags: Collection[LiveFlag]) -> dict[str, LiveFlag]:
    """Every flag that these depend on, directly or not, and that is not among them, by id; level after level.

    Rests on "Get details". Raises ApiErrors; a parent that this key may not see, or that is gone, is left out.
    """

    async def read(flag_id: str) -> LiveFlag | None:
        try:
            return await client.get_flag(flag_id)
        except RejectedError as error:
            if error.status in NOT_OFFERED:
                return None
            raise

    found: dict[str, LiveFlag] = {}
    known, level, left = {flag.id for flag in flags}, list(flags), MOST_PARENTS
    while level:
        wanted = [parent for item in level for parent in parent_ids(item) if parent not in known]
        wanted = list(dict.fromkeys(wanted))[:left]
        known.update(wanted)
        left -= len(wanted)
        level = [item for item in await map_bounded(read, wanted, limit=client.concurrency) if item]
        found |= {item.id: item for item in level}
    return found


async def completed(client: Client, flag: LiveFlag, declared: Mapping[str, FlagSpec]) -> LiveFlag:
    """The flag with the inclusions of all its variants, declared or not, and what its declaration names.

    Raises ApiErrors.
    """
    spec = declared.get(flag.key)

    def needs(live: LiveFlag) -> tuple[Read, ...]:
        named = hidden_fields(spec, live.spec) if spec else ()
        wanted = chain(((found, name) for _, found, name in named), product(variants_of(live.spec), MEMBERS))
        return reads_of(live.spec, wanted)

    (complete,) = await hydrate(client, [flag], needs)
    return complete

"""What `--prune` archives, and what is said of flags that it may take although they are declared somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diagnostics import LEFT_OUT
from reconciler.model.canonical import fingerprint
from reconciler.model.config import ignored_of
from reconciler.planning.operations import EditFlag, apply_operations
from reconciler.planning.plan import Action, FlagPlan, ValueChange

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveFlag, LiveState


def is_prunable(live: LiveFlag, config: Config) -> bool:
    """Whether `--prune` archives a flag that is not declared: it has the managed tag, and no rule leaves it alone."""
    return config.managed_tag in (live.spec.tags or ()) and not ignored_of(live.key, config).covers("archived")


def plan_pruned(live: LiveFlag) -> FlagPlan:
    """The plan that archives a live flag that is declared no more."""
    operation = EditFlag(flag_key=live.key, body={"archive": True})
    return FlagPlan(
        key=live.key,
        flag_id=live.id,
        action=Action.ARCHIVE,
        changes=(ValueChange(path="/archived", before=False, after=True),),
        operations=(operation,),
        fingerprint=fingerprint(live),
        before=live.spec,
        after=apply_operations(live.spec, (operation,)),
    )


def warn_of_pruning(
    desired: DesiredState, live: LiveState, config: Config, is_in_scope: Callable[[str], bool]
) -> Iterator[str]:
    """What a deletion may take for gone: what files that are not read declare, and what another repository does."""
    places = [item.position.file for item in desired.warnings if item.rule in LEFT_OUT and item.position]
    if places:
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield f"--prune takes for gone what files that are not read declare: {places[0]}{more}."
    if config.managed_tag is not None:
        found = foreign_flags(desired.flags.keys(), live.flags.values(), config.managed_tag)
        if keys := tuple(filter(is_in_scope, found)):
            yield told_of_foreign(keys, config.managed_tag)


def foreign_flags(declared: Collection[str], live: Iterable[LiveFlag], tag: str) -> tuple[str, ...]:
    """The keys of flags that carry the tag, are not declared, and that no editor of declared ones edited last.

    The API does not say whose a key is. So those who edited the declared flags that carry the tag are taken for this
    repository's.
    """
    tagged = [flag for flag in live if not flag.spec.archived and tag in (flag.spec.tags or ())]
    editors = {flag.last_modified_by for flag in tagged if flag.key in declared}
    return tuple(
        sorted(flag.key for flag in tagged if flag.key not in declared and flag.last_modified_by not in editors)
    )


def told_of_foreign(keys: tuple[str, ...], tag: str) -> str:
    """What is said of them, in a sentence or two."""
    more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""  # noqa: PLR2004 - enough to look at
    return (
        f"Flags that carry {tag} are declared nowhere here, and were last edited by others than the declared ones: "
        f"{', '.join(keys[:5])}{more}. If another repository uses the same tag, give each a `managedTag` of its own."
    )

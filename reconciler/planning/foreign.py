"""Flags that carry the managed tag and may be another repository's: what `--prune` must not take for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.model.flag import LiveFlag


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

"""Where inside a composite value (a payload, the segments) a difference lies. The only importer of deepdiff.

Equality is `canonical`'s: deepdiff only describes, once per flag, the fields that differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.canonical import canonical_json
from reconciler.planning.plan import LeafChange, ValueChange
from reconciler.pointer import join_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.model.flag import Json
    from reconciler.planning.plan import FieldChange


def with_details(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """The changes of a flag, those inside composite values described leaf by leaf."""
    return tuple(_described(tuple(changes)))


def _described(changes: tuple[FieldChange, ...]) -> Iterator[FieldChange]:
    composite = {
        change.path: change
        for change in changes
        if isinstance(change, ValueChange) and _is_composite(change.before) and _is_composite(change.after)
    }
    details = _leaves(composite) if composite else {}
    for change in changes:
        leaves = details.get(change.path)
        if leaves and isinstance(change, ValueChange):
            yield ValueChange(path=change.path, before=change.before, after=change.after, details=leaves)
        else:
            yield change


def _is_composite(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _leaves(changes: Mapping[str, ValueChange]) -> dict[str, tuple[LeafChange, ...]]:
    from deepdiff import DeepDiff  # noqa: PLC0415 - 72 ms that an empty plan does not need

    before = {path: canonical_json(change.before) for path, change in changes.items()}
    after = {path: canonical_json(change.after) for path, change in changes.items()}
    tree = DeepDiff(before, after, view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0)
    found: dict[str, list[LeafChange]] = {}
    for items in tree.values():
        for item in items:
            root, *rest = item.path(output_format="list")
            leaf = LeafChange(
                path=join_pointer(rest),
                before=_present(item.t1),
                after=_present(item.t2),
            )
            found.setdefault(root, []).append(leaf)
    return {path: tuple(sorted(leaves, key=lambda leaf: leaf.path)) for path, leaves in found.items()}


def _present(value: Json) -> Json:
    return None if type(value).__name__ == "NotPresent" else value

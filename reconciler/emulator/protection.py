"""What a project may protect its flags from: changes without an approval, and the loss of what others depend on.

Rests on the documentation of approvals and of flag prerequisites; how the Management API answers is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.emulator.errors import RefusedError, bad_request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import FlagRecord, Json
    from reconciler.emulator.store import Store

_NEED_APPROVAL: Final = frozenset({"targetSegments", "rolloutPercentage", "bucketingSalt"})
"""The fields of a flag that is on which a PATCH changes with an approval only. Activation needs one too."""


class Protection:
    """Each method raises RefusedError for an edit that is prevented."""

    def __init__(self, store: Store, behaviour: Behaviour) -> None:
        self._store = store
        self._behaviour = behaviour

    def edit(self, flag: FlagRecord, changes: Mapping[str, Json]) -> None:
        """A PATCH of a flag."""
        self._switch(flag, changes)
        if self._behaviour.dependents == "enforced" and changes.get("archive"):
            for child, _ in self._children(flag):
                raise bad_request(f"{child!r} depends on flag {flag['key']!r}")

    def variant_goes(self, flag: FlagRecord, key: str) -> None:
        """A variant that loses its key, or goes."""
        if self._behaviour.dependents == "ignored":
            return
        for child, named in self._children(flag):
            if key in named:
                raise bad_request(f"{child!r} depends on variant {key!r} of flag {flag['key']!r}")

    def is_pending(self, flag: FlagRecord, changes: Mapping[str, Json] | None = None) -> bool:
        """Whether an edit waits for an approval, so that nothing changes; `changes` None: one of the variants."""
        needed = flag["enabled"] and (changes is None or not _NEED_APPROVAL.isdisjoint(changes))
        if changes is not None and changes.get("enabled") is True and not flag["enabled"]:
            needed = True
        if needed and self._behaviour.approvals == "403":
            raise RefusedError(403, "this change needs an approval")
        return needed and self._behaviour.approvals == "pending"

    def _switch(self, flag: FlagRecord, changes: Mapping[str, Json]) -> None:
        wanted = changes.get("enabled")
        if wanted is False and not flag["deployments"] and self._behaviour.disable_without_deployment == "refuse":
            raise bad_request("a flag without a deployment cannot be disabled")
        if wanted is True and not flag["enabled"] and self._behaviour.dependents == "enforced":
            for parent in _parents(flag):
                known = self._store.flags.get(parent)
                if known is None or not known["enabled"]:
                    raise bad_request(f"flag {flag['key']!r} depends on {parent!r}, which is not active")

    def _children(self, flag: FlagRecord) -> Iterator[tuple[str, Collection[str]]]:
        """The keys of what depends on a flag, archived flags and experiments aside, and the variants they name."""
        for child in (*self._store.flags.values(), *self._store.experiments.values()):
            if not child["archived"] and flag["id"] in (parents := _parents(child)):
                yield child["key"], parents[flag["id"]]


def _parents(flag: FlagRecord) -> Mapping[str, Collection[str]]:
    named: Mapping[str, Collection[str]] = (flag["parentDependencies"] or {}).get("flags") or {}
    return named

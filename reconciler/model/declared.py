"""Since when git declares what it declares, as frozen values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from reconciler.strict_json import Json


class DeclaredValue(Struct, frozen=True, kw_only=True):
    """A value that a branch declared, and the commit with which the branch got it; UNSET: it was not declared.

    `at` is that commit's time in UTC, to the second; of a merge, the merge's. Both are None where the value is not
    committed yet.
    """

    value: Json
    commit: str | None = None
    at: datetime | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    """What a branch declared of one field, newest first: the present value, and older ones as far as was asked.

    `gap` says in a sentence why an older value is not known; empty where everything that was asked for is there.
    """

    values: tuple[DeclaredValue, ...] = ()
    gap: str = ""

    @property
    def since(self) -> DeclaredValue | None:
        """The present value with its commit and time; None where these are not known: `gap` says why."""
        present = self.values[0] if self.values else None
        return present if present is not None and present.at is not None else None


Place: TypeAlias = tuple[str, str]
"""A flag key and a JSON Pointer into its document, variants by key and segments by name."""

History: TypeAlias = "Callable[[Collection[Place], datetime | None], Mapping[Place, Timeline]]"
"""Answers for places since when they are declared as they are, and with a time what was declared since then.

Every place that was asked for is in the answer. Nothing is raised: what cannot be told is a Timeline with a gap.
"""

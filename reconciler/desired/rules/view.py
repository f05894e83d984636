"""A flag document as the rules see it: whatever has the wrong type is simply not there.

The schema has said already what is malformed; so no rule has to defend itself, and all of them always run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Json

Indexed = tuple[tuple[int, dict[str, "Json"]], ...]


@dataclass(frozen=True, slots=True)
class FlagView:
    """A document of one environment. Variants and segments keep their index in the document."""

    body: dict[str, Json]
    variants: Indexed
    segments: Indexed

    @classmethod
    def of(cls, body: dict[str, Json]) -> FlagView:
        """The view of a document."""
        return cls(body, _mappings(body.get("variants")), _mappings(body.get("targetSegments")))

    @property
    def variant_keys(self) -> frozenset[str] | None:
        """The declared variants; None where they are not declared, or not all of them can be read."""
        declared = self.body.get("variants")
        keys = frozenset(key for _, variant in self.variants if isinstance(key := variant.get("key"), str))
        if not isinstance(declared, list) or any(not isinstance(item.get("key"), str) for _, item in self.variants):
            return None
        return keys if len(self.variants) == len(declared) else None

    def weights(self) -> Iterator[tuple[str, dict[str, Json]]]:
        """Every map of weights, with its pointer: the flag's own, then those of the segments."""
        own = self.body.get("rolloutWeights")
        if isinstance(own, dict):
            yield "/rolloutWeights", own
        for index, segment in self.segments:
            weights = segment.get("rolloutWeights")
            if isinstance(weights, dict):
                yield f"/targetSegments/{index}/rolloutWeights", weights

    def inclusions(self, kind: str) -> Iterator[tuple[str, list[Json]]]:
        """Every list of `users` or `cohorts`, with its pointer."""
        for index, variant in self.variants:
            included = variant.get("inclusions")
            members = included.get(kind) if isinstance(included, dict) else None
            if isinstance(members, list):
                yield f"/variants/{index}/inclusions/{kind}", members


def strings(value: Json) -> Iterator[tuple[int, str]]:
    """The strings of a list, with their index; nothing for what is no list."""
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, str))


def _mappings(value: Json) -> Indexed:
    if not isinstance(value, list):
        return ()
    return tuple((index, item) for index, item in enumerate(value) if isinstance(item, dict))

"""A flag document as the rules see it: values of a wrong type are left out.

The schema has said already what is malformed; so no rule has to defend itself, and all of them always run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.strict_json import Json

Indexed = tuple[tuple[int, dict[str, "Json"]], ...]


class ParsedFlag(Struct, frozen=True):
    """A document of one environment, its parts with their index or pointer.

    `variant_keys` is None where variants are not declared, or not all of them can be read. `weights` are the
    flag's own and those of the segments; `inclusions` are lists of `users` or `cohorts` with their kind.
    """

    body: dict[str, Json]
    variants: Indexed
    segments: Indexed
    variant_keys: frozenset[str] | None
    weights: tuple[tuple[str, dict[str, Json]], ...]
    inclusions: tuple[tuple[str, str, list[Json]], ...]

    @classmethod
    def of(cls, body: dict[str, Json]) -> ParsedFlag:
        """The view of a document."""
        variants = _mappings(body.get("variants"))
        segments = _mappings(body.get("targetSegments"))
        return cls(
            body,
            variants,
            segments,
            _variant_keys(body.get("variants")),
            tuple(_weights(body, segments)),
            tuple(_inclusions(variants)),
        )


def _variant_keys(declared: Json) -> frozenset[str] | None:
    if not isinstance(declared, list):
        return None
    keys = [key for item in declared if isinstance(item, dict) and isinstance(key := item.get("key"), str)]
    return frozenset(keys) if len(keys) == len(declared) else None


def _weights(body: dict[str, Json], segments: Indexed) -> Iterator[tuple[str, dict[str, Json]]]:
    own = body.get("rolloutWeights")
    if isinstance(own, dict):
        yield "/rolloutWeights", own
    for index, segment in segments:
        weights = segment.get("rolloutWeights")
        if isinstance(weights, dict):
            yield f"/targetSegments/{index}/rolloutWeights", weights


def _inclusions(variants: Indexed) -> Iterator[tuple[str, str, list[Json]]]:
    for index, variant in variants:
        included = variant.get("inclusions")
        if isinstance(included, dict):
            for kind in ("users", "cohorts"):
                if isinstance(members := included.get(kind), list):
                    yield kind, f"/variants/{index}/inclusions/{kind}", members


def strings(value: Json) -> Iterator[tuple[int, str]]:
    """The strings of a list, with their index; nothing for what is no list."""
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, str))


def _mappings(value: Json) -> Indexed:
    if not isinstance(value, list):
        return ()
    return tuple((index, item) for index, item in enumerate(value) if isinstance(item, dict))

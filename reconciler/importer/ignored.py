"""A document without what `ignore` leaves to others: what planning keeps as it is live need not be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.config import Config, Ignored
    from reconciler.strict_json import Json

_NAMED = {"variants": "key", "targetSegments": "name"}


def without_ignored(
    document: dict[str, Json], ignored: Ignored, config: Config, declared: Mapping[str, Json]
) -> dict[str, Json]:
    """The document without ignored fields, variants, segments, weights, members of payloads and of lists.

    `declared` is what the file says of the flag already: `*` in the end of a path is not about that. What a segment
    has to say stays, since that of a live one is kept all the same. A list of variants or weights of which nothing is
    left goes as a whole.
    """
    kept: dict[str, Json] = {}
    for name, value in document.items():
        inner = ignored.at(name)
        if inner.is_whole:
            continue
        said = declared.get(name)
        left = _rest(name, value, inner, config, said)
        if name == "rolloutWeights":
            known = _names_in(said) | _names_in(declared.get("variants"))
            variants = ignored.at("variants")
            left = {key: weight for key, weight in left.items() if not _is_left(variants, key, known)}
        if left or left == value or name not in {"variants", "rolloutWeights"}:
            kept[name] = left
    return kept


def _is_left(ignored: Ignored, name: str, declared: frozenset[str]) -> bool:
    return (ignored.at_declared(name) if name in declared else ignored.at(name)).is_whole


def _names_in(declared: Json) -> frozenset[str]:
    """What the members of a declared object or list are called: by their name or key, or by themselves."""
    names = (
        item.get("key", item.get("name")) if isinstance(item, dict) else item
        for item in (declared if isinstance(declared, dict | list) else ())
    )
    return frozenset(name for name in names if isinstance(name, str))


def _rest(name: str, value: Json, ignored: Ignored, config: Config, said: Json) -> Json:
    if not ignored:
        return value
    ids = config.deployments if name == "deployments" else {}
    known = frozenset(ids.get(item, item) for item in _names_in(said))
    if name in _NAMED:
        items = [item for item in value if not _is_left(ignored, item[_NAMED[name]], known)]
        if name == "targetSegments":
            return items
        own = {item["key"]: item for item in said or ()}
        return [_variant(item, ignored.at_declared(item["key"]), own.get(item["key"], {})) for item in items]
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if not _is_left(ignored, key, known)}
    if isinstance(value, list):
        return [item for item in value if not _is_left(ignored, ids.get(item, item), known)]
    return value


def _variant(variant: dict[str, Json], ignored: Ignored, said: dict[str, Json]) -> dict[str, Json]:
    known = _names_in(said)
    kept = {name: value for name, value in variant.items() if name == "key" or not _is_left(ignored, name, known)}
    if "payload" in kept:
        kept["payload"] = _value(kept["payload"], ignored.at_declared("payload"), said.get("payload"))
    if "inclusions" in kept:
        lists, own = ignored.at_declared("inclusions"), said.get("inclusions") or {}
        members = {
            name: [item for item in found if not _is_left(lists.at_declared(name), item, _names_in(own.get(name)))]
            for name, found in kept.pop("inclusions").items()
            if not _is_left(lists, name, _names_in(own))
        }
        kept |= {"inclusions": members} if members else {}
    return kept


def _value(value: Json, ignored: Ignored, said: Json) -> Json:
    if not ignored or not isinstance(value, dict):
        return value
    own = said if isinstance(said, dict) else {}
    return {
        key: _value(item, ignored.at_declared(key), own.get(key))
        for key, item in value.items()
        if not _is_left(ignored, key, _names_in(own))
    }

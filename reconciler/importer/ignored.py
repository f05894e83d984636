"""A document without what `ignore` leaves to others: what planning keeps as it is live need not be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.config import Config, Ignored
    from reconciler.strict_json import Json

_NAMED = {"variants": "key", "targetSegments": "name"}


def without_ignored(document: dict[str, Json], ignored: Ignored, config: Config) -> dict[str, Json]:
    """The document without ignored fields, variants, segments, weights, members of payloads and of lists.

    What a segment has to say stays, since that of a live one is kept all the same. A list of variants or weights of
    which nothing is left goes as a whole.
    """
    if not ignored:
        return document
    kept: dict[str, Json] = {}
    for name, value in document.items():
        inner = ignored.at(name)
        if inner.is_whole:
            continue
        left = _rest(name, value, inner, config)
        if name == "rolloutWeights":
            left = {key: weight for key, weight in left.items() if not ignored.covers("variants", key)}
        if left or left == value or name not in {"variants", "rolloutWeights"}:
            kept[name] = left
    return kept


def _rest(name: str, value: Json, ignored: Ignored, config: Config) -> Json:
    if not ignored:
        return value
    if name in _NAMED:
        items = [item for item in value if not ignored.covers(item[_NAMED[name]])]
        return [_variant(item, ignored.at(item["key"])) for item in items] if name == "variants" else items
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if not ignored.covers(key)}
    if isinstance(value, list):
        ids = config.deployments if name == "deployments" else {}
        return [item for item in value if not ignored.covers(ids.get(item, item))]
    return value


def _variant(variant: dict[str, Json], ignored: Ignored) -> dict[str, Json]:
    kept = {name: value for name, value in variant.items() if not ignored.covers(name)}
    if "payload" in kept:
        kept["payload"] = _value(kept["payload"], ignored.at("payload"))
    if "inclusions" in kept:
        lists = ignored.at("inclusions")
        members = {
            name: [item for item in found if not lists.covers(name, item)]
            for name, found in kept.pop("inclusions").items()
            if not lists.covers(name)
        }
        kept |= {"inclusions": members} if members else {}
    return kept


def _value(value: Json, ignored: Ignored) -> Json:
    if not ignored or not isinstance(value, dict):
        return value
    return {key: _value(item, ignored.at(key)) for key, item in value.items() if not ignored.covers(key)}

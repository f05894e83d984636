"""From a flag document to a DesiredFlag: an environment's overlay merged in, then decoded."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from reconciler.files.rollouts import decode_rollouts
from reconciler.files.rules.fields import parse_moment
from reconciler.model.config import NOTHING, ignored_of
from reconciler.model.fields import FIELDS, ValueKind
from reconciler.model.flag import UNSET, Condition, DesiredFlag, FlagSpec, TargetSegment, Unset, Variant, Weights
from reconciler.strict_json import join_pointer, split_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.diagnostics import SourcePosition
    from reconciler.model.config import Config, Ignored
    from reconciler.model.flag import Number
    from reconciler.model.rollout import Strategy
    from reconciler.strict_json import Json


NO_DEFAULTS: Final[Mapping[str, Json]] = {}
NO_STRATEGIES: Final[Mapping[str, Strategy]] = {}

ENVIRONMENT_FIELDS: Final = ("onlyIn", "environments")
"""The fields of a document that say what differs between environments."""


def merge_patch(target: Json, patch: Json) -> Json:
    """The target with the patch merged in; neither is changed. null removes, objects merge, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def defaults_for(key: Json, config: Config) -> Mapping[str, Json]:
    """The defaults for the document of a flag: without the fields that are ignored of it."""
    if not isinstance(key, str):
        return config.defaults
    ignored = ignored_of(key, config)
    return {name: value for name, value in config.defaults.items() if not ignored.covers(name)}


def without_opt_outs(document: Json, defaults: Collection[str]) -> Json:
    """The document without the fields that it sets to null so that no default manages them."""
    if not isinstance(document, dict):
        return document
    return {name: item for name, item in document.items() if item is not None or name not in defaults}


def is_declared_in(document: dict[str, Json], environment: str | None) -> bool:
    """Whether a document declares its flag for an environment: `onlyIn` names it, and its overlay is not null."""
    only, overlays = document.get("onlyIn"), document.get("environments")
    if environment is None:
        return True
    if isinstance(only, list) and environment not in only:
        return False
    return not isinstance(overlays, dict) or overlays.get(environment, overlays) is not None


def for_environment(
    document: dict[str, Json], environment: str | None, defaults: Mapping[str, Json] = NO_DEFAULTS
) -> dict[str, Json]:
    """The document as an environment sees it, without what is said of environments; itself if nothing differs.

    A field that it leaves out is taken from `defaults`, before the environment's overlay; null: it is not managed.
    """
    overlays = document.get("environments")
    if defaults:
        document = {**defaults, **document}
        document = {name: value for name, value in document.items() if value is not None or name not in defaults}
    if overlays is None and "onlyIn" not in document:
        return document
    patch = overlays.get(environment) if isinstance(overlays, dict) else None
    merged: dict[str, Json] = merge_patch(document, patch) if isinstance(patch, dict) else dict(document)
    for name in ENVIRONMENT_FIELDS:
        merged.pop(name, None)
    return merged


def said_for(document: dict[str, Json], environment: str | None, defaults: Mapping[str, Json]) -> dict[str, Json]:
    """What a document itself says for an environment, without what it leaves to `defaults`.

    null: a default that it takes away. An overlay's map is whole, with what it has from the default below it.
    """
    own = for_environment(document, environment)
    seen = for_environment(document, environment, defaults)
    said = {name: seen[name] for name in own if name in seen}
    return said | {name: None for name in defaults if name not in seen}


def origin_of(document: dict[str, Json], environment: str | None, pointer: str) -> str:
    """The pointer into the document as written, for a pointer into what `for_environment` gives.

    It leads into the overlay where the value, or the list that holds it, comes from there.
    """
    overlays = document.get("environments")
    found = overlays.get(environment) if isinstance(overlays, dict) else None
    tokens = split_pointer(pointer)
    if not isinstance(found, dict) or not tokens:
        return pointer
    base: Json = document
    for token in tokens:
        if isinstance(found, dict):
            if token not in found:
                return pointer
            found = found[token]
        base = base.get(token) if isinstance(base, dict) else None
    if isinstance(found, dict) and isinstance(base, dict):
        return pointer
    return join_pointer(("environments", str(environment), *tokens))


def decode_document(
    body: dict[str, Json],
    source: SourcePosition,
    deployments: Mapping[str, str],
    ignored: Ignored = NOTHING,
    strategies: Mapping[str, Strategy] = NO_STRATEGIES,
) -> DesiredFlag:
    """The flag of a merged document. `deployments` are the configured names with their ids."""
    get = body.get
    expires = get("expires")
    frozen_until, known_until = get("frozenUntil"), get("knownUntil")
    return DesiredFlag(
        spec=_decode_spec(body, deployments),
        source=source,
        ignored=ignored,
        rollouts=tuple(decode_rollouts(body, strategies)),
        expires=None if expires is None else date.fromisoformat(expires),
        frozen_until=None if frozen_until is None else parse_moment(frozen_until),
        known_until=None if known_until is None else parse_moment(known_until),
        known_reason=get("knownReason"),
    )


def with_field(spec: FlagSpec, public: str, value: Json) -> FlagSpec | None:
    """A declaration with another value of one field, by its name in files, that some file has said.

    Ids stand for deployments. None where there is no such field, or the value is none of it: nothing was checked.
    """
    field = next(((name, read) for name, key, read in _READERS if key == public), None)
    if field is None:
        return None
    name, read = field
    try:
        changed: FlagSpec = replace(spec, **{name: read(value)})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return changed


def _decode_spec(body: dict[str, Json], deployments: Mapping[str, str]) -> FlagSpec:
    fields = {name: read(body[public]) for name, public, read in _READERS if public in body}
    if "deployments" in fields:
        fields["deployments"] = tuple(deployments.get(name, name) for name in fields["deployments"])
    return FlagSpec(key=body["key"], **fields)


def _variant(body: dict[str, Json]) -> Variant:
    inclusions = body.get("inclusions", {})
    return Variant(
        key=body["key"],
        name=body.get("name", UNSET),
        description=body.get("description", UNSET),
        payload=body.get("payload", UNSET),
        users=_strings(inclusions.get("users")),
        cohorts=_strings(inclusions.get("cohorts")),
        renamed_from=body.get("renamedFrom"),
    )


def _segment(body: dict[str, Json]) -> TargetSegment:
    return TargetSegment(
        name=body["name"],
        conditions=tuple(
            Condition(prop=item["prop"], op=item["op"], values=tuple(item["values"]))
            for item in body.get("conditions", ())
        ),
        percentage=_whole(body["percentage"]),
        rollout_weights=_weights(body["rolloutWeights"]),
        bucketing_key=body.get("bucketingKey", UNSET),
    )


def _strings(value: list[str] | None) -> tuple[str, ...] | Unset:
    return UNSET if value is None else tuple(value)


def _weights(body: dict[str, Number]) -> Weights:
    return Weights(tuple((key, _whole(weight)) for key, weight in body.items()))


def _whole(number: Number) -> int:
    """A number that the schema found whole: JSON Schema takes 25.0 for an integer."""
    return int(number)


_DECODERS: dict[ValueKind, Callable[[Any], Any]] = {
    ValueKind.TEXT: str,
    ValueKind.WORD: str,
    ValueKind.ID: str,
    ValueKind.SWITCH: bool,
    ValueKind.NUMBER: _whole,
    ValueKind.WEIGHTS: _weights,
    ValueKind.VARIANTS: lambda variants: tuple(map(_variant, variants)),
    ValueKind.SEGMENTS: lambda segments: tuple(map(_segment, segments)),
    ValueKind.DEPLOYMENTS: tuple,
    ValueKind.STRINGS: tuple,
}
_READERS = tuple((field.name, field.public, _DECODERS[field.kind]) for field in FIELDS)

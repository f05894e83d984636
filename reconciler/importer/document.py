"""One live flag as a flag document that declares exactly what is live, and what of it no document can say.

A field is left out when a rule of the configuration ignores it, and when no flag file could hold it: then a remark
says so. What stays passes every check of `files`, and planning finds no
difference between it and the flag.
"""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.files.decode import defaults_for
from reconciler.importer.comments import dependency_remark, left_out_remark, segment_remarks, unlisted_remarks
from reconciler.importer.fields import document_of
from reconciler.importer.ignored import without_ignored
from reconciler.importer.not_declarable import NotDeclarable, find_not_declarable
from reconciler.importer.spelling import preserve_spelling
from reconciler.model.canonical import same_json
from reconciler.model.config import ignored_of
from reconciler.model.fields import FIELDS
from reconciler.model.flag import UNSET, Unset
from reconciler.model.wire import losses_of
from reconciler.strict_json import join_pointer, split_pointer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.model.config import Config
    from reconciler.model.flag import FlagSpec, LiveFlag
    from reconciler.strict_json import Json


_PUBLIC: Final = frozenset(field.public for field in FIELDS)


class Representation(Struct, frozen=True, kw_only=True):
    """A flag as a document; an empty one where not even its key can stand in a file.

    `remarks` are lines for comments: what is read-only, what was left out and why. `left_out` are the pointers of
    live values that the document does not hold although they are worth declaring; `named` the names that segments
    got which have none live.
    """

    key: str
    document: dict[str, Json]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


def represent(
    flag: LiveFlag,
    config: Config,
    *,
    keep: Mapping[str, Json] | None,
    keys: Mapping[str, str],
    minimal: bool,
) -> Representation:
    """The document of a live flag, with the fields in the order of a flag file.

    `keep` is the document that declares the flag already, as its environment sees it: what it declares stays
    declared, as it is written where it means the live value. `keys` gives the keys of flags by id, for remarks
    about dependencies. `minimal`: what a new flag has anyway is left out.
    """
    spec, read_only = _without_read_only_segments(flag.spec)
    spec, named = _with_segment_names(spec)
    ignored = ignored_of(flag.key, config)
    own = {name: value for name, value in (keep or {}).items() if value is not None}
    unset = {name for name in keep or {} if name not in own}
    keep = without_ignored(own, ignored, config, own)
    document = without_ignored(document_of(spec, config, keep, minimal=minimal), ignored, config, keep)
    left_out: dict[str, str] = {}
    while obstacles := find_not_declarable(document, flag, config):
        # Each round takes something away, so that this ends; what takes nothing away hid behind what did.
        is_named = all(item.pointer != "/key" for item in obstacles)
        removed = _remove_all(document, obstacles) if is_named else {}
        if not removed:
            return Representation(key=flag.key, document={}, remarks=tuple(item.reason for item in obstacles))
        left_out |= removed
    return Representation(
        key=flag.key,
        document=_beside_defaults(preserve_spelling(document, keep, config), keep, unset, config),
        remarks=(
            *dependency_remark(flag, keys),
            *(read_only or unlisted_remarks(spec)),
            *(f"targetSegments/{name} has no name live: it got this one here" for name in named),
            *map(left_out_remark, left_out.items()),
        ),
        left_out=(*(["/targetSegments"] if read_only else []), *left_out),
        named=named,
    )


def _beside_defaults(
    document: dict[str, Json], said: Collection[str], unset: Collection[str], config: Config
) -> dict[str, Json]:
    """The document without what the defaults say already, unless it was `said` in its file.

    A field with a default that has to be left out, or that the file has `unset` by null, is null: it is not managed.
    """
    defaults = defaults_for(document["key"], config)
    if not defaults:
        return document
    alike = preserve_spelling(document, {**defaults, "key": document["key"]}, config)
    kept = {
        name: value
        for name, value in document.items()
        if name in said or name not in defaults or not same_json(alike[name], defaults[name])
    }
    unmanaged = [name for name in defaults if name in _PUBLIC and (name not in document or name in unset)]
    return kept | dict.fromkeys(unmanaged)


def _remove_all(document: dict[str, Json], obstacles: Sequence[NotDeclarable]) -> dict[str, str]:
    """Take away what obstacles name; the reasons by the pointer of what went."""
    removed: dict[str, str] = {}
    for item in obstacles:
        if (pointer := remove_at(document, item.pointer)) is not None:
            removed.setdefault(pointer, item.reason)
    return removed


def _without_read_only_segments(spec: FlagSpec) -> tuple[FlagSpec, tuple[str, ...]]:
    """Segments of which the API cannot take back every condition are shown, not declared."""
    segments = spec.target_segments
    if isinstance(segments, Unset) or not any(map(losses_of, segments)):
        return spec, ()
    return replace(spec, target_segments=UNSET), tuple(segment_remarks(segments))


def _with_segment_names(spec: FlagSpec) -> tuple[FlagSpec, tuple[str, ...]]:
    """The flag with a name for each segment, since plans tell them apart by it, and the names that were made."""
    if isinstance(spec.target_segments, Unset):
        return spec, ()
    taken = {segment.name for segment in spec.target_segments}
    named, made = [], []
    for number, segment in enumerate(spec.target_segments, start=1):
        name = segment.name
        if not name.strip():
            free = (f"Segment {number}{suffix}" for suffix in chain([""], (f" ({again})" for again in count(2))))
            name = next(candidate for candidate in free if candidate not in taken)
            made.append(name)
        named.append(replace(segment, name=name))
    return (replace(spec, target_segments=tuple(named)), tuple(made)) if made else (spec, ())


def remove_at(document: dict[str, Json], pointer: str) -> str | None:
    """Take away what a pointer names, variants by key or index, and say what went; None where nothing is there.

    Of a variant's field that field goes, of inclusions the list of users or of cohorts. Every other field of a flag
    goes as a whole: a list that is authoritative cannot be declared in part.
    """
    tokens = split_pointer(pointer)
    if not tokens or tokens[0] not in document:
        return None
    if tokens[0] == "variants" and len(tokens) > 2 and tokens[2] != "key":  # noqa: PLR2004 - field, variant, field of it
        variant = _variant_at(document["variants"], tokens[1])
        if variant is None or tokens[2] not in variant:
            return None
        return join_pointer(("variants", variant["key"], *_remove_from_variant(variant, tokens[2:])))
    del document[tokens[0]]
    return f"/{tokens[0]}"


def _variant_at(variants: list[dict[str, Json]], token: str) -> dict[str, Json] | None:
    named = next((item for item in variants if item.get("key") == token), None)
    if named is None and token.isdecimal() and int(token) < len(variants):
        return variants[int(token)]
    return named


def _remove_from_variant(variant: dict[str, Json], tokens: tuple[str, ...]) -> tuple[str, ...]:
    name, *rest = tokens
    if name == "inclusions" and rest:
        variant[name].pop(rest[0], None)
        if not variant[name]:
            del variant[name]
        return name, rest[0]
    del variant[name]
    return (name,)


def keep_rollouts(document: dict[str, Json], declared: Mapping[str, Json]) -> dict[str, Json]:
    """The document with the rollouts of the declared one, and with its percentages there.

    What is live there is a step on the way. A segment is told by its name; one that is gone takes its rollout along.
    """
    kept = dict(document)
    if "rollout" in declared:
        kept |= {name: declared[name] for name in ("rolloutPercentage", "rollout") if name in declared}
    rolled = {item["name"]: item for item in declared.get("targetSegments") or () if "rollout" in item}
    if kept.get("targetSegments"):
        kept["targetSegments"] = [_with_rollout(item, rolled.get(item["name"])) for item in kept["targetSegments"]]
    return kept


def _with_rollout(segment: dict[str, Json], declared: dict[str, Json] | None) -> dict[str, Json]:
    return segment if declared is None else segment | {name: declared[name] for name in ("percentage", "rollout")}

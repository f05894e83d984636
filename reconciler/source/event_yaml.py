"""YAML text by the events of libyaml: the pass for all YAML that nothing can be said against.

Three Python objects for each event make it the dearest part of loading, and importing PyYAML takes as long as a
hundred files: `yaml_source` comes here only for what `common_yaml` leaves.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias
from unicodedata import is_normalized

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.source.characters import Refusal, find_forbidden
from reconciler.source.events import open_events
from reconciler.source.limits import MAX_DEPTH, MAX_NODES
from reconciler.source.scalars import NUMBER_STARTS, WORDS, resolve_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.source.events import EventParser
    from reconciler.source.findings import Json

MAX_KNOWN_KEYS: Final = 4096
Root: TypeAlias = tuple["Json", int, int]
"""The value of a document, and the line and column where it begins."""
_COLLECTIONS: Final[dict[type, Callable[[], Json]]] = {MappingStartEvent: dict, SequenceStartEvent: list}
_KNOWN_KEYS: Final[dict[str, str]] = {}
"""Keys that were accepted: nearly all keys of flag files are the same few words."""


def read_events(content: bytes) -> list[Root] | None:
    """Every document of clean UTF-8 text by the events of libyaml, or None where anything may be refused."""
    try:
        return _build(open_events(content), has_escapes=b"\\" in content)
    except yaml.YAMLError:
        return None


def _build(parser: EventParser, *, has_escapes: bool) -> list[Root] | None:  # noqa: C901, PLR0912
    """One loop with few calls: it runs for every scalar of a file."""
    roots: list[Root] = []
    parents: list[Json] = []
    container: Json = None
    key: str | None = None
    for event in islice(iter(parser.get_event, None), MAX_NODES):
        kind = event.__class__
        if kind is ScalarEvent:
            value = event.value
            if not event.style and (value in WORDS or value[0] in NUMBER_STARTS):
                value = resolve_plain(value)
            elif has_escapes and find_forbidden(value):
                return None
        elif kind in _COLLECTIONS:
            value = _COLLECTIONS[kind]()
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            container = parents.pop()
            continue
        elif kind is AliasEvent or (kind is DocumentStartEvent and (event.version or event.tags)):
            return None
        else:
            continue
        if event.anchor is not None or event.tag is not None or value.__class__ is Refusal:
            return None
        if container is None:
            roots.append((value, event.start_mark.line + 1, event.start_mark.column + 1))
        elif container.__class__ is list:
            container.append(value)
        elif key is not None:
            container[key] = value
            key = None
        elif (key := _accept_key(value, container)) is None:
            return None
        if kind is not ScalarEvent:
            parents.append(container)
            container = value
            if len(parents) > MAX_DEPTH:
                return None
    return roots if parser.get_event() is None else None


def _accept_key(key: Json, container: dict[str, Json]) -> str | None:
    """The key, remembered so that files share it; None where it may be refused."""
    if key.__class__ is not str or key in container:
        return None
    known = _KNOWN_KEYS.get(key)
    if known is not None:
        return known
    if key == "<<" or not is_normalized("NFC", key):
        return None
    if len(_KNOWN_KEYS) >= MAX_KNOWN_KEYS:
        _KNOWN_KEYS.clear()
    return _KNOWN_KEYS.setdefault(key, key)

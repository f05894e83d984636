"""Where a field of a declared flag stands, found by reading its file again: nobody keeps marks of every value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.files import read_flag_file
from reconciler.desired.overlay import for_environment, origin_of
from reconciler.desired.rules.fields import find_declared
from reconciler.source.pointer import join_pointer, split_pointer
from reconciler.source.yaml_source import read_source

if TYPE_CHECKING:
    from reconciler.config import Config
    from reconciler.diagnostics import SourcePosition
    from reconciler.model import Json
    from reconciler.source.yaml_source import Document


def locate(config: Config, source: SourcePosition, pointer: str) -> SourcePosition:
    """The position of a field of the flag that begins at `source`, in the overlay where that decides.

    `pointer` names variants by key and segments by name, as plans do, or by index. Where the field, or the flag,
    is no longer there, the nearest place above it. Never raises.
    """
    try:
        content = read_flag_file(config.file.parent / source.file)
    except OSError:
        return source
    for document in read_source(content, source.file).documents:
        if document.start == source and isinstance(document.value, dict):
            return _locate_in(document, config.environment, pointer)
    return source


def _locate_in(document: Document, environment: str | None, pointer: str) -> SourcePosition:
    body = for_environment(document.value, environment)
    tokens = split_pointer(pointer)
    for length in range(len(tokens), 0, -1):
        found = _find(body, tokens[:length])
        if found is not None:
            return document.position_of(origin_of(document.value, environment, found), of_key=True)
    return document.start


def _find(body: dict[str, Json], tokens: tuple[str, ...]) -> str | None:
    return find_declared(body, join_pointer(tokens))

"""Where a field of a declared flag stands, found by reading its file again: nobody keeps marks of every value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.files.listing import read_flag_file
from reconciler.files.overlay import for_environment, origin_of
from reconciler.files.rules.fields import find_declared
from reconciler.files.yaml.reader import read_source
from reconciler.pointer import join_pointer, split_pointer

if TYPE_CHECKING:
    from reconciler.diagnostics import SourcePosition
    from reconciler.files.yaml.reader import Document
    from reconciler.model.config import Config
    from reconciler.model.flag import Json


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

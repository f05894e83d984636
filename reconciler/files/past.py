"""What files of a commit declared: a flag's document among the bytes of a file, and a field's value in it.

Such files may never have been checked. What cannot be read says nothing, and is not an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.errors import InvalidInputError
from reconciler.files.decode import for_environment, is_declared_in
from reconciler.files.yaml.reader import read_documents
from reconciler.model.canonical import canonical_set, canonical_text
from reconciler.model.flag import UNSET, Unset
from reconciler.strict_json import split_pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.strict_json import Json

_NEXT_DOCUMENT: Final = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_SETS: Final = frozenset({"users", "cohorts", "tags", "deployments"})


class Settings(Struct, frozen=True, kw_only=True):
    """What a configuration says of how flag documents are read, as one environment sees it.

    `flags` is the directory of flag files, relative to the configuration's; `deployments` gives ids by name,
    `defaults` what documents leave out.
    """

    environment: str | None
    flags: str = "flags"
    deployments: Mapping[str, str] = {}
    defaults: Mapping[str, Json] = {}


def settings_in(content: bytes, environment: str | None) -> Settings | None:
    """The settings of a configuration file; None where it cannot be read as one."""
    try:
        value = read_documents(content, "")[0].value
        overlay = value.get("environments", {}).get(environment, {}) if environment is not None else {}
        merged = {**value, **overlay}
        flags, deployments = merged.get("flags", "flags"), merged.get("deployments", {})
        defaults = merged.get("defaults", {})
    except (InvalidInputError, AttributeError, TypeError):
        return None
    if not isinstance(flags, str) or not isinstance(deployments, dict) or not isinstance(defaults, dict):
        return None
    return Settings(environment=environment, flags=flags, deployments=deployments, defaults=defaults)


def find_document(content: bytes, key: str) -> dict[str, Json] | None:
    """The document of a flag as the file writes it; None where the file has none.

    Of a file with several documents only those are read that may be meant. Raises InvalidInputError where one of
    these cannot be read.
    """
    # A key may be spelled with escapes, which is rare enough to be read in full.
    if key.encode() not in content and b"\\" not in content:
        return None
    for part in _NEXT_DOCUMENT.split(content):
        if key.encode() in part or b"\\" in part:
            for document in read_documents(part, ""):
                if isinstance(document.value, dict) and document.value.get("key") == key:
                    return document.value
    return None


def effective(document: dict[str, Json] | None, settings: Settings) -> dict[str, Json] | None:
    """A document as the environment sees it; None where it declares nothing there."""
    if document is None or not is_declared_in(document, settings.environment):
        return None
    return for_environment(document, settings.environment, settings.defaults)


def value_at(document: dict[str, Json] | None, pointer: str, settings: Settings) -> Json | Unset:
    """The value at a pointer in what `effective` gives, variants by key and segments by name; UNSET: not declared.

    Names of deployments are replaced by their ids.
    """
    value: Json = document
    tokens = split_pointer(pointer)
    for token in tokens:
        if isinstance(value, list):
            named = (
                item for item in value if isinstance(item, dict) and token in {item.get("key"), item.get("name")}
            )
            value = next(named, UNSET)
        else:
            value = value.get(token, UNSET) if isinstance(value, dict) else UNSET
    if tokens == ("deployments",) and isinstance(value, list):
        return [settings.deployments.get(name, name) if isinstance(name, str) else name for name in value]
    return UNSET if value is None and document is None else value


def comparable(pointer: str, value: Json | Unset) -> str | None:
    """A text that is equal for equal values of a field; None: not declared."""
    if isinstance(value, Unset):
        return None
    is_set = pointer.rpartition("/")[2] in _SETS and isinstance(value, list)
    if is_set and all(isinstance(item, str) for item in value):
        return canonical_text(canonical_set(value))
    return canonical_text(value)

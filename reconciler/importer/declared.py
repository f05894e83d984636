"""Where each declared flag stands in the files that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import InvalidInputError
from reconciler.files.decode import defaults_for, is_declared_in, said_for
from reconciler.files.listing import list_flag_files, read_flag_file
from reconciler.files.yaml.reader import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic
    from reconciler.model.config import Config
    from reconciler.strict_json import Json


class Declared(Struct, frozen=True, kw_only=True):
    """A flag document in a file: `index` counts the documents from 0; `shown` is what users call the file.

    `document` is what the file says as the environment sees it, without what it leaves to defaults (null: none
    counts); `text` is the whole file. `is_overlaid`: the document has an overlay for that environment. `is_absent`:
    it declares the flag for other environments only.
    """

    path: Path
    shown: str
    index: int
    document: dict[str, Json]
    text: str
    is_overlaid: bool
    is_absent: bool


def find_declared_flags(config: Config) -> Mapping[str, Declared]:
    """Every flag document of the configuration's directory by its key; none where the directory does not exist.

    Raises InvalidInputError with every finding where a file is refused as YAML, since it is unknown what it
    declares. Schema and rules are not looked at, nor whether two documents claim one key: `load_desired` does that.
    """
    found: dict[str, Declared] = {}
    if not config.flags_dir.is_dir():
        return found
    root = config.file.parent
    listing = list_flag_files(root, config.flags_dir)
    problems: list[Diagnostic] = [item for item in listing.diagnostics if item.is_error]
    for file in listing.files:
        content = read_flag_file(file.path)
        reading = read_source(content, file.shown)
        problems += reading.diagnostics
        for index, document in enumerate(reading.documents):
            value = document.value
            if isinstance(value, dict) and isinstance(key := value.get("key"), str):
                found[key] = Declared(
                    path=root / file.shown,
                    shown=file.shown,
                    index=index,
                    document=said_for(value, config.environment, defaults_for(key, config)),
                    text=content.decode(),
                    is_overlaid=config.environment in (value.get("environments") or {}),
                    is_absent=not is_declared_in(value, config.environment),
                )
    if problems:
        raise InvalidInputError("Flag files cannot be read: correct them first.", problems)
    return found

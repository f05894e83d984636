"""Why a document of a live flag cannot stand in a file as it is: asked of the checks that every file goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.diagnostics import Severity
from reconciler.files.decode import decode_document
from reconciler.files.format import flag_to_yaml
from reconciler.files.rules import CONFIG_RULES, DOCUMENT_RULES
from reconciler.files.rules.parsed_flag import ParsedFlag
from reconciler.files.schema import check
from reconciler.files.yaml.reader import read_source
from reconciler.importer.spelling import NOWHERE
from reconciler.model.canonical import same_json
from reconciler.model.config import ignored_of
from reconciler.planning.compare import compare_flags
from reconciler.planning.ignored import keep_ignored
from reconciler.planning.normalise import desired_for_live, live_as_renamed
from reconciler.strict_json import join_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.diagnostics import Finding
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json


class NotDeclarable(Struct, frozen=True):
    """A value that a flag file cannot hold, and why, in one sentence that quotes no user."""

    pointer: str
    reason: str


def find_not_declarable(document: dict[str, Json], flag: LiveFlag, config: Config) -> tuple[NotDeclarable, ...]:
    """What keeps the document from being written, checked and compared without a difference; empty when nothing does.

    Asked in this order, each only where the one before finds nothing: the strict reader, schema and rules, planning.
    """
    return find_faults(document, config) or tuple(_differences(document, flag, config))


def find_faults(document: dict[str, Json], config: Config) -> tuple[NotDeclarable, ...]:
    """What the strict reader refuses of the document, else what schema and rules do; one per pointer."""
    if _why_unreadable(document) is not None:
        return _unreadable(document)
    findings = (item for item in _findings(document, config) if item.severity is Severity.ERROR)
    return tuple({item.path: NotDeclarable(item.path, item.message) for item in findings}.values())


def _unreadable(document: dict[str, Json]) -> tuple[NotDeclarable, ...]:
    found = []
    for pointer, value in _parts(document):
        reason = _why_unreadable({"value": value})
        found += [NotDeclarable(pointer, reason)] if reason else []
    return tuple(found) or (NotDeclarable("/key", "The flag is too large for one document."),)


def _why_unreadable(document: dict[str, Json]) -> str | None:
    reading = read_source(flag_to_yaml(document), "")
    if reading.diagnostics:
        return reading.diagnostics[0].message
    return None if same_json(reading.documents[0].value, document) else "It does not come back as it was written."


def _parts(document: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """The values that can be left out one by one, with their pointers."""
    for name, value in document.items():
        if name != "variants":
            yield f"/{name}", value
            continue
        for index, variant in enumerate(value):
            for field, inner in variant.items():
                yield join_pointer((name, index, field)), inner


def _findings(document: dict[str, Json], config: Config) -> Iterator[Finding]:
    yield from check(document, "flag")
    view = ParsedFlag.of(document)
    for rule in DOCUMENT_RULES.values():
        yield from rule(view)
    for config_rule in CONFIG_RULES.values():
        yield from config_rule(view, config)


def _differences(document: dict[str, Json], flag: LiveFlag, config: Config) -> Iterable[NotDeclarable]:
    declared = decode_document(document, NOWHERE, config.deployments).spec
    kept = keep_ignored(declared, flag.spec, ignored_of(flag.key, config))
    spec = desired_for_live(kept, flag.spec, None, shows_tags=False)  # a file says any tag, but for the managed one
    for change in compare_flags(spec, live_as_renamed(spec, flag.spec)).changes:
        yield NotDeclarable(change.path, "The live value is one that would not compare equal to any declared one.")

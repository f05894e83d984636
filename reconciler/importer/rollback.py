"""The document that declares what a flag was in a past version: for review, like any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.files.decode import defaults_for
from reconciler.importer.document import keep_rollouts
from reconciler.importer.fields import document_of
from reconciler.importer.ignored import without_ignored
from reconciler.importer.not_declarable import find_faults
from reconciler.importer.spelling import preserve_spelling
from reconciler.model.canonical import same_json
from reconciler.model.config import ignored_of
from reconciler.model.fields import FIELDS, VARIANT_FIELDS
from reconciler.model.flag import UNSET, Unset
from reconciler.model.wire import losses_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.importer.not_declarable import NotDeclarable
    from reconciler.model.config import Config
    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json


class Rollback(Struct, frozen=True, kw_only=True):
    """What becomes of a document.

    `changed` names the fields that get the version's values, `not_shown` those that the file declares and the
    version does not show, so that they stay. `obstacles` says why the version cannot be declared as it was; then
    `document` is not to be written.
    """

    document: dict[str, Json]
    changed: tuple[str, ...]
    not_shown: tuple[str, ...]
    obstacles: tuple[NotDeclarable, ...]


def roll_back(document: Mapping[str, Json], version: FlagSpec, config: Config) -> Rollback:
    """The document with the values that a version shows for the fields that it, or a default, declares.

    `document` is what the file says as the environment sees it, `version` what "Get version details" shows. A field
    that is left to a default is added where the version has another value. A variant that the version has and the
    file has not is added with what is shown of it; inclusions are in no version, and stay with their variant.
    """
    defaults = defaults_for(version.key, config)
    declared = {name: value for name, value in {**defaults, **document}.items() if value is not None}
    shown, hidden = _restorable(declared, version)
    wanted = dict(declared)
    values = without_ignored(document_of(shown, config, declared), ignored_of(version.key, config), config, declared)
    for name, value in declared.items():
        if name == "variants" and name in values:
            wanted[name] = _variants(value, values[name])
        elif name in values:
            wanted[name] = values[name]
    wanted = keep_rollouts(wanted, declared)
    faults = find_faults(wanted, config)
    if not faults:
        wanted = preserve_spelling(wanted, declared, config)
    said = {name: wanted.get(name) for name in document}
    said |= {
        name: wanted[name] for name in defaults if name in wanted and not same_json(wanted[name], defaults[name])
    }
    changed = tuple(name for name in declared if wanted[name] != declared[name])
    return Rollback(document=said, changed=changed, not_shown=tuple(hidden), obstacles=faults)


def _restorable(document: Mapping[str, Json], version: FlagSpec) -> tuple[FlagSpec, list[str]]:
    """The declared fields that the version shows in a form that a file can hold, and the names of the others."""
    hidden = [item.public for item in FIELDS if item.public in document and not _is_shown(version, item.name)]
    hidden += _hidden_in_variants(document, version)
    undeclared = {item.name: UNSET for item in FIELDS if item.public not in document or item.public in hidden}
    return replace(version, **undeclared), hidden


def _is_shown(version: FlagSpec, name: str) -> bool:
    value = getattr(version, name)
    if name == "target_segments" and not isinstance(value, Unset):
        return not any(map(losses_of, value))
    return not isinstance(value, Unset)


def _hidden_in_variants(document: Mapping[str, Json], version: FlagSpec) -> Iterator[str]:
    if isinstance(version.variants, Unset):
        return
    shown = {variant.key: variant for variant in version.variants}
    for declared in document.get("variants", ()):
        variant = shown.get(declared["key"]) or shown.get(declared.get("renamedFrom", ""))
        for name in VARIANT_FIELDS:
            if variant is not None and name in declared and isinstance(getattr(variant, name), Unset):
                yield f"variants/{declared['key']}/{name}"
        for name in declared.get("inclusions", {}):
            yield f"variants/{declared['key']}/inclusions/{name}"


def _variants(declared: list[dict[str, Json]], shown: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The version's variants, each with what the file says of it and the version does not show.

    A variant that the file renames, and that the version has under its old key, is renamed back.
    """
    by_key = {item["key"]: item for item in declared}
    renamed = {item["renamedFrom"]: item for item in declared if "renamedFrom" in item}
    found = []
    for variant in shown:
        key = variant["key"]
        former = by_key.get(key)
        if former is not None:
            found.append({**former, **{name: variant[name] for name in variant if name in former}})
        elif key in renamed:
            rest = {name: variant.get(name, value) for name, value in renamed[key].items()}
            found.append(rest | {"key": key, "renamedFrom": renamed[key]["key"]})
        else:
            found.append(variant)
    return found

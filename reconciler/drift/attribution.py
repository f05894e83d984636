"""Who made a difference: the oldest version since which a field has had its live value without a break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.drift.report import Attribution, Basis
from reconciler.model.canonical import canonical_text, canonical_value, shown
from reconciler.model.fields import FIELDS
from reconciler.model.flag import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.model.fields import Field
    from reconciler.model.flag import FlagSpec, LiveFlag, Variant, Version
    from reconciler.planning.plan import FieldChange
    from reconciler.strict_json import Json

_FIELDS = {f"/{field.public}": field for field in FIELDS}
_VARIANT = re.compile(
    r"/variants/(?P<key>.+?)(?:/(?P<field>key|name|description|payload)|/inclusions/(?P<members>users|cohorts))?"
)
_ABSENT = "absent"


def attribute(
    change: FieldChange, live: LiveFlag, versions: Sequence[Version], pairs: Mapping[str, Variant]
) -> Attribution:
    """Who gave a field of a live flag the value that differs. `versions` are the flag's, newest first.

    `pairs` maps declared variant keys to the live variants they are. A field that versions do not show (inclusions,
    often payloads), or of which the newest version has another value, falls back on the flag's last edit.
    """
    value_in = reading(change.path, pairs)
    value = value_in(live.spec)
    since: Version | None = None
    basis = Basis.OLDEST_VERSION
    for version in () if isinstance(value, Unset) else versions:
        found = value_in(version.flag.spec)
        if found != value:
            basis = Basis.OLDEST_VERSION if isinstance(found, Unset) else Basis.VERSION
            break
        since = version
    if since is None:
        return last_edit(live, versions)
    if since.version <= 1:
        basis = Basis.VERSION
    return Attribution(by=since.created_by, at=since.created_at, version=since.version, basis=basis)


def last_edit(live: LiveFlag, versions: Sequence[Version]) -> Attribution:
    """Who edited the flag last, by its own stamps or else by its newest version."""
    newest = versions[0] if versions else None
    if live.last_modified_at is None and live.last_modified_by is None:
        if newest is None:
            return Attribution()
        return Attribution(by=newest.created_by, at=newest.created_at, version=newest.version, basis=Basis.LAST_EDIT)
    return Attribution(
        by=live.last_modified_by,
        at=live.last_modified_at,
        version=newest.version if newest and newest.created_at == live.last_modified_at else None,
        basis=Basis.LAST_EDIT,
    )


def reading(path: str, pairs: Mapping[str, Variant]) -> Callable[[FlagSpec], Json | Unset]:
    """How the field of a change is read off a flag or a version: a value that is equal for equal content.

    `pairs` as for `attribute`. UNSET: not shown.
    """
    if path in _FIELDS:
        return lambda spec: _field(spec, _FIELDS[path])
    match = _VARIANT.fullmatch(path)
    if match is None or match["members"] is not None:
        return lambda _: UNSET
    key, name = match["key"], match["field"]
    live_key = pairs[key].key if name is not None and key in pairs else key
    return lambda spec: _variant_field(spec, live_key, name)


def _field(spec: FlagSpec, field: Field) -> Json | Unset:
    value = shown(spec, field)
    return UNSET if isinstance(value, Unset) else canonical_value(field, value)


def _variant_field(spec: FlagSpec, key: str, name: str | None) -> Json | Unset:
    """A field of a variant; of the variant as a whole, and of its key, only whether it is there."""
    if isinstance(spec.variants, Unset):
        return UNSET
    variant = next((item for item in spec.variants if item.key == key), None)
    if variant is None or name in {None, "key"}:
        return _ABSENT if variant is None else ""
    value = getattr(variant, name or "key")
    if isinstance(value, Unset):
        return UNSET
    return canonical_text([None if name == "payload" and value == {} else value])

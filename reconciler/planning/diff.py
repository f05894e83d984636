"""What differs between a declared and a live flag, field by field. The only importer of deepdiff.

Equality is `canonical`'s; deepdiff only describes where inside a composite field (a payload, the segments) the
difference lies, once per flag, over the fields that differ and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.canonical import canonical_json, field_differs, same_json, shown
from reconciler.fields import FIELD, FIELDS
from reconciler.model import Unset, Weights
from reconciler.planning.plan import LeafChange, MembersChange, ValueChange
from reconciler.source.pointer import join_pointer
from reconciler.wire import encode_field, encode_variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.model import FlagSpec, Json, Variant
    from reconciler.planning.plan import FieldChange


def payload_differs(desired: Json, live: Json) -> bool:
    """Whether a declared payload differs from the live one, where None is a variant that has none.

    None meets null and `{}` alike, because a server may keep neither. A live `{}` is a payload: only `{}` meets it,
    and a declared null takes it away.
    """
    if live is None and (desired is None or desired == {}):
        return False
    return not same_json(desired, live)


def variant_fields_that_differ(desired: Variant, live: Variant) -> dict[str, Json]:
    """The declared fields of a variant that a PATCH must carry, key included when it is a rename."""
    body: dict[str, Json] = {}
    if desired.key != live.key:
        body["key"] = desired.key
    for name in ("name", "description"):
        wanted, found = getattr(desired, name), getattr(live, name)
        if not isinstance(wanted, Unset) and not isinstance(found, Unset) and wanted != found:
            body[name] = wanted
    if isinstance(desired.payload, Unset) or isinstance(live.payload, Unset):
        return body
    if payload_differs(desired.payload, live.payload):
        body["payload"] = desired.payload
    return body


def diff_flag(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> tuple[FieldChange, ...]:
    """Every declared field that differs, in the order of a flag file.

    `pairs` maps the key of each declared variant that exists to the live variant it is (a renamed one to the one
    that carries the old key).
    """
    changes: list[FieldChange] = []
    for field in FIELDS:
        if field.name == "variants":
            changes += _variant_changes(desired, live, pairs)
            continue
        found = live_weights(live, pairs) if field.name == "rollout_weights" else shown(live, field)
        if field_differs(field, getattr(desired, field.name), found):
            before, after = encode_field(field, found), encode_field(field, getattr(desired, field.name))
            changes.append(ValueChange(path=f"/{field.public}", before=before, after=after))
    return tuple(_with_details(changes))


def diff_new_flag(desired: FlagSpec) -> tuple[FieldChange, ...]:
    """Every declared field of a flag that does not exist: nothing before."""
    return tuple(
        ValueChange(path=f"/{field.public}", before=None, after=encode_field(field, value))
        for field in FIELDS
        if not isinstance(value := getattr(desired, field.name), Unset)
    )


def live_weights(live: FlagSpec, pairs: Mapping[str, Variant]) -> Weights:
    """The live weights of the live variants, under the keys that renamed ones are to have."""
    weights: Weights = shown(live, FIELD["rollout_weights"])
    new_keys = {variant.key: key for key, variant in pairs.items()}
    return Weights.of({new_keys.get(item.key, item.key): weights.get(item.key) for item in live.variants or ()})


def _variant_changes(desired: FlagSpec, live: FlagSpec, pairs: Mapping[str, Variant]) -> Iterator[FieldChange]:
    if isinstance(desired.variants, Unset):
        return
    for variant in desired.variants:
        path = f"/variants/{variant.key}"
        found = pairs.get(variant.key)
        if found is None:
            yield ValueChange(path=path, before=None, after=encode_variant(variant))
            yield from _member_changes(path, variant, None)
            continue
        for name, after in variant_fields_that_differ(variant, found).items():
            before = getattr(found, name)
            before = None if isinstance(before, Unset) else before
            yield ValueChange(path=f"{path}/{name}", before=before, after=after)
        yield from _member_changes(path, variant, found)
    kept = {variant.key for variant in pairs.values()}
    for variant in live.variants or ():
        if variant.key not in kept:
            yield ValueChange(path=f"/variants/{variant.key}", before=encode_variant(variant), after=None)


def _member_changes(path: str, desired: Variant, live: Variant | None) -> Iterator[MembersChange]:
    for name in ("users", "cohorts"):
        wanted = getattr(desired, name)
        if isinstance(wanted, Unset):
            continue
        listed = getattr(live, name) if live else ()
        if isinstance(listed, Unset):
            continue
        added, removed = set(wanted) - set(listed), set(listed) - set(wanted)
        surplus = surplus_copies(wanted, listed) if name == "users" else ()
        if added or removed or surplus:
            yield MembersChange(
                path=f"{path}/inclusions/{name}",
                added=tuple(sorted(added)),
                removed=tuple(sorted([*removed, *(user for user, _ in surplus)])),
            )


def surplus_copies(wanted: Iterable[str], listed: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Each copy beyond the first of a user who is to stay, with its index, highest index first."""
    keep, seen, surplus = set(wanted), set[str](), []
    for index, user in enumerate(listed):
        if user in seen and user in keep:
            surplus.append((user, index))
        seen.add(user)
    return tuple(reversed(surplus))


def _with_details(changes: list[FieldChange]) -> Iterator[FieldChange]:
    """The changes, those inside composite values described leaf by leaf: one deepdiff for the flag."""
    composite = {
        change.path: change
        for change in changes
        if isinstance(change, ValueChange) and _is_composite(change.before) and _is_composite(change.after)
    }
    details = _leaves(composite) if composite else {}
    for change in changes:
        leaves = details.get(change.path)
        if leaves and isinstance(change, ValueChange):
            yield ValueChange(path=change.path, before=change.before, after=change.after, details=leaves)
        else:
            yield change


def _is_composite(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _leaves(changes: Mapping[str, ValueChange]) -> dict[str, tuple[LeafChange, ...]]:
    from deepdiff import DeepDiff  # noqa: PLC0415 - 72 ms that an empty plan does not need

    before = {path: canonical_json(change.before) for path, change in changes.items()}
    after = {path: canonical_json(change.after) for path, change in changes.items()}
    tree = DeepDiff(before, after, view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0)
    found: dict[str, list[LeafChange]] = {}
    for items in tree.values():
        for item in items:
            root, *rest = item.path(output_format="list")
            leaf = LeafChange(
                path=join_pointer(rest),
                before=_present(item.t1),
                after=_present(item.t2),
            )
            found.setdefault(root, []).append(leaf)
    return {path: tuple(sorted(leaves, key=lambda leaf: leaf.path)) for path, leaves in found.items()}


def _present(value: Json) -> Json:
    return None if type(value).__name__ == "NotPresent" else value

"""What becomes of a flag's fields, as lines `label: before -> after` (live, then git).

Wide values are taken apart where that reads better and loses nothing: segments by name, payloads by member.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unicodedata import normalize

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.canonical import same_json
from reconciler.model.flag import ID_PROPERTIES
from reconciler.planning.plan import MembersChange
from reconciler.reports.sanitize import visible
from reconciler.strict_json import join_pointer, split_pointer
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.planning.plan import FieldChange, ValueChange
    from reconciler.strict_json import Json

_MOST_MEMBERS = 24
_SETS = {"/tags", "/deployments"}
_SEGMENT_PARTS = {"name", "conditions", "percentage"}


class FieldLine(Struct, frozen=True, kw_only=True):
    """One line of differences. `symbol` is `+`, `-` or `~`; a side that is None is not there at all.

    Of a set (`is_set`) `before` says what is removed and `after` what is added.
    """

    symbol: str
    label: str
    before: str | None = None
    after: str | None = None
    is_set: bool = False


def field_lines(
    changes: tuple[FieldChange, ...], *, show_users: bool, deployments: Mapping[str, str] | None = None
) -> tuple[FieldLine, ...]:
    """The lines of a flag's changes, in their order. `deployments` gives names by id, which are shown with the id."""
    named = (_with_names(change, deployments) if deployments else change for change in changes)
    return tuple(line for change in named for line in _lines(change, show_users=show_users))


def _with_names(change: FieldChange, deployments: Mapping[str, str]) -> FieldChange:
    if change.path != "/deployments" or isinstance(change, MembersChange):
        return change

    def named(ids: Json) -> Json:
        return ids and [f"{deployments[item]} ({item})" if item in deployments else item for item in ids]

    return replace(change, before=named(change.before), after=named(change.after))


def _lines(change: FieldChange, *, show_users: bool) -> Iterator[FieldLine]:
    label = visible(change.path.removeprefix("/"))
    if isinstance(change, MembersChange):
        yield _members_line(change, label, show_users=show_users)
        return
    before, after = change.before, change.after
    if change.path in _SETS and isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield _set_line(label, before, after)
    elif change.path == "/targetSegments" and _are_named(before) and _are_named(after):
        yield from _segment_lines(before or [], after or [], show_users=show_users)
    elif change.path == "/variants" and before is None and _are_keyed(after):
        yield from _new_variant_lines(after, show_users=show_users)
    elif change.path.endswith("/payload"):
        yield from _payload_lines(label, change)
    else:
        yield _value_line(label, before, after, show_users=show_users)


def _members_line(change: MembersChange, label: str, *, show_users: bool) -> FieldLine:
    personal = change.path.endswith("/users") and not show_users
    noun = "user" if change.path.endswith("/users") else "cohort"

    def side(sign: str, members: tuple[str, ...]) -> str | None:
        if not members:
            return None
        words = f"{sign} {counted(len(members), noun)}"
        return words if personal else f"{words}: {', '.join(map(flow_text, members))}"

    return _sides_line(label, side("-", change.removed), side("+", change.added))


def _set_line(label: str, before: Sequence[Json], after: Sequence[Json]) -> FieldLine:
    """What is added to a set and what is removed from it; one whose order or copies alone differ is shown whole."""
    removed = [flow_text(item) for item in before if item not in after]
    added = [flow_text(item) for item in after if item not in before]
    if not removed and not added:
        return _value_line(label, before, after, show_users=True)
    return _sides_line(
        label, *(f"{sign} {', '.join(items)}" if items else None for sign, items in (("-", removed), ("+", added)))
    )


def _sides_line(label: str, removed: str | None, added: str | None) -> FieldLine:
    symbol = "~" if removed and added else "+" if added else "-"
    return FieldLine(symbol=symbol, label=label, before=removed, after=added, is_set=True)


def _value_line(label: str, before: Json, after: Json, *, show_users: bool) -> FieldLine:
    old = None if before is None else flow_text(redacted(before, show_users=show_users))
    new = None if after is None else flow_text(redacted(after, show_users=show_users))
    return _line(label, old, new)


def _line(label: str, old: str | None, new: str | None) -> FieldLine:
    """A difference as a line; two sides that differ only in ids that are counted say so."""
    if old is not None and new is not None and old != new and normalize("NFKC", old) == normalize("NFKC", new):
        old, new = _with_code_points(old), _with_code_points(new)
    if old is not None and old == new:
        new = f"{new} (other ids)"
    symbol = "+" if old is None else "-" if new is None else "~"
    return FieldLine(symbol=symbol, label=label, before=old, after=new)


def _with_code_points(text: str) -> str:
    """The text with what is not ASCII as code points: two spellings of one character look the same."""
    return "".join(sign if sign.isascii() else f"\\u{ord(sign):04x}" for sign in text)


def _payload_lines(label: str, change: ValueChange) -> Iterator[FieldLine]:
    leaves = change.details
    if not 0 < len(leaves) <= _MOST_MEMBERS or any(leaf.before is leaf.after for leaf in leaves):
        yield _line(
            label, flow_text(change.before), flow_text(change.after)
        )  # no payload is null: both sides are there
        return
    for leaf in leaves:
        sides = (
            flow_text(value) if value is not None or _is_null(whole, leaf.path) else None
            for value, whole in ((leaf.before, change.before), (leaf.after, change.after))
        )
        yield _line(f"{label}{visible(leaf.path)}", *sides)


def _is_null(value: Json, path: str) -> bool:
    """Whether an object has a member of this JSON Pointer, and it is null."""
    tokens = split_pointer(path)
    if not tokens:
        return value is None
    *parents, last = tokens
    for name in parents:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
    return isinstance(value, dict) and value.get(last, value) is None


def _new_variant_lines(variants: list[Json], *, show_users: bool) -> Iterator[FieldLine]:
    for variant in variants:
        rest = {key: value for key, value in variant.items() if key != "key"}
        text = flow_text(redacted(rest, show_users=show_users)) if rest else "no fields"
        yield FieldLine(symbol="+", label=f"variants/{visible(variant['key'])}", after=text)


def _are_named(segments: Json) -> bool:
    if segments is None:
        return True
    if not _are_objects(segments):
        return False
    names = [item.get("name") for item in segments]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _are_keyed(variants: Json) -> bool:
    return _are_objects(variants) and all(isinstance(item.get("key"), str) for item in variants)


def _are_objects(values: Json) -> bool:
    return isinstance(values, list) and all(isinstance(item, dict) for item in values)


def _segment_lines(before: list[Json], after: list[Json], *, show_users: bool) -> Iterator[FieldLine]:
    live = {segment["name"]: segment for segment in before}
    git = {segment["name"]: segment for segment in after}
    for name in [*live, *(name for name in git if name not in live)]:
        label = f"targetSegments{visible(join_pointer((name,)))}"
        if name in live and name in git:
            yield from _segment_parts(label, live[name], git[name], show_users=show_users)
        else:
            old, new = (_segment_text(side.get(name), show_users=show_users) for side in (live, git))
            yield _line(label, old, new)
    appended = [name for name in live if name in git] + [name for name in git if name not in live]
    if appended != list(git):
        yield _line("targetSegments (order)", ", ".join(map(flow_text, live)), ", ".join(map(flow_text, git)))


def _segment_parts(
    label: str, live: dict[str, Json], git: dict[str, Json], *, show_users: bool
) -> Iterator[FieldLine]:
    for key in [*live, *(key for key in git if key not in live)]:
        if key in live and key in git and same_json(live[key], git[key]):
            continue
        old, new = (
            _text(key, redacted(side[key], show_users=show_users)) if key in side else None for side in (live, git)
        )
        yield _line(f"{label}/{visible(key)}", old, new)


def _segment_text(raw: dict[str, Json] | None, *, show_users: bool) -> str | None:
    if raw is None:
        return None
    segment = redacted(raw, show_users=show_users)
    rest = [f"{visible(key)} {flow_text(segment[key])}" for key in segment if key not in _SEGMENT_PARTS]
    return "; ".join(
        [_text("conditions", segment.get("conditions")), f"{flow_text(segment.get('percentage'))}%", *rest]
    )


def _text(key: str, value: Json) -> str:
    if key != "conditions" or (value and not _are_objects(value)):
        return flow_text(value)
    return " and ".join(map(_condition_text, value)) if value else "everyone"


def _condition_text(condition: dict[str, Json]) -> str:
    words = f"{visible(str(condition.get('prop')))} {visible(str(condition.get('op')))}"
    kind = condition.get("type", "property")
    prefix = "" if kind == "property" else f"({visible(str(kind))}) "
    return f"{prefix}{words} {flow_text(condition.get('values'))}"


class Counted(Struct, frozen=True, kw_only=True):
    """Stands where personal ids were: only how many they are is shown."""

    count: int
    noun: str = "user"


def redacted(value: Json, *, show_users: bool) -> Json:
    """The value with the ids of inclusions, and of conditions on ids, replaced by their count, unless shown.

    Payloads are the team's own content and stay whole.
    """
    if show_users:
        return value
    if isinstance(value, dict):
        prop, values = value.get("prop"), value.get("values")
        if isinstance(prop, str) and prop in ID_PROPERTIES and isinstance(values, list | tuple):
            return value | {"values": Counted(count=len(values), noun="id")}
        return {key: _redacted_member(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, show_users=False) for item in value]
    return value


def flow_text(value: Json) -> str:
    """A JSON value on one line, safe to show; None reads `null`."""
    if isinstance(value, Counted):
        return f"[{counted(value.count, value.noun)}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_scalar(str(key))}: {flow_text(item)}" for key, item in value.items())
        return "{" + inside + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow_text(item) for item in value) + "]"
    return _scalar(value)


def _redacted_member(key: str, value: Json) -> Json:
    if key == "payload":
        return value
    if key == "inclusions" and isinstance(value, dict):
        users = value.get("users")
        return value | {"users": Counted(count=len(users))} if isinstance(users, list | tuple) else value
    return redacted(value, show_users=False)


def _scalar(value: Json) -> str:
    return visible(json.dumps(value, ensure_ascii=False))

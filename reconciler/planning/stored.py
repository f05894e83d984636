"""What a server keeps in a form of its own: a difference that no call takes away, because the call was made.

The reference does not say that any of it happens; each form is one that servers of other services have. A change is
of such a form where the declared value, put into the form, is the live one.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.evaluation.exposure import exposure_of
from reconciler.model.canonical import exact, same_json
from reconciler.model.versions import parse_time
from reconciler.planning.plan import ValueChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.flag import FlagSpec, LiveState
    from reconciler.model.versions import History
    from reconciler.planning.plan import FieldChange, Plan
    from reconciler.strict_json import Json

    Form = Callable[[Json], Json]

_ROUNDED: Final = 0.011
"""Percentages of two decimals that make 100 together: one of them may be off by a hundredth more than rounding."""

_WITH_NUMBERS: Final = frozenset({"/rolloutWeights", "/targetSegments"})


def how_stored(change: FieldChange) -> str:
    """In which form the live value is the declared one, in a few words; "" where it is another value."""
    if not isinstance(change, ValueChange):
        return ""
    forms = [(words, form) for ends, words, form in _FORMS if change.path.endswith(ends)]
    for count in range(1, len(forms) + 1):
        for chosen in combinations(forms, count):
            value = change.after
            for _, form in chosen:
                value = form(value)
            if _same(change.path, value, change.before):
                return " and ".join(words for words, _ in chosen)
    return ""


def without_settled(plan: Plan, live: LiveState, history: History | None) -> Plan:
    """The plan without flags that differ by forms alone and were edited since the files say what they say.

    What an apply has sent, and the server keeps otherwise, is not sent for ever: such flags count as unchanged, and a
    warning says how each field is kept. Where git does not tell since when it declares one, its file's time counts.
    That an edit came later does not prove that the value was sent: what moves users is always sent.
    """
    forms = {
        flag.key: named
        for flag in plan.flags
        if flag.changes
        and flag.after is not None
        and not moves_users(flag.before, flag.after)
        and all((named := {change.path: how_stored(change) for change in flag.changes}).values())
    }
    if history is None or not forms:
        return plan
    since = history([(key, path) for key, named in forms.items() for path in named], None)

    def is_settled(key: str, path: str) -> bool:
        found = live.flags.get(key)
        edited = parse_time(found.last_modified_at) if found else None
        at = since[key, path].begins_at
        return edited is not None and at is not None and edited > at

    settled = {key: named for key, named in forms.items() if all(is_settled(key, path) for path in named)}
    told = (
        f'"{key}": {path} is stored otherwise ({how}): no call changes that.'
        for key, named in settled.items()
        for path, how in named.items()
    )
    return replace(
        plan,
        flags=tuple(flag for flag in plan.flags if flag.key not in settled),
        unchanged=plan.unchanged + len(settled),
        warnings=(*plan.warnings, *told),
    )


def moves_users(before: FlagSpec | None, after: FlagSpec) -> bool:
    """Whether more users get another variant than rounding moves: then it is no question of form."""
    return exposure_of(before, after).switched * 100 > _ROUNDED


def _same(path: str, formed: Json, live: Json) -> bool:
    if path == "/tags" and isinstance(formed, list) and isinstance(live, list):
        return {*formed} == {*live}
    return _nearly(formed, live) if path in _WITH_NUMBERS else same_json(formed, live)


def _nearly(formed: Json, live: Json) -> bool:
    """Whether two values are equal but for numbers that are rounded percentages, or are written otherwise."""
    if isinstance(formed, _Spellings):
        return isinstance(live, str) and live in formed
    if isinstance(formed, dict):
        same = isinstance(live, dict) and formed.keys() == live.keys()
        return same and all(_nearly(formed[key], live[key]) for key in formed)
    if isinstance(formed, list):
        return isinstance(live, list) and len(formed) == len(live) and all(map(_nearly, formed, live))
    if isinstance(formed, float) and isinstance(live, int | float) and not isinstance(live, bool):
        return abs(formed - live) <= _ROUNDED and (formed == 0) is (live == 0)
    return same_json(formed, live)


def _trimmed(value: Json) -> Json:
    return value.strip() if isinstance(value, str) else value


def _other_line_ends(value: Json) -> Json:
    """The line ends of forms on web pages; they come back as such, or as plain ones where they were sent."""
    if not isinstance(value, str):
        return value
    return value.replace("\r\n", "\n") if "\r\n" in value else value.replace("\n", "\r\n")


def _trimmed_each(value: Json) -> Json:
    return [item.strip() for item in value] if isinstance(value, list) else value


def _lower(value: Json) -> Json:
    return [item.lower() for item in value] if isinstance(value, list) else value


def _object(value: Json) -> Json:
    return {} if value is None else value


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _doubles(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _percentages(weights: Json) -> Json:
    """Weights as shares of 100; zeros stay, because a server may show them."""
    total = sum(exact(weight) for weight in weights.values()) if isinstance(weights, dict) else 0
    return {key: float(exact(weight) * 100 / total) for key, weight in weights.items()} if total else weights


def _in_segments(form: Form, name: str) -> Form:
    """The form of one member of every segment."""
    return lambda segments: (
        [item | {name: form(item[name])} if name in item else item for item in segments]
        if isinstance(segments, list)
        else segments
    )


class _Spellings(frozenset[str]):
    """A text and, where it is a number, how that number may be written: the form in which it comes back varies."""


def _numbers(conditions: Json) -> Json:
    return [item | {"values": [*map(_spellings, item["values"])]} for item in conditions]


def _spellings(text: str) -> _Spellings:
    try:
        number = float(text)
    except ValueError:
        return _Spellings({text})
    return _Spellings({text, str(number), *({str(int(number))} if number.is_integer() else ())})


_FORMS: Final[tuple[tuple[tuple[str, ...], str, Form], ...]] = (
    (("/name", "/description"), "without space around it", _trimmed),
    (("/name", "/description"), "with other line ends", _other_line_ends),
    (("/tags",), "in lower case", _lower),
    (("/tags",), "without space around them", _trimmed_each),
    (("/payload",), "as an empty object", _object),
    (("/payload",), "without members that are null", _without_nulls),
    (("/payload",), "with large numbers as doubles", _doubles),
    (("/rolloutWeights",), "as percentages", _percentages),
    (("/targetSegments",), "with weights as percentages", _in_segments(_percentages, "rolloutWeights")),
    (("/targetSegments",), "with values as numbers", _in_segments(_numbers, "conditions")),
    (("/targetSegments",), "with names without space around them", _in_segments(_trimmed, "name")),
)
"""The ends of paths, how the value is stored, and the form."""

"""Whether a condition of a segment is true for a user: the 14 operations of the API.

A user is a mapping as the SDKs describe one: `user_id`, `device_id`, built-in properties, `user_properties`,
`groups`, `cohort_ids`; values as JSON.

SDKs differ in corners; where they do, this is the official Python engine's answer (amplitude-experiment 1.13):
a value that is 0, false, empty or absent counts as missing; a list matches an operation that is not about sets
when any of its elements does, negations too; `set is not` and `glob does not match` are false of what is missing.
Two things no public source settles. Comparisons of properties whose name holds "version" compare versions, as
the older engine did. A glob must match the whole value; `*` stops at "/", `**` does not, all else is literal.
"""

from __future__ import annotations

import json
import operator
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.model.flag import Condition

T = TypeVar("T")

NONE_VALUE: Final = "(none)"
"""The value that stands for a missing property."""

COHORT_TYPE: Final = "cohort"

BOOLEANS: Final = frozenset({"true", "false"})
"""What `is` takes in any case of letters."""

_TRUE_IF_NONE_LISTED = frozenset(
    {"is", "contains", "less", "less or equal", "greater", "greater or equal", "set is", "set contains"}
)
_FALSE_IF_NONE_LISTED = frozenset({"is not", "does not contain", "set does not contain"})
COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "less": operator.lt,
    "less or equal": operator.le,
    "greater": operator.gt,
    "greater or equal": operator.ge,
}
_VERSION = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+)(-(?:[-\w]+(?:\.[-\w]+)*\.?)?)?)?$")


def matches_condition(condition: Condition, user: Mapping[str, Any]) -> bool:
    """Whether the condition is true for the user. A condition of an unknown type or operation is never true."""
    if condition.type == COHORT_TYPE:
        return _in_cohorts(condition, user)
    if condition.type != "property":
        return False
    value = property_of(condition.prop, user)
    if not value:
        return _matches_missing(condition.op, condition.values)
    elements = text_list(value)
    if condition.op.startswith("set "):
        return _matches_set(condition.op, elements, condition.values) if elements else False
    candidates = [text_of(value)] if elements is None else elements
    return any(_matches_text(condition, candidate) for candidate in candidates)


def property_of(name: str, user: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a property is any JSON value
    """A property of the user: `gp:` names one of `user_properties`, anything else a built-in field."""
    if name.startswith("gp:"):
        properties = user.get("user_properties")
        return properties.get(name.removeprefix("gp:")) if isinstance(properties, dict) else None
    return user.get(name)


def text_of(value: Any) -> str:  # noqa: ANN401 - a property is any JSON value
    """A value as the text that is compared and hashed."""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def text_list(value: Any) -> list[str] | None:  # noqa: ANN401 - a property is any JSON value
    """A list, or the text of a JSON list, as texts without nulls; None for anything else."""
    if not isinstance(value, list):
        text = str(value)
        if not text.startswith("["):
            return None
        with suppress(json.JSONDecodeError):
            value = json.loads(text)
        if not isinstance(value, list):
            return None
    return [text_of(item) for item in value if item is not None]


def is_any_of(value: str, listed: tuple[str, ...] | list[str]) -> bool:
    """Whether the value is listed, letter by letter; true and false in any case."""
    if value in listed:
        return True
    lowered = value.lower()
    return lowered in BOOLEANS and any(item.lower() == lowered for item in listed)


def _in_cohorts(condition: Condition, user: Mapping[str, Any]) -> bool:
    if not user.get("cohort_ids"):
        return condition.op in {"is", "is not"} and _matches_missing(condition.op, condition.values)
    cohorts = text_list(user["cohort_ids"]) or []
    is_member = any(is_any_of(value, cohorts) for value in condition.values)
    return is_member if condition.op == "is" else condition.op == "is not" and not is_member


def _matches_missing(op: str, values: tuple[str, ...]) -> bool:
    if op in _TRUE_IF_NONE_LISTED:
        return NONE_VALUE in values
    return op in _FALSE_IF_NONE_LISTED and NONE_VALUE not in values


def _matches_set(op: str, elements: list[str], values: tuple[str, ...]) -> bool:
    match op:
        case "set is":
            return set(elements) == set(values)
        case "set is not":
            return set(elements) != set(values)
        case "set contains":
            return _contains_all(elements, values)
        case "set does not contain":
            return not _contains_all(elements, values)
        case _:
            pass
    return False


def _contains_all(elements: list[str], values: tuple[str, ...]) -> bool:
    return len(elements) >= len(values) and all(is_any_of(value, elements) for value in values)


def _matches_text(condition: Condition, value: str) -> bool:
    values = condition.values
    match condition.op:
        case "is":
            return is_any_of(value, values)
        case "is not":
            return not is_any_of(value, values)
        case "contains":
            return _contains(value, values)
        case "does not contain":
            return not _contains(value, values)
        case "glob match":
            return _matches_glob(value, values)
        case "glob does not match":
            return not _matches_glob(value, values)
        case _:
            return condition.op in COMPARISONS and _compares(condition, value)


def _contains(value: str, parts: tuple[str, ...]) -> bool:
    lowered = value.lower()
    return any(part.lower() in lowered for part in parts)


def _compares(condition: Condition, value: str) -> bool:
    parse = parser_of(condition.prop)
    return _compares_as(parse, COMPARISONS[condition.op], value, condition.values)


def parser_of(prop: str) -> Callable[[str], Any]:
    """What comparisons of a property read its texts as, None for a text that is none: versions or numbers."""
    return parse_version if "version" in prop.lower() else _parse_number


def _compares_as(
    parse: Callable[[str], T | None], compare: Callable[[Any, Any], bool], value: str, limits: tuple[str, ...]
) -> bool:
    """By what both sides are parsed to; as text where the value, or every limit, cannot be parsed."""
    parsed = parse(value)
    parsed_limits = [limit for limit in map(parse, limits) if limit is not None]
    if parsed is None or not parsed_limits:
        return any(compare(value, limit) for limit in limits)
    return any(compare(parsed, limit) for limit in parsed_limits)


def _parse_number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text)
    return None


def parse_version(text: str) -> tuple[int, int, int, bool, str] | None:
    """A version that orders as itself; one with a pre-release comes before the one without."""
    found = _VERSION.match(text)
    if found is None:
        return None
    major, minor, patch, release = found.groups()
    return int(major), int(minor), int(patch or 0), not release, release or ""


def _matches_glob(value: str, patterns: tuple[str, ...]) -> bool:
    return any(glob_pattern(pattern).fullmatch(value) for pattern in patterns)


@lru_cache(maxsize=1024)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """The regular expression that a whole value must match."""
    parts = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", glob)), re.DOTALL)

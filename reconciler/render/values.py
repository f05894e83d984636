"""Values in words: percentages, counts, JSON on one line, and what of it is personal and only counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.render.sanitize import visible

if TYPE_CHECKING:
    from reconciler.model import Json

_GRID_NOISE = Fraction(5, 10_000_000)
_SMALLEST_SHOWN = Fraction(1, 20_000)
_PERSONAL_PROPS = frozenset({"user_id", "device_id", "amplitude_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Stands where personal ids were: only how many they are is shown."""

    count: int
    noun: str = "user"


def percent(share: Fraction) -> str:
    """A share as a percentage with at most two decimals: `12.5%`.

    Less than 0.00005% is the graininess of Amplitude's hash and reads 0%; what is more but would round to 0 or to
    100 says so.
    """
    if share < _GRID_NOISE:
        return "0%"
    if share < _SMALLEST_SHOWN:
        return "<0.01%"
    if 1 - _SMALLEST_SHOWN < share < 1 - _GRID_NOISE:
        return ">99.99%"
    return f"{round(float(share * 100), 2):g}%"


def counted(count: int, noun: str) -> str:
    """`1 user`, `2 users`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def redacted(value: Json, *, show_users: bool) -> Json:
    """The value with the ids of inclusions, and of conditions on ids, replaced by their count, unless shown.

    Payloads are the team's own content and stay whole.
    """
    if show_users:
        return value
    if isinstance(value, dict):
        if value.get("prop") in _PERSONAL_PROPS and isinstance(value.get("values"), list | tuple):
            return value | {"values": Counted(count=len(value["values"]), noun="id")}
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

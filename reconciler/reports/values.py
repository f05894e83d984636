"""Values in words: JSON on one line, and what of it is personal and only counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.reports.sanitize import visible
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.model.flag import Json

_PERSONAL_PROPS = frozenset({"user_id", "device_id", "amplitude_id"})


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

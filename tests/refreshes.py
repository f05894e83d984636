"""Refreshes for tests, and what they asked the emulator, in short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders import a_desired_state
from clients import ask
from emulators import PROJECT, a_live_flag

from reconciler.api.live import fetch_live_state

if TYPE_CHECKING:
    from reconciler.emulator import Emulator
    from reconciler.model.flag import DesiredState, LiveState

NOTHING = a_desired_state()


def refresh(emulator: Any, desired: DesiredState = NOTHING, *targets: str) -> LiveState:
    """A refresh by a client that only reads."""
    return ask(emulator, lambda client: fetch_live_state(client, desired, targets=targets), read_only=True)


def log(emulator: Emulator) -> list[str]:
    """What was asked since the last call, in short: `list`, `list+`, `key=a`, `key=a+` (archived ones too), paths."""
    found = []
    for entry in emulator.log:
        plus = "+" if entry.query.get("includeArchived") == "true" else ""
        if entry.path == "/api/1/flags":
            key = entry.query.get("key")
            assert (entry.query["projectId"], entry.query["limit"]) == (PROJECT, "1000")
            found.append(f"key={key}{plus}" if key else f"list{plus}")
        else:
            found.append(entry.path.removeprefix("/api/1/flags/"))
    emulator.log.clear()
    return sorted(found)


def a_seen_flag(key: str = "one", **fields: Any) -> dict[str, Any]:
    """A live flag with id 1 that holds users and cohorts."""
    control = {"key": "control", "name": "Control", "users": ["ada@example.com"], "cohorts": ["c1"]}
    treatment = {"key": "treatment", "name": "", "payload": {"a": 1}, "users": [], "cohorts": []}
    return a_live_flag(key, **{"id": "1", "variants": [control, treatment], **fields})


def archived(key: str, **fields: Any) -> dict[str, Any]:
    """A live flag that is archived."""
    return a_live_flag(key, archived=True, **fields)

"""The names by which requests may address a server of this machine."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

ELSEWHERE: Final = "This server answers for 127.0.0.1 and localhost only."
"""What a request with another name is told, with status 421."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_of_this_machine(host: str) -> bool:
    """Whether a `Host` header names this machine: a page of another site can point its own name here."""
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False

"""The keys that this process was given, and taking them out of what is said of a failure.

A key is remembered when it is read: a file may be a pipe, which can be read once only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.api.access import ApiKey

_read: set[ApiKey] = set()


def remember(key: ApiKey) -> None:
    """Keep a key out of everything that `hide` is asked about from now on."""
    _read.add(key)


def forget() -> None:
    """Remember no key any more: another command begins."""
    _read.clear()


def hide(text: str) -> str:
    """The text without the keys, that of the environment among them: even an error of a library must not show it."""
    from reconciler.api.access import KEY_VARIABLE, ApiKey

    given = os.environ.get(KEY_VARIABLE, "").strip()
    for key in {*_read, ApiKey(given)} if given else _read:
        text = key.redact(text)
    return text

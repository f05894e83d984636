"""httpx without its command line: `from reconciler.api.http import httpx`.

`import httpx` imports its command line too where click, rich and pygments are installed, as they are here: 50 ms
and 10 MiB for every command that asks a server. httpx does without it where the import fails, and so it does here.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

_COMMAND_LINE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment] # how Python says that there is no such module
    import httpx

    del sys.modules[_COMMAND_LINE]
else:
    import httpx

__all__ = ["httpx", "secure_url"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_PORT: Final = 65_535


def secure_url(address: str) -> httpx.URL | None:
    """The URL of an address that is https, or http on this machine; None of any other, and of what is no address."""
    with suppress(httpx.InvalidURL, ValueError):
        url = httpx.URL(address)
        url.host.encode("idna")  # as the name is looked up
        is_secure = url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK)
        if url.host and is_secure and (url.port is None or 0 < url.port <= _MOST_PORT):
            return url
    return None

"""httpx without its command line: `from reconciler.api.http import httpx`.

`import httpx` imports its command line too where click, rich and pygments are installed, as they are here: 50 ms
and 10 MiB for every command that asks a server. httpx does without it where the import fails, and so it does here.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment] # how Python says that there is no such module
    import httpx

    del sys.modules[_COMMAND_LINE]
else:
    import httpx

__all__ = ["httpx"]

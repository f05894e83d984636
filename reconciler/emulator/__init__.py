"""A stand-in for the Management API, written from its reference alone.

It imports nothing of the rest of the package, on purpose: a misreading of the API then fails a test instead
of cancelling out.

    emulator = Emulator(behaviour=Behaviour(ids="number"))
    emulator.store.add_project("7", {"67": "web"})
    emulator.store.add_key("a-management-key", "ada@example.com", ["7"])
    with serve(emulator) as url:           # over real HTTP; or hand `emulator.app` to an ASGI transport
        ...
    assert [entry.method for entry in emulator.log] == ["GET"]
"""

from reconciler.emulator.api import RawRequest
from reconciler.emulator.app import Emulator
from reconciler.emulator.errors import RefusedError
from reconciler.emulator.log import LogEntry
from reconciler.emulator.options import Behaviour, Limits
from reconciler.emulator.requests import ApiResponse
from reconciler.emulator.server import serve, serve_in_foreground
from reconciler.emulator.state_file import StateError
from reconciler.emulator.store import Store

__all__ = [
    "ApiResponse",
    "Behaviour",
    "Emulator",
    "Limits",
    "LogEntry",
    "RawRequest",
    "RefusedError",
    "StateError",
    "Store",
    "serve",
    "serve_in_foreground",
]

"""What a command that asks a server imports with httpx."""

from __future__ import annotations

import subprocess
import sys


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_leaves_the_command_line_of_httpx_out() -> None:
    """The client needs no rich and no pygments: they would cost every command 50 ms."""
    loaded = loaded_by("import reconciler.api.client, reconciler.api.transport")
    assert "httpx" in loaded
    assert not {"rich", "pygments", "httpx._main"} & loaded


def test_is_the_httpx_that_others_import() -> None:
    """There is one httpx, with either import first, and its command line can be imported by those who want it."""
    for order in ("import httpx as first", "from reconciler.api.http import httpx as first"):
        again = "import httpx; from reconciler.api.http import httpx as own"
        loaded_by(f"{order}; {again}; assert own is httpx is first")
    assert "httpx._main" in loaded_by("from reconciler.api.http import httpx; import httpx._main")

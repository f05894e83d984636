"""What a command that asks a server imports with httpx, and which addresses are safe to ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reconciler.api.http import secure_url


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


@pytest.mark.parametrize(
    ("address", "is_secure"),
    [
        ("https://example.com/a?b", True),
        ("https://example.com:1", True),
        ("https://example.com:65535", True),
        ("https://example.com:65536", False),
        ("https://example.com:0", False),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://127.0.0.2", False),
        ("http://example.com", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("https:example.com", False),
        ("example.com", False),
        ("https://a\n.example.com", False),
        ("https://example.com:x", False),
        (f"https://{'a' * 64}.example.com", False),
        ("", False),
    ],
)
def test_an_address_is_https_or_on_this_machine(address: str, *, is_secure: bool) -> None:
    """What is no address is None as well."""
    assert (secure_url(address) is not None) is is_secure
    if is_secure:
        assert str(secure_url(address)) == address

"""How large a YAML file may be, whoever reads it."""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 50
"""Nested collections in one document. libyaml itself turns quadratic far beyond it."""
MAX_NODES: Final = 100_000
"""Scalars, mappings and lists in one file."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes in one file."""

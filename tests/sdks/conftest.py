"""What the SDK for Python leaves open, closed after each test: `stop()` keeps the pools of its connections."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from amplitude_experiment.connection_pool import HTTPConnectionPool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    yield
    for pool in [item for item in gc.get_objects() if isinstance(item, HTTPConnectionPool)]:
        pool.close()

"""What is believed of an answer's JSON."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidResponseError
from reconciler.model.wire import decode_variants


def test_a_variant_that_comes_twice_is_not_believed() -> None:
    """Two variants of one key are no flag that anything could be planned for."""
    assert [variant.key for variant in decode_variants([{"key": "a"}, {"key": "b"}])] == ["a", "b"]
    with pytest.raises(InvalidResponseError, match="twice at variants"):
        decode_variants([{"key": "a"}, {"key": "b"}, {"key": "a"}])

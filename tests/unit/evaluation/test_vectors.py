"""The published vectors: hashes, and the exact shares of pairs of flags."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from amplitude_experiment.evaluation.murmur3 import hash32x86

from reconciler.evaluation.exposure import exposure_of
from reconciler.evaluation.hashing import HASHES, coordinates, count_hashes, hash_of
from reconciler.model.wire import decode_flag

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "exposure-vectors.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS["hashes"], ids=lambda vector: vector["value"])
def test_hash(vector: dict[str, Any]) -> None:
    """Salt and value give the published hash and its two coordinates."""
    hashed = hash_of(vector["salt"], vector["value"])

    assert hashed == vector["hash"]
    assert coordinates(hashed) == (vector["allocation"], vector["distribution"])


def test_hash_is_the_engines() -> None:
    """The C hash is the official engine's own for every length and for characters beyond ASCII."""
    random = Random(1)
    for length in range(60):
        text = "".join(random.choice("aZ09-_/ é吉🚀") for _ in range(length))
        assert hash_of("s", text) == hash32x86(f"s/{text}")


@pytest.mark.parametrize("vector", VECTORS["pairs"], ids=lambda vector: vector["name"])
def test_pair(vector: dict[str, Any]) -> None:
    """The preview has exactly the published transitions: pairs of segments, shares that switch, and matrix."""
    before, after = (decode_flag({"id": "1", "projectId": "1"} | vector[side]).spec for side in ("before", "after"))

    transitions = exposure_of(before, after).transitions

    assert len(transitions) == len(vector["transitions"])
    for found, expected in zip(transitions, vector["transitions"], strict=True):
        names = [_segment_name(vector[side], expected[f"{side}_segment"]) for side in ("before", "after")]
        assert [found.before_segment, found.after_segment] == names
        assert found.switched == Fraction(expected["switched"])
        matrix = {f"{old}|{new}": share for old, new, share in found.matrix}
        assert matrix == {cell: Fraction(share) for cell, share in expected["matrix"].items()}


def _segment_name(flag: dict[str, Any], index: int) -> str:
    names = [segment["name"] for segment in flag["targetSegments"]]
    return [*names, "All Other Users"][index]


def test_counting_covers_every_hash_once() -> None:
    """Any cut of the grid into rectangles counts all 2^32 hashes, each once."""
    random = Random(2)
    for _ in range(200):
        r, d = random.randint(0, 100), random.randint(0, 42_949_673)
        parts = [((0, r), (0, d)), ((r, 100), (0, d)), ((0, r), (d, 42_949_673)), ((r, 100), (d, 42_949_673))]
        assert sum(count_hashes(*part) for part in parts) == HASHES


def test_last_row_is_short() -> None:
    """The last distribution value has hashes for r below 96 only, since 2^32 is no multiple of 100."""
    assert count_hashes((0, 100), (42_949_672, 42_949_673)) == 96
    assert count_hashes((96, 100), (42_949_672, 42_949_673)) == 0
    assert count_hashes((0, 100), (0, 42_949_672)) == 4_294_967_200
    assert count_hashes((0, 100), (42_949_671, 42_949_673)) == 196
    assert count_hashes((5, 5), (0, 10)) == 0

"""Exposure as JSON: headline figures in percent, shares as exact fractions ("107374185/536870912")."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.evaluation.exposure import FlagExposure, SegmentTransition

if TYPE_CHECKING:
    from reconciler.model.flag import Json


def percent(share: Fraction) -> float:
    """A share of 1 as percent, rounded to 4 places."""
    return round(float(share * 100), 4)


def encode_exposure(exposure: FlagExposure) -> dict[str, Json]:
    """`switched` is the headline, in percent; `exact` is false where a figure is an expectation."""
    return {
        "switched": percent(exposure.switched),
        "exact": exposure.is_exact,
        "transitions": [_encode_transition(item) for item in exposure.transitions],
        "notes": list(exposure.notes),
    }


def decode_exposure(body: dict[str, Json]) -> FlagExposure:
    """The reverse of `encode_exposure`."""
    return FlagExposure(
        transitions=tuple(_decode_transition(item) for item in body["transitions"]), notes=tuple(body["notes"])
    )


def _encode_transition(item: SegmentTransition) -> dict[str, Json]:
    return {
        "beforeSegment": item.before_segment,
        "afterSegment": item.after_segment,
        "switched": percent(item.switched),
        "unavoidable": percent(item.unavoidable),
        "excess": percent(item.excess),
        "exact": item.is_exact,
        "before": {variant: str(share) for variant, share in item.before},
        "after": {variant: str(share) for variant, share in item.after},
        "matrix": [{"from": old, "to": new, "share": str(share)} for old, new, share in item.matrix],
        "switchedShare": str(item.switched),
        "unavoidableShare": str(item.unavoidable),
    }


def _decode_transition(body: dict[str, Json]) -> SegmentTransition:
    return SegmentTransition(
        before_segment=body["beforeSegment"],
        after_segment=body["afterSegment"],
        before=tuple((variant, Fraction(share)) for variant, share in body["before"].items()),
        after=tuple((variant, Fraction(share)) for variant, share in body["after"].items()),
        matrix=tuple((cell["from"], cell["to"], Fraction(cell["share"])) for cell in body["matrix"]),
        switched=Fraction(body["switchedShare"]),
        unavoidable=Fraction(body["unavoidableShare"]),
        is_exact=body["exact"],
    )

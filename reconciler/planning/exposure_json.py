"""The exposure of a flag as a part of the plan document, and back. Exact shares are texts of fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.evaluation.exposure import FlagExposure, ListedMove, PayloadShare, SegmentTransition

if TYPE_CHECKING:
    from reconciler.strict_json import Json


def percentage(share: Fraction) -> float:
    """A share of 1 as percent, rounded to 4 places."""
    return round(float(share * 100), 4)


def encode_exposure(exposure: FlagExposure) -> dict[str, Json]:
    """`switched` is the headline, in percent; `exact` is false where a figure is an expectation."""
    document: dict[str, Json] = {
        "switched": percentage(exposure.switched),
        "exact": exposure.is_exact,
        "transitions": [_encode_transition(item) for item in exposure.transitions],
        "notes": list(exposure.notes),
    }
    if exposure.listed:
        document["listed"] = [
            {"kind": item.kind, "from": item.before, "to": item.after, "count": item.count, **_clients(item)}
            for item in exposure.listed
        ]
    if exposure.payloads:
        document["payloads"] = [_encode_payload(item) for item in exposure.payloads]
    if exposure.dependents:
        document["dependents"] = list(exposure.dependents)
    return document


def _encode_payload(item: PayloadShare) -> dict[str, Json]:
    document: dict[str, Json] = {"variant": item.variant, "share": str(item.share)}
    return document | {kind: count for kind, count in (("users", item.users), ("cohorts", item.cohorts)) if count}


def decode_exposure(body: dict[str, Json]) -> FlagExposure:
    """The reverse of `encode_exposure`."""
    return FlagExposure(
        transitions=tuple(_decode_transition(item) for item in body["transitions"]),
        listed=tuple(
            ListedMove(
                kind=item["kind"],
                before=item["from"],
                after=item["to"],
                count=item["count"],
                deployments=tuple(item.get("deployments", ())),
                mode=item.get("mode", ""),
            )
            for item in body.get("listed", ())
        ),
        payloads=tuple(
            PayloadShare(**item | {"share": Fraction(item["share"])}) for item in body.get("payloads", ())
        ),
        dependents=tuple(body.get("dependents", ())),
        notes=tuple(body["notes"]),
    )


def _encode_transition(item: SegmentTransition) -> dict[str, Json]:
    document: dict[str, Json] = {
        "beforeSegment": item.before_segment,
        "afterSegment": item.after_segment,
        "switched": percentage(item.switched),
        "unavoidable": percentage(item.unavoidable),
        "excess": percentage(item.excess),
        "exact": item.is_exact,
        "before": {variant: str(share) for variant, share in item.before},
        "after": {variant: str(share) for variant, share in item.after},
        "matrix": [{"from": old, "to": new, "share": str(share)} for old, new, share in item.matrix],
        "switchedShare": str(item.switched),
        "unavoidableShare": str(item.unavoidable),
    }
    return document | _clients(item)


def _clients(item: SegmentTransition | ListedMove) -> dict[str, Json]:
    """Whose it is, where it is not that of all clients."""
    document: dict[str, Json] = {"deployments": list(item.deployments)} if item.deployments else {}
    return document | ({"mode": item.mode} if item.mode else {})


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
        deployments=tuple(body.get("deployments", ())),
        mode=body.get("mode", ""),
    )

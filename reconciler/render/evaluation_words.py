"""Why a user gets a variant, in words: a short reason, and the arithmetic of the bucket in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.result import Gate, Ground, Standing, intervals_of
from reconciler.evaluation.rules import DEFAULT_BUCKETING_UNIT
from reconciler.evaluation.shares import variant_shares
from reconciler.render.values import flow_text
from reconciler.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.result import Bucket, Verdict
    from reconciler.evaluation.rules import Bucketing, SegmentRule

UNKNOWN = "unknown"
_GROUNDS = {
    Ground.ABSENT: "there is no such flag",
    Ground.ARCHIVED: "the flag is archived",
    Ground.DISABLED: "the flag is disabled",
    Ground.DEPENDENCY: "stopped by a flag that it depends on",
    Ground.INCLUSION: "listed in the variant",
}
_STANDINGS = {
    Standing.EVERYONE: "everyone gets it",
    Standing.NOBODY: "nobody gets a variant",
    Standing.ALLOCATED: "allocated",
    Standing.NOT_ALLOCATED: "not allocated",
    Standing.NO_VALUE: "no bucketing value",
    Standing.UNKNOWN_SALT: "the salt is not known",
}


def reason_in_words(ground: Ground, segment: str | None, standing: Standing | None) -> str:
    """The reason on half a line: `segment "Beta": not allocated`."""
    if standing is None:
        return _GROUNDS[ground]
    return f"{_rule_name(ground, segment)}: {_STANDINGS[standing]}"


def explanation(verdict: Verdict) -> tuple[str, ...]:
    """Why, one sentence or two a line: dependencies, the rule that matched, and the place in its bucket."""
    return (*_gate_sentences(verdict.gates), *_ground_sentences(verdict))


def _gate_sentences(gates: tuple[Gate, ...]) -> Iterator[str]:
    """One for each gate that is known; a note tells of the others."""
    for gate in gates:
        if not gate.allowed:
            yield f"Depends on {gate.name}, which lets everybody through."
        elif gate.variant is not None:
            which = " or ".join(gate.allowed)
            yield f"Depends on {gate.name}: {which} lets users through, and this user gets {gate.variant}."


def _ground_sentences(verdict: Verdict) -> Iterator[str]:
    match verdict.ground:
        case Ground.ABSENT:
            yield "There is no flag of this key."
        case Ground.ARCHIVED | Ground.DISABLED:
            yield f"The flag is {verdict.ground.value}: nobody gets a variant, whoever is listed."
        case Ground.DEPENDENCY:
            yield "The flags that it depends on do not let this user through."
        case Ground.INCLUSION:
            yield f"Listed in variant {verdict.variant}: that comes before all segments."
        case _:
            yield from _rule_sentences(verdict)


def _rule_sentences(verdict: Verdict) -> Iterator[str]:
    rule, bucket = verdict.rule, verdict.bucket
    matched = (
        f"Segment {flow_text(verdict.segment)} is the first that matches"
        if verdict.ground is Ground.SEGMENT
        else f"No segment matches: {verdict.segment}"
    )
    if rule is None or rule.bucketing is None:
        gives = "nobody a variant" if verdict.standing is Standing.NOBODY else f"everyone {verdict.variant}"
        yield f"{matched}. It gives {gives}, without hashing."
        return
    yield f"{matched}. It gives {rule.percentage}% of its users a variant, by {bucketed_by(rule.bucketing)}."
    if bucket is not None:
        yield _hash_line(bucket)
        yield _place_line(verdict, rule, bucket)
    elif verdict.standing is Standing.UNKNOWN_SALT:
        shares = ", ".join(f"{percent(share)} {variant}" for variant, share in variant_shares(rule).items())
        yield f"The salt is not known, so the variant is not. Of all its users: {shares}."
    else:
        yield f"The user has no {bucketed_by(rule.bucketing)}: no variant."


def _hash_line(bucket: Bucket) -> str:
    text = flow_text(f"{bucket.bucketing.salt}/{bucket.value}")
    return (
        f"murmur3({text}) = {bucket.hashed}: allocation {bucket.allocation} (modulo 100), "
        f"distribution {bucket.distribution} (divided by 100)."
    )


def _place_line(verdict: Verdict, rule: SegmentRule, bucket: Bucket) -> str:
    if verdict.standing is Standing.NOT_ALLOCATED:
        return f"{bucket.allocation} is not below {rule.percentage}: not allocated, no variant."
    place = next(item for item in intervals_of(rule) if bucket.distribution < item.end)
    return (
        f"{bucket.allocation} is below {rule.percentage}: allocated. {bucket.distribution} lies in the range of "
        f"{place.variant}, {place.start} to {place.end - 1}."
    )


def bucketed_by(bucketing: Bucketing) -> str:
    """What of a user is hashed: a property, or the name of a group."""
    return bucketing.key if bucketing.unit == DEFAULT_BUCKETING_UNIT else f"group of type {bucketing.unit}"


def _rule_name(ground: Ground, segment: str | None) -> str:
    return f"segment {flow_text(segment)}" if ground is Ground.SEGMENT else str(segment)

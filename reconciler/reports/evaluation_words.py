"""Why a user gets a variant, in words: a short reason, and the arithmetic of the bucket in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.result import Allocation, Dependency, Reason, intervals_of
from reconciler.evaluation.shares import variant_shares
from reconciler.model.fields import DEFAULT_BUCKETING_UNIT
from reconciler.reports.values import flow_text
from reconciler.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.result import Bucket, Result
    from reconciler.evaluation.rules import Bucketing, SegmentRule

UNKNOWN = "unknown"
_REASONS = {
    Reason.ABSENT: "there is no such flag",
    Reason.ARCHIVED: "the flag is archived",
    Reason.DISABLED: "the flag is disabled",
    Reason.DEPENDENCY: "stopped by a flag that it depends on",
    Reason.INCLUSION: "listed in the variant",
}
_ALLOCATIONS = {
    Allocation.EVERYONE: "everyone gets it",
    Allocation.NOBODY: "nobody gets a variant",
    Allocation.ALLOCATED: "allocated",
    Allocation.NOT_ALLOCATED: "not allocated",
    Allocation.NO_VALUE: "no bucketing value",
    Allocation.UNKNOWN_SALT: "the salt is not known",
}


def reason_in_words(reason: Reason, segment: str | None, allocation: Allocation | None) -> str:
    """The reason on half a line: `segment "Beta": not allocated`."""
    if allocation is None:
        return _REASONS[reason]
    return f"{_rule_name(reason, segment)}: {_ALLOCATIONS[allocation]}"


def explanation(result: Result) -> tuple[str, ...]:
    """Why, one sentence or two a line: dependencies, the rule that matched, and the place in its bucket."""
    return (*_dependency_sentences(result.dependencies), *_reason_sentences(result))


def _dependency_sentences(dependencies: tuple[Dependency, ...]) -> Iterator[str]:
    """One for each dependency that is known; notes name the others."""
    for dependency in dependencies:
        if not dependency.allowed:
            yield f"Depends on {dependency.name}, which lets everybody through."
        elif dependency.variant is not None:
            which, variant = " or ".join(dependency.allowed), dependency.variant
            yield f"Depends on {dependency.name}: {which} lets users through, and this user gets {variant}."


def _reason_sentences(result: Result) -> Iterator[str]:
    match result.reason:
        case Reason.ABSENT:
            yield "There is no flag of this key."
        case Reason.ARCHIVED | Reason.DISABLED:
            yield f"The flag is {result.reason.value}: nobody gets a variant, whoever is listed."
        case Reason.DEPENDENCY:
            yield "The flags that it depends on do not let this user through."
        case Reason.INCLUSION:
            yield f"Listed in variant {result.variant}: that comes before all segments."
        case _:
            yield from _rule_sentences(result)


def _rule_sentences(result: Result) -> Iterator[str]:
    rule, bucket = result.rule, result.bucket
    matched = (
        f"Segment {flow_text(result.segment)} is the first that matches"
        if result.reason is Reason.SEGMENT
        else f"No segment matches: {result.segment}"
    )
    if rule is None or rule.bucketing is None:
        gives = "nobody a variant" if result.allocation is Allocation.NOBODY else f"everyone {result.variant}"
        yield f"{matched}. It gives {gives}, without hashing."
        return
    yield f"{matched}. It gives {rule.percentage}% of its users a variant, by {bucketed_by(rule.bucketing)}."
    if bucket is not None:
        yield _hash_line(bucket)
        yield _place_line(result, rule, bucket)
    elif result.allocation is Allocation.UNKNOWN_SALT:
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


def _place_line(result: Result, rule: SegmentRule, bucket: Bucket) -> str:
    if result.allocation is Allocation.NOT_ALLOCATED:
        return f"{bucket.allocation} is not below {rule.percentage}: not allocated, no variant."
    place = next(item for item in intervals_of(rule) if bucket.distribution < item.end)
    return (
        f"{bucket.allocation} is below {rule.percentage}: allocated. {bucket.distribution} lies in the range of "
        f"{place.variant}, {place.start} to {place.end - 1}."
    )


def bucketed_by(bucketing: Bucketing) -> str:
    """What of a user is hashed: a property, or the name of a group."""
    return bucketing.key if bucketing.unit == DEFAULT_BUCKETING_UNIT else f"group of type {bucketing.unit}"


def _rule_name(reason: Reason, segment: str | None) -> str:
    return f"segment {flow_text(segment)}" if reason is Reason.SEGMENT else str(segment)

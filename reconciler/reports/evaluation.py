"""What users get of a flag: one user with the reasons, or the users of a file in numbers, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.result import Allocation, Reason, intervals_of
from reconciler.evaluation.shares import variant_shares
from reconciler.model.fields import DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF
from reconciler.planning.exposure_json import percentage
from reconciler.reports.exposure_view import Share, bar, fill
from reconciler.reports.fields import flow_text
from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.reports.sanitize import visible
from reconciler.reports.text_layout import TextLayout, columns_of
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.evaluation.comparison import Comparison, ReasonRow, Summary, UserCount, UserReport, UsersReport
    from reconciler.evaluation.result import Bucket, Dependency, Result
    from reconciler.evaluation.rules import Bucketing, SegmentRule
    from reconciler.model.config import Config
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

_BAR_WIDTH = 48
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
    Allocation.NOBODY: "no user gets a variant",
    Allocation.ALLOCATED: "allocated",
    Allocation.NOT_ALLOCATED: "not allocated",
    Allocation.NO_VALUE: "no bucketing value",
    Allocation.UNKNOWN_SALT: "the salt is not known",
}


def render_user_text(report: UserReport, options: RenderOptions) -> str:
    """The variant on both sides, and why, of one user; the last line says whether the plan moves the user."""
    comparison, live, desired = report.comparison, report.live, report.desired
    layout = TextLayout(options.terminal)
    _head(layout, comparison)
    layout.line(
        ("for ", "dim"),
        ", ".join(f"{name} {_plain(value)}" for name, value in report.fields.items()),
        hang=4,
    )
    layout.blank()
    width = max(columns_of(_shown(result.variant)) for result in (live, desired))
    for label, result in (("live", live), ("desired", desired)):
        gap = " " * (width - columns_of(_shown(result.variant)))
        reason = reason_in_words(result.reason, result.segment, result.allocation)
        layout.line((f"{label:<9}", "dim"), (_shown(result.variant), "bold"), f"{gap}  {reason}", hang=width + 11)
    reasons = {"live": explanation(live), "desired": explanation(desired)}
    if reasons["live"] == reasons["desired"]:
        reasons = {"live and desired": reasons["live"]}
    for label, lines in reasons.items():
        layout.blank()
        layout.line((label, "dim"))
        for line in lines:
            layout.line(line, indent=2)
    _notes(layout, [*comparison.notes, *dict.fromkeys((*live.notes, *desired.notes))])
    layout.blank()
    layout.line(_conclusion(live, desired))
    return layout.render()


def render_summary_text(report: UsersReport, options: RenderOptions) -> str:
    """The users of a file in numbers; the last line says how many the plan moves."""
    comparison, summary, layout = report.comparison, report.summary, TextLayout(options.terminal)
    _head(layout, comparison)
    layout.line((f"{counted(summary.total, 'user')} of {report.file}", "dim"))
    layout.blank()
    indexes = _indexes(summary)
    _draw_bar(layout, "live", {row.variant: row.live for row in summary.variants}, indexes)
    _draw_bar(layout, "desired", {row.variant: row.desired for row in summary.variants}, indexes)
    variants = [
        (f"{fill(indexes[row.variant])} {_shown(row.variant)}", row.live, row.desired) for row in summary.variants
    ]
    reasons = [
        (reason_in_words(row.reason, row.segment, row.allocation), row.live, row.desired) for row in summary.reasons
    ]
    _table(layout, "variant", variants)
    _table(layout, "reason", reasons)
    _moves(layout, summary)
    _notes(layout, [*comparison.notes, *(f"{note} ({counted(count, 'user')})" for note, count in summary.notes)])
    layout.blank()
    if summary.undecided.count:
        layout.line(f"For {counted(summary.undecided.count, 'user')} it is unknown whether the plan moves them.")
    layout.line(
        f"The plan moves {summary.moved.count} of {counted(summary.total, 'user')} ({percent(summary.moved.share)})."
    )
    return layout.render()


def _head(layout: TextLayout, comparison: Comparison) -> None:
    where = f"  id {comparison.flag_id}" if comparison.flag_id else "  not live yet"
    layout.line((comparison.key, "bold"), (where, "dim"))


def _conclusion(live: Result, desired: Result) -> str:
    if live.variant is None or desired.variant is None:
        return "It is unknown whether the plan moves this user."
    if live.variant == desired.variant:
        return "The plan does not move this user."
    return f"The plan moves this user from {live.variant} to {desired.variant}."


def _indexes(summary: Summary) -> dict[str | None, int]:
    """A number for each variant, by which its fill and colour are chosen; `off` has 0."""
    shown = [row.variant for row in summary.variants if row.variant != OFF]
    return {OFF: 0} | {variant: index for index, variant in enumerate(shown, start=1)}


def _draw_bar(
    layout: TextLayout, label: str, parts: dict[str | None, UserCount], indexes: dict[str | None, int]
) -> None:
    """The bar of one side, without variants that no user has; none where there are no users."""
    shares = tuple(
        Share(variant=_shown(variant), part=users.share, text=percent(users.share), index=indexes[variant])
        for variant, users in parts.items()
        if users.count
    )
    if shares:
        layout.line((f"{label:<9}", "dim"), *bar(shares, _BAR_WIDTH))


def _table(layout: TextLayout, head: str, rows: Sequence[tuple[str, UserCount, UserCount]]) -> None:
    """Rows of a label and the two sides, in columns."""
    if not rows:
        return
    layout.blank()
    cells = [(head, "live", "desired")]
    cells += [(visible(label), _amount(live), _amount(desired)) for label, live, desired in rows]
    widths = [max(columns_of(row[column]) for row in cells) for column in range(3)]
    for number, (label, live, desired) in enumerate(cells):
        pad = " " * (widths[0] - columns_of(label))
        text = f"{label}{pad}  {live:>{widths[1]}}  {desired:>{widths[2]}}"
        layout.line((text, "" if number else "dim"))


def _moves(layout: TextLayout, summary: Summary) -> None:
    moves = sorted((cell for cell in summary.matrix if cell.moves), key=lambda cell: -cell.users.count)
    if not moves:
        return
    layout.blank()
    layout.line(("moves", "dim"))
    rows = [(f"{_shown(cell.live)} → {_shown(cell.desired)}", _amount(cell.users)) for cell in moves]
    width, most = (max(columns_of(row[column]) for row in rows) for column in range(2))
    for label, amount in rows:
        pad = " " * (width - columns_of(label))
        layout.line(f"{label}{pad}  {amount:>{most}}", indent=2)


def _notes(layout: TextLayout, notes: Iterable[str]) -> None:
    layout.blank()
    for note in notes:
        layout.line(("Note: ", "dim"), (note, "dim"))


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else flow_text(value)


def _amount(users: UserCount) -> str:
    return f"{users.count}  {percent(users.share):>6}"


def _shown(variant: str | None) -> str:
    return UNKNOWN if variant is None else visible(variant)


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
            yield f"Depends on {dependency.name}, which lets every user through."
        elif dependency.variant is not None:
            which, variant = " or ".join(dependency.allowed), dependency.variant
            yield f"Depends on {dependency.name}: {which} lets users through, and this user gets {variant}."


def _reason_sentences(result: Result) -> Iterator[str]:
    match result.reason:
        case Reason.ABSENT:
            yield "There is no flag of this key."
        case Reason.ARCHIVED | Reason.DISABLED:
            yield f"The flag is {result.reason.value}: no user gets a variant, not even listed users."
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
        gives = "no user a variant" if result.allocation is Allocation.NOBODY else f"everyone {result.variant}"
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


def render_user_json(report: UserReport, _: RenderOptions) -> str:
    """One user, whose `fields` are repeated as they were given. `moved` is null where a side is unknown."""
    live, desired = report.live, report.desired
    is_known = live.variant is not None and desired.variant is not None
    return render_json(
        _json_head(report.comparison, report.config)
        | {
            "user": dict(report.fields),
            "live": _result(live),
            "desired": _result(desired),
            "moved": live.variant != desired.variant if is_known else None,
            "notes": list(report.comparison.notes),
        }
    )


def render_summary_json(report: UsersReport, _: RenderOptions) -> str:
    """The users of a file, in numbers. An unknown variant has the key null; shares are in percent."""
    comparison, summary = report.comparison, report.summary
    members: dict[str, Json] = {
        "users": summary.total,
        "variants": [
            {"variant": row.variant, "live": _count(row.live), "desired": _count(row.desired)}
            for row in summary.variants
        ],
        "matrix": [{"from": cell.live, "to": cell.desired} | _count(cell.users) for cell in summary.matrix],
        "moved": _count(summary.moved),
        "undecided": _count(summary.undecided),
        "reasons": [_reason(row) for row in summary.reasons],
        "notes": [
            *({"message": note, "users": summary.total} for note in comparison.notes),
            *({"message": note, "users": count} for note, count in summary.notes),
        ],
    }
    return render_json(_json_head(comparison, report.config) | members)


def _json_head(comparison: Comparison, config: Config) -> dict[str, Json]:
    return {
        "formatVersion": FORMAT_VERSION,
        "key": comparison.key,
        "id": comparison.flag_id,
        "projectId": config.project_id,
        "region": config.region,
        "environment": config.environment,
        "declared": comparison.is_declared,
    }


def _result(result: Result) -> dict[str, Json]:
    return {
        "variant": result.variant,
        "reason": result.reason.value,
        "segment": result.segment,
        "standing": result.allocation.value if result.allocation else None,
        "bucket": _bucket(result.bucket, result.rule) if result.bucket and result.rule else None,
        "dependencies": [_dependency(dependency) for dependency in result.dependencies],
        "explanation": list(explanation(result)),
        "notes": list(result.notes),
    }


def _bucket(bucket: Bucket, rule: SegmentRule) -> dict[str, Json]:
    return {
        "unit": bucket.bucketing.unit,
        "key": bucket.bucketing.key,
        "salt": bucket.bucketing.salt,
        "value": bucket.value,
        "hash": bucket.hashed,
        "allocation": bucket.allocation,
        "percentage": rule.percentage,
        "distribution": bucket.distribution,
        "ranges": [{"variant": item.variant, "from": item.start, "to": item.end - 1} for item in intervals_of(rule)],
    }


def _dependency(dependency: Dependency) -> dict[str, Json]:
    return {
        "id": dependency.flag_id,
        "key": dependency.key,
        "allowed": list(dependency.allowed),
        "variant": dependency.variant,
    }


def _reason(row: ReasonRow) -> dict[str, Json]:
    return {
        "reason": row.reason.value,
        "segment": row.segment,
        "standing": row.allocation.value if row.allocation else None,
        "live": _count(row.live),
        "desired": _count(row.desired),
    }


def _count(users: UserCount) -> dict[str, Json]:
    return {"count": users.count, "percent": percentage(users.share)}

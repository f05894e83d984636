"""A drift report as lines: what differs, who made it so, what was not seen; decided once for every format.

User ids of inclusions are counted, never shown; editors are named, because that is what the report is for.
"""

from __future__ import annotations

import shlex
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.drift import Basis, Cause, Notification
from reconciler.model.versions import parse_time
from reconciler.planning.plan import MembersChange, ValueChange
from reconciler.reports.danger import Danger, danger_of
from reconciler.reports.fields import field_lines
from reconciler.reports.fitting import first_named
from reconciler.reports.plan_view import place_text, project_title
from reconciler.reports.rollouts import standing_text
from reconciler.reports.sanitize import visible
from reconciler.text import ago, counted, cut, first_of, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from reconciler.drift import AttributedChange, Attribution, DriftReport, Edit, FlagDrift, Sweep
    from reconciler.planning.plan import FieldChange
    from reconciler.reports.fields import FieldLine
    from reconciler.strict_json import Json

_NOTICES: dict[Notification | None, str] = {
    Notification.NEW: "New since the last run.",
    Notification.CHANGED: "Changed since the last run.",
    Notification.RECOVERED: "Recovered: the last run found drift.",
    Notification.SAME: "The same as in the last run.",
}


_MOST_SIDES = 120
_NONE = "has none"


class AuthorLine(Struct, frozen=True, kw_only=True):
    """How a difference came about: words, who, words, and in brackets notes and when; who and when may be empty."""

    words: str
    who: str = ""
    rest: str = ""
    notes: tuple[str, ...] = ()
    when: str = ""

    def __str__(self) -> str:
        notes = ", ".join([*self.notes, *([self.when] if self.when else [])])
        return f"{self.words}{self.who}{self.rest}" + (f" ({notes})" if notes else "")


class DriftLine(Struct, frozen=True, kw_only=True):
    """A field that differs, and what git says of it and what is live, in words."""

    label: str
    words: str


class ExplainedFields(Struct, frozen=True, kw_only=True):
    """Fields that differ, and how that came about."""

    fields: tuple[DriftLine, ...]
    author: AuthorLine


class AbsentLine(Struct, frozen=True, kw_only=True):
    """A declared flag that is not live as one flag, or a field of one that was not checked again."""

    key: str
    words: str


class DriftSection(Struct, frozen=True, kw_only=True):
    """A flag that differs. `place` is `file:line`; `left` says until when it is left alone, or is empty.

    `next_steps` are what may be done, each as words and a command. `hidden` counts fields that are left out.
    """

    symbol: str
    key: str
    place: str
    left: str
    groups: tuple[ExplainedFields, ...]
    next_steps: tuple[tuple[str, str], ...]
    hidden: int = 0


class DriftView(Struct, frozen=True, kw_only=True):
    """A whole report, what was turned off first, then the gravest. `last_line` is one line of a fixed shape.

    `absent` are flags that cannot be compared. `notice` compares with the run before it (empty: nothing to say);
    `facts` are sentences about the rest; `is_partial` says that not everything was looked at.
    """

    title: str
    looked_at: str
    last_line: str
    notice: str
    sections: tuple[DriftSection, ...]
    absent: tuple[AbsentLine, ...]
    warnings: tuple[str, ...]
    facts: tuple[str, ...]
    edits: tuple[str, ...]
    edits_title: str
    is_partial: bool


def drift_view(report: DriftReport) -> DriftView:
    """The view of a report."""
    return DriftView(
        title=project_title(report.project_id, report.region, report.environment),
        looked_at=f", looked at {time_text(report.looked_at)}" if report.looked_at else "",
        last_line=_last_line(report),
        notice=_NOTICES.get(report.notice, ""),
        sections=tuple(_section(flag, report) for flag in sorted(report.flags, key=_rank)),
        absent=tuple(_absent(report)),
        warnings=tuple(visible(warning) for warning in report.warnings),
        facts=tuple(_facts(report)),
        edits=tuple(_edit(edit, report.looked_at) for edit in report.edits or ()),
        edits_title=f"Edited outside git since {time_text(report.edits_since)}" if report.edits_since else "",
        is_partial=bool(report.unchecked or (report.since and not report.sweep)),
    )


def _last_line(report: DriftReport) -> str:
    reads = counted(report.requests, "request")
    counts = (
        ("changed", [flag.key for flag in report.flags], True),
        ("missing", report.missing, True),
        ("duplicate", list(report.duplicates), False),
        ("not checked again", [place.key for place in report.remembered], False),
    )
    known = sum(key in report.known for _, keys, _ in counts for key in keys)
    told = f"; {known} known" if known else ""
    if report.is_drifted:
        numbers = ((words, sum(key not in report.known for key in keys), always) for words, keys, always in counts)
        parts = [f"{number} {words}" for words, number, always in numbers if number or always]
        return f"Drift: {', '.join(parts)}{told}; {reads}"
    where = f" in {counted(len(report.checked), 'edited flag')}" if report.since and not report.sweep else ""
    limits = f"; {len(report.unchecked)} not checked" if report.unchecked else ""
    return f"No drift{where}{told}{limits}; {reads}"


def _rank(flag: FlagDrift) -> tuple[bool, bool, Danger]:
    return flag.known_until is not None, not is_turned_off(flag), danger_of(item.change for item in flag.changes)


def is_turned_off(flag: FlagDrift) -> bool:
    """Whether the flag was turned off live, or a share set to 0, or it was archived: git says otherwise."""
    return _live_values(flag).get("/archived") is True or _is_switched_off(flag)


def _is_switched_off(flag: FlagDrift) -> bool:
    """Whether it takes an override to undo it: the flag is off live, or its rollout or a segment is at 0."""
    live = _live_values(flag)
    return (
        live.get("/enabled") is False or live.get("/rolloutPercentage") == 0 or any(map(_has_new_zero, flag.changes))
    )


def _has_new_zero(item: AttributedChange) -> bool:
    """Whether a segment is at 0 live that git has with another percentage, or has not."""
    change = item.change
    if change.path != "/targetSegments" or not isinstance(change, ValueChange):
        return False
    live, git = _percentages(change.before), _percentages(change.after)
    return any(share == 0 and git.get(segment) != 0 for segment, share in live.items())


def _percentages(segments: Json) -> dict[Json, Json]:
    """The percentage of each segment, by name."""
    found = segments if isinstance(segments, list) else ()
    return {item.get("name"): item.get("percentage") for item in found if isinstance(item, dict)}


def _live_values(flag: FlagDrift) -> dict[str, Json]:
    """The live values of fields that differ, by path."""
    return {item.change.path: item.change.before for item in flag.changes if isinstance(item.change, ValueChange)}


def _section(flag: FlagDrift, report: DriftReport) -> DriftSection:
    changes = sorted(flag.changes, key=lambda item: danger_of([item.change]))
    groups = groupby(changes, key=_explanation)
    return DriftSection(
        symbol="~",
        key=visible(flag.key),
        place=place_text(flag.source),
        left="; ".join(_left(flag)),
        groups=tuple(_group(list(items), report.looked_at) for _, items in groups),
        next_steps=tuple((words, visible(step)) for words, step in _next_steps(flag, report.environment)),
    )


def _left(flag: FlagDrift) -> Iterator[str]:
    if flag.frozen_until:
        yield f"frozen until {flag.frozen_until.isoformat()}"
    if flag.known_until:
        reason = f": {visible(flag.known_reason)}" if flag.known_reason else ""
        yield f"known until {flag.known_until.isoformat()}{reason}"


def _explanation(item: AttributedChange) -> tuple[Cause, Attribution, str | None]:
    declared = item.declared if item.cause is Cause.NOT_APPLIED else None
    return item.cause, item.attribution, declared.commit if declared else None


def _group(items: Sequence[AttributedChange], now: datetime | None) -> ExplainedFields:
    lines = tuple(line for item in items for line in _lines(item.change))
    return ExplainedFields(fields=lines, author=_author(items[0], now))


def _lines(change: FieldChange) -> Iterator[DriftLine]:
    """What git says, and what is live; users and cohorts are counted."""
    if isinstance(change, MembersChange):
        noun = "user" if change.path.endswith("/users") else "cohort"
        sides = ((change.added, "only in git"), (change.removed, "only live"))
        words = ", ".join(f"{counted(len(members), noun)} {where}" for members, where in sides if members)
        yield DriftLine(label=visible(change.path.removeprefix("/")), words=words)
        return
    for line in field_lines((change,), show_users=False):
        if line.is_set:
            texts = ((line.after, "only in git"), (line.before, "only live"))
            words = ", ".join(f"{text[2:]} {where}" for text, where in texts if text)
            yield DriftLine(label=line.label, words=words)
            continue
        git, live = (_NONE if side is None else side for side in (line.after, line.before))
        yield DriftLine(label=line.label, words=f"git {git}, live {live}")


def _next_steps(flag: FlagDrift, environment: str | None) -> Iterator[tuple[str, str]]:
    key, where = shlex.quote(flag.key), f" --env {shlex.quote(environment)}" if environment else ""
    live = _live_values(flag)
    back = " --unarchive" if live.get("/archived") is True else ""
    if flag.cause is Cause.NOT_APPLIED:
        yield "apply it", f"reconciler apply --target {key}{back}{where}"
        return
    allow = f" --allow {shlex.quote(f'kill-switch:{flag.key}')}" if _is_switched_off(flag) else ""
    undo = "undo it (declare archived: false first)" if flag.is_archived_unasked else "undo it"
    yield "adopt it", f"reconciler import --target {key} --force{where}"
    yield undo, f"reconciler apply --target {key}{back}{allow}{where}"
    if flag.known_until is None:
        yield "leave it", f"reconciler drift --acknowledge {key} --until DATE{where}"


def _author(item: AttributedChange, now: datetime | None) -> AuthorLine:
    attribution = item.attribution
    if item.cause is Cause.NOT_APPLIED:
        commit = item.declared.commit if item.declared else None
        return AuthorLine(words="git is ahead: not applied yet", rest=f" (commit {commit[:7]})" if commit else "")
    lead = "changed live" if item.cause is Cause.LIVE_EDIT else "set live"
    if attribution.basis is Basis.UNKNOWN:
        return AuthorLine(words=f"{lead}, the server does not say by whom")
    is_last_edit = attribution.basis is Basis.LAST_EDIT
    at, who = parse_time(attribution.at), visible(attribution.by or "")
    version = "" if attribution.version is None else f"v{attribution.version}"
    notes = [f"{version} or an earlier one" if attribution.basis is Basis.OLDEST_VERSION else version]
    notes += ["versions do not show when this field changed"] if is_last_edit else []
    return AuthorLine(
        words=f"{'last edit of the flag' if is_last_edit else lead} by {'' if who else 'an unknown user'}",
        who=who,
        rest=f" {ago(now - at)}" if now and at else "",
        notes=tuple(filter(None, notes)),
        when=visible(attribution.at or ""),
    )


def _absent(report: DriftReport) -> Iterator[AbsentLine]:
    for key in report.missing:
        known = ", which is known" if key in report.known else ""
        yield AbsentLine(key=visible(key), words=f"is declared but does not exist live{known}")
    for key, ids in report.duplicates.items():
        yield AbsentLine(key=visible(key), words=f"exists more than once live (ids {visible(', '.join(ids))})")
    for place in report.remembered:
        words = "differed in an earlier run and was not checked in this one"
        yield AbsentLine(key=visible(place.key), words=f"{visible(place.path)} {words}".lstrip())


def _edit(edit: Edit, now: datetime | None) -> str:
    """One edit in a line: the flag, what changed, by whom and when."""
    lines = field_lines(edit.changes, show_users=False)
    what = first_of([f"{line.label} {cut(_sides(line), _MOST_SIDES)}" for line in lines], 4)
    at = parse_time(edit.at)
    when = f" {ago(now - at)}" if now and at else ""
    managed = "" if edit.is_declared else " (not managed here)"
    who = visible(edit.by or "an unknown user")
    return f"{visible(edit.key)}{managed}: {what or 'created'}, by {who}{when} (v{edit.version}, {visible(edit.at)})"


def _sides(line: FieldLine) -> str:
    """What was there and what is: of a set what is gone and what is new."""
    if line.is_set:
        return ", ".join(side for side in (line.before, line.after) if side)
    return " → ".join("none" if side is None else side for side in (line.before, line.after))


def _facts(report: DriftReport) -> Iterator[str]:
    if report.last_look:
        age = f"{ago(report.looked_at - report.last_look)}, " if report.looked_at else ""
        yield f"The last good look before this one was {age}at {time_text(report.last_look)}"
    if report.edits is not None and not report.edits and report.edits_since and not _has_edit(report):
        yield f"No flag was edited outside git since {time_text(report.edits_since)}, as far as versions show"
    if report.since:
        yield f"Edits before {time_text(report.since)} were not checked"
    for gap in report.gaps:
        yield f"Since when git says so is not known of some values: {visible(gap.rstrip('.'))}"
    yield from (visible(standing_text(item)) for item in report.rollouts)
    if report.unmanaged:
        yield f"{counted(len(report.unmanaged), 'flag')} not managed here: {first_named(report.unmanaged)}"
    if report.stored:
        named = tuple(f"{item.key} {item.path} ({item.how})" for item in report.stored)
        yield f"{counted(len(named), 'field')} stored otherwise, which is no drift: {first_named(named)}"
    if report.unchecked:
        keys = tuple(dict.fromkeys(place.key for place in report.unchecked))
        yield f"The request budget left {counted(len(keys), 'flag')} wholly or partly unchecked: {first_named(keys)}"
    if report.sweep and report.sweep.total:
        yield _sweep_words(report.sweep)


def _has_edit(report: DriftReport) -> bool:
    """Whether a flag with drift was edited since then: it may be that edit, though no version shows it."""
    times = (parse_time(item.attribution.at) for flag in report.flags for item in flag.changes)
    return any(at is not None and report.edits_since is not None and at >= report.edits_since for at in times)


def _sweep_words(sweep: Sweep) -> str:
    room = f"The budget had room for {sweep.done} of {counted(sweep.total, 'waiting read')}"
    if sweep.runs is None:
        return f"{room}: with this budget they are never made"
    if sweep.runs == 1:
        return f"{room}: each run checks everything"
    return f"{room}: {sweep.runs} runs like this one, with one --state file, check everything"

"""A drift report as lines: what differs, who made it so, what was not seen; decided once for every format.

User ids of inclusions are counted, never shown; editors are named, because that is what the report is for.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.drift import Basis, Notification
from reconciler.reports.danger import Danger, danger_of
from reconciler.reports.fields import FieldLine, field_lines
from reconciler.reports.fitting import first_named
from reconciler.reports.plan_view import place_text, project_title
from reconciler.reports.sanitize import visible
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.drift import Attribution, DriftReport, FlagDrift, Sweep

_NOTICES = {
    Notification.NEW: "New since the last run.",
    Notification.CHANGED: "Changed since the last run.",
    Notification.RECOVERED: "Recovered: the last run found drift.",
    Notification.SAME: "The same as in the last run.",
}


class AuthorLine(Struct, frozen=True, kw_only=True):
    """Who made a difference: words, then who and when (either may be empty), then words."""

    words: str
    who: str = ""
    when: str = ""
    rest: str = ""

    def __str__(self) -> str:
        return f"{self.words}{self.who}{', ' if self.when else ''}{self.when}{self.rest}"


class AuthoredFields(Struct, frozen=True, kw_only=True):
    """Fields that differ, and who made them so."""

    fields: tuple[FieldLine, ...]
    author: AuthorLine


class AbsentLine(Struct, frozen=True, kw_only=True):
    """A declared flag that is not live as one flag, or a field of one that was not checked again."""

    key: str
    words: str


class DriftSection(Struct, frozen=True, kw_only=True):
    """A flag that differs. `place` is `file:line`; `frozen` says until when it is left alone, or is empty."""

    symbol: str
    key: str
    place: str
    frozen: str
    groups: tuple[AuthoredFields, ...]


class DriftView(Struct, frozen=True, kw_only=True):
    """A whole report, the gravest differences first. `last_line` is one line of a fixed shape.

    `absent` are flags that cannot be compared. `notice` compares with the run before it (empty: nothing to say);
    `facts` are sentences about the rest; `is_partial` says that not everything was looked at.
    """

    title: str
    last_line: str
    notice: str
    sections: tuple[DriftSection, ...]
    absent: tuple[AbsentLine, ...]
    warnings: tuple[str, ...]
    facts: tuple[str, ...]
    is_partial: bool = False


def drift_view(report: DriftReport) -> DriftView:
    """The view of a report."""
    return DriftView(
        title=project_title(report.project_id, report.region, report.environment),
        last_line=_last_line(report),
        notice=_NOTICES.get(report.notice, "") if report.notice else "",
        sections=tuple(_section(flag) for flag in sorted(report.flags, key=_danger)),
        absent=tuple(_absent(report)),
        warnings=tuple(visible(warning) for warning in report.warnings),
        facts=tuple(_facts(report)),
        is_partial=bool(report.unchecked or (report.since and not report.sweep)),
    )


def _last_line(report: DriftReport) -> str:
    reads = counted(report.requests, "request")
    if report.is_drifted:
        parts = [f"{len(report.flags)} changed", f"{len(report.missing)} missing"]
        parts += [f"{len(report.duplicates)} duplicate"] if report.duplicates else []
        parts += [f"{len(report.remembered)} not checked again"] if report.remembered else []
        return f"Drift: {', '.join(parts)}; {reads}"
    where = f" in {counted(len(report.checked), 'edited flag')}" if report.since and not report.sweep else ""
    limits = f"; {len(report.unchecked)} not checked" if report.unchecked else ""
    return f"No drift{where}{limits}; {reads}"


def _danger(flag: FlagDrift) -> Danger:
    return danger_of(item.change for item in flag.changes)


def _section(flag: FlagDrift) -> DriftSection:
    changes = sorted(flag.changes, key=lambda item: danger_of([item.change]))
    groups = groupby(changes, key=lambda item: item.attribution)
    return DriftSection(
        symbol="~",
        key=visible(flag.key),
        place=place_text(flag.source),
        frozen=f"frozen until {flag.frozen_until.isoformat()}" if flag.frozen_until else "",
        groups=tuple(
            AuthoredFields(
                fields=field_lines(tuple(item.change for item in items), show_users=False),
                author=_author(attribution),
            )
            for attribution, items in groups
        ),
    )


def _author(attribution: Attribution) -> AuthorLine:
    if attribution.basis is Basis.UNKNOWN:
        return AuthorLine(words="the server does not say who changed it")
    who, when = visible(attribution.by or ""), visible(attribution.at or "")
    unknown = "" if who else "an unknown user"
    version = f", version {attribution.version}" if attribution.version is not None else ""
    if attribution.basis is Basis.LAST_EDIT:
        rest = f"{version} (versions do not show when this field changed)"
        return AuthorLine(words=f"last edit of the flag: {unknown}", who=who, when=when, rest=rest)
    earlier = " or an earlier one" if attribution.basis is Basis.OLDEST_VERSION else ""
    return AuthorLine(words=f"by {unknown}", who=who, when=when, rest=f"{version}{earlier}")


def _absent(report: DriftReport) -> Iterator[AbsentLine]:
    for key in report.missing:
        yield AbsentLine(key=visible(key), words="is declared but does not exist live")
    for key, ids in report.duplicates.items():
        yield AbsentLine(key=visible(key), words=f"exists more than once live (ids {visible(', '.join(ids))})")
    for place in report.remembered:
        words = "differed in an earlier run and was not checked in this one"
        yield AbsentLine(key=visible(place.key), words=f"{visible(place.path)} {words}".lstrip())


def _facts(report: DriftReport) -> Iterator[str]:
    if report.since:
        yield f"Edits before {report.since.isoformat(timespec='seconds').replace('+00:00', 'Z')} were not checked"
    if report.unmanaged:
        yield f"{counted(len(report.unmanaged), 'flag')} not managed here: {first_named(report.unmanaged)}"
    if report.unchecked:
        keys = tuple(dict.fromkeys(place.key for place in report.unchecked))
        yield f"The request budget left {counted(len(keys), 'flag')} wholly or partly unchecked: {first_named(keys)}"
    if report.sweep and report.sweep.total:
        yield _sweep_words(report.sweep)


def _sweep_words(sweep: Sweep) -> str:
    room = f"The budget had room for {sweep.done} of {counted(sweep.total, 'waiting read')}"
    if sweep.runs is None:
        return f"{room}: with this budget they are never made"
    if sweep.runs == 1:
        return f"{room}: each run checks everything"
    return f"{room}: {sweep.runs} runs like this one, with one --state file, check everything"

"""A drift report as a page: flags that differ, that are missing, and what can be filtered by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.page import Badge, Card, Metric, Page, facets
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.reports.drift_view import AbsentLine, DriftSection, DriftView

_KINDS = {"changed": "Changed", "absent": "Missing or in doubt"}
_BADGES = {"frozen": "Frozen"}


def drift_page(document: DriftView) -> Page:
    """The page of a drift report: flags that differ first, then those that cannot be compared."""
    changed = [_changed(number, section) for number, section in enumerate(document.sections, start=1)]
    absent = [_absent(number, line) for number, line in enumerate(document.absent, start=len(changed) + 1)]
    cards = (*changed, *absent)
    return Page(
        title=f"Drift in {document.title}",
        made=document.notice,
        severity="alarm" if cards else "work" if document.is_partial else "calm",
        verdict=_verdict(len(changed), len(absent), is_partial=document.is_partial),
        line=document.verdict,
        metrics=tuple(_metrics(document)) if cards else (),
        cards=cards,
        facets=facets(cards, _KINDS, _BADGES),
        kind_legend="Finding",
        badge_legend="Only",
    )


def _verdict(changed: int, absent: int, *, is_partial: bool) -> str:
    if not changed and not absent:
        return "No drift in what was looked at." if is_partial else "No drift."
    parts = [f"{counted(changed, 'flag')} not as git says"] if changed else []
    parts += [f"{absent} missing or in doubt"] if absent else []
    return f"{', '.join(parts)}."


def _metrics(document: DriftView) -> Iterator[Metric]:
    fields = sum(len(group.fields) for section in document.sections for group in section.groups)
    editors = {group.author.who for section in document.sections for group in section.groups if group.author.who}
    yield Metric(text=str(len(document.sections)), label="changed")
    yield Metric(text=str(len(document.absent)), label="missing or in doubt")
    yield Metric(text=str(fields), label="field" if fields == 1 else "fields")
    yield Metric(text=str(len(editors)), label="editor" if len(editors) == 1 else "editors")


def _changed(number: int, section: DriftSection) -> Card:
    fields = sum(len(group.fields) for group in section.groups)
    return Card(
        number=number,
        kind="changed",
        key=section.key,
        symbol=section.symbol,
        word="changed",
        place=section.place,
        size=counted(fields, "field"),
        section=section,
        badges=(Badge(name="frozen", words=section.frozen),) if section.frozen else (),
    )


def _absent(number: int, line: AbsentLine) -> Card:
    return Card(
        number=number,
        kind="absent",
        key=line.key,
        symbol="!",
        word=line.words,
        place="",
        size="",
        section=line,
        opens=False,
    )

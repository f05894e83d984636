"""A plan as a page: its effects, and by what its flags can be filtered."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.reports.page import Badge, Card, Metric, Page, effects, facets
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.reports.plan_view import FlagSection, PlanView

_KINDS = {"create": "Create", "update": "Update", "archive": "Archive", "unarchive": "Unarchive"}
_BADGES = {
    "removes": "Takes away",
    "moves": "Moves users",
    "between": "Wrong for a moment",
    "warning": "Warnings",
}


def plan_page(document: PlanView) -> Page:
    """The page of a plan. Its cards are in the order of the document."""
    cards = tuple(_card(number, section) for number, section in enumerate(document.flags, start=1))
    severity, verdict = _verdict(document)
    return Page(
        title=f"Plan for {document.title}",
        made=document.made,
        severity=severity,
        verdict=verdict,
        line=document.last_line,
        metrics=tuple(_metrics(document)) if cards else (),
        cards=cards,
        facets=facets(cards, _KINDS, _BADGES),
        kind_legend="Action",
        badge_legend="Risk",
        effects=effects("Effects, the gravest first", ("change", "who is affected"), cards),
    )


def _verdict(document: PlanView) -> tuple[str, str]:
    if document.refusals:
        return "alarm", "Refused as unsafe; nothing was sent."
    if not document.flags:
        return "calm", "No changes: live is as git says."
    return "work", f"{counted(len(document.flags), 'flag')} would change."


def _metrics(document: PlanView) -> Iterator[Metric]:
    actions = [section.action for section in document.flags]
    for action in _KINDS:
        if action in actions:
            yield Metric(text=str(actions.count(action)), label=action)
    calls = sum(len(section.calls) for section in document.flags)
    yield Metric(text=str(calls), label="API call" if calls == 1 else "API calls")
    yield Metric(text=percent(max(map(_switched, document.flags))), label="get another variant, at most")
    yield Metric(text=percent(max(map(_in_between, document.flags))), label="see a wrong one between calls")


def _card(number: int, section: FlagSection) -> Card:
    return Card(
        number=number,
        kind=section.action,
        key=section.key,
        symbol=section.symbol,
        word=section.action,
        place=section.place,
        size=section.size,
        section=section,
        badges=tuple(_badges(section)),
        effect="" if section.effect.is_harmless else section.effect.change,
        affected=section.effect.affected,
    )


def _badges(section: FlagSection) -> Iterator[Badge]:
    if _takes_away(section):
        yield Badge(name="removes", words="takes away")
    if share := _switched(section):
        yield Badge(name="moves", words=f"moves {percent(share)}")
    if share := _in_between(section):
        yield Badge(name="between", words=f"{percent(share)} wrong between calls")
    if section.warnings:
        yield Badge(name="warning", words=counted(len(section.warnings), "warning"))


def _takes_away(section: FlagSection) -> bool:
    return section.action == "archive" or any(call.method == "DELETE" for call in section.calls)


def _switched(section: FlagSection) -> Fraction:
    return section.exposure.switched if section.exposure else Fraction(0)


def _in_between(section: FlagSection) -> Fraction:
    return section.exposure.in_between if section.exposure else Fraction(0)

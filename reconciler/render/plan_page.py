"""A plan as a page: what of it is a risk, and by what its flags can be filtered."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.render.page import Card, Figure, Mark, Page, facets, risk
from reconciler.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.render.document import FlagSection, PlanDocument
    from reconciler.render.page import Risk

_KINDS = {"create": "Create", "update": "Update", "archive": "Archive", "unarchive": "Unarchive"}
_MARKS = {
    "removes": "Takes away",
    "moves": "Moves users",
    "between": "Wrong for a moment",
    "warning": "Warnings",
}


def plan_page(document: PlanDocument) -> Page:
    """The page of a plan. Its cards are in the order of the document."""
    cards = tuple(_card(number, section) for number, section in enumerate(document.flags, start=1))
    mood, verdict = _verdict(document)
    return Page(
        title=f"Plan for {document.title}",
        made=document.made,
        mood=mood,
        verdict=verdict,
        line=document.last_line,
        figures=tuple(_figures(document)) if cards else (),
        risks=tuple(_risks(cards)),
        cards=cards,
        facets=facets(cards, _KINDS, _MARKS),
        kind_legend="Action",
        mark_legend="Risk",
    )


def _verdict(document: PlanDocument) -> tuple[str, str]:
    if document.refusals:
        return "alarm", "Refused as unsafe; nothing was sent."
    if not document.flags:
        return "calm", "No changes: live is as git says."
    return "work", f"{counted(len(document.flags), 'flag')} would change."


def _figures(document: PlanDocument) -> Iterator[Figure]:
    actions = [section.action for section in document.flags]
    for action in _KINDS:
        if action in actions:
            yield Figure(text=str(actions.count(action)), label=action)
    calls = sum(len(section.calls) for section in document.flags)
    yield Figure(text=str(calls), label="API call" if calls == 1 else "API calls")
    yield Figure(text=percent(max(map(_switched, document.flags))), label="get another variant, at most")
    yield Figure(text=percent(max(map(_in_between, document.flags))), label="see a wrong one between calls")


def _card(number: int, section: FlagSection) -> Card:
    return Card(
        number=number,
        kind=section.action,
        key=section.key,
        symbol=section.symbol,
        word=section.action,
        place=section.place,
        aside=section.size,
        marks=tuple(_marks(section)),
        section=section,
    )


def _marks(section: FlagSection) -> Iterator[Mark]:
    if _takes_away(section):
        yield Mark(name="removes", words="takes away")
    if share := _switched(section):
        yield Mark(name="moves", words=f"moves {percent(share)}", weight=share)
    if share := _in_between(section):
        yield Mark(name="between", words=f"{percent(share)} wrong between calls", weight=share)
    if section.warnings:
        yield Mark(name="warning", words=counted(len(section.warnings), "warning"))


def _takes_away(section: FlagSection) -> bool:
    return section.action == "archive" or any(call.method == "DELETE" for call in section.calls)


def _switched(section: FlagSection) -> Fraction:
    return section.exposure.switched if section.exposure else Fraction(0)


def _in_between(section: FlagSection) -> Fraction:
    return section.exposure.in_between if section.exposure else Fraction(0)


def _risks(cards: tuple[Card, ...]) -> Iterator[Risk]:
    yield from risk(
        cards,
        "removes",
        "Something is taken away",
        "A flag is archived, or variants, users, cohorts or deployments are removed.",
    )
    yield from risk(cards, "moves", "Users get another variant", "The largest share of a segment first.")
    yield from risk(
        cards,
        "between",
        "Wrong for a moment",
        "Between two calls some users see neither their old nor their new variant.",
    )
    yield from risk(cards, "warning", "Warnings", "Each is written out with its flag.")

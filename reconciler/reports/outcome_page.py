"""An apply report as a page: a table of what went wrong, then every flag with what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.page import Card, Metric, Page, effects, facets
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.reports.apply import ApplySection, ApplyView

_STATUSES = {"failed": "Failed", "unknown": "Unknown", "skipped": "Skipped", "applied": "Applied"}
_MEANINGS = {
    "failed": "Later calls of the same flag were not sent.",
    "unknown": "The call may have taken effect: the next plan reads what is true.",
    "skipped": "Nothing was sent for these.",
}


def outcome_page(document: ApplyView) -> Page:
    """The page of a report. Its cards are in the order of the document."""
    cards = tuple(_card(number, section) for number, section in enumerate(document.sections, start=1))
    statuses = [card.kind for card in cards]
    went_well = set(statuses) <= {"applied"} and document.verified is not False
    return Page(
        title="What became of the plan",
        made="",
        severity="calm" if went_well else "alarm",
        verdict=_verdict(statuses, document.verified),
        line=document.last_line,
        metrics=tuple(
            Metric(text=str(statuses.count(status)), label=status) for status in _STATUSES if status in statuses
        ),
        cards=cards,
        facets=facets(cards, _STATUSES, {}),
        kind_legend="Status",
        badge_legend="Only",
        effects=effects("Not applied", ("status", "what that means"), sorted(cards, key=_gravity)),
    )


def _verdict(statuses: list[str], verified: bool | None) -> str:  # noqa: FBT001 - as it is in the document
    done = statuses.count("applied")
    if done == len(statuses):
        if verified is False:
            return "Live is not as the plan says, although every call was answered."
        return "Everything was applied." if done else "There was nothing to do."
    return f"{done} of {counted(len(statuses), 'flag')} applied." if done else "No flag was applied in whole."


def _gravity(card: Card) -> int:
    return list(_STATUSES).index(card.kind)


def _card(number: int, section: ApplySection) -> Card:
    return Card(
        number=number,
        kind=section.status,
        key=section.key,
        symbol=section.symbol,
        word=section.status,
        place="",
        size=section.detail,
        section=section,
        effect=section.status if section.status in _MEANINGS else "",
        affected=_MEANINGS.get(section.status, ""),
        opens=bool(section.error or section.calls),
    )

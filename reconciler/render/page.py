"""What every page has: a verdict, figures, risks, and cards that can be searched and filtered. Values only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.render.document import FlagSection
    from reconciler.render.drift_document import AbsentLine, DriftSection
    from reconciler.render.outcome_document import OutcomeSection

_MOST_LINKS = 12
_LARGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something to know about a flag before it is opened: a name to filter by, never data, and words.

    Of two flags with the same mark, the one of more weight deserves the first look.
    """

    name: str
    words: str
    weight: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One flag on a page. `number` counts from 1 and names it; `kind` is one of the page's own words, never data.

    `aside` is a short line about its size.
    """

    number: int
    kind: str
    key: str
    symbol: str
    word: str
    place: str
    aside: str
    marks: tuple[Mark, ...]
    section: FlagSection | DriftSection | AbsentLine | OutcomeSection
    opens: bool = True

    def mark(self, name: str) -> Mark | None:
        """The mark of that name, if the flag has it."""
        return next((mark for mark in self.marks if mark.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of the summary, and what it counts."""

    text: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A choice to filter by. `group` is `kind` or `mark`: within a group one has to fit, of several groups all."""

    group: str
    name: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Flags that deserve a look for one reason, the gravest first; `more` are not linked."""

    title: str
    count: str
    words: str
    cards: tuple[Card, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page. `mood` is `calm`, `work` or `alarm`; `line` the line of fixed shape that text output ends with.

    The legends are over the two groups of facets.
    """

    title: str
    made: str
    mood: str
    verdict: str
    line: str
    figures: tuple[Figure, ...]
    risks: tuple[Risk, ...]
    cards: tuple[Card, ...]
    facets: tuple[Facet, ...]
    kind_legend: str
    mark_legend: str

    @property
    def is_large(self) -> bool:
        """Whether browsers should leave out of sight what is out of sight: only then it costs more than it gives."""
        return len(self.cards) > _LARGE


def facets(cards: Iterable[Card], kinds: Mapping[str, str], marks: Mapping[str, str]) -> tuple[Facet, ...]:
    """The choices that cards offer, in the order of the labels; a group with less than two kinds offers none."""
    cards = tuple(cards)
    of_kind = Counter(card.kind for card in cards)
    of_mark = Counter(mark.name for card in cards for mark in card.marks)
    found = [Facet(group="kind", name=key, label=kinds[key], count=of_kind[key]) for key in kinds if of_kind[key]]
    if len(found) == 1:
        found = []
    found += [Facet(group="mark", name=key, label=marks[key], count=of_mark[key]) for key in marks if of_mark[key]]
    return tuple(found)


def risk(cards: Iterable[Card], name: str, title: str, words: str) -> tuple[Risk, ...]:
    """The risk of the cards that have a mark, those of most weight first; nothing where none has it."""
    found = [(mark.weight, card) for card in cards if (mark := card.mark(name))]
    if not found:
        return ()
    ordered = [card for _, card in sorted(found, key=lambda pair: -pair[0])]
    first, rest = ordered[:_MOST_LINKS], ordered[_MOST_LINKS:]
    count = counted(len(ordered), "flag")
    return (Risk(title=title, count=count, words=words, cards=tuple(first), more=len(rest)),)

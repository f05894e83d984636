"""What every page has: a verdict, metrics, a table of effects, and cards to search and filter. Values only."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.reports.apply import ApplySection
    from reconciler.reports.drift_view import AbsentLine, DriftSection
    from reconciler.reports.plan_view import FlagSection

_MOST_EFFECTS = 100
_LARGE = 50


class Badge(Struct, frozen=True, kw_only=True):
    """Something to know about a flag before it is opened: a name to filter by, never data, and words to show."""

    name: str
    words: str


class Card(Struct, frozen=True, kw_only=True):
    """One flag on a page. `number` counts from 1 and names it; `kind` is one of the page's own words, never data.

    `size` says in short how much there is to read. `effect` and `affected` are the flag's row in the table of
    effects; a flag without an effect has none.
    """

    number: int
    kind: str
    key: str
    symbol: str
    word: str
    place: str
    size: str
    section: FlagSection | DriftSection | AbsentLine | ApplySection
    badges: tuple[Badge, ...] = ()
    effect: str = ""
    affected: str = ""
    opens: bool = True


class Metric(Struct, frozen=True, kw_only=True):
    """A number of the summary, and what it counts."""

    text: str
    label: str


class Facet(Struct, frozen=True, kw_only=True):
    """A choice to filter by. `group` is `kind` or `badge`: within a group one has to fit, of several groups all."""

    group: str
    name: str
    label: str
    count: int


class Effects(Struct, frozen=True, kw_only=True):
    """The table of effects: a row for each of `cards`; `more` flags have none. `heads` are over its two columns."""

    title: str
    heads: tuple[str, str]
    cards: tuple[Card, ...]
    more: int


class Page(Struct, frozen=True, kw_only=True):
    """A whole page. `severity` is `calm`, `work` or `alarm`; `line` is the last line of the text output.

    The legends are over the two groups of facets.
    """

    title: str
    made: str
    severity: str
    verdict: str
    line: str
    metrics: tuple[Metric, ...]
    cards: tuple[Card, ...]
    facets: tuple[Facet, ...]
    kind_legend: str
    badge_legend: str
    effects: Effects | None = None

    @property
    def is_large(self) -> bool:
        """Whether browsers should not draw what is out of sight: for a small page that costs more than it gives."""
        return len(self.cards) > _LARGE


def effects(title: str, heads: tuple[str, str], cards: Iterable[Card]) -> Effects | None:
    """The table of those cards, in their order, that have an effect; None where none has."""
    found = tuple(card for card in cards if card.effect)
    if not found:
        return None
    return Effects(title=title, heads=heads, cards=found[:_MOST_EFFECTS], more=max(0, len(found) - _MOST_EFFECTS))


def facets(cards: Iterable[Card], kinds: Mapping[str, str], badges: Mapping[str, str]) -> tuple[Facet, ...]:
    """The choices that cards offer, in the order of the labels; a group with less than two kinds offers none."""
    cards = tuple(cards)
    of_kind = Counter(card.kind for card in cards)
    of_badge = Counter(badge.name for card in cards for badge in card.badges)
    found = [Facet(group="kind", name=key, label=kinds[key], count=of_kind[key]) for key in kinds if of_kind[key]]
    if len(found) == 1:
        found = []
    found += [
        Facet(group="badge", name=key, label=badges[key], count=of_badge[key]) for key in badges if of_badge[key]
    ]
    return tuple(found)

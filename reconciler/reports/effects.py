"""The table of effects that every format of a plan, and the report of its apply, begins with: computed once."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.reports.affected import NO_USER, name
from reconciler.reports.danger import KEY_LENGTH, Danger, Level
from reconciler.reports.fields import flow_text, redacted
from reconciler.reports.sanitize import visible
from reconciler.text import cut, first_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.planning.plan import FlagPlan, Plan, Released
    from reconciler.reports.danger import Effect

_MOST_RELEASED = 4
_LIVE_LENGTH = 60


class EffectRow(Struct, frozen=True, kw_only=True):
    """One row: the level in a word, the flag, what changes, and who is affected.

    `share` is the largest share of users who get another variant. `number` is the place of the flag's section in the
    plan, from 1; None for a flag that is released, of which nothing is planned.
    """

    level: str
    key: str
    change: str
    affected: str
    share: Fraction = Fraction(0)
    number: int | None = None


def effect_rows(plan: Plan, ordered: Sequence[tuple[FlagPlan, Effect]]) -> tuple[EffectRow, ...]:
    """The rows of a plan, the gravest first; `ordered` are its flags by danger."""
    rows = [
        (
            effect.rank,
            EffectRow(
                level=effect.level.word,
                key=effect.key,
                change=effect.change,
                affected=effect.affected,
                share=effect.share,
                number=number,
            ),
        )
        for number, (_, effect) in enumerate(ordered, start=1)
    ]
    rank = (True, Level.LOW, Fraction(0), Fraction(0), Danger.TOUCHED)
    rows += [(rank, row) for row in _released(plan)]
    return tuple(row for _, row in sorted(rows, key=lambda item: item[0]))


def _released(plan: Plan) -> Iterator[EffectRow]:
    """What is managed no more: the live value stays, and nothing of it is sent."""
    for key, group in groupby(plan.released, key=lambda item: item.key):
        items = [*group]
        fields = [f"{name(item.path.removeprefix('/'))} (live: {_stays(item)})" for item in items if item.path]
        yield EffectRow(
            level=Level.LOW.word,
            key=cut(visible(key), KEY_LENGTH),
            change=f"released: {first_of(fields, _MOST_RELEASED)}"
            if fields
            else f"released, live: {_stays(items[0])}",
            affected=NO_USER,
        )


def _stays(item: Released) -> str:
    if item.live is None:
        return "no such flag" if not item.path else "not read"
    if item.path:
        return cut(flow_text(redacted(item.live, show_users=False)), _LIVE_LENGTH)
    switch = {True: "on", False: "off"}.get(item.live.get("enabled"), "not shown")
    return f"{switch}, {item.live.get('rolloutPercentage', '?')} %"

"""Text that must fit into so many characters: cut texts, the first of many, blocks and views with shorter forms."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.reports.fields import FieldLine
from reconciler.reports.sanitize import markdown_text, visible
from reconciler.text import counted, cut, first_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.reports.exposure_view import ExposureBlock, ExposureRow, Share
    from reconciler.reports.plan_view import CallLine, FlagSection, PlanView, RefusalLine

BETWEEN = 2
"""Characters that separate two blocks: an empty line."""

_TEXT = 160
_SENTENCE = 320
_NAME = 40
_KEY = 60
_MOST_LINES = 12
_MOST_WARNINGS = 20
_MOST_ROWS = 4
_MOST_SHARES = 8
_MOST_KEYS = 10
_MOST_OF_ONE = 16
"""More characters than one becomes in Markdown: an escape of ten, of which one is an entity."""


def first_that_fit(texts: Sequence[str], room: int) -> int:
    """How many texts, from the first on, fit into so many characters, each followed by a line break."""
    sizes = accumulate(len(text) + 1 for text in texts)
    return sum(1 for _ in takewhile(lambda size: size <= room, sizes))


def fit(blocks: Sequence[Sequence[str]], room: int) -> list[str | None]:
    """A form of each block, None for one that is left out. `room` is in characters, separators included.

    The forms of a block go from the longest to the shortest. Each block has its shortest form before any has a longer
    one; otherwise their order decides.
    """
    chosen: list[str | None] = []
    for forms in blocks:
        chosen.append(forms[-1] if len(forms[-1]) + BETWEEN <= room else None)
        room -= length_of(chosen[-1:])
    for index, text in enumerate(chosen):
        if text is not None:
            longest = next(form for form in blocks[index] if len(form) - len(text) <= room)
            room -= len(longest) - len(text)
            chosen[index] = longest
    return chosen


def length_of(texts: Iterable[str | None]) -> int:
    """How many characters chosen forms take, separators included."""
    return sum(len(text) + BETWEEN for text in texts if text is not None)


def first_named(keys: Sequence[str]) -> str:
    """The first ten keys, the beginning of long ones, and how many more there are."""
    return first_of([cut(visible(key), _KEY) for key in keys], _MOST_KEYS)


def short_view(view: PlanView) -> PlanView:
    """The view with what is said of the whole plan cut; its flags are as they were."""
    return replace(
        view,
        title=cut_marked(view.title, _TEXT),
        widest=tuple(cut_marked(sentence, _SENTENCE) for sentence in view.widest),
        refusals=(refusals := _refusals(view.refusals)),
        hidden_refusals=len(view.refusals) - len(refusals),
        held=(held := _refusals(view.held)),
        hidden_held=len(view.held) - len(held),
        warnings=_sentences(view.warnings, _MOST_WARNINGS, "more warning"),
        facts=tuple(cut_marked(fact, _SENTENCE) for fact in view.facts),
        schedules=_sentences(view.schedules, _MOST_WARNINGS, "more rollout"),
        notes=_sentences(view.notes, _MOST_LINES, "more note"),
    )


def short_section(section: FlagSection) -> FlagSection:
    """The section with its long values, and all but the first of many lines, cut."""
    return replace(
        least_section(section),
        fields=short_fields(section.fields),
        calls=_calls(section.calls),
    )


def least_section(section: FlagSection) -> FlagSection:
    """The section without fields and calls: its warnings and its exposure, cut."""
    return replace(
        section,
        key=cut(section.key, _TEXT),
        place=cut(section.place, _TEXT),
        fields=(),
        calls=(),
        warnings=_sentences(section.warnings, _MOST_LINES, "more warning"),
        exposure=_exposure(section.exposure) if section.exposure else None,
    )


def short_fields(fields: tuple[FieldLine, ...]) -> tuple[FieldLine, ...]:
    """The first lines with their texts cut, and how many more there are."""
    shown = tuple(
        replace(line, label=cut(line.label, _TEXT), before=_side(line.before), after=_side(line.after))
        for line in fields[:_MOST_LINES]
    )
    more = len(fields) - len(shown)
    return (*shown, FieldLine(symbol="…", label=counted(more, "more field"))) if more else shown


def cut_marked(text: str, length: int) -> str:
    """The text, cut so that it is not longer than so many characters as Markdown, entities included."""
    shown, room = text, length
    while len(markdown_text(shown)) > length:
        shown = cut(text, room)
        room -= max(1, (len(markdown_text(shown)) - length) // _MOST_OF_ONE)
    return shown


def _sentences(texts: tuple[str, ...], most: int, more: str) -> tuple[str, ...]:
    shown = tuple(cut_marked(text, _SENTENCE) for text in texts[:most])
    return (*shown, counted(len(texts) - most, more)) if len(texts) > most else shown


def _refusals(refusals: tuple[RefusalLine, ...]) -> tuple[RefusalLine, ...]:
    """The first of each guard, and as many others as are shown at most, in their order."""
    leads = {*{item.guard: number for number, item in reversed([*enumerate(refusals)])}.values()}
    rest = (number for number in range(len(refusals)) if number not in leads)
    shown = sorted([*leads, *rest][:_MOST_WARNINGS])
    return tuple(_short_refusal(refusals[number]) for number in shown)


def _short_refusal(line: RefusalLine) -> RefusalLine:
    return replace(line, message=cut_marked(line.message, _SENTENCE), key=cut(line.key, _NAME))


def _side(text: str | None) -> str | None:
    return None if text is None else cut(text, _TEXT)


def _calls(calls: tuple[CallLine, ...]) -> tuple[CallLine, ...]:
    shown = [replace(call, path=cut(call.path, _TEXT), body=_side(call.body)) for call in calls[:_MOST_LINES]]
    if more := len(calls) - len(shown):
        shown[-1] = replace(shown[-1], note=f"and {counted(more, 'more call')}")
    return tuple(shown)


def _exposure(block: ExposureBlock) -> ExposureBlock:
    kept = set(sorted(block.rows, key=lambda row: -sum(move.part for move in row.moves))[:_MOST_ROWS])
    more = len(block.rows) - len(kept)
    notes = _sentences(block.notes, _MOST_LINES, "more note")
    return replace(
        block,
        rows=tuple(_row(row) for row in block.rows if row in kept),
        notes=(*notes, f"{counted(more, 'more segment')} where fewer users get another variant.") if more else notes,
    )


def _row(row: ExposureRow) -> ExposureRow:
    return replace(
        row,
        segment=cut(row.segment, _TEXT),
        before=_shares(row.before),
        after=_shares(row.after),
        matrix=tuple(
            replace(move, before=cut(move.before, _NAME), after=cut(move.after, _NAME)) for move in row.matrix
        ),
    )


def _shares(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """The shares with their names cut, all but the first of many as one."""
    shown = tuple(replace(share, variant=cut(share.variant, _NAME)) for share in shares[:_MOST_SHARES])
    rest = shares[_MOST_SHARES:]
    if not rest:
        return shown
    part = sum((share.part for share in rest), Fraction(0))
    return (*shown, replace(rest[0], variant=counted(len(rest), "more variant"), part=part, text=percent(part)))

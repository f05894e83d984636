"""A plan as Markdown for a pull request: verdict and effects first, a folded block per flag, never more than fits.

Text that others wrote stands in code spans and fenced blocks, or has its signs as entities: it makes no link,
mention, image, table or comment.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reconciler.reports.exposure_view import bar_text, legend
from reconciler.reports.fitting import (
    cut_marked,
    first_that_fit,
    fit,
    least_section,
    length_of,
    short_section,
    short_view,
)
from reconciler.reports.plan_view import HELD, REFUSED, plan_view
from reconciler.reports.sanitize import code_block, code_span, defuse, markdown_text, marker
from reconciler.text import counted, cut, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from fractions import Fraction

    from reconciler.planning.plan import Plan
    from reconciler.reports.exposure_view import ExposureBlock, ExposureRow
    from reconciler.reports.fields import FieldLine
    from reconciler.reports.plan_view import CallLine, FlagSection, PlanView, RefusalLine
    from reconciler.reports.registry import RenderOptions

LIMIT = 64_000
"""Characters: GitHub takes 65,536 in a comment, and a workflow adds a line of its own."""

_BAR_WIDTH = 40
_CELL = 320
"""Characters of one cell in the table of effects."""

_DETAILS = 5
"""The part of the room, as one of so many, that is kept for the details of the gravest."""

_SENTENCE = 400
"""Room for the sentences about what is not shown."""


def render_plan_markdown(plan: Plan, options: RenderOptions) -> str:
    """The plan as Markdown for a pull request, of at most LIMIT characters; see `plan_markdown`."""
    return plan_markdown(plan_view(plan, show_users=options.show_users))


def plan_markdown(view: PlanView, limit: int = LIMIT) -> str:
    """The plan as Markdown; its first line is a hidden marker, its first sentence the line that ends the text plan.

    A table of effects comes next: a row for each flag, the gravest first, harmless changes left out. Details follow
    in the same order. Where it would be longer than the limit, in characters, details are shortened, those of the
    least grave first, then rows are left out; it says so.
    """
    rows = [(_effect_row(flag), flag.effect.share) for flag in view.flags if not flag.effect.is_harmless]
    table = _table([text for text, _ in rows])
    whole = _page([*_head(view), *table, *_warnings(view.warnings), *map(_flag, view.flags), *_foot(view)])
    return whole if len(whole) <= limit else _shortened(view, rows, limit)


def _page(blocks: Iterable[str]) -> str:
    return defuse("\n\n".join(blocks)) + "\n"


def _shortened(view: PlanView, rows: Sequence[tuple[str, Fraction]], limit: int) -> str:
    """The flags of the table are the first of the view; their details come before those of harmless changes.

    Defusing a line makes it longer by characters that cannot be counted before: then there is less room.
    """
    short, forms = short_view(view), [_forms(section) for section in view.flags]
    head, warnings, foot = [*_head(short)], [*_warnings(short.warnings)], [*_foot(short)]
    room = limit - len(_page([*head, *_table([""]), *warnings, *foot])) - _SENTENCE
    while True:
        kept = [text for text, _ in rows[: first_that_fit([text for text, _ in rows], room - room // _DETAILS)]]
        left = room - sum(len(text) + 1 for text in kept)
        details = fit(forms[: len(rows)], left)
        details += fit(forms[len(rows) :], left - length_of(details))
        brief = sum(text is not None and text != whole for text, (whole, *_) in zip(details, forms, strict=True))
        notes = _omissions([share for _, share in rows[len(kept) :]], details, len(kept), brief)
        shown = [text for text in details if text is not None]
        page = _page([*head, *_table(kept), *notes, *warnings, *shown, *foot])
        if len(page) <= limit or room <= 0:
            return page
        room -= len(page) - limit


def _omissions(left_out: Sequence[Fraction], details: Sequence[str | None], rows: int, brief: int) -> Iterator[str]:
    in_table = details[:rows].count(None)
    not_at_all = details.count(None) - in_table
    parts = [f"{counted(brief, 'flag')} in brief"] if brief else []
    parts += [f"{counted(in_table, 'flag')} in the table only"] if in_table else []
    parts += [f"{counted(not_at_all, 'flag')} not at all"] if not_at_all else []
    shown = " and ".join(parts) or "long texts are cut"
    yield f"**Too long for one comment: {shown}.** `reconciler plan` shows everything."
    if left_out:
        yield (
            f"**{counted(len(left_out), 'more flag')} with effects did not fit into the table**, "
            f"where at most {percent(max(left_out))} of the users of any segment get another variant."
        )


def _forms(section: FlagSection) -> list[str]:
    """What is said of a flag, the longest first. A harmless change may only be named; another shows its exposure."""
    least = _flag(least_section(section))
    if section.effect.is_harmless:
        name = code_span(cut(f"{section.symbol} {section.key}", _CELL))
        least = f"- {name} {section.word}: {section.size}"
    return sorted({_flag(section), _flag(short_section(section)), least}, key=len, reverse=True)


def _effect_row(section: FlagSection) -> str:
    effect = section.effect
    change, affected = (markdown_text(cut_marked(text, _CELL)) for text in (effect.change, effect.affected))
    return f"| {code_span(section.symbol)} | {code_span(effect.key, in_table=True)} | {change} | {affected} |"


def _table(rows: Sequence[str]) -> tuple[str, ...]:
    head = ("| | flag | change | who is affected |", "|---|---|---|---|")
    return ("\n".join([*head, *rows]),) if rows else ()


def _head(view: PlanView) -> Iterator[str]:
    yield f"{marker(view.marker)}\n### Plan for {markdown_text(view.title)}"
    yield f"**{view.last_line}**"
    yield from map(markdown_text, view.widest)
    yield from _refused(REFUSED, view.refusals, view.hidden_refusals, "more refusal")
    yield from _refused(HELD, view.held, view.hidden_held, "more safety check")
    if view.released:
        yield "\n".join(f"- {markdown_text(sentence)}" for sentence in view.released)


def _refused(title: str, refusals: Sequence[RefusalLine], hidden: int, noun: str) -> Iterator[str]:
    if refusals:
        yield f"**{title}**"
        yield "\n".join(map(_refusal, refusals))
    if hidden:
        yield f"**{counted(hidden, noun)}.**"


def _refusal(item: RefusalLine) -> str:
    key = f"{code_span(item.key)} " if item.key else ""
    return f"- {key}{code_span(item.guard)}: {markdown_text(item.message)} {markdown_text(item.advice)}"


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in warnings)


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in notes)


def _foot(view: PlanView) -> Iterator[str]:
    yield from _notes(view.notes)
    if view.facts:
        yield markdown_text("; ".join(view.facts)) + "."


def _flag(section: FlagSection) -> str:
    return "\n\n".join(_flag_parts(section))


def _flag_parts(section: FlagSection) -> Iterator[str]:
    """The summary is a line of raw HTML, in which Markdown is not looked for."""
    place = f" {code_span(section.place)}" if section.place else ""
    yield "<details>"
    yield (
        f"<summary><code>{escape(f'{section.symbol} {section.key}')}</code> {section.word}: {section.size}</summary>"
    )
    yield f"{code_span(section.symbol)} **{section.word}**{place}"
    yield from _warnings(section.warnings)
    if section.fields:
        yield "\n".join(["| | field | live | git |", "|---|---|---|---|", *map(_fields_row, section.fields)])
    if section.calls:
        yield code_block("\n".join(map(_call, section.calls)))
    if section.exposure:
        yield from _exposure(section.exposure)
    yield "</details>"


def _fields_row(line: FieldLine) -> str:
    label, *sides = (
        "" if text is None else code_span(text, in_table=True) for text in (line.label, line.before, line.after)
    )
    return f"| {code_span(line.symbol)} | {label} | {sides[0]} | {sides[1]} |"


def _call(call: CallLine) -> str:
    body = "" if call.body is None else f" {call.body}"
    note = f" ({call.note})" if call.note else ""
    return f"{call.order}. {call.kind}: {call.method} {call.path}{body}{note}"


def _exposure(block: ExposureBlock) -> Iterator[str]:
    transient = f" {markdown_text(block.transient)}" if block.rows else ""
    yield f"**Exposure.** {markdown_text(block.headline)}{transient}"
    if block.rows:
        yield code_block("\n".join(line for row in block.rows for line in _row(row)))
    yield from _notes(block.notes)


def _row(row: ExposureRow) -> Iterator[str]:
    yield f"{row.segment}: {row.figures}"
    yield f"  now  {bar_text(row.before, _BAR_WIDTH)}  {legend(row.before)}"
    yield f"  then {bar_text(row.after, _BAR_WIDTH)}  {legend(row.after)}"
    if row.moves:
        yield f"  move {row.moves_in_words}"

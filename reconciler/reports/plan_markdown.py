"""A plan as Markdown for a pull request: verdict and effects first, a folded block per flag, never more than fits.

Text that others wrote stands in code spans and fenced blocks, or has its signs as entities: it makes no link,
mention, image, table or comment.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reconciler.reports.exposure_view import bar_text, legend
from reconciler.reports.fitting import (
    Block,
    Row,
    cut,
    cut_marked,
    fit,
    heaviest,
    least_section,
    short_section,
    short_view,
)
from reconciler.reports.plan_view import REFUSED, advice, plan_view
from reconciler.reports.sanitize import code_block, code_span, defuse, markdown_text, marker
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.planning.plan import Plan
    from reconciler.reports.exposure_view import ExposureBlock, ExposureRow
    from reconciler.reports.fields import FieldLine
    from reconciler.reports.fitting import Fitted
    from reconciler.reports.plan_view import CallLine, FlagSection, PlanView
    from reconciler.reports.registry import RenderOptions

LIMIT = 64_000
"""Characters: GitHub takes 65,536 in a comment, and a workflow adds a line of its own."""

_BAR_WIDTH = 40
_CELL = 320
"""Characters of one cell in the table of effects."""

_SENTENCE = 400
"""Room for the sentences about what is not shown."""


def render_plan_markdown(plan: Plan, options: RenderOptions) -> str:
    """The plan as Markdown for a pull request, of at most LIMIT characters; see `plan_markdown`."""
    return plan_markdown(plan_view(plan, show_users=options.show_users))


def plan_markdown(view: PlanView, limit: int = LIMIT) -> str:
    """The plan as Markdown; its first line is a hidden marker, its first sentence the line that ends the text plan.

    A table of effects comes next: a row for each flag, the gravest first, harmless changes left out. Details follow
    in the same order. Where it would be longer than the limit, in characters, details are shortened, those of the
    least grave first, and rows are the last to go; it says so.
    """
    rows = _rows(view)
    table = _table([row.text for row in rows])
    whole = _page([*_head(view), *table, *_warnings(view), *map(_flag, view.flags), *_foot(view)])
    return whole if len(whole) <= limit else _shortened(view, rows, limit)


def _page(blocks: Iterable[str]) -> str:
    return defuse("\n\n".join(blocks)) + "\n"


def _shortened(view: PlanView, rows: Sequence[Row], limit: int) -> str:
    """Defusing a line makes it longer by characters that cannot be counted before: then there is less room."""
    short = short_view(view)
    head, rest, foot = [*_head(short)], [*_warnings(short)], [*_foot(short)]
    details = [_block(section) for section in view.flags]
    room = limit - len(_page([*head, *_table([""]), *rest, *foot])) - _SENTENCE
    while True:
        kept = heaviest(rows, room)
        fitted = fit(details, room - sum(len(rows[index].text) + 1 for index in kept))
        table = _table([rows[index].text for index in kept])
        notes = _omissions(rows, kept, fitted)
        page = _page([*head, *table, *notes, *rest, *fitted.texts.values(), *foot])
        if len(page) <= limit or room <= 0:
            return page
        room -= len(page) - limit


def _omissions(rows: Sequence[Row], kept: Collection[int], fitted: Fitted) -> Iterator[str]:
    """The flags of the table are the first of the view."""
    in_table = sum(index not in fitted.texts for index in kept)
    not_at_all = fitted.left_out - in_table
    parts = [f"{counted(fitted.shortened, 'flag')} in brief"] if fitted.shortened else []
    parts += [f"{counted(in_table, 'flag')} in the table only"] if in_table else []
    parts += [f"{counted(not_at_all, 'flag')} not at all"] if not_at_all else []
    shown = " and ".join(parts) or "long texts are cut"
    yield f"**Too long for one comment: {shown}.** `reconciler plan` shows everything."
    if left := [row.weight for index, row in enumerate(rows) if index not in kept]:
        yield (
            f"**{counted(len(left), 'more flag')} with effects did not fit into the table**, "
            f"where at most {percent(max(left))} of the users of any segment get another variant."
        )


def _block(section: FlagSection) -> Block:
    """A harmless change may only be named; one with an effect has its row, and shows its exposure or nothing."""
    harmless = section.effect.is_harmless
    least = _brief(section) if harmless else _flag(least_section(section))
    forms = sorted({_flag(section), _flag(short_section(section)), least}, key=len, reverse=True)
    return Block(forms=tuple(forms), comes_first=not harmless)


def _brief(section: FlagSection) -> str:
    return f"- {code_span(cut(f'{section.symbol} {section.key}', _CELL))} {section.action}: {section.size}"


def _rows(view: PlanView) -> tuple[Row, ...]:
    """A row for each flag with an effect, in the view's order."""
    return tuple(
        Row(text=_effect_row(section), weight=section.effect.share)
        for section in view.flags
        if not section.effect.is_harmless
    )


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
    if view.refusals:
        yield f"**{REFUSED}**"
        yield "\n".join(
            f"- {code_span(item.guard)}: {markdown_text(item.message)} {markdown_text(advice(item))}"
            for item in view.refusals
        )


def _warnings(view: PlanView) -> Iterator[str]:
    if view.warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in view.warnings)


def _foot(view: PlanView) -> Iterator[str]:
    if view.notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in view.notes)
    if view.facts:
        yield markdown_text("; ".join(view.facts)) + "."


def _flag(section: FlagSection) -> str:
    return "\n\n".join(_flag_parts(section))


def _flag_parts(section: FlagSection) -> Iterator[str]:
    yield "<details>"
    place = f" {code_span(section.place)}" if section.place else ""
    yield f"<summary>{_summary(section)}</summary>"
    yield f"{code_span(section.symbol)} **{section.action}**{place}"
    if section.warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in section.warnings)
    if section.fields:
        yield _fields_table(section.fields)
    if section.calls:
        yield code_block("\n".join(_call(call) for call in section.calls))
    if section.exposure:
        yield from _exposure(section.exposure)
    yield "</details>"


def _summary(section: FlagSection) -> str:
    """A line of raw HTML, in which Markdown is not looked for."""
    return f"<code>{escape(f'{section.symbol} {section.key}')}</code> {section.action}: {section.size}"


def _fields_table(fields: tuple[FieldLine, ...]) -> str:
    return "\n".join(["| | field | live | git |", "|---|---|---|---|", *map(_fields_row, fields)])


def _fields_row(line: FieldLine) -> str:
    label = code_span(line.label, in_table=True)
    return f"| {code_span(line.symbol)} | {label} | {_side(line.before)} | {_side(line.after)} |"


def _side(text: str | None) -> str:
    return "" if text is None else code_span(text, in_table=True)


def _call(call: CallLine) -> str:
    body = "" if call.body is None else f" {call.body}"
    note = f" ({call.note})" if call.note else ""
    return f"{call.order}. {call.kind}: {call.method} {call.path}{body}{note}"


def _exposure(block: ExposureBlock) -> Iterator[str]:
    transient = f" {markdown_text(block.transient)}" if block.rows else ""
    yield f"**Exposure.** {markdown_text(block.headline)}{transient}"
    if block.rows:
        yield code_block("\n".join(line for row in block.rows for line in _row(row)))
    if block.notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in block.notes)


def _row(row: ExposureRow) -> Iterator[str]:
    yield f"{row.segment}: {row.figures}"
    yield f"  now  {bar_text(row.before, _BAR_WIDTH)}  {legend(row.before)}"
    yield f"  then {bar_text(row.after, _BAR_WIDTH)}  {legend(row.after)}"
    if row.moves:
        yield f"  move {row.moves_in_words}"

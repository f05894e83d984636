"""A plan, a report or findings as Markdown for a pull request: verdict and risks first, a folded block per flag.

Text that others wrote stands in code spans and fenced blocks, or has its signs as entities: it makes no link,
mention, image, table or comment.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reconciler.render.document import advice
from reconciler.render.exposure_view import bar, fill
from reconciler.render.sanitize import code_block, code_span, defuse, markdown_text
from reconciler.render.values import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.render.document import CallLine, FlagSection, PlanDocument
    from reconciler.render.exposure_view import ExposureBlock, ExposureRow, Share
    from reconciler.render.fields import FieldLine

_BAR_WIDTH = 40


def render_plan_markdown(document: PlanDocument) -> str:
    """The plan as Markdown; its first line after the title is the line that ends the text plan."""
    return _page(_plan(document))


def _page(blocks: Iterator[str]) -> str:
    return defuse("\n\n".join(blocks)) + "\n"


def _plan(document: PlanDocument) -> Iterator[str]:
    yield f"### Plan for {markdown_text(document.title)}"
    yield f"**{document.last_line}**"
    if document.refusals:
        yield "**Refused as unsafe; nothing was sent.**"
        yield "\n".join(
            f"- {code_span(item.guard)}: {markdown_text(item.message)} {markdown_text(advice(item))}"
            for item in document.refusals
        )
    if document.warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in document.warnings)
    for section in document.flags:
        yield from _flag(section)
    if document.notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in document.notes)
    if document.facts:
        yield markdown_text("; ".join(document.facts)) + "."


def _flag(section: FlagSection) -> Iterator[str]:
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
    figures = f"{counted(len(section.fields), 'field')}, {counted(len(section.calls), 'call')}"
    return f"<code>{escape(f'{section.symbol} {section.key}')}</code> {section.action}: {figures}"


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
    yield f"  now  {_bar(row.before)}  {_legend(row.before)}"
    yield f"  then {_bar(row.after)}  {_legend(row.after)}"
    if row.moves:
        yield f"  move {row.moves_in_words}"


def _bar(shares: tuple[Share, ...]) -> str:
    return "".join(run for run, _ in bar(shares, _BAR_WIDTH))


def _legend(shares: tuple[Share, ...]) -> str:
    return "  ".join(f"{fill(share.tone)} {share.variant} {share.text}" for share in shares)

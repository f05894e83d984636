"""A plan as Markdown for a pull request: verdict and risks first, a folded block per flag, never more than fits.

Text that others wrote stands in code spans and fenced blocks, or has its signs as entities: it makes no link,
mention, image, table or comment.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.planning.plan import Action
from reconciler.render.document import advice
from reconciler.render.exposure_view import bar, fill
from reconciler.render.markdown_fit import Block, fit
from reconciler.render.markdown_marker import marker
from reconciler.render.sanitize import code_block, code_span, defuse, markdown_text
from reconciler.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.render.document import CallLine, FlagSection, PlanDocument
    from reconciler.render.exposure_view import ExposureBlock, ExposureRow, Share
    from reconciler.render.fields import FieldLine
    from reconciler.render.markdown_fit import Fitted

LIMIT = 64_000
"""Characters: GitHub takes 65,536 in a comment, and a workflow adds a line of its own."""

_BAR_WIDTH = 40
_MOST_WARNINGS = 20
_SENTENCE = 200
"""Room for the sentence about what is not shown."""


def render_plan_markdown(document: PlanDocument, limit: int = LIMIT) -> str:
    """The plan as Markdown; its first line is a hidden marker, its first sentence the line that ends the text plan.

    Where it would be longer than the limit, in characters, flags are shown in brief or only counted, those from which
    something is taken away last, and it says so.
    """
    whole = _page([*_head(document, None), *(_flag(section) for section in document.flags), *_foot(document)])
    return whole if len(whole) <= limit else _shortened(document, limit)


def _page(blocks: Iterable[str]) -> str:
    return defuse("\n\n".join(blocks)) + "\n"


def _shortened(document: PlanDocument, limit: int) -> str:
    """Defusing a line makes it longer by characters that cannot be counted before: then there is less room."""
    fixed = [*_head(document, _MOST_WARNINGS), *_foot(document)]
    blocks = [_block(section) for section in document.flags]
    room = limit - len(_page(fixed)) - _SENTENCE
    while True:
        fitted = fit(blocks, room)
        page = _page([*_head(document, _MOST_WARNINGS), _omission(fitted), *fitted.texts, *_foot(document)])
        if len(page) <= limit or room <= 0:
            return page
        room -= len(page) - limit


def _omission(fitted: Fitted) -> str:
    briefly = f"{counted(fitted.shortened, 'flag')} in brief" if fitted.shortened else ""
    not_at_all = f"{counted(fitted.left_out, 'flag')} not at all" if fitted.left_out else ""
    shown = " and ".join(part for part in (briefly, not_at_all) if part)
    return f"**Too long for one comment: {shown}.** `reconciler plan` shows everything."


def _block(section: FlagSection) -> Block:
    without_shares = replace(section, exposure=None)
    return Block(
        forms=(_flag(section), _flag(without_shares), _brief(section)), comes_first=_takes_away(section) is not None
    )


def _takes_away(section: FlagSection) -> str | None:
    """What the plan takes from a flag, in a few words; None where it takes nothing."""
    calls = [f"{call.kind} {code_span(call.path)}" for call in section.calls if call.method == "DELETE"]
    if section.action == Action.ARCHIVE.value:
        calls.insert(0, "archives the flag")
    return ", ".join(calls) or None


def _brief(section: FlagSection) -> str:
    taken = _takes_away(section)
    line = f"- {code_span(f'{section.symbol} {section.key}')} {section.action}: {_figures(section)}"
    return line if taken is None else f"{line}; {taken}"


def _head(document: PlanDocument, most_warnings: int | None) -> Iterator[str]:
    yield f"{marker(document.marker)}\n### Plan for {markdown_text(document.title)}"
    yield f"**{document.last_line}**"
    if document.refusals:
        yield "**Refused as unsafe; nothing was sent.**"
        yield "\n".join(
            f"- {code_span(item.guard)}: {markdown_text(item.message)} {markdown_text(advice(item))}"
            for item in document.refusals
        )
    warnings = document.warnings[:most_warnings]
    if warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in warnings)
    if len(warnings) < len(document.warnings):
        yield f"- ⚠️ {counted(len(document.warnings) - len(warnings), 'more warning')}"


def _foot(document: PlanDocument) -> Iterator[str]:
    if document.notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in document.notes)
    if document.facts:
        yield markdown_text("; ".join(document.facts)) + "."


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
    return f"<code>{escape(f'{section.symbol} {section.key}')}</code> {section.action}: {_figures(section)}"


def _figures(section: FlagSection) -> str:
    return f"{counted(len(section.fields), 'field')}, {counted(len(section.calls), 'call')}"


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

"""A plan as Markdown for a pull request: headline and effects first, a block per flag, never more than fits.

Text that others wrote stands in code spans and fenced blocks, or has its signs as entities: it makes no link,
mention, image, table or comment.
"""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from reconciler.planning.review import LABEL
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
from reconciler.reports.plan_view import HELD, MOST_OPEN, REFUSED, plan_view
from reconciler.reports.sanitize import code_block, code_span, defuse, markdown_text, marker
from reconciler.text import counted, cut, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.planning.plan import Plan
    from reconciler.reports.effects import EffectRow
    from reconciler.reports.exposure_view import ExposureBlock, ExposureRow
    from reconciler.reports.fields import FieldLine
    from reconciler.reports.plan_view import CallLine, FlagSection, PlanView, RefusalLine
    from reconciler.reports.registry import RenderOptions

LIMIT = 64_000
"""Characters: GitHub takes 65,536 in a comment, and a workflow adds a line of its own."""

_BAR_WIDTH = 40
_LINE = 100
"""Characters of a line in a block, which does not wrap by itself."""

_CELL = 320
"""Characters of one cell in the table of effects."""

_DETAILS = 5
"""The part of the room, as one of so many, that is kept for the details of the gravest."""

_MOST_LABEL = 50
"""Characters that GitHub takes in a label."""

_SENTENCE = 400
"""Room for the sentences about what is not shown."""


def render_plan_markdown(plan: Plan, options: RenderOptions) -> str:
    """The plan as Markdown for a pull request, of at most LIMIT characters; see `plan_markdown`."""
    return plan_markdown(plan_view(plan, show_users=options.show_users, request=options.request))


def plan_markdown(view: PlanView, limit: int = LIMIT) -> str:
    """The plan as Markdown; its first line is a hidden marker, its first sentence the line that ends the text plan.

    The table of effects comes next, then details in the same order, open where the flags are few. Where it would be
    longer than the limit, in characters, details are shortened, those of the least grave first, then rows are left
    out; it says so.
    """
    rows = [effect_row(row) for row in view.effects]
    details = [_flag(flag, is_open=len(view.flags) <= MOST_OPEN) for flag in view.flags]
    whole = _page([*_head(view), *effects_table(rows), *_after_table(view), *details, *_foot(view)])
    return whole if len(whole) <= limit else _shortened(view, rows, limit)


def _page(blocks: Iterable[str]) -> str:
    return defuse("\n\n".join(blocks)) + "\n"


def _shortened(view: PlanView, rows: Sequence[str], limit: int) -> str:
    """Harmless changes are the last flags of the view: details of theirs are for those that have no row.

    Defusing a line makes it longer by characters that cannot be counted before: then there is less room.
    """
    short, forms = short_view(view), [_forms(section) for section in view.flags]
    head, warnings, foot = [*_head(short)], [*_after_table(short)], [*_foot(short)]
    grave = sum(not section.effect.is_harmless for section in view.flags)
    room = limit - len(_page([*head, *effects_table([""]), *warnings, *foot])) - _SENTENCE
    while True:
        kept = rows[: first_that_fit(rows, room - room // _DETAILS)]
        left = room - sum(len(text) + 1 for text in kept)
        details = fit(forms[:grave], left)
        in_table = max((row.number or 0 for row in view.effects[: len(kept)]), default=0)
        details += [None] * (in_table - grave)
        details += fit(forms[len(details) :], left - length_of(details))
        brief = sum(text is not None and text != whole for text, (whole, *_) in zip(details, forms, strict=True))
        notes = _omissions(view.effects, len(kept), details, brief)
        shown = [text for text in details if text is not None]
        page = _page([*head, *effects_table(kept), *notes, *warnings, *shown, *foot])
        if len(page) <= limit or room <= 0:
            return page
        room -= len(page) - limit


def _omissions(effects: Sequence[EffectRow], rows: int, details: Sequence[str | None], brief: int) -> Iterator[str]:
    left_out = effects[rows:]
    in_table = sum(row.number is not None and details[row.number - 1] is None for row in effects[:rows])
    not_at_all = details.count(None) - in_table
    parts = [f"{counted(brief, 'flag')} in brief"] if brief else []
    parts += [f"{counted(in_table, 'flag')} in the table only"] if in_table else []
    parts += [f"{counted(not_at_all, 'flag')} not at all"] if not_at_all else []
    shown = " and ".join(parts) or "long texts are cut"
    yield f"**Too long for one comment: {shown}.** `reconciler plan` shows everything."
    if left_out:
        most = percent(max(row.share for row in left_out))
        yield (
            f"**{counted(len(left_out), 'more row')} did not fit into the table**, the gravest {left_out[0].level}: "
            f"at most {most} of the users of any segment get another variant."
        )


def _forms(section: FlagSection) -> list[str]:
    """What is said of a flag, the longest first. A harmless change may only be named; another shows its exposure."""
    least = _flag(least_section(section))
    if section.effect.is_harmless:
        name = code_span(cut(f"{section.symbol} {section.key}", _CELL))
        least = f"- {name} {section.word}: {section.size}"
    return sorted({_flag(section), _flag(short_section(section)), least}, key=len, reverse=True)


def effect_row(row: EffectRow) -> str:
    """A row of the table of effects."""
    change, affected = (markdown_text(cut_marked(text, _CELL)) for text in (row.change, row.affected))
    return f"| {row.level} | {code_span(row.key, in_table=True)} | {change} | {affected} |"


def effects_table(rows: Sequence[str], *more: str) -> tuple[str, ...]:
    """The table of effects as one block; none where it has no rows. `more` are columns after the usual ones."""
    columns = ("", "flag", "change", "who is affected", *more)
    head = (f"|{' |'.join(f' {name}'.rstrip() for name in columns)} |", "|---" * len(columns) + "|")
    return ("\n".join([*head, *rows]),) if rows else ()


def _head(view: PlanView) -> Iterator[str]:
    yield f"{marker(view.marker)}\n### Plan for {markdown_text(view.title)}"
    made = f" {markdown_text(view.made)}." if view.made else ""
    held = f"; {counted(view.count_held, 'flag')} held by safety checks" if view.count_held else ""
    yield f"**{view.headline}{held}**{made}"
    yield from _refused(REFUSED, view.refusals, view.hidden_refusals, "more refusal")


def _after_table(view: PlanView) -> Iterator[str]:
    yield from map(markdown_text, view.widest)
    yield from _refused(HELD, view.held, view.hidden_held, "more safety check")
    yield from _warnings(view.warnings)


def _refused(title: str, refusals: Sequence[RefusalLine], hidden: int, noun: str) -> Iterator[str]:
    if refusals:
        yield f"**{title}**"
        yield "\n".join(map(_refusal, refusals))
    if hidden:
        yield f"**{counted(hidden, noun)}.**"


def _refusal(item: RefusalLine) -> str:
    key = f"{code_span(item.key)} " if item.key else ""
    safer = f" Safer: {markdown_text(item.safer)}." if item.safer else ""
    return f"- {key}{code_span(item.guard)}: {markdown_text(item.message)}{safer} {_override(item)}"


def _override(item: RefusalLine) -> str:
    """What overrides a guard, and the label that does the same for what is reviewed, where one can."""
    if not item.override:
        return item.override_advice
    guard = item.override.removeprefix("--allow ")
    label = f"{LABEL}{guard}" if guard != item.override and "'" not in guard else ""
    named = f", or the label {code_span(label)} on the {item.request}" if 0 < len(label) <= _MOST_LABEL else ""
    return f"To continue anyway: {code_span(item.override)}{named}."


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(warning)}" for warning in warnings)


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "\n".join(f"- {markdown_text(note)}" for note in notes)


def _foot(view: PlanView) -> Iterator[str]:
    yield from _notes((*view.schedules, *view.notes))
    if view.facts:
        yield markdown_text(sentence(view.facts))


def _flag(section: FlagSection, *, is_open: bool = False) -> str:
    return "\n\n".join(_flag_parts(section, is_open=is_open))


def _flag_parts(section: FlagSection, *, is_open: bool) -> Iterator[str]:
    """The summary is a line of raw HTML, in which Markdown is not looked for."""
    words = escape(section.effect.change or section.word)
    place = f" {code_span(section.place)}" if section.place else ""
    link = f" [in Amplitude]({section.link})" if section.link else ""
    yield "<details open>" if is_open else "<details>"
    yield f"<summary><code>{escape(f'{section.symbol} {section.key}')}</code> {words}</summary>"
    yield f"{code_span(section.symbol)} **{section.word}**: {section.size}{place}{link}"
    yield from _warnings(section.warnings)
    if section.fields:
        yield _fields(section.fields)
    if section.calls:
        yield code_block("\n".join(map(_call, section.calls)))
    if section.exposure:
        yield from _exposure(section.exposure)
    yield "</details>"


def _fields(lines: Sequence[FieldLine]) -> str:
    """The table of fields; a side that no field has is no column."""
    sides = {"live": [line.before for line in lines], "git": [line.after for line in lines]}
    shown = {side: texts for side, texts in sides.items() if any(text is not None for text in texts)}
    rows = [f"| | {' | '.join(['field', *shown])} |", "|---" * (len(shown) + 2) + "|"]
    for line, *texts in zip(lines, *shown.values(), strict=True):
        cells = ("" if text is None else code_span(text, in_table=True) for text in (line.label, *texts))
        rows.append(f"| {code_span(line.symbol)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _call(call: CallLine) -> str:
    body = "" if call.body is None else f" {call.body}"
    note = f" ({call.note})" if call.note else ""
    return f"{call.order}. {call.kind}: {call.method} {call.path}{body}{note}"


def _exposure(block: ExposureBlock) -> Iterator[str]:
    if words := " ".join(filter(None, (block.beside, block.transient))):
        yield f"**Exposure.** {markdown_text(words)}"
    elif block.rows or block.notes:
        yield "**Exposure**"
    if block.rows:
        yield code_block("\n".join(line for row in block.rows for line in _row(row)))
    yield from _notes(block.notes)


def _row(row: ExposureRow) -> Iterator[str]:
    yield f"{row.segment}: {row.figures}"
    yield f"  now  {bar_text(row.before, _BAR_WIDTH)}  {legend(row.before)}"
    yield f"  then {bar_text(row.after, _BAR_WIDTH)}  {legend(row.after)}"
    if row.moves:
        yield from _wrapped("  move ", row.moves_in_words)


def _wrapped(head: str, words: str) -> Iterator[str]:
    """The words after the head, broken after commas only: no move is on two lines."""
    whole = words.replace(" ", "\xa0").replace(",\xa0", ", ")
    indent = " " * len(head)
    lines = wrap(whole, _LINE, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
    yield from (line.replace("\xa0", " ") for line in lines)

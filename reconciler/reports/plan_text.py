"""A plan as text: the table of effects, then what differs and who moves, laid out for 80 columns and more.

What calls send, all of many calls, notes and costs are shown with --verbose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.exposure_view import bar, legend
from reconciler.reports.plan_view import HELD, REFUSED, plan_view
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.planning.plan import Plan
    from reconciler.reports.effects import EffectRow
    from reconciler.reports.exposure_view import ExposureBlock, ExposureRow, Share
    from reconciler.reports.fields import FieldLine
    from reconciler.reports.plan_view import CallLine, FlagSection, RefusalLine
    from reconciler.reports.registry import RenderOptions

_LEVELS = {"high": "bold red", "medium": "bold yellow", "low": "dim"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "^": "cyan", "!": "red"}
_BAR_WIDTH = 24
_BETWEEN_SETS = "; "
_LABEL_LIMIT = 36
_INDENT = 4
_MOST_CALLS = 6


def render_plan_text(plan: Plan, options: RenderOptions) -> str:
    """The plan as text; its last line is `last_line` of the view, never broken and without colour."""
    view, layout = plan_view(plan, show_users=options.show_users), TextLayout(options.terminal)
    if view.effects:
        layout.line((f"Plan for {view.title}", "bold"), ("; fields read live → git", "dim"))
        if view.made:
            layout.line((f"{view.made}.", "dim"))
    layout.blank()
    _effects(layout, view.effects)
    layout.blank()
    for widest in view.widest:
        layout.line(widest)
    for section in view.flags:
        layout.blank()
        _flag(layout, section, verbose=options.verbose)
    layout.blank()
    for warning in view.warnings:
        layout.line(("Warning: ", "yellow"), warning)
    for note in (*view.schedules, *(view.notes if options.verbose else ())):
        layout.line(("Note: ", "dim"), (note, "dim"))
    if facts := (*view.facts, *(view.costs if options.verbose else ())):
        layout.line((sentence(facts), "dim"))
    _refusals(layout, HELD, view.held)
    _refusals(layout, REFUSED, view.refusals)
    layout.blank()
    layout.verbatim(view.last_line)
    return layout.render()


def _effects(layout: TextLayout, rows: Sequence[EffectRow]) -> None:
    """The rows in columns; who is affected stands below where it does not fit beside."""
    width = max((len(row.level) for row in rows), default=0) + 2
    for row in rows:
        head: list[str | tuple[str, str]] = [
            (row.level.ljust(width), _LEVELS[row.level]),
            (row.key, "bold"),
            f": {row.change}",
        ]
        affected = f"  {row.affected}" if row.affected else ""
        if layout.fits(f"{row.key}: {row.change}{affected}", 2 + width):
            layout.line(*head, affected, indent=2, hang=width)
            continue
        layout.line(*head, indent=2, hang=width)
        if row.affected:
            layout.line(row.affected, indent=2 + width)


def _flag(layout: TextLayout, section: FlagSection, *, verbose: bool) -> None:
    style = STYLES[section.symbol]
    layout.line(
        (f"{section.symbol} ", f"bold {style}"),
        (section.key, "bold"),
        (f"  {section.word}", style),
        *([("  " + section.place, "dim")] if section.place else []),
    )
    draw_fields(layout, section.fields)
    for warning in section.warnings:
        layout.line(("! ", "bold yellow"), warning, indent=_INDENT)
    _calls(layout, section, verbose=verbose)
    if section.exposure:
        _exposure(layout, section.exposure, verbose=verbose)


def _calls(layout: TextLayout, section: FlagSection, *, verbose: bool) -> None:
    if not verbose:
        for call in section.calls[:_MOST_CALLS]:
            layout.line((f"{call.order}. {call.kind}  {call.method} {call.path}", "dim"), indent=_INDENT)
        if (more := len(section.calls) - _MOST_CALLS) > 0:
            layout.line((f"{counted(more, 'more call')}, shown with --verbose", "dim"), indent=_INDENT)
        return
    if section.link:
        layout.line((section.link, "dim"), indent=_INDENT)
    if section.calls:
        layout.line(("calls", "dim"), indent=_INDENT)
    widths = (
        max((len(call.kind) for call in section.calls), default=0),
        len(str(len(section.calls))),
    )
    for call in section.calls:
        _call(layout, call, widths)


def draw_fields(layout: TextLayout, fields: tuple[FieldLine, ...], sides: tuple[str, str] = ("live", "git")) -> None:
    """The lines of a flag's fields: labels in a column where they fit, the two sides below each other where not."""
    heads = [f"{side:<{max(map(len, sides)) + 2}}" for side in sides]
    width = max((len(line.label) for line in fields if len(line.label) <= _LABEL_LIMIT), default=0)
    for line in fields:
        mark = (f"{line.symbol} ", STYLES[line.symbol])
        value = (_BETWEEN_SETS if line.is_set else " → ").join(filter(None, (line.before, line.after)))
        if len(line.label) <= width and layout.fits(value, _INDENT + 4 + width):
            layout.line(mark, line.label.ljust(width), "  ", *_value(line), indent=_INDENT)
            continue
        layout.line(mark, line.label, indent=_INDENT)
        if line.before is not None and line.after is not None and not layout.fits(value, _INDENT + 4):
            layout.line((heads[0], "dim"), (line.before, "red"), indent=_INDENT + 4, hang=len(heads[0]))
            layout.line((heads[1], "dim"), (line.after, "green"), indent=_INDENT + 4, hang=len(heads[1]))
        else:
            layout.line(*_value(line), indent=_INDENT + 4)


def _value(line: FieldLine) -> list[tuple[str, str]]:
    pieces = [(line.before, "red")] if line.before is not None else []
    if line.before is not None and line.after is not None:
        pieces.append((_BETWEEN_SETS if line.is_set else " → ", "dim"))
    return pieces + ([(line.after, "green")] if line.after is not None else [])


def _call(layout: TextLayout, call: CallLine, widths: tuple[int, int]) -> None:
    head = f"{call.order:>{widths[1]}}. {call.kind:<{widths[0]}}  "
    request = f"{call.method} {call.path}"
    note = f"  ({call.note})" if call.note else ""
    body = f"  {call.body}" if call.body is not None else ""
    indent = _INDENT + 2
    if layout.fits(head + request + body + note, indent):
        layout.line(head, (request, "bold"), body, (note, "dim"), indent=indent)
        return
    layout.line(head, (request, "bold"), (note, "dim"), indent=indent)
    if call.body is not None:
        layout.line(call.body, indent=indent + widths[1] + 2)


def _exposure(layout: TextLayout, block: ExposureBlock, *, verbose: bool) -> None:
    if block.rows or verbose:
        layout.line(("exposure", "dim"), indent=_INDENT)
    if verbose:
        layout.line(block.headline, indent=_INDENT + 2)
        if block.transient:
            layout.line(block.transient, indent=_INDENT + 2)
    for row in block.rows:
        _row(layout, row)
    for note in block.notes if verbose else ():
        layout.line(("note: ", "dim"), (note, "dim"), indent=_INDENT + 2)


def _row(layout: TextLayout, row: ExposureRow) -> None:
    layout.line((row.segment, "bold"), f": {row.figures}", indent=_INDENT + 2)
    _bar(layout, "now ", row.before)
    _bar(layout, "then", row.after)
    if row.moves:
        layout.line(("move ", "dim"), row.moves_in_words, indent=_INDENT + 4, hang=5)


def _bar(layout: TextLayout, label: str, shares: tuple[Share, ...]) -> None:
    head, words = ((f"{label} ", "dim"), *bar(shares, _BAR_WIDTH)), legend(shares)
    if layout.fits(words, _INDENT + 4 + 5 + _BAR_WIDTH + 2):
        layout.line(*head, "  ", words, indent=_INDENT + 4)
    else:
        layout.line(*head, indent=_INDENT + 4)
        layout.line(words, indent=_INDENT + 9, hang=0)


def _refusals(layout: TextLayout, title: str, refusals: tuple[RefusalLine, ...]) -> None:
    if not refusals:
        return
    layout.blank()
    layout.line((title, "bold red"))
    for refusal in refusals:
        key = [(f"{refusal.key}  ", "bold")] if refusal.key else []
        layout.line(("! ", "bold red"), *key, (refusal.guard, "bold"), f": {refusal.message}", indent=2)
        layout.line(refusal.advice, indent=4)

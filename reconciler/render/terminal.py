"""A plan as text: Terraform's way of showing what would happen, with exposure as bars. Reads well at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.render.document import advice, plan_document
from reconciler.render.exposure_view import bar, fill
from reconciler.render.layout import Sheet

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan
    from reconciler.render.document import CallLine, FlagSection, PlanDocument
    from reconciler.render.exposure_view import ExposureBlock, ExposureRow, Share
    from reconciler.render.fields import FieldLine
    from reconciler.render.registry import RenderOptions

STYLES = {"+": "green", "~": "yellow", "-": "red", "^": "cyan"}
_TONES = ("dim", "cyan", "magenta", "blue", "yellow", "green", "red")
_BAR_WIDTH = 24
_LABEL_LIMIT = 36
_INDENT = 4


def render_plan_text(plan: Plan, options: RenderOptions) -> str:
    """The plan as text; its last line is `last_line` of the document, never broken and without colour."""
    document, sheet = plan_document(plan, show_users=options.show_users), Sheet(options.paper)
    if document.flags:
        sheet.line((f"Plan for {document.title}", "bold"), ("; fields read live → git", "dim"))
    sheet.blank()
    for section in document.flags:
        _effect(sheet, section)
    for section in document.flags:
        sheet.blank()
        _flag(sheet, section)
    sheet.blank()
    for warning in document.warnings:
        sheet.line(("Warning: ", "yellow"), warning)
    for note in document.notes:
        sheet.line(("Note: ", "dim"), (note, "dim"))
    if document.facts:
        sheet.line((_sentence(document.facts), "dim"))
    _refusals(sheet, document)
    sheet.blank()
    sheet.verbatim(document.last_line)
    return sheet.render()


def _sentence(facts: tuple[str, ...]) -> str:
    text = "; ".join(facts)
    return f"{text[0].upper()}{text[1:]}."


def _effect(sheet: Sheet, section: FlagSection) -> None:
    """One line of what the plan does to a flag, unless that is harmless."""
    effect = section.effect
    if effect.is_harmless:
        return
    mark = (f"{section.symbol} ", f"bold {STYLES[section.symbol]}")
    affected = f"  {effect.affected}" if effect.affected else ""
    if sheet.fits(f"{section.symbol} {effect.key}: {effect.change}{affected}", 2):
        sheet.line(mark, (effect.key, "bold"), f": {effect.change}{affected}", indent=2)
        return
    sheet.line(mark, (effect.key, "bold"), f": {effect.change}", indent=2)
    if effect.affected:
        sheet.line(effect.affected, indent=6)


def _flag(sheet: Sheet, section: FlagSection) -> None:
    style = STYLES[section.symbol]
    sheet.line(
        (f"{section.symbol} ", f"bold {style}"),
        (section.key, "bold"),
        *([("  " + section.place, "dim")] if section.place else []),
        (f"  {section.action}", style),
    )
    draw_fields(sheet, section.fields)
    for warning in section.warnings:
        sheet.line(("! ", "bold yellow"), warning, indent=_INDENT)
    if section.calls:
        sheet.line(("calls", "dim"), indent=_INDENT)
    widths = (
        max((len(call.kind) for call in section.calls), default=0),
        len(str(len(section.calls))),
    )
    for call in section.calls:
        _call(sheet, call, widths)
    if section.exposure:
        _exposure(sheet, section.exposure)


def draw_fields(sheet: Sheet, fields: tuple[FieldLine, ...], sides: tuple[str, str] = ("live", "git")) -> None:
    """The lines of a flag's fields: labels in a column where they fit, the two sides below each other where not."""
    heads = [f"{side:<{max(map(len, sides)) + 2}}" for side in sides]
    width = max((len(line.label) for line in fields if len(line.label) <= _LABEL_LIMIT), default=0)
    for line in fields:
        mark = (f"{line.symbol} ", STYLES[line.symbol])
        value = " → ".join(side for side in (line.before, line.after) if side is not None)
        if len(line.label) <= width and sheet.fits(value, _INDENT + 4 + width):
            sheet.line(mark, line.label.ljust(width), "  ", *_value(line), indent=_INDENT)
            continue
        sheet.line(mark, line.label, indent=_INDENT)
        if line.before is not None and line.after is not None and not sheet.fits(value, _INDENT + 4):
            sheet.line((heads[0], "dim"), (line.before, "red"), indent=_INDENT + 4, hang=len(heads[0]))
            sheet.line((heads[1], "dim"), (line.after, "green"), indent=_INDENT + 4, hang=len(heads[1]))
        else:
            sheet.line(*_value(line), indent=_INDENT + 4)


def _value(line: FieldLine) -> list[tuple[str, str]]:
    pieces = [(line.before, "red")] if line.before is not None else []
    if line.before is not None and line.after is not None:
        pieces.append((" → ", "dim"))
    return pieces + ([(line.after, "green")] if line.after is not None else [])


def _call(sheet: Sheet, call: CallLine, widths: tuple[int, int]) -> None:
    head = f"{call.order:>{widths[1]}}. {call.kind:<{widths[0]}}  "
    request = f"{call.method} {call.path}"
    note = f"  ({call.note})" if call.note else ""
    body = f"  {call.body}" if call.body is not None else ""
    indent = _INDENT + 2
    if sheet.fits(head + request + body + note, indent):
        sheet.line(head, (request, "bold"), body, (note, "dim"), indent=indent)
        return
    sheet.line(head, (request, "bold"), (note, "dim"), indent=indent)
    if call.body is not None:
        sheet.line(call.body, indent=indent + widths[1] + 2)


def _exposure(sheet: Sheet, block: ExposureBlock) -> None:
    sheet.line(("exposure", "dim"), indent=_INDENT)
    sheet.line(block.headline, indent=_INDENT + 2)
    if block.rows:
        sheet.line(block.transient, indent=_INDENT + 2)
    for row in block.rows:
        _row(sheet, row)
    for note in block.notes:
        sheet.line(("note: ", "dim"), (note, "dim"), indent=_INDENT + 2)


def _row(sheet: Sheet, row: ExposureRow) -> None:
    sheet.line((row.segment, "bold"), f": {row.figures}", indent=_INDENT + 2)
    _bar(sheet, "now ", row.before)
    _bar(sheet, "then", row.after)
    if row.moves:
        sheet.line(("move ", "dim"), row.moves_in_words, indent=_INDENT + 4, hang=5)


def _bar(sheet: Sheet, label: str, shares: tuple[Share, ...]) -> None:
    runs = [(run, _TONES[tone % len(_TONES)]) for run, tone in bar(shares, _BAR_WIDTH)]
    legend = "  ".join(f"{fill(share.tone)} {share.variant} {share.text}" for share in shares)
    head = ((f"{label} ", "dim"), *runs)
    if sheet.fits(legend, _INDENT + 4 + 5 + _BAR_WIDTH + 2):
        sheet.line(*head, "  ", legend, indent=_INDENT + 4)
    else:
        sheet.line(*head, indent=_INDENT + 4)
        sheet.line(legend, indent=_INDENT + 9, hang=0)


def _refusals(sheet: Sheet, document: PlanDocument) -> None:
    if not document.refusals:
        return
    sheet.blank()
    sheet.line(("Refused as unsafe; nothing was sent.", "bold red"))
    for refusal in document.refusals:
        sheet.line(("! ", "bold red"), (refusal.guard, "bold"), f": {refusal.message}", indent=2)
        sheet.line(advice(refusal), indent=4)

"""An apply report as text and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.outcome_document import outcome_document
from reconciler.reports.sanitize import code_span, defuse, markdown_text
from reconciler.reports.text_layout import TextLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply import ApplyReport
    from reconciler.reports.outcome_document import OutcomeDocument, OutcomeSection
    from reconciler.reports.registry import RenderOptions

_STYLES = {"applied": "green", "failed": "red", "unknown": "yellow", "skipped": "dim"}


def render_apply_text(report: ApplyReport, options: RenderOptions) -> str:
    """The report as text: a line per flag, the calls that were not made, and `last_line` of the document."""
    document, layout = outcome_document(report), TextLayout(options.terminal)
    for section in document.sections:
        style = _STYLES[section.status]
        layout.line(
            (f"{section.symbol} ", f"bold {style}"), (section.key, "bold"), f"  {section.status}, {section.detail}"
        )
        if section.error:
            layout.line((section.error, style), indent=4)
        for call in section.calls:
            layout.line(
                f"{call.order}. {call.kind}  ", (call.status, _STYLES[call.status]), _tail(call.detail), indent=4
            )
    layout.blank()
    layout.verbatim(document.last_line)
    return layout.render()


def render_apply_markdown(report: ApplyReport, _: RenderOptions) -> str:
    """The report as Markdown, its last line first."""
    return defuse("\n\n".join(_blocks(outcome_document(report)))) + "\n"


def _blocks(document: OutcomeDocument) -> Iterator[str]:
    yield f"**{document.last_line}**"
    if document.sections:
        yield "\n".join(line for section in document.sections for line in _flag_lines(section))


def _flag_lines(section: OutcomeSection) -> Iterator[str]:
    error = f": {markdown_text(section.error)}" if section.error else ""
    yield f"- {section.symbol} {code_span(section.key)} {section.status}, {section.detail}{error}"
    for call in section.calls:
        yield f"    - call {call.order}, {call.kind}: {call.status}{markdown_text(_tail(call.detail))}"


def _tail(detail: str) -> str:
    return f": {detail}" if detail else ""

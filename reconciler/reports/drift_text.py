"""A drift report as text and as Markdown (an issue, a chat webhook, a step summary); a history as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.reports.drift_view import DriftLine, drift_view
from reconciler.reports.fields import field_lines
from reconciler.reports.fitting import first_that_fit
from reconciler.reports.plan_text import draw_fields
from reconciler.reports.sanitize import code_span, defuse, markdown_text
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted, cut

if TYPE_CHECKING:
    from reconciler.drift import DriftReport, FlagHistory, HistoryEntry
    from reconciler.reports.drift_view import AuthorLine, DriftSection
    from reconciler.reports.registry import RenderOptions

MARKDOWN_LIMIT = 30_000
"""Characters: GitHub takes 65,536 in an issue, chat webhooks 40,000 before they cut."""

_LEAST_ROOM = 2_000
_CUT_NOTE = 100
_MOST_GROUPS = 4
_MOST_PLACE = 160
_MOST_VALUE = 160
_MOST_FIELDS = 8
_MOST_EDITS = 20
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z?")


def render_drift_text(report: DriftReport, options: RenderOptions) -> str:
    """The report as text; its last line is `last_line` of the view."""
    view, layout = drift_view(report), TextLayout(options.terminal)
    if view.sections or view.absent:
        layout.line((f"Drift in {view.title}", "bold"), (view.looked_at, "dim"))
    for section in view.sections:
        layout.blank()
        _flag(layout, section)
    layout.blank()
    for line in view.absent:
        layout.line(("! ", "bold red"), (line.key, "bold"), f" {line.words}")
    layout.blank()
    if view.edits:
        layout.line((view.edits_title, "bold"))
    for edit in view.edits:
        layout.line(edit, indent=4, hang=4)
    layout.blank()
    for warning in view.warnings:
        layout.line(("Warning: ", "yellow"), warning)
    for fact in view.facts:
        layout.line((f"{fact}.", "dim"))
    layout.blank()
    if view.notice:
        layout.line(view.notice)
    layout.verbatim(view.last_line)
    return layout.render()


def render_drift_markdown(report: DriftReport, _: RenderOptions) -> str:
    """The report as Markdown, verdict first, without tables, folds or headings, which chat tools do not know.

    At most MARKDOWN_LIMIT characters: where it would be longer, values are cut, what is missing takes at most half of
    the room and the gravest differences come first; the flags that do not fit are counted.
    """
    view = drift_view(report)
    head = [f"**{markdown_text(view.last_line)}** ({markdown_text(view.title)}){_prose(view.looked_at)}"]
    head += [markdown_text(view.notice)] if view.notice else []
    edits = [f"- {code_span(edit)}" for edit in view.edits[:_MOST_EDITS]]
    if len(view.edits) > _MOST_EDITS:
        edits.append(f"- {len(view.edits) - _MOST_EDITS} more: `reconciler drift --since` lists them")
    tail = ["\n".join([_prose(f"{view.edits_title}:"), *edits])] if edits else []
    tail += [f"⚠️ {markdown_text(warning)}" for warning in view.warnings]
    tail += [_prose(f"{fact}.") for fact in view.facts]
    room = max(MARKDOWN_LIMIT - _CUT_NOTE - sum(len(block) + 2 for block in (*head, *tail)), _LEAST_ROOM)
    absent = [f"- {code_span(line.key)} {markdown_text(line.words)}" for line in view.absent]
    listed, left = [*absent, *map(_item, view.sections)], 0
    if sum(len(item) + 1 for item in listed) > room:
        flags = [_item(_shortened(section)) for section in view.sections]
        shown = absent[: first_that_fit(absent, room // 2 if flags else room)]
        shown += flags[: first_that_fit(flags, room - sum(len(item) + 1 for item in shown))]
        listed, left = shown, len(listed) - len(shown)
    more = [f"{left} more are not shown here; `reconciler drift` lists them."] if left else []
    return defuse("\n\n".join([*head, *(["\n".join(listed)] if listed else []), *more, *tail])) + "\n"


def _flag(layout: TextLayout, section: DriftSection) -> None:
    place = [("  " + section.place, "dim")] if section.place else []
    left = [(f"  {section.left}", "cyan")] if section.left else []
    layout.line((f"{section.symbol} ", "bold yellow"), (section.key, "bold"), *place, *left)
    for group in section.groups:
        beside = len(group.fields) == 1
        for line in group.fields:
            author = f": {group.author}" if beside else ""
            layout.line((line.label, "bold"), f": {line.words}", (author, "dim"), indent=4, hang=4)
        if not beside:
            layout.line((str(group.author), "dim"), indent=8)
    for words, command in section.next_steps:
        layout.line((f"{words}: {command}", "dim"), indent=4)


def _shortened(section: DriftSection) -> DriftSection:
    groups = tuple(replace(group, fields=_short(group.fields)) for group in section.groups[:_MOST_GROUPS])
    return replace(
        section,
        place=cut(section.place, _MOST_PLACE),
        left=cut(section.left, _MOST_VALUE),
        groups=groups,
        hidden=sum(len(group.fields) for group in section.groups[_MOST_GROUPS:]),
        next_steps=(),
    )


def _short(fields: tuple[DriftLine, ...]) -> tuple[DriftLine, ...]:
    lines = [DriftLine(label=cut(line.label, _MOST_VALUE), words=cut(line.words, _MOST_VALUE)) for line in fields]
    return (*lines[:_MOST_FIELDS], *_more(len(lines) - _MOST_FIELDS))


def _more(count: int) -> tuple[DriftLine, ...]:
    return (DriftLine(label=f"{count} more", words="fields that differ"),) if count > 0 else ()


def _item(section: DriftSection) -> str:
    place = f" {code_span(section.place)}" if section.place else ""
    left = f" ({markdown_text(section.left)})" if section.left else ""
    lines = [f"- {code_span(section.key)}{place}{left}"]
    for group in section.groups:
        beside = len(group.fields) == 1
        for line in group.fields:
            author = f": {_author(group.author)}" if beside else ""
            lines.append(f"    - {code_span(line.label)}: {code_span(line.words)}{author}")
        if not beside:
            lines.append(f"    - {_author(group.author)}")
    lines += [f"    - {code_span(line.label)}: {code_span(line.words)}" for line in _more(section.hidden)]
    if section.next_steps:
        steps = (f"{markdown_text(words)}: {code_span(command)}" for words, command in section.next_steps)
        lines.append(f"    - {'; '.join(steps)}")
    return "\n".join(lines)


def _author(line: AuthorLine) -> str:
    who = code_span(line.who) if line.who else ""
    notes = [*map(markdown_text, line.notes), *([code_span(line.when)] if line.when else [])]
    brackets = f" ({', '.join(notes)})" if notes else ""
    return f"{markdown_text(line.words)}{who}{markdown_text(line.rest)}{brackets}"


def _prose(text: str) -> str:
    """Prose as Markdown, times in it as code: chat tools show the entities that keep colons from being syntax."""
    pieces, rest = [], 0
    for match in _TIME.finditer(text):
        pieces += [markdown_text(text[rest : match.start()]), code_span(match[0])]
        rest = match.end()
    return "".join([*pieces, markdown_text(text[rest:])])


def render_history_text(history: FlagHistory, options: RenderOptions) -> str:
    """The history as text. User ids are counted."""
    layout = TextLayout(options.terminal)
    layout.line((history.key, "bold"), (f"  id {history.flag_id}; fields read older → newer", "dim"))
    for entry in history.entries:
        layout.blank()
        _entry(layout, entry)
    layout.blank()
    layout.line((f"{counted(len(history.entries), 'version')}; {counted(history.requests, 'request')}", "dim"))
    return layout.render()


def _entry(layout: TextLayout, entry: HistoryEntry) -> None:
    who = entry.created_by or "an unknown user"
    step = f"  {entry.step}" if entry.step else ""
    layout.line((f"version {entry.version}", "bold"), f"  {entry.created_at}  {who}{step}")
    draw_fields(layout, field_lines(entry.changes, show_users=False), ("older", "newer"))
    if entry.is_first:
        words = "created" if entry.version <= 1 else "the oldest version that is shown"
        layout.line((words, "dim"), indent=4)
    elif not entry.changes:
        layout.line(("no difference in the fields that versions show; they do not show inclusions", "dim"), indent=4)

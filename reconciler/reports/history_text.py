"""A flag's history as text: a line per version, newest first, and the fields that it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.fields import field_lines
from reconciler.reports.terminal import draw_fields
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.drift import FlagHistory, HistoryEntry
    from reconciler.reports.registry import RenderOptions


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
    who = entry.created_by or "somebody the server does not name"
    layout.line((f"version {entry.version}", "bold"), f"  {entry.created_at}  {who}")
    draw_fields(layout, field_lines(entry.changes, show_users=False), ("older", "newer"))
    if entry.is_first:
        words = "created" if entry.version <= 1 else "the oldest version that is shown"
        layout.line((words, "dim"), indent=4)
    elif not entry.changes:
        layout.line(("no difference in what versions show; inclusions, for one, they do not", "dim"), indent=4)

"""Lines broken to a width and in colour. The only user of rich's console; what is no style for it is an error."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.text import Text

from reconciler.reports.sanitize import defuse
from reconciler.reports.text_layout import LEAST_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.reports.text_layout import Terminal, TextLine

_RULER = Console()


def render_styled(lines: Iterable[TextLine], terminal: Terminal) -> str:
    """The lines as they fit the terminal, with ANSI colours where it takes them."""
    broken = [part for line in lines for part in _broken(line, terminal)]
    if not terminal.color:
        return "".join(defuse(line.plain.rstrip()) + "\n" for line in broken)
    stream = StringIO()
    console = Console(file=stream, color_system="standard", no_color=False)
    for line in broken:
        console.print(_defused(line), soft_wrap=True)
    return stream.getvalue()


def _broken(line: TextLine, terminal: Terminal) -> Iterator[Text]:
    content = Text()
    for text, style in line.pieces:
        content.append(text, Style.parse(style))
    if line.hang is None or terminal.width is None or content.cell_len + line.indent <= terminal.columns:
        yield Text(" " * line.indent).append_text(content)
        return
    # One column stays free: a line that is broken before `::` becomes one longer when it is defused.
    space = max(terminal.columns - line.indent - line.hang - 1, LEAST_WIDTH // 2)
    indent = line.indent
    for part in content.wrap(_RULER, space):
        yield Text(" " * indent).append_text(part)
        indent = line.indent + line.hang


def _defused(line: Text) -> Text:
    return line if defuse(line.plain) == line.plain else Text(defuse(line.plain))

"""Styled lines for a terminal or a log: hanging indents, no line a runner's command, colour only where wanted.

The only user of rich. A `Sheet` collects lines and becomes a string; it prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import StringIO

from rich.console import Console
from rich.text import Text

from reconciler.render.sanitize import break_markers, defuse, visible

PLAIN_WIDTH = 80
_LEAST_WIDTH = 40
_RULER = Console(file=StringIO(), width=PLAIN_WIDTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What is written on: `width` in columns, None for a log or a file, where lines are never broken."""

    width: int | None = None
    color: bool = False

    @property
    def columns(self) -> int:
        """The width that layouts aim at."""
        return PLAIN_WIDTH if self.width is None else max(self.width, _LEAST_WIDTH)


@dataclass(slots=True)
class Sheet:
    """Lines in the making. Styles are rich's (`bold`, `green`, `dim`)."""

    paper: Paper
    lines: list[Text] = field(default_factory=list)

    def blank(self) -> None:
        """An empty line, never two, never at the top."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Text())

    def line(self, *pieces: str | tuple[str, str], indent: int = 0, hang: int = 2) -> None:
        """A line of plain and `(text, style)` pieces; where it must break, it goes on `hang` columns further in."""
        content = Text()
        for piece in pieces:
            words, style = (piece, "") if isinstance(piece, str) else piece
            shown = break_markers(visible(words))
            content.append(shown if content else defuse(shown), style or None)
        first, *rest = self._broken(content, indent, hang)
        self.lines.append(Text(" " * indent).append_text(first))
        self.lines += [Text(" " * (indent + hang)).append_text(line) for line in rest]

    def verbatim(self, line: str) -> None:
        """A line that is never broken or coloured."""
        self.lines.append(Text(visible(line)))

    def fits(self, text: str, indent: int) -> bool:
        """Whether the text stands on one line."""
        return Text(text).cell_len + indent <= self.paper.columns

    def render(self) -> str:
        """The lines as one string that ends with a line break."""
        if not self.paper.color:
            return "".join(defuse(line.plain.rstrip()) + "\n" for line in self.lines)
        stream = StringIO()
        console = Console(file=stream, force_terminal=True, color_system="standard", no_color=False, width=10_000)
        for line in self.lines:
            console.print(_defused(line), soft_wrap=True, highlight=False, markup=False)
        return stream.getvalue()

    def _broken(self, content: Text, indent: int, hang: int) -> list[Text]:
        if self.paper.width is None or content.cell_len + indent <= self.paper.columns:
            return [content]
        # One column stays free: a line that is broken before `::` becomes one longer when it is defused.
        space = max(self.paper.columns - indent - hang - 1, _LEAST_WIDTH // 2)
        return list(content.wrap(_RULER, space, overflow="fold"))


def _defused(line: Text) -> Text:
    return line if defuse(line.plain) == line.plain else Text(defuse(line.plain))

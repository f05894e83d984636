"""Text for a terminal or a log: hanging indents, styles by name, no line that is a runner's command.

A `TextLayout` collects lines and becomes a string; it prints nothing. `styled` breaks and colours them: it imports
rich, which logs and files do not need.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.reports.sanitize import break_markers, defuse, visible

PLAIN_WIDTH = 80
LEAST_WIDTH = 40


class Terminal(Struct, frozen=True, kw_only=True):
    """What text is laid out for: `width` in columns, None for a log or a file, where lines are never broken."""

    width: int | None = None
    color: bool = False

    @property
    def columns(self) -> int:
        """The width that layouts aim at."""
        return PLAIN_WIDTH if self.width is None else max(self.width, LEAST_WIDTH)


class TextLine(Struct, frozen=True, kw_only=True):
    """A line of `(text, style)` pieces after an indent. Broken lines continue `hang` columns further in.

    `hang` None: the line is never broken.
    """

    pieces: tuple[tuple[str, str], ...] = ()
    indent: int = 0
    hang: int | None = None

    @property
    def plain(self) -> str:
        """The whole line without styles."""
        return (" " * self.indent + "".join(text for text, _ in self.pieces)).rstrip()


class TextLayout(Struct):
    """Builds text line by line. Styles are rich's (`bold`, `green`, `dim`)."""

    terminal: Terminal
    lines: list[TextLine] = []

    def blank(self) -> None:
        """An empty line, never two, never at the top."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(TextLine())

    def line(self, *pieces: str | tuple[str, str], indent: int = 0, hang: int = 2) -> None:
        """Add a line of plain and `(text, style)` pieces."""
        shown: list[tuple[str, str]] = []
        for piece in pieces:
            words, style = (piece, "") if isinstance(piece, str) else piece
            text = break_markers(visible(words))
            shown.append((text if shown else defuse(text), style))
        self.lines.append(TextLine(pieces=tuple(shown), indent=indent, hang=hang))

    def verbatim(self, line: str) -> None:
        """Add a line that is never broken or coloured."""
        self.lines.append(TextLine(pieces=((visible(line), ""),)))

    def fits(self, text: str, indent: int) -> bool:
        """Whether the text stands on one line."""
        return columns_of(text) + indent <= self.terminal.columns

    def render(self) -> str:
        """The lines as one string that ends with a line break."""
        if self.terminal.width is None and not self.terminal.color:
            return "".join(defuse(line.plain) + "\n" for line in self.lines)
        from reconciler.reports.styled import render_styled  # noqa: PLC0415 - 50 ms that a log does not need

        return render_styled(self.lines, self.terminal)


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes; East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only its table is needed, not rich

    return cell_len(text)

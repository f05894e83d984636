"""Lines for a terminal or a log: hanging indents, styles by name, no line a runner's command.

A `Sheet` collects lines and becomes a string; it prints nothing. Breaking and colouring is `styled`'s, which costs
the import of rich and is not needed for logs and files.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.render.sanitize import break_markers, defuse, visible

PLAIN_WIDTH = 80
LEAST_WIDTH = 40


class Paper(Struct, frozen=True, kw_only=True):
    """What is written on: `width` in columns, None for a log or a file, where lines are never broken."""

    width: int | None = None
    color: bool = False

    @property
    def columns(self) -> int:
        """The width that layouts aim at."""
        return PLAIN_WIDTH if self.width is None else max(self.width, LEAST_WIDTH)


class Line(Struct, frozen=True, kw_only=True):
    """A line of `(text, style)` pieces behind an indent; where it must break, it goes on `hang` columns further in.

    `hang` None: it is never broken.
    """

    pieces: tuple[tuple[str, str], ...] = ()
    indent: int = 0
    hang: int | None = None

    @property
    def plain(self) -> str:
        """The whole line without styles."""
        return (" " * self.indent + "".join(text for text, _ in self.pieces)).rstrip()


class Sheet(Struct):
    """Lines in the making. Styles are rich's (`bold`, `green`, `dim`)."""

    paper: Paper
    lines: list[Line] = []

    def blank(self) -> None:
        """An empty line, never two, never at the top."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Line())

    def line(self, *pieces: str | tuple[str, str], indent: int = 0, hang: int = 2) -> None:
        """Add a line of plain and `(text, style)` pieces."""
        shown: list[tuple[str, str]] = []
        for piece in pieces:
            words, style = (piece, "") if isinstance(piece, str) else piece
            text = break_markers(visible(words))
            shown.append((text if shown else defuse(text), style))
        self.lines.append(Line(pieces=tuple(shown), indent=indent, hang=hang))

    def verbatim(self, line: str) -> None:
        """Add a line that is never broken or coloured."""
        self.lines.append(Line(pieces=((visible(line), ""),)))

    def fits(self, text: str, indent: int) -> bool:
        """Whether the text stands on one line."""
        return columns_of(text) + indent <= self.paper.columns

    def render(self) -> str:
        """The lines as one string that ends with a line break."""
        if self.paper.width is None and not self.paper.color:
            return "".join(defuse(line.plain) + "\n" for line in self.lines)
        from reconciler.render.styled import render_styled  # noqa: PLC0415 - 50 ms that a log does not need

        return render_styled(self.lines, self.paper)


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes; East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only its table is needed, not rich

    return cell_len(text)

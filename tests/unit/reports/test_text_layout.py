"""Lines of text for terminals and logs: where they break, and what no line is."""

from __future__ import annotations

import pytest
from rich.errors import MissingStyle, StyleSyntaxError

from reconciler.reports.text_layout import Terminal, TextLayout, columns_of


def laid_out(*lines: str | tuple[str, str], indent: int = 0, hang: int = 2, **terminal: object) -> list[str]:
    """Lines of one piece each."""
    layout = TextLayout(Terminal(**terminal))  # type: ignore[arg-type]
    for line in lines:
        layout.line(line, indent=indent, hang=hang)
    return layout.render().splitlines()


def test_what_a_line_takes() -> None:
    """East Asian characters are two columns wide; a narrow terminal is laid out as one of 40."""
    assert [columns_of(text) for text in ("", "abc", "日本", "é")] == [0, 3, 4, 1]
    assert [Terminal(width=width).columns for width in (None, 20, 39, 40, 41)] == [80, 40, 40, 40, 41]
    layout = TextLayout(Terminal(width=50))
    assert [layout.fits("x" * length, 10) for length in (39, 40, 41)] == [True, True, False]
    assert [TextLayout(Terminal()).fits("x" * length, 0) for length in (80, 81)] == [True, False]
    assert [layout.fits("日" * length, 10) for length in (20, 21)] == [True, False]


def test_empty_lines_stand_alone() -> None:
    """Never two, and none at the top."""
    layout = TextLayout(Terminal())
    layout.blank()
    layout.line("a")
    layout.blank()
    layout.blank()
    layout.verbatim("b\x1b")
    layout.line("", indent=4)
    layout.blank()
    layout.line("  c  ", indent=2)
    assert layout.render() == "a\n\nb\\x1b\n\n    c\n"


@pytest.mark.parametrize("terminal", [{}, {"width": 60}, {"width": 60, "color": True}, {"color": True}])
def test_no_line_is_a_command(terminal: dict[str, object]) -> None:
    """Not at its beginning, not anywhere, and not where it is put together of pieces or broken."""
    layout = TextLayout(Terminal(**terminal))  # type: ignore[arg-type]
    layout.line("::error::x")
    layout.line("a ##[b", " ##vso[c\n", indent=2)
    layout.line(":", ":error::x")
    layout.verbatim("::y")
    layout.line("x" * 57 + " ::z")
    lines = [line.rstrip() for line in layout.render().splitlines()]
    broken = ["x" * 57, "  : :z"] if terminal.get("width") else ["x" * 57 + " ::z"]
    assert lines == [": :error::x", "  a # #[b # #vso[c\\n", ": :error::x", ": :y", *broken]


def test_a_line_is_broken_where_it_does_not_fit() -> None:
    """At a blank, or within a word that is too long; it goes on further in. In a log it is never broken."""
    line = "a" * 20 + " " + "b" * 19
    assert laid_out(line, width=40) == [line]
    assert laid_out(line, indent=1, width=41) == [" " + line]
    assert laid_out(line, indent=1, width=40) == [" " + "a" * 20, "   " + "b" * 19]
    assert laid_out(line, indent=1, hang=0, width=40) == [" " + "a" * 20, " " + "b" * 19]
    assert laid_out("c" * 80, indent=1, width=40) == [" " + "c" * 36, "   " + "c" * 36, "   " + "c" * 8]
    assert laid_out("c" * 60, indent=30, width=40) == [" " * 30 + "c" * 20, " " * 32 + "c" * 20, " " * 32 + "c" * 20]
    assert laid_out(line + line, indent=1) == [" " + line + line]
    assert laid_out(line + line, indent=1, color=True) == [" " + line + line]
    layout = TextLayout(Terminal(width=40))
    layout.verbatim("d" * 99)
    layout.line("e" * 30, " " + "f" * 20)
    assert layout.render().splitlines() == ["d" * 99, "e" * 30, "  " + "f" * 20]


def test_colours_are_those_of_the_style() -> None:
    """Of each piece by itself, on each line that it is broken into."""
    assert laid_out(("a", "bold red"), color=True) == ["\x1b[1;31ma\x1b[0m"]
    assert laid_out(("a" * 30 + " " + "b" * 30, "green"), width=40, color=True) == [
        f"\x1b[32m{'a' * 30} \x1b[0m", f"  \x1b[32m{'b' * 30}\x1b[0m",
    ]  # fmt: skip
    assert laid_out(("a", "bold red"), width=40) == ["a"]


def test_the_environment_changes_no_colour_and_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is colour was decided before, and how wide the terminal is."""
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "20"), ("TTY_COMPATIBLE", "0")):
        monkeypatch.setenv(name, value)
    long = " ".join(["word"] * 300)
    assert laid_out((long, "green"), width=5_000, color=True) == [f"\x1b[32m{long}\x1b[0m"]


def test_a_style_that_there_is_not_is_an_error() -> None:
    """It would be no colour without a word."""
    with pytest.raises((MissingStyle, StyleSyntaxError)):
        laid_out(("a", "dimm"), color=True)

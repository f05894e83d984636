"""What GitHub's runner makes of a line of a build log, ported from its parser (ActionCommand.cs).

The second form starts with `::` once blanks are gone; the first, `##[`, is looked for anywhere in the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


@dataclass(frozen=True)
class Command:
    """A command that the runner would obey."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def parse_line(line: str) -> Command | None:
    """The command in a line, whichever command it is; None where the line is words."""
    return _second_form(line) or _first_form(line)


def commands_in(log: str) -> list[Command]:
    """Every command in a log, whose lines end as a terminal's or a file's do."""
    lines = log.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [command for line in lines if (command := parse_line(line)) is not None]


def _second_form(line: str) -> Command | None:
    line = line.lstrip()
    if not line.startswith("::"):
        return None
    end = line.find("::", 2)
    if end < 0:
        return None
    name, _, properties = line[2:end].partition(" ")
    return Command(name, _unescaped(line[end + 2 :], _DATA), _properties(properties, ","))


def _first_form(line: str) -> Command | None:
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, properties = line[start + 3 : end].partition(" ")
    return Command(name, line[end + 1 :], _properties(properties, ";"))


def _properties(text: str, separator: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.strip().split(separator) if "=" in item)
    return {name.strip(): _unescaped(value, _PROPERTY) for name, _, value in pairs}


def _unescaped(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in table:
        text = text.replace(escaped, plain)
    return text

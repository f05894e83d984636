"""Escaping of untrusted text, once for every place where it is shown: terminals, build logs, Markdown, JSON.

Flag names, payloads, server responses and git deliver text that others wrote. Printable text stays as it is; other
characters are shown by their escapes, so that a reader sees that they are there.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from reconciler.text import has_no_shape, needs_base

_NOT_PLAIN = re.compile("[^ -~]+")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_COMMAND_START = re.compile(r"^(\s*):(?=:)")
_COMMAND_ANYWHERE = re.compile(r"##(?=\[|vso\[)")
_REFERENCE = re.compile(r"[@#!~%&$](?=[\w<])|(?<=\bGH)-(?=\d)")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>~|@&$]|(?<!\w)[#!](?=\S)|:(?=[/\w])")
_BACKTICKS = re.compile("`+")
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


def visible(text: str) -> str:
    """One line of text in which every character has a shape, and one of its own.

    Controls, bidi, zero-width and blank characters become escapes, and so do marks with no letter to stand on.
    """
    return _NOT_PLAIN.sub(_shown, text)


def visible_lines(text: str) -> str:
    """Like `visible`, for text of several lines: line feeds stay."""
    return "\n".join(visible(line) for line in text.split("\n"))


def defuse(text: str) -> str:
    """The same text, of which no line is a command to a build log's runner.

    GitHub's runner obeys lines that start with `::` (after blanks) and `##[` anywhere; Azure's `##vso[` anywhere.
    """
    return "\n".join(_defuse_line(line) for line in text.split("\n"))


def break_markers(text: str) -> str:
    """The same text without the markers that a runner obeys anywhere in a line."""
    return _COMMAND_ANYWHERE.sub("# #", text)


def for_log(text: str) -> str:
    """Text of one or several lines as it may go to a terminal or a build log."""
    return defuse(visible_lines(text))


def code_span(text: str, *, in_table: bool = False) -> str:
    """Text as a Markdown code span, in which nothing is syntax, a link or a mention."""
    shown = visible(text)
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(shown)), default=0) + 1)
    pad = " " if not shown.strip() or shown[0] in "` " or shown[-1] in "` " else ""
    span = f"{fence}{pad}{shown or ' '}{pad}{fence}"
    return span.replace("|", "\\|") if in_table else span


def code_block(text: str, language: str = "") -> str:
    """Text of several lines as a fenced block, with a fence longer than any inside."""
    shown = visible_lines(text)
    fence = "`" * max(3, max((len(run) for run in _BACKTICKS.findall(shown)), default=0) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def markdown_text(text: str) -> str:
    """Prose that may quote others' words, as Markdown in which it is prose only.

    Signs that make mentions and references are set as code, because hosts look for them after unescaping.
    """
    pieces: list[str] = []
    rest = 0
    shown = visible(text)
    for match in _REFERENCE.finditer(shown):
        pieces += [_entities(shown[rest : match.start()]), f"`{match[0]}`"]
        rest = match.end()
    return "".join([*pieces, _entities(shown[rest:])])


def json_for_log(text: str) -> str:
    """JSON text of the same value that is plain ASCII and holds no runner's command. `#` occurs in strings only."""
    return _COMMAND_ANYWHERE.sub(r"#\\u0023", text)


def command_text(text: str, *, property_value: bool = False) -> str:
    """Text as the runner's command parser gives it back: its own escapes, and nothing invisible."""
    shown = break_markers(visible(text)).replace("%", "%25")
    return shown.replace(":", "%3A").replace(",", "%2C") if property_value else shown


def uri_reference(path: str) -> str:
    """A path as a relative URI reference; bytes that are no UTF-8 in a file's name stand for themselves."""
    try:
        return quote(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return quote(visible(path))


def _defuse_line(line: str) -> str:
    return break_markers(_COMMAND_START.sub(r"\1: ", line))


def _shown(match: re.Match[str]) -> str:
    start, shown = match.start(), ""
    has_base = start > 0 and match.string[start - 1].isalnum()
    for character in match[0]:
        is_hidden = has_no_shape(character) or (needs_base(character) and not has_base)
        shown += _SHORT.get(character, ascii(character)[1:-1]) if is_hidden else character
        has_base = not is_hidden and not character.isspace()
    return shown


def _entities(text: str) -> str:
    escaped = _MARKDOWN.sub(lambda match: f"&#{ord(match[0])};", text)
    return re.sub(r"(?i)\bwww\.", lambda match: f"{match[0][:3]}&#46;", escaped)


def marker(name: str) -> str:
    """An HTML comment with the name in it; what is no letter, digit or dot becomes a single hyphen.

    So no name can end the comment: `--` and `>` do not come out of this.
    """
    return f"<!-- reconciler:{_UNSAFE.sub('-', name).strip('-')} -->"

"""The YAML event stream: libyaml's where it is there, PyYAML's own otherwise, and its errors in our words.

Nothing that PyYAML says is passed on: its messages can quote the file.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

import yaml

from reconciler.diagnostics import Finding

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    HAS_LIBYAML = True
except ImportError:  # pragma: no cover - wheels for every usual platform carry libyaml
    HAS_LIBYAML = False


Event: TypeAlias = Any
"""An event of PyYAML, whose classes share no useful type."""


class Mark(Protocol):
    """A place in a text: offset, line and column from 0, counted in characters."""

    index: int
    line: int
    column: int


class EventParser(Protocol):
    """The one method that is used of a PyYAML parser."""

    def get_event(self) -> Event:
        """The next event; None after the end of the stream."""


def open_events(content: bytes) -> EventParser:
    """The events of UTF-8 text, one by one; reading them raises yaml.YAMLError.

    Only events are asked for: no constructor, resolver or composer of PyYAML ever runs.
    """
    parser: EventParser = CParser(content) if HAS_LIBYAML else yaml.SafeLoader(content.decode())
    return parser


def error_mark(error: yaml.YAMLError) -> Mark | None:
    """Where in a text PyYAML found the error that it raised, if it says so."""
    mark: Mark | None = getattr(error, "problem_mark", None)
    return mark


def explain_error(error: yaml.YAMLError, content: bytes) -> Finding:
    """The finding for what PyYAML raised on a text."""
    mark = error_mark(error)
    if mark is not None and content.decode()[mark.index : mark.index + 1] == "\t":
        return _TAB
    problem, context = str(getattr(error, "problem", None)), str(getattr(error, "context", None))
    for fragment, finding in _EXPLANATIONS:
        if fragment in problem or fragment in context:
            return finding
    return _syntax("This is not valid YAML.", "Check quotes, brackets, colons and indentation here.")


def _syntax(message: str, hint: str | None = None) -> Finding:
    return Finding("yaml-syntax", message, hint)


ANCHOR: Final = Finding("yaml-anchor", "Anchors (&name) are not allowed.", "Write the value out where it is used.")
ALIAS: Final = Finding(
    "yaml-alias", "Aliases (*name) are not allowed.", "Write the value out; quote it if it is text."
)
MERGE_KEY: Final = Finding("yaml-merge-key", "Merge keys (<<) are not allowed.", "Write the keys out.")
TAG: Final = Finding("yaml-tag", "Tags (!name) are not allowed.", "Leave it out; quote the value if it is text.")
DIRECTIVE: Final = Finding("yaml-directive", "Directives other than %YAML 1.2 are not allowed.", "Remove the line.")
_TAB: Final = _syntax("A tab cannot indent.", "Indent with spaces.")
_SURROGATE: Final = Finding(
    "lone-surrogate",
    "The escape is half of a surrogate pair, or beyond Unicode: it is no character.",
    "Write the character itself instead of escapes.",
)

_EXPLANATIONS: Final = (
    ("invalid Unicode character escape code", _SURROGATE),
    ("while scanning an anchor", ANCHOR),
    ("while scanning an alias", ALIAS),
    ("undefined alias", ALIAS),
    ("while parsing a tag", TAG),
    ("undefined tag handle", TAG),
    ("while scanning a tag", TAG),
    ("directive", DIRECTIVE),
    ("incompatible YAML document", DIRECTIVE),
    ("a tab", _TAB),
    ("cannot start any token", _syntax("No value can begin with this character.", "Put quotes around the text.")),
    ("mapping values are not allowed", _syntax("A colon here would begin a mapping.", "Put quotes around the text.")),
    ("could not find expected ':'", _syntax("A key without a colon.", "Write `key: value`.")),
    ("',' or ']'", _syntax("The list in brackets lacks a comma or its closing bracket.")),
    ("',' or '}'", _syntax("The mapping in braces lacks a comma or its closing brace.")),
    (
        "did not find expected key",
        _syntax("Expected a key of a mapping here.", "Check the indentation and quotes."),
    ),
    ("expected '-' indicator", _syntax("Expected another `- item` of the list here.", "Check the indentation.")),
    (
        "block sequence entries are not allowed",
        _syntax("A list cannot begin here.", "Begin it on a line of its own."),
    ),
    ("quoted scalar", _syntax("The quoted text has no end, or holds an escape that does not exist.")),
    ("expected <document start>", _syntax("Something follows the end of the document.", "Begin another with `---`.")),
    ("unexpected end of stream", _syntax("The file ends too early.")),
)

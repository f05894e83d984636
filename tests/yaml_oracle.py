"""What a YAML text says according to PyYAML's parser in Python, which shares no code with libyaml, and to JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.strict_json import join_pointer

if TYPE_CHECKING:
    from reconciler.files.yaml.reader import Document, Reading


def check_agreement(content: str | bytes, reading: Reading) -> bool:
    """Hold what was read of a text against the text: every value, its type, and where it and its key stand.

    What breaks the syntax for one parser breaks it for the other. Whether there was something to compare: not where
    anything was refused, nor where one of the two takes what the other does not: tabs, `?`, a comment close to a `|`,
    and a bracket or comma close to a colon.
    """
    text = content if isinstance(content, str) else content.decode(errors="replace")
    rules = {item.rule for item in reading.diagnostics}
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError:
        assert rules or any(sign in text for sign in ("\t", "?", "#")), text
        return False
    assert rules != {"yaml-syntax"} or any(sign in text for sign in (":[", ":{", ":,", ":]", ":}")), text
    if rules:
        return False
    assert len(nodes) == len(reading.documents), text
    for document, node in zip(reading.documents, nodes, strict=True):
        assert (document.start.line, document.start.column) == _place(node), text
        _check(document, document.value, node, ())
    return True


def _check(document: Document, value: Any, node: yaml.Node, path: tuple[str | int, ...]) -> None:
    place = document.position_of(join_pointer(path))
    assert (place.line, place.column) == _place(node) or not node.value, path  # nothing stands nowhere
    if isinstance(node, yaml.ScalarNode):
        assert _is_meant(value, node.value) if node.style is None else value == node.value, (value, node)
    elif isinstance(node, yaml.SequenceNode):
        assert type(value) is list
        assert len(value) == len(node.value)
        for number, item in enumerate(node.value):
            _check(document, value[number], item, (*path, number))
    else:
        assert type(value) is dict
        assert list(value) == [key.value for key, _ in node.value]
        for key, item in node.value:
            place = document.position_of(join_pointer((*path, key.value)), of_key=True)
            assert (place.line, place.column) == _place(key), path
            _check(document, value[key.value], item, (*path, key.value))


def _is_meant(value: Any, text: str) -> bool:
    """Whether plain text means a value: JSON's words and numbers do, `~` and nothing, and few other numbers."""
    try:
        meant = json.loads(text)
    except ValueError:
        meant = None if text in {"", "~"} else text
    if meant == text and type(value) in {int, float}:  # YAML knows `+1`, `.5` and `1.` besides
        return value == float(text)
    return type(value) is type(meant) and value == meant


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1

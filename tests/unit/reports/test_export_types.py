"""Names and docstrings of generated modules."""

from __future__ import annotations

import ast

import pytest
from builders import a_full_flag

from reconciler.reports.export_types import Names
from reconciler.reports.registry import EXPORT, render


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("checkout", "checkout"),
        ("class", "class_"),
        ("match", "match_"),
        ("2x", "flag_2x"),
        ("__init__", "flag___init__"),
        ("__x", "flag___x"),
        ("x__", "x__"),
        ("_x", "_x"),
        ("", "flag"),
        *((taken, f"{taken}_2") for taken in ("Any", "Literal", "NamedTuple", "Protocol", "TypedDict", "cast")),
        *((taken, f"{taken}_2") for taken in ("Given", "FlagKey", "annotations", "str", "int", "float", "bool")),
        *((taken, f"{taken}_2") for taken in ("list", "_key", "_payload", "given")),
    ],
)
def test_names_that_a_module_can_have(wanted: str, name: str) -> None:
    """Each once."""
    names = Names()
    assert [names.take(wanted) for _ in range(2)] == [name, f"{name.removesuffix('_2')}_{2 + name.endswith('_2')}"]


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("Shown to all", "Shown to all."),
        ("Ends here.", "Ends here."),
        ('Says "hi"', 'Says "hi" '),
        ('Has """ inside', "Has ''' inside."),
        ("a\\b\n\tc", "a\\b\\n\\tc."),
        ("", "New checkout."),
    ],
)
def test_a_description_is_a_docstring(description: str, said: str) -> None:
    """Whatever is in it; of a flag without one it is the name."""
    module = ast.parse(render(EXPORT, "python", (a_full_flag(description=description, name="New checkout"),)))
    (function,) = [
        node for node in module.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert (ast.get_docstring(function, clean=False) or "").split("\n")[0] == said

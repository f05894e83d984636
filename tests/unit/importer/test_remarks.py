"""What a written file says in comments of what it cannot declare."""

from __future__ import annotations

import pytest

from reconciler.importer.comments import dependency_remark
from reconciler.model.flag import Dependencies
from tests.builders import a_live_flag


@pytest.mark.parametrize(
    ("dependencies", "said"),
    [
        (None, ()),
        (
            Dependencies(flags=(("2", ("on", "off")), ("1", ("b",)), ("9", ())), operator="all"),
            ("parentDependencies, all of: 9 (), a-parent (on, off), z-parent (b)",),
        ),
    ],
)
def test_parents_are_named_in_order(dependencies: Dependencies | None, said: tuple[str, ...]) -> None:
    """By key where it is known, else by id; sorted by what is shown, with the variants as they are."""
    flag = a_live_flag(parent_dependencies=dependencies)
    assert dependency_remark(flag, {"1": "z-parent", "2": "a-parent"}) == said

"""What is accepted of an answer's JSON."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidResponseError
from reconciler.model.flag import Dependencies
from reconciler.model.wire import decode_flag, decode_variants


def test_a_variant_that_comes_twice_is_refused() -> None:
    """Two variants of one key are no flag that anything could be planned for."""
    assert [variant.key for variant in decode_variants([{"key": "a"}, {"key": "b"}])] == ["a", "b"]
    with pytest.raises(InvalidResponseError, match="twice at variants"):
        decode_variants([{"key": "a"}, {"key": "b"}, {"key": "a"}])


@pytest.mark.parametrize(
    ("shown", "operator"), [({"operator": "any"}, "any"), ({}, "all"), ({"operator": None}, "all")]
)
def test_whether_all_parents_are_needed_is_as_the_server_says(shown: dict[str, str | None], operator: str) -> None:
    """All of them where it does not say."""
    parents = {"flags": {"7": ["on"]}, **shown}
    flag = decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})
    assert flag.parent_dependencies == Dependencies(flags=(("7", ("on",)),), operator=operator)


@pytest.mark.parametrize("operator", [1, ["any"], {}])
def test_an_operator_of_another_type_is_refused(operator: object) -> None:
    """The error names the place."""
    parents = {"flags": {"7": ["on"]}, "operator": operator}
    with pytest.raises(InvalidResponseError, match="flag/parentDependencies/operator"):
        decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})


@pytest.mark.parametrize("parent", ["", "..", "../x", "a b", "7" * 600])
def test_a_parent_that_no_path_can_name_is_refused(parent: str) -> None:
    """It would be asked for by its id."""
    parents = {"flags": {parent: ["on"]}}
    with pytest.raises(InvalidResponseError, match="the id at flag/parentDependencies/flags cannot be used"):
        decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})

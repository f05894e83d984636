"""What a document becomes when it is rolled back to a version."""

from __future__ import annotations

from typing import Any

from builders import a_config

from reconciler.importer import Rollback, roll_back
from reconciler.model.wire import decode_flag

DOCUMENT: dict[str, Any] = {
    "key": "flag",
    "enabled": True,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [
        {"key": "control", "description": "ours", "inclusions": {"users": ["ada"]}},
        {"key": "treatment", "payload": 1},
    ],
    "tags": ["b", "a"],
    "owner": "me",
}


def rolled(version: dict[str, Any], document: dict[str, Any] | None = None) -> Rollback:
    """The document after rolling back to a version that shows these fields."""
    answer = {"id": "1", "projectId": "7", "key": "flag", **version}
    return roll_back(document or DOCUMENT, decode_flag(answer).spec, a_config())


def test_declared_fields_take_the_versions_values() -> None:
    """What the version shows and the file declares changes; what only the version shows is not added."""
    found = rolled({"enabled": False, "rolloutPercentage": 7, "tags": ["c"]})
    assert found.document == DOCUMENT | {"enabled": False, "tags": ["c"]}
    assert found.changed == ("enabled", "tags")
    assert found.not_shown == ("rolloutWeights", "variants")


def test_the_same_meaning_is_no_change() -> None:
    """Equal ratios and reordered tags stay as the file has them."""
    found = rolled({"tags": ["a", "b"], "rolloutWeights": {"treatment": 50, "control": 50}, "enabled": True})
    assert found.changed == ()
    assert found.document == DOCUMENT


def test_variants_keep_what_the_version_does_not_show() -> None:
    """Inclusions and hidden fields stay with their variant; others come and go with the version."""
    found = rolled({"variants": [{"key": "third"}, {"key": "control"}], "rolloutWeights": {"control": 1, "third": 1}})
    assert found.document["variants"] == [{"key": "third"}, DOCUMENT["variants"][0]]
    assert found.not_shown == ("enabled", "tags", "variants/control/description", "variants/control/inclusions/users")


def test_weights_of_variants_that_go_do_not_stay() -> None:
    """A weight of 0 changes no ratio, but a variant that is gone must not be named."""
    document = DOCUMENT | {"rolloutWeights": {"control": 1, "treatment": 0}}
    found = rolled({"variants": [{"key": "control"}], "rolloutWeights": {"control": 1}}, document)
    assert found.obstacles == ()
    assert found.document["rolloutWeights"] == {"control": 1}


def test_weights_without_variants_are_those_of_the_version() -> None:
    """The version's variants, of which the file says nothing, add none."""
    version = {"variants": [{"key": "control"}, {"key": "treatment"}], "rolloutWeights": {"treatment": 3}}
    found = rolled(version, {"key": "flag", "rolloutWeights": {"control": 1}})
    assert found.document == {"key": "flag", "rolloutWeights": {"treatment": 3}}
    assert (found.changed, found.not_shown) == (("rolloutWeights",), ())


def test_a_rename_is_turned_around() -> None:
    """A variant that the file renames, and that the version has under its old key, is renamed back."""
    document = DOCUMENT | {
        "variants": [
            {"key": "control"},
            {"key": "treatment", "renamedFrom": "variant-b", "inclusions": {"users": ["a"]}},
        ]
    }
    found = rolled(
        {"variants": [{"key": "control"}, {"key": "variant-b"}], "rolloutWeights": {"control": 1, "variant-b": 1}},
        document,
    )
    assert found.document["variants"][1] == {
        "key": "variant-b", "renamedFrom": "treatment", "inclusions": {"users": ["a"]},
    }  # fmt: skip
    assert found.document["rolloutWeights"] == {"control": 1, "variant-b": 1}


def test_cohort_segments_are_not_rolled_back() -> None:
    """Segments that no file can hold stay as the file has them, and are named."""
    segment = {"name": "S", "conditions": [], "percentage": 1, "rolloutWeights": {"control": 1}}
    cohort = {"type": "cohort", "prop": "c", "op": "set contains", "values": ["x"]}
    document = DOCUMENT | {"targetSegments": [segment | {"everyone": True}]}
    found = rolled({"targetSegments": [segment | {"conditions": [cohort]}]}, document)
    assert found.document["targetSegments"] == document["targetSegments"]
    assert "targetSegments" in found.not_shown


def test_segments_that_a_version_does_not_show_whole_stay() -> None:
    """Not one of them changes where another one cannot be declared."""
    segment = {"name": "S", "conditions": [], "percentage": 1, "rolloutWeights": {"control": 1}}
    cohort = {"type": "cohort", "prop": "c", "op": "set contains", "values": ["x"]}
    document = DOCUMENT | {"targetSegments": [segment | {"everyone": True, "percentage": 2}]}
    for shown in ({}, {"targetSegments": [segment, segment | {"name": "T", "conditions": [cohort]}]}):
        found = rolled(shown, document)
        assert found.document == document
        assert "targetSegments" in found.not_shown
    assert rolled({"targetSegments": [segment]}, document).changed == ("targetSegments",)


def test_defaults_are_rolled_back_where_they_say_otherwise() -> None:
    """Added to the file, unless it sets the field to null."""
    config = a_config(defaults={"enabled": False, "rolloutPercentage": 7, "tags": ["a", "b"], "description": "x"})
    version = {"enabled": True, "rolloutPercentage": 7, "tags": ["b", "a"], "description": "y"}
    answer = {"id": "1", "projectId": "7", "key": "flag", **version}
    found = roll_back({"key": "flag", "description": None}, decode_flag(answer).spec, config)
    assert found.document == {"key": "flag", "description": None, "enabled": True}
    assert (found.changed, found.not_shown) == (("enabled",), ())


def test_what_no_file_can_hold_is_an_obstacle() -> None:
    """A version with a fraction of a percent is not declared as something else."""
    found = rolled({"rolloutPercentage": 0.5}, DOCUMENT | {"rolloutPercentage": 1})
    assert [item.pointer for item in found.obstacles] == ["/rolloutPercentage"]


def test_fields_of_variants_that_the_file_does_not_declare_are_not_added() -> None:
    """Of a variant that is new in it, all that is shown is."""
    shown = {"name": "Shown", "payload": {"a": 1}}
    found = rolled({"variants": [{"key": "treatment", **shown}, {"key": "third", **shown}]})
    assert found.document["variants"] == [
        {"key": "treatment", "payload": {"a": 1}},
        {"key": "third", "name": "Shown", "payload": {"a": 1}},
    ]
    assert found.changed == ("variants",)

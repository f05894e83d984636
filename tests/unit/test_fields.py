"""The table of fields: whole, and in step with what is derived from it and with the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.files import decode
from reconciler.files.flag_layout import TEAM_FIELDS
from reconciler.model import canonical, wire
from reconciler.model.fields import FIELD, FIELDS, NEW_FLAG, Field, ValueKind
from reconciler.model.flag import UNSET, FlagSpec, Weights

SCHEMAS = Path(__file__).parents[2] / "schemas"
SCHEMA = json.loads((SCHEMAS / "flag.schema.json").read_text("utf-8"))
CONFIG = json.loads((SCHEMAS / "config.schema.json").read_text("utf-8"))


def test_the_table_holds_every_field_of_a_flag() -> None:
    """Each attribute but the key has one row, in the order of the model."""
    assert ["key", *(field.name for field in FIELDS)] == list(FlagSpec.__struct_fields__)
    assert [FIELD[field.name] for field in FIELDS] == list(FIELDS)


def test_the_schema_declares_the_same_fields() -> None:
    """A flag file can say each field, an environment all of them but the key, and defaults all but `archived` too."""
    public = {field.public for field in FIELDS}
    assert SCHEMA["properties"].keys() == {"key", "onlyIn", "environments", *public, *TEAM_FIELDS}
    assert SCHEMA["$defs"]["environment"]["properties"].keys() >= public
    assert CONFIG["$defs"]["defaults"]["properties"].keys() >= public - {"archived"}


@pytest.mark.parametrize("kind", ValueKind)
def test_every_kind_of_value_is_read_from_files_and_answers(kind: ValueKind) -> None:
    """No kind can be used in the table that one of the readers does not know."""
    assert kind in wire._DECODERS
    assert kind in decode._DECODERS
    if kind.is_set:
        assert canonical._CANONICAL[kind](("b", "a", "b")) == ["a", "b"]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_what_a_new_flag_has_is_known_where_it_is_relied_on(field: Field) -> None:
    """What is taken for granted of a flag that is silent about it is in the table."""
    if field.always_shown or field.is_certain or field.may_start_on:
        assert getattr(NEW_FLAG, field.name) is not UNSET
    if field.moves_users or field.rebuckets or field.may_start_on:
        assert field.edit


def test_what_an_edit_and_a_create_carry() -> None:
    """As the reference lists them: the body fields of "Edit" and of "Create", beside key, project and variants."""
    assert {field.edit for field in FIELDS if field.edit} == {
        "name", "description", "bucketingKey", "bucketingSalt", "bucketingUnit", "evaluationMode",
        "rolloutPercentage", "targetSegments", "enabled", "archive", "tags",
    }  # fmt: skip
    assert {field.public for field in FIELDS if field.in_create} == {
        "name", "description", "bucketingKey", "rolloutWeights", "targetSegments", "deployments", "evaluationMode",
    }  # fmt: skip


def test_what_a_new_flag_has_and_what_is_always_shown() -> None:
    """By name, as the reference has it; the salt and the variants are the server's to choose."""
    assert {field.name: field.new for field in FIELDS if field.new is not UNSET} == {
        "name": "", "description": "", "enabled": False, "archived": False, "evaluation_mode": "remote",
        "bucketing_key": "amplitude_id", "bucketing_unit": "User", "rollout_percentage": 0,
        "rollout_weights": Weights(), "target_segments": (), "deployments": (), "tags": (),
    }  # fmt: skip
    assert {field.name for field in FIELDS if field.always_shown} == {
        "name", "description", "bucketing_unit", "rollout_weights", "target_segments", "deployments",
    }  # fmt: skip
    assert {field.name for field in FIELDS if not field.is_certain} == {
        "name", "evaluation_mode", "bucketing_key", "bucketing_salt", "variants",
    }  # fmt: skip


def test_which_changes_move_users() -> None:
    """The fields that decide who gets what, and of these the ones that put users into other buckets."""
    assert {field.edit for field in FIELDS if field.moves_users} == {
        "enabled", "archive", "targetSegments", "rolloutPercentage", "bucketingKey", "bucketingSalt",
        "bucketingUnit",
    }  # fmt: skip
    rebucketing = {"bucketingSalt", "bucketingKey", "bucketingUnit", "evaluationMode"}
    assert {field.edit for field in FIELDS if field.rebuckets} == rebucketing
    assert {field.edit for field in FIELDS if field.may_start_on} == {"enabled", "rolloutPercentage"}

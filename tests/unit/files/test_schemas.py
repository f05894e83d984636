"""The schemas that are written by hand: valid, closed everywhere, and helpful in an editor."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from reconciler.files.schema import SCHEMA_NAMES, load_schema, schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITTEN_BY_HAND = ("flag", "config")
ROOT = Path(__file__).parents[3]


def nodes(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for key in ("properties", "$defs"):
            for name, inner in schema.get(key, {}).items():
                yield from nodes(inner, f"{path}/{key}/{name}")
        for key in ("items", "additionalProperties", "propertyNames"):
            if isinstance(schema.get(key), dict):
                yield from nodes(schema[key], f"{path}/{key}")
        for index, inner in enumerate(schema.get("anyOf", ())):
            yield from nodes(inner, f"{path}/anyOf/{index}")


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_schemas_are_valid_draft_2020_12(name: str) -> None:
    """The meta schema holds."""
    schema = load_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_every_mapping_is_closed(name: str) -> None:
    """A typing error in a key is an error everywhere, never an ignored field."""
    open_ones = [path for path, node in nodes(load_schema(name)) if node.get("type") == "object"
                 and node.get("additionalProperties", True) is True]  # fmt: skip
    assert open_ones == []


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_every_field_says_what_it_is(name: str) -> None:
    """Editors show a title and a description for each field."""
    schema = load_schema(name)
    for path, node in nodes(schema):
        for field, inner in node.get("properties", {}).items():
            if "anyOf" in inner:
                continue
            target = {**schema["$defs"][inner["$ref"].rpartition("/")[2]], **inner} if "$ref" in inner else inner
            assert {"title", "description"} <= target.keys(), f"{path}/{field}"


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_defaults_and_examples_hold(name: str) -> None:
    """What an editor offers is valid."""
    schema = load_schema(name)
    for path, node in nodes(schema):
        alone = jsonschema.Draft202012Validator({**node, "$defs": schema["$defs"]})
        samples = [*node.get("examples", ()), *([node["default"]] if "default" in node else ())]
        for sample in samples:
            assert alone.is_valid(sample), (path, sample)


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_every_enumerated_word_is_described(name: str) -> None:
    """One description for each word, in the same order."""
    for path, node in nodes(load_schema(name)):
        if "enum" in node:
            assert len(node["enumDescriptions"]) == len(node["enum"]), path


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_no_reference_leaves_the_file(name: str) -> None:
    """Nothing is ever fetched."""
    assert all(node["$ref"].startswith("#/$defs/") for _, node in nodes(load_schema(name)) if "$ref" in node)


def test_overlays_offer_every_field_but_the_key() -> None:
    """An overlay changes anything of a flag except which flag it is."""
    schema = load_schema("flag")
    fields = set(schema["properties"]) - {"key", "onlyIn", "environments"}
    assert set(schema["$defs"]["environment"]["properties"]) == fields


def test_environments_offer_every_key_but_version_and_themselves() -> None:
    """An environment replaces any key of the configuration."""
    schema = load_schema("config")
    assert set(schema["$defs"]["environment"]["properties"]) == set(schema["properties"]) - {
        "version",
        "environments",
    }


def test_no_key_of_the_configuration_names_a_host_or_an_api_key() -> None:
    """A pull request cannot choose where the key goes."""
    words = ("host", "url", "origin", "endpoint", "proxy", "token", "apikey", "secret", "header")
    for path, node in nodes(load_schema("config")):
        assert not [key for key in node.get("properties", {}) if any(word in key.lower() for word in words)], path


def test_names_outside_the_list_have_no_schema() -> None:
    """A name cannot lead to another file."""
    assert "../pyproject" not in SCHEMA_NAMES
    with pytest.raises(KeyError):
        schema_text("../pyproject")


def test_the_text_is_the_file() -> None:
    """In a checkout the top-level files are what is printed."""
    assert schema_text("flag") == (ROOT / "schemas" / "flag.schema.json").read_text()
    assert json.loads(schema_text("config")) == load_schema("config")


def test_an_overlay_holds_what_the_document_holds() -> None:
    """So what comes of a merge is as valid as its two parts, and need not be held against the schema again."""
    schema = load_schema("flag")
    own, overlay = schema["properties"], schema["$defs"]["environment"]["properties"]
    assert own.keys() - overlay.keys() == {"key", "onlyIn", "environments"}
    assert schema["required"] == ["key"]
    for name, patch in overlay.items():
        fields = [patch["anyOf"][0]["$ref"], own[name]["$ref"]]
        assert patch["anyOf"][1:] == [{"type": "null"}]
        if name != "rolloutWeights":
            assert fields[0] == fields[1]
    merged = {name: schema["$defs"][name] for name in overlay}
    assert [name for name, node in merged.items() if node.get("type") == "object"] == ["rollout"]
    assert "required" not in merged["rollout"]
    weights, patch = (deepcopy(schema["$defs"][name]) for name in ("weights", "weightsPatch"))
    assert patch["additionalProperties"].pop("type") == [weights["additionalProperties"].pop("type"), "null"]
    for node in (weights, patch):
        for word in ("title", "description", "examples"):
            node.pop(word, None)
    assert weights == patch

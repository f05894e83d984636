"""The emulator against the reference: each endpoint, called as its sample says, answers as its sample shows."""

from __future__ import annotations

from typing import Any

import pytest
from contract.endpoints import (
    DEPENDENCIES,
    DEPLOYMENT_ID,
    ENDPOINTS,
    FLAG_ID,
    LISTED_FLAG,
    PROJECT_ID,
    SALT,
    SEGMENT,
    USER,
    VERSIONS,
    Endpoint,
)

from reconciler.emulator import Emulator, RawRequest
from reconciler.emulator.requests import encode

KEY = "test-management-key"

HEADINGS = (
    "List", "Get details", "List versions", "Get version details", "List variants", "Get variant details",
    "Get variant inclusions", "Get variant cohort inclusions", "Create variant", "Edit variant", "Remove variant",
    "Add users to variant", "Add cohorts to variant", "Remove users from variant", "Remove all users from variant",
    "Bulk remove users from variant", "Bulk remove cohorts from variant", "List deployments", "Create deployment",
    "Remove deployment", "Edit", "Create",
)  # fmt: skip
"""The reference's own list of its endpoints, in its order."""


def the_project_of_the_samples() -> Emulator:
    """An emulator in which every sample request of the table finds what it names."""
    emulator = Emulator()
    emulator.store.add_project(PROJECT_ID, {DEPLOYMENT_ID: "rest-api"})
    emulator.store.add_key(KEY, USER, [PROJECT_ID])
    versions = reversed(VERSIONS)
    first = next(versions)
    emulator.store.seed_flag(
        {
            "id": FLAG_ID,
            "projectId": PROJECT_ID,
            "key": "flag-key",
            "bucketingSalt": SALT,
            "variants": [
                {"key": "on", "users": ["user@example.com", "id1"], "cohorts": ["cohort-id-1", "cohort-id-2"]},
                {"key": "unused"},
            ],
            "rolloutWeights": {"on": 1, "unused": 0},
            "targetSegments": [SEGMENT],
            "deployments": [DEPLOYMENT_ID],
            "parentDependencies": DEPENDENCIES,
            "createdBy": USER,
            "createdAt": first["createdAt"],
        }
    )
    for version in versions:
        flag = {**emulator.store.flags[FLAG_ID], "enabled": version["flagConfig"]["enabled"]}
        emulator.store.append_version({**version, "flag": flag})
    emulator.store.seed_experiment({**LISTED_FLAG, "id": "124", "key": "experiment-key", "state": "planning"})
    return emulator


def call(emulator: Emulator, endpoint: Endpoint) -> Any:
    """The emulator's answer to an endpoint's sample request."""
    return emulator.api.answer(
        RawRequest(
            method=endpoint.method,
            path=endpoint.url_path,
            query="&".join(f"{name}={value}" for name, value in endpoint.query.items()),
            authorization=f"Bearer {KEY}",
            content_type="" if endpoint.body is None else "application/json",
            body=b"" if endpoint.body is None else encode(endpoint.body),
        )
    )


def has_the_shape_of(answer: Any, sample: Any) -> bool:
    """Whether an answer has every documented field, each of the sample's type.

    Of an array every item must look like the sample's first. A cursor may be missing its next page.
    """
    if isinstance(sample, dict):
        return isinstance(answer, dict) and all(
            name == "nextCursor" or (name in answer and has_the_shape_of(answer[name], value))
            for name, value in sample.items()
        )
    if isinstance(sample, list):
        alike = all(has_the_shape_of(item, sample[0]) for item in answer) if sample else True
        return isinstance(answer, list) and alike and bool(answer) >= bool(sample)
    return type(answer) is type(sample)


def test_the_table_has_a_row_for_every_heading_of_the_reference() -> None:
    """No endpoint of the reference is without a contract row, and the rows stand in its order."""
    assert tuple(row.name for row in ENDPOINTS if row.number <= len(HEADINGS)) == HEADINGS
    assert [row.number for row in ENDPOINTS] == list(range(1, len(ENDPOINTS) + 1))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: f"{row.number}-{row.method}")
def test_an_endpoint_takes_the_sample_and_answers_like_it(endpoint: Endpoint) -> None:
    """The sample request succeeds, and the answer has the documented fields with the documented types."""
    answer = call(the_project_of_the_samples(), endpoint)
    assert answer.status == 200, answer.body
    if endpoint.answers == "text":
        assert answer.body.decode() == endpoint.answer
    else:
        assert has_the_shape_of(answer.json(), endpoint.answer), answer.json()


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.method != "GET"], ids=lambda row: row.name)
def test_a_write_of_the_table_changes_the_state(endpoint: Endpoint) -> None:
    """No sample write is answered with OK and then forgotten, but for what is there already."""
    emulator = the_project_of_the_samples()
    already_there = endpoint.name in {"Create deployment", "Add cohorts to variant"}
    before = emulator.store.flags.copy()
    call(emulator, endpoint)
    assert emulator.writes
    changed = {
        flag_id: {name for name in flag if flag[name] != before.get(flag_id, {}).get(name)}
        for flag_id, flag in emulator.store.flags.items()
    }
    assert any(fields - {"lastModifiedAt", "lastModifiedBy"} for fields in changed.values()) is not already_there


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.body is not None], ids=lambda row: row.name)
def test_an_endpoint_refuses_a_field_that_the_reference_does_not_document(endpoint: Endpoint) -> None:
    """The sample request with one field more is a 400 that names it, and changes nothing."""
    emulator = the_project_of_the_samples()
    before = emulator.dump()
    answer = emulator.api.answer(
        RawRequest(
            method=endpoint.method,
            path=endpoint.url_path,
            authorization=f"Bearer {KEY}",
            content_type="application/json",
            body=encode({**endpoint.body, "invented": 1}),
        )
    )
    assert answer.status == 400
    assert b"invented" in answer.body
    assert emulator.dump() == before


def test_a_shape_is_told_from_another() -> None:
    """The comparison itself fails on a missing field, a wrong type and an empty list."""
    sample = {"id": "1", "variants": [{"key": "on"}]}
    assert has_the_shape_of({"id": "2", "variants": [{"key": "a", "name": ""}], "more": 1}, sample)
    assert not has_the_shape_of({"variants": [{"key": "a"}]}, sample)
    assert not has_the_shape_of({"id": 1, "variants": [{"key": "a"}]}, sample)
    assert not has_the_shape_of({"id": "1", "variants": []}, sample)
    assert not has_the_shape_of({"id": "1", "variants": [{"key": "a"}, {}]}, sample)

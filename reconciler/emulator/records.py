"""The shapes that the emulator keeps: plain JSON, the same in memory and in the state file.

Records are never changed in place. A write makes a new record, so that versions, stale reads and comparisons
can hold on to the old ones without copying.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = Any
"""A JSON value as the json module gives it."""


class VariantRecord(TypedDict):
    """A variant with its inclusions. Its weight stands in the flag's `rolloutWeights`."""

    key: str
    name: str
    description: str
    payload: Json
    users: list[str]
    cohorts: list[str]


class SegmentRecord(TypedDict):
    """A target segment. Conditions are kept as they came, cohort conditions of a seeded flag included.

    So are further fields of a seeded segment, which the web page of the product may set and an edit cannot.
    """

    name: str
    conditions: list[dict[str, Json]]
    percentage: int
    bucketingKey: str
    rolloutWeights: dict[str, int]


class FlagRecord(TypedDict):
    """A flag. Ids are strings, times are ISO 8601 in UTC with milliseconds."""

    id: str
    projectId: str
    key: str
    name: str
    description: str
    enabled: bool
    archived: bool
    evaluationMode: str
    bucketingKey: str
    bucketingSalt: str
    bucketingUnit: str
    rolloutPercentage: int
    rolloutWeights: dict[str, int]
    variants: list[VariantRecord]
    targetSegments: list[SegmentRecord]
    deployments: list[str]
    tags: list[str]
    parentDependencies: dict[str, Json] | None
    createdBy: str
    createdAt: str
    lastModifiedBy: str
    lastModifiedAt: str


class ExperimentRecord(FlagRecord):
    """An experiment: what flags have too, and its state. It shares keys and ids with flags."""

    state: str


class VersionRecord(TypedDict):
    """A flag as it was after one write. `version` counts from 1 for each flag."""

    createdAt: str
    createdBy: str
    version: int
    flag: FlagRecord


class DeploymentRecord(TypedDict):
    """A deployment that flags of its project can be attached to."""

    id: str
    projectId: str
    label: str
    key: str
    deleted: bool


class KeyRecord(TypedDict):
    """Whom a management key belongs to, and which projects it reaches."""

    user: str
    projects: list[str]


def variant_record(given: Mapping[str, Json]) -> VariantRecord:
    """A whole variant from the fields that were said; inclusions flat, or nested as in a flag file."""
    inclusions = given.get("inclusions", {})
    return {
        "key": given["key"],
        "name": given.get("name", ""),
        "description": given.get("description", ""),
        "payload": given.get("payload", {}),
        "users": list(given.get("users", inclusions.get("users", ()))),
        "cohorts": list(given.get("cohorts", inclusions.get("cohorts", ()))),
    }


def segment_record(given: Mapping[str, Json], bucketing_key: str) -> SegmentRecord:
    """A whole segment; the type of a condition is filled in, and the flag's bucketing key where none is said."""
    known = {
        "name": given["name"],
        "conditions": [{"type": "property", **condition} for condition in given["conditions"]],
        "percentage": given["percentage"],
        "bucketingKey": given.get("bucketingKey", bucketing_key),
        "rolloutWeights": dict(given["rolloutWeights"]),
    }
    return cast("SegmentRecord", {**given, **known})


def flag_record(given: Mapping[str, Json], *, flag_id: str, user: str, at: str) -> FlagRecord:
    """A whole flag from the fields that were said: off at 0 %, every variant with the same weight.

    `given` needs `projectId` and `key`. Its own times, users and salt count more than `user` and `at`.
    """
    variants = [variant_record(item) for item in given.get("variants", ())]
    bucketing_key = given.get("bucketingKey", "amplitude_id")
    defaults: dict[str, Json] = {
        "id": flag_id,
        "name": given["key"],
        "description": "",
        "enabled": False,
        "archived": False,
        "evaluationMode": "remote",
        "bucketingKey": bucketing_key,
        "bucketingSalt": salt_of(given.get("id", flag_id)),
        "bucketingUnit": "User",
        "rolloutPercentage": 0,
        "rolloutWeights": {variant["key"]: 1 for variant in variants},
        "deployments": [],
        "tags": [],
        "parentDependencies": None,
        "createdBy": user,
        "createdAt": at,
        "lastModifiedBy": given.get("createdBy", user),
        "lastModifiedAt": given.get("createdAt", at),
    }
    segments = [segment_record(item, bucketing_key) for item in given.get("targetSegments", ())]
    whole = {**defaults, **given, "variants": variants, "targetSegments": segments}
    return cast("FlagRecord", {name: whole[name] for name in FlagRecord.__annotations__})


def experiment_record(given: Mapping[str, Json], *, experiment_id: str, user: str, at: str) -> ExperimentRecord:
    """A whole experiment from the fields that were said, as a flag; it runs where nothing else is said."""
    return {**flag_record(given, flag_id=experiment_id, user=user, at=at), "state": given.get("state", "running")}


def first_version(flag: FlagRecord) -> VersionRecord:
    """Version 1 of a flag that came without a past."""
    return {"createdAt": flag["lastModifiedAt"], "createdBy": flag["lastModifiedBy"], "version": 1, "flag": flag}


def salt_of(flag_id: str) -> str:
    """Eight characters that look random and are the same for the same flag in every run."""
    return hashlib.sha256(f"salt of {flag_id}".encode()).hexdigest()[:8]

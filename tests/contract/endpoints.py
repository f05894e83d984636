"""The contract table: every endpoint that the product uses, with the API reference's own samples.

One row per endpoint, in the reference's order (1 to 22); 23 to 25 are documented in the same API on pages of
their own. Client and emulator are each held against this table and share nothing else. Samples are the
reference's, with its placeholders (`<id>`, `<projectId>`, …) filled by the constants below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_ID = "7"
FLAG_ID = "123"
DEPLOYMENT_ID = "67"
SALT = "mHdQDzeE"
USER = "abc@amplitude.com"

SEGMENT: dict[str, Any] = {
    "name": "Segment 1",
    "conditions": [{"prop": "country", "op": "is", "type": "property", "values": ["United States"]}],
    "percentage": 0,
    "bucketingKey": "amplitude_id",
    "rolloutWeights": {"on": 1},
}

DEPENDENCIES: dict[str, Any] = {"flags": {"12345": ["on"]}, "operator": "all"}

FLAG: dict[str, Any] = {
    "id": FLAG_ID,
    "projectId": PROJECT_ID,
    "deployments": [DEPLOYMENT_ID],
    "key": "flag-key",
    "name": "flag-key",
    "description": "feature flag access",
    "enabled": True,
    "evaluationMode": "remote",
    "bucketingKey": "amplitude_id",
    "bucketingSalt": SALT,
    "bucketingUnit": "User",
    "variants": [{"key": "on"}],
    "rolloutPercentage": 0,
    "rolloutWeights": {"on": 1},
    "targetSegments": [SEGMENT],
}

LISTED_FLAG: dict[str, Any] = {
    "id": FLAG_ID,
    "projectId": PROJECT_ID,
    "deployments": [DEPLOYMENT_ID],
    "key": "flag-key",
    "name": "flag-name",
    "description": "description",
    "enabled": False,
    "evaluationMode": "remote",
    "bucketingKey": "amplitude_id",
    "bucketingSalt": SALT,
    "bucketingUnit": "User",
    "createdBy": USER,
    "lastModifiedBy": USER,
    "createdAt": "2022-09-09T15:29:47.940Z",
    "lastModifiedAt": "2023-01-25T11:43:41.073Z",
    "variants": [{"key": "on"}],
    "rolloutPercentage": 0,
    "rolloutWeights": {"on": 1},
    "targetSegments": [
        {
            "name": "Segment 1",
            "conditions": [{"prop": "city", "op": "is", "type": "property", "values": []}],
            "percentage": 0,
            "bucketingKey": "amplitude_id",
            "rolloutWeights": {"on": 1},
        }
    ],
    "parentDependencies": DEPENDENCIES,
}

VERSIONS: list[dict[str, Any]] = [
    {"createdAt": "2023-07-29T03:32:49.594Z", "createdBy": USER, "version": 3, "flagConfig": FLAG},
    {
        "createdAt": "2023-07-29T03:32:39.494Z",
        "createdBy": USER,
        "version": 2,
        "flagConfig": FLAG | {"enabled": False},
    },
    {
        "createdAt": "2023-07-29T03:30:45.703Z",
        "createdBy": USER,
        "version": 1,
        "flagConfig": FLAG | {"deployments": [], "description": "", "enabled": False, "targetSegments": []},
    },
]

VARIANT: dict[str, Any] = {"key": "on", "name": "", "payload": {}, "description": "", "rolloutWeight": 1}

DEPLOYMENT: dict[str, Any] = {
    "id": DEPLOYMENT_ID,
    "projectId": PROJECT_ID,
    "label": "rest-api",
    "key": "client-abc",
    "deleted": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint: `path` below /api/1 with `{name}` for each of `arguments`, a sample request, a sample answer.

    `answers` is "json", or "text" where the reference promises `OK` text or no body at all: then `answer` is
    the text.
    """

    number: int
    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    answers: Literal["json", "text"] = "json"
    answer: Any = None

    @property
    def segments(self) -> tuple[str, ...]:
        """The sample's path below /api/1, segment by segment, unescaped."""
        return tuple(segment.format(**self.arguments) for segment in self.path.strip("/").split("/"))

    @property
    def url_path(self) -> str:
        """The sample's path as it is sent."""
        return "/api/1/" + "/".join(self.segments)


_FLAG_ARGUMENT = {"id": FLAG_ID}
_VARIANT_ARGUMENTS = {"id": FLAG_ID, "variantKey": "on"}
_VARIANT_PATH = "/flags/{id}/variants/{variantKey}"

READS: tuple[Endpoint, ...] = (
    Endpoint(
        number=1,
        name="List",
        method="GET",
        path="/flags",
        query={"limit": "1000"},
        answer={"flags": [LISTED_FLAG], "nextCursor": "1000"},
    ),
    Endpoint(
        number=2,
        name="Get details",
        method="GET",
        path="/flags/{id}",
        arguments=_FLAG_ARGUMENT,
        answer=FLAG | {"parentDependencies": DEPENDENCIES, "deleted": False},
    ),
    Endpoint(
        number=3,
        name="List versions",
        method="GET",
        path="/flags/{id}/versions",
        arguments=_FLAG_ARGUMENT,
        answer=VERSIONS,
    ),
    Endpoint(
        number=4,
        name="Get version details",
        method="GET",
        path="/flags/{id}/versions/{versionId}",
        arguments={"id": FLAG_ID, "versionId": "3"},
        answer=VERSIONS[0],
    ),
    Endpoint(
        number=5,
        name="List variants",
        method="GET",
        path="/flags/{id}/variants",
        arguments=_FLAG_ARGUMENT,
        answer=[VARIANT],
    ),
    Endpoint(
        number=6,
        name="Get variant details",
        method="GET",
        path=_VARIANT_PATH,
        arguments=_VARIANT_ARGUMENTS,
        answer=VARIANT,
    ),
    Endpoint(
        number=7,
        name="Get variant inclusions",
        method="GET",
        path=_VARIANT_PATH + "/users",
        arguments=_VARIANT_ARGUMENTS,
        answer=["user@example.com", "user-id"],
    ),
    Endpoint(
        number=8,
        name="Get variant cohort inclusions",
        method="GET",
        path=_VARIANT_PATH + "/cohorts",
        arguments=_VARIANT_ARGUMENTS,
        answer=["cohort-id-1", "cohort-id-2"],
    ),
)

VARIANT_WRITES: tuple[Endpoint, ...] = (
    Endpoint(
        number=9,
        name="Create variant",
        method="POST",
        path="/flags/{id}/variants",
        arguments=_FLAG_ARGUMENT,
        body={
            "key": "new-variant-key",
            "description": "optional description for variant",
            "name": "optional name for variant",
            "payload": {"variant-payload": "example payload"},
            "rolloutWeight": 0,
        },
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=10,
        name="Edit variant",
        method="PATCH",
        path=_VARIANT_PATH,
        arguments=_VARIANT_ARGUMENTS,
        body={
            "key": "updated-variant-key",
            "description": "updated optional description for variant",
            "name": "optional name for variant",
            "payload": {"variant-payload": "example payload"},
            "rolloutWeight": 0,
        },
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=11,
        name="Remove variant",
        method="DELETE",
        path=_VARIANT_PATH,
        arguments={"id": FLAG_ID, "variantKey": "unused"},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=12,
        name="Add users to variant",
        method="POST",
        path=_VARIANT_PATH + "/users",
        arguments=_VARIANT_ARGUMENTS,
        body={"inclusions": ["id1", "id2", "id3"]},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=13,
        name="Add cohorts to variant",
        method="POST",
        path=_VARIANT_PATH + "/cohorts",
        arguments=_VARIANT_ARGUMENTS,
        body={"inclusions": ["cohort-id-1", "cohort-id-2"]},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=14,
        name="Remove users from variant",
        method="DELETE",
        path=_VARIANT_PATH + "/users/{userIndex}",
        arguments=_VARIANT_ARGUMENTS | {"userIndex": "0"},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=15,
        name="Remove all users from variant",
        method="DELETE",
        path=_VARIANT_PATH + "/users",
        arguments=_VARIANT_ARGUMENTS,
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=16,
        name="Bulk remove users from variant",
        method="DELETE",
        path=_VARIANT_PATH + "/bulk-delete-users",
        arguments=_VARIANT_ARGUMENTS,
        body={"users": ["id1", "id2", "id3"]},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=17,
        name="Bulk remove cohorts from variant",
        method="DELETE",
        path=_VARIANT_PATH + "/bulk-delete-cohorts",
        arguments=_VARIANT_ARGUMENTS,
        body={"users": ["cohort-id-1", "cohort-id-2"]},
        answers="text",
        answer="OK",
    ),
)

FLAG_WRITES: tuple[Endpoint, ...] = (
    Endpoint(
        number=18,
        name="List deployments",
        method="GET",
        path="/flags/{id}/deployments",
        arguments=_FLAG_ARGUMENT,
        answer=[DEPLOYMENT],
    ),
    Endpoint(
        number=19,
        name="Create deployment",
        method="POST",
        path="/flags/{id}/deployments",
        arguments=_FLAG_ARGUMENT,
        body={"deployments": [DEPLOYMENT_ID]},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=20,
        name="Remove deployment",
        method="DELETE",
        path="/flags/{id}/deployments/{deploymentId}",
        arguments={"id": FLAG_ID, "deploymentId": DEPLOYMENT_ID},
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=21,
        name="Edit",
        method="PATCH",
        path="/flags/{id}",
        arguments=_FLAG_ARGUMENT,
        body={
            "name": "updated name",
            "description": "updated description",
            "bucketingKey": "amplitude_id",
            "bucketingSalt": SALT,
            "bucketingUnit": "org id",
            "evaluationMode": "remote",
            "rolloutPercentage": 0,
            "enabled": False,
            "tags": ["prod", "staging"],
        },
        answers="text",
        answer="OK",
    ),
    Endpoint(
        number=22,
        name="Create",
        method="POST",
        path="/flags",
        body={
            "projectId": PROJECT_ID,
            "name": "Analyze button clicks",
            "key": "analyze-button-clicks",
            "description": "analyze button clicks on the main page",
            "variants": [{"key": "on"}],
            "rolloutWeights": {"on": 1},
            "targetSegments": [SEGMENT],
            "deployments": [DEPLOYMENT_ID],
            "evaluationMode": "remote",
        },
        answer={"id": FLAG_ID, "url": f"http://experiment.amplitude.com/amplitude/{PROJECT_ID}/config/{FLAG_ID}"},
    ),
)

FEEDS: tuple[Endpoint, ...] = (
    Endpoint(
        number=23,
        name="List versions of all flags",
        method="GET",
        path="/versions",
        query={"limit": "3", "cursor": "0", "start": "2023-01-01T00:00:00Z", "end": "2024-12-31T23:59:59Z"},
        answer={"versions": VERSIONS, "nextCursor": 3003},
    ),
    Endpoint(
        number=24,
        name="List all deployments",
        method="GET",
        path="/deployments",
        query={"limit": "1000"},
        answer={"deployments": [DEPLOYMENT]},
    ),
    Endpoint(
        number=25,
        name="List experiments",
        method="GET",
        path="/experiments",
        query={"limit": "1000"},
        answer={"experiments": [LISTED_FLAG | {"state": "planning"}]},
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (*READS, *VARIANT_WRITES, *FLAG_WRITES, *FEEDS)

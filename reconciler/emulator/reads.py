"""The endpoints that only read, in the reference's order, and the two feeds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.emulator.edits import find_variant
from reconciler.emulator.errors import RefusedError, bad_request, not_found
from reconciler.emulator.requests import encode, json_response
from reconciler.emulator.validation import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from reconciler.emulator.options import Behaviour, Limits
    from reconciler.emulator.records import DeploymentRecord, FlagRecord, VariantRecord
    from reconciler.emulator.requests import ApiRequest, ApiResponse
    from reconciler.emulator.serializer import Serializer
    from reconciler.emulator.store import Store

    T = TypeVar("T")

DEFAULT_LIMIT = 100
"""Items of a page when the request does not say. The reference gives only the cap."""


class Reads:
    """Each method answers one endpoint."""

    def __init__(self, store: Store, serializer: Serializer, behaviour: Behaviour, limits: Limits) -> None:
        self._store = store
        self._serializer = serializer
        self._behaviour = behaviour
        self._limits = limits

    def flags(self, request: ApiRequest) -> ApiResponse:
        """GET /flags: newest first, filtered by project, key, and whether it is archived."""
        archived = _boolean(request.query.get("includeArchived", "false"), "includeArchived")
        flags = self._store.read_all(self._projects(request))
        key = request.query.get("key")
        if key is not None:
            flags = self._of_key(flags, key)
        if not archived:
            flags = [flag for flag in flags if not flag["archived"]]
        page, cursor, end = self._page(request, flags)
        return self._serializer.flag_page(page, cursor, end)

    def flag(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}."""
        return json_response(self._serializer.details(self._flag(request)))

    def experiments(self, request: ApiRequest) -> ApiResponse:
        """GET /experiments: newest first, filtered as flags are."""
        archived = _boolean(request.query.get("includeArchived", "false"), "includeArchived")
        projects, key = self._projects(request), request.query.get("key")
        found = [
            item
            for item in reversed(self._store.experiments.values())
            if item["projectId"] in projects and (archived or not item["archived"]) and key in {None, item["key"]}
        ]
        page, cursor, end = self._page(request, found)
        items = [encode(self._serializer.experiment(item)) for item in page]
        return self._serializer.page("experiments", items, cursor, end)

    def experiment(self, request: ApiRequest) -> ApiResponse:
        """GET /experiments/{id}."""
        experiment_id = request.parameters["id"]
        found = self._store.experiments.get(experiment_id)
        if found is None:
            raise not_found(f"experiment {experiment_id!r}")
        request.reaches(found["projectId"])
        return json_response(self._serializer.experiment(found))

    def flag_versions(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/versions: newest first."""
        versions = self._store.versions_of(self._flag(request)["id"])
        return json_response([self._serializer.version(version) for version in reversed(versions)])

    def flag_version(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/versions/{versionId}."""
        wanted = request.parameters["versionId"]
        for version in self._store.versions_of(self._flag(request)["id"]):
            if str(version["version"]) == wanted:
                return json_response(self._serializer.version(version))
        raise not_found(f"version {wanted!r}")

    def variants(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/variants."""
        flag = self._flag(request)
        return json_response([self._serializer.variant(flag, variant) for variant in flag["variants"]])

    def variant(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/variants/{variantKey}."""
        flag = self._flag(request)
        return json_response(self._serializer.variant(flag, find_variant(flag, request.parameters["variantKey"])))

    def users(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/variants/{variantKey}/users."""
        return json_response(self._variant(request)["users"])

    def cohorts(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/variants/{variantKey}/cohorts."""
        return json_response(self._variant(request)["cohorts"])

    def flag_deployments(self, request: ApiRequest) -> ApiResponse:
        """GET /flags/{id}/deployments."""
        flag = self._flag(request)
        known = self._store.projects[flag["projectId"]]
        return json_response(
            [self._serializer.deployment(known[item]) for item in flag["deployments"] if item in known]
        )

    def all_versions(self, request: ApiRequest) -> ApiResponse:
        """GET /versions: of every flag that the key reaches, newest first; `start` inclusive, `end` exclusive."""
        self._feed()
        start, end = (_time(request.query.get(name), name) for name in ("start", "end"))
        versions = [
            version
            for version in reversed(self._store.versions)
            if version["flag"]["projectId"] in request.projects and _within(version["createdAt"], start, end)
        ]
        page, cursor, last = self._page(request, versions)
        return self._serializer.page(
            "versions", [encode(self._serializer.version(item)) for item in page], cursor, last
        )

    def all_deployments(self, request: ApiRequest) -> ApiResponse:
        """GET /deployments: of every project that the key reaches."""
        self._feed()
        found = [item for project in self._projects(request) for item in self._store.projects[project].values()]
        page, cursor, end = self._page(request, found)
        items = [encode(self._serializer.deployment(item)) for item in page]
        return self._serializer.page("deployments", items, cursor, end)

    def deployment(self, request: ApiRequest) -> ApiResponse:
        """GET /deployments/{id}: not in the reference; Amplitude's own command line asks it."""
        self._feed()
        found = find_deployment(self._store, request)
        return json_response(self._serializer.deployment(found))

    def _flag(self, request: ApiRequest) -> FlagRecord:
        flag_id = request.parameters["id"]
        current = self._store.flags.get(flag_id)
        if current is None:
            raise not_found(f"flag {flag_id!r}")
        request.reaches(current["projectId"])
        flag = self._store.read(flag_id)
        if flag is None or (flag["archived"] and self._behaviour.archived_details == "hidden"):
            raise not_found(f"flag {flag_id!r}")
        return flag

    def _variant(self, request: ApiRequest) -> VariantRecord:
        return find_variant(self._flag(request), request.parameters["variantKey"])

    def _projects(self, request: ApiRequest) -> list[str]:
        project = request.query.get("projectId")
        if project is None:
            return sorted(request.projects & self._store.projects.keys())
        request.reaches(project)
        return [project] if project in self._store.projects else []

    def _of_key(self, flags: list[FlagRecord], key: str) -> list[FlagRecord]:
        if self._behaviour.key_filter == "substring":
            return [flag for flag in flags if key in flag["key"]]
        return [flag for flag in flags if key == flag["key"]]

    def _page(self, request: ApiRequest, items: Sequence[T]) -> tuple[Sequence[T], int | None, int]:
        limit = whole_number(request.query.get("limit", str(DEFAULT_LIMIT)), "limit")
        if limit == 0:
            raise bad_request("limit must be more than 0")
        start = whole_number(request.query.get("cursor", "0"), "cursor")
        end = start + min(limit, self._limits.page)
        page = items[start:end]
        return page, end if end < len(items) else None, start + len(page)

    def _feed(self) -> None:
        if self._behaviour.feeds != "present":
            raise RefusedError(int(self._behaviour.feeds), "not available to this key")


def find_deployment(store: Store, request: ApiRequest) -> DeploymentRecord:
    """The deployment of the path, in a project that the key reaches, or the error."""
    found = store.deployment(request.parameters["id"])
    if found is None:
        raise not_found(f"deployment {request.parameters['id']!r}")
    request.reaches(found["projectId"])
    return found


def _boolean(text: str, what: str) -> bool:
    if text not in {"true", "false"}:
        raise bad_request(f"{what} must be true or false, not {text!r}")
    return text == "true"


def _time(text: str | None, what: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_request(f"{what} must be an ISO 8601 time, not {text!r}") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _within(created_at: str, start: datetime | None, end: datetime | None) -> bool:
    if start is None and end is None:
        return True
    at = datetime.fromisoformat(created_at)
    return (start is None or at >= start) and (end is None or at < end)

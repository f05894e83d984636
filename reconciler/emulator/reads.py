"""The endpoints that only read, in the reference's order, and the two feeds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from reconciler.emulator.calls import encode, json_answer
from reconciler.emulator.edits import find_variant
from reconciler.emulator.refusals import RefusedError, bad_request, not_found
from reconciler.emulator.validation import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.emulator.answers import Answers
    from reconciler.emulator.calls import Answer, Call
    from reconciler.emulator.options import Behaviour, Limits
    from reconciler.emulator.records import FlagRecord, VariantRecord
    from reconciler.emulator.store import Store

T = TypeVar("T")

DEFAULT_LIMIT = 100
"""Items of a page when the request does not say. The reference gives only the cap."""


class Reads:
    """Each method answers one endpoint."""

    def __init__(self, store: Store, answers: Answers, behaviour: Behaviour, limits: Limits) -> None:
        self._store = store
        self._answers = answers
        self._behaviour = behaviour
        self._limits = limits

    def flags(self, call: Call) -> Answer:
        """GET /flags: newest first, filtered by project, key, and whether it is archived."""
        archived = _boolean(call.query.get("includeArchived", "false"), "includeArchived")
        flags = self._store.read_all(self._projects(call))
        key = call.query.get("key")
        if key is not None:
            flags = self._of_key(flags, key)
        if not archived:
            flags = [flag for flag in flags if not flag["archived"]]
        page, cursor, end = self._page(call, flags)
        return self._answers.flag_page(page, cursor, end)

    def flag(self, call: Call) -> Answer:
        """GET /flags/{id}."""
        return json_answer(self._answers.details(self._flag(call)))

    def flag_versions(self, call: Call) -> Answer:
        """GET /flags/{id}/versions: newest first."""
        versions = self._store.versions_of(self._flag(call)["id"])
        return json_answer([self._answers.version(version) for version in reversed(versions)])

    def flag_version(self, call: Call) -> Answer:
        """GET /flags/{id}/versions/{versionId}."""
        wanted = call.parameters["versionId"]
        for version in self._store.versions_of(self._flag(call)["id"]):
            if str(version["version"]) == wanted:
                return json_answer(self._answers.version(version))
        raise not_found(f"version {wanted!r}")

    def variants(self, call: Call) -> Answer:
        """GET /flags/{id}/variants."""
        flag = self._flag(call)
        return json_answer([self._answers.variant(flag, variant) for variant in flag["variants"]])

    def variant(self, call: Call) -> Answer:
        """GET /flags/{id}/variants/{variantKey}."""
        flag = self._flag(call)
        return json_answer(self._answers.variant(flag, find_variant(flag, call.parameters["variantKey"])))

    def users(self, call: Call) -> Answer:
        """GET /flags/{id}/variants/{variantKey}/users."""
        return json_answer(self._variant(call)["users"])

    def cohorts(self, call: Call) -> Answer:
        """GET /flags/{id}/variants/{variantKey}/cohorts."""
        return json_answer(self._variant(call)["cohorts"])

    def flag_deployments(self, call: Call) -> Answer:
        """GET /flags/{id}/deployments."""
        flag = self._flag(call)
        known = self._store.projects[flag["projectId"]]
        return json_answer([self._answers.deployment(known[item]) for item in flag["deployments"] if item in known])

    def all_versions(self, call: Call) -> Answer:
        """GET /versions: of every flag that the key reaches, newest first; `start` inclusive, `end` exclusive."""
        self._feed()
        start, end = (_time(call.query.get(name), name) for name in ("start", "end"))
        versions = [
            version
            for version in reversed(self._store.versions)
            if version["flag"]["projectId"] in call.projects and _within(version["createdAt"], start, end)
        ]
        page, cursor, last = self._page(call, versions)
        return self._answers.page("versions", [encode(self._answers.version(item)) for item in page], cursor, last)

    def all_deployments(self, call: Call) -> Answer:
        """GET /deployments: of every project that the key reaches."""
        self._feed()
        found = [item for project in self._projects(call) for item in self._store.projects[project].values()]
        page, cursor, end = self._page(call, found)
        items = [encode(self._answers.deployment(item)) for item in page]
        return self._answers.page("deployments", items, cursor, end)

    def _flag(self, call: Call) -> FlagRecord:
        flag_id = call.parameters["id"]
        current = self._store.flags.get(flag_id)
        if current is None:
            raise not_found(f"flag {flag_id!r}")
        call.reaches(current["projectId"])
        flag = self._store.read(flag_id)
        if flag is None or (flag["archived"] and self._behaviour.archived_details == "hidden"):
            raise not_found(f"flag {flag_id!r}")
        return flag

    def _variant(self, call: Call) -> VariantRecord:
        return find_variant(self._flag(call), call.parameters["variantKey"])

    def _projects(self, call: Call) -> list[str]:
        project = call.query.get("projectId")
        if project is None:
            return sorted(call.projects & self._store.projects.keys())
        call.reaches(project)
        return [project] if project in self._store.projects else []

    def _of_key(self, flags: list[FlagRecord], key: str) -> list[FlagRecord]:
        if self._behaviour.key_filter == "substring":
            return [flag for flag in flags if key in flag["key"]]
        return [flag for flag in flags if key == flag["key"]]

    def _page(self, call: Call, items: Sequence[T]) -> tuple[Sequence[T], int | None, int]:
        limit = whole_number(call.query.get("limit", str(DEFAULT_LIMIT)), "limit")
        if limit == 0:
            raise bad_request("limit must be more than 0")
        start = whole_number(call.query.get("cursor", "0"), "cursor")
        end = start + min(limit, self._limits.page)
        page = items[start:end]
        return page, end if end < len(items) else None, start + len(page)

    def _feed(self) -> None:
        if self._behaviour.feeds != "present":
            raise RefusedError(int(self._behaviour.feeds), "not available to this key")


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

"""One call and its answer, free of any web framework."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import Struct, field

from reconciler.emulator.errors import RefusedError, bad_request
from reconciler.emulator.validation import parse_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.emulator.records import Json


class ApiResponse(Struct, frozen=True, kw_only=True):
    """What is sent back."""

    status: int
    body: bytes = b""
    media_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body)


class ApiRequest(Struct, frozen=True, kw_only=True):
    """An authenticated request: whose it is, what it may reach, and what it carries.

    `parameters` are the path's, decoded; `raw` is the body as it came.
    """

    user: str
    projects: frozenset[str]
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    content_type: str

    def body(self) -> dict[str, Json]:
        """The JSON object that the endpoint asks for, or a 400."""
        return parse_body(self.raw, self.content_type)

    def refuse_body(self) -> None:
        """A 400 for a body where none is documented."""
        if self.raw:
            raise bad_request("this endpoint takes no body")

    def reaches(self, project_id: str) -> None:
        """A 403 for a project that the key has no access to."""
        if project_id not in self.projects:
            raise RefusedError(403, f"the key has no access to project {project_id!r}")


def json_response(value: Json) -> ApiResponse:
    """A success with JSON."""
    return ApiResponse(status=200, body=encode(value), media_type="application/json")


def text_response(status: int, text: str) -> ApiResponse:
    """An answer in words."""
    return ApiResponse(status=status, body=text.encode())


def encode(value: Json) -> bytes:
    """JSON as short as it gets, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

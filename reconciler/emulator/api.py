"""From a request to an answer: the table of endpoints, management keys, rate limit, log. Knows no web framework."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, unquote

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.emulator.errors import RefusedError, not_found
from reconciler.emulator.log import LogEntry, RateLimit
from reconciler.emulator.reads import Reads
from reconciler.emulator.requests import ApiRequest, ApiResponse, text_response
from reconciler.emulator.serializer import Serializer
from reconciler.emulator.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.emulator.options import Behaviour, Limits
    from reconciler.emulator.records import Json, KeyRecord
    from reconciler.emulator.store import Store

    Handler: TypeAlias = Callable[[ApiRequest], ApiResponse]

PREFIX = "/api/1"
_VARIANT = "/flags/{id}/variants/{variantKey}"


class RawRequest(Struct, frozen=True, kw_only=True):
    """A request as it came: `path` undecoded and without the query, `query` without the question mark."""

    method: str
    path: str
    query: str = ""
    authorization: str = ""
    content_type: str = ""
    body: bytes = b""
    arrived: float = field(default_factory=time.monotonic)


class Api:
    """The endpoints over one store. `log` grows with every request that reaches it."""

    def __init__(self, store: Store, behaviour: Behaviour, limits: Limits) -> None:
        self.log: list[LogEntry] = []
        self.observers: list[Callable[[RawRequest], None]] = []
        self._store = store
        self._limits = limits
        self._rate = None if limits.rate is None else RateLimit(limits.rate)
        serializer = Serializer(behaviour)
        self._table = _endpoints(
            Reads(store, serializer, behaviour, limits),
            Writes(store, serializer, behaviour),
            behaviour.edit_variant_verb,
        )

    def answer(self, request: RawRequest) -> ApiResponse:
        """The answer to a request, which is logged with it. Observers are told before anything is done."""
        for observer in self.observers:
            observer(request)
        key = self._key_of(request)
        answer = self._admitted(request, key)
        self.log.append(_entry(len(self.log) + 1, request, key, answer))
        return answer

    def answer_as(self, user: str, request: RawRequest) -> ApiResponse:
        """The answer to a request of a user who reaches every project: not logged, not limited."""
        everything: KeyRecord = {"user": user, "projects": list(self._store.projects)}
        return _or_refusal(lambda: self._dispatch(request, everything))

    def _admitted(self, request: RawRequest, key: KeyRecord | None) -> ApiResponse:
        if self._rate is not None and not self._rate.admits(request.arrived):
            after = self._limits.retry_after
            headers = {} if after is None else {"Retry-After": after}
            return replace(text_response(429, "too many requests"), headers=headers)
        if key is None:
            return text_response(401, "the management key is missing or unknown")
        return _or_refusal(lambda: self._dispatch(request, key))

    def _dispatch(self, request: RawRequest, key: KeyRecord) -> ApiResponse:
        handler, parameters = self._endpoint(request)
        return handler(
            ApiRequest(
                user=key["user"],
                projects=frozenset(key["projects"]),
                parameters=parameters,
                query=dict(parse_qsl(request.query, keep_blank_values=True)),
                raw=request.body,
                content_type=request.content_type,
            )
        )

    def _endpoint(self, request: RawRequest) -> tuple[Handler, dict[str, str]]:
        methods = []
        for method, template, handler in self._table:
            parameters = _match(template, request.path.removeprefix(PREFIX))
            if parameters is not None:
                if method == request.method:
                    return handler, parameters
                methods.append(method)
        if methods:
            raise RefusedError(405, f"{request.method} is not possible here, only {', '.join(methods)}")
        raise not_found(request.path)

    def _key_of(self, request: RawRequest) -> KeyRecord | None:
        scheme, _, key = request.authorization.partition(" ")
        return self._store.owner_of(key) if scheme == "Bearer" else None


def _endpoints(reads: Reads, writes: Writes, edit_variant_verb: str) -> tuple[tuple[str, str, Handler], ...]:
    return (
        ("GET", "/flags", reads.flags),
        ("GET", "/flags/{id}", reads.flag),
        ("GET", "/flags/{id}/versions", reads.flag_versions),
        ("GET", "/flags/{id}/versions/{versionId}", reads.flag_version),
        ("GET", "/flags/{id}/variants", reads.variants),
        ("GET", _VARIANT, reads.variant),
        ("GET", _VARIANT + "/users", reads.users),
        ("GET", _VARIANT + "/cohorts", reads.cohorts),
        ("POST", "/flags/{id}/variants", writes.create_variant),
        (edit_variant_verb, _VARIANT, writes.edit_variant),
        ("DELETE", _VARIANT, writes.remove_variant),
        ("POST", _VARIANT + "/users", writes.add_users),
        ("POST", _VARIANT + "/cohorts", writes.add_cohorts),
        ("DELETE", _VARIANT + "/users/{userIndex}", writes.remove_user_at),
        ("DELETE", _VARIANT + "/users", writes.clear_users),
        ("DELETE", _VARIANT + "/bulk-delete-users", writes.remove_users),
        ("DELETE", _VARIANT + "/bulk-delete-cohorts", writes.remove_cohorts),
        ("GET", "/flags/{id}/deployments", reads.flag_deployments),
        ("POST", "/flags/{id}/deployments", writes.attach),
        ("DELETE", "/flags/{id}/deployments/{deploymentId}", writes.detach),
        ("PATCH", "/flags/{id}", writes.edit_flag),
        ("POST", "/flags", writes.create_flag),
        ("GET", "/experiments", reads.experiments),
        ("GET", "/experiments/{id}", reads.experiment),
        ("GET", "/versions", reads.all_versions),
        ("GET", "/deployments", reads.all_deployments),
        ("GET", "/deployments/{id}", reads.deployment),
        ("POST", "/deployments", writes.create_deployment),
        ("PATCH", "/deployments/{id}", writes.edit_deployment),
    )


def _match(template: str, path: str) -> dict[str, str] | None:
    """The parameters of a path that has the template's form. Segments are decoded after they are told apart."""
    expected, given = template.split("/"), path.split("/")
    if len(expected) != len(given):
        return None
    parameters = {}
    for name, segment in zip(expected, given, strict=True):
        if name.startswith("{") and segment:
            parameters[name[1:-1]] = unquote(segment)
        elif name != segment:
            return None
    return parameters


def _or_refusal(answer: Callable[[], ApiResponse]) -> ApiResponse:
    try:
        return answer()
    except RefusedError as refusal:
        return text_response(refusal.status, str(refusal))


def _entry(number: int, request: RawRequest, key: KeyRecord | None, answer: ApiResponse) -> LogEntry:
    return LogEntry(
        number=number,
        method=request.method,
        path=request.path,
        query=dict(parse_qsl(request.query, keep_blank_values=True)),
        body=_readable(request.body),
        user=None if key is None else key["user"],
        status=answer.status,
        arrived=request.arrived,
    )


def _readable(body: bytes) -> Json:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")

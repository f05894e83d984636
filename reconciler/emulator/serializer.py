"""How records look in answers, under one behaviour. Rests on the example responses of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.emulator.records import FlagRecord
from reconciler.emulator.requests import ApiResponse, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import DeploymentRecord, Json, VariantRecord, VersionRecord

_STAMPS = ("createdBy", "lastModifiedBy", "createdAt", "lastModifiedAt")
_NOT_PLAIN = {"id", "projectId", "deployments", "variants", "tags", "archived", "parentDependencies", *_STAMPS}
_PLAIN = tuple(name for name in FlagRecord.__annotations__ if name not in _NOT_PLAIN)
"""The fields that answers show as they are kept."""


class Serializer:
    """Records as JSON values. Encoded flags of lists are kept, so that a list of thousands costs a join."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._encoded: dict[str, tuple[FlagRecord, bytes]] = {}

    def listed(self, flag: FlagRecord) -> dict[str, Json]:
        """A flag of "List"."""
        stamps = {name: flag[name] for name in _STAMPS}  # type: ignore[literal-required] # a tuple of its keys
        return {**self._configuration(flag), **stamps, **self._dependencies(flag), **self._marker(flag)}

    def details(self, flag: FlagRecord) -> dict[str, Json]:
        """A flag of "Get details"."""
        return {**self._configuration(flag), **self._dependencies(flag), **self._marker(flag)}

    def version(self, version: VersionRecord) -> dict[str, Json]:
        """A version, in a list or alone."""
        return {
            "createdAt": version["createdAt"],
            "createdBy": version["createdBy"],
            "version": version["version"],
            "flagConfig": self._configuration(version["flag"]),
        }

    def variant(self, flag: FlagRecord, variant: VariantRecord) -> dict[str, Json]:
        """A variant of "List variants" or "Get variant details"."""
        return {
            "key": variant["key"],
            "name": variant["name"],
            "payload": variant["payload"],
            "description": variant["description"],
            "rolloutWeight": flag["rolloutWeights"].get(variant["key"], 0),
        }

    def deployment(self, deployment: DeploymentRecord) -> dict[str, Json]:
        """A deployment, of a flag or of a project."""
        ids = {"id": self.id(deployment["id"]), "projectId": self.id(deployment["projectId"])}
        return {**deployment, **ids}

    def id(self, value: str) -> str | int:
        """An id in the form that this server uses."""
        return int(value) if self._behaviour.ids == "number" and value.isascii() and value.isdigit() else value

    def flag_page(self, flags: Sequence[FlagRecord], cursor: int | None, end: int) -> ApiResponse:
        """A page of "List"; see `page`."""
        return self.page("flags", [self._encode_listed(flag) for flag in flags], cursor, end)

    def page(self, name: str, items: Sequence[bytes], cursor: int | None, end: int) -> ApiResponse:
        """A page of encoded items. `cursor` is where the next one starts, None on the last, whose end is `end`."""
        body = b'{"%s":[%s]%s}' % (name.encode(), b",".join(items), self._next_cursor(cursor, end))
        return ApiResponse(status=200, body=body, media_type="application/json")

    def _configuration(self, flag: FlagRecord) -> dict[str, Json]:
        plain = {name: flag[name] for name in _PLAIN}  # type: ignore[literal-required] # a tuple of its keys
        tags = {"tags": flag["tags"]} if self._behaviour.tags == "present" else {}
        return {
            "id": self.id(flag["id"]),
            "projectId": self.id(flag["projectId"]),
            "deployments": [self.id(item) for item in flag["deployments"]],
            **plain,
            "variants": [self._shown(flag, variant) for variant in flag["variants"]],
            **tags,
        }

    def _shown(self, flag: FlagRecord, variant: VariantRecord) -> dict[str, Json]:
        match self._behaviour.list_shows:
            case "key":
                return {"key": variant["key"]}
            case "key-name":
                return {"key": variant["key"], "name": variant["name"]}
            case "all":
                return self.variant(flag, variant)

    def _dependencies(self, flag: FlagRecord) -> dict[str, Json]:
        parents = flag["parentDependencies"]
        return {} if parents is None else {"parentDependencies": parents}

    def _marker(self, flag: FlagRecord) -> dict[str, Json]:
        marker = self._behaviour.archived_marker
        return {} if marker == "none" else {marker: flag["archived"]}

    def _encode_listed(self, flag: FlagRecord) -> bytes:
        known = self._encoded.get(flag["id"])
        if known is not None and known[0] is flag:
            return known[1]
        encoded = encode(self.listed(flag))
        self._encoded[flag["id"]] = (flag, encoded)
        return encoded

    def _next_cursor(self, cursor: int | None, end: int) -> bytes:
        if cursor is None and self._behaviour.cursor_end == "always":
            cursor = end
        if cursor is not None:
            return b',"nextCursor":%s' % encode(cursor if self._behaviour.cursors == "number" else str(cursor))
        return {"null": b',"nextCursor":null', "empty": b',"nextCursor":""'}.get(self._behaviour.cursor_end, b"")

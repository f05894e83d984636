"""How records look in answers, under one behaviour. Rests on the example responses of the reference."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from reconciler.emulator.records import FlagRecord
from reconciler.emulator.requests import ApiResponse, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import (
        DeploymentRecord,
        ExperimentRecord,
        Json,
        SegmentRecord,
        VariantRecord,
        VersionRecord,
    )

_is_number = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?").fullmatch

_STAMPS = ("createdBy", "lastModifiedBy", "createdAt", "lastModifiedAt")
_NOT_PLAIN = {"id", "projectId", "deployments", "variants", "tags", "archived", "parentDependencies",
              "rolloutWeights", "targetSegments", *_STAMPS}  # fmt: skip
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

    def experiment(self, experiment: ExperimentRecord) -> dict[str, Json]:
        """An experiment of a list, or its details. Rests on what both have in common with flags."""
        return {**self.listed(experiment), "state": experiment["state"]}

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
            "payload": self._payload(variant["payload"]),
            "description": variant["description"],
            "rolloutWeight": self._weights(flag["rolloutWeights"]).get(variant["key"], 0),
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
            "rolloutWeights": self._weights(flag["rolloutWeights"]),
            "targetSegments": [self._segment(segment) for segment in flag["targetSegments"]],
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

    def _payload(self, payload: Json) -> Json:
        if payload is None and self._behaviour.no_payload == "object":
            return {}
        return _as_doubles(payload) if self._behaviour.payload_integers == "doubles" else payload

    def _weights(self, weights: Mapping[str, float]) -> Mapping[str, float]:
        return _percentages(weights) if self._behaviour.weights_shown == "percentages" else weights

    def _segment(self, segment: SegmentRecord) -> dict[str, Json]:
        conditions = segment["conditions"]
        if self._behaviour.condition_values == "numbers":
            conditions = [{**item, "values": [_as_number(value) for value in item["values"]]} for item in conditions]
        return {**segment, "conditions": conditions, "rolloutWeights": self._weights(segment["rolloutWeights"])}

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


def _percentages(weights: Mapping[str, float]) -> dict[str, float]:
    """Shares of 100 with two decimals; what rounding leaves goes to those that it cut most of."""
    total = sum(map(Fraction, weights.values()))
    if not total:
        return dict(weights)
    exact = {key: Fraction(weight) * 10_000 / total for key, weight in weights.items()}
    parts = {key: int(share) for key, share in exact.items()}
    for key in sorted(exact, key=lambda key: parts[key] - exact[key])[: 10_000 - sum(parts.values())]:
        parts[key] += 1
    return {key: part // 100 if part % 100 == 0 else part / 100 for key, part in parts.items()}


def _as_doubles(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _as_doubles(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return int(float(value)) if type(value) is int else value


def _as_number(value: Json) -> Json:
    return json.loads(value) if isinstance(value, str) and _is_number(value) else value

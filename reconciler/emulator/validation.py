"""What a request body may be. Anything that the reference does not document is a 400 that says what was wrong.

Checks look at a body alone; what they need of the flag (its variant keys) is handed in. They return new values,
with fractions rounded down where the behaviour says so, and never touch a record.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from reconciler.emulator.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.emulator.options import Behaviour
    from reconciler.emulator.records import Json

    Check: TypeAlias = Callable[[Json, str], Json]

OPERATORS = (
    "is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal",
    "set is", "set is not", "set contains", "set does not contain", "glob match", "glob does not match",
)  # fmt: skip
"""The `op` table of the reference, all 14 of it."""

BULK_LIMIT = 100
"""How many ids one bulk removal may name."""

_FLAG_KEY = re.compile(r"[a-z0-9_-]+")
_VARIANT_KEY = re.compile(r"[A-Za-z0-9_-]+")
_RESERVED_VARIANT_KEY = "off"


def parse_body(raw: bytes, content_type: str) -> dict[str, Json]:
    """The JSON object of a request that must have one: `application/json`, no duplicate keys, no NaN."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise bad_request(f"the Content-Type must be application/json, not {content_type or 'missing'!r}")
    try:
        body = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not valid JSON: {error}") from error
    return _object(body, "the body")


def whole_number(text: str, what: str) -> int:
    """A whole number of 0 or more in a path or query."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise bad_request(f"{what} must be a whole number of 0 or more, not {text!r}")
    return int(text)


class BodyChecks:
    """The body of every endpoint that takes one, under one behaviour."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def create_flag(self, body: dict[str, Json]) -> dict[str, Json]:
        """POST /flags. Weights and segments may name only the variants of the same body."""
        result = _fields(body, required=("projectId", "key"), checks={
            "projectId": _text,
            "key": _pattern(_FLAG_KEY),
            "name": self._string,
            "description": self._string,
            "variants": _list(self._variant_of_create),
            "bucketingKey": _text,
            "rolloutWeights": self._weights,
            "targetSegments": _list(self._segment),
            "deployments": _list(_text),
            "evaluationMode": _one_of("remote", "local"),
        })  # fmt: skip
        keys = [item["key"] for item in result.get("variants", ())]
        if len(set(keys)) < len(keys):
            raise bad_request("variants: two variants have the same key")
        if not keys and self._behaviour.create_without_variants == "adds-on":
            keys = ["on"]
        _names_variants(result.get("rolloutWeights", {}), keys, "rolloutWeights")
        _segments_name_variants(result, keys)
        return result

    def edit_flag(self, body: dict[str, Json], variant_keys: Collection[str]) -> dict[str, Json]:
        """PATCH /flags/{id}. Segments may name only `variant_keys`."""
        result = _fields(body, checks={
            "name": self._string,
            "description": self._string,
            "bucketingKey": _text,
            "bucketingSalt": _text,
            "bucketingUnit": _text,
            "evaluationMode": _one_of("remote", "local"),
            "rolloutPercentage": self._percentage,
            "targetSegments": _list(self._segment),
            "enabled": _boolean,
            "archive": _boolean,
            "tags": _list(self._tag),
        })  # fmt: skip
        _segments_name_variants(result, variant_keys)
        return _not_empty(result)

    def create_variant(self, body: dict[str, Json]) -> dict[str, Json]:
        """POST /flags/{id}/variants."""
        return _fields(body, required=("key",), checks=self._variant_fields())

    def edit_variant(self, body: dict[str, Json]) -> dict[str, Json]:
        """PATCH /flags/{id}/variants/{variantKey}."""
        return _not_empty(_fields(body, checks=self._variant_fields()))

    def inclusions(self, body: dict[str, Json]) -> list[str]:
        """The users or cohorts to add: at least one."""
        return _some(body, "inclusions")

    def removals(self, body: dict[str, Json]) -> list[str]:
        """The users or cohorts to remove: 1 to 100. The field is `users` for cohorts as well."""
        result = _some(body, "users")
        if len(result) > BULK_LIMIT:
            raise bad_request(f"users: at most {BULK_LIMIT} can be removed at once, not {len(result)}")
        return result

    def deployments(self, body: dict[str, Json]) -> list[str]:
        """The deployment ids to attach: at least one."""
        return _some(body, "deployments")

    def create_deployment(self, body: dict[str, Json]) -> dict[str, Json]:
        """POST /deployments."""
        checks: dict[str, Check] = {"projectId": _text, "label": _text, "type": _one_of("client", "server")}
        return _fields(body, required=tuple(checks), checks=checks)

    def edit_deployment(self, body: dict[str, Json]) -> dict[str, Json]:
        """PATCH /deployments/{id}."""
        return _not_empty(_fields(body, checks={"label": _text, "archive": _boolean}))

    def weights_are_allowed(self, weights: Mapping[str, int], path: str) -> None:
        """Refuses weights that are all 0, under a behaviour that does."""
        if self._behaviour.zero_weights == "refuse" and not any(weights.values()):
            raise bad_request(f"{path}: at least one weight must be more than 0")

    def _variant_fields(self) -> dict[str, Check]:
        return {
            "key": _variant_key,
            "description": self._string,
            "name": self._string,
            "payload": self._payload,
            "rolloutWeight": self._weight,
        }

    def _variant_of_create(self, value: Json, path: str) -> Json:
        checks: dict[str, Check] = {
            "key": _variant_key,
            "payload": self._payload,
            "name": self._string,
            "description": self._string,
        }
        return _fields(_object(value, path), required=("key",), checks=checks, path=path)

    def _segment(self, value: Json, path: str) -> Json:
        return _fields(
            _object(value, path),
            required=("name", "conditions", "percentage", "rolloutWeights"),
            checks={
                "name": self._string,
                "conditions": self._conditions,
                "percentage": self._percentage,
                "bucketingKey": _text,
                "rolloutWeights": self._weights,
            },
            path=path,
        )

    def _conditions(self, value: Json, path: str) -> Json:
        if value == [] and self._behaviour.empty_conditions == "refuse":
            raise bad_request(f"{path} must not be empty")
        conditions: list[dict[str, Json]] = _list(_condition)(value, path)
        if self._behaviour.empty_values == "refuse" and not all(item["values"] for item in conditions):
            raise bad_request(f"{path}: conditions with no values are rejected")
        return conditions

    def _string(self, value: Json, path: str) -> Json:
        text: str = _string(value, path)
        return text.strip() if self._behaviour.text == "trimmed" else text

    def _tag(self, value: Json, path: str) -> Json:
        tag: str = _text(value, path)
        return tag.lower() if self._behaviour.tag_case == "lower" else tag

    def _payload(self, value: Json, _path: str) -> Json:
        return _without_nulls(value) if self._behaviour.null_members == "dropped" else value

    def _weights(self, value: Json, path: str) -> Json:
        weights = {key: self._weight(item, f"{path}.{key}") for key, item in _object(value, path).items()}
        self.weights_are_allowed(weights, path)
        return weights

    def _weight(self, value: Json, path: str) -> Json:
        return self._whole(value, path, "a whole number of 0 or more", math.inf)

    def _percentage(self, value: Json, path: str) -> Json:
        return self._whole(value, path, "a whole number from 0 to 100", 100)

    def _whole(self, value: Json, path: str, due: str, most: float) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            _refuse(value, path, due)
        if not 0 <= value <= most or (self._behaviour.fractions == "refuse" and value != math.floor(value)):
            _refuse(value, path, due)
        return value if self._behaviour.fractions == "accept" else math.floor(value)


def _fields(
    body: dict[str, Json], *, checks: Mapping[str, Check], required: Collection[str] = (), path: str = ""
) -> dict[str, Json]:
    prefix = f"{path}." if path else ""
    for name in body:
        if name not in checks:
            raise bad_request(f"{prefix}{name} is not a documented field")
    for name in required:
        if name not in body:
            raise bad_request(f"{prefix}{name} is required")
    return {name: checks[name](value, prefix + name) for name, value in body.items()}


def _some(body: dict[str, Json], name: str) -> list[str]:
    result: list[str] = _fields(body, required=(name,), checks={name: _list(_text)})[name]
    if not result:
        raise bad_request(f"{name} must not be empty")
    return result


def _not_empty(body: dict[str, Json]) -> dict[str, Json]:
    if not body:
        raise bad_request("the body names nothing to edit")
    return body


def _condition(value: Json, path: str) -> Json:
    return _fields(
        _object(value, path),
        required=("type", "prop", "op", "values"),
        checks={"type": _one_of("property"), "prop": _text, "op": _one_of(*OPERATORS), "values": _list(_string)},
        path=path,
    )


def _variant_key(value: Json, path: str) -> Json:
    _pattern(_VARIANT_KEY)(value, path)
    if value == _RESERVED_VARIANT_KEY:
        raise bad_request(f"{path}: {value!r} is reserved")
    return value


def _segments_name_variants(body: dict[str, Json], keys: Collection[str]) -> None:
    for index, segment in enumerate(body.get("targetSegments", ())):
        _names_variants(segment["rolloutWeights"], keys, f"targetSegments[{index}].rolloutWeights")


def _names_variants(weights: Mapping[str, int], keys: Collection[str], path: str) -> None:
    for key in weights:
        if key not in keys:
            raise bad_request(f"{path}: the flag has no variant {key!r}")


def _object(value: Json, path: str) -> dict[str, Json]:
    return value if isinstance(value, dict) else _refuse(value, path, "an object")


def _list(check: Check) -> Check:
    def checked(value: Json, path: str) -> Json:
        if not isinstance(value, list):
            _refuse(value, path, "an array")
        return [check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return checked


def _pattern(pattern: re.Pattern[str]) -> Check:
    def checked(value: Json, path: str) -> Json:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            _refuse(value, path, f"a string of {pattern.pattern}")
        return value

    return checked


def _one_of(*allowed: str) -> Check:
    def checked(value: Json, path: str) -> Json:
        return value if value in allowed else _refuse(value, path, "one of " + ", ".join(allowed))

    return checked


def _string(value: Json, path: str) -> Json:
    return value if isinstance(value, str) else _refuse(value, path, "a string")


def _text(value: Json, path: str) -> Json:
    return value if isinstance(value, str) and value else _refuse(value, path, "a string that is not empty")


def _boolean(value: Json, path: str) -> Json:
    return value if isinstance(value, bool) else _refuse(value, path, "true or false")


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _refuse(value: Json, path: str, due: str) -> NoReturn:
    raise bad_request(f"{path} must be {due}, not {json.dumps(value)[:100]}")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("an object names a key twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

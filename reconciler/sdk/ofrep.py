"""OpenFeature's Remote Evaluation Protocol: with it, every OpenFeature SDK has a provider for these flags.

`targetingKey` of the context is the user's id; built-in properties go by their names, others are custom ones.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from reconciler.delivery import ALL_OTHER_USERS, variants_of
from reconciler.evaluation.users import InvalidUserError, user_of_json
from reconciler.model.flag import OFF
from reconciler.sdk.feed import OVERRIDE
from reconciler.values import NO_VALUE, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sdk.feed import Deployment, Feed
    from reconciler.strict_json import Json

    Complete = Callable[[dict[str, Any]], dict[str, Any]]

_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404


def evaluate_one(
    feed: Feed, deployment: Deployment, key: str, body: Json, complete: Complete
) -> tuple[int, dict[str, Json]]:
    """The status and the answer for one flag."""
    try:
        user = complete(_user_of(body))
    except InvalidUserError as error:
        return _BAD_REQUEST, {"key": key} | refusal("INVALID_CONTEXT", error)
    found = feed.remote(deployment).evaluate(user, {key})
    if key not in found:
        details = f'No flag "{key}" is attached to this deployment.'
        return _NOT_FOUND, {"key": key} | refusal("FLAG_NOT_FOUND", details)
    return _OK, _answer(feed, deployment, key, found[key])


def evaluate_all(
    feed: Feed, deployment: Deployment, body: Json, complete: Complete
) -> tuple[int, dict[str, Json], str | None]:
    """The status, the answer for all flags, and its entity tag; None where it is an error."""
    try:
        user = complete(_user_of(body))
    except InvalidUserError as error:
        return _BAD_REQUEST, refusal("INVALID_CONTEXT", error), None
    found = feed.remote(deployment).evaluate(user)
    flags = [_answer(feed, deployment, key, variant) for key, variant in found.items()]
    digest = hashlib.sha256(json.dumps(flags).encode()).hexdigest()
    return _OK, {"flags": flags}, f'"{digest[:32]}"'


def refusal(code: str, details: object) -> dict[str, Json]:
    """The answer to what is refused; for one flag its key comes beside it."""
    return {"errorCode": code, "errorDetails": str(details)}


def _user_of(body: Json) -> dict[str, Any]:
    context = body.get("context") if isinstance(body, dict) else None
    if context is None:
        context = {}
    if not isinstance(context, dict):
        raise InvalidUserError("The context is an object.")
    fields = {name: value for name, value in context.items() if name != "targetingKey"}
    named = context.get("targetingKey")
    return user_of_json(fields if named is None else {"user_id": named} | fields)


def _answer(feed: Feed, deployment: Deployment, key: str, variant: dict[str, Json]) -> dict[str, Json]:
    flag = feed.flag(key, deployment.project_id)
    value = value_of(variants_of(flag.spec), variant["key"]) if flag else variant["key"]
    answer = {"key": key, "reason": _reason(variant), "variant": variant["key"], "metadata": variant["metadata"]}
    return answer if value is NO_VALUE else answer | {"value": value}


def _reason(variant: dict[str, Json]) -> str:
    segment = variant["metadata"].get("segmentName")
    if segment == OVERRIDE:
        return "STATIC"
    if variant["key"] == OFF:
        return "DISABLED" if segment == "default" else "DEFAULT"
    return "SPLIT" if segment == ALL_OTHER_USERS else "TARGETING_MATCH"

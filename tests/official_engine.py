"""Amplitude's own evaluation engine as an oracle, and a converter of flags into what it reads.

The converter is written from the description of delivered configurations, not from reconciler.evaluation: ranges
overlap as the backend delivers them, and the engine takes the first that contains a user.
"""

from __future__ import annotations

import re
from typing import Any

import mmh3
from amplitude_experiment.evaluation.engine import EvaluationEngine
from amplitude_experiment.evaluation.types import EvaluationCondition, EvaluationFlag

from reconciler.model.flag import Condition, FlagSpec, Unset

REST = "All Other Users"
MAX = 42949672


class FastEngine(EvaluationEngine):
    """The official engine with its pure Python murmur3 replaced by the C one; test_hashing holds them equal."""

    def get_hash(self, key: str) -> int:
        """The same hash, two hundred times as fast."""
        hashed: int = mmh3.hash(key.encode(), 0, signed=False)
        return hashed


class OfficialFlag:
    """One flag, converted once."""

    def __init__(self, spec: FlagSpec, *, engine: EvaluationEngine | None = None) -> None:
        self._flag = EvaluationFlag.from_dict(engine_config(spec))
        self._engine = engine or EvaluationEngine()

    def assign(self, user: dict[str, Any]) -> tuple[str, str]:
        """The variant of a user and the name of the segment that decided."""
        result = self._engine.evaluate_flag({"context": context_of(user), "result": {}}, self._flag)
        assert result is not None
        assert result.key is not None
        return result.key, (result.metadata or {})["segmentName"]


def official_condition(condition: Condition, user: dict[str, Any]) -> bool:
    """What the official engine says of one condition."""
    converted = EvaluationCondition(**_condition(condition))
    return EvaluationEngine().match_condition({"context": context_of(user)}, converted)


def context_of(user: dict[str, Any]) -> dict[str, Any]:
    """The evaluation context that the SDK makes of a user."""
    groups = {kind: {"group_name": names[0]} for kind, names in (user.get("groups") or {}).items() if names}
    rest = {name: value for name, value in user.items() if value is not None and name != "groups"}
    return {"user": rest, "groups": groups}


def engine_config(spec: FlagSpec) -> dict[str, Any]:
    """The flag as the backend would deliver it."""
    variants = () if isinstance(spec.variants, Unset) else spec.variants
    config: dict[str, Any] = {
        "key": spec.key,
        "metadata": {},
        "variants": {item.key: {"key": item.key, "value": item.key} for item in variants}
        | {"off": {"key": "off", "metadata": {"default": True}}},
    }
    if not spec.enabled or spec.archived:
        return config | {"segments": [{"metadata": {"segmentName": "default"}, "variant": "off"}]}
    keys = [item.key for item in variants]
    inclusions = [_inclusion(item) for item in variants if item.users or item.cohorts]
    targets = [
        _segment(
            segment.name,
            [_condition(condition) for condition in segment.conditions],
            _bucket(
                spec, segment.bucketing_key or spec.bucketing_key, keys, segment.percentage, segment.rollout_weights
            ),
        )
        for segment in spec.target_segments or ()
    ]
    rest = _bucket(spec, spec.bucketing_key, keys, spec.rollout_percentage or 0, spec.rollout_weights)
    return config | {"segments": [*inclusions, *targets, _segment(REST, [], rest)]}


def _inclusion(variant: Any) -> dict[str, Any]:
    conditions = []
    if variant.users:
        conditions += [
            [{"selector": ["context", "user", name], "op": "is", "values": list(variant.users)}]
            for name in ("user_id", "device_id")
        ]
    if variant.cohorts:
        selector = ["context", "user", "cohort_ids"]
        conditions.append([{"selector": selector, "op": "set contains any", "values": list(variant.cohorts)}])
    return {
        "metadata": {"segmentName": f"inclusions {variant.key}"},
        "conditions": conditions,
        "variant": variant.key,
    }


def _segment(name: str, conditions: list[dict[str, Any]], bucket: dict[str, Any]) -> dict[str, Any]:
    segment: dict[str, Any] = {"metadata": {"segmentName": name}} | bucket
    return segment | {"conditions": [conditions]} if conditions else segment


def _bucket(spec: FlagSpec, key: Any, variants: list[str], percentage: float, weights: Any) -> dict[str, Any]:
    numbers = {} if isinstance(weights, Unset) else weights.as_dict()
    weighed = [(variant, numbers.get(variant, 0)) for variant in variants]
    if not any(weight for _, weight in weighed):
        weighed = [(variant, 1) for variant in variants]
    positive = [variant for variant, weight in weighed if weight]
    if int(percentage) == 0 or not variants:
        return {"variant": "off"}
    if int(percentage) == 100 and len(positive) == 1:
        return {"variant": positive[0]}
    allocation = {"range": [0, int(percentage)], "distributions": _distributions(weighed)}
    bucket = {"selector": _selector(spec, key), "salt": spec.bucketing_salt, "allocations": [allocation]}
    return {"bucket": bucket, "variant": "off"}


def _distributions(weighed: list[tuple[str, int]]) -> list[dict[str, Any]]:
    total = sum(weight for _, weight in weighed)
    found, reached = [], 0
    for variant, weight in weighed:
        start, reached = reached, reached + weight
        if weight:
            found.append({"variant": variant, "range": [start * MAX // total, -(-reached * (MAX + 1) // total)]})
    return found


def _selector(spec: FlagSpec, key: Any) -> list[str]:
    if spec.bucketing_unit not in {"User", ""} and not isinstance(spec.bucketing_unit, Unset):
        return ["context", "groups", spec.bucketing_unit, "group_name"]
    return _property(key)


def _property(name: str) -> list[str]:
    if name.startswith("gp:"):
        return ["context", "user", "user_properties", name[3:]]
    return ["context", "user", name]


def _condition(condition: Condition) -> dict[str, Any]:
    if condition.type == "cohort":
        op = {"is": "set contains any", "is not": "set does not contain any"}[condition.op]
        return {"selector": ["context", "user", "cohort_ids"], "op": op, "values": list(condition.values)}
    op, values = condition.op, list(condition.values)
    if op.startswith("glob"):
        op = {"glob match": "regex match", "glob does not match": "regex does not match"}[op]
        values = [_regex(value) for value in values]
    elif op.split()[0] in {"less", "greater"} and "version" in condition.prop.lower():
        op = f"version {op}"
    return {"selector": _property(condition.prop), "op": op, "values": values}


def _regex(glob: str) -> str:
    text = re.escape(glob).replace(r"\*\*", "\0").replace(r"\*", "[^/]*").replace("\0", "[\\s\\S]*")
    return rf"\A(?:{text})\Z"

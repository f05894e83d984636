"""Flags as the configuration that Amplitude's SDKs get, and evaluate: metadata, dependencies, variants, segments.

Written from the description of delivered configurations alone. It does not know `evaluation`, on purpose: Amplitude's
own engine over what is delivered here is the oracle of the evaluation there. Nothing stands in a configuration that
SDKs do not know: the one for Python refuses unknown fields. Patterns are read alike by Python, JavaScript and Go.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from math import floor
from typing import TYPE_CHECKING, Final, Protocol

from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF, Condition, Unset, Variant, Weights, or_else

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.model.flag import FlagSpec, LiveFlag, Number
    from reconciler.strict_json import Json


LOCAL: Final = "local"
ALL_OTHER_USERS: Final = "All Other Users"

_LARGEST: Final = 42_949_672
"""The largest distribution value: a hash of 32 bits divided by 100."""

_COMPARISONS = frozenset({"less", "less or equal", "greater", "greater or equal"})
_AS_THEY_ARE = frozenset(
    {"is", "is not", "contains", "does not contain", "set is", "set is not", "set contains", "set does not contain"}
)
_PATTERNS = {"glob match": "regex match", "glob does not match": "regex does not match"}
_COHORTS = {"is": "set contains any", "is not": "set does not contain any"}
_NEVER: Final[dict[str, Json]] = {"selector": ["context", "user", "user_id"], "op": "is", "values": []}
"""A condition that no user meets: none of no values is equal to anything."""

_SYNTAX = re.compile(r"[\\^$.|?*+(){}\[\]]")


class Make(Protocol):
    """`flag_config`, or something that remembers what it gave."""

    def __call__(self, flag: LiveFlag, parents: Mapping[str, str], *, deployed: bool, local: bool) -> dict[str, Json]:
        """One flag's configuration."""


def deliver(
    flags: Iterable[LiveFlag], *, deployment: str | None = None, local: bool = False, make: Make | None = None
) -> list[dict[str, Json]]:
    """The configurations of a project's flags, sorted by key, those that they depend on among them.

    `deployment`: only flags attached to it; what these depend on comes along, marked as not deployed. Archived flags
    are left out. `local`: as SDKs that evaluate themselves get them, for whom flags of the remote mode are off.
    A dependency on a flag that is not among `flags`, or that goes in circles, counts as met.
    """
    project = {flag.id: flag for flag in sorted(flags, key=lambda flag: flag.key)}
    deployed = [
        flag.id for flag in project.values() if flag.spec.archived is not True and _is_attached(flag.spec, deployment)
    ]
    parents: dict[str, list[str]] = {}
    for flag_id in deployed:
        _enter(flag_id, project, parents)
    keys = {flag.id: flag.key for flag in project.values()}
    attached = frozenset(deployed)
    return [
        (make or flag_config)(
            flag, {parent: keys[parent] for parent in parents[flag.id]}, deployed=flag.id in attached, local=local
        )
        for flag in project.values()
        if flag.id in parents
    ]


def flag_config(
    flag: LiveFlag, parents: Mapping[str, str], *, deployed: bool = True, local: bool = False
) -> dict[str, Json]:
    """One flag's configuration. `parents`: the keys, by id, of the delivered flags that it depends on."""
    spec = flag.spec
    mode = or_else(spec.evaluation_mode, "remote")
    config: dict[str, Json] = {
        "key": spec.key,
        "metadata": {"deployed": deployed, "evaluationMode": mode, "flagType": "release"},
    }
    if spec.enabled is not True or spec.archived is True or (local and mode != LOCAL):
        segments = [{"metadata": {"segmentName": "default"}, "variant": OFF}]
    else:
        if parents:
            config["dependencies"] = list(parents.values())
        segments = [*_dependency_segments(flag, parents), *_segments(spec)]
    return config | {"variants": _variants(spec), "segments": segments}


def variants_of(spec: FlagSpec) -> tuple[Variant, ...]:
    """The variants in their order; where they are not shown, those that the weights name."""
    if not isinstance(spec.variants, Unset):
        return spec.variants
    return tuple(Variant(key=key) for key in spec.rollout_weights or ())


def is_off_unsaid(spec: FlagSpec) -> bool:
    """Whether a flag is delivered as off only because it is not said whether it is on, or which variants it has."""
    if spec.archived is True or spec.enabled is False:
        return False
    return isinstance(spec.enabled, Unset) or (isinstance(spec.variants, Unset) and not variants_of(spec))


def payload_of(variant: Variant) -> Json:
    """A variant's payload; None where it has none. The API shows an empty object of a variant without one."""
    return None if isinstance(variant.payload, Unset) or variant.payload == {} else variant.payload


def stand_in_salt(key: str) -> str:
    """A salt for a flag whose own is not known, always the same for a key: right shares, of other users."""
    return sha256(f"salt of {key}".encode()).hexdigest()[:8]


@lru_cache(maxsize=4096)
def pattern_of(glob: str) -> str:
    """The regular expression that a whole value matches: `*` stops at a slash, `**` does not, all else is literal.

    Python's `$` also stands before a line break at the end: the one value that SDKs read differently.
    """
    parts = {"**": r"[\s\S]*", "*": "[^/]*"}
    found = (parts.get(part, _SYNTAX.sub(r"\\\g<0>", part)) for part in re.split(r"(\*\*|\*)", glob))
    return f"^{''.join(found)}$"


def _is_attached(spec: FlagSpec, deployment: str | None) -> bool:
    return deployment is None or deployment in (spec.deployments or ())


def _enter(flag_id: str, project: Mapping[str, LiveFlag], parents: dict[str, list[str]]) -> None:
    """Note of a flag and of those above it which parents can be evaluated before it: none that depends on it."""
    if flag_id in parents:
        return
    parents[flag_id] = found = []
    for parent in _parent_ids(project[flag_id]):
        if parent in project:
            _enter(parent, project, parents)
            if not _depends_on(parent, flag_id, parents):
                found.append(parent)


def _depends_on(flag_id: str, other: str, parents: Mapping[str, Sequence[str]]) -> bool:
    seen, left = {flag_id}, [flag_id]
    while left:
        new = set(parents[left.pop()]) - seen
        seen |= new
        left += new
    return other in seen


def _parent_ids(flag: LiveFlag) -> tuple[str, ...]:
    return tuple(item for item, _ in flag.parent_dependencies.flags) if flag.parent_dependencies else ()


def _dependency_segments(flag: LiveFlag, parents: Mapping[str, str]) -> Iterator[dict[str, Json]]:
    """The segment for users whom the parents do not let through; none where they let everyone through."""
    if flag.parent_dependencies is None:
        return
    operator = flag.parent_dependencies.operator.lower()
    stops = [
        {"selector": ["result", parents[parent], "key"], "op": "is not", "values": list(allowed)}
        for parent, allowed in flag.parent_dependencies.flags
        if allowed and parent in parents
    ]
    if operator == "all":
        conditions = [[stop] for stop in stops]
    elif operator == "any":
        conditions = [stops] if len(stops) == len(flag.parent_dependencies.flags) else []
    else:  # an operator that is not known lets no user through
        yield {"metadata": {"segmentName": "flag-dependencies"}, "variant": OFF}
        return
    if conditions:
        yield {"metadata": {"segmentName": "flag-dependencies"}, "conditions": conditions, "variant": OFF}


def _variants(spec: FlagSpec) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for variant in variants_of(spec):
        payload = payload_of(variant)
        body = {"key": variant.key, "value": variant.key}
        found[variant.key] = body if payload is None else body | {"payload": payload}
    return found | {OFF: {"key": OFF, "metadata": {"default": True}}}


def _segments(spec: FlagSpec) -> Iterator[dict[str, Json]]:
    yield from (_inclusion(variant) for variant in variants_of(spec) if variant.users or variant.cohorts)
    keys = [variant.key for variant in variants_of(spec)]
    own_key = or_else(spec.bucketing_key, DEFAULT_BUCKETING_KEY)
    for segment in spec.target_segments or ():
        bucket = _allocation(
            spec, or_else(segment.bucketing_key, own_key), keys, segment.percentage, segment.rollout_weights
        )
        yield _segment(segment.name, [condition_of(item) for item in segment.conditions], bucket)
    rest = _allocation(spec, own_key, keys, or_else(spec.rollout_percentage, 0), spec.rollout_weights or Weights())
    yield _segment(ALL_OTHER_USERS, [], rest)


def _segment(name: str, conditions: list[dict[str, Json]], allocation: dict[str, Json]) -> dict[str, Json]:
    segment: dict[str, Json] = {"metadata": {"segmentName": name}} | allocation
    return segment | {"conditions": [conditions]} if conditions else segment


def _inclusion(variant: Variant) -> dict[str, Json]:
    conditions = []
    if variant.users:
        conditions += [
            [{"selector": ["context", "user", name], "op": "is", "values": list(variant.users)}]
            for name in ("user_id", "device_id")
        ]
    if variant.cohorts:
        selector = ["context", "user", "cohort_ids"]
        conditions.append([{"selector": selector, "op": "set contains any", "values": list(variant.cohorts)}])
    name = f"inclusions {variant.key}"
    return {"metadata": {"segmentName": name}, "conditions": conditions, "variant": variant.key}


def _allocation(
    spec: FlagSpec, key: str, variants: list[str], percentage: Number, weights: Weights
) -> dict[str, Json]:
    """Who gets which variant: everyone the same one, or each by a hash. Weights that are all 0 count as equal."""
    numbers = weights.as_dict()
    weighed = [(variant, _exact(numbers.get(variant, 0))) for variant in variants]
    if not any(weight for _, weight in weighed):
        weighed = [(variant, 1) for variant in variants]
    positive = [variant for variant, weight in weighed if weight]
    whole = max(0, min(100, floor(percentage)))
    if whole == 0 or not variants:
        return {"variant": OFF}
    if whole == 100 and len(positive) == 1:  # noqa: PLR2004 - percent
        return {"variant": positive[0]}
    salt = spec.bucketing_salt
    bucket = {
        "selector": _selector(spec, key),
        "salt": stand_in_salt(spec.key) if isinstance(salt, Unset) else salt,
        "allocations": [{"range": [0, whole], "distributions": _distributions(weighed)}],
    }
    return {"bucket": bucket, "variant": OFF}


def _exact(weight: Number) -> int | Fraction:
    return weight if isinstance(weight, int) else Fraction(weight)


def _distributions(weighed: list[tuple[str, int | Fraction]]) -> list[dict[str, Json]]:
    """Ranges overlap by one value or two, as they are delivered: the first that holds a value counts."""
    total = sum(weight for _, weight in weighed)
    found: list[dict[str, Json]] = []
    reached: int | Fraction = 0
    for variant, weight in weighed:
        start, reached = reached, reached + weight
        if weight:
            ends = [start * _LARGEST // total, -(-reached * (_LARGEST + 1) // total)]
            found.append({"variant": variant, "range": ends})
    return found


def _selector(spec: FlagSpec, key: str) -> list[str]:
    unit = or_else(spec.bucketing_unit, "") or DEFAULT_BUCKETING_UNIT
    if unit != DEFAULT_BUCKETING_UNIT:
        return ["context", "groups", unit, "group_name"]
    return _property(key)


def _property(name: str) -> list[str]:
    if name.startswith("gp:"):
        return ["context", "user", "user_properties", name.removeprefix("gp:")]
    return ["context", "user", name]


def condition_of(condition: Condition) -> dict[str, Json]:
    """A condition as SDKs read it. One of an unknown type or operation is one that no user meets."""
    op, values = condition.op, list(condition.values)
    if condition.type == "cohort" and op in _COHORTS:
        return {"selector": ["context", "user", "cohort_ids"], "op": _COHORTS[op], "values": values}
    if condition.type != "property":
        return dict(_NEVER)
    if op in _PATTERNS:
        op, values = _PATTERNS[op], [pattern_of(value) for value in values]
    elif op in _COMPARISONS:
        op = f"version {op}" if "version" in condition.prop.lower() else op
    elif op not in _AS_THEY_ARE:
        return dict(_NEVER)
    return {"selector": _property(condition.prop), "op": op, "values": values}

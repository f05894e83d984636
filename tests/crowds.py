"""A million random users, told apart only as far as flags tell them apart, so that the engine is asked about few.

Users whom all conditions of flags answer alike, and whose hashes fall between the same bounds of the deciding bucket,
are one kind. Amplitude's engine says how a condition answers each value of a property, which segment decides, and
which variant the first and the last user of a kind get. A set of users is an integer, one bit for each.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Final

import mmh3
from amplitude_experiment.evaluation.select import select
from amplitude_experiment.evaluation.types import EvaluationCondition
from official_engine import OfficialFlag
from random_claims import VALUES, is_broken, is_meant

from reconciler.delivery import condition_of, flag_config
from reconciler.model.flag import LiveFlag
from reconciler.sdk.engine import FastEngine, context_of, flag_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.evaluation.assertions import Assertion
    from reconciler.model.flag import Condition, FlagSpec

Selector = tuple[str, ...]

USERS: Final = 1_000_000
_ENGINE: Final = FastEngine()
_SUFFIXES = ("", "", "x", "0", "/", ".1")
_MORE: Mapping[str, tuple[Any, ...]] = {
    "gp:seats": (0, 5, 10, 9, 10.5, ""),
    "gp:plan": ("", "o", "PRO"),
    "gp:tags": ([], ["beta"], ["beta", "staff"], '["staff", "beta"]', ["x", "zz"], ["true", "x", "beta"], [None]),
    "gp:page": ("/shop/cart/2", "/shop/", "shop/cart"),
    "version": ("1.10.0", "1.9.1", "2.0.0"),
}
_IDS = ("user_id", "device_id", "amplitude_id")
MANY_IDS: Final = (50_021, 49_999, 50_023)
FEW_IDS: Final = (503, 499, 509)
"""How many there are of each: primes, so that no two users have the same three."""


class Crowd:
    """So many users, drawn once. `attacks` counts the claims that they were tried on, `evaluated` whom of them."""

    def __init__(self, seed: int, size: int = USERS, ids: tuple[int, int, int] = MANY_IDS) -> None:
        random = Random(seed)
        self.attacks = self.evaluated = 0
        self._size = size
        self._everyone = (1 << size) - 1
        values: dict[str, list[Any]] = {
            prop: [
                None,
                None,
                None,
                *(value + suffix for value in known for suffix in _SUFFIXES),
                *_MORE.get(prop, ()),
            ]
            for prop, known in VALUES.items()
            if prop not in _IDS
        }
        values |= {"cohort_ids": [None, [], ["c1"], ["c2", "c1"], ["c2"]]}
        values |= {"groups": [None, *({"org id": [f"org {number}"]} for number in range(50))]}
        self._drawn = {prop: bytes(random.choices(range(len(known)), k=size)) for prop, known in values.items()}
        values["user_id"] = [_a_user_id(number) for number in range(ids[0])]
        values["device_id"] = [f"device-{number}" for number in range(ids[1])]
        values["amplitude_id"] = [10**11 + number for number in range(ids[2])]
        self._values = values
        self._contexts = {prop: [context_of(_with(prop, value)) for value in known] for prop, known in values.items()}
        self._numbers = {prop: {value: at for at, value in enumerate(values[prop])} for prop in _IDS}
        self._users_answering = lru_cache(maxsize=600)(self._asked)
        self._users_below = lru_cache(maxsize=600)(self._hashed)

    def user(self, index: int) -> dict[str, Any]:
        """One of the users, as SDKs describe one."""
        found: dict[str, Any] = {}
        for prop, known in self._values.items():
            value = known[index % len(known)] if prop in _IDS else known[self._drawn[prop][index]]
            if prop.startswith("gp:"):
                found.setdefault("user_properties", {}).update(_with(prop, value).get("user_properties", {}))
            else:
                found.update(_with(prop, value))
        return found

    def breaks(self, claim: Assertion, flags: Sequence[FlagSpec]) -> bool:
        """Whether users break a claim of always or never about a flag, or its states before and after."""
        self.attacks += 1
        official = [OfficialFlag(flag, engine=_ENGINE) for flag in flags]
        for user in self._of_each_kind(flags, claim.conditions):
            self.evaluated += 1
            variants = [flag.assign(user)[0] for flag in official]
            if is_broken(claim, variants[0], variants[-1]):
                assert is_meant(claim, user)
                return True
        return False

    def _of_each_kind(self, flags: Sequence[FlagSpec], conditions: Sequence[Condition]) -> Iterator[dict[str, Any]]:
        """Two users of each kind that flags tell apart, of those who meet the conditions."""
        configs = [_numbered(flag) for flag in flags]
        prepared = [flag_of(config) for config in configs]
        meant = self._everyone
        for condition in conditions:
            meant &= self._meeting(condition_of(condition))
        asked = [
            item
            for config in configs
            for segment in config["segments"]
            for alternative in segment.get("conditions") or ()
            for item in alternative
        ]
        for kind in self._split([meant], [self._meeting(item) for item in asked]):
            context = context_of(self.user(self._first(kind)))
            places = [
                (tuple(bucket["selector"]), bucket["salt"], _bounds(bucket))
                for config, flag in zip(configs, prepared, strict=True)
                if (bucket := config["segments"][_deciding(context, flag)].get("bucket"))
            ]
            cells = [self._users_below(*place, *cut) for *place, cuts in places for cut in cuts]
            for cell in self._split([kind], cells):
                yield from map(self.user, (self._first(cell), self._last(cell)))

    def _split(self, kinds: list[int], sets: Sequence[int]) -> list[int]:
        """The kinds, each cut in two by every set."""
        kinds = [kind for kind in kinds if kind]
        for users in dict.fromkeys(sets):
            halves = [(kind & users, kind) for kind in kinds]
            kinds = [part for inside, kind in halves for part in (inside, kind ^ inside) if part]
        return kinds

    def _meeting(self, condition: Mapping[str, Any]) -> int:
        return self._users_answering(tuple(condition["selector"]), condition["op"], tuple(condition["values"]))

    def _asked(self, selector: Selector, op: str, values: tuple[str, ...]) -> int:
        condition = EvaluationCondition(selector=list(selector), op=op, values=list(values))
        prop = _property(selector)

        def meets(at: int) -> bool:
            return bool(_ENGINE.match_condition({"context": self._contexts[prop][at]}, condition))

        if prop in _IDS and op in {"is", "is not"}:
            named = {self._numbers[prop][value] for value in values if value in self._numbers[prop]}
            others = [at for at in range(3, 100) if at not in named and self._values[prop][at] is not None]
            usual = {meets(at) for at in others}
            assert len(usual) == 1
            answers = [*usual] * len(self._values[prop])
            for at in {*named, *(at for at, value in enumerate(self._values[prop]) if value is None)}:
                answers[at] = meets(at)
        else:
            answers = [meets(at) for at in range(len(self._values[prop]))]
        return self._users_with(prop, answers)

    def _hashed(self, selector: Selector, salt: str, kind: str, end: int) -> int:
        """The users whose allocation or distribution value is below an end; those without a value are not."""
        return self._users_with(
            _property(selector), [found is not None and found[kind] < end for found in self._hashes(selector, salt)]
        )

    def _hashes(self, selector: Selector, salt: str) -> Iterator[dict[str, int] | None]:
        for context in self._contexts[_property(selector)]:
            value = select({"context": context}, list(selector))
            if not value:
                yield None
                continue
            hashed = mmh3.hash(f"{salt}/{value}", 0, signed=False)
            yield {"allocation": hashed % 100, "distribution": hashed // 100}

    def _users_with(self, prop: str, answers: Sequence[bool]) -> int:
        digits = bytes(b"01"[answer] for answer in answers)
        if prop in _IDS:
            return int((digits * (self._size // len(digits) + 1))[: self._size], 2)
        return int(self._drawn[prop].translate(digits.ljust(256, b"0")), 2)

    def _first(self, users: int) -> int:
        return self._size - users.bit_length()

    def _last(self, users: int) -> int:
        return self._size - (users & -users).bit_length()


def _numbered(flag: FlagSpec) -> dict[str, Any]:
    """The delivered configuration, its segments named by their numbers."""
    config: dict[str, Any] = flag_config(LiveFlag(id="1", project_id="7", spec=flag), {})
    segments = [
        {**segment, "metadata": {"segmentName": str(number)}} for number, segment in enumerate(config["segments"])
    ]
    return {**config, "segments": segments}


def _deciding(context: dict[str, Any], flag: Any) -> int:
    result = _ENGINE.evaluate_flag({"context": context, "result": {}}, flag)
    assert result is not None
    return int(result.metadata["segmentName"])


def _bounds(bucket: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What hashes a bucket tells apart."""
    cuts = {("allocation", 100)}  # all who have a value
    for allocation in bucket["allocations"]:
        cuts |= {("allocation", end) for end in allocation["range"]}
        cuts |= {("distribution", end) for item in allocation["distributions"] for end in item["range"]}
    return sorted(cuts)


def _property(selector: Selector) -> str:
    match selector[1:]:
        case ("user", "user_properties", name):
            return f"gp:{name}"
        case ("user", name):
            return name
        case ("groups", *_):
            return "groups"
        case _:
            raise AssertionError(selector)


def _with(prop: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    return {"user_properties": {prop.removeprefix("gp:"): value}} if prop.startswith("gp:") else {prop: value}


def _a_user_id(number: int) -> str | None:
    """Mostly plain ones; now and then none, or what conditions name."""
    if number % 31 == 1:
        return None
    return {2: "user-", 3: "7", 4: "user-1x", 5: "~"}.get(number, f"user-{number}")

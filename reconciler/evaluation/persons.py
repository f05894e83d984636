"""A user, made up, who answers conditions as wanted and whose hashes fall where they are wanted.

Ids are tried one after the other. Where so few hashes will do that this takes too long, murmur3 is solved for the
last four letters of an id.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from reconciler.evaluation.conditions import text_of
from reconciler.evaluation.hashing import DISTRIBUTIONS, RESIDUES, coordinates, hash_of
from reconciler.evaluation.values import in_any_case, mask_of, user_with
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import ID_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.evaluation.populations import Chosen
    from reconciler.evaluation.rules import SegmentRule

MOST_IDS: Final = 3_000
"""Ids of one form that are tried before murmur3 is solved."""
MOST_NUMBERED: Final = 300
MOST_SOLVED: Final = 1_000
"""Solved ids of one form, which take half a second."""
FIRST_AMPLITUDE_ID: Final = 100_000_000_000

_EMPTY: Final[tuple[Any, ...]] = (0, 0.0, -0.0, False, [], {})
"""Values that conditions take for a missing property, and that are hashed nonetheless."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Area(Struct, frozen=True):
    """Hashes under a salt, by half-open ranges of the allocation value and the distribution value."""

    salt: str
    residues: tuple[int, int]
    distributions: tuple[int, int]

    def holds(self, value: str) -> bool:
        """Whether the hash of a value is in the area."""
        residue, distribution = coordinates(hash_of(self.salt, value))
        (r0, r1), (d0, d1) = self.residues, self.distributions
        return r0 <= residue < r1 and d0 <= distribution < d1

    @property
    def size(self) -> int:
        """About how many hashes there are."""
        (r0, r1), (d0, d1) = self.residues, self.distributions
        return max(0, r1 - r0) * max(0, d1 - d0)


class Person(Struct, frozen=True):
    """A user as the SDKs describe one, and which of their ids are made up rather than taken from conditions."""

    user: dict[str, Any]
    made_up: frozenset[str] = frozenset()


def area_of(rule: SegmentRule, variant: str) -> Area:
    """The hashes to which a rule that hashes gives a variant."""
    assert rule.bucketing is not None
    if variant == rule.constant:
        return Area(rule.bucketing.salt, (rule.percentage, RESIDUES), (0, DISTRIBUTIONS))
    start = 0
    for name, end in rule.cuts:
        if name == variant:
            return Area(rule.bucketing.salt, (0, rule.percentage), (start, end))
        start = end
    return Area(rule.bucketing.salt, (0, 0), (0, 0))


def common_areas(areas: Sequence[Area]) -> list[Area] | None:
    """One area for each salt, in which all areas of that salt overlap; None where some do not."""
    found: dict[str, Area] = {}
    for area in areas:
        other = found.get(area.salt, area)
        residues, distributions = (
            (max(x[0], y[0]), min(x[1], y[1]))
            for x, y in ((area.residues, other.residues), (area.distributions, other.distributions))
        )
        found[area.salt] = Area(area.salt, residues, distributions)
    return (
        None if any(not area.size for area in found.values()) else sorted(found.values(), key=lambda item: item.size)
    )


class NoPersonError(Exception):
    """No user was found. `is_certain`: there can be none with these answers."""

    def __init__(self, *, is_certain: bool) -> None:
        self.is_certain = is_certain


def find_person(
    chosen: Sequence[Chosen], wanted: Sequence[tuple[SegmentRule, str]], *, is_local: bool = False
) -> Person:
    """A user with these answers to whom each rule, taken for itself, gives its variant. Raises NoPersonError.

    `is_local`: evaluated by an SDK, where users may be without an amplitude_id.
    """
    answers = {item.name: item for item in chosen}
    user: dict[str, Any] = {}
    for item in chosen:
        _merge(user, user_with(item.conditions[0], item.values[0]))
    made_up: set[str] = set()
    for (unit, key), place in _places(wanted).items():
        is_users = unit == DEFAULT_BUCKETING_UNIT
        answer = answers.get(key) if is_users else None
        areas = common_areas(place.areas)
        value: Any = None if areas is None else _find_value(key if is_users else unit, answer, areas)
        if value is None and areas and answer is not None and None in answer.values and key not in ID_PROPERTIES:
            value = next((item for item in _EMPTY if all(area.holds(text_of(item)) for area in areas)), None)
        if value is not None:
            _merge(user, _with_property(key, value) if is_users else {"groups": {unit: [value]}})
            if answer is None or value not in answer.values:
                made_up.add(key)
        elif place.is_hashed or (place.areas and is_users and not can_lack(key, answer, is_local=is_local)):
            raise NoPersonError(is_certain=areas is None or has_only_named_values(answer))
        elif place.areas and is_users:
            holder = user.get("user_properties", {}) if key.startswith("gp:") else user
            holder.pop(key.removeprefix("gp:"), None)
    return Person(user, frozenset(made_up))


class _Place(Struct):
    """What of a user is hashed: the areas it has to fall in, and whether without it a rule gives another variant."""

    areas: list[Area] = []
    is_hashed: bool = False


def _places(wanted: Sequence[tuple[SegmentRule, str]]) -> dict[tuple[str, str], _Place]:
    """By unit and key. The user_id is among them even where it does not matter: a person has one."""
    places = {(DEFAULT_BUCKETING_UNIT, "user_id"): _Place()}
    for rule, variant in wanted:
        if rule.bucketing is not None:
            unit = rule.bucketing.unit
            key = rule.bucketing.key if unit == DEFAULT_BUCKETING_UNIT else ""
            place = places.setdefault((unit, key), _Place())
            place.areas.append(area_of(rule, variant))
            place.is_hashed |= variant != rule.constant
    return places


def can_lack(key: str, answer: Chosen | None, *, is_local: bool) -> bool:
    """Whether a user may be without what is hashed: everyone whom Amplitude evaluates has an amplitude_id."""
    return (is_local or key != DEFAULT_BUCKETING_KEY) and (answer is None or None in answer.values)


def numbered_persons(chosen: Sequence[Chosen]) -> Iterator[Person]:
    """Users with these answers, as many as are worth a try, each with ids of its own where the answers allow it."""
    base: dict[str, Any] = {}
    for item in chosen:
        _merge(base, user_with(item.conditions[0], item.values[0]))
    answers = {item.name: item for item in chosen}
    for number in range(1, MOST_NUMBERED):
        ids = {
            "user_id": f"user-{number}",
            "device_id": f"device-{number}",
            DEFAULT_BUCKETING_KEY: str(FIRST_AMPLITUDE_ID + number),
        }
        fitting = {
            name: value
            for name, value in ids.items()
            if name not in answers or mask_of(answers[name].conditions, value) == answers[name].mask
        }
        yield Person(base | fitting, frozenset(fitting))


def has_only_named_values(answer: Chosen | None) -> bool:
    """Whether all values that give an answer are known."""
    if answer is None or any(isinstance(value, list) for value in answer.values):
        return False
    return answer.is_listed or answer.values == (None,)


def named_values(answer: Chosen) -> list[str | None]:
    """The values that are known to give an answer, true and false in every spelling; None: it is missing."""
    texts = {value for value in answer.values if value is not None}
    spelled = [text for text in in_any_case(texts) if mask_of(answer.conditions, text) == answer.mask]
    return [*([None] if None in answer.values else []), *sorted(spelled)]


def _with_property(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a property is any JSON value
    return {"user_properties": {name.removeprefix("gp:"): value}} if name.startswith("gp:") else {name: value}


def _merge(user: dict[str, Any], given: dict[str, Any]) -> None:
    for name, value in given.items():
        user[name] = {**user.get(name, {}), **value} if isinstance(value, dict) else value


def _find_value(key: str, item: Chosen | None, areas: Sequence[Area]) -> str | None:
    """A text of the property that gives the wanted answers and hashes; made up where the answers leave it open."""
    texts = [value for value in item.values if isinstance(value, str)] if item else []

    def fits(text: str) -> bool:
        return item is None or mask_of(item.conditions, text) == item.mask

    if item is not None and item.is_listed:
        texts += sorted(text for text in in_any_case(set(texts)).difference(texts) if fits(text))
    listed = next((text for text in texts if all(area.holds(text) for area in areas)), None)
    if item is not None and item.is_listed:
        return listed
    forms = [form for form in _forms(key, texts) if any(fits(number.join(form)) for number in ("1", "22", "333"))]
    for front, back in forms:
        for number in range(1, MOST_IDS):
            text = f"{front}{number}{back}"
            if all(area.holds(text) for area in areas) and fits(text):
                return text
    if listed is not None or not areas:
        return listed
    solvable = [front for front, back in forms if not back and fits(f"{front}aaaaa1aA")]
    solved = (text for front in solvable[:2] for text in islice(_solve(areas[0], front), MOST_SOLVED))
    return next((text for text in solved if all(area.holds(text) for area in areas) and fits(text)), None)


def _forms(key: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What stands before the number of a made-up value, and behind it."""
    name = key.removeprefix("gp:").removesuffix("_id")
    yield (str(FIRST_AMPLITUDE_ID), "") if key == DEFAULT_BUCKETING_KEY else (f"{name}-", "")
    for text in texts[:3]:
        yield from ((text, ""), (f"{name}-", text), (f"{text}-", ""), (f"{text}.", ""))


_C1, _C2, _M1, _M2, _ADDED, _FIVE = 0xCC9E2D51, 0x1B873593, 0x85EBCA6B, 0xC2B2AE35, 0xE6546B64, 5
_MASK = 2**32 - 1
_INVERSE = {number: pow(number, -1, 2**32) for number in (_C1, _C2, _M1, _M2, _FIVE)}
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def _solve(area: Area, front: str) -> Iterator[str]:
    """Texts that begin as wanted and whose hash is in the area, found by taking murmur3's last block back."""
    start = f"{area.salt}/{front}".encode(errors="surrogatepass")
    (r0, r1), (d0, d1) = area.residues, area.distributions
    for letters in product(_LETTERS, repeat=4 + -len(start) % 4):
        padding = "".join(letters)
        body = start + padding.encode()
        state = _body_state(body)
        for step in range(200):
            residue = r0 + step % (r1 - r0)
            distribution = d0 + step // (r1 - r0) * 2_654_435_761 % (d1 - d0)
            hashed = distribution * RESIDUES + residue
            block = _last_block(state, len(body) + 4, hashed).to_bytes(4, "little")
            if _WORD.issuperset(block):
                yield f"{front}{padding}{block.decode()}"


def _body_state(body: bytes) -> int:
    """The state of murmur3 after whole blocks."""
    state = 0
    for at in range(0, len(body), 4):
        block = int.from_bytes(body[at : at + 4], "little") * _C1 & _MASK
        state ^= _rotated(block, 15) * _C2 & _MASK
        state = _rotated(state, 13) * _FIVE + _ADDED & _MASK
    return state


def _last_block(state: int, length: int, hashed: int) -> int:
    """The block that leads from this state to this hash of a text of this length."""
    hashed ^= hashed >> 16
    hashed = hashed * _INVERSE[_M2] & _MASK
    hashed ^= hashed >> 13 ^ hashed >> 26
    hashed = hashed * _INVERSE[_M1] & _MASK
    hashed ^= hashed >> 16 ^ length
    block = _rotated((hashed - _ADDED) * _INVERSE[_FIVE] & _MASK, 19) ^ state
    block = _rotated(block * _INVERSE[_C2] & _MASK, 17)
    return block * _INVERSE[_C1] & _MASK


def _rotated(number: int, bits: int) -> int:
    return (number << bits | number >> 32 - bits) & _MASK

"""Counts of users who are moved, made with Amplitude's own engine, and what a comment's table says of them.

The users are chosen so that their hashes are spread evenly: a share that is right is met exactly, and not about.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from itertools import count
from typing import Any

from msgspec.structs import replace
from official_engine import FastEngine, OfficialFlag, target_of
from team import FIELDS, LISTED, listed_users

from reconciler.model.wire import decode_flag

Record = dict[str, Any]
Counts = dict[str, dict[str, float]]
"""By segment, the share of its users, in percent, of each move, as in `off → control`."""

COUNTRIES = ("US", "FR")
STRATA = 28
"""Users of each hundredth of the rollout: halves and quarters of them are whole users."""

ROUNDING = 0.006
_OFF_SEGMENT = {"default": "All Other Users"}
_ROW = re.compile(r"^\| (?P<level>\w+) \| `(?P<key>[^`]+)` \| (?P<change>.*?) \| (?P<affected>.*?) \|$", re.MULTILINE)
_MOVED = re.compile(r"(?P<share>[\d.]+)% of (?P<segment>[^:]+): (?P<moves>.+)\Z")
_MOVE = re.compile(r"(?:(?P<share>[\d.]+)% )?(?P<move>[\w-]+ → [\w-]+)\Z")
_LISTED = re.compile(r"(?P<count>\d+) listed users?: (?P<move>[\w ]+ → [\w ]+)\Z")
_PAYLOAD = re.compile(
    r"(?:(?P<share>[\d.]+)% of [^:]+?)?(?: and )?(?:(?P<count>\d+) listed users?)? gets? a new payload of "
)
NOBODY = "no user is affected"
BETWEEN = "temporarily wrong variant during apply: "


@cache
def users(salt: str) -> tuple[str, ...]:
    """2,800 users of a salt: one for each hundredth of the rollout and each 28th of the variants."""
    engine, found = FastEngine(), dict[tuple[int, int], str]()
    for number in count():
        name = f"user-{number}"
        hashed = engine.get_hash(f"{salt}/{name}")
        found.setdefault((hashed % 100, hashed // 100 * STRATA // 42_949_673), name)
        if len(found) == 100 * STRATA:
            return tuple(found.values())
    raise AssertionError


@cache
def _assigned(config: str) -> tuple[tuple[str, str], ...]:
    """Variant and segment of every user in each country, and of the users who are listed."""
    given = json.loads(config)
    spec, listed = decode_flag(given).spec, given["users"]
    variants = [replace(item, users=tuple(listed[item.key])) for item in spec.variants]
    flag, salt = OfficialFlag(replace(spec, variants=variants), engine=FastEngine()), given["bucketingSalt"]
    return tuple(flag.assign_target(target) for target in _targets(salt))


@cache
def _targets(salt: str) -> tuple[dict[str, Any], ...]:
    people = [(name, country) for country in COUNTRIES for name in users(salt)]
    people += [(name, "FR") for name in LISTED]
    return tuple(target_of({"user_id": name, "country": country}) for name, country in people)


def _config(live: Record, declared: Record | None) -> str:
    names = ("bucketingKey", "bucketingSalt", "bucketingUnit")
    config = {name: live[name] for name in names} | {"id": "1", "projectId": "1", "key": "flag"}
    for name in FIELDS:
        config[name] = (declared or live)[name]
    config["users"] = {item["key"]: sorted(listed_users(item)) for item in config["variants"]}
    config["variants"] = [{"key": item["key"]} for item in config["variants"]]
    return json.dumps(config, sort_keys=True)


class HeadCount:
    """Who is moved when a live flag becomes as it is declared."""

    def __init__(self, live: Record, declared: Record) -> None:
        old, new = _assigned(_config(live, None)), _assigned(_config(live, declared))
        everyone = len(old) - len(LISTED)
        self.users = everyone
        self.moves: Counts = {}
        self.listed: Counter[str] = Counter()
        self.kept = 0.0
        """The largest share of a segment that keeps the variant with the payload."""
        self.listed_kept = 0
        groups: dict[str, Counter[tuple[str, str]]] = {}
        pairs = Counter(zip(old[:everyone], new[:everyone], strict=True))
        for ((before, left), (after, entered)), number in pairs.items():
            one, other = (_OFF_SEGMENT.get(name, name) for name in (left, entered))
            if one == other or entered in _OFF_SEGMENT:
                path = one
            else:
                path = other if left in _OFF_SEGMENT else f"those moving from {one} to {other}"
            groups.setdefault(path, Counter())[before, after] += number
        for path, group in groups.items():
            size = group.total()
            moves = {f"{a} → {b}": 100 * number / size for (a, b), number in group.items() if a != b}
            if moves:
                self.moves[path] = moves
            self.kept = max(self.kept, 100 * group["treatment", "treatment"] / size)
        names = {user for flag in (live, declared) for item in flag["variants"] for user in listed_users(item)}
        for name, before, after in zip(LISTED, old[everyone:], new[everyone:], strict=True):
            one, other = _side(*before), _side(*after)
            if name in names and one != other:
                self.listed[f"{one} → {other}"] += 1
            self.listed_kept += name in names and one == other == "treatment"

    @property
    def largest(self) -> float:
        """The largest share of users of any segment who are moved."""
        return max((sum(moves.values()) for moves in self.moves.values()), default=0.0)


def _side(variant: str, segment: str) -> str:
    """What a listed user has before or after: of one who is not listed there, the comment names no variant."""
    return variant if segment.startswith("inclusions ") or segment in _OFF_SEGMENT else "their segment"


class Row:
    """A row of a comment's table, read."""

    def __init__(self, level: str, change: str, affected: str) -> None:
        self.level, self.change, self.affected = level, change, affected
        self.moves: Counts = {}
        self.listed: Counter[str] = Counter()
        self.payload: tuple[float, int] = (0.0, 0)
        self.between = ""
        self.is_cut = affected.endswith("…")
        """Whether the row is too long to say everything: what it says is right, and there is more."""
        parts = [] if affected.startswith(NOBODY) or not affected else affected.split("; ")
        if self.is_cut:
            first, _, last = parts.pop().rpartition(", ")
            parts += [first] * bool(first and _MOVED.match(first) and last)
        for part in parts:
            self._read(part)

    def _read(self, part: str) -> None:
        if found := _MOVED.match(part):
            moves = found["moves"].split(", ")
            read = [_MOVE.match(text) for text in moves]
            assert all(read), part
            self.moves[found["segment"]] = {
                item["move"]: float(item["share"] or found["share"]) for item in read if item
            }
            total = sum(self.moves[found["segment"]].values())
            assert self.is_cut or abs(total - float(found["share"])) < ROUNDING * (1 + len(moves)), part
        elif part.startswith(BETWEEN):
            self.between = part.removeprefix(BETWEEN)
        elif listed := [_LISTED.match(text) for text in part.split(", ")]:
            if not all(listed):
                payload = _PAYLOAD.match(part)
                assert payload, f"the test cannot read {part!r}"
                self.payload = float(payload["share"] or 0), int(payload["count"] or 0)
                return
            self.listed.update({item["move"]: int(item["count"]) for item in listed if item})


def rows_of(comment: str) -> dict[str, Row]:
    """The rows of the table that a comment begins with, by key."""
    return {found["key"]: Row(found["level"], found["change"], found["affected"]) for found in _ROW.finditer(comment)}


def is_equal(told: Counts, counted: Counts, *, is_cut: bool = False) -> bool:
    """Whether a row tells the same as a count of every move, as far as it rounds; of some moves where it is cut."""
    one, other = (
        {(path, move): share for path, moves in of.items() for move, share in moves.items()} for of in (told, counted)
    )
    is_whole = is_cut or one.keys() == other.keys()
    return is_whole and all(abs(share - other.get(place, -1)) < ROUNDING for place, share in one.items())

"""What a team declares and edits during a quarter, and what it knows of that without asking the product.

Two environments from one set of files. Time is the team's own: commits, edits and the commands all take it from here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

Record = dict[str, Any]
Place = tuple[str, str]
"""An environment and the key of a flag."""

PROJECTS = {"staging": "1", "production": "2"}
KEYS = ("billing", "checkout", "invoices", "onboarding", "search")
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
FIELDS = ("enabled", "archived", "rolloutPercentage", "rolloutWeights", "targetSegments", "variants")
SPLITS = ({"control": 1, "treatment": 1}, {"control": 1, "treatment": 3}, {"control": 3, "treatment": 1})
LISTED = ("listed-1", "listed-2", "listed-3")
_SEGMENTS = "targetSegments"


def segment(percentage: int) -> Record:
    """The one segment that the team uses."""
    conditions = [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}]
    return {"name": "US", "conditions": conditions, "percentage": percentage, "rolloutWeights": {"treatment": 1}}


def variants(size: int = 1, users: Iterable[str] = ()) -> list[Record]:
    """The two variants; the second has a payload, and users who always get it."""
    listed = {"inclusions": {"users": sorted(users)}}
    return [{"key": "control"}, {"key": "treatment", "payload": {"size": size}} | listed]


def a_document(key: str) -> Record:
    """A flag as the quarter begins."""
    return {
        "key": key,
        "enabled": True,
        "archived": False,
        "rolloutPercentage": 10,
        "rolloutWeights": dict(SPLITS[0]),
        "variants": variants(),
        "targetSegments": [segment(50)],
        "environments": {},
    }


def resolved(document: Record, environment: str) -> Record:
    """What a document says for an environment; patches of this team replace whole fields."""
    patch = document["environments"].get(environment, {})
    return {name: value for name, value in (document | patch).items() if name != "environments"}


def seen(record: Record) -> Record:
    """What the team declares of a live or a declared flag, in one form, one entry for each value."""
    found = {name: record[name] for name in FIELDS[:3]}
    found |= {f"weight of {name}": weight for name, weight in record["rolloutWeights"].items() if weight}
    for item in record["targetSegments"]:
        weights = {name: weight for name, weight in item["rolloutWeights"].items() if weight}
        found[f"segment {item['name']}"] = item["percentage"], weights
    for item in record["variants"]:
        found[f"payload of {item['key']}"] = item.get("payload") or {}
        found[f"users of {item['key']}"] = listed_users(item)
    return found


def listed_users(variant: Record) -> frozenset[str]:
    """The users who are listed for a live or a declared variant."""
    return frozenset(variant.get("users", variant.get("inclusions", {}).get("users", ())))


def difference(live: Record, declared: Record) -> Record:
    """What a reviewer is to be shown: each value that differs, live and declared; none of what stays archived."""
    if live["archived"] and declared["archived"]:
        return {}
    one, other = seen(live), seen(declared)
    return {name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)}


def switches(record: Record) -> dict[str, bool]:
    """The places that an emergency switch may turn off, and whether each is on."""
    return {name: bool(value) for name, value in _switch_values(record).items()}


def _switch_values(record: Record) -> dict[str, Any]:
    """The value of each of these places."""
    values = {name: record[name] for name in ("enabled", "rolloutPercentage")}
    return values | {item["name"]: item["percentage"] for item in record["targetSegments"]}


def _declared_values(record: Record) -> dict[str, Any]:
    """The values whose age counts: those of switches, and the list of segments, which can leave one out."""
    return _switch_values(record) | {_SEGMENTS: record["targetSegments"]}


@dataclass(slots=True)
class Pull:
    """A pull request: the change of each of its flags, and what the comment of each environment shows, if it has one.

    A change is made for one environment, or for all (None).
    """

    number: int
    changes: dict[str, tuple[str | None, Record]]
    shown: dict[str, dict[str, Record]] = field(default_factory=dict)
    grounds: dict[Place, tuple[Record, Record]] = field(default_factory=dict)
    """What was live and what was declared as the plan was made: the order of calls follows from both."""


@dataclass(slots=True)
class Merge:
    """A commit on main with what main said then. `shown` is empty for a direct push, which no reviewer saw."""

    commit: str
    documents: dict[str, Record]
    shown: dict[str, dict[str, Record]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    grounds: dict[Place, tuple[Record, Record]] = field(default_factory=dict)


@dataclass(slots=True)
class Team:
    """The knowledge of the team.

    `since` tells since when main declares the present value of a switch, or all segments as they are, and `off` when
    a switch was turned off live that has not been turned on since; both by environment, flag and place.
    """

    random: Random
    now: datetime = BEGIN
    documents: dict[str, Record] = field(default_factory=lambda: {key: a_document(key) for key in KEYS})
    merges: list[Merge] = field(default_factory=list)
    since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    off: dict[tuple[str, str, str], datetime] = field(default_factory=dict)

    def pass_time(self, longest: int = 5 * 24 * 60) -> None:
        """Some minutes, hours or days go by; `longest` is in minutes."""
        self.now += timedelta(minutes=self.random.choice((2, 30, 5 * 60, longest)) * self.random.uniform(0.5, 1))

    def changes(self, live: Mapping[Place, Record]) -> dict[str, tuple[str | None, Record]]:
        """A change of one flag, now and then of two; often of one that is off somewhere."""
        off = sorted({key for (_, key), flag in live.items() if not all(switches(flag).values())})
        first = self.random.choice(off if off and self.random.random() < 0.4 else KEYS)
        keys = {first, *([self.random.choice(KEYS)] if self.random.random() < 0.25 else [])}
        return {key: (self.random.choice((None, None, *PROJECTS)), self._change(key)) for key in sorted(keys)}

    def _change(self, key: str) -> Record:
        random = self.random
        if random.random() < 0.06:
            return {"archived": True}
        document = self.documents[key]
        return random.choice((
            {"rolloutPercentage": random.choice((0, 10, 25, 50, 100))},
            {"rolloutPercentage": random.choice((0, 20, 40, 60, 80))},
            {"enabled": not document["enabled"]},
            {"enabled": random.random() < 0.6, "rolloutPercentage": random.choice((5, 30, 100))},
            {"rolloutWeights": dict(random.choice(SPLITS))},
            {"targetSegments": random.choice(([], [segment(random.choice((0, 25, 75, 100)))]))},
            {"variants": variants(random.randint(1, 3), random.sample(LISTED, random.randint(0, 2)))},
        ))  # fmt: skip

    def with_changes(self, pull: Pull) -> dict[str, Record]:
        """The documents after a change."""
        documents = copied(self.documents)
        for key, (where, change) in pull.changes.items():
            target = documents[key] if where is None else documents[key]["environments"].setdefault(where, {})
            target.update(copied(change))
        return documents

    def declare(self, documents: dict[str, Record]) -> None:
        """Have main say this from now on."""
        self.since |= self.changed_switches(documents)
        self.documents = copied(documents)

    def changed_switches(self, documents: dict[str, Record]) -> dict[tuple[str, str, str], datetime]:
        """The switches, and lists of segments, of which main would say something else from now on."""
        found = {}
        for environment in PROJECTS:
            for key in KEYS:
                before, after = (
                    _declared_values(resolved(item[key], environment)) for item in (self.documents, documents)
                )
                found |= {
                    (environment, key, place): self.now
                    for place, value in after.items()
                    if before.get(place) != value
                }
        return found

    def merged_since(self, commit: str, head: str) -> Iterator[Merge]:
        """What came into main after a commit, up to another one."""
        commits = [merge.commit for merge in self.merges]
        yield from self.merges[commits.index(commit) + 1 : commits.index(head) + 1]

    def note_switches(self, place: Place, before: Record, after: Record) -> int:
        """Keep in mind what was turned off, and what was turned on; how many were turned off."""
        was, is_on = switches(before), switches(after)
        turned_off = {name for name, on in is_on.items() if not on and was.get(name, True)}
        for name in (was.keys() | is_on.keys()) - {name for name, on in is_on.items() if not on}:
            self.off.pop((*place, name), None)
        self.off |= {(*place, name): self.now for name in turned_off}
        return len(turned_off)

    def must_stay_off(
        self, place: Place, live: Record, declared: Record, proposed: Mapping[tuple[str, str, str], datetime] = {}
    ) -> set[str]:
        """The switches that are off live and on in a declaration, and were turned off after it was made.

        A segment at 0 that is no longer declared is turned on by a declaration that serves all other users.
        """
        was, wanted = switches(live), switches(declared)
        since = {**self.since, **proposed}
        left_out = {item["name"] for item in live["targetSegments"]} - wanted.keys()
        serves_others = wanted["enabled"] and wanted["rolloutPercentage"] and not declared["archived"]
        turned_on = {name: name for name, on in wanted.items() if on} | dict.fromkeys(
            left_out if serves_others else (), _SEGMENTS
        )
        return {
            name
            for name, place_in_git in turned_on.items()
            if was.get(name) is False
            and since.get((*place, place_in_git), BEGIN) <= self.off.get((*place, name), BEGIN)
        }


def copied(value: Any) -> Any:
    """A copy of a JSON value, as deep as it goes."""
    return json.loads(json.dumps(value))

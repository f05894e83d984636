"""Realistic projects of any size: flag files of 40 to 60 lines, and the same flags as the emulator's state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Json = Any
PROJECT_ID = "217854"
KEY = "benchmark-management-key"
DEPLOYMENTS = {"web": "10001", "ios": "10002", "android": "10003"}
_WORDS = ("checkout", "search", "onboarding", "billing", "profile", "export", "banner", "editor", "inbox", "report")
_COUNTRIES = ("US", "CA", "DE", "FR", "JP", "BR", "IN", "GB", "SE", "NZ")


class Inclusions(Enum):
    """Which inclusions the flags declare. Each list is one read beyond the list of flags."""

    NONE = ()
    USERS = ("users",)
    ALL = ("users", "cohorts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A user's repository in `directory`, and its flags as they were declared, by key."""

    directory: Path
    flags: dict[str, dict[str, Json]]
    inclusions: Inclusions

    @property
    def lists(self) -> int:
        """How many lists of inclusions are declared: 2.5 variants a flag."""
        return sum(len(flag["variants"]) for flag in self.flags.values()) * len(self.inclusions.value)

    @property
    def pages(self) -> int:
        """How many requests show the list of all flags."""
        return -(-len(self.flags) // 1000)

    def file_of(self, key: str) -> Path:
        """The file of a flag."""
        return self.directory / "flags" / f"{key}.yaml"

    def state(self) -> bytes:
        """The emulator's state in which every flag is as declared."""
        return state_of(self.flags.values())


def state_of(flags: Any = ()) -> bytes:  # noqa: ANN401 - any iterable of flag documents
    """A state of the emulator with these flags, enabled where they say so, and a key that reaches them."""
    rows = [_live(number, flag) for number, flag in enumerate(flags, 1)]
    deployments = [{"id": number, "label": name} for name, number in DEPLOYMENTS.items()]
    return json.dumps(
        {
            "format": 1,
            "projects": {PROJECT_ID: {"deployments": deployments}},
            "keys": {KEY: {"user": "you@example.com", "projects": [PROJECT_ID]}},
            "flags": rows,
        }
    ).encode()


def _live(number: int, flag: dict[str, Json]) -> dict[str, Json]:
    own = {name: value for name, value in flag.items() if name not in {"owner", "links", "notes"}}
    ids = [DEPLOYMENTS[name] for name in flag["deployments"]]
    return {"id": str(100_000 + number), "projectId": PROJECT_ID, **own, "deployments": ids}


def write_project(
    directory: Path, size: int, *, inclusions: Inclusions = Inclusions.NONE, per_second: int = 95
) -> Project:
    """A project of `size` flags, the same for the same arguments."""
    random = Random(size)
    flags = {flag["key"]: flag for flag in (_flag(random, number, inclusions) for number in range(size))}
    (directory / "flags").mkdir(parents=True)
    project = Project(directory=directory, flags=flags, inclusions=inclusions)
    for key, flag in flags.items():
        project.file_of(key).write_text(as_yaml(flag))
    (directory / "reconciler.yaml").write_text(
        f'version: 1\nprojectId: "{PROJECT_ID}"\ndeployments: {json.dumps(DEPLOYMENTS)}\n'
        f"requests: {{perSecond: {per_second}}}\nsafety: {{maxUpdates: 100%}}\n"
    )
    return project


def as_yaml(flag: dict[str, Json]) -> str:
    """A flag as its file."""
    return yaml.dump(flag, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100)


def _flag(random: Random, number: int, inclusions: Inclusions) -> dict[str, Json]:
    word = random.choice(_WORDS)
    keys = ["control", "treatment", "holdout"][: 2 + number % 2]
    segments = 1 if inclusions.value else 4 - len(keys)
    mode = random.choice(["remote", "local"])
    bucketing_key = "amplitude_id" if mode == "remote" else "user_id"  # local evaluation has no amplitude_id
    return {
        "key": f"{word}-{number:05d}",
        "name": f"{word.capitalize()} {number}",
        "description": f"What users see of {word} in round {number}; ask the team before changing it",
        "enabled": random.random() < 0.8,
        "evaluationMode": mode,
        "bucketingKey": bucketing_key,
        "bucketingSalt": f"salt{random.getrandbits(32):08x}",
        "rolloutPercentage": random.randrange(0, 101, 5),
        "rolloutWeights": {key: random.randint(1, 3) for key in keys},
        "variants": [_variant(random, key, inclusions) for key in keys],
        "targetSegments": [_segment(random, index, keys, bucketing_key) for index in range(segments)],
        "deployments": random.sample(list(DEPLOYMENTS), k=2),
        "tags": [word, f"team-{random.randrange(20)}"],
        "owner": f"team-{random.randrange(20)}",
        "links": [f"https://example.com/tickets/{number}"],
        "notes": "Remove it two weeks after it is at 100 for everyone",
    }


def _variant(random: Random, key: str, inclusions: Inclusions) -> dict[str, Json]:
    variant: dict[str, Json] = {"key": key, "name": f"The {key} group"}
    members = {
        "users": [f"{key}-{random.getrandbits(40):010x}@example.com" for _ in range(2)],
        "cohorts": [f"c{random.getrandbits(32):08x}"],
    }
    if inclusions.value:
        variant["inclusions"] = {kind: members[kind] for kind in inclusions.value}
    return variant


def _segment(random: Random, index: int, keys: list[str], bucketing_key: str) -> dict[str, Json]:
    return {
        "name": f"Segment {index + 1}",
        "conditions": [
            {"prop": "country", "op": "is", "values": random.sample(_COUNTRIES, k=2 + index)},
            {"prop": "gp:plan", "op": "is not", "values": ["trial"]},
        ],
        "percentage": random.randrange(10, 101, 10),
        "bucketingKey": bucketing_key,
        "rolloutWeights": {random.choice(keys): 1},
    }

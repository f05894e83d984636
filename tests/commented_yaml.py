"""Flag files as people write them: any order, any style, and a comment at every place that YAML has for one.

Each comment is unique, so that a test can say which one was lost.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

COMMENT = re.compile(r"# c\d+[^\n]*")
_is_word = re.compile(r"[a-z][a-z ]*[a-z]").fullmatch
_MODELINE = "# yaml-language-server: $schema=../schemas/flag.schema.json\n"


def a_commented_file(random: Random, *keys: str) -> str:
    """A valid file of one document per key."""
    writer = _Writer(random)
    text = "---\n".join(writer.document(a_document(random, key)) for key in keys)
    if random.random() < 0.3:
        text = _MODELINE + text
    return text.replace("\n", "\r\n") if random.random() < 0.15 else text


def comments_in(text: str) -> list[str]:
    """Every comment of a file that this module wrote, sorted."""
    return sorted(COMMENT.findall(text.replace("\r\n", "\n")))


def a_document(random: Random, key: str) -> dict[str, Any]:
    """A flag document with most fields, its keys in any order."""
    names = ["control", "treatment", "third"][: random.randint(2, 3)]
    fields: dict[str, Any] = {
        "key": key,
        "name": random.choice(["New checkout", "12", "on"]),
        "description": random.choice(["One page", "two\nlines\n", "with # sign", ""]),
        "enabled": random.random() < 0.5,
        "evaluationMode": random.choice(["remote", "local"]),
        "bucketingKey": "amplitude_id",
        "rolloutPercentage": random.choice([0, 10, 50]),
        "rolloutWeights": {name: random.randint(1, 3) for name in names},
        "variants": [_variant(random, name) for name in names],
        "targetSegments": [_segment(random, names, number) for number in range(random.randint(0, 3))],
        "tags": random.sample(["checkout", "web", "on"], random.randint(0, 3)),
        "owner": "team-checkout",
        "notes": "Ask the team first.",
    }
    left_out = {"description", "evaluationMode", "bucketingKey", "tags", "owner", "notes"}
    kept = [name for name in fields if name not in left_out or random.random() < 0.7]
    random.shuffle(kept)
    return {name: fields[name] for name in kept}


def _variant(random: Random, key: str) -> dict[str, Any]:
    fields = {
        "key": key,
        "name": key.title(),
        "payload": random.choice([{"layout": "classic", "steps": [1, 2]}, "text", [1, {"deep": True}]]),
        "inclusions": {"users": [f"{key}-{number}@example.com" for number in range(random.randint(1, 3))]},
    }
    kept = ["key", *(name for name in list(fields)[1:] if random.random() < 0.6)]
    random.shuffle(kept)
    return {name: fields[name] for name in kept}


def _segment(random: Random, names: list[str], number: int) -> dict[str, Any]:
    conditions = [
        {"prop": "country", "op": "is", "values": ["US", "CA"]},
        {"prop": "gp:plan", "op": "is not", "values": ["free"]},
    ]
    fields = {
        "name": f"Segment {number}",
        "conditions": conditions[: random.randint(1, 2)],
        "percentage": 100,
        "rolloutWeights": dict.fromkeys(names[: random.randint(1, 2)], 1),
    }
    kept = list(fields)
    random.shuffle(kept)
    return {name: fields[name] for name in kept}


class _Writer:
    """Writes values as YAML by hand, and comments in between."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._comments = 0

    def document(self, value: dict[str, Any]) -> str:
        self._step = self._random.choice([2, 2, 4])
        lines = [*self._above(0, 0.5), *self._mapping(value, 0), *self._above(0, 0.3)]
        return "".join(f"{line}\n" for line in lines)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _comment(self) -> str:
        self._comments += 1
        return f"# c{self._comments}{self._random.choice(['', ' some words', ': odd - [chars] {x} #', ' TODO'])}"

    def _above(self, indent: int, share: float = 0.25) -> Iterator[str]:
        while self._chance(share):
            if self._chance(0.3):
                yield ""
            yield " " * indent + self._comment()

    def _beside(self, share: float = 0.25) -> str:
        return f"{' ' * self._random.randint(1, 3)}{self._comment()}" if self._chance(share) else ""

    def _mapping(self, value: dict[str, Any], indent: int) -> Iterator[str]:
        for key, item in value.items():
            yield from self._above(indent)
            yield from self._entry(f"{' ' * indent}{self._scalar(key)}:", item, indent)
        yield from self._above(indent, 0.1)

    def _sequence(self, value: list[Any], indent: int) -> Iterator[str]:
        for item in value:
            yield from self._above(indent)
            if isinstance(item, dict) and item and not self._chance(0.2):
                first, *rest = self._block(item, indent + 2)
                if first.lstrip().startswith("#") or not first.strip():
                    yield f"{' ' * indent}-{self._beside(0.1)}"
                    yield first
                else:
                    yield f"{' ' * indent}- {first.lstrip()}"
                yield from rest
            else:
                yield from self._entry(f"{' ' * indent}-", item, indent)
        yield from self._above(indent, 0.1)

    def _block(self, value: Any, indent: int) -> list[str]:
        return list(self._mapping(value, indent) if isinstance(value, dict) else self._sequence(value, indent))

    def _entry(self, label: str, value: Any, indent: int) -> Iterator[str]:
        if isinstance(value, str) and "\n" in value:
            yield f"{label} |{self._beside()}"
            yield from (f"{' ' * (indent + self._step)}{line}" for line in value.splitlines())
        elif not isinstance(value, dict | list):
            yield f"{label} {self._scalar(value)}{self._beside()}"
        elif not value or self._chance(0.3):
            yield from self._flow(label, value, indent)
        else:
            yield label + self._beside()
            deeper = indent if isinstance(value, list) and self._chance(0.2) else indent + self._step
            yield from self._block(value, deeper)

    def _flow(self, label: str, value: Any, indent: int) -> Iterator[str]:
        if not value or not self._chance(0.3):
            yield f"{label} {json.dumps(value)}{self._beside()}"
            return
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        pad = " " * (indent + self._step)
        yield f"{label} {opening}{self._beside()}"
        items = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()] if isinstance(value, dict) else [
            json.dumps(item) for item in value
        ]  # fmt: skip
        for item in items:
            if self._chance(0.3):
                yield pad + self._comment()
            yield f"{pad}{item},{self._beside()}"
        yield f"{' ' * indent}  {closing}{self._beside()}"

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str) and _is_word(value) and value not in {"on", "off", "yes", "no", "null"}:
            return self._random.choice([value, value, f"'{value}'", f'"{value}"'])
        return json.dumps(value)

"""A session with the emulator, request by request: answers.txt holds each request and its answer.

A line is METHOD PATH BODY; behind `=>` stand status and body, as short as they are sent. The one flag is there before
the first request, and requests follow each other on one server. A line with SEED makes an experiment, STATE shows the
whole state. UPDATE_SNAPSHOTS=1 rewrites the answers.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from emulators import an_emulator, ask

from reconciler.emulator.requests import encode

FILE = Path(__file__).with_name("answers.txt")
FLAG = {
    "id": "1",
    "key": "f",
    "enabled": True,
    "bucketingSalt": "salt",
    "rolloutPercentage": 10,
    "rolloutWeights": {"a": 1, "b": 1},
    "variants": [{"key": "a", "users": ["ada@example.com"]}, {"key": "b", "payload": {"x": 1}}],
    "deployments": ["67"],
    "tags": ["t"],
}


def test_every_answer_is_as_it_was_reviewed() -> None:
    """What is taken and shown, what is refused and why; each edit is made at a time of its own."""
    hours = count()
    emulator = an_emulator(FLAG, now=lambda: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=next(hours)))
    answered = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("=>") or not line:
            continue
        if line.startswith("#"):
            answered.append(f"\n{line}\n")
            continue
        if line.startswith("SEED"):
            emulator.store.seed_experiment(json.loads(line.removeprefix("SEED")))
            answered.append(f"{line}\n")
            continue
        if line == "STATE":
            answered.append("".join(f"{part}\n" for part in ("STATE", *_marked(emulator.dump().decode()))))
            continue
        method, path, *body = line.split(" ", 2)
        answer = ask(emulator, method, path, json.loads(body[0]) if body else None)
        said = answer.body.decode()
        assert answer.media_type == ("application/json" if said.startswith(("{", "[")) else "text/plain")
        answered.append(f"{line}\n=> {answer.status} {said}".rstrip() + "\n")
    text = "".join(answered).lstrip("\n")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FILE.write_text(text, encoding="utf-8")
    assert text == FILE.read_text(encoding="utf-8")


def _marked(text: str) -> list[str]:
    return [f"=> {line}" for line in text.splitlines()]


def test_json_is_as_short_as_it_gets() -> None:
    """In UTF-8, with halves of surrogate pairs as they are."""
    assert encode({"\u00e9": [1, "\ud800"]}) == b'{"\xc3\xa9":[1,"\xed\xa0\x80"]}'

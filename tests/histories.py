"""Histories of flag files in a repository, made at random, and what each commit of the branch declared.

What a value was, and with which commit it came, is worked out here from the states themselves, without git.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from random import Random

ABSENT = "absent"
ENVIRONMENT = "production"
POINTERS = ("/enabled", "/rolloutPercentage", "/variants/on/payload", "/targetSegments/Beta/percentage", "/tags")
KEYS = ("alpha", "beta", "gamma-2")
FIRST_SECOND = 1_800_000_000


@dataclass
class State:
    """What a commit holds: documents by file below the directory of flags, and files that cannot be read now."""

    root: str = ""
    flags: str = "flags"
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    note: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> State:
        """The same state, to be changed."""
        files = {name: [dict(item) for item in documents] for name, documents in self.files.items()}
        return State(self.root, self.flags, files, self.broken, self.note, dict(self.defaults))

    def tree(self) -> dict[str, str]:
        """Every file of the commit, with its text."""
        config = {
            "version": 1,
            "projectId": "7",
            "flags": self.flags,
            "environments": {ENVIRONMENT: {"projectId": "8"}},
            "defaults": self.defaults,
        }
        tree = {f"{self.root}reconciler.yaml": yaml.safe_dump(config), "notes.txt": str(self.note)}
        tree["examples/one.yaml"] = f"key: {KEYS[0]}\nenabled: true\nnotes: '{self.note}'\n"
        for name, documents in self.files.items():
            text = "".join("---\n" + yaml.safe_dump(item, sort_keys=False) for item in documents)
            tree[f"{self.root}{self.flags}/{name}"] = text + ("\nkey: [\n" if name in self.broken else "")
        return tree

    def value(self, key: str, pointer: str) -> Any:
        """What is declared here: ABSENT where nothing is, None where that cannot be read."""
        for name, documents in self.files.items():
            for item in documents:
                if item["key"] == key:
                    return None if name in self.broken else _value(self.defaults | item, pointer)
        return ABSENT


def _value(item: dict[str, Any], pointer: str) -> Any:
    merged = {**item, **item.get("environments", {}).get(ENVIRONMENT, {})}
    match pointer.split("/")[1:]:
        case ["variants", key, name]:
            found = [one for one in merged.get("variants", []) if one["key"] == key]
            return found[0].get(name, ABSENT) if found else ABSENT
        case ["targetSegments", name, inner]:
            found = [one for one in merged.get("targetSegments", []) if one["name"] == name]
            return found[0].get(inner, ABSENT) if found else ABSENT
        case [name]:
            value = merged.get(name, ABSENT)
            return sorted(set(value)) if name == "tags" and value != ABSENT else value
    raise AssertionError(pointer)


@dataclass
class Made:
    """A commit of the branch, newest first in lists of them."""

    id: str
    second: int
    state: State


def a_history(random: Random, directory: Path, length: int) -> list[Made]:
    """Make a repository whose branch has so many commits, of which the last is checked out; some are merges."""
    state = State(files={"a.yaml": [_document(random, KEYS[0])], "b.yml": [_document(random, KEYS[1])]})
    states, stream, mark, tip = [state], [], 0, 0
    second, seconds = FIRST_SECOND, []
    for number in range(length):
        if number:
            state = _changed(random, state, is_last=number == length - 1)
            states.append(state)
        second += random.choice((0, 1, 60, 3600))
        stamp = second + random.choice((0, 0, 0, 0, 900, -900))
        seconds.append(stamp)
        side = None
        if number and random.random() < 0.3:  # a branch, made before, that has the same or another state
            mark += 1
            side = mark
            held = state if random.random() < 0.7 else states[random.randrange(len(states))]
            stream.append(_commit(mark, stamp - 5000, held, [tip], "refs/heads/side"))
        mark += 1
        parents = [*([tip] if number else []), *([side] if side else [])]
        stream.append(_commit(mark, stamp, state, parents, "refs/heads/main"))
        tip = mark
    git(directory, "init", "--quiet", "--initial-branch=main")
    git(directory, "fast-import", "--quiet", "--force", given="".join(stream))
    git(directory, "reset", "--quiet", "--hard", "main")
    ids = git(directory, "rev-list", "--first-parent", "main").split()
    return [Made(*item) for item in zip(ids, reversed(seconds), reversed(states), strict=True)]


def git(directory: Path, *arguments: str, given: str = "", at: int = FIRST_SECOND) -> str:
    """Run git in a directory, with no configuration but the repository's; commits are made at a second."""
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = {"NAME": "Ada", "EMAIL": "ada@example.com", "DATE": f"{at} +0000"}
    names = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
    done = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env=environment | names,
    )
    return done.stdout


def _commit(mark: int, second: int, state: State, parents: Sequence[int], branch: str) -> str:
    lines = [f"commit {branch}", f"mark :{mark}", f"committer Ada <ada@example.com> {second} +0000", "data 2", "m\n"]
    lines += [f"{'merge' if number else 'from'} :{parent}" for number, parent in enumerate(parents)]
    lines.append("deleteall")
    for name, text in state.tree().items():
        lines += [f"M 100644 inline {name}", f"data {len(text.encode())}", text]
    return "\n".join(lines) + "\n"


def _document(random: Random, key: str) -> dict[str, Any]:
    return {"key": key} | dict(_field(random) for _ in range(3))


def _field(random: Random) -> tuple[str, Any]:
    percentage = random.choice((0, 10, 100))
    segment = {
        "name": "Beta",
        "conditions": [],
        "everyone": True,
        "percentage": percentage,
        "rolloutWeights": {"on": 1},
    }
    return random.choice(
        (
            ("enabled", random.random() < 0.5),
            ("rolloutPercentage", random.choice((0, 25, 50))),
            ("tags", random.sample(["x", "y", "z"], 2)),
            ("variants", [{"key": "on", "payload": random.choice((1, True, {"a": 1}))}, {"key": "other"}]),
            ("targetSegments", random.choice(([], [segment]))),
            ("environments", {ENVIRONMENT: {"enabled": random.random() < 0.5}}),
        )
    )


def _changed(random: Random, before: State, *, is_last: bool) -> State:
    state = before.copy()
    state.note += 1
    if state.broken:
        state.broken = frozenset()
        if random.random() < 0.7:
            return state
    if not is_last and random.random() < 0.1:
        state.broken = frozenset([random.choice(sorted(state.files))])
        return state
    kind = random.choice(
        (_edit, _edit, _edit, _edit, _touch, _rename, _move, _declare, _relocate, _default, _nothing)
    )
    kind(random, state)
    return state


def _places(state: State) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, item) for name, documents in state.files.items() for item in documents)


def _edit(random: Random, state: State) -> None:
    places = list(_places(state))
    if places:
        _, item = random.choice(places)
        name, value = _field(random)
        if random.random() < 0.2:
            item.pop(name, None)
        else:
            item[name] = value


def _touch(random: Random, state: State) -> None:
    for _, item in _places(state):
        item["notes"] = str(random.random())


def _rename(random: Random, state: State) -> None:
    old = random.choice(sorted(state.files))
    state.files[random.choice(("", "sub/")) + f"{random.randrange(100)}.yaml"] = state.files.pop(old)


def _move(random: Random, state: State) -> None:
    name, item = random.choice(list(_places(state)))
    state.files[name].remove(item)
    if not state.files[name]:
        del state.files[name]
    state.files.setdefault(random.choice(("a.yaml", "sub/c.yaml", "d.yml")), []).append(item)


def _declare(random: Random, state: State) -> None:
    """Take a flag away, or bring one."""
    places = {item["key"]: (name, item) for name, item in _places(state)}
    key = random.choice(KEYS)
    if key not in places:
        state.files.setdefault("a.yaml", []).append(_document(random, key))
    elif len(places) > 1:
        name, item = places[key]
        state.files[name].remove(item)
        if not state.files[name]:
            del state.files[name]


def _relocate(random: Random, state: State) -> None:
    """Move the directory of flags, or the configuration with it."""
    if random.random() < 0.5:
        state.flags = random.choice(("flags", "config/flags", "other"))
    else:
        state.root = random.choice(("", "infra/", "team/flags-repo/"))


def _default(random: Random, state: State) -> None:
    """Give a default to what documents leave out, or another one, or none."""
    name, values = random.choice((("enabled", (True, False)), ("rolloutPercentage", (0, 25))))
    if random.random() < 0.3:
        state.defaults.pop(name, None)
    else:
        state.defaults[name] = random.choice(values)


def _nothing(random: Random, state: State) -> None:
    """Change only what is no flag file."""


def timeline_of(history: Sequence[Made], key: str, pointer: str) -> list[tuple[Any, str, int]]:
    """Every value with the commit and second of its coming, newest first, of a flag that is declared now.

    Back to the commit that declared the flag, if it was declared more than once the last one.
    """
    found = []
    value = history[0].state.value(key, pointer)
    second = FIRST_SECOND * 2
    for made, older in zip(history, [*(made.state for made in history[1:]), State()], strict=True):
        if _files(older) != _files(made.state):
            second = min(second, made.second)
        before = older.value(key, pointer)
        if before is not None and not _same(before, value):
            found.append((value, made.id, second))
            value = before
        if older.value(key, "/key") == ABSENT:
            break
    return found


def _files(state: State) -> dict[str, str]:
    return {
        name: text for name, text in state.tree().items() if name != "notes.txt" and not name.startswith("examples/")
    }


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)

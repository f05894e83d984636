"""A team's quarter in random order: what was reviewed is what happens, and nothing else."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, flag_of, seeded

from reconciler.ci.__main__ import main
from reconciler.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

    from reconciler.emulator import ApiResponse, RawRequest

KEYS = ("billing", "checkout", "search")
SHORT, LONG = range(3), range(3, 203)
EVENTS = 40
FIELDS = ("enabled", "rolloutPercentage", "archived")


class Quarter:
    """The team, and what it knows of its own acts: none of it is asked of the product."""

    def __init__(self, world: World, random: Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.random, self.monkeypatch = world, random, monkeypatch
        self.declared: dict[str, dict[str, Any]] = {
            key: {"key": key, "enabled": True, "rolloutPercentage": 10} for key in KEYS
        }
        self.pulls: dict[int, tuple[str, dict[str, Any], dict[str, Any]]] = {}
        self.reviews: dict[str, list[dict[str, Any]]] = {}
        self.waiting: list[str] = []
        self.off: dict[str, int] = {}
        self.on: dict[str, int] = {}
        self.editors: dict[str, int] = {}
        self.time = self.number = self.writes = self.held = 0
        seeded(world.emulator, list(self.declared.values()))
        for key in KEYS:
            self.write(key)
        self.base = world.commit("flags")
        assert run(["drift", "--state", "state.json", "--format", "json", "--output", "drift.json"]) in {0, 2}

    def write(self, key: str) -> None:
        """Write the file of a flag; JSON is YAML."""
        self.world.write(f"flags/{key}.yaml", json.dumps(self.declared[key]) + "\n")

    def live(self, key: str) -> dict[str, Any]:
        """What users get of a live flag."""
        flag = flag_of(self.world.emulator, key)
        return {name: flag.get(name) for name in FIELDS}

    def everything(self) -> dict[str, str]:
        """Every live flag, whole."""
        return {flag["key"]: json.dumps(flag, default=str) for flag in self.world.emulator.store.flags.values()}

    def pull(self) -> None:
        """A pull request of one change, its plan and its comment."""
        key = self.random.choice(KEYS)
        change = self.random.choice(
            [{"rolloutPercentage": self.random.randrange(0, 101, 10)}, {"enabled": self.random.random() < 0.6}]
            + [{"archived": True}] * (self.random.random() < 0.2)
        )
        self.number += 1
        before = dict(self.declared[key])
        self.declared[key] = before | change
        self.write(key)
        seen = self.live(key)
        self.world.git("checkout", "--quiet", "--detach")
        if self.declared[key] != before:
            self.world.commit("proposed")
            files = ["--record", "record.json", "--format", "markdown", "--output", "plan.md"]
            run(["plan", "--changed-since", "HEAD^1", "--allow", "rebucket", *files])
            environ = {**self.world.github.environ, "GITHUB_REF": f"refs/pull/{self.number}/merge"}
            command = ["comment", "--body-file", "plan.md", "--log", "log.txt", "--record", "record.json"]
            assert main(command, environ) == 0
            self.pulls[self.number] = (key, change, seen)
        self.declared[key] = before
        self.world.git("checkout", "--quiet", "main")

    def merge(self) -> None:
        """Merge a pull request as one commit, and apply; the key may be refused midway."""
        if not self.pulls:
            return
        number = self.random.choice(list(self.pulls))
        key, change, seen = self.pulls.pop(number)
        after = self.declared[key] | change
        if after == self.declared[key]:
            return
        if after["enabled"] and not self.declared[key]["enabled"]:
            self.on[key] = self.time
        self.declared[key] = after
        self.write(key)
        head = self.world.commit(f"merged {number}")
        self.waiting.append(head)
        self.reviews.setdefault(key, []).append(seen)
        self.world.github.add_pull(number, head)
        self.apply(head)

    def apply(self, head: str) -> None:
        """Apply as the workflow does, and hold the result to the rules."""
        self.world.github.push(self.base, head, *self.waiting)
        environ = {**self.world.github.environ, "GITHUB_REF": "refs/heads/main"}
        record = self.world.root / "record.json"
        record.unlink(missing_ok=True)
        (self.world.root / "report.json").unlink(missing_ok=True)
        assert main(["reviewed", "--before", self.base, "--head", head, "--output", str(record)], environ) == 0
        named = json.loads(record.read_text())["flags"] if record.exists() and record.stat().st_size else None
        touched = {line.split("/")[-1].removesuffix(".yaml") for line in self.changed(head)}
        before, states = self.everything(), {key: self.live(key) for key in KEYS}
        options = ["--reviewed", "record.json"] if named is not None else []
        api = self.world.emulator.api
        keys, answer, refused = (
            self.world.emulator.store.keys,
            api.answer,
            self.random.choice(["never"] * 4 + ["GET", "PATCH"]),
        )

        def revoking(request: RawRequest) -> ApiResponse:
            if request.method == refused:
                keys.pop(KEY, None)
            return answer(request)

        kept = keys[KEY]
        self.monkeypatch.setattr(api, "answer", revoking)
        code = run(["apply", "--auto-approve", "--changed-since", self.base, *options, "--report", "report.json"])
        self.monkeypatch.setattr(api, "answer", answer)
        keys[KEY] = kept
        wrote = {key for key, flag in self.everything().items() if flag != before.get(key)}
        assert wrote <= touched, ("not in the merged change", wrote, touched)
        for key in wrote:
            assert named is None or key in named, ("not in the record", key)
            for name in FIELDS:
                if named is not None and self.live(key)[name] != states[key][name]:
                    reviewed = [seen[name] for seen in self.reviews[key]]
                    assert states[key][name] in reviewed, ("changed since the review", key, name)
            if self.live(key)["enabled"] and not states[key]["enabled"] and key in self.off:
                assert self.on.get(key, -1) > self.off[key], ("a switch was turned on again", key)
        self.writes += len(wrote)
        self.held += code in {5, 6, 7}
        if main(["settled", "--report", "report.json"], environ) == 0:
            self.base, self.waiting, self.reviews = head, [], {}

    def changed(self, head: str) -> list[str]:
        """The files of flags that differ."""
        return self.world.git("diff", "--name-only", self.base, head, "--", "flags").splitlines()

    def edit(self) -> None:
        """Somebody edits a flag by hand, perhaps to turn it off in an emergency."""
        key = self.random.choice(KEYS)
        flag = flag_of(self.world.emulator, key)
        who = f"colleague-{self.time}@example.com"
        fields: dict[str, Any] = {"description": who}
        if self.random.random() < 0.5:
            fields["enabled"] = False
            if flag["enabled"]:
                self.off[key] = self.time
        else:
            fields["rolloutPercentage"] = self.random.randrange(1, 100, 2)
        self.world.emulator.edit_as(who, "PATCH", f"/flags/{flag['id']}", fields)
        self.editors[who] = 0

    def look(self) -> None:
        """The night watch reports each edit by hand once."""
        code = run(["drift", "--state", "state.json", "--format", "json", "--output", "drift.json"])
        assert code in {0, 2}, code
        edits = json.loads((self.world.root / "drift.json").read_text())["edits"]
        for edit in edits or ():
            if edit["by"] in self.editors:
                self.editors[edit["by"]] += 1
        assert {who: times for who, times in self.editors.items() if times != 1} == {}, edits

    def again(self) -> None:
        """Start a failed apply again."""
        if self.waiting:
            self.apply(self.waiting[-1])


def play(seed: int, world: World, monkeypatch: pytest.MonkeyPatch, count: Callable[[str, int], None]) -> None:
    """One quarter."""
    monkeypatch.chdir(world.root)
    for name, value in {**world.environ, "AMPLITUDE_MANAGEMENT_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    world.write(".gitignore", "*.json\n*.md\n*.txt\n")
    (world.root / "log.txt").touch()
    random = Random(seed)
    quarter = Quarter(world, random, monkeypatch)
    events = [quarter.pull, quarter.pull, quarter.merge, quarter.merge, quarter.edit, quarter.look, quarter.again]
    for quarter.time in range(EVENTS):
        random.choice(events)()
    quarter.look()
    count("events", EVENTS)
    count("flags written", quarter.writes)
    count("applies with held flags", quarter.held)
    count("edits by hand, each reported once", len(quarter.editors))


@pytest.mark.parametrize("seed", SHORT)
def test_a_quarter(
    seed: int, world: World, monkeypatch: pytest.MonkeyPatch, count: Callable[[str, int], None]
) -> None:
    """Whatever the order."""
    play(seed, world, monkeypatch, count)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_many_quarters(
    seed: int, world: World, monkeypatch: pytest.MonkeyPatch, count: Callable[[str, int], None]
) -> None:
    """The long form."""
    play(seed, world, monkeypatch, count)

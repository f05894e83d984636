"""The state as a document: what is written is what is read, and a file is never half of one."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from emulators import DEPLOYMENTS, KEY, USER, a_live_flag, an_emulator, ask, flag_of, variant_of

from reconciler.emulator import Emulator, StateError

if TYPE_CHECKING:
    from pathlib import Path


def lived() -> Emulator:
    """An emulator with flags, edits, inclusions, and what is archived or has a name of its own."""
    emulator = an_emulator(a_live_flag(), a_live_flag("old", archived=True), projects={"7": DEPLOYMENTS, "8": {}})
    ask(emulator, "POST", "/flags/1001/variants/control/users", {"inclusions": ["ada", "é", '"']})
    ask(emulator, "PATCH", "/flags/1001", {"tags": ["a"], "rolloutPercentage": 3})
    ask(emulator, "POST", "/flags", {"projectId": "8", "key": "made"})
    ask(emulator, "POST", "/deployments", {"projectId": "8", "label": "backend", "type": "server"})
    ask(emulator, "PATCH", "/deployments/68", {"archive": True})
    return emulator


def answers(emulator: Emulator) -> list[bytes]:
    paths = ("/flags?includeArchived=true", "/flags/1001", "/flags/1001/versions", "/versions", "/deployments")
    return [ask(emulator, "GET", path).body for path in paths]


def test_a_loaded_state_answers_like_the_one_that_was_saved() -> None:
    """Flags, versions, keys, projects and their order survive, to the byte."""
    first, second = lived(), Emulator()
    second.load(first.dump())
    assert second.dump() == first.dump()
    assert answers(second) == answers(first)
    assert json.loads(first.dump())["format"] == 1


def test_new_ids_do_not_meet_loaded_ones() -> None:
    """A create after loading gets an id of its own."""
    second = Emulator()
    second.load(lived().dump())
    created = ask(second, "POST", "/flags", {"projectId": "7", "key": "later"}).json()["id"]
    assert created == "1004"


def test_every_write_is_in_the_file_at_once(tmp_path: Path) -> None:
    """Another emulator on the same file begins where the first one ended."""
    path = tmp_path / "state.json"
    first = an_emulator(a_live_flag(), state_file=path)
    ask(first, "PATCH", "/flags/1001", {"rolloutPercentage": 42})
    assert path.read_bytes() == first.dump()
    second = Emulator(state_file=path)
    assert flag_of(second, "new-checkout")["rolloutPercentage"] == 42
    assert ask(second, "GET", "/flags").status == 200
    assert len(second.store.versions_of("1001")) == 2


def test_every_change_is_in_the_file(tmp_path: Path) -> None:
    """Also what no endpoint does: projects, keys, deployments, seeds, edits without a version, removals."""
    path = tmp_path / "state.json"
    assert Emulator(state_file=path).dump() == path.read_bytes()
    emulator = an_emulator(state_file=path)
    store = emulator.store
    deployment: Any = {"id": "5", "projectId": "9", "label": "l", "key": "k", "deleted": False}
    states = {path.read_bytes()}
    for number, act in enumerate(
        (
            lambda: store.add_project("8", {"80": "web"}),
            lambda: store.add_key("another", "bob@example.com", ["8"]),
            lambda: store.put_deployment(deployment),
            lambda: store.seed_flag({"projectId": "7", "key": "a", "id": "1"}),
            lambda: store.seed_flags([{"projectId": "7", "key": "b", "id": "2"}]),
            lambda: store.seed_experiment({"projectId": "7", "key": "e"}),
            lambda: store.put_flag({**store.flags["1"], "name": "put"}, "bob@example.com"),
            lambda: store.commit({**store.flags["1"], "name": "committed"}, "bob@example.com", bumps=False),
            lambda: store.remove(["2"]),
            emulator.reset,
        ),
        1,
    ):
        act()
        states.add(path.read_bytes())
        assert path.read_bytes() == emulator.dump()
        assert len(states) == number + (number < 10)  # the last one is the first again


def test_a_state_that_is_put_there_is_in_the_file_too(tmp_path: Path) -> None:
    """It outlives the server as an edit does."""
    path = tmp_path / "state.json"
    emulator = an_emulator(state_file=path)
    state = lived().dump()
    emulator.load(state)
    assert path.read_bytes() == state


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    """The file is replaced in one step."""
    emulator = an_emulator(state_file=tmp_path / "state.json")
    ask(emulator, "POST", "/flags", {"projectId": "7", "key": "made"})
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_a_refused_write_leaves_the_file_alone(tmp_path: Path) -> None:
    """A 400 writes nothing."""
    path = tmp_path / "state.json"
    emulator = an_emulator(a_live_flag(), state_file=path)
    before = path.stat().st_mtime_ns
    ask(emulator, "PATCH", "/flags/1001", {"rolloutPercentage": -1})
    assert path.stat().st_mtime_ns == before


def test_a_state_may_be_written_by_hand() -> None:
    """Ids, versions and most fields may be missing; flags come in the order of the file, the oldest first."""
    state: dict[str, Any] = {
        "projects": {"7": {"deployments": [{"id": "67"}]}, "8": {}},
        "keys": {KEY: {"user": USER, "projects": ["7"]}},
        "flags": [
            {"projectId": "7", "key": "first", "variants": [{"key": "on", "inclusions": {"users": ["ada"]}}]},
            {"projectId": "7", "key": "second", "id": "1001"},
            {"projectId": "7", "key": "third"},
        ],
    }
    emulator = Emulator()
    emulator.load(json.dumps(state).encode())
    assert [flag["key"] for flag in ask(emulator, "GET", "/flags").json()["flags"]] == ["third", "second", "first"]
    assert variant_of(emulator, "first", "on")["users"] == ["ada"]
    assert (flag_of(emulator, "first")["id"], flag_of(emulator, "third")["id"]) == ("1002", "1003")
    assert [item["version"] for item in ask(emulator, "GET", "/flags/1001/versions").json()] == [1]
    assert ask(emulator, "GET", "/deployments").json()["deployments"] == [
        {"id": "67", "projectId": "7", "label": "67", "key": "client-67", "deleted": False}
    ]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{",
        b'{"format": 2}',
        b'{"flags": [{"key": "a"}]}',
        b'{"flags": [{"projectId": "7"}]}',
        b'{"flags": {"a": 1}}',
        b'{"flags": 5}',
        b'{"flags": [5]}',
        b'{"projects": {"7": {"deployments": 5}}}',
        b'{"flags": [{"projectId": "7", "key": "a", "id": 5}]}',
        b'{"flags": [{"projectId": "7", "key": "a", "id": "5"}, {"projectId": "7", "key": "b", "id": "5"}]}',
        b'{"keys": {"k": {"user": "ada@example.com"}}}',
        b'{"versions": [{"version": 1}]}',
        b'{"projects": {"7": {"deployments": [{"label": "web"}]}}}',
    ],
)
def test_what_is_not_a_state_is_refused_whole(document: bytes) -> None:
    """A broken document raises, and the state before it stays."""
    emulator = lived()
    before = emulator.dump()
    with pytest.raises(StateError, match="not a state of the emulator"):
        emulator.load(document)
    assert emulator.dump() == before


def test_reset_comes_back_to_the_remembered_state() -> None:
    """After edits the flags, versions, deployments, keys and the empty log of the start are back, each time."""
    emulator = an_emulator(a_live_flag())
    start = emulator.dump()
    for _ in range(2):
        ask(emulator, "PATCH", "/flags/1001", {"enabled": False})
        ask(emulator, "POST", "/flags/1001/variants/control/users", {"inclusions": ["ada"]})
        created = ask(emulator, "POST", "/flags", {"projectId": "7", "key": "made"}).json()
        assert created["id"] == "1002"
        assert ask(emulator, "PATCH", "/deployments/67", {"label": "site"}).status == 200
        emulator.store.add_project("7", {"81": "more"})
        emulator.store.add_key("another", "bob@example.com", ["7"])
        assert emulator.dump() != start
        emulator.reset()
        assert emulator.dump() == start
        assert emulator.log == []


def test_reset_comes_back_to_the_beginning_where_nothing_was_remembered(tmp_path: Path) -> None:
    """What the file held, or nothing."""
    path = tmp_path / "state.json"
    path.write_bytes(lived().dump())
    for emulator in (Emulator(), Emulator(state_file=path)):
        start = emulator.dump()
        emulator.store.seed_flag({"projectId": "7", "key": "later"})
        emulator.reset()
        assert emulator.dump() == start


def test_the_dump_tells_any_two_states_apart() -> None:
    """An inclusion alone, even without a version, changes the bytes."""
    emulator = an_emulator(a_live_flag())
    before = emulator.dump()
    ask(emulator, "POST", "/flags/1001/variants/control/users", {"inclusions": ["ada"]})
    assert emulator.dump() != before

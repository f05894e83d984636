"""Experiments: they are shown, share keys and ids with flags, and cannot be changed."""

from __future__ import annotations

import json

from emulators import a_live_flag, an_emulator, ask

EXPERIMENT = {"projectId": "7", "key": "pricing", "state": "planning"}


def test_experiments_are_shown_as_flags_are_with_a_state() -> None:
    """By list, with the same filters, and by id; in no list of flags."""
    emulator = an_emulator(a_live_flag())
    made = emulator.store.seed_experiment(EXPERIMENT)
    other = emulator.store.seed_experiment({"projectId": "8", "key": "elsewhere"})
    assert other["state"] == "running"
    (listed,) = ask(emulator, "GET", "/experiments?projectId=7").json()["experiments"]
    assert (listed["key"], listed["state"], listed["id"]) == ("pricing", "planning", made["id"])
    assert ask(emulator, "GET", "/experiments?projectId=7&key=price").json()["experiments"] == []
    assert ask(emulator, "GET", f"/experiments/{made['id']}").json()["key"] == "pricing"
    assert ask(emulator, "GET", "/experiments/1").status == 404
    assert [item["key"] for item in ask(emulator, "GET", "/flags").json()["flags"]] == ["new-checkout"]
    assert ask(emulator, "PATCH", f"/experiments/{made['id']}", {"name": "x"}).status == 405


def test_a_key_of_an_experiment_is_taken() -> None:
    """A flag of that key cannot be made in the same project, and ids are never given twice."""
    emulator = an_emulator()
    made = emulator.store.seed_experiment(EXPERIMENT)
    body = {"projectId": "7", "key": "pricing", "variants": [{"key": "on"}]}
    refused = ask(emulator, "POST", "/flags", body)
    assert (refused.status, b"experiment" in refused.body) == (400, True)
    created = ask(emulator, "POST", "/flags", body | {"key": "other"}).json()
    assert created["id"] != made["id"]


def test_a_state_holds_experiments() -> None:
    """They come back with it; a state without any says nothing of them."""
    emulator = an_emulator()
    assert b"experiments" not in emulator.dump()
    emulator.store.seed_experiment(EXPERIMENT)
    state = emulator.dump()
    other = an_emulator()
    other.load(state)
    assert other.dump() == state
    assert json.loads(state)["experiments"][0]["key"] == "pricing"


def test_flags_of_a_state_without_salts_get_different_ones() -> None:
    """The same salt would put the same users into the same places of every flag."""
    emulator = an_emulator()
    flags = [{"id": str(number), "projectId": "7", "key": f"f{number}"} for number in range(5)]
    emulator.load(json.dumps({"flags": flags}).encode())
    assert len({flag["bucketingSalt"] for flag in emulator.store.flags.values()}) == 5

"""`evaluate`: one user with the reasons, a file of users in numbers; GET only."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from emulators import seeded
from jsonschema import Draft202012Validator

from reconciler.evaluation.hashing import coordinates, hash_of
from reconciler.files.schema import load_schema
from reconciler.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

USER = ("--property", "amplitude_id=1001")
PARENT = {"key": "parent", "id": "900", "enabled": True, "rolloutPercentage": 100, "variants": [{"key": "on"}]}


def document(repository: Repository, *arguments: str) -> dict[str, Any]:
    """The JSON document of a command, held against its schema."""
    ran = repository.run("evaluate", *arguments, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    Draft202012Validator(load_schema("evaluation")).validate(found)
    return found


def users_file(repository: Repository, count: int = 500) -> Path:
    """A file of so many users, and two that are listed."""
    people: list[dict[str, Any]] = [
        {"user_id": f"secret-{number}", "amplitude_id": number} for number in range(count)
    ]
    people += [{"user_id": "ada@example.com"}, {"device_id": "ada@example.com", "country": "US"}]
    return repository.write("users.jsonl", "".join(json.dumps(person) + "\n" for person in people))


def test_one_user_with_the_arithmetic(repository: Repository) -> None:
    """Both sides, the reason, the hash and the range in text on stdout; nothing is written."""
    salt = repository.live("new-checkout")["bucketingSalt"]
    number = next(n for n in range(1000) if 10 <= coordinates(hash_of(salt, str(n)))[0] < 50)
    allocation, distribution = coordinates(hash_of(salt, str(number)))
    variant = "control" if distribution < 21474837 else "treatment"

    ran = repository.run("evaluate", "new-checkout", "--property", f"amplitude_id={number}")

    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert "live     off" in ran.out
    assert f"desired  {variant}" in ran.out
    assert f"  {allocation} is not below 10: not allocated, no variant." in lines
    hashed = f'  murmur3("{salt}/{number}") = {hash_of(salt, str(number))}: allocation {allocation}'
    assert any(line.startswith(hashed) for line in lines)
    assert any(line.startswith(f"  {allocation} is below 50: allocated. {distribution} lies in ") for line in lines)
    assert lines[-1] == f"The plan moves this user from off to {variant}."
    assert repository.emulator.writes == []
    assert {entry.method for entry in repository.emulator.log} == {"GET"}


def test_listed_users_are_recognised_by_either_id(repository: Repository) -> None:
    """A listed id decides, as user id or as device id; both sides agree and are explained once."""
    for option in ("--user-id", "--device-id"):
        ran = repository.run("evaluate", "new-checkout", option, "ada@example.com")
        assert "live     treatment  listed in the variant" in ran.out
        assert "live and desired\n  Listed in variant treatment" in ran.out
        assert ran.out.splitlines()[-1] == "The plan does not move this user."


def test_the_document_of_a_user(repository: Repository) -> None:
    """Variant, reason and bucket of both sides; the user is repeated as typed; moved is a claim."""
    found = document(repository, "new-checkout", *USER, "--property", "plan=pro")
    allocation, distribution = coordinates(hash_of(repository.live("new-checkout")["bucketingSalt"], "1001"))
    assert found["user"] == {"amplitude_id": "1001", "plan": "pro"}
    for side, percentage in (("live", 10), ("desired", 50)):
        bucket = found[side]["bucket"]
        assert (bucket["allocation"], bucket["distribution"]) == (allocation, distribution)
        assert (bucket["percentage"], bucket["key"], bucket["value"]) == (percentage, "amplitude_id", "1001")
        assert bucket["ranges"] == [
            {"variant": "control", "from": 0, "to": 21474836},
            {"variant": "treatment", "from": 21474837, "to": 42949672},
        ]
        is_allocated = allocation < percentage
        assert found[side]["standing"] == ("allocated" if is_allocated else "not-allocated")
        assert (found[side]["variant"] != "off") is is_allocated
    assert found["moved"] is (found["live"]["variant"] != found["desired"]["variant"])


def test_segments_are_named(repository: Repository) -> None:
    """The first that matches, by its name, with a property given either way."""
    condition = {"prop": "gp:plan", "op": "is", "values": ["pro"]}
    segment = {"name": "Beta", "conditions": [condition], "percentage": 100, "rolloutWeights": {"treatment": 1}}
    repository.write("flags/new-checkout.yaml", json.dumps({"key": "new-checkout", "targetSegments": [segment]}))
    for name in ("plan", "gp:plan"):
        desired = document(repository, "new-checkout", *USER, "--property", f"{name}=pro")["desired"]
        assert (desired["variant"], desired["segment"], desired["standing"]) == ("treatment", "Beta", "everyone")
    assert (
        'segment "Beta": everyone gets it' in repository.run("evaluate", "new-checkout", "--property", "plan=pro").out
    )


def test_parents_are_evaluated(repository: Repository) -> None:
    """What the user gets from a flag that this one depends on, and what lets users through."""
    dependencies = {"flags": {"900": ["other"]}, "operator": "ALL"}
    child = {
        "key": "child", "enabled": True, "rolloutPercentage": 100, "variants": [{"key": "a"}],
        "parentDependencies": dependencies,
    }  # fmt: skip
    seeded(repository.emulator, [PARENT, child])
    found = document(repository, "child", "--user-id", "x")
    assert (found["live"]["variant"], found["live"]["reason"]) == ("off", "dependency")
    assert found["live"]["dependencies"] == [{"id": "900", "key": "parent", "allowed": ["other"], "variant": "on"}]
    repository.emulator.log.clear()
    ran = repository.run("evaluate", "child", "--user-id", "x", "--verbose")
    assert f"Read 2 flags with {len(repository.emulator.log)} requests from {repository.url}.\n" in ran.err
    assert 'Depends on flag "parent": other lets users through, and this user gets on.' in ran.out


def test_a_file_is_counted_and_no_user_shown(repository: Repository) -> None:
    """Counts, shares and moves in text; the last line says how many the plan moves; no id is anywhere."""
    users_file(repository)
    ran = repository.run("evaluate", "new-checkout", "--users", "users.jsonl", "--verbose")
    salt = repository.live("new-checkout")["bucketingSalt"]
    places = [coordinates(hash_of(salt, str(number)))[0] for number in range(500)]
    moved = sum(10 <= place < 50 for place in places)
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == f"The plan moves {moved} of 502 users ({round(moved / 5.02, 2):g}%)."
    assert "502 users of users.jsonl" in ran.out
    assert "secret" not in ran.out + ran.err
    assert "ada@" not in ran.out + ran.err

    found = document(repository, "new-checkout", "--users", "users.jsonl")
    assert found["moved"] == {"count": moved, "percent": round(moved / 5.02, 4)}
    off = next(row for row in found["variants"] if row["variant"] == "off")
    assert (off["live"]["count"], off["desired"]["count"]) == (
        sum(place >= 10 for place in places), sum(place >= 50 for place in places),
    )  # fmt: skip
    assert {
        "reason": found["reasons"][0]["reason"], "live": found["reasons"][0]["live"]["count"],
    } == {"reason": "inclusion", "live": 2}  # fmt: skip
    assert "secret" not in json.dumps(found)


def test_users_of_a_file_are_counted_as_progress(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end that is known."""
    stages: list[Progress] = []
    start = Progress.start

    def noting(self: Progress, *what: Any, **options: Any) -> None:
        start(self, *what, **options)
        stages.append(self)

    monkeypatch.setattr(Progress, "start", noting)
    users_file(repository, 3)
    assert repository.run("evaluate", "new-checkout", "--users", "users.jsonl").code == 0
    (stage,) = stages
    assert (stage.what, stage.done, stage.total, stage.unit) == ("Evaluating", 5, None, "users")


def test_a_dash_reads_stdin(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as from a file, without one."""
    lines = users_file(repository).read_bytes()
    expected = document(repository, "new-checkout", "--users", "users.jsonl")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert document(repository, "new-checkout", "--users", "-") == expected


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_that_is_no_user_is_named_only(repository: Repository, form: str) -> None:
    """Exit code 3 with file and line, and nothing of what the line holds."""
    repository.write("users.jsonl", '{"user_id": "a"}\n{"user_id": ["secret@example.com"]}\nsecret@example.com\n')
    ran = repository.run("evaluate", "new-checkout", "--users", "users.jsonl", "--format", form, "--verbose")
    assert ran.code == 3
    assert "users.jsonl:2:1: error: user_id is a string or a whole number." in ran.err
    assert "users.jsonl:3:1: error: Not JSON" in ran.err
    assert "secret" not in ran.out + ran.err
    if form == "json":
        assert [item["line"] for item in json.loads(ran.out)["error"]["findings"]] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["new-checkout"], "Missing option"),
        (["new-checkout", "--user-id", "a", "--users", "reconciler.yaml"], "no other user can be given beside it"),
        (["new-checkout", "--device-id", "a", "--users", "reconciler.yaml"], "no other user can be given beside it"),
        (["new-checkout", "--property", "a=b", "--users", "-"], "no other user can be given beside it"),
        (["new-checkout", "--users", "absent.jsonl"], "absent.jsonl"),
        (["new-checkout", "--property", "country"], "NAME=VALUE"),
        (["new-checkout", "--property", "=US"], "NAME=VALUE"),
        (["new-checkout", "--property", "groups=acme"], "Not JSON"),
        (["--user-id", "a"], "KEY"),
    ],
)
def test_wrong_usage(repository: Repository, arguments: list[str], says: str) -> None:
    """Exit code 64, before anything is sent."""
    ran = repository.run("evaluate", *arguments)
    assert ran.code == 64
    assert says in ran.err
    assert repository.emulator.log == []


def test_an_unknown_key_names_the_nearest(repository: Repository) -> None:
    """A key that exists neither live nor declared fails, as for history and rollback; one look-up says so."""
    ran = repository.run("evaluate", "new-chekout", "--user-id", "a", "--format", "json")
    error = json.loads(ran.out)["error"]
    assert (ran.code, error["kind"]) == (1, "failed")
    assert 'Did you mean "new-checkout"?' in error["message"]
    assert len(repository.emulator.log) == 1
    said = 'There is no flag with the key "zzz" in project 7, and no flag file declares one.'
    assert repository.run("evaluate", "zzz", "--user-id", "a").err == f"Error: {said}\n"


def test_flags_that_one_side_lacks(repository: Repository) -> None:
    """Undeclared: the sides are one. Not live: nothing there, and a salt still to be drawn hides the variant."""
    found = document(repository, "other-flag", *USER)
    assert (found["declared"], found["live"], found["moved"]) == (False, found["desired"], False)
    repository.write(
        "flags/brand-new.yaml",
        "key: brand-new\nenabled: true\nrolloutPercentage: 30\nvariants: [{key: a}]\nrolloutWeights: {a: 1}\n",
    )
    found = document(repository, "brand-new", *USER)
    assert (found["id"], found["live"]["reason"], found["moved"]) == (None, "absent", None)
    assert (found["desired"]["variant"], found["desired"]["standing"]) == (None, "unknown-salt")
    ran = repository.run("evaluate", "brand-new", *USER)
    assert "The salt is not known, so the variant is not. Of all its users: 30% a, 70% off." in ran.out
    assert ran.out.splitlines()[-1] == "It is unknown whether the plan moves this user."
    users_file(repository)
    found = document(repository, "brand-new", "--users", "users.jsonl")
    assert (found["undecided"]["count"], found["variants"][-1]["variant"]) == (500, None)
    ran = repository.run("evaluate", "brand-new", "--users", "users.jsonl")
    assert "For 500 users it is unknown whether the plan moves them." in ran.out


def test_a_refused_key_is_exit_code_4(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every command that asks the server."""
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", "wrong-management-key-canary")
    ran = repository.run("evaluate", "new-checkout", *USER, "--format", "json")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (4, "auth")
    assert "canary" not in ran.out + ran.err


def test_names_from_elsewhere_are_shown_harmlessly(repository: Repository) -> None:
    """A segment's name and a typed value with controls and right-to-left marks are shown as escapes."""
    hostile = "Be\x1b[31mta\u202e"
    segment = {
        "name": hostile, "percentage": 100, "rolloutWeights": {"treatment": 1},
        "conditions": [{"prop": "country", "op": "is", "values": ["US"]}],
    }  # fmt: skip
    seeded(repository.emulator, [{"key": "hostile", "enabled": True, "variants": [{"key": "treatment"}],
                                  "targetSegments": [segment]}])  # fmt: skip
    ran = repository.run("evaluate", "hostile", "--property", "country=US", "--user-id", "a\x1b\n::error::x")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert not any(line.startswith("::") for line in ran.out.splitlines())

"""`--target`: what matches nothing is said, and a key that is nowhere is wrong usage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from emulators import seeded

if TYPE_CHECKING:
    from conftest import Repository

COMMANDS = (("plan",), ("apply", "--auto-approve"), ("drift",), ("import",), ("drift", "--budget", "50"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_that_is_nowhere_is_wrong_usage(repository: Repository, command: tuple[str, ...]) -> None:
    """64, with the key that may have been meant; nothing is written, neither here nor there."""
    ran = repository.run(*command, "--target", "new-chekout")
    assert ran.code == 64
    assert 'no flag "new-chekout", neither declared nor live. Did you mean "new-checkout"?' in ran.err
    assert repository.emulator.writes == []
    assert [path.name for path in (repository.root / "flags").iterdir()] == ["new-checkout.yaml"]


@pytest.mark.parametrize(
    "command",
    [
        *((*command, "--target") for command in COMMANDS),
        ("drift", "--acknowledge"),
        ("advance", "--target"),
        ("history",),
        ("rollback",),
        ("evaluate",),
        ("serve", "--set"),
    ],
)
@pytest.mark.parametrize("key", ["NEW-CHECKOUT", "New-Chekout", "new-checkuot"])
def test_every_command_names_the_key_that_may_be_meant(
    repository: Repository, command: tuple[str, ...], key: str
) -> None:
    """However it is written; no request is sent for that alone."""
    more = {
        "rollback": ("--to", "1"),
        "evaluate": ("--user-id", "a"),
        "--acknowledge": ("--until", "2999-01-01"),
    }.get(command[-1], ())
    given = f"{key}=treatment" if "--set" in command else key
    ran = repository.run(*command, given, *more)
    assert ran.code in {1, 64}
    assert 'Did you mean "new-checkout"?' in ran.err
    asked = len(repository.emulator.log)
    repository.emulator.log.clear()
    given = given.replace(key, "zzz")
    assert "Did you mean" not in repository.run(*command, given, *more).err
    assert len(repository.emulator.log) == asked


def test_a_declared_flag_that_is_not_live_is_not_taken_for_another(repository: Repository) -> None:
    repository.write("flags/to-come.yaml", "key: new-checkouts\nvariants: [{key: 'on'}]\n")
    ran = repository.run("history", "new-checkouts")
    assert (ran.code, "Did you mean" in ran.err) == (1, False)


@pytest.mark.parametrize(("name", "is_key"), [("new-checkout", True), ("NEW*", True), ("plan.json", False)])
def test_a_key_in_place_of_a_saved_plan(repository: Repository, name: str, *, is_key: bool) -> None:
    """Keys are given with --target."""
    ran = repository.run("apply", name, "--auto-approve")
    assert (ran.code, ran.err.endswith(f"Did you mean --target {name}?\n")) == (64, is_key)
    repository.write(name, "")
    assert "Did you mean" not in repository.run("apply", name, "--auto-approve").err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pattern_that_matches_nothing_is_a_warning(repository: Repository, command: tuple[str, ...]) -> None:
    """It may be meant for flags to come; other targets are done."""
    ran = repository.run(*command, "--target", "later-*", "--target", "other-flag")
    assert ran.code == 0
    assert 'The target "later-*" matches no flag, neither declared nor live.' in ran.out + ran.err


def test_a_misspelt_target_is_said_in_json(repository: Repository) -> None:
    """The document of a failure, with the code."""
    ran = repository.run("drift", "--target", "typo", "--format", "json")
    assert json.loads(ran.out)["error"]["exitCode"] == ran.code == 64


def test_drift_since_looks_a_target_up_that_was_not_edited(repository: Repository) -> None:
    """Where only edits are read, a flag that is not declared may still be live: one request tells."""
    since = ("drift", "--since", "2030-01-01T00:00:00Z")
    repository.write("flags/to-come.yaml", "key: to-come\nvariants: [{key: 'on'}]\n")
    for key, code in (("other-flag", 0), ("new-checkout", 0), ("to-come", 0), ("new-chekout", 64)):
        ran = repository.run(*since, "--target", key)
        assert (ran.code, "neither declared nor live" in ran.err) == (code, code == 64), ran.err
    said = 'The target "later-*" matches no flag, neither declared nor edited since then.'
    assert said in repository.run(*since, "--target", "later-*", "--target", "new-checkout").out


def test_a_flag_that_is_declared_and_not_live_cannot_be_imported(repository: Repository) -> None:
    """It is somewhere: a warning, and nothing to write."""
    repository.write("flags/to-come.yaml", "key: to-come\nvariants: [{key: 'on'}]\n")
    ran = repository.run("import", "--target", "to-come")
    assert (ran.code, '"to-come" is declared, but not live' in ran.err) == (0, True)


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_an_override_of_a_flag_that_is_nowhere_is_a_warning(repository: Repository, command: tuple[str, ...]) -> None:
    """It overrides nothing, so it can only be misspelt; keys of flags that are only live are known."""
    ran = repository.run(*command, "--allow", "rebucket:new-chekout", "--allow", "kill-switch:other-flag")
    assert ran.code == 0
    assert (
        'Warning: --allow rebucket:new-chekout overrides nothing: there is no flag "new-chekout". '
        'Did you mean "new-checkout"?' in ran.err
    )
    assert "kill-switch" not in ran.err


def test_an_override_of_a_flag_that_is_there_twice_is_none_of_them(repository: Repository) -> None:
    seeded(repository.emulator, [{"key": "twice", "variants": [{"key": "on"}]} for _ in range(2)])
    assert "overrides nothing" not in repository.run("plan", "--allow", "rebucket:twice").err


def test_an_override_of_a_saved_plan_was_warned_of_when_it_was_made(repository: Repository) -> None:
    """An apply of it reads its own flags alone, and cannot tell."""
    assert "overrides nothing" in repository.run("plan", "--allow", "rebucket:nobody", "--out", "plan.json").err
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert (ran.code, ran.err) == (0, "")


def test_an_override_that_there_is_not_names_the_nearest(repository: Repository) -> None:
    """64, before any request."""
    for guard in ("rebuckt", "REBUCKET"):
        ran = repository.run("plan", "--allow", f"{guard}:new-checkout")
        assert (ran.code, 'Did you mean "rebucket"?' in ran.err) == (64, True)
    assert repository.emulator.log == []

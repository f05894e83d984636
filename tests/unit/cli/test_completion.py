"""What shells complete from the files of the repository; wrong files complete nothing, and say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli.main import cli, run
from reconciler.planning.guards import ALLOWABLE, ALLOWABLE_BY_FLAG

if TYPE_CHECKING:
    from conftest import Repository

ENVIRONMENTS = 'version: 1\nprojectId: "7"\nenvironments: {staging: {}, production: {}}\n'


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    *before, incomplete = words
    shell = ShellComplete(cli, {}, "reconciler", "_RECONCILER_COMPLETE")
    return [item.value for item in shell.get_completions(before, incomplete)]


@pytest.mark.parametrize(
    "words",
    [
        *((name, "--target") for name in ("plan", "apply", "drift", "advance", "watch", "import")),
        *((name,) for name in ("evaluate", "history", "rollback")),
    ],
    ids=" ".join,
)
def test_keys_of_declared_flags_are_offered(repository: Repository, words: tuple[str, ...]) -> None:
    """All of them, of all environments, and those that begin as what is typed."""
    repository.write("reconciler.yaml", ENVIRONMENTS)
    repository.write("flags/more.yaml", "key: nearby\nonlyIn: [staging]\n---\nkey: other\n")
    assert offered(*words, "") == ["nearby", "new-checkout", "other"]
    assert offered(*words, "ne") == ["nearby", "new-checkout"]
    assert repository.emulator.log == []


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("plan --target =", ["nearby", "new-checkout", "other"]),
        ("plan --target = ne", ["nearby", "new-checkout"]),
        ("plan --env = production --target = ne", ["new-checkout"]),
        ("plan --env = production --target ne", ["new-checkout"]),
        ("plan --allow = rebucket:ne", ["rebucket:nearby", "rebucket:new-checkout"]),
        ("plan --target=ne", ["nearby", "new-checkout"]),
    ],
)
def test_bash_takes_options_apart(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    wanted: list[str],
) -> None:
    """At `=`, as long as COMP_WORDBREAKS has it."""
    repository.write("reconciler.yaml", ENVIRONMENTS)
    repository.write("flags/more.yaml", "key: nearby\nonlyIn: [staging]\n---\nkey: other\n")
    monkeypatch.setenv("_RECONCILER_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"reconciler {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert run([]) == 0
    assert capsys.readouterr().out.split() == [f"plain,{word}" for word in wanted]


@pytest.mark.parametrize("command", ["plan", "apply", "advance"])
def test_guards_are_offered_with_the_keys_that_they_take(repository: Repository, command: str) -> None:
    """KIND for each, KIND:KEY for those of one flag."""
    repository.write("flags/more.yaml", "key: nearby\n")
    assert set(offered(command, "--allow", "")) == set(ALLOWABLE)
    assert "kill-switch" in offered(command, "--allow", "kill")
    for guard in ALLOWABLE:
        keys = [f"{guard}:nearby", f"{guard}:new-checkout"] if guard in ALLOWABLE_BY_FLAG else []
        assert offered(command, "--allow", f"{guard}:") == keys
    assert offered(command, "--allow", "rebucket:new") == ["rebucket:new-checkout"]


def test_environments_are_offered(repository: Repository) -> None:
    """Those of the configuration that is named, too."""
    assert offered("plan", "--env", "") == []
    repository.write("sub/reconciler.yaml", ENVIRONMENTS)
    assert offered("plan", "--config", "sub/reconciler.yaml", "--env", "") == ["production", "staging"]
    assert offered("drift", "-c", "sub/reconciler.yaml", "-e", "st") == ["staging"]


@pytest.mark.parametrize("broken", ["reconciler.yaml", "flags/new-checkout.yaml"])
def test_files_that_are_wrong_offer_nothing(repository: Repository, broken: str) -> None:
    """And nothing is written between what the user types."""
    repository.write(broken, "key: [\n")
    assert offered("plan", "--target", "") == []
    assert repository.capture.readouterr() == ("", "")


def test_a_directory_that_is_gone_offers_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may stand in one that was removed."""
    gone = repository.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert [offered("plan", name, "") for name in ("--target", "--env")] == [[], []]

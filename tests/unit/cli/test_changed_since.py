"""`--changed-since`: what git says differs, and nothing else, is looked at."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from emulators import PROJECT

from reconciler.cli.checkout import checkout_of, current_commit
from reconciler.cli.commit_files import Changes, changes_since
from reconciler.errors import ReconcilerError, UsageError
from reconciler.files.config_file import load_config
from reconciler.files.load import load_desired

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState


def git(directory: Path, *arguments: str) -> str:
    """Run git with a fixed identity."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(directory), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def committed(repository: Repository) -> Repository:
    """The repository, with two flag files and everything committed."""
    repository.write("flags/other.yaml", "key: other-flag\nname: Other\n")
    git(repository.root, "init", "-q", "-b", "main")
    git(repository.root, "add", ".")
    git(repository.root, "commit", "-q", "-m", "Begin")
    return repository


def test_only_flags_of_changed_files_are_planned(committed: Repository) -> None:
    """The other flag differs live too, but its file did not change."""
    committed.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert ran.out.splitlines()[-1].startswith("Plan: 0 create, 1 update, 0 archive; 1 API calls")
    assert "other-flag  " not in ran.out


def test_flags_of_changed_files_are_named_in_order(committed: Repository) -> None:
    """Where more is to be said."""
    for name in "hgfedcba":
        committed.write(f"flags/{name}.yaml", f"key: {name}\n")
    ran = committed.run("plan", "--changed-since", "HEAD", "--verbose")
    assert "Flags declared otherwise than at HEAD: a, b, c, d, e, f, g, h.\n" in ran.err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("key: gone\nnmae: x\n", "gone"), ("key: b\nnmae: x\n---\nkey: a\n---\n[1]\n", "a, b"),
        ("key: '*'\nnmae: x\n", "none"), ("key: 5\nnmae: x\n", "none"), ("key: [\n", "none"),
    ],
)  # fmt: skip
def test_flags_of_a_file_that_was_invalid_and_is_gone(committed: Repository, text: str, named: str) -> None:
    """May have been declared there, by the keys that could be read and that flags can have."""
    committed.write("flags/gone.yaml", text)
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Invalid")
    (committed.root / "flags/gone.yaml").unlink()
    ran = committed.run("plan", "--changed-since", "HEAD", "--verbose")
    assert f"Flags declared otherwise than at HEAD: {named}.\n" in ran.err


def cut_short(committed: Repository) -> tuple[str, str, str]:
    """A commit, one after it that may have been applied in part, and the flag's file before that one, put back."""
    first = git(committed.root, "rev-parse", "HEAD")
    before = (committed.root / "flags/other.yaml").read_text(encoding="utf-8")
    committed.write("flags/other.yaml", "key: other-flag\nname: Another\n")
    git(committed.root, "commit", "-q", "-am", "Cut short")
    between = git(committed.root, "rev-parse", "HEAD")
    committed.write("flags/other.yaml", before)
    return first, between, before


def test_a_second_commit_adds_the_flags_that_changed_since_then(committed: Repository) -> None:
    """Main says again what it said at first: an apply of the commit between may have been cut short."""
    first, between, before = cut_short(committed)
    assert "No changes." in committed.run("plan", "--changed-since", first).out
    assert "~ other-flag" in committed.run("plan", "--changed-since", first, "--changed-since", between).out
    committed.write("flags/other.yaml", "key: [\n")
    git(committed.root, "commit", "-q", "-am", "Invalid")
    invalid = git(committed.root, "rev-parse", "HEAD")
    committed.write("flags/other.yaml", before)
    assert "No changes." in committed.run("plan", "--changed-since", first, "--changed-since", invalid).out
    assert committed.run("plan", "--changed-since", first, "--changed-since", "nowhere").code == 64


def test_a_second_commit_whose_contents_are_missing_is_an_error(committed: Repository) -> None:
    """An apply of it may have been cut short: what it declared is not taken for nothing."""
    first, between, _ = cut_short(committed)
    content = git(committed.root, "rev-parse", "HEAD:flags/other.yaml")
    (committed.root / ".git/objects" / content[:2] / content[2:]).unlink()
    ran = committed.run("plan", "--changed-since", first, "--changed-since", between)
    assert (ran.code, "fetch enough history" in ran.err) == (1, True), ran


def test_a_second_commit_without_the_environment_adds_every_flag(committed: Repository) -> None:
    """It had another name then, or none, and an apply of that commit may have been cut short."""
    without = git(committed.root, "rev-parse", "HEAD")
    config = (committed.root / "reconciler.yaml").read_text(encoding="utf-8")
    project = f'environments: {{live: {{projectId: "{PROJECT}"}}}}\n'
    committed.write("reconciler.yaml", re.sub("projectId: .*\n", project, config))
    git(committed.root, "commit", "-q", "-am", "Name an environment")
    commits = ("--changed-since", "HEAD", "--changed-since", without)
    assert "No changes." in committed.run("plan", "--env", "live", *commits[:2]).out
    assert "~ other-flag" in committed.run("plan", "--env", "live", *commits).out


def test_a_new_file_counts_before_it_is_committed(committed: Repository) -> None:
    """Untracked flag files differ from any commit."""
    committed.write("flags/brand-new.yaml", "key: brand-new\nvariants: [{key: a}]\n")
    assert "+ brand-new" in committed.run("plan", "--changed-since", "HEAD").out


def test_an_ignored_file_counts(committed: Repository) -> None:
    """It is read like any other, and no commit holds it."""
    committed.write(".git/info/exclude", "*.local.yaml\n")
    committed.write("flags/b.local.yaml", "key: brand-new\nvariants: [{key: a}]\n")
    assert "+ brand-new" in committed.run("plan", "--changed-since", "HEAD").out


@pytest.mark.parametrize("is_submodule", [False, True])
def test_files_of_a_nested_repository_count(committed: Repository, *, is_submodule: bool) -> None:
    """Git names the directory only, and what is in it is no part of a commit."""
    nested = committed.write("flags/team/b.yaml", "key: brand-new\nvariants: [{key: a}]\n").parent
    git(nested, "init", "-q")
    git(nested, "add", ".")
    git(nested, "commit", "-q", "-m", "Nested")
    if is_submodule:
        git(committed.root, "-c", "advice.addEmbeddedRepo=false", "add", ".")
        git(committed.root, "commit", "-q", "-m", "Link")
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert "+ brand-new" in ran.out
    assert ran.out.splitlines()[-1].startswith("Plan: 1 create, 0 update, 0 archive")


@pytest.mark.parametrize("option", ["--skip-worktree", "--assume-unchanged"])
def test_files_that_git_does_not_look_at_count(committed: Repository, option: str) -> None:
    """Changed or deleted, git would say nothing of them; of the configuration neither."""
    names = ["flags/new-checkout.yaml", "flags/other.yaml"]
    git(committed.root, "update-index", option, *names)
    committed.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    (committed.root / "flags/other.yaml").unlink()
    ran = committed.run("plan", "--changed-since", "HEAD", "--format", "json")
    assert json.loads(ran.out)["options"]["targets"] == ["new-checkout", "other-flag"]
    git(committed.root, "update-index", option, "reconciler.yaml")
    committed.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    assert "every flag" in committed.run("plan", "--changed-since", "HEAD").err


def test_a_repository_of_another_user_is_named_as_the_cause(
    committed: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container git refuses a checkout of another's, which no deeper history mends."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert ran.code == 1
    assert "safe.directory" in ran.err
    assert "history" not in ran.err


def test_without_git_that_is_the_cause(committed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that the commit were unknown."""
    monkeypatch.setenv("PATH", str(committed.root))
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert ran.code == 1
    assert "git is not installed" in ran.err


def test_nothing_changed_needs_no_request(committed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0, No changes, and not one request."""
    monkeypatch.setattr("reconciler.cli.planning.now", lambda: datetime(2030, 1, 7, 8, tzinfo=UTC))
    ran = committed.run("plan", "--changed-since", "HEAD", "--out", "plan.json")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes.")
    assert committed.emulator.log == []
    empty = json.loads((committed.root / "plan.json").read_text())
    committed.run("plan", "--out", "whole.json")
    whole = json.loads((committed.root / "whole.json").read_text())
    assert empty["flags"] == []
    assert empty["createdAt"] == whole["createdAt"] == "2030-01-07T08:00:00Z"
    for field in ("projectId", "region", "environment", "commit", "tool"):
        assert empty[field] == whole[field], field
    assert committed.run("apply", "--changed-since", "HEAD", "--auto-approve").code == 0


def test_a_deleted_file_can_be_pruned(committed: Repository) -> None:
    """What the file declared at that commit is in scope of --prune."""
    (committed.root / "flags/new-checkout.yaml").unlink()
    ran = committed.run("plan", "--changed-since", "HEAD", "--prune")
    assert "- new-checkout  archive" in ran.out
    assert ran.out.splitlines()[-1].startswith("Plan: 0 create, 0 update, 1 archive")


@pytest.mark.parametrize("key", ["'*'", "o?her-flag", "'[a-z]*'", "(none)", "Other Flag", "[new-checkout]", "1"])
def test_a_key_of_an_old_commit_is_no_pattern(committed: Repository, key: str) -> None:
    """What a file called a flag before, and no flag can be called, widens nothing: not what is read, nor pruned."""
    committed.write("flags/odd.yaml", f"key: {key}\n")
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Odd")
    committed.write("flags/odd.yaml", "key: brand-new\nvariants: [{key: a}]\n")
    (committed.root / "flags/other.yaml").unlink()
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Mend")
    ran = committed.run("plan", "--changed-since", "HEAD", "--prune")
    assert ran.out.splitlines()[-1] == "No changes."
    committed.write("flags/odd.yaml", "key: brand-new\nname: New\nvariants: [{key: a}]\n")
    git(committed.root, "commit", "-q", "-am", "Name it")
    ran = committed.run("plan", "--changed-since", "HEAD~2", "--prune", "--format", "json")
    document = json.loads(ran.out)
    assert document["options"]["targets"] == ["brand-new", "other-flag"]


def test_another_configuration_means_every_flag(committed: Repository) -> None:
    """reconciler.yaml may change what any flag means."""
    committed.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert "Plan: 0 create, 2 update" in ran.out
    assert ran.err == "The configuration may differ from HEAD: every flag is compared.\n"
    committed.write("flags/other.yaml", "key: other-flag\n")
    narrowed = ("--target", "o*", "--record", "record.json")
    committed.run("plan", "--changed-since", "HEAD", *narrowed)
    assert json.loads((committed.root / "record.json").read_text())["unchanged"] == ["other-flag"]


@pytest.mark.parametrize(
    "change",
    ["none before", "region: eu\n", "ignore: [{flags: x, paths: [/name]}]\n", "flags: others\n", "projectId"],
)
def test_what_all_flags_rest_on(committed: Repository, change: str) -> None:
    """Where it differs, or was not there, no flag is left out."""
    file = committed.root / "reconciler.yaml"
    text = file.read_text()
    if change == "none before":
        git(committed.root, "rm", "--quiet", "--cached", "reconciler.yaml")
        git(committed.root, "commit", "-q", "-m", "Without")
    elif change == "projectId":
        file.write_text(text.replace(f'"{PROJECT}"', '"8"'))
    else:
        file.write_text(text + change)
    if change.startswith("flags"):
        (committed.root / "flags").rename(committed.root / "others")
    config = load_config(file, None)
    assert changes_since(config, load_desired(config), "HEAD") is None


def test_what_is_no_flag_file_declares_none(committed: Repository) -> None:
    """Neither now nor at that commit."""
    for name in ("flags/notes.md", "flags/old.yaml.txt", "flags/f.test.yaml"):
        committed.write(name, "key: no-flag\n")
    commit_all(committed)
    for name in ("flags/notes.md", "flags/old.yaml.txt", "flags/f.test.yaml"):
        (committed.root / name).unlink()
    config = load_config(committed.root / "reconciler.yaml", None)
    assert changes_since(config, load_desired(config), "HEAD") == Changes(keys=(), released={})


def commit_all(repository: Repository, message: str = "Change") -> None:
    """Commit everything in the checkout."""
    git(repository.root, "add", ".")
    git(repository.root, "commit", "-q", "-m", message)


def targets(repository: Repository, *options: str) -> list[str]:
    """Which flags a plan since the last commit is of."""
    ran = repository.run("plan", "--changed-since", "HEAD", "--format", "json", *options)
    found: list[str] = json.loads(ran.out)["options"]["targets"]
    return found


def test_only_the_documents_that_changed_are_planned(committed: Repository) -> None:
    """Two flags in one file: the one whose declaration is the same is not planned, however far the live one is."""
    both = "key: new-checkout\nrolloutPercentage: 50\n---\nkey: other-flag\nname: Other\n"
    (committed.root / "flags/other.yaml").unlink()
    committed.write("flags/new-checkout.yaml", both)
    commit_all(committed)
    committed.write("flags/new-checkout.yaml", "# moved\n" + both.replace("50", "60"))
    assert targets(committed) == ["new-checkout"]
    committed.write("flags/new-checkout.yaml", "owner: team-a\n" + both)
    assert targets(committed) == ["(none)"]


def test_a_flag_that_moves_to_another_file_is_the_same(committed: Repository) -> None:
    """And so is one that is written in other words."""
    (committed.root / "flags/other.yaml").rename(committed.root / "flags/renamed.yaml")
    committed.write("flags/new-checkout.yaml", "{rolloutPercentage: 50, key: new-checkout}\n")
    assert targets(committed) == ["(none)"]


def test_what_a_configuration_changes_for_some_flags_concerns_those(committed: Repository) -> None:
    """Limits concern none, a deployment's id those that name it; what cannot be read there concerns all."""
    config = (committed.root / "reconciler.yaml").read_text()
    committed.write("reconciler.yaml", config + "safety: {maxArchives: 1}\ndeployments: {web: '1'}\n")
    committed.write("flags/other.yaml", "key: other-flag\ndeployments: [web]\n")
    commit_all(committed)
    committed.write("reconciler.yaml", config + "safety: {maxArchives: 2}\ndeployments: {web: '1'}\n")
    assert targets(committed) == ["(none)"]
    committed.write("reconciler.yaml", config + "deployments: {web: '2'}\n")
    assert targets(committed) == ["other-flag"]
    valid = (committed.root / "reconciler.yaml").read_text()
    committed.write("reconciler.yaml", "version: [\n")
    commit_all(committed)
    committed.write("reconciler.yaml", valid)
    assert targets(committed) == []


def test_what_a_change_lets_go_of_is_named(committed: Repository) -> None:
    """A file that is gone and fields that are no longer declared, with the live values that stay."""
    text = "key: new-checkout\nrolloutPercentage: 10\nenabled: true\nvariants:\n"
    text += "- {key: control}\n- {key: treatment, inclusions: {users: [ada@example.com]}}\n"
    committed.write("flags/new-checkout.yaml", text)
    commit_all(committed)
    less = "key: new-checkout\nrolloutPercentage: 10\nvariants: [{key: control}, {key: treatment}]\n"
    committed.write("flags/new-checkout.yaml", less)
    (committed.root / "flags/other.yaml").unlink()
    ran = committed.run("plan", "--changed-since", "HEAD")
    fields = "enabled (live: true), variants/treatment/inclusions/users (live: not read)"
    assert f"new-checkout: released: {fields}" in ran.out
    assert ran.out.startswith("Plan for project 7 (us)"), "rows have their head, also where nothing is to be sent"
    assert "other-flag: released, live: off, 0 %" in ran.out
    assert "ada" not in ran.out
    document = json.loads(committed.run("plan", "--changed-since", "HEAD", "--format", "json").out)
    other = {"key": "other-flag", "path": "", "live": {"enabled": False, "rolloutPercentage": 0}}
    assert document["released"][-1] == other
    narrowed = committed.run("plan", "--changed-since", "HEAD", "--target", "other-flag", "--format", "json")
    assert json.loads(narrowed.out)["released"] == [other]
    markdown = committed.run("plan", "--changed-since", "HEAD", "--format", "markdown").out
    assert "released, live: off, 0 %" in markdown
    committed.run("plan", "--changed-since", "HEAD", "--out", "plan.json")
    assert "other-flag: released, live: off, 0 %" in committed.run("show", "plan.json").out


def test_what_is_archived_is_not_released(committed: Repository) -> None:
    """With --prune a flag that is no longer declared is archived instead."""
    (committed.root / "flags/new-checkout.yaml").unlink()
    assert "released" not in committed.run("plan", "--changed-since", "HEAD", "--prune").out


def test_line_ends_alone_are_no_difference(committed: Repository) -> None:
    """A checkout may have CRLF where the commit has LF: flag files mean the same with both."""
    for name in ("flags/new-checkout.yaml", "reconciler.yaml"):
        file = committed.root / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    ran = committed.run("plan", "--changed-since", "HEAD")
    assert (ran.out.splitlines()[-1], committed.emulator.log) == ("No changes.", [])


def test_flags_behind_a_link_are_all_looked_at(committed: Repository) -> None:
    """The link may have led elsewhere at that commit, where each file may have been the same."""
    (committed.root / "flags").rename(committed.root / "real")
    (committed.root / "flags").symlink_to("real")
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Link")
    assert "every flag" in committed.run("plan", "--changed-since", "HEAD").err


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_a_misspelt_target_is_said_beside_a_commit(committed: Repository, command: tuple[str, ...]) -> None:
    """It would otherwise read as a change that changes nothing."""
    ran = committed.run(*command, "--changed-since", "HEAD", "--target", "other-flga")
    assert (ran.code, ran.out) == (64, "")
    assert 'There is no flag "other-flga"' in ran.err
    assert 'Did you mean "other-flag"?' in ran.err
    ran = committed.run(*command, "--changed-since", "HEAD", "--target", "later-*")
    assert ran.code == 0
    assert 'The target "later-*" matches no flag, neither declared now nor at that commit.' in ran.err
    assert committed.run(*command, "--changed-since", "HEAD", "--target", "other-flag").err == ""


def test_targets_narrow_further(committed: Repository) -> None:
    """A flag must match and have changed."""
    committed.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    ran = committed.run("plan", "--changed-since", "HEAD", "--target", "other-*")
    assert ran.out.splitlines()[-1] == "No changes."


def test_a_branch_may_end_with_a_dash(committed: Repository) -> None:
    """Only what begins with one looks like an option."""
    git(committed.root, "branch", "odd-")
    assert targets(committed, "--changed-since", "odd-") == ["(none)"]
    with pytest.raises(UsageError, match="git knows no commit"):
        checkout_of(committed.root).resolve("HEAD\0")


@pytest.mark.parametrize("reference", ["no-such-branch", "--output=x", "HEAD~99", "a b", ""])
def test_an_unknown_commit_is_wrong_usage(committed: Repository, reference: str) -> None:
    """A name that git does not know, or that looks like an option, never reaches git as one."""
    assert committed.run("plan", f"--changed-since={reference}").code == 64
    assert not (committed.root / "x").exists()


def test_outside_of_a_repository_it_is_wrong_usage(repository: Repository) -> None:
    """And a plan without it has no commit."""
    assert repository.run("plan", "--changed-since", "HEAD").code == 64
    assert current_commit(repository.root) is None


def test_a_plan_names_its_commit(committed: Repository) -> None:
    """The full id of HEAD."""
    head = git(committed.root, "rev-parse", "HEAD")
    assert current_commit(committed.root) == head
    assert f'"commit": "{head}"' in committed.run("plan", "--format", "json").out


def test_names_are_relative_to_the_configuration(committed: Repository) -> None:
    """Also where the configuration stands in a subdirectory, with names that git would quote."""
    odd = "config/flags/ünï code.yaml"
    committed.write(odd, "key: a\n")
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Add")
    checkout = checkout_of(committed.root / "config")
    assert checkout.files_at("HEAD~1", ["flags"]) == {}
    held = checkout.files_at("HEAD", ["flags/ünï code.yaml", "flags/absent.yaml"])
    assert held.keys() == {"flags/ünï code.yaml"}
    assert held == checkout.files_at("HEAD", ["."]) == checkout.files_at("HEAD", ["flags", "."])
    assert checkout.contents(list(held.values())) == [b"key: a\n"]
    top = {"config/flags/ünï code.yaml", "flags/new-checkout.yaml", "flags/other.yaml", "reconciler.yaml"}
    assert checkout_of(committed.root).files_at("HEAD", ["reconciler.yaml", "."]).keys() == top
    with pytest.raises(UsageError):
        checkout.resolve("nope")


def test_contents_come_in_the_order_of_their_ids(committed: Repository) -> None:
    """With any content; and one that the checkout lacks is said to be lacking."""
    texts = {"a": b"", "b": b"\n\n", "c": b"key: a\nblob 12\n", "d": b"\0\xff"}
    for name, text in texts.items():
        (committed.root / name).write_bytes(text)
    git(committed.root, "add", ".")
    git(committed.root, "commit", "-q", "-m", "Add")
    checkout = checkout_of(committed.root)
    held = checkout.files_at("HEAD", list(texts))
    assert dict(zip(held, checkout.contents(list(held.values())), strict=True)) == texts
    for lacking in ("12ab" * 10, "no id"):
        with pytest.raises(ReconcilerError, match="File contents at that commit are missing"):
            checkout.contents([*held.values(), lacking])


def test_a_history_without_contents_is_said_to_be_that(
    committed: Repository, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial clone fetches nothing: it cannot tell which flags a deleted file declared."""
    git(committed.root, "config", "uploadpack.allowFilter", "true")
    (committed.root / "flags/other.yaml").unlink()
    git(committed.root, "commit", "-q", "-am", "Delete")
    clone = tmp_path_factory.mktemp("partial") / "clone"
    git(committed.root, "clone", "-q", "--filter=blob:none", committed.root.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    ran = committed.run("plan", "--changed-since", "HEAD~1")
    assert (ran.code, "fetch enough history" in ran.err) == (1, True), ran.err


def test_an_edit_while_files_are_read_is_seen(committed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is asked afterwards: what was loaded and differs from the commit is planned."""

    def edited(config: Config, **options: Any) -> DesiredState:
        committed.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
        return load_desired(config, **options)

    monkeypatch.setattr("reconciler.cli.loading.load_desired", edited)
    ran = committed.run("plan", "--changed-since", "HEAD", "--format", "json")
    assert json.loads(ran.out)["options"]["targets"] == ["new-checkout"]


def test_errors_come_in_the_order_of_the_steps(committed: Repository) -> None:
    """What is wrong with files before what git does not know, and what an apply expects before that."""
    assert committed.run("apply", "--auto-approve", "--expect-commit", "0" * 40, "--changed-since", "nope").code == 6
    assert committed.run("plan", "--changed-since", "nope").code == 64
    committed.write("flags/new-checkout.yaml", "key: [\n")
    assert committed.run("plan", "--changed-since", "nope").code == 3

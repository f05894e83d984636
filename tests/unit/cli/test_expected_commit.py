"""`apply --expect-commit`: a commit is applied as it is, or nothing is sent."""

from __future__ import annotations

import hashlib
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from reconciler.cli.checkout import is_content
from reconciler.cli.commit_files import check_commit
from reconciler.errors import StalePlanError
from reconciler.files.config_file import load_config
from reconciler.files.listing import list_flag_files, read_flag_file
from reconciler.files.load import load_desired

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState


@pytest.fixture
def head(repository: Repository) -> str:
    """The commit of a repository in which all is committed, with a flag file in a directory below."""
    repository.write("flags/more/second.yaml", "key: second\nvariants: [{key: a}]\n")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    return git(repository, "rev-parse", "HEAD")


def git(repository: Repository, *arguments: str) -> str:
    """What git says in the repository."""
    command = ["git", "-C", str(repository.root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def check(config: Config, head: str) -> None:
    """Compare the files of a directory, as they are now, with the commit."""
    files = list_flag_files(config.file.parent, config.flags_dir).files
    check_commit(config, {file.shown: read_flag_file(file.path) for file in files}, head)


DIRTY = {
    "a change": ("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n"),
    "a staged change": ("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n"),
    "a new file": ("flags/more/third.yml", "key: third\nvariants: [{key: a}]\n"),
    "a deleted file": ("flags/more/second.yaml", None),
    "the configuration": ("reconciler.yaml", 'version: 1\nprojectId: "7"\n'),
}


@pytest.mark.parametrize("kind", DIRTY)
def test_what_is_not_committed_is_not_applied(repository: Repository, head: str, kind: str) -> None:
    """Exit code 6 that names the file and the ways out, and no request; without the option it is applied."""
    name, text = DIRTY[kind]
    if text is None:
        (repository.root / name).unlink()
    else:
        repository.write(name, text)
    if kind == "a staged change":
        git(repository, "add", ".")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert ran.code == 6
    assert f"1 file not as in commit {head}: {name}." in ran.err
    assert "Commit or restore first, or leave the option out." in ran.err
    assert repository.emulator.log == []
    assert repository.run("apply", "--auto-approve").code == 0


@pytest.mark.parametrize(("count", "named"), [(5, "f0, f1, f2, f3, f4."), (6, "f0, f1, f2, f3, f4, ….")])
def test_five_files_are_named(repository: Repository, head: str, count: int, named: str) -> None:
    for number in range(count):
        repository.write(f"flags/f{number}.yaml", f"key: f{number}\nvariants: [{{key: a}}]\n")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert ran.code == 6
    places = re.sub(r"f(\d)", r"flags/f\1.yaml", named)
    assert f"Error: {count} files not as in commit {head}: {places} --expect-commit applies" in ran.err


def test_what_is_the_id_of_a_commit(repository: Repository, head: str) -> None:
    """7 to 64 hexadecimal digits, in either case; what is none is wrong usage, another one is not checked out."""
    for expected, code in (
        (head[:6], 64),
        (head[:7], 0),
        (head[:7].upper(), 0),
        (head[:-1] + "g", 64),
        ("0" * 64, 6),
        ("0" * 65, 64),
    ):
        ran = repository.run("apply", "--auto-approve", "--expect-commit", expected)
        assert (ran.code, "takes a commit's id" in ran.err) == (code, code == 64), expected


def test_an_ignored_file_is_not_in_the_commit(repository: Repository, head: str) -> None:
    """What git is told not to see is read all the same, and so refused."""
    repository.write(".git/info/exclude", "*.local.yaml\n")
    repository.write("flags/b.local.yaml", "key: b\nvariants: [{key: a}]\n")
    refused(repository, head, "flags/b.local.yaml")


@pytest.mark.parametrize("is_submodule", [False, True])
def test_a_nested_repository_is_not_in_the_commit(repository: Repository, head: str, *, is_submodule: bool) -> None:
    """Of a repository below the flags a commit holds an id at most, and not the files."""
    file = repository.write("flags/team/b.yaml", "key: b\nvariants: [{key: a}]\n")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", "nested"]):
        subprocess.run(["git", "-C", str(file.parent), *arguments], check=True)
    if is_submodule:
        git(repository, "-c", "advice.addEmbeddedRepo=false", "add", "flags/team")
        git(repository, *who, "commit", "--quiet", "--message", "link")
        head = git(repository, "rev-parse", "HEAD")
    refused(repository, head, "flags/team/b.yaml")


@pytest.mark.parametrize("option", ["--skip-worktree", "--assume-unchanged"])
@pytest.mark.parametrize("name", ["flags/new-checkout.yaml", "reconciler.yaml"])
def test_a_file_that_git_does_not_look_at_is_compared(
    repository: Repository, head: str, name: str, option: str
) -> None:
    """The index may be told that a file is unchanged; it is what it is."""
    git(repository, "update-index", option, name)
    with (repository.root / name).open("a", encoding="utf-8") as stream:
        stream.write("# another\n")
    refused(repository, head, name)


def test_a_linked_directory_is_not_in_the_commit(repository: Repository, head: str) -> None:
    """A commit holds the link and not what is behind it."""
    assert head
    (repository.root / "flags").rename(repository.root / "real")
    (repository.root / "flags").symlink_to("real")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "link")
    head = git(repository, "rev-parse", "HEAD")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert (ran.code, repository.emulator.log) == (6, [])
    assert "flags/more/second.yaml, flags/new-checkout.yaml." in ran.err


def test_line_ends_that_git_converts_are_as_in_the_commit(repository: Repository) -> None:
    """A checkout with other line ends holds what the commit holds, from a subdirectory too, with any names."""
    inner = repository.root / "inner"
    for name in ("flags", "reconciler.yaml"):
        repository.write("inner/.keep", "")
        (repository.root / name).rename(inner / name)
    repository.write('inner/flags/odd\n"ünï.yaml', "key: odd\r\nvariants: [{key: a}]\r\n")
    repository.write("inner/flags/.hidden.yaml", "key: hidden\n")
    repository.write(".gitattributes", "*.yaml text\n")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    head = git(repository, "rev-parse", "HEAD")
    arguments = ["apply", "--auto-approve", "--config", "inner/reconciler.yaml", "--expect-commit", head]
    (inner / "flags/.hidden.yaml").unlink()
    assert b"\r" in (inner / 'flags/odd\n"ünï.yaml').read_bytes()
    assert repository.run(*arguments).code == 0
    repository.write("inner/flags/new-checkout.yaml", "key: new-checkout\r\nrolloutPercentage: 51\r\n")
    assert repository.run(*arguments).code == 6


@pytest.mark.parametrize("text", ["key: a\r\r\nvariants: []\r\n", "key: a\r\n\rvariants: []\r\n", "key: b\r\n"])
def test_only_line_ends_may_differ(text: str) -> None:
    """A lone CR that is left, or would be made, is another content."""
    held = "key: a\nvariants: []\n", "key: a\r\nvariants: []\n", "key: a\n\rvariants: []\n", "key: b"
    for content in held:
        digest = hashlib.sha1(f"blob {len(content)}\0{content}".encode(), usedforsecurity=False).hexdigest()
        assert is_content(content.encode(), digest)
        assert not is_content(text.encode(), digest)


def test_what_was_read_is_compared(repository: Repository, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is put back after it was read was read otherwise all the same; the configuration too."""
    for name in ("flags/new-checkout.yaml", "reconciler.yaml"):
        committed = (repository.root / name).read_text(encoding="utf-8")
        repository.write(name, committed + "# another\n")

        def loaded(*arguments: Any, name: str = name, text: str = committed, **options: Any) -> DesiredState:
            desired = load_desired(*arguments, **options)
            repository.write(name, text)
            return desired

        monkeypatch.setattr("reconciler.cli.loading.load_desired", loaded)
        refused(repository, head, name)


def test_a_replaced_commit_is_not_the_commit(repository: Repository, head: str) -> None:
    """An id stands for what it was made of, also where a repository replaces it."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "next")
    git(repository, "replace", head, git(repository, "rev-parse", "HEAD"))
    git(repository, "reset", "--quiet", "--soft", head)
    refused(repository, head, "flags/new-checkout.yaml")


def test_a_repository_may_name_contents_by_longer_ids(repository: Repository) -> None:
    """In a repository of SHA-256 ids the commit's own files are recognised, and others refused."""
    git(repository, "init", "--quiet", "--object-format=sha256")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    head = git(repository, "rev-parse", "HEAD")
    check(load_config(repository.root / "reconciler.yaml"), head)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 51\n")
    refused(repository, head, "flags/new-checkout.yaml")


def test_flags_beside_the_configuration(repository: Repository, head: str) -> None:
    """`flags: .` compares every flag file of the repository, those that hide left out."""
    assert head
    repository.write("all/reconciler.yaml", 'version: 1\nprojectId: "7"\nflags: .\n')
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nflags: flags/more/..\n')
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "b")
    config = load_config(repository.root / "reconciler.yaml")
    head = git(repository, "rev-parse", "HEAD")
    check(config, head)
    check(replace(config, flags_dir=repository.root), head)
    repository.write("third.yaml", "key: third\n")
    check(config, head)
    with pytest.raises(StalePlanError, match=r"1 file not .*: third\.yaml\."):
        check(replace(config, flags_dir=repository.root), head)


def test_a_repository_of_another_user_is_named_as_the_cause(
    repository: Repository, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container git refuses a checkout of another's: that is no later commit."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert (ran.code, repository.emulator.log) == (6, [])
    assert "belongs to another user" in ran.err
    assert "safe.directory" in ran.err
    assert "applied already" not in ran.err


def test_without_git_that_is_the_cause(repository: Repository, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of other commits, nor of options that were not given."""
    monkeypatch.setenv("PATH", str(repository.root))
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert (ran.code, repository.emulator.log) == (6, [])
    assert "git is not installed" in ran.err
    assert "--changed-since" not in ran.err
    assert "applied already" not in ran.err


@pytest.mark.parametrize(("has_git", "says"), [(True, "no commit yet"), (False, "not in a git repository")])
def test_where_there_is_no_commit_that_is_said(repository: Repository, says: str, *, has_git: bool) -> None:
    """A directory without a repository, and a repository without a commit."""
    if has_git:
        git(repository, "init", "--quiet")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", "f" * 40)
    assert (ran.code, repository.emulator.log) == (6, [])
    assert says in ran.err


def refused(repository: Repository, head: str, name: str) -> None:
    """The one file is named, with exit code 6, and no request is sent."""
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert ran.code == 6
    assert f"1 file not as in commit {head}: {name}." in ran.err
    assert repository.emulator.log == []


def test_other_files_do_not_matter(repository: Repository, head: str) -> None:
    """Plans, reports and other files there are no part of what is applied."""
    repository.write("plan.json", "{}")
    repository.write("flags/notes.md", "not a flag")
    assert repository.run("apply", "--auto-approve", "--expect-commit", head[:12]).code == 0
    assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_many_files_are_counted(repository: Repository, head: str) -> None:
    """The message stays one to read."""
    for number in range(9):
        repository.write(f"flags/n{number}.yaml", f"key: n{number}\nvariants: [{{key: a}}]\n")
    error = repository.run("apply", "--auto-approve", "--expect-commit", head).err
    assert "9 files not as in commit" in error
    assert "flags/n4.yaml, …." in error
    assert "flags/n5.yaml" not in error

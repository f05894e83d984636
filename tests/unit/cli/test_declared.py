"""Since when git declares a value: over random histories, and over each corner of them by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from histories import ABSENT, ENVIRONMENT, FIRST_SECOND, POINTERS, a_history, git, timeline_of

from reconciler.cli import checkout
from reconciler.cli.declared import timelines
from reconciler.files.config_file import load_config
from reconciler.files.load import load_desired
from reconciler.model.flag import Unset
from reconciler.model.versions import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from reconciler.cli.git import Question

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def looked_at(
    root: Path, places: Iterable[tuple[str, str]], until: datetime | None = None, environment: str | None = None
) -> dict[tuple[str, str], Timeline]:
    config = load_config(root / "reconciler.yaml", environment)
    return timelines(config, load_desired(config), list(places), until)


@pytest.mark.parametrize("seed", range(15))
def test_random_histories(seed: int, tmp_path: Path) -> None:
    random = Random(f"histories {seed}")
    history = a_history(random, tmp_path, random.choice((1, 5, 40, 70)))
    root = tmp_path / history[0].state.root
    config = load_config(root / "reconciler.yaml", ENVIRONMENT)
    desired = load_desired(config)
    places = [(key, pointer) for key in desired.flags for pointer in POINTERS]
    whole = timelines(config, desired, places, LONG_AGO)
    present = timelines(config, desired, places)
    for key, pointer in places:
        expected = timeline_of(history, key, pointer)
        found = whole[key, pointer]
        assert not found.gap
        seen = [
            (
                ABSENT if isinstance(item.value, Unset) else sorted(item.value) if pointer == "/tags" else item.value,
                item.commit,
                item.at and int(item.at.timestamp()),
            )
            for item in found.values
        ]
        assert seen == expected, (key, pointer)
        assert present[key, pointer].values == found.values[:1]


SWITCH = ("checkout", "/enabled")
SHALLOW = "This clone is shallow: older commits are not in it. In CI, fetch the whole history."


def a_repository(top: Path, *texts: str, file: str = "flags/checkout.yaml") -> list[str]:
    """A commit for each text of the flag's file, an hour apart; their ids, oldest first."""
    git(top, "init", "--quiet", "--initial-branch=main")
    (top / "flags").mkdir(exist_ok=True)
    (top / "reconciler.yaml").write_text('version: 1\nprojectId: "7"\n')
    return [commit(top, hour, {file: text}) for hour, text in enumerate(texts)]


def commit(top: Path, hour: int, files: Mapping[str, str | None], *arguments: str) -> str:
    for name, text in files.items():
        place = top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink() if text is None else place.write_text(text)
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "--message=m", *arguments, at=FIRST_SECOND + 3600 * hour)
    return git(top, "rev-parse", "HEAD").strip()


def switch(on: bool, notes: str = "") -> str:
    return f"key: checkout\nenabled: {str(on).lower()}\nnotes: '{notes}'\n"


def hour_of(timeline: Timeline) -> tuple[str | None, float] | None:
    since = timeline.since
    return None if since is None or since.at is None else (since.commit, (since.at.timestamp() - FIRST_SECOND) / 3600)


def test_the_last_commit_of_the_file_is_not_the_commit_of_the_value(tmp_path: Path) -> None:
    ids = a_repository(tmp_path, switch(False), switch(True), switch(True, "later"))
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (ids[1], 1)


def test_what_came_with_a_merge_came_when_it_was_merged(tmp_path: Path) -> None:
    a_repository(tmp_path, switch(False))
    git(tmp_path, "checkout", "--quiet", "-b", "side")
    commit(tmp_path, 1, {"flags/checkout.yaml": switch(True)})
    git(tmp_path, "checkout", "--quiet", "main")
    commit(tmp_path, 2, {"readme.txt": "x"})
    git(tmp_path, "merge", "--quiet", "--no-ff", "side", at=FIRST_SECOND + 3 * 3600)
    merge = git(tmp_path, "rev-parse", "HEAD").strip()
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (merge, 3)


@pytest.mark.parametrize("contents", [1, 3, 5, 20])
def test_a_large_file_that_many_commits_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: int
) -> None:
    """Commits of which the contents are more than git is asked for at once are looked at in smaller parts."""
    texts = [switch(True, f"{number:09} {'x' * 10_000}") for number in range(25)]
    ids = a_repository(tmp_path, switch(False), *texts)
    monkeypatch.setattr("reconciler.cli.git._MOST_BYTES", contents * 11_000)
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (ids[1], 1)


def test_a_clock_that_was_ahead_does_not_make_a_declaration_later_than_what_followed(tmp_path: Path) -> None:
    ids = a_repository(tmp_path, switch(False))
    ids.append(commit(tmp_path, 9, {"flags/checkout.yaml": switch(True)}))
    commit(tmp_path, 2, {"flags/checkout.yaml": switch(True, "later")})
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (ids[1], 2)


def test_a_shallow_clone_knows_what_it_saw_change(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    ids = a_repository(whole, switch(False), switch(True, "1"), switch(True, "2"), switch(True, "3"))
    for depth, expected in ((1, None), (2, None), (3, None), (4, (ids[1], 1))):
        clone = tmp_path / str(depth)
        git(tmp_path, "clone", "--quiet", f"--depth={depth}", f"file://{whole}", str(clone))
        found = looked_at(clone, [SWITCH])[SWITCH]
        assert hour_of(found) == expected
        assert found.gap == (SHALLOW if expected is None else "")


def test_a_flag_that_a_shallow_clone_saw_come_is_known(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    a_repository(whole, "key: other\n", file="flags/other.yaml")
    commit(whole, 1, {"readme.txt": "x"})
    added = commit(whole, 2, {"flags/checkout.yaml": switch(True)})
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{whole}", "clone")
    assert hour_of(looked_at(tmp_path / "clone", [SWITCH])[SWITCH]) == (added, 2)


def test_a_clone_without_contents_knows_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    a_repository(whole, switch(False), switch(True))
    git(whole, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{whole}", "clone")
    assert looked_at(tmp_path / "clone", [SWITCH])[SWITCH].gap == (
        "File contents at that commit are missing from this clone. In CI, fetch enough history, with contents."
    )


@pytest.mark.parametrize(("most", "is_known"), [(16, True), (15, False)])
def test_a_walk_ends_after_many_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, *, is_known: bool
) -> None:
    """What changed before them is not found, and the gap says so."""
    monkeypatch.setattr("reconciler.cli.walk.MOST_COMMITS", most)
    ids = a_repository(tmp_path, switch(False), *(switch(True, str(number)) for number in range(17)))
    found = looked_at(tmp_path, [SWITCH])[SWITCH]
    assert hour_of(found) == ((ids[1], 1) if is_known else None)
    assert found.gap == ("" if is_known else "More commits have touched these files since than are looked at.")


def test_what_is_not_committed_has_no_commit(tmp_path: Path) -> None:
    a_repository(tmp_path, switch(False))
    file = tmp_path / "flags/checkout.yaml"
    file.write_text(switch(True))
    assert looked_at(tmp_path, [SWITCH])[SWITCH].gap == "The value is not committed."
    file.write_text(switch(False, "another text"))
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) is not None
    file.rename(tmp_path / "flags/moved.yaml")
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) is not None
    (tmp_path / "flags/new.yaml").write_text("key: new\nenabled: true\n")
    assert looked_at(tmp_path, [("new", "/enabled")])["new", "/enabled"].since is None


@pytest.mark.parametrize(
    ("what", "gap"),
    [
        ("no repository", "{} is not in a git repository, or not in one that git can read."),
        ("no commit", "The repository has no commit yet."),
        ("other files", "The value is not committed."),
        ("no git", "git is not installed, or not in PATH."),
        ("a link", "The configuration finds its flags through a link, which git does not follow."),
    ],
)
def test_where_git_cannot_tell_there_is_a_gap(
    what: str, gap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "no repository":
        (tmp_path / "flags").mkdir()
        (tmp_path / "reconciler.yaml").write_text('version: 1\nprojectId: "7"\n')
        (tmp_path / "flags/checkout.yaml").write_text(switch(True))
    else:
        a_repository(tmp_path, *([] if what in {"no commit", "other files"} else [switch(False), switch(True)]))
        (tmp_path / "flags/checkout.yaml").write_text(switch(True))
    if what == "other files":
        (tmp_path / "readme.txt").write_text("x")
        git(tmp_path, "add", "readme.txt")
        git(tmp_path, "commit", "--quiet", "--message=m", at=FIRST_SECOND)
    if what == "a link":
        (tmp_path / "flags").rename(tmp_path / "elsewhere")
        (tmp_path / "flags").symlink_to("elsewhere")
    if what == "no git":
        monkeypatch.setenv("PATH", "")
    found = looked_at(tmp_path, [SWITCH])[SWITCH]
    assert found.since is None
    assert found.gap == gap.format(tmp_path)


def test_an_environment_sees_its_own_past(tmp_path: Path) -> None:
    ids = a_repository(
        tmp_path,
        switch(True) + "environments: {production: {enabled: false}}\n",
        switch(True) + "environments: {production: {enabled: true}}\n",
        switch(True),
    )
    (tmp_path / "reconciler.yaml").write_text(
        'version: 1\nenvironments: {production: {projectId: "7"}, staging: {projectId: "8"}}\n'
    )
    assert hour_of(looked_at(tmp_path, [SWITCH], environment="production")[SWITCH]) == (ids[1], 1)
    assert hour_of(looked_at(tmp_path, [SWITCH], environment="staging")[SWITCH]) == (ids[0], 0)


@pytest.mark.parametrize("elsewhere", ["onlyIn: [staging]\n", "environments: {production: null}\n"])
def test_what_an_environment_did_not_see_was_not_declared_for_it(elsewhere: str, tmp_path: Path) -> None:
    ids = a_repository(tmp_path, switch(True) + elsewhere, switch(True))
    (tmp_path / "reconciler.yaml").write_text('version: 1\nenvironments: {production: {projectId: "7"}}\n')
    assert hour_of(looked_at(tmp_path, [SWITCH], environment="production")[SWITCH]) == (ids[1], 1)


def test_a_flag_that_is_not_declared_has_no_past(tmp_path: Path) -> None:
    a_repository(tmp_path, switch(True))
    assert looked_at(tmp_path, [("other", "/enabled")])["other", "/enabled"] == Timeline(
        gap="The flag is not declared."
    )


def test_git_is_asked_in_few_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    flags = {f"flags/f{number}.yaml": f"key: f{number}\nenabled: true\n" for number in range(100)}
    commit(tmp_path, 0, flags | {"reconciler.yaml": 'version: 1\nprojectId: "7"\n'})
    for hour in range(1, 60):
        commit(tmp_path, hour, {f"flags/f{hour}.yaml": f"key: f{hour}\nenabled: false\n"})
    asked: list[str] = []
    given: list[bytes] = []
    real = checkout.ask_git

    def ask_git(question: Question, *arguments: str, **options: Any) -> bytes:
        asked.append(question)
        if question == "cat-file":
            given.extend(options["given"].split())
        return real(question, *arguments, **options)

    monkeypatch.setattr(checkout, "ask_git", ask_git)
    places = [(f"f{number}", "/enabled") for number in range(100)]
    found = looked_at(tmp_path, places)
    assert [hour_of(found[place])[1] for place in places] == [*range(60), *[0] * 40]  # type: ignore[index]
    assert len(asked) < 20
    given.clear()
    found = looked_at(tmp_path, [("f9", "/enabled")])
    assert (hour_of(found["f9", "/enabled"])[1], len(given)) == (9, 2), "other files are not read"  # type: ignore[index]
    others = {f"flags/f{number}.yaml": f"key: f{number}\nenabled: false\n" for number in range(60, 99)}
    moved = {"flags/a.yaml": "key: f99\nenabled: true\nnotes: x\n", "flags/f99.yaml": None}
    commit(tmp_path, 60, others | moved)
    asked.clear()
    found = looked_at(tmp_path, [("f99", "/enabled")])
    assert hour_of(found["f99", "/enabled"])[1] == 0  # type: ignore[index]
    assert len(asked) < 20, "the files in which it may have stood are read together"


def test_a_file_that_is_renamed_and_not_committed_is_followed_by_its_committed_name(tmp_path: Path) -> None:
    """What git holds under the old name is the past of the flag."""
    ids = a_repository(tmp_path, switch(False), switch(True), switch(True, "later"))
    (tmp_path / "flags/checkout.yaml").rename(tmp_path / "flags/moved.yaml")
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (ids[1], 1)


def test_a_file_that_came_from_elsewhere_is_followed_there(tmp_path: Path) -> None:
    """Also from a directory that no configuration named."""
    ids = a_repository(tmp_path, switch(False), switch(True), switch(True, "later"), file="drafts/checkout.yaml")
    ids.append(commit(tmp_path, 3, {"drafts/checkout.yaml": None, "flags/checkout.yaml": switch(True)}))
    found = looked_at(tmp_path, [SWITCH], LONG_AGO)[SWITCH]
    assert [(item.value, item.commit) for item in found.values] == [(True, ids[1]), (False, ids[0])]


def test_a_committed_file_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """The flag may stand in another one; so is a committed configuration, for which the present one is taken."""
    flags = {"flags/checkout.yaml": "key: checkout\nenabled: [\n", "flags/old.yaml": switch(True)}
    ids = a_repository(tmp_path, switch(False))
    ids.append(commit(tmp_path, 1, flags | {"reconciler.yaml": "version: [\n"}))
    (tmp_path / "reconciler.yaml").write_text('version: 1\nprojectId: "7"\n')
    (tmp_path / "flags/old.yaml").unlink()
    (tmp_path / "flags/checkout.yaml").write_text(switch(True))
    assert hour_of(looked_at(tmp_path, [SWITCH])[SWITCH]) == (ids[1], 1)


def test_a_file_that_is_larger_than_all_that_git_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that cannot be cut into smaller parts ends there."""
    a_repository(tmp_path, switch(False, "x" * 10_000), switch(True))
    monkeypatch.setattr("reconciler.cli.git._MOST_BYTES", 5_000)
    found = looked_at(tmp_path, [SWITCH])[SWITCH]
    assert (found.since, found.gap) == (None, "git found more than 0 MiB: a commit holds more than flag files.")


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_configuration_that_moved_counts_as_it_was(is_moved: bool, tmp_path: Path) -> None:
    """Before a commit that moves the whole directory, defaults are those of the configuration there."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    places = ("old", "new") if is_moved else ("new", "new")
    others = ({"older/reconciler.yaml", "o/reconciler.yaml"} if is_moved else set()) | {"zoo/reconciler.yaml"}
    text = 'version: 1\nprojectId: "7"\ndefaults: {{enabled: {}}}\n'
    first = {"reconciler.yaml": text.format("true"), "flags/checkout.yaml": "key: checkout\n"}
    second = first | {"reconciler.yaml": text.format("false")}
    beside = dict.fromkeys(others, text.format("null"))  # others go with the same commit
    ids = [commit(tmp_path, 0, beside | {f"{places[0]}/{name}": content for name, content in first.items()})]
    gone = dict.fromkeys(others) | ({f"{places[0]}/{name}": None for name in first} if is_moved else {})
    ids.append(commit(tmp_path, 1, {**gone, **{f"{places[1]}/{name}": content for name, content in second.items()}}))
    found = looked_at(tmp_path / "new", [SWITCH], LONG_AGO)[SWITCH]
    assert [(item.value, item.commit) for item in found.values] == [(False, ids[1]), (True, ids[0])]


def test_twenty_moves_are_followed(tmp_path: Path) -> None:
    """What was declared before the move before them is not known: the value counts from there."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    files = {"reconciler.yaml": 'version: 1\nprojectId: "7"\n', "flags/checkout.yaml": switch(True)}
    ids = []
    for hour in range(22):
        gone = {f"{hour - 1}/{name}": None for name in files} if hour else {}
        ids.append(commit(tmp_path, hour, gone | {f"{hour}/{name}": text for name, text in files.items()}))
    (only,) = looked_at(tmp_path / "21", [SWITCH], LONG_AGO)[SWITCH].values
    assert only.commit == ids[1]

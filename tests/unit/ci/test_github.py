"""The comment, the issue and the check of the tip, against a local stand-in of GitHub."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from github_server import BOT, LIMIT, TOKEN, GithubState, a_github
from markdown_it import MarkdownIt

from reconciler.ci.__main__ import main
from reconciler.ci.github import Github
from reconciler.ci.http import ForgeError
from reconciler.ci.posts import fits_hidden, put_comment, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGN = "<!-- reconciler:plan -->"
COMMIT = "a" * 40


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubState]:
    """The stand-in; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with a_github() as state:
        yield state


def run(github: GithubState, *arguments: str, **environ: str) -> int:
    """Run the module as a step of a run for pull request 5 would."""
    return main(arguments, {**github.environ, "GITHUB_REF": "refs/pull/5/merge", **environ})


def written(directory: Path, text: str) -> str:
    """A file with the text; its name."""
    file = directory / "body.md"
    file.write_text(text, encoding="utf-8")
    return str(file)


def bodies(github: GithubState, number: int = 5) -> list[str]:
    """What the comments of a pull request say."""
    return [comment["body"].replace("\r\n", "\n") for comment in github.comments.get(number, [])]


def test_a_comment_is_made_once_and_updated_from_then_on(
    github: GithubState, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three plans of one pull request are one comment, which says the last; the same text is not sent again."""
    github.add_comment(5, "Nice!", login="ada")
    for text in ("first", "second", "third", "third"):
        assert run(github, "comment", "--body-file", written(tmp_path, text)) == 0
    assert bodies(github) == ["Nice!", f"{SIGN}\nthird"]
    said = [f"Comment on pull request 5: {word}." for word in ("created", "updated", "updated", "unchanged")]
    assert capsys.readouterr().out.splitlines() == said
    assert github.writes() == ["POST", "PATCH", "PATCH"]


def test_a_comment_is_found_behind_hundreds_of_others(github: GithubState, tmp_path: Path) -> None:
    """Every page of a long discussion is read."""
    for number in range(150):
        github.add_comment(5, f"comment {number}", login="ada")
    github.add_comment(5, f"{SIGN}\nold")
    assert run(github, "comment", "--body-file", written(tmp_path, "new")) == 0
    assert bodies(github)[-1] == f"{SIGN}\nnew"
    assert github.writes() == ["PATCH"]


def test_a_marker_in_another_users_comment_is_not_ours(github: GithubState, tmp_path: Path) -> None:
    """No user can have the plan written into a comment that they may edit afterwards."""
    github.add_comment(5, f"{SIGN}\nforged", login="mallory")
    github.add_comment(5, f"Quoting:\n{SIGN}")
    assert run(github, "comment", "--body-file", written(tmp_path, "the plan")) == 0
    assert bodies(github) == [f"{SIGN}\nforged", f"Quoting:\n{SIGN}", f"{SIGN}\nthe plan"]


def test_names_tell_comments_apart(github: GithubState, tmp_path: Path) -> None:
    """Each environment has its own comment; the marker that a plan's Markdown begins with is not doubled."""
    for name in ("plan-staging", "plan-production", "plan-staging"):
        text = f"<!-- reconciler:{name} -->\nplan"
        assert run(github, "comment", "--name", name, "--body-file", written(tmp_path, text)) == 0
    assert bodies(github) == [
        "<!-- reconciler:plan-staging -->\nplan",
        "<!-- reconciler:plan-production -->\nplan",
    ]


def test_no_comment_is_made_of_nothing(github: GithubState, tmp_path: Path) -> None:
    """`--update-only` corrects a comment that is there, and makes none."""
    no_changes = written(tmp_path, "No changes.")
    assert run(github, "comment", "--update-only", "--body-file", no_changes) == 0
    assert bodies(github) == []
    github.add_comment(5, f"{SIGN}\nchanges")
    assert run(github, "comment", "--update-only", "--body-file", no_changes) == 0
    assert bodies(github) == [f"{SIGN}\nNo changes."]


def test_a_comment_names_its_run(github: GithubState, tmp_path: Path) -> None:
    """In a workflow the last line links to the run that wrote it."""
    environ = {"GITHUB_SERVER_URL": "https://github.example.com", "GITHUB_RUN_ID": "77"}
    assert run(github, "comment", "--number", "9", "--body-file", written(tmp_path, "plan"), **environ) == 0
    assert "[run 77](https://github.example.com/example/flags/actions/runs/77)" in bodies(github, 9)[0]


def test_a_text_that_is_too_long_is_shortened_to_the_limit(github: GithubState, tmp_path: Path) -> None:
    """A comment beyond GitHub's limit arrives, within it, and says how much is missing."""
    text = "\n".join(f"line {number} " + "x" * 90 for number in range(1_000))
    assert run(github, "comment", "--body-file", written(tmp_path, text)) == 0
    (body,) = bodies(github)
    assert LIMIT - 200 < len(body) <= LIMIT
    missing = int(re.findall(r"Shortened: ([\d,]+) characters", body)[0].replace(",", ""))
    assert missing == len(f"{SIGN}\n{text}") - body.index("\n\n**Shortened") - 1


@pytest.mark.parametrize("length", range(4))
def test_a_text_with_a_record_fits_as_well(github: GithubState, length: int) -> None:
    """Of any length, and the record is whole."""
    forge, hidden = Github.of(github.environ, None), f"<!-- record:{'a' * length} -->"
    put_comment(forge, 5, "abc\n" * LIMIT, name="n", update_only=False, hidden=hidden)
    (body,) = bodies(github)
    assert LIMIT - 4 < len(body) <= LIMIT
    assert body.endswith(f"\n{hidden}")


def test_a_record_that_leaves_no_room_for_the_text_is_left_out(github: GithubState) -> None:
    forge, text = Github.of(github.environ), f"<!-- reconciler:n -->\n{'x' * 4_097}"
    put_comment(forge, 5, text, name="n", update_only=False, hidden="x" * (LIMIT - 4_097))
    assert bodies(github) == [text]


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_record_leaves_room_for_the_text(more: int, fits: bool) -> None:
    """More than 4,096 characters, without the line's own end."""
    assert fits_hidden("x" * (LIMIT - 4_098 + more), LIMIT) is fits


@pytest.mark.parametrize("limit", [120, 300, 1_000, 3_000])
def test_what_is_shortened_still_renders(limit: int) -> None:
    """Folds and code blocks that are open where the text is cut are closed, with any fence."""
    block = "<details>\n\n<summary>s</summary>\n\n````\ncode ```\n<details>\n````\n\n</details>\n\n"
    cut = shorten(block * 100, limit)
    assert len(cut) <= limit
    tokens = MarkdownIt().parse(cut)
    assert tokens[-2].content.startswith("**Shortened:")
    html = [token.content for token in tokens if token.type == "html_block"]
    assert sum("<details>" in part for part in html) == sum("</details>" in part for part in html)


FOLDED = ["<details open>", "<details>", "x", "</details>", "~~~~", "a ~~~", "~~~~ ", "```py", "code", "``` x",
          "</details>", "<details>", *["y" * 30] * 10]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "kept", "closed", "missing"),
    [
        (401, 18, "```\n\n</details>\n", 123),
        (249, 14, "```\n\n</details>\n", 247),
        (187, 12, "```\n\n</details>\n", 309),
        (166, 10, "```\n\n</details>\n", 330),
        (165, 9, "```\n\n</details>\n", 336),
        (160, 9, "```\n\n</details>\n", 336),
        (145, 7, "\n</details>\n", 347),
        (138, 5, "~~~~\n\n</details>\n", 359),
        (128, 4, "\n</details>\n", 364),
        (105, 1, "\n</details>\n", 387),
        (104, 0, "", 402),
        (0, 0, "", 402),
    ],
)
def test_where_a_text_is_cut(limit: int, kept: int, closed: str, missing: int) -> None:
    """After the last line with which all that is open fits closed; folds in a code block are text."""
    text = "\n".join(FOLDED)
    lines = "".join(f"{line}\n" for line in FOLDED[:kept])
    said = f"**Shortened: {missing} characters did not fit here.** The log of the run has them.\n"
    assert shorten(text, limit) == f"{lines}{closed}\n{said}"
    assert shorten(text, len(text)) == text


def test_the_issue_is_opened_updated_and_closed(github: GithubState, tmp_path: Path) -> None:
    """The life of one drift, and of the next one: never two issues at once, never an edit without a reason."""
    github.add_issue("A pull request", "<!-- reconciler:drift -->", pull_request={})
    github.add_issue("Somebody's", "<!-- reconciler:drift -->\nforged", login="mallory")
    github.add_issue("Without a text", "")["body"] = None
    assert run(github, "issue", "--close") == 0
    for text in ("one flag", "two flags", "two flags"):
        arguments = ("--title", "Drift", "--label", "flags", "--body-file", written(tmp_path, text))
        assert run(github, "issue", *arguments) == 0
    assert [(issue["title"], issue["state"]) for issue in github.issues[3:]] == [("Drift", "open")]
    assert github.issues[3]["body"].endswith("two flags")
    assert github.issues[3]["labels"] == ["flags"]
    assert run(github, "issue", "--close") == 0
    assert run(github, "issue", "--close") == 0
    assert (github.issues[3]["state"], github.issues[3]["state_reason"]) == ("closed", "completed")
    assert github.writes() == ["POST", "PATCH", "PATCH"]
    assert run(github, "issue", "--body-file", written(tmp_path, "again")) == 0
    assert [issue["state"] for issue in github.issues] == ["open", "open", "open", "closed", "open"]


TIP = ("tip", "--path", "flags", "--path", "reconciler.yaml")
RUN = {"GITHUB_SHA": COMMIT, "GITHUB_REF_NAME": "main"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": "identical", "files": []}, 0),
        ({"status": "ahead", "files": [{"filename": "README.md"}, {"filename": "flagship.txt"}]}, 0),
        ({"status": "ahead", "files": [{"filename": "flags/a.yaml"}]}, 1),
        ({"status": "ahead", "files": [{"filename": "reconciler.yaml"}]}, 1),
        ({"status": "ahead", "files": [{"filename": "x", "previous_filename": "flags/a.yaml"}]}, 1),
        ({"status": "ahead", "files": [{"filename": f"docs/{n}"} for n in range(300)]}, 1),
        ({"status": "ahead", "files": [{"filename": f"docs/{n}"} for n in range(299)]}, 0),
        ({"status": "ahead", "files": [{"filename": "x", "previous_filename": "y", "status": "renamed"}]}, 0),
        ({"status": "ahead", "files": [{"filename": "x", "status": "renamed"}]}, 1),
        ({"status": "ahead", "files": [{"filename": "x", "previous_filename": None}]}, 1),
        ({"status": "ahead"}, 1),
        ({"status": "ahead", "files": None}, 1),
        ({"status": "ahead", "files": [7]}, 1),
        ({"status": "ahead", "files": [{}]}, 1),
        ({"status": "diverged", "files": []}, 1),
        ({"status": "behind", "files": []}, 1),
        ({}, 1),
    ],
)
def test_only_the_newest_state_of_the_flags_is_applied(
    github: GithubState, answer: dict[str, str], code: int
) -> None:
    """A commit passes as long as nothing that matters changed on its branch since; doubt refuses."""
    github.comparisons[f"{COMMIT}...main"] = answer
    assert run(github, *TIP, **RUN) == code


@pytest.mark.parametrize(
    ("path", "name", "code"),
    [
        (".", "docs/x", 1),
        ("./a//b/", "a/b", 1),
        ("c/../a/b", "a/b/c", 1),
        ("a/b", "a", 1),
        ("a/b", "a/bc", 0),
        ("a/b", "ab", 0),
        ("a/b", "b", 0),
    ],
)
def test_what_a_change_touches(github: GithubState, path: str, name: str, code: int) -> None:
    """A path itself, what is below it, and what it is below of."""
    github.comparisons[f"{COMMIT}...main"] = {"status": "ahead", "files": [{"filename": name}]}
    assert run(github, "tip", "--path", path, **RUN) == code


TOP, ALL = 'projectId: "7"\n', 'environments: {one: {projectId: "7"}, two: {projectId: "8", flags: other/flags}}\n'


@pytest.mark.parametrize(
    "case",
    [
        ("reconciler.yaml", TOP, (), {"reconciler.yaml", "flags"}),
        ("reconciler.yaml", TOP, ("--path", "docs/"), {"docs"}),
        ("a/b/reconciler.yaml", TOP, ("--config", "a/b/reconciler.yaml"), {"a/b/reconciler.yaml", "a/b/flags"}),
        ("a/odd.yaml", TOP, ("--config", "./a/odd.yaml", "--path", "docs"), {"a/odd.yaml", "a/flags", "docs"}),
        ("a/r.yaml", TOP + "flags: x/y\n", ("--config", "a/r.yaml"), {"a/r.yaml", "a/x/y"}),
        ("a/r.yaml", TOP + "flags: .\n", ("--config", "a/r.yaml"), {"a/r.yaml", "a"}),
        ("reconciler.yaml", TOP + "flags: .\n", (), {"reconciler.yaml", "."}),
        ("r.yaml", TOP + "flags: link/flags\n", ("--config", "r.yaml"), {"r.yaml", "link/flags", "real/flags"}),
        ("reconciler.yaml", ALL, ("--env", "one"), {"reconciler.yaml", "flags"}),
        ("reconciler.yaml", ALL, ("--env", "one", "--path", "docs"), {"reconciler.yaml", "flags", "docs"}),
        ("reconciler.yaml", ALL, (), {"reconciler.yaml", "flags", "other/flags"}),
    ],
)
@pytest.mark.parametrize("checkout", ["", "repository"])
@pytest.mark.parametrize("above", [False, True])
def test_what_is_watched_follows_from_the_configuration(
    github: GithubState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    capsys: pytest.CaptureFixture[str],
    case: tuple[str, str, tuple[str, ...], set[str]],
    checkout: str,
    above: bool,
) -> None:
    """By its names in the repository, wherever in the workspace that is checked out: of one environment or of all.

    The workspace may be in a checkout of something else.
    """
    file, text, arguments, watched = case
    if above:
        (tmp_path / ".git").mkdir()
        tmp_path = tmp_path / "workspace"
    github.comparisons[f"{COMMIT}...main"] = {"status": "identical"}
    top = tmp_path / checkout
    for directory in (".git", "real"):
        (top / directory).mkdir(parents=True)
    (top / "link").symlink_to("real")
    (top / file).parent.mkdir(parents=True, exist_ok=True)
    (top / file).write_text("version: 1\n" + text)
    monkeypatch.chdir(top)
    assert run(github, "tip", *arguments, **RUN, GITHUB_WORKSPACE=str(tmp_path)) == 0
    said = capsys.readouterr().out.removeprefix(f"{COMMIT[:12]} is what main says of ").removesuffix(".\n")
    assert {name.rstrip("/") for name in said.split(", ")} == watched


@pytest.mark.parametrize("name", ["sub", "sub/a", "sub/a/flags", "sub/a/flags/x.yaml", "sub/a/reconciler.yaml"])
def test_a_submodule_and_a_link_change_what_is_in_them(
    github: GithubState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """GitHub names the submodule or the link, and none of the files that change with it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub/a").mkdir(parents=True)
    (tmp_path / "sub/.git").write_text("gitdir: ../.git/modules/sub\n")
    (tmp_path / "sub/a/reconciler.yaml").write_text("version: 1\n" + TOP)
    monkeypatch.chdir(tmp_path)
    for found, code in ((name, 1), ("sub/a/flagship", 0), ("su", 0)):
        github.comparisons[f"{COMMIT}...main"] = {"status": "ahead", "files": [{"filename": found}]}
        ran = run(github, "tip", "--config", "sub/a/reconciler.yaml", **RUN, GITHUB_WORKSPACE=str(tmp_path))
        assert ran == code


def test_without_a_workspace_the_checkout_around_the_file_is_the_top(
    github: GithubState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next one, also where that is in another one."""
    for directory in (".git", "inner/.git"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "inner/reconciler.yaml").write_text("version: 1\n" + TOP)
    monkeypatch.chdir(tmp_path / "inner")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    github.comparisons[f"{COMMIT}...main"] = {"status": "identical"}
    assert run(github, "tip", **RUN) == 0
    assert "says of flags, reconciler.yaml." in capsys.readouterr().out


def test_without_a_checkout_the_workspace_is_the_top(
    github: GithubState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a runner has no git; outside of a workspace nothing is known."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/reconciler.yaml").write_text("version: 1\n" + TOP)
    monkeypatch.chdir(tmp_path / "a")
    github.comparisons[f"{COMMIT}...main"] = {"status": "identical"}
    assert run(github, "tip", **RUN, GITHUB_WORKSPACE=str(tmp_path)) == 0
    assert "a/flags, a/reconciler.yaml" in capsys.readouterr().out
    assert run(github, "tip", **RUN, GITHUB_WORKSPACE=str(tmp_path / "b")) == 64
    assert "--path" in capsys.readouterr().err


def test_names_of_files_are_no_commands_of_the_log(github: GithubState, capsys: pytest.CaptureFixture[str]) -> None:
    """A person who can merge can name a file, and so could write a line of the log."""
    names = ["flags/a\n::add-mask::e", "flags/\x1b[2J"]
    github.comparisons[f"{COMMIT}...main"] = {"status": "ahead", "files": [{"filename": name} for name in names]}
    assert run(github, *TIP, **RUN) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert not [line for line in err.splitlines() if line.lstrip().startswith("::")]


def test_a_configuration_that_is_invalid_is_said_to_be_that(
    github: GithubState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its place, as the command says it; nothing is asked."""
    (tmp_path / "reconciler.yaml").write_text("version: 2\n" + TOP)
    monkeypatch.chdir(tmp_path)
    assert run(github, "tip", **RUN, GITHUB_WORKSPACE=str(tmp_path)) == 3
    assert "reconciler.yaml:1:10: error" in capsys.readouterr().err
    assert github.requests == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": "diverged"}, f"{COMMIT[:12]} is not part of main any more: nothing is applied."),
        ({"status": "ahead", "files": [{"filename": f"flags/{name}"} for name in "dbcab"]},
         f"main has moved on since {COMMIT[:12]} (flags/a, flags/b, flags/c): the run of its newest commit applies."),
        ({"status": "ahead", "files": [{"filename": f"{n}"} for n in range(300)]},
         "main has moved on by more files than can be seen: run the workflow on its newest commit."),
    ],
)  # fmt: skip
def test_why_a_commit_is_not_applied(
    github: GithubState, capsys: pytest.CaptureFixture[str], answer: dict[str, str], words: str
) -> None:
    """With the first three files, sorted."""
    github.comparisons[f"{COMMIT}...main"] = answer
    assert run(github, *TIP, **RUN) == 1
    assert words in capsys.readouterr().err


def test_a_branch_may_have_slashes(github: GithubState) -> None:
    """The name of the branch cannot become a part of the path."""
    github.comparisons[f"{COMMIT}...release/1"] = {"status": "identical"}
    assert run(github, *TIP, "--branch", "release/1", **RUN) == 0
    assert run(github, *TIP, "--branch", "../../../other/x", **RUN) == 1
    assert [path.count("/") for _, path in github.requests] == [5, 5]


def test_what_fails_for_a_moment_is_asked_again(github: GithubState, tmp_path: Path) -> None:
    """Reads and edits are repeated after a 502; a creation is not, since it may have been made."""
    github.failures += [502, 503]
    assert run(github, "comment", "--body-file", written(tmp_path, "plan")) == 0
    assert bodies(github) == [f"{SIGN}\nplan"]
    github.failures += [502, 502, 502]
    assert run(github, "comment", "--body-file", written(tmp_path, "new")) == 1
    number = 6
    original = Github.of(github.environ)
    github.failures += [502]
    with pytest.raises(ForgeError, match="502"):
        original.request("POST", f"/issues/{number}/comments", Any, {"body": "x"})
    assert bodies(github, number) == []


@pytest.mark.parametrize(
    ("failure", "words"), [(302, "302"), (401, "permission"), (403, "permission"), (404, "permission"), (422, "422")]
)
def test_a_refusal_says_what_was_asked_and_never_the_token(
    github: GithubState, capsys: pytest.CaptureFixture[str], failure: int, words: str
) -> None:
    """Redirects are not followed; a missing permission is named as the likely reason."""
    github.failures += [failure]
    assert run(github, "issue", "--close") == 1
    err = capsys.readouterr().err
    assert words in err
    assert "GET /issues" in err
    assert TOKEN not in err
    assert len(github.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (("issue",), {}, "--body-file"),
        (("issue", "--close"), {"GITHUB_TOKEN": " "}, "GITHUB_TOKEN"),
        (("issue", "--close"), {"GITHUB_REPOSITORY": "a/b/../c"}, "owner/name"),
        (("issue", "--close"), {"GITHUB_API_URL": "http://api.example.com"}, "https"),
        (("comment", "--body-file", "missing.md"), {}, "missing.md"),
        (("comment", "--body-file", "missing.md"), {"GITHUB_REF": "refs/heads/main"}, "--number"),
        (TIP, {}, "GITHUB_SHA"),
    ],
)
def test_wrong_usage_is_64_and_sends_nothing(
    github: GithubState,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    environ: dict[str, str],
    words: str,
) -> None:
    """What is missing is named before a request is sent; the token never goes over plain http."""
    assert run(github, *arguments, **environ) == 64
    assert words in capsys.readouterr().err
    assert github.requests == []


def test_the_module_runs_isolated_from_the_directory_it_is_run_in(github: GithubState, tmp_path: Path) -> None:
    """With `python -I` a file of a pull request named like a module of the standard library is not imported."""
    (tmp_path / "click.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "body.md").write_text("plan")
    command = [sys.executable, "-I", "-m", "reconciler.ci", "comment", "--body-file", "body.md"]
    environ = {**github.environ, "GITHUB_REF": "refs/pull/5/merge"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Comment on pull request 5: created.\n", "")
    assert [comment["user"]["login"] for comment in github.comments[5]] == [BOT]
    refused = subprocess.run([*command[:4], "nothing"], env=environ, capture_output=True, check=False)
    assert refused.returncode == 64

"""What steps of workflows are given and what they say, to the word; and what a forge leaves out of its answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import ssl
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import click
import httpx
import pytest
from forge_server import ForgeState, served
from github_server import a_github
from gitlab_server import a_gitlab
from msgspec import convert
from speaking import HEAD as JSON_HEAD
from speaking import speaking
from virtual_time import run_in_virtual_time

from reconciler.ci.__main__ import ci, main
from reconciler.ci.github import Github
from reconciler.ci.gitlab import Gitlab
from reconciler.ci.http import ForgeError, secure_address
from reconciler.ci.posts import put_comment
from reconciler.ci.review import record_line
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from github_server import GithubState
    from gitlab_server import GitlabState

BEFORE, HEAD = "b" * 40, "c" * 40
MIB = 1024 * 1024
PUSH = ("--before", BEFORE, "--head", HEAD)
PLAN = "--author=TEXT --name=TEXT[plan]"
TITLE = "Feature flags differ from git"
SIGN = "<!-- reconciler:plan -->"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubState]:
    """The stand-in; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with a_github() as state:
        yield state


@pytest.fixture(params=[a_github, a_gitlab])
def forge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeState]:
    """A stand-in of each; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with request.param() as state:
        yield state


def run(forge: GithubState | GitlabState, *arguments: str, **environ: str | None) -> int:
    """Run the module as a job for pull request 5 would; None: without that variable."""
    own = {"GITHUB_REF": "refs/pull/5/merge", "CI_MERGE_REQUEST_IID": "5"}
    whole = {**forge.environ, **own, **environ}
    return main(arguments, {name: value for name, value in whole.items() if value is not None})


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("comment",
         f"--body-file=FILE! --log=FILE --page=URL --number=N --record=FILE --update-only {PLAN}"),
        ("base", "--environment=NAME! --head=SHA! --before=SHA"),
        ("reviewed", f"--output=FILE! --required --before=SHA! --head=SHA! --path=TEXT* --config=FILE {PLAN}"),
        ("outcome", f"--body-file=FILE! --log=FILE --before=SHA! --head=SHA! --path=TEXT* --config=FILE {PLAN}"),
        ("settled", "--report=FILE!"),
        ("allowed", f"--number=N* --before=SHA --head=SHA --path=TEXT* --config=FILE {PLAN}"),
        ("attempted", "--environment=NAME! --head=SHA!"),
        ("issue", f"--body-file=FILE --title=TEXT[{TITLE}] --label=TEXT* --close --author=TEXT --name=TEXT[drift]"),
        ("tip", "--branch=TEXT --config=FILE --env=NAME --path=TEXT*"),
    ],
)  # fmt: skip
def test_the_options_of_each_step(command: str, options: str) -> None:
    """Workflows of users name them: `!` has to be given, `*` may be repeated. Each says what it is."""
    found = []
    for item in ci.commands[command].params:
        assert isinstance(item, click.Option)
        assert item.help
        value = "" if item.is_flag else f"={item.make_metavar(click.Context(ci))}"
        default = f"[{item.default}]" if isinstance(item.default, str) else ""
        found.append(f"{item.opts[0]}{value}{'!' * item.required}{'*' * item.multiple}{default}")
    assert " ".join(found) == options


def test_the_help_says_what_the_steps_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    """And names each of them."""
    assert main(["--help"], {}) == 0
    out = capsys.readouterr().out
    assert "`python -I -m reconciler.ci`: for steps of workflows." in out
    assert all(f"\n  {name} " in out for name in ci.commands)


def test_a_comment_has_the_plan_its_page_and_its_run(
    github: GithubState, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.md").write_text("plan\n")
    arguments = ("comment", "--body-file", str(tmp_path / "plan.md"), "--record", str(tmp_path / "none.json"))
    environ = {"GITHUB_SERVER_URL": "https://github.example.com", "GITHUB_RUN_ID": "77"}
    assert run(github, *arguments, "--page", "https://example.com/p", "--number", "9", **environ) == 0
    link = "[run 77](https://github.example.com/example/flags/actions/runs/77)"
    page = "[The whole plan as a page](https://example.com/p)"
    assert github.bodies(9) == [f"{SIGN}\nplan\n\n{page}\n\n<sub>From {link}.</sub>\n"]
    assert capsys.readouterr().out == "Comment on pull request 9: created.\n"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("Error: no\n", "Error: no"),
        (None, "The flag files are invalid, or the job did not start."),
    ],
)
def test_without_a_plan_the_log_is_shown(github: GithubState, tmp_path: Path, log: str | None, words: str) -> None:
    """And without a log, why there may be none."""
    if log is not None:
        (tmp_path / "log").write_text(log)
    files = ("--body-file", str(tmp_path / "plan.md"), "--log", str(tmp_path / "log"))
    assert run(github, "comment", *files) == 0
    (body,) = github.bodies(5)
    assert body == f"{SIGN}\n**There is no plan.** The log of the run says more.\n\n```\n{words}\n```\n"
    github.push(BEFORE, HEAD, "d" * 40)
    github.add_pull(6, "d" * 40)
    assert run(github, "outcome", *files, *PUSH) == 0
    (body,) = github.bodies(6)
    assert body.startswith(
        f"{SIGN}\n**There is no report of the apply.** The log of the run says more.\n\n```\n{words}"
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"flags": [{"status": "applied"}, {"status": "held"}]}, "Settled: 1 flag applied, 1 held.\n"),
        ({"flags": [], "error": None}, "Settled: 0 flags applied, 0 held.\n"),
        ({"error": {"kind": "unreviewed"}, "flags": [{"status": "held"}]}, "Settled: 0 flags applied, 1 held.\n"),
        ({"error": {"kind": "unreviewed"}}, "Settled: 0 flags applied, 0 held.\n"),
        ({"flags": [{"status": "applied"}, {"status": "failed"}]}, None),
        ({"error": {"kind": "guard"}, "flags": [{"status": "held"}]}, None),
        ({"flags": [{}]}, None),
        ({}, None),
    ],
)
def test_what_is_settled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: dict[str, Any], said: str | None
) -> None:
    """Every flag applied or held, in a run that was not refused; what was not as reviewed is held for a review."""
    report = tmp_path / "report.json"
    report.write_text(json.dumps(document))
    assert main(["settled", "--report", str(report)], {}) == (0 if said else 1)
    out, err = capsys.readouterr()
    assert out == (said or "")
    assert ("Something is left to do: the log of the apply says what." in err) is (said is None)


@pytest.mark.parametrize(
    "document",
    ["[]", "7", "null", '{"flags": 7}', '{"flags": null}', '{"flags": [7]}', '{"flags": {}}', "{", "",
     '{"flags": [{"status": 7}]}', '{"flags": [], "error": "unreviewed"}', '{"flags": [], "error": {"kind": []}}'],
)  # fmt: skip
def test_what_is_no_report_is_not_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str) -> None:
    """It is said to be none, and is no defect."""
    report = tmp_path / "report.json"
    report.write_text(document)
    assert main(["settled", "--report", str(report)], {}) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Error: {report} is no report of an apply: ")


def test_what_the_other_steps_say(forge: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of no pull request and of several, in the order in which they came in."""
    forge.push(BEFORE, HEAD, *(digit * 40 for digit in "2134"))
    for number in (12, 11):
        forge.add_pull(number, str(number - 10) * 40)
    forge.add_pull(11, "3" * 40)
    (tmp_path / "report.md").write_text("**applied**\n")
    outcome = ("outcome", "--body-file", str(tmp_path / "report.md"), *PUSH)
    reviewed = ("reviewed", "--output", str(tmp_path / "r.json"))
    forge.push(HEAD, BEFORE)
    for arguments in (outcome, (*reviewed, *PUSH), (*reviewed, "--before", HEAD, "--head", BEFORE)):
        assert run(forge, *arguments) == 0
    assert run(forge, *reviewed, "--before", HEAD, "--head", BEFORE, "--required") == 5
    out, err = capsys.readouterr()
    noun, several = "pull request", "pull requests #12, #11"
    if "GITLAB_CI" in forge.environ:
        noun, several = "merge request", "merge requests !12, !11"
    assert out.splitlines() == [
        f"What was applied is said in: {several}.",
        f"No review record: {several}. Only flags that the push changes are applied.",
        f"No review record: no {noun}. Only flags that the push changes are applied.",
    ]
    assert f"There is no review record: no {noun}. Nothing is applied." in err


def test_what_is_said_of_an_issue(github: GithubState, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its title is the default one; another name is another issue."""
    (tmp_path / "drift.md").write_text("drift")
    (tmp_path / "more.md").write_text("more drift")
    told, more = (("issue", "--body-file", str(tmp_path / name)) for name in ("drift.md", "more.md"))
    close = ("issue", "--close")
    for arguments in (close, told, told, more, (*close, "--name", "x"), close):
        assert run(github, *arguments) == 0
    assert run(github, *told, "--author", "ada") == 0
    github.issues[-1]["user"]["login"] = "ada"
    assert run(github, "issue", "--close", "--author", "ada") == 0
    said = ("none open", "opened", "unchanged", "updated", "none open", "closed", "opened", "closed")
    assert capsys.readouterr().out.splitlines() == [f"Issue: {word}." for word in said]
    assert [(item["title"], item["labels"]) for item in github.issues] == [(TITLE, [])] * 2


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (("comment", "--body-file", "bytes"), {}, "bytes cannot be read"),
        (("tip", "--path", "x"), {"GITHUB_SHA": HEAD}, "There is no GITHUB_SHA or no GITHUB_REF_NAME"),
        (("tip", "--path", "x"), {"GITHUB_REF_NAME": "main"}, "There is no GITHUB_SHA or no GITHUB_REF_NAME"),
        (("issue",), {}, "Give the text of the issue with --body-file, or --close."),
        (("comment", "--body-file", "x"), {"GITHUB_REF": "refs/heads/main"}, "GITHUB_REF names no pull request"),
        (("allowed",), {"GITHUB_API_URL": "http://x"}, "GITHUB_API_URL is 'http://x': it must be an address"),
        (("allowed",), {"GITHUB_TOKEN": "a\nb"}, "GITHUB_TOKEN is no token: "),
        (("allowed",), {"GITHUB_TOKEN": None}, "There is no GITHUB_TOKEN: "),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_API_V4_URL": "https://x", "CI_PROJECT_ID": "a/b"},
         "CI_PROJECT_ID is 'a/b', not a number: this runs in a pipeline."),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_API_V4_URL": "https://x", "CI_PROJECT_ID": "1"},
         "There is no GITLAB_TOKEN: "),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_PROJECT_ID": "1"}, "CI_API_V4_URL is ''"),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_API_V4_URL": "https://x"}, "CI_PROJECT_ID is ''"),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_API_V4_URL": "https://x", "CI_PROJECT_ID": "1",
                                           "GITLAB_TOKEN": "t", "CI_MERGE_REQUEST_IID": None},
         "CI_MERGE_REQUEST_IID names no merge request: give its --number."),
        (("allowed",), {"GITHUB_REF": None}, "GITHUB_REF names no pull request: give its --number."),
        (("allowed",), {"GITHUB_REPOSITORY": None}, "GITHUB_REPOSITORY is '', not owner/name."),
        (("comment", "--body-file", "x"), {"GITLAB_CI": "1", "CI_API_V4_URL": "https://x", "CI_PROJECT_ID": "1",
                                           "GITLAB_TOKEN": "t", "CI_MERGE_REQUEST_IID": ""},
         "CI_MERGE_REQUEST_IID names no merge request: give its --number."),
        (("comment", "--body-file", "x", "--number", "5x"), {}, "'5x' is not a valid integer"),
        (("allowed", "--number", "5x"), {}, "'5x' is not a valid integer"),
        (("nothing",), {}, "See `python -I -m reconciler.ci --help`."),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    github: GithubState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    environ: dict[str, str | None],
    words: str,
) -> None:
    """Wrong usage, before anything is sent."""
    (tmp_path / "bytes").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    assert run(github, *arguments, **environ) == 64
    assert words in capsys.readouterr().err
    assert github.requests == []


@pytest.mark.parametrize("token", ["ghs_a\nghs_b", "ghs_a\x00", "ghs_\xe9", "ghs_a\tb"])
def test_a_token_that_no_header_can_hold_is_not_shown(
    forge: Any, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    """The error of the library would have it in it."""
    assert run(forge, "allowed", GITHUB_TOKEN=token, GITLAB_TOKEN=token) == 64
    err = capsys.readouterr().err
    assert "_TOKEN is no token: " in err
    assert "ghs_" not in err
    assert forge.requests == []


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://api.example.com/v3//", "https://api.example.com/v3"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("http://127.0.0.1.example.com", None),
        ("http://api.example.com", None),
        ("https://a:b", None),
        ("ftp://127.0.0.1", None),
        ("https://xn--", None),
        ("https://a:99999", None),
        ("https://a/\udcff", None),
        ("https://a..b", None),
        ("https://", None),
        ("", None),
    ],
)
def test_addresses_that_a_token_may_be_sent_to(address: str, kept: str | None) -> None:
    """Over https, or to this machine."""
    if kept is not None:
        assert secure_address(address, "URL") == kept
    else:
        with pytest.raises(UsageError, match=f"^URL is {re.escape(repr(address.rstrip('/')))}: "):
            secure_address(address, "URL")


@pytest.mark.parametrize(
    ("make", "environ", "line"),
    [
        (Github, {"GITHUB_SERVER_URL": "https://g", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"},
         "\n<sub>From [run 7](https://g/a/b/actions/runs/7).</sub>\n"),
        (Github, {"GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}, ""),
        (Github, {"GITHUB_SERVER_URL": "https://g", "GITHUB_RUN_ID": "7"}, ""),
        (Github, {"GITHUB_SERVER_URL": "https://g", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "x"}, ""),
        (Gitlab, {"CI_JOB_URL": "https://g/-/jobs/7", "CI_JOB_ID": "7"},
         "\n<sub>From [job 7](https://g/-/jobs/7).</sub>\n"),
        (Gitlab, {"CI_JOB_ID": "7"}, ""),
        (Gitlab, {"CI_JOB_URL": "https://g/-/jobs/7"}, ""),
    ],
)  # fmt: skip
def test_the_line_that_links_to_the_run(make: Any, environ: dict[str, str], line: str) -> None:
    assert make("https://api.example.com", "1", "token").run_link(environ) == line


def test_whose_comments_are_the_workflows(forge: Any) -> None:
    """The one of the token, or the one that is named; users who are gone have none."""
    make = Gitlab if "GITLAB_CI" in forge.environ else Github
    forge.add_comment(5, "kept", login="ada")
    gone = forge.add_comment(5, "x", login="ada")
    gone |= {"body": None, "user": None, "author": None}
    found = list(make.of(forge.environ).comments(5))
    assert [(item.id, item.body, item.author) for item in found] == [(1, "kept", "ada"), (2, "", "")]
    assert make.of(forge.environ, "ada").author() == "ada"
    assert make.of(forge.environ).author() in {"github-actions[bot]", "project_31_bot_0123"}


def test_the_author_of_a_comment_may_be_named(forge: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the token is not that of the workflow's own user: each step goes by that one's comment."""
    forge.permissions = {"grace": "write"}
    forge.push(BEFORE, HEAD, "d" * 40)
    forge.add_pull(5, "d" * 40)
    forge.add_label(5, "flags-allow:rebucket", "grace")
    content = {"formatVersion": 1, "projectId": "7", "environment": None, "commit": None,
               "flags": {"a": "sha256:" + "1" * 64}}  # fmt: skip
    forge.add_comment(5, f"{SIGN}\nold\n{record_line(json.dumps(content).encode())}", login="ada")
    file, record = tmp_path / "text.md", tmp_path / "record.json"
    file.write_text("new\n")
    author = ("--author", "ada")
    assert run(forge, "allowed", *PUSH, *author) == 0
    assert capsys.readouterr().out == "--allow=rebucket:a\n"
    assert run(forge, "reviewed", "--output", str(record), *PUSH, *author) == 0
    assert json.loads(record.read_text()) == content
    assert run(forge, "outcome", "--body-file", str(file), *PUSH, *author) == 0
    (body,) = forge.bodies(5)
    assert body.startswith(f"{SIGN}\nnew\n\nMerged by grace.\n\n<!-- the plan that was reviewed -->\n\nold\n")
    assert run(forge, "comment", "--body-file", str(file), *author) == 0
    assert forge.bodies(5) == [f"{SIGN}\nnew\n"]


def test_commits_that_touch_the_configuration_and_its_flags_count(
    forge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their names in the workspace, beside the paths that are given."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/r.yaml").write_text('version: 1\nprojectId: "7"\nflags: of/flags\n')
    (tmp_path / "text.md").write_text("new\n")
    monkeypatch.chdir(tmp_path)
    forge.push(BEFORE, HEAD, "d" * 40)
    steps = (("allowed",), ("reviewed", "--output", "record.json"), ("outcome", "--body-file", "text.md"))
    for step in steps:
        forge.requests.clear()
        options = (*PUSH, "--path", "docs", "--config", "a/r.yaml")
        assert run(forge, *step, *options, GITHUB_WORKSPACE=str(tmp_path)) == 0
        paths = [parse_qs(path.partition("?")[2]).get("path") for _, path in forge.requests]
        assert [path for path in paths if path] == [["docs"], ["a/of/flags"], ["a/r.yaml"]]


def test_what_users_who_are_gone_did(forge: Any, tmp_path: Path) -> None:
    """Labels that they set allow nothing, and a merge of theirs has no name."""
    client = (Gitlab if "GITLAB_CI" in forge.environ else Github).of(forge.environ)
    forge.add_label(5, "one", "ada")
    forge.add_label(5, "two", "ada")
    forge.events[5][1] |= {"actor": None, "user": None}
    assert dict(client.label_setters(5)) == {"one": "ada"}
    forge.push(BEFORE, HEAD, "d" * 40)
    forge.add_pull(5, "d" * 40)
    for item in [*getattr(forge, "pulls", {}).values(), *getattr(forge, "requests_of", {}).get("d" * 40, ())]:
        item |= {"merged_by": None, "merge_user": None}
    assert [(item.number, item.merged_by) for item in client.merged(BEFORE, HEAD)] == [(5, None)]
    (tmp_path / "report.md").write_text("**applied**\n")
    assert run(forge, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
    assert forge.bodies(5) == [f"{SIGN}\n**applied**\n"]
    assert client.first_parent("e" * 40) is None


@pytest.mark.parametrize(
    "users",
    [
        {"merge_user": {"username": "grace"}, "merged_by": {"username": "ada"}},
        {"merge_user": {"username": "grace"}, "merged_by": None},
        {"merge_user": None, "merged_by": {"username": "grace"}},
        {"merged_by": {"username": "grace"}},
    ],
)
def test_who_merged_is_said_by_old_servers_of_gitlab_too(users: dict[str, Any]) -> None:
    with a_gitlab() as gitlab:
        gitlab.push(BEFORE, HEAD, "d" * 40)
        gitlab.requests_of["d" * 40] = [{"iid": 5, "state": "merged", **users}]
        pulls = Gitlab.of(gitlab.environ).merged(BEFORE, HEAD)
    assert [(item.number, item.merged_by) for item in pulls] == [(5, "grace")]


def test_a_label_that_was_set_again_is_of_who_set_it_again(forge: Any) -> None:
    """Also where that is a user who is gone: the one before does not speak for them."""
    client = (Gitlab if "GITLAB_CI" in forge.environ else Github).of(forge.environ)
    forge.add_label(5, "one", "ada")
    forge.add_label(5, "one", "grace")
    assert dict(client.label_setters(5)) == {"one": "grace"}
    forge.events[5][-1] |= {"actor": None, "user": None}
    assert dict(client.label_setters(5)) == {}
    del forge.events[5][-1]
    assert dict(client.label_setters(5)) == {}


def test_how_long_a_comment_may_be(forge: Any) -> None:
    """As long as the forge takes it; what is longer is shortened."""
    is_gitlab = "GITLAB_CI" in forge.environ
    client = (Gitlab if is_gitlab else Github).of(forge.environ)
    longest = f"{SIGN}\n".ljust(1_000_000 if is_gitlab else 65_536, "x")
    for number, text in enumerate((longest, f"{longest}x")):
        assert put_comment(client, number, text, name="plan", update_only=False, hidden="") == "created"
    assert forge.bodies(0) == [longest]
    assert forge.bodies(1)[0].startswith(f"{SIGN}\n\n**Shortened: ")


def test_a_comment_that_may_be_the_workflows_is_not_passed_over(
    forge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no author, or with no text of its own author, nothing tells whether it has the record."""
    forge.permissions = {"grace": "write"}
    forge.add_label(5, "flags-allow:rebucket", "grace")
    forge.push(BEFORE, HEAD, "d" * 40)
    forge.add_pull(5, "d" * 40)
    forge.add_comment(5, "", login="ada")
    other = forge.add_comment(5, "of a user who is gone")
    other |= {"user": None, "author": None}
    comment = forge.add_comment(5, SIGN)
    for gone in {"user": None, "author": None}, {"body": None}:
        kept = dict(comment)
        comment |= gone
        assert run(forge, "allowed", *PUSH) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert f"Comment 3 of {'merge' if 'GITLAB_CI' in forge.environ else 'pull'} request 5 has no " in err
        comment |= kept
    assert run(forge, "allowed", *PUSH) == 0


def test_only_a_member_who_may_push_may(forge: Any) -> None:
    """By the whole name, from the level of a developer on."""
    client = (Gitlab if "GITLAB_CI" in forge.environ else Github).of(forge.environ)
    forge.permissions = {"ada": "write", "ada-2": "read", "grace": "admin"}
    assert [client.may_push(name) for name in ("ada", "ada-2", "grace", "ad")] == [True, False, True, False]


def test_what_is_not_there_is_told_from_what_may_not_be_asked(forge: Any) -> None:
    """A commit that is gone, and a user of GitHub, are no answer but 404; anything else ends the step."""
    client = (Gitlab if "GITLAB_CI" in forge.environ else Github).of(forge.environ)
    questions = [lambda: client.is_ancestor(BEFORE, HEAD)]
    questions += [] if "GITLAB_CI" in forge.environ else [lambda: client.may_push("ada")]
    for asks in questions:
        forge.failures += [404, 403]
        assert asks() is False
        with pytest.raises(ForgeError, match="403"):
            asks()
    assert forge.failures == []


def test_edits_are_repeated_and_creations_are_not(github: GithubState) -> None:
    """After 500 and beyond, and where nothing answers; what is refused is not asked again."""
    client = Github.of(github.environ)
    comment = github.add_comment(5, "old")
    for method in ("GET", "PATCH"):
        github.failures += [500, 599]
        path = "/issues/5/comments?per_page=9&page=1" if method == "GET" else f"/issues/comments/{comment['id']}"
        assert client.request(method, path, Any, {"body": "new"} if method == "PATCH" else None)
    assert [method for method, _ in github.requests] == ["GET"] * 3 + ["PATCH"] * 3
    for method, failures in (("POST", [500]), ("PATCH", [404]), ("GET", [500, 500, 500])):
        github.failures += failures
        with pytest.raises(ForgeError, match=rf"^GitHub answered {method} /x with {failures[0]}\."):
            client.request(method, "/x", Any)
        assert github.failures == []


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The requests that were made. Each is answered in the process, after the seconds that its path names."""
    requests: list[httpx.Request] = []

    async def answered(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        requests.append(request)
        await asyncio.sleep(float(request.url.path.rpartition("/")[2]))
        return httpx.Response(200, stream=httpx.ByteStream(b"[]"))

    monkeypatch.setattr("httpx.AsyncHTTPTransport.handle_async_request", answered)
    monkeypatch.setattr("asyncio.run", run_in_virtual_time)
    return requests


def test_an_answer_has_a_minute_and_each_part_of_it_half_of_one(asked: list[httpx.Request]) -> None:
    client = Github("https://api.example.com", "a/b", "t")
    assert client.request("GET", "/59.9", Any) == []
    with pytest.raises(ForgeError, match=r"^GitHub took more than 60 s to answer GET /60\.1\.$"):
        client.request("GET", "/60.1", Any)
    assert [request.extensions["timeout"] for request in asked] == [
        dict.fromkeys(("connect", "read", "write", "pool"), 30)
    ] * 2


def test_what_requests_say_of_themselves(asked: list[httpx.Request]) -> None:
    """To each forge its own headers, with the token in the one that it reads."""
    common = {"user-agent": "amplitude-flag-reconciler", "accept-encoding": "gzip"}
    Github("https://api.example.com/v3", "a/b", "t").request("POST", "/0", Any, {"x": 1})
    Gitlab("https://gitlab.example.com/api/v4", "a/b", "t").request("GET", "/0", Any, query={"x": 1})
    of_github, of_gitlab = asked
    assert (of_github.method, str(of_github.url), of_github.content) == (
        "POST", "https://api.example.com/v3/repos/a/b/0", b'{"x":1}',
    )  # fmt: skip
    assert str(of_gitlab.url) == "https://gitlab.example.com/api/v4/projects/a%2Fb/0?x=1"
    own = {"accept": "application/vnd.github+json", "authorization": "Bearer t", "x-github-api-version": "2022-11-28"}
    assert {name: of_github.headers[name] for name in common | own} == common | own
    own = {"private-token": "t"}
    assert {name: of_gitlab.headers[name] for name in common | own} == common | own


def test_certificates_are_those_that_the_system_trusts(
    asked: list[httpx.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a server of a company may have one of its own."""
    trusted, given = ssl.create_default_context(), []

    class Noting(httpx.AsyncClient):
        def __init__(self, **settings: Any) -> None:
            given.append(settings["verify"])
            super().__init__(**settings)

    monkeypatch.setattr("ssl.create_default_context", lambda: trusted)
    monkeypatch.setattr("httpx.AsyncClient", Noting)
    Github("https://api.example.com", "a/b", "t").request("GET", "/0", Any)
    assert (given, len(asked)) == ([trusted], 1)


def test_pull_requests_come_in_the_order_of_their_merges(github: GithubState) -> None:
    """Whatever the order of their commits is, or of their numbers."""
    github.push(BEFORE, HEAD, *(digit * 40 for digit in "123"))
    for number, digit, day in ((8, "1", 2), (9, "2", 1), (7, "3", 3)):
        github.add_pull(number, digit * 40)
        github.pulls[number]["merged_at"] = f"2026-01-0{day}T12:00:00Z"
    assert [item.number for item in Github.of(github.environ).merged(BEFORE, HEAD)] == [9, 8, 7]


@pytest.mark.parametrize(
    ("status", "is_before"), [("ahead", True), ("identical", True), ("behind", False), ("diverged", False)]
)
def test_which_commits_came_before(github: GithubState, status: str, is_before: bool) -> None:
    github.comparisons[f"{BEFORE}...{HEAD}"] = {"status": status}
    assert Github.of(github.environ).is_ancestor(BEFORE, HEAD) is is_before


def test_an_answer_has_at_most_32_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(_: httpx.AsyncHTTPTransport, __: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b" " * (32 * MIB + 1)))

    monkeypatch.setattr("httpx.AsyncHTTPTransport.handle_async_request", answered)
    with pytest.raises(ForgeError, match=r"^GitHub answered GET /x with more than 32 MiB\.$"):
        Github("https://api.example.com", "a/b", "t").request("GET", "/x", Any)


def test_pauses_before_an_edit_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second, then two; a creation waits for nothing."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with a_github() as state:
        client = Github.of(state.environ)
        for method, waited in (("GET", [0.5, 2.0]), ("PATCH", [0.5, 2.0]), ("PUT", [0.5, 2.0]), ("POST", [])):
            pauses.clear()
            state.failures += [503] * (1 + len(waited))
            with pytest.raises(ForgeError, match="503"):
                client.request(method, "/x", Any)
            assert (pauses, state.failures) == (waited, [])


@pytest.mark.parametrize(
    ("status", "asks_for_permission"),
    [(400, False), (401, True), (402, False), (403, True), (404, True), (405, False), (499, False), (500, False)],
)
def test_a_refusal_asks_for_a_permission_where_one_may_lack(
    github: GithubState, status: int, asks_for_permission: bool
) -> None:
    """And is told by its status."""
    github.failures += [status] * 3
    with pytest.raises(ForgeError, match=rf"^GitHub answered GET /x with {status}\.") as caught:
        Github.of(github.environ).request("GET", "/x", Any)
    assert ("permission" in str(caught.value)) is asks_for_permission
    assert caught.value.status == (status if status < 500 else None)


class Many(Github):
    """A repository with many commits, which answers in the process; those in `touching` touch the paths."""

    def __init__(self, count: int, touching: list[str] | None = None) -> None:
        super().__init__("https://api.example.com", "a/b", "t")
        self.shas = [f"{number:040x}" for number in range(count)]
        self.found = self.shas if touching is None else touching
        self.asked: list[str] = []

    def request(
        self,
        method: str,
        path: str,
        shape: Any,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """A page of commits, or none of anything else."""
        assert method == "GET"
        assert query is not None
        assert query["per_page"] == 100
        self.asked.append(path)
        shas = self.shas if path.startswith("/compare/") else self.found if path == "/commits" else []
        items = [{"sha": sha} for sha in shas[(query["page"] - 1) * 100 : query["page"] * 100]]
        return convert({"commits": items} if path.startswith("/compare/") else items, shape)


SINCE = f"since {BEFORE[:12]}"


@pytest.mark.parametrize(
    ("count", "paths", "words"),
    [
        (250, (), None),
        (251, (), f"More than 250 commits {SINCE} change flags: apply by hand."),
        (251, ("flags",), f"More than 250 commits {SINCE} change flags: apply by hand."),
        (9_999, ("docs",), None),
        (10_000, ("docs",), f"There are 10,000 commits or more {SINCE}: apply by hand."),
    ],
)
def test_how_many_commits_a_push_may_have(count: int, paths: tuple[str, ...], words: str | None) -> None:
    """Ten thousand are listed, and the pull requests of 250 are asked for, which touch the paths."""
    many = Many(count, [] if "docs" in paths else None)
    if words is None:
        assert many.merged(BEFORE, HEAD, paths) == ()
    else:
        with pytest.raises(ForgeError, match=f"^{re.escape(words)}$"):
            many.merged(BEFORE, HEAD, paths)


@pytest.mark.parametrize(("count", "is_whole"), [(9_999, True), (10_000, False)])
def test_how_many_items_a_list_may_have(count: int, is_whole: bool) -> None:
    items = Many(count).items("/commits", list[Any])
    if is_whole:
        assert len(list(items)) == count
    else:
        with pytest.raises(ForgeError, match=r"^GitHub answered GET /commits with 10,000 items or more\.$"):
            list(items)


@pytest.mark.parametrize(
    ("others", "found"), [((99,), 2), ((100,), 1), ((99, 99), 3), ((0, 100, 0), 2), ((60, 60, 60), 4)]
)
def test_a_list_of_commits_is_read_until_a_hundred_are_of_before(others: tuple[int, ...], found: int) -> None:
    """GitHub lists all that touch a path, in the order of their times."""
    own = [f"{number:040x}" for number in range(len(others) + 1)]
    touching = [own[0]]
    for sha, count in zip(own[1:], others, strict=True):
        touching += [*["f" * 40] * count, sha]
    many = Many(len(own), touching)
    many.merged(BEFORE, HEAD, ("flags",))
    pulls = [path for path in many.asked if path.endswith("/pulls")]
    assert pulls == [f"/commits/{sha}/pulls" for sha in own[:found]]


class Odd(ForgeState):
    """A server whose answers are no lists."""

    def is_token(self, headers: Any) -> bool:
        """Whether a request has a token."""
        return "Bearer" in headers.get("Authorization", "") or "PRIVATE-TOKEN" in headers

    def handle(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of one request."""
        return 200, {"items": []}


def test_answers_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list where one is expected, no JSON, no answer at all."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with served(Odd()) as state:
        client = Github(state.url, "a/b", "t")
        wrong = r"^Invalid response from GitHub to GET /x: Expected `array`, got `object`\.$"
        with pytest.raises(ForgeError, match=wrong):
            list(client.items("/x", list[Any]))
        gitlab = Gitlab(state.url, "7", "t")
        for name, forge in (("GitHub", client), ("GitLab", gitlab)):
            # It is no word that none came in.
            wrong = rf"^Invalid response from {name} to GET /\S+: Object missing required field `commits`\.$"
            with pytest.raises(ForgeError, match=wrong):
                forge.merged("b" * 40, "a" * 40)
        with pytest.raises(ForgeError, match=r"^Invalid response from GitLab to GET /user: "):
            gitlab.author()
        monkeypatch.setattr("forge_server.json.dumps", lambda _: "[" * 100_000)
        with pytest.raises(ForgeError, match=r"^Invalid response from GitHub to GET /x: not JSON\.$"):
            client.request("GET", "/x", Any)
        monkeypatch.setattr("forge_server.json.dumps", str)
        with pytest.raises(ForgeError, match=r"^Invalid response from GitHub to GET /x: not JSON\.$"):
            client.request("GET", "/x", Any)
    with pytest.raises(ForgeError, match=r"^GitHub did not answer GET /x: "):
        client.request("GET", "/x", Any)


def test_what_an_answer_says_is_shown_in_short(github: GithubState, capsys: pytest.CaptureFixture[str]) -> None:
    """With the place, however long the text in it is."""
    github.comparisons[f"{HEAD}...main"] = {"status": "x" * 100_000}
    assert run(github, "tip", "--path", "x", GITHUB_SHA=HEAD, GITHUB_REF_NAME="main") == 1
    err = capsys.readouterr().err
    shown = f"Invalid enum value '{'x' * 180}"
    assert len(shown) == 200
    assert err == f"Error: Invalid response from GitHub to GET /compare/{HEAD}...main: {shown} - at `$.status`.\n"


@pytest.mark.parametrize("said", [(JSON_HEAD + b"\r\n", b" "), (JSON_HEAD, b"X-More: 1\r\n"), (JSON_HEAD, b"X")])
def test_an_answer_in_drops_ends(
    said: tuple[bytes, ...], github: GithubState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each part of it comes in time, and the whole never does."""
    monkeypatch.setattr("reconciler.ci.http._WHOLE_SECONDS", 0.4)
    with speaking(*said, pause=0.05) as url:
        assert run(github, "issue", "--close", GITHUB_API_URL=url) == 1
    assert capsys.readouterr().err == "Error: GitHub took more than 0.4 s to answer GET /issues.\n"


@pytest.mark.parametrize("pack", [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize(("length", "fits"), [(MIB, True), (MIB + 1, False), (64 * MIB, False)])
def test_an_answer_is_read_up_to_a_size(
    pack: tuple[str, Any],
    github: GithubState,
    monkeypatch: pytest.MonkeyPatch,
    *,
    capsys: pytest.CaptureFixture[str],
    length: int,
    fits: bool,
) -> None:
    """Also a compressed one, of which a few KiB may stand for gigabytes."""
    monkeypatch.setattr("reconciler.ci.http._MOST_BYTES", MIB)
    content = pack[1](b"[]" + b" " * (length - 2))
    headers = f"Content-Encoding: {pack[0]}\r\nContent-Length: {len(content)}\r\n\r\n"
    with speaking(JSON_HEAD + headers.encode(), content) as url:
        tracemalloc.start()
        code = run(github, "issue", "--close", GITHUB_API_URL=url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    said = "" if fits else "Error: GitHub answered GET /issues with more than 1 MiB.\n"
    assert (code, *capsys.readouterr()) == (int(not fits), "Issue: none open.\n" if fits else "", said)
    assert peak < 16 * MIB


@pytest.mark.parametrize("what", ["cut", "plain", "longer"])
def test_an_answer_that_breaks_off_is_none(
    what: str, github: GithubState, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part of a compressed answer is not taken for all of it."""
    packed = gzip.compress(b"[]")
    content = {"cut": packed[:-1], "plain": b"[]", "longer": packed + b"x"}[what]
    headers = f"Content-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n"
    with speaking(JSON_HEAD + headers.encode() + content) as url:
        assert run(github, "issue", "--close", GITHUB_API_URL=url) == 1
    assert "Error: GitHub did not answer GET /issues: the answer" in capsys.readouterr().err


def test_a_list_without_an_end_is_not_taken_for_all_of_it(
    github: GithubState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the pages that are read are all full there may be more."""
    monkeypatch.setattr("reconciler.ci.http._MOST_PAGES", 2)
    for number in range(200):
        github.add_comment(5, str(number))
    with pytest.raises(ForgeError, match=r"^GitHub answered GET /issues/5/comments with 200 items or more\.$"):
        list(Github.of(github.environ).comments(5))


def test_ids_may_be_of_any_length(forge: Any) -> None:
    """They are numbers, beyond 64 bits too."""
    client = (Gitlab if "GITLAB_CI" in forge.environ else Github).of(forge.environ)
    forge.add_comment(5, "x")["id"] = 10**30
    assert [item.id for item in client.comments(5)] == [10**30]


def test_a_hundred_items_are_a_page_and_no_more_is_asked(github: GithubState) -> None:
    """Of 200 there is a third, empty page."""
    for number in range(200):
        github.add_comment(5, str(number))
    found = [item.body for item in Github.of(github.environ).comments(5)]
    assert found == [str(number) for number in range(200)]
    pages = [path.partition("?")[2] for _, path in github.requests]
    assert pages == [f"per_page=100&page={number}" for number in (1, 2, 3)]


def test_outside_of_a_workflow_there_is_no_repository() -> None:
    """That is said before anything is asked."""
    with pytest.raises(UsageError, match=r"^GITHUB_REPOSITORY is '', not owner/name"):
        Github.of({"GITHUB_TOKEN": "t"})


def test_a_repository_is_on_the_public_server_where_none_is_named(asked: list[httpx.Request]) -> None:
    client = Github.of({"GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t"})
    client.request("GET", "/0", Any)
    assert [str(request.url) for request in asked] == ["https://api.github.com/repos/a/b/0"]

"""Review records in comments, what came of a merge, and labels that allow, against a local stand-in of GitHub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from github_server import BOT, LIMIT, GithubState, a_github

from reconciler.ci.__main__ import main
from reconciler.ci.review import record_in, record_line
from reconciler.planning.review import decode_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE, HEAD = "b" * 40, "c" * 40
DIGEST = "sha256:" + "1" * 64
PUSH = ("--before", BEFORE, "--head", HEAD)


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubState]:
    """The stand-in; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.client._PAUSES", (0.0, 0.0))
    with a_github() as state:
        yield state


def run(github: GithubState, *arguments: str, **environ: str) -> int:
    """Run the module as a step of a run for pull request 5 would."""
    return main(arguments, {**github.environ, "GITHUB_REF": "refs/pull/5/merge", **environ})


def record(digests: dict[str, str], environment: str | None = None) -> str:
    """A review record."""
    return json.dumps(
        {"formatVersion": 1, "projectId": "7", "environment": environment, "commit": None, "flags": digests}
    )


def pushed(github: GithubState, *shas: str) -> None:
    """A push of commits."""
    github.comparisons[f"{BEFORE}...{HEAD}"] = {"status": "ahead", "commits": [{"sha": sha} for sha in shas]}


def commented(github: GithubState, directory: Path, number: int, text: str, content: str, *options: str) -> None:
    """Comment on a pull request with a plan and its record."""
    body, file = directory / "plan.md", directory / "record.json"
    body.write_text(text, encoding="utf-8")
    file.write_text(content, encoding="utf-8")
    names = ("--body-file", str(body), "--record", str(file), "--number", str(number))
    assert run(github, "comment", *names, *options) == 0


def reviewed(github: GithubState, directory: Path, *options: str) -> tuple[int, dict[str, str] | None]:
    """The exit code, and the digests of the record that was written."""
    file = directory / "reviewed.json"
    file.write_text("of an earlier run", encoding="utf-8")
    code = run(github, "reviewed", "--output", str(file), *PUSH, *options)
    return code, json.loads(file.read_text(encoding="utf-8"))["flags"] if file.exists() else None


def test_a_merge_finds_the_record_of_its_pull_request(github: GithubState, tmp_path: Path) -> None:
    """In the comment of the workflow itself, updated with each push; a key may end an HTML comment."""
    pushed(github, "d" * 40)
    github.add_pull(5, "d" * 40)
    commented(github, tmp_path, 5, "first", record({"a": DIGEST}))
    commented(github, tmp_path, 5, "second", record({"a--b": DIGEST}))
    assert reviewed(github, tmp_path) == (0, {"a--b": DIGEST})
    assert "sha256" not in github.comments[5][0]["body"]


def test_a_record_of_another_author_does_not_count(github: GithubState, tmp_path: Path) -> None:
    """Nor one that stands in the text of a flag, nor that of another environment."""
    pushed(github, "d" * 40)
    github.add_pull(5, "d" * 40)
    forged = record_line(record({"a": DIGEST}).encode())
    github.add_comment(5, f"<!-- reconciler:plan -->\nplan\n{forged}", login="mallory")
    github.add_comment(5, f"<!-- reconciler:plan -->\n```\n{forged}\n```", login=BOT)
    github.add_comment(5, f"<!-- reconciler:plan-prod -->\nplan\n{forged}", login=BOT)
    assert reviewed(github, tmp_path) == (0, None)
    assert reviewed(github, tmp_path, "--required") == (5, None)
    assert reviewed(github, tmp_path, "--name", "plan-prod") == (0, {"a": DIGEST})


def test_records_of_several_pull_requests_are_one(github: GithubState, tmp_path: Path) -> None:
    """A merge queue pushes several: the later one counts for a flag that both name; what is open does not."""
    pushed(github, "1" * 40, "2" * 40, "3" * 40)
    for number, sha in ((5, "1"), (6, "2")):
        github.add_pull(number, sha * 40)
    github.add_pull(7, "3" * 40, merged_by=None)
    later = "sha256:" + "2" * 64
    commented(github, tmp_path, 5, "plan", record({"a": DIGEST, "b": DIGEST}))
    commented(github, tmp_path, 6, "plan", record({"b": later}))
    commented(github, tmp_path, 7, "plan", record({"c": DIGEST}))
    assert reviewed(github, tmp_path) == (0, {"a": DIGEST, "b": later})


def test_a_push_without_a_pull_request_has_no_record(github: GithubState, tmp_path: Path) -> None:
    """It goes on by what the push changes, unless a review is required."""
    pushed(github, "d" * 40)
    assert reviewed(github, tmp_path) == (0, None)
    assert reviewed(github, tmp_path, "--required") == (5, None)


def test_a_record_that_does_not_fit_is_left_out(github: GithubState, tmp_path: Path) -> None:
    """The text comes first; a long text is shortened for a record that fits."""
    many = {f"flag-{index}": f"sha256:{index:064x}" for index in range(20_000)}
    commented(github, tmp_path, 5, "plan", record(many))
    assert github.comments[5][0]["body"] == "<!-- reconciler:plan -->\nplan"
    commented(github, tmp_path, 6, "plan\n" * LIMIT, record({"a": DIGEST}))
    body = github.comments[6][0]["body"]
    assert len(body) <= LIMIT
    found = record_in(body)
    assert found is not None
    assert found.flags == {"a": DIGEST}


@pytest.mark.parametrize(
    "line",
    ["<!-- review-record:AAAA -->", "<!-- review-record:eJwDAAAAAAE= -->", record_line(b"{}"), record_line(b"[")],
)
def test_a_record_that_cannot_be_read_is_none(line: str) -> None:
    """It may be cut, or of another version."""
    assert record_in(f"plan\n{line}") is None


def test_a_record_survives_its_line() -> None:
    """Also behind line breaks of a server."""
    content = record({"a": DIGEST}, "prod")
    assert record_in(f"plan\r\n{record_line(content.encode())}\r\n") == decode_record(json.loads(content))


def test_the_comment_says_what_came_of_it(github: GithubState, tmp_path: Path) -> None:
    """Above the plan, once, by whom it was merged; the record stays."""
    pushed(github, "d" * 40)
    github.add_pull(5, "d" * 40)
    commented(github, tmp_path, 5, "the plan", record({"a": DIGEST}))
    for text in ("held: a", "applied: a"):
        (tmp_path / "report.md").write_text(f"**{text}**\n", encoding="utf-8")
        assert run(github, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
    (comment,) = github.comments[5]
    body = comment["body"].replace("\r\n", "\n")
    assert body.startswith("<!-- reconciler:plan -->\n**applied: a**\n\nMerged by grace.\n")
    assert body.count("the plan\n") == 1
    assert "held" not in body
    assert record_in(body) is not None


def test_a_pull_request_without_a_comment_gets_one(github: GithubState, tmp_path: Path) -> None:
    """What was applied is said in any case."""
    pushed(github, "d" * 40)
    github.add_pull(5, "d" * 40)
    (tmp_path / "report.md").write_text("**applied**\n", encoding="utf-8")
    assert run(github, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
    assert "**applied**" in github.comments[5][0]["body"]


def test_labels_allow_where_their_setter_may_push(github: GithubState, capsys: pytest.CaptureFixture[str]) -> None:
    """The last setter of a label counts; other labels and what is no guard's form say nothing."""
    github.permissions = {"grace": "write", "ada": "admin", "mallory": "read"}
    for label, login in (
        ("flags-allow:rebucket", "grace"),
        ("flags-allow:kill-switch:new-checkout", "ada"),
        ("flags-allow:exposure", "grace"),
        ("flags-allow:exposure", "mallory"),
        ("flags-allow:archives", "mallory"),
        ("flags-allow:x --prune", "grace"),
        ("bug", "grace"),
    ):
        github.add_label(5, label, login)
    assert run(github, "allowed") == 0
    assert capsys.readouterr().out == "--allow=kill-switch:new-checkout\n--allow=rebucket\n"
    pushed(github, "d" * 40)
    github.add_pull(5, "d" * 40)
    assert run(github, "allowed", *PUSH) == 0
    assert capsys.readouterr().out == "--allow=kill-switch:new-checkout\n--allow=rebucket\n"
    assert run(github, "allowed", "--number", "6") == 0
    assert capsys.readouterr().out == ""


def test_more_commits_than_are_listed_are_not_guessed(github: GithubState, tmp_path: Path) -> None:
    """A record of which a part is missing would hold flags that were reviewed."""
    pushed(github, *[f"{index:040x}" for index in range(250)])
    assert reviewed(github, tmp_path)[0] == 1

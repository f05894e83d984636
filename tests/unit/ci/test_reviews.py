"""Review records in comments, outcomes and labels that allow, against local stand-ins of GitHub and GitLab."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from github_server import LIMIT, a_github
from gitlab_server import a_gitlab

from reconciler.ci.__main__ import main
from reconciler.ci.forge import Deployment
from reconciler.ci.github import Github
from reconciler.ci.posts import hidden_line
from reconciler.ci.review import fitting_line, last_applied, record_in, record_line
from reconciler.planning.review import decode_record, encode_record
from reconciler.reports.json_report import render_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from github_server import GithubState
    from gitlab_server import GitlabState

    ForgeState = GithubState | GitlabState

BEFORE, HEAD = "b" * 40, "c" * 40
DIGEST = "sha256:" + "1" * 64
PUSH = ("--before", BEFORE, "--head", HEAD)


@pytest.fixture(params=[a_github, a_gitlab])
def forge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeState]:
    """A stand-in; repetitions wait for nothing."""
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    with request.param() as state:
        yield state


def run(forge: ForgeState, *arguments: str) -> int:
    """Run the module as a job for pull request 5 would."""
    return main(arguments, {**forge.environ, "GITHUB_REF": "refs/pull/5/merge", "CI_MERGE_REQUEST_IID": "5"})


def record(digests: dict[str, str], environment: str | None = None) -> str:
    """A review record."""
    return json.dumps(
        {"formatVersion": 1, "projectId": "7", "environment": environment, "commit": None, "flags": digests}
    )


def pushed(forge: ForgeState, *shas: str) -> None:
    """A push of commits."""
    forge.push(BEFORE, HEAD, *shas)


def commented(forge: ForgeState, directory: Path, number: int, text: str, content: str, *options: str) -> None:
    """Comment on a pull request with a plan and its record."""
    body, file = directory / "plan.md", directory / "record.json"
    body.write_text(text, encoding="utf-8")
    file.write_text(content, encoding="utf-8")
    names = ("--body-file", str(body), "--record", str(file), "--number", str(number))
    assert run(forge, "comment", *names, *options) == 0


def reviewed(forge: ForgeState, directory: Path, *options: str) -> tuple[int, dict[str, str] | None]:
    """The exit code, and the digests of the record that was written."""
    file = directory / "reviewed.json"
    file.write_text("of an earlier run", encoding="utf-8")
    code = run(forge, "reviewed", "--output", str(file), *PUSH, *options)
    return code, json.loads(file.read_text(encoding="utf-8"))["flags"] if file.exists() else None


def test_a_merge_finds_the_record_of_its_pull_request(forge: ForgeState, tmp_path: Path) -> None:
    """In the comment of the workflow itself, updated with each push; a key may end an HTML comment."""
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    commented(forge, tmp_path, 5, "first", record({"a": DIGEST}))
    commented(forge, tmp_path, 5, "second", record({"a--b": DIGEST}))
    assert reviewed(forge, tmp_path) == (0, {"a--b": DIGEST})
    assert "sha256" not in forge.bodies(5)[0]


def test_a_record_of_another_author_does_not_count(forge: ForgeState, tmp_path: Path) -> None:
    """Nor one that stands in the text of a flag, nor that of another environment."""
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    forged = record_line(record({"a": DIGEST}).encode())
    forge.add_comment(5, f"<!-- reconciler:plan -->\nplan\n{forged}", login="mallory")
    forge.add_comment(5, f"<!-- reconciler:plan -->\n```\n{forged}\n```")
    forge.add_comment(5, f"<!-- reconciler:plan-prod -->\nplan\n{forged}")
    assert reviewed(forge, tmp_path) == (0, None)
    assert reviewed(forge, tmp_path, "--required") == (5, None)
    assert reviewed(forge, tmp_path, "--name", "plan-prod") == (0, {"a": DIGEST})


def test_a_plan_after_the_merge_is_no_review(forge: ForgeState, tmp_path: Path) -> None:
    """A run that is started again, or that a label starts, leaves the comment as reviewers saw it."""
    pushed(forge, "d" * 40)
    commented(forge, tmp_path, 5, "plan", record({"a": DIGEST}))
    forge.add_pull(5, "d" * 40)
    forge.closed.add(5)
    commented(forge, tmp_path, 5, "another plan", record({"a": "sha256:" + "2" * 64}))
    commented(forge, tmp_path, 5, "There is no plan.", record({}), "--name", "plan-prod")
    assert reviewed(forge, tmp_path) == (0, {"a": DIGEST})
    assert len(forge.bodies(5)) == 1


def test_a_comment_is_needed_where_a_flag_was_looked_at(forge: ForgeState, tmp_path: Path) -> None:
    """Nothing to do was what reviewers were shown, of these flags; what is to be done later was not reviewed."""
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    empty = json.loads(record({}))
    commented(forge, tmp_path, 5, "No changes.", json.dumps(empty), "--update-only")
    assert forge.bodies(5) == []
    commented(forge, tmp_path, 5, "No changes.", json.dumps(empty | {"unchanged": ["a"]}), "--update-only")
    assert reviewed(forge, tmp_path) == (0, {})


def test_records_of_several_pull_requests_are_one(forge: ForgeState, tmp_path: Path) -> None:
    """A merge queue pushes several: the later one counts for a flag that both name; what is open does not."""
    pushed(forge, "1" * 40, "2" * 40, "3" * 40)
    for number, sha in ((5, "1"), (6, "2")):
        forge.add_pull(number, sha * 40)
    forge.add_pull(7, "3" * 40, merged_by=None)
    later = "sha256:" + "2" * 64
    commented(forge, tmp_path, 5, "plan", record({"a": DIGEST, "b": DIGEST}))
    commented(forge, tmp_path, 6, "plan", record({"b": later}))
    commented(forge, tmp_path, 7, "plan", record({"c": DIGEST}))
    assert reviewed(forge, tmp_path) == (0, {"a": DIGEST, "b": later})


def test_a_push_without_a_pull_request_has_no_record(forge: ForgeState, tmp_path: Path) -> None:
    """It goes on by what the push changes, unless a review is required."""
    pushed(forge, "d" * 40)
    assert reviewed(forge, tmp_path) == (0, None)
    assert reviewed(forge, tmp_path, "--required") == (5, None)


@pytest.mark.parametrize("forge", [a_github], indirect=True)
def test_a_record_that_does_not_fit_holds_all_flags(forge: ForgeState, tmp_path: Path) -> None:
    """The text comes first; a long text is shortened for a record that fits. Explanations go before digests."""
    random = Random(1)
    many = {f"flag-{index}": f"sha256:{random.getrandbits(256):064x}" for index in range(2_000)}
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    commented(forge, tmp_path, 5, "plan", record(many))
    body = forge.bodies(5)[0]
    assert "The review record is too long for a comment" in body
    assert "\nplan\n" in body
    assert reviewed(forge, tmp_path) == (0, {})
    few = json.loads(record({key: many[key] for key in list(many)[:500]}))
    few["changes"] = {key: {"/name": [f"{random.getrandbits(200):050x}", "b"]} for key in few["flags"]}
    commented(forge, tmp_path, 5, "plan", json.dumps(few))
    assert "too long" not in forge.bodies(5)[0]
    assert reviewed(forge, tmp_path) == (0, few["flags"])
    commented(forge, tmp_path, 6, "plan\n" * LIMIT, record({"a": DIGEST}))
    body = forge.bodies(6)[0]
    assert len(body) <= LIMIT
    found = record_in(body)
    assert found is not None
    assert found.flags == {"a": DIGEST}


@pytest.mark.parametrize(
    "line",
    [
        "<!-- review-record:AAAA -->",
        "<!-- review-record:A -->",
        "<!-- review-record:eJwDAAAAAAE= -->",
        record_line(b"{}"),
        record_line(b"["),
    ],
)
def test_a_record_that_cannot_be_read_is_none(line: str) -> None:
    """It may be cut, or of another version."""
    assert record_in(f"plan\n{line}") is None


def test_a_comment_without_a_record_has_none() -> None:
    """Of a person, or of another program."""
    assert record_in("plan") is record_in("plan\n<!-- more -->") is record_in("") is None


@pytest.mark.parametrize(
    ("line", "is_hidden"),
    [
        ("<!-- review-record:AAAA+/== -->", True),
        ("<!-- a-b:x --> ", True),
        ("<!-- review-record:AAAA -->x", False),
        ("<!-- review-record:AA-- -->", False),
        ("<!-- Review:AAAA -->", False),
        ("<!-- a --><!-- b:A -->", False),
    ],
)
def test_the_last_line_may_be_hidden(line: str, is_hidden: bool) -> None:
    """Of its own alone, behind which there may be space."""
    hidden = line.rstrip() if is_hidden else ""
    assert [hidden_line(f"{text}{line}\n\n") for text in ("", "plan\n", "<!-- b:A -->\n")] == [hidden] * 3
    assert hidden_line(f"{line}\nplan") == ""


def test_explanations_go_before_digests_and_digests_before_the_text() -> None:
    """A record that is too long names no flag: a merge holds them all. What is no record stays as it is."""
    random = Random(2)
    digests = {f"flag-{number}": f"sha256:{random.getrandbits(256):064x}" for number in range(40)}
    whole = json.loads(record(digests)) | {"unchanged": ["z"]}
    whole["changes"] = {key: {"/name": [f"{random.getrandbits(200):050x}", "b"]} for key in digests}
    forms = [whole, {**whole, "changes": {}}, {**whole, "changes": {}, "flags": {}, "unchanged": []}]
    lines = [record_line(render_json(encode_record(decode_record(form))).encode()) for form in forms]
    content = render_json(encode_record(decode_record(whole))).encode()
    least = [len(line) + 4_096 + 2 for line in lines]
    assert least[0] > least[1] > least[2]
    fits = [fitting_line(content, limit) for limit in (least[0], least[0] - 1, least[1], least[1] - 1, least[2])]
    assert fits == [(lines[0], True), (lines[1], True), (lines[1], True), (lines[2], False), (lines[2], False)]
    assert fitting_line(b"none", 0) == (record_line(b"none"), True)


@pytest.mark.parametrize("more", [0, 1])
def test_a_record_is_read_up_to_16_mib(more: int) -> None:
    """A line of a few KiB may stand for gigabytes."""
    content = record({"a": DIGEST}).encode()
    line = record_line(content.rjust(16 * 1024 * 1024 + more))
    assert (record_in(f"plan\n{line}") is None) is bool(more)


def test_a_record_survives_its_line() -> None:
    """Also behind line breaks of a server."""
    content = record({"a": DIGEST}, "prod")
    assert record_in(f"plan\r\n{record_line(content.encode())}\r\n") == decode_record(json.loads(content))


def comment(forge: Any) -> dict[str, Any]:
    """The comment on pull request 5."""
    (found,) = (forge.notes if "GITLAB_CI" in forge.environ else forge.comments)[5]
    return found  # type: ignore[no-any-return]


def test_the_comment_says_what_came_of_it(forge: ForgeState, tmp_path: Path) -> None:
    """Above the plan, once, by whom it was merged; the record stays."""
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    commented(forge, tmp_path, 5, "the plan", record({"a": DIGEST}))
    for text in ("held: a", "applied: a"):
        (tmp_path / "report.md").write_text(f"**{text}**\n", encoding="utf-8")
        assert run(forge, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
        comment(forge)["body"] += "\r\n \r\n"
    (body,) = forge.bodies(5)
    above = "**applied: a**\n\nMerged by grace.\n\n<!-- the plan that was reviewed -->\n\nthe plan\n"
    assert body.startswith(f"<!-- reconciler:plan -->\n{above}")
    assert body.count("the plan\n") == 1
    assert "held" not in body
    assert body.count("review-record") == 1
    assert record_in(body) is not None


@pytest.mark.parametrize("forge", [a_github], indirect=True)
def test_a_record_stays_when_the_outcome_leaves_no_room_for_the_plan(forge: ForgeState, tmp_path: Path) -> None:
    """A run that is started again has to hold what was not reviewed, as the first one did."""
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    commented(forge, tmp_path, 5, "plan\n" * LIMIT, record({"a": DIGEST}))
    (tmp_path / "report.md").write_text("failed: b\n" * 1_000, encoding="utf-8")
    for _ in range(2):
        assert run(forge, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
        assert reviewed(forge, tmp_path) == (0, {"a": DIGEST})
    (body,) = forge.bodies(5)
    assert len(body) <= LIMIT
    assert body.count("review-record") == body.count("Merged by") == 1


def test_a_pull_request_without_a_comment_gets_one(forge: ForgeState, tmp_path: Path) -> None:
    """What was applied is said in any case, but not in what else was merged since the last apply."""
    pushed(forge, "c" * 40, "d" * 40)
    forge.add_pull(4, "c" * 40)
    forge.add_pull(5, "d" * 40)
    (tmp_path / "report.md").write_text("**applied**\n", encoding="utf-8")
    assert run(forge, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH) == 0
    assert "**applied**" in forge.bodies(5)[0]
    assert forge.bodies(4) == []


def test_labels_allow_where_their_setter_may_push(forge: ForgeState, capsys: pytest.CaptureFixture[str]) -> None:
    """The last setter of a label counts; other labels and what is no guard's form say nothing."""
    forge.permissions = {"grace": "write", "ada": "admin", "mallory": "read"}
    for label, login in (
        ("flags-allow:rebucket", "grace"),
        ("flags-allow:kill-switch:new-checkout", "ada"),
        ("flags-allow:exposure", "grace"),
        ("flags-allow:exposure", "mallory"),
        ("flags-allow:archives", "mallory"),
        ("flags-allow:x --prune", "grace"),
        ("bug", "grace"),
    ):
        forge.add_label(5, label, login)
    assert run(forge, "allowed") == 0
    assert capsys.readouterr().out == "--allow=kill-switch:new-checkout\n--allow=rebucket\n"
    pushed(forge, "d" * 40)
    forge.add_pull(5, "d" * 40)
    assert run(forge, "allowed", *PUSH) == 0
    assert capsys.readouterr().out == "--allow=kill-switch:new-checkout\n--allow=rebucket\n"
    assert run(forge, "allowed", "--number", "6") == 0
    assert capsys.readouterr().out == ""
    for half in PUSH[:2], PUSH[2:]:
        assert run(forge, "allowed", "--number", "6", *half) == 0, "of a push, where both its ends are given"
        assert capsys.readouterr().out == ""


def test_a_label_is_about_the_flags_of_its_own_pull_request(
    forge: ForgeState, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another one of the same push changes is held, as its reviewers were shown."""
    forge.permissions = {"grace": "write"}
    pushed(forge, "2" * 40, "3" * 40)
    for number in (5, 6):
        forge.add_pull(number, str(number - 3) * 40)
    for label in ("flags-allow:rebucket", "flags-allow:updates", "flags-allow:kill-switch:c"):
        forge.add_label(5, label, "grace")
    forge.add_label(6, "flags-allow:exposure", "grace")
    commented(forge, tmp_path, 5, "plan", record({"a": DIGEST, "b": DIGEST}))
    capsys.readouterr()
    assert run(forge, "allowed", *PUSH) == 0
    wanted = ["kill-switch:c", "rebucket:a", "rebucket:b", "updates"]
    assert capsys.readouterr().out.splitlines() == [f"--allow={kind}" for kind in wanted]
    forge.requests.clear()
    assert run(forge, "allowed", "--number", "5", "--number", "6") == 0
    wanted = ["exposure", "kill-switch:c", "rebucket", "updates"]
    assert capsys.readouterr().out.splitlines() == [f"--allow={kind}" for kind in wanted]
    pushed(forge, "4" * 40)
    forge.add_pull(7, "4" * 40)
    forge.add_label(7, "flags-allow:kill-switch:c", "grace")
    assert run(forge, "allowed", *PUSH) == 0
    assert capsys.readouterr().out == "--allow=kill-switch:c\n"
    of_comments = [path for _, path in forge.requests if "/comments?" in path or "/notes?" in path]
    assert of_comments == [], "comments are read where they matter"


@pytest.mark.parametrize("forge", [a_github], indirect=True)
def test_a_label_of_an_app_says_nothing(forge: ForgeState, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub knows no permission of it, or of a user who is gone; that stops no apply."""
    forge.permissions = {"grace": "write", "robot[bot]": ""}
    forge.add_label(5, "flags-allow:rebucket", "robot[bot]")
    forge.add_label(5, "flags-allow:exposure", "grace")
    assert run(forge, "allowed") == 0
    assert capsys.readouterr().out == "--allow=exposure\n"


def test_commits_that_bring_no_flags_do_not_count(forge: ForgeState, tmp_path: Path) -> None:
    """Their pull requests are not asked for, however many there are, and get no comment."""
    shas = [f"{index:040x}" for index in range(260)]
    pushed(forge, *shas)
    forge.elsewhere = {*shas} - {shas[3], shas[255]}
    for number, index in ((4, 3), (5, 100), (6, 255)):
        forge.add_pull(number, shas[index])
        commented(forge, tmp_path, number, "plan", record({f"flag-{number}": DIGEST}))
    paths = ("--path", "flags", "--path", "reconciler.yaml")
    assert reviewed(forge, tmp_path, *paths) == (0, {"flag-4": DIGEST, "flag-6": DIGEST})
    (tmp_path / "report.md").write_text("**applied**\n", encoding="utf-8")
    assert run(forge, "outcome", "--body-file", str(tmp_path / "report.md"), *PUSH, *paths) == 0
    assert ["**applied**" in forge.bodies(number)[0] for number in (4, 5, 6)] == [True, False, True]


@pytest.mark.parametrize("forge", [a_github], indirect=True)
def test_more_commits_than_can_be_asked_for_are_not_guessed(forge: ForgeState, tmp_path: Path) -> None:
    """A record of which a part is missing would hold flags that were reviewed."""
    pushed(forge, *[f"{index:040x}" for index in range(251)])
    assert reviewed(forge, tmp_path)[0] == 1
    pushed(forge, *[f"{index:040x}" for index in range(250)])
    assert reviewed(forge, tmp_path)[0] == 0


SINCE = ("base", "--environment", "flags-apply", "--head", HEAD, "--before", BEFORE)


def test_the_base_is_what_was_applied_last(forge: ForgeState, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the commit before the push: a run in between may have been dropped, or failed."""
    assert run(forge, *SINCE) == 0
    forge.deploy("flags-apply", HEAD, "failure")
    assert run(forge, *SINCE) == 0
    forge.deploy("flags-apply", "1" * 40, "inactive", "success")
    forge.deploy("flags-apply", "2" * 40, "success")
    forge.deploy("flags-apply", "3" * 40, "failure")
    forge.deploy("other", "4" * 40, "success")
    for number in "123":
        forge.push(number * 40, HEAD)
    assert run(forge, *SINCE) == 0
    forge.deploy("flags-apply", HEAD, "success")
    assert run(forge, *SINCE) == 0
    assert capsys.readouterr().out == f"{BEFORE}\n{BEFORE}\n{'2' * 40}\n{HEAD}\n"


def test_a_commit_that_a_push_by_force_has_taken_away_is_no_base(
    forge: ForgeState, capsys: pytest.CaptureFixture[str]
) -> None:
    """No checkout has it any more: the one that was applied before it is."""
    forge.deploy("flags-apply", "1" * 40, "success")
    forge.deploy("flags-apply", "2" * 40, "success")
    forge.deploy("flags-apply", "3" * 40, "failure")
    forge.push("1" * 40, HEAD)
    assert run(forge, *SINCE) == 0
    assert run(forge, "attempted", *SINCE[1:5]) == 0
    assert capsys.readouterr().out == f"{'1' * 40}\n"


def test_what_an_apply_has_begun_is_looked_at_again(forge: ForgeState, capsys: pytest.CaptureFixture[str]) -> None:
    """Each commit once, until one of them succeeds; not the one that is applied now."""
    for number, state in ("1", "failure"), ("2", "success"), ("3", "failure"), ("4", "failure"), ("3", "failure"):
        forge.deploy("flags-apply", number * 40, state)
        forge.push(number * 40, HEAD)
    forge.deploy("flags-apply", HEAD, "failure")
    assert run(forge, "attempted", *SINCE[1:5]) == 0
    assert capsys.readouterr().out == f"--changed-since={'3' * 40}\n--changed-since={'4' * 40}\n"


def test_before_the_first_success_the_base_is_before_the_first_run(
    forge: ForgeState, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the runs that failed were to apply is still to be applied."""
    forge.parents["1" * 40] = "0a" * 20
    for number in "12":
        forge.deploy("flags-apply", number * 40, "failure")
        forge.push(number * 40, HEAD)
    assert run(forge, *SINCE) == 0
    assert capsys.readouterr().out == f"{'0a' * 20}\n"


def test_without_a_base_nothing_is_applied(forge: ForgeState, capsys: pytest.CaptureFixture[str]) -> None:
    """The first push to a branch has no commit before it; too many failures are not looked through."""
    assert run(forge, *SINCE[:-2]) == 1
    assert run(forge, *SINCE[:-1], "0" * 40) == 1
    forge.parents["1" * 40] = "0a" * 20
    forge.push("1" * 40, HEAD)
    for _ in range(49):
        forge.deploy("flags-apply", "1" * 40, "failure")
    assert run(forge, *SINCE) == 0
    assert capsys.readouterr().out == f"{'0a' * 20}\n"
    forge.deploy("flags-apply", "1" * 40, "failure")
    assert run(forge, *SINCE) == 1
    assert "No deployment to flags-apply says which commit was applied last." in capsys.readouterr().err


@pytest.mark.parametrize(("count", "base"), [(49, "p" * 40), (50, None)])
def test_fifty_deployments_are_looked_at(count: int, base: str | None) -> None:
    """Where none of them succeeded, what was before the first one is told if there are no more."""

    class Failing(Github):
        def deployed(self, environment: str) -> Iterator[Deployment]:
            yield from [Deployment(commit="1" * 40, succeeded=False)] * count

        def is_ancestor(self, commit: str, head: str) -> bool:
            return True

        def first_parent(self, commit: str) -> str | None:
            return "p" * 40

    assert last_applied(Failing("https://api.example.com", "a/b", "t"), "e", HEAD, BEFORE) == base

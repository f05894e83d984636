"""Answers of a wrong shape, of both forges: each field in turn, for every step, is an error that says where it is."""

from __future__ import annotations

import json
import re
import ssl
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pytest
from github_server import a_github
from gitlab_server import a_gitlab

from reconciler.ci.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from github_server import GithubState
    from gitlab_server import GitlabState

    ForgeState = GithubState | GitlabState
    Place = tuple[str | int, ...]
    Request = tuple[str, str]

BEFORE, HEAD, MERGED, RUN = "b" * 40, "c" * 40, "d" * 40, "e" * 40
DIGEST = "sha256:" + "1" * 64
RECORD = {"formatVersion": 1, "projectId": "7", "environment": None, "commit": None, "flags": {"a": DIGEST}}
PUSH = ("--before", BEFORE, "--head", HEAD, "--path", "flags")
SIGN = "<!-- reconciler:{} -->\nold"
REMOVED = ...
OTHERS = ("x", 7, [], {})

FREE_TEXTS = frozenset(
    {"body", "event", "filename", "labels", "login", "name", "permission", "previous_filename", "username"}
)
"""Fields that may hold any text: with another one the answer is another answer."""
NULLABLE = frozenset({"actor", "author", "label", "merge_user", "merged_at", "merged_by", "user"})
"""Fields in which null says something: of a user who is gone, for instance."""


@dataclass(frozen=True)
class Outcome:
    """What a step did: its exit code, what it printed, the record that it wrote, and what the forge has then."""

    code: int
    out: str
    err: str
    record: str | None
    written: str


class Steps:
    """Runs steps against a forge of which one answer is changed, each time from the same state."""

    def __init__(self, forge: ForgeState, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.forge, self.directory, self.capsys = forge, directory, capsys
        capsys.readouterr()
        self.saved = deepcopy(forge)
        self.answers: dict[Request, Any] = {}

    def run(
        self, arguments: tuple[str, ...], change: Callable[[Request, Any], Any] = lambda _, answer: answer
    ) -> Outcome:
        """Run one, with the answer to a request changed."""
        for field in fields(self.saved):
            setattr(self.forge, field.name, deepcopy(getattr(self.saved, field.name)))
        handle, self.answers = type(self.forge).handle, {}

        def answered(method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
            status, answer = handle(self.forge, method, path, query, body)
            asked = (method, path)
            self.answers.setdefault(asked, deepcopy(answer))
            return status, change(asked, deepcopy(answer))

        record = self.directory / "out.json"
        record.unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.forge), "handle", lambda _, *asked: answered(*asked))
            environ = {"GITHUB_REF": "refs/pull/5/merge", "GITHUB_SHA": HEAD, "GITHUB_REF_NAME": "main"}
            code = main(arguments, {**environ, "CI_MERGE_REQUEST_IID": "5", **self.forge.environ})
        out, err = self.capsys.readouterr()
        has = {field.name: getattr(self.forge, field.name) for field in fields(self.forge)}
        has = {name: value for name, value in has.items() if name not in {"requests", "failures", "url"}}
        return Outcome(code, out, err, record.read_text() if record.exists() else None, repr(has))


def places(answer: Any, at: Place = ()) -> Iterator[Place]:
    """Every value of an answer, itself among them."""
    yield at
    for key in answer if isinstance(answer, dict) else range(len(answer) if isinstance(answer, list) else 0):
        yield from places(answer[key], (*at, key))


def value_at(answer: Any, place: Place) -> Any:
    """The value at a place."""
    for key in place:
        answer = answer[key]
    return answer


def replaced(answer: Any, place: Place, new: Any) -> Any:
    """The answer with another value there, or none."""
    if not place:
        return deepcopy(new)
    holder = value_at(answer, place[:-1])
    holder[place[-1]] = deepcopy(new)
    if new is REMOVED:
        del holder[place[-1]]
    return answer


def says_something(step: str, place: Place, old: Any, new: Any) -> bool:
    """Whether the answer with the new value has a right shape too. Only issues may have no text."""
    name = next((key for key in reversed(place) if isinstance(key, str)), "")
    if new is REMOVED:
        return name in NULLABLE - {"merged_at"} | {"pull_request"}
    if new is None:
        return name in NULLABLE or (step, name) == ("issue", "body")
    if isinstance(old, str):
        return new == "x" and (name in FREE_TEXTS or "states" in place)
    if isinstance(old, list):
        return new == []
    return isinstance(old, int) and new == 7


def is_more(step: str, valid: Outcome, changed: Outcome) -> bool:
    """Whether a step lets something through that it does not with the valid answer."""
    if step == "allowed":
        return not {*changed.out.split()} <= {*valid.out.split()}
    if step in {"tip", "issue", "comment", "outcome"}:
        return changed.code == 0 != valid.code
    return changed.record not in {None, valid.record}


def seeded(forge: ForgeState, directory: Path) -> None:
    """A merged pull request with a plan, a record and labels, open ones, deployments, and an issue."""
    (directory / "text.md").write_text("text")
    (directory / "record.json").write_text(json.dumps(RECORD))
    forge.permissions = {"grace": "write", "mallory": "read"}
    forge.add_comment(5, "Nice!", login="ada")
    files = ("--body-file", str(directory / "text.md"), "--record", str(directory / "record.json"))
    environ = {**forge.environ, "GITHUB_REF": "refs/pull/5/merge", "CI_MERGE_REQUEST_IID": "5"}
    assert main(["comment", *files], environ) == 0
    forge.push(BEFORE, HEAD, MERGED)
    forge.push(RUN, HEAD)
    forge.add_pull(5, MERGED)
    for label, login in (("rebucket", "grace"), ("exposure", "grace"), ("exposure", "mallory")):
        forge.add_label(5, f"flags-allow:{label}", login)
    forge.add_label(6, "flags-allow:kill-switch:a", "grace")
    forge.parents[RUN] = BEFORE
    forge.deploy("flags-apply", RUN, "failure")
    if "GITLAB_CI" not in forge.environ:
        forge.add_issue("A pull request", SIGN.format("drift"), pull_request={})
        forge.add_issue("Drift", SIGN.format("drift"))
        for branch, files_ in (("far", [{"filename": "x", "status": "renamed", "previous_filename": "flags/a"}]),
                               ("near", [{"filename": "docs/a", "status": "added"}])):  # fmt: skip
            forge.comparisons[f"{HEAD}...{branch}"] = {"status": "ahead", "files": files_}
        forge.comparisons[f"{HEAD}...gone"] = {"status": "diverged", "files": []}
        forge.comparisons[f"{HEAD}...main"] = {"status": "identical", "files": []}


BODY = ("--body-file", "text.md")
OF_BOTH = {
    "comment updated": ("comment", *BODY, "--record", "record.json"),
    "comment created": ("comment", *BODY, "--number", "6"),
    "base": ("base", "--environment", "flags-apply", "--head", HEAD),
    "attempted": ("attempted", "--environment", "flags-apply", "--head", HEAD),
    "reviewed": ("reviewed", "--output", "out.json", *PUSH),
    "reviewed, no record": ("reviewed", "--output", "out.json", "--required", "--name", "none", *PUSH),
    "outcome": ("outcome", *BODY, *PUSH),
    "allowed": ("allowed",),
    "allowed of a push": ("allowed", *PUSH),
    "allowed for a flag": ("allowed", "--number", "6"),
}
OF_GITHUB = {
    "issue opened": ("issue", *BODY, "--name", "other"),
    "issue updated": ("issue", *BODY),
    "issue closed": ("issue", "--close"),
    "tip": ("tip", "--path", "flags"),
    "tip, other files": ("tip", "--path", "flags", "--branch", "near"),
    "tip, moved on": ("tip", "--path", "flags", "--branch", "far"),
    "tip, gone": ("tip", "--path", "flags", "--branch", "gone"),
}


@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.long)], ids=["short", "long"])
@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        *(pytest.param(a_github, step, id=f"github, {name}") for name, step in (OF_BOTH | OF_GITHUB).items()),
        *(pytest.param(a_gitlab, step, id=f"gitlab, {name}") for name, step in OF_BOTH.items()),
    ],
)
def test_an_answer_of_a_wrong_shape_is_an_error_and_lets_nothing_through(
    make: Any,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    capsys: pytest.CaptureFixture[str],
    is_whole: bool,
) -> None:
    """What is not read changes nothing; anything else ends the step and says the service, the request and the place.

    With null where that says something, or another text, the step may do less, but no more.
    """
    monkeypatch.setattr("reconciler.ci.http._PAUSES", (0.0, 0.0))
    certificates = ssl.create_default_context()  # reading them takes longer than a step
    monkeypatch.setattr("ssl.create_default_context", lambda: certificates)
    monkeypatch.chdir(tmp_path)
    with make() as forge:
        seeded(forge, tmp_path)
        steps = Steps(forge, tmp_path, capsys)
        valid = steps.run(arguments)
        tried = len(arguments[-1])  # steps that ask the same try other values
        for request, answer in steps.answers.copy().items():
            for place in places(answer):
                tried += 1
                is_field = bool(place) and isinstance(place[-1], str)
                every = (None, *([REMOVED] if is_field else []), *OTHERS)
                for new in every if is_whole else (every[tried % len(every)],):
                    check_change(steps, arguments, valid, request, place, new=new)


def check_change(
    steps: Steps, arguments: tuple[str, ...], valid: Outcome, request: Request, place: Place, *, new: Any
) -> None:
    """The step with that answer changed does the same, or is an error, or does no more."""
    old: Any = None

    def change(asked: Request, answer: Any) -> Any:
        nonlocal old
        if asked != request:
            return answer
        old = deepcopy(value_at(answer, place))
        return replaced(answer, place, new)

    changed = steps.run(arguments, change)
    what = f"{request} {place} {'removed' if new is REMOVED else new!r}: {changed}"
    assert "defect" not in changed.err, what
    if new != old and says_something(arguments[0], place, old, new):
        assert changed.code in {0, 1, 5}, what
        assert not (new is None or new is REMOVED) or not is_more(arguments[0], valid, changed), what
    elif changed != valid:
        assert (changed.code, changed.out, changed.record) == (1, "", None), what
        is_said = re.search(r"Invalid response from Git(Hub|Lab) to [A-Z]+ /\S*: ", changed.err)
        assert is_said or " has no " in changed.err, what

"""`drift` tells of edits outside git, in every form, and ends with 2 for them with --strict only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest
from emulators import an_emulator
from histories import git
from jsonschema import Draft202012Validator
from looks import BOB, edit

from reconciler.emulator import Behaviour
from reconciler.emulator.server import serve
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from conftest import Repository


@pytest.fixture(autouse=True)
def as_live(repository: Repository) -> None:
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")


def test_they_are_told_in_every_form_and_are_no_drift(repository: Repository) -> None:
    edit(repository.emulator, BOB, "other-flag", rolloutPercentage=30)
    for form in ("text", "markdown", "html"):
        ran = repository.run("drift", "--since", "1h", "--format", form)
        assert ran.code == 0
        for words in ("Edited outside git since", "other-flag (not managed here): rolloutPercentage 0 → 30, by bob@"):
            assert words in ran.out.replace("&#45;", "-")
    strict = repository.run("drift", "--since", "1h", "--strict", "--format", "json")
    assert strict.code == 2
    document = json.loads(strict.out)
    Draft202012Validator(load_schema("drift")).validate(document)
    assert document["drifted"] is False
    found = document["edits"][-1]  # the flag was also made within that hour
    assert (found["key"], found["declared"], found["by"], found["version"]) == ("other-flag", False, BOB, 2)
    assert found["changes"] == [{"path": "/rolloutPercentage", "before": 0, "after": 30}]


def test_strict_without_edits_is_0(repository: Repository) -> None:
    ran = repository.run("drift", "--since", "2099-01-01", "--strict")
    assert ran.code == 0
    assert "No flag was edited outside git since" in ran.out


def test_an_edit_that_versions_do_not_show_is_not_denied(repository: Repository) -> None:
    """Versions leave out whether a flag is archived; the drift is by an edit all the same."""
    edit(repository.emulator, BOB, "new-checkout", archive=True)
    for form in ("text", "markdown", "html"):
        ran = repository.run("drift", "--since", "1h", "--target", "new-checkout", "--format", form)
        assert ran.code == 2
        assert "archived" in ran.out
        assert "No flag was edited" not in ran.out
    quiet = repository.run("drift", "--since", "2099-01-01").out
    assert "No flag was edited outside git since 2099-01-01T00:00:00Z, as far as versions show." in quiet


def test_a_state_file_tells_how_old_the_last_good_look_is(repository: Repository) -> None:
    """And since when edits are told: a run that could not tell is no look."""
    run = ("drift", "--state", "state.json")
    assert "last good look" not in repository.run(*run).out
    state = json.loads((repository.root / "state.json").read_text())
    assert state["lookedAt"]
    state["lookedAt"] = "2020-01-01T00:00:00Z"
    (repository.root / "state.json").write_text(json.dumps(state))
    ran = repository.run(*run)
    assert "The last good look before this one was " in ran.out
    assert " d ago, at 2020-01-01T00:00:00Z." in ran.out
    del state["lookedAt"]  # as an earlier version wrote it
    (repository.root / "state.json").write_text(json.dumps(state))
    assert "last good look" not in repository.run(*run).out


def test_an_edit_of_the_second_of_a_look_is_told_once(repository: Repository) -> None:
    """Times are of whole seconds: what came before the look and what came after it are told apart by versions."""
    run = ("drift", "--state", "state.json", "--format", "json")

    def told() -> list[tuple[str, int]]:
        ran = repository.run(*run)
        assert ran.code == 0, ran
        return [(item["key"], item["version"]) for item in json.loads(ran.out)["edits"] or ()]

    repository.run(*run)
    file = repository.root / "state.json"
    edit(repository.emulator, BOB, "other-flag", rolloutPercentage=30)
    assert ("other-flag", 2) in told()
    state = json.loads(file.read_text())
    second = repository.run("history", "other-flag", "--format", "json").out
    state["lookedAt"] = json.loads(second)["versions"][0]["createdAt"][:19] + "Z"
    file.write_text(json.dumps(state))
    edit(repository.emulator, BOB, "other-flag", rolloutPercentage=40)
    kept = file.read_text()
    assert told() == [("other-flag", 3)]
    file.write_text(kept)
    assert json.loads(repository.run(*run).out)["edits"][0]["changes"] == [
        {"path": "/rolloutPercentage", "before": 30, "after": 40}
    ]
    state = json.loads(file.read_text()) | {"lookedAt": state["lookedAt"]}
    file.write_text(json.dumps(state))
    assert told() == []


PLAIN = "key: new-checkout\nrolloutPercentage: 10\n"
SEGMENT = """targetSegments:
  - name: US
    conditions: [{prop: country, op: is, values: [US]}]
    percentage: 50
    rolloutWeights: {treatment: 1}
"""


@pytest.mark.parametrize(
    "declared",
    [
        "enabled: false\n",
        "archived: true\n",
        SEGMENT,
        "tags: [growth]\n",
        "variants: [{key: control}, {key: treatment}, {key: third, payload: {a: 1}}]\n",
        "variants: [{key: control}, {key: treatment, payload: {a: 1}}]\n",
        "rolloutWeights: {control: 1, treatment: 3}\n",
        "rolloutWeights: {control: 0, treatment: 3}\n",
    ],
    ids=["switch", "archive", "segment", "tags", "variant", "payload", "weights", "zero"],
)
@pytest.mark.parametrize("shown", ["stored", "percentages"])
def test_what_git_declared_for_a_while_is_no_edit(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, declared: str, shown: Literal["stored", "percentages"]
) -> None:
    """It was applied, and is declared otherwise before the next look. The server keeps it in a form of its own."""
    emulator = an_emulator(behaviour=Behaviour(weights_shown=shown))
    emulator.load(repository.emulator.dump())
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nmanagedTag: managed\n')
    repository.write(".gitignore", "state.json\n")
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        commit(repository, PLAIN + "enabled: true\n", -2)
        assert repository.run("apply", "--auto-approve").code == 0
        assert repository.run("drift", "--state", "state.json").code == 0
        commit(repository, PLAIN + declared, -1)
        assert repository.run("apply", "--auto-approve").code == 0
        commit(repository, PLAIN + "name: New\n", 1)
        ran = repository.run("drift", "--state", "state.json", "--format", "json")
    # The flags themselves were made in the second of the first look, if that passed so fast.
    assert [item for item in json.loads(ran.out)["edits"] if item["changes"]] == []


def commit(repository: Repository, text: str, hours: int) -> None:
    """Commit a declaration, so many hours from now."""
    repository.write("flags/new-checkout.yaml", text)
    git(repository.root, "add", "--all")
    when = datetime.now(UTC) + timedelta(hours=hours)
    git(repository.root, "commit", "--quiet", "--message=m", at=int(when.timestamp()))

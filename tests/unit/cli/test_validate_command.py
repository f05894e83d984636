"""`validate`: every finding, in every form, without a network or a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from reconciler.source.schemas import load_schema

if TYPE_CHECKING:
    from conftest import Repository

BROKEN = "key: new-checkout\nrolloutPercentag: 50\nenabled: maybe\n"


def test_valid_files_are_valid(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0, offline, with no key set."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY")
    ran = repository.run("validate")
    assert (ran.code, ran.out) == (0, "No findings.\n")
    assert repository.emulator.log == []


def test_all_findings_are_shown(repository: Repository) -> None:
    """Exit code 3 and every finding with its place, not the first."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    repository.write("flags/other.yaml", "key: Other Flag\n")
    ran = repository.run("validate")
    assert ran.code == 3
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines if ": error: " in line] == [
        "flags/new-checkout.yaml",
        "flags/new-checkout.yaml",
        "flags/other.yaml",
    ]
    assert lines[-1] == "3 errors."


def test_json_is_the_document_of_the_contract(repository: Repository) -> None:
    """Valid, with severity, rule, message, file, line, column and path."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    ran = repository.run("validate", "--format", "json")
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("findings")).validate(document)
    assert (ran.code, document["ok"], len(document["findings"])) == (3, False, 2)
    assert document["findings"][0]["file"] == "flags/new-checkout.yaml"
    assert document["findings"][0]["line"] == 2
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    assert json.loads(repository.run("validate", "--format", "json").out) == {
        "formatVersion": 1,
        "ok": True,
        "findings": [],
    }


def test_a_broken_configuration_is_a_finding(repository: Repository) -> None:
    """What is wrong with reconciler.yaml comes in the same form."""
    repository.write("reconciler.yaml", "version: 1\nprojectId: 7\nhost: example.com\n")
    document = json.loads(repository.run("validate", "--format", "json").out)
    assert {finding["file"] for finding in document["findings"]} == {"reconciler.yaml"}
    assert len(document["findings"]) == 2


def test_paths_narrow_what_is_checked(repository: Repository) -> None:
    """Only the given files count."""
    repository.write("flags/other.yaml", "key: Other Flag\n")
    assert repository.run("validate", "flags/new-checkout.yaml").code == 0
    assert repository.run("validate", "flags/other.yaml").code == 3


def test_github_annotates_from_the_root_of_the_checkout(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration in a subdirectory annotates the file where the pull request shows it."""
    sub = repository.root / "config"
    repository.write("config/reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    repository.write("config/flags/a.yaml", "key: A\n")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.root))
    monkeypatch.chdir(sub)
    ran = repository.run("validate", "--format", "github")
    assert ran.code == 3
    assert ran.out.startswith("::error file=config/flags/a.yaml,line=1,col=")


def test_sarif_is_a_log(repository: Repository) -> None:
    """A SARIF 2.1.0 log with a result per finding."""
    repository.write("flags/new-checkout.yaml", BROKEN)
    log = json.loads(repository.run("validate", "--format", "sarif").out)
    assert log["version"] == "2.1.0"
    assert len(log["runs"][0]["results"]) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"key: a\nkey: b\n", b"- 1\n- {2: 3\n", b"\xef\xbb\xbfkey: a\n", b"\x1b", b"key: ok\n"],
    ids=["empty", "no UTF-8", "twice", "no YAML", "BOM", "a control", "valid"],
)  # fmt: skip
def test_sarif_is_valid_whatever_is_wrong(repository: Repository, content: bytes) -> None:
    """The log keeps to the published schema, in files and directories of any name."""
    (repository.root / "flags" / "ein Häuflein #1 {x}.yaml").write_bytes(content)
    log = json.loads(repository.run("validate", "--format", "sarif").out)
    schema = json.loads((Path(__file__).parents[2] / "vectors" / "sarif-2.1.0.schema.json").read_text("utf-8"))
    Draft4Validator(schema).validate(log)
    assert bool(log["runs"][0]["results"]) == (content != b"key: ok\n")


def test_all_environments_are_checked_unless_one_is_chosen(repository: Repository) -> None:
    """An overlay that is wrong in one environment is found; another environment alone is fine."""
    repository.write(
        "reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n  two: {projectId: "7"}\n'
    )
    repository.write(
        "flags/new-checkout.yaml",
        "key: new-checkout\nvariants: [{key: a}]\nenvironments:\n  two: {rolloutWeights: {b: 1}}\n",
    )
    assert repository.run("validate").code == 3
    assert repository.run("validate", "--env", "one").code == 0


def test_the_configuration_may_be_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config from anywhere; without one, parents are searched."""
    monkeypatch.chdir(repository.root / "flags")
    assert repository.run("validate").code == 0
    monkeypatch.chdir(repository.root.parent)
    assert repository.run("validate").code == 3
    assert repository.run("validate", "-c", str(repository.root / "reconciler.yaml")).code == 0


def test_no_hint_repeats_its_message(repository: Repository) -> None:
    """A hint adds something: the value that was meant, or the values there are where the message names none."""
    repository.write(
        "flags/new-checkout.yaml",
        "key: ~\nevaluationMode: nowhere\nvariants: [{key: a, inclusions: {users: [12]}}]\n"
        "targetSegments: [{name: s, conditions: [{prop: x, op: same, values: [a]}], percentage: 1}]\n",
    )
    findings = json.loads(repository.run("validate", "--format", "json").out)["findings"]
    hints = {finding["rule"]: finding.get("hint") for finding in findings}
    assert hints["unquoted-id"] is None
    assert hints["unknown-value"] is None
    assert hints["unknown-op"].startswith("Known are: is, is not, ")

"""Every refusal of the contract for a flag document, through the loader: rule, file, line, column and path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flag_projects import a_loaded_config, findings_of

from reconciler.errors import InvalidInputError
from reconciler.files.load import load_desired

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "# a comment\nkey: a-flag\n"
VARIANTS = "variants: [{key: control}, {key: treatment}]\n"
SEGMENT = "targetSegments:\n  - name: Beta\n    percentage: 100\n    rolloutWeights: {control: 1}\n"
CONDITIONS = "    conditions: [{prop: country, op: is, values: [US]}]\n"


def inclusions(text: str) -> str:
    """A flag with one variant that includes users or cohorts; they begin on line 5, column 10 or 12."""
    return f"{HEAD}variants:\n  - key: control\n    inclusions: {{{text}}}\n"


REFUSALS: dict[str, tuple[str | bytes, str, int, int, str]] = {
    # YAML
    "anchor": (HEAD + "name: &n New\n", "yaml-anchor", 3, 7, "/name"),
    "alias": (HEAD + "name: *n\n", "yaml-alias", 3, 7, "/name"),
    "merge key": (HEAD + "<<: {name: x}\n", "yaml-merge-key", 3, 1, "/<<"),
    "tag": (HEAD + "name: !!str New\n", "yaml-tag", 3, 7, "/name"),
    "duplicate key": (HEAD + "name: a\nname: b\n", "duplicate-key", 4, 1, "/name"),
    "not UTF-8": (HEAD.encode() + b"name: caf\xe9\n", "not-utf8", 3, 10, ""),
    "byte order mark": (b"\xef\xbb\xbf" + HEAD.encode(), "byte-order-mark", 1, 1, ""),
    "control character": (HEAD + "name: a\x07\n", "control-character", 3, 8, ""),
    "control character by escape": (HEAD + 'name: "\\x07"\n', "control-character", 3, 7, "/name"),
    "bidirectional character": (HEAD + "name: a\u202eb\n", "bidirectional-character", 3, 8, ""),
    "bidirectional character by escape": (HEAD + 'name: "\\u2067"\n', "bidirectional-character", 3, 7, "/name"),
    "NaN": (HEAD + "variants: [{key: a, payload: .nan}]\n", "non-finite-number", 3, 30, "/variants/0/payload"),
    "infinity": (HEAD + "rolloutPercentage: .inf\n", "non-finite-number", 3, 20, "/rolloutPercentage"),
    "overflow": (HEAD + "variants: [{key: a, payload: 1e999}]\n", "non-finite-number", 3, 30, "/variants/0/payload"),
    "lone surrogate": (HEAD + 'name: "\\udfff"\n', "lone-surrogate", 3, 10, ""),
    "another version of YAML": ("%YAML 1.1\n---\nkey: a\n", "yaml-directive", 1, 1, ""),
    "too deep": (HEAD + "name: " + "[" * 50 + "]" * 50 + "\n", "too-deep", 3, 56, ""),
    "on as a boolean": (HEAD + "enabled: on\n", "wrong-type", 3, 10, "/enabled"),
    "empty file": ("# nothing yet\n", "empty-file", 1, 1, ""),
    # fields
    "no key": ("# a comment\nname: x\n", "missing-field", 2, 1, ""),
    "key in capitals": ("key: New\n", "invalid-key", 1, 6, "/key"),
    "unknown field": (HEAD + "enabeld: true\n", "unknown-field", 3, 1, "/enabeld"),
    "unquoted user id": (inclusions("users: [217854]"), "unquoted-id", 5, 26, "/variants/0/inclusions/users/0"),
    "unquoted cohort id": (inclusions("cohorts: [1.5]"), "unquoted-id", 5, 28, "/variants/0/inclusions/cohorts/0"),
    "unquoted deployment": (HEAD + "deployments: [67890]\n", "unquoted-id", 3, 15, "/deployments/0"),
    "unquoted variant key": (HEAD + "variants: [{key: 1}]\n", "unquoted-id", 3, 18, "/variants/0/key"),
    "unquoted flag key": ("key: 42\n", "unquoted-id", 1, 6, "/key"),
    "unquoted salt": (HEAD + "bucketingSalt: 1e3\n", "unquoted-id", 3, 16, "/bucketingSalt"),
    "fractional percentage": (HEAD + "rolloutPercentage: 2.5\n", "whole-percentage", 3, 20, "/rolloutPercentage"),
    "fractional weight": (HEAD + "rolloutWeights: {a: 0.5}\n", "whole-weight", 3, 21, "/rolloutWeights/a"),
    "negative weight": (HEAD + "rolloutWeights: {a: -1}\n", "whole-weight", 3, 21, "/rolloutWeights/a"),
    "date that the calendar lacks": (HEAD + "expires: 2024-13-45\n", "invalid-date", 3, 10, "/expires"),
    "duplicate tag": (HEAD + "tags: [a, b, a]\n", "duplicate-tag", 3, 14, "/tags/2"),
    "unknown deployment": (HEAD + "deployments: [wbe]\n", "unknown-deployment", 3, 15, "/deployments/0"),
    "deployment by name and id": (
        HEAD + 'deployments: [web, "12345"]\n', "duplicate-deployment", 3, 20, "/deployments/1"),
    # variants
    "reserved variant": (HEAD + "variants: [{key: off}]\n", "reserved-variant", 3, 18, "/variants/0/key"),
    "duplicate variant": (HEAD + "variants: [{key: a}, {key: a}]\n", "duplicate-variant", 3, 28, "/variants/1/key"),
    "rename of a declared variant": (
        HEAD + "variants: [{key: a}, {key: b, renamedFrom: a}]\n", "rename-collision", 3, 44,
        "/variants/1/renamedFrom"),
    "user in two variants": (
        HEAD + "variants:\n  - {key: a, inclusions: {users: [x]}}\n  - {key: b, inclusions: {users: [y, x]}}\n",
        "user-in-two-variants", 5, 38, "/variants/1/inclusions/users"),
    "user twice": (inclusions("users: [x, y, x]"), "duplicate-inclusion", 5, 32, "/variants/0/inclusions/users/2"),
    "2,001 users": (
        inclusions(f"users: [{', '.join(f'u{n}' for n in range(2001))}]"), "too-many-users", 5, 25,
        "/variants/0/inclusions/users"),
    "11 cohorts": (
        inclusions(f"cohorts: [{', '.join(f'c{n}' for n in range(11))}]"), "too-many-cohorts", 5, 27,
        "/variants/0/inclusions/cohorts"),
    "comma in an id": (inclusions('users: ["a,b"]'), "comma-in-id", 5, 26, "/variants/0/inclusions/users/0"),
    "space before an id": (inclusions('users: [" a"]'), "space-around-id", 5, 26, "/variants/0/inclusions/users/0"),
    "space behind an id": (
        inclusions('cohorts: ["a "]'), "space-around-id", 5, 28, "/variants/0/inclusions/cohorts/0"),
    "empty id": (inclusions('users: [""]'), "space-around-id", 5, 26, "/variants/0/inclusions/users/0"),
    "line end in an id": (inclusions('users: ["a\\nb"]'), "space-around-id", 5, 26, "/variants/0/inclusions/users/0"),
    # weights and segments
    "weight of an unknown variant": (
        HEAD + VARIANTS + "rolloutWeights: {control: 1, tretment: 1}\n", "unknown-variant", 4, 30, "/rolloutWeights"),
    "segment of an unknown variant": (
        HEAD + VARIANTS + SEGMENT.replace("control", "beta") + CONDITIONS, "unknown-variant", 7, 22,
        "/targetSegments/0/rolloutWeights"),
    "all weights 0": (HEAD + "rolloutWeights: {a: 0, b: 0}\n", "zero-weights", 3, 17, "/rolloutWeights"),
    "no weights": (HEAD + "rolloutWeights: {}\n", "zero-weights", 3, 17, "/rolloutWeights"),
    "all weights 0 in a segment": (
        HEAD + VARIANTS + SEGMENT.replace(": 1}", ": 0}") + CONDITIONS, "zero-weights", 7, 21,
        "/targetSegments/0/rolloutWeights"),
    "everyone by accident": (
        HEAD + SEGMENT + "    conditions: []\n", "everyone-required", 7, 17, "/targetSegments/0/conditions"),
    "everyone by omission": (HEAD + SEGMENT, "everyone-required", 4, 5, "/targetSegments/0"),
    "everyone with conditions": (
        HEAD + SEGMENT + CONDITIONS + "    everyone: true\n", "everyone-with-conditions", 8, 15,
        "/targetSegments/0/everyone"),
    "segment after everyone": (
        HEAD + SEGMENT + "    everyone: true\n" + SEGMENT.partition("\n")[2].replace("Beta", "B") + CONDITIONS,
        "segment-after-everyone", 8, 5, "/targetSegments/1"),
    "unknown operator": (
        HEAD + SEGMENT + CONDITIONS.replace("op: is", "op: equals"), "unknown-op", 7, 38,
        "/targetSegments/0/conditions/0/op"),
    "number as a condition's value": (
        HEAD + SEGMENT + CONDITIONS.replace("[US]", "[5]"), "unquoted-value", 7, 51,
        "/targetSegments/0/conditions/0/values/0"),
    "cohort condition": (
        HEAD + SEGMENT + CONDITIONS.replace("op: is", "type: cohort, op: is"), "unknown-value", 7, 40,
        "/targetSegments/0/conditions/0/type"),
    "reserved segment name": (
        HEAD + SEGMENT.replace("Beta", "reconciler-shield 1") + CONDITIONS, "reserved-segment-name", 4, 11,
        "/targetSegments/0/name"),
    # files and environments
    "the same flag again": (HEAD + "---\nkey: a-flag\n", "duplicate-flag", 4, 6, "/key"),
    "an empty document": (HEAD + "---\n# nothing\n", "empty-document", 5, 1, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_is_one_error_with_its_place(tmp_path: Path, name: str) -> None:
    """One finding, of severity error, with the file as the user would type it, line, column and path."""
    content, rule, line, column, path = REFUSALS[name]
    (finding,) = findings_of(tmp_path, {"deep/er/a.yaml": content})
    assert finding.is_error
    assert (finding.rule, str(finding.position)) == (rule, f"flags/deep/er/a.yaml:{line}:{column}")
    assert finding.path == path


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_stops_loading_with_exit_code_3(tmp_path: Path, name: str) -> None:
    """Nothing is planned on invalid files."""
    config = a_loaded_config(tmp_path, {"a.yaml": REFUSALS[name][0], "fine.yaml": "key: fine\n"})
    with pytest.raises(InvalidInputError) as caught:
        load_desired(config)
    assert (caught.value.exit_code, caught.value.directory) == (3, tmp_path)
    assert [item.rule for item in caught.value.diagnostics] == [REFUSALS[name][1]]


def test_all_findings_of_all_files_come_at_once(tmp_path: Path) -> None:
    """YAML, schema and rules speak together, in the order of files and lines."""
    files = {
        "b.yaml": HEAD.replace("a-flag", "b-flag") + "name: *x\nenabled: yes\nrolloutWeights: {a: 0}\n",
        "a.yaml": HEAD + "enabeld: true\n" + VARIANTS + "rolloutWeights: {x: 1}\n---\nkey: B\n",
        "c/broken.yml": "key: [\n",
    }
    found = [(str(item.position), item.rule) for item in findings_of(tmp_path, files)]
    assert found == [
        ("flags/a.yaml:3:1", "unknown-field"),
        ("flags/a.yaml:5:18", "unknown-variant"),
        ("flags/a.yaml:7:6", "invalid-key"),
        ("flags/b.yaml:3:7", "yaml-alias"),
        ("flags/b.yaml:4:10", "wrong-type"),
        ("flags/b.yaml:5:17", "zero-weights"),
        ("flags/c/broken.yml:2:1", "yaml-syntax"),
    ]


def test_the_same_flag_in_two_files_names_both(tmp_path: Path) -> None:
    """The second is the error, and says where the first stands."""
    (finding,) = findings_of(tmp_path, {"a.yaml": HEAD, "b.yaml": "enabled: true\nkey: a-flag\n"})
    assert str(finding.position) == "flags/b.yaml:2:6"
    assert finding.message == 'The flag "a-flag" is declared at flags/a.yaml:2 already.'


def test_an_overlay_of_an_environment_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    """Its values would never be used, and that would not be noticed."""
    config = "version: 1\nenvironments: {staging: {projectId: '1'}, production: {projectId: '2'}}\n"
    content = HEAD + "environments:\n  stagign: {enabled: true}\n"
    (finding,) = findings_of(tmp_path, {"a.yaml": content}, config)
    assert (finding.is_error, finding.rule) == (True, "unknown-environment")
    assert (str(finding.position), finding.path) == ("flags/a.yaml:4:3", "/environments/stagign")
    assert finding.hint == 'Did you mean "staging"?'


def test_no_finding_names_a_user(tmp_path: Path) -> None:
    """User ids are personal data, and findings end in public logs."""
    content = HEAD + (
        "variants:\n"
        '  - {key: a, inclusions: {users: [ada@example.com, ada@example.com, "ada@example.com,x", " ada@e"]}}\n'
        "  - {key: b, inclusions: {users: [ada@example.com]}}\n"
    )
    found = findings_of(tmp_path, {"a.yaml": content})
    assert len(found) == 4
    assert all("ada" not in f"{item.message}{item.hint}{item.path}" for item in found)

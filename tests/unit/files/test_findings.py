"""Every finding with its place, its words and its hint: findings.txt holds files, and what is said of them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from reconciler.errors import InvalidInputError
from reconciler.files.config_file import load_configs
from reconciler.files.load import check_desired

CONFIG = """\
version: 1
projectId: "7"
deployments: {web: "12345", edge: "dep-9"}
ignore:
  - flags: "ops-*"
    paths: [/enabled, /variants/on/payload, /targetSegments/Beta, /deployments/web, /deployments/68, /tags/x]
  - {flags: "web-*", paths: [/variants/on/payload/limits, /rolloutPercentage]}
  - flags: "own-*"
    paths: [/bucketingKey, /enabled, /rolloutPercentage, /targetSegments, /deployments, /tags/web]
  - {flags: "deep-*", paths: [/variants/on/payload/a/b, /variants/on/payload/*/c]}
  - {flags: "any-*", paths: [/variants/*/payload, /rolloutWeights/*, /variants/extra]}
strategies:
  careful: {steps: ["10% 1h", "100%"]}
windows:
  office: {days: mon-thu, hours: "09:00-16:00", zone: UTC}
guards:
  errors: {json: X, failed: /f, of: /o, against: a}
  calm: {json: X, failed: /f, of: /o, against: "off"}
  up: {command: X}
"""
ENVIRONMENTS = "environments: {test: {projectId: '8'}, prod: {}}\n"
FLAG = "key: f\nvariants: [{key: treatment}, {key: a}]\n"
FILES = {
    "flag": "flags/f.yaml",
    "overlaid": "flags/f.yaml",
    "config": "reconciler.yaml",
    "tests": "flags/f.test.yaml",
}
"""The file that a block holds, by its kind; the others are as they stand here."""

BLOCK = re.compile(r"^== (?P<kind>\w+): (?P<name>.+)\n(?P<text>(?:.*\n)*?)=>\n(?P<found>(?:\d.*\n)*)", re.MULTILINE)
BLOCKS = list(BLOCK.finditer(Path(__file__).with_name("findings.txt").read_text(encoding="utf-8")))


def found(root: Path, kind: str, text: str, *, tells_unmanaged: bool = False) -> list[str]:
    """What is said of a file, a line each: where, error or warning, rule, message, and the hint behind `>`."""
    files = {"reconciler.yaml": CONFIG + (ENVIRONMENTS if kind == "overlaid" else ""), "flags/f.yaml": FLAG}
    (root / "flags").mkdir(exist_ok=True)
    for name, content in (files | {FILES[kind]: text}).items():
        (root / name).write_text(content, encoding="utf-8")
    try:
        configs = load_configs(root / "reconciler.yaml")
        diagnostics = check_desired(configs, today=date(2030, 1, 1), tells_unmanaged=tells_unmanaged).findings
    except InvalidInputError as error:
        diagnostics = tuple(error.diagnostics)
    assert all(item.path == "" or item.path.startswith("/") for item in diagnostics)
    return [
        f"{item.position.line}:{item.position.column} {item.severity.value} {item.rule}: {item.message}"
        + (f" > {item.hint}" if item.hint else "")
        for item in diagnostics
        if item.position is not None
    ]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block['kind']}: {block['name']}")
def test_findings(tmp_path: Path, block: re.Match[str]) -> None:
    """In the order of lines, to the letter."""
    assert found(tmp_path, block["kind"], block["text"]) == block["found"].splitlines()


HINTS = {
    "unmanaged-switch": "Declare it, give it a value under `defaults` in reconciler.yaml, or name it under `ignore`.",
    "local-amplitude-id": "Declare bucketingKey, as user_id or device_id, or give it a value under `defaults`.",
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key: f\n", [(1, "unmanaged-switch", "enabled, rolloutPercentage and targetSegments")]),
        ("key: f\nenabled: true\n", [(1, "unmanaged-switch", "rolloutPercentage and targetSegments")]),
        ("key: web-f\nenabled: true\n", [(1, "unmanaged-switch", "targetSegments")]),
        ("key: own-f\nevaluationMode: local\n", []),
        ("key: f\narchived: true\nevaluationMode: local\n", []),
        ("key: web-f\nenabled: true\ntargetSegments: []\nevaluationMode: local\n",
         [(4, "local-amplitude-id", "bucketingKey")]),
        ("key: web-f\nenabled: true\ntargetSegments: []\nevaluationMode: local\nbucketingUnit: org\n", []),
        ("key: web-f\nenabled: true\ntargetSegments: []\nevaluationMode: local\nbucketingUnit: User\n",
         [(4, "local-amplitude-id", "bucketingKey")]),
        ("key: web-f\nenabled: true\ntargetSegments: []\nevaluationMode: remote\n", []),
    ],
)  # fmt: skip
def test_what_a_document_leaves_out(tmp_path: Path, text: str, said: list[tuple[int, str, str]]) -> None:
    """It is told of where that is asked for."""
    assert found(tmp_path, "flag", text) == []
    lines = found(tmp_path, "flag", text, tells_unmanaged=True)
    assert len(lines) == len(said)
    for shown, (line, rule, fields) in zip(lines, said, strict=True):
        assert shown.startswith(f"{line}:")
        assert f"warning {rule}: The document leaves {fields} out: " in shown
        assert shown.endswith(f" > {HINTS[rule]}")


def test_a_key_that_cannot_be_read_has_no_rules_of_its_own(tmp_path: Path) -> None:
    """None of `ignore` is looked up for it; what the document leaves out is told."""
    lines = found(tmp_path, "flag", "key: .nan\nevaluationMode: local\n", tells_unmanaged=True)
    assert [line.split(": ")[0] for line in lines] == [
        "1:6 error non-finite-number",
        "2:17 warning local-amplitude-id",
    ]


@pytest.mark.parametrize(
    ("rest", "start", "end"),
    [
        ("environments: {prod: {targetSegments: []}}\n", "1:6 warning unmanaged-switch: ", " (in test)."),
        ("targetSegments: []\nenvironments: {prod: {evaluationMode: local}}\n",
         "5:39 warning local-amplitude-id: ", " (in prod)."),
    ],
)  # fmt: skip
def test_what_a_document_leaves_out_of_one_environment(tmp_path: Path, rest: str, start: str, end: str) -> None:
    """It is told of that one alone."""
    text = f"key: f\nenabled: true\nrolloutPercentage: 1\n{rest}"
    (line,) = found(tmp_path, "overlaid", text, tells_unmanaged=True)
    assert line.startswith(start)
    assert line.split(" > ")[0].endswith(end)

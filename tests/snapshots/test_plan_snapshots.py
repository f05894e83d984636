"""Every format over the same small plans. UPDATE_SNAPSHOTS=1 rewrites the expected files, to be reviewed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from builders import a_report
from small_plans import HOSTILE, SMALL_PLANS

from reconciler.planning.plan_file import encode_plan
from reconciler.reports.registry import APPLY, PLAN, RenderOptions, render
from reconciler.reports.text_layout import Terminal

EXPECTED = Path(__file__).parent / "expected"
FORMATS = {
    "txt": lambda plan: render(PLAN, "text", plan),
    "80.txt": lambda plan: render(PLAN, "text", plan, RenderOptions(terminal=Terminal(width=80))),
    "color.txt": lambda plan: render(PLAN, "text", plan, RenderOptions(terminal=Terminal(width=100, color=True))),
    "narrow.txt": lambda plan: render(
        PLAN, "text", plan, RenderOptions(terminal=Terminal(width=50, color=True), verbose=True)
    ),
    "users.txt": lambda plan: render(PLAN, "text", plan, RenderOptions(show_users=True)),
    "md": lambda plan: render(PLAN, "markdown", plan),
    "html": lambda plan: render(PLAN, "html", plan),
    "json": lambda plan: render(PLAN, "json", plan),
}
REPORTS = {
    "txt": lambda report: render(APPLY, "text", report),
    "md": lambda report: render(APPLY, "markdown", report),
    "html": lambda report: render(APPLY, "html", report),
    "json": lambda report: render(APPLY, "json", report),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", SMALL_PLANS)
def test_a_plan_looks_as_it_did(name: str, form: str) -> None:
    """What people read changes only after a review of the change."""
    compare(f"plan-{name}.{form}", FORMATS[form](SMALL_PLANS[name]()))


@pytest.mark.parametrize("form", REPORTS)
def test_a_report_looks_as_it_did(form: str) -> None:
    """The report of an apply, with one flag of each status and a hostile error, is as it was reviewed."""
    compare(f"report.{form}", REPORTS[form](a_report(error=" ".join(HOSTILE))))


def test_no_snapshot_is_left_over() -> None:
    """Every file of expected/ belongs to a test above."""
    names = {f"plan-{name}.{form}" for name in SMALL_PLANS for form in FORMATS}
    assert {path.name for path in EXPECTED.iterdir()} == names | {f"report.{form}" for form in REPORTS}


def test_the_json_snapshots_are_json() -> None:
    """JSON stays JSON after the markers of build logs are broken in it, and means the same."""
    plan = SMALL_PLANS["hostile"]()
    assert json.loads(render(PLAN, "json", plan)) == json.loads(json.dumps(encode_plan(plan)))


def compare(name: str, text: str) -> None:
    """Hold a text against its snapshot. Masked: version and digest in JSON, in a page its own style."""
    masked = re.sub(r'("version": ")[0-9][^"]*|("digest": "sha256:)[0-9a-f]{64}', r"\1\2MASKED", text)
    if name.endswith(".html"):
        masked = re.sub(r"(?s)(<style>).*?(</style>)|('sha256-)[^']*", r"\1\3MASKED\2", masked)
    file = EXPECTED / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_bytes(masked.encode("utf-8"))
    assert masked.encode("utf-8") == file.read_bytes()

"""The example files hold, show something each, and point editors to the schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.files.config_file import load_config, load_configs
from reconciler.files.load import check_desired, load_desired
from reconciler.files.schema import load_schema

EXAMPLES = Path(__file__).parents[3] / "examples"
FLAG_FILES = sorted((EXAMPLES / "flags").glob("*.yaml"))


def test_examples_have_no_findings() -> None:
    """Neither errors nor warnings, in any environment."""
    assert check_desired(load_configs(EXAMPLES / "reconciler.yaml")).findings == ()


@pytest.mark.parametrize("file", [EXAMPLES / "reconciler.yaml", *FLAG_FILES], ids=lambda file: file.name)
def test_the_first_line_leads_an_editor_to_the_schema(file: Path) -> None:
    """The modeline's path exists, seen from the file."""
    first = file.read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert schema != first
    assert (file.parent / schema).resolve().is_file()


def test_every_field_is_shown_somewhere() -> None:
    """Readers find each field in use."""
    text = "".join(file.read_text() for file in FLAG_FILES)
    shown = set(load_schema("flag")["properties"]) | {"inclusions", "cohorts", "payload", "renamedFrom", "conditions"}
    for field in shown - {"bucketingSalt", "bucketingUnit"}:
        assert f"{field}:" in text, field


def test_the_overlay_example_says_what_it_shows() -> None:
    """Staging serves everyone one variant; production a few, on the web only."""
    config = EXAMPLES / "reconciler.yaml"
    staging = load_desired(load_config(config, "staging")).flags["new-onboarding"].spec
    production = load_desired(load_config(config, "production")).flags["new-onboarding"].spec
    assert (staging.rollout_percentage, production.rollout_percentage) == (100, 5)
    assert (staging.deployments, production.deployments) == (("1001", "1002"), ("2001",))

"""The pages of reference say what the code does: commands, documents, exit codes, environment variables."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import jsonschema
import pytest

from reconciler import errors
from reconciler.cli.main import COMMANDS, cli
from reconciler.files.schema import SCHEMA_NAMES, load_schema
from reconciler.planning.guards import ALLOWABLE, GUARDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TROUBLESHOOTING = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text(encoding="utf-8")
OF_COMMANDS = {0, 2, 130, 143}
"""Exit codes that are no error's: done, changes, and signals."""


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script behind `make docs`."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_from_code_is_up_to_date(generator: ModuleType) -> None:
    """docs/cli.md shows every command's help as it is, examples/ci what `init` writes. `make docs` writes them."""
    stale = [name for name, text in generator.generated().items() if (ROOT / name).read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_for_everything(name: str, generator: ModuleType) -> None:
    """A sentence for the command, one for each option, an example that names it, and a line in README.md."""
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.help
    assert command.get_short_help_str()
    assert [item.name for item in command.params if isinstance(item, click.Option) and not item.help] == []
    if len(command.params) > 5:  # the five that every command has need no example
        assert f"reconciler {name}" in command.help
    assert f"| `{name}` |" in README
    assert f"## {name}\n" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_readme_lists_no_command_that_is_not_there() -> None:
    """The table of README.md is the table of commands."""
    table = README[README.index("## Commands") : README.index("Every command has")]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(COMMANDS)


def codes_of_errors() -> Iterator[int]:
    """The exit code of every error there is."""
    for item in vars(errors).values():
        if isinstance(item, type) and issubclass(item, errors.ReconcilerError):
            yield item.exit_code


def test_exit_codes_are_documented_as_they_are() -> None:
    """README.md and the guide list every code that a command can end with, and no other."""
    expected = set(codes_of_errors()) | OF_COMMANDS
    table = README[README.index("## Exit codes") : README.index("## Status")]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(", ")} == expected
    headings = re.findall(r"^## ([\d, ]+):", TROUBLESHOOTING, re.MULTILINE)
    assert {int(code) for heading in headings for code in heading.split(", ")} == expected


def test_the_messages_that_are_explained_are_those_of_the_code() -> None:
    """Each message of the table is one that the package writes."""
    table = TROUBLESHOOTING[TROUBLESHOOTING.index("| message |") : TROUBLESHOOTING.index("## 2:")]
    found = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\|(.+?)\|", table, re.MULTILINE)))
    written = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "reconciler").rglob("*.py"))
    assert len(found) > 5
    assert [message for message in found if message not in written] == []


def test_every_guard_is_explained() -> None:
    """The guide names each guard, and what overrides it is what the guard says."""
    rows = re.findall(r"^\|(.+?)\|(.+)$", TROUBLESHOOTING, re.MULTILINE)
    for name in GUARDS:
        (row,) = [rest for first, rest in rows if f"`{name}`" in first]
        assert (f"`--allow {name}`" in row) is (name in ALLOWABLE)


def test_the_documents_shown_are_valid() -> None:
    """Each example of docs/plan-format.md is a document of the schema that its heading names."""
    text = (ROOT / "docs" / "plan-format.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    examples = {}
    for section in sections:
        for body in re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
            examples[section.split("\n", 1)[0]] = json.loads(body)
    assert set(examples) == {"plan", "record", "findings", "report", "verdicts", "advance", "failure"}
    assert [
        name
        for name in set(SCHEMA_NAMES) - {"flag", "config", "test"}
        if f"`{name}`" not in text and name not in examples
    ] == []
    for name, document in examples.items():
        jsonschema.Draft202012Validator(load_schema(name)).validate(document)


def test_the_changelog_says_what_is_not_released() -> None:
    """It stands under Unreleased, in the form of keepachangelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]\n\n### Added\n\n- ", text, re.MULTILINE)


def test_terms_explain_each_word_of_reports_once() -> None:
    """docs/terms.md has every word that an exposure, a held flag and drift are told in, and none twice."""
    rows = re.findall(r"^\| ([^|]+) \| ", (ROOT / "docs" / "terms.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for row in rows if row != "word" for word in row.split(", ")]
    assert len(words) == len(set(words))
    reports = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "reconciler" / "reports").glob("*.py"))
    plain = ["reassigned", "required", "avoidable", "re-buckets all users", "held by safety check", "git is ahead"]
    for word in [*plain, "temporarily wrong variant during apply", "changed live", "released", "reaches"]:
        assert word in words
        assert word.lower() in reports.lower(), f"no report says {word!r}"

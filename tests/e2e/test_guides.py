"""Every command of every guide runs, in the order of the guide, and ends as the guide says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import Reader
from emulators import KEY, OTHER_USER, a_live_flag, an_emulator
from workflow_runner import bare_environ

from reconciler.cli.main import COMMANDS
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FROM_NOTHING = {"getting-started"}
WITHOUT_FILES = {"getting-started", "adopting", "environments"}
CONFIG = 'version: 1\nprojectId: "217854"\n'
PROJECTS = {"217854": {"12345": "web"}, "100001": {"1001": "web"}, "100002": {"2001": "web"}}
_EXAMPLE = re.compile(r"^```(yaml|json)(?: \S+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEAST_EXAMPLES = 15
THREE = {"baseline": 34, "vectors": 33, "hybrid": 33}


def live_flags() -> Iterator[dict[str, Any]]:
    """The flags of the project that the guides talk about."""
    project = {"projectId": "217854"}
    yield a_live_flag("new-checkout", rolloutPercentage=10, **project)
    yield a_live_flag("checkout-button", **project)
    yield a_live_flag("ops-read-only", enabled=False, **project)
    yield a_live_flag("search-ranking", variants=[{"key": key} for key in THREE], rolloutWeights=THREE, **project)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in a new repository, beside a live project; nothing is declared yet."""
    emulator = an_emulator(*live_flags(), projects=PROJECTS)

    def edit_by_hand(key: str, fields: dict[str, Any]) -> None:
        flag_id = next(flag["id"] for flag in emulator.store.flags.values() if flag["key"] == key)
        assert emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", fields).status == 200

    directory = tmp_path / "repository"
    directory.mkdir()
    with serve(emulator.app) as url:
        environ = {**bare_environ(tmp_path), "RECONCILER_API_URL": url}
        reader = Reader(directory=directory, environ=environ, key=KEY, edit_by_hand=edit_by_hand)
        reader.run("git init --quiet --initial-branch main")
        yield reader


@pytest.fixture(scope="module")
def imported() -> dict[str, str]:
    """The flag files that the first import gave, by name: every other would give the same."""
    return {}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_does_what_it_says(reader: Reader, guide: Path, imported: dict[str, str]) -> None:
    """Its commands run from where its reader is: before or after adopting the project."""
    if guide.stem not in FROM_NOTHING:
        reader.environ["AMPLITUDE_MANAGEMENT_API_KEY"] = KEY
        (reader.directory / "reconciler.yaml").write_text(CONFIG)
        if guide.stem not in WITHOUT_FILES:
            adopt(reader, imported)
        reader.run("git add . && git commit --quiet --message begin")
    assert reader.follow(guide.read_text(encoding="utf-8")) > 0


def adopt(reader: Reader, imported: dict[str, str]) -> None:
    """Put the files of the project's flags into the repository."""
    flags = reader.directory / "flags"
    if not imported:
        reader.run("reconciler import --quiet")
        imported |= {file.name: file.read_text(encoding="utf-8") for file in flags.iterdir()}
    flags.mkdir(exist_ok=True)
    for name, text in imported.items():
        (flags / name).write_text(text, encoding="utf-8")


def test_the_readme_does_what_it_says(reader: Reader) -> None:
    """The blocks of README.md in their order; the project's id goes where README.md says it goes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    here = text.index("Put your project's id into `reconciler.yaml`")
    reader.follow(text[:here])
    config = reader.directory / "reconciler.yaml"
    config.write_text(config.read_text().replace('"000000"', '"217854"'))
    then = text.index("The plan is empty now")
    reader.follow(text[here:then])
    assert reader.run("reconciler plan --detailed-exitcode").rstrip().endswith("No changes.")
    assert reader.follow(text[then:]) == 4


def test_the_readme_shows_a_real_plan(tmp_path: Path) -> None:
    """The block that README.md opens with is what the demo's flags give, character by character."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", text, re.DOTALL)
    assert shown
    demo = ROOT / "reconciler" / "cli" / "demo_flags"
    emulator = an_emulator(projects={"217854": {}})
    emulator.load((demo / "live.json").read_bytes())
    emulator.store.add_key(KEY, OTHER_USER, ["217854"])
    with serve(emulator.app) as url:
        environ = {**bare_environ(tmp_path), "RECONCILER_API_URL": url, "AMPLITUDE_MANAGEMENT_API_KEY": KEY}
        reader = Reader(directory=demo, environ=environ, key=KEY, edit_by_hand=lambda _key, _fields: None)
        made = re.compile(r"^Made [^\n]*\n", re.MULTILINE)
        assert made.sub("", reader.run(shown["command"])) == made.sub("", shown["output"])
        flag = re.search(r"^~ new-checkout.*?\n(?=      note:|\n)", shown["output"], re.DOTALL | re.MULTILINE)
        assert flag
        environ = {name: value for name, value in environ.items() if not name.startswith(("RECONCILER", "AMPLITUDE"))}
        assert flag[0] in subprocess.check_output(["reconciler", "demo"], env=environ, cwd=tmp_path, text=True)


def test_every_guide_is_found(tmp_path: Path) -> None:
    """Links between pages lead to files and headings that exist, and README.md leads to every guide."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", text):
            name, heading = target
            if name.startswith("http"):
                continue
            file = (page.parent / name).resolve() if name else page
            assert file.exists(), f"{page}: {name}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in headings}
                assert heading in slugs, f"{page}: #{heading}"
    linked = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [guide.name for guide in GUIDES if f"docs/guides/{guide.name}" not in linked] == []


def test_yaml_and_json_in_pages_are_well_formed() -> None:
    """Each example can be loaded, and examples are found at all: a pattern that matches none would pass."""
    examples = [example for page in PAGES for example in _EXAMPLE.findall(page.read_text(encoding="utf-8"))]
    for language, body in examples:
        list((yaml.safe_load_all if language == "yaml" else lambda text: [json.loads(text)])(body))
    assert len(examples) >= LEAST_EXAMPLES
    assert {language for language, _ in examples} == {"yaml", "json"}


def test_the_commands_named_in_pages_exist() -> None:
    """No page mentions a command of `reconciler` that is not there, and most commands are mentioned."""
    pattern = re.compile(r"(?:`|^|\$ )(?:[A-Z_]+=\S+ )?reconciler ([a-z]+)", re.MULTILINE)
    named = {name: page for page in PAGES for name in pattern.findall(page.read_text(encoding="utf-8"))}
    assert {name: page for name, page in named.items() if name not in COMMANDS} == {}
    assert named.keys() >= {"apply", "drift", "import", "plan", "validate"}

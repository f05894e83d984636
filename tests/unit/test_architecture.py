"""The page of the architecture: it names what there is, in the layers that are checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "reconciler"


def test_the_page_names_every_package_and_module() -> None:
    """Each has a row of the table; and each file that the page names is there."""
    table = PAGE.partition("## Packages")[2].partition("## Layers")[0]
    named = set(re.findall(r"^\| `([\w./]+)`", table, re.MULTILINE))
    present = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    present |= {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert named == present
    for name in re.findall(r"`([\w/]+/[\w.]+\.(?:py|json))`", PAGE):
        assert (PACKAGE / name).is_file() or (ROOT / name).is_file(), name


def test_the_layers_are_those_that_lint_checks() -> None:
    """The lines of the page and the contract of import-linter say the same."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(item["layers"] for item in contracts if item["type"] == "layers")
    shown = PAGE.partition("## Layers")[2].partition("emulator:")[0].partition("    ci ")[2]
    assert [set(re.findall(r"\w+", layer)) for layer in layers] == [
        set(re.findall(r"\w+", layer)) for layer in f"ci {shown}".split(">")
    ]

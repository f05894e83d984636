"""The page of the architecture: it names what there is, in the layers that are checked."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "reconciler"
PARTS = [
    *(path.parent for path in PACKAGE.glob("*/__init__.py")),
    *(path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")),
]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def test_the_page_names_every_package_and_module() -> None:
    """Each has a row of the table; and each file that the page names is there."""
    table = PAGE.partition("## Packages")[2].partition("## Layers")[0]
    named = set(re.findall(r"^\| `([\w./]+)`", table, re.MULTILINE))
    assert named == {f"{path.name}{'' if path.suffix else '/'}" for path in PARTS}
    for name in re.findall(r"`([\w/]+/[\w.]+\.(?:py|json))`", PAGE):
        assert (PACKAGE / name).is_file() or (ROOT / name).is_file(), name


def test_what_a_package_says_it_offers_is_there() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "\n__all__ = " in path.read_text("utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = import_module(".".join(part for part in parts if part != "__init__"))
            assert [name for name in module.__all__ if not hasattr(module, name)] == [], path


def test_the_layers_are_those_that_lint_checks() -> None:
    """The lines of the page and the contract of import-linter say the same."""
    layers = next(item["layers"] for item in CONTRACTS if item["type"] == "layers")
    shown = PAGE.partition("## Layers")[2].partition("emulator:")[0].partition("    ci ")[2]
    assert [set(re.findall(r"\w+", layer)) for layer in layers] == [
        set(re.findall(r"\w+", layer)) for layer in f"ci {shown}".split(">")
    ]


def test_what_only_some_packages_may_import_is_forbidden_to_all_others() -> None:
    """No package or module is left out of such a contract by oversight."""
    present = {f"reconciler.{path.stem}" for path in PARTS}
    excepted = {}
    for contract in CONTRACTS:
        if contract["type"] == "forbidden":
            is_emulator = contract["source_modules"] == ["reconciler.emulator"]
            listed = contract["forbidden_modules" if is_emulator else "source_modules"]
            excepted[contract["name"]] = {name.removeprefix("reconciler.") for name in present - set(listed)}
    assert excepted == {
        "The emulator imports nothing of the rest": {"emulator"},
        "Only cli and pytest_plugin start the emulator": {"cli", "pytest_plugin", "emulator"},
        "Only api and pytest_plugin know httpx": {"api", "pytest_plugin", "emulator"},
        "Only planning knows deepdiff": {"planning", "emulator"},
        "Only cli and ci know click": {"cli", "ci", "emulator"},
    }


@pytest.mark.parametrize("package", sorted(path.name for path in PARTS if path.is_dir()))
def test_a_package_has_what_it_says_that_it_offers(package: str) -> None:
    """Each name of its `__all__`."""
    module = import_module(f"reconciler.{package}")
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []

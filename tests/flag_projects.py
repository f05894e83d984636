"""A user's repository in a directory: reconciler.yaml and flag files, for tests of what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.files.config_file import load_config, load_configs
from reconciler.files.load import check_desired

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic
    from reconciler.model.config import Config

PLAIN_CONFIG = 'version: 1\nprojectId: "7"\ndeployments: {web: "12345"}\n'


def a_project(directory: Path, files: Mapping[str, str | bytes] | None = None, config: str = PLAIN_CONFIG) -> Path:
    """Write the files (named relative to `flags/`) and the configuration; the path of the configuration."""
    flags = directory / "flags"
    flags.mkdir(exist_ok=True)
    for name, content in (files or {}).items():
        target = flags / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    (directory / "reconciler.yaml").write_text(config)
    return directory / "reconciler.yaml"


def a_loaded_config(
    directory: Path, files: Mapping[str, str | bytes] | None = None, config: str = PLAIN_CONFIG
) -> Config:
    """The configuration of a project without environments."""
    return load_config(a_project(directory, files, config))


def findings_of(
    directory: Path, files: Mapping[str, str | bytes], config: str = PLAIN_CONFIG
) -> tuple[Diagnostic, ...]:
    """Every finding about the flag files of a project."""
    return check_desired(load_configs(a_project(directory, files, config))).findings

"""The other contenders. One that is not installed is not there: `make bench-peers` installs what can be had."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.measure import Command

if TYPE_CHECKING:
    from benchmarks.projects import Project

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "schemas" / "flag.schema.json"
VENVS = HERE / ".venvs"
BIN = Path(sys.executable).parent
OURS = VENVS / "reconciler" / "bin"
"""Where `make bench` installs the command as its users do: from a wheel, without the tools of development."""
COMMAND = OURS / "reconciler"
PYTHON = OURS / "python"

USUAL = "the usual Python way"
PLAIN = "a plain script"
CHECK_JSONSCHEMA = "check-jsonschema"
AJV = "ajv-cli"
OCTODNS = "octoDNS"


def script(project: Project, action: str, environ: dict[str, str] | None = None, *, plain: bool = False) -> Command:
    """A script of the usual kind, which can `validate` and `plan`."""
    way = "plain" if plain else "usual"
    return Command(
        name=PLAIN if plain else USUAL,
        arguments=(str(PYTHON), str(HERE / "usual.py"), way, action, str(SCHEMA)),
        directory=project.directory,
        environ=environ or {},
    )


def validators(project: Project) -> list[Command]:
    """What else validates YAML against a JSON Schema, of what is installed."""
    found = []
    if (BIN / CHECK_JSONSCHEMA).exists():
        files = sorted(str(path) for path in (project.directory / "flags").iterdir())
        arguments = (str(BIN / CHECK_JSONSCHEMA), "--schemafile", str(SCHEMA), *files)
        found.append(Command(name=CHECK_JSONSCHEMA, arguments=arguments, directory=project.directory))
    if ajv := _installed(HERE / "ajv" / "node_modules" / ".bin" / "ajv", "ajv"):
        options = ("--spec=draft2020", "--strict=false", "--validate-formats=false", "-s", str(SCHEMA))
        arguments = (ajv, "validate", *options, "-d", "flags/*.yaml")
        found.append(Command(name=AJV, arguments=arguments, directory=project.directory))
    return found


def octodns_plan(project: Project, directory: Path) -> Command | None:
    """A plan of octoDNS between two directories that hold as many lines of YAML as the project, or None."""
    command = _installed(VENVS / "octodns" / "bin" / "octodns-sync", "octodns-sync")
    if command is None:
        return None
    lines = sum(project.file_of(key).read_bytes().count(b"\n") for key in project.flags)
    zones = _zones(directory, lines, len(project.flags))
    provider = {"class": "octodns.provider.yaml.YamlProvider", "default_ttl": 300, "enforce_order": False}
    config = {
        "providers": {side: provider | {"directory": str(directory / side)} for side in ("config", "target")},
        "zones": {zone: {"sources": ["config"], "targets": ["target"]} for zone in zones},
    }
    (directory / "octodns.yaml").write_text(yaml.safe_dump(config))
    arguments = (command, "--config-file", str(directory / "octodns.yaml"), "--quiet")
    return Command(name=OCTODNS, arguments=arguments, directory=directory)


def _zones(directory: Path, lines: int, flags: int) -> list[str]:
    """Zone files on both sides, one for up to a hundred flags, with records of six lines."""
    zones = [f"zone-{number}.example.com." for number in range(-(-flags // 100))]
    of_zone = lines // 6 // len(zones)
    records = {
        f"host-{number:05d}": {"ttl": 60 + number % 7, "type": "A", "values": [f"192.0.2.{number % 250 + at}"
        for at in (1, 2)]}
        for number in range(of_zone)
    }  # fmt: skip
    for side in ("config", "target"):
        (directory / side).mkdir(parents=True)
        for zone in zones:
            (directory / side / f"{zone}yaml").write_text(yaml.dump(records, Dumper=yaml.CSafeDumper))
    return zones


def _installed(own: Path, name: str) -> str | None:
    return str(own) if own.exists() else shutil.which(name)

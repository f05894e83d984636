"""The flags as terraform_data resources, in two forms, with a state that says they are all in place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.measure import Command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.projects import Project

ENVIRON = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1"}


class Form(Enum):
    """How the resources are written: a block for each flag, the fastest; or one `for_each` over the files."""

    BLOCKS = "terraform, a block for each flag"
    FOR_EACH = "terraform, for_each"


def is_installed() -> bool:
    """Whether there is a terraform to compare with."""
    return shutil.which("terraform") is not None


def terraform_plan(project: Project, directory: Path, form: Form) -> Command:
    """A plan of the project in a directory of its own that links to the same flag files."""
    directory.mkdir()
    (directory / "flags").symlink_to(project.directory / "flags")
    (directory / "main.tf").write_text(_configuration(project, form))
    (directory / "terraform.tfstate").write_text(json.dumps(_state(project, form)))
    subprocess.run(
        ["terraform", "init", "-input=false", "-no-color"],
        cwd=directory,
        env={**os.environ, **ENVIRON},
        check=True,
        capture_output=True,
    )
    return Command(
        name=form.value,
        arguments=("terraform", "plan", "-input=false", "-no-color", "-detailed-exitcode", "-lock=false"),
        directory=directory,
        environ=ENVIRON,
    )


def _configuration(project: Project, form: Form) -> str:
    if form is Form.FOR_EACH:
        return (
            'resource "terraform_data" "flag" {\n  for_each = fileset(path.module, "flags/*.yaml")\n'
            "  input    = jsonencode(yamldecode(file(each.value)))\n}\n"
        )
    return "".join(
        f'resource "terraform_data" "{key}" {{\n  input = jsonencode(yamldecode(file("flags/{key}.yaml")))\n}}\n'
        for key in project.flags
    )


def _state(project: Project, form: Form) -> dict[str, Any]:
    instances = {key: _instance(number, flag) for number, (key, flag) in enumerate(project.flags.items())}
    if form is Form.FOR_EACH:
        rows = [{"index_key": f"flags/{key}.yaml", **instance} for key, instance in instances.items()]
        resources = [_resource("flag", rows) | {"each": "map"}]
    else:
        resources = [_resource(key, [instance]) for key, instance in instances.items()]
    return {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": str(UUID(int=1)),
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }


def _resource(name: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": name,
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": instances,
    }


def _instance(number: int, flag: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(flag, sort_keys=True, separators=(",", ":"))
    value = {"value": text, "type": "string"}
    attributes = {"id": str(UUID(int=number + 1)), "input": value, "output": value, "triggers_replace": None}
    return {"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}

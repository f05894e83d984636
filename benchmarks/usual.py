"""The same work as most scripts do it: `python usual.py plain|usual validate|plan SCHEMA`.

usual   CSafeLoader, one validator for all files, the list by pages, DeepDiff on every pair
plain   SafeLoader, `jsonschema.validate` for each file, one request for each flag in turn, DeepDiff without order
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import jsonschema
import yaml

OWN = {"owner", "links", "notes"}


def load(way: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    validator = jsonschema.Draft202012Validator(schema)
    flags = []
    for path in sorted(Path("flags").glob("*.yaml")):
        if way == "plain":
            flag = yaml.load(path.read_text(), Loader=yaml.SafeLoader)
            jsonschema.validate(flag, schema)
        else:
            flag = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
            validator.validate(flag)
        flags.append(flag)
    return flags


def ask(path: str) -> Any:  # noqa: ANN401 - JSON
    key = os.environ["AMPLITUDE_MANAGEMENT_API_KEY"]
    request = Request(f"{os.environ['RECONCILER_API_URL']}/api/1{path}", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request) as answer:
        return json.load(answer)


def live_flags(project: str) -> dict[str, dict[str, Any]]:
    flags, cursor = {}, ""
    while True:
        page = ask(f"/flags?projectId={project}&limit=1000{cursor}")
        flags |= {flag["key"]: flag for flag in page["flags"]}
        if not page["nextCursor"]:
            return flags
        cursor = f"&cursor={page['nextCursor']}"


def plan(way: str, flags: list[dict[str, Any]]) -> int:
    from deepdiff import DeepDiff  # noqa: PLC0415 - `validate` does without

    config = yaml.safe_load(Path("reconciler.yaml").read_text())
    live, changed = live_flags(config["projectId"]), 0
    for flag in flags:
        found = live[flag["key"]] if way == "usual" else ask(f"/flags/{live[flag['key']]['id']}")
        wanted = {name: value for name, value in flag.items() if name not in OWN}
        wanted["deployments"] = sorted(config["deployments"][name] for name in flag["deployments"])
        found = {**found, "deployments": sorted(found["deployments"])}
        for segment in wanted["targetSegments"]:
            segment["conditions"] = [{"type": "property", **item} for item in segment["conditions"]]
        seen = {name: found.get(name, value) for name, value in wanted.items()}
        changed += bool(DeepDiff(wanted, seen, ignore_order=way == "plain"))
    return changed


def main() -> None:
    way, action, schema = sys.argv[1:]
    flags = load(way, json.loads(Path(schema).read_text()))
    changed = plan(way, flags) if action == "plan" else 0
    print(f"{len(flags)} flags, {changed} changed")


if __name__ == "__main__":
    main()

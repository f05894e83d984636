"""The documentation that is made from code: docs/cli.md, docs/flag-files.md and examples/ci.

`make docs` writes it, a test checks it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.commands.init import template_text
from reconciler.cli.main import COMMANDS, cli
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = {
    "examples/ci/github/flags-plan.yml": "github/flags-plan.yml",
    "examples/ci/github/flags-apply.yml": "github/flags-apply.yml",
    "examples/ci/github/flags-drift.yml": "github/flags-drift.yml",
    "examples/ci/github/flags-advance.yml": "github/flags-advance.yml",
    "examples/ci/gitlab/.gitlab-ci.yml": "gitlab-ci.yml",
    "examples/ci/pre-commit/.pre-commit-config.yaml": "pre-commit-config.yaml",
}
"""What `reconciler init` writes, to be read without running it."""

WIDTH = 100
_MOST_SHOWN = 90
HEAD = """# The commands

<!-- Made from the commands by `make docs`. Change their help texts instead. -->

stdout carries the result and nothing else; progress, warnings and logs go to stderr. With `--format json` the
document is printed on every path, failures too. Exit codes are in [troubleshooting](guides/troubleshooting.md), the
documents in [plan-format.md](plan-format.md).

| environment variable | does |
|---|---|
| `AMPLITUDE_MANAGEMENT_API_KEY` | the management key; or `--api-key-file FILE`. There is no option with the value |
| `RECONCILER_ENV` | the environment, where `--env` is not given |
| `RECONCILER_API_URL` | another server: loopback as it is, others with https and `RECONCILER_ALLOW_CUSTOM_HOST=1` |
| `NO_COLOR` | no colours |
"""


FIELDS_HEAD = """# All fields of a flag file

<!-- Made from schemas/flag.schema.json by `make docs`. Change its descriptions instead. -->

One or more documents a file, separated by `---`; names are those of the API. A field that is absent is not managed:
never compared, never sent. `[]`, `""` and `{}` mean empty. Required fields are **bold**. `reconciler schema flag`
prints the schema, for [editors](guides/editors.md) too; [examples](../examples/flags) show each field at work.
"""
_PARTS = (
    ("A flag", ()),
    ("A variant (`variants`)", ("variant",)),
    ("A segment (`targetSegments`)", ("segment",)),
    ("A condition (`conditions`)", ("condition",)),
    ("A rollout (`rollout`)", ("rollout",)),
)


def generated() -> dict[str, str]:
    """The files that are made, by their path from the root, and what they have to hold."""
    files = {
        "docs/cli.md": "\n".join([HEAD, *_sections()]),
        "docs/flag-files.md": "\n".join([FIELDS_HEAD, *_fields()]),
    }
    for target, template in EXAMPLES.items():
        files[target] = template_text(template)
    return files


def _fields() -> Iterator[str]:
    """A table for each kind of object in a flag document."""
    schema = load_schema("flag")
    for title, place in _PARTS:
        part = schema["$defs"][place[0]] if place else schema
        yield f"## {title}\n\n| field | holds | for example |\n|---|---|---|"
        required = part.get("required", ())
        for name, field in _with_parts(part["properties"]):
            target = str(field.get("$ref", "")).rpartition("/")[2]
            whole = {**schema["$defs"].get(target, {}), **field}
            shown = f"**`{name}`**" if name in required else f"`{name}`"
            values = "".join(f" `{value}`" for value in whole.get("enum", ()))
            holds = _cell(whole.get("description", "")) + (f" One of:{values}." if values else "")
            yield f"| {shown} | {holds} | {_example(whole)} |"
        yield ""


def _with_parts(properties: dict[str, dict[str, object]]) -> Iterator[tuple[str, dict[str, object]]]:
    """The fields of an object, and of objects that stand in it as they are, with the outer name before theirs."""
    for name, field in properties.items():
        yield name, field
        inner = field.get("properties")
        if isinstance(inner, dict):
            yield from ((f"{name}.{part}", value) for part, value in inner.items())


def _example(field: dict[str, object]) -> str:
    examples = field.get("examples")
    if not isinstance(examples, list) or not examples:
        return ""
    text = json.dumps(examples[0], ensure_ascii=False)
    return f"`{_cell(text)}`" if len(text) <= _MOST_SHOWN else ""


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _sections() -> Iterator[str]:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield f"## {name}\n\n```text\n{help_of(command, name)}\n```\n"


def help_of(command: click.Command, name: str) -> str:
    """What `reconciler NAME --help` prints on a terminal of WIDTH columns."""
    context = click.Context(
        command, info_name=f"reconciler {name}", terminal_width=WIDTH, help_option_names=["--help", "-h"]
    )
    return command.get_help(context).rstrip()


def main() -> int:
    """Write what differs and name it; nothing to do is silent."""
    for name, text in generated().items():
        file = ROOT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

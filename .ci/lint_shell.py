"""shellcheck over what workflows, actions, pipelines and manifests run: every script as the shell that runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("action.yml", "examples/ci/**/*.yml", "examples/kubernetes/*.yaml")


def main() -> int:
    """Print every finding; 1 where there is one."""
    code = 0
    for pattern in SOURCES:
        for file in sorted(ROOT.glob(pattern)):
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                for shell, script in _scripts(document):
                    code |= _check(file, shell, script)
    return code


def _scripts(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - YAML
    """GitHub's `run`, GitLab's `script`, and the command of a container that is `sh -c`."""
    if isinstance(node, list):
        for item in node:
            yield from _scripts(item)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "run":
            yield "bash", value
        elif name in {"script", "before_script"}:
            yield "bash", "\n".join(value)
        elif name == "command" and value[:2] == ["sh", "-c"]:
            yield "sh", value[2]
        else:
            yield from _scripts(value)


def _check(file: Path, shell: str, script: str) -> int:
    tool = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [tool, "--shell", shell, "--severity", "style", "-"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        print(f"{file.relative_to(ROOT)}, in this script:\n{script}\n{done.stdout}{done.stderr}", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

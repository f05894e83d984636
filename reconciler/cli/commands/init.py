"""`reconciler init`: a configuration, an example flag, and files for continuous integration. Offline."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import resources
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Final

import click

from reconciler import __version__
from reconciler.cli.checkout import checkout_of
from reconciler.cli.options import Settings, shared_options
from reconciler.cli.output import Output, raise_complaints, write_file
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE: Final = {
    "flags/example.yaml": "example.yaml",
    ".pre-commit-config.yaml": "pre-commit-config.yaml",
    ".gitignore": "gitignore",
}
_CI: Final[Mapping[str, Mapping[str, str]]] = {
    "github": {
        f".github/workflows/flags-{name}.yml": f"github/flags-{name}.yml"
        for name in ("plan", "apply", "drift", "advance")
    },
    "gitlab": {".gitlab-ci.yml": "gitlab-ci.yml"},
    "none": {},
}
"""Which template becomes which file of the repository."""

_STEPS: Final[Mapping[str, str]] = {
    "github": "In the repository's settings make the environments flags-plan (with required reviewers), flags-apply "
    "and flags-drift (limited to the default branch), each with the secret AMPLITUDE_MANAGEMENT_API_KEY.",
    "gitlab": "In the project's settings store AMPLITUDE_MANAGEMENT_API_KEY as a masked variable for the "
    "environments flags-plan, flags-apply and flags-drift, and schedule a pipeline for drift and rollouts.",
    "none": "Run `reconciler validate` and `reconciler plan` on every change, `reconciler apply` on what is merged.",
}


@click.command
@shared_options
@click.option(
    "--ci", type=click.Choice(tuple(_CI)), default="github", show_default=True, help="Which CI to write files for."
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def init(settings: Settings, *, ci: str, force: bool) -> int:
    """Write reconciler.yaml, flags/example.yaml, a .pre-commit configuration, and CI files, here or next to --config.

    A file that exists is kept and named, unless --force, and the others are written. The CI files validate every pull
    request, plan those that come from no fork, apply what is merged, look for drift and advance rollouts; the key is
    only ever a secret of a protected environment.

    \b
      reconciler init
      reconciler init --ci gitlab
    """  # noqa: D301 - the backspace tells click not to wrap
    config = settings.config or Path("reconciler.yaml")
    files = {config: _template("reconciler.yaml").replace("@TAG@", _managed_tag(config.absolute().parent))}
    branch = _default_branch(config.absolute().parent)
    for name, source in {**_BASE, **_CI[ci]}.items():
        files[config.parent / name] = _template(source).replace("branches: [main]", f"branches: [{branch}]")
    taken = [path for path in files if path.exists() or path.is_symlink()]
    kept = [] if force else taken
    output = Output.of(settings)
    written = []
    try:
        for path, text in files.items():
            if path in kept:
                written.append(f"= {path.as_posix()}\n")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, text, private=False)
            written.append(f"+ {path.as_posix()}\n")
    finally:
        unsaid = output.print_done("".join(written))
    raise_complaints("", (), unsaid)
    for path in kept:
        if path.read_bytes() != files[path].encode():
            wanted = indent(files[path], "    ")
            output.print(f"\n{path.as_posix()} exists and was kept. What init would have written:\n\n{wanted}")
    output.print(_next_steps(config, ci))
    return 0


def _template(name: str) -> str:
    text = resources.files("reconciler.cli").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("@VERSION@", __version__)


def _default_branch(directory: Path) -> str:
    """The remote's default branch, else the branch that is checked out; `main` where git knows neither."""
    names = []
    with suppress(ReconcilerError):
        checkout = checkout_of(directory)
        # Of a repository without a commit git itself says nothing but this file.
        names.append((checkout.git_dir / "HEAD").read_text("utf-8", errors="replace").partition("refs/heads/")[2])
        names.insert(0, checkout.ask("rev-parse", "--abbrev-ref", "origin/HEAD").removeprefix("origin/"))
    plain = (name.strip() for name in names)
    return next((name for name in plain if _is_plain_branch(name) and name != "HEAD"), "main")


_is_plain_branch = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*").fullmatch


def _managed_tag(directory: Path) -> str:
    """A tag of its own: by the repository's remote or directory, and the place in it; lower-case, as tags may be."""
    remote, place, own = "", "", directory.name
    with suppress(ReconcilerError):
        checkout = checkout_of(directory)
        place, own = checkout.prefix, checkout.top.name
        remote = checkout.ask("config", "--get", "remote.origin.url")
    name = re.split(r"[/:\\]", remote.strip().rstrip("/").removesuffix(".git"))[-1] or own
    plain = re.sub(r"[^a-z0-9._-]+", "-", f"{name}/{place}".lower()).strip("-.")
    return f"managed-by:reconciler/{plain or 'flags'}"


def _next_steps(config: Path, ci: str) -> str:
    example = (config.parent / "flags/example.yaml").as_posix()
    steps = [
        f"Put the project's id into {config.as_posix()}.",
        "Set AMPLITUDE_MANAGEMENT_API_KEY to a management key, and see with `reconciler doctor` that it works.",
        f"Look at {example} and delete it.",
        "Write the flags that there are as files: `reconciler import`. The next plan only puts `managedTag` on them.",
        _STEPS[ci],
    ]
    return "\nNext:\n" + "".join(f"  {number}. {step}\n" for number, step in enumerate(steps, start=1))

"""`reconciler init`: a configuration, an example flag, and files for continuous integration. Offline."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from importlib import resources
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import TYPE_CHECKING, Final

import click
from msgspec import Struct

from reconciler import __version__
from reconciler.cli.checkout import checkout_of
from reconciler.cli.options import Settings, shared_options
from reconciler.cli.output import Output, raise_complaints, write_file
from reconciler.errors import ReconcilerError, UsageError
from reconciler.files.config_file import CONFIG_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE: Final = {
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
"""Which template becomes which file at the top of the repository; the example stands beside the configuration."""

_STEPS: Final[Mapping[str, str]] = {
    "github": "In the settings of the repository make the environments flags-plan and flags-undo with reviewers, "
    "flags-apply and flags-drift, all but flags-plan limited to the default branch, each with the secret "
    "AMPLITUDE_MANAGEMENT_API_KEY.",
    "gitlab": "In the project's settings store AMPLITUDE_MANAGEMENT_API_KEY as a masked variable for the "
    "environments flags-plan, flags-apply and flags-drift, and schedule a pipeline for drift and rollouts.",
    "none": "Run `reconciler validate` and `reconciler plan` on every change, `reconciler apply` on what is merged.",
}


class Place(Struct, frozen=True, kw_only=True):
    """Where the configuration is: its `file`, seen from the directory `top` for which workflows and hooks are."""

    top: Path = Path()
    file: str = CONFIG_NAME

    @property
    def directory(self) -> str:
        """The directory of the configuration, seen from the top: `""` or `"a/b/"`."""
        return self.file.removesuffix(PurePosixPath(self.file).name)

    @property
    def option(self) -> str:
        """What names the configuration to a command that runs at the top."""
        return "" if self.file == CONFIG_NAME else f" --config {shlex.quote(self.file)}"


@click.command
@shared_options
@click.option(
    "--ci", type=click.Choice(tuple(_CI)), default="github", show_default=True, help="Which CI to write files for."
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def init(settings: Settings, *, ci: str, force: bool) -> int:
    """Write reconciler.yaml and flags/example.yaml (here or at --config), a pre-commit configuration, and CI files.

    The pre-commit configuration, CI files and .gitignore go to the top of the git checkout, where their tools look
    for them. A file that exists is kept and named, unless --force is given; the other files are written. The CI files
    validate every pull request, plan those that come from no fork, apply what is merged, look for drift and advance
    rollouts. The key is only used as a secret of a protected environment.

    \b
      reconciler init
      reconciler init --ci gitlab
    """  # noqa: D301 - the backspace tells click not to wrap
    config = settings.config or Path(CONFIG_NAME)
    place = _place_of(config, ci)
    files = {
        config: template_text("reconciler.yaml").replace("@TAG@", _managed_tag(config.absolute().parent)),
        config.parent / "flags" / "example.yaml": template_text("example.yaml"),
    }
    branch = _default_branch(config.absolute().parent)
    for name, source in {**_BASE, **_CI[ci]}.items():
        files[place.top / name] = template_text(source, place).replace("branches: [main]", f"branches: [{branch}]")
    taken = [path for path in files if path.exists() or path.is_symlink()]
    kept = [] if force else taken
    output = Output.of(settings)
    written = []
    try:
        for path, text in files.items():
            if path in kept:
                same = " (unchanged)" if _is_same(path, text) else ""
                written.append(f"= {path.as_posix()}{same}\n")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, text, private=False)
            written.append(f"+ {path.as_posix()}\n")
    finally:
        unsaid = output.print_done("".join(written))
    raise_complaints("", (), unsaid)
    for path in kept:
        if not _is_same(path, files[path]):
            wanted = indent(files[path], "    ")
            output.print(f"\n{path.as_posix()} exists and was kept. What init would have written:\n\n{wanted}")
    output.print(_next_steps(config, ci))
    return 0


def template_text(name: str, place: Place | None = None) -> str:
    """A template, filled in for a configuration at that place, by default `reconciler.yaml` at the top."""
    text = resources.files("reconciler.cli").joinpath("templates", name).read_text(encoding="utf-8")
    place = place or Place()
    values = {
        "@VERSION@": __version__,
        "@CONFIG@": place.option,
        "@FILE@": place.file,
        "@FILE_RE@": re.escape(place.file),
        "@AT@": place.directory,
        "@AT_RE@": re.escape(place.directory),
    }
    for word, value in values.items():
        text = text.replace(word, value)
    return text


def _place_of(config: Path, ci: str) -> Place:
    """The place of a configuration in its checkout; outside of one the top is its own directory.

    Raises UsageError for a path that would have to be written otherwise in workflows, patterns and shells, and for
    one that is git's own.
    """
    if ".git" in config.absolute().parts:
        raise UsageError(f"{config.absolute().parent} is git's own: start init in the checkout, above `.git`.")
    place = Place(top=config.parent, file=config.name)
    with suppress(ReconcilerError):
        checkout = checkout_of(config.absolute().parent)
        place = Place(top=Path(os.path.relpath(checkout.top)), file=checkout.prefix + config.name)
    # Hooks quote the path; the filters of CI's files take no quotes, and read some characters as patterns.
    if not (_is_quotable_path if ci == "none" else _is_plain_path)(place.file):
        advice = "" if ci == "none" else "; or use --ci none, for hooks alone"
        raise UsageError(
            f"The path {place.file!r} has a character that {'hooks' if ci == 'none' else 'workflows'} cannot name as"
            f" it is: rename the directories, to letters, digits, -, _ and . alone{advice}."
        )
    return place


_is_plain_path = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/-]*").fullmatch
_is_quotable_path = re.compile(r"[^\x00-\x1f\x7f:#]*").fullmatch


def _is_same(path: Path, text: str) -> bool:
    """Whether a file holds what init would have written; of patterns all of them, among others."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    if path.name == ".gitignore":
        return set(content.splitlines()) >= set(text.encode().splitlines()[1:])
    return content == text.encode()


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
    option = "" if config == Path(CONFIG_NAME) else f" --config {shlex.quote(config.as_posix())}"
    steps = [
        f"Put the project's id into {config.as_posix()}.",
        f"Set AMPLITUDE_MANAGEMENT_API_KEY to a management key; `reconciler doctor{option}` says whether it works.",
        f"Look at {example} and delete it.",
        f"Write the live flags as files: `reconciler import{option}`. The next plan only puts `managedTag` on them.",
        _STEPS[ci],
    ]
    return "\nNext:\n" + "".join(f"  {number}. {step}\n" for number, step in enumerate(steps, start=1))

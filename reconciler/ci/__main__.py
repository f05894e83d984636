"""`python -I -m reconciler.ci comment | issue | tip`, for the steps of a workflow."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.ci.client import Repository
from reconciler.ci.posts import BOT, close_issue, put_comment, put_issue
from reconciler.ci.tip import check_tip, watched_paths
from reconciler.cli.failures import report_failure
from reconciler.errors import UsageError
from reconciler.reports.sanitize import for_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/")
_PATH = click.Path(path_type=Path)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one of the three, and give an exit code: 0 done, 1 failed or refused, 64 wrong usage."""
    try:
        outcome = ci.main([*arguments], prog_name="python -I -m reconciler.ci", standalone_mode=False, obj=environ)
    except BaseException as error:  # noqa: BLE001 - the one handler: everything ends in an exit code
        return report_failure(error, ())
    if isinstance(outcome, str):
        click.echo(for_log(outcome))
    return 0


@click.group(help=__doc__)
def ci() -> None:
    """Nothing is common to the three."""


def _identity(name: str) -> Callable[[Any], Any]:
    """How a comment or an issue is found again."""

    def decorate(function: Callable[..., str]) -> Callable[..., str]:
        author = click.option("--author", default=BOT, help="Whose token it is [default: the workflow's own].")
        named = click.option("--name", default=name, help="Tells several apart, of environments for instance.")
        return author(named(function))

    return decorate


@ci.command
@click.option("--body-file", type=_PATH, required=True, metavar="FILE", help="The text, as Markdown.")
@click.option("--number", type=int, metavar="N", help="The pull request [default: that of GITHUB_REF].")
@click.option("--update-only", is_flag=True, help="Create none where there is none.")
@_identity("plan")
@click.pass_obj
def comment(
    environ: Mapping[str, str], *, body_file: Path, number: int | None, update_only: bool, name: str, author: str
) -> str:
    """Create or update the one comment of a pull request."""
    number = number or _pull_request(environ)
    text = _body(body_file) + _origin(environ)
    repository = Repository.of(environ)
    outcome = put_comment(repository, number, text, name=name, author=author, update_only=update_only)
    return f"Comment on pull request {number}: {outcome}."


@ci.command
@click.option("--body-file", type=_PATH, metavar="FILE", help="The text, as Markdown.")
@click.option("--title", default="Feature flags differ from git", help="The title of a new issue.")
@click.option("--label", "labels", multiple=True, help="A label of a new issue; may be repeated.")
@click.option("--close", is_flag=True, help="There is no drift any more.")
@_identity("drift")
@click.pass_obj
def issue(
    environ: Mapping[str, str],
    *,
    body_file: Path | None,
    title: str,
    labels: tuple[str, ...],
    close: bool,
    name: str,
    author: str,
) -> str:
    """Open, update or close the one issue about drift."""
    repository = Repository.of(environ)
    if close:
        return f"Issue: {close_issue(repository, name=name, author=author)}."
    if body_file is None:
        raise UsageError("Give the text of the issue with --body-file, or --close.")
    text = _body(body_file) + _origin(environ)
    return f"Issue: {put_issue(repository, title, text, name=name, labels=labels, author=author)}."


@ci.command
@click.option("--branch", help="The branch [default: GITHUB_REF_NAME].")
@click.option(
    "--config", type=_PATH, metavar="FILE", help="What is applied [default: reconciler.yaml here or above]."
)
@click.option("--env", metavar="NAME", help="The environment that is applied [default: all of them].")
@click.option(
    "--path", "paths", multiple=True, help="A file or directory; with --config a further one; may be repeated."
)
@click.pass_obj
def tip(
    environ: Mapping[str, str], *, branch: str | None, config: Path | None, env: str | None, paths: tuple[str, ...]
) -> str:
    """Refuse a commit after which the paths changed on its branch."""
    commit, branch = environ.get("GITHUB_SHA", ""), branch or environ.get("GITHUB_REF_NAME", "")
    if not commit or not branch:
        raise UsageError("There is no GITHUB_SHA or no GITHUB_REF_NAME: this runs in a workflow.")
    watched = {*paths}
    if config or env or not watched:
        watched |= {*watched_paths(config, env, environ)}
    check_tip(Repository.of(environ), commit, branch, sorted(watched))
    return f"{commit[:12]} is what {branch} says of {', '.join(sorted(watched))}."


def _body(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error


def _pull_request(environ: Mapping[str, str]) -> int:
    found = _PULL_REQUEST.match(environ.get("GITHUB_REF", ""))
    if found is None:
        raise UsageError("GITHUB_REF names no pull request: give its --number.")
    return int(found[1])


def _origin(environ: Mapping[str, str]) -> str:
    """A last line that links to the run; nothing outside of a workflow."""
    server, name, run = (environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if not (server and name and run.isdecimal()):
        return ""
    return f"\n<sub>From [run {run}]({server}/{name}/actions/runs/{run}).</sub>\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

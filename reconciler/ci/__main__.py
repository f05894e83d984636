"""`python -I -m reconciler.ci comment | reviewed | outcome | allowed | issue | tip`, for the steps of a workflow."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.ci.client import Repository
from reconciler.ci.posts import BOT, add_outcome, close_issue, put_comment, put_issue
from reconciler.ci.review import merged_pull_requests, overrides, record_line, reviewed_record
from reconciler.ci.tip import check_tip, watched_paths
from reconciler.cli.failures import report_failure
from reconciler.errors import GuardRefusedError, UsageError
from reconciler.planning.review import encode_record
from reconciler.reports.json_report import render_json
from reconciler.reports.sanitize import for_log, markdown_text
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.ci.review import PullRequest

_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/")
_PATH = click.Path(path_type=Path)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one of them, and give an exit code: 0 done, 1 failed or refused, 64 wrong usage."""
    try:
        outcome = ci.main([*arguments], prog_name="python -I -m reconciler.ci", standalone_mode=False, obj=environ)
    except BaseException as error:  # noqa: BLE001 - the one handler: everything ends in an exit code
        return report_failure(error, ())
    if isinstance(outcome, str) and outcome:
        click.echo("\n".join(map(for_log, outcome.split("\n"))))
    return 0


@click.group(help=__doc__)
def ci() -> None:
    """Nothing is common to them."""


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
@click.option("--record", type=_PATH, metavar="FILE", help="The review record of the plan, kept in a hidden line.")
@click.option("--update-only", is_flag=True, help="Create none where there is none.")
@_identity("plan")
@click.pass_obj
def comment(
    environ: Mapping[str, str],
    *,
    body_file: Path,
    number: int | None,
    record: Path | None,
    update_only: bool,
    name: str,
    author: str,
) -> str:
    """Create or update the one comment of a pull request."""
    number = number or _pull_request(environ)
    text = _body(body_file) + _origin(environ)
    hidden = record_line(_body(record).encode()) if record and record.exists() else ""
    repository = Repository.of(environ)
    outcome = put_comment(repository, number, text, name=name, author=author, update_only=update_only, hidden=hidden)
    return f"Comment on pull request {number}: {outcome}."


def _push(function: Callable[..., str]) -> Callable[..., str]:
    """Which commits came in."""
    before = click.option("--before", required=True, metavar="SHA", help="The commit before the push.")
    head = click.option("--head", required=True, metavar="SHA", help="The commit that is applied.")
    return before(head(function))


@ci.command
@click.option("--output", type=_PATH, required=True, metavar="FILE", help="Where the record is written.")
@click.option("--required", is_flag=True, help="Fail where no pull request has a record.")
@_push
@_identity("plan")
@click.pass_obj
def reviewed(
    environ: Mapping[str, str], *, output: Path, required: bool, before: str, head: str, name: str, author: str
) -> str:
    """Write the review record of the pull requests of a push, for `apply --reviewed`; no file where there is none."""
    repository = Repository.of(environ)
    output.unlink(missing_ok=True)
    pulls = merged_pull_requests(repository, before, head)
    record = reviewed_record(repository, pulls, name=name, author=author)
    names = _numbers(pulls)
    if record is None:
        if required:
            raise GuardRefusedError(f"There is no review record: {names}. Nothing is applied.", ("review",))
        return f"No review record: {names}. Only flags that the push changes are applied."
    output.write_text(render_json(encode_record(record)), encoding="utf-8")
    return f"Review record of {counted(len(record.flags), 'flag')}: {names}."


@ci.command
@click.option("--body-file", type=_PATH, required=True, metavar="FILE", help="The report of the apply, as Markdown.")
@_push
@_identity("plan")
@click.pass_obj
def outcome(environ: Mapping[str, str], *, body_file: Path, before: str, head: str, name: str, author: str) -> str:
    """Say in the comments of the pull requests of a push what was applied, what is held, and who merged."""
    repository, text = Repository.of(environ), _body(body_file)
    pulls = merged_pull_requests(repository, before, head)
    for pull in pulls:
        merged = f"\nMerged by {markdown_text(pull.merged_by)}.\n" if pull.merged_by else ""
        add_outcome(repository, pull.number, text + merged + _origin(environ), name=name, author=author)
    return f"What was applied is said in: {_numbers(pulls)}."


@ci.command
@click.option("--number", type=int, multiple=True, metavar="N", help="A pull request [default: that of GITHUB_REF].")
@click.option("--before", metavar="SHA", help="Instead: of the pull requests of a push, the commit before it ...")
@click.option("--head", metavar="SHA", help="... and the commit that is applied.")
@click.pass_obj
def allowed(environ: Mapping[str, str], *, number: tuple[int, ...], before: str | None, head: str | None) -> str:
    """Print the `--allow` options that labels of pull requests stand for, one in each line.

    A label such as flags-allow:rebucket or flags-allow:kill-switch:KEY counts where the person who set it may push.
    """
    repository = Repository.of(environ)
    if before and head:
        number = tuple(pull.number for pull in merged_pull_requests(repository, before, head))
    kinds = {kind for item in number or (_pull_request(environ),) for kind in overrides(repository, item)}
    return "\n".join(f"--allow={kind}" for kind in sorted(kinds))


def _numbers(pulls: Sequence[PullRequest]) -> str:
    names = ", ".join(f"#{pull.number}" for pull in pulls)
    return f"pull requests {names}" if names else "no pull request"


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

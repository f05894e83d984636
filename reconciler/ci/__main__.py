"""`python -I -m reconciler.ci`: for steps of workflows. See the list of commands."""

from __future__ import annotations

import os
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import UNSET, Struct, UnsetType, ValidationError, convert

from reconciler.ci.github import BOT, Github
from reconciler.ci.gitlab import Gitlab
from reconciler.ci.posts import add_outcome, close_issue, put_comment, put_issue
from reconciler.ci.review import attempted, fitting_line, last_applied, overrides_of, record_in, reviewed_record
from reconciler.ci.tip import check_tip, watched_paths
from reconciler.cli.failures import report_failure
from reconciler.errors import GuardRefusedError, ReconcilerError, UnreviewedError, UsageError
from reconciler.planning.review import encode_record
from reconciler.reports.json_report import render_json
from reconciler.reports.sanitize import code_block, defuse, for_log, markdown_text
from reconciler.strict_json import MalformedJsonError, parse_json
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.ci.forge import Forge, PullRequest

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
        author = click.option("--author", help=f"Whose token it is [default: {BOT}, on GitLab its own user].")
        named = click.option("--name", default=name, help="Tells several apart, of environments for instance.")
        return author(named(function))

    return decorate


@ci.command
@click.option("--body-file", type=_PATH, required=True, metavar="FILE", help="The plan, as Markdown.")
@click.option(
    "--log", type=_PATH, metavar="FILE", help="What the plan wrote to stderr, shown where there is no plan."
)
@click.option("--page", metavar="URL", help="Where the whole plan can be seen.")
@click.option("--number", type=int, metavar="N", help="The pull request [default: that of GITHUB_REF].")
@click.option("--record", type=_PATH, metavar="FILE", help="The review record of the plan, kept in a hidden line.")
@click.option("--update-only", is_flag=True, help="Create none where there is none, unless the record names a flag.")
@_identity("plan")
@click.pass_obj
def comment(
    environ: Mapping[str, str],
    *,
    body_file: Path,
    log: Path | None,
    page: str | None,
    number: int | None,
    record: Path | None,
    update_only: bool,
    name: str,
    author: str | None,
) -> str:
    """Create or update the one comment of a pull request, while it is open.

    A run may be started again, and a label set, after the merge: then no reviewer sees that plan.
    """
    forge = _forge(environ, author)
    number = number or forge.pull_request_of(environ)
    text = _text(body_file, log, "There is no plan.")
    if page:
        text += f"\n[The whole plan as a page]({page})\n"
    text += forge.run_link(environ)
    hidden, is_whole = "", True
    if record and record.exists():
        hidden, is_whole = fitting_line(_body(record).encode(), forge.limit)
    if not is_whole:
        text = f"**{_TOO_LONG}**\n\n{text}"
    if not forge.is_open(number):
        return f"Comment on {forge.request_noun} {number}: left as it is, because it is not open."
    # A reviewer who sees no comment is shown that nothing is done: the record has to say of which flags.
    is_needed = not update_only or bool((kept := record_in(hidden)) and kept.keys)
    outcome = put_comment(forge, number, text, name=name, update_only=not is_needed, hidden=hidden)
    return f"Comment on {forge.request_noun} {number}: {outcome}."


@ci.command
@click.option("--environment", required=True, metavar="NAME", help="The environment of the job that applies.")
@click.option("--head", required=True, metavar="SHA", help="The commit that is applied.")
@click.option("--before", metavar="SHA", help="The commit before the push, for the first run of all.")
@click.pass_obj
def base(environ: Mapping[str, str], *, environment: str, head: str, before: str | None) -> str:
    """Print the commit that was applied last: what changed since then is to be applied.

    Runs that wait may be dropped for newer ones, and runs may fail: the commit before the push is not enough.
    """
    commit = last_applied(_forge(environ), environment, head, before)
    if commit is None:
        raise ReconcilerError(
            f"No deployment to {environment} says which commit was applied last. Nothing is applied. "
            "Apply by hand, with `reconciler plan` and `reconciler apply`."
        )
    return commit


@ci.command(name="attempted")
@click.option("--environment", required=True, metavar="NAME", help="The environment of the job that applies.")
@click.option("--head", required=True, metavar="SHA", help="The commit that is applied.")
@click.pass_obj
def attempted_commits(environ: Mapping[str, str], *, environment: str, head: str) -> str:
    """Print a `--changed-since` option for each commit of which an apply failed since the last one that succeeded.

    It may have changed flags that are declared now as they were before it.
    """
    return "\n".join(f"--changed-since={commit}" for commit in attempted(_forge(environ), environment, head))


def _push(function: Callable[..., str]) -> Callable[..., str]:
    """Which commits came in."""
    before = click.option("--before", required=True, metavar="SHA", help="The commit before the push.")
    head = click.option("--head", required=True, metavar="SHA", help="The commit that is applied.")
    return before(head(_touching(function)))


def _touching(function: Callable[..., str]) -> Callable[..., str]:
    """Which of them matter."""

    @wraps(function)
    def wrapper(*, paths: tuple[str, ...], config: Path | None, **others: object) -> str:
        if config is not None:
            paths = (*paths, *watched_paths(config, None, click.get_current_context().obj))
        return function(paths=paths, **others)

    words = "Only commits that touch this file or directory; may be repeated."
    path = click.option("--path", "paths", multiple=True, help=words)
    names = "Only commits that touch this configuration or the flag files that it names."
    return path(click.option("--config", type=_PATH, metavar="FILE", help=names)(wrapper))


@ci.command
@click.option("--output", type=_PATH, required=True, metavar="FILE", help="Where the record is written.")
@click.option("--required", is_flag=True, help="Fail where no pull request has a record.")
@_push
@_identity("plan")
@click.pass_obj
def reviewed(
    environ: Mapping[str, str],
    *,
    output: Path,
    required: bool,
    before: str,
    head: str,
    paths: tuple[str, ...],
    name: str,
    author: str | None,
) -> str:
    """Write the review record of the pull requests of a push, for `apply --reviewed`; no file where there is none."""
    forge = _forge(environ, author)
    output.unlink(missing_ok=True)
    pulls = forge.merged(before, head, paths)
    record = reviewed_record(forge, pulls, name)
    names = _numbers(forge, pulls)
    if record is None:
        if required:
            raise GuardRefusedError(f"There is no review record: {names}. Nothing is applied.", ("review",))
        return f"No review record: {names}. Only flags that the push changes are applied."
    output.write_text(render_json(encode_record(record)), encoding="utf-8")
    return f"Review record of {counted(len(record.flags), 'flag')}: {names}."


@ci.command
@click.option("--body-file", type=_PATH, required=True, metavar="FILE", help="The report of the apply, as Markdown.")
@click.option(
    "--log", type=_PATH, metavar="FILE", help="What the apply wrote to stderr, shown where there is no report."
)
@_push
@_identity("plan")
@click.pass_obj
def outcome(
    environ: Mapping[str, str],
    *,
    body_file: Path,
    log: Path | None,
    before: str,
    head: str,
    paths: tuple[str, ...],
    name: str,
    author: str | None,
) -> str:
    """Say in the comments of the pull requests of a push what was applied, what is held, and who merged.

    Of pull requests without a comment the newest gets one: the others may be about anything but flags.
    """
    forge, text = _forge(environ, author), _text(body_file, log, "There is no report of the apply.")
    pulls = forge.merged(before, head, paths)
    for pull in pulls:
        merged = f"\nMerged by {markdown_text(pull.merged_by)}.\n" if pull.merged_by else ""
        said = text + merged + forge.run_link(environ)
        add_outcome(forge, pull.number, said, name=name, update_only=pull is not pulls[-1])
    return f"What was applied is said in: {_numbers(forge, pulls)}."


class _Flag(Struct, frozen=True):
    status: str = ""


class _Failure(Struct, frozen=True):
    kind: str = ""


class _Report(Struct, frozen=True):
    """What `apply --report` wrote; where it ended before it looked at any flag, there is but the error."""

    flags: list[_Flag] | UnsetType = UNSET
    error: _Failure | None = None


@ci.command
@click.option("--report", type=_PATH, required=True, metavar="FILE", help="What `apply --report` wrote.")
def settled(*, report: Path) -> str:
    """Fail unless every flag was applied, was as declared, or is held because it is not as it was reviewed."""
    try:
        document = convert(parse_json(_body(report).encode()), _Report)
    except (MalformedJsonError, ValidationError) as error:
        raise ReconcilerError(f"{report} is no report of an apply: {error}") from error
    kind = document.error.kind if document.error else None
    statuses = [flag.status for flag in document.flags or ()]
    is_done = document.flags is not UNSET and kind != GuardRefusedError.kind and {*statuses} <= {"applied", "held"}
    if kind == UnreviewedError.kind or is_done:
        return f"Settled: {counted(statuses.count('applied'), 'flag')} applied, {statuses.count('held')} held."
    raise ReconcilerError(
        "Something is left to do: the log of the apply says what. Run this again when it can be done."
    )


@ci.command
@click.option("--number", type=int, multiple=True, metavar="N", help="A pull request [default: that of GITHUB_REF].")
@click.option("--before", metavar="SHA", help="Instead: of the pull requests of a push, the commit before it ...")
@click.option("--head", metavar="SHA", help="... and the commit that is applied.")
@_touching
@_identity("plan")
@click.pass_obj
def allowed(
    environ: Mapping[str, str],
    *,
    number: tuple[int, ...],
    before: str | None,
    head: str | None,
    paths: tuple[str, ...],
    name: str,
    author: str | None,
) -> str:
    """Print the `--allow` options that labels of pull requests stand for, one in each line.

    A label such as flags-allow:rebucket or flags-allow:kill-switch:KEY counts where the person who set it may push.
    Of a push that several pull requests make, the first form is for the flags of its own pull request.
    """
    forge = _forge(environ, author)
    if before and head:
        numbers = tuple(pull.number for pull in forge.merged(before, head, paths))
        kinds = overrides_of(forge, numbers, name)
    else:
        kinds = overrides_of(forge, number or (forge.pull_request_of(environ),))
    return "\n".join(f"--allow={kind}" for kind in sorted(kinds))


def _numbers(forge: Forge, pulls: Sequence[PullRequest]) -> str:
    names = ", ".join(f"{forge.sign}{pull.number}" for pull in pulls)
    return f"{forge.request_noun}s {names}" if names else f"no {forge.request_noun}"


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
    author: str | None,
) -> str:
    """Open, update or close the one issue about drift."""
    github = Github.of(environ, author)
    if close:
        return f"Issue: {close_issue(github, name=name)}."
    if body_file is None:
        raise UsageError("Give the text of the issue with --body-file, or --close.")
    text = _body(body_file) + github.run_link(environ)
    return f"Issue: {put_issue(github, title, text, name=name, labels=labels)}."


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
    commit, branch = environ.get("GITHUB_SHA"), branch or environ.get("GITHUB_REF_NAME")
    if not commit or not branch:
        raise UsageError("There is no GITHUB_SHA or no GITHUB_REF_NAME: this runs in a workflow.")
    watched = {*paths}
    if config or env or not watched:
        watched |= {*watched_paths(config, env, environ)}
    check_tip(Github.of(environ), commit, branch, watched)
    return f"{commit[:12]} is what {branch} says of {', '.join(sorted(watched))}."


def _text(file: Path, log: Path | None, otherwise: str) -> str:
    """The text of a file; where there is none, that, and what was written to the log instead."""
    if file.exists() or log is None:
        return _body(file)
    words = _body(log).strip() if log.exists() else "The flag files are invalid, or the job did not start."
    return f"**{otherwise}** {_SEE_RUN}\n\n{defuse(code_block(words))}\n"


_TOO_LONG = (
    "The review record is too long for a comment, so a merge holds these flags. Apply them by hand, with the record "
    "that `plan --record` wrote: `reconciler apply --reviewed record.json`."
)
_SEE_RUN = "The log of the run says more."


def _body(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error


def _forge(environ: Mapping[str, str], author: str | None = None) -> Forge:
    return (Gitlab if environ.get("GITLAB_CI") else Github).of(environ, author)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

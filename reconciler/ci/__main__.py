"""`python -I -m reconciler.ci comment | issue | tip`, for the steps of a workflow."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.ci.access import Repository
from reconciler.ci.comment import put_comment
from reconciler.ci.issue import close_issue, put_issue
from reconciler.ci.marker import BOT
from reconciler.ci.tip import check_tip
from reconciler.ci.watched import watched_paths
from reconciler.cli.failures import failure_text
from reconciler.errors import ReconcilerError, UsageError
from reconciler.reports.sanitize import for_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one of the three, and give an exit code: 0 done, 1 failed or refused, 64 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        print(for_log(options.run(options, environ)))  # noqa: T201 - the log of the workflow is the reader
    except ReconcilerError as error:
        print(for_log(failure_text(error)), end="", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _comment(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    number = options.number or _pull_request(environ)
    text = _body(options.body_file) + _origin(environ)
    outcome = put_comment(
        Repository.of(environ),
        number,
        text,
        name=options.name,
        author=options.author,
        update_only=options.update_only,
    )
    return f"Comment on pull request {number}: {outcome}."


def _issue(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    repository = Repository.of(environ)
    if options.close:
        return f"Issue: {close_issue(repository, name=options.name, author=options.author)}."
    if options.body_file is None:
        raise UsageError("Give the text of the issue with --body-file, or --close.")
    outcome = put_issue(
        repository,
        options.title,
        _body(options.body_file) + _origin(environ),
        name=options.name,
        labels=options.label,
        author=options.author,
    )
    return f"Issue: {outcome}."


def _tip(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    commit, branch = environ.get("GITHUB_SHA", ""), options.branch or environ.get("GITHUB_REF_NAME", "")
    if not commit or not branch:
        raise UsageError("There is no GITHUB_SHA or no GITHUB_REF_NAME: this runs in a workflow.")
    paths = {*options.path}
    if options.config or options.env or not paths:
        paths |= {*watched_paths(options.config, options.env, environ)}
    check_tip(Repository.of(environ), commit, branch, sorted(paths))
    return f"{commit[:12]} is what {branch} says of {', '.join(sorted(paths))}."


def _body(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error


def _pull_request(environ: Mapping[str, str]) -> int:
    found = _PULL_REQUEST.match(environ.get("GITHUB_REF", ""))
    if found is None:
        raise UsageError("GITHUB_REF is no pull request's: give its --number.")
    return int(found[1])


def _origin(environ: Mapping[str, str]) -> str:
    """A last line that links to the run; nothing outside of a workflow."""
    server, name, run = (environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if not (server and name and run.isdecimal()):
        return ""
    return f"\n<sub>From [run {run}]({server}/{name}/actions/runs/{run}).</sub>\n"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -I -m reconciler.ci", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="comment|issue|tip")
    comment = commands.add_parser("comment", help="make or update the one comment of a pull request")
    comment.add_argument("--body-file", type=Path, required=True, metavar="FILE", help="the text, as Markdown")
    comment.add_argument("--number", type=int, metavar="N", help="the pull request [default: that of GITHUB_REF]")
    comment.add_argument("--update-only", action="store_true", help="make none where there is none")
    comment.set_defaults(run=_comment)
    issue = commands.add_parser("issue", help="open, update or close the one issue about drift")
    issue.add_argument("--body-file", type=Path, metavar="FILE", help="the text, as Markdown")
    issue.add_argument("--title", default="Feature flags differ from git", help="the title of a new issue")
    issue.add_argument("--label", action="append", default=[], help="a label of a new issue; may be repeated")
    issue.add_argument("--close", action="store_true", help="there is no drift any more")
    issue.set_defaults(run=_issue)
    for command, name in ((comment, "plan"), (issue, "drift")):
        command.add_argument("--name", default=name, help="tells several apart, of environments for instance")
        command.add_argument("--author", default=BOT, help="whose token it is [default: the workflow's own]")
    tip = commands.add_parser("tip", help="refuse a commit after which the paths changed on its branch")
    tip.add_argument("--branch", help="the branch [default: GITHUB_REF_NAME]")
    tip.add_argument(
        "--config", type=Path, metavar="FILE", help="what is applied [default: reconciler.yaml here or above]"
    )
    tip.add_argument("--env", metavar="NAME", help="the environment that is applied [default: all of them]")
    tip.add_argument(
        "--path",
        action="append",
        default=[],
        help="a file or directory; with --config a further one; may be repeated",
    )
    tip.set_defaults(run=_tip)
    return parser


class _Parser(argparse.ArgumentParser):
    """argparse's own exit code 2 means changes here."""

    def exit(self, status: int = 0, message: str | None = None) -> None:  # type: ignore[override]
        """End with 64 where argparse would end with 2."""
        super().exit(UsageError.exit_code if status else 0, message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

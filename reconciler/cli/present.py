"""A plan or a report in the form that was asked for. Renderers are imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.voice import reason_of, unwritten
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.apply import ApplyReport
    from reconciler.cli.options import Delivery
    from reconciler.cli.voice import Voice
    from reconciler.model import Json
    from reconciler.planning.plan import Plan
    from reconciler.render.layout import Paper


def plan_text(plan: Plan, paper: Paper, *, show_users: bool = False) -> str:
    """A plan as text for a terminal or a file."""
    from reconciler.render.document import plan_document
    from reconciler.render.terminal import render_plan_text

    return render_plan_text(plan_document(plan, show_users=show_users), paper)


def present_plan(plan: Plan, delivery: Delivery, paper: Paper, error: ReconcilerError | None = None) -> str:
    """A plan in any form. `error`, where the plan is refused, becomes a member of the JSON document."""
    if delivery.form == "text":
        return plan_text(plan, paper, show_users=delivery.show_users)
    if delivery.form == "json":
        from reconciler.planning.plan_file import encode_plan

        return _json(encode_plan(plan), error)
    from reconciler.render.document import plan_document

    document = plan_document(plan, show_users=delivery.show_users)
    if delivery.form == "markdown":
        from reconciler.render.markdown import render_plan_markdown

        return render_plan_markdown(document)
    from reconciler.render.html import render_plan_html

    return render_plan_html(document)


def present_report(report: ApplyReport, form: str, paper: Paper, error: ReconcilerError | None = None) -> str:
    """What became of a plan, in any form."""
    if form == "json":
        from reconciler.render.json_report import report_document

        return _json(report_document(report), error)
    from reconciler.render.outcome_document import outcome_document

    document = outcome_document(report)
    if form == "html":
        from reconciler.render.html import render_outcome_html

        return render_outcome_html(document)
    from reconciler.render.outcome_text import render_outcome_markdown, render_outcome_text

    return render_outcome_markdown(document) if form == "markdown" else render_outcome_text(document, paper)


def deliver(
    present: Callable[[ReconcilerError | None], str],
    delivery: Delivery,
    voice: Voice,
    *,
    failure: ReconcilerError | None = None,
    files: Sequence[tuple[Path, str]] = (),
    fail: Callable[[str], ReconcilerError] = ReconcilerError,
    rescue: Callable[[], str] | None = None,
) -> ReconcilerError | None:
    """Write `files`, private, and then the result to stdout or to the file of `--output`.

    A file that cannot be written keeps nothing from being shown: the result of `--output` goes to stdout instead,
    and `rescue`, what is known nowhere else, to stderr where stdout fails too. Returns the error that the command
    ends with: `failure`, or what `fail` makes of what could not be written. `present` gives the result that ends in
    such an error. JSON holds user ids, so the file of it is private.
    """
    for path, text in files:
        failure = _joined(failure, unwritten(path, text, private=True), fail)
    if delivery.output is not None:
        private = delivery.form == "json" or delivery.show_users
        complaint = unwritten(delivery.output, present(failure), private=private)
        if complaint is None:
            voice.note(f"Written to {delivery.output}.")
            return failure
        failure = _joined(failure, complaint, fail)
    try:
        voice.result(present(failure))
    except (OSError, ValueError) as error:
        if rescue is not None:
            voice.rescued(rescue())
        return _joined(failure, f"The result cannot be written to stdout: {reason_of(error)}.", fail)
    return failure


def _joined(
    failure: ReconcilerError | None, complaint: str | None, fail: Callable[[str], ReconcilerError]
) -> ReconcilerError | None:
    if complaint is None:
        return failure
    return fail(complaint) if failure is None else failure.also(complaint)


def plan_json(plan: Plan) -> str:
    """A plan as it is saved for `show` and `apply`. It holds user ids."""
    from reconciler.planning.plan_file import encode_plan

    return _json(encode_plan(plan), None)


def _json(document: dict[str, Json], error: ReconcilerError | None) -> str:
    from reconciler.render.json_report import error_member, render_json

    return render_json(document | ({"error": error_member(error)} if error else {}))

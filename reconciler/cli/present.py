"""A plan or a report in the form that was asked for. Renderers are imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply import ApplyReport
    from reconciler.cli.options import Delivery
    from reconciler.cli.voice import Voice
    from reconciler.errors import ReconcilerError
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


def deliver(text: str, delivery: Delivery, voice: Voice) -> None:
    """Write a result to stdout, or to the file of `--output`; JSON holds user ids, so that file is private."""
    if delivery.output is None:
        voice.result(text)
        return
    from reconciler.cli.voice import write_file

    write_file(delivery.output, text, private=delivery.form == "json" or delivery.show_users)
    voice.note(f"Written to {delivery.output}.")


def save_plan(plan: Plan, path: Path) -> None:
    """Save a plan for `show` and `apply`, mode 0600: it holds user ids."""
    from reconciler.cli.voice import write_file
    from reconciler.planning.plan_file import encode_plan

    write_file(path, _json(encode_plan(plan), None), private=True)


def _json(document: dict[str, Json], error: ReconcilerError | None) -> str:
    from reconciler.render.json_report import error_member, render_json

    return render_json(document | ({"error": error_member(error)} if error else {}))

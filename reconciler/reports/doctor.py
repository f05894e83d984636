"""The doctor's checks as text and as a JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.doctor import exit_code
from reconciler.errors import ReconcilerError
from reconciler.reports.json_report import FORMAT_VERSION, error_member, render_json
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.doctor import Check
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def render_doctor_text(checks: Sequence[Check], options: RenderOptions) -> str:
    """A line per check, what to do below it, and a last line with the verdict."""
    layout = TextLayout(options.terminal)
    width = max(len(check.name) for check in checks)
    for check in checks:
        status = check.status.value
        layout.line((f"{status:<5}", _STYLES[status]), f"{check.name:<{width}}  {check.message}", hang=width + 7)
        if check.advice:
            layout.line(check.advice, indent=width + 7, hang=0)
    layout.blank()
    bad, odd = (sum(check.status.value == status for check in checks) for status in ("fail", "warn"))
    layout.verbatim(f"{counted(bad, 'failure')}, {counted(odd, 'warning')}.")
    return layout.render()


def render_doctor_json(checks: Sequence[Check], _: RenderOptions) -> str:
    """The checks in order; `ok` when none failed, otherwise `error` is the first failure."""
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "ok": not any(check.status.value == "fail" for check in checks),
        "checks": [
            {
                "name": check.name,
                "status": check.status.value,
                "message": check.message,
                "advice": check.advice or None,
            }
            for check in checks
        ],
    }
    if code := exit_code(checks):
        failure = next((check.error for check in checks if check.error), ReconcilerError("A check failed."))
        document["error"] = error_member(failure) | {"exitCode": code}
    return render_json(document)

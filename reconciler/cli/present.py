"""Reports to stdout or to the file of `--output`, in the format that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from reconciler.cli.voice import reason_of, unwritten
from reconciler.errors import ReconcilerError
from reconciler.reports.registry import RenderOptions, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.cli.options import Delivery
    from reconciler.cli.voice import Voice
    from reconciler.reports.registry import Report

T = TypeVar("T")


def render_options(delivery: Delivery, voice: Voice) -> RenderOptions:
    """What renderers are told: where the result goes, and whether user ids are shown."""
    return RenderOptions(terminal=voice.terminal_for(delivery.output), show_users=delivery.show_users)


def deliver_report(
    report: Report[T],
    value: T,
    delivery: Delivery,
    voice: Voice,
    *,
    failure: ReconcilerError | None = None,
    files: Sequence[tuple[Path, str]] = (),
) -> ReconcilerError | None:
    """Write a report in the format that was asked for; see `deliver`."""
    options = render_options(delivery, voice)

    def present(error: ReconcilerError | None) -> str:
        return render(report, delivery.form, value, replace(options, error=error))

    return deliver(present, delivery, voice, failure=failure, files=files)


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

"""`reconciler drift`: what the live state differs in, and who changed it when. Sends GET only."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from reconciler.cli.options import (
    FILE,
    Delivery,
    Settings,
    format_option,
    key_file_option,
    output_option,
    shared_options,
)
from reconciler.reports.registry import DRIFT

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.cli.session import Loaded
    from reconciler.cli.voice import Voice
    from reconciler.drift import DriftOptions, DriftReport, Memory
    from reconciler.model.config import Config

DRIFTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is looked at, and with what in mind."""

    loaded: Loaded
    options: DriftOptions
    memory: Memory | None


@click.command
@shared_options
@format_option(DRIFT)
@output_option
@click.option(
    "--target", "targets", multiple=True, metavar="GLOB", help="Only flags whose key matches; may be repeated."
)
@click.option("--since", metavar="TIME", help="Only flags edited since then: ISO 8601, or 30m, 2h, 1d. Cheap.")
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Send at most N requests.")
@click.option("--state", type=FILE, metavar="FILE", help="Remember the outcome, for the next run to compare with.")
@key_file_option
def drift(
    settings: Settings,
    *,
    form: str,
    output: Path | None,
    targets: tuple[str, ...],
    since: str | None,
    budget: int | None,
    state: Path | None,
    api_key_file: Path | None,
) -> int:
    """Show which declared fields differ live, and who made them so, when, in which version.

    Exit code 2 with drift, 0 without; 1 where that cannot be told. Live is `before`, git is `after`, as in a plan.

    --since asks the feed of versions which flags were edited at all: one request where none was. It sees neither
    older drift nor edits that make no version, as edits of inclusions may. --budget stops before it is exceeded and
    says what was not checked; with --state, runs take turns at that. --state also tells a new drift from a known one.

    \b
      reconciler drift --env production
      reconciler drift --since 15m --format json
      reconciler drift --since 15m --budget 50 --state drift.json --format markdown
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.present import deliver_report
    from reconciler.cli.session import load
    from reconciler.cli.voice import Voice, check_writable

    check_writable(output, state)
    voice, options = Voice.of(settings), _options(targets, since, budget)
    loaded = load(settings, voice)
    look = _Look(loaded=loaded, options=options, memory=_recalled(state, loaded.config))
    report = _detect(look, api_key_file, voice)
    delivery = Delivery(form=form, output=output)
    files = [] if state is None else [(state, _remembered(look, report))]
    failure = deliver_report(DRIFT, report, delivery, voice, files=files)
    if failure:
        voice.error(str(failure))
        return failure.exit_code
    return DRIFTED if report.is_drifted else 0


def _options(targets: tuple[str, ...], since: str | None, budget: int | None) -> DriftOptions:
    from reconciler.cli.session import now
    from reconciler.drift import DriftOptions
    from reconciler.drift.since import parse_since

    start = None if since is None else parse_since(since, now())
    return DriftOptions(targets=targets, since=start, budget=budget)


def _detect(look: _Look, key_file: Path | None, voice: Voice) -> DriftReport:
    from reconciler.cli.session import access

    allowed = access(look.loaded.config, key_file, voice, os.environ)

    async def run() -> DriftReport:
        from reconciler.cli.progress import Progress
        from reconciler.cli.session import connected, now
        from reconciler.drift import detect_drift

        config = _within_budget(look.loaded.config, look.options.budget)
        with Progress.of(voice) as progress:
            async with connected(config, allowed, progress) as client:
                return await detect_drift(
                    client,
                    look.loaded.desired,
                    config,
                    look.options,
                    now=now(),
                    memory=look.memory,
                    on_progress=progress.on_refresh,
                )

    return asyncio.run(run())


def _within_budget(config: Config, budget: int | None) -> Config:
    """The configuration with which not even repetitions exceed the budget."""
    if budget is None:
        return config
    requests = replace(config.requests, daily_budget=min(budget, config.requests.daily_budget))
    return replace(config, requests=requests)


def _recalled(state: Path | None, config: Config) -> Memory | None:
    """What the state file remembers; nothing yet where there is no file."""
    from reconciler.drift import no_memory, recall
    from reconciler.errors import ReconcilerError

    if state is None:
        return None
    try:
        return recall(state.read_text(encoding="utf-8"), config, str(state))
    except FileNotFoundError:
        return no_memory(config)
    except UnicodeDecodeError:
        raise ReconcilerError(f"The state file {str(state)!r} is no text. Delete it to begin anew.") from None


def _remembered(look: _Look, report: DriftReport) -> str:
    """What the state file is to hold after this run."""
    from reconciler.drift import encode_memory, keys_in_scope, remember
    from reconciler.reports.json_report import render_json

    assert look.memory is not None, "a state file was recalled before it is written"
    desired = look.loaded.desired
    scope = keys_in_scope(desired, look.options.targets)
    memory = remember(look.memory, report, scope, desired.flags.keys())
    return render_json(encode_memory(memory))

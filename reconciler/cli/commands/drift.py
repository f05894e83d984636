"""`reconciler drift`: what the live state differs in, and who changed it when. Sends GET only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from reconciler.cli.loading import load, now
from reconciler.cli.options import (
    OUTPUT,
    OutputOptions,
    Settings,
    format_option,
    key_file_option,
    output_option,
    shared_options,
    target_option,
)
from reconciler.cli.output import Output, write_report
from reconciler.cli.planning import history_of, resolve_credentials, run_with_client
from reconciler.drift import (
    DriftOptions,
    detect_drift,
    empty_state,
    encode_state,
    keys_in_scope,
    load_state,
    updated_state,
)
from reconciler.drift.view import parse_since
from reconciler.errors import ReconcilerError, UsageError
from reconciler.files.config_file import find_config, load_config
from reconciler.planning.planner import open_rollouts
from reconciler.reports.json_report import render_json
from reconciler.reports.registry import DRIFT
from reconciler.rollouts.reader import RolloutReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

    from reconciler.api.client import Client
    from reconciler.cli.loading import Loaded
    from reconciler.drift import DriftReport, DriftState
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag
    from reconciler.planning.plan import PlannedRollout
    from reconciler.progress import Progress

DRIFTED = 2


class _Run(Struct, frozen=True, kw_only=True):
    """What is compared, and what the state file remembers."""

    loaded: Loaded
    options: DriftOptions
    memory: DriftState | None


@click.command
@shared_options
@format_option(DRIFT)
@output_option
@target_option
@click.option(
    "--since", metavar="TIME", help="Only flags edited since then: ISO 8601, or 30m, 2h, 1d. Costs few requests."
)
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Send at most N requests.")
@click.option("--strict", is_flag=True, help="Exit with 2 where flags were edited outside git, too.")
@click.option("--state", type=OUTPUT, metavar="FILE", help="Remember the outcome, for the next run to compare with.")
@click.option(
    "--acknowledge", multiple=True, metavar="KEY", help="Write into the flag's file that its drift is known."
)
@click.option("--until", metavar="DATE", help="Until when it is known, with --acknowledge.")
@click.option("--reason", metavar="TEXT", help="Why it is known, with --acknowledge.")
@key_file_option
def drift(
    settings: Settings,
    *,
    form: str,
    output_file: Path | None,
    targets: tuple[str, ...],
    since: str | None,
    budget: int | None,
    state: Path | None,
    strict: bool,
    acknowledge: tuple[str, ...],
    until: str | None,
    reason: str | None,
    api_key_file: Path | None,
) -> int:
    """Show which declared fields differ live: who changed them, when, and in which version.

    Exit code 2 with drift, 0 without; 1 if this cannot be told. `before` is live, `after` is git, as in a plan.

    --since first asks the feed of versions which flags were edited: one request if none was. It does not see older
    drift, nor edits that make no version, as edits of inclusions may. --budget limits the requests, and the report
    says what was not checked; with --state, each run continues where the last one stopped. --state also tells new
    drift from known drift.

    With --since, or with the --state of an earlier run, flags that were edited outside git since then are listed too,
    even in fields and flags that no file declares. They are not drift; with --strict they also make exit code 2.

    --acknowledge checks nothing: it writes `knownUntil` into the file of a flag. Until then drift of the flag is
    shown, but does not make exit code 2.

    \b
      reconciler drift --env production
      reconciler drift --since 15m --format json
      reconciler drift --since 15m --budget 50 --state drift.json
      reconciler drift --acknowledge KEY --until 2030-12-24 --reason "incident 12"
    """  # noqa: D301 - the backspace tells click not to wrap
    if acknowledge:
        from reconciler.cli.acknowledge import acknowledge as write_acknowledgement  # noqa: PLC0415 - a look writes none

        given = {"--format": form != "text", "--output": output_file, "--target": targets, "--since": since}
        _refuse_idle(given | {"--budget": budget, "--strict": strict, "--state": state})
        config = load_config(find_config(settings.config), settings.environment)
        Output.of(settings).print(f"{write_acknowledgement(config, acknowledge, until, reason)}\n")
        return 0
    if until is not None or reason is not None:
        raise UsageError("--until and --reason go with --acknowledge KEY.")
    output, options = Output.of(settings), _options(targets, since, budget)
    loaded = load(settings, output)
    run = _Run(loaded=loaded, options=options, memory=_load_state(state, loaded.config))
    report = _detect(run, api_key_file, output)
    display = OutputOptions(form=form, output_file=output_file)
    files = [] if state is None else [(state, _updated_state(run, report))]
    failure = write_report(DRIFT, report, display, output, files=files)
    if failure:
        output.error(str(failure))
        return failure.exit_code
    return DRIFTED if report.is_drifted or (strict and report.edits) else 0


def _refuse_idle(given: Mapping[str, object]) -> None:
    """Raise UsageError if there are options that are only for a look."""
    if idle := ", ".join(name for name, value in given.items() if value):
        raise UsageError(f"--acknowledge compares nothing: leave {idle} out.")


def _options(targets: tuple[str, ...], since: str | None, budget: int | None) -> DriftOptions:
    start = None if since is None else parse_since(since, now())
    return DriftOptions(targets=targets, since=start, budget=budget)


def _detect(run: _Run, key_file: Path | None, output: Output) -> DriftReport:
    credentials = resolve_credentials(run.loaded.config, key_file, output)
    config, desired = _within_budget(run.loaded.config, run.options.budget), run.loaded.desired
    history = history_of(config, desired)

    def work(client: Client, progress: Progress) -> Awaitable[DriftReport]:
        reader = RolloutReader(client=client, config=config, history=history, now=now(), progress=progress)

        def rollouts(live: Mapping[str, LiveFlag], most: int | None) -> Awaitable[tuple[PlannedRollout, ...]]:
            known = open_rollouts([desired.flags[key] for key in live], live, {})
            return reader.standings(tuple(known), desired.flags, live, most)

        return detect_drift(
            client,
            desired,
            config,
            run.options,
            now=now(),
            memory=run.memory,
            progress=progress,
            history=history,
            rollouts=rollouts,
        )

    return run_with_client(config, credentials, output, work)


def _within_budget(config: Config, budget: int | None) -> Config:
    """The configuration with which not even repetitions exceed the budget."""
    if budget is None:
        return config
    requests = replace(config.requests, daily_budget=min(budget, config.requests.daily_budget))
    return replace(config, requests=requests)


_MOST_BYTES = 64 * 1024 * 1024
"""A state file has a few hundred bytes for each flag."""


def _load_state(state: Path | None, config: Config) -> DriftState | None:
    """What the state file remembers; nothing yet where there is no file."""
    if state is None:
        return None
    try:
        with state.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ReconcilerError(f"{str(state)!r} is too big for a state file. Name another one.")
        return load_state(content.decode(), config, str(state))
    except FileNotFoundError:
        return empty_state(config)
    except UnicodeDecodeError:
        raise ReconcilerError(f"The state file {str(state)!r} is not a text file. Delete it to start over.") from None


def _updated_state(run: _Run, report: DriftReport) -> str:
    """What the state file is to hold after this run."""
    assert run.memory is not None, "a state file was recalled before it is written"
    desired = run.loaded.desired
    scope = keys_in_scope(desired, run.options.targets)
    memory = updated_state(run.memory, report, scope, desired.flags.keys(), is_partial=bool(run.options.targets))
    return render_json(encode_state(memory))

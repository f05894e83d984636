"""From files and a server to a plan, in named steps: load, narrow, connect, refresh, plan, exposure, guards.

Commands that compare the two sides share it; what they do with the plan is theirs. Up to here only GET is sent.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import GuardRefusedError
from reconciler.planning.plan import PlanOptions
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from reconciler.api.access import ApiKey, Origin
    from reconciler.api.client import Client
    from reconciler.api.member_cache import MemberCache
    from reconciler.cli.options import PlanArguments, Settings
    from reconciler.cli.progress import Progress
    from reconciler.cli.voice import Voice
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveState
    from reconciler.planning.plan import Plan

NO_FLAG = "(none)"
"""A target that is the key of no flag: `--changed-since` found nothing."""


class Loaded(Struct, frozen=True, kw_only=True):
    """What the repository says: `load`'s result."""

    config: Config
    desired: DesiredState


class Access(Struct, frozen=True, kw_only=True):
    """Where requests go and with which key: `access`'s result."""

    origin: Origin
    key: ApiKey


class Planned(Struct, frozen=True, kw_only=True):
    """A plan and everything it was made from. `access` is None where nothing had to be read."""

    plan: Plan
    loaded: Loaded
    live: LiveState
    access: Access | None


def make_plan(
    settings: Settings,
    arguments: PlanArguments,
    voice: Voice,
    environ: Mapping[str, str] = os.environ,
    *,
    cache: Path | None = None,
) -> Planned:
    """The plan that options ask for; `cache` is where inclusions are kept. Raises the errors of each step."""
    loaded = load(settings, voice)
    options = narrow(arguments, loaded, voice)
    return plan_with(loaded, options, arguments.api_key_file, voice, environ, cache=cache)


def plan_with(
    loaded: Loaded,
    options: PlanOptions,
    key_file: Path | None,
    voice: Voice,
    environ: Mapping[str, str] = os.environ,
    *,
    cache: Path | None = None,
) -> Planned:
    """The plan of what is loaded, under options that are complete."""
    from reconciler.cli.checkout import current_commit
    from reconciler.cli.member_cache_file import member_cache

    if options.targets == (NO_FLAG,):
        return Planned(plan=_nothing(loaded, options), loaded=loaded, live=_unread(loaded), access=None)
    allowed = access(loaded.config, key_file, voice, environ)
    commit = current_commit(loaded.config.file.parent)  # before the long part: another may be checked out meanwhile
    with member_cache(cache, loaded.config.project_id, allowed.origin, now(), voice) as known:
        plan, live = asyncio.run(_read_and_plan(loaded, allowed, options, voice, known))
    stamped = replace(plan, origin=str(allowed.origin), created_at=now(), commit=commit)
    return Planned(plan=stamped, loaded=loaded, live=live, access=allowed)


def load(settings: Settings, voice: Voice) -> Loaded:
    """The configuration of one environment and its flags. Raises InvalidInputError, UsageError."""
    from reconciler.files.config_file import find_config, load_config
    from reconciler.files.load import load_desired

    config = load_config(find_config(settings.config), settings.environment)
    desired = load_desired(config, today=now().date())
    for warning in desired.warnings:
        place = f"{warning.position}: " if warning.position else ""
        voice.warn(f"{place}{warning.message} [{warning.rule}]")
    voice.detail(f"Loaded {counted(len(desired.flags), 'flag')} from {counted(desired.files, 'file')}.")
    return Loaded(config=config, desired=desired)


def narrow(arguments: PlanArguments, loaded: Loaded, voice: Voice) -> PlanOptions:
    """The options of the plan; `--changed-since` becomes targets."""
    options = PlanOptions(
        targets=arguments.targets,
        prune=arguments.prune,
        unarchive=arguments.unarchive,
        allow=frozenset(arguments.allow),
        shield=arguments.shield,
        shard=arguments.shard,
    )
    if arguments.changed_since is None:
        return options
    from reconciler.cli.changed_since import changes_since

    changes = changes_since(loaded.config, loaded.desired.texts, arguments.changed_since)
    if changes is None:
        voice.note(f"The configuration may differ from {arguments.changed_since}: every flag is looked at.")
        return options
    from reconciler.planning.planner import scope_of

    changed = tuple(filter(scope_of(options), changes.keys_in(loaded.desired)))
    voice.detail(f"Flags whose files differ from {arguments.changed_since}: {', '.join(changed) or 'none'}.")
    return replace(options, targets=changed or (NO_FLAG,))


def access(config: Config, key_file: Path | None, voice: Voice, environ: Mapping[str, str]) -> Access:
    """The server and the key. Raises UsageError, AccessError; sends nothing."""
    from reconciler.api.access import origin_for, read_key
    from reconciler.cli.secrecy import remember

    origin = origin_for(config.region, environ)
    key = read_key(environ, key_file, origin=origin)
    remember(key)
    for warning in key.warnings:
        voice.warn(warning)
    return Access(origin=origin, key=key)


@asynccontextmanager
async def connected(
    config: Config, allowed: Access, progress: Progress, *, read_only: bool = True, spent: int = 0
) -> AsyncIterator[Client]:
    """A client for the configuration's project, whose requests are shown, after `spent` of the day's budget."""
    from reconciler.api.connect import connect

    async with connect(config, allowed.key, allowed.origin, read_only=read_only, spent=spent) as client:
        progress.follow(client, config.requests.daily_budget, spent=spent)
        yield client


async def _read_and_plan(
    loaded: Loaded, allowed: Access, options: PlanOptions, voice: Voice, cache: MemberCache | None
) -> tuple[Plan, LiveState]:
    """The plan of now and what it was made from, with a client that cannot write."""
    from reconciler.cli.progress import Progress
    from reconciler.preview import read_and_plan

    with Progress.of(voice) as progress:
        async with connected(loaded.config, allowed, progress) as client:
            plan, live = await read_and_plan(
                client,
                loaded.desired,
                loaded.config,
                options,
                now=now(),
                on_progress=progress.on_refresh,
                cache=cache,
            )
    flags = counted(len(live.flags), "live flag")
    voice.detail(f"Read {flags} with {counted(plan.requests, 'request')} from {allowed.origin}.")
    return plan, live


def refusal_of(plan: Plan) -> GuardRefusedError | None:
    """The error that the plan's refusals are, if there are any."""
    if not plan.refusals:
        return None
    guards = tuple(dict.fromkeys(refusal.guard for refusal in plan.refusals))
    sentences = [
        f"{refusal.guard}: {refusal.message}" + (f" Override: {refusal.override}." if refusal.override else "")
        for refusal in plan.refusals
    ]
    return GuardRefusedError("Refused as unsafe; nothing was sent. " + " ".join(sentences), guards)


def now() -> datetime:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _nothing(loaded: Loaded, options: PlanOptions) -> Plan:
    from reconciler.cli.checkout import current_commit
    from reconciler.planning.plan import Plan

    config = loaded.config
    return Plan(
        project_id=config.project_id,
        region=config.region,
        environment=config.environment,
        flags=(),
        options=options,
        created_at=now(),
        commit=current_commit(config.file.parent),
    )


def _unread(loaded: Loaded) -> LiveState:
    from reconciler.model.flag import LiveState

    return LiveState(project_id=loaded.config.project_id, flags={}, is_complete=False)

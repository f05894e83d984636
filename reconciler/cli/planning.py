"""From loaded files and a server to a plan: the key, a client, the reads, the plan. A plan sends only GET."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.client import connect
from reconciler.api.credentials import ApiKey, Origin, origin_for, read_key
from reconciler.api.live import find_flag
from reconciler.api.member_cache import decode_cache, encode_cache
from reconciler.cli.checkout import current_commit
from reconciler.cli.commit_files import changes_since, keys_changed_since
from reconciler.cli.destinations import CACHED
from reconciler.cli.failures import remember_key
from reconciler.cli.loading import now
from reconciler.cli.output import reason_of, try_write_file
from reconciler.cli.progress import ProgressDisplay, RequestLog
from reconciler.cli.signals import run_until_signal
from reconciler.errors import GuardRefusedError, InvalidInputError, ReconcilerError, UnreviewedError
from reconciler.files.config_file import PLACEHOLDERS
from reconciler.model.config import idle_targets, misspelt_overrides
from reconciler.model.flag import LiveState
from reconciler.planning.plan import Action, Plan, PlanOptions
from reconciler.planning.planner import scope_of
from reconciler.planning.releases import releases
from reconciler.planning.review import REVIEW
from reconciler.preview import read_and_plan
from reconciler.reports.json_report import render_json
from reconciler.rollouts.reader import RolloutReader
from reconciler.text import counted, suggestion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import TypeVar

    from reconciler.api.client import Client
    from reconciler.api.member_cache import MemberCache
    from reconciler.cli.loading import Loaded
    from reconciler.cli.options import PlanArguments
    from reconciler.cli.output import Output
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveFlag
    from reconciler.model.versions import History, Place, Timeline
    from reconciler.planning.review import ReviewRecord
    from reconciler.progress import Progress

    T = TypeVar("T")

REFUSED = "Refused as unsafe"
"""How the error begins of a command of which a guard refuses all."""

_UNDECLARED = "neither declared now nor at that commit"

EMPTY_TARGET = "(none)"
"""A target that is the key of no flag: `--changed-since` found nothing."""


class Credentials(Struct, frozen=True, kw_only=True):
    """Where requests go and with which key."""

    origin: Origin
    key: ApiKey


class Planned(Struct, frozen=True, kw_only=True):
    """A plan and everything it was made from. `credentials` is None where nothing had to be read."""

    plan: Plan
    loaded: Loaded
    live: LiveState
    credentials: Credentials | None


class Scope(Struct, frozen=True, kw_only=True):
    """The options of a plan, `--changed-since` resolved to targets, and what that change no longer declares.

    `changed` are the flags that may be declared otherwise than at that commit.
    """

    options: PlanOptions
    changed: tuple[str, ...] = ()
    released: Mapping[str, tuple[str, ...]] = {}


def resolve_scope(arguments: PlanArguments, loaded: Loaded, output: Output) -> Scope:
    """The options of a plan; `--changed-since` becomes targets. Raises UnknownTargetError, and as `changes_since`."""
    options = PlanOptions(
        targets=arguments.targets,
        prune=arguments.prune,
        unarchive=arguments.unarchive,
        allow=frozenset(arguments.allow),
        shield=arguments.shield,
        shard=arguments.shard,
    )
    if not arguments.changed_since:
        return Scope(options=options)
    first, *others = arguments.changed_since
    added = {key for other in others for key in keys_changed_since(loaded.config, loaded.desired, other)}
    changes = changes_since(loaded.config, loaded.desired, first)
    if changes is None:
        output.info(f"The configuration may differ from {first}: every flag is compared.")
        return Scope(options=options, changed=tuple(filter(scope_of(options), loaded.desired.flags)))
    for warning in idle_targets(options.targets, added.union(changes.keys, loaded.desired.flags), _UNDECLARED):
        output.warning(warning)
    changed = tuple(filter(scope_of(options), sorted(added.union(changes.keys))))
    since = " and ".join(arguments.changed_since)
    output.debug(f"Flags declared otherwise than at {since}: {', '.join(changed) or 'none'}.")
    released = {key: paths for key, paths in changes.released.items() if key in changed}
    targets = changed or (EMPTY_TARGET,)
    return Scope(options=replace(options, targets=targets), changed=changed, released=released)


def resolve_credentials(config: Config, key_file: Path | None, output: Output) -> Credentials:
    """The server and the key; sends nothing. Raises UsageError, AccessError, InvalidInputError for a placeholder."""
    origin = origin_for(config.region, os.environ)
    if config.project_id in PLACEHOLDERS and not origin.is_loopback:  # the emulator serves it, to try things out
        raise InvalidInputError(
            f'{config.file.name} still has the placeholder "{config.project_id}" as `projectId`. Put the id there: '
            "Amplitude shows it in the settings of the project."
        )
    key = read_key(os.environ, key_file, origin=origin)
    remember_key(key)
    for warning in key.warnings:
        output.warning(warning)
    return Credentials(origin=origin, key=key)


@asynccontextmanager
async def open_client(
    config: Config,
    credentials: Credentials,
    display: ProgressDisplay,
    output: Output,
    *,
    read_only: bool,
    spent: int = 0,
) -> AsyncIterator[Client]:
    """A client for the configuration's project, whose requests are shown, after `spent` of the day's budget.

    Waiting is said, and each request with --verbose.
    """
    log = RequestLog(output)
    async with connect(
        config,
        credentials.key,
        credentials.origin,
        read_only=read_only,
        watch=log.request if output.verbose else None,
        on_wait=log.wait,
        spent=spent,
    ) as client:
        display.follow(client, config.requests.daily_budget, spent=spent)
        yield client


def run_with_client(
    config: Config,
    credentials: Credentials,
    output: Output,
    work: Callable[[Client, Progress], Awaitable[T]],
) -> T:
    """Run the work in an event loop, with a client that cannot write and with progress on the terminal."""

    async def run() -> T:
        with ProgressDisplay.of(output) as display:
            async with open_client(config, credentials, display, output, read_only=True) as client:
                return await work(client, display.progress)

    return run_until_signal(run())


async def require_flag(client: Client, key: str, declared: Collection[str] = ()) -> LiveFlag:
    """The live flag of a key, archived or not, without its inclusions.

    Raises ReconcilerError where there is none; a key that is not declared may be meant for one of those that are.
    """
    flag = await find_flag(client, key)
    if flag is None:
        hint = "" if key in declared else suggestion(key, declared)
        raise ReconcilerError(f'There is no flag with the key "{key}" in project {client.project_id}.{hint}')
    return flag


def history_of(config: Config, desired: DesiredState) -> History:
    """What tells since when the declarations of a checkout stand; git is asked only when it is called."""

    def history(places: Collection[Place], until: datetime | None = None) -> Mapping[Place, Timeline]:
        from reconciler.cli.declared import timelines  # noqa: PLC0415 - 4 ms that few plans need

        return timelines(config, desired, places, until)

    return history


def make_plan(
    loaded: Loaded,
    scope: Scope,
    key_file: Path | None,
    output: Output,
    *,
    cache: Path | None = None,
    review: ReviewRecord | None = None,
    only: frozenset[str] | None = None,
) -> Planned:
    """The plan of what is loaded; `cache` is the directory of `plan --cache`, `review` what `apply --reviewed` reads.

    With `only` it is of the flags of these keys. Raises the errors of each step.
    """
    config, options = loaded.config, scope.options
    commit = current_commit(config.file.parent)  # before the long part: another may be checked out meanwhile
    if options.targets == (EMPTY_TARGET,):
        live = LiveState(project_id=config.project_id, flags={}, is_complete=False)
        plan = replace(_empty_plan(config, options), created_at=now(), commit=commit)
        return Planned(plan=plan, loaded=loaded, live=live, credentials=None)
    credentials = resolve_credentials(config, key_file, output)

    history = history_of(config, loaded.desired)

    async def work(client: Client, progress: Progress) -> tuple[Plan, LiveState]:
        plan, live = await read_and_plan(
            client,
            loaded.desired,
            config,
            options,
            now=now(),
            progress=progress,
            cache=members,
            review=review,
            only=only,
            history=history,
        )
        sent = client.requests
        reader = RolloutReader(client=client, config=config, history=history, now=now(), progress=progress)
        rollouts = await reader.standings(plan.rollouts, loaded.desired.flags, live.flags)
        return replace(plan, rollouts=rollouts, requests=plan.requests + client.requests - sent), live

    with _inclusion_cache(cache, config.project_id, credentials.origin, output) as members:
        plan, live = run_with_client(config, credentials, output, work)
    if only is None:
        known = loaded.desired.flags.keys() | live.flags.keys() | live.duplicates.keys()
        for sentence in misspelt_overrides(options.allow, known):
            output.warning(sentence)
    flags = counted(len(live.flags), "live flag")
    output.debug(f"Read {flags} with {counted(plan.requests, 'request')} from {credentials.origin}.")
    stamped = replace(plan, origin=str(credentials.origin), created_at=now(), commit=commit)
    archived = frozenset(flag.key for flag in plan.flags if flag.action is Action.ARCHIVE)
    stamped = replace(stamped, released=releases(scope.released, live, archived))
    return Planned(plan=stamped, loaded=loaded, live=live, credentials=credentials)


def _empty_plan(config: Config, options: PlanOptions) -> Plan:
    return Plan(
        project_id=config.project_id,
        region=config.region,
        environment=config.environment,
        flags=(),
        options=options,
    )


@contextmanager
def _inclusion_cache(
    directory: Path | None, project_id: str, origin: Origin, output: Output
) -> Iterator[MemberCache | None]:
    """The cache of a project in a directory, written back when the block ends well; None without a directory.

    The file has mode 0600: it holds user ids. One that cannot be read counts as empty; one that cannot be written is
    a warning.
    """
    if directory is None:
        yield None
        return
    path = directory / CACHED.format(project_id)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    cache = decode_cache(text, origin=str(origin), project_id=project_id, now=now())
    yield cache
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        output.warning(f"{directory} cannot be created: {reason_of(error)}.")
        return
    if complaint := try_write_file(path, render_json(encode_cache(cache)), private=True):
        output.warning(complaint)


def refusal_of(plan: Plan, *, addition: str = "", all_or_nothing: bool = False) -> GuardRefusedError | None:
    """The error of a plan of which nothing may be sent: a guard of the run refuses it, or all that it does is held.

    None where something may be sent, or there is nothing to do. With `all_or_nothing` one held flag is enough.
    `addition` follows the first words of the message.
    """
    is_held = plan.held and (all_or_nothing or not plan.to_apply)
    refused = plan.every_refusal if is_held else plan.refusals
    if not refused:
        return None
    guards = tuple(dict.fromkeys(refusal.guard for refusal in refused))
    # An override does not help a flag that another guard holds which has none.
    stuck = {item for flag in plan.held if any(not one.override for one in flag.held) for item in flag.held}
    sentences = [
        f"{item.guard}: {item.message}"
        + (f" Override: {item.override}." if item.override and item not in stuck else "")
        for item in refused
    ]
    kind = UnreviewedError if REVIEW in guards else GuardRefusedError
    return kind(" ".join([f"{REFUSED}{addition}.", *sentences]), guards)


def say_refusal(failure: ReconcilerError, refusal: GuardRefusedError, output: Output, *, is_shown: bool) -> None:
    """Write what a refused command ends with to stderr: `refusal`, and in `failure` what else went wrong.

    Where the result stands right above (`is_shown`) the guards are only named: it says what each of them refuses.
    """
    brief = f"{REFUSED} by {', '.join(refusal.guards)}: what stands above says why, and what overrides it."
    output.error(str(failure).replace(refusal.message, brief) if is_shown else str(failure))

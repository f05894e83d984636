"""What works between here and the server, and what does not: one check a line, each with what to do about it.

Only reads are sent. A check that fails says so and the next ones go on, unless nothing can work without it.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.api.listing import read_list
from reconciler.errors import AccessError, ApiError
from reconciler.model.flag import Unset
from reconciler.planning.pruning import foreign_flags, told_of_foreign
from reconciler.text import counted, first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.api.listing import Listing
    from reconciler.model.config import Config

API_PER_SECOND = 100
API_PER_DAY = 100_000
"""What the API allows a project, all its clients together ("100 requests per second", "100,000 per day")."""

USEFUL_CONNECTIONS = 20
TOLERATED_SKEW = timedelta(seconds=30)
LARGEST_SKEW = timedelta(minutes=5)
"""A saved plan is refused when it seems to come from so far in the future."""

_MOST_DEPLOYMENTS = 20


class CheckStatus(StrEnum):
    """How a check ended. A warning is something that works less well, or cannot be told."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(Struct, frozen=True, kw_only=True):
    """One line: what was looked at, how it is, and what to do (empty: nothing). `error` is what made it fail."""

    name: str
    status: CheckStatus
    message: str
    advice: str = ""
    error: ApiError | None = None


async def examine(
    client: Client, config: Config, now: Callable[[], datetime], *, declared: Collection[str] | None
) -> tuple[Check, ...]:
    """Every check that needs the server, in order. Raises nothing that the server or the network does wrong.

    `declared` are the keys of the flags that files declare; None where that is not known.
    """
    try:
        listing = await read_list(client)
    except ApiError as error:
        return (failed("project", error),)
    return (
        _project(listing, config),
        _clock(client.server_date, now()),
        *await _optional_reads(client, config),
        _tags(listing),
        *_managed_tag(listing, config, declared),
    )


def limits(config: Config) -> Check:
    """Whether the configured limits keep within what the API allows."""
    requests = config.requests
    pace = f"up to {counted(requests.per_second, 'request')} a second"
    message = (
        f"{pace} over {counted(requests.concurrency, 'connection')}, {requests.daily_budget} a run; "
        f"the API allows a project {API_PER_SECOND} a second and {API_PER_DAY} a day"
    )
    if requests.per_second > API_PER_SECOND or requests.daily_budget > API_PER_DAY:
        advice = "Lower `requests` in reconciler.yaml: beyond its limits the API refuses every client of the project."
        return Check(name="limits", status=CheckStatus.WARN, message=message, advice=advice)
    if requests.concurrency > USEFUL_CONNECTIONS:
        advice = f"More than {USEFUL_CONNECTIONS} connections are slower, not faster: lower `requests.concurrency`."
        return Check(name="limits", status=CheckStatus.WARN, message=message, advice=advice)
    return Check(name="limits", status=CheckStatus.OK, message=message)


def failed(name: str, error: ApiError) -> Check:
    """A check that an error ended. Messages of errors say what to do."""
    return Check(name=name, status=CheckStatus.FAIL, message=str(error), error=error)


def exit_code(checks: Iterable[Check]) -> int:
    """0 where nothing failed, 4 where the key was refused, 1 otherwise."""
    bad = [check for check in checks if check.status is CheckStatus.FAIL]
    if any(isinstance(check.error, AccessError) for check in bad):
        return AccessError.exit_code
    return 1 if bad else 0


def _project(listing: Listing, config: Config) -> Check:
    count = len(listing.flags)
    message = f"project {config.project_id} answers; flags: {count}; pages of the list: {listing.pages}"
    if listing.unread:
        aside = " ".join(map(str, listing.unread))
        advice = "Correct them in Amplitude: commands that need one of them fail."
        return Check(name="project", status=CheckStatus.WARN, message=f"{message}. {aside}", advice=advice)
    if count:
        return Check(name="project", status=CheckStatus.OK, message=message)
    advice = "If it should have flags, check `projectId` and `region`."
    return Check(name="project", status=CheckStatus.WARN, message=message, advice=advice)


def _clock(server: datetime | None, now: datetime) -> Check:
    if server is None:
        return Check(name="clock", status=CheckStatus.WARN, message="the server does not say what time it is")
    skew = abs(now - server)
    seconds = round(skew.total_seconds())
    if skew <= TOLERATED_SKEW:
        return Check(name="clock", status=CheckStatus.OK, message=f"{seconds} s from the server's")
    direction = "ahead of" if now > server else "behind"
    message = f"{seconds} s {direction} the server's"
    status = CheckStatus.FAIL if skew > LARGEST_SKEW else CheckStatus.WARN
    advice = "Set this machine's clock: `--since`, `frozenUntil` and the age of saved plans go by it."
    return Check(name="clock", status=status, message=message, advice=advice)


async def _optional_reads(client: Client, config: Config) -> list[Check]:
    reads: tuple[tuple[str, Awaitable[Check]], ...] = (
        ("deployments", _deployments(client, config)),
        ("versions feed", _feed(client)),
    )
    checks = []
    for name, read in reads:
        try:
            checks.append(await read)
        except ApiError as error:
            checks.append(failed(name, error))
    return checks


async def _deployments(client: Client, config: Config) -> Check:
    known = await client.list_all_deployments()
    named = ", ".join(f"{name} ({number})" for name, number in sorted(config.deployments.items())) or "none"
    if known is None:
        return Check(
            name="deployments",
            status=CheckStatus.WARN,
            message=f"the server does not list them to this key, so those of reconciler.yaml are unchecked: {named}",
        )
    usable = [item for item in known.deployments if not item.deleted]
    ids = {item.id for item in usable}
    lost = [f"{name} ({number})" for name, number in sorted(config.deployments.items()) if number not in ids]
    aside = "".join(f" {item}" for item in known.unread)
    there = first_of([f"{item.label} ({item.id})" for item in usable], _MOST_DEPLOYMENTS) or "none"
    if not lost:
        return Check(
            name="deployments",
            status=CheckStatus.WARN if aside else CheckStatus.OK,
            message=f"the project has {len(ids)}: {there}; configured here: {named}{aside and '.'}{aside}",
            advice="Correct them in Amplitude." if aside else "",
        )
    return Check(
        name="deployments",
        status=CheckStatus.FAIL,
        message=f"reconciler.yaml names some that the project does not have: {', '.join(lost)}{aside and '.'}{aside}",
        advice=f"Correct `deployments`. The project has: {there}.",
    )


async def _feed(client: Client) -> Check:
    page = await client.list_all_versions(limit=1)
    if page is None:
        return Check(
            name="versions feed",
            status=CheckStatus.WARN,
            message="not offered to this key",
            advice="`drift --since` reads the list of flags instead: a request for each 1,000 of them.",
        )
    author = page.versions[0].created_by if page.versions else None
    form = "" if not page.versions else "; it names editors " + ("by e-mail" if "@" in (author or "") else "by id")
    if page.versions and author is None:
        form = "; it does not name editors"
    return Check(
        name="versions feed", status=CheckStatus.OK, message=f"offered: `drift --since` takes one request{form}"
    )


def _managed_tag(listing: Listing, config: Config, declared: Collection[str] | None) -> Iterator[Check]:
    """Whether flags that carry the managed tag may be another repository's, which `--prune` would archive."""
    tag = config.managed_tag
    if tag is None or declared is None:
        return
    foreign = foreign_flags(declared, listing.flags.values(), tag)
    if foreign:
        said, _, advice = told_of_foreign(foreign, tag).partition(". ")
        yield Check(name="managed tag", status=CheckStatus.WARN, message=said, advice=advice)
    else:
        yield Check(
            name="managed tag", status=CheckStatus.OK, message=f"{tag} is on no flag that may be another repository's"
        )


def _tags(listing: Listing) -> Check:
    if not listing.flags:
        return Check(name="tags", status=CheckStatus.WARN, message="there is no flag that could show them")
    if any(not isinstance(flag.spec.tags, Unset) for flag in listing.flags.values()):
        return Check(name="tags", status=CheckStatus.OK, message="shown, so they are compared")
    return Check(
        name="tags",
        status=CheckStatus.WARN,
        message="not shown by this server",
        advice="Tags of flags that exist are not compared, and --prune, which goes by `managedTag`, finds nothing.",
    )

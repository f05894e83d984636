"""A session of `serve`: what is served, its reloads, its overrides and its page, as one application."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.cli.emulation import create_emulator
from reconciler.cli.failures import as_reconciler_error, failure_text
from reconciler.cli.feeding import StoreReader, StoreWriter
from reconciler.delivery import is_off_unsaid
from reconciler.errors import UsageError
from reconciler.model.fields import DEFAULT_BUCKETING_KEY
from reconciler.model.flag import Unset
from reconciler.sdk.app import PREFIXES, SdkServer
from reconciler.sdk.cohorts import Cohorts, read_cohorts
from reconciler.sdk.feed import Feed, UnknownFlagError
from reconciler.sdk.front import by_prefix, marked
from reconciler.strict_json import parse_json
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from reconciler.api.responses import DeploymentInfo
    from reconciler.cli.output import Output
    from reconciler.cli.sources import Content, Source
    from reconciler.emulator.records import DeploymentRecord

User = dict[str, Any]

_API = ("/api/", "/_emulator/")
_WATCH: Final[dict[str, Any]] = {
    "watch_filter": None,
    "debounce": 20,
    "step": 10,
    "rust_timeout": 500,
    "yield_on_timeout": True,
}
"""How watchfiles looks, in milliseconds; twice a second it comes back without a change."""
_RETRY_SECONDS = 0.5


class Session:
    """One server over one store: the Management API, what SDKs ask, overrides, and the page.

    `problem` says why what the files now say is not served; None while it is.
    """

    def __init__(
        self,
        source: Source,
        output: Output,
        *,
        cohorts: Path | None = None,
        record: Path | None = None,
        makes_amplitude_ids: bool = False,
    ) -> None:
        self._source, self._output, self._cohorts = source, output, cohorts
        self.content = source.read()
        self.problem: str | None = None
        self.emulator = emulator = create_emulator(configs=(self.content.config,))
        self._writer = StoreWriter(emulator.store)
        self._reader = StoreReader(emulator.store, self.content.config.deployments)
        self.feed = Feed(self._reader)
        self._write(self.content)
        emulator.remember()
        emulator.store.watchers.append(self.feed.refresh)
        self._makes_amplitude_ids = makes_amplitude_ids
        note = Recorder(record, output).note if record else lambda _: None
        self.sdk = SdkServer(self.feed, self._read_cohorts(), complete=self._complete, note=note)
        apps: dict[tuple[str, ...], ASGIApp] = {PREFIXES: self.sdk.app, _API: emulator.app}
        self.app = marked(by_prefix(apps, Starlette(routes=self._routes())))

    @property
    def deployment_names(self) -> list[str]:
        """What to give an SDK as its key: the configured names, or ids where there are none."""
        return sorted(self.content.config.deployments) or [item.id for item in self.content.deployments]

    async def watch(self) -> None:
        """Reload at each change of the files, until cancelled. Invalid ones leave what is served as it is."""
        from watchfiles import awatch  # noqa: PLC0415 - it takes a while, and --no-watch needs none of it

        while True:
            places, is_new = self._places(), True
            with suppress(OSError):  # what is watched may go at any moment
                async for changes in awatch(*places, **_WATCH):
                    names = {name for _, name in changes}
                    if changes or is_new:  # what changed before the watch began is not told
                        await self._reload(names)
                    is_new = False
                    if places != self._places() or not names.isdisjoint(map(str, places)):
                        break  # another file may be there by its name
            await asyncio.sleep(0 if places else _RETRY_SECONDS)

    def _places(self) -> dict[Path, Path]:
        """What is watched, by its whole path, as changes name it, and where it really is: a link may change."""
        config = self.content.config
        places = (config.flags_dir, config.file, *([self._cohorts] if self._cohorts else ()))
        return {place.absolute(): place.resolve() for place in places if place.exists()}

    def _read_cohorts(self) -> Cohorts:
        return read_cohorts(self._cohorts) if self._cohorts else Cohorts()

    async def _reload(self, names: Collection[str]) -> None:
        """Serve what changed files say at once, where they alone tell it; then what all files say together."""
        with suppress(Exception):  # what is wrong is said by the reading of all files, which follows
            if self.problem is None and (early := await asyncio.to_thread(self._source.read_again, names)):
                self._serve(early)
        try:
            content, cohorts = await asyncio.to_thread(lambda: (self._source.read(), self._read_cohorts()))
        except Exception as error:  # noqa: BLE001 - what was served goes on after any error
            problem = failure_text(as_reconciler_error(error), shows_lines=False).rstrip()
            if problem != self.problem:
                self._output.print_to_stderr(f"{problem}\nStill serving the last valid state.")
            self.problem = problem
        else:
            if self.problem is not None:
                self._output.info("The files are valid again.")
            self.problem = None
            if self.sdk.cohorts != cohorts:
                self.sdk.cohorts = cohorts
                self._output.info("Serving the cohorts as their file is now.")
            self._serve(content)

    def _serve(self, content: Content) -> None:
        if self._write(content):
            self.emulator.remember()  # what `reset` comes back to: no flag as its file was once
            self._output.info(f"Serving {counted(len(content.flags), 'flag')} as the files are now.")

    def _write(self, content: Content) -> bool:
        """Put what is to be served into the store; whether it is other than before."""
        store, changed = self.emulator.store, False
        known = {item.id for item in content.deployments}
        gone = [replace(item, deleted=True) for item in self.content.deployments if item.id not in known]
        self.content = content
        for deployment in map(_deployment_record, (*gone, *content.deployments)):
            if store.deployment(deployment["id"]) != deployment:
                store.put_deployment(deployment)
                changed = True
        if self._reader.names != content.config.deployments:
            self._reader.names, changed = content.config.deployments, True
            self.feed.refresh()
        return self._writer.write(content.flags) or changed

    def warnings(self) -> Iterator[str]:
        """What of the flags may differ from production, in sentences."""
        unsaid = [flag.key for flag in self.content.flags if is_off_unsaid(flag.spec)]
        if unsaid:
            yield (
                f"{_names(unsaid)}: the files leave out enabled or variants, so no user gets a variant. "
                "--from live,files is exact."
            )
        on = [flag for flag in self.content.flags if flag.spec.enabled is True and flag.spec.archived is not True]
        unsalted = [flag.key for flag in on if isinstance(flag.spec.bucketing_salt, Unset)]
        if unsalted:
            yield (
                f"{_names(unsalted)}: no bucketingSalt is known, so shares are right and fall on other users than in "
                "production. --from live,files is exact."
            )
        by_amplitude_id = [
            flag.key
            for flag in on
            if isinstance(flag.spec.bucketing_key, Unset) or flag.spec.bucketing_key == DEFAULT_BUCKETING_KEY
        ]
        if by_amplitude_id and not self._makes_amplitude_ids:
            yield (
                f"{_names(by_amplitude_id)}: bucketed by amplitude_id, which SDKs do not send, so a share gives no "
                "variant. --amplitude-ids makes one of the user's id: right shares, other users than in production."
            )

    def _complete(self, user: User) -> User:
        """The user, with an id of Amplitude's where those are made."""
        name = user.get("user_id") or user.get("device_id")
        if self._makes_amplitude_ids and name and "amplitude_id" not in user:
            user = user | {"amplitude_id": int(hashlib.sha256(str(name).encode()).hexdigest()[:11], 16)}
        return user

    def _routes(self) -> list[Route]:
        one, every = "/_serve/overrides/{key}", "/_serve/overrides"
        return [
            Route("/", self._page),
            Route(every, self._list_overrides, methods=["GET"]),
            Route(every, self._clear_overrides, methods=["DELETE"]),
            Route(one, self._put_override, methods=["PUT"]),
            Route(one, self._clear_overrides, methods=["DELETE"]),
            Route("/_serve/{file}", _static),
        ]

    async def _page(self, request: Request) -> Response:
        from reconciler.reports.serve_page import PageState, render_page  # noqa: PLC0415 - most runs show no page

        state = PageState(
            config=self.content.config,
            source=self._source.name,
            flags=self.feed.served.flags,
            live=self.content.live,
            problem=self.problem,
            warnings=tuple(self.warnings()),
            complete=self.sdk.known_user,
            override=self.feed.overrides.variant_of,
        )
        page = render_page(state, dict(request.query_params))
        return Response(page, media_type="text/html", headers={"X-Frame-Options": "DENY"})

    async def _list_overrides(self, _: Request) -> Response:
        overrides = self.feed.overrides
        return JSONResponse({"everyone": overrides.everyone, "users": overrides.users})

    async def _put_override(self, request: Request) -> Response:
        try:
            given = msgspec.convert(parse_json(await request.body()), _Override)
        except ValueError:
            return PlainTextResponse('The body is {"variant": "treatment"}, with "user" for one user only.', 400)
        user = None if given.user is None else str(given.user)
        try:
            self.feed.override(request.path_params["key"], given.variant, user)
        except UnknownFlagError as error:
            return PlainTextResponse(str(error), 404)
        return Response(status_code=204)

    async def _clear_overrides(self, request: Request) -> Response:
        self.feed.overrides.clear(request.path_params.get("key"))
        self.feed.refresh()
        return Response(status_code=204)


async def _static(request: Request) -> Response:
    """The style and the script of the page."""
    from reconciler.reports.serve_page import STATIC  # noqa: PLC0415

    name = request.path_params["file"]
    if name not in STATIC:
        return PlainTextResponse("not found", 404)
    return Response(STATIC[name](), media_type={"css": "text/css", "js": "text/javascript"}[name.rpartition(".")[2]])


class _Override(msgspec.Struct, frozen=True):
    """The body of a call that sets an override."""

    variant: str
    user: str | int | None = None


class Recorder:
    """Appends each user who is evaluated to a private file, once, as a line that `evaluate --users` reads.

    Where it can be written at first and not later on, that is said once, and users are answered all the same.
    """

    def __init__(self, path: Path, output: Output) -> None:
        """Raises UsageError for a file that cannot be written."""
        self._path, self._output = path, output
        self._known: set[bytes] = set()
        self._failed = False
        try:
            self._append("")
        except OSError as error:
            raise UsageError(self._failure(error)) from error

    def note(self, user: User) -> None:
        """One user, whom the file gets unless it was given the same before."""
        line = json.dumps(user, sort_keys=True)
        digest = hashlib.sha256(line.encode()).digest()
        if digest in self._known:
            return
        try:
            self._append(f"{line}\n")
        except OSError as error:
            if not self._failed:
                self._output.error(self._failure(error))
            self._failed = True
        else:
            self._known.add(digest)

    def _append(self, text: str) -> None:
        with open(self._path, "a", encoding="utf-8", opener=_open_private) as stream:
            stream.write(text)

    def _failure(self, error: OSError) -> str:
        return f"{self._path} cannot be written: {error.strerror or 'no reason given'}."


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _deployment_record(deployment: DeploymentInfo) -> DeploymentRecord:
    return {
        "id": deployment.id,
        "projectId": deployment.project_id,
        "label": deployment.label,
        "key": deployment.key,
        "deleted": deployment.deleted,
    }


def _names(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{', '.join(keys[:most])}{more}"

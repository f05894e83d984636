"""Where guards get their counts: Prometheus, JSON over HTTP, and the exit code of a command.

Configuration names environment variables; the variables name the address or the command line. Neither ever sees the
management key: requests carry none, a command runs without it, and a variable that holds it is refused.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from msgspec import Struct

from reconciler.api.body import ACCEPTED_ENCODING, OversizedBodyError, read_body
from reconciler.api.credentials import KEY_VARIABLE
from reconciler.api.http import httpx, secure_url
from reconciler.errors import ReconcilerError
from reconciler.rollouts.guards import NoDataError, SourceError
from reconciler.rollouts.sequential import Counts, Verdict
from reconciler.strict_json import parse_json, split_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.model.rollout import GuardSource
    from reconciler.rollouts.guards import Question

SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 20.0
COMMAND_SECONDS: Final = 60.0
MOST_BYTES: Final = 1_000_000
_OK: Final = 200
_HEADERS: Final = {"Accept-Encoding": ACCEPTED_ENCODING}


class OutsideSources(Struct, frozen=True, kw_only=True):
    """The sources that environment variables name. `has_key` tells whether a text holds the management key."""

    environ: Mapping[str, str]
    has_key: Callable[[str], bool] = lambda _: False
    answer_seconds: float = ANSWER_SECONDS
    command_seconds: float = COMMAND_SECONDS

    def counts(self, source: GuardSource, variants: Sequence[str], seconds: int) -> dict[str, Counts]:
        """The counts of each variant, from Prometheus or from JSON. Raises SourceError.

        Not for a thread in which an event loop runs.
        """
        return asyncio.run(self._counts(source, variants, seconds))

    async def _counts(self, source: GuardSource, variants: Sequence[str], seconds: int) -> dict[str, Counts]:
        address, found = self._value(source.variable), {}
        async with httpx.AsyncClient(
            timeout=SECONDS, follow_redirects=False, trust_env=False, headers=_HEADERS
        ) as client:
            for variant in variants:
                failed, of = await _Reading(client, source, address, variant, seconds, self.answer_seconds).pair()
                found[variant] = Counts(failed, of)
        return found

    def verdict(self, source: GuardSource, question: Question) -> Verdict:
        """What a command's exit code says: 0 better or equal, 1 worse, anything else unknown. Raises SourceError."""
        try:
            command = shlex.split(self._value(source.variable))
            process = subprocess.Popen(  # noqa: S603 - the environment of the run names the command
                command,
                env=self._environment(question),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SourceError(f"the command of {source.variable} cannot be run: {_reason(error)}") from error
        try:
            code = process.wait(self.command_seconds)
        except subprocess.TimeoutExpired:
            raise SourceError(f"the command of {source.variable} took too long") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return {0: Verdict.FINE, 1: Verdict.WORSE}.get(code, Verdict.UNKNOWN)

    def _environment(self, question: Question) -> dict[str, str]:
        kept = {
            name: value for name, value in self.environ.items() if name != KEY_VARIABLE and not self.has_key(value)
        }
        return kept | {
            "RECONCILER_FLAG": question.key,
            "RECONCILER_SEGMENT": question.segment or "",
            "RECONCILER_PERCENTAGE": f"{question.percentage:g}",
            "RECONCILER_SECONDS": str(question.seconds),
            "RECONCILER_VARIANTS": ",".join(question.variants),
        }

    def _value(self, variable: str) -> str:
        value = self.environ.get(variable, "")
        if variable == KEY_VARIABLE or self.has_key(value):
            raise SourceError(f"{variable} holds the management key, which no guard may see")
        if not value.strip():
            raise SourceError(f"{variable} is not set")
        return value


class _Reading(Struct, frozen=True):
    """The two numbers of one variant."""

    client: Any
    source: GuardSource
    address: str
    variant: str
    seconds: int
    answer_seconds: float

    async def pair(self) -> tuple[float, float]:
        """How many failed, and of how many."""
        if self.source.kind == "prometheus":
            return await self._queried(self.source.failed), await self._queried(self.source.of)
        address = self.address.replace("$variant", quote(self.variant, safe=""))
        document = await self._get(address.replace("$window", f"{self.seconds}s"), None)
        return self._at(document, self.source.failed), self._at(document, self.source.of)

    async def _queried(self, query: str) -> float:
        text = query.replace("$variant", self.variant).replace("$window", f"{self.seconds}s")
        document = await self._get(f"{self.address.rstrip('/')}/api/v1/query", {"query": text})
        match document:
            case {"status": "success", "data": {"resultType": "scalar", "result": [_, value]}}:
                return self._number(value)
            case {"status": "success", "data": {"resultType": "vector", "result": [{"value": [_, value]}]}}:
                return self._number(value)
            case {"status": "success", "data": {"result": []}}:
                raise NoDataError(f"a query of {self.source.variable} has no data for {self.variant}")
            case _:
                pass
        raise SourceError(f"a query of {self.source.variable} does not give one number for {self.variant}")

    def _at(self, document: Any, pointer: str) -> float:  # noqa: ANN401 - JSON
        value = document
        for token in split_pointer(pointer):
            name = token.replace("$variant", self.variant)
            if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                raise NoDataError(f"the answer of {self.source.variable} has no {pointer} for {self.variant}")
        return self._number(value)

    def _number(self, value: Any) -> float:  # noqa: ANN401 - JSON
        if not isinstance(value, bool) and isinstance(value, int | float | str):
            with suppress(ValueError, OverflowError):
                return float(value)
        raise SourceError(f"{self.source.variable} does not give a number for {self.variant}")

    async def _get(self, address: str, query: dict[str, str] | None) -> Any:  # noqa: ANN401 - JSON
        name = self.source.variable
        url = secure_url(address)
        if url is None:
            raise SourceError(f"{name} is no address that begins with https://, nor one of this machine")
        try:
            async with asyncio.timeout(self.answer_seconds), self.client.stream("GET", url, params=query) as response:
                if response.status_code != _OK:
                    raise SourceError(f"{name} answered with {response.status_code}")
                body = await read_body(response, MOST_BYTES)
        except OversizedBodyError:
            raise SourceError(f"{name} answered with more than a megabyte") from None
        except TimeoutError:
            raise SourceError(f"{name} took too long") from None
        except httpx.HTTPError as error:
            raise SourceError(f"{name} does not answer: {type(error).__name__}") from error
        return _parsed(body, name)


def _parsed(body: bytes, name: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return parse_json(body)
    except (ReconcilerError, ValueError) as error:
        raise SourceError(f"{name} does not answer with JSON") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__

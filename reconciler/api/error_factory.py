"""What went wrong with one attempt, as one of our errors: what, where, and what to do about it.

Nothing of a server's answer or of a library's exception is quoted without being redacted and clipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler.api.credentials import quotation, redact_matches
from reconciler.api.http import httpx
from reconciler.errors import TOO_MANY_REQUESTS, AccessError, AmbiguousError, ApiError, NotSentError, RejectedError
from reconciler.model.flag import ID_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.api.credentials import ApiKey, Origin
    from reconciler.strict_json import Json

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises before a byte of the request has left; every other RequestError is ambiguous."""

_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)
_REFUSED = range(400, 500)


class Call(Struct, frozen=True):
    """One request as messages name it: the method and the path, without the query."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_read(self) -> bool:
        """Whether it can change nothing."""
        return self.method == "GET"

    @property
    def doubt(self) -> str:
        """What is unknown after an ambiguous failure."""
        return "Run it again later." if self.is_read else "It may or may not have taken effect."


class ErrorFactory(Struct, frozen=True):
    """Makes the errors of one origin; their messages do not contain its key."""

    origin: Origin
    key: ApiKey

    def of_exception(self, call: Call, error: Exception) -> ApiError:
        """The error for what httpx, the deadline or the body reader raised."""
        if isinstance(error, TimeoutError):
            return AmbiguousError(f"{call} was not answered in time.", call.doubt)
        reason = quotation(self.key.redact(str(error)))
        words = type(error).__name__ + (f": {reason}" if reason else "")
        if isinstance(error, NOT_SENT):
            return NotSentError(
                f"{call} could not be sent to {self.origin} ({words}). Check the network and the address."
            )
        return AmbiguousError(f"{call} broke off ({words}).", call.doubt)

    def of_status(
        self, call: Call, status: int, *, body: str, location: str, sent: Json, was_accepted: bool = False
    ) -> ApiError:
        """The error for an answer that is not a success; `sent` is the request's body, whose users are not quoted.

        `was_accepted`: a call with the same key had a success before.
        """
        said = quotation(_without_users(self.key.redact(body), call, sent))
        quoted = f' The server said: "{said}".' if said else ""
        if status in _REDIRECT:
            return RejectedError(
                f"{call} was answered with a redirect ({status}) to {_host_of(location)}. Redirects are not followed:"
                " the key would go along. Check the region.",
                status=status,
            )
        if status == 401:  # noqa: PLR2004 - HTTP's own number
            why = self._why_refused_later(call) if was_accepted else self._why_refused
            return AccessError(f"{call} was refused (401): {why}{quoted}", status=status)
        if status == 403 and not call.is_read:  # noqa: PLR2004 - HTTP's own number
            return AccessError(
                f"{call} was refused (403): the key of {self.key.place} may not make this change. The project may ask"
                f" for approvals of changes, or the key's role may not edit.{quoted}",
                status=status,
                may_read=True,
            )
        if status == 403:  # noqa: PLR2004 - HTTP's own number
            return AccessError(
                f"{call} was refused (403): the key of {self.key.place} has no access to this project. Check"
                f" `projectId`, and in Amplitude's settings what the key may do.{quoted}",
                status=status,
            )
        if status == TOO_MANY_REQUESTS:
            return RejectedError(
                f"{call} was turned away (429): the project's requests a second or a day are used up, by this run or"
                f" by others. Lower requests.perSecond, or wait for 00:00 UTC.{quoted}",
                status=status,
            )
        if status in _REFUSED:
            return RejectedError(f"{call} was rejected ({status}).{quoted}", status=status)
        return AmbiguousError(f"{call} failed on the server ({status}).{quoted}", call.doubt, status=status)

    @property
    def _why_refused(self) -> str:
        region = f"`{self.origin.region}`" if self.origin.region else f"the one behind {self.origin}"
        return f"the key is wrong, or belongs to another region than {region}. Check {self.key.place} and `region`."

    def _why_refused_later(self, call: Call) -> str:
        or_else = "" if call.is_read else ", or it may not make this change"
        return (
            f"the key of {self.key.place} was accepted earlier in this run, so it was revoked or replaced"
            f" meanwhile{or_else}. Check it in Amplitude's settings, then run the command again."
        )


def _without_users(text: str, call: Call, sent: Json) -> str:
    """The text without the ids of users that the request named, where they stand as words of their own."""
    ids = () if call.path.endswith("cohorts") else {user for user in _users_in(sent) if user}
    if not ids:
        return text
    words = "|".join(map(re.escape, sorted(ids, reverse=True)))
    return redact_matches(text, re.compile(rf"(?<!\w)(?:{words})(?!\w)"))


def _users_in(body: Json) -> Iterator[str]:
    """The ids of users in the body of a request: inclusions, and values of conditions on ids. Payloads hold none."""
    if isinstance(body, list):
        for item in body:
            yield from _users_in(item)
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        names_users = name in {"inclusions", "users"} or (name == "values" and body.get("prop") in ID_PROPERTIES)
        if names_users and isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))
        elif name != "payload":
            yield from _users_in(value)


def is_success(status: int) -> bool:
    """Whether a status says that the request took effect."""
    return status in _SUCCESS


def _host_of(location: str) -> str:
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        host = ""
    return f"the host {host}" if re.fullmatch(r"[a-z0-9.-]{1,253}", host) else "another place"

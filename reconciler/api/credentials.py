"""The key and where it may go: where it is read from, which servers it is sent to, and keeping it out of texts."""

from __future__ import annotations

import ipaddress
import os
import re
import select
import stat
import time
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from reconciler.errors import AccessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


KEY_VARIABLE = "AMPLITUDE_MANAGEMENT_API_KEY"
URL_VARIABLE = "RECONCILER_API_URL"
ALLOW_VARIABLE = "RECONCILER_ALLOW_CUSTOM_HOST"

_SHORTEST_KEY = 16
_LONGEST_KEY = 4096
_PIPE_SECONDS = 10
"""How long a program that writes the key into a pipe may take: a password manager may ask its user first."""
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:/|/api/1/?)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


IpAddress = TypeVar("IpAddress", ipaddress.IPv4Address, ipaddress.IPv6Address)


class Origin(Struct, frozen=True, kw_only=True):
    """The one place that requests go to. `host` is as in a URL (IPv6 in brackets), `port` is never implied.

    `region` is None for a server that the environment named.
    """

    scheme: str
    host: str
    port: int
    region: str | None = None
    is_loopback: bool = False

    @property
    def url(self) -> str:
        """`scheme://host`, with the port where it is not the scheme's own."""
        implied = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if self.port == implied else f":{self.port}")

    def __str__(self) -> str:
        return self.url


REGIONS: Mapping[str, Origin] = {
    "us": Origin(scheme="https", host="experiment.amplitude.com", port=443, region="us"),
    "eu": Origin(scheme="https", host="experiment.eu.amplitude.com", port=443, region="eu"),
}


def origin_for(region: str, environ: Mapping[str, str]) -> Origin:
    """The origin of a region, or of RECONCILER_API_URL where the environment sets it to something.

    Accepted there: `scheme://host`, with a port, with `/` or `/api/1` behind it, and nothing else. Loopback
    (127.0.0.0/8, ::1, localhost) as it is; any other host over https and with RECONCILER_ALLOW_CUSTOM_HOST=1.
    Raises UsageError, which never repeats what the variable holds: it may hold a password.
    """
    address = environ.get(URL_VARIABLE)
    if address:
        return _custom_origin(address, allowed=environ.get(ALLOW_VARIABLE) == "1")
    if region not in REGIONS:
        raise UsageError(f"There is no region {region!r}: use one of {', '.join(REGIONS)}.")
    return REGIONS[region]


def _custom_origin(address: str, *, allowed: bool) -> Origin:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(
            f"{URL_VARIABLE} is not an address of the form https://host or http://127.0.0.1:port: a user name,"
            " path, query, fragment, escape or a character outside ASCII in it is refused."
        )
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or {"https": 443, "http": 80}[scheme])
    if port > 65535:  # noqa: PLR2004 - the highest port that exists
        raise UsageError(f"{URL_VARIABLE} names a port above 65535.")
    is_loopback = _is_loopback(host)
    if not is_loopback:
        _check_allowed(scheme, allowed=allowed)
    return Origin(scheme=scheme, host=host, port=port, is_loopback=is_loopback)


def _check_allowed(scheme: str, *, allowed: bool) -> None:
    if not allowed:
        raise UsageError(
            f"{URL_VARIABLE} names a host that is not this machine. The key would go there: set"
            f" {ALLOW_VARIABLE}=1 beside it if that is meant, or unset {URL_VARIABLE}."
        )
    if scheme != "https":
        raise UsageError(f"{URL_VARIABLE} must begin with https:// for a host that is not this machine.")


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine; refuses spellings that resolvers read differently."""
    if host == "localhost":
        return True
    if host.startswith("["):
        return _ip_address(ipaddress.IPv6Address, host[1:-1]) == ipaddress.IPv6Address("::1")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or any(label.startswith("xn--") for label in labels):
        raise UsageError(f"{URL_VARIABLE} names a host with an empty, malformed or internationalised part.")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return _ip_address(ipaddress.IPv4Address, host).is_loopback
    return False


def _ip_address(kind: type[IpAddress], text: str) -> IpAddress:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{URL_VARIABLE} names a host made of numbers that is no IP address.") from None


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """The key. Only the transport calls `reveal`. `place` is where the key was found, `warnings` are about that."""

    _secret: str
    warnings: tuple[str, ...] = field(default=(), compare=False)
    place: str = field(default=KEY_VARIABLE, compare=False)

    def __repr__(self) -> str:
        return "ApiKey(***)"

    __str__ = __repr__

    def reveal(self) -> str:
        """The key itself."""
        return self._secret

    def redact(self, text: str) -> str:
        """The text with the key, plain or encoded in any usual way, replaced by `***`."""
        pattern = pattern_of(self._secret)
        return redact_matches(text, pattern) if pattern else text


def read_key(environ: Mapping[str, str], key_file: Path | str | None, *, origin: Origin) -> ApiKey:
    """The key from `key_file`, or else from AMPLITUDE_MANAGEMENT_API_KEY; one newline at its end is dropped.

    A pipe is read to its first newline and for ten seconds at most.

    Printable ASCII without spaces, at least 16 characters unless the origin is loopback. Raises AccessError (exit
    code 4) where there is none or it cannot be one, UsageError where the file cannot be read.
    """
    if key_file is not None:
        text, warnings = _key_in_file(Path(key_file))
        place = f"the file {str(key_file)!r}"
    else:
        text, warnings, place = environ.get(KEY_VARIABLE, ""), (), KEY_VARIABLE
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise AccessError(
            f"There is no management key: set {KEY_VARIABLE}, or name a file that holds it with --api-key-file."
            if key_file is None
            else f"{_capitalised(place)} is empty; it should hold the management key.",
        )
    is_short = len(secret) < _SHORTEST_KEY and not origin.is_loopback
    if is_short or len(secret) > _LONGEST_KEY or not re.fullmatch(r"[!-~]+", secret):
        raise AccessError(
            f"{_capitalised(place)} does not hold a management key: one has at least {_SHORTEST_KEY} printable ASCII"
            " characters and no space. Copy it again from Amplitude's settings.",
        )
    return ApiKey(secret, warnings, place)


def _capitalised(place: str) -> str:
    return place[0].upper() + place[1:]


def _key_in_file(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            content = _read_line(descriptor, path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(
            f"The key file {str(path)!r} cannot be read: {error.strerror or 'no reason given'}."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        return content.partition(b"\n")[0].decode("ascii", errors="replace"), ()
    mode = stat.S_IMODE(status.st_mode)
    warnings: tuple[str, ...] = ()
    if mode & 0o077:
        warnings = (
            f"The key file {str(path)!r} is open to other users of this machine (mode {mode:04o}): `chmod 600` it.",
        )
    return content.decode("ascii", errors="replace"), warnings


def _read_line(descriptor: int, path: Path) -> bytes:
    """What can be read until there is a line break in it, more than a key takes, or the end.

    Raises UsageError where a pipe or a device gives neither in time.
    """
    content, until = b"", time.monotonic() + _PIPE_SECONDS
    while b"\n" not in content and (room := _LONGEST_KEY + 3 - len(content)) > 0:
        ready, _, _ = select.select([descriptor], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise UsageError(
                f"The key file {str(path)!r} gave no key within {_PIPE_SECONDS} seconds: it is a pipe or a device,"
                " and no program writes a line to it."
            )
        chunk = os.read(descriptor, room)
        if not chunk:
            break
        content += chunk
    return content


_SHORTEST_REPLACED = 6
"""Shorter keys exist on loopback only; replacing them would replace ordinary words too."""

_LONGEST_QUOTE = 300


_MOST_READINGS = 40
"""How many ways to unescape a text are tried: by each family of escapes, by all, and again within the result."""

_BACKSLASH = (
    r"\\(?:u(?:00|\{0*)(?P<u>[2-7][0-9a-f])\}?|U0{6}(?P<U>[2-7][0-9a-f])|x(?P<x>[2-7][0-9a-f])|(?P<o>[01][0-7]{2})"
    r"|(?P<sign>[^a-z0-9\s]))"
)
_PERCENT = r"%(?P<p>[2-7][0-9a-f])"
_MAIL = r"=(?P<m>[2-7][0-9a-f])|(?P<fold>=?\r?\n[ \t]*)"
_HTML = r"(?P<html>&(?:#x?[0-9a-f]{1,8};?|(?:amp|lt|gt|quot);?|[a-z]{2,31};))"
_FAMILIES = tuple(
    re.compile(family, re.ASCII | re.IGNORECASE)
    for family in (f"{_BACKSLASH}|{_PERCENT}|{_MAIL}|{_HTML}", _BACKSLASH, _PERCENT, _MAIL, _HTML)
)
"""One escaped character: of any kind; as JSON and programs have it; as URLs; as mail, whose lines go on; as HTML."""


def pattern_of(secret: str) -> re.Pattern[str] | None:
    """What matches a secret as it is, in base64 and as hexadecimal digits; None for one too short to look for."""
    if len(secret) < _SHORTEST_REPLACED:
        return None
    forms = [*map(re.escape, (secret, *_in_base64(secret))), f"(?i:{secret.encode().hex()})"]
    return re.compile("|".join(sorted(forms, key=lambda form: (-len(form), form))))


def redact_matches(text: str, pattern: re.Pattern[str]) -> str:
    """The text without what matches, also where the text has to be unescaped once, or several times, to match."""
    text = pattern.sub("***", text)
    found: set[tuple[int, int]] = set()
    for plain, places in _readings(text):
        found |= {(places[match.start()], places[match.end()]) for match in pattern.finditer(plain)}
    shown, done = [], 0
    for start, end in sorted(found):
        if start >= done:
            shown += [text[done:start], "***"]
        done = max(done, end)
    return "".join([*shown, text[done:]])


def _readings(text: str) -> Iterator[tuple[str, list[int]]]:
    """The text unescaped in one way and another, and where in it each character of the result began."""
    seen, pending = {text}, [(text, [*range(len(text) + 1)])]
    while pending:
        plain, places = pending.pop(0)
        for family in _FAMILIES:
            reading = _unescaped(plain, places, family)
            if reading[0] not in seen and len(seen) <= _MOST_READINGS:
                seen.add(reading[0])
                pending.append(reading)
                yield reading


def _unescaped(text: str, places: list[int], family: re.Pattern[str]) -> tuple[str, list[int]]:
    """The text with one level of escapes taken away, and its places."""
    parts, kept, end = [], [], 0
    for match in family.finditer(text):
        start, character = match.start(), _character_of(match)
        parts += [text[end:start], character]
        kept += [*places[end:start], *([places[start]] * len(character))]
        end = match.end()
    return "".join([*parts, text[end:]]), kept + places[end:]


def _character_of(match: re.Match[str]) -> str:
    kind = str(match.lastgroup)
    value = match[kind]
    if kind == "html":
        return unescape(value)
    if kind == "sign":
        return value
    return "" if kind == "fold" else chr(int(value, 8 if kind == "o" else 16))


def quotation(text: str) -> str:
    """Text from a server or a file, made safe to quote: one line, no control or format characters, clipped."""
    visible = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    line = " ".join(visible.split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _in_base64(secret: str) -> list[str]:
    """The part of a base64 text that does not depend on what stands around the secret, for each alignment."""
    found = []
    for lead in range(3):
        padded = b"\0" * lead + secret.encode()
        first, last = -(-lead * 8 // 6), len(padded) * 8 // 6
        found += [encode(padded).decode()[first:last] for encode in (b64encode, urlsafe_b64encode)]
    return found

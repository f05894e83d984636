"""Rules about the plain fields of a flag, and about what its file and the configuration say of each other."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from unicodedata import is_normalized

from msgspec.json import encode

from reconciler.diagnostics import Finding, Severity
from reconciler.files.rules.parsed_flag import strings
from reconciler.files.rules.variants import repeated
from reconciler.files.schema import quoted
from reconciler.model.config import NOTHING, ignored_of
from reconciler.strict_json import join_pointer
from reconciler.text import has_no_shape, needs_base, suggest

_ATTACHED: Final = frozenset("\u180b\u180c\u180d\u200c\u200d").union(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0020, 0xE0080), *range(0xE0100, 0xE01F0)))
)
"""What scripts and emoji need behind another character: joiners, selectors, and the tags of which flags are made."""

_KEYCAPS: Final = frozenset("0123456789#*")

_SWITCHES: Final = ("enabled", "rolloutPercentage", "targetSegments")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config
    from reconciler.strict_json import Json


def outer_space(flag: ParsedFlag) -> Iterator[Finding]:
    """Space around a name or description cannot be seen, and a server may trim it: then it differs for ever."""
    for path, part in _named(flag):
        for name in ("name", "description"):
            text = part.get(name)
            if isinstance(text, str) and text != text.strip():
                is_line = text.strip() == text.rstrip("\n")
                what = "ends with a line break" if is_line else "begins or ends with space"
                yield Finding(
                    rule="outer-space",
                    message=f"The {name} {what}, which a server may take away.",
                    path=f"{path}/{name}",
                    severity=Severity.WARNING,
                    hint="Write `|-` instead of `|`." if is_line else None,
                )


def _named(flag: ParsedFlag) -> Iterator[tuple[str, dict[str, Json]]]:
    """The flag, its variants and its segments, each with its pointer."""
    yield "", flag.body
    yield from ((f"/variants/{index}", item) for index, item in flag.variants)
    yield from ((f"/targetSegments/{index}", item) for index, item in flag.segments)


def invisible_character(flag: ParsedFlag) -> Iterator[Finding]:
    """A name says what it looks like: nothing in it is unseen, or shown on what stands before it."""
    names = [(f"{path}/name", part["name"]) for path, part in _named(flag) if isinstance(part.get("name"), str)]
    for path, text in (*names, *((f"/tags/{index}", tag) for index, tag in strings(flag.body.get("tags")))):
        if message := _what_is_unseen(text):
            yield Finding(rule="invisible-character", message=message, path=path)


def _what_is_unseen(text: str) -> str:
    """What is wrong with a name, or ""."""
    base = ""
    for character in "" if text.isascii() and text.isprintable() else text:
        if has_no_shape(character):
            if character not in _ATTACHED or (base.isascii() and base not in _KEYCAPS):
                return f"U+{ord(character):04X} is not seen: two names could look the same and differ."
        elif needs_base(character):
            if not base:
                return (
                    f"U+{ord(character):04X} has nothing to stand on: it shows on what stands before, or not at all."
                )
        else:
            base = character.strip()
    return "" if text.strip() or not text else "The name shows nothing."


def not_normalized(flag: ParsedFlag) -> Iterator[Finding]:
    """Two spellings of one character look the same and are different text, for targeting and in every comparison."""
    if encode(flag.body).isascii():
        return
    for path, text in _texts(flag.body):
        if not is_normalized("NFC", text):
            yield Finding(
                rule="not-nfc",
                message="The text is not in Unicode form NFC: it can look like another text and differ from it.",
                path=join_pointer(path),
                severity=Severity.WARNING,
            )


def _texts(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts of a document, without its keys, and their places."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(item, (*path, name))


def duplicate_tag(flag: ParsedFlag) -> Iterator[Finding]:
    """A tag stands once."""
    tags = flag.body.get("tags")
    if isinstance(tags, list):
        yield from repeated(tags, "duplicate-tag", "The tag stands twice.", "/tags")


def invalid_date(flag: ParsedFlag) -> Iterator[Finding]:
    """A date is one that the calendar has; the schema has looked at its form."""
    for name in ("expires", "frozenUntil", "knownUntil"):
        text = flag.body.get(name)
        if isinstance(text, str) and _looks_like_date(text) and parse_moment(text) is None:
            yield Finding(rule="invalid-date", message="The calendar has no such date.", path=f"/{name}")


def _looks_like_date(text: str) -> bool:
    return len(text) >= len("YYYY-MM-DD") and text[:4].isdecimal() and text[4] == text[7] == "-"


def parse_moment(text: str) -> date | datetime | None:
    """A date, or a time with its zone; None for what is neither."""
    try:
        if len(text) == len("YYYY-MM-DD"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def unmanaged_switch(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """What decides whether anybody gets anything should be declared, or be left to others by a rule."""
    key, body = flag.body.get("key"), flag.body
    ignored = ignored_of(key, config) if isinstance(key, str) else NOTHING
    left = [name for name in _SWITCHES if name not in body and not ignored.covers(name)]
    if left and body.get("archived") is not True:
        yield Finding(
            rule="unmanaged-switch",
            message=f"The document leaves {_and(left)} out: edits in Amplitude are not seen there.",
            path="/key",
            severity=Severity.WARNING,
            hint="Declare it, give it a value under `defaults` in reconciler.yaml, or name it under `ignore`.",
        )


def _and(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def expired(flag: ParsedFlag, today: date) -> Iterator[Finding]:
    """A flag that should be gone is a reminder, not a reason to stop."""
    text = flag.body.get("expires")
    expires = parse_moment(text) if isinstance(text, str) else None
    if expires is not None and not isinstance(expires, datetime) and expires < today:
        yield Finding(
            rule="expired",
            message=f"The flag has expired on {expires.isoformat()}.",
            path="/expires",
            severity=Severity.WARNING,
            hint="Archive it, or give it a later date.",
        )


def unknown_deployment(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """A deployment is a configured name, or an id, which is digits."""
    for index, name in strings(flag.body.get("deployments")):
        if name not in config.deployments and not name.isdecimal() and name not in config.deployments.values():
            yield Finding(
                rule="unknown-deployment",
                message=f"The configuration names no deployment {quoted(name)}.",
                path=f"/deployments/{index}",
                hint=suggest(name, config.deployments)
                or "Add it to `deployments` in reconciler.yaml, or use the id.",
            )


def duplicate_deployment(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """A deployment stands once, by its name or by its id."""
    ids = [config.deployments.get(name, name) for _, name in strings(flag.body.get("deployments"))]
    yield from repeated(ids, "duplicate-deployment", "The deployment stands twice.", "/deployments")


def unknown_environment(body: dict[str, Json], environments: tuple[str, ...]) -> Iterator[Finding]:
    """An overlay is for an environment of the configuration; where that has none at all, overlays wait for them."""
    found, only = body.get("environments"), body.get("onlyIn")
    overlays = found if isinstance(found, dict) else {}
    named = [(("environments", name), name) for name in overlays]
    named += [(("onlyIn", str(index)), name) for index, name in strings(only)]
    for place, name in named:
        if name in environments and place[0] == "environments" and isinstance(only, list) and name not in only:
            if overlays[name] is not None:
                yield Finding(
                    rule="unused-overlay",
                    message=f"`onlyIn` does not name {quoted(name)}: this is unused.",
                    path=join_pointer(place),
                    of_key=True,
                )
        elif name not in environments:
            known = (
                f"Environments are: {', '.join(environments)}." if environments else "It has none: this is unused."
            )
            yield Finding(
                rule="unknown-environment",
                message=f"The configuration has no environment {quoted(name)}.",
                path=join_pointer(place),
                of_key=place[0] == "environments",
                severity=Severity.ERROR if environments else Severity.WARNING,
                hint=suggest(name, environments) or known,
            )

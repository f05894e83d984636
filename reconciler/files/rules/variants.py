"""Rules about variants, their renames, and who is included in them. No message names a user: ids are personal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding, Severity
from reconciler.files.schema import quoted
from reconciler.model.flag import OFF
from reconciler.strict_json import join_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.strict_json import Json

MAX_EXACT_INTEGER: Final = 2**53

_is_clean_id = re.compile(r"[^\s,](?:[^,\t\n\r\v\f]*[^\s,])?").fullmatch
_has_control = re.compile(r"[\t\n\r\v\f]").search


def reserved_variant(flag: ParsedFlag) -> Iterator[Finding]:
    """`off` is what Amplitude serves to users without a variant."""
    message = 'The variant key "off" is reserved for users who get no variant.'
    for index, variant in flag.variants:
        if variant.get("key") == OFF:
            yield Finding(rule="reserved-variant", message=message, path=f"/variants/{index}/key")
    if flag.variant_keys is None:
        for path, weights in flag.weights:
            if OFF in weights:
                yield Finding(
                    rule="reserved-variant", message=message, path=path, at=f"{path}/{OFF}", of_key=True
                )  # fmt: skip


def variant_like_off(flag: ParsedFlag) -> Iterator[Finding]:
    """`OFF` is read by people and by some code as `off`, which Amplitude serves to users without a variant."""
    for index, variant in flag.variants:
        key = variant.get("key")
        if isinstance(key, str) and key != OFF and key.lower() == OFF:
            yield Finding(
                rule="variant-like-off",
                message=f'The variant {quoted(key)} looks like "off", which users get who have no variant.',
                path=f"/variants/{index}/key",
                severity=Severity.WARNING,
                hint="Call it `control`, or by what it shows.",
            )


def duplicate_variant(flag: ParsedFlag) -> Iterator[Finding]:
    """Each variant key stands once."""
    seen = set()
    for index, variant in flag.variants:
        key = variant.get("key")
        if not isinstance(key, str):
            continue
        if key in seen:
            message = f"The variant {quoted(key)} is declared twice."
            yield Finding(rule="duplicate-variant", message=message, path=f"/variants/{index}/key")
        seen.add(key)


def rename_collision(flag: ParsedFlag) -> Iterator[Finding]:
    """A rename leads from one key that is gone to one that is declared."""
    keys = {variant.get("key") for _, variant in flag.variants if isinstance(variant.get("key"), str)}
    seen = set()
    for index, variant in flag.variants:
        old = variant.get("renamedFrom")
        if not isinstance(old, str):
            continue
        path = f"/variants/{index}/renamedFrom"
        if old in keys:
            message = f"The variant {quoted(old)} is declared itself: it cannot be renamed away."
            yield Finding(rule="rename-collision", message=message, path=path)
        elif old in seen:
            message = f"Two variants say that they were {quoted(old)}."
            yield Finding(rule="rename-collision", message=message, path=path)
        seen.add(old)


def user_in_two_variants(flag: ParsedFlag) -> Iterator[Finding]:
    """A user can be included in one variant only."""
    lists = [(path, members) for kind, path, members in flag.inclusions if kind == "users"]
    home: dict[str, int] = {}
    for number, (path, users) in enumerate(lists):
        for index, user in enumerate(users):
            if isinstance(user, str) and home.setdefault(user, number) != number:
                message = "The same user is included in another variant already."
                yield Finding(rule="user-in-two-variants", message=message, path=path, at=f"{path}/{index}")


def duplicate_inclusion(flag: ParsedFlag) -> Iterator[Finding]:
    """An id stands once in a list of users or cohorts."""
    for kind, path, members in flag.inclusions:
        yield from repeated(members, "duplicate-inclusion", f"The id stands twice among the {kind}.", path)


def repeated(members: list[Json], rule: str, message: str, path: str) -> Iterator[Finding]:
    """A finding for every string of a list that stood in it before."""
    seen = set()
    for index, item in enumerate(members):
        if isinstance(item, str) and item in seen:
            yield Finding(rule=rule, message=message, path=f"{path}/{index}")
        elif isinstance(item, str):
            seen.add(item)


def comma_in_id(flag: ParsedFlag) -> Iterator[Finding]:
    """The API takes a comma for the end of an id."""
    for path, item in _unclean_ids(flag):
        if "," in item:
            message = "An id must not hold a comma: write each id as an item of its own."
            yield Finding(rule="comma-in-id", message=message, path=path)


def space_around_id(flag: ParsedFlag) -> Iterator[Finding]:
    """An id with space around it is another id, and the space cannot be seen."""
    for path, item in _unclean_ids(flag):
        if not item:
            yield Finding(rule="space-around-id", message="An id must not be empty.", path=path)
        elif item != item.strip():
            message = "An id must not begin or end with space."
            yield Finding(rule="space-around-id", message=message, path=path)
        elif _has_control(item):
            message = "An id is one line without tabs."
            yield Finding(rule="space-around-id", message=message, path=path)


def _unclean_ids(flag: ParsedFlag) -> Iterator[tuple[str, str]]:
    for _, path, members in flag.inclusions:
        for index, item in enumerate(members):
            if isinstance(item, str) and not _is_clean_id(item):
                yield f"{path}/{index}", item


def large_integer(flag: ParsedFlag) -> Iterator[Finding]:
    """Browsers and many SDKs read numbers as doubles."""
    for index, variant in flag.variants:
        if "payload" in variant:
            for path in _large_integers(variant["payload"], f"/variants/{index}/payload"):
                message = "A whole number beyond 2^53 changes its value in clients that read numbers as doubles."
                yield Finding(
                    rule="large-integer",
                    message=message,
                    path=path,
                    severity=Severity.WARNING,
                    hint="Put quotes around it if clients can take text.",
                )


def _large_integers(value: Json, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _large_integers(item, path + join_pointer((key,)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _large_integers(item, f"{path}/{index}")
    elif isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
        yield path

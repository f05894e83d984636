"""Users from options or from a file, one JSON object a line, as the SDKs describe them.

A line may be an SDK's user (`user_properties` beside the built-in fields) or flat. A field that is no built-in one
is a custom property, with or without `gp:` before its name; its bare name matches too. No message ever repeats the
content of a line.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import UsageError
from reconciler.model.flag import ID_PROPERTIES
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.strict_json import Json

User: TypeAlias = dict[str, Any]
"""A user as `evaluation.conditions` reads one."""

BUILT_IN: Final = frozenset({
    "user_id", "device_id", "amplitude_id", "country", "region", "city", "dma", "language", "platform", "version",
    "os", "device_manufacturer", "device_brand", "device_model", "carrier", "library", "ip_address",
})  # fmt: skip
"""The fields of an SDK's user that conditions name without `gp:`."""

LONGEST_LINE: Final = 1_000_000
"""Bytes of one line: the bound of the memory that reading takes."""

_MAPPINGS = ("user_properties", "groups", "group_properties", "group_cohort_ids")
_COHORTS = "cohort_ids"


class InvalidUserError(ValueError):
    """A JSON value that does not describe a user. The message names fields, never their values."""


def fields_of_options(
    user_id: str | None, device_id: str | None, properties: Iterable[tuple[str, str]]
) -> dict[str, Json]:
    """The flat description of a user that a command line gives, which `user_of_json` takes.

    A property given several times is a list, `cohort_ids` always is; fields that are objects (`groups`) are given as
    JSON. Raises UsageError.
    """
    given: dict[str, list[str]] = {}
    for name, value in properties:
        given.setdefault(name, []).append(value)
    ids = {name: value for name, value in (("user_id", user_id), ("device_id", device_id)) if value is not None}
    try:
        fields = ids | {name: _field(name, values) for name, values in given.items() if name not in ids}
        check_user(fields)
    except (InvalidUserError, MalformedJsonError) as error:
        raise UsageError(f"--property: {error}") from None
    return fields


def user_of_json(value: Json) -> User:
    """The user that a JSON object describes; null counts as absent. Raises InvalidUserError."""
    if not isinstance(value, dict):
        raise InvalidUserError("A user is a JSON object.")
    user: User = {name: item for name, item in value.items() if item is not None}
    check_user(user)
    custom = {
        name.removeprefix("gp:"): item
        for name, item in user.items()
        if name not in BUILT_IN and name not in _MAPPINGS and name != _COHORTS
    }
    return user | {"user_properties": custom | user.get("user_properties", {})} if custom else user


def read_users(stream: IO[bytes], file: str) -> Iterator[User | Diagnostic]:
    """The users of a stream, line after line; for an invalid line, a finding. Blank lines are skipped.

    A line of more than LONGEST_LINE bytes ends the reading: its rest cannot be told from a line.
    """
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            yield _finding(file, number, f"The line is longer than {LONGEST_LINE:,} bytes.")
            return
        if not line.strip():
            continue
        try:
            yield user_of_json(parse_json(line.rstrip(b"\r\n")))
        except MalformedJsonError as error:
            # Each line is parsed for itself: the parser's line is always 1.
            message = str(error).replace(" at line 1, column", " at column")
            yield _finding(file, number, f"{message} Each line is one user, as a JSON object.")
        except InvalidUserError as error:
            yield _finding(file, number, str(error))


def _field(name: str, values: list[str]) -> Json:
    if name in _MAPPINGS:
        return parse_json(values[-1])
    return values if len(values) > 1 or name == _COHORTS else values[0]


def check_user(user: User) -> None:
    """Raises InvalidUserError where a built-in field of a user, as SDKs describe one, is not of its form."""
    for name in ID_PROPERTIES:
        if name in user and (isinstance(user[name], bool) or not isinstance(user[name], str | int)):
            raise InvalidUserError(f"{name} is a string or a whole number.")
    for name in _MAPPINGS:
        if name in user and not isinstance(user[name], dict):
            raise InvalidUserError(f"{name} is an object.")
    if _COHORTS in user and not isinstance(user[_COHORTS], list):
        raise InvalidUserError(f"{_COHORTS} is a list.")
    _check_groups(user)


def _check_groups(user: User) -> None:
    for names in user.get("groups", {}).values():
        if any(isinstance(name, dict | list) for name in (names if isinstance(names, list) else [names])):
            raise InvalidUserError("groups holds a name, or a list of names, for each type.")
    for field, form in (("group_properties", dict), ("group_cohort_ids", list)):
        for by_name in user.get(field, {}).values():
            if by_name is not None and not isinstance(by_name, dict):
                raise InvalidUserError(f"{field} holds an object of names for each type.")
            if any(item is not None and not isinstance(item, form) for item in (by_name or {}).values()):
                what = "an object" if form is dict else "a list"
                raise InvalidUserError(f"{field} holds {what} for each name.")


def _finding(file: str, line: int, message: str) -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR,
        rule="user",
        message=message,
        position=SourcePosition(file=file, line=line, column=1),
    )

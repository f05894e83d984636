"""The answers that are more than a flag, as frozen values: pages, versions, deployments, what a create says.

As strict as `wire`: a wrong type where something is used is a InvalidResponseError, and "nothing there" is only
ever read out of an answer that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import AmbiguousError, InvalidResponseError
from reconciler.model.fields import FLAG
from reconciler.model.flag import UNSET, Version
from reconciler.model.wire import decode_flag, identifier, shows_archived
from reconciler.strict_json import MalformedJsonError, flaw_in, parse_json, parse_with_flaws
from reconciler.text import json_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.api.transport import Response
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json

    Flaws = Mapping[int, str]

T = TypeVar("T")


class WriteResult(Struct, frozen=True, kw_only=True):
    """A write that took effect. `attempts` counts what was sent for it."""

    status: int
    attempts: int


class CreatedFlag(Struct, frozen=True, kw_only=True):
    """A create that took effect: the new flag's id. The `url` beside it is never used."""

    id: str
    status: int
    attempts: int


class Unread(Struct, frozen=True, kw_only=True):
    """A flag of a list that cannot be read: its id and key as far as it says them, and what is wrong with it."""

    id: str | None
    key: str | None
    reason: str

    def __str__(self) -> str:
        name = "A flag" if self.key is None else f'The flag "{self.key}"'
        return f"{name} ({'no id' if self.id is None else f'id {self.id}'}) cannot be read. {self.reason}"


class FlagPage(Struct, frozen=True, kw_only=True):
    """One page of the list: the flags of our project.

    `ids` are those of the whole page, other projects' flags included; `unmarked` those of flags that do not say
    whether they are archived; `unread` the flags that are ours, or may be, and cannot be read; `next_cursor` is None
    at the end.
    """

    flags: tuple[LiveFlag, ...]
    next_cursor: str | None
    ids: tuple[str, ...]
    unmarked: frozenset[str] = frozenset()
    unread: tuple[Unread, ...] = ()


class VersionPage(Struct, frozen=True, kw_only=True):
    """One page of the feed of all versions, newest first; those of other projects are dropped.

    `unread` are the flags of versions that cannot be read.
    """

    versions: tuple[Version, ...]
    next_cursor: str | None
    ids: tuple[str, ...]
    unread: tuple[Unread, ...] = ()


class DeploymentInfo(Struct, frozen=True, kw_only=True):
    """A deployment. `key` is the public SDK key, not the management key."""

    id: str
    project_id: str
    label: str
    key: str
    deleted: bool


class DeploymentPage(Struct, frozen=True, kw_only=True):
    """One page of all deployments; those of other projects are dropped."""

    deployments: tuple[DeploymentInfo, ...]
    next_cursor: str | None
    ids: tuple[str, ...]


def decode(reply: Response, decoder: Callable[[Json], T]) -> T:
    """The answer's JSON, decoded. Raises InvalidResponseError that names the call."""
    try:
        return decoder(_parse(reply.body))
    except InvalidResponseError as error:
        raise InvalidResponseError(f"{reply.call}: {error}", status=reply.status, attempts=reply.attempts) from None


def decode_created(reply: Response) -> CreatedFlag:
    """What "Create" answers. Without a readable id the flag exists and nobody knows where: AmbiguousError."""
    try:
        flag_id = decode(reply, lambda body: identifier(_object(body, "answer").get("id"), "id"))
    except InvalidResponseError as error:
        raise AmbiguousError(
            f"{error} The flag was created; look it up by its key.", status=reply.status, attempts=reply.attempts
        ) from None
    return CreatedFlag(id=flag_id, status=reply.status, attempts=reply.attempts)


def decode_rows(reply: Response, member: str, decoder: Callable[[Json, Flaws], T]) -> T:
    """The same for a list in which one row may be flawed without spoiling the others."""
    try:
        return decoder(*_parse_rows(reply.body, member))
    except InvalidResponseError as error:
        raise InvalidResponseError(f"{reply.call}: {error}", status=reply.status, attempts=reply.attempts) from None


def decode_flag_page(body: Json, flaws: Flaws, project_id: str) -> FlagPage:
    """A page of "List". `flaws` says what of the JSON of rows is refused."""
    rows = _objects(body, FLAG.path)
    flags: list[tuple[dict[str, Json], LiveFlag]] = []
    unread: list[Unread] = []
    for index, row in enumerate(rows):
        try:
            if _is_of(row, project_id, f"flags/{index}"):
                _refuse_flawed(flaws, index, f"flags/{index}")
                flags.append((row, decode_flag(row, f"flags/{index}")))
        except InvalidResponseError as error:
            unread.append(_unread(row, error))
    return FlagPage(
        flags=tuple(flag for _, flag in flags),
        next_cursor=_cursor(body),
        ids=tuple(_name_of(row) for row in rows),
        unmarked=frozenset(flag.id for row, flag in flags if not shows_archived(row)),
        unread=tuple(unread),
    )


def decode_versions(body: Json) -> tuple[Version, ...]:
    """The array of "List versions", in the server's order."""
    return tuple(decode_version(row, f"versions/{index}") for index, row in enumerate(_list(body, "answer")))


def decode_version(body: Json, where: str = "version") -> Version:
    """One version. `spec.archived` is UNSET where it does not say, as the reference's samples do not."""
    row = _object(body, where)
    number, author, time = row.get("version"), row.get("createdBy"), row.get("createdAt")
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        _refuse(number, "a whole number", f"{where}/version")
    if not isinstance(time, str):
        _refuse(time, "a time", f"{where}/createdAt")
    flag = decode_flag(row.get("flagConfig"), f"{where}/flagConfig")
    if not shows_archived(row["flagConfig"]):
        flag = replace(flag, spec=replace(flag.spec, archived=UNSET))
    return Version(
        version=number,
        created_at=time,
        created_by=None if author in (None, "") else identifier(author, f"{where}/createdBy"),
        flag=flag,
    )


def decode_version_page(body: Json, flaws: Flaws, project_id: str) -> VersionPage:
    """A page of the feed of all versions. `flaws` says what of the JSON of rows is refused."""
    rows = _objects(body, "versions")
    versions: list[Version] = []
    unread: list[Unread] = []
    for index, row in enumerate(rows):
        where, flag = f"versions/{index}", row.get("flagConfig")
        try:
            if _is_of(_object(flag, f"{where}/flagConfig"), project_id, f"{where}/flagConfig"):
                _refuse_flawed(flaws, index, where)
                versions.append(decode_version(row, where))
        except InvalidResponseError as error:
            unread.append(_unread(flag if isinstance(flag, dict) else {}, error))
    ids = tuple(f"{_name_of(row.get('flagConfig'))} {row.get('version')}" for row in rows)
    return VersionPage(versions=tuple(versions), next_cursor=_cursor(body), ids=ids, unread=tuple(unread))


def decode_deployments(body: Json, where: str = "answer") -> tuple[DeploymentInfo, ...]:
    """The array of "List deployments"."""
    return tuple(_deployment(row, f"{where}/{index}") for index, row in enumerate(_list(body, where)))


def decode_deployment_page(body: Json, project_id: str) -> DeploymentPage:
    """A page of all deployments."""
    rows = decode_deployments(_object(body, "answer").get("deployments"), "deployments")
    return DeploymentPage(
        deployments=tuple(row for row in rows if row.project_id == project_id),
        next_cursor=_cursor(body),
        ids=tuple(row.id for row in rows),
    )


def decode_members(body: Json) -> tuple[str, ...]:
    """A list of users or cohorts in the server's order, copies kept; the reference shows bare and quoted ids."""
    found = []
    for index, item in enumerate(_list(body, "answer")):
        if isinstance(item, bool) or not isinstance(item, str | int):
            _refuse(item, "an id", f"answer/{index}")
        found.append(str(item))
    return tuple(found)


def _parse(body: bytes) -> Json:
    try:
        return parse_json(body)
    except MalformedJsonError as error:
        raise InvalidResponseError(f"The server's answer cannot be believed. {error}") from None


def _parse_rows(body: bytes, member: str) -> tuple[Json, Flaws]:
    """The body's JSON, and what is refused of rows of `member`, by their place; flaws elsewhere spoil it all."""
    try:
        return parse_json(body), {}
    except MalformedJsonError as error:
        refusal = InvalidResponseError(f"The server's answer cannot be believed. {error}")
    try:
        value = parse_with_flaws(body)
    except MalformedJsonError:
        raise refusal from None
    if not isinstance(value, dict) or flaw_in({name: item for name, item in value.items() if name != member}):
        raise refusal
    rows = value.get(member)
    found = ((index, flaw_in(row)) for index, row in enumerate(rows if isinstance(rows, list) else ()))
    return value, {index: flaw for index, flaw in found if flaw is not None}


def _refuse_flawed(flaws: Flaws, index: int, where: str) -> None:
    if index in flaws:
        raise InvalidResponseError(f"The server's answer cannot be believed at {where}. {flaws[index]}")


def _unread(flag: dict[str, Json], error: InvalidResponseError) -> Unread:
    key, flag_id = flag.get("key"), flag.get("id")
    is_id = isinstance(flag_id, str | int) and not isinstance(flag_id, bool) and flaw_in(flag_id) is None
    return Unread(
        id=str(flag_id) if is_id and flag_id != "" else None,
        key=key if isinstance(key, str) and key and flaw_in(key) is None else None,
        reason=str(error),
    )


def _objects(body: Json, member: str) -> list[dict[str, Json]]:
    """The rows of a list, each of which must be an object at least."""
    rows = _list(_object(body, "answer").get(member), member)
    return [_object(row, f"{member}/{index}") for index, row in enumerate(rows)]


def _cursor(body: dict[str, Json]) -> str | None:
    """Where the next page begins. Null, an empty text, nothing at all, and 0, where the first page began: the end."""
    cursor = body.get("nextCursor")
    if cursor in (None, "", "0") or (cursor == 0 and not isinstance(cursor, bool)):
        return None
    return identifier(cursor, "nextCursor")


def _is_of(flag: Json, project_id: str, where: str) -> bool:
    return identifier(_object(flag, where).get("projectId"), f"{where}/projectId") == project_id


def _name_of(row: Json) -> str:
    """What a row of any project calls itself, to tell rows apart and for nothing else."""
    return str(row.get("id")) if isinstance(row, dict) else ""


def _deployment(body: Json, where: str) -> DeploymentInfo:
    row = _object(body, where)
    label, key, deleted = row.get("label"), row.get("key"), row.get("deleted")
    return DeploymentInfo(
        id=identifier(row.get("id"), f"{where}/id"),
        project_id=identifier(row.get("projectId"), f"{where}/projectId"),
        label=label if isinstance(label, str) else "",
        key=key if isinstance(key, str) else "",
        deleted=deleted is True,
    )


def _object(value: Json, where: str) -> dict[str, Json]:
    return value if isinstance(value, dict) else _refuse(value, "an object", where)


def _list(value: Json, where: str) -> list[Json]:
    return value if isinstance(value, list) else _refuse(value, "a list", where)


def _refuse(value: Json, expected: str, where: str) -> NoReturn:
    raise InvalidResponseError(f"The server's answer has {json_kind(value)} at {where} where {expected} is due.")

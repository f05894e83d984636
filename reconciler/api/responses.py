"""The answers that are more than a flag, as frozen values: pages, versions, deployments, what a create says.

As strict as `wire`: a wrong type where something is used is a InvalidResponseError, and "nothing there" is only
concluded from an answer that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import AmbiguousError, InvalidResponseError
from reconciler.model.fields import FLAG
from reconciler.model.flag import UNSET, Version
from reconciler.model.wire import decode_flag, identifier, malformed, path_id, shows_archived, typed
from reconciler.strict_json import Flaw, MalformedJsonError, flaw_in, parse_json, parse_with_flaws
from reconciler.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.api.transport import Response
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json

    Flaws = Mapping[int, str | None]

T = TypeVar("T")

_LONGEST_NAME = 80
"""Characters of an id or key in a message; one that is refused may be of any length."""


_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"
"""The bytes of a byte order mark, and space."""

_WEB_PAGE = (
    "The address answered with a web page instead of JSON: check RECONCILER_API_URL, and whether a proxy or a login"
    " stands in between."
)


class WriteResult(Struct, frozen=True, kw_only=True):
    """A write that took effect."""

    status: int


class CreatedFlag(Struct, frozen=True, kw_only=True):
    """A create that took effect: the new flag's id. The `url` beside it is never used."""

    id: str
    status: int


class Unread(Struct, frozen=True, kw_only=True):
    """A row of a list that cannot be read: its id and key as far as it says them, and what is wrong with it."""

    id: str | None
    key: str | None
    reason: str
    what: str = "flag"

    @property
    def name(self) -> tuple[str | None, ...]:
        """What tells it from others: its id and key, or else its place, which the reason says."""
        return (self.reason,) if self.id is None and self.key is None else (self.id, self.key)

    def __str__(self) -> str:
        name = f"A {self.what}" if self.key is None else f'The {self.what} "{cut(self.key, _LONGEST_NAME)}"'
        row_id = "no id" if self.id is None else f"id {cut(self.id, _LONGEST_NAME)}"
        return f"{name} ({row_id}) cannot be read. {self.reason}"


_OF_EXPERIMENTS = frozenset(
    {
        "decision",
        "decisionReason",
        "endDate",
        "experimentType",
        "rolledOutVariant",
        "startDate",
        "state",
        "stickyBucketing",
    }
)
_OF_FLAGS = frozenset({"bucketingSalt", "bucketingUnit", "evaluationMode", "rolloutPercentage"})
"""What versions of experiments do not show, as the reference's samples have it."""


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
    unread: tuple[Unread, ...]


class VersionPage(Struct, frozen=True, kw_only=True):
    """One page of the feed of all versions, newest first; those of other projects are dropped.

    `unread` are the flags of versions that cannot be read, `experiments` keys of rows that look like those of one.
    """

    versions: tuple[Version, ...]
    next_cursor: str | None
    ids: tuple[str, ...]
    unread: tuple[Unread, ...]
    experiments: frozenset[str]


class DeploymentInfo(Struct, frozen=True, kw_only=True):
    """A deployment. `key` is the public SDK key, not the management key."""

    id: str
    project_id: str
    label: str
    key: str
    deleted: bool


class DeploymentPage(Struct, frozen=True, kw_only=True):
    """One page of all deployments; those of other projects are dropped.

    `unread` are those that are ours, or may be, and cannot be read.
    """

    deployments: tuple[DeploymentInfo, ...]
    next_cursor: str | None
    ids: tuple[str, ...]
    unread: tuple[Unread, ...]


def decode(reply: Response, decoder: Callable[[Json], T]) -> T:
    """The answer's JSON, decoded. Raises InvalidResponseError that names the call."""
    try:
        return decoder(_parse(reply.body))
    except InvalidResponseError as error:
        raise InvalidResponseError(f"{reply.call}: {error}", status=reply.status) from None


def decode_created(reply: Response) -> CreatedFlag:
    """What "Create" answers. Without a readable id the flag may exist under an unknown one: AmbiguousError."""
    try:
        flag_id = decode(reply, lambda body: path_id(typed(body, dict, "answer").get("id"), "id"))
    except InvalidResponseError as error:
        raise AmbiguousError(
            str(error), "The flag was created; look it up by its key.", status=reply.status
        ) from None
    return CreatedFlag(id=flag_id, status=reply.status)


def decode_rows(reply: Response, member: str, decoder: Callable[[Json, Flaws], T]) -> T:
    """The same for a list in which rows with flaws are set aside."""
    try:
        return decoder(*_parse_rows(reply.body, member))
    except InvalidResponseError as error:
        raise InvalidResponseError(f"{reply.call}: {error}", status=reply.status) from None


def decode_flag_page(body: Json, flaws: Flaws, project_id: str, member: str = FLAG.path) -> FlagPage:
    """A page of "List", of experiments too: `member` has the rows. `flaws` says what of their JSON is refused."""
    rows = _rows(body, member)
    flags: list[tuple[dict[str, Json], LiveFlag]] = []
    unread: list[Unread] = []
    for index, row in enumerate(rows):
        where = f"{member}/{index}"
        try:
            if _is_ours(row, project_id, where, flaws.get(index)):
                flags.append((row, decode_flag(row, where)))
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
    return tuple(decode_version(row, f"versions/{index}") for index, row in enumerate(typed(body, list, "answer")))


def decode_version(body: Json, where: str = "version") -> Version:
    """One version. `spec.archived` is UNSET where it does not say, as the reference's samples do not."""
    row = typed(body, dict, where)
    number, author, time = row.get("version"), row.get("createdBy"), row.get("createdAt")
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise malformed(number, "a whole number", f"{where}/version")
    if not isinstance(time, str):
        raise malformed(time, "a time", f"{where}/createdAt")
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
    rows = _rows(body, "versions")
    versions: list[Version] = []
    unread: list[Unread] = []
    for index, row in enumerate(rows):
        where, flag = f"versions/{index}", _shown(row).get("flagConfig")
        try:
            if _is_ours(flag, project_id, f"{where}/flagConfig", flaws.get(index)):
                versions.append(decode_version(row, where))
        except InvalidResponseError as error:
            unread.append(_unread(flag, error))
    ids = tuple(f"{_name_of(_shown(row).get('flagConfig'))} {_shown(row).get('version')}" for row in rows)
    flags = [_shown(_shown(row).get("flagConfig")) for row in rows]
    return VersionPage(
        versions=tuple(versions),
        next_cursor=_cursor(body),
        ids=ids,
        unread=tuple(unread),
        experiments=frozenset(str(flag.get("key")) for flag in flags if _is_of_experiment(flag)),
    )


def _is_of_experiment(flag: dict[str, Json]) -> bool:
    """Whether a version shows what experiments alone have, or nothing of what all flags have."""
    return not flag.keys().isdisjoint(_OF_EXPERIMENTS) or flag.keys().isdisjoint(_OF_FLAGS)


def decode_deployments(body: Json, where: str = "answer") -> tuple[DeploymentInfo, ...]:
    """The array of "List deployments"."""
    return tuple(_deployment(row, f"{where}/{index}") for index, row in enumerate(typed(body, list, where)))


def decode_deployment_page(body: Json, flaws: Flaws, project_id: str) -> DeploymentPage:
    """A page of all deployments. `flaws` says what of the JSON of rows is refused."""
    rows = _rows(body, "deployments")
    found: list[DeploymentInfo] = []
    unread: list[Unread] = []
    for index, row in enumerate(rows):
        where = f"deployments/{index}"
        try:
            if _is_ours(row, project_id, where, flaws.get(index)):
                found.append(_deployment(row, where))
        except InvalidResponseError as error:
            unread.append(_unread(row, error, "deployment"))
    return DeploymentPage(
        deployments=tuple(found),
        next_cursor=_cursor(body),
        ids=tuple(_name_of(row) for row in rows),
        unread=tuple(unread),
    )


def decode_members(body: Json) -> tuple[str, ...]:
    """A list of users or cohorts in the server's order, copies kept; the reference shows bare and quoted ids."""
    found = []
    for index, item in enumerate(typed(body, list, "answer")):
        if isinstance(item, bool) or not isinstance(item, str | int):
            raise malformed(item, "an id", f"answer/{index}")
        found.append(str(item))
    return tuple(found)


def _parse(body: bytes) -> Json:
    try:
        return parse_json(body)
    except MalformedJsonError as error:
        raise _not_json(body, error) from None


def _not_json(body: bytes, error: MalformedJsonError) -> InvalidResponseError:
    """Why an answer cannot be read. A proxy's page and that of a login are told as what they are."""
    is_page = body.lstrip(_BEFORE_TEXT).startswith(b"<")
    return InvalidResponseError(f"Invalid response from the API. {_WEB_PAGE if is_page else error}")


def _parse_rows(body: bytes, member: str) -> tuple[Json, Flaws]:
    """The body's JSON, and what is refused of rows of `member`, by their place; flaws elsewhere refuse all of it."""
    try:
        return parse_json(body), {}
    except MalformedJsonError as error:
        refusal = _not_json(body, error)
    try:
        value = parse_with_flaws(body)
    except MalformedJsonError:
        raise refusal from None
    if not isinstance(value, dict) or flaw_in({name: item for name, item in value.items() if name != member}):
        raise refusal
    rows = value.get(member)
    return value, dict(enumerate(map(flaw_in, rows if isinstance(rows, list) else ())))


def _unread(row: Json, error: InvalidResponseError, what: str = "flag") -> Unread:
    shown = _shown(row)
    key, row_id = shown.get("key"), shown.get("id")
    is_id = isinstance(row_id, str | int) and not isinstance(row_id, bool) and flaw_in(row_id) is None
    return Unread(
        id=str(row_id) if is_id and row_id != "" else None,
        key=key if isinstance(key, str) and flaw_in(key) is None else None,
        reason=str(error),
        what=what,
    )


def _rows(body: Json, member: str) -> list[Json]:
    """The rows of a list, not checked yet."""
    rows: list[Json] = typed(typed(body, dict, "answer").get(member), list, member)
    return rows


def _shown(row: Json) -> dict[str, Json]:
    """The members of a row that can be told; none of one that is no object."""
    members = row.members if isinstance(row, Flaw) else row
    return members if isinstance(members, dict) else {}


def _is_ours(row: Json, project_id: str, where: str, flaw: str | None) -> bool:
    """Whether a row belongs to our project. Raises InvalidResponseError of one that may, and cannot be read."""
    if flaw is None:
        return identifier(typed(row, dict, where).get("projectId"), f"{where}/projectId") == project_id
    owner = _shown(row).get("projectId", project_id)
    if isinstance(owner, str | int) and str(owner) != project_id:
        return False
    raise InvalidResponseError(f"Invalid response from the API at {where}. {flaw}")


def _cursor(body: dict[str, Json]) -> str | None:
    """Where the next page begins. Null, an empty text, nothing at all, and 0, where the first page began: the end."""
    cursor = body.get("nextCursor")
    if cursor in (None, "", "0") or (cursor == 0 and not isinstance(cursor, bool)):
        return None
    return identifier(cursor, "nextCursor")


def _name_of(row: Json) -> str:
    """The id that a row shows, to tell rows of any project apart."""
    return str(_shown(row).get("id", ""))


def _deployment(body: Json, where: str) -> DeploymentInfo:
    row = typed(body, dict, where)
    label, key, deleted = row.get("label"), row.get("key"), row.get("deleted")
    return DeploymentInfo(
        id=path_id(row.get("id"), f"{where}/id"),
        project_id=identifier(row.get("projectId"), f"{where}/projectId"),
        label=label if isinstance(label, str) else "",
        key=key if isinstance(key, str) else "",
        deleted=deleted is True,
    )

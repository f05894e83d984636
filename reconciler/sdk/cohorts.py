"""Who is in which cohort: members from a file, because the API does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import UsageError
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Cohorts(Struct, frozen=True, kw_only=True):
    """Members by cohort, and when they last changed, in milliseconds since 1970."""

    members: Mapping[str, tuple[str, ...]] = {}
    last_modified: int = 0

    def of(self, user_id: str) -> list[str]:
        """The cohorts that a user is in."""
        return [cohort for cohort, members in self.members.items() if user_id in members]


def read_cohorts(path: Path) -> Cohorts:
    """The cohorts of a file: a JSON object of lists of user ids by cohort id. Raises UsageError."""
    try:
        content, changed = path.read_bytes(), path.stat().st_mtime
        found = parse_json(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or 'no reason given'}.") from error
    except MalformedJsonError as error:
        raise UsageError(f"{path}: {error}") from error
    is_valid = isinstance(found, dict) and all(
        isinstance(members, list) and all(isinstance(member, str) for member in members) for members in found.values()
    )
    if not is_valid:
        raise UsageError(f'{path} is not an object of lists of user ids, as in {{"cohort-id": ["ada@example.com"]}}.')
    return Cohorts(
        members={cohort: tuple(members) for cohort, members in found.items()}, last_modified=int(changed * 1000)
    )

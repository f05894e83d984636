"""What the reference leaves open, as options: one frozen field for each, its expected form first.

A client of the API must be right under every combination of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal


def _open(*alternatives: Any) -> Any:  # noqa: ANN401 - the field's annotation is the type
    return field(default=alternatives[0], metadata={"alternatives": alternatives})


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One plausible server. The default is the expected one; `alternatives` lists the others per field."""

    ids: Literal["string", "number"] = _open("string", "number")
    """How flag, project and deployment ids look in answers. Requests carry strings either way."""

    cursors: Literal["string", "number"] = _open("string", "number")
    """How `nextCursor` looks where there is a next page."""

    cursor_end: Literal["null", "empty", "absent", "always"] = _open("null", "empty", "absent", "always")
    """`nextCursor` of the last page: null, "", not there, or one more cursor that leads to an empty page."""

    list_shows: Literal["key-name", "key", "all"] = _open("key-name", "key", "all")
    """What lists, details and versions show of a variant."""

    tags: Literal["present", "absent"] = _open("present", "absent")
    """Whether answers carry `tags`. They are stored either way."""

    archived_marker: Literal["deleted", "archived", "none"] = _open("deleted", "archived", "none")
    """The field of lists and details that is true for an archived flag."""

    archived_details: Literal["shown", "hidden"] = _open("shown", "hidden")
    """Whether the reads by id answer for an archived flag, or 404."""

    archived_edits: Literal["accepted", "refused"] = _open("accepted", "refused")
    """Whether an archived flag takes edits, or a 400 for every one that does not carry `archive: false`."""

    key_filter: Literal["exact", "substring"] = _open("exact", "substring")
    """What `key=` of the list matches."""

    taken_key: Literal["400", "409", "second-flag"] = _open("400", "409", "second-flag")
    """A create whose key the project already has, archived flags included."""

    create_without_variants: Literal["adds-on", "none"] = _open("adds-on", "none")
    """A create that names no variants: one called `on` with weight 1, or none at all."""

    new_flag: Literal["off", "on"] = _open("off", "on")
    """A new flag is disabled at 0 %, or enabled at 100 %."""

    posted_variant_place: Literal["last", "first"] = _open("last", "first")
    """Where a new variant stands among the others. The order decides bucketing."""

    edit_variant_verb: Literal["PATCH", "POST"] = _open("PATCH", "POST")
    """The verb of "Edit variant": that of the reference's sample call, or that of its heading. The other is a 405."""

    delete_named_variant: Literal["refuse", "dangling", "cascade"] = _open("refuse", "dangling", "cascade")
    """Removing a variant that a segment's weights name: 400, the name stays, or the name goes too."""

    rename_rewrites: Literal[True, False] = _open(True, False)
    """Whether a new key of a variant replaces the old one in the weights of the flag and of its segments."""

    zero_weights: Literal["accept", "refuse"] = _open("accept", "refuse")
    """Weights that are all 0, of a flag or of a segment: stored, or 400."""

    fractions: Literal["refuse", "floor"] = _open("refuse", "floor")
    """A percentage or weight that is not whole: 400, or rounded down."""

    empty_conditions: Literal["accept", "refuse"] = _open("accept", "refuse")
    """A segment without conditions: it captures everyone, or 400."""

    duplicate_user: Literal["ignore", "twice"] = _open("ignore", "twice")
    """Adding a user whom the variant already has."""

    absent_user_removal: Literal["ignore", "400"] = _open("ignore", "400")
    """A bulk removal that names somebody whom the variant does not have. A 400 removes nobody."""

    bulk_delete_copies: Literal["all", "first"] = _open("all", "first")
    """Which copies of an id a bulk removal takes where a variant holds several."""

    delete_body: Literal["honoured", "ignored", "lost"] = _open("honoured", "ignored", "lost")
    """The body of a bulk removal: read; not read and OK, with nobody removed; lost on the way, hence a 400."""

    over_limit: Literal["all", "part"] = _open("all", "part")
    """What an addition beyond the inclusion limit refuses: all of it, or what does not fit. Both answer 400."""

    inclusion_edits_bump: Literal[True, False] = _open(True, False)
    """Whether changed inclusions make a version and a new `lastModifiedAt`."""

    read_lag: int = field(default=0, metadata={"alternatives": (0, 1, 3)})
    """For this many reads after a write, a flag is shown as it was before. Any number of 0 or more."""

    write_text: Literal["OK", "ok", ""] = _open("OK", "ok", "")
    """The body of a successful write that returns no JSON."""

    feeds: Literal["present", "403", "404"] = _open("present", "403", "404")
    """`GET /versions` and `GET /deployments`: served, forbidden to this key, or unknown."""

    def __post_init__(self) -> None:
        for name, alternatives in self.alternatives().items():
            value = getattr(self, name)
            if value not in alternatives and not (name == "read_lag" and type(value) is int and value >= 0):
                raise ValueError(f"{name} is one of {alternatives}, not {value!r}")

    @classmethod
    def alternatives(cls) -> dict[str, tuple[Any, ...]]:
        """Every field with its possible values, the expected one first."""
        return {item.name: item.metadata["alternatives"] for item in fields(cls)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How the server holds its clients back.

    `rate`: requests in any one second, over all keys; beyond it a 429 with `retry_after` as its Retry-After
    header, or without one. `latency`: seconds before anything is done. `page`: the most that one page shows.
    """

    rate: int | None = None
    retry_after: str | None = None
    latency: float = 0.0
    page: int = 1000

"""What the reference leaves open, as options: one frozen field for each, its expected form first.

A client of the API must be right under every combination of them.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_type_hints

from msgspec import Struct

_READ_LAGS = (0, 1, 3)


class Behaviour(Struct, frozen=True, kw_only=True):
    """One plausible server. The default is the expected one; `alternatives` lists the others per field."""

    ids: Literal["string", "number"] = "string"
    """How flag, project and deployment ids look in answers. Requests carry strings either way."""

    cursors: Literal["string", "number"] = "string"
    """How `nextCursor` looks where there is a next page."""

    cursor_end: Literal["null", "empty", "absent", "always"] = "null"
    """`nextCursor` of the last page: null, "", not there, or one more cursor that leads to an empty page."""

    list_shows: Literal["key-name", "key", "all"] = "key-name"
    """What lists, details and versions show of a variant."""

    tags: Literal["present", "absent"] = "present"
    """Whether answers carry `tags`. They are stored either way."""

    archived_marker: Literal["deleted", "archived", "none"] = "deleted"
    """The field of lists and details that is true for an archived flag."""

    archived_details: Literal["shown", "hidden"] = "shown"
    """Whether the reads by id answer for an archived flag, or 404."""

    archived_edits: Literal["accepted", "refused"] = "accepted"
    """Whether an archived flag takes edits, or a 400 for every one that does not carry `archive: false`."""

    key_filter: Literal["exact", "substring"] = "exact"
    """What `key=` of the list matches."""

    taken_key: Literal["400", "409", "second-flag"] = "400"
    """A create whose key the project already has, archived flags included."""

    create_without_variants: Literal["adds-on", "none"] = "adds-on"
    """A create that names no variants: one called `on` with weight 1, or none at all."""

    new_flag: Literal["off", "on"] = "off"
    """A new flag is disabled at 0 %, or enabled at 100 %."""

    posted_variant_place: Literal["last", "first"] = "last"
    """Where a new variant stands among the others. The order decides bucketing."""

    edit_variant_verb: Literal["PATCH", "POST"] = "PATCH"
    """The verb of "Edit variant": that of the reference's sample call, or that of its heading. The other is a 405."""

    delete_named_variant: Literal["refuse", "dangling", "cascade"] = "refuse"
    """Removing a variant that a segment's weights name: 400, the name stays, or the name goes too."""

    rename_rewrites: Literal[True, False] = True
    """Whether a new key of a variant replaces the old one in the weights of the flag and of its segments."""

    zero_weights: Literal["accept", "refuse"] = "accept"
    """Weights that are all 0, of a flag or of a segment: stored, or 400."""

    fractions: Literal["refuse", "floor", "accept"] = "refuse"
    """A percentage or weight that is not whole: 400, rounded down, or stored as it is."""

    weights_shown: Literal["stored", "percentages"] = "stored"
    """Weights as they came, or as percentages of two decimals that make 100 together."""

    text: Literal["kept", "trimmed"] = "kept"
    """Names and descriptions: stored as they came, or without space around them."""

    tag_case: Literal["kept", "lower"] = "kept"
    """Tags: stored as they came, or in lower case."""

    no_payload: Literal["stored", "object"] = "stored"
    """A payload of null: shown as it is, or as `{}`."""

    null_members: Literal["kept", "dropped"] = "kept"
    """Members of a payload's objects that are null: stored, or left out."""

    payload_integers: Literal["exact", "doubles"] = "exact"
    """Whole numbers of a payload beyond 2^53: shown as they are, or as the nearest double."""

    condition_values: Literal["text", "numbers"] = "text"
    """Values of conditions that look like numbers: shown as text, or as numbers."""

    empty_values: Literal["accept", "refuse"] = "accept"
    """A condition with `values: []`: stored, or 400."""

    dependents: Literal["ignored", "enforced"] = "ignored"
    """Enforced: a flag, or a variant, that flags or experiments depend on can neither be archived, nor renamed, nor
    removed; a flag goes on only where its parents are on."""

    disable_without_deployment: Literal["accept", "refuse"] = "accept"
    """`enabled: false` of a flag that has no deployment: stored, or 400."""

    approvals: Literal["none", "403", "pending"] = "none"
    """Activation, and changes of segments, variants, rollout and salt while a flag is on: made, forbidden, or said
    to be made without effect."""

    empty_conditions: Literal["accept", "refuse"] = "accept"
    """A segment without conditions: it captures everyone, or 400."""

    duplicate_user: Literal["ignore", "twice"] = "ignore"
    """Adding a user whom the variant already has."""

    absent_user_removal: Literal["ignore", "400"] = "ignore"
    """A bulk removal of a user whom the variant does not have. With 400, no user is removed."""

    bulk_delete_copies: Literal["all", "first"] = "all"
    """Which copies of an id a bulk removal takes where a variant holds several."""

    delete_body: Literal["honoured", "ignored", "lost"] = "honoured"
    """The body of a bulk removal: read; not read and OK, without a removal; lost on the way, hence a 400."""

    over_limit: Literal["all", "part"] = "all"
    """What an addition beyond the inclusion limit refuses: all of it, or what does not fit. Both answer 400."""

    inclusion_edits_bump: Literal[True, False] = True
    """Whether changed inclusions make a version and a new `lastModifiedAt`."""

    read_lag: int = 0
    """For this many reads after a write, a flag is shown as it was before. Any number of 0 or more."""

    write_text: Literal["OK", "ok", ""] = "OK"
    """The body of a successful write that returns no JSON."""

    feeds: Literal["present", "403", "404"] = "present"
    """`GET /versions` and `GET /deployments`: served, forbidden to this key, or unknown."""

    def __post_init__(self) -> None:
        for name, alternatives in self.alternatives().items():
            value = getattr(self, name)
            if value not in alternatives and not (name == "read_lag" and type(value) is int and value >= 0):
                raise ValueError(f"{name} is one of {alternatives}, not {value!r}")

    @classmethod
    def alternatives(cls) -> dict[str, tuple[Any, ...]]:
        """Every field with its possible values, the expected one first."""
        return {name: get_args(hint) or _READ_LAGS for name, hint in get_type_hints(cls).items()}


class Limits(Struct, frozen=True, kw_only=True):
    """How the server holds its clients back.

    `rate`: requests in any one second, over all keys; beyond it a 429 with `retry_after` as its Retry-After
    header, or without one. `latency`: seconds before anything is done. `page`: the most that one page shows.
    """

    rate: int | None = None
    retry_after: str | None = None
    latency: float = 0.0
    page: int = 1000

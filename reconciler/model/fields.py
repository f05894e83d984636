"""The fields of a flag: one table, in the order of a flag file. All that treats fields by their kind derives from it.

A new field that "Edit" takes is a row here, an attribute of `model.FlagSpec` and a property of the flag schema; where
its kind of value is new as well, `model.wire`, `files.decode` and `model.canonical` each have a table by kind.
Rests on "List", "Create" and "Edit".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.model.flag import UNSET, FlagSpec, Weights

if TYPE_CHECKING:
    from reconciler.strict_json import Json


VARIANT_FIELDS: Final = ("name", "description", "payload")
"""The fields of a variant that are declared and edited one by one, beside its key."""

DEFAULT_BUCKETING_KEY: Final = "amplitude_id"
DEFAULT_BUCKETING_UNIT: Final = "User"


class ValueKind(Enum):
    """What a field holds. It decides how values are read, written and compared."""

    TEXT = "text that may be empty; null stands for the empty one"
    WORD = "text"
    ID = "an id, as text or as a whole number"
    SWITCH = "true or false"
    NUMBER = "a number of 0 or more"
    WEIGHTS = "weights by variant: only ratios count"
    VARIANTS = "variants, in order"
    SEGMENTS = "target segments, in order"
    DEPLOYMENTS = "a set of ids, in flag files by their configured names"
    STRINGS = "a set of strings"

    @property
    def is_set(self) -> bool:
        """Whether neither the order of members nor copies of them matter."""
        return self in {ValueKind.DEPLOYMENTS, ValueKind.STRINGS}


class Field(Struct, frozen=True):
    """A field of FlagSpec but `key`.

    `name` is its name there, `public` its name in answers, in a create and in flag files, `edit` the one in the body
    of "Edit", "" where that cannot carry it. `new` is what a flag has of which only the key was said; UNSET where the
    server decides. `in_create`: "Create" carries it. `always_shown`: the reference shows it of every flag, so one
    without it has what a new flag has. `is_certain`: a new flag has `new` for certain, so a minimal file need not
    say it. `moves_users`: it decides who gets which variant. `rebuckets`: a change puts users into other buckets.
    `may_start_on`: a server may have set it in a flag that was just created.
    """

    name: str
    public: str
    kind: ValueKind
    edit: str = ""
    new: Json = UNSET
    in_create: bool = False
    always_shown: bool = False
    is_certain: bool = False
    moves_users: bool = False
    rebuckets: bool = False
    may_start_on: bool = False


FIELDS: Final = (
    Field("name", "name", ValueKind.TEXT, edit="name", new="", in_create=True, always_shown=True),
    Field(
        "description", "description", ValueKind.TEXT,
        edit="description", new="", in_create=True, always_shown=True, is_certain=True,
    ),
    Field(
        "enabled", "enabled", ValueKind.SWITCH,
        edit="enabled", new=False, is_certain=True, moves_users=True, may_start_on=True,
    ),
    Field("archived", "archived", ValueKind.SWITCH, edit="archive", new=False, is_certain=True, moves_users=True),
    Field(
        "evaluation_mode", "evaluationMode", ValueKind.WORD,
        edit="evaluationMode", new="remote", in_create=True, rebuckets=True,
    ),
    Field(
        "bucketing_key", "bucketingKey", ValueKind.WORD,
        edit="bucketingKey", new=DEFAULT_BUCKETING_KEY, in_create=True, moves_users=True, rebuckets=True,
    ),
    Field("bucketing_salt", "bucketingSalt", ValueKind.ID, edit="bucketingSalt", moves_users=True, rebuckets=True),
    Field(
        "bucketing_unit", "bucketingUnit", ValueKind.WORD,
        edit="bucketingUnit", new=DEFAULT_BUCKETING_UNIT, always_shown=True, is_certain=True,
        moves_users=True, rebuckets=True,
    ),
    Field(
        "rollout_percentage", "rolloutPercentage", ValueKind.NUMBER,
        edit="rolloutPercentage", new=0, is_certain=True, moves_users=True, may_start_on=True,
    ),
    Field(
        "rollout_weights", "rolloutWeights", ValueKind.WEIGHTS,
        new=Weights(), in_create=True, always_shown=True, is_certain=True,
    ),
    Field("variants", "variants", ValueKind.VARIANTS),
    Field(
        "target_segments", "targetSegments", ValueKind.SEGMENTS,
        edit="targetSegments", new=(), in_create=True, always_shown=True, is_certain=True, moves_users=True,
    ),
    Field(
        "deployments", "deployments", ValueKind.DEPLOYMENTS,
        new=(), in_create=True, always_shown=True, is_certain=True,
    ),
    Field("tags", "tags", ValueKind.STRINGS, edit="tags", new=(), is_certain=True),
)  # fmt: skip
"""Every field of FlagSpec but `key`."""

FIELD: Final = {field.name: field for field in FIELDS}
"""The same by name."""

NEW_FLAG: Final = FlagSpec(key="", **{field.name: field.new for field in FIELDS})
"""A flag that declares only its key: off, with a rollout of 0, without segments, deployments and tags.

The server chooses its bucketing salt and its variants.
"""


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of managed thing.

    `name` is what people call it; `path` is the first segment of its paths below /api/1, and the name of the list in
    an answer of "List"; `fields` is the table of its fields.
    """

    name: str
    path: str
    fields: tuple[Field, ...]

    def segments(self, *below: str) -> tuple[str, ...]:
        """The segments of a path below /api/1: of the list, of one thing by its id, or of what belongs to it."""
        return (self.path, *below)


KINDS: Final = {kind.name: kind for kind in (Kind(name="flag", path="flags", fields=FIELDS),)}
"""Every kind by its name."""

FLAG: Final = KINDS["flag"]


_LONGEST_SEGMENT: Final = 512

_is_segment = re.compile(rf"[A-Za-z0-9._~-]{{1,{_LONGEST_SEGMENT}}}").fullmatch


def is_path_segment(text: str) -> bool:
    """Whether a text is one segment of a path, without escapes and without a meaning of its own."""
    return _is_segment(text) is not None and text not in {".", ".."}


def why_no_segment(text: str) -> str:
    """What keeps a text from being one, in words that quote nothing of it."""
    if not text:
        return "it is empty"
    if len(text) > _LONGEST_SEGMENT:
        return f"it has {len(text)} characters, more than {_LONGEST_SEGMENT}"
    return 'it is no word of letters, digits, ".", "_", "~" and "-"'

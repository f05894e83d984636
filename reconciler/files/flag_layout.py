"""How a flag document is laid out: the order of keys, and which collections always stand on lines of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from reconciler.model.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

TEAM_FIELDS: Final = ("owner", "expires", "links", "notes", "frozenUntil", "knownUntil", "knownReason", "rollout")
"""The fields of a flag document that are reconciler's own and never sent."""


class Layout(Struct, frozen=True, kw_only=True):
    """How one value is laid out.

    `keys` gives the order of a mapping's keys and their layouts; keys that it does not name follow, in their own
    order, with the layout `others`. `is_block`: never between brackets, however short.
    """

    keys: Mapping[str, Layout] = field(default_factory=dict)
    others: Layout | None = None
    is_block: bool = False

    def of(self, key: str | None) -> Layout:
        """The layout of the value of a key, or of an item where the key is None."""
        found = self.keys.get(key) if key is not None else None
        return found or self.others or FREE

    def place(self, key: str) -> int:
        """Where a key stands among the others."""
        return list(self.keys).index(key) if key in self.keys else len(self.keys)


FREE: Final = Layout()
_CONDITION = Layout(keys=dict.fromkeys(("prop", "op", "values", "type"), FREE))
_SEGMENT = Layout(
    keys=dict.fromkeys(
        ("name", "conditions", "everyone", "percentage", "rollout", "bucketingKey", "rolloutWeights"), FREE
    )
    | {"conditions": Layout(others=_CONDITION, is_block=True)},
    is_block=True,
)
_VARIANT = Layout(
    keys=dict.fromkeys(("key", "renamedFrom", "name", "description", "payload", "inclusions"), FREE)
    | {"inclusions": Layout(keys={"users": FREE, "cohorts": FREE}, is_block=True)},
    is_block=True,
)
_FIELDS = dict.fromkeys(("key", *(field.public for field in FIELDS), *TEAM_FIELDS), FREE) | {
    "variants": Layout(others=_VARIANT, is_block=True),
    "targetSegments": Layout(others=_SEGMENT, is_block=True),
}
_TEST = Layout(
    keys=dict.fromkeys(("name", "flag", "against", "given", "user", "is", "users", "always", "never", "share"), FREE)
)
_OVERLAY = Layout(keys=_FIELDS)
FLAG: Final = Layout(
    keys=_FIELDS
    | {"onlyIn": FREE, "environments": Layout(others=_OVERLAY, is_block=True)}
    | {"tests": Layout(others=_TEST, is_block=True)},
    is_block=True,
)
"""The layout of a whole document, of a flag or of tests."""

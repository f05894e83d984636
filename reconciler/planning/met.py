"""Whether a live flag is plainly what is declared: the short answer, for the many flags of which nothing differs.

It says yes only where the long way (`planner`) would find no call and no problem, and no wherever anything is
unusual: renames, a shield that is left, fields that are not shown (tests/property/test_met_flags.py).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from reconciler.model import UNSET
from reconciler.planning.diff import payload_differs
from reconciler.planning.shield import is_shielded

if TYPE_CHECKING:
    from reconciler.model import FlagSpec, Json, Unset, Variant

_usual_fields = attrgetter(
    "name", "description", "enabled", "evaluation_mode", "bucketing_key", "bucketing_salt", "rollout_percentage",
    "rollout_weights", "target_segments",
)  # fmt: skip
_rare_fields = attrgetter("archived", "bucketing_unit")
"""Fields that few files declare."""

Members = tuple[str, ...]


def is_plainly_met(desired: FlagSpec, live: FlagSpec, managed_tag: str | None, *, shows_tags: bool) -> bool:
    """Whether everything declared equals what is live. False where the answer takes more than a look."""
    declared, found = desired.variants, live.variants
    if declared is UNSET or found is UNSET or len(declared) != len(found):
        return False
    if not _are_met(_usual_fields(desired), _usual_fields(live)):
        return False
    if not _are_met(_rare_fields(desired), _rare_fields(live)):
        return False
    if not all(map(_is_variant_met, declared, found)) or is_shielded(live):
        return False
    if not _is_set_met(desired.deployments, live.deployments):
        return False
    return not shows_tags or live.tags is UNSET or _are_tags_met(desired.tags, live.tags, managed_tag)


def _are_met(desired: tuple[Json, ...], live: tuple[Json, ...]) -> bool:
    if desired == live:
        return True
    return all(wanted is UNSET or wanted == shown for wanted, shown in zip(desired, live, strict=True))


def _is_variant_met(desired: Variant, live: Variant) -> bool:
    return (
        desired.key == live.key
        and desired.renamed_from is None
        and (desired.name is UNSET or desired.name == live.name)
        and (desired.description is UNSET or desired.description == live.description)
        and (desired.users is UNSET or (desired.users == live.users and _is_without_copies(desired.users)))
        and (desired.cohorts is UNSET or desired.cohorts == live.cohorts)
        and (desired.payload is UNSET or _is_payload_met(desired.payload, live.payload))
    )


def _is_without_copies(users: Members) -> bool:
    return len(set(users)) == len(users)


def _is_payload_met(desired: Json, live: Json | Unset) -> bool:
    return live is not UNSET and not payload_differs(desired, live)


def _is_set_met(desired: Members | Unset, live: Members | Unset) -> bool:
    return desired is UNSET or (live is not UNSET and set(desired) == set(live))


def _are_tags_met(desired: Members | Unset, live: Members, managed_tag: str | None) -> bool:
    if managed_tag is None:
        return _is_set_met(desired, live)
    return managed_tag in live and (desired is UNSET or {managed_tag, *desired} == set(live))

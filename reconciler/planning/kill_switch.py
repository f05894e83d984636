"""Kill switches: flags that were switched off by hand after they had been applied as declared.

A plan that would switch such a flag on again undoes what may have been done in an emergency, so a guard
refuses it. The API does not say which editor the reconciler's own key is; that is inferred from the versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from reconciler.model.canonical import field_differs, shown
from reconciler.model.fields import FIELDS
from reconciler.model.flag import UNSET, Unset
from reconciler.planning.ignored import keep_ignored
from reconciler.planning.normalise import desired_for_live
from reconciler.planning.operations import EditFlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec, Version
    from reconciler.planning.plan import FlagPlan, Plan

_COMPARED = tuple(field for field in FIELDS if field.name != "variants")


class KillSwitch(Struct, frozen=True, kw_only=True):
    """A flag that was switched off by hand and that the plan would switch on: by whom, when, in which version."""

    key: str
    disabled_by: str
    disabled_at: str
    version: int

    @property
    def message(self) -> str:
        """What a plan says about it, in a sentence."""
        return (
            f'"{self.key}" was switched off by {self.disabled_by} at {self.disabled_at} (version {self.version}), '
            "after it had been applied as declared: a kill switch. The plan would switch it on again."
        )


def flags_switched_on(plan: Plan) -> tuple[FlagPlan, ...]:
    """The flags that exist, are off live, and that the plan switches on: those whose versions are worth a read."""
    return tuple(flag for flag in plan.flags if flag.flag_id is not None and _is_switched_on(flag))


def find_kill_switches(
    plan: Plan, desired: DesiredState, versions: Mapping[str, Sequence[Version]]
) -> tuple[KillSwitch, ...]:
    """The kill switches that the plan would undo, by key. `versions` holds those of `flags_switched_on`, by key.

    A flag counts when the version that switched it off is newer than the newest version that was as declared, and
    another user made it. Where no version ever was as declared, because the declaration has changed since, the
    fields that the plan changes besides do not count. Without versions, or without their authors, there is nothing
    to infer from, and the flag does not count; nor does it when the key's own user switched it off.
    """
    found = (
        _kill_switch(flag, desired.flags[flag.key], versions.get(flag.key, ()))
        for flag in flags_switched_on(plan)
        if flag.key in desired.flags
    )
    return tuple(item for item in found if item is not None)


def _is_switched_on(flag: FlagPlan) -> bool:
    if flag.before is None or flag.before.enabled is not False:
        return False
    return any(isinstance(item, EditFlag) and item.body.get("enabled") is True for item in flag.operations)


def _kill_switch(flag: FlagPlan, declared: DesiredFlag, versions: Sequence[Version]) -> KillSwitch | None:
    newest_first = sorted(versions, key=lambda version: version.version, reverse=True)
    off = _switched_off(newest_first)
    if off is None or off.created_by is None:
        return None
    older = [version for version in newest_first if version.version < off.version]
    applied = next(_as_declared(declared, older), None) or next(_as_declared(_lasting(flag, declared), older), None)
    if applied is None or applied.created_by in {None, off.created_by}:
        return None
    return KillSwitch(key=flag.key, disabled_by=off.created_by, disabled_at=off.created_at, version=off.version)


def _switched_off(newest_first: Sequence[Version]) -> Version | None:
    """The oldest version since which the flag has been off."""
    off = None
    for version in newest_first:
        if version.flag.spec.enabled is not False:
            break
        off = version
    return off


def _as_declared(declared: DesiredFlag, versions: Sequence[Version]) -> Iterator[Version]:
    """The versions, in their order, that show nothing else than what is declared."""
    return (version for version in versions if not any(_differing(declared, version.flag.spec)))


def _differing(desired: DesiredFlag, found: FlagSpec) -> Iterator[str]:
    kept = keep_ignored(desired.spec, found, desired.ignored)
    declared = desired_for_live(kept, found, None, shows_tags=True)
    for field in _COMPARED:
        wanted = getattr(declared, field.name)
        if field.name == "tags" and not isinstance(wanted, Unset) and not isinstance(found.tags, Unset):
            if not set(wanted) <= set(found.tags):  # an apply adds the managed tag
                yield field.name
        elif field_differs(field, wanted, shown(found, field)):
            yield field.name
    if _variant_keys(declared) != _variant_keys(found) and _variant_keys(declared) and _variant_keys(found):
        yield "variants"


def _variant_keys(spec: FlagSpec) -> set[str]:
    return set() if isinstance(spec.variants, Unset) else {variant.key for variant in spec.variants}


def _lasting(flag: FlagPlan, declared: DesiredFlag) -> DesiredFlag:
    """The declaration without the fields, `enabled` excepted, in which the live flag differs now."""
    live = flag.before
    assert live is not None, "only flags that exist are switched on"
    changed = set(_differing(declared, live)) - {"enabled"}
    return structs.replace(
        declared, spec=structs.replace(declared.spec, **{item.name: UNSET for item in FIELDS if item.name in changed})
    )

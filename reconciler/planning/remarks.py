"""What a plan has to say beside its calls: things the API cannot do, or that the server may do differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model.canonical import pair_variants, shown
from reconciler.model.fields import FIELDS, is_path_segment
from reconciler.model.flag import Unset
from reconciler.model.reads import hidden_fields, path_of
from reconciler.planning.ignored import kept_segments
from reconciler.planning.operations import RemoveDeployment
from reconciler.planning.operations.base import VariantOperation
from reconciler.planning.stored import how_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.model.flag import DesiredFlag, FlagSpec
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FieldChange


def remarks_on(desired: FlagSpec, live: FlagSpec) -> Iterator[str]:
    """What should be known about a declared flag that exists, in plain sentences."""
    yield from _fields_not_shown(desired, live)
    # Of flags that are not archived, reads show all.
    if hidden := [path_of(wanted, name) for wanted, _, name in hidden_fields(desired, live)]:
        yield (
            f"While the flag is archived the server does not show {', '.join(hidden)}: that cannot be compared. Once "
            "the flag is back, a second plan shows whether it differs."
        )
    for key, variant in pair_variants(desired, live).items():
        if variant.key != key:
            yield (
                f'Renaming variant "{variant.key}" to "{key}": should the server not move its weight and its places '
                "in segments along, apply reads that and puts them back with further calls."
            )


def remark_on_order(desired: FlagSpec, live: FlagSpec) -> Iterator[str]:
    """That live variants stand in another order than declared, which no call can change."""
    if orders := orders_of(desired, live):
        reached, declared = orders
        yield (
            f"The order of variants decides bucketing and cannot be changed by the API: it will be "
            f"{', '.join(reached)}, declared is {', '.join(declared)}."
        )


def orders_of(desired: FlagSpec, live: FlagSpec) -> tuple[list[str], list[str]] | None:
    """The order in which all calls leave the variants, and the declared one; None where it is that."""
    if isinstance(desired.variants, Unset) or isinstance(live.variants, Unset):
        return None
    pairs = pair_variants(desired, live)
    stay = [variant.key for variant in live.variants if variant.key in {item.key for item in pairs.values()}]
    names = {variant.key: key for key, variant in pairs.items()}
    reached = [names[key] for key in stay] + [item.key for item in desired.variants if item.key not in pairs]
    declared = [variant.key for variant in desired.variants]
    return (reached, declared) if reached != declared else None


def remarks_on_forms(changes: Iterable[FieldChange]) -> Iterator[str]:
    """That nothing differs but the form in which values are kept, which may be the server's own."""
    forms = {change.path: how_stored(change) for change in changes}
    if all(forms.values()):
        for path, how in forms.items():
            yield (
                f"{path} differs by its form alone (live is the declared value {how}): should an apply not change "
                "that, declare it as it is live."
            )


def _fields_not_shown(desired: FlagSpec, live: FlagSpec) -> Iterator[str]:
    for field in FIELDS:
        wanted = getattr(desired, field.name)
        if field.name != "tags" and not isinstance(wanted, Unset) and isinstance(shown(live, field), Unset):
            yield f"The server does not show `{field.public}`: it cannot be compared and is left alone."


def problems_with(desired: DesiredFlag, live: FlagSpec) -> Iterator[Diagnostic]:
    """Why a declaration can be met by no calls at all, given the live flag: names of variants that do not exist."""
    spec = desired.spec
    if isinstance(spec.variants, Unset) or desired.ignored.at("variants"):
        known = {variant.key for variant in (*(live.variants or ()), *(spec.variants or ()))}
        for path, key in _named_variants(spec):
            if key not in known:
                yield problem(desired, "unknown-variant", f'The live flag "{spec.key}" has no variant "{key}".', path)
    if not isinstance(spec.variants, Unset):
        yield from _removed_but_named(desired, live)


def unaddressable(desired: DesiredFlag, operations: Sequence[Operation]) -> Iterator[Diagnostic]:
    """Calls to a live variant, or for a live deployment, whose key or id cannot stand in the path of a request."""
    variants = [item.variant_key for item in operations if isinstance(item, VariantOperation)]
    for key in dict.fromkeys(key for key in variants if not is_path_segment(key)):
        message = (
            f'No request can name the variant "{key}" of "{desired.key}": give it another key, or delete it, in '
            "Amplitude."
        )
        yield problem(desired, "unaddressable-variant", message, "/variants")
    deployments = [item.deployment for item in operations if isinstance(item, RemoveDeployment)]
    for name in (name for name in deployments if not is_path_segment(name)):
        message = f'No request can name the deployment "{name}" of "{desired.key}": detach it in Amplitude.'
        yield problem(desired, "unaddressable-deployment", message, "/deployments")


def _named_variants(spec: FlagSpec) -> Iterator[tuple[str, str]]:
    for key in spec.rollout_weights or ():
        yield "/rolloutWeights", key
    for index, segment in enumerate(spec.target_segments or ()):
        for key in segment.rollout_weights:
            yield f"/targetSegments/{index}/rolloutWeights", key


def _removed_but_named(desired: DesiredFlag, live: FlagSpec) -> Iterator[Diagnostic]:
    spec, ignored = desired.spec, desired.ignored
    kept = {variant.key for variant in pair_variants(spec, live).values()}
    gone = {item.key for item in live.variants or () if not ignored.covers("variants", item.key)} - kept
    is_left = isinstance(spec.target_segments, Unset)
    for segment in (live.target_segments or ()) if is_left else kept_segments(spec, live, ignored):
        for key in sorted(gone & set(segment.rollout_weights)):
            yield problem(
                desired,
                "variant-in-use",
                f'Variant "{key}" cannot be removed: the live segment "{segment.name}" of "{desired.key}" names it. '
                "Declare `targetSegments` without it as well.",
                "/variants",
            )


def problem(desired: DesiredFlag, rule: str, message: str, path: str) -> Diagnostic:
    """An error at the place of a flag document."""
    return Diagnostic(severity=Severity.ERROR, rule=rule, message=message, position=desired.source, path=path)

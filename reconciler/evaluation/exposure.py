"""Who is moved by a change of a flag: exact shares before and after per segment, and what else moves users unseen."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.combinations import segment_combinations
from reconciler.evaluation.rules import OFF, flag_rules, is_on, segments_of, variants_of
from reconciler.evaluation.shares import joint_shares, unavoidable_share, variant_shares
from reconciler.model.fields import DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import Unset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.rules import SegmentRule
from reconciler.model.flag import FlagSpec

_BY_RULES = "their segment's variant"

LISTED_USERS = "Listed users, beside the shares: "
"""How the note begins that counts the listed users who get another variant."""


class SegmentTransition(Struct, frozen=True, kw_only=True):
    """What becomes of the users whose first matching segment is `before_segment` now and `after_segment` then.

    Segments by name; `ALL_OTHER_USERS` is the rest. Shares are exact fractions of those users; `off` is a variant.
    `is_exact` is False where the figure is an expectation (new salt or bucketing key).
    """

    before_segment: str
    after_segment: str
    before: tuple[tuple[str, Fraction], ...]
    after: tuple[tuple[str, Fraction], ...]
    matrix: tuple[tuple[str, str, Fraction], ...]
    switched: Fraction
    unavoidable: Fraction
    is_exact: bool = True

    @property
    def excess(self) -> Fraction:
        """Users who switch although the shares alone would not need it."""
        return self.switched - self.unavoidable


class FlagExposure(Struct, frozen=True, kw_only=True):
    """Before and after of one flag. `switched` is the headline: the largest share over the transitions.

    `notes` say what the figures cannot know (the mix over segments, dependencies, sticky bucketing).
    """

    transitions: tuple[SegmentTransition, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def switched(self) -> Fraction:
        """The largest share of users of any segment who get another variant."""
        return max((item.switched for item in self.transitions), default=Fraction(0))

    @property
    def is_exact(self) -> bool:
        """Whether the headline is exact rather than expected."""
        return all(item.is_exact for item in self.transitions)


def exposure_of(before: FlagSpec | None, after: FlagSpec) -> FlagExposure:
    """How a flag's change moves its users: one transition per pair of segments that users can go through.

    Pairs come in segment order, the rest last; shares in variant order, `off` last, without those that are 0. A flag
    that does not exist yet (`before` None) gives no user a variant.
    """
    old, new = flag_rules(before), flag_rules(after)
    pairs = [(old[i], new[k]) for i, k in segment_combinations(old, new)]
    shares = {rule: variant_shares(rule) for rule in (*old, *new)}
    exposure = FlagExposure(transitions=tuple(_transition(x, y, shares) for x, y in pairs))
    return replace(exposure, notes=tuple(_notes(before, after, exposure, pairs)))


def _transition(
    before: SegmentRule, after: SegmentRule, shares: dict[SegmentRule, dict[str, Fraction]]
) -> SegmentTransition:
    joint = joint_shares(before, after)
    old, new = shares[before], shares[after]
    return SegmentTransition(
        before_segment=before.segment,
        after_segment=after.segment,
        before=tuple(old.items()),
        after=tuple(new.items()),
        matrix=tuple((x, y, share) for (x, y), share in joint.cells),
        switched=joint.switched,
        unavoidable=unavoidable_share(old, new),
        is_exact=joint.is_exact,
    )


def _notes(
    before: FlagSpec | None,
    after: FlagSpec,
    exposure: FlagExposure,
    pairs: list[tuple[SegmentRule, SegmentRule]],
) -> Iterator[str]:
    if len(exposure.transitions) > 1:
        yield "Figures are per segment: how many users each segment has, the API does not say."
    if not exposure.is_exact:
        yield "Expected rather than exact: users are re-bucketed, independently of what they have now."
    if exposure.switched:
        yield "With sticky bucketing, an experiment's setting that the flags API does not show, fewer users switch."
    yield from _condition_notes(before, after)
    yield from _bucketing_notes(after, pairs)
    yield from _listed_notes(before, after)


def _condition_notes(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    segments = (*(segments_of(before) if before else ()), *segments_of(after))
    if any(condition.type != "property" for segment in segments for condition in segment.conditions):
        yield "Segments with cohorts: who is in a cohort is not known here and changes by itself."
    if names := sorted({name for segment in segments for name in segment.unlisted_names}):
        yield f"Segments with fields that are not known here ({', '.join(names)}): they may match other users."


def _bucketing_notes(after: FlagSpec, pairs: list[tuple[SegmentRule, SegmentRule]]) -> Iterator[str]:
    if not isinstance(after.bucketing_unit, Unset) and after.bucketing_unit not in {"", DEFAULT_BUCKETING_UNIT}:
        yield f"Bucketed by {after.bucketing_unit}: shares are of these groups, not of users."
    keys = {
        bucketed.bucketing.key
        for pair in pairs
        for bucketed, whole in (pair, pair[::-1])
        if bucketed.bucketing is not None and whole.constant != OFF
    }
    for key in sorted(keys):
        yield f"Users without {key} get no variant while users are bucketed, and get it when one variant is at 100 %."


def _listed_notes(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    old, new = _listed_variants(before), _listed_variants(after)
    was_off = before is None or not is_on(before)
    moves = Counter(
        (OFF if was_off else old.get(user, _BY_RULES), new.get(user, _BY_RULES) if is_on(after) else OFF)
        for user in old.keys() | new.keys()
    )
    changed = sorted((pair, count) for pair, count in moves.items() if pair[0] != pair[1])
    if changed:
        texts = ", ".join(f"{count} from {x} to {y}" for (x, y), count in changed)
        yield f"{LISTED_USERS}{texts}."


def _listed_variants(spec: FlagSpec | None) -> dict[str, str]:
    """The variant of each listed user; a user in two lists gets the first."""
    found: dict[str, str] = {}
    for variant in variants_of(spec):
        for user in () if isinstance(variant.users, Unset) else variant.users:
            found.setdefault(user, variant.key)
    return found

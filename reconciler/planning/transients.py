"""What users see between two calls, compared with what they saw before the plan and will see after it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from reconciler.evaluation.combinations import segment_combinations
from reconciler.evaluation.rules import ALL_OTHER_USERS, SegmentRule, flag_rules, has_no_weight, variant_keys
from reconciler.evaluation.shares import transient_share
from reconciler.model.flag import Unset

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec


class Cost(NamedTuple):
    """What is wrong with a state between two calls; less is better, the first difference decides."""

    splits_evenly: bool
    """The rest has no weight at all, which the engine reads as an even split: never wanted, never passed through."""
    transient: Fraction
    """The largest share of users of any segment whose variant is neither the old nor the new one."""


FREE = Cost(splits_evenly=False, transient=Fraction(0))


class Transients:
    """Measures states between one flag's `before` (None: it does not exist) and `after`."""

    def __init__(self, before: FlagSpec | None, after: FlagSpec) -> None:
        self._before = flag_rules(before)
        self._after = flag_rules(after)
        self._tolerates_even_split = any(splits_evenly(spec) for spec in (before, after))

    def cost_of(self, state: FlagSpec | None) -> Cost:
        """What users would see in this state, at worst."""
        return Cost(
            splits_evenly=not self._tolerates_even_split and splits_evenly(state),
            transient=self.share_in(flag_rules(state)),
        )

    def share_in(self, between: tuple[SegmentRule, ...]) -> Fraction:
        """The largest share, over all segments a user can match before, between and after, of those who stray."""
        matches = segment_combinations(self._before, between, self._after)
        return max(transient_share(self._before[i], between[j], self._after[k]) for i, j, k in matches)

    def can_stray_when_listed(self, state: FlagSpec | None, *, old: str | None, new: str | None) -> bool:
        """Whether someone who is not listed in this state can get a variant of neither side.

        `old` and `new` are the variants in whose inclusions the person is before and after; None: in none.
        """
        befores = self._before if old is None else (SegmentRule(ALL_OTHER_USERS, constant=old),)
        afters = self._after if new is None else (SegmentRule(ALL_OTHER_USERS, constant=new),)
        between = flag_rules(state)
        matches = segment_combinations(befores, between, afters)
        return any(transient_share(befores[i], between[j], afters[k]) for i, j, k in matches)


def splits_evenly(spec: FlagSpec | None) -> bool:
    """Whether the weights of the rest are shown and all 0."""
    if spec is None or isinstance(spec.rollout_weights, Unset):
        return False
    return has_no_weight(variant_keys(spec), spec.rollout_weights)

"""Who is moved by a change of a flag: exact shares before and after per segment, and what else moves users unseen."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.populations import segment_combinations
from reconciler.evaluation.rules import SegmentRule, flag_rules, is_on, segments_of, variants_of
from reconciler.evaluation.shares import joint_shares, unavoidable_share, variant_shares
from reconciler.model.canonical import payload_differs
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF, UNSET, MemberKind, Unset
from reconciler.model.reads import MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

from reconciler.model.flag import FlagSpec

BY_RULES = "their segment"
"""What a user who is not listed gets, in a ListedMove."""


class SegmentTransition(Struct, frozen=True, kw_only=True):
    """What becomes of the users whose first matching segment is `before_segment` now and `after_segment` then.

    Segments by name; `ALL_OTHER_USERS` is the rest. Shares are exact fractions of those users; `off` is a variant.
    `is_exact` is False where the figure is an expectation (new salt or bucketing key). A transition is that of all
    clients, or of those of `deployments` which the flag leaves or gets, or of those that evaluate in a `mode`
    (`local`, `remote`) which the flag leaves or gets.
    """

    before_segment: str
    after_segment: str
    before: tuple[tuple[str, Fraction], ...]
    after: tuple[tuple[str, Fraction], ...]
    matrix: tuple[tuple[str, str, Fraction], ...]
    switched: Fraction
    unavoidable: Fraction
    is_exact: bool = True
    deployments: tuple[str, ...] = ()
    mode: str = ""

    @property
    def clients(self) -> str:
        """Whose transition it is: `deployment 67`, `clients that evaluate locally`; "" where it is all clients'."""
        return _clients_in_words(self.deployments, self.mode)

    @property
    def excess(self) -> Fraction:
        """Users who switch although the shares alone would not need it."""
        return self.switched - self.unavoidable


_MODES = {"local": "locally", "remote": "remotely"}


def _clients_in_words(deployments: tuple[str, ...], mode: str) -> str:
    if deployments:
        noun = "deployments" if len(deployments) > 1 else "deployment"
        return f"{noun} {', '.join(deployments)}"
    return f"clients that evaluate {_MODES.get(mode, mode)}" if mode else ""


class ListedMove(Struct, frozen=True, kw_only=True):
    """How many listed users, or cohorts, get another variant; BY_RULES on a side is the variant of their segment.

    It is that of all clients, or of some, as a SegmentTransition.
    """

    kind: MemberKind
    before: str
    after: str
    count: int
    deployments: tuple[str, ...] = ()
    mode: str = ""

    @property
    def clients(self) -> str:
        """As of a SegmentTransition."""
        return _clients_in_words(self.deployments, self.mode)


class PayloadShare(Struct, frozen=True, kw_only=True):
    """Who keeps a variant and gets another payload with it: the largest share of any segment, and listed members.

    `users` and `cohorts` count those who are listed for the variant.
    """

    variant: str
    share: Fraction
    users: int = 0
    cohorts: int = 0


class FlagExposure(Struct, frozen=True, kw_only=True):
    """Before and after of one flag. `switched` is the headline: the largest share over the transitions.

    `listed` counts those whom inclusions give another variant, `payloads` those whose payload alone changes.
    `dependents` are the keys of flags that depend on this one and are affected. `notes` say what the figures cannot
    know (the mix over segments, dependencies, sticky bucketing).
    """

    transitions: tuple[SegmentTransition, ...] = ()
    listed: tuple[ListedMove, ...] = ()
    payloads: tuple[PayloadShare, ...] = ()
    dependents: tuple[str, ...] = ()
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
    old, new = _reached_rules(before), _reached_rules(after)
    pairs = [(old[i], new[k]) for i, k in segment_combinations(old, new)]
    others = tuple(other_clients(before, after))
    exposure = FlagExposure(
        transitions=(
            *(_transition(x, y) for x, y in pairs),
            *(item for clients in others for item in _of_clients(before or after, after, clients)),
        ),
        listed=(
            *_listed_moves(before, after),
            *(item for clients in others for item in _listed_of_clients(before or after, after, clients)),
        ),
    )
    exposure = replace(exposure, payloads=tuple(_payloads(before, after, exposure)))
    return replace(exposure, notes=tuple(_notes(before, after, exposure, pairs)))


def _reached_rules(spec: FlagSpec | None) -> tuple[SegmentRule, ...]:
    """The rules as users meet them: clients that evaluate locally have no amplitude_id, and no share of it."""
    rules = flag_rules(spec)
    if spec is None or spec.evaluation_mode != "local":
        return rules
    return tuple(SegmentRule(rule.segment, rule.conditions) if lacks_value(rule) else rule for rule in rules)


def lacks_value(rule: SegmentRule) -> bool:
    """Whether a rule hashes what clients that evaluate locally do not have."""
    hashed = rule.bucketing
    return hashed is not None and (hashed.key, hashed.unit) == (DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT)


class Clients(Struct, frozen=True):
    """Clients that the flag leaves, or else gets: of deployments, or of a mode of evaluation."""

    are_left: bool
    deployments: tuple[str, ...] = ()
    mode: str = ""


def other_clients(before: FlagSpec | None, after: FlagSpec) -> Iterator[Clients]:
    """The clients that the flag leaves or gets: they are given nothing on one side."""
    if before is None:
        return
    if not isinstance(before.deployments, Unset) and not isinstance(after.deployments, Unset):
        for left, one, other in ((True, before, after), (False, after, before)):
            if found := sorted({*(one.deployments or ())} - {*(other.deployments or ())}):
                yield Clients(left, deployments=tuple(found))
    modes = before.evaluation_mode, after.evaluation_mode
    if not isinstance(modes[0], Unset) and not isinstance(modes[1], Unset) and modes[0] != modes[1]:
        yield from (Clients(True, mode=modes[0]), Clients(False, mode=modes[1]))


def _of_clients(before: FlagSpec, after: FlagSpec, clients: Clients) -> Iterator[SegmentTransition]:
    """What becomes of clients that the flag leaves or gets."""
    spec = before if clients.are_left else after
    for rule in _reached_rules(spec) if is_on(spec) else ():
        nothing = SegmentRule(rule.segment)
        sides = (rule, nothing) if clients.are_left else (nothing, rule)
        yield _transition(*sides, deployments=clients.deployments, mode=clients.mode)


def _payloads(before: FlagSpec | None, after: FlagSpec, exposure: FlagExposure) -> Iterator[PayloadShare]:
    known = {variant.key: variant.payload for variant in variants_of(before)}
    users, cohorts = (_listed_as_before(before, after, kind) for kind in MEMBERS)
    for variant in variants_of(after):
        old, new = known.get(variant.key, UNSET), variant.payload
        if isinstance(old, Unset) or isinstance(new, Unset) or not payload_differs(new, old):
            continue
        kept = (
            sum((share for x, y, share in item.matrix if x == y == variant.key), Fraction(0))
            for item in exposure.transitions
        )
        share, key = max(kept), variant.key
        if share or users[key] or cohorts[key]:
            yield PayloadShare(variant=key, share=share, users=users[key], cohorts=cohorts[key])


def _listed_as_before(before: FlagSpec | None, after: FlagSpec, kind: MemberKind) -> Counter[str]:
    """How many users, or cohorts, each variant keeps that are listed for it."""
    if before is None or not (is_on(before) and is_on(after)):
        return Counter()
    old, new = _listed_variants(before, kind), _listed_variants(after, kind)
    return Counter(variant for member, variant in new.items() if old.get(member) == variant)


def _transition(
    before: SegmentRule, after: SegmentRule, *, deployments: tuple[str, ...] = (), mode: str = ""
) -> SegmentTransition:
    joint = joint_shares(before, after)
    old, new = variant_shares(before), variant_shares(after)
    return SegmentTransition(
        before_segment=before.segment,
        after_segment=after.segment,
        before=tuple(old.items()),
        after=tuple(new.items()),
        matrix=tuple((x, y, share) for (x, y), share in joint.cells),
        switched=joint.switched,
        unavoidable=unavoidable_share(old, new),
        is_exact=joint.is_exact,
        deployments=deployments,
        mode=mode,
    )


def _notes(
    before: FlagSpec | None,
    after: FlagSpec,
    exposure: FlagExposure,
    pairs: list[tuple[SegmentRule, SegmentRule]],
) -> Iterator[str]:
    if len(pairs) > 1:
        yield "Figures are per segment: how many users each segment has, the API does not say."
    if not exposure.is_exact:
        yield "Expected rather than exact: users are re-bucketed, independently of what they have now."
    if exposure.switched:
        yield "With sticky bucketing (remote only), which the flags API does not show, fewer users switch."
    yield from _condition_notes(before, after)
    yield from _bucketing_notes(after, pairs)
    for kind in MEMBERS:
        if words := listed_in_words(exposure.listed, kind):
            size = ", whose sizes are not known here" if kind == "cohorts" else ""
            yield f"Listed {kind}, beside the shares{size}: {words}."


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


def listed_in_words(listed: Iterable[ListedMove], kind: MemberKind) -> str:
    """How many listed users, or cohorts, go where: `2 from control to off, 1 from off to treatment`; "" for none."""
    found = [(item, f" in {item.clients}" if item.clients else "") for item in listed if item.kind == kind]
    return ", ".join(f"{item.count} from {item.before} to {item.after}{where}" for item, where in found)


def _listed_moves(before: FlagSpec | None, after: FlagSpec) -> Iterator[ListedMove]:
    was_off = before is None or not is_on(before)
    for kind in MEMBERS:
        old, new = _listed_variants(before, kind), _listed_variants(after, kind)
        moves = Counter(
            (OFF if was_off else old.get(member, BY_RULES), new.get(member, BY_RULES) if is_on(after) else OFF)
            for member in old.keys() | new.keys()
        )
        for (x, y), count in sorted(moves.items()):
            if x != y:
                yield ListedMove(kind=kind, before=x, after=y, count=count)


def _listed_of_clients(before: FlagSpec, after: FlagSpec, clients: Clients) -> Iterator[ListedMove]:
    """Who is listed for what of clients that the flag leaves or gets; a flag that goes on or off says it of all."""
    if not (is_on(before) and is_on(after)):
        return
    for kind in MEMBERS:
        listed = Counter(_listed_variants(before if clients.are_left else after, kind).values())
        for key, count in sorted(listed.items()):
            x, y = (key, OFF) if clients.are_left else (OFF, key)
            yield ListedMove(
                kind=kind, before=x, after=y, count=count, deployments=clients.deployments, mode=clients.mode
            )


def _listed_variants(spec: FlagSpec | None, kind: MemberKind) -> dict[str, str]:
    """The variant of each listed user or cohort; one in two lists gets the first."""
    found: dict[str, str] = {}
    for variant in variants_of(spec):
        for member in getattr(variant, kind) or ():
            found.setdefault(member, variant.key)
    return found

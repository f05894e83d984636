"""Claims decided for all users: proved, refuted with a user who breaks it, or not decided.

Users fall into cases by the first rule that they match, on both sides where two states are compared. Within a case
the hash decides, and its areas are exact. A claim is proved where no case that can be breaks it. A user who breaks it
counts only once evaluated.

A property has one value unless a condition about sets is asked of it. Every user whom Amplitude evaluates has an
amplitude_id; what else is hashed may be missing. Inclusions that are not declared count as none.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, repeat
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.evaluation.assertions import ANY, Cause, Status, Verdict
from reconciler.evaluation.cases import (
    GATE,
    GATE_NAME,
    GATE_PATH,
    Case,
    buckets_of,
    cases_of,
    filled_from,
    gated,
    is_open,
    unknown_parents,
)
from reconciler.evaluation.cells import cells_of, variant_of
from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.evaluate import Evaluator, FlagWithParents
from reconciler.evaluation.persons import (
    NoPersonError,
    Person,
    can_lack,
    find_person,
    has_only_named_values,
    named_values,
    numbered_persons,
)
from reconciler.evaluation.populations import Properties
from reconciler.evaluation.result import Reason
from reconciler.evaluation.rules import atom_of, variant_keys
from reconciler.evaluation.shares import joint_shares
from reconciler.evaluation.verdicts import refutation, undeclared
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import ID_PROPERTIES, OFF, Unset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.evaluation.assertions import Assertion, Share
    from reconciler.evaluation.cells import Cell, Pair
    from reconciler.evaluation.rules import Bucketing
    from reconciler.evaluation.users import User

_MOST_ANSWERS: Final = 500
_MOST_FORMS: Final = 20
_MOST_FAILURES: Final = 20
"""Searches for a user that fail without a reason, after which a claim is not worth more time."""


class Decider:
    """One flag, or two states of it, for any number of claims. `before` is None where nothing is compared.

    Fields that `after` does not declare count as they are before: they are not managed.
    """

    def __init__(self, after: FlagWithParents, before: FlagWithParents | None = None) -> None:
        sides = [after] if before is None else [before, filled_from(after, before)]
        self._sides = sides
        self._evaluators = [Evaluator(side) for side in sides]
        both_open = len(sides) > 1 and all(is_open(side) for side in sides)
        self._cells: dict[tuple[str, ...], list[Cell]] = {}
        specs = [side.flag.spec if side.flag else None for side in sides]
        self._cases = [tuple(cases_of(spec, is_open=both_open, compares=len(sides) > 1)) for spec in specs]

    def decide(self, claim: Assertion) -> Verdict:
        """What becomes of a claim about this flag."""
        given = dict(claim.given)
        if unknown := unknown_parents(self._sides[-1], given):
            return Verdict(status=Status.UNDECIDED, reason=unknown)
        cases = list(map(gated, self._cases, self._sides, repeat(given)))
        if claim.user is not None:
            return self._decide_user(claim, claim.user, cases[-1], given)
        verdict = _Decision(claim, cases, self._evaluators, given, self._cells).verdict()
        if verdict.status is Status.PROVED and (unknown := self._unknown_variants(claim)):
            return replace(verdict, status=Status.UNDECIDED, reason=unknown)
        return verdict

    def rules(self) -> Iterator[tuple[str, str]]:
        """The path and the name of every rule but lists of users, as tests can reach them."""
        return ((case.path, case.rule.segment) for case in self._cases[-1] if "/inclusions/" not in case.path)

    def _unknown_variants(self, claim: Assertion) -> str | None:
        """That a claim names a variant of no state: it would hold of any flag."""
        specs = [side.flag.spec for side in self._sides if side.flag]
        if not specs or any(isinstance(spec.variants, Unset) for spec in specs):
            return None
        known = {ANY, OFF, *(key for spec in specs for key in variant_keys(spec))}
        outcomes = (*claim.always, *claim.never, *(share.outcome for share in claim.shares))
        named = dict.fromkeys(
            name for item in outcomes for name in (item.before, item.after) if name not in {None, *known}
        )
        return f"The flag has no variant {', '.join(map(str, named))}, before or after." if named else None

    def _decide_user(self, claim: Assertion, user: User, cases: Sequence[Case], given: Mapping[str, str]) -> Verdict:
        case = next(
            item for item in cases if all(matches_condition(condition, user) for condition in item.rule.conditions)
        )
        lacks = (*case.lacks, *(case.hash_lacks if case.rule.bucketing else ()))
        reached = frozenset((case.path,))
        if lacks:
            return Verdict(status=Status.UNDECLARED, reason=undeclared(lacks), reached=reached)
        result = self._evaluators[-1].evaluate(user, given)
        bucketing = case.rule.bucketing
        if bucketing and not case.can_lack_hashed and not user.get(DEFAULT_BUCKETING_KEY):
            reason = f"The flag is bucketed by {DEFAULT_BUCKETING_KEY}: give the user one."
            return Verdict(status=Status.UNDECIDED, reason=reason, reached=reached)
        assert result.variant is not None, "of a salt that is not declared it was told above"
        reached |= {result.variant, str(claim.expected)}
        if result.variant == claim.expected:
            return Verdict(status=Status.PROVED, reached=reached)
        segment, path = case.rule.segment, case.path
        if result.reason is Reason.DEPENDENCY:
            segment, path = GATE_NAME, GATE_PATH
        cause = Cause(segment=segment, path=path, variant=result.variant)
        return Verdict(status=Status.REFUTED, person=Person(user), causes=(cause,), reached=reached)


class _Decision:
    """One claim about all users who meet its conditions."""

    def __init__(
        self,
        claim: Assertion,
        sides: Sequence[tuple[Case, ...]],
        evaluators: Sequence[Evaluator],
        given: Mapping[str, str],
        cells: dict[tuple[str, ...], list[Cell]],
    ) -> None:
        self._known_cells = cells
        self._claim, self._sides, self._evaluators, self._given = claim, sides, evaluators, given
        self._conditions = tuple(map(atom_of, claim.conditions))
        asked = [condition for side in sides for case in side for condition in case.rule.conditions]
        self._properties = Properties((*self._conditions, *asked))
        self._masks = [[self._properties.mask_of(case.rule.conditions) for case in side] for side in sides]
        self._gate = self._properties.mask_of((GATE,)) if GATE in asked else 0
        self._failures = 0
        self._open: str | None = None
        self._lacks: dict[str, None] = {}
        self._reached: set[str] = {
            name
            for outcome in (*claim.always, *claim.never, *(share.outcome for share in claim.shares))
            for name in (outcome.before, outcome.after)
            if name is not None
        }

    def verdict(self) -> Verdict:
        """What becomes of the claim. Users whom a rule meets refute it before listed ones do."""
        found: list[tuple[bool, Verdict]] = []
        lacks: dict[str, None] = {}
        is_about_no_user = True
        for pair, required, excluded in self._pairs((), self._properties.mask_of(self._conditions), ()):
            is_about_no_user = False
            self._reached.add(pair[-1].path)
            if any(case.lacks for case in pair):
                lacks |= dict.fromkeys(self._lacking(pair))
            is_listed = any(case.is_list_of_users for case in pair)
            if not lacks and all(is_listed < known for known, _ in found):
                breach = self._breach(pair, required, excluded)
                found += [(is_listed, breach)] if breach else []
        reached, compares = frozenset(self._reached), len(self._sides) > 1
        if lacks:
            return Verdict(status=Status.UNDECLARED, reason=undeclared(lacks, compares=compares), reached=reached)
        if found:
            return replace(found[-1][1], reached=reached)
        if self._lacks:
            return Verdict(
                status=Status.UNDECLARED, reason=undeclared(self._lacks, compares=compares), reached=reached
            )
        status = Status.PROVED if self._open is None else Status.UNDECIDED
        return Verdict(status=status, reason=self._open, reached=reached, is_about_no_user=is_about_no_user)

    def _lacking(self, pair: Pair) -> Iterator[str]:
        """The undeclared fields that decide about users of these cases.

        What neither state declares is the same in both: it counts only where rules or buckets differ, or where it
        matters what users have who keep what they have.
        """
        fields = [case.lacks for case in pair]
        same = set.intersection(*map(set, fields))
        if len({buckets_of(evaluator.spec) for evaluator in self._evaluators}) > 1:
            same &= {"enabled"}
        if len(pair) == 1 or pair[0].rule != pair[-1].rule or self._is_about_staying():
            same.clear()
        return (name for names in fields for name in names if name not in same)

    def _is_about_staying(self) -> bool:
        spec = self._evaluators[-1].spec
        stays = [(variant, variant) for variant in (OFF, *(variant_keys(spec) if spec else ()))]
        outcomes = [share.outcome for share in self._claim.shares]
        is_about_shares = any(item.before is None or any(map(item.meets, stays)) for item in outcomes)
        return is_about_shares or any(map(self._is_broken_by, stays))

    def _pairs(
        self, chosen: Pair, required: int, excluded: tuple[int, ...]
    ) -> Iterator[tuple[Pair, int, tuple[int, ...]]]:
        """The cases, one of each side, that users of the claim can be in, and what makes such a user."""
        if len(chosen) == len(self._sides):
            yield chosen, required, excluded
            return
        masks = self._masks[len(chosen)]
        for index, case in enumerate(self._sides[len(chosen)]):
            together = required | masks[index], (*excluded, *masks[:index])
            if self._properties.can_be(*together):
                yield from self._pairs((*chosen, case), *together)

    def _breach(self, pair: Pair, required: int, excluded: tuple[int, ...]) -> Verdict | None:
        """The claim refuted by users of these cases, if it is."""
        cells = self._cells(pair)
        self._reached.update(cell[-1] for cell in cells)
        for cell in cells:
            if self._is_broken_by(cell) and (found := self._refuted(pair, cell, required, excluded)):
                return found
        for share in self._claim.shares if not any(case.is_list_of_users for case in pair) else ():
            found = self._breach_of_share(share, pair, required, excluded)
            if found is not None:
                return found
        return None

    def _cells(self, pair: Pair) -> list[Cell]:
        """The variants that users of these cases can have, which no claim about the flag changes."""
        place = tuple(case.path for case in pair)
        if place not in self._known_cells:
            self._known_cells[place] = cells_of(pair)
        return self._known_cells[place]

    def _is_broken_by(self, cell: Cell) -> bool:
        if any(outcome.meets(cell) for outcome in self._claim.never):
            return True
        plain = [outcome for outcome in self._claim.always if outcome.before is None]
        moves = [item for item in self._claim.always if item.before in {ANY, cell[0]}]
        return any(kind and not any(outcome.meets(cell) for outcome in kind) for kind in (plain, moves))

    def _breach_of_share(self, share: Share, pair: Pair, required: int, excluded: tuple[int, ...]) -> Verdict | None:
        cases = pair if share.outcome.before is not None else pair[-1:]
        if any(case.has_hash_of_parents and case.rule.bucketing for case in cases):
            self._open_for(
                "Flags that this one depends on have its salt: of their users, other shares have a variant."
            )
            return None
        rules = [case.rule for case in cases]
        joint = joint_shares(*rules)
        if not joint.is_exact:
            self._open_for("Users are re-bucketed: what share goes from one variant to another is only expected.")
            return None
        part = sum((size for cell, size in joint.cells if share.outcome.meets(cell)), Fraction(0))
        hashed = next((rule.bucketing for rule in rules if rule.bucketing), None)
        if hashed is not None and (named := self._named_values(hashed, required, excluded)) is not None:
            if (lacks := dict.fromkeys(field for case in pair for field in case.hash_lacks)) and {*named} != {None}:
                self._lacks |= lacks
                return None
            cells = [tuple(variant_of(rule, value) for rule in rules) for value in named]
            parts = {Fraction(share.outcome.meets(cell)) for cell in cells}
            if len(parts) != 1:
                if not all(map(share.holds, parts)):
                    self._open_for(
                        f"Users with the same {hashed.key} have the same variant: how many have which is not known."
                    )
                return None
            (part,) = parts
        if share.holds(part):
            return None
        for cell in sorted(self._cells(pair), key=share.outcome.meets, reverse=share.is_exceeded(part)):
            if found := self._refuted(pair, cell, required, excluded):
                return replace(found, share=(share, part))
        return None

    def _named_values(
        self, hashed: Bucketing, required: int, excluded: tuple[int, ...]
    ) -> dict[str | None, None] | None:
        """The values of what is hashed that users of these cases can have; None: more than conditions name.

        None of them where they are too many to tell, which is noted.
        """
        found: dict[str | None, None] = {}
        if hashed.unit != DEFAULT_BUCKETING_UNIT or not self._properties.is_asked(hashed.key):
            return None
        for chosen in self._properties.answers(required, excluded, (hashed.key,)):
            if chosen is None:
                self._open_for(f"There are too many ways for users to have one {hashed.key} or another.")
                return {}
            answer = next(item for item in chosen if item.name == hashed.key)
            if not has_only_named_values(answer):
                return None
            found |= dict.fromkeys(named_values(answer))
        return found

    def _refuted(self, pair: Pair, cell: Cell, required: int, excluded: tuple[int, ...]) -> Verdict | None:
        """The claim refuted by a user of these cases with these variants; None where there is none, or none is found.

        In the latter case it is open what becomes of the claim.
        """
        if self._gate:
            return self._refuted_behind_parents(pair, cell, required, excluded)
        if any(case.rule.bucketing and case.hash_lacks for case in pair):
            return self._refuted_by_any_id(pair, cell, required, excluded)
        keys = [case.rule.bucketing.key for case in pair if case.rule.bucketing]
        is_certain = all(map(self._properties.is_exact, keys))
        tried = 0
        for chosen in islice(self._properties.answers(required, excluded, keys), _MOST_ANSWERS):
            tried += 1
            if chosen is None:
                is_certain = False
                break
            try:
                wanted = [(case.rule, variant) for case, variant in zip(pair, cell, strict=True)]
                person = find_person(chosen, wanted, is_local=any(case.is_local for case in pair))
            except NoPersonError as error:
                is_certain &= error.is_certain
                self._failures += not error.is_certain
                if self._failures > _MOST_FAILURES:
                    break
                continue
            if self._is_confirmed(person, cell):
                return refutation(pair, cell, person)
            is_certain = False
        if not (tried and is_certain and tried < _MOST_ANSWERS):
            self._leave_open(pair, cell)
        return None

    def _leave_open(self, pair: Pair, cell: Cell) -> None:
        names = " and ".join(dict.fromkeys(f'"{case.rule.segment}"' for case in pair))
        outcome = " -> ".join(dict.fromkeys(cell))
        self._open_for(f"Users of {names} may get {outcome}, but no such user was found.")

    def _open_for(self, reason: str) -> None:
        """That it is open what becomes of the claim: the first reason is told."""
        self._open = self._open or reason

    def _refuted_by_any_id(self, pair: Pair, cell: Cell, required: int, excluded: tuple[int, ...]) -> Verdict | None:
        """As `_refuted`, where not all of what is hashed is declared: by a user of whom only the id is open.

        Where it depends on what is not declared whether there is such a user, that is noted.
        """
        rules = [(case.rule.bucketing, case.hash_lacks) for case in pair if case.rule.bucketing]
        lacks = dict.fromkeys(field for _, fields in rules for field in fields)
        if one_sided := [field for field in lacks if not all(field in fields for _, fields in rules)]:
            self._lacks |= dict.fromkeys(one_sided)  # whether both hash the same is not known
            return None
        keys = {bucketing.key for bucketing, _ in rules if bucketing.unit == DEFAULT_BUCKETING_UNIT}
        is_known = "bucketingKey" not in lacks
        asked = keys if is_known else keys.union(ID_PROPERTIES)
        is_hashed = cell in joint_shares(*(case.rule for case in pair)).as_dict()
        is_bare = is_known and cell == tuple(case.rule.constant for case in pair)
        is_local = any(case.is_local for case in pair)
        for chosen in self._properties.answers(required, excluded, asked):
            if chosen is None:
                self._leave_open(pair, cell)
                break
            answers = {item.name: item for item in chosen if item.name in asked}
            named = {
                value for item in answers.values() if has_only_named_values(item) for value in named_values(item)
            }
            lacks_all = is_bare and all(can_lack(key, answers.get(key), is_local=is_local) for key in keys)
            has_any = is_hashed and not named
            if lacks_all or has_any:
                person = find_person(chosen, [])
                made_up = person.made_up & keys
                user = {name: value for name, value in person.user.items() if name not in made_up}
                return refutation(pair, cell, Person(user), has_open_id=has_any)
            if is_hashed and (not is_known or named - {None}):
                self._lacks |= lacks
            elif not is_known:
                self._lacks |= dict.fromkeys(("bucketingKey",))
            elif not is_hashed and not is_bare:
                self._leave_open(pair, cell)
        return None

    def _refuted_behind_parents(
        self, pair: Pair, cell: Cell, required: int, excluded: tuple[int, ...]
    ) -> Verdict | None:
        """As `_refuted`, where the flags that this one depends on decide too: users are tried by their numbers."""
        others = [mask for mask in excluded if mask != self._gate]
        for chosen in islice(self._properties.answers(required & ~self._gate, others), _MOST_FORMS):
            for person in numbered_persons(chosen) if chosen is not None else ():
                if self._is_confirmed(person, cell, pair):
                    return refutation(pair, cell, person)
        self._open_for("The flags that this one depends on decide: name what users have with `given`.")
        return None

    def _is_confirmed(self, person: Person, cell: Cell, pair: Pair = ()) -> bool:
        """Whether the user is one of the claim's and gets these variants, evaluated as any user is.

        Of users whom other flags may hold back, whether they do is compared with the cases too.
        """
        if not all(matches_condition(condition, person.user) for condition in self._conditions):
            return False
        found = [evaluator.evaluate(person.user, self._given) for evaluator in self._evaluators]
        blocked = [result.reason is Reason.DEPENDENCY for result in found]
        as_wanted = not pair or blocked == [case.path == GATE_PATH for case in pair]
        return as_wanted and tuple(result.variant for result in found) == cell

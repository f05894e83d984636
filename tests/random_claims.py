"""Random claims about random flags, and whether the official engine says that users break them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from builders import a_position
from official_engine import official_condition
from random_flags import CONDITIONS

from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.model.flag import Condition, LiveFlag

if TYPE_CHECKING:
    from random import Random

    from reconciler.model.flag import FlagSpec

ASKED = (
    *CONDITIONS,
    Condition(prop="country", op="is not", values=("CA", "DE")),
    Condition(prop="gp:plan", op="does not contain", values=("e",)),
    Condition(prop="gp:plan", op="is not", values=("(none)",)),
    Condition(prop="gp:seats", op="less", values=("5",)),
    Condition(prop="gp:seats", op="contains", values=("1",)),
    Condition(prop="gp:plan", op="glob match", values=("p*", "*e*")),
    Condition(prop="version", op="greater or equal", values=("1.9.1",)),
    Condition(prop="user_id", op="contains", values=("user-1",)),
    Condition(prop="user_id", op="is not", values=("(none)",)),
    Condition(prop="gp:page", op="glob does not match", values=("/shop/**",)),
    Condition(prop="userdata_cohort", op="is", values=("c1",), type="cohort"),
)


def a_random_claim(random: Random, flag: FlagSpec, *, compares: bool) -> Assertion:
    """What some users always or never get, or which share of them; of transitions where two states are compared."""
    variants = [*(variant.key for variant in flag.variants or ()), "off"]

    def outcome() -> Outcome:
        if not compares:
            return Outcome(random.choice(variants))
        return Outcome(random.choice([*variants, "*"]), random.choice([*variants, "*"]))

    drawn: dict[str, Any] = {}
    match random.choice(("always", "never", "share")):
        case "share":
            bound = Bound(random.choice(("<=", ">=")), Fraction(random.choice((0, 10, 50, 100)), 100))
            drawn["shares"] = (Share(Outcome(random.choice(variants)), (bound,), f"{bound.op} {bound.limit}"),)
        case kind:
            drawn[kind] = tuple(outcome() for _ in range(random.randint(1, 3)))
    conditions = tuple(random.sample(ASKED, random.choice((0, 0, 1, 1, 2))))
    return Assertion(name="claim", flag=flag.key, source=a_position(), conditions=conditions, **drawn)


def alone(flag: FlagSpec) -> FlagWithParents:
    """The flag, which depends on no other."""
    return FlagWithParents(flag=LiveFlag(id="1", project_id="1", spec=flag))


def is_meant(claim: Assertion, user: dict[str, Any]) -> bool:
    """Whether the claim is about this user, as the official engine reads its conditions."""
    return all(official_condition(condition, user) for condition in claim.conditions)


def is_broken(claim: Assertion, before: str | None, after: str) -> bool:
    """Whether a user with these variants breaks a claim of always or never, by the words of the guide."""
    if any(_happens(outcome, before, after) for outcome in claim.never):
        return True
    plain = [outcome for outcome in claim.always if outcome.before is None]
    moves = [outcome for outcome in claim.always if outcome.before in {"*", before} and outcome.before is not None]
    return any(kind and not any(_happens(item, before, after) for item in kind) for kind in (plain, moves))


def _happens(outcome: Outcome, before: str | None, after: str) -> bool:
    if outcome.before is None:
        return outcome.after == after
    if "*" in {outcome.before, outcome.after} and before == after:
        return False
    return outcome.before in {"*", before} and outcome.after in {"*", after}

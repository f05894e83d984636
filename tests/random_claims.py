"""Random claims about random flags, and whether the official engine says that users break them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from builders import a_position
from msgspec.structs import replace
from official_engine import official_condition
from random_flags import CONDITIONS, a_percentage, random_weights

from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.model.flag import Condition, LiveFlag, TargetSegment

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


VALUES: dict[str, tuple[str, ...]] = {
    "country": ("US", "CA", "DE", "us"),
    "gp:plan": ("pro", "free", "team", "pr*", "(none)"),
    "version": ("1.9.0", "1.10.2", "2.0.0-beta", "7"),
    "gp:seats": ("5", "10", "12", "1.5", "many"),
    "gp:flag": ("true", "false", "True"),
    "gp:page": ("/shop/*", "/shop/cart", "**/cart", "/"),
    "gp:tags": ("beta", "staff", "x", "true"),
    "user_id": ("user-1", "user-2", "user-", "7"),
    "platform": ("iOS", "Web"),
}
SETS = ("set is", "set is not", "set contains", "set does not contain")
OPS = ("is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal")


def a_random_condition(random: Random) -> Condition:
    """One of the 14 operations with constants that many conditions share. Sets are asked of tags alone."""
    prop = random.choice(list(VALUES))
    globs = ("glob match", "glob does not match") if prop == "gp:page" or random.random() < 0.1 else ()
    op = random.choice(SETS if prop == "gp:tags" else (*OPS, *globs))
    values = dict.fromkeys(random.choice(VALUES[prop]) for _ in range(random.randint(1, 3)))
    return Condition(prop=prop, op=op, values=tuple(values))


def with_random_conditions(random: Random, flag: FlagSpec) -> FlagSpec:
    """The flag with up to three segments more, all of random conditions."""
    keys = [variant.key for variant in flag.variants or ()]
    more = [
        TargetSegment(
            name=f"more {index}",
            conditions=(),
            percentage=a_percentage(random),
            rollout_weights=random_weights(random, keys),
        )
        for index in range(random.choice((0, 0, 1, 2, 3)))
    ]
    segments = tuple(
        replace(item, conditions=tuple(a_random_condition(random) for _ in range(random.choice((0, 1, 1, 2, 3)))))
        for item in (*(flag.target_segments or ()), *more)
    )
    return replace(flag, target_segments=segments)


def a_user_of_values(random: Random, number: int) -> dict[str, Any]:
    """A user with values that random conditions name, or nearly so; any may be missing."""
    user: dict[str, Any] = {"device_id": f"device-{number}", "amplitude_id": str(10**11 + number)}
    properties: dict[str, Any] = {}
    for prop, values in VALUES.items():
        value: Any = random.choice(values) + random.choice(("", "", "", "x", "0", "/", ".1"))
        if prop == "gp:tags":
            value = random.choice((value, [value], [random.choice(values), random.choice(values)], [value, "zz"]))
        if random.random() < 0.75:
            (properties if prop.startswith("gp:") else user)[prop.removeprefix("gp:")] = value
    if random.random() < 0.6:
        user["user_id"] = f"user-{number}"
    return user | {
        "user_properties": properties,
        "cohort_ids": random.choice(([], ["c1"])),
        "groups": random.choice(({}, {"org id": [f"org {number}"]})),
    }


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
    conditions = [
        random.choice(ASKED) if random.random() < 0.5 else a_random_condition(random)
        for _ in range(random.choice((0, 0, 1, 1, 2)))
    ]
    return Assertion(name="claim", flag=flag.key, source=a_position(), conditions=tuple(conditions), **drawn)


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

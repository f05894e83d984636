"""Random flags, changes of them and users: small alphabets, so that things meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from random import Random

COUNTRIES = ("US", "CA", "DE", "FR")
PLANS = ("free", "pro", "team")
VERSIONS = ("1.9.0", "1.10.2", "2.0.0-beta", "7")
CONDITIONS = (
    Condition(prop="country", op="is", values=("US", "CA")),
    Condition(prop="country", op="is not", values=("US",)),
    Condition(prop="gp:plan", op="contains", values=("o",)),
    Condition(prop="gp:plan", op="is", values=("(none)", "pro")),
    Condition(prop="gp:seats", op="greater or equal", values=("10",)),
    Condition(prop="version", op="less", values=("1.10.0",)),
    Condition(prop="gp:tags", op="set contains", values=("beta", "staff")),
    Condition(prop="gp:tags", op="set is not", values=("beta",)),
    Condition(prop="gp:page", op="glob match", values=("/shop/*",)),
)
SALTS = ("mHdQDzeE", "28fWNw1M")
KEYS = ("user_id", "device_id", "amplitude_id", "gp:plan")


def a_random_flag(random: Random, *, variants: int | None = None, users: int = 400) -> FlagSpec:
    """A flag that is mostly on, with up to 3 segments and a few listed users."""
    keys = [f"v{index}" for index in range(variants or random.randint(1, 4))]
    return FlagSpec(
        key="flag",
        enabled=random.random() < 0.95,
        archived=False,
        evaluation_mode="local",
        bucketing_key=random.choice(KEYS[:2]),
        bucketing_salt=random.choice(SALTS),
        bucketing_unit="User" if random.random() < 0.9 else "org id",
        rollout_percentage=a_percentage(random),
        rollout_weights=random_weights(random, keys),
        variants=tuple(
            Variant(
                key=key,
                users=tuple(f"user-{random.randrange(users)}" for _ in range(random.randint(0, 3))),
                cohorts=("c1",) if random.random() < 0.1 else (),
            )
            for key in keys
        ),
        target_segments=random_segments(random, keys),
        deployments=(),
        tags=(),
    )


def a_random_change(random: Random, flag: FlagSpec) -> FlagSpec:
    """The flag with one to three of its fields drawn again."""
    keys = [variant.key for variant in flag.variants or ()]
    drawn: dict[str, Any] = {
        "rollout_percentage": a_percentage(random),
        "rollout_weights": random_weights(random, keys),
        "target_segments": random_segments(random, keys),
        "bucketing_salt": random.choice(SALTS),
        "bucketing_key": random.choice(KEYS),
        "variants": tuple(random.sample(flag.variants or (), len(keys))),
        "enabled": True,
    }
    chosen = random.sample(sorted(drawn), random.randint(1, 3))
    return replace(flag, **{name: drawn[name] for name in chosen})


def random_weights(random: Random, keys: list[str]) -> Weights:
    """Weights, some 0 or missing, now and then all of them."""
    choices = (0, 1, 1, 2, 3, 10, 25, 33, 50, 90, 100, 7919)
    named = [(key, random.choice(choices)) for key in keys if random.random() < 0.95]
    return Weights(tuple(random.sample(named, len(named))))


def random_segments(random: Random, keys: list[str]) -> tuple[TargetSegment, ...]:
    """Up to three segments of up to two conditions, seldom none."""
    return tuple(
        TargetSegment(
            name=f"segment {index}",
            conditions=tuple(random.sample(CONDITIONS, random.choice((1, 1, 1, 2, 2, 0)))),
            percentage=a_percentage(random),
            rollout_weights=random_weights(random, keys),
            bucketing_key=UNSET if random.random() < 0.8 else random.choice(KEYS),
        )
        for index in range(random.choice((0, 1, 1, 2, 3)))
    )


def a_percentage(random: Random) -> int:
    """A percentage; the ends more often than their share."""
    return random.choice((0, 100, 100, random.randint(1, 99), random.randint(1, 99)))


def a_random_user(random: Random, number: int) -> dict[str, Any]:
    """A user with an id of this number; any property may be missing."""
    properties = {
        "plan": random.choice((*PLANS, "", None)),
        "seats": random.choice((0, 5, 10, "12", "many")),
        "tags": random.choice(([], ["beta"], ["beta", "staff"], '["staff", "beta"]')),
        "page": random.choice(("/shop/cart", "/shop/cart/2", "/", None)),
    }
    user = {
        "user_id": f"user-{number}" if random.random() < 0.97 else None,
        "device_id": f"device-{number}",
        "amplitude_id": 10**11 + number,
        "country": random.choice((*COUNTRIES, None)),
        "version": random.choice((*VERSIONS, None)),
        "cohort_ids": random.choice(([], [], ["c1"], ["c2"])),
        "user_properties": {name: value for name, value in properties.items() if value is not None},
        "groups": random.choice(({}, {"org id": [f"org {number % 50}"]})),
    }
    return {name: value for name, value in user.items() if value is not None}


def without_order(spec: FlagSpec) -> FlagSpec:
    """The flag without what the order of calls may leave different: names in weights, and users in lists."""
    assert isinstance(spec.rollout_weights, Weights)
    variants = tuple(replace(item, users=tuple(sorted(item.users or ()))) for item in spec.variants or ())
    weights = Weights(tuple(sorted(spec.rollout_weights.pairs)))
    return replace(spec, rollout_weights=weights, variants=variants)

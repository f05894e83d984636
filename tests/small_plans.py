"""The small set of plans that every renderer is shown, hostile strings among them."""

from __future__ import annotations

from fractions import Fraction

from builders import a_flag_plan, a_plan, a_position, a_transition, an_empty_plan, an_exposure

from reconciler.planning.operations import (
    AddDeployments,
    AddMembers,
    ClearUsers,
    CreateFlag,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveMembers,
    RemoveUserAt,
)
from reconciler.planning.plan import Action, FlagPlan, LeafChange, MembersChange, Plan, Refusal, ValueChange

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b",
    "`tick` ``two``",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnirts\u2066",
    "zero\u200bwidth\ufeff",
    "::error file=x::forged",
    "##[error]forged",
    "line\nbreak\r\n::add-mask::e",
    "@everyone #1 GH-2 !3",
    "[link](https://example.com) ![image](https://example.com/i.png) https://example.com www.example.com",
    "<!-- reconciler --> </details> <img src=x onerror=alert(1)>",
    "**bold** _em_ ~~no~~ | --- |",
    "```\nfence\n```",
    "&amp; &#60;b&#62; \" '",
    "{{ 7*7 }} {% raw %}",
    "\ud800 lone",
    "javascript:alert(1)",
)
PERSON = "ada@example.com"


def an_everyday_plan() -> Plan:
    """One of each action, a payload, segments, inclusions, a warning."""
    return a_plan(a_flag_plan(), _a_creation(), _an_archiving(), _a_return(), _a_big_change())


def a_refused_plan() -> Plan:
    """Two guards refuse; nothing overrides the second."""
    return a_plan(
        refusals=(
            Refusal(guard="updates", message="12 updates of 20 declared live flags.", override="--allow updates"),
            Refusal(guard="duplicates", message='Several live flags carry the key "a".', override=""),
        ),
        environment="production",
        warnings=("The server does not show tags.",),
    )


def a_hostile_plan() -> Plan:
    """Every hostile string at every place that others can write to."""
    text = " ".join(HOSTILE)
    flags = [
        a_flag_plan(
            f"flag-{number}",
            changes=(
                ValueChange(path="/name", before=hostile, after=f"{hostile} new"),
                ValueChange(path="/variants/a/payload", before={hostile: hostile}, after={}),
                ValueChange(path="/targetSegments", before=None, after=[_a_segment(hostile)]),
                MembersChange(path="/variants/a/inclusions/cohorts", added=(hostile,), removed=()),
            ),
            operations=(EditFlag(flag_key=f"flag-{number}", body={"name": hostile, hostile: [hostile]}),),
            source=a_position(file=f"flags/{hostile}.yaml"),
            warnings=(f"A warning about {hostile}", hostile),
            exposure=an_exposure(
                a_transition(before_segment=hostile, after_segment=hostile), notes=(f"note {hostile}", hostile)
            ),
        )
        for number, hostile in enumerate(HOSTILE)
    ]
    refusal = Refusal(guard="exposure", message=text, override=text)
    return a_plan(*flags, refusals=(refusal,), warnings=HOSTILE, unmanaged=HOSTILE, environment=text)


SMALL_PLANS = {
    "everyday": an_everyday_plan,
    "refused": a_refused_plan,
    "empty": an_empty_plan,
    "hostile": a_hostile_plan,
}


def _a_segment(name: str) -> dict[str, object]:
    condition = {"type": "property", "prop": name, "op": "is", "values": [name]}
    return {"name": name, "conditions": [condition], "percentage": 100, "rolloutWeights": {name: 1}}


def _a_creation() -> FlagPlan:
    variants = [{"key": "on", "name": "On"}, {"key": "beta", "inclusions": {"users": [PERSON], "cohorts": ["c1"]}}]
    segment = {
        "name": "Staff",
        "conditions": [{"type": "property", "prop": "user_id", "op": "is", "values": [PERSON]}],
        "percentage": 100,
        "rolloutWeights": {"on": 1},
    }
    return a_flag_plan(
        "brand-new",
        flag_id=None,
        fingerprint=None,
        action=Action.CREATE,
        changes=(
            ValueChange(path="/enabled", before=None, after=True),
            ValueChange(path="/variants", before=None, after=variants),
            ValueChange(path="/targetSegments", before=None, after=[segment]),
        ),
        operations=(
            CreateFlag(
                flag_key="brand-new",
                body={"key": "brand-new", "variants": [{"key": "on"}, {"key": "beta"}], "targetSegments": [segment]},
            ),
            AddMembers(flag_key="brand-new", variant_key="beta", members=(PERSON,)),
            EditFlag(flag_key="brand-new", body={"enabled": True}),
        ),
        exposure=None,
    )


def _an_archiving() -> FlagPlan:
    return a_flag_plan(
        "old-banner",
        flag_id="9",
        action=Action.ARCHIVE,
        changes=(ValueChange(path="/archived", before=False, after=True),),
        operations=(EditFlag(flag_key="old-banner", body={"archive": True}),),
        source=None,
        exposure=None,
    )


def _a_return() -> FlagPlan:
    return a_flag_plan(
        "summer-sale",
        flag_id="10",
        action=Action.UNARCHIVE,
        changes=(ValueChange(path="/archived", before=True, after=False),),
        operations=(EditFlag(flag_key="summer-sale", body={"archive": False}),),
        exposure=None,
    )


def _a_big_change() -> FlagPlan:
    live = [
        {"name": "Beta", "conditions": [_is("country", ["US"])], "percentage": 50, "rolloutWeights": {"a": 1}},
        {"name": "Gone", "conditions": [_is("user_id", [PERSON])], "percentage": 100, "rolloutWeights": {"a": 1}},
        {"name": "Ids", "conditions": [_is("user_id", [PERSON])], "percentage": 100, "rolloutWeights": {"a": 1}},
    ]
    git = [
        {"name": "New", "conditions": [], "percentage": 5, "rolloutWeights": {"b": 1}, "bucketingKey": "user_id"},
        {"name": "Beta", "conditions": [_is("country", ["US", "CA"])], "percentage": 60, "rolloutWeights": {"a": 1}},
        {
            "name": "Ids",
            "conditions": [_is("user_id", ["b@example.com"])],
            "percentage": 100,
            "rolloutWeights": {"a": 1},
        },
    ]
    long = "A description that is longer than a line of a terminal, because people do write such descriptions."
    expected = a_transition(
        before_segment="Beta",
        after_segment="New",
        before=(("a", Fraction(1, 2)), ("off", Fraction(1, 2))),
        after=(("b", Fraction(1, 200)), ("off", Fraction(199, 200))),
        matrix=(("a", "b", Fraction(1, 400)), ("a", "off", Fraction(199, 400)), ("off", "off", Fraction(1, 2))),
        switched=Fraction(1, 2),
        unavoidable=Fraction(99, 200),
        is_exact=False,
    )
    return a_flag_plan(
        "ranking",
        flag_id="77",
        changes=(
            ValueChange(path="/description", before="", after=long),
            ValueChange(path="/rolloutWeights", before={"a": 1, "b": 1}, after={"a": 90, "b": 10}),
            ValueChange(
                path="/variants/a/payload",
                before={"model": {"name": "v1", "size": 1}, "old": [1]},
                after={"model": {"name": "v2", "size": 1}, "new": None},
                details=(
                    LeafChange(path="/model/name", before="v1", after="v2"),
                    LeafChange(path="/old", before=[1], after=None),
                ),
            ),
            ValueChange(path="/variants/c", before={"key": "c", "payload": {"inclusions": {"users": 1}}}, after=None),
            MembersChange(
                path="/variants/b/inclusions/users", added=(PERSON,), removed=("x@example.com", "y@example.com")
            ),
            MembersChange(path="/variants/b/inclusions/cohorts", added=(), removed=("cohort-1",)),
            ValueChange(path="/targetSegments", before=live, after=git),
        ),
        operations=(
            EditVariant(
                flag_key="ranking", variant_key="a", body={"rolloutWeight": 90, "payload": {"model": {"name": "v2"}}}
            ),
            EditFlag(flag_key="ranking", body={"description": long, "targetSegments": git}),
            AddMembers(flag_key="ranking", variant_key="b", members=(PERSON,)),
            RemoveMembers(flag_key="ranking", variant_key="b", members=("x@example.com", "y@example.com")),
            RemoveUserAt(flag_key="ranking", variant_key="b", user=PERSON, index=3),
            ClearUsers(flag_key="ranking", variant_key="a"),
            RemoveMembers(flag_key="ranking", variant_key="b", member_kind="cohorts", members=("cohort-1",)),
            AddDeployments(flag_key="ranking", deployments=("12345",)),
            DeleteVariant(flag_key="ranking", variant_key="c"),
        ),
        transient=Fraction(89, 1000),
        exposure=an_exposure(
            a_transition(), expected, notes=("Shares are of users who pass the flag's prerequisites.",)
        ),
        warnings=("The order of variants decides bucketing and cannot be changed by the API.",),
    )


def _is(prop: str, values: list[str]) -> dict[str, object]:
    return {"type": "property", "prop": prop, "op": "is", "values": values}

"""Pages as people meet them: realistic plans, reports and drift, a very large plan, and hostile ones."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from builders import a_flag_plan, a_plan, a_position, a_report, a_transition, an_exposure
from small_plans import HOSTILE, SMALL_PLANS, an_everyday_plan

from reconciler.apply import Status
from reconciler.drift import AttributedChange, Attribution, Basis, DriftReport, FlagDrift, Notification
from reconciler.planning.operations import EditFlag, EditVariant
from reconciler.planning.plan import Action, MembersChange, Plan, Refusal, ValueChange
from reconciler.reports.registry import APPLY, DRIFT, PLAN, render

if TYPE_CHECKING:
    from reconciler.evaluation.exposure import SegmentTransition
    from reconciler.planning.plan import FlagPlan


def a_rich_plan() -> Plan:
    """The everyday plan, a flag of many variants in two segments, and a guard that refuses."""
    weights = ValueChange(path="/rolloutWeights", before={"a": 1, "b": 1}, after={"a": 2, "b": 1, "c": 1})
    many = a_flag_plan(
        "pricing-page",
        flag_id="55",
        changes=(
            ValueChange(path="/name", before="Pricing page", after="Pricing page, four layouts"),
            weights,
            ValueChange(path="/variants/c/payload", before={"columns": 2}, after={"columns": 3, "currency": "EUR"}),
        ),
        operations=(
            EditVariant(
                flag_key="pricing-page", variant_key="c", body={"payload": {"columns": 3, "currency": "EUR"}}
            ),
            EditFlag(flag_key="pricing-page", body={"name": "Pricing page, four layouts"}),
        ),
        transient=Fraction(3, 100),
        exposure=an_exposure(_shift("Beta testers", 8), _shift("All Other Users", 4)),
    )
    refusal = Refusal(
        guard="exposure",
        message="62.5% of the users of a segment would get another variant; the limit is 50%.",
        override="--allow exposure",
    )
    warning = "The server does not show tags: they are not compared."
    return a_plan(
        *an_everyday_plan().flags,
        many,
        refusals=(refusal,),
        warnings=(warning,),
        environment="production",
        unmanaged=("ops-banner", "ops-throttle", "zz-old"),
    )


def a_large_plan(count: int = 1000) -> Plan:
    """Many flags; every fiftieth is archived, the rest are updated."""
    return a_plan(*(_numbered(number) for number in range(count)))


def a_drift() -> DriftReport:
    """Two flags that differ, one of them frozen, one that is missing, one that is there twice."""
    ada = Attribution(by="ada@example.com", at="2030-01-02T09:12:44Z", version=12, basis=Basis.VERSION)
    bob = Attribution(by="bob@example.com", at="2030-01-01T18:03:10Z", version=7, basis=Basis.LAST_EDIT)
    weights = ValueChange(
        path="/rolloutWeights", before={"control": 1, "treatment": 3}, after={"control": 1, "treatment": 1}
    )
    users = MembersChange(path="/variants/treatment/inclusions/users", added=("x@example.com",), removed=("y",))
    checkout = FlagDrift(
        key="new-checkout",
        flag_id="1",
        source=a_position(),
        changes=(
            AttributedChange(change=ValueChange(path="/enabled", before=False, after=True), attribution=ada),
            AttributedChange(change=weights, attribution=ada),
            AttributedChange(change=users, attribution=bob),
        ),
    )
    ranking = FlagDrift(
        key="search-ranking",
        flag_id="2",
        source=a_position(file="flags/search-ranking.yaml", line=14),
        changes=(AttributedChange(change=ValueChange(path="/description", before="Old", after="New")),),
    )
    return DriftReport(
        project_id="7",
        region="us",
        environment="production",
        flags=(checkout, ranking),
        missing=("summer-banner",),
        duplicates={"dark-mode": ("11", "12")},
        unmanaged=("ops-banner", "zz-old"),
        notice=Notification.NEW,
        requests=14,
        warnings=("The server does not show tags: they are not compared.",),
    )


def a_hostile_drift() -> DriftReport:
    """Every hostile string at every place of a drift report that others can write to."""
    text = " ".join(HOSTILE)
    flags = tuple(
        FlagDrift(
            key=f"{number} {hostile}",
            flag_id=hostile,
            source=a_position(file=hostile),
            changes=(
                AttributedChange(
                    change=ValueChange(path=f"/{hostile}", before=hostile, after=[hostile]),
                    attribution=Attribution(by=hostile, at=hostile, version=1, basis=Basis.VERSION),
                ),
            ),
        )
        for number, hostile in enumerate(HOSTILE)
    )
    return DriftReport(
        project_id=text,
        region="us",
        environment=text,
        flags=flags,
        missing=HOSTILE,
        duplicates={text: HOSTILE},
        unmanaged=HOSTILE,
        warnings=HOSTILE,
    )


def plan_page_of(plan: Plan) -> str:
    """The page of a plan."""
    return render(PLAN, "html", plan)


def all_pages() -> dict[str, str]:
    """Every page but the very large one, by name."""
    hostile_report = a_report(*(Status.FAILED for _ in HOSTILE), error=" ".join(HOSTILE))
    return {
        "plan": plan_page_of(a_rich_plan()),
        "plan-empty": plan_page_of(SMALL_PLANS["empty"]()),
        "plan-hostile": plan_page_of(SMALL_PLANS["hostile"]()),
        "drift": render(DRIFT, "html", a_drift()),
        "drift-none": render(DRIFT, "html", DriftReport(project_id="7", region="us", environment=None)),
        "drift-hostile": render(DRIFT, "html", a_hostile_drift()),
        "apply": render(APPLY, "html", a_report()),
        "apply-hostile": render(APPLY, "html", hostile_report),
    }


def _shift(segment: str, parts: int) -> SegmentTransition:
    """Half of them off; of the others some go from `a` to `c` and to `d`."""
    step = Fraction(1, 2 * parts)
    matrix = (
        ("off", "off", Fraction(1, 2) - step),
        ("off", "a", step),
        ("a", "a", Fraction(1, 4) - step),
        ("a", "c", step),
        ("b", "b", Fraction(1, 4) - step),
        ("b", "d", step),
    )
    return a_transition(
        before_segment=segment,
        after_segment=segment,
        before=_sums(matrix, 0),
        after=_sums(matrix, 1),
        matrix=tuple(cell for cell in matrix if cell[2]),
        switched=3 * step,
        unavoidable=2 * step,
    )


def _sums(matrix: tuple[tuple[str, str, Fraction], ...], side: int) -> tuple[tuple[str, Fraction], ...]:
    sums: dict[str, Fraction] = {}
    for cell in matrix:
        sums[str(cell[side])] = sums.get(str(cell[side]), Fraction(0)) + cell[2]
    return tuple(sums.items())


def _numbered(number: int) -> FlagPlan:
    key = f"flag-{number:04}"
    if number % 50:
        return a_flag_plan(key, flag_id=str(number))
    return a_flag_plan(
        key,
        flag_id=str(number),
        action=Action.ARCHIVE,
        changes=(ValueChange(path="/archived", before=False, after=True),),
        operations=(EditFlag(flag_key=key, body={"archive": True}),),
        exposure=None,
    )

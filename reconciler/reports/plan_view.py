"""A plan as a document: what is said, in which words and order, and what is only counted, decided once.

The terminal, Markdown and HTML renderers draw these values and add nothing. Every string here is one visible line:
controls, bidi and zero-width characters are already shown as escapes. Escaping for a format is the format's.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from reconciler.api.credentials import REGIONS
from reconciler.planning.operations import RemoveUserAt
from reconciler.planning.plan import Action
from reconciler.planning.warnings import warnings_beside
from reconciler.reports.danger import Effect, by_danger, widest_moves
from reconciler.reports.effects import EffectRow, effect_rows
from reconciler.reports.exposure_view import ExposureBlock, exposure_block
from reconciler.reports.fields import Counted, FieldLine, field_lines, flow_text, redacted
from reconciler.reports.fitting import first_named
from reconciler.reports.rollouts import schedule_text
from reconciler.reports.sanitize import visible
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.diagnostics import SourcePosition
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FlagPlan, Plan, PlanOptions, PlanSummary, Refusal
    from reconciler.strict_json import Json

SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "~", Action.ARCHIVE: "-", Action.UNARCHIVE: "^"}
"""What stands before a flag, so that nothing is said by colour alone."""

HELD_SYMBOL = "!"
"""What stands before a flag that a guard holds, with any plan."""

NO_CHANGES = "No changes."
REFUSED = "Refused as unsafe."
HELD = "Held by safety checks; nothing of these flags is sent:"
MOST_OPEN = 3
"""Up to so many flags, details are shown without being asked for."""

_COMMIT_SHOWN = 12


class CallLine(Struct, frozen=True, kw_only=True):
    """One call: its place within the flag from 1, what it is, and exactly what is sent. `note` explains it."""

    order: int
    kind: str
    method: str
    path: str
    body: str | None
    note: str | None = None


class FlagSection(Struct, frozen=True, kw_only=True):
    """Everything about one flag. `place` is `file:line`, empty for a flag that no file declares.

    `effect` says in short what the plan does to it, `size` how many fields and calls that are. `word` is the action,
    and whether the flag is held. `link` is the flag's address in Amplitude, "" where that is not known.
    """

    symbol: str
    action: str
    key: str
    place: str
    fields: tuple[FieldLine, ...]
    calls: tuple[CallLine, ...]
    exposure: ExposureBlock | None
    warnings: tuple[str, ...]
    effect: Effect
    size: str
    word: str
    link: str

    @property
    def kind(self) -> str:
        """`held`, or the action: what the flag's colour says."""
        return "held" if self.symbol == HELD_SYMBOL else self.action


class RefusalLine(Struct, frozen=True, kw_only=True):
    """A guard that refuses, or holds the flag `key`; what it saw, what overrides it ("": nothing), what is safer.

    `request` is what the forge calls that which a label overrides it for.
    """

    guard: str
    message: str
    override: str
    safer: str = ""
    key: str
    request: str = "pull request"

    @property
    def advice(self) -> str:
        """What can be done about it: first what is safer, then what overrides it."""
        return f"Safer: {self.safer}. {self.override_advice}" if self.safer else self.override_advice

    @property
    def override_advice(self) -> str:
        """What overrides it, or that nothing does."""
        return f"To continue anyway: {self.override}" if self.override else "No --allow overrides this."


class PlanView(Struct, frozen=True, kw_only=True):
    """A whole plan, the flag with the gravest effect first. `last_line` is the fixed line of the contract.

    `effects` is the table that every format begins with: a row for each flag, and for each that is released.
    `headline` is the last line for people, `widest` names what moves most users. `facts` are short sentences about
    the rest, `costs` what else would cost requests, `schedules` the steps of rollouts, `notes` what holds for the
    exposure of several flags. `held` has a line for each flag and guard that holds it, `count_held` is the number of
    these flags. `marker` tells the plans of several environments apart. `made` says when and from which commit, as
    far as that is known, and with which options that let the plan do more. `hidden_refusals` and `hidden_held` count
    those that are left out.
    """

    title: str
    flags: tuple[FlagSection, ...]
    refusals: tuple[RefusalLine, ...]
    held: tuple[RefusalLine, ...]
    warnings: tuple[str, ...]
    facts: tuple[str, ...]
    schedules: tuple[str, ...]
    notes: tuple[str, ...]
    last_line: str
    headline: str
    effects: tuple[EffectRow, ...]
    costs: tuple[str, ...]
    widest: tuple[str, ...]
    marker: str
    made: str
    count_held: int
    hidden_refusals: int = 0
    hidden_held: int = 0


def plan_view(plan: Plan, *, show_users: bool = False, request: str = "pull request") -> PlanView:
    """The document of a plan. Without `show_users` user ids are counted, not shown; `request` as in RefusalLine."""
    shared, ordered = _shared_notes(plan), by_danger(plan.flags)
    last = last_line(plan.summary) if plan.flags or plan.refusals else NO_CHANGES
    return PlanView(
        title=project_title(plan.project_id, plan.region, plan.environment),
        flags=tuple(
            _flag_section(plan, flag, effect, frozenset(shared), show_users=show_users) for flag, effect in ordered
        ),
        refusals=tuple(_refusal_line(refusal, request) for refusal in plan.refusals),
        held=tuple(_refusal_line(refusal, request, flag.key) for flag in plan.held for refusal in flag.held),
        warnings=tuple(visible(warning) for warning in plan.warnings),
        facts=tuple(_facts(plan)),
        schedules=tuple(visible(schedule_text(item)) for item in plan.rollouts),
        notes=tuple(visible(note) for note in shared),
        last_line=last,
        headline=last.replace("; 1 API calls;", "; 1 API call;"),
        effects=effect_rows(plan, ordered),
        costs=tuple(_costs(plan)),
        count_held=len(plan.held),
        widest=tuple(widest_moves(plan.to_apply)) if len(plan.flags) > 1 else (),
        marker=f"plan-{plan.environment}" if plan.environment else "plan",
        made=_made(plan),
    )


def last_line(summary: PlanSummary) -> str:
    """`Plan: 1 create, 2 update, 0 archive; 7 API calls; max exposure change 12.5%`.

    Its shape never changes, so that it can be searched for: no singular, no `<`; flags that come back from the
    archive count as updates here.
    """
    exposure = percent(summary.max_exposure_change).lstrip("<>")
    return (
        f"Plan: {summary.create} create, {summary.update + summary.unarchive} update, {summary.archive} archive; "
        f"{summary.operations} API calls; max exposure change {exposure}"
    )


def names_users(plan: Plan) -> bool:
    """Whether the plan holds what is only counted unless it is asked for: ids of users."""
    return any(
        field_lines(flag.changes, show_users=True) != field_lines(flag.changes, show_users=False)
        or _call_lines(flag, show_users=True) != _call_lines(flag, show_users=False)
        for flag in plan.flags
    )


def project_title(project_id: str, region: str, environment: str | None) -> str:
    """`project 7 (us), environment production`, safe to show."""
    return visible(f"project {project_id} ({region})" + (f", environment {environment}" if environment else ""))


def place_text(source: SourcePosition | None) -> str:
    """`file:line`, safe to show; empty for a flag that no file declares."""
    return visible(f"{source.file}:{source.line}") if source else ""


def _made(plan: Plan) -> str:
    when = f" {plan.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if plan.created_at else ""
    commit = f" from commit {visible(plan.commit)[:_COMMIT_SHOWN]}" if plan.commit else ""
    options = _widening(plan.options)
    how = f" with {', '.join(options)}" if options else ""
    return f"Made{when}{commit}{how}" if when or commit or how else ""


def _widening(options: PlanOptions) -> list[str]:
    """The options with which a plan may do more than without: they decide again when it is applied."""
    given = {"--prune": options.prune, "--unarchive": options.unarchive}
    allowed = first_named(sorted(options.allow, key=lambda guard: (":" in guard, guard)))
    return [*(name for name, is_given in given.items() if is_given), *([f"--allow {allowed}"] if allowed else [])]


def flag_link(plan: Plan, flag_id: str | None) -> str:
    """The address of a flag in Amplitude; "" for a flag that is new, or where another server was read."""
    if flag_id is None or plan.region not in REGIONS or plan.origin != REGIONS[plan.region].url:
        return ""
    return f"{plan.origin}/amplitude/{quote(plan.project_id, safe='')}/config/{quote(flag_id, safe='')}"


def _facts(plan: Plan) -> list[str]:
    facts = [f"{counted(plan.unchanged, 'flag')} unchanged"] if plan.unchanged else []
    released = {item.key for item in plan.released if not item.path}
    if others := [key for key in plan.unmanaged if key not in released]:
        facts.append(f"{counted(len(others), 'flag')} not managed here: {first_named(others)}")
    if plan.requests:
        facts.append(f"read with {counted(plan.requests, 'request')}")
    return facts


def _costs(plan: Plan) -> Iterator[str]:
    if plan.hourly_drift_requests is not None:
        yield f"drift every hour would send {counted(plan.hourly_drift_requests, 'request')} a day"


def _shared_notes(plan: Plan) -> tuple[str, ...]:
    """Notes on exposure that more than one flag carries, in the order of their first appearance."""
    counts = Counter(note for flag in plan.flags if flag.exposure for note in flag.exposure.notes)
    return tuple(note for note, count in counts.items() if count > 1)


def _refusal_line(refusal: Refusal, request: str, key: str = "") -> RefusalLine:
    return RefusalLine(
        guard=visible(refusal.guard),
        message=visible(refusal.message),
        override=visible(refusal.override),
        safer=visible("; or ".join(refusal.alternatives)),
        key=visible(key),
        request=request,
    )


def _flag_section(
    plan: Plan, flag: FlagPlan, effect: Effect, shared: frozenset[str], *, show_users: bool
) -> FlagSection:
    fields = field_lines(flag.changes, show_users=show_users, deployments=plan.deployments)
    calls = _call_lines(flag, show_users=show_users)
    return FlagSection(
        symbol=HELD_SYMBOL if flag.held else SYMBOLS[flag.action],
        action=flag.action.value,
        key=visible(flag.key),
        place=place_text(flag.source),
        fields=fields,
        calls=calls,
        exposure=_exposure(flag, shared),
        warnings=tuple(visible(warning) for warning in warnings_beside(flag)),
        effect=effect,
        size=f"{counted(len(fields), 'field')}, {counted(len(calls), 'call')}",
        word=_word(flag),
        link=flag_link(plan, flag.flag_id),
    )


def _exposure(flag: FlagPlan, shared: frozenset[str]) -> ExposureBlock | None:
    if flag.exposure is None or not flag.operations:
        return None
    return exposure_block(flag.exposure, flag.transient, shared, is_new=flag.action is Action.CREATE)


def _word(flag: FlagPlan) -> str:
    if not flag.held:
        return flag.action.value
    return f"{flag.action.value}, held" if flag.operations else "held"


def _call_lines(flag: FlagPlan, *, show_users: bool) -> tuple[CallLine, ...]:
    return tuple(
        call_line(order, operation, flag.flag_id, show_users=show_users)
        for order, operation in enumerate(flag.operations, start=1)
    )


def call_line(order: int, operation: Operation, flag_id: str | None, *, show_users: bool) -> CallLine:
    """One call with its request; users in it are counted unless they are asked for."""
    request = operation.request() if flag_id is None else operation.request(flag_id)
    note = None
    if isinstance(operation, RemoveUserAt):
        note = f"one copy of {flow_text(operation.user)}" if show_users else "one copy of a user who is listed twice"
    return CallLine(
        order=order,
        kind=operation.kind,
        method=request.method,
        path=visible(request.path),
        body=None if request.body is None else flow_text(_shown_body(operation, request.body, show_users=show_users)),
        note=note,
    )


def _shown_body(operation: Operation, body: dict[str, Json], *, show_users: bool) -> Json:
    if operation.names_users and not show_users:
        return {name: Counted(count=len(ids)) for name, ids in body.items()}
    return redacted(body, show_users=show_users)

"""What must hold after every call, and what must hold in the end; each check says which promise it is.

They look at the emulator's records and at what the wire carried, never at what the client concludes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.apply import ApplyReport, FlagOutcome, Status
from reconciler.evaluation.rules import flag_rules
from reconciler.model.flag import FlagSpec, Unset
from reconciler.model.wire import decode_flag
from reconciler.planning.operations import EditFlag
from reconciler.planning.order_search import Transients
from reconciler.planning.plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from faults.wire import Passage

    from reconciler.emulator import Behaviour, Emulator
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import Plan

Record = dict[str, Any]

CONFIGURATION = (
    "name", "description", "archived", "evaluationMode", "bucketingKey", "bucketingSalt", "bucketingUnit",
    "rolloutPercentage", "rolloutWeights", "deployments", "tags", "parentDependencies",
)  # fmt: skip
EXPOSURE = ("evaluationMode", "bucketingKey", "rolloutPercentage", "rolloutWeights", "targetSegments")


def records(emulator: Emulator) -> dict[str, Record]:
    """The flags of the server by id."""
    return dict(emulator.store.flags)  # type: ignore[arg-type]


def settled(record: Record, *, is_new: bool = False) -> Record:
    """A record as two runs that reach the same state have it: without times, lists as sets."""
    names = [*CONFIGURATION, "targetSegments", "enabled"]
    if is_new:
        names.remove("bucketingSalt")
    kept = {name: record[name] for name in names}
    variants = [variant | _inclusions(variant) for variant in record["variants"]]
    return kept | {"variants": variants, "tags": sorted(kept["tags"]), "deployments": sorted(kept["deployments"])}


def _inclusions(variant: Record) -> Record:
    return {"users": sorted(variant["users"]), "cohorts": sorted(variant["cohorts"])}


@dataclass
class Ward:
    """Watches over one project while runs go on. `expected` is how an undisturbed run ends it, by id.

    `own` are the keys that may be touched. `repeats`: the network itself does things twice, late, or says that it
    did them; then promises about the states in between cannot be kept, those about what is foreign are.
    """

    emulator: Emulator
    specs: Mapping[str, FlagSpec]
    expected: Mapping[str, Record]
    own: Iterable[str]
    repeats: bool = False
    weighs: bool = True
    """Whether the plan's figure for states in between counts; it cannot where the plan was made from a lie."""
    checks: int = 0
    before: dict[str, Record] = field(init=False)
    _state: dict[str, Record] = field(init=False)
    _transients: dict[str, tuple[Transients, Fraction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = self._state = records(self.emulator)
        self._expected = {record["key"]: record for record in self.expected.values()}

    def follow(self, plan: Plan) -> None:
        """Hold the states from now on to what this plan says of them."""
        self._transients = {
            flag.key: (Transients(flag.before, flag.after), flag.transient)
            for flag in plan.flags
            if flag.before is not None and flag.after is not None
        }

    def saw(self, passage: Passage) -> None:
        """Check what one delivered request did."""
        if not passage.is_write:
            return
        before, self._state = self._state, records(self.emulator)
        if not self.repeats:
            self._narrow_cases(passage, before)
        for flag_id, record in self._state.items():
            if before.get(flag_id) is not record:
                self.checks += 1
                self._check(flag_id, record)
        assert not before.keys() - self._state.keys()

    def _check(self, flag_id: str, record: Record) -> None:
        key, began = record["key"], self.before.get(flag_id)
        assert key in self.own, f"S1: {key} is not ours"
        if not self.repeats:
            self._complete_when_on(record, began)
        if began is None:
            return
        self._unchanged(began, self._expected[key], record)
        if self.repeats:
            return
        self._weights(began, self._expected[key], record)
        self._kept_users(began, record)
        if key not in self._transients or not (self.weighs and self.emulator.behaviour.rename_rewrites):
            return
        transients, limit = self._transients[key]
        share = transients.share_in(flag_rules(decode_flag(record).spec))
        assert share <= limit, f"S6: {key} shows {share} of users something else, the plan says {limit}"

    def _unchanged(self, began: Record, expected: Record, record: Record) -> None:
        for name in CONFIGURATION:
            if began[name] == expected[name]:
                assert record[name] == began[name], f"S1: {name} of {record['key']} is not ours"
        old, new = ({item["key"]: item for item in flag["variants"]} for flag in (began, expected))
        for variant in record["variants"]:
            key = variant["key"]
            if key in old and old.get(key) == new.get(key):
                for name in ("name", "description", "payload"):
                    assert variant[name] == old[key][name], f"S1: {name} of {key} is not ours"
                for name in () if self.repeats else ("users", "cohorts"):
                    assert sorted(variant[name]) == sorted(old[key][name]), f"S1: {name} of {key} are not ours"

    def _complete_when_on(self, record: Record, began: Record | None) -> None:
        if began is not None or not record["enabled"] or self.emulator.behaviour.new_flag == "on":
            return
        complete, found = settled(self._expected[record["key"]]), settled(record)
        for name in (*EXPOSURE, "variants"):
            assert found[name] == complete[name], f"S2: {record['key']} is on before its {name} are complete"

    def _weights(self, began: Record, expected: Record, record: Record) -> None:
        if not record["enabled"] or record["archived"]:
            return
        keys = {variant["key"] for variant in record["variants"]}
        known = {variant["key"] for variant in began["variants"]} | {item["key"] for item in expected["variants"]}
        assert known >= keys
        if not self.emulator.behaviour.rename_rewrites:
            return
        weights = record["rolloutWeights"]
        assert weights.keys() <= keys, f"S4: weights of {record['key']} name {weights.keys() - keys}"
        assert any(weights.values()), f"S4: all weights of {record['key']} are 0"
        for segment in record["targetSegments"]:
            assert segment["rolloutWeights"].keys() <= keys, f"S4: a segment of {record['key']} dangles"

    def _kept_users(self, began: Record, record: Record) -> None:
        old = {item["key"]: item for item in began["variants"]}
        now = {item["key"]: set(item["users"]) for item in record["variants"]}
        for variant in self.specs[record["key"]].variants or () if record["key"] in self.specs else ():
            source = variant.key if variant.key in old else variant.renamed_from
            if source is None or isinstance(variant.users, Unset) or source not in old:
                continue
            kept = set(variant.users) & set(old[source]["users"])
            there = now.get(variant.key) or now.get(source) or set()
            assert kept <= there, f"S5: {variant.key} lost {kept - there}"

    def _narrow_cases(self, passage: Passage, before: Mapping[str, Record]) -> None:
        method, path = passage.call
        parts = path.split("/")[3:]
        if method != "DELETE" or len(parts) < 5 or parts[4] != "users":
            return
        users = next(v["users"] for v in before[parts[1]]["variants"] if v["key"] == parts[3])
        if len(parts) == 6:
            index = int(parts[5])
            assert index < len(users), "S3: a place that is not there"
            assert users.count(users[index]) > 1, "S3: the only copy of a user"
            return
        spec = self.specs[before[parts[1]]["key"]]
        wanted = next(v.users for v in spec.variants or () if parts[3] in {v.key, v.renamed_from})
        assert not set(wanted or ()) & set(users), "S3: a list is cleared that holds wanted users"


def check_report(
    report: ApplyReport, sent: Sequence[Passage], behaviour: Behaviour, *, leaves_doubt: bool, lies: bool = False
) -> None:
    """L3: what the report says of each call is what became of it."""
    writes = [passage for passage in sent if passage.is_write]
    assert sum(item.attempts for flag in report.outcomes for item in flag.operations) == len(writes), report
    for flag in report.outcomes:
        for item in flag.operations:
            commits = sum(p.commits for p in writes if _is_of(p, item.operation, flag.flag_id or "{id}"))
            match item.status:
                case Status.APPLIED:
                    is_seen = not _leaves_no_trace(item.operation, flag, behaviour, lies=lies)
                    assert commits or not is_seen, f"L3: reported as applied, and is not: {item}"
                case Status.UNKNOWN:
                    assert leaves_doubt, f"L3: could have been known: {item}"
                case _:
                    assert not commits, f"L3: reported as {item.status}, and is in place: {item}"


def _leaves_no_trace(operation: Operation, flag: FlagOutcome, behaviour: Behaviour, *, lies: bool) -> bool:
    """Whether it cannot be seen if an edit was made: it was so already, is not shown, or is undone by a later one."""
    if not isinstance(operation, EditFlag):
        return False
    if behaviour.new_flag == "on" and flag.action is Action.CREATE:
        return True
    hidden = behaviour.tags == "absent" and operation.body.keys() == {"tags"}
    edits = [item.operation for item in flag.operations if isinstance(item.operation, EditFlag)]
    later = edits[edits.index(operation) + 1 :]
    undone = any(operation.body.keys() <= edit.body.keys() for edit in later)
    return lies and (hidden or undone)


def _is_of(passage: Passage, operation: Operation, flag_id: str) -> bool:
    """Whether a passage carried an operation, or what was left of it."""
    request = operation.request(flag_id)
    if passage.call != (request.method, request.path):
        return False
    body = passage.body
    if body is None or request.body is None:
        return body is request.body
    return all(_holds(request.body.get(name), value) for name, value in body.items())


def _holds(whole: Any, part: Any) -> bool:
    if isinstance(whole, list) and isinstance(part, list) and all(isinstance(item, str) for item in part):
        return set(part) <= set(whole)
    return bool(whole == part)


def check_end(
    emulator: Emulator,
    before: Mapping[str, Record],
    expected: Mapping[str, Record],
    own: Iterable[str],
    specs: Mapping[str, FlagSpec] | None = None,
) -> None:
    """L1: the state is that of the undisturbed run; nothing is there twice, nothing foreign has moved.

    What `specs` leave out of a new flag is read back by the run that made it; a later one takes it as it is.
    """
    found = records(emulator)
    keys = [record["key"] for record in found.values()]
    assert len(keys) == len(set(keys)), f"made twice: {keys}"
    wanted = {record["key"]: record for record in expected.values()}
    assert set(keys) == set(wanted)
    for flag_id, record in found.items():
        key = record["key"]
        if key not in own:
            assert record == before[flag_id], f"foreign flag {key} was moved"
            continue
        is_new = flag_id not in before
        left, right = settled(record, is_new=is_new), settled(wanted[key], is_new=is_new)
        if emulator.behaviour.tags == "absent" and is_new:
            # What was not set by the run that made the flag cannot be seen to be missing.
            right["tags"] = left["tags"]
        if is_new and specs is not None and key in specs:
            left_out = {"enabled": specs[key].enabled, "rolloutPercentage": specs[key].rollout_percentage}
            right |= {name: left[name] for name, value in left_out.items() if isinstance(value, Unset)}
        assert left == right

"""What must hold after every event of a quarter. It is told from what was live, and not asked of the product."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from head_counts import HeadCount, is_equal, rows_of
from team import PROJECTS, Place, Record, copied, difference, resolved, seen

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime

    from team import Team

    from reconciler.emulator import Emulator

TOLD = ("name", "description", "bucketingKey", "bucketingSalt", "bucketingUnit", "tags", "deployments")
"""Fields that this team declares nowhere."""


@dataclass(slots=True, kw_only=True)
class Permit:
    """What a run may write: the flags that were merged, or named, in one environment, as they are declared.

    `reviewed` is what reviewers were shown of each flag, None where no record is called for; `asked` are the flags
    that may be turned on again although they were turned off by hand.
    """

    environment: str
    documents: dict[str, Record]
    keys: set[str]
    reviewed: Record | None = None
    asked: frozenset[str] = frozenset()
    grounds: dict[Place, tuple[Record, Record]] = field(default_factory=dict)
    """From which live flag and which declaration each flag was reviewed."""

    before: dict[Place, Record] = field(default_factory=dict)
    """What was live as the run began."""

    written: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    """Flags that a colleague edited while the run went on."""

    def declared(self, key: str) -> Record:
        """What main says of a flag."""
        return resolved(self.documents[key], self.environment)


@dataclass(slots=True, kw_only=True)
class Proposal:
    """A pull request as it would be merged now: what main would say then, and of which switches since now.

    `shown` is what reviewers are to be shown of each flag, and `asked` are the flags that labels allow to turn on.
    """

    documents: dict[str, Record]
    since: dict[tuple[str, str, str], datetime]
    shown: dict[str, Record]
    asked: frozenset[str]


class Rules:
    """Keeps what was live last, and holds every change since then to the permit of the run that made it."""

    def __init__(self, emulator: Emulator, team: Team, counts: Counter[str]) -> None:
        self.emulator, self.team, self.counts = emulator, team, counts
        self.known = self.live()
        self.logged = len(emulator.log)
        self.permit: Permit | None = None
        self.cut_short: set[Place] = set()
        """Flags that were written partly, perhaps: with values between those before and those declared."""

    def live(self) -> dict[Place, Record]:
        """Every live flag, whole, by environment and key."""
        names = {number: name for name, number in PROJECTS.items()}
        return {
            (names[flag["projectId"]], flag["key"]): flag for flag in copied([*self.emulator.store.flags.values()])
        }

    def begin(self, permit: Permit) -> None:
        """A run begins that may write."""
        self.close_interval()
        permit.before = self.known
        self.permit = permit

    def end(self, *, is_undisturbed: bool) -> None:
        """The run has ended. Undisturbed, it has done all that was reviewed and is safe."""
        self.close_interval()
        assert self.permit is not None
        if is_undisturbed:
            self._check_done(self.permit)
        else:
            self.cut_short |= {(self.permit.environment, key) for key in self.permit.written}
        self.permit = None

    def by_hand(self, place: Place) -> None:
        """A colleague has just edited a flag."""
        after = self.live()
        self.counts["switches turned off by hand"] += self.team.note_switches(place, self.known[place], after[place])
        self.known = after
        if self.permit is not None:
            self.permit.edited.add(place[1])

    def close_interval(self) -> None:
        """Hold what was written since the last look to rules 1 to 3."""
        after, log = self.live(), self.emulator.log
        keys = {flag["id"]: place for place, flag in after.items()}
        wrote = {keys[entry.path.split("/")[4]] for entry in log[self.logged :] if entry.is_write}
        changed = {place for place in after if after[place] != self.known[place]}
        assert changed <= wrote, ("changed without a call", changed, wrote)
        for place in sorted(wrote):
            assert self.permit is not None, ("a write without a run that may write", place)
            self._check_write(self.permit, place, self.known[place], after[place])
            self.permit.written.add(place[1])
        self.known, self.logged = after, len(log)

    def _check_write(self, permit: Permit, place: Place, before: Record, after: Record) -> None:
        """Rule 1: declared by what was merged. Rule 2: reviewed, or asked for. Rule 3: what is off stays off."""
        environment, key = place
        assert environment == permit.environment, ("rule 1: another environment", place)
        assert key in permit.keys, ("rule 1: not declared by what was merged", place, permit.keys)
        declared = permit.declared(key)
        check_fields(before, after, declared)
        shown = difference(before, declared)
        if permit.reviewed is not None and key not in permit.written:
            told = permit.reviewed.get(key)
            assert told == shown, ("rule 2: not as reviewed", place, shown, told)
        kept_off = self.team.must_stay_off(place, before, declared)
        self.team.note_switches(place, before, after)
        if key not in permit.asked:
            turned_on = {name for name in kept_off if (*place, name) not in self.team.off}
            assert not turned_on, ("rule 3: turned on again", place, turned_on)
        self.counts["flags written"] += 1

    def _check_done(self, permit: Permit) -> None:
        """What was reviewed and is safe is applied: to hold everything would keep rules 1 to 3 too."""
        for key in sorted(permit.keys - permit.edited):
            place, declared = (permit.environment, key), permit.declared(key)
            before, after = permit.before[place], self.known[place]
            shown = difference(before, declared)
            if not shown or before["archived"]:
                continue
            kept_off = set() if key in permit.asked else self.team.must_stay_off(place, before, declared)
            if permit.reviewed is not None and permit.reviewed.get(key) != shown:
                assert after == before
                self.counts["changes held as not reviewed"] += 1
            elif permit.reviewed is not None and permit.grounds[place] != (seen(before), seen(declared)):
                assert after == before or not difference(after, declared), ("neither held nor applied", place)
                self.counts["changes reviewed from another state"] += 1
            elif kept_off and not declared["archived"]:
                assert after == before, ("a switch that has to stay off, written partly", place)
                self.counts["changes held as they would turn a switch on again"] += 1
            elif not kept_off:
                assert not difference(after, declared), ("held without a reason", place, shown)
                self.counts["changes applied whole"] += 1
                self.counts["archives"] += declared["archived"]
                was_off = {name for name, (old, new) in shown.items() if old in (False, 0) and new}
                self.counts["switches turned on by a later declaration"] += bool(
                    was_off & {"enabled", "rolloutPercentage"}
                )

    def check_comment(self, comment: str, environment: str, proposal: Proposal) -> None:
        """Rule 5: the table of a comment equals a count of users who are moved; what will be held is marked."""
        rows = rows_of(comment)
        shown = proposal.shown
        assert rows.keys() == shown.keys(), ("rule 5: flags of the table", sorted(rows), shown)
        for key, row in rows.items():
            place, declared = (environment, key), resolved(proposal.documents[key], environment)
            live = self.known[place]
            kept_off = self.team.must_stay_off(place, live, declared, proposal.since)
            kept_off -= kept_off if key in proposal.asked else set()
            if not declared["archived"]:
                assert ("kill-switch" in row.change) is bool(kept_off), ("rule 5: held or not", kept_off, row.change)
            self.counts["rows of held flags"] += bool(kept_off)
            if row.affected:
                self._count(HeadCount(live, declared), row, "payload of treatment" in shown[key])

    def _count(self, counted: HeadCount, row: Any, has_new_payload: bool) -> None:
        where = (row.change, row.affected)
        assert is_equal(row.moves, counted.moves, is_cut=row.is_cut), ("rule 5: who moves", where, counted.moves)
        if row.is_cut:
            self.counts["rows that are cut"] += 1
            return
        assert row.listed == counted.listed, ("rule 5: listed users", where, counted.listed)
        payload = (counted.kept, counted.listed_kept) if has_new_payload else (0, 0)
        assert row.payload[1] == payload[1], ("rule 5: payload", where, payload)
        assert abs(row.payload[0] - payload[0]) < 0.006, ("rule 5: payload", where, payload)
        self.counts["rows equal to a count of users"] += 1
        self.counts["users counted"] += counted.users
        self.counts["rows that move users"] += bool(counted.moves or counted.listed)


def check_fields(before: Record, after: Record, declared: Record) -> None:
    """Rule 1: each value is as it was or as it is declared, and what is declared nowhere is as it was."""
    old, new, wanted = seen(before), seen(after), seen(declared)
    for name in old.keys() | new.keys() | wanted.keys():
        given = new.get(name)
        if name.startswith("users of "):
            assert old[name] & wanted[name] <= given <= old[name] | wanted[name], (name, old, new, wanted)
        else:
            assert given in (old.get(name), wanted.get(name)), ("rule 1: not declared", name, old, new, wanted)
    for name in TOLD:
        assert before[name] == after[name], ("rule 1: a field that is not declared", name)

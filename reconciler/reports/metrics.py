"""What `watch` knows, as Prometheus reads it: a frozen value, and its text form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.rollouts.position import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from reconciler.drift import DriftReport
    from reconciler.rollouts.report import AdvanceReport
    from reconciler.rollouts.standing import Move, Standing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOVES = ("up", "rollback", "off")


class Watched(Struct, frozen=True, kw_only=True):
    """Rounds so far and what the last good one saw; times are None before there was one."""

    rounds: int = 0
    failures: int = 0
    last_round: datetime | None = None
    last_good: datetime | None = None
    requests: int = 0
    drifted: int = 0
    moves: Mapping[str, int] = {}
    standings: tuple[Standing, ...] = ()

    def after_failure(self, at: datetime) -> Watched:
        """The same, one failed round later."""
        return replace(self, rounds=self.rounds + 1, failures=self.failures + 1, last_round=at)

    def after_moves(self, advanced: AdvanceReport) -> Watched:
        """The same, with the writes of a round that is still under way."""
        made = {kind: self.moves.get(kind, 0) + advanced.summary[kind] for kind in _MOVES}
        return replace(self, moves=made, standings=advanced.standings)

    def after(self, at: datetime, drift: DriftReport, advanced: AdvanceReport, requests: int) -> Watched:
        """The same, one round later, with the requests of the day. Writes that failed make it a failed one."""
        good = advanced.failure is None
        return replace(
            self,
            rounds=self.rounds + 1,
            failures=self.failures + (not good),
            last_round=at,
            last_good=at if good else self.last_good,
            requests=requests,
            drifted=len(drift.drifted),
        )


def metrics_text(watched: Watched) -> str:
    """The text exposition format of Prometheus, version 0.0.4."""
    own = [_labels(flag=item.key, segment=item.placed.segment or "") for item in watched.standings]
    phases = [
        (_labels(flag=item.key, segment=item.placed.segment or "", phase=phase.value), int(_phase(item) is phase))
        for item in watched.standings
        for phase in Phase
    ]
    families: tuple[tuple[str, str, str, Iterable[tuple[str, float]]], ...] = (
        ("rounds_total", "counter", "Rounds of looking and advancing.", [("", watched.rounds)]),
        ("round_failures_total", "counter", "Rounds in which something failed.", [("", watched.failures)]),
        ("last_round_timestamp_seconds", "gauge", "When the last round began.", _moment(watched.last_round)),
        (
            "last_good_timestamp_seconds",
            "gauge",
            "When the last round without failure began.",
            _moment(watched.last_good),
        ),
        ("requests_today", "gauge", "Requests to the server since midnight UTC.", [("", watched.requests)]),
        (
            "drifted_flags",
            "gauge",
            "Flags that are not live as declared, but for known drift.",
            [("", watched.drifted)],
        ),
        (
            "rollout_moves_total",
            "counter",
            "Writes of rollouts, by kind.",
            [(_labels(kind=kind), watched.moves.get(kind, 0)) for kind in _MOVES],
        ),
        (
            "rollout_percentage",
            "gauge",
            "The live percentage of a rollout.",
            zip(own, (_live(item) for item in watched.standings), strict=True),
        ),
        ("rollout_phase", "gauge", "1 for the phase that a rollout is in.", phases),
    )
    lines = []
    for name, kind, says, samples in families:
        lines += [f"# HELP reconciler_{name} {says}", f"# TYPE reconciler_{name} {kind}"]
        lines += [f"reconciler_{name}{labels} {value:.17g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _phase(item: Standing) -> Phase:
    """The phase after the round: what was rolled back by it is rolled back."""
    made = _made(item)
    return Phase.ROLLED_BACK if made is not None and made.kind != "up" else item.position.phase


def _live(item: Standing) -> float:
    made = _made(item)
    return item.position.live if made is None else made.after


def _made(item: Standing) -> Move | None:
    """The write of the round, if it was made."""
    return item.move if item.move is not None and item.move.status == "applied" else None


def _moment(at: datetime | None) -> list[tuple[str, float]]:
    return [] if at is None else [("", at.timestamp())]


def _labels(**labels: str) -> str:
    said = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(said) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

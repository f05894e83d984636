"""What the guards of a rollout say of a step: each asks one source, about each variant that users get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from reconciler.errors import ReconcilerError
from reconciler.evaluation.rules import variants_of
from reconciler.rollouts.sequential import Counts, Verdict, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.model.rollout import GuardSource


class Answer(Struct, frozen=True, kw_only=True):
    """A guard's verdict on a step, and what it rests on.

    `lacks_data`: it is unknown only because the source, which answered, knows of too few requests.
    """

    guard: str
    verdict: Verdict
    why: str = ""
    lacks_data: bool = False


class Question(Struct, frozen=True, kw_only=True):
    """What a guard is asked about: a step of a rollout, for how many seconds it has stood, and the flag's variants.

    `tests` is how many comparisons the rollout makes in all: they share the chance of a false alarm.
    """

    key: str
    segment: str | None
    percentage: float
    seconds: int
    variants: tuple[str, ...]
    tests: int


class SourceError(ReconcilerError):
    """A source did not answer, or not with counts. The message names no address and nothing that was answered."""


class NoDataError(SourceError):
    """A source answered, and knows nothing of a variant yet."""


class Sources(Protocol):
    """Where counts and exit codes come from. Calls may block for a minute."""

    def counts(self, source: GuardSource, variants: Sequence[str], seconds: int) -> dict[str, Counts]:
        """The counts of each variant since so many seconds. Raises SourceError."""

    def verdict(self, source: GuardSource, question: Question) -> Verdict:
        """What the exit code of a command says. Raises SourceError."""


def variants_with_users(spec: FlagSpec) -> tuple[str, ...]:
    """The variants that the flag's own weights, or those of a segment, give to users."""
    weights = [spec.rollout_weights or None, *(item.rollout_weights for item in spec.target_segments or ())]
    named = {key for item in weights if item is not None for key, weight in item.pairs if weight}
    return tuple(variant.key for variant in variants_of(spec) if variant.key in named)


def ask(name: str, source: GuardSource, question: Question, sources: Sources) -> Answer:
    """What one guard says. Unknown wherever anything is missing: it never raises for what a source does."""
    try:
        if source.kind == "command":
            return Answer(guard=name, verdict=sources.verdict(source, question))
        others = [variant for variant in question.variants if variant != source.against]
        if not others:
            return Answer(guard=name, verdict=Verdict.UNKNOWN, why="there is no variant to compare")
        found = sources.counts(source, [*others, source.against], question.seconds)
    except SourceError as error:
        lacks_data = isinstance(error, NoDataError)
        return Answer(guard=name, verdict=Verdict.UNKNOWN, why=str(error), lacks_data=lacks_data)
    return _worst(name, source.against, others, found, question.tests * len(others))


def _worst(name: str, against: str, others: Sequence[str], found: dict[str, Counts], tests: int) -> Answer:
    """The worst verdict of the variants, with the counts that it rests on."""
    control = found[against]
    answers = [_compared(name, (variant, found[variant]), (against, control), tests) for variant in others]
    order = (Verdict.WORSE, Verdict.UNKNOWN, Verdict.FINE)
    return min(answers, key=lambda answer: (order.index(answer.verdict), answer.lacks_data))


def _compared(name: str, variant: tuple[str, Counts], control: tuple[str, Counts], tests: int) -> Answer:
    verdict = compare(variant[1], control[1], tests)
    return Answer(
        guard=name,
        verdict=verdict,
        why=", ".join(f"{key} {_said(counts)}" for key, counts in (variant, control)),
        lacks_data=verdict is Verdict.UNKNOWN and variant[1].are_valid and control[1].are_valid,
    )


def _said(counts: Counts) -> str:
    return f"{counts.failed:g} of {counts.of:g}"

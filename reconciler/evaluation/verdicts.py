"""Verdicts of claims that are refuted, and what is said of those that rest on fields that are not declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.assertions import Cause, Status, Verdict
from reconciler.evaluation.evaluate import bucketing_value
from reconciler.model.fields import DEFAULT_BUCKETING_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.evaluation.cells import Cell, Pair
    from reconciler.evaluation.persons import Person
    from reconciler.evaluation.rules import Bucketing


def refutation(pair: Pair, cell: Cell, person: Person, *, has_open_id: bool = False) -> Verdict:
    """A claim refuted by a user of these cases who has these variants. `has_open_id`: only what is hashed is open."""
    causes = tuple(
        Cause(segment=case.rule.segment, path=case.path, variant=variant)
        for case, variant in zip(pair, cell, strict=True)
    )
    hashed = [] if has_open_id else [case.rule.bucketing for case in pair if case.rule.bucketing]
    without = dict.fromkeys(_name_of(item) for item in hashed if bucketing_value(item, person.user) is None)
    return Verdict(status=Status.REFUTED, person=person, causes=causes, without=tuple(without))


def _name_of(hashed: Bucketing) -> str:
    """What is hashed, in words."""
    if hashed.unit != DEFAULT_BUCKETING_UNIT:
        return f"a group of type {hashed.unit}"
    return f"user_properties.{hashed.key.removeprefix('gp:')}" if hashed.key.startswith("gp:") else hashed.key


def undeclared(fields: Iterable[str], *, compares: bool = False) -> str:
    """What is said where fields decide that are not declared; `compares`: in the state before."""
    named = list(dict.fromkeys(fields))
    verb = "is" if len(named) == 1 else "are"
    where, remedy = "", "declare it, or fill it with --against live"
    if compares:
        where, remedy = " in the state before", "compare with --against live"
    return f"{', '.join(named)} {verb} not declared{where}, and it depends on that: {remedy}."

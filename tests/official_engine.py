"""Amplitude's own evaluation engine as an oracle, over the configurations that the delivery makes.

The delivery is written from the description of delivered configurations and knows nothing of reconciler.evaluation,
as lint holds: what the two agree on was written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amplitude_experiment.evaluation.engine import EvaluationEngine
from amplitude_experiment.evaluation.types import EvaluationCondition, EvaluationFlag

from reconciler.delivery import condition_of, flag_config
from reconciler.model.flag import LiveFlag
from reconciler.sdk.engine import FastEngine, context_of

if TYPE_CHECKING:
    from reconciler.model.flag import Condition, FlagSpec

__all__ = ["FastEngine", "OfficialFlag", "official_condition", "target_of"]


class OfficialFlag:
    """One flag, converted once."""

    def __init__(self, spec: FlagSpec, *, engine: EvaluationEngine | None = None) -> None:
        self._flag = EvaluationFlag.from_dict(flag_config(LiveFlag(id="1", project_id="7", spec=spec), {}))
        self._engine = engine or EvaluationEngine()

    def assign(self, user: dict[str, Any]) -> tuple[str, str]:
        """The variant of a user and the name of the segment that decided."""
        return self.assign_target(target_of(user))

    def assign_target(self, target: dict[str, Any]) -> tuple[str, str]:
        """The same for a user as the engine takes one."""
        result = self._engine.evaluate_flag(target, self._flag)
        assert result is not None
        assert result.key is not None
        return result.key, (result.metadata or {})["segmentName"]


def target_of(user: dict[str, Any]) -> dict[str, Any]:
    """A user as the engine takes one, to be used for any number of flags."""
    return {"context": context_of(user), "result": {}}


def official_condition(condition: Condition, user: dict[str, Any]) -> bool:
    """What the official engine says of one condition."""
    converted = EvaluationCondition(**condition_of(condition))
    return EvaluationEngine().match_condition({"context": context_of(user)}, converted)

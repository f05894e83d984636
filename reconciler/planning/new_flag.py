"""What a flag is of which only the key was said: the one table of it.

Rests on "Create" and "List": what a create cannot carry, and what the reference shows of a flag that was left alone.
Bucketing salt and variants of a new flag are the server's business.
"""

from __future__ import annotations

from typing import Final

from reconciler.evaluation.rules import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model import FlagSpec, Weights

NEW_FLAG: Final = FlagSpec(
    key="",
    name="",
    description="",
    enabled=False,
    archived=False,
    evaluation_mode="remote",
    bucketing_key=DEFAULT_BUCKETING_KEY,
    bucketing_unit=DEFAULT_BUCKETING_UNIT,
    rollout_percentage=0,
    rollout_weights=Weights(),
    target_segments=(),
    deployments=(),
    tags=(),
)
"""Off, for nobody, without segments, deployments and tags."""

"""Operations on the deployments that serve a flag. Rests on "Create deployment" and "Remove deployment"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.model.fields import FLAG
from reconciler.model.wire import Request
from reconciler.planning.operations.base import UNKNOWN_ID, Operation, Phase, difference, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json


class AddDeployments(Operation, frozen=True, kw_only=True):
    """POST …/deployments: all new ones at once."""

    KINDS = ("add-deployments",)
    PHASE = Phase.DEPLOYMENTS

    deployments: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.deployments:
            raise ValueError("at least one deployment goes into one request")

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """POST …/deployments."""
        body = {"deployments": list(self.deployments)}
        return Request(method="POST", segments=FLAG.segments(flag_id, "deployments"), body=body)

    def _change(self, spec: FlagSpec) -> FlagSpec:
        return replace(spec, deployments=union(spec.deployments, self.deployments))

    def is_covered_by(self, planned: Sequence[Operation]) -> bool:
        """Where each deployment is in a planned operation of the same kind."""
        return set(self.deployments) <= _added(planned)

    def remaining(self, left: Sequence[Operation]) -> AddDeployments | None:
        """The deployments that are still asked for."""
        wanted = _added(left)
        deployments = tuple(item for item in self.deployments if item in wanted)
        return replace(self, deployments=deployments) if deployments else None

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"deployments": tuple(document["body"]["deployments"])}


class RemoveDeployment(Operation, frozen=True, kw_only=True):
    """DELETE …/deployments/{deployment}."""

    KINDS = ("remove-deployment",)

    deployment: str

    def request(self, flag_id: str = UNKNOWN_ID) -> Request:
        """DELETE …/deployments/{deployment}."""
        return Request(method="DELETE", segments=FLAG.segments(flag_id, "deployments", self.deployment))

    def _change(self, spec: FlagSpec) -> FlagSpec:
        return replace(spec, deployments=difference(spec.deployments, (self.deployment,)))

    @classmethod
    def _read(cls, document: dict[str, Json], below: list[str]) -> dict[str, Any]:
        return {"deployment": below[1]}


def _added(operations: Sequence[Operation]) -> set[str]:
    return {name for item in operations if isinstance(item, AddDeployments) for name in item.deployments}

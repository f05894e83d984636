"""Random histories with several editors and fields: every difference is laid at the right door."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from looks import ADA, BOB, EVE, a_declaration, flag_id_of, look
from worlds import a_world, an_emulator

from reconciler.drift import Basis
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from reconciler.emulator import Emulator

HISTORIES, BLOCKS = 200, 10
KEY = "new-checkout"
EDITORS = (ADA, BOB, EVE)
SEGMENT = {
    "name": "Beta",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "rolloutWeights": {"a": 1},
    "bucketingKey": "amplitude_id",
}
START: dict[str, Any] = {
    "name": "N",
    "description": "",
    "enabled": False,
    "rolloutPercentage": 0,
    "bucketingKey": "amplitude_id",
    "tags": [],
    "targetSegments": [],
    "deployments": [],
}
CHOICES: dict[str, list[Any]] = {
    "name": ["N", "M", "O"],
    "description": ["", "text"],
    "enabled": [True, False],
    "rolloutPercentage": [0, 10, 50],
    "bucketingKey": ["amplitude_id", "user_id"],
    "tags": [[], ["x"], ["x", "y"], ["y", "x"]],
    "targetSegments": [[], [SEGMENT | {"percentage": 10}], [SEGMENT | {"percentage": 20}]],
}


class History:
    """A flag under several hands, and who gave each field its value of now: kept by hand, edit by edit."""

    def __init__(self, random: Random) -> None:
        self.random = random
        variants = [{"key": "a"}, {"key": "b"}, {"key": "c"}]
        self.emulator: Emulator = an_emulator({"key": KEY, "variants": variants, **START})
        self.values: dict[str, Any] = {f"/{name}": _comparable(value) for name, value in START.items()}
        self.values |= {"/rolloutWeights": (1, 1, 1), "/variants/c": True}
        self.doors = dict.fromkeys(self.values, ("seed@example.com", 1))

    def edit(self) -> None:
        """One edit, of one or several fields; some change nothing."""
        editor = self.random.choice(EDITORS)
        kind = self.random.random()
        if kind < 0.7:
            self._patch(editor)
        elif kind < 0.85:
            self._weigh(editor)
        elif kind < 0.95:
            self._deploy(editor)
        else:
            self._toggle_variant(editor)

    def _patch(self, editor: str) -> None:
        names = self.random.sample(sorted(CHOICES), self.random.randint(1, 3))
        body = {name: self.random.choice(CHOICES[name]) for name in names}
        self._send(editor, "PATCH", "", body, {f"/{name}": _comparable(value) for name, value in body.items()})

    def _weigh(self, editor: str) -> None:
        weight = self.random.choice([1, 2, 3])
        _, b, c = self.values["/rolloutWeights"]
        self._send(editor, "PATCH", "/variants/a", {"rolloutWeight": weight}, {"/rolloutWeights": (weight, b, c)})

    def _deploy(self, editor: str) -> None:
        if self.values["/deployments"] == ("67",):
            self._send(editor, "DELETE", "/deployments/67", None, {"/deployments": ()})
        else:
            self._send(editor, "POST", "/deployments", {"deployments": ["67"]}, {"/deployments": ("67",)})

    def _toggle_variant(self, editor: str) -> None:
        a, b, _ = self.values["/rolloutWeights"]
        if self.values["/variants/c"]:
            becomes = {"/variants/c": False, "/rolloutWeights": (a, b, 0)}
            self._send(editor, "DELETE", "/variants/c", None, becomes)
        else:
            becomes = {"/variants/c": True, "/rolloutWeights": (a, b, 1)}
            self._send(editor, "POST", "/variants", {"key": "c", "rolloutWeight": 1}, becomes)

    def _send(self, editor: str, method: str, path: str, body: Any, becomes: dict[str, Any]) -> None:
        flag_id = flag_id_of(self.emulator, KEY)
        self.emulator.edit_as(editor, method, f"/flags/{flag_id}{path}", body)
        version = len(self.emulator.store.versions_of(flag_id))
        for name, value in becomes.items():
            if _ratio(name, self.values[name]) != _ratio(name, value):
                self.doors[name] = (editor, version)
            self.values[name] = value


def _comparable(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(sorted(value))
    return str(value) if isinstance(value, list) else value


def _ratio(name: str, value: Any) -> Any:
    return tuple(weight / sum(value) for weight in value) if name == "/rolloutWeights" else value


def _declared(random: Random) -> FlagSpec:
    condition = Condition(prop="country", op="is", values=("CA",))
    return a_declaration(
        KEY,
        name=random.choice(["N", "P"]),
        description=random.choice(["", "other"]),
        enabled=random.random() < 0.5,
        rollout_percentage=random.choice([0, 99]),
        bucketing_key=random.choice(["amplitude_id", "device_id"]),
        tags=random.choice([(), ("z",)]),
        target_segments=(
            TargetSegment(name="Beta", conditions=(condition,), percentage=1, rollout_weights=Weights.of({"b": 1})),
        ),
        deployments=random.choice([(), ("68",)]),
        rollout_weights=Weights.of({"a": 7, "b": 1}),
        variants=tuple(Variant(key=key) for key in random.choice(["ab", "abc"])),
    )


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_difference_names_who_made_it(block: int) -> None:
    """The editor and the version of each difference are those of the edit since which the field has its value."""
    for seed in range(block * HISTORIES // BLOCKS, (block + 1) * HISTORIES // BLOCKS):
        random = Random(seed)
        history = History(random)
        for _ in range(random.randint(1, 25)):
            history.edit()
        world = a_world(history.emulator, _declared(random))

        (drift,) = look(world).flags

        for item in drift.changes:
            editor, version = history.doors[item.change.path]
            found = item.attribution
            assert (found.by, found.version, found.basis) == (editor, version, Basis.VERSION), item.change
        assert drift.latest.version == max(history.doors[item.change.path][1] for item in drift.changes)

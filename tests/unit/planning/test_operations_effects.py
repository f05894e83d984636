"""What each call makes of a flag, in the model."""

from __future__ import annotations

import pytest

from reconciler.model.flag import FlagSpec, TargetSegment, Variant, Weights
from reconciler.planning import operations
from reconciler.planning.operations import (
    AddDeployments,
    AddMembers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    ImpossibleCallError,
    MembersOperation,
    Operation,
    RemoveDeployment,
    RemoveMembers,
    RemoveUserAt,
    apply_in_any_order,
    apply_operations,
)

SEGMENT = TargetSegment(name="S", conditions=(), percentage=10, rollout_weights=Weights.of({"a": 1, "b": 2}))
FLAG = FlagSpec(
    key="f",
    enabled=True,
    archived=False,
    rollout_percentage=10,
    rollout_weights=Weights.of({"a": 1, "b": 3}),
    variants=(Variant(key="a", users=("u1", "u2", "u1"), cohorts=("c1",)), Variant(key="b")),
    target_segments=(SEGMENT,),
    deployments=("1",),
)


def after(operation: Operation) -> FlagSpec:
    """FLAG after one call."""
    return operation.effect(FLAG)


def variant(spec: FlagSpec, key: str) -> Variant:
    """The flag's variant of this key."""
    return next(item for item in spec.variants or () if item.key == key)


def test_create() -> None:
    """A new flag is off, at 0 %, without inclusions, and has what the body says."""
    body = {"projectId": "7", "key": "f", "variants": [{"key": "on", "payload": [1]}], "rolloutWeights": {"on": 1}}

    made = CreateFlag(flag_key="f", body=body).effect(None)

    assert (made.enabled, made.archived, made.rollout_percentage, made.bucketing_key) == (
        False,
        False,
        0,
        "amplitude_id",
    )
    assert made.variants == (Variant(key="on", payload=[1], users=(), cohorts=()),)
    assert made.rollout_weights == Weights.of({"on": 1})


def test_variants_of_a_create_that_says_no_weights_weigh_alike() -> None:
    body = {"projectId": "7", "key": "f", "variants": [{"key": "on"}, {"key": "off"}, {"key": "b"}]}
    made = CreateFlag(flag_key="f", body=body).effect(None)
    assert made.rollout_weights == Weights.of({"on": 1, "off": 1, "b": 1})


def test_edit_flag() -> None:
    """A PATCH changes the fields it names and no other; `archive` is the flag's `archived`."""
    edited = after(EditFlag(flag_key="f", body={"archive": True, "rolloutPercentage": 50, "tags": ["t"]}))

    assert (edited.archived, edited.rollout_percentage, edited.tags) == (True, 50, ("t",))
    assert edited.target_segments == FLAG.target_segments
    assert edited.enabled is True


def test_edit_flag_replaces_segments() -> None:
    """Segments are replaced as a whole."""
    assert after(EditFlag(flag_key="f", body={"targetSegments": []})).target_segments == ()


def test_create_variant() -> None:
    """A new variant goes last, with its weight, and is listed for no user."""
    made = after(CreateVariant(flag_key="f", variant_key="c", body={"key": "c", "name": "C", "rolloutWeight": 2}))

    assert [item.key for item in made.variants or ()] == ["a", "b", "c"]
    assert variant(made, "c") == Variant(key="c", name="C", users=(), cohorts=())
    assert made.rollout_weights == Weights.of({"a": 1, "b": 3, "c": 2})


def test_edit_variant() -> None:
    """A PATCH of a variant keeps its inclusions and every field it does not name."""
    edited = after(EditVariant(flag_key="f", variant_key="a", body={"payload": {"x": 1}, "rolloutWeight": 9}))

    assert variant(edited, "a") == Variant(key="a", payload={"x": 1}, users=("u1", "u2", "u1"), cohorts=("c1",))
    assert edited.rollout_weights == Weights.of({"a": 9, "b": 3})


def test_rename() -> None:
    """A rename takes place, weight, segments and inclusions along."""
    renamed = after(EditVariant(flag_key="f", variant_key="a", body={"key": "z"}))

    assert [item.key for item in renamed.variants or ()] == ["z", "b"]
    assert renamed.rollout_weights == Weights.of({"z": 1, "b": 3})
    assert (renamed.target_segments or (SEGMENT,))[0].rollout_weights == Weights.of({"z": 1, "b": 2})
    assert variant(renamed, "z").cohorts == ("c1",)


def test_delete_variant() -> None:
    """A variant goes with its weight and its inclusions; segments are left alone."""
    deleted = after(DeleteVariant(flag_key="f", variant_key="a"))

    assert [item.key for item in deleted.variants or ()] == ["b"]
    assert deleted.rollout_weights == Weights.of({"b": 3})
    assert deleted.target_segments == (SEGMENT,)


@pytest.mark.parametrize(
    ("operation", "users", "cohorts"),
    [
        (AddMembers(flag_key="f", variant_key="a", members=("u2", "u9")), ("u1", "u2", "u1", "u9"), ("c1",)),
        (RemoveMembers(flag_key="f", variant_key="a", members=("u1", "none")), ("u2",), ("c1",)),
        (RemoveUserAt(flag_key="f", variant_key="a", user="u1", index=0), ("u2", "u1"), ("c1",)),
        (RemoveUserAt(flag_key="f", variant_key="a", user="u1", index=1), ("u1", "u2"), ("c1",)),
        (ClearUsers(flag_key="f", variant_key="a"), (), ("c1",)),
        (
            AddMembers(flag_key="f", variant_key="a", member_kind="cohorts", members=("c2",)),
            ("u1", "u2", "u1"),
            ("c1", "c2"),
        ),
        (
            RemoveMembers(flag_key="f", variant_key="a", member_kind="cohorts", members=("c1",)),
            ("u1", "u2", "u1"),
            (),
        ),
    ],
)
def test_inclusions(operation: Operation, users: tuple[str, ...], cohorts: tuple[str, ...]) -> None:
    """Each call on a list changes that list, keeping order and copies."""
    found = variant(after(operation), "a")

    assert (found.users, found.cohorts) == (users, cohorts)


def test_deployments() -> None:
    """Deployments are attached once and detached one by one."""
    assert after(AddDeployments(flag_key="f", deployments=("1", "2"))).deployments == ("1", "2")
    assert after(RemoveDeployment(flag_key="f", deployment="1")).deployments == ()


@pytest.mark.parametrize(
    "operation",
    [
        CreateFlag(flag_key="f", body={"key": "f"}),
        CreateVariant(flag_key="f", variant_key="a", body={"key": "a"}),
        EditVariant(flag_key="f", variant_key="x", body={"rolloutWeight": 1}),
        EditVariant(flag_key="f", variant_key="a", body={"key": "b"}),
        DeleteVariant(flag_key="f", variant_key="x"),
        AddMembers(flag_key="f", variant_key="x", members=("u",)),
        RemoveUserAt(flag_key="f", variant_key="a", user="x", index=0),
    ],
)
def test_impossible_calls(operation: Operation) -> None:
    """A call that names what is not there, or makes what is there, is impossible."""
    with pytest.raises(ImpossibleCallError):
        after(operation)


def test_nothing_without_a_flag() -> None:
    """Before a flag exists, only its creation is possible."""
    with pytest.raises(ImpossibleCallError):
        EditFlag(flag_key="f", body={}).effect(None)
    with pytest.raises(ImpossibleCallError):
        apply_operations(None, ())


def test_settle() -> None:
    """Calls in any order lead to one end: cleared before added to, renamed after what stood in the way is gone."""
    operations = (
        AddMembers(flag_key="f", variant_key="b", members=("u5",)),
        ClearUsers(flag_key="f", variant_key="b"),
        EditVariant(flag_key="f", variant_key="a", body={"key": "b"}),
        DeleteVariant(flag_key="f", variant_key="b"),
        EditFlag(flag_key="f", body={"targetSegments": []}),
    )

    settled = apply_in_any_order(FLAG, operations)

    assert settled.variants == (Variant(key="b", users=("u5",), cohorts=("c1",)),)
    assert settled.rollout_weights == Weights.of({"b": 1})
    assert settled == apply_in_any_order(FLAG, tuple(reversed(operations)))


def test_settle_gives_up() -> None:
    """Two variants cannot exchange their keys."""
    operations = (
        EditVariant(flag_key="f", variant_key="a", body={"key": "b"}),
        EditVariant(flag_key="f", variant_key="b", body={"key": "a"}),
    )
    with pytest.raises(ImpossibleCallError, match="taken"):
        apply_in_any_order(FLAG, operations)


@pytest.mark.parametrize(
    ("operation", "parts"),
    [
        (EditFlag(flag_key="f", body={"name": "n", "archive": True}), {("name",), ("archived",)}),
        (
            CreateVariant(flag_key="f", variant_key="c", body={"key": "c", "payload": 1, "rolloutWeight": 2}),
            {("variants", "c", "payload"), ("rollout_weights",), ("variants", "")},
        ),
        (CreateVariant(flag_key="f", variant_key="c", body={"key": "c"}), {("variants", "")}),
        (
            EditVariant(flag_key="f", variant_key="a", body={"key": "z", "name": "n"}),
            {("variants", "a", "name"), ("variants", "z", "name")},
        ),
        (EditVariant(flag_key="f", variant_key="a", body={"rolloutWeight": 0}), {("rollout_weights",)}),
        (DeleteVariant(flag_key="f", variant_key="a"), set()),
        (AddMembers(flag_key="f", variant_key="a", members=("u",)), set()),
        (AddDeployments(flag_key="f", deployments=("1",)), set()),
    ],
)
def test_what_a_call_gives_a_value(operation: Operation, parts: set[tuple[str, ...]]) -> None:
    """Fields of the flag, and of a variant under its key of before and after; lists are no such part."""
    assert len(operation.sets) == len(parts)
    assert set(operation.sets) == parts


def test_each_kind_of_call_says_for_itself_what_it_is() -> None:
    """There is no request, no effect and no form that all have."""
    bare, of_a_list = Operation(flag_key="f"), MembersOperation(flag_key="f", variant_key="a")
    for call in (
        bare.request,
        lambda: bare.effect(FLAG),
        lambda: Operation.from_json({"path": "/api/1/flags/1"}, "f"),
        lambda: of_a_list.effect(FLAG),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_the_package_gives_on_what_it_names() -> None:
    assert [name for name in operations.__all__ if not hasattr(operations, name)] == []


def test_a_flag_whose_variants_are_not_shown_has_no_inclusions_to_lose() -> None:
    assert operations.without_inclusions(FlagSpec(key="f", name="n")) == FlagSpec(key="f", name="n")
    (first, _) = operations.without_inclusions(FLAG).variants or ()
    assert first == Variant(key="a", users=(), cohorts=())

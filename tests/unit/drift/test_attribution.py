"""Who made a difference, where versions say it and where they do not."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_full_flag
from builders import a_live_flag as live_flag
from emulators import a_live_flag
from looks import ADA, BOB, EVE, a_declaration, changed_paths, edit, flag_id_of, include, look
from msgspec import structs
from worlds import a_world, an_emulator

from reconciler.drift import Attribution, Basis
from reconciler.drift.attribution import attribute, last_edit, reading
from reconciler.emulator import Behaviour
from reconciler.model.flag import UNSET, FlagSpec, Unset, Variant, Version
from reconciler.planning.plan import ValueChange

KEY = "new-checkout"


def attributions(world: object) -> dict[str, Attribution]:
    """The attribution of each difference of the only flag that differs."""
    (drift,) = look(world).flags  # type: ignore[arg-type]
    return {item.change.path: item.attribution for item in drift.changes}


def test_the_edit_since_which_a_value_stands_counts() -> None:
    """Later edits of other fields, and an earlier one of the same value that was taken back, do not."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, ADA, KEY, rolloutPercentage=5)
    edit(emulator, ADA, KEY, rolloutPercentage=100)
    edit(emulator, BOB, KEY, rolloutPercentage=5)
    edit(emulator, EVE, KEY, description="other")
    found = attributions(a_world(emulator, a_declaration()))["/rolloutPercentage"]
    assert (found.by, found.version, found.basis) == (BOB, 4, Basis.VERSION)


def test_the_headline_is_the_latest_difference() -> None:
    """Of several differences the flag names who made the last one, not who edited it last."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, ADA, KEY, rolloutPercentage=5)
    edit(emulator, BOB, KEY, enabled=False)
    edit(emulator, EVE, KEY, description="not declared")
    (drift,) = look(a_world(emulator, a_declaration())).flags
    assert changed_paths(drift) == ["/enabled", "/rolloutPercentage"]
    assert (drift.latest.by, drift.latest.version) == (BOB, 3)


def test_inclusions_fall_back_on_the_last_edit() -> None:
    """Versions do not show inclusions: the flag's last edit is named, as such, with its version if it made one."""
    emulator = an_emulator(a_live_flag())
    include(emulator, BOB, KEY, "treatment", "eve@example.com")
    found = attributions(a_world(emulator, a_declaration()))
    (users,) = found.values()
    assert (users.by, users.version, users.basis) == (BOB, 2, Basis.LAST_EDIT)


def test_an_edit_without_a_version_has_none() -> None:
    """Where edits of inclusions leave no trace, the last editor of the flag is named with that version at most."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(inclusion_edits_bump=False))
    edit(emulator, ADA, KEY, description="seen")
    include(emulator, BOB, KEY, "treatment", "eve@example.com")
    (users,) = attributions(a_world(emulator, a_declaration())).values()
    assert (users.by, users.version, users.basis) == (ADA, 2, Basis.LAST_EDIT)


@pytest.mark.parametrize(("shows", "basis"), [("all", Basis.VERSION), ("key", Basis.LAST_EDIT)])
def test_variant_fields_are_attributed_where_versions_show_them(shows: str, basis: Basis) -> None:
    """A payload's editor is found in versions that show payloads, and falls back where they do not."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(list_shows=shows))  # type: ignore[arg-type]
    path = f"/flags/{flag_id_of(emulator, KEY)}/variants/treatment"
    emulator.edit_as(ADA, "PATCH", path, {"payload": {"a": 1}})
    edit(emulator, BOB, KEY, description="later")
    declared = FlagSpec(key=KEY, variants=(Variant(key="control"), Variant(key="treatment", payload={"a": 2})))
    (payload,) = attributions(a_world(emulator, declared)).values()
    assert payload.basis is basis
    assert payload.by == (ADA if basis is Basis.VERSION else BOB)


def test_a_removed_variant_names_who_removed_it() -> None:
    """A declared variant that is gone was removed by hand, and so was its weight."""
    emulator = an_emulator(a_live_flag())
    emulator.edit_as(BOB, "DELETE", f"/flags/{flag_id_of(emulator, KEY)}/variants/treatment")
    edit(emulator, ADA, KEY, description="later")
    found = attributions(a_world(emulator, a_declaration()))
    assert found["/variants/treatment"].by == BOB
    assert found["/rolloutWeights"].by == BOB


def test_an_added_variant_names_who_added_it() -> None:
    """An undeclared variant was added by hand, with any later edits."""
    emulator = an_emulator(a_live_flag())
    path = f"/flags/{flag_id_of(emulator, KEY)}/variants"
    emulator.edit_as(BOB, "POST", path, {"key": "surprise"})
    emulator.edit_as(ADA, "PATCH", f"{path}/surprise", {"name": "Surprise"})
    found = attributions(a_world(emulator, a_declaration()))
    assert found["/variants/surprise"].by == BOB


def test_an_archived_flag_is_drift_even_undeclared() -> None:
    """A declared flag is meant to be live: archived live it differs, and its last editor is named."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, archive=True, rolloutPercentage=1)
    found = attributions(a_world(emulator, a_declaration()))
    assert list(found) == ["/archived"]
    assert found["/archived"].by == BOB


def test_a_flag_whose_versions_are_hidden_is_attributed_all_the_same() -> None:
    """Where the server answers 404 for the versions of an archived flag, its own stamps name the editor."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(archived_details="hidden"))
    edit(emulator, BOB, KEY, archive=True)
    (found,) = attributions(a_world(emulator, a_declaration())).values()
    assert (found.by, found.version, found.basis) == (BOB, None, Basis.LAST_EDIT)


def test_tags_that_versions_do_not_show_fall_back() -> None:
    """A managed tag that was taken away is drift with any last editor."""
    emulator = an_emulator(a_live_flag(tags=["managed-by:reconciler"]))
    edit(emulator, BOB, KEY, tags=[])
    world = a_world(emulator, a_declaration(), managed_tag="managed-by:reconciler")
    found = attributions(world)
    assert {path: item.by for path, item in found.items()} == {"/tags": BOB}


@pytest.mark.parametrize(
    "behaviour", [Behaviour(ids="number"), Behaviour(list_shows="key"), Behaviour(tags="absent")]
)
def test_other_servers_name_the_same_editor(behaviour: Behaviour) -> None:
    """What lists and versions show of ids, variants and tags makes no difference."""
    emulator = an_emulator(a_live_flag(), behaviour=behaviour)
    edit(emulator, BOB, KEY, enabled=False)
    edit(emulator, ADA, KEY, description="later")
    found = attributions(a_world(emulator, a_declaration()))
    assert found["/enabled"].by == BOB


def test_an_edit_that_is_not_the_newest_version_has_none() -> None:
    """Where versions lag behind the flag, the number of an older one is not given to a later edit."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, ADA, KEY, description="seen")
    include(emulator, BOB, KEY, "treatment", "eve@example.com")
    flag = emulator.store.flags[flag_id_of(emulator, KEY)]
    emulator.store.flags[flag["id"]] = {**flag, "lastModifiedBy": EVE, "lastModifiedAt": "2099-01-01T00:00:00.000Z"}
    (users,) = attributions(a_world(emulator, a_declaration())).values()
    assert (users.by, users.version, users.basis) == (EVE, None, Basis.LAST_EDIT)


def test_versions_without_the_variant_say_that_it_was_not_there() -> None:
    """A payload stands since its variant was added, with any later edits."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(list_shows="all"))
    path = f"/flags/{flag_id_of(emulator, KEY)}/variants"
    emulator.edit_as(BOB, "POST", path, {"key": "late", "payload": {"a": 1}})
    edit(emulator, ADA, KEY, description="later")
    late = Variant(key="late", payload={"a": 2})
    declared = FlagSpec(key=KEY, variants=(Variant(key="control"), Variant(key="treatment"), late))
    (payload,) = attributions(a_world(emulator, declared)).values()
    assert (payload.by, payload.version, payload.basis) == (BOB, 2, Basis.VERSION)


@pytest.mark.parametrize(
    ("stamps", "versions", "expected"),
    [
        ({}, 0, Attribution()),
        ({}, 2, Attribution(by=BOB, at="2030-01-02", version=2, basis=Basis.LAST_EDIT)),
        (
            {"last_modified_at": "2030-01-02", "last_modified_by": ADA},
            2,
            Attribution(by=ADA, at="2030-01-02", version=2, basis=Basis.LAST_EDIT),
        ),
        (
            {"last_modified_at": "2030-01-03", "last_modified_by": ADA},
            2,
            Attribution(by=ADA, at="2030-01-03", basis=Basis.LAST_EDIT),
        ),
        ({"last_modified_at": "2030-01-02"}, 2, Attribution(at="2030-01-02", version=2, basis=Basis.LAST_EDIT)),
        ({"last_modified_by": ADA}, 2, Attribution(by=ADA, basis=Basis.LAST_EDIT)),
    ],
)
def test_the_last_edit_is_the_stamps_or_else_the_newest_version(
    stamps: dict[str, str], versions: int, expected: Attribution
) -> None:
    """Where the two are not of one moment, no version is named."""
    assert last_edit(live_flag(**stamps), [a_version(number) for number in range(versions, 0, -1)]) == expected


@pytest.mark.parametrize("hidden", [UNSET, (Variant(key="control"), Variant(key="treatment"))])
def test_versions_that_do_not_show_a_variant_end_what_is_known_of_it(hidden: tuple[Variant, ...] | Unset) -> None:
    """The oldest version that shows the value is the latest moment at which it can have come: no edit is claimed."""
    spec = a_full_flag()
    change = ValueChange(path="/variants/treatment/name", before="Treatment", after="Other")
    versions = [a_version(3, spec), a_version(2, spec), a_version(1, structs.replace(spec, variants=hidden))]
    found = attribute(change, live_flag(spec), versions, {})
    assert (found.version, found.basis) == (2, Basis.OLDEST_VERSION)


def test_no_payload_is_one_value_however_versions_show_it() -> None:
    """Null and an empty object are the same to the API: no edit is claimed between them."""
    shown = [None, {}, {}]
    specs = [FlagSpec(key=KEY, variants=(Variant(key="on", payload=value),)) for value in shown]
    versions = [a_version(3 - index, spec) for index, spec in enumerate(specs)]
    change = ValueChange(path="/variants/on/payload", before=None, after={"a": 1})
    found = attribute(change, live_flag(specs[0]), versions, {})
    assert (found.version, found.basis) == (1, Basis.VERSION)


def a_version(number: int, spec: FlagSpec | None = None) -> Version:
    """What BOB made of a flag on a day of January 2030."""
    return Version(version=number, created_at=f"2030-01-0{number}", created_by=BOB, flag=live_flag(spec))


@pytest.mark.parametrize(("oldest", "basis"), [(1, Basis.VERSION), (2, Basis.OLDEST_VERSION)])
def test_the_first_version_of_all_is_no_oldest_that_is_shown(oldest: int, basis: Basis) -> None:
    """Nothing can have been before it."""
    change = ValueChange(path="/rolloutPercentage", before=10, after=20)
    found = attribute(change, live_flag(), [a_version(number) for number in (3, 2, 1)[: 4 - oldest]], {})
    assert found == Attribution(by=BOB, at=f"2030-01-0{oldest}", version=oldest, basis=basis)


SHOWN = FlagSpec(
    key=KEY,
    rollout_percentage=5,
    variants=(Variant(key="old", name="Old", payload={}), Variant(key="a/b", payload=None), Variant(key="name")),
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/rolloutPercentage", 5),
        ("/description", ""),
        ("/enabled", UNSET),
        ("/nothing", UNSET),
        ("/variants/old/inclusions/users", UNSET),
        ("/variants/new/inclusions/cohorts", UNSET),
        ("/variants/old", ""),
        ("/variants/gone", "absent"),
        ("/variants/new", "absent"),
        ("/variants/new/key", ""),
        ("/variants/new/name", '["Old"]'),
        ("/variants/old/name", '["Old"]'),
        ("/variants/old/description", UNSET),
        ("/variants/new/payload", "[null]"),
        ("/variants/a/b/payload", "[null]"),
        ("/variants/gone/name", "absent"),
        ("/variants/name", ""),
    ],
)
def test_what_is_read_off_a_version(path: str, expected: Any) -> None:
    """Of a variant that is to be renamed, what the live one has; the new one as a whole is not there yet."""
    value_in = reading(path, {"new": SHOWN.variants[0]})  # type: ignore[index]
    assert value_in(SHOWN) == expected
    if path.startswith("/variants"):
        assert value_in(FlagSpec(key=KEY)) is UNSET

"""What one look leaves to the next: notices, and the state file's document."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from builders import NOON, a_config
from emulators import a_live_flag
from looks import BOB, Cron, a_declaration, edit, include
from msgspec.structs import replace
from worlds import a_world, an_emulator

from reconciler.drift import DriftReport, DriftState, FlagDrift, empty_state, encode_state, load_state, updated_state
from reconciler.drift.report import AttributedChange, FieldOfFlag, Notification, Sweep
from reconciler.drift.state import compare_with, not_looked_at
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.reads import Read
from reconciler.planning.plan import ValueChange

KEY = "new-checkout"
CONFIG = a_config()


def a_cron(**options: object) -> Cron:
    """Looks at one flag that is as declared."""
    return Cron(a_world(an_emulator(a_live_flag()), a_declaration()), **options)


def test_notices_follow_the_state_not_the_runs() -> None:
    """None, new, the same, changed, the same, recovered, none: a cron alerts on four of seven runs at most."""
    cron = a_cron()
    emulator = cron.world.emulator
    notices = [cron.run().notice]
    edit(emulator, BOB, KEY, enabled=False)
    notices += [cron.run().notice, cron.run().notice]
    edit(emulator, BOB, KEY, rolloutPercentage=1)
    notices += [cron.run().notice]
    edit(emulator, BOB, KEY, rolloutPercentage=2)
    notices += [cron.run().notice, cron.run().notice]
    edit(emulator, BOB, KEY, rolloutPercentage=100, enabled=True)
    notices += [cron.run().notice, cron.run().notice]
    assert notices == ["none", "new", "same", "changed", "changed", "same", "recovered", "none"]


def test_missing_flags_are_remembered() -> None:
    """A flag that is declared and missing is drift of its own, new once."""
    cron = Cron(a_world(an_emulator(a_live_flag()), a_declaration(), a_declaration("gone")))
    assert [cron.run().notice for _ in range(2)] == ["new", "same"]
    assert cron.memory.differences.keys() == {FieldOfFlag(key="gone")}


def test_drift_that_is_not_looked_at_again_is_not_recovered() -> None:
    """A difference behind a read that a later budget leaves out still counts as drift."""
    cron = a_cron()
    include(cron.world.emulator, BOB, KEY, "treatment", "eve@example.com")
    assert cron.run().notice == "new"
    report = cron.run(budget=1)
    assert report.flags == ()
    assert report.remembered == (FieldOfFlag(key=KEY, path="/variants/treatment/inclusions/users"),)
    assert (report.is_drifted, report.notice) == (True, "same")


def test_flags_out_of_scope_stay_as_they_were() -> None:
    """A look at some targets neither reports nor forgets what is known of the others."""
    cron = Cron(a_world(an_emulator(a_live_flag("a"), a_live_flag("b")), a_declaration("a"), a_declaration("b")))
    edit(cron.world.emulator, BOB, "a", enabled=False)
    assert cron.run().notice == "new"
    report = cron.run(targets=("b",))
    assert (report.notice, report.is_drifted) == ("none", False)
    assert cron.run().notice == "same"


def test_a_released_flag_is_forgotten() -> None:
    """A flag that is declared no more is no drift."""
    cron = a_cron()
    edit(cron.world.emulator, BOB, KEY, enabled=False)
    cron.run()
    cron.world.desired = a_world(cron.world.emulator).desired
    assert cron.run().notice == "none"
    assert not cron.memory.differences


def test_the_document_comes_back_as_it_was() -> None:
    """What is written is what is recalled."""
    memory = DriftState(
        project_id="7",
        region="us",
        environment=None,
        differences={FieldOfFlag(key="b"): "sha256:2", FieldOfFlag(key="a", path="/enabled"): "sha256:1"},
        swept_to=Read("a", "on", "users"),
    )
    assert load_state(json.dumps(encode_state(memory)), CONFIG, "drift.json") == memory
    later = replace(memory, looked_at=NOON, newest={"20": 3, "1": 9})
    assert load_state(json.dumps(encode_state(later)), CONFIG, "drift.json") == later
    assert list(encode_state(later).items()) == [
        ("formatVersion", 1),
        ("projectId", "7"),
        ("region", "us"),
        ("environment", None),
        ("differences", [
            {"key": "a", "path": "/enabled", "fingerprint": "sha256:1"},
            {"key": "b", "path": "", "fingerprint": "sha256:2"},
        ]),
        ("sweptTo", ["a", "on", "users"]),
        ("lookedAt", "2030-01-02T12:00:00Z"),
        ("newest", {"1": 9, "20": 3}),
    ]  # fmt: skip
    assert [*encode_state(later)["newest"]] == ["1", "20"]
    assert encode_state(empty_state(CONFIG)) | {"region": "us"} == {
        **dict.fromkeys(("environment", "sweptTo", "lookedAt")),
        "formatVersion": 1, "projectId": "7", "region": "us", "differences": [], "newest": {},
    }  # fmt: skip


def a_report(*drifts: FlagDrift, **fields: Any) -> DriftReport:
    """A look at noon that found these flags to differ."""
    return DriftReport(project_id="7", region="us", environment=None, flags=drifts, looked_at=NOON, **fields)


def a_drift(key: str) -> FlagDrift:
    """A flag that is off live, and declared on."""
    change = ValueChange(path="/enabled", before=False, after=True)
    return FlagDrift(key=key, flag_id="1", changes=(AttributedChange(change=change),))


def test_what_a_look_did_not_come_by_is_sorted() -> None:
    """By flag, then by field; of the fields of a flag that was looked at those alone that were left out."""
    keys = ("c", "b", "a", "out")
    memory = replace(
        empty_state(CONFIG),
        differences={FieldOfFlag(key=key, path=path): "sha256:1" for key in keys for path in ("/y", "/x")},
    )
    left = not_looked_at(memory, {"b"}, [FieldOfFlag(key="b", path="/y")], {"a", "b", "c"})
    assert [(place.key, place.path) for place in left] == [
        ("a", "/x"),
        ("a", "/y"),
        ("b", "/y"),
        ("c", "/x"),
        ("c", "/y"),
    ]


def test_what_is_known_until_later_is_no_news() -> None:
    """Neither when it begins nor while it lasts; that it ends is one."""
    memory = empty_state(CONFIG)
    scope = {"a", "b"}
    known = a_report(a_drift("a"), missing=("b",), known=frozenset("ab"))
    assert compare_with(memory, known, scope) is Notification.NONE
    memory = updated_state(memory, known, scope, scope)
    assert compare_with(memory, known, scope) is Notification.NONE
    over = a_report(a_drift("a"), missing=("b",))
    assert compare_with(memory, over, scope) is Notification.CHANGED
    memory = updated_state(memory, over, scope, scope)
    assert compare_with(memory, over, scope) is Notification.SAME
    assert compare_with(memory, known, scope) is Notification.NONE


@pytest.mark.parametrize(
    ("in_scope", "is_partial", "is_whole"),
    [("ab", False, True), ("abc", False, True), ("ab", True, False), ("a", False, False), ("", False, False)],
)
def test_only_a_look_at_the_whole_project_tells_when_the_last_one_was(
    in_scope: str, *, is_partial: bool, is_whole: bool
) -> None:
    """What others know of flags out of scope stays, and of flags that are declared no more goes."""
    earlier = NOON.replace(day=1)
    places = {key: FieldOfFlag(key=key, path="/name") for key in ("a", "b", "gone")}
    memory = replace(
        empty_state(CONFIG),
        differences=dict.fromkeys(places.values(), "sha256:1"),
        swept_to=Read("a", "on", "users"),
        looked_at=earlier,
        newest={"1": 1},
    )
    report = a_report(newest={"1": 2}, sweep=Sweep(total=2, done=1, last=Read("b", "on", "users")))
    found = updated_state(memory, report, frozenset(in_scope), {"a", "b"}, is_partial=is_partial)
    assert found == replace(
        memory,
        differences={place: "sha256:1" for key, place in places.items() if key in {"a", "b"} - {*in_scope}},
        swept_to=Read("b", "on", "users"),
        looked_at=NOON if is_whole else earlier,
        newest={"1": 2 if is_whole else 1},
    )
    without = replace(report, sweep=Sweep(total=1, done=1, last=None))
    assert updated_state(memory, without, frozenset(), set()).swept_to == memory.swept_to


def test_the_document_holds_no_ids_of_users() -> None:
    """Inclusions that differ are remembered by a fingerprint."""
    cron = a_cron()
    include(cron.world.emulator, BOB, KEY, "treatment", "eve@example.com")
    cron.run()
    assert "eve@example.com" not in json.dumps(encode_state(cron.memory))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"formatVersion": 2}', "[" * 100_000, '{"formatVersion":1,"projectId":7}']
)
def test_other_documents_are_refused(text: str) -> None:
    """A file that is no memory of this version ends the run before anything is sent; it is never taken for empty."""
    said = r"^The state file 'drift\.json' cannot be read as one of this version\. Delete it to start over\.$"
    with pytest.raises(ReconcilerError, match=said):
        load_state(text, CONFIG, "drift.json")


def test_the_document_of_another_version_is_refused() -> None:
    """Also where it has all that one of this version has: what it means is not known."""
    document = encode_state(empty_state(CONFIG))
    assert load_state(json.dumps(document), CONFIG, "drift.json") == empty_state(CONFIG)
    with pytest.raises(ReconcilerError, match=r"drift\.json"):
        load_state(json.dumps(document | {"formatVersion": document["formatVersion"] + 1}), CONFIG, "drift.json")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"project_id": "8"}, "project 8, not 7"),
        ({"region": "eu"}, "region eu, not us"),
        ({"environment": "staging"}, "environment staging, not None"),
    ],
)
def test_the_file_of_another_project_is_refused(other: dict[str, str], said: str) -> None:
    """A state file belongs to one project, region and environment."""
    text = json.dumps(encode_state(empty_state(a_config(**other))))
    with pytest.raises(
        UsageError, match=rf"^The state file 'drift\.json' is of {said}: give each a file of its own\."
    ):
        load_state(text, CONFIG, "drift.json")


STATE = {
    "formatVersion": 1,
    "projectId": "7",
    "region": "us",
    "environment": None,
    "differences": [{"key": "a", "path": "/enabled", "fingerprint": "sha256:1"}],
    "sweptTo": ["a", "on", "users"],
}


@pytest.mark.parametrize("value", [7, None, True, ["7"], {"7": 7}], ids=json.dumps)
@pytest.mark.parametrize(
    "place",
    [("projectId",), ("region",), *(("differences", 0, name) for name in ("key", "path", "fingerprint")),
     ("sweptTo", 0), ("sweptTo", 1), ("sweptTo", 2)],
    ids=lambda place: "/".join(map(str, place)),
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_refused(place: tuple[str | int, ...], value: object) -> None:
    """As a file that cannot be read, at each place where a text stands; never taken for a text."""
    assert load_state(json.dumps(STATE), CONFIG, "drift.json").project_id == "7"
    wrong = json.loads(json.dumps(STATE))
    inner = wrong
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(ReconcilerError, match=r"drift\.json"):
        load_state(json.dumps(wrong), CONFIG, "drift.json")


@pytest.mark.parametrize("value", [7, True, ["x"]], ids=json.dumps)
def test_an_environment_is_a_text_or_nothing(value: object) -> None:
    """Of the wrong type it is no other environment, but no state file."""
    with pytest.raises(ReconcilerError, match="cannot be read"):
        load_state(json.dumps(STATE | {"environment": value}), CONFIG, "drift.json")


@pytest.mark.parametrize(
    "part",
    [
        {"newest": []}, {"newest": None}, {"newest": {"1": None}}, {"newest": {"1": "x"}}, {"differences": None},
        {"differences": [None]}, {"differences": [{}]}, {"sweptTo": 7}, {"sweptTo": ["a"]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_a_part_of_the_wrong_form_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ReconcilerError, match=r"drift\.json"):
        load_state(json.dumps(STATE | part), CONFIG, "drift.json")


def fingerprint(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def test_what_fingerprints_are_of() -> None:
    """They are compared with those of the run before, which another version may have written."""
    change = ValueChange(path="/enabled", before=False, after=True)
    report = DriftReport(
        project_id="7",
        region="us",
        environment=None,
        flags=(FlagDrift(key="a", flag_id="1", changes=(AttributedChange(change=change),)),),
        missing=("gone", "known"),
        duplicates={"twice": ("2", "1")},
        known=frozenset({"known"}),
    )
    keys = frozenset({"a", "gone", "known", "twice"})
    assert updated_state(empty_state(CONFIG), report, keys, keys).differences == {
        FieldOfFlag(key="a", path="/enabled"): fingerprint('{"after":true,"before":false,"path":"/enabled"}'),
        FieldOfFlag(key="gone"): fingerprint('"missing"'),
        FieldOfFlag(key="known"): fingerprint(f'["known","{fingerprint(chr(34) + "missing" + chr(34))}"]'),
        FieldOfFlag(key="twice"): fingerprint('["2","1"]'),
    }

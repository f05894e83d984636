"""Each open behaviour of the API, under each of its alternatives."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from emulators import a_live_flag, an_emulator, ask, flag_of, variant_of

from reconciler.emulator import Behaviour, Emulator

FLAG = "/flags/1001"
CONTROL = "/flags/1001/variants/control"
SEGMENT: dict[str, Any] = {
    "name": "Beta",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "percentage": 50,
    "rolloutWeights": {"control": 1, "treatment": 2},
}


def behaving(flag: dict[str, Any] | None = None, /, **options: Any) -> Emulator:
    return an_emulator(a_live_flag(**(flag or {})), behaviour=Behaviour(**options))


def listed(emulator: Emulator, query: str = "") -> Any:
    return ask(emulator, "GET", f"/flags?{query}").json()


def weights(emulator: Emulator) -> tuple[Any, Any]:
    flag = flag_of(emulator, "new-checkout")
    return flag["rolloutWeights"], [segment["rolloutWeights"] for segment in flag["targetSegments"]]


def users(emulator: Emulator) -> list[str]:
    found: list[str] = variant_of(emulator, "new-checkout", "control")["users"]
    return found


def with_users(*members: str) -> dict[str, Any]:
    return {"variants": [{"key": "control", "users": list(members)}, {"key": "treatment"}]}


def variant_keys(emulator: Emulator, key: str = "new-checkout") -> list[str]:
    return [variant["key"] for variant in flag_of(emulator, key)["variants"]]


def test_every_behaviour_has_a_test_here() -> None:
    """No field of Behaviour is without a test of its own name in this module."""
    names = vars(sys.modules[__name__])
    assert [
        field for field in Behaviour.alternatives() if not any(name.startswith(f"test_{field}_") for name in names)
    ] == []


def test_ids_are_strings_or_numbers() -> None:
    """All ids of answers change their form together; requests stay strings."""
    for ids, form in (("string", str), ("number", int)):
        emulator = behaving({"deployments": ["67"]}, ids=ids)
        (flag,) = listed(emulator)["flags"]
        (deployment,) = ask(emulator, "GET", f"{FLAG}/deployments").json()
        version = ask(emulator, "GET", f"{FLAG}/versions/1").json()["flagConfig"]
        created = ask(emulator, "POST", "/flags", {"projectId": "7", "key": "made", "deployments": ["67"]}).json()
        shown = [flag["id"], flag["projectId"], *flag["deployments"], deployment["id"], deployment["projectId"]]
        assert {type(item) for item in [*shown, version["id"], created["id"]]} == {form}


def test_cursors_are_strings_or_numbers() -> None:
    """The cursor of a page that is not the last has the chosen form, and leads on."""
    for cursors, expected in (("string", "1"), ("number", 1)):
        emulator = an_emulator(a_live_flag("a"), a_live_flag("b"), behaviour=Behaviour(cursors=cursors))
        assert listed(emulator, "limit=1")["nextCursor"] == expected
        assert listed(emulator, f"limit=1&cursor={expected}")["flags"][0]["key"] == "a"


def test_cursor_end_has_four_forms() -> None:
    """On the last page the cursor is null, empty, absent, or leads to an empty page."""
    assert listed(behaving())["nextCursor"] is None
    assert listed(behaving(cursor_end="empty"))["nextCursor"] == ""
    assert "nextCursor" not in listed(behaving(cursor_end="absent"))
    always = behaving(cursor_end="always")
    assert listed(always)["nextCursor"] == "1"
    assert listed(always, "cursor=1") == {"flags": [], "nextCursor": "1"}


def test_list_shows_more_or_less_of_a_variant() -> None:
    """Lists, details and versions show a variant's key, its name too, or all of it."""
    expected: dict[str, Any] = {
        "key": {"key": "control"},
        "key-name": {"key": "control", "name": "Control"},
        "all": {"key": "control", "name": "Control", "payload": {}, "description": "", "rolloutWeight": 1},
    }
    for list_shows, variant in expected.items():
        emulator = behaving(list_shows=list_shows)
        details = ask(emulator, "GET", FLAG).json()
        version = ask(emulator, "GET", f"{FLAG}/versions/1").json()["flagConfig"]
        for shown in (listed(emulator)["flags"][0], details, version):
            assert shown["variants"][0] == variant
        assert ask(emulator, "GET", CONTROL).json() == expected["all"]


def test_tags_are_shown_or_not() -> None:
    """Tags are stored either way."""
    for tags in ("present", "absent"):
        emulator = behaving({"tags": ["checkout"]}, tags=tags)
        details, version = ask(emulator, "GET", FLAG).json(), ask(emulator, "GET", f"{FLAG}/versions/1").json()
        for shown in (listed(emulator)["flags"][0], details, version["flagConfig"]):
            assert shown.get("tags") == (["checkout"] if tags == "present" else None)
        assert flag_of(emulator, "new-checkout")["tags"] == ["checkout"]


def test_archived_marker_has_two_names_or_none() -> None:
    """An archived flag is marked by the chosen field alone, in the list and in the details."""
    for marker in ("deleted", "archived", "none"):
        emulator = behaving(archived_marker=marker)
        for archive in (True, False):
            ask(emulator, "PATCH", FLAG, {"archive": archive})
            for shown in (listed(emulator, "includeArchived=true")["flags"][0], ask(emulator, "GET", FLAG).json()):
                assert {name: shown[name] for name in ("deleted", "archived", "archive") if name in shown} == (
                    {} if marker == "none" else {marker: archive}
                )


def test_archived_details_are_shown_or_hidden() -> None:
    """Where they are hidden, every read by id is a 404, and writes still find the flag."""
    for details, status in (("shown", 200), ("hidden", 404)):
        emulator = behaving({"archived": True}, archived_details=details)
        assert [ask(emulator, "GET", path).status for path in (FLAG, f"{FLAG}/variants", f"{CONTROL}/users")] == [
            status
        ] * 3
        assert ask(emulator, "PATCH", FLAG, {"archive": False}).status == 200
        assert ask(emulator, "GET", FLAG).status == 200


def test_archived_edits_are_accepted_or_refused() -> None:
    """Where they are refused, only an edit that unarchives goes through."""
    accepting = behaving({"archived": True})
    assert ask(accepting, "PATCH", FLAG, {"enabled": False}).status == 200
    assert ask(accepting, "POST", f"{FLAG}/variants", {"key": "third"}).status == 200
    refusing = behaving({"archived": True}, archived_edits="refused")
    assert ask(refusing, "PATCH", FLAG, {"enabled": False}).status == 400
    assert ask(refusing, "POST", f"{FLAG}/variants", {"key": "third"}).status == 400
    assert ask(refusing, "POST", f"{CONTROL}/users", {"inclusions": ["ada"]}).status == 400
    assert ask(refusing, "PATCH", FLAG, {"archive": False, "enabled": False}).status == 200


def test_key_filter_is_exact_or_a_substring() -> None:
    """`key=` may find flags that only contain what was asked for."""
    flags = [a_live_flag(key) for key in ("checkout", "new-checkout", "search")]
    for key_filter, found in (("exact", ["checkout"]), ("substring", ["new-checkout", "checkout"])):
        emulator = an_emulator(*flags, behaviour=Behaviour(key_filter=key_filter))
        assert [flag["key"] for flag in listed(emulator, "key=checkout")["flags"]] == found


def test_taken_key_is_refused_or_makes_a_second_flag() -> None:
    """A create of a taken key, archived or not, is a 400, a 409 or a flag more."""
    body = {"projectId": "7", "key": "new-checkout"}
    for archived in (False, True):
        assert ask(behaving({"archived": archived}), "POST", "/flags", body).status == 400
        assert ask(behaving({"archived": archived}, taken_key="409"), "POST", "/flags", body).status == 409
        second = behaving({"archived": archived}, taken_key="second-flag")
        assert ask(second, "POST", "/flags", body).status == 200
        for option, status in (("400", 400), ("409", 409), ("second-flag", 400)):
            emulator = behaving(taken_key=option)
            emulator.store.seed_experiment({"projectId": "7", "key": "e", "archived": archived})
            assert ask(emulator, "POST", "/flags", {**body, "key": "e"}).status == status
        assert [flag["key"] for flag in second.store.flags.values()] == ["new-checkout"] * 2


def test_create_without_variants_adds_on_or_none() -> None:
    """A flag that was created without variants has `on` with weight 1, or none."""
    for option, keys, expected in (("adds-on", ["on"], {"on": 1}), ("none", [], {})):
        for body in ({}, {"variants": []}):
            emulator = behaving(create_without_variants=option)
            assert ask(emulator, "POST", "/flags", {"projectId": "7", "key": "bare", **body}).status == 200
            assert variant_keys(emulator, "bare") == keys
            assert flag_of(emulator, "bare")["rolloutWeights"] == expected
        named = {"projectId": "7", "key": "named", "rolloutWeights": {"on": 2}}
        assert ask(behaving(create_without_variants=option), "POST", "/flags", named).status == (200 if keys else 400)


def test_new_flag_is_off_or_on() -> None:
    """A create makes a disabled flag at 0 %, or an enabled one at 100 %."""
    for new_flag, state in (("off", (False, 0)), ("on", (True, 100))):
        emulator = behaving(new_flag=new_flag)
        ask(emulator, "POST", "/flags", {"projectId": "7", "key": "made", "variants": [{"key": "on"}]})
        flag = flag_of(emulator, "made")
        assert (flag["enabled"], flag["rolloutPercentage"]) == state


def test_posted_variant_place_is_last_or_first() -> None:
    """A new variant stands after or before the others."""
    for place, keys in (("last", ["control", "treatment", "third"]), ("first", ["third", "control", "treatment"])):
        emulator = behaving(posted_variant_place=place)
        ask(emulator, "POST", f"{FLAG}/variants", {"key": "third"})
        assert variant_keys(emulator) == keys


def test_edit_variant_verb_is_patch_or_post() -> None:
    """Only one of the two verbs edits a variant; the other is a 405 and does nothing."""
    for verb, other in (("PATCH", "POST"), ("POST", "PATCH")):
        emulator = behaving(edit_variant_verb=verb)
        assert ask(emulator, other, CONTROL, {"name": "New"}).status == 405
        assert variant_of(emulator, "new-checkout", "control")["name"] == "Control"
        assert ask(emulator, verb, CONTROL, {"name": "New"}).status == 200
        assert variant_of(emulator, "new-checkout", "control")["name"] == "New"


def test_delete_named_variant_is_refused_dangles_or_cascades() -> None:
    """A segment that names a deleted variant prevents it, keeps the name, or loses it."""
    refusing = behaving({"targetSegments": [SEGMENT]})
    answer = ask(refusing, "DELETE", CONTROL)
    assert (answer.status, variant_keys(refusing)) == (400, ["control", "treatment"])
    assert "'Beta' names the variant" in answer.body.decode()
    for option, left in (("dangling", {"control": 1, "treatment": 2}), ("cascade", {"treatment": 2})):
        emulator = behaving({"targetSegments": [SEGMENT]}, delete_named_variant=option)
        assert ask(emulator, "DELETE", CONTROL).status == 200
        assert variant_keys(emulator) == ["treatment"]
        assert weights(emulator) == ({"treatment": 1}, [left])


def test_rename_rewrites_weights_or_not() -> None:
    """A new key of a variant replaces the old one in all weights, or in none; the inclusions go with it."""
    segments = {"targetSegments": [SEGMENT], **with_users("ada")}
    rewriting = behaving(segments)
    assert ask(rewriting, "PATCH", CONTROL, {"key": "base"}).status == 200
    assert weights(rewriting) == ({"base": 1, "treatment": 1}, [{"base": 1, "treatment": 2}])
    leaving = behaving(segments, rename_rewrites=False)
    assert ask(leaving, "PATCH", CONTROL, {"key": "base"}).status == 200
    assert weights(leaving) == ({"control": 1, "treatment": 1}, [{"control": 1, "treatment": 2}])
    assert ask(leaving, "GET", "/flags/1001/variants/base").json()["rolloutWeight"] == 0
    for emulator in (rewriting, leaving):
        assert variant_of(emulator, "new-checkout", "base")["users"] == ["ada"]


def test_rename_rewrites_even_so_the_weight_of_the_same_edit() -> None:
    """A weight that comes with a new key is the new key's, whether the old one is rewritten or not."""
    for rewrites, expected in (
        (True, {"base": 5, "treatment": 1}),
        (False, {"control": 1, "treatment": 1, "base": 5}),
    ):
        emulator = behaving(rename_rewrites=rewrites)
        ask(emulator, "PATCH", CONTROL, {"key": "base", "rolloutWeight": 5})
        assert weights(emulator)[0] == expected


def test_zero_weights_are_accepted_or_refused() -> None:
    """Weights that are all 0 are stored, or a 400 wherever they would come to be."""
    one_left = {"rolloutWeights": {"control": 1, "treatment": 0}}
    calls: list[tuple[str, str, Any]] = [
        ("PATCH", CONTROL, {"rolloutWeight": 0}),
        ("DELETE", CONTROL, None),
        ("POST", "/flags", {"projectId": "7", "key": "z", "variants": [{"key": "a"}], "rolloutWeights": {"a": 0}}),
        ("PATCH", FLAG, {"targetSegments": [{**SEGMENT, "rolloutWeights": {"control": 0}}]}),
    ]
    for method, path, body in calls:
        assert ask(behaving(one_left), method, path, body).status == 200
        answer = ask(behaving(one_left, zero_weights="refuse"), method, path, body)
        assert answer.status == 400
        where = "targetSegments[0].rolloutWeights" if path == FLAG else "rolloutWeights"
        assert answer.body.decode() == f"{where}: at least one weight must be more than 0"


def test_fractions_are_refused_or_floored_or_accepted() -> None:
    """A percentage or weight with a fraction is a 400, loses it, or is stored."""
    body = {"rolloutPercentage": 12.9, "targetSegments": [{**SEGMENT, "percentage": 99.5}]}
    assert ask(behaving(), "PATCH", FLAG, body).status == 400
    flooring = behaving(fractions="floor")
    assert ask(flooring, "PATCH", FLAG, body).status == 200
    assert ask(flooring, "PATCH", CONTROL, {"rolloutWeight": 1.5}).status == 200
    assert ask(flooring, "PATCH", FLAG, {"rolloutPercentage": 100.5}).status == 400
    flag = flag_of(flooring, "new-checkout")
    assert (flag["rolloutPercentage"], flag["targetSegments"][0]["percentage"]) == (12, 99)
    assert flag["rolloutWeights"]["control"] == 1
    accepting = behaving(fractions="accept")
    assert ask(accepting, "PATCH", FLAG, body).status == 200
    assert ask(accepting, "PATCH", CONTROL, {"rolloutWeight": 33.34}).status == 200
    flag = flag_of(accepting, "new-checkout")
    assert (flag["rolloutPercentage"], flag["rolloutWeights"]["control"]) == (12.9, 33.34)


def test_fractions_are_no_matter_where_there_is_none() -> None:
    """50.0 is a whole number, and stored as 50."""
    emulator = behaving()
    assert ask(emulator, "PATCH", FLAG, {"rolloutPercentage": 50.0}).status == 200
    assert repr(flag_of(emulator, "new-checkout")["rolloutPercentage"]) == "50"


def test_empty_conditions_are_accepted_or_refused() -> None:
    """A segment for everyone is stored, or a 400."""
    body = {"targetSegments": [{**SEGMENT, "conditions": []}]}
    assert ask(behaving(), "PATCH", FLAG, body).status == 200
    refusing = behaving(empty_conditions="refuse")
    assert ask(refusing, "PATCH", FLAG, body).body == b"targetSegments[0].conditions must not be empty"
    assert ask(refusing, "PATCH", FLAG, {"targetSegments": [SEGMENT]}).status == 200


def test_duplicate_user_is_ignored_or_stored_twice() -> None:
    """Adding users whom the variant has, or twice in one call, keeps one copy or all."""
    for option, expected in (("ignore", ["ada", "bob"]), ("twice", ["ada", "ada", "bob", "bob"])):
        emulator = behaving(with_users("ada"), duplicate_user=option)
        assert ask(emulator, "POST", f"{CONTROL}/users", {"inclusions": ["ada", "bob", "bob"]}).status == 200
        assert users(emulator) == expected


def test_absent_user_removal_is_ignored_or_refused() -> None:
    """A bulk removal that names an absent user takes the others out, or none; the same for cohorts."""
    ignoring = behaving(with_users("ada", "bob"))
    assert ask(ignoring, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": ["ada", "eve"]}).status == 200
    assert users(ignoring) == ["bob"]
    refusing = behaving(with_users("ada", "bob"), absent_user_removal="400")
    assert ask(refusing, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": ["ada", "eve"]}).status == 400
    assert users(refusing) == ["ada", "bob"]
    assert ask(refusing, "DELETE", f"{CONTROL}/bulk-delete-cohorts", {"users": ["c1"]}).status == 400
    absent = ask(refusing, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": [*"hgfedcba"]})
    assert absent.body == b"'a' is not included in variant 'control'"


def test_bulk_delete_copies_takes_all_or_the_first() -> None:
    """Of several copies of an id, a bulk removal takes all, or one."""
    for option, left in (("all", ["bob"]), ("first", ["bob", "ada"])):
        emulator = behaving(with_users("ada", "bob", "ada"), bulk_delete_copies=option)
        ask(emulator, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": ["ada", "ada"]})
        assert users(emulator) == left


def test_delete_body_is_honoured_ignored_or_lost() -> None:
    """A bulk removal removes those it names, none with an OK, or none with a 400."""
    for option, status, left in (
        ("honoured", 200, ["bob"]),
        ("ignored", 200, ["ada", "bob"]),
        ("lost", 400, ["ada", "bob"]),
    ):
        emulator = behaving(with_users("ada", "bob"), delete_body=option)
        assert ask(emulator, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": ["ada"]}).status == status
        assert users(emulator) == left


def test_over_limit_refuses_all_or_part() -> None:
    """Users beyond 2,000 are a 400 in either case; those that fit are kept in one of them."""
    present = [f"user-{number}" for number in range(1999)]
    for option, count in (("all", 1999), ("part", 2000)):
        emulator = behaving(with_users(*present), over_limit=option)
        assert ask(emulator, "POST", f"{CONTROL}/users", {"inclusions": ["ada", "bob"]}).status == 400
        assert len(users(emulator)) == count
        assert users(emulator)[1999:] == (["ada"] if option == "part" else [])


@pytest.mark.parametrize("bumps", [True, False])
def test_inclusion_edits_bump_the_flag_or_not(bumps: bool) -> None:
    """Changed users and cohorts make a version and a new lastModifiedAt, or leave both."""
    emulator = behaving({"createdAt": "2024-01-01T00:00:00.000Z"}, inclusion_edits_bump=bumps)
    ask(emulator, "POST", f"{CONTROL}/users", {"inclusions": ["ada", "bob"]})
    ask(emulator, "POST", f"{CONTROL}/cohorts", {"inclusions": ["c1"]})
    ask(emulator, "DELETE", f"{CONTROL}/users/0")
    flag = flag_of(emulator, "new-checkout")
    assert (flag["lastModifiedAt"] != "2024-01-01T00:00:00.000Z") is bumps
    assert len(emulator.store.versions) == (4 if bumps else 1)
    assert users(emulator) == ["bob"]


@pytest.mark.parametrize("lag", [1, 3])
def test_read_lag_shows_a_flag_as_it_was(lag: int) -> None:
    """For so many reads after a write the old state is shown, then the new one; writes see the new one at once."""
    emulator = behaving(read_lag=lag)
    ask(emulator, "POST", f"{FLAG}/variants", {"key": "third"})
    assert ask(emulator, "PATCH", f"{FLAG}/variants/third", {"name": "Third"}).status == 200
    seen = [len(ask(emulator, "GET", f"{FLAG}/variants").json()) for _ in range(lag + 2)]
    assert seen == [2] * lag + [3, 3]


def test_read_lag_hides_a_new_flag() -> None:
    """A flag that was just created is at first neither listed nor found, and its key is taken all the same."""
    emulator = behaving(read_lag=2)
    body = {"projectId": "7", "key": "made"}
    created = ask(emulator, "POST", "/flags", body).json()["id"]
    assert [flag["key"] for flag in listed(emulator)["flags"]] == ["new-checkout"]
    assert ask(emulator, "POST", "/flags", body).status == 400
    assert ask(emulator, "GET", f"/flags/{created}").status == 404
    assert ask(emulator, "GET", f"/flags/{created}").status == 200
    assert [flag["key"] for flag in listed(emulator)["flags"]] == ["made", "new-checkout"]


def test_read_lag_does_not_delay_what_was_seeded() -> None:
    """Seeded flags are shown at once."""
    assert listed(behaving(read_lag=3))["flags"]


def test_write_text_has_three_forms() -> None:
    """A write that returns no JSON answers OK, ok or nothing, always with status 200."""
    for text in ("OK", "ok", ""):
        answer = ask(behaving(write_text=text), "PATCH", FLAG, {"enabled": False})
        assert (answer.status, answer.body.decode()) == (200, text)


def test_feeds_are_present_forbidden_or_unknown() -> None:
    """The two feeds answer, or are a 403 or a 404; everything else works."""
    for feeds, status in (("present", 200), ("403", 403), ("404", 404)):
        emulator = behaving(feeds=feeds)
        paths = ("/versions", "/deployments", "/deployments/67")
        assert [ask(emulator, "GET", path).status for path in paths] == [status] * 3
        assert ask(emulator, "GET", f"{FLAG}/versions").status == 200


def test_weights_shown_as_stored_or_as_percentages() -> None:
    """Percentages have two decimals and make 100; of segments too, and in variants."""
    weights = {"a": 1, "b": 1, "c": 1}
    flag = {
        "variants": [{"key": key} for key in weights],
        "rolloutWeights": weights,
        "targetSegments": [
            {**SEGMENT, "rolloutWeights": item} for item in ({"a": 3, "b": 1}, {"a": 2, "b": 1, "c": 4}, {"a": 0})
        ],
    }
    for option, expected, in_segments in (
        ("stored", weights, '[{"a": 3, "b": 1}, {"a": 2, "b": 1, "c": 4}, {"a": 0}]'),
        (
            "percentages",
            {"a": 33.34, "b": 33.33, "c": 33.33},
            '[{"a": 75, "b": 25}, {"a": 28.57, "b": 14.29, "c": 57.14}, {"a": 0}]',
        ),
    ):
        emulator = behaving(flag, weights_shown=option)
        (shown,) = listed(emulator)["flags"]
        assert shown["rolloutWeights"] == expected
        assert json.dumps([segment["rolloutWeights"] for segment in shown["targetSegments"]]) == in_segments
        assert ask(emulator, "GET", f"{FLAG}/variants/a").json()["rolloutWeight"] == expected["a"]


def test_text_is_kept_or_trimmed() -> None:
    """Names and descriptions of flags, variants and segments."""
    for option, expected in (("kept", " N \n"), ("trimmed", "N")):
        emulator = behaving(text=option)
        segment = {**SEGMENT, "name": " N \n"}
        assert ask(emulator, "PATCH", FLAG, {"name": " N \n", "targetSegments": [segment]}).status == 200
        assert ask(emulator, "PATCH", CONTROL, {"description": " N \n"}).status == 200
        flag = flag_of(emulator, "new-checkout")
        assert flag["name"] == flag["targetSegments"][0]["name"] == expected
        assert variant_of(emulator, "new-checkout", "control")["description"] == expected


def test_tag_case_is_kept_or_lower() -> None:
    """`Team` stays, or becomes `team`."""
    for option, expected in (("kept", ["Team"]), ("lower", ["team"])):
        emulator = behaving(tag_case=option)
        ask(emulator, "PATCH", FLAG, {"tags": ["Team"]})
        assert flag_of(emulator, "new-checkout")["tags"] == expected


def test_no_payload_is_shown_as_stored_or_as_an_object() -> None:
    """A null payload."""
    for option, expected in (("stored", None), ("object", {})):
        emulator = behaving(no_payload=option)
        ask(emulator, "PATCH", CONTROL, {"payload": None})
        assert ask(emulator, "GET", CONTROL).json()["payload"] == expected
        ask(emulator, "PATCH", CONTROL, {"payload": {"x": 1}})
        assert ask(emulator, "GET", CONTROL).json()["payload"] == {"x": 1}


def test_null_members_are_kept_or_dropped() -> None:
    """Of objects at any depth; items of lists stay."""
    given = {"a": None, "b": [{"c": None}, None]}
    for option, expected in (("kept", given), ("dropped", {"b": [{}, None]})):
        emulator = behaving(null_members=option)
        ask(emulator, "PATCH", CONTROL, {"payload": given})
        assert variant_of(emulator, "new-checkout", "control")["payload"] == expected


def test_payload_integers_are_exact_or_doubles() -> None:
    """Beyond 2^53 only."""
    for option, expected in (("exact", 2**53 + 1), ("doubles", 2**53)):
        emulator = behaving(payload_integers=option)
        ask(emulator, "PATCH", CONTROL, {"payload": {"x": [2**53 + 1, 2**53 - 1, -7, True, 1.5]}})
        assert b'{"x":[%d,%d,-7,true,1.5]}' % (expected, 2**53 - 1) in ask(emulator, "GET", CONTROL).body


def test_condition_values_are_text_or_numbers() -> None:
    """What looks like a number is shown as one; requests hold text."""
    condition = {"type": "property", "prop": "age", "op": "is", "values": ["5", "1.50", "007", "x"]}
    for option, expected in (("text", condition["values"]), ("numbers", [5, 1.5, "007", "x"])):
        emulator = behaving({"targetSegments": [{**SEGMENT, "conditions": [condition]}]}, condition_values=option)
        (shown,) = listed(emulator)["flags"]
        assert shown["targetSegments"][0]["conditions"][0]["values"] == expected


def test_empty_values_are_accepted_or_refused() -> None:
    """A condition without values."""
    (condition,) = SEGMENT["conditions"]
    segment = {**SEGMENT, "conditions": [condition, {**condition, "values": []}]}
    for option, status in (("accept", 200), ("refuse", 400)):
        emulator = behaving(empty_values=option)
        assert ask(emulator, "PATCH", FLAG, {"targetSegments": [SEGMENT]}).status == 200
        assert ask(emulator, "PATCH", FLAG, {"targetSegments": [segment]}).status == status


@pytest.mark.parametrize("kind", ["flag", "experiment"])
def test_dependents_are_ignored_or_enforced(kind: str) -> None:
    """What a flag or experiment depends on cannot be archived, renamed or removed; other variants can."""
    for option, statuses in (("ignored", [200] * 4), ("enforced", [400, 400, 400, 200])):
        seen = []
        for method, path, body in (
            ("PATCH", FLAG, {"archive": True}),
            ("PATCH", CONTROL, {"key": "renamed"}),
            ("DELETE", CONTROL, None),
            ("DELETE", f"{FLAG}/variants/treatment", None),
        ):
            emulator = behaving(dependents=option)
            child = {"projectId": "7", "key": "child", "parentDependencies": {"flags": {"1001": ["control"]}}}
            add = emulator.store.seed_flag if kind == "flag" else emulator.store.seed_experiment
            add(child)
            seen.append(ask(emulator, method, path, body).status)
            archived = behaving(dependents=option)
            archived.store.seed_flag({**child, "archived": True})
            assert ask(archived, method, path, body).status == 200
        assert seen == statuses


def test_dependents_go_on_after_their_parents_where_that_is_enforced() -> None:
    """A flag is not active before its prerequisites are."""
    for option, status in (("ignored", 200), ("enforced", 400)):
        emulator = behaving({"enabled": False}, dependents=option)
        child = emulator.store.seed_flag(
            {"projectId": "7", "key": "c", "parentDependencies": {"flags": {"1001": []}}}
        )
        assert ask(emulator, "PATCH", f"/flags/{child['id']}", {"enabled": True}).status == status
        ask(emulator, "PATCH", FLAG, {"enabled": True})
        assert ask(emulator, "PATCH", f"/flags/{child['id']}", {"enabled": True}).status == 200
        ask(emulator, "PATCH", FLAG, {"enabled": False})
        assert ask(emulator, "PATCH", f"/flags/{child['id']}", {"enabled": True}).status == 200
        orphan = emulator.store.seed_flag(
            {**child, "id": "5", "parentDependencies": {"flags": {"9": []}}} | {"enabled": False}
        )
        assert ask(emulator, "PATCH", f"/flags/{orphan['id']}", {"enabled": True}).status == status


def test_disable_without_deployment_is_accepted_or_refused() -> None:
    """Of a flag that has none."""
    for option, status in (("accept", 200), ("refuse", 400)):
        emulator = behaving(disable_without_deployment=option)
        assert ask(emulator, "PATCH", FLAG, {"enabled": False}).status == status
        ask(emulator, "POST", f"{FLAG}/deployments", {"deployments": ["67"]})
        assert ask(emulator, "PATCH", FLAG, {"enabled": False}).status == 200


def test_approvals_are_not_needed_or_forbid_or_hold_back() -> None:
    """Activation, and rollout, segments, variants and salt while a flag is on; names, and flags that are off, not."""
    for option, status, percentage in (("none", 200, 5), ("403", 403, 100), ("pending", 200, 100)):
        emulator = behaving(approvals=option)
        assert ask(emulator, "PATCH", FLAG, {"rolloutPercentage": 5}).status == status
        assert flag_of(emulator, "new-checkout")["rolloutPercentage"] == percentage
        assert ask(emulator, "PATCH", CONTROL, {"rolloutWeight": 3}).status == status
        held = [{"bucketingSalt": "s"}, {"targetSegments": []}]
        before = emulator.dump()
        assert [ask(emulator, "PATCH", FLAG, body).status for body in held] == [status] * 2
        assert (emulator.dump() == before) is (option != "none")
        assert ask(emulator, "PATCH", FLAG, {"name": "free", "enabled": True}).status == 200
        assert flag_of(emulator, "new-checkout")["name"] == "free"
        off = behaving({"enabled": False}, approvals=option)
        assert ask(off, "PATCH", FLAG, {"rolloutPercentage": 5}).status == 200
        assert flag_of(off, "new-checkout")["rolloutPercentage"] == 5
        assert ask(off, "PATCH", FLAG, {"enabled": True}).status == status
        assert flag_of(off, "new-checkout")["enabled"] is (option == "none")

"""Changes as lines: live to git, wide values taken apart, nothing hidden."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from reconciler.planning.compare import with_details
from reconciler.planning.plan import LeafChange, MembersChange, ValueChange
from reconciler.reports.fields import FieldLine, field_lines, flow_text

BETA = {"name": "Beta", "conditions": [], "percentage": 50, "rolloutWeights": {"a": 1}}
STAFF = {"name": "Staff", "conditions": [], "percentage": 100, "rolloutWeights": {"a": 1}}
USERS = "/variants/a/inclusions/users"


def lines(
    *changes: ValueChange | MembersChange, show_users: bool = False
) -> list[tuple[str, str, str | None, str | None]]:
    """The lines of changes as tuples."""
    found = field_lines(changes, show_users=show_users)
    return [(line.symbol, line.label, line.before, line.after) for line in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (10, 50, ("~", "10", "50")),
        (None, True, ("+", None, "true")),
        ("old", None, ("-", '"old"', None)),
        ({"a": 1}, {"a": 2}, ("~", '{"a": 1}', '{"a": 2}')),
        ("", [], ("~", '""', "[]")),
    ],
)
def test_a_value_is_one_line(before: object, after: object, expected: tuple[str, str | None, str | None]) -> None:
    """The symbol says whether something comes, goes or changes; both sides are JSON."""
    change = ValueChange(path="/rolloutWeights", before=before, after=after)
    assert lines(change) == [(expected[0], "rolloutWeights", *expected[1:])]


def test_a_payload_is_shown_where_it_differs() -> None:
    """Members of a payload that differ are lines of their own."""
    change = ValueChange(
        path="/variants/a/payload",
        before={"x": {"y": 1}, "z": 2},
        after={"x": {"y": 2}},
        details=(LeafChange(path="/x/y", before=1, after=2), LeafChange(path="/z", before=2, after=None)),
    )
    assert lines(change) == [
        ("~", "variants/a/payload/x/y", "1", "2"),
        ("-", "variants/a/payload/z", "2", None),
    ]


@pytest.mark.parametrize(
    "details",
    [
        (),
        (LeafChange(path="/n", before=None, after=None),),
        tuple(LeafChange(path=f"/{number}", before=0, after=1) for number in range(25)),
    ],
)
def test_a_payload_that_cannot_be_taken_apart_is_whole(details: tuple[LeafChange, ...]) -> None:
    """Too many differences, or a null that comes or goes, are shown as the whole value, never as nothing."""
    change = ValueChange(path="/variants/a/payload", before={"n": None}, after={}, details=details)
    assert lines(change) == [("~", "variants/a/payload", '{"n": null}', "{}")]


def test_members_are_counted_unless_shown() -> None:
    """User ids are counted; --show-users names them; cohorts are no people."""
    users = MembersChange(path=USERS, added=("ada@example.com",), removed=("b", "c"))
    assert lines(users) == [("~", "variants/a/inclusions/users", "- 2 users", "+ 1 user")]
    assert lines(users, show_users=True)[0][2:] == ('- 2 users: "b", "c"', '+ 1 user: "ada@example.com"')
    cohorts = MembersChange(path="/variants/a/inclusions/cohorts", added=(), removed=("c1",))
    assert lines(cohorts) == [("-", "variants/a/inclusions/cohorts", '- 1 cohort: "c1"', None)]


@pytest.mark.parametrize("path", ["/tags", "/deployments"])
def test_sets_are_what_is_added_and_what_is_removed(path: str) -> None:
    """In any order of the members."""
    change = ValueChange(path=path, before=["a", "b"], after=["b", "c", "a"])
    assert lines(change) == [("+", path[1:], None, '+ "c"')]
    assert lines(replace(change, after=["c"])) == [("~", path[1:], '- "a", "b"', '+ "c"')]
    assert lines(replace(change, before=None)) == [("+", path[1:], None, '["b", "c", "a"]')]
    for after, is_set in ((["a"], True), (["b", "a"], False), (None, False)):
        (line,) = field_lines((replace(change, after=after),), show_users=False)
        assert line.is_set is is_set


def test_the_only_member_that_differs_is_a_line() -> None:
    details = (LeafChange(path="/x", before=1, after=2),)
    change = ValueChange(path="/variants/a/payload", before={"x": 1, "y": 0}, after={"x": 2, "y": 0}, details=details)
    assert lines(change) == [("~", "variants/a/payload/x", "1", "2")]


def test_a_payload_of_another_type_is_one_line() -> None:
    """The difference is the whole value."""
    change = ValueChange(path="/variants/a/payload", before=[1], after={"a": 1})
    (described,) = with_details((change,))
    line = ("~", "variants/a/payload", "[1]", '{"a": 1}')
    assert lines(described) == lines(change) == [line]
    null = replace(change, before=None, details=(LeafChange(path="", before=None, after={"a": 1}),))
    assert lines(null) == [(*line[:2], "null", line[3])]


def test_null_in_a_payload_is_a_value() -> None:
    """From null, or to null, is a change; a member that comes or goes is not."""
    before, after = {"a": None, "b": 1, "x": 0}, {"a": "#fff", "b": None, "c": 2}
    details = (
        LeafChange(path="/a", before=None, after="#fff"),
        LeafChange(path="/b", before=1, after=None),
        LeafChange(path="/c", before=None, after=2),
        LeafChange(path="/x", before=0, after=None),
    )
    change = ValueChange(path="/variants/a/payload", before=before, after=after, details=details)
    assert [line[0] + " " + line[1].rpartition("/")[2] for line in lines(change)] == ["~ a", "~ b", "+ c", "- x"]
    assert lines(change)[0][2:] == ("null", '"#fff"')


def test_segments_are_compared_by_name() -> None:
    """A segment that differs is shown part by part, one that comes or goes as a whole."""
    change = ValueChange(path="/targetSegments", before=[BETA, STAFF], after=[BETA | {"percentage": 60}])
    assert lines(change) == [
        ("~", "targetSegments/Beta/percentage", "50", "60"),
        ("-", "targetSegments/Staff", 'everyone; 100%; rolloutWeights {"a": 1}', None),
    ]


@pytest.mark.parametrize(
    ("before", "after", "says_order"),
    [
        ([BETA, STAFF], [STAFF, BETA], True),
        ([BETA], [STAFF, BETA], True),
        ([BETA], [BETA, STAFF], False),
        ([BETA, STAFF], [STAFF], False),
        (None, [BETA, STAFF], False),
    ],
)
def test_the_order_of_segments_is_shown_where_it_matters(before: list | None, after: list, says_order: bool) -> None:
    """The first segment that matches decides: an order that does not follow from the other lines is a line."""
    change = ValueChange(path="/targetSegments", before=before, after=after)
    assert any(label == "targetSegments (order)" for _, label, _, _ in lines(change)) is says_order


def test_ids_that_are_counted_still_show_that_they_differ() -> None:
    """Another id in a condition is a change even though both read `[1 id]`."""

    def segment(user: str) -> dict[str, object]:
        return STAFF | {"conditions": [{"type": "property", "prop": "user_id", "op": "is", "values": [user]}]}

    change = ValueChange(path="/targetSegments", before=[segment("a")], after=[segment("b")])
    assert lines(change) == [
        ("~", "targetSegments/Staff/conditions", "user_id is [1 id]", "user_id is [1 id] (other ids)")
    ]


def test_other_ids_beside_what_is_not_ascii() -> None:
    """What is the same on both sides is shown as it is."""
    city = {"type": "property", "prop": "city", "op": "is", "values": ["Malmö"]}
    before, after = (
        STAFF | {"conditions": [city, {"type": "property", "prop": "user_id", "op": "is", "values": [user]}]}
        for user in ("a", "b")
    )
    words = 'city is ["Malmö"] and user_id is [1 id]'
    change = ValueChange(path="/targetSegments", before=[before], after=[after])
    assert lines(change) == [("~", "targetSegments/Staff/conditions", words, f"{words} (other ids)")]


def test_segments_where_there_were_none_are_a_line_each() -> None:
    """And those that all go."""
    text = 'everyone; 50%; rolloutWeights {"a": 1}'
    change = ValueChange(path="/targetSegments", before=None, after=[BETA])
    assert lines(change) == [("+", "targetSegments/Beta", None, text)]
    assert lines(replace(change, before=[BETA], after=None)) == [("-", "targetSegments/Beta", text, None)]


def test_segments_of_one_name_are_shown_whole() -> None:
    """Where names do not tell segments apart, both lists are shown as they are."""
    change = ValueChange(path="/targetSegments", before=[BETA, BETA], after=[BETA])
    assert [label for _, label, _, _ in lines(change)] == ["targetSegments"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/targetSegments", [BETA, {"percentage": 5}]),
        ("/targetSegments", [BETA, "Staff"]),
        ("/targetSegments", "Beta"),
        ("/targetSegments", {}),
        ("/targetSegments", 5),
        ("/variants", {}),
        ("/variants", 5),
        ("/other", [BETA]),
        ("/other", [{"key": "on"}]),
        ("/variants", [{"key": "on"}, {"name": "Off"}]),
        ("/variants", [{"key": "on"}, "off"]),
        ("/variants", {"key": "on"}),
    ],
)
def test_what_cannot_be_told_apart_is_shown_whole(path: str, value: object) -> None:
    """One segment without a name, or one variant without a key, is enough."""
    change = ValueChange(path=path, before=None, after=value)
    assert lines(change) == [("+", path[1:], None, flow_text(value))]
    if path == "/targetSegments":
        reverse = ValueChange(path=path, before=value, after=[STAFF])
        assert lines(reverse) == [("~", path[1:], flow_text(value), flow_text([STAFF]))]


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (None, "everyone"),
        ([], "everyone"),
        ([{"prop": "country", "op": "is", "values": ["US", "CA"]}], 'country is ["US", "CA"]'),
        ([{"type": "cohort", "prop": "id", "op": "set", "values": []}], "(cohort) id set []"),
        (
            [
                {"type": "property", "prop": "device_id", "op": "is not", "values": ["a", "b"]},
                {"prop": "user_id", "op": "is", "values": "c"},
            ],
            'device_id is not [2 ids] and user_id is "c"',
        ),
        (["?"], '["?"]'),
    ],
)
def test_conditions_in_words(conditions: object, text: str) -> None:
    """What is no condition is shown as it is."""
    segment = {"name": "S", "conditions": conditions, "percentage": 5, "bucketingKey": "device_id"}
    change = ValueChange(path="/targetSegments", before=[], after=[segment])
    assert lines(change) == [("+", "targetSegments/S", None, f'{text}; 5%; bucketingKey "device_id"')]
    differs = ValueChange(path="/targetSegments", before=[segment | {"conditions": [BETA]}], after=[segment])
    (line,) = lines(differs)
    assert (line[1], line[3]) == ("targetSegments/S/conditions", text)


def test_parts_that_one_side_alone_has() -> None:
    """Those of the live segment first."""
    before, after = {"name": "S", "old": 1, "same": 2}, {"new": 3, "same": 2, "name": "S"}
    change = ValueChange(path="/targetSegments", before=[before], after=[after])
    assert lines(change) == [("-", "targetSegments/S/old", "1", None), ("+", "targetSegments/S/new", None, "3")]


def test_texts_that_look_the_same_are_told_apart_by_their_code_points() -> None:
    """Composed and decomposed, also in the order of segments that is shown."""
    change = ValueChange(path="/name", before="caf\u00e9", after="cafe\u0301")
    assert lines(change) == [("~", "name", '"caf\\u00e9"', '"cafe\\u0301"')]
    assert lines(replace(change, after="café!")) == [("~", "name", '"café"', '"café!"')]


@pytest.mark.parametrize(("known", "text"), [({}, '["1", "2"]'), ({"1": "web", "3": "app"}, '["web (1)", "2"]')])
def test_deployments_are_named_where_their_names_are_known(known: dict[str, str], text: str) -> None:
    """With their ids; ids without a name as they are."""
    new = ValueChange(path="/deployments", before=None, after=["1", "2"])
    (line,) = field_lines((new,), show_users=False, deployments=known)
    assert (line.before, line.after) == (None, text)
    other = ValueChange(path="/tags", before=None, after=["1", "2"])
    assert field_lines((other,), show_users=False, deployments=known)[0].after == '["1", "2"]'
    members = MembersChange(path="/deployments", added=("1",), removed=())
    assert field_lines((members,), show_users=False, deployments=known)[0].after == '+ 1 cohort: "1"'


def test_a_set_of_which_the_order_alone_differs_is_shown_whole() -> None:
    change = ValueChange(path="/tags", before=["a", "b"], after=["b", "a"])
    assert lines(change) == [("~", "tags", '["a", "b"]', '["b", "a"]')]


def test_only_what_is_gone_from_a_set() -> None:
    change = ValueChange(path="/tags", before=["a", "b", "c"], after=["b"])
    assert lines(change) == [("-", "tags", '- "a", "c"', None)]


def test_as_many_differences_of_a_payload_as_are_shown_one_by_one() -> None:
    """At most 24; null in a list and below other members is a value too."""
    before = {"list": [{"a": None}, "0"], "deep": {"b": None}}
    found = {"/list/0/a": ("null", "1"), "/deep/b": ("null", "1"), "/gone/c": (None, "1")}
    found |= {"/list/2/a": (None, "1"), "/list/a/a": (None, "1")}
    found |= {f"/{number}": (None, "1") for number in range(19)}
    details = tuple(LeafChange(path=path, before=None, after=1) for path in found)
    change = ValueChange(path="/variants/a/payload", before=before, after={}, details=details)
    assert [line[1:3] for line in lines(change)] == [
        (f"variants/a/payload{path}", side) for path, (side, _) in found.items()
    ]
    more = (*details, LeafChange(path="/more", before=None, after=1))
    assert [line[1] for line in lines(replace(change, details=more))] == ["variants/a/payload"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"inclusions": {"users": ["a", "b"], "cohorts": []}}, '{"inclusions": {"users": [2 users], "cohorts": []}}'),
        ({"inclusions": {"cohorts": ["c"]}}, '{"inclusions": {"cohorts": ["c"]}}'),
        ({"inclusions": {"users": "a"}}, '{"inclusions": {"users": "a"}}'),
        ({"inclusions": ["a"]}, '{"inclusions": ["a"]}'),
        ({"payload": {"inclusions": {"users": ["a"]}}}, '{"payload": {"inclusions": {"users": ["a"]}}}'),
        ([{"inclusions": {"users": ["a"]}}], '[{"inclusions": {"users": [1 user]}}]'),
        ({"prop": "user_id", "values": ["a"]}, '{"prop": "user_id", "values": [1 id]}'),
        ({"prop": "country", "values": ["a"]}, '{"prop": "country", "values": ["a"]}'),
        ({"prop": ["user_id"], "values": ["a"]}, '{"prop": ["user_id"], "values": ["a"]}'),
    ],
)  # fmt: skip
def test_which_ids_are_counted(value: object, text: str) -> None:
    """Those of inclusions and of conditions on ids, at any depth, and nothing of payloads."""
    change = ValueChange(path="/other", before=None, after=value)
    assert lines(change)[0][3] == text
    assert lines(change, show_users=True)[0][3] == json.dumps(value)


def test_new_variants_are_a_line_each() -> None:
    """The variants of a new flag are told apart, their users counted."""
    variants = [{"key": "on", "name": "On", "inclusions": {"users": ["a"]}}, {"key": "b"}]
    assert field_lines((ValueChange(path="/variants", before=None, after=variants),), show_users=False) == (
        FieldLine(symbol="+", label="variants/on", after='{"name": "On", "inclusions": {"users": [1 user]}}'),
        FieldLine(symbol="+", label="variants/b", after="no fields"),
    )


@pytest.mark.parametrize("value", ["#fff", 5, False, {"a": 1}, [1], {}])
def test_no_payload_is_null_and_a_change_of_it_no_addition(value: object) -> None:
    """As the API has it: a payload is always there, at least as null; so it is in each direction."""
    for before, after in ((None, value), (value, None)):
        (change,) = with_details((ValueChange(path="/variants/a/payload", before=before, after=after),))
        (line,) = lines(change)
        texts = [json.dumps(side) for side in (before, after)]
        assert line == ("~", "variants/a/payload", *texts)

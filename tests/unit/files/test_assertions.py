"""What files of tests claim, as it is decoded."""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders import a_desired_flag, a_flag, a_position

from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share
from reconciler.evaluation.users import user_of_json
from reconciler.files.assertions import decode_tests, place_of
from reconciler.files.yaml.reader import read_documents
from reconciler.model.flag import Condition

TESTS = """\
tests:
  - name: people
    flag: f
    users:
      country: [US, CA]
      plan: pro
      gp:level: {is not: x, contains: [y, z]}
      user_properties: {city: {not: Rome}}
      user_properties.team: red
      cohort_ids: {is: c, not: [d]}
    always: [on, off -> on]
    never: off
  - {name: user, flag: g, user: {user_id: u, user_properties.plan: pro}, is: on}
  - name: shares
    flag: h
    share: {on: '25%', off: '20%..30.5%', a -> b: '> 1% < 2%', c: '<= 10%', d: '>= 0.5%', e: '== 3%'}
    against: live
    given: {p: on}
"""


def test_what_tests_claim() -> None:
    """Every form in which a claim can be written."""
    people, user, shares = decode_tests(read_documents(TESTS, "flags/f.test.yaml")[0])
    assert people == Assertion(
        name="people",
        flag="f",
        source=a_position(2, 5, "flags/f.test.yaml"),
        conditions=(
            Condition(prop="country", op="is", values=("US", "CA")),
            Condition(prop="gp:plan", op="is", values=("pro",)),
            Condition(prop="gp:level", op="is not", values=("x",)),
            Condition(prop="gp:level", op="contains", values=("y", "z")),
            Condition(prop="gp:city", op="is not", values=("Rome",)),
            Condition(prop="gp:team", op="is", values=("red",)),
            Condition(prop="userdata_cohort", op="is", values=("c",), type="cohort"),
            Condition(prop="userdata_cohort", op="is not", values=("d",), type="cohort"),
        ),
        always=(Outcome("on"), Outcome("on", "off")),
        never=(Outcome("off"),),
    )
    assert user == Assertion(
        name="user",
        flag="g",
        source=a_position(13, 5, "flags/f.test.yaml"),
        user=user_of_json({"user_id": "u", "gp:plan": "pro"}),
        expected="on",
    )
    assert shares == Assertion(
        name="shares",
        flag="h",
        source=a_position(14, 5, "flags/f.test.yaml"),
        shares=(
            Share(Outcome("on"), (Bound("==", Fraction(1, 4)),), "25%"),
            Share(Outcome("off"), (Bound(">=", Fraction(1, 5)), Bound("<=", Fraction(61, 200))), "20%..30.5%"),
            Share(Outcome("b", "a"), (Bound(">", Fraction(1, 100)), Bound("<", Fraction(1, 50))), "> 1% < 2%"),
            Share(Outcome("c"), (Bound("<=", Fraction(1, 10)),), "<= 10%"),
            Share(Outcome("d"), (Bound(">=", Fraction(1, 200)),), ">= 0.5%"),
            Share(Outcome("e"), (Bound("==", Fraction(3, 100)),), "== 3%"),
        ),
        against="live",
        given=(("p", "on"),),
    )


CONTENT = b"key: e\n---\nkey: f\nenabled: true\nenvironments:\n  prod: {enabled: false}\n"


@pytest.mark.parametrize(
    ("line", "environment", "path", "place"),
    [
        (3, None, "/enabled", "flags/f.yaml:4:10"),
        (3, "test", "/enabled", "flags/f.yaml:4:10"),
        (3, "prod", "/enabled", "flags/f.yaml:6:19"),
        (3, "prod", "/tags", "flags/f.yaml:3:1"),
        (1, None, "/key", "flags/f.yaml:1:6"),
        (2, None, "/key", "flags/f.yaml:2:1"),
    ],
)
def test_where_a_file_says_something(line: int, environment: str | None, path: str, place: str) -> None:
    """The start of the document at the least; of one that is there no more, where it was."""
    flag = a_desired_flag(a_flag("f"), source=a_position(line, 1, "flags/f.yaml"))
    assert str(place_of(CONTENT, flag, environment, path)) == place

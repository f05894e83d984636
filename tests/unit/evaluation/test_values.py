"""Examples of values for each answer that some conditions allow; bounds of shares, and outcomes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from reconciler.evaluation.assertions import TOLERANCE, Bound, Outcome, Share
from reconciler.evaluation.populations import Chosen, Properties
from reconciler.evaluation.values import PropertyAnswers, answers_of, property_of_condition, user_with
from reconciler.model.flag import Condition

NONE, FIRST, SECOND, BOTH = range(4)
"""Which of two conditions are true."""
LEAST = "-1.7976931348623157e+308"


def asked(op: str, *values: str, prop: str = "gp:n", type_: str = "property") -> Condition:
    """A condition."""
    return Condition(prop=prop, op=op, values=values, type=type_)


def shown(*conditions: Condition) -> dict[int, tuple[Any, ...]]:
    """The examples of each answer, of conditions of which all answers are known."""
    answers = answers_of(conditions)
    assert not answers.is_free
    return {found.mask: found.values for found in answers.known}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([asked("is", "x"), asked("is not", "y")], {SECOND: (None, "other"), BOTH: ("x",), NONE: ("y",)}),
        ([asked("is", "other", "x")], {NONE: (None, "another"), FIRST: ("other", "x")}),
        (
            [asked("is", "other", "another", "x", "y", "z")],
            {NONE: (None, "other" * 8), FIRST: ("other", "another", "x", "y", "z")},
        ),
        ([asked("is", "")], {NONE: (None, "other")}),
        ([asked("is", "(none)")], {FIRST: (None, "(none)"), NONE: ("other",)}),
        ([asked("strange", "a")], {NONE: (None, "a", "other")}),
        (
            [asked("greater", "5"), asked("less", "7")],
            {
                NONE: (None, "nan"),
                SECOND: ("5", "-inf", "4", LEAST, "-"),
                FIRST: ("7", "inf", "8", "7.000000000000001", "7x", "other"),
                BOTH: ("6", "5.000000000000001", "5x"),
            },
        ),
        (
            [asked("greater or equal", str(2**53 + 1))],
            {
                NONE: (None, "nan", "-inf", "9007199254740991", LEAST, "-"),
                FIRST: (
                    "9007199254740993", "inf", "9007199254740992.0", "9007199254740994.0", "9007199254740993x",
                    "other",
                ),
            },
        ),
        (
            [asked("less", str(2**53 - 2))],
            {
                NONE: (None, "9007199254740990", "nan", "inf", "9007199254740991", "9007199254740990x", "other"),
                FIRST: ("-inf", "9007199254740989", LEAST, "-"),
            },
        ),
        (
            [asked("greater", "1.0.0", prop="version")],
            {
                NONE: (None, "1.0.0", "0.0.0", "0.0.0-", "1.0.0-a", "-"),
                FIRST: ("1.0.1", "1.1.0", "2.0.0", "1.0.1-", "1.0.0x", "other"),
            },
        ),
        (
            [asked("less", "1.0.0-a", prop="version")],
            {
                NONE: (None, "1.0.0-a", "1.0.1", "1.1.0", "2.0.0", "1.0.0-a-", "1.0.0-a!", "other"),
                FIRST: ("0.0.0", "0.0.0-", "-"),
            },
        ),
        (
            [asked("is", "true", "x"), asked("contains", "q")],
            {
                NONE: (None, "a", "other"),
                FIRST: (
                    "true", "x", "TRUE", "TRUe", "TRuE", "TRue", "TrUE", "TrUe", "TruE", "True", "tRUE", "tRUe",
                    "tRuE", "tRue", "trUE", "trUe", "truE",
                ),
                SECOND: ("q", "Q"),
            },
        ),
        (
            [asked("set contains", "x"), asked("contains", "t")],
            {NONE: (None, "x", "a"), FIRST: (["x"],), SECOND: ("t", "T", "other"), BOTH: (["x", "t"],)},
        ),
        (
            [asked("set is not", "x"), asked("contains", "true"), asked("contains", "false")],
            {
                0: (None, "x", "b", "other"), 1: (["b"],), 2: ("true", "TRUE"), 3: (["true"],), 4: ("false", "FALSE"),
                5: (["false"],), 6: ("FALSETRUE",), 7: (["FALSETRUE"],),
            },
        ),
        (
            [
                asked("greater or equal", "b"), asked("less or equal", "b"), asked("is not", "b"),
                asked("contains", "z"),
            ],
            {
                4: (None,),
                3: ("b",),
                13: ("z", "bZ", "bxZ", "~Z"),
                6: ("A", "a", "ab", "Aa", "aA", "A~", "abx", "a~"),
                5: ("bx", "ba", "b~", "~b", "~", "~A", "bxa", "bx~", "~bx", "~a", "~~", "other"),
                14: ("Z", "Zb", "AZ", "ZA", "Zbx", "Z~"),
            },
        ),
        (
            [asked("less", "-3"), asked("is not", "-4", "-inf")],
            {
                SECOND: (None, "-3", "nan", "inf", "-2", "-2.9999999999999996", "-3x", "other"),
                FIRST: ("-4", "-inf"),
                BOTH: ("-INF", "-04", LEAST, "-"),
            },
        ),
        (
            [asked("contains", "\u03c3"), asked("contains", "a")],
            {NONE: (None, "b", "other"), FIRST: ("\u03c3",), SECOND: ("a", "A"), BOTH: ("A\u03c3",)},
        ),
        ([asked("contains", "\u00df")], {NONE: (None, "a", "other"), FIRST: ("\u00df",)}),
        ([asked("is", "(none)", "x", prop="user_id")], {FIRST: (None, "x"), NONE: ("other",)}),
        (
            [asked("glob match", "[*]"), asked("is not", "[x]")],
            {SECOND: (None, "a", "other"), BOTH: ("[*]", "[a]"), FIRST: ("[x]",)},
        ),
        (
            [asked("is", "a", "(none)", "z", type_="cohort"), asked("is not", "q", type_="cohort")],
            {BOTH: (None,), NONE: (["q"],), SECOND: (["other"],), FIRST: (["a", "q"],)},
        ),
        (
            [asked("is", "(none)", "a", type_="cohort"), asked("is not", "q", type_="cohort")],
            {BOTH: (None,), NONE: (["q"],), SECOND: (["other"],), FIRST: (["a", "q"],)},
        ),
        (
            [asked("greater", "x", "9")],
            {
                NONE: (None, "9", "nan", "-inf", "8", LEAST, "-"),
                FIRST: ("x", "inf", "10", "9.000000000000002", "9x", "xx", "other"),
            },
        ),
        (
            [asked("less", "0.5"), asked("greater", "0.25")],
            {
                NONE: (None, "nan"),
                SECOND: ("0.5", "inf", "1", "0.5000000000000001", "0.5x", "other"),
                FIRST: ("0.25", "-inf", "0", LEAST, "-"),
                BOTH: ("0.375", "0.25000000000000006", "0.25x"),
            },
        ),
        (
            [asked("less", "-3.5")],
            {
                NONE: (None, "-3.5", "nan", "inf", "-3", "-3.4999999999999996", "-3.5x", "other"),
                FIRST: ("-inf", "-4", LEAST, "-"),
            },
        ),
        (
            [asked("greater", "5"), asked("less", "-3"), asked("greater", "100")],
            {
                NONE: (None, "5", "-3", "nan", "-2", "1", "-2.9999999999999996", "-3x"),
                FIRST: ("100", "6", "52.5", "5.000000000000001"),
                5: ("inf", "101", "100.00000000000001", "5x", "other"),
                SECOND: ("-inf", "-4", LEAST, "-"),
                4: ("100x",),
            },
        ),
        (
            [asked("greater", "a"), asked("greater", "a ")],
            {NONE: (None, "a", "A"), FIRST: ("a ", "a\x00"), BOTH: ("a x", "other")},
        ),
        (
            [asked("greater", "a"), asked("greater", "a "), asked("is not", "a\x00")],
            {4: (None, "a", "A"), 5: ("a ", "a\x00\x00"), FIRST: ("a\x00",), 7: ("a x", "other")},
        ),
        (
            [asked("greater", "b"), asked("is not", "bx")],
            {SECOND: (None, "b", "A"), FIRST: ("bx",), BOTH: ("bA", "other")},
        ),
        (
            [asked("greater", "a"), asked("greater", "ax")],
            {NONE: (None, "a", "A"), FIRST: ("ax", "aA"), BOTH: ("axx", "other")},
        ),
        ([asked("less", "inf")], {NONE: (None, "inf", "nan", "infx", "other"), FIRST: ("-inf", "0", LEAST, "A")}),
        ([asked("greater", "b")], {NONE: (None, "b", "A"), FIRST: ("bx", "other")}),
        (
            [asked("contains", "aB"), asked("does not contain", "b")],
            {SECOND: (None, "c", "other"), FIRST: ("aB", "AB"), NONE: ("b", "B")},
        ),
        (
            [asked("glob match", "a*"), asked("glob match", "a**")],
            {NONE: (None, "b", "other"), BOTH: ("a*", "a**", "a"), SECOND: ("a/",)},
        ),
        (
            [asked("greater", "b"), asked("glob match", "a")],
            {
                NONE: (None, "b", "A", "ab", "Ab", "Aa", "aA", "A~", "abx", "a~"),
                FIRST: (
                    "bx", "bb", "ba", "b~", "~b", "~", "bA", "~A", "bxb", "bbx", "bxa", "bx~", "~bx", "~a", "~~",
                    "other",
                ),
                SECOND: ("a",),
                BOTH: (),
            },
        ),
        (
            [asked("contains", "abcdefghijklmnopqrstuvwxy")],
            {NONE: (None, "z", "other"), FIRST: ("abcdefghijklmnopqrstuvwxy", "ABCDEFGHIJKLMNOPQRSTUVWXY")},
        ),
        (
            [asked("contains", "abcdefghijklmnopqrstuvwxyz")],
            {NONE: (None, "\ue000", "other"), FIRST: ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
        ),
        (
            [asked("glob match", "a/*"), asked("glob match", "a/**")],
            {NONE: (None, "b", "other"), BOTH: ("a/*", "a/**", "a/"), SECOND: ("a//",)},
        ),
        (
            [asked("set contains", "x"), asked("set contains", "y")],
            {NONE: (None, "x", "y", "other"), FIRST: (["x"],), SECOND: (["y"],), BOTH: (["x", "y"],)},
        ),
        (
            [asked("set contains", "true", "True", "TRUE"), asked("set is", "true")],
            {
                NONE: (
                    None, "true", "True", "TRUE", "TRUe", "TRuE", "TRue", "TrUE", "TrUe", "TruE", "tRUE", "tRUe",
                    "tRuE", "tRue", "trUE", "trUe", "truE", "other",
                ),
                SECOND: (["true"],),
                FIRST: (["TRUE", "True", "true"],),
                BOTH: (["true", "true", "true"],),
            },
        ),
        ([asked("is", "true")], {NONE: (None, "other"), FIRST: ("true",)}),
        (
            [asked("set contains", *"xxx"), asked("set contains", *"xxxxx")],
            {NONE: (None, "x", "other"), FIRST: (["x", "x", "x"],), BOTH: (["x"] * 5,)},
        ),
        (
            [asked("set is", "x", "y"), asked("set is not", "z")],
            {NONE: (None, "x", "y", "z", "other"), SECOND: (["x"],), BOTH: (["x", "y"],)},
        ),
        (
            [asked("set contains", "x"), asked("is", "y")],
            {NONE: (None, "x", "other"), SECOND: ("y",), FIRST: (["x"],), BOTH: (["x", "y"],)},
        ),
        (
            [asked("is", "a", prop="", type_="cohort"), asked("is not", "b", "c", prop="", type_="cohort")],
            {SECOND: (None,), BOTH: (["a"],), NONE: (["b"],), FIRST: (["a", "b"],)},
        ),
    ],
)  # fmt: skip
def test_examples_of_each_answer(conditions: list[Condition], expected: dict[int, tuple[Any, ...]]) -> None:
    """Around every constant, a missing property first, and no answer besides."""
    assert shown(*conditions) == expected


def test_elements_that_match_are_others_than_those_that_are_named() -> None:
    """A list with b and without a, of which both patterns match an element: the shortest one would be a."""
    sets, globs = [asked("set contains", name) for name in "ba"], [asked("glob match", glob) for glob in ("a*", "*a")]
    assert shown(*sets, *globs)[0b1101] == (["b", "aa"],)


@pytest.mark.parametrize(
    ("prop", "limit", "spelling"),
    [
        ("gp:n", "5", "05"),
        ("gp:n", "-1", "-01"),
        ("gp:n", "0.5", "00.5"),
        ("version", "1.0.0", "01.0.0"),
    ],
)
def test_an_equal_number_that_is_not_listed(prop: str, limit: str, spelling: str) -> None:
    """`is not` goes by letters and comparisons by numbers: another spelling meets both."""
    conditions = [asked(op, limit, prop=prop) for op in ("greater or equal", "less or equal", "is not")]

    assert shown(*conditions)[0b111][0] == spelling


@pytest.mark.parametrize(
    ("listed", "spelling"), [((), "inf"), (("inf",), "INF"), (("inf", "INF"), "Inf")]
)  # fmt: skip
def test_infinity_is_spelled_as_no_list_says(listed: tuple[str, ...], spelling: str) -> None:
    """Above the largest number there is only what reads as infinite."""
    found = shown(asked("greater", "1.7976931348623157e+308"), asked("is not", "1", *listed))

    assert spelling in found[BOTH]
    assert not set(found[BOTH]) & set(listed)
    every = shown(asked("greater", "1.7976931348623157e+308"), asked("is not", "inf", "INF", "Inf"))
    assert (every[FIRST], every[BOTH]) == (("inf", "INF", "Inf"), ("1.7976931348623157e+308x", "other"))


@pytest.mark.parametrize(("count", "is_free"), [(6, False), (7, True)])
def test_lists_of_many_elements(count: int, is_free: bool) -> None:
    """Up to seven elements, one that no condition names among them, every list is tried; then any answer counts."""
    conditions = tuple(asked("set contains", f"v{number}") for number in range(count))

    answers = answers_of(conditions)

    assert answers.is_free is is_free
    assert len(answers.known) == (1 + count if is_free else 2**count)


@pytest.mark.parametrize(("count", "is_free"), [(7, False), (8, True)])
def test_lists_of_many_lengths(count: int, is_free: bool) -> None:
    """Up to seven lengths of values that repeat, lists are tried at every length; then any answer counts."""
    conditions = tuple(asked("set contains", *"a" * number) for number in range(2, count + 2))

    assert answers_of(conditions).is_free is is_free


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (asked("is not"), {1: (None, "other")}),
        (asked("is"), {0: (None, "other")}),
        (asked("set contains"), {0: (None, "other"), 1: (["other"],)}),
        (asked("is", "(none)", prop="userdata_cohort", type_="cohort"), {0: (["other"],), 1: (None,)}),
    ],
)
def test_conditions_without_values(condition: Condition, expected: dict[int, tuple[Any, ...]]) -> None:
    """Of them there is no longest value."""
    assert shown(condition) == expected


@pytest.mark.parametrize(
    ("op", "patterns", "length", "is_free"),
    [
        ("contains", ["a" * count for count in range(1, 6)], 979, False),
        ("contains", ["a" * count for count in range(1, 6)], 980, True),
        ("glob match", ["a", "b", "abcdefghijklmnopqrstuvwxyz\u00e9\u00f61"], 81, False),
        ("glob match", ["a", "b", "abcdefghijklmnopqrstuvwxyz\u00e9\u00f61"], 82, True),
    ],
)
def test_a_search_through_texts_ends(op: str, patterns: list[str], length: int, is_free: bool) -> None:
    """After 20,000 steps: of five patterns 4 letters at 1,000 places are not too many, of three 59 at 113 are."""
    assert answers_of((asked(op, *patterns), asked("is", "a" * length))).is_free is is_free


@pytest.mark.parametrize(
    "condition",
    [
        asked("is", "x", type_="odd"),
        asked("is", "x", prop="groups"),
        asked("is", "x", prop="user_properties"),
        Condition(prop="gp:n", op="is", values=("x",), unlisted=(("more", "1"),)),
    ],
)
def test_what_is_not_worked_out_stands_for_itself(condition: Condition) -> None:
    """It may be answered in any way, whatever else is asked."""
    assert property_of_condition(condition) == condition
    assert answers_of((condition,)) == PropertyAnswers((), is_free=True)


@pytest.mark.parametrize("type_", ["odd", "property"])
def test_what_is_known_of_no_value(type_: str) -> None:
    """A condition of an unknown type, and patterns that are too many to search, may be answered in any way."""
    patterns = [f"{'?' * number}*a*{number}*b*" for number in range(12)]
    condition = asked("glob match", *patterns, type_=type_)

    answers = answers_of((condition,))

    assert answers.is_free
    assert len(answers.known) == (2 if type_ == "property" else 0)


@pytest.mark.parametrize(
    ("prop", "type_", "value", "user"),
    [
        ("gp:plan", "property", "pro", {"user_properties": {"plan": "pro"}}),
        ("country", "property", "US", {"country": "US"}),
        ("userdata_cohort", "cohort", ["c"], {"cohort_ids": ["c"]}),
        ("gp:plan", "property", None, {}),
        ("gp:plan", "property", "", {"user_properties": {"plan": ""}}),
    ],
)
def test_the_user_of_one_value(prop: str, type_: str, value: object, user: dict[str, Any]) -> None:
    """Properties of users, built-in ones and cohorts each stand in their place; a missing one stands nowhere."""
    assert user_with(asked("is", "x", prop=prop, type_=type_), value) == user


def test_answers_together() -> None:
    """The least answers of each property that matters, all of a whole one; none where an excluded mask holds."""
    plan, team, country = asked("is", "pro"), asked("is not", "x"), asked("is", "US", prop="country")
    properties = Properties((plan, team, country))
    both, all_three = properties.mask_of((plan, team)), properties.mask_of((plan, team, country, country))
    pro = Chosen("gp:n", (plan, team), BOTH, ("pro",))
    off = Chosen("country", (country,), NONE, (None, "other"))
    there = Chosen("country", (country,), FIRST, ("US",))

    assert (both, all_three) == (0b011, 0b111)
    assert list(properties.answers(both, ())) == [(pro,)]
    assert list(properties.answers(both, (), ["country"])) == [(pro, off), (pro, there)]
    assert list(properties.answers(both, (all_three,))) == [(pro, off)]
    assert list(properties.answers(both, (both,))) == []
    assert [properties.can_be(both, left) for left in ((), (all_three,), (both,), (0b100, 0b001))] == [
        True, True, False, False
    ]  # fmt: skip
    assert list(properties.answers(properties.mask_of((country,)), ())) == [(there,)]
    other = Chosen("gp:n", (plan, team), SECOND, (None, "other"))
    assert list(properties.answers(properties.mask_of((team,)), ())) == [(other,)]
    assert list(properties.answers(properties.mask_of((team,)), (), ["gp:n"])) == [(other,), (pro,)]
    odd = Properties((asked("is", "x", type_="odd"),))
    assert odd.can_be(0b1, ())
    either = asked("is", "x", prop="gp:z"), asked("is not", "x", prop="gp:z")
    two = Properties((plan, team, *either))
    assert all(two.can_be(0, (two.mask_of((condition,)),)) for condition in either)
    assert not two.can_be(0, [two.mask_of((condition,)) for condition in either])
    assert [item.is_listed for item in (pro, off, there)] == [True, False, True]
    assert not Chosen("gp:n", (asked("contains", "x"),), NONE, ("y",)).is_listed
    assert properties.is_exact("gp:n")
    assert properties.is_exact("gp:other"), "nothing is asked of it"
    assert [properties.is_asked(name) for name in ("gp:n", "country", "gp:other")] == [True, True, False]


def test_what_takes_too_many_tries_is_open() -> None:
    """Where no choice of answers will do, and all of 2^14 would have to be tried."""
    many = tuple(asked("is", "x", prop=f"gp:p{number}") for number in range(14))
    either = asked("is", "x", prop="gp:z"), asked("is not", "x", prop="gp:z")
    properties = Properties((*many, *either))
    names = [condition.prop for condition in (*many, either[0])]
    excluded = [properties.mask_of((condition,)) for condition in either]
    assert list(properties.answers(0, excluded, names)) == [None]
    assert list(properties.answers(0, excluded, names[-2:])) == []
    last = Properties((*either, *many))
    assert list(last.answers(0, [last.mask_of(either[1:])], names)) == [None]


@pytest.mark.parametrize(
    ("sizes", "is_open"), [((4, 3, 2, 5, 2, 4, 3, 2), False), ((73, 8, 4, 3), True), ((3, 4, 2), False)]
)
def test_ten_thousand_tries_are_made(sizes: tuple[int, ...], is_open: bool) -> None:
    """Of properties with so many answers each, of which no choice will do: 10,000 tries, or one more."""
    apart: list[tuple[Condition, ...]] = []
    for place, size in enumerate(sizes):
        names = [f"v{number}" for number in range(1, size)]
        prop = f"gp:p{place}"
        apart.append((*(asked("is", name, prop=prop) for name in names), asked("is not", *names, prop=prop)))
    properties = Properties(condition for conditions in apart for condition in conditions)
    excluded = [properties.mask_of((condition,)) for condition in apart[-1]]

    assert list(properties.answers(0, excluded, [conditions[0].prop for conditions in apart])) == [None] * is_open
    assert properties.can_be(0, excluded) is is_open


def test_which_properties_are_known_exactly() -> None:
    patterns = asked("glob match", *(f"{'?' * number}*a*{number}*b*" for number in range(12)))
    properties = Properties((patterns, asked("is", "US", prop="country")))
    assert [properties.is_exact(name) for name in ("gp:n", "country")] == [False, True]
    assert not Properties((asked("greater", "b"), asked("glob match", "a"))).is_exact("gp:n")


EDGE = Fraction(1, 4)
STEP = TOLERANCE / 10


@pytest.mark.parametrize(
    ("op", "holds"),
    [
        ("<=", [True, True, True, True, True, True, False]),
        (">=", [False, True, True, True, True, True, True]),
        ("<", [True, False, False, False, False, False, False]),
        (">", [False, False, False, False, False, False, True]),
        ("==", [False, True, True, True, True, True, False]),
    ],
)
def test_bounds_hold_within_a_millionth(op: str, holds: list[bool]) -> None:
    """On both sides of both edges of the tolerance, the edges themselves among them."""
    places = (-TOLERANCE - STEP, -TOLERANCE, -STEP, Fraction(0), STEP, TOLERANCE, TOLERANCE + STEP)

    assert [Bound(op, EDGE).holds(EDGE + place) for place in places] == holds
    assert Fraction(1, 1_000_000) == TOLERANCE
    between = Share(Outcome("a"), (Bound(">=", EDGE), Bound("<=", 2 * EDGE)), "")
    assert [between.holds(part * EDGE) for part in (0, 1, 2, 3)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("outcome", "text", "met"),
    [
        (Outcome("a"), "a", ["aa", "ba"]),
        (Outcome("a", "b"), "b -> a", ["ba"]),
        (Outcome("a", "a"), "a -> a", ["aa"]),
        (Outcome("*", "a"), "a -> *", ["ab"]),
        (Outcome("a", "*"), "* -> a", ["ba"]),
        (Outcome("*", "*"), "* -> *", ["ab", "ba"]),
    ],
)
def test_outcomes(outcome: Outcome, text: str, met: list[str]) -> None:
    """A star is any other variant: who keeps one makes no move, unless both sides are named."""
    assert [pair for pair in ("aa", "ab", "ba", "bb") if outcome.meets(tuple(pair))] == met
    assert str(outcome) == text


def test_a_list_that_a_pattern_spells_out_stands_for_nothing_known() -> None:
    """No other text matches as it does, and it is read as its elements."""
    assert answers_of((asked("glob match", "[]"),)).is_free
    assert not answers_of((asked("glob match", "[]*"),)).is_free


def test_texts_of_two_kinds_are_joined_up_to_twelve() -> None:
    """Of fourteen texts each, and a tilde: 13 by 13, in both orders, and what else there is, each once."""
    compared = (asked("greater", limit) for limit in "bdfhjln")
    answers = answers_of((*compared, *(asked("glob match", letter) for letter in "0123456789=><")))
    assert sum(len(found.values) for found in answers.known) == 369


@pytest.mark.parametrize(("count", "is_free"), [(31, False), (32, True)])
def test_answers_to_many_conditions_of_two_kinds(count: int, is_free: bool) -> None:
    """Of 128 ways to match seven patterns, and one way to compare more than there are limits: 4,096 are tried."""
    limits = tuple(asked("greater", str(10 + number)) for number in range(count))
    assert answers_of((*limits, *(asked("contains", letter) for letter in "bcdefgh"))).is_free is is_free

"""Made-up users with wanted answers and hashes: which id is taken, where there is none; and murmur3 taken back."""

from __future__ import annotations

from collections import Counter
from itertools import count, islice, product
from random import Random
from typing import TYPE_CHECKING, Any

import mmh3
import pytest

from reconciler.evaluation import persons
from reconciler.evaluation.hashing import coordinates, hash_of
from reconciler.evaluation.persons import (
    MOST_IDS,
    Area,
    NoPersonError,
    Person,
    _body_state,
    _forms,
    _last_block,
    _solve,
    area_of,
    common_areas,
    find_person,
    has_only_named_values,
    named_values,
    numbered_persons,
)
from reconciler.evaluation.populations import Chosen, Properties
from reconciler.evaluation.rules import Bucketing, SegmentRule
from reconciler.model.flag import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROWS, HALF = 42_949_673, 21_474_837
"""Distribution values, and the end of the first of two equal variants."""


def a_rule(
    percentage: int = 50, *, key: str = "user_id", unit: str = "User", salt: str = "s", end: int = HALF
) -> SegmentRule:
    """A rule that hashes, of variants a and b."""
    cuts = (("a", end), ("b", ROWS))
    return SegmentRule("x", percentage=percentage, cuts=cuts, bucketing=Bucketing(salt, key, unit))


def gets(text: str, percentage: int = 50, salt: str = "s") -> str:
    """What `a_rule` gives, by murmur3 itself."""
    hashed = mmh3.hash(f"{salt}/{text}", signed=False)
    return "off" if hashed % 100 >= percentage else "a" if hashed // 100 < HALF else "b"


def first(texts: Iterable[str], wanted: Callable[[str], bool]) -> str:
    return next(text for text in texts if wanted(text))


def numbered(form: str) -> Iterable[str]:
    return (form.format(number) for number in count(1))


def answering(*conditions: Condition) -> Chosen:
    """The first way to meet the conditions on one property, as deciding asks for it."""
    properties = Properties(conditions)
    (chosen,) = next(item for item in properties.answers(properties.mask_of(conditions), ()) if item)
    return chosen


def asked(prop: str, op: str, *values: str) -> Condition:
    return Condition(prop=prop, op=op, values=values)


@pytest.mark.parametrize(
    ("variant", "residues", "distributions"),
    [
        ("a", (0, 30), (0, HALF)),
        ("b", (0, 30), (HALF, ROWS)),
        ("off", (30, 100), (0, ROWS)),
        ("c", (0, 0), (0, 0)),
    ],
)
def test_the_area_of_a_variant(variant: str, residues: tuple[int, int], distributions: tuple[int, int]) -> None:
    assert area_of(a_rule(30), variant) == Area("s", residues, distributions)


def test_areas_of_one_salt_overlap() -> None:
    """One for each salt, the smallest first; None where two have no hash in common."""
    wide, other = Area("s", (0, 50), (10, 40)), Area("t", (0, 1), (0, 1))
    assert common_areas([wide, Area("s", (20, 90), (0, 30))]) == [Area("s", (20, 50), (10, 30))]
    assert common_areas([wide, other]) == [other, wide]
    assert common_areas([]) == []
    assert common_areas([wide, other, Area("s", (50, 60), (0, 99))]) is None
    assert common_areas([wide, Area("s", (0, 99), (40, 50))]) is None
    assert common_areas([Area("s", (60, 50), (60, 50))]) is None
    assert Area("s", (20, 50), (10, 30)).size == 600


@pytest.mark.parametrize("variant", ["a", "b", "off"])
def test_an_area_holds_what_hashes_into_it(variant: str) -> None:
    area = area_of(a_rule(), variant)
    texts = [f"user-{number}" for number in range(200)]
    assert [area.holds(text) for text in texts] == [gets(text) == variant for text in texts]


@pytest.mark.parametrize(
    ("residues", "distributions", "is_held"),
    [
        ((0, 1), (0, 1), True),
        ((-9, 9), (-9, 9), True),
        ((1, 9), (0, 1), False),
        ((-9, 0), (0, 1), False),
        ((0, 1), (1, 9), False),
        ((0, 1), (-9, 0), False),
    ],
)
def test_the_edges_of_an_area(residues: tuple[int, int], distributions: tuple[int, int], is_held: bool) -> None:
    """Both ranges hold their start and not their end."""
    r, d = coordinates(hash_of("s", "x"))
    area = Area("s", (r + residues[0], r + residues[1]), (d + distributions[0], d + distributions[1]))
    assert area.holds("x") is is_held


@pytest.mark.parametrize("variant", ["a", "b", "off"])
@pytest.mark.parametrize(
    ("key", "unit", "form"),
    [
        ("user_id", "User", "user-{}"),
        ("device_id", "User", "device-{}"),
        ("gp:team_id", "User", "team-{}"),
        ("amplitude_id", "User", "100000000000{}"),
        ("user_id", "org id", "org id-{}"),
    ],
)
def test_the_first_number_that_hashes_as_wanted(key: str, unit: str, form: str, variant: str) -> None:
    """In its place of the user, beside a user_id; without what is hashed where that gives the variant too."""
    found = find_person((), [(a_rule(key=key, unit=unit), variant)])
    wanted = first(numbered(form), lambda text: gets(text) == variant)
    held = {"groups": {unit: [wanted]}} if unit != "User" else {key: wanted}
    if key.startswith("gp:"):
        held = {"user_properties": {"team_id": wanted}}
    assert found.user == {"user_id": "user-1", **held}
    assert found.made_up == {"user_id", key if unit == "User" else ""}


@pytest.mark.parametrize(
    ("key", "front"), [("user_id", "user-"), ("gp:team_id", "team-"), ("amplitude_id", "100000000000")]
)
def test_what_stands_around_the_number(key: str, front: str) -> None:
    """Its own word, then the first examples before and behind it."""
    name = {"user_id": "user-", "gp:team_id": "team-", "amplitude_id": "amplitude-"}[key]
    around = [[(text, ""), (name, text), (f"{text}-", ""), (f"{text}.", "")] for text in ("x", "y", "z")]
    assert list(_forms(key, ["x", "y", "z", "w"])) == [(front, ""), *around[0], *around[1], *around[2]]


def test_all_rules_at_once() -> None:
    """Of two salts, one id has both hashes; of two keys, each has its own."""
    both = find_person((), [(a_rule(), "a"), (a_rule(salt="t"), "off")])
    wanted = first(numbered("user-{}"), lambda text: gets(text) == "a" and gets(text, salt="t") == "off")
    assert both == Person({"user_id": wanted}, frozenset({"user_id"}))
    apart = find_person((), [(a_rule(), "b"), (a_rule(key="device_id"), "a")])
    assert gets(apart.user["user_id"]) == "b"
    assert gets(apart.user["device_id"]) == "a"


@pytest.mark.parametrize(
    ("chosen", "form"),
    [
        (answering(asked("user_id", "contains", "ann")), "ann{}"),
        (answering(asked("user_id", "glob match", "a/*")), "a/*{}"),
        (answering(asked("user_id", "is not", "x")), "user-{}"),
    ],
)
def test_a_made_up_id_answers_the_conditions(chosen: Chosen, form: str) -> None:
    """It begins with an example of what answers them, where the plain form does not answer."""
    found = find_person((chosen,), [(a_rule(), "off")])
    assert found.user == {"user_id": first(numbered(form), lambda text: gets(text) == "off")}


LISTED = [f"v{number}" for number in range(9)]


def test_a_listed_value_is_taken_as_it_is() -> None:
    """The first that hashes as wanted, which is not made up; where none does, there is certainly no user."""
    chosen = answering(asked("gp:x", "is", *LISTED))
    found = find_person((chosen,), [(a_rule(key="gp:x"), "b")])
    value = first(LISTED, lambda text: gets(text) == "b")
    assert found == Person({"user_properties": {"x": value}, "user_id": "user-1"}, frozenset({"user_id"}))
    lost = [text for text in LISTED if gets(text) != "b"]
    with pytest.raises(NoPersonError) as caught:
        find_person((answering(asked("gp:x", "is", *lost)),), [(a_rule(key="gp:x"), "b")])
    assert caught.value.is_certain


def found_value(chosen: Chosen, wanted: tuple[str, ...]) -> Any:
    """The value of a property that two rules hash, with a salt of each; None: there is none."""
    rules = [(a_rule(key="gp:x", salt=salt), variant) for salt, variant in zip("st", wanted, strict=True)]
    try:
        return find_person((chosen,), rules).user["user_properties"]["x"]
    except NoPersonError:
        return None


@pytest.mark.parametrize("wanted", list(product(("a", "b", "off"), repeat=2)))
def test_a_value_hashes_as_wanted_under_both_salts(wanted: tuple[str, ...]) -> None:
    """One that is listed, or one that counts as missing and is hashed nonetheless."""

    def both(value: object) -> bool:
        return tuple(gets(str(value), salt=salt) for salt in "st") == wanted

    named = [f"v{number:02}" for number in range(40)]
    assert found_value(answering(asked("gp:x", "is", *named)), wanted) == next(filter(both, named), None)
    free = Chosen("gp:x", (asked("gp:x", "is", "(none)"),), 1, (None,))
    value = next(filter(both, (0, 0.0, -0.0, False, [], {})), None)
    assert repr(found_value(free, wanted)) == repr(value)


def test_true_and_false_in_any_case() -> None:
    """A listed boolean answers in every spelling, of which one may hash as wanted."""
    spellings = sorted({f"{a}{b}{c}{d}" for a in "tT" for b in "rR" for c in "uU" for d in "eE"} - {"true"})
    variant = first("ab", lambda item: item != gets("true"))
    found = find_person((answering(asked("gp:x", "is", "true")),), [(a_rule(key="gp:x"), variant)])
    assert found.user["user_properties"] == {"x": first(spellings, lambda text: gets(text) == variant)}


@pytest.mark.parametrize(
    ("chosen", "wanted", "is_certain"),
    [
        ((), [(a_rule(), "a"), (a_rule(), "b")], True),
        ((), [(a_rule(), "c")], True),
        ((), [(a_rule(100, key="amplitude_id"), "off")], True),
        ((answering(asked("user_id", "glob match", "abc")),), [(a_rule(1), "a")], False),
        ((answering(asked("gp:x", "is", "(none)")),), [(a_rule(key="gp:x"), "a")], True),
        ((answering(asked("user_id", "is", "abc")),), [(a_rule(1), "a")], True),
    ],
)
def test_where_no_user_is_found(chosen: tuple[Chosen, ...], wanted: Any, is_certain: bool) -> None:
    """Certainly none: areas apart, or listed values alone; else it is only that none was found."""
    with pytest.raises(NoPersonError) as caught:
        find_person(chosen, wanted)
    assert caught.value.is_certain is is_certain


def test_what_may_be_missing_is_left_out() -> None:
    """At 100 % only a user without what is hashed is off; the user_id is not made up then."""
    assert find_person((), [(a_rule(100, key="device_id"), "off")]).user == {"user_id": "user-1"}
    assert find_person((), [(a_rule(100), "off")]) == Person({})
    free = Chosen("gp:x", (asked("gp:x", "is not", "a"),), 1, ("b", None))
    assert find_person((free,), [(a_rule(100, key="gp:x"), "off")]).user == {
        "user_id": "user-1",
        "user_properties": {},
    }


def test_a_list_stays_where_nothing_is_hashed() -> None:
    """A user_id that is to be a set has no text that answers so."""
    several = Chosen("user_id", (asked("user_id", "set contains", "x"),), 1, (["x"],))
    assert find_person((several,), []) == Person({"user_id": ["x"]})


@pytest.mark.parametrize("front", ["", "u", "us", "user-1"])
def test_solved_texts_hash_into_the_area(front: str) -> None:
    """However narrow it is, each of letters and digits behind the wanted beginning; in a wide one they differ."""
    for area in (Area("s", (30, 33), (1_000_000, 1_001_000)), Area("salt", (7, 8), (20_000_000, 20_000_001))):
        texts = list(islice(_solve(area, front), 8))
        assert (len(set(texts)) == 8) is (area.size > 1)
        assert all(area.holds(text) and text.startswith(front) for text in texts)
        assert all(text.removeprefix(front).isalnum() for text in texts)


def test_murmur3_is_solved_where_numbers_do_not_do() -> None:
    """One id of 24 million: found with the wanted beginning, of letters and digits, and not by counting."""
    cuts = (("a", HALF), ("c", HALF + 3), ("b", ROWS))
    rule = SegmentRule("x", percentage=60, cuts=cuts, bucketing=Bucketing("s", "user_id", "User"))
    odd = SegmentRule("x", percentage=60, cuts=cuts, bucketing=Bucketing("\ud800", "user_id", "User"))
    assert hash_of("\ud800", "x") == mmh3.hash(b"\xed\xa0\x80/x", signed=False)
    assert odd.variant_at(*coordinates(hash_of("\ud800", find_person((), [(odd, "c")]).user["user_id"]))) == "c"
    for chosen, front in ((), "user-"), ((answering(asked("user_id", "contains", "ann")),), "ann"):
        text = find_person(chosen, [(rule, "c")]).user["user_id"]
        hashed = mmh3.hash(f"s/{text}", signed=False)
        assert (hashed % 100 < 60, HALF <= hashed // 100 < HALF + 3) == (True, True)
        assert text.startswith(front)
        assert text.removeprefix(front).isalnum()
        assert not text.removeprefix(front).isdecimal() or int(text.removeprefix(front)) >= MOST_IDS


@pytest.mark.parametrize(("salt", "is_counted"), [("s16233", True), ("s3710", False)])
def test_numbers_are_tried_up_to_a_limit(salt: str, is_counted: bool) -> None:
    """The first that fits one user of 2,000 is 2999 for one of the salts, and 3000 for the other."""
    cuts = (("a", 2_000_000), ("b", ROWS))
    rule = SegmentRule("x", percentage=1, cuts=cuts, bucketing=Bucketing(salt, "user_id", "User"))
    found = find_person((), [(rule, "a")]).user["user_id"]
    assert (found == f"user-{MOST_IDS - 1}") is is_counted
    assert found.removeprefix("user-").isdecimal() is is_counted


def test_solved_ids_are_tried_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of each of the first two beginnings that answer as wanted."""
    tried: Counter[str] = Counter()

    def solve(_: Area, front: str) -> Iterator[str]:
        for number in count():
            tried[front] += 1
            yield f"{front}{number}"

    monkeypatch.setattr(persons, "_solve", solve)
    cuts = (("a", HALF), ("c", HALF + 1), ("b", ROWS))
    rule = SegmentRule("x", percentage=1, cuts=cuts, bucketing=Bucketing("s", "user_id", "User"))
    answer = Chosen("user_id", (asked("user_id", "contains", "a"),), 1, ("a", "ba", "ca"))
    for chosen, fronts in ((), ("user-",)), ((answer,), ("a", "a-")):
        tried.clear()
        with pytest.raises(NoPersonError):
            find_person(chosen, [(rule, "c")])
        assert tried == dict.fromkeys(fronts, 1_000)


@pytest.mark.parametrize("chosen", ["ann", "annA"])
def test_a_value_that_conditions_name_is_taken_where_it_hashes_as_wanted(chosen: str) -> None:
    """An id that is one of 24 million: no number is found, and none is worked out."""
    row = mmh3.hash(f"s/{chosen}", signed=False) // 100
    cuts = (("a", row), ("c", row + 1), ("b", ROWS))
    rule = SegmentRule("x", percentage=99, cuts=cuts, bucketing=Bucketing("s", "user_id", "User"))
    answer = Chosen("user_id", (asked("user_id", "contains", "ann"),), 1, ("ann", "annA"))
    assert find_person((answer,), [(rule, "c")]) == Person({"user_id": chosen})


@pytest.mark.parametrize(
    ("condition", "values", "mask", "named"),
    [
        (asked("gp:x", "is", *"hgfedcba"), tuple("hgfedcba"), 1, list("abcdefgh")),
        (asked("gp:x", "is", "a", "(none)"), ("a", None), 1, [None, "a"]),
        (asked("gp:x", "is not", "a", "true"), ("a",), 0, ["a"]),
        (asked("gp:x", "contains", "tr"), ("true", "TR"), 1, ["TR", "TRUE", "true"]),
        (asked("gp:x", "glob match", "t*"), ("true",), 1, ["true"]),
    ],
)
def test_values_that_give_an_answer(
    condition: Condition, values: tuple[str | None, ...], mask: int, named: list[str | None]
) -> None:
    """A missing one first, then sorted; true in each spelling that answers so."""
    found = named_values(Chosen("gp:x", (condition,), mask, values))
    assert [text for text in found if text is None or text.upper() != "TRUE" or text in {"true", "TRUE"}] == named
    assert found == sorted(found, key=lambda text: (text is not None, text or ""))


@pytest.mark.parametrize(
    ("op", "values", "is_known"),
    [
        ("is", ("a", None), True),
        ("is", (["a"],), False),
        ("is", ("a", ["a"]), False),
        ("contains", (None,), True),
        ("contains", ("a",), False),
        ("contains", (None, "a"), False),
        ("contains", (["a"],), False),
    ],
)
def test_answers_of_which_all_values_are_known(op: str, values: tuple[Any, ...], is_known: bool) -> None:
    """Those that conditions name, and where there is no value; lists are never all known."""
    assert has_only_named_values(Chosen("gp:x", (asked("gp:x", op, "a"),), 1, values)) is is_known
    assert has_only_named_values(None) is False


def test_numbered_users() -> None:
    """Ids of their own where the answers allow it, beside what the answers ask for."""
    chosen = (answering(asked("country", "is", "US")), answering(asked("device_id", "is", "d")))
    people = list(numbered_persons(chosen))
    assert len(people) == 299
    assert people[6] == Person(
        {"country": "US", "device_id": "d", "user_id": "user-7", "amplitude_id": "100000000007"},
        frozenset({"user_id", "amplitude_id"}),
    )


def test_the_last_block_leads_to_the_wanted_hash() -> None:
    """For any beginning of whole blocks and any hash, exactly."""
    random = Random(7)
    for _ in range(500):
        body, wanted = random.randbytes(4 * random.randint(0, 6)), random.randrange(2**32)
        block = _last_block(_body_state(body), len(body) + 4, wanted)
        assert mmh3.hash(body + block.to_bytes(4, "little"), signed=False) == wanted

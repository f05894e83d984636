"""Which conditions on one property can be true together, and a value that shows it.

A property holds nothing, one text, or a list of texts where a condition about sets is asked of it; an id is never the
text "(none)", which stands for a missing property. Values that answer
every condition alike are one: the constants of the conditions, their neighbours, and a fresh value stand for all.

- `is`, comparisons of numbers, versions and texts, `contains`, globs, and sets of few values: exact.
- Comparisons mixed with `contains` or globs, or of numbers with texts that are none: what each kind allows by itself
  counts as possible together, though no value may be known for it.
- Too many values or patterns, and what this client does not know: everything counts as possible.
"""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from itertools import chain, combinations, count, pairwise, product, repeat
from math import ceil, floor, inf, isfinite, nextafter, prod
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from reconciler.evaluation.conditions import (
    BOOLEANS,
    COHORT_TYPE,
    COMPARISONS,
    NONE_VALUE,
    matches_condition,
    parse_version,
    parser_of,
    text_list,
)
from reconciler.model.flag import ID_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.model.flag import Condition

MOST_ELEMENTS: Final = 7
"""Different elements of a list, beyond which not every list is tried."""
MOST_LENGTHS: Final = 7
"""Different lengths of lists whose elements repeat, beyond which not every list is tried."""
MOST_STEPS: Final = 20_000
"""Steps of one search through the texts that patterns tell apart."""
MOST_MIXED: Final = 2**12

_EXACT = 2**53
_MOST_JOINED = 12
"""Texts of one kind of conditions that are joined with those of another to find values for both."""
_ANY, _SEGMENT = "**", "[^/]*"
"""Parts of patterns that match any text, and any without a slash; all other parts are single letters."""
_Pattern = tuple[tuple[str, ...], bool]
_LISTS = frozenset({"is", "is not"})
_PATTERNS = frozenset({"contains", "does not contain", "glob match", "glob does not match"})
_HOLD_OTHERS = frozenset({"user_properties", "groups"})
"""Fields that hold what other conditions ask about: what is asked of such a field as a whole is not worked out."""
_FRESH = ("other", "another", "x", "y", "z")


class Answers(Struct, frozen=True):
    """One way in which the conditions on a property can be answered: bit i of `mask` is condition i.

    `values` are examples, of which None stands for a property that is missing. Without any, none is known, and the
    answers may be impossible.
    """

    mask: int
    values: tuple[Any, ...] = ()


class PropertyAnswers(Struct, frozen=True):
    """All answers that a property allows. `is_free`: besides those given, any others may be possible too."""

    known: tuple[Answers, ...]
    is_free: bool = False


def property_of_condition(condition: Condition) -> Any:  # noqa: ANN401 - only ever compared
    """What a condition asks about: equal for conditions whose answers depend on each other."""
    if condition.unlisted or condition.type not in {"property", COHORT_TYPE} or condition.prop in _HOLD_OTHERS:
        return condition
    return COHORT_TYPE if condition.type == COHORT_TYPE else condition.prop


def user_with(condition: Condition, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a property is any JSON value
    """The user of whom nothing is known but what this condition asks about; None: it is missing."""
    if value is None:
        return {}
    if condition.type == COHORT_TYPE:
        return {"cohort_ids": value}
    if condition.prop.startswith("gp:"):
        return {"user_properties": {condition.prop.removeprefix("gp:"): value}}
    return {condition.prop: value}


@lru_cache(maxsize=4096)
def answers_of(conditions: tuple[Condition, ...]) -> PropertyAnswers:
    """The answers that conditions on the same property allow; those of a missing property come first."""
    first = conditions[0]
    if property_of_condition(first) == first:
        return PropertyAnswers((), is_free=True)
    if first.type == COHORT_TYPE:
        return _cohort_answers(conditions)
    single = [condition for condition in conditions if not condition.op.startswith("set ")]
    values, open_masks = _texts(conditions)
    if len(single) < len(conditions):
        return _list_answers(conditions, values, is_free=open_masks != [])
    known = _grouped(conditions, (None, *values))
    if open_masks is None:
        return PropertyAnswers(known, is_free=True)
    found = {answers.mask for answers in known}
    return PropertyAnswers((*known, *(Answers(mask) for mask in dict.fromkeys(open_masks) if mask not in found)))


def mask_of(conditions: Sequence[Condition], value: Any) -> int:  # noqa: ANN401 - a property is any JSON value
    """How a value answers conditions on its property."""
    user = user_with(conditions[0], value)
    mask = 0
    for bit, condition in enumerate(conditions):
        mask |= matches_condition(condition, user) << bit
    return mask


def _grouped(conditions: Sequence[Condition], values: Iterable[Any]) -> tuple[Answers, ...]:
    groups: dict[int, list[Any]] = {}
    for value in values:
        found = groups.setdefault(mask_of(conditions, value), [])
        if not (found and isinstance(value, list)):
            found.append(value)
    return tuple(Answers(mask, tuple(found)) for mask, found in groups.items())


def _cohort_answers(conditions: Sequence[Condition]) -> PropertyAnswers:
    """Of cohorts that the same conditions name, one stands for all. "(none)" is none, and true of users in none."""
    ids = dict.fromkeys(value for condition in conditions for value in condition.values)
    if NONE_VALUE in ids:  # then to be in a cohort that is not named is not the same as to be in none
        del ids[NONE_VALUE]
        ids[_fresh_text(ids)] = None
    named = _grouped(conditions, ([value] for value in ids))
    return _lists(conditions, [element for answers in named for (element,) in answers.values], (), is_free=False)


def _list_answers(conditions: Sequence[Condition], texts: Sequence[str], *, is_free: bool) -> PropertyAnswers:
    """Lists of what conditions about sets name, and of one text for each other answer of a single one.

    By itself an empty text counts as missing; in a list it is a text as any other.
    """
    named = {value for condition in conditions if condition.op.startswith("set ") for value in condition.values}
    alike: dict[tuple[int, str | bool], str] = {}
    for text in (*texts, ""):
        if text not in named:
            boolean = text.lower() in BOOLEANS and text.lower()
            alike.setdefault((mask_of(conditions, [text]), boolean), text)
    return _lists(conditions, [*sorted(named), *alike.values()], (*texts, [None]), is_free=is_free)


def _lists(
    conditions: Sequence[Condition], elements: Sequence[str], others: Iterable[Any], *, is_free: bool
) -> PropertyAnswers:
    """The answers of lists of elements, and of other values. With too many of them not every list is tried."""
    lengths = {len(item.values) for item in conditions if _has_repeated(item.values)}
    if len(elements) <= MOST_ELEMENTS and len(lengths) <= MOST_LENGTHS:
        lists = [list(chosen) for size in range(len(elements)) for chosen in combinations(elements, size + 1)]
        lists += [chosen + chosen[:1] * (length - len(chosen)) for length in lengths for chosen in lists]
    else:
        is_free = True
        lists = [[element] for element in elements] + [list(condition.values) for condition in conditions]
    return PropertyAnswers(_grouped(conditions, (None, *others, *lists)), is_free=is_free)


def _has_repeated(values: Sequence[str]) -> bool:
    """Whether fewer different elements than there are values can be all of them, as true and True are."""
    return len({value.lower() if value.lower() in BOOLEANS else value for value in values}) < len(values)


def _texts(conditions: Sequence[Condition]) -> tuple[list[str], list[int] | None]:
    """Texts for all answers that a single text can give, and further answers for which none is known.

    None in place of the latter: any answers may be possible.
    """
    exact = [condition for condition in conditions if condition.op in _LISTS or condition.op.startswith("set ")]
    named = {value for condition in exact for value in condition.values}
    listed = named if all(condition.op in _LISTS for condition in conditions) else in_any_case(named)
    families = list(_families(conditions, listed))
    texts = dict.fromkeys(value for condition in conditions for value in condition.values)
    texts |= dict.fromkeys((*sorted(listed), *(text for family in families for text in family.texts)))
    if len(families) > 1:
        starts, ends = ([*family.texts[:_MOST_JOINED], "~"] for family in (families[0], families[-1]))
        texts |= dict.fromkeys(text for a, b in product(starts, ends) for text in (a + b, b + a, b))
    texts[_fresh_text(texts)] = None
    texts.pop("", None)
    if conditions[0].prop in ID_PROPERTIES:
        texts.pop(NONE_VALUE, None)
    if not all(family.is_complete for family in families):
        return list(texts), None
    return list(texts), _mixed(conditions, families, listed) if len(families) > 1 else []


def _fresh_text(texts: Collection[str]) -> str:
    """A text that is none of these."""
    return next((text for text in _FRESH if text not in texts), _FRESH[0] * (1 + max(map(len, texts), default=0)))


class _Family(Struct, frozen=True):
    """Conditions of one kind, and texts for all answers that unlisted texts give them, unless there are too many."""

    conditions: list[Condition]
    texts: list[str]
    is_complete: bool = True


def _families(conditions: Sequence[Condition], listed: set[str]) -> Iterator[_Family]:
    parse = parser_of(conditions[0].prop)
    compared = [condition for condition in conditions if condition.op in COMPARISONS]
    parsed = [condition for condition in compared if any(parse(limit) is not None for limit in condition.values)]
    unparsed = [condition for condition in compared if condition not in parsed]
    if parsed:
        points = _versions(parsed) if parse is parse_version else _numbers(parsed)
        texts = [_other_spelling(point, listed) for point in points]
        yield _Family(parsed, [*texts, *_between_texts(parsed, listed)])
    if unparsed:
        yield _Family(unparsed, list(_between_texts(unparsed, listed)))
    if patterns := [condition for condition in conditions if condition.op in _PATTERNS]:
        found = _matching_texts(patterns, listed)
        yield _Family(patterns, found or [], is_complete=found is not None)


def _mixed(conditions: Sequence[Condition], families: list[_Family], listed: set[str]) -> list[int] | None:
    """What unlisted texts may answer to several kinds of conditions, each kind taken for itself."""
    choices: list[set[int]] = []
    for family in families:
        bits = sum(1 << bit for bit, condition in enumerate(conditions) if condition in family.conditions)
        choices.append({mask_of(conditions, text) & bits for text in family.texts if text not in listed})
    if prod(map(len, choices)) > MOST_MIXED:
        return None
    unlisted = sum(1 << bit for bit, condition in enumerate(conditions) if condition.op == "is not")
    return [unlisted | sum(chosen) for chosen in product(*choices)]


def in_any_case(texts: set[str]) -> set[str]:
    """The texts; true and false, which `is` takes in any case, in all cases."""
    booleans = {text.lower() for text in texts} & BOOLEANS
    return texts | {
        "".join(word) for item in booleans for word in product(*((letter, letter.upper()) for letter in item))
    }


def _numbers(conditions: Sequence[Condition]) -> Iterator[str]:
    """A number below all limits, above all, at each and between any two; what is no number but reads as one."""
    yield from ("nan", "inf", "-inf")
    limits = sorted({number for number in _parsed(conditions) if isfinite(number)})
    for number in limits:
        yield _number(number)
    for low, high in pairwise((-inf, *limits, inf)):
        whole = floor(low) + 1 if isfinite(low) else ceil(high) - 1 if isfinite(high) else 0
        tried = (whole, (low + high) / 2, nextafter(low, inf))
        yield from (_number(number) for number in tried if low < number < high)


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < _EXACT else repr(number)


def _versions(conditions: Sequence[Condition]) -> Iterator[str]:
    """The lowest version, each limit, the very next one, and plainer ones around it."""
    yield from ("0.0.0", "0.0.0-")
    for major, minor, patch, is_release, release in _parsed(conditions):
        yield f"{major}.{minor}.{patch}{release}"
        yield from (f"{major}.{minor}.{patch + 1}", f"{major}.{minor + 1}.0", f"{major + 1}.0.0")
        yield f"{major}.{minor}.{patch}-a"
        yield f"{major}.{minor}.{patch + 1}-" if is_release else f"{major}.{minor}.{patch}{release}-"


def _parsed(conditions: Sequence[Condition]) -> Iterator[Any]:
    parse = parser_of(conditions[0].prop)
    return (found for item in conditions for limit in item.values if (found := parse(limit)) is not None)


def _other_spelling(text: str, listed: set[str]) -> str:
    """The same number or version in a spelling that is not listed."""
    if text.lstrip("-").isalpha():
        return next((other for other in (text, text.upper(), text.title()) if other not in listed), text)
    while text in listed:
        sign = "-" * text.startswith("-")
        text = f"{sign}0{text.removeprefix('-')}"
    return text


def _between_texts(conditions: Sequence[Condition], listed: set[str]) -> Iterator[str]:
    """A text that is not parsed below all limits, at each, and right after each, as texts order."""
    parse = parser_of(conditions[0].prop)
    limits = sorted({limit for condition in conditions for limit in condition.values})
    yield from limits
    for place, low in enumerate(("", *limits)):
        for suffix in ("x", "A", "-", "!", " ", "\0", "\0\0"):
            text = low + suffix
            if text not in listed and parse(text) is None and all(text < limit for limit in limits[place:]):
                yield text
                break


def _matching_texts(conditions: Sequence[Condition], listed: set[str]) -> list[str] | None:
    """A text, not listed, for every way in which texts match the patterns of conditions; None: some are not known.

    Searched breadth first through the places that a text can reach in all patterns at once. A text that reads as a
    list counts as its elements: another one that matches alike stands in for it.
    """
    patterns = list(dict.fromkeys(_tokens(item.op, value) for item in conditions for value in item.values))
    letters = {token for tokens, _ in patterns for token in tokens if len(token) == 1}
    letters |= {letter for token in letters for letter in (token.lower(), token.upper()) if len(letter) == 1}
    known = letters.union(*listed)
    fresh = next(letter for letter in map(chr, chain(range(97, 123), count(0xE000))) if letter not in known)
    alphabet = (fresh, *sorted(letters | {"/"}, key=_as_it_is_in_any_word))
    prefixes = listed.union(text[:end] for text in listed for end in range(len(text)))
    start = tuple(_reached(tokens, {0}) for tokens, _ in patterns)
    pending: deque[tuple[str, tuple[frozenset[int], ...]]] = deque([("", start)])
    seen: set[tuple[str | None, tuple[frozenset[int], ...]]] = set()
    found: dict[tuple[bool, ...], str] = {}
    lists: dict[tuple[bool, ...], str] = {}
    steps = 0
    while pending:
        text, places = pending.popleft()
        for letter in alphabet:
            steps += len(patterns)
            if steps > MOST_STEPS:
                return None
            after = tuple(map(_step, patterns, places, repeat(letter)))
            longer = text + letter
            key = (longer if longer in prefixes else None, after)
            if key not in seen:
                seen.add(key)
                pending.append((longer, after))
                if longer not in listed:
                    matched = _matched(patterns, after)
                    (found if text_list(longer) is None else lists).setdefault(matched, longer)
    for matched, text in lists.items():
        beside = (item for item in (fresh + text, text + fresh, text[0] + fresh + text[1:]) if item not in listed)
        plain = next((item for item in beside if _matched(patterns, _places_after(patterns, item)) == matched), None)
        if plain is not None:
            found.setdefault(matched, plain)
        elif matched not in found:
            return None
    return list(found.values())


def _as_it_is_in_any_word(letter: str) -> tuple[bool, str]:
    """An order of letters, last a sigma in capitals: at the end of a word it is another one in small letters."""
    return letter == "Σ", letter


def _matched(patterns: Sequence[_Pattern], places: Sequence[frozenset[int]]) -> tuple[bool, ...]:
    """Which patterns a text matches that reaches these places."""
    return tuple(len(tokens) in at for (tokens, _), at in zip(patterns, places, strict=True))


def _places_after(patterns: Sequence[_Pattern], text: str) -> list[frozenset[int]]:
    found = []
    for pattern in patterns:
        at = _reached(pattern[0], {0})
        for letter in text:
            at = _step(pattern, at, letter)
        found.append(at)
    return found


def _tokens(op: str, value: str) -> tuple[tuple[str, ...], bool]:
    """The parts of a pattern, and whether case does not count."""
    if "contain" in op:
        return (_ANY, *value.lower(), _ANY), True
    stars = {"**": (_ANY,), "*": (_SEGMENT,)}
    return tuple(part for text in re.split(r"(\*\*|\*)", value) for part in stars.get(text, text)), False


def _reached(tokens: tuple[str, ...], places: Iterable[int]) -> frozenset[int]:
    """The places, and those behind stars that match nothing."""
    found = set(places)
    for place in places:
        at = place
        while at < len(tokens) and len(tokens[at]) > 1:
            at += 1
            found.add(at)
    return frozenset(found)


def _step(pattern: _Pattern, places: frozenset[int], letter: str) -> frozenset[int]:
    (tokens, is_folded), after = pattern, set()
    for place in places:
        if place == len(tokens):
            continue
        item = tokens[place]
        if len(item) > 1:
            if item == _ANY or letter != "/":
                after.add(place)
        elif item == (letter.lower() if is_folded else letter):
            after.add(place + 1)
    return _reached(tokens, after)

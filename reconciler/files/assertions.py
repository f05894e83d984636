"""Files of tests: what their schema cannot say of them, and the claims that they hold."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding
from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share, can_hold
from reconciler.evaluation.conditions import COHORT_TYPE
from reconciler.evaluation.users import BUILT_IN, InvalidUserError, user_of_json
from reconciler.files.decode import origin_of
from reconciler.files.schema import quoted
from reconciler.files.yaml.reader import read_source
from reconciler.model.flag import OFF, Condition
from reconciler.strict_json import join_pointer
from reconciler.text import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.diagnostics import SourcePosition
    from reconciler.evaluation.users import User
    from reconciler.files.yaml.reader import Document
    from reconciler.model.flag import DesiredFlag
    from reconciler.strict_json import Json

COHORTS: Final = "cohort_ids"
LIVE: Final = "live"
"""What `against` says for the live flags; anything else is a commit."""

_CUSTOM = "user_properties"
_NOT_ASKED = frozenset({"groups", "group_properties", "group_cohort_ids"})
_COHORT_OPS = frozenset({"is", "is not"})
_ARROW = " -> "
_NUMBER = r"(\d+(?:\.\d+)?)"
_numbers_in = re.compile(_NUMBER).findall
_bounds_in = re.compile(rf"(<=|>=|==|<|>)\s*{_NUMBER}").findall


def check_tests(
    document: Document,
    variants: Mapping[str, frozenset[str] | None] | None,
    base_error: Callable[[str], str | None] | None = None,
) -> Iterator[Finding]:
    """What is wrong with tests that hold to their schema.

    `variants` are the declared flags with their variants, None where they are not declared; without it flags are not
    looked up. `base_error` says what is wrong with the commit that a test starts from, None where nothing is.
    """
    names: dict[str, int] = {}
    for index, test in enumerate(document.value["tests"]):
        path = f"/tests/{index}"
        if (first := names.setdefault(test["name"], index)) != index:
            message = f"Test {first + 1} of the file has this name too."
            yield Finding(rule="duplicate-test", message=message, path=f"{path}/name")
        if "against" not in test:
            for place, text in _outcomes(test, path):
                if _ARROW in text:
                    message = "A transition needs `against`: where it starts from."
                    yield Finding(rule="nothing-to-compare", message=message, path=place)
        if base_error and (base := test.get("against", LIVE)) != LIVE and (unknown := base_error(base)):
            yield Finding(rule="unknown-commit", message=unknown, path=f"{path}/against")
        yield from _check_shares(test, path)
        yield from _check_people(test, path)
        if variants is not None:
            yield from _check_names(test, path, variants)


def _check_shares(test: dict[str, Json], path: str) -> Iterator[Finding]:
    """No share is above 100 %, nor within bounds that exclude each other."""
    for name, text in test.get("share", {}).items():
        bounds, message = _share(name, text).bounds, None
        if any(bound.limit > 1 for bound in bounds):
            message = "No share is above 100%."
        elif not can_hold(bounds):
            message = "No share is within both bounds."
        if message:
            yield Finding(rule="invalid-share", message=message, path=f"{path}/share{join_pointer((name,))}")


def _check_people(test: dict[str, Json], path: str) -> Iterator[Finding]:
    for place, name, value in _conditions(test, path):
        if name in _NOT_ASKED:
            message = f"Conditions cannot ask about {name}."
            yield Finding(rule="unknown-property", message=message, path=place, of_key=True)
        elif name == COHORTS and isinstance(value, dict) and not value.keys() <= _COHORT_OPS | {"not"}:
            yield Finding(rule="unknown-value", message="Of cohorts only `is` and `not` are asked.", path=place)
    if "user" in test:
        try:
            _user(test["user"])
        except InvalidUserError as error:
            yield Finding(rule="invalid-user", message=str(error), path=f"{path}/user")


def _check_names(
    test: dict[str, Json], path: str, variants: Mapping[str, frozenset[str] | None]
) -> Iterator[Finding]:
    if test["flag"] not in variants:
        message = f"No flag file declares the flag {quoted(test['flag'])}."
        yield Finding(rule="unknown-flag", message=message, path=f"{path}/flag", hint=suggest(test["flag"], variants))
        return
    known = variants[test["flag"]]
    if known is None or "against" in test:
        return
    for place, text in _outcomes(test, path):
        if _ARROW not in text and text not in {*known, OFF}:
            message = f"The flag has no variant {quoted(text)}."
            hint = suggest(text, (*known, OFF))
            yield Finding(rule="unknown-variant", message=message, path=place, hint=hint)


def _outcomes(test: dict[str, Json], path: str) -> Iterator[tuple[str, str]]:
    """The variants and transitions that a test names, with their places."""
    if "is" in test:
        yield f"{path}/is", test["is"]
    for field in ("always", "never"):
        value = test.get(field, [])
        if isinstance(value, str):
            yield f"{path}/{field}", value
        else:
            yield from ((f"{path}/{field}/{index}", text) for index, text in enumerate(value))
    yield from ((f"{path}/share{join_pointer((text,))}", text) for text in test.get("share", {}))


def _conditions(test: dict[str, Json], path: str) -> Iterator[tuple[str, str, Json]]:
    """The place, the name as a condition has it, and the wanted values of each property of `users`."""
    for name, value in test.get("users", {}).items():
        if name == _CUSTOM:
            for inner, wanted in value.items():
                yield f"{path}/users{join_pointer((name, inner))}", f"gp:{inner}", wanted
        else:
            yield f"{path}/users{join_pointer((name,))}", _property(name), value


def _property(name: str) -> str:
    if name.startswith(f"{_CUSTOM}."):
        return f"gp:{name.removeprefix(f'{_CUSTOM}.')}"
    is_known = name in BUILT_IN or name in _NOT_ASKED or name == COHORTS
    return name if is_known or name.startswith("gp:") else f"gp:{name}"


def decode_tests(document: Document) -> Iterator[Assertion]:
    """The claims of a document in which nothing is wrong."""
    for index, test in enumerate(document.value["tests"]):
        yield _decode(test, document.position_of(f"/tests/{index}"))


def _decode(test: dict[str, Json], source: SourcePosition) -> Assertion:
    conditions = [item for _, name, value in _conditions(test, "") for item in _decode_conditions(name, value)]
    return Assertion(
        name=test["name"],
        flag=test["flag"],
        source=source,
        conditions=tuple(conditions),
        user=_user(test["user"]) if "user" in test else None,
        expected=test.get("is"),
        always=tuple(map(_outcome, _listed(test.get("always", [])))),
        never=tuple(map(_outcome, _listed(test.get("never", [])))),
        shares=tuple(_share(name, text) for name, text in test.get("share", {}).items()),
        against=test.get("against"),
        given=tuple(test.get("given", {}).items()),
    )


def _decode_conditions(name: str, value: Json) -> Iterator[Condition]:
    wanted = value if isinstance(value, dict) else {"is": value}
    for op, values in wanted.items():
        yield Condition(
            prop="userdata_cohort" if name == COHORTS else name,
            op="is not" if op == "not" else op,
            values=tuple(_listed(values)),
            type=COHORT_TYPE if name == COHORTS else "property",
        )


def _user(fields: dict[str, Json]) -> User:
    return user_of_json({re.sub(rf"^{_CUSTOM}\.", "gp:", name): value for name, value in fields.items()})


def _outcome(text: str) -> Outcome:
    before, arrow, after = text.partition(_ARROW)
    return Outcome(after, before) if arrow else Outcome(before)


def _share(name: str, text: str) -> Share:
    """A share within bounds, in a range, or exact."""
    bounds = [Bound(op, Fraction(number) / 100) for op, number in _bounds_in(text)]
    if not bounds:
        low, *high = (Fraction(number) / 100 for number in _numbers_in(text))
        bounds = [Bound(">=", low), Bound("<=", high[0])] if high else [Bound("==", low)]
    return Share(_outcome(name), tuple(bounds), text)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def place_of(content: bytes, flag: DesiredFlag, environment: str | None, path: str) -> SourcePosition:
    """Where a flag's file, of this content, says what an environment has at a JSON Pointer; its start at least."""
    documents = read_source(content, flag.source.file).documents
    document = next((item for item in documents if item.start == flag.source), None)
    if document is None:
        return flag.source
    return document.position_of(origin_of(document.value, environment, path))

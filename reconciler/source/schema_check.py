"""A value against a published schema: the verdict by jsonschema-rs, the words by jsonschema only where it is no.

The schemas carry our own sentences: `x-findings` maps a keyword to the rule and message of its refusal. Messages
quote keys and enumerated words only where they are short and plain; values, which can be personal, never.
"""

from __future__ import annotations

import json
import re
from functools import cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from reconciler.diagnostics import Finding
from reconciler.source.pointer import join_pointer
from reconciler.source.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import jsonschema
    import jsonschema_rs

    from reconciler.source.pointer import Json

_Error: TypeAlias = Any
"""A jsonschema.ValidationError; its stubs leave the fields of a subschema's errors open."""

_Validator: TypeAlias = Any
"""A jsonschema validator; `descend` is missing from its protocol."""

MAX_FINDINGS: Final = 100
"""Findings about one value, after which more help nobody."""

_is_safe_word = re.compile(r"[A-Za-z0-9_.:/*? -]{1,40}").fullmatch


def check(value: Json, schema_name: str) -> tuple[Finding, ...]:
    """Everything in which a value breaks a schema, in the order of the document; empty when it holds."""
    if _verdict(schema_name).is_valid(value):
        return ()
    found = chain.from_iterable(map(_findings, _speaker(schema_name).iter_errors(value)))
    return tuple(islice(_without_repeats(found), MAX_FINDINGS)) or (_UNEXPLAINED,)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """`Did you mean "…"?` for the known word that is nearest, whatever its case, if one is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for input in error

    by_lower = {item.lower(): item for item in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f'Did you mean "{by_lower[near[0]]}"?' if near else None


def quoted(word: object) -> str:
    """A word of the user's for a message: quoted if it is short and plain, otherwise not shown at all."""
    return f'"{word}"' if isinstance(word, str) and _is_safe_word(word) else "(not shown)"


@cache
def _verdict(schema_name: str) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs  # noqa: PLC0415 - 27 ms that `--help` need not pay

    return jsonschema_rs.Draft202012Validator(load_schema(schema_name), validate_formats=False)


@cache
def _speaker(schema_name: str) -> jsonschema.protocols.Validator:
    """The validator with nothing but a registry of its own, so that no reference is ever fetched."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - 66 ms, only for input in error
    from referencing import Registry  # noqa: PLC0415

    words = {"pattern": _pattern, "items": partial(_items, schema_name)}
    strict = validators.extend(Draft202012Validator, words)  # type: ignore[no-untyped-call]
    speaker: jsonschema.protocols.Validator = strict(load_schema(schema_name), registry=Registry())
    return speaker


def _items(
    schema_name: str, validator: _Validator, items: dict[str, Any], instance: object, _schema: object
) -> Iterator[_Error]:
    """`items` for what fails only: jsonschema needs 10 µs for an item that the verdict passes in 0.1."""
    if isinstance(instance, list):
        verdict = _part_verdict(schema_name, json.dumps(items))
        for index, item in enumerate(instance):
            if not verdict.is_valid(item):
                yield from validator.descend(item, items, path=index)


@cache
def _part_verdict(schema_name: str, part: str) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs  # noqa: PLC0415

    whole = {**json.loads(part), "$defs": load_schema(schema_name)["$defs"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=False)


def _pattern(_: object, pattern: str, instance: object, _schema: object) -> Iterator[jsonschema.ValidationError]:
    """`pattern` as JSON Schema means it: `$` is the end, not the place before a last newline."""
    from jsonschema import ValidationError  # noqa: PLC0415

    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError("pattern")


def _findings(error: _Error) -> Iterator[Finding]:
    """The findings of one error; of alternatives, those of the first: the second is always null."""
    if error.validator == "anyOf":
        for inner in error.context or ():
            if inner.schema_path[0] == 0:
                yield from _findings(inner)
        return
    keyword = str(error.validator)
    if keyword in _EXPANDED:
        yield from _EXPANDED[keyword](error, join_pointer(error.absolute_path))
        return
    own = error.schema.get("x-findings", {}).get(keyword)
    rule, message = (own["rule"], own["message"]) if own else _words(keyword, error)
    of_key = "propertyNames" in error.absolute_schema_path
    tokens = (*error.absolute_path, error.instance) if of_key else error.absolute_path
    hint = _hint_of_own(error) if own else _hint(error)
    yield Finding(rule=rule, message=message, path=join_pointer(tokens), of_key=of_key, hint=hint)


def _unknown_fields(error: _Error, path: str) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    for name in error.instance:
        if name not in known:
            yield Finding(
                rule="unknown-field",
                message=f"The field {quoted(name)} is not known here.",
                path=path + join_pointer((name,)),
                of_key=True,
                hint=suggest(name, (item for item in known if item not in error.instance)),
            )


def _missing_fields(error: _Error, path: str) -> Iterator[Finding]:
    for name in error.validator_value:
        if name not in error.instance:
            yield Finding(rule="missing-field", message=f'The field "{name}" is missing.', path=path)


_EXPANDED: Final[dict[str, Callable[[Any, str], Iterator[Finding]]]] = {
    "additionalProperties": _unknown_fields,
    "required": _missing_fields,
}

_TYPE_WORDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _type_words(types: str | list[str]) -> str:
    return " or ".join(_TYPE_WORDS[name] for name in ([types] if isinstance(types, str) else types))


def _words(keyword: str, error: _Error) -> tuple[str, str]:
    """Rule and message for a keyword without words of its own in the schema."""
    value = error.validator_value
    match keyword:
        case "type":
            return "wrong-type", f"This must be {_type_words(value)}."
        case "enum":
            return "unknown-value", f"This must be one of: {', '.join(value)}."
        case "const":
            return "unknown-value", f"This must be {value}."
        case "minimum":
            return "out-of-range", f"This must be at least {value}."
        case "maximum":
            return "out-of-range", f"This must be at most {value}."
        case "minLength" | "minItems" | "minProperties":
            return "empty-value", "This must not be empty."
        case "maxLength" | "maxItems" | "maxProperties":
            return "too-long", f"This must not have more than {value}."
        case _:
            return "invalid-format", "This does not have the form that is due here."


def _hint_of_own(error: _Error) -> str | None:
    """What a message out of the schema cannot say: the values there are, or the one that was meant."""
    if error.validator == "enum" and isinstance(error.instance, str):
        return suggest(error.instance, error.validator_value) or f"Known are: {', '.join(error.validator_value)}."
    return None


def _hint(error: _Error) -> str | None:
    """What a general message does not say already."""
    if error.validator == "enum" and isinstance(error.instance, str):
        return suggest(error.instance, error.validator_value)
    if error.validator != "type":
        return None
    if error.validator_value == "boolean" and isinstance(error.instance, str):
        return "Only true and false are booleans; on, off, yes and no are text."
    if error.validator_value == "string" and isinstance(error.instance, int | float):
        return "Put quotes around it."
    if error.instance is None:
        return "Leave the field out if it is not to be managed."
    return None


def _without_repeats(found: Iterable[Finding]) -> Iterator[Finding]:
    """A value of the wrong type can break several keywords: the first finding of each rule and place stays."""
    seen = set()
    for item in found:
        if (item.rule, item.path) not in seen:
            seen.add((item.rule, item.path))
            yield item


_UNEXPLAINED: Final = Finding(rule="schema", message="The document does not follow its schema.")

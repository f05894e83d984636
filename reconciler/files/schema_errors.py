"""The errors of jsonschema as findings in our words.

The schemas carry our own sentences: `x-findings` maps a keyword to the rule and message of its refusal.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from jsonschema import Draft202012Validator, ValidationError, validators

from reconciler.diagnostics import Finding
from reconciler.files.schema import load_schema, quoted
from reconciler.strict_json import join_pointer
from reconciler.text import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jsonschema.protocols import Validator

    from reconciler.strict_json import Json

_Error: TypeAlias = Any
"""A ValidationError, whose stubs leave open what a schema holds."""

MAX_FINDINGS: Final = 100
"""Findings about one value, after which more help no reader."""


def explain(value: Json, schema_name: str) -> tuple[Finding, ...]:
    """Everything in which a value that was refused breaks a schema, in the order of the document; never empty."""
    found = chain.from_iterable(map(_findings, _validator(schema_name).iter_errors(value)))
    return tuple(islice(_without_repeats(found), MAX_FINDINGS)) or (_UNEXPLAINED,)


def _pattern(_: object, pattern: str, instance: object, _schema: object) -> Iterator[ValidationError]:
    """`pattern` as JSON Schema means it: `$` is the end, not the place before a last newline."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError("pattern")


@cache
def _validator(schema_name: str) -> Validator:
    kind = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    validator: Validator = kind(load_schema(schema_name))
    return validator


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
    hint = _hint(error, is_explained=bool(own))
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
        case "maxLength" | "maxItems":
            return "too-long", f"This must not have more than {value}."
        case _:
            return "invalid-format", "This does not have the expected format."


def _hint(error: _Error, *, is_explained: bool) -> str | None:
    """What the message does not say; `is_explained`: it is the schema's own and lists no values."""
    value = error.validator_value
    if error.validator == "enum" and isinstance(error.instance, str):
        return suggest(error.instance, value) or (f"Known are: {', '.join(value)}." if is_explained else None)
    if error.validator != "type" or is_explained:
        return None
    if value == "boolean" and isinstance(error.instance, str):
        return "Only true and false are booleans; on, off, yes and no are text."
    if value == "string" and isinstance(error.instance, int | float):
        return "Put quotes around it."
    return "Leave the field out if it is not to be managed." if error.instance is None else None


def _without_repeats(found: Iterable[Finding]) -> Iterator[Finding]:
    """A value of the wrong type can break several keywords that say the same."""
    seen = set()
    for item in found:
        if item not in seen:
            seen.add(item)
            yield item


_UNEXPLAINED: Final = Finding(rule="schema", message="The document does not follow its schema.")

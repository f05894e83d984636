"""What a flag file and the `ignore` rules of the configuration say of each other."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding
from reconciler.files.schema import quoted
from reconciler.model.config import ANY, ignored_of
from reconciler.strict_json import join_pointer, split_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config
    from reconciler.strict_json import Json

_OF_SEGMENTS: Final = frozenset((name,) for name in ("conditions", "everyone", "percentage", "rolloutWeights"))
"""What a segment has to say even where it is ignored: a new segment begins with it."""

_REMEDY: Final = "Remove it here, or from `ignore` in reconciler.yaml."
_BY_COMMAND: Final = "`import --target KEY --force` removes it, and takes the live values of all other fields."

Place = tuple[str | int, ...]


def ignored_field(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """What is never compared cannot be declared: one of the two is a mistake."""
    key = flag.body.get("key")
    for rule in config.ignore:
        if not isinstance(key, str) or not fnmatchcase(key, rule.flags):
            continue
        for pointer in rule.paths:
            for place in _declared(_with_ids(flag.body, config), _tokens(pointer, config), ()):
                if place[0] == "targetSegments" and place[2:] in _OF_SEGMENTS:
                    continue
                yield Finding(
                    rule="ignored-field",
                    message=f"The field is declared here and ignored by the rule for {quoted(rule.flags)}.",
                    path=join_pointer(place),
                    of_key=True,
                    hint=_REMEDY if config.environments else f"{_REMEDY} {_BY_COMMAND}",
                )


def unkept_member(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """Members of a payload's objects have names; what is ignored inside of another value cannot be kept."""
    key = flag.body.get("key")
    ignored = ignored_of(key, config) if isinstance(key, str) else None
    for index, variant in flag.variants if ignored else ():
        if ignored and isinstance(variant.get("key"), str) and variant.get("payload") is not None:
            for path in ignored.at("variants", variant["key"], "payload").paths:
                for place in _without_names(variant["payload"], path, ("variants", index, "payload")):
                    yield Finding(
                        rule="unkept-member",
                        message="What is ignored inside of this value cannot be kept: only members of objects have "
                        "names, and the API replaces a payload as a whole.",
                        path=join_pointer(place),
                        hint="Ignore the payload, or the last object above.",
                    )


def _tokens(pointer: str, config: Config) -> tuple[str, ...]:
    tokens = split_pointer(pointer)
    if len(tokens) > 1 and tokens[0] == "deployments":
        return (tokens[0], config.deployments.get(tokens[1], tokens[1]), *tokens[2:])
    return tokens


def _with_ids(body: dict[str, Json], config: Config) -> dict[str, Json]:
    named = body.get("deployments")
    if not isinstance(named, list):
        return body
    return body | {
        "deployments": [config.deployments.get(item, item) if isinstance(item, str) else item for item in named]
    }


def _declared(value: Json, tokens: tuple[str, ...], at: Place) -> Iterator[Place]:
    """The places that a path leads to: variants by key, segments by name, members of lists by their value.

    `*` in the end stands for all that is not declared, so it leads to nothing.
    """
    if not tokens:
        yield at
        return
    token, rest = tokens[0], tokens[1:]
    if token == ANY and not rest:
        return
    if isinstance(value, dict):
        for name in value:
            if token in {name, ANY}:
                yield from _declared(value[name], rest, (*at, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            names = _names(item)
            if token == ANY or token in names[:1]:
                yield from _declared(item, rest, (*at, index))
            elif token in names and not rest:
                yield (*at, index, "renamedFrom")


def _names(item: Json) -> list[str]:
    """What a path calls an item of a list: its key, name or value; then the key that it is renamed from."""
    if not isinstance(item, dict):
        return [item] if isinstance(item, str) else []
    names = [item.get("key", item.get("name")), item.get("renamedFrom")]
    return [name for name in names if isinstance(name, str)]


def _without_names(value: Json, tokens: tuple[str, ...], at: Place) -> Iterator[Place]:
    if not tokens:
        return
    if not isinstance(value, dict):
        yield at
        return
    for name, item in value.items():
        if tokens[0] in {name, ANY}:
            yield from _without_names(item, tokens[1:], (*at, name))

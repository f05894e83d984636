"""The places of a flag that an `ignore` rule leaves to others: paths into a document, by keys, names and members."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.strict_json import split_pointer

if TYPE_CHECKING:
    from reconciler.model.config import Config

ANY: Final = "*"
"""A token that stands for every variant, segment, member or key at its place; in the end, for those not declared."""


class Ignored(Struct, frozen=True):
    """Ignored paths below a place, as tokens. False where there are none; `is_whole`: the place itself is ignored."""

    paths: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths)

    @property
    def is_whole(self) -> bool:
        """Whether the place as a whole is ignored."""
        return () in self.paths

    def at(self, *tokens: str) -> Ignored:
        """What is ignored below a place that these tokens lead to; all of it where a place above is ignored."""
        found = self
        for token in tokens:
            if found.is_whole:
                return WHOLE
            found = Ignored(tuple(path[1:] for path in found.paths if path[0] in {token, ANY}))
        return found

    def covers(self, *tokens: str) -> bool:
        """Whether the place that these tokens lead to is ignored as a whole."""
        return self.at(*tokens).is_whole


WHOLE: Final = Ignored(((),))
NOTHING: Final = Ignored()


def ignored_of(key: str, config: Config) -> Ignored:
    """What the rules of a configuration ignore of the flag of a key; deployments by their ids."""
    paths = [
        _with_ids(split_pointer(pointer), config)
        for rule in config.ignore
        if fnmatchcase(key, rule.flags)
        for pointer in rule.paths
    ]
    return Ignored(tuple(dict.fromkeys(paths))) if paths else NOTHING


def _with_ids(tokens: tuple[str, ...], config: Config) -> tuple[str, ...]:
    if len(tokens) > 1 and tokens[0] == "deployments":
        return (tokens[0], config.deployments.get(tokens[1], tokens[1]), *tokens[2:])
    return tokens

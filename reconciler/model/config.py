"""What reconciler.yaml says, for one environment, as frozen values; which flags `--target` means; ignored places."""

from __future__ import annotations

from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from reconciler.errors import UnknownTargetError
from reconciler.strict_json import split_pointer
from reconciler.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from reconciler.model.rollout import GuardSource, Strategy, Window
    from reconciler.strict_json import Json


class Limit(Struct, frozen=True):
    """A limit that is a plain number or a share of a whole (`30%` is 3/10 of it)."""

    count: int | None = None
    share: Fraction | None = None

    def __str__(self) -> str:
        return str(self.count) if self.share is None else f"{float(self.share * 100):g}%"


class Safety(Struct, frozen=True, kw_only=True):
    """The thresholds of the guards. Shares are fractions of 1; percentages count from `min_flags` flags on."""

    max_updates: Limit = Limit(share=Fraction(30, 100))
    max_archives: Limit = Limit(count=5)
    min_flags: int = 10
    max_transient: Fraction = Fraction(5, 100)
    max_exposure_change: Fraction = Fraction(1)


class Requests(Struct, frozen=True, kw_only=True):
    """Limits of requests: a second, open connections, a day."""

    per_second: int = 50
    concurrency: int = 16
    daily_budget: int = 100_000


class IgnoreRule(Struct, frozen=True, kw_only=True):
    """Places that stay as they are live, of the flags whose key matches a glob. `paths` are JSON Pointers."""

    flags: str
    paths: tuple[str, ...]


class Config(Struct, frozen=True, kw_only=True):
    """One environment's configuration. `file` is the reconciler.yaml, `flags_dir` the directory of flag files.

    `defaults` is what a flag document that leaves a field out declares of it. `content` is what the file held when it
    was read.
    """

    file: Path
    project_id: str
    flags_dir: Path
    region: str = "us"
    environment: str | None = None
    environments: tuple[str, ...] = ()
    deployments: Mapping[str, str] = field(default_factory=dict)
    managed_tag: str | None = None
    ignore: tuple[IgnoreRule, ...] = ()
    safety: Safety = field(default_factory=Safety)
    requests: Requests = field(default_factory=Requests)
    defaults: Mapping[str, Json] = field(default_factory=dict)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    guards: Mapping[str, GuardSource] = field(default_factory=dict)
    apply_windows: tuple[str, ...] = ()
    content: bytes = b""


_WILDCARDS = frozenset("*?[")


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern can match more than the one key that it spells."""
    return not _WILDCARDS.isdisjoint(pattern)


def matcher(targets: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether a key is among the targets: always, where there are none. Make it once, ask it of every key.

    Targets that spell a key are looked up; only patterns are tried one by one.
    """
    known = tuple(targets)
    if not known:
        return lambda _: True
    patterns = [item for item in known if has_wildcard(item)]
    keys = frozenset(known).difference(patterns)
    return lambda key: key in keys or any(fnmatchcase(key, pattern) for pattern in patterns)


def idle_targets(
    targets: Iterable[str], keys: Collection[str], lack: str = "neither declared nor live"
) -> tuple[str, ...]:
    """A sentence for each pattern that matches none of the keys; `lack` says what flags of other keys are not.

    Raises UnknownTargetError for a target without a wildcard that is none of them: it can only be misspelt.
    """
    sentences = []
    for target in targets:
        if has_wildcard(target):
            if not any(map(matcher([target]), keys)):
                sentences.append(f'The target "{target}" matches no flag, {lack}.')
        elif target not in keys:
            raise UnknownTargetError(f'There is no flag "{target}", {lack}.{suggestion(target, keys)}')
    return tuple(sentences)


def misspelt_overrides(allowed: Iterable[str], keys: Collection[str]) -> Iterator[str]:
    """A sentence for each `KIND:KEY` of overrides whose key is none of these, with the key that may be meant."""
    for override in sorted(allowed):
        _, colon, key = override.partition(":")
        if colon and key not in keys:
            hint = suggestion(key, keys)
            yield f'--allow {override} overrides nothing: there is no flag "{key}".{hint}'


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

    def at_declared(self, *tokens: str) -> Ignored:
        """The same as `at`, of a place that is declared: `ANY` in the end of a path is about the others."""
        found = self
        for token in tokens:
            found = Ignored(tuple(path for path in found.paths if path != (ANY,))).at(token)
        return found


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

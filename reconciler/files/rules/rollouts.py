"""Rules about rollouts: what a flag file and the configuration say of their steps, windows and guards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diagnostics import Finding
from reconciler.files.rollouts import decode_steps, unknown_name
from reconciler.files.rules.parsed_flag import strings
from reconciler.files.schema import quoted
from reconciler.model.config import ANY, ignored_of
from reconciler.model.rollout import parse_instant, step_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config
    from reconciler.model.rollout import Step
    from reconciler.strict_json import Json


def unknown_strategy(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """A strategy is one of the configuration."""
    for path, _, rollout in _rollouts(flag):
        name = rollout.get("strategy")
        if isinstance(name, str) and name not in config.strategies:
            yield unknown_name("strategy", name, config.strategies, f"{path}/strategy")


def unknown_window(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """So is a window."""
    for path, _, rollout in _rollouts(flag):
        name = rollout.get("window")
        if isinstance(name, str) and name not in config.windows:
            yield unknown_name("window", name, config.windows, f"{path}/window")


def unknown_guard(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """So is a guard; one that compares with a variant needs a flag that has it, or `off`."""
    for path, _, rollout in _rollouts(flag):
        for index, name in strings(rollout.get("guards")):
            at = f"{path}/guards/{index}"
            if name not in config.guards:
                yield unknown_name("guard", name, config.guards, at)
            elif not _has(flag, config.guards[name].against):
                against = config.guards[name].against
                message = f"The guard compares with the variant {quoted(against)}, which the flag does not have."
                yield Finding(rule="unknown-guard", message=message, path=at)


def _has(flag: ParsedFlag, variant: str) -> bool:
    return variant in {"", "off"} or flag.variant_keys is None or variant in flag.variant_keys


def invalid_rollout(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """Steps rise to the declared percentage, and the place that they move is one that can be told from others."""
    names = [segment.get("name") for _, segment in flag.segments]
    key = flag.body.get("key")
    for path, holder, rollout in _rollouts(flag):
        yield from _steps(path, holder, rollout, config)
        start = rollout.get("start")
        if isinstance(start, str) and start[:1].isdigit() and parse_instant(start) is None:
            yield _invalid("The calendar has no such time.", f"{path}/start")
        if holder is flag.body:
            place: tuple[str, ...] = ("rolloutPercentage",)
        else:
            name = holder.get("name")
            if names.count(name) > 1 or name == ANY:
                yield _invalid("A segment with a rollout needs a name that no other segment has, and not `*`.", path)
            place = ("targetSegments", str(name), "percentage")
        if isinstance(key, str) and ignored_of(key, config).at_declared(*place).is_whole:
            yield _invalid("`ignore` in reconciler.yaml leaves this percentage to others.", path)


def _steps(path: str, holder: dict[str, Json], rollout: dict[str, Json], config: Config) -> Iterator[Finding]:
    if ("strategy" in rollout) == ("steps" in rollout):
        both = "not both" if "steps" in rollout else "one of them is missing"
        yield _invalid(f"A rollout has a `strategy` or `steps`: {both}.", path)
        return
    end = holder.get("rolloutPercentage", holder.get("percentage"))
    if end is None:
        yield _invalid("Declare `rolloutPercentage`, which the rollout leads to.", path)
        return
    steps, at = _named_steps(rollout, config), "strategy" if "strategy" in rollout else "steps"
    is_number = isinstance(end, int | float) and not isinstance(end, bool)
    for problem in step_problems(steps, int(end) if is_number else None):
        yield _invalid(problem, f"{path}/{at}")


def _named_steps(rollout: dict[str, Json], config: Config) -> tuple[Step, ...]:
    name, texts = rollout.get("strategy"), rollout.get("steps")
    if isinstance(name, str):
        return config.strategies[name].steps if name in config.strategies else ()
    return decode_steps(texts) if isinstance(texts, list) else ()


def _invalid(message: str, path: str) -> Finding:
    return Finding(rule="invalid-rollout", message=message, path=path)


def _rollouts(flag: ParsedFlag) -> Iterator[tuple[str, dict[str, Json], dict[str, Json]]]:
    """The path of each rollout, what it is a part of, and what it says."""
    places = [("", flag.body), *((f"/targetSegments/{index}", item) for index, item in flag.segments)]
    for path, holder in places:
        if isinstance(said := holder.get("rollout"), dict):
            yield f"{path}/rollout", holder, said

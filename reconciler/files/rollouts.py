"""Rollouts in files: strategies, windows and guards of the configuration, and what they say of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding
from reconciler.files.schema import quoted
from reconciler.model.rollout import (
    GuardSource,
    PlacedRollout,
    Rollout,
    Step,
    Strategy,
    Window,
    is_zone,
    parse_days,
    parse_hours,
    parse_instant,
    parse_step,
    parse_window,
    step_problems,
)
from reconciler.strict_json import join_pointer
from reconciler.text import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.strict_json import Json

_SOURCES: Final = ("prometheus", "json", "command")


def decode_strategies(value: dict[str, Json]) -> dict[str, Strategy]:
    """The strategies of a configuration that was checked, by name."""
    return {
        name: Strategy(steps=decode_steps(item["steps"]), window=item.get("window")) for name, item in value.items()
    }


def decode_windows(value: dict[str, Json]) -> dict[str, Window]:
    """The windows of a configuration that was checked, by name."""
    found = {name: parse_window(item["days"], item["hours"], item["zone"]) for name, item in value.items()}
    return {name: window for name, window in found.items() if window is not None}


def decode_guards(value: dict[str, Json]) -> dict[str, GuardSource]:
    """The guards of a configuration that was checked, by name."""
    return {name: _guard(item) for name, item in value.items()}


def _guard(item: dict[str, Json]) -> GuardSource:
    kind = next(name for name in _SOURCES if name in item)
    rest = {name: text for name, text in item.items() if name != kind}
    return GuardSource(kind=kind, variable=item[kind], **rest)


def decode_rollouts(body: dict[str, Json], strategies: Mapping[str, Strategy]) -> Iterator[PlacedRollout]:
    """The rollouts of a merged document that was checked: the flag's own, and those of segments.

    Without the strategies they have no steps.
    """
    places = [(None, body, "rolloutPercentage")]
    places += [(item["name"], item, "percentage") for item in body.get("targetSegments") or ()]
    for segment, holder, name in places:
        if (said := holder.get("rollout")) is not None:
            yield PlacedRollout(rollout=_rollout(said, strategies), end=int(holder.get(name, 0)), segment=segment)


def _rollout(said: dict[str, Json], strategies: Mapping[str, Strategy]) -> Rollout:
    own = Strategy(steps=decode_steps(said.get("steps", [])))
    strategy = strategies.get(said.get("strategy", ""), own)
    return Rollout(
        steps=strategy.steps,
        start=parse_instant(said.get("start", "merge")),
        guards=tuple(dict.fromkeys(said.get("guards", ()))),
        on_fail=said.get("onFail", "rollback"),
        attempt=int(said.get("attempt", 1)),
        window=said.get("window", strategy.window),
    )


def decode_steps(texts: list[str]) -> tuple[Step, ...]:
    """The steps that texts stand for; those that are none are left out."""
    return tuple(step for text in texts if (step := parse_step(str(text))) is not None)


def rollout_findings(value: dict[str, Json]) -> Iterator[Finding]:
    """What is wrong with windows, strategies and lists of windows, at the top level and in every environment."""
    known = _mapping(value.get("windows"))
    yield from _invalid_windows(known)
    yield from _unknown_windows(value.get("applyWindows"), known, ("applyWindows",))
    scopes: list[tuple[tuple[str, ...], Json]] = [((), value)]
    for name, overlay in _mapping(value.get("environments")).items():
        scopes.append((("environments", name), overlay))
        for field in ("windows", "applyWindows"):
            yield from _unknown_windows(_mapping(overlay).get(field), known, ("environments", name, field))
    for prefix, scope in scopes:
        for name, strategy in _mapping(_mapping(scope).get("strategies")).items():
            yield from _invalid_strategy(_mapping(strategy), known, (*prefix, "strategies", name))


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _invalid_windows(windows: dict[str, Json]) -> Iterator[Finding]:
    checks = (
        ("days", parse_days, "Weekdays are written as `mon-thu` or `mon,wed,fri`."),
        ("hours", parse_hours, "Hours are written as `09:00-16:00`: the second is later, at most 24:00."),
        ("zone", is_zone, "This machine knows no such time zone; one is named as in `Europe/Berlin`."),
    )
    for name, window in windows.items():
        for field, parse, message in checks:
            text = _mapping(window).get(field)
            if isinstance(text, str) and not parse(text):
                yield Finding(rule="invalid-window", message=message, path=join_pointer(("windows", name, field)))


def _unknown_windows(names: Json, known: dict[str, Json], at: tuple[str, ...]) -> Iterator[Finding]:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name not in known:
            yield unknown_name("window", name, known, join_pointer((*at, index)))


def _invalid_strategy(strategy: dict[str, Json], known: dict[str, Json], at: tuple[str, ...]) -> Iterator[Finding]:
    window, steps = strategy.get("window"), strategy.get("steps")
    if isinstance(window, str) and window not in known:
        yield unknown_name("window", window, known, join_pointer((*at, "window")))
    if isinstance(steps, list):
        for problem in step_problems(decode_steps(steps), None):
            yield Finding(rule="invalid-rollout", message=problem, path=join_pointer((*at, "steps")))


def unknown_name(what: str, name: str, known: Mapping[str, object], path: str) -> Finding:
    """The finding that the configuration has no window, strategy or guard of a name."""
    listed = f"Known are: {', '.join(sorted(known)[:10])}." if known else f"It names no {what} at all."
    return Finding(
        rule=f"unknown-{what}",
        message=f"The configuration has no {what} {quoted(name)}.",
        path=path,
        hint=suggest(name, known) or listed,
    )

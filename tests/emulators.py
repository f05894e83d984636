"""Emulators for tests: one project, one key of ours, one colleague who edits behind our back."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from reconciler.emulator import Behaviour, Emulator, Limits, RawRequest
from reconciler.emulator.requests import encode
from reconciler.emulator.store import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from reconciler.emulator import ApiResponse

PROJECT = "7"
OTHER_PROJECT = "8"
DEPLOYMENTS = {"67": "web", "68": "mobile", "69": "server"}
KEY = "test-management-key"
USER = "ada@example.com"
OTHER_USER = "grace@example.com"
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}


def an_emulator(
    *flags: Mapping[str, Any],
    behaviour: Behaviour | None = None,
    limits: Limits | None = None,
    projects: Mapping[str, Mapping[str, str]] | None = None,
    state_file: Path | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Emulator:
    """An emulator with project 7, its deployments, and KEY, which belongs to USER and reaches every project.

    `flags` are records or flag documents of any completeness; without `projectId` they belong to project 7.
    `now` gives the times of edits.
    """
    emulator = Emulator(behaviour=behaviour, limits=limits, state_file=state_file, now=now)
    known = projects or {PROJECT: DEPLOYMENTS}
    for project, deployments in known.items():
        emulator.store.add_project(project, deployments)
    emulator.store.add_key(KEY, USER, known)
    seeded(emulator, flags)
    emulator.remember()
    return emulator


def seeded(emulator: Emulator, flags: Iterable[Mapping[str, Any]]) -> None:
    """Puts flags into an emulator, the oldest first."""
    emulator.store.seed_flags({"projectId": PROJECT, **flag} for flag in flags)


def a_live_flag(key: str = "new-checkout", **fields: Any) -> dict[str, Any]:
    """A flag with two variants, half of everyone each; `fields` by their API names replace the rest."""
    return {
        "key": key,
        "name": "New checkout",
        "description": "One-page checkout",
        "enabled": True,
        "rolloutPercentage": 100,
        "variants": [{"key": "control", "name": "Control"}, {"key": "treatment", "name": "Treatment"}],
        "rolloutWeights": {"control": 1, "treatment": 1},
        **fields,
    }


def ask(emulator: Emulator, method: str, path: str, body: Any = None, *, key: str | None = KEY) -> ApiResponse:
    """The answer to one request, in process and at once; `path` is below /api/1, with its query. It is logged."""
    target, _, query = path.partition("?")
    return emulator.api.answer(
        RawRequest(
            method=method,
            path="/api/1" + target,
            query=query,
            authorization="" if key is None else f"Bearer {key}",
            content_type="" if body is None else "application/json",
            body=b"" if body is None else encode(body),
        )
    )


def flag_of(emulator: Emulator, key: str) -> Any:
    """The stored record of the only flag of that key."""
    (found,) = [flag for flag in emulator.store.flags.values() if flag["key"] == key]
    return found


def variant_of(emulator: Emulator, key: str, variant_key: str) -> Any:
    """The stored record of a variant, inclusions included."""
    (found,) = [variant for variant in flag_of(emulator, key)["variants"] if variant["key"] == variant_key]
    return found


def each_behaviour() -> Iterator[Behaviour]:
    """The expected server, then one for every alternative alone."""
    yield Behaviour()
    for name, alternatives in Behaviour.alternatives().items():
        for value in alternatives[1:]:
            yield Behaviour(**{name: value})


def pairwise_behaviours() -> list[Behaviour]:
    """A few servers among which every two alternatives of different fields meet at least once. Always the same."""
    alternatives = Behaviour.alternatives()
    missing = {
        frozenset(pair)
        for one, other in combinations(alternatives, 2)
        for pair in product(((one, value) for value in alternatives[one]), ((other, v) for v in alternatives[other]))
    }
    servers: list[Behaviour] = []
    while missing:
        chosen = dict(sorted(min(missing, key=sorted_pairs)))
        for name in alternatives:
            if name not in chosen:
                chosen[name] = max(
                    alternatives[name],
                    key=lambda value: sum(frozenset(((name, value), item)) in missing for item in chosen.items()),
                )
        missing -= {frozenset(pair) for pair in combinations(chosen.items(), 2)}
        servers.append(Behaviour(**chosen))
    return servers


def sorted_pairs(pair: frozenset[tuple[str, Any]]) -> str:
    """A key that puts pairs into a stable order."""
    return repr(sorted(pair, key=repr))

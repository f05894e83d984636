"""Rules about target segments and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diagnostics import Finding, Severity
from reconciler.files.schema import quoted
from reconciler.model.config import NOTHING, ignored_of
from reconciler.model.flag import SHIELD_NAME
from reconciler.strict_json import join_pointer
from reconciler.text import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.rules.parsed_flag import ParsedFlag
    from reconciler.model.config import Config, Ignored
    from reconciler.strict_json import Json


def everyone_required(flag: ParsedFlag) -> Iterator[Finding]:
    """No conditions mean every user: the file has to say so twice."""
    for index, segment in flag.segments:
        if segment.get("conditions", []) == [] and segment.get("everyone") is not True:
            path = f"/targetSegments/{index}"
            yield Finding(
                rule="everyone-required",
                message="A segment without conditions captures every user.",
                path=f"{path}/conditions" if "conditions" in segment else path,
                hint="Write `everyone: true` beside it if that is meant.",
            )


def everyone_with_conditions(flag: ParsedFlag) -> Iterator[Finding]:
    """`everyone: true` promises that there are no conditions."""
    for index, segment in flag.segments:
        if segment.get("everyone") is True and segment.get("conditions", []) != []:
            message = "The segment says `everyone: true` and has conditions."
            yield Finding(
                rule="everyone-with-conditions", message=message, path=f"/targetSegments/{index}/everyone"
            )  # fmt: skip


def segment_after_everyone(flag: ParsedFlag) -> Iterator[Finding]:
    """The first segment that matches decides, with any percentage: users do not fall through."""
    captured_by: int | None = None
    for index, segment in flag.segments:
        if captured_by is not None:
            yield Finding(
                rule="segment-after-everyone",
                message=f"No user reaches this segment: segment {captured_by + 1} captures everyone.",
                path=f"/targetSegments/{index}",
                hint="Move the segment for everyone to the end.",
            )
        elif segment.get("conditions", []) == []:
            captured_by = index


def unknown_variant(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """Weights name variants that the flag has: known only where the file declares them, ignored ones aside."""
    keys, ignored = flag.variant_keys, _ignored(flag, config)
    if keys is None:
        return
    for path, weights in flag.weights:
        for key in weights:
            if key not in keys and not ignored.covers("variants", key):
                yield Finding(
                    rule="unknown-variant",
                    message=f"The weights name the variant {quoted(key)}, which the flag does not have.",
                    path=path,
                    at=path + join_pointer((key,)),
                    of_key=True,
                    hint=_renamed_to(flag, key) or suggest(key, keys) or _known(keys),
                )


def _ignored(flag: ParsedFlag, config: Config) -> Ignored:
    key = flag.body.get("key")
    return ignored_of(key, config) if isinstance(key, str) else NOTHING


def _renamed_to(flag: ParsedFlag, old: str) -> str | None:
    for _, variant in flag.variants:
        if variant.get("renamedFrom") == old and isinstance(variant.get("key"), str):
            return f"It is renamed to {quoted(variant['key'])}."
    return None


def _known(keys: frozenset[str]) -> str:
    return f"Variants are: {', '.join(map(quoted, sorted(keys)[:10]))}."


def zero_weights(flag: ParsedFlag, config: Config) -> Iterator[Finding]:
    """Weights are ratios: of nothing but zeros there is none. An ignored one may be more."""
    for path, weights in flag.weights:
        if not any(weights.values()) and not (
            path == "/rolloutWeights" and _ignored(flag, config).at("rolloutWeights")
        ):
            message = "All weights are 0: no user could get a variant."
            yield Finding(
                rule="zero-weights", message=message, path=path, hint="Set the percentage to 0 to serve no user."
            )


def reserved_segment_name(flag: ParsedFlag) -> Iterator[Finding]:
    """The name marks a segment that a shielded apply puts in and takes out again."""
    for index, segment in flag.segments:
        if _name(segment).lower().startswith(SHIELD_NAME):
            message = f'Segment names that begin with "{SHIELD_NAME}" are reserved for `apply --shield`.'
            yield Finding(rule="reserved-segment-name", message=message, path=f"/targetSegments/{index}/name")


def duplicate_segment(flag: ParsedFlag) -> Iterator[Finding]:
    """Plans name segments by their names."""
    seen = set()
    for index, segment in flag.segments:
        name = _name(segment)
        if name and name in seen:
            yield Finding(
                rule="duplicate-segment",
                message="Another segment has the same name: plans cannot tell them apart.",
                path=f"/targetSegments/{index}/name",
                severity=Severity.WARNING,
            )
        seen.add(name)


def empty_values(flag: ParsedFlag) -> Iterator[Finding]:
    """An empty list of values is allowed, since live flags hold them, and hardly ever meant."""
    for index, segment in flag.segments:
        conditions = segment.get("conditions")
        for number, condition in enumerate(conditions if isinstance(conditions, list) else ()):
            if isinstance(condition, dict) and condition.get("values") == []:
                negated = "every user" if " not" in str(condition.get("op")) else "no user"
                yield Finding(
                    rule="empty-values",
                    message=f"A condition without values matches {negated}.",
                    path=f"/targetSegments/{index}/conditions/{number}/values",
                    severity=Severity.WARNING,
                )


def _name(segment: dict[str, Json]) -> str:
    name = segment.get("name")
    return name if isinstance(name, str) else ""

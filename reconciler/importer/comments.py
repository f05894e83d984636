"""The words of the comments that `import` writes: what is read-only, and what was left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.files.format import flag_to_yaml
from reconciler.importer.fields import segment_of
from reconciler.model.wire import losses_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.model.flag import Condition, FlagSpec, LiveFlag, TargetSegment
    from reconciler.strict_json import Json


def dependency_remark(flag: LiveFlag, keys: Mapping[str, str]) -> tuple[str, ...]:
    """A line about the flag's parents, by key where `keys` knows their ids; "parentDependencies" is read-only."""
    dependencies = flag.parent_dependencies
    if dependencies is None:
        return ()
    parents = sorted(f"{keys.get(parent, parent)} ({', '.join(names)})" for parent, names in dependencies.flags)
    return (one_line(f"parentDependencies, {dependencies.operator} of: {', '.join(parents)}"),)


def segment_remarks(segments: Sequence[TargetSegment]) -> Iterator[str]:
    """Lines that show segments which hold something that the API cannot take back."""
    lost = dict.fromkeys(name for segment in segments for name in losses_of(segment))
    yield one_line(f"targetSegments are not declared: the API cannot take back {', '.join(lost)}. They are:")
    bodies = [_with_all(segment_of(segment, ()), segment) for segment in segments]
    for line in flag_to_yaml({"targetSegments": bodies}).splitlines()[1:]:
        yield one_line(line)


def unlisted_remarks(spec: FlagSpec) -> Iterator[str]:
    """Lines about what declared segments hold beside the fields that a file can say."""
    for segment in spec.target_segments or ():
        if shown := _unlisted(segment):
            yield one_line(f"targetSegments/{segment.name} holds more, which cannot be declared: {json.dumps(shown)}")


def _with_all(body: dict[str, Json], segment: TargetSegment) -> dict[str, Json]:
    """A segment with what no file can declare of it: types of conditions, and fields that are not listed."""
    conditions = [
        ({"type": condition.type} if condition.type != "property" else {}) | shown | _unlisted(condition)
        for condition, shown in zip(segment.conditions, body["conditions"], strict=True)
    ]
    return body | {"conditions": conditions} | _unlisted(segment)


def _unlisted(part: TargetSegment | Condition) -> dict[str, Json]:
    return {name: json.loads(text) for name, text in part.unlisted}


def left_out_remark(item: tuple[str, str]) -> str:
    """A line about a field, given by its pointer, that no file can hold, and why."""
    pointer, reason = item
    return one_line(f"{pointer.removeprefix('/')} is left out: {reason}")


def one_line(text: str) -> str:
    """Text that can stand in a comment: what is no printable character becomes a question mark."""
    return "".join(sign if sign.isprintable() else "?" for sign in text).rstrip()

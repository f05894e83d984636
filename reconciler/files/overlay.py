"""An environment's overlay: RFC 7396 JSON Merge Patch over a flag document, and where a merged value came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.strict_json import join_pointer, split_pointer

if TYPE_CHECKING:
    from reconciler.strict_json import Json


def merge_patch(target: Json, patch: Json) -> Json:
    """The target with the patch merged in; neither is changed. null removes, objects merge, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def for_environment(document: dict[str, Json], environment: str | None) -> dict[str, Json]:
    """The document as one environment sees it, without `environments`; the document itself if nothing differs."""
    overlays = document.get("environments")
    if overlays is None:
        return document
    patch = overlays.get(environment) if isinstance(overlays, dict) else None
    merged: dict[str, Json] = merge_patch(document, patch) if isinstance(patch, dict) else dict(document)
    merged.pop("environments", None)
    return merged


def origin_of(document: dict[str, Json], environment: str | None, pointer: str) -> str:
    """The pointer into the document as written, for a pointer into what `for_environment` gives.

    It leads into the overlay where the value, or the list that holds it, comes from there.
    """
    overlays = document.get("environments")
    found = overlays.get(environment) if isinstance(overlays, dict) else None
    tokens = split_pointer(pointer)
    if not isinstance(found, dict) or not tokens:
        return pointer
    base: Json = document
    for token in tokens:
        if isinstance(found, dict):
            if token not in found:
                return pointer
            found = found[token]
        base = base.get(token) if isinstance(base, dict) else None
    if isinstance(found, dict) and isinstance(base, dict):
        return pointer
    return join_pointer(("environments", str(environment), *tokens))

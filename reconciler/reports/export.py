"""Declared flags for other tools: the configuration that SDKs get, and a manifest for the OpenFeature CLI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from reconciler.delivery import deliver, variants_of
from reconciler.model.flag import LiveFlag
from reconciler.values import default_of, type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

MANIFEST_SCHEMA: Final = "https://raw.githubusercontent.com/open-feature/cli/main/schema/v0/flag-manifest.json"


def render_sdk(flags: Sequence[FlagSpec], _: RenderOptions) -> str:
    """The array that SDKs get which evaluate themselves: flags of the remote mode are off. It holds user ids."""
    served = [LiveFlag(id=spec.key, project_id="", spec=spec) for spec in flags]
    return _json(deliver(served, local=True))


def render_openfeature(flags: Sequence[FlagSpec], _: RenderOptions) -> str:
    """The manifest: each flag's type, what code falls back to, and the description."""
    found: dict[str, Json] = {}
    for spec in flags:
        variants = variants_of(spec)
        flag = {"flagType": type_of(variants).value, "defaultValue": default_of(variants)}
        text = description_of(spec)
        found[spec.key] = flag | {"description": text} if text else flag
    return _json({"$schema": MANIFEST_SCHEMA, "flags": found})


def description_of(spec: FlagSpec) -> str:
    """What people read of a flag: its description, or else its name."""
    words = (text for text in (spec.description, spec.name) if isinstance(text, str) and text.strip())
    return next((word for word in words if word != spec.key), "")


def _json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n"

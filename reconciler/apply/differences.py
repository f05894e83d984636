"""How a flag that was read back differs from its declaration, in words for the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from reconciler.planning.plan import ValueChange
from reconciler.text import cut, first_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.planning.plan import FieldChange
    from reconciler.strict_json import Json

_MOST: Final = 60
"""Characters of a value."""

_MOST_PLACES: Final = 3


def differences(changes: Sequence[FieldChange]) -> str:
    """Each field with the declared and the live value; of segments and inclusions, which may name users, none."""
    return ", ".join(map(_difference, changes))


def _difference(change: FieldChange) -> str:
    path = change.path.removeprefix("/")
    if not isinstance(change, ValueChange):
        return f"{path} ({len(change.added)} lacking, {len(change.removed)} too many)"
    if path.startswith("targetSegments"):
        places = [detail.path for detail in change.details]
        return f"{path} ({first_of(places, _MOST_PLACES)})" if places else path
    return f"{path} (declared {_shown(change.after)}, live {_shown(change.before)})"


def _shown(value: Json) -> str:
    return "none" if value is None else cut(json.dumps(value, ensure_ascii=False), _MOST)

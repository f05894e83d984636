"""What can stand in the path of a request as it is, so that no id or key leads a call elsewhere."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 512

_is_segment = re.compile(rf"[A-Za-z0-9._~-]{{1,{LONGEST}}}").fullmatch


def is_path_segment(text: str) -> bool:
    """Whether a text is one segment of a path, without escapes and without a meaning of its own."""
    return _is_segment(text) is not None and text not in {".", ".."}


def why_no_segment(text: str) -> str:
    """What keeps a text from being one, in words that quote nothing of it."""
    if not text:
        return "it is empty"
    if len(text) > LONGEST:
        return f"it has {len(text)} characters, more than {LONGEST}"
    return 'it is no word of letters, digits, ".", "_", "~" and "-"'

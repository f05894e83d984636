"""Keeping a secret, and whatever a server writes, out of messages."""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

_SHORTEST_REPLACED = 6
"""Shorter keys exist on loopback only; replacing them would eat ordinary words."""

_LONGEST_QUOTE = 300


def pattern_of(secret: str) -> re.Pattern[str] | None:
    """What matches every form in which a secret may turn up in a text; None for one too short to look for."""
    if len(secret) < _SHORTEST_REPLACED:
        return None
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/"), *_in_base64(secret)}
    escaped = {quote(secret, safe=""), quote_plus(secret), quote(secret)}
    forms = [re.escape(text) for text in plain] + [_any_case_of_escapes(text) for text in escaped]
    return re.compile("|".join(sorted(forms, key=lambda form: (-len(form), form))))


def quotation(text: str) -> str:
    """What somebody else wrote, made safe to quote: one line, no control or format characters, clipped."""
    visible = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    line = " ".join(visible.split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _any_case_of_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda escape: f"(?i:{escape[0]})", re.escape(text))


def _in_base64(secret: str) -> list[str]:
    """The part of a base64 text that does not depend on what stands around the secret, for each alignment."""
    found = []
    for lead in range(3):
        padded = b"\0" * lead + secret.encode()
        first, last = -(-lead * 8 // 6), len(padded) * 8 // 6
        found += [encode(padded).decode()[first:last] for encode in (b64encode, urlsafe_b64encode)]
    return found

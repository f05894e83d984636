"""The comments' and issues' own sign: an HTML comment in the first line, by which they are found again."""

from __future__ import annotations

from typing import Any

from reconciler.reports.sanitize import marker

BOT = "github-actions[bot]"
"""Who writes with the token of a workflow."""


def marked(text: str, name: str) -> str:
    """The text with the marker of that name as its first line, once."""
    sign = marker(name)
    return text if text.split("\n", 1)[0] == sign else f"{sign}\n{text}"


def is_ours(item: dict[str, Any], name: str, author: str) -> bool:
    """Whether a comment or an issue carries the marker and was written by us: anyone can write a marker."""
    body = item.get("body") or ""
    user = item.get("user") or {}
    return user.get("login") == author and body.splitlines()[:1] == [marker(name)]


def same_text(one: str | None, other: str) -> bool:
    """Whether two bodies are the same, whatever their line ends; a server may keep them as CRLF."""
    return "\n".join((one or "").splitlines()).strip() == "\n".join(other.splitlines()).strip()

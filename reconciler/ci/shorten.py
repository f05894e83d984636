"""Markdown cut to what GitHub takes in a comment or an issue, so that what is left still renders, and says so."""

from __future__ import annotations

import re

from reconciler.reports.fitting import first_that_fit

LIMIT = 65_536
"""Characters in the body of a comment or an issue."""

_FENCE = re.compile(r"(`{3,}|~{3,})")


def shorten(text: str, limit: int = LIMIT) -> str:
    """The text, or as many of its first lines as fit, closed, with a sentence that says how much is missing.

    A plan's Markdown comes within the limit, with what matters first; this is for everything else.
    """
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    lines = lines[: first_that_fit(lines, limit)]
    while len(cut := _closed(lines, len(text))) > limit and lines:
        lines.pop()
    return cut


def _closed(lines: list[str], whole: int) -> str:
    """The lines, what closes the code block and the folds that are open after them, and the sentence."""
    fence, folds = _open_at_the_end(lines)
    missing = whole - sum(len(line) + 1 for line in lines)
    sentence = f"**Shortened: {missing:,} characters did not fit here.** The log of the run has them."
    return "\n".join([*lines, *([fence] if fence else []), *["\n</details>"] * folds, "", sentence, ""])


def _open_at_the_end(lines: list[str]) -> tuple[str, int]:
    """The fence of the code block that the last line is in ("" for none), and how many folds are open there."""
    fence, folds = "", 0
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            fence = "" if line.rstrip() == fence else fence
        elif found:
            fence = found[1]
        else:
            folds += (line == "<details>") - (line == "</details>")
    return fence, max(folds, 0)

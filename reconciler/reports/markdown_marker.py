"""The hidden first line of a Markdown plan, by which the one comment that shows it is found and updated."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


def marker(name: str) -> str:
    """An HTML comment with the name in it; what is no letter, digit or dot becomes a single hyphen.

    So no name can end the comment: `--` and `>` do not come out of this.
    """
    return f"<!-- reconciler:{_UNSAFE.sub('-', name).strip('-')} -->"

"""Completion in bash, which takes `--target=KEY` apart into three words: click looks for a value behind the first."""

from __future__ import annotations

from itertools import pairwise

from click.shell_completion import BashComplete, add_completion_class


@add_completion_class
class Bash(BashComplete):
    """As click's, for words that bash has taken apart at `=`."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one, without the `=` behind an option."""
        words, incomplete = super().get_completion_args()
        pairs = pairwise(["", *words])
        return [word for before, word in pairs if not (word == "=" and before.startswith("--"))], incomplete

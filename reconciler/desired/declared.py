"""Declared flags that are made when somebody asks for them: for commands that are about a few flags of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import DesiredFlag


class DeclaredFlags(Mapping[str, "DesiredFlag"]):
    """Flags by key, in the order of the makers that are given; each is made once, and kept.

    The keys, and how many there are, are those of all flags, made or not: whatever counts declared flags or asks
    whether a key is declared sees no difference. `values` and `items` make them all.
    """

    __slots__ = ("_made", "_makers")

    def __init__(self, makers: Mapping[str, Callable[[], DesiredFlag]]) -> None:
        self._makers = makers
        self._made: dict[str, DesiredFlag] = {}

    def __getitem__(self, key: str) -> DesiredFlag:
        flag = self._made.get(key)
        if flag is None:
            flag = self._made[key] = self._makers[key]()
        return flag

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, key: object) -> bool:
        return key in self._makers

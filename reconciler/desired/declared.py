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
            make = self._makers[key]
            try:
                flag = self._made[key] = make()
            except KeyError as error:  # which would say that the flag is not declared
                raise RuntimeError(f"The flag {key} cannot be made.") from error
        return flag

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, key: object) -> bool:
        return key in self._makers

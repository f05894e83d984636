"""A walk back along a branch for several flags at once, commit by commit, window by window."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from pathlib import PurePosixPath
from posixpath import commonpath, normpath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.cli.commits import commits_touching, differences, is_cut, parent_of
from reconciler.cli.git import OversizedAnswerError
from reconciler.errors import InvalidInputError
from reconciler.files.listing import SUFFIXES
from reconciler.files.past import comparable, effective, find_document, settings_in, value_at
from reconciler.model.versions import DeclaredValue, Timeline

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.cli.checkout import Checkout
    from reconciler.cli.commits import Commit, Difference
    from reconciler.files.past import Settings
    from reconciler.strict_json import Json

    Document = dict[str, Json]

SHALLOW: Final = "This clone is shallow: older commits are not in it. In CI, fetch the whole history."
TOO_LONG: Final = "More commits have touched these files since than are looked at."
MOST_COMMITS: Final = 20_000
_FIRST_WINDOW: Final = 16
_LARGEST_WINDOW: Final = 256
_MOST_MOVES: Final = 20


class Spot(Struct, frozen=True):
    """Where a configuration and its flag files stand, from the checkout's top (`""`: there), and what it says."""

    config: str
    flags: str
    settings: Settings

    @property
    def paths(self) -> tuple[str, ...]:
        """What commits are looked at for; none stands for all."""
        return (self.config, self.flags) if self.flags else ()


class Sought:
    """One flag on the way back: the file and document in which it stands, and what was found of its fields."""

    def __init__(
        self, key: str, path: str, document: Document | None, settings: Settings, pointers: Iterable[str]
    ) -> None:
        self.key, self.path, self.document = key, path, document
        seen = effective(document, settings)
        self._open = {pointer: value_at(seen, pointer, settings) for pointer in pointers}
        self._found: dict[str, list[DeclaredValue]] = {pointer: [] for pointer in self._open}
        self._gaps: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to find out."""
        return bool(self._open)

    def step(
        self,
        commit: str | None,
        at: datetime | None,
        document: Document | None,
        settings: Settings,
        until: datetime | None,
    ) -> None:
        """Go behind a commit (None: what is not committed), where the flag's document was another one, or none.

        Where there was none the way ends: what was declared before that was another declaration.
        """
        self.document, older = document, effective(document, settings)
        for pointer, value in list(self._open.items()):
            before = value_at(older, pointer, settings)
            if comparable(pointer, before) == comparable(pointer, value):
                continue
            self._found[pointer].append(DeclaredValue(value=value, commit=commit, at=at))
            self._open[pointer] = before
            if until is None or (at is not None and at <= until):
                del self._open[pointer]
        if document is None:
            self._open = {}

    def end(self, gap: str) -> None:
        """Nothing older is to be seen, because of a gap."""
        for pointer, value in self._open.items():
            self._found[pointer].append(DeclaredValue(value=value))
            self._gaps[pointer] = gap
        self._open = {}

    def timeline(self, pointer: str) -> Timeline:
        """What was found of a field."""
        values = tuple(self._found[pointer])
        uncommitted = bool(values) and values[0].commit is None and pointer not in self._gaps
        gap = "The value is not committed." if uncommitted else self._gaps.get(pointer, "")
        return Timeline(values=values, gap=gap)


class Walk:
    """One walk. `until`: how far back values are of interest; None: to the first that differs."""

    def __init__(self, checkout: Checkout, until: datetime | None, latest: float = inf) -> None:
        self.checkout, self.until = checkout, until
        self._contents: dict[str, bytes] = {}
        self._seconds = latest
        self._commits = 0

    def follow(self, sought: Collection[Sought], start: str, spot: Spot, moves: int = 0) -> None:
        """Follow flags back from a commit, until all that is sought of them is found. Raises ReconcilerError."""
        size, largest = _FIRST_WINDOW, _LARGEST_WINDOW
        while remaining := [item for item in sought if item.is_open]:
            window = commits_touching(self.checkout, start, spot.paths, size + 1)
            pairs = [(new.id, old.id) for new, old in pairwise(window)]
            self._contents.clear()
            wanted = {spot.config, *(item.path for item in remaining)}
            try:
                changed = differences(self.checkout, pairs, spot.paths)
                self._load(change.before for files in changed for name, change in files.items() if name in wanted)
            except OversizedAnswerError:  # large files that change in many commits
                if size == 1:
                    raise
                size = largest = max(1, size // 4)
                continue
            for commit, files in zip(window, changed, strict=False):
                spot = self._step(remaining, commit, files, spot, moves)
            if len(window) <= size:
                self._end(remaining, window, spot, moves)
                return
            start, size = window[-1].id, min(2 * size, largest)
            self._commits += len(pairs)
            if self._commits > MOST_COMMITS:
                _end_all(remaining, TOO_LONG)

    def _step(
        self, sought: Iterable[Sought], commit: Commit, files: dict[str, Difference], spot: Spot, moves: int
    ) -> Spot:
        """Go behind one commit with every flag; the spot there."""
        at = self._moment(commit)
        before = self._spot_before(files.get(spot.config), spot)
        absent = []
        for item in sought:
            if not item.is_open or (item.path not in files and before == spot):
                continue
            path, document = self._find(item, files)
            if document is not None:
                item.path = path
                item.step(commit.id, at, document, before.settings, self.until)
            elif path:
                item.path = path
            else:
                absent.append(item)
        self._follow_moved(absent, commit, before, moves)
        for item in absent:
            item.step(commit.id, at, None, before.settings, self.until)
        return before

    def _moment(self, commit: Commit) -> datetime:
        """The time of a commit; never later than that of one that followed it, whose clock may have been right."""
        self._seconds = min(self._seconds, commit.seconds)
        return datetime.fromtimestamp(self._seconds, UTC)

    def _spot_before(self, change: Difference | None, spot: Spot) -> Spot:
        if change is None or change.before is None:
            return spot
        settings = settings_in(self._content(change.before), spot.settings.environment)
        return spot if settings is None else Spot(spot.config, spot.flags, settings)

    def _find(self, item: Sought, files: dict[str, Difference]) -> tuple[str, Document | None]:
        """The file and the document of a flag before a commit.

        No document: that file cannot be read, and seems to hold it. No file either ("") where none declared it.
        """
        return self._search(item, files) if item.path in files else (item.path, item.document)

    def _search(self, item: Sought, files: dict[str, Difference]) -> tuple[str, Document | None]:
        names = [name for name in files if name.endswith(SUFFIXES)]
        names.sort(key=lambda name: name != item.path)
        unreadable = ""
        for count, name in enumerate(names):
            before = files[name].before
            if before is None:
                continue
            if count:
                self._load(change.before for change in files.values())
            try:
                document = find_document(self._content(before), item.key)
            except InvalidInputError:
                unreadable = unreadable or name
                continue
            if document is not None:
                return name, document
        return unreadable, None

    def _load(self, ids: Iterable[str | None]) -> None:
        """Read contents ahead, with one process."""
        missing = list({found for found in ids if found is not None} - self._contents.keys())
        self._contents.update(zip(missing, self.checkout.contents(missing), strict=True))

    def _content(self, identity: str) -> bytes:
        self._load([identity])
        return self._contents[identity]

    def _end(self, sought: list[Sought], window: list[Commit], spot: Spot, moves: int) -> None:
        """Behind the oldest commit that touched the files there is nothing, or nothing that this clone has."""
        if not window:
            _end_all(sought, "The files are not committed.")
            return
        oldest = window[-1]
        if parent_of(self.checkout, oldest.id) is None and is_cut(self.checkout, oldest.id):
            _end_all(sought, SHALLOW)
            return
        left = [item for item in sought if item.is_open]
        self._follow_moved(left, oldest, spot, moves)
        for item in left:
            item.step(oldest.id, self._moment(oldest), None, spot.settings, self.until)

    def _follow_moved(self, absent: list[Sought], commit: Commit, spot: Spot, moves: int) -> None:
        """Follow those flags elsewhere that a commit brought from files outside of the spot; they leave `absent`."""
        parent = parent_of(self.checkout, commit.id) if absent and moves < _MOST_MOVES else None
        if parent is None:
            return
        (files,) = differences(self.checkout, [(commit.id, parent)], ())
        lost = {name: change for name, change in files.items() if change.before and name.endswith(SUFFIXES)}
        self._load(content for change in lost.values() for content in (change.before, change.after))
        places: dict[tuple[str, str], tuple[Spot, list[Sought]]] = {}
        for item in list(absent):
            candidates = {name: change for name, change in lost.items() if not self._has(change.after, item.key)}
            name, document = self._search(item, candidates)
            if not name:
                continue
            place = self._spot_of(name, files, spot)
            item.path = name
            if document is not None:
                item.step(commit.id, self._moment(commit), document, place.settings, self.until)
            places.setdefault((place.config, place.flags), (place, []))[1].append(item)
            absent.remove(item)
        for place, items in places.values():
            Walk(self.checkout, self.until, self._seconds).follow(items, parent, place, moves + 1)

    def _has(self, content: str | None, key: str) -> bool:
        with suppress(InvalidInputError):
            return content is not None and find_document(self._content(content), key) is not None
        return False

    def _spot_of(self, name: str, files: dict[str, Difference], spot: Spot) -> Spot:
        """The spot before a commit of a file that the commit took away: under the same configuration, or one gone."""
        config, settings = spot.config, spot.settings
        if config in files and files[config].before is None:
            gone = [
                other
                for other, change in files.items()
                if change.before and not change.after and PurePosixPath(other).name == PurePosixPath(config).name
            ]
            config = max(gone, key=lambda other: len(commonpath([other, name])), default=config)
            if config in gone:
                found = settings_in(self._content(files[config].before or ""), settings.environment)
                settings = found or settings
        flags = normpath(str(PurePosixPath(config).parent / settings.flags))
        if not name.startswith(f"{flags}/"):
            flags = str(PurePosixPath(name).parent)
        return Spot(config, "" if flags == "." else flags, settings)


def _end_all(sought: Iterable[Sought], gap: str) -> None:
    for item in sought:
        item.end(gap)

"""Since when git declares what it declares: a walk back along the commits that touch flag files.

It follows the branch (first parents), so that a value counts from the commit with which the branch got it. A flag is
followed by its key: from file to file, and to a directory or a configuration elsewhere. A commit whose files cannot
be read says nothing, and the value is taken for the same: an older declaration is the careful answer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.cli.checkout import checkout_of, is_content
from reconciler.cli.walk import Sought, Spot, Walk
from reconciler.errors import InvalidInputError, ReconcilerError
from reconciler.files.past import find_document, settings_in
from reconciler.model.versions import Timeline

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.cli.checkout import Checkout
    from reconciler.cli.walk import Document
    from reconciler.files.past import Settings
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState
    from reconciler.model.versions import Place

_LINKED: Final = "The configuration finds its flags through a link, which git does not follow."
_UNREADABLE: Final = "The configuration cannot be read as one."


def timelines(
    config: Config, desired: DesiredState, places: Collection[Place], until: datetime | None = None
) -> dict[Place, Timeline]:
    """The timeline of each place, as the configuration's environment sees it.

    Without `until` it is the present value alone; with it, every value that was declared at that time or later.
    Never raises: where git cannot tell, timelines have a gap.
    """
    known = [place for place in places if place[0] in desired.flags]
    found = {place: Timeline(gap="The flag is not declared.") for place in places}
    if known:
        try:
            found |= _Look(config, desired, until).timelines(known)
        except ReconcilerError as error:
            found |= {place: Timeline(gap=str(error)) for place in known}
    untold = [place for place in known if found[place].since is None]
    return found | {place: replace(found[place], placed_at=_placed_at(config, desired, place[0])) for place in untold}


def _placed_at(config: Config, desired: DesiredState, key: str) -> datetime | None:
    """When the file of a flag, or the configuration, was last written or put there; None where that is not known."""
    root = config.file.parent
    try:
        found = [path.stat() for path in (config.file, root / desired.flags[key].source.file)]
    except OSError:
        return None
    # Copies may keep the time of the last write, but never that of the place.
    return datetime.fromtimestamp(max(time for item in found for time in (item.st_mtime, item.st_ctime)), UTC)


class _Look:
    """One look: from the files that were read to the commit that is checked out, and back from there."""

    def __init__(self, config: Config, desired: DesiredState, until: datetime | None) -> None:
        self.config, self.desired, self.until = config, desired, until
        self.checkout: Checkout = checkout_of(config.file.parent)
        self.flags_dir = Path(os.path.relpath(config.flags_dir, config.file.parent)).as_posix()

    def timelines(self, places: Collection[Place]) -> dict[Place, Timeline]:
        """The timelines of places whose flags are declared. Raises ReconcilerError where git cannot be asked."""
        root = self.config.file.parent.resolve()
        if self.config.flags_dir.resolve() != Path(os.path.normpath(root / self.flags_dir)):
            return {place: Timeline(gap=_LINKED) for place in places}
        settings = settings_in(self.config.content, self.config.environment)
        if settings is None:
            return {place: Timeline(gap=_UNREADABLE) for place in places}
        pointers: dict[str, list[str]] = {}
        for key, pointer in places:
            pointers.setdefault(key, []).append(pointer)
        sought = [self._sought(key, pointers[key], settings) for key in pointers]
        head = self.checkout.head()
        spot = Spot(self._top(self.config.file.name), self._top(self.flags_dir), settings)
        held = self.checkout.files_at(head, (self.config.file.name, self.flags_dir))
        spot = self._see_what_is_committed(sought, held, spot)
        Walk(self.checkout, self.until).follow(sought, head, spot)
        return {(item.key, pointer): item.timeline(pointer) for item in sought for pointer in pointers[item.key]}

    def _top(self, name: str) -> str:
        """A name relative to the configuration as one relative to the checkout's top."""
        inner = self.checkout.prefix + name
        return "" if inner == "." else inner.removesuffix("/.")

    def _sought(self, key: str, pointers: list[str], settings: Settings) -> Sought:
        file = self.desired.flags[key].source.file
        document = find_document(self.desired.texts[file], key)
        return Sought(key, self._top(file), document, settings, pointers)

    def _see_what_is_committed(self, sought: list[Sought], held: dict[str, str], spot: Spot) -> Spot:
        """Step from the files that were read to what the commit holds; the spot there is that of the commit."""
        name = self.config.file.name
        if name in held and not is_content(self.config.content, held[name]):
            (content,) = self.checkout.contents([held[name]])
            settings = settings_in(content, self.config.environment) or spot.settings
            spot = Spot(spot.config, spot.flags, settings)
        for item in sought:
            shown = self.desired.flags[item.key].source.file
            if shown in held and is_content(self.desired.texts[shown], held[shown]):
                item.step(None, None, item.document, spot.settings, self.until)
            elif (committed := self._committed(item.key, shown, held)) is not None:
                path, document = committed
                item.step(None, None, document, spot.settings, self.until)
                item.path = self._top(path)
            else:
                item.step(None, None, None, spot.settings, self.until)
        return spot

    def _committed(self, key: str, shown: str, held: dict[str, str]) -> tuple[str, Document] | None:
        """The file in which the commit declares a flag, and its document there: first where it stands now."""
        texts = self.desired.texts
        others = [name for name in held if not (name in texts and is_content(texts[name], held[name]))]
        names = sorted(others, key=lambda name: name != shown)
        for name, content in zip(names, self.checkout.contents([held[name] for name in names]), strict=True):
            try:
                document = find_document(content, key)
            except InvalidInputError:
                continue
            if document is not None:
                return name, document
        return None

"""Flag files on disk: which there are, in which order, and their bytes. Only regular files below one directory.

Symbolic links, pipes and devices are refused rather than followed: a link in a pull request must not make the
reconciler read, and quote, what lies outside the repository.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from difflib import get_close_matches
from errno import EINVAL, ELOOP
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.diagnostics import (
    BACKUP_FILE,
    HIDDEN_FILE,
    JSON_FILE,
    UNREAD_FILE,
    Diagnostic,
    Severity,
    SourcePosition,
)
from reconciler.errors import UsageError
from reconciler.files.yaml.scalars import MAX_BYTES
from reconciler.text import counted, has_no_shape, needs_base

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES: Final = (".yaml", ".yml")
TEST_SUFFIXES: Final = tuple(f".test{suffix}" for suffix in SUFFIXES)
"""How the names of files end that hold tests of flags: they declare none."""

MAX_FILES: Final = 20_000
MAX_LEFT_OUT: Final = 100
"""Files that are named because they are not read; more are only counted."""

MAX_TOTAL_BYTES: Final = 50 * 1024 * 1024

_is_backup = re.compile(r".*\.ya?ml[^a-z0-9].*", re.DOTALL).fullmatch
"""`a.yaml~`, `a.yaml.bak`, `#a.yaml#` and other backup names of editors."""

_is_other = re.compile(
    r"(?:authors|changelog|codeowners|contributing|copying|dockerfile|licen[cs]e|makefile|notice|owners|readme)(?:\..*)?"
    r"|.*\.(?:adoc|css|csv|gif|go|html|java|jpe?g|[cm]?js|kt|lock|md|markdown|pdf|png|py|rb|rs|rst|sh|sql|svg|tf|ts)"
).fullmatch
"""What stands beside flags and is clearly none: documents, programs, pictures."""

_NEAR: Final = 0.7
"""How much of a suffix has to be that of a flag file to be taken for a slip."""

_OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FlagFile(Struct, frozen=True):
    """A flag file: where it is, and how it is called in what users read (relative to reconciler.yaml, with /)."""

    path: str
    shown: str


class FileListing(Struct, frozen=True, kw_only=True):
    """The flag files and the files of tests in order of their shown names, and what was refused on the way.

    `left_out` are files that are not read and of which a warning is given.
    """

    files: tuple[FlagFile, ...]
    tests: tuple[FlagFile, ...] = ()
    left_out: tuple[FlagFile, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def list_flag_files(root: Path, flags_dir: Path) -> FileListing:
    """Every .yaml and .yml file below a directory, and what may be meant as a flag file and is left out.

    A name that only looks as if it ended in such a suffix, or has it in capitals, is an error. JSON, backups, and
    YAML of which the name, or a directory's on the way, begins with a dot, are warnings; so is anything else that is
    not clearly of another kind.
    What is below `.git` is git's. `root` is the directory of reconciler.yaml. Never raises for what is found there.
    """
    files: list[FlagFile] = []
    refused: list[Diagnostic] = []
    left_out: list[tuple[FlagFile, Diagnostic]] = []
    shown = Path(os.path.relpath(flags_dir, root)).as_posix()
    pending = [(str(flags_dir), "" if shown == "." else shown + "/", False)]
    while pending:
        directory, prefix, is_hidden = pending.pop()
        for entry in _entries(directory, prefix, [] if is_hidden else refused):
            name = prefix + entry.name
            hides = is_hidden or entry.name.startswith(".")
            if entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, name + "/", hides))
                if not hides and _suffix_of(entry.name):
                    message = "This is a directory, and no flag file; the files in it are read."
                    left_out.append((FlagFile(entry.path, name), _warn(name, UNREAD_FILE, message)))
            elif not hides and entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                files.append(FlagFile(entry.path, name))
            elif found := _left_out(entry, name, is_hidden=hides) or _other(entry, name, only_near=hides):
                if found.is_error:
                    refused.append(found)
                else:
                    left_out.append((FlagFile(entry.path, name), found))
    files.sort(key=lambda file: file.shown)
    if len(files) > MAX_FILES:
        refused.append(_refuse(shown, "too-many-files", f"There are more than {MAX_FILES:,} flag files."))
    refused.extend(_ambiguous_names(files))
    files = files[:MAX_FILES]
    return FileListing(
        files=tuple(file for file in files if not file.shown.endswith(TEST_SUFFIXES)),
        tests=tuple(file for file in files if file.shown.endswith(TEST_SUFFIXES)),
        left_out=tuple(file for file, _ in left_out),
        diagnostics=(*refused, *_named([item for _, item in left_out], shown)),
    )


def _left_out(entry: os.DirEntry[str], name: str, *, is_hidden: bool) -> Diagnostic | None:
    """What there is to say of an entry that is not read; None where it does not look like a flag file."""
    plain = _plain(entry.name)
    folded, right = plain.casefold(), _suffix_of(entry.name)
    is_json, is_backup = folded.endswith(".json"), _is_backup(folded)
    if is_hidden:
        message = "This file is not read: names that begin with a dot are left out."
        return _warn(name, HIDDEN_FILE, message) if right or is_json or is_backup else None
    if not entry.is_file(follow_symlinks=False):
        if right or _may_hold_files(entry):
            return _refuse(name, "irregular-file", "This is a link, a pipe or a device: not followed.")
        return None
    if right:
        message = f"{entry.name!a} would not be read: flag files end in exactly .yaml or .yml, in small letters."
        hint = f"Rename it to {plain[: -len(right)]}{right}."
        return replace(_refuse(name, "file-suffix", message), hint=hint)
    if is_json:
        return _warn(name, JSON_FILE, "This file is not read: flag files are YAML and end in .yaml or .yml.")
    return _warn(name, BACKUP_FILE, "This file is not read: its name goes on after .yaml.") if is_backup else None


def _may_hold_files(link: os.DirEntry[str]) -> bool:
    """Whether a link leads to a directory, or where cannot be told: round in a circle, or behind what is closed."""
    try:
        return link.is_dir()
    except OSError:
        return True


def _other(entry: os.DirEntry[str], name: str, *, only_near: bool) -> Diagnostic | None:
    """A warning of any other file that may be meant as a flag; `only_near`: of nearly the right suffix alone."""
    stem, dot, suffix = entry.name.casefold().rpartition(".")
    near = [right for right in ("yaml", "yml") if dot and get_close_matches(suffix, [right], cutoff=_NEAR)]
    if not near and (only_near or _is_other(entry.name.casefold())):
        return None
    found = _warn(name, UNREAD_FILE, "This file is not read: flag files end in .yaml or .yml.")
    return replace(found, hint=f"Rename it to {entry.name[: len(stem)]}.{near[0]}.") if near else found


def _suffix_of(name: str) -> str | None:
    """The suffix of a flag file with which a name ends, or seems to."""
    folded = _plain(name).casefold()
    return next((suffix for suffix in SUFFIXES if folded.endswith(suffix)), None)


def _plain(name: str) -> str:
    """The name as it looks: in the usual form of its characters, without those that are not seen and dots at its end.

    Blanks are among them, and signs on letters.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    seen = "".join(item for item in decomposed if item != " " and not has_no_shape(item) and not needs_base(item))
    return seen.rstrip(".")


def _named(left_out: list[Diagnostic], directory: str) -> Iterator[Diagnostic]:
    """The first of what is left out, by name, and how much more there is: warnings must not fill a report."""
    left_out.sort(key=_file_of)
    yield from left_out[:MAX_LEFT_OUT]
    if (more := len(left_out) - MAX_LEFT_OUT) > 0:
        yield _warn(directory, HIDDEN_FILE, f"{counted(more, 'more file')} below this directory are not read.")


def is_flag_file(shown: str, directory: str) -> bool:
    """Whether a regular file of that shown name is listed for a directory; `.` is that of reconciler.yaml."""
    prefix = "" if directory == "." else f"{directory}/"
    hides = any(part.startswith(".") for part in shown.removeprefix(prefix).split("/"))
    is_yaml = shown.endswith(SUFFIXES) and not shown.endswith(TEST_SUFFIXES)
    return shown.startswith(prefix) and is_yaml and not hides


def _ambiguous_names(files: list[FlagFile]) -> Iterator[Diagnostic]:
    """Of two names that some file systems take for one, they keep one file, and the other's flags are gone."""
    seen: dict[str, str] = {}
    for file in files:
        other = seen.setdefault(_folded(file.shown), file.shown)
        if other != file.shown:
            message = "Another name differs by case or Unicode form only: some file systems keep one of the two."
            yield _refuse(file.shown, "ambiguous-file-name", message)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _entries(directory: str, prefix: str, refused: list[Diagnostic]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except OSError as error:
        refused.append(_refuse(prefix.removesuffix("/") or ".", "unreadable-file", f"{error.strerror}."))


def choose_files(listings: Sequence[FileListing], paths: Sequence[Path], config_file: Path) -> list[FileListing]:
    """The parts of listings that paths name: files, or directories with all that is below them.

    The configuration file may be among them, as pre-commit names every file that changed. Raises UsageError for a
    path that does not exist or holds no flag file of any listing.
    """
    chosen: set[str] = set()
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise UsageError(f"{path} does not exist.")
        if _place_of(path) == _place_of(config_file):
            continue
        shown = Path(os.path.relpath(_place_of(path), config_file.parent.resolve())).as_posix()
        names = {name for listing in listings for name in _names(listing) if _is_at_or_below(name, shown)}
        if not names:
            raise UsageError(f"{path} is not a flag file of this configuration, nor a directory with one.")
        chosen |= names
    return [
        FileListing(
            files=tuple(file for file in listing.files if file.shown in chosen),
            tests=tuple(file for file in listing.tests if file.shown in chosen),
            diagnostics=tuple(item for item in listing.diagnostics if _file_of(item) in chosen),
        )
        for listing in listings
    ]


def _place_of(path: Path) -> Path:
    """The path without links in its directories; the last part may be one, and is refused as such."""
    return path.parent.resolve() / path.name if path.name not in {"", ".."} else path.resolve()


def _names(listing: FileListing) -> Iterator[str]:
    yield from (file.shown for file in (*listing.files, *listing.tests))
    yield from map(_file_of, listing.diagnostics)


def _is_at_or_below(name: str, at: str) -> bool:
    return at in {".", name} or name.startswith(at + "/")


def _file_of(item: Diagnostic) -> str:
    return item.position.file if item.position else ""


def read_flag_file(path: Path | str) -> bytes:
    """The bytes of a regular file; one byte more than is allowed, at most. Raises OSError."""
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(EINVAL, "it is not a regular file")
        return os.read(descriptor, min(status.st_size, MAX_BYTES) + 1)
    finally:
        os.close(descriptor)


def refuse_file(file: FlagFile, error: OSError) -> Diagnostic:
    """The finding for a file that could not be read."""
    return _refuse(file.shown, "unreadable-file", f"The file cannot be read: {why_unreadable(error)}.")


def why_unreadable(error: OSError) -> str:
    """Why a file could not be read, in a few words."""
    return "it is a symbolic link" if error.errno == ELOOP else str(error.strerror)


def refuse_total(file: FlagFile) -> Diagnostic:
    """The finding for the file with which all flag files together become too large."""
    return _refuse(file.shown, "too-large", f"All flag files have more than {MAX_TOTAL_BYTES // 1024**2} MiB.")


def _refuse(name: str, rule: str, message: str) -> Diagnostic:
    position = SourcePosition(file=name, line=1, column=1)
    return Diagnostic(severity=Severity.ERROR, rule=rule, message=message, position=position)


def _warn(name: str, rule: str, message: str) -> Diagnostic:
    return replace(_refuse(name, rule, message), severity=Severity.WARNING)

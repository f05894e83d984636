"""Flag files compared with a commit: `--changed-since` and `apply --expect-commit`.

What was read is compared with the commit itself. The index is not asked: it knows nothing of ignored files and of
nested repositories, and can be told to overlook a change. Such files are read like any other, and belong to no
commit.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.checkout import checkout_of, is_content, unknown_commit
from reconciler.errors import InvalidInputError, ReconcilerError, StalePlanError, UsageError
from reconciler.files.config_file import parse_config
from reconciler.files.listing import is_flag_file
from reconciler.files.load import load_contents
from reconciler.files.yaml.reader import read_documents
from reconciler.planning.releases import declaration_differs, released_paths
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.cli.checkout import Checkout
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


class Changes(Struct, frozen=True, kw_only=True):
    """What differs from a commit.

    `keys`: the flags that are declared otherwise than there, or there or here only, sorted. `released`: what that
    commit declared of a flag and the files no longer do, as pointers by key; `("",)` for the whole flag.
    """

    keys: tuple[str, ...]
    released: Mapping[str, tuple[str, ...]]


def changes_since(config: Config, desired: DesiredState, reference: str) -> Changes | None:
    """How the declared flags differ from what a commit declares; how files are cut or ordered does not matter.

    None when every flag may be meant: the configuration differs in what all of them rest on, cannot be read there,
    or finds its flags through a link, which may have led elsewhere. Raises UsageError for a commit that git does not
    know, ReconcilerError where git cannot be run.
    """
    checkout = checkout_of(config.file.parent)
    commit = checkout.resolve(reference)
    name, flags_dir = config.file.name, _name_of(config.flags_dir, config)
    held = checkout.files_at(commit, (name, flags_dir))
    if name not in held or config.flags_dir.resolve() != config.file.parent.resolve() / flags_dir:
        return None
    if is_content(config.content, held[name]):
        same = {name for name in desired.texts.keys() & held.keys() if is_content(desired.texts[name], held[name])}
        then = config
    else:
        same = set()
        try:
            then = parse_config(config.file, checkout.contents([held[name]])[0], config.environment)
        except ReconcilerError:
            return None
        if any(getattr(then, field) != getattr(config, field) for field in _COMMON):
            return None
    names = [name for name in held if name not in same and is_flag_file(name, flags_dir)]
    contents = checkout.contents([held[name] for name in names])
    before, unreadable = _declared(then, dict(zip(names, contents, strict=True)))
    after = {key: flag for key, flag in desired.flags.items() if flag.source.file not in same}
    differ = {key for key in before.keys() | after.keys() if declaration_differs(before.get(key), after.get(key))}
    released = {key: released_paths(flag.spec, _spec_of(desired, key)) for key, flag in before.items()}
    return Changes(keys=tuple(sorted(differ | unreadable)), released=released)


def keys_changed_since(config: Config, desired: DesiredState, reference: str) -> frozenset[str]:
    """The flags that are declared otherwise than at a commit of which an apply may have been cut short.

    None of them where its configuration or files are invalid: then that apply sent nothing. All where it lacks the
    environment, which may have had another name. Raises UsageError for a commit that git does not know,
    ReconcilerError where git cannot tell what it declared.
    """
    checkout = checkout_of(config.file.parent)
    commit = checkout.resolve(reference)
    try:
        before = _declared_in(checkout, config, commit)
    except InvalidInputError:
        return frozenset()
    except UsageError:
        return frozenset(desired.flags)
    keys = before.keys() | desired.flags.keys()
    return frozenset(key for key in keys if declaration_differs(before.get(key), desired.flags.get(key)))


def declared_at(config: Config, reference: str) -> dict[str, DesiredFlag]:
    """The flags that a commit declares for the environment of a configuration, by key.

    Raises UsageError for a commit that git does not know, ReconcilerError where git cannot be run or the commit's
    configuration or files cannot be read.
    """
    checkout = checkout_of(config.file.parent)
    commit = checkout.resolve(reference, option="--against")
    try:
        return _declared_in(checkout, config, commit)
    except InvalidInputError as error:
        raise ReconcilerError(f"The flag files of {reference} cannot be read there: {error}") from error


def _declared_in(checkout: Checkout, config: Config, commit: str) -> dict[str, DesiredFlag]:
    held = checkout.files_at(commit, (config.file.name,))
    then = config
    if config.file.name in held:
        then = parse_config(config.file, checkout.contents([held[config.file.name]])[0], config.environment)
    flags_dir = _name_of(then.flags_dir, config)
    held = checkout.files_at(commit, (flags_dir,))
    names = [name for name in held if is_flag_file(name, flags_dir)]
    contents = checkout.contents([held[name] for name in names])
    return dict(load_contents(then, dict(zip(names, contents, strict=True))).flags)


def commit_error(config: Config, reference: str) -> str | None:
    """Why no commit is meant by a reference; None where one is, or where git cannot be asked."""
    with suppress(ReconcilerError):
        checkout = checkout_of(config.file.parent)
        try:
            checkout.resolve(reference)
        except UsageError:
            return unknown_commit(reference)
    return None


_COMMON = ("project_id", "region", "flags_dir", "managed_tag", "ignore")
"""What of a configuration every flag's plan rests on. Deployments and defaults are seen in the flags themselves."""


def _name_of(directory: Path, config: Config) -> str:
    return Path(os.path.relpath(directory, config.file.parent)).as_posix()


def _spec_of(desired: DesiredState, key: str) -> FlagSpec | None:
    flag = desired.flags.get(key)
    return flag.spec if flag else None


def _declared(config: Config, contents: Mapping[str, bytes]) -> tuple[dict[str, DesiredFlag], set[str]]:
    """The flags that files declared, and the keys in files that could not be read then."""
    flags: dict[str, DesiredFlag] = {}
    unreadable: set[str] = set()
    for name, content in contents.items():
        try:
            flags |= load_contents(config, {name: content}).flags
        except InvalidInputError:
            unreadable |= _keys_of(content)
    return flags, unreadable


def _keys_of(content: bytes) -> set[str]:
    """The keys that a file declared at a commit; none of a file that could not be read then.

    They become targets, which are patterns. A commit that was never validated may call a flag `*`: what no flag can
    be called is left out.
    """
    try:
        documents = read_documents(content, "")
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}


_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_MOST_NAMED = 5


def check_commit(config: Config, texts: Mapping[str, bytes], expected: str) -> None:
    """See that a commit is checked out, and that configuration and flag files were read as it has them.

    `texts` is what each flag file held when it was read, by its name as shown. Runs of a workflow may overtake each
    other, and steps before this one may have written files. Raises UsageError for what is no commit's id,
    StalePlanError where it is another commit, files differ, or git cannot tell.
    """
    if not _COMMIT.fullmatch(expected):
        raise UsageError(f"--expect-commit takes a commit's id, of 7 to 64 hexadecimal digits, not {expected!r}.")
    with _stale_where_git_cannot_tell():
        checkout = checkout_of(config.file.parent)
        found = checkout.head()
    if not found.startswith(expected.lower()):
        raise StalePlanError(
            f"The commit that is checked out is {found}, not {expected}: a later one may have been"
            " applied already. Nothing was sent. Check out the branch's tip and run again."
        )
    with _stale_where_git_cannot_tell():
        names = _files_not_as_in(checkout, found, config, texts)
    if names:
        shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
        raise StalePlanError(
            f"{counted(len(names), 'file')} not as in commit {expected}: {shown}. --expect-commit applies what that"
            " commit holds and nothing else. Nothing was sent. Commit or restore first, or leave the option out."
        )


@contextmanager
def _stale_where_git_cannot_tell() -> Iterator[None]:
    try:
        yield
    except ReconcilerError as error:
        raise StalePlanError(
            f"--expect-commit: git cannot tell what is checked out. {error} Nothing was sent."
        ) from error


def _files_not_as_in(checkout: Checkout, commit: str, config: Config, texts: Mapping[str, bytes]) -> list[str]:
    """The configuration and the flag files that are not as a commit has them, new and deleted ones among them.

    What was read is compared with the commit itself. The index is not asked: it knows nothing of ignored files and
    of nested repositories, and can be told to overlook a change. Names are relative to the configuration, sorted.
    """
    flags_dir = Path(os.path.relpath(config.flags_dir, config.file.parent)).as_posix()
    read = {**texts, config.file.name: config.content}
    held = checkout.files_at(commit, (config.file.name, flags_dir))
    gone = {name for name in held.keys() - read.keys() if is_flag_file(name, flags_dir)}
    changed = {name for name in read.keys() & held.keys() if not is_content(read[name], held[name])}
    return sorted(gone | (read.keys() - held.keys()) | changed)

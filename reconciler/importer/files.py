"""Which files an import writes, and their text. Writing them is the command's business."""

from __future__ import annotations

import hashlib
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from reconciler.files.decode import defaults_for
from reconciler.files.flag_layout import TEAM_FIELDS
from reconciler.files.format import add_environment, flag_to_yaml, rewrite_flag
from reconciler.importer.document import keep_rollouts, represent
from reconciler.importer.spelling import preserve_spelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from reconciler.importer.declared import Declared
    from reconciler.importer.document import Representation
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json

_LONGEST_STEM: Final = 240
"""Names of files have 255 bytes at most, with the suffix and a number."""

_KEPT: Final = 200


class FileChange(Struct, frozen=True, kw_only=True):
    """A file and its new text. `is_new`: it does not exist yet; `keys` are the flags that it was written for."""

    path: Path
    text: str
    is_new: bool
    keys: tuple[str, ...]


class ImportResult(Struct, frozen=True, kw_only=True):
    """What an import comes to, flags sorted by key.

    `files` are those to write, `unchanged` the flags whose file says it all already, `skipped` those that no file
    can hold, `partial` those of which something is left out, `named` those with segments that got a name; `taken` the
    flags that are declared already, with the file that declares them; `reordered` those of them whose file listed the
    variants in another order.
    """

    files: tuple[FileChange, ...]
    unchanged: tuple[str, ...]
    skipped: tuple[Representation, ...]
    partial: tuple[Representation, ...]
    named: tuple[Representation, ...]
    taken: tuple[tuple[str, str], ...]
    reordered: tuple[str, ...]


class _Draft(Struct):
    files: dict[Path, FileChange] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[Representation] = field(default_factory=list)
    partial: list[Representation] = field(default_factory=list)
    named: list[Representation] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)


def overlay_of(config: Config, declared: Declared) -> str | None:
    """The environment whose overlay is to be written in a document that exists; None where the document itself is.

    A document that serves one environment, and has no overlay for it, says what it says for that one.
    """
    return config.environment if len(config.environments) > 1 or declared.is_overlaid else None


def build_import(
    flags: Sequence[LiveFlag],
    declared: Mapping[str, Declared],
    config: Config,
    *,
    keys: Mapping[str, str],
    minimal: bool,
    neighbours: Sequence[Config] = (),
    taken: Iterable[str] = (),
) -> ImportResult:
    """The files that declare the live flags: `<key>.yaml` for a new one, its own file for one that is declared.

    `taken` are the names in the directory of flags: a new file gets another one. `minimal`: without what a new flag
    has anyway.

    In a repository with environments a new document is for the configuration's one alone (`onlyIn`); a flag
    that is declared already gets its differences as an overlay of that environment; one that only others have is
    declared for it too, what is common on top. It stays what it was for the others: `neighbours` tells their
    defaults. `keys` gives keys by flag id.
    """
    draft = _Draft()
    names = {name.casefold() for name in taken}
    for flag in sorted(flags, key=lambda flag: flag.key):
        known = declared.get(flag.key)
        keep = None if known is None or known.is_absent else known.document
        shown = represent(flag, config, keep=keep, keys=keys, minimal=minimal)
        if not shown.document:
            draft.skipped.append(shown)
            continue
        if shown.left_out:
            draft.partial.append(shown)
        if shown.named:
            draft.named.append(shown)
        if known is None:
            _add_file(draft, config.flags_dir / _free_name(flag.key, names), shown, config)
        elif known.is_absent:
            _join_file(draft, known, shown, config, neighbours)
        else:
            draft.taken.append((flag.key, known.shown))
            draft.reordered += [flag.key] if _is_reordered(known.document, shown.document) else []
            _change_file(draft, known, shown, config)
    return ImportResult(
        files=tuple(draft.files.values()),
        unchanged=tuple(draft.unchanged),
        skipped=tuple(draft.skipped),
        partial=tuple(draft.partial),
        named=tuple(draft.named),
        taken=tuple(draft.taken),
        reordered=tuple(draft.reordered),
    )


def _free_name(key: str, taken: set[str]) -> str:
    """A file name for a flag that is not taken, which it is from then on.

    The end of a key that is too long for a name becomes a digest of the whole, which may be the key of another flag.
    """
    stem = key if len(key) <= _LONGEST_STEM else f"{key[:_KEPT]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    candidates = chain((f"{stem}.yaml",), (f"{stem}.{number}.yaml" for number in count(2)))
    name = next(name for name in candidates if name.casefold() not in taken)
    taken.add(name.casefold())
    return name


def _add_file(draft: _Draft, path: Path, shown: Representation, config: Config) -> None:
    document = dict(shown.document)
    if config.environments:
        document["onlyIn"] = [config.environment]
    text = flag_to_yaml(document, shown.remarks)
    draft.files[path] = FileChange(path=path, text=text, is_new=True, keys=(shown.key,))


def _join_file(
    draft: _Draft, known: Declared, shown: Representation, config: Config, neighbours: Sequence[Config]
) -> None:
    before = draft.files.get(known.path)
    document = preserve_spelling(shown.document, known.document, config)
    changed = add_environment(
        before.text if before else known.text,
        known.index,
        keep_rollouts(document | _of_team(known), known.document),
        environment=config.environment or "",
        environments=config.environments,
        defaults={item.environment or "": defaults_for(shown.key, item) for item in (*neighbours, config)},
        remarks=shown.remarks,
    )
    keys = (*(before.keys if before else ()), shown.key)
    draft.files[known.path] = FileChange(path=known.path, text=changed, is_new=False, keys=keys)


def _is_reordered(before: Mapping[str, Json], after: Mapping[str, Json]) -> bool:
    old, new = ([item["key"] for item in document.get("variants") or ()] for document in (before, after))
    return [key for key in old if key in new] != [key for key in new if key in old]


def _of_team(known: Declared) -> dict[str, Json]:
    return {name: known.document[name] for name in TEAM_FIELDS if name in known.document}


def _change_file(draft: _Draft, known: Declared, shown: Representation, config: Config) -> None:
    before = draft.files.get(known.path)
    text = before.text if before else known.text
    document = keep_rollouts(shown.document | _of_team(known), known.document)
    changed = rewrite_flag(
        text,
        known.index,
        document,
        environment=overlay_of(config, known),
        defaults=defaults_for(shown.key, config),
        remarks=shown.remarks,
    )
    if changed == text:
        draft.unchanged.append(shown.key)
        return
    keys = (*(before.keys if before else ()), shown.key)
    draft.files[known.path] = FileChange(path=known.path, text=changed, is_new=False, keys=keys)

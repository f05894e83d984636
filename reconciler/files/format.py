"""Flag documents as YAML text: in the house style, formatted, or changed in place. The reader is `load`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from reconciler.errors import ReconcilerError
from reconciler.files.decode import (
    ENVIRONMENT_FIELDS,
    NO_DEFAULTS,
    for_environment,
    is_declared_in,
    said_for,
    without_opt_outs,
)
from reconciler.files.listing import TEST_SUFFIXES
from reconciler.files.schema import check
from reconciler.files.yaml.edit import rewrite_document
from reconciler.files.yaml.nodes import DocumentTree, comments_in, node_of
from reconciler.files.yaml.reader import read_documents, read_source
from reconciler.files.yaml.style import write_document, write_documents
from reconciler.files.yaml.tree import MODELINE, read_tree
from reconciler.model.canonical import same_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.diagnostics import Diagnostic, Finding
    from reconciler.strict_json import Json

REMARK: Final = "# read-only: "
"""How the comments begin that `import` writes, and replaces when it writes again."""


def flag_to_yaml(document: Mapping[str, Json], remarks: Sequence[str] = ()) -> str:
    """The canonical text of one flag document: the same value gives the same bytes.

    `remarks` are lines of text that become read-only comments on top. Every YAML reader, of version 1.1 or 1.2,
    reads the same value back, as far as `source.yaml_source` accepts it at all.
    """
    head = [f"{REMARK}{line}".rstrip() for line in remarks]
    return write_document(DocumentTree(root=node_of(dict(document)), head=head))


def check_format(content: bytes, file: str, defaults: Collection[str] = ()) -> tuple[Diagnostic, ...]:
    """Everything for which a file cannot be formatted: it is no YAML that is read, or breaks its schema.

    A field with one of the `defaults` may be null.

    Whether values fit each other is not asked: a file that is half done can be formatted.
    """
    reading = read_source(content, file)
    found = [
        document.diagnose(item)
        for document in reading.documents
        for item in _against_schema(document.value, file, defaults)
        if not document.is_broken_at(item.place)
    ]
    return (*reading.diagnostics, *found)


def _against_schema(value: Json, file: str, defaults: Collection[str]) -> tuple[Finding, ...]:
    if file.endswith(TEST_SUFFIXES):
        return check(value, "test")
    return check(without_opt_outs(value, defaults), "flag")


def format_text(text: str, file: str) -> str:
    """A file of flag documents in the house style, every comment kept; formatting again changes nothing.

    `file` is what diagnostics call it. Raises InvalidInputError for text that the strict reader refuses.
    """
    before = _values_of(text, file)
    plain = text.replace("\r\n", "\n")
    trees = read_tree(plain)
    formatted = write_documents(trees)
    if formatted != plain and (
        not same_json(_values_of(formatted, file), before)
        or _comments_of(read_tree(formatted)) != _comments_of(trees)
    ):
        raise ReconcilerError(f"This is a defect of reconciler: {file} cannot be formatted and was left as it is.")
    return formatted


def _values_of(text: str, file: str) -> list[Json]:
    return [document.value for document in read_documents(text, file)]


def leave_out_defaults(text: str, defaults: Sequence[Mapping[str, Json]]) -> str:
    """The text without the fields that `defaults`, those of each environment, say all alike; comments stay."""
    if not defaults or not all(defaults):
        return text
    for index, document in enumerate(read_documents(text, "")):
        value = document.value
        said = [
            name
            for name, item in value.items()
            if all(name in each and same_json(each[name], item) for each in defaults)
        ]
        if said:
            text = rewrite_document(text, index, {name: value[name] for name in value if name not in said})
    return text


def rewrite_flag(
    text: str,
    index: int,
    wanted: Mapping[str, Json],
    *,
    environment: str | None,
    defaults: Mapping[str, Json] = NO_DEFAULTS,
    remarks: Sequence[str] | None = None,
) -> str:
    """The text of a file in which document `index` says `wanted`, and nothing else, for an environment.

    With `environment` None the document itself changes. Otherwise its overlay for that environment does, so that
    the document means what it did for all others. `defaults` are those of the environment; what `wanted` leaves to
    them is not written, and null takes one away. `remarks` replaces the read-only comments on top; None leaves
    them alone. Comments and all other lines stay.
    """
    document = read_documents(text, "")[index].value
    root = dict(wanted) if environment is None else _with_overlay(document, wanted, environment, defaults)
    if environment is None:
        root |= {name: document[name] for name in ENVIRONMENT_FIELDS if name in document}
    changed = text if same_json(document, root) else rewrite_document(text, index, root)
    return changed if remarks is None else _with_remarks(changed, index, remarks)


def add_environment(
    text: str,
    index: int,
    wanted: Mapping[str, Json],
    *,
    environment: str,
    environments: Sequence[str],
    defaults: Mapping[str, Mapping[str, Json]],
    remarks: Sequence[str],
) -> str:
    """The text of a file in which document `index`, which has no flag for an environment, says `wanted` for it.

    What all `environments` that have the flag say alike stands on top, the rest in their overlays, which lie over
    the `defaults` of each. It means what it did for the others. `remarks` are added to the read-only comments on top.
    """
    document = read_documents(text, "")[index].value
    seen = {
        name: said_for(document, name, defaults.get(name, NO_DEFAULTS))
        for name in environments
        if is_declared_in(document, name)
    }
    seen[environment] = dict(wanted)
    first, *others = seen.values()
    common = {
        name: value
        for name, value in first.items()
        if all(name in other and same_json(other[name], value) for other in others)
    }
    former = document.get("environments") or {}
    overlays = {name: value for name, value in former.items() if name not in seen}
    for name, body in seen.items():
        rest = {
            field: _over(defaults.get(name, NO_DEFAULTS).get(field), value)
            for field, value in body.items()
            if field not in common
        }
        overlays |= {name: rest} if rest else {}
    root = common
    if "onlyIn" in document and not set(environments) <= seen.keys():
        root["onlyIn"] = [name for name in environments if name in seen]
    root |= {"environments": overlays} if overlays else {}
    changed = rewrite_document(text, index, root)
    lines = changed.replace("\r\n", "\n").split("\n")
    first_line, end = _span("\n".join(lines), index)
    known = [line.removeprefix(REMARK) for line in lines[first_line:end] if line.startswith(REMARK)]
    return _with_remarks(changed, index, [*known, *(line for line in remarks if line not in known)])


def _over(default: Json, value: Json) -> Json:
    """What an overlay says so that a field has a value: maps are merged with what lies below them."""
    return (_patch(default, value, {}) or value) if isinstance(default, dict) and isinstance(value, dict) else value


def _with_overlay(
    document: Mapping[str, Json], wanted: Mapping[str, Json], environment: str, defaults: Mapping[str, Json]
) -> dict[str, Json]:
    """The document that says `wanted` once its overlay for an environment is merged over it and the defaults."""
    base = {key: value for key, value in document.items() if key not in ENVIRONMENT_FIELDS}
    overlays = dict(document.get("environments") or {})
    after = for_environment(dict(wanted), None, defaults)
    if not same_json(for_environment(dict(document), environment, defaults), after):
        before = for_environment(base, None, defaults)
        overlays[environment] = _patch(before, after, overlays.get(environment) or {})
    only = {"onlyIn": document["onlyIn"]} if "onlyIn" in document else {}
    return base | only | ({"environments": overlays} if overlays else {})


def _patch(base: Mapping[str, Json], wanted: Mapping[str, Json], former: Mapping[str, Json]) -> dict[str, Json]:
    """The RFC 7396 patch from `base` to `wanted`; what `former` said stays said even where it changes nothing."""
    patch: dict[str, Json] = {}
    for key in (*former, *base):
        if key not in wanted and key in base:
            patch[key] = None
    for key, value in wanted.items():
        if key in base and same_json(base[key], value) and key not in former:
            continue
        is_merged = isinstance(value, dict) and isinstance(base.get(key), dict)
        inner = former.get(key)
        patch[key] = _patch(base[key], value, inner if isinstance(inner, dict) else {}) if is_merged else value
    return patch


def _with_remarks(text: str, index: int, remarks: Sequence[str]) -> str:
    """The text with these read-only comments on top of a document instead of those it has; they may stay in place."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(line_end)
    first, end = _span(text.replace("\r\n", "\n"), index)
    written = [f"{REMARK}{line}".rstrip() for line in remarks]
    former = [line for line in lines[first:end] if line.startswith(REMARK.rstrip())]
    if former == written:
        return text
    kept = [line for line in lines[first:end] if line not in former]
    at = next((number + 1 for number, line in enumerate(kept) if line.startswith(MODELINE)), 0)
    at = max(at, 1 if kept and kept[0].startswith("---") else 0)
    return line_end.join([*lines[:first], *kept[:at], *written, *kept[at:], *lines[end:]])


def _span(text: str, index: int) -> tuple[int, int]:
    """The first line of a document, and the first one behind it."""
    starts = [document.first_line for document in read_tree(text)]
    return starts[index], starts[index + 1] if index + 1 < len(starts) else len(text.split("\n"))


def _comments_of(documents: Iterable[DocumentTree]) -> Counter[str]:
    return Counter(
        comment
        for document in documents
        for comment in (*(line for line in document.head if line), *comments_in(document.root))
    )

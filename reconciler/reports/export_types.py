"""Declared flags as types: keys, variants and payloads, so that a compiler finds code that a flag has left behind."""

from __future__ import annotations

import json
import keyword
import re
from typing import TYPE_CHECKING, Final

from reconciler.delivery import payload_of, variants_of
from reconciler.reports.export import description_of
from reconciler.reports.sanitize import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

_MADE: Final = "Made by `reconciler export`: change the flag files, and make it again."

_TYPESCRIPT: Final = """
/** The key of a flag. */
export type FlagKey = keyof Flags;

/** The key of one of a flag's variants. */
export type VariantKey<F extends FlagKey> = keyof Flags[F] & string;

/** One of a flag's variants, with its payload. */
export type Variant<F extends FlagKey> = {
  [V in VariantKey<F>]: { readonly key: V; readonly payload: Flags[F][V] };
}[VariantKey<F>];

/** What an SDK says of a user. */
export interface Given {
  readonly key?: string;
  readonly value?: string;
  readonly payload?: unknown;
}

/** What an SDK gave of a flag, typed; undefined where the user has no variant, or one that is not declared. */
export function variantOf<F extends FlagKey>(flag: F, given: Given | undefined): Variant<F> | undefined {
  const key = given?.key ?? given?.value;
  const known: readonly string[] = VARIANTS[flag];
  if (given === undefined || key === undefined || !known.includes(key)) return undefined;
  return { key, payload: given.payload } as unknown as Variant<F>;
}
"""

_PYTHON: Final = '''

class Given(Protocol):
    """What an SDK says of a user."""

    key: Any
    payload: Any


def _key(given: Given | None) -> Any:
    return None if given is None else given.key


def _payload(given: Given | None) -> Any:
    return None if given is None else given.payload
'''


def render_typescript(flags: Sequence[FlagSpec], _: RenderOptions) -> str:
    """A module that compiles under `tsc --strict`."""
    lines = [f"// {_MADE}", "", "/** The payload of each variant of each flag; undefined where it has none. */"]
    lines.append("export interface Flags {")
    for spec in flags:
        lines += [f"  /** {_comment(text)} */"] if (text := description_of(spec)) else []
        lines.append(f"  readonly {json.dumps(spec.key)}: {{")
        for variant in variants_of(spec):
            payload = payload_of(variant)
            kind = "undefined" if payload is None else _typescript(payload)
            lines.append(f"    readonly {json.dumps(variant.key)}: {kind};")
        lines.append("  };")
    lines += ["}", "", "/** The keys of the variants of each flag, in their order. */"]
    lines.append("export const VARIANTS: { readonly [F in FlagKey]: readonly VariantKey<F>[] } = {")
    for spec in flags:
        keys = ", ".join(json.dumps(variant.key) for variant in variants_of(spec))
        lines.append(f"  {json.dumps(spec.key)}: [{keys}],")
    return "\n".join([*lines, "};"]) + "\n" + _TYPESCRIPT


def _typescript(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            kinds = list(dict.fromkeys(map(_typescript, value)))
            return f"readonly ({' | '.join(kinds)})[]" if kinds else "readonly unknown[]"
        case _:
            fields = "; ".join(f"readonly {json.dumps(name)}: {_typescript(item)}" for name, item in value.items())
            return f"{{ {fields} }}" if fields else "Record<string, unknown>"


def render_python(flags: Sequence[FlagSpec], _: RenderOptions) -> str:
    """A module that passes `mypy --strict`: for each flag a function that types what an SDK gave."""
    keys = ", ".join(json.dumps(spec.key) for spec in flags)
    names = Names()
    blocks = [block for spec in flags for block in _python_flag(spec, names)]
    kind = f"Literal[{keys}]" if keys else "str"
    head = (
        f'"""{_MADE}"""\n\nfrom __future__ import annotations\n\n'
        "from typing import Any, Literal, NamedTuple, Protocol, TypedDict, cast\n\n"
        f'FlagKey = {kind}\n"""The key of a flag."""\n'
    )
    return "".join([head, _PYTHON, *(f"\n\n{block}" for block in blocks)])


class Names:
    """Names that are taken in a module. What the module itself uses is, too."""

    def __init__(self) -> None:
        self._taken = {"Any", "Literal", "NamedTuple", "Protocol", "TypedDict", "cast", "Given", "FlagKey"}
        self._taken |= {"annotations", "str", "int", "float", "bool", "list", "_key", "_payload", "given"}

    def take(self, wanted: str) -> str:
        """The name, or one like it that is free."""
        means_something = wanted[:1].isdigit() or wanted.startswith("__")  # a number, or a name of Python's own
        name = f"flag_{wanted}" if means_something else wanted
        name = f"{name}_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name
        free = next(item for item in _numbered(name or "flag") if item not in self._taken)
        self._taken.add(free)
        return free


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _python_flag(spec: FlagSpec, names: Names) -> Iterator[str]:
    camel = _camel(spec.key)
    classes: list[tuple[str, str, str]] = []
    for variant in variants_of(spec):
        types: list[str] = []
        payload = payload_of(variant)
        wanted = camel + _camel(variant.key)
        kind = "None" if payload is None else _python(payload, f"{wanted}Payload", names, types)
        name = names.take(wanted)
        classes.append((name, variant.key, kind))
        yield from types
        key = json.dumps(variant.key)
        text = f"Variant {variant.key} of flag {spec.key}."
        yield f'class {name}(NamedTuple):\n    """{text}"""\n\n    key: Literal[{key}]\n    payload: {kind}\n'
    union = " | ".join([*(name for name, _, _ in classes), "None"])
    function = names.take(re.sub(r"[^a-z0-9_]", "_", spec.key))
    text = description_of(spec) or f"Flag {spec.key}"
    lines = [
        f"def {function}(given: Given | None) -> {union}:",
        f'    """{_docstring(text)}',
        "",
        "    What an SDK gave of it, typed; None where the user has no variant, or one that is not declared.",
        '    """',
    ]
    for name, key, kind in classes:
        value = "None" if kind == "None" else f"cast({json.dumps(kind)}, _payload(given))"
        lines += [f"    if _key(given) == {json.dumps(key)}:", f"        return {name}({json.dumps(key)}, {value})"]
    yield "\n".join([*lines, "    return None"]) + "\n"


def _python(value: Json, name: str, names: Names, types: list[str]) -> str:
    """The type of a JSON value; objects become TypedDicts of that name, which are added to `types`."""
    match value:
        case None:
            return "None"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case list():
            kinds = dict.fromkeys(_python(item, f"{name}Item", names, types) for item in value)
            return f"list[{' | '.join(kinds) or 'Any'}]"
        case _:
            fields = [
                f"{json.dumps(key)}: {json.dumps(_python(item, name + _camel(key), names, types))}"
                for key, item in value.items()
            ]
            own = names.take(name)
            types.append(f'{own} = TypedDict("{own}", {{{", ".join(fields)}}})\n')
            return own


def _camel(key: str) -> str:
    words: Iterable[str] = re.split(r"[^A-Za-z0-9]+", key)
    return "".join(word[:1].upper() + word[1:] for word in words)


def _comment(text: str) -> str:
    return " ".join(visible(text).split()).replace("*/", "* /")


def _docstring(text: str) -> str:
    text = " ".join(visible(text).split()).replace("\\", "\\\\").replace('"""', "'''")
    return f"{text.rstrip('.')}." if text and not text.endswith('"') else f"{text} "

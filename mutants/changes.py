"""The small faults that can be put into one module: each replaces one node of its text and leaves the rest."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Edit = tuple[str, ast.AST, str]
"""What is done, the node that is replaced, the text that takes its place."""

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}
_METHODS = {"startswith": "endswith", "endswith": "startswith", "lstrip": "rstrip", "rstrip": "lstrip"}
_LEFT_ALONE = (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr)
"""Asserts say what cannot be otherwise; nodes within an f-string do not know their place before Python 3.12."""
_SAID_OF_CALLS = {"zip": {"keywords"}, "cast": {"args"}}
"""What is strict says what cannot be otherwise, too; what is cast only mypy reads."""
_ANNOTATIONS = {ast.arg: {"annotation"}, ast.AnnAssign: {"annotation"}, ast.ClassDef: {"bases", "keywords"}}


@dataclass(frozen=True, slots=True)
class Change:
    """One fault: `new` in place of the bytes from `start` to `end`.

    It does its work where one of the lines from `first` to `last` is run; `at_import`: while the module is imported.
    """

    kind: str
    start: int
    end: int
    new: str
    first: int
    last: int
    at_import: bool

    def applied_to(self, source: bytes) -> bytes:
        """The module with the fault."""
        return source[: self.start] + self.new.encode() + source[self.end :]


@dataclass(frozen=True, slots=True)
class _Place:
    first: int
    last: int
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None


def changes_in(source: bytes) -> list[Change]:
    """Every fault for a module, in the order of its text. Each parses, and means something else than the module."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    found = []
    for place, (kind, node, new) in _walk(tree, _Place(1, 1)):
        start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        if kind == "decorator removed":
            start = source.rindex(b"@", 0, start)
        at_import = place.function is None
        found.append(Change(kind, start, end, new, place.first, place.last, at_import))
    return sorted(found, key=lambda change: (change.start, change.end, change.kind, change.new))


def is_sound(source: bytes, change: Change) -> bool:
    """Whether the fault parses, and to something else."""
    try:
        changed = ast.parse(change.applied_to(source))
    except SyntaxError:
        return False
    return ast.dump(changed) != ast.dump(ast.parse(source))


@cache
def function_lines(source: bytes) -> int:
    """The lines within functions, as the bits of a number: those that run when something is called."""
    lines = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines |= bits(node.body[0].lineno, node.end_lineno or node.lineno)
    return lines


@cache
def lines_of_function(source: bytes, line: int) -> int:
    """The lines of the innermost function around a line, or the line alone, as the bits of a number."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body[0].lineno <= line <= (node.end_lineno or node.lineno)
    ]
    innermost = max(around, key=lambda node: node.lineno, default=None)
    return bits(innermost.body[0].lineno, innermost.end_lineno or line) if innermost else bits(line, line)


def bits(first: int, last: int) -> int:
    """The lines from `first` to `last` as bits of a number."""
    return ((1 << (last - first + 1)) - 1) << first


def _walk(node: ast.AST, place: _Place) -> Iterator[tuple[_Place, Edit]]:
    if isinstance(node, _LEFT_ALONE) or _is_docstring(node) or _is_for_types(node) or _says_what_a_class_is(node):
        return
    if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
        place = _Place(*_own_lines(node), place.function)
    for edit in _edits(node, place.function):
        yield place, edit
    skipped = _ANNOTATIONS.get(type(node), set()) | _said_of_call(node)
    for name, value in ast.iter_fields(node):
        if name in skipped or (name == "returns" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            continue
        inside = place
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = _Place(place.first, place.last, node)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child, inside)


def _said_of_call(node: ast.AST) -> set[str]:
    return _SAID_OF_CALLS.get(ast.unparse(node.func), set()) if isinstance(node, ast.Call) else set()


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _says_what_a_class_is(node: ast.AST) -> bool:
    """Whether values may be changed, and how they are kept: mypy knows it, and no test should."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dataclass"


def _is_for_types(node: ast.AST) -> bool:
    match node:
        case ast.If(test=test):
            return ast.unparse(test).endswith("TYPE_CHECKING")
        case ast.ClassDef(bases=bases):
            return any(ast.unparse(base).startswith("Protocol") for base in bases)
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case _:
            return False


def _own_lines(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> tuple[int, int]:
    """The lines of a statement without those of the statements in it."""
    first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
    body = node.cases if isinstance(node, ast.Match) else getattr(node, "body", None)
    if not body:
        return first, getattr(node, "end_lineno", first) or first
    inner = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return first, max(first, inner - 1)


def _edits(node: ast.AST, function: ast.FunctionDef | ast.AsyncFunctionDef | None) -> Iterator[Edit]:
    if isinstance(node, ast.expr | ast.AugAssign):
        yield from _in_expressions(node)
    elif isinstance(node, ast.comprehension):
        yield from (("filter dropped", test, "True") for test in node.ifs)
    elif isinstance(node, ast.match_case) and node.guard is not None:
        yield "guard of a case dropped", node.guard, "True"
    elif isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Tuple):
        caught = node.type.elts
        yield from (("exception not caught", node.type, _tuple(_without(caught, at))) for at in range(len(caught)))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and _is_worth_negating(node.test):
        yield "condition negated", node.test, f"(not {_text(node.test)})"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from (("decorator removed", decorator, "") for decorator in node.decorator_list)
    if isinstance(node, ast.stmt):
        yield from _statements(node, function)


def _in_expressions(node: ast.expr | ast.AugAssign) -> Iterator[Edit]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield from _boolean(node)
        case ast.UnaryOp(op=ast.Not()):
            yield "not removed", node, _text(node.operand)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC:
            yield from _arithmetic(node)
        case ast.Constant():
            yield from _constants(node)
        case ast.Call():
            yield from _calls(node)
        case _:
            pass


def _comparisons(node: ast.Compare) -> Iterator[Edit]:
    for at, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            operators = [*node.ops[:at], other(), *node.ops[at + 1 :]]
            yield "comparison", node, _text(ast.Compare(node.left, operators, node.comparators))


def _boolean(node: ast.BoolOp) -> Iterator[Edit]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "and / or", node, _text(ast.BoolOp(other, node.values))
    for at in range(len(node.values)):
        rest = _without(node.values, at)
        yield "operand dropped", node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[Edit]:
    operator = _ARITHMETIC[type(node.op)]()
    if isinstance(node, ast.BinOp):
        yield "arithmetic", node, _text(ast.BinOp(node.left, operator, node.right))
    else:
        yield "arithmetic", node, ast.unparse(ast.AugAssign(node.target, operator, node.value))


def _constants(node: ast.Constant) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", node, repr(not value)
    elif isinstance(value, int | float):
        yield from (("constant", node, repr(other)) for other in (value + 1, value - 1))
    elif isinstance(value, str) and not any(map(str.isspace, value)):
        yield "text", node, repr(f"{value}~")


def _calls(node: ast.Call) -> Iterator[Edit]:
    for at in range(len(node.keywords)) if "keywords" not in _said_of_call(node) else ():
        yield "argument dropped", node, _text(ast.Call(node.func, node.args, _without(node.keywords, at)))
    if len(node.args) > 1:
        yield "argument dropped", node, _text(ast.Call(node.func, node.args[:-1], node.keywords))
    match node.func:
        case ast.Name(id=name) if name in _NAMES and (_NAMES[name] != "list" or not node.keywords):
            yield "function", node.func, _NAMES[name]
        case ast.Attribute(value=value, attr=name) if name in _METHODS:
            yield "function", node.func, f"{_text(value)}.{_METHODS[name]}"


def _statements(node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef | None) -> Iterator[Edit]:
    match node:
        case ast.Return(value=value) if function is not None:
            if node is not function.body[-1]:
                yield "return removed", node, "pass"
            if isinstance(value, ast.Call | ast.Name | ast.BinOp | ast.Subscript | ast.Attribute | ast.ListComp):
                yield "result dropped", node, "return None"
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield() | ast.YieldFrom()):
            yield "statement removed", node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "statement removed", node, "pass"
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Delete() | ast.AugAssign():
            yield f"{type(node).__name__.lower()} removed", node, "pass"
        case _:
            pass


def _is_worth_negating(test: ast.expr) -> bool:
    """Not where another fault says the same."""
    if isinstance(test, ast.Compare):
        return len(test.ops) > 1
    return not isinstance(test, ast.Constant | ast.NamedExpr) and not (
        isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    )


def _without(items: list[T], at: int) -> list[T]:
    return [*items[:at], *items[at + 1 :]]


def _tuple(items: list[ast.expr]) -> str:
    return ast.unparse(ast.Tuple(items, ast.Load()))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"

"""Conditions of a sweep, such as ``"fits_sram and area_mm2 < 50"``: parsed and computed here, never by `eval`.

Names are columns of a row; there are numbers, strings, ``+ - * / // %``, comparisons (chained too), ``in`` a list,
``and or not`` and a few functions. Nothing else of Python can be written, so a condition from a file can do no harm.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eie_sim.columns import Row

MAX_LENGTH = 2000
"""Characters of a condition: Python's own parser is not safe from much longer ones."""

_MAX_DEPTH = 40

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Mapping[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log10": math.log10,
}
"""What a condition can call."""

_Compiled = Callable[[Row], Any]


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition on rows.

    Attributes
    ----------
    text : str
    names : frozenset of str
        Columns it asks for.
    """

    text: str
    names: frozenset[str]
    _holds: _Compiled

    def holds(self, row: Row) -> bool:
        """Whether it holds for a row; not where a column it asks for is empty.

        Raises
        ------
        ValueError
            When it cannot be computed, such as text compared with a number.
        """
        if any(row[name] is None for name in self.names):
            return False
        try:
            return bool(self._holds(row))
        except (TypeError, ArithmeticError, ValueError) as error:
            raise ValueError(f"condition {self.text!r}: {error}") from None


def condition(text: object, known: Mapping[str, object] | frozenset[str]) -> Condition:
    """Parse a condition.

    Parameters
    ----------
    text : str
    known : mapping or set of str
        The columns there are.

    Raises
    ------
    ValueError
        If it cannot be parsed, is too long, or asks for an unknown column.
    """
    if not isinstance(text, str):
        raise ValueError(f"condition: {text!r}, but it must be a text")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"condition: {len(text)} characters, but at most {MAX_LENGTH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd strings, such as an unknown escape
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"condition {text!r}: {message}") from None
    names: set[str] = set()
    try:
        holds = _compiled(tree.body, names, 0)
    except ValueError as error:
        raise ValueError(f"condition {text!r}: {error}") from None
    if unknown := sorted(names - set(known)):
        raise ValueError(f"condition {text!r}: unknown name {unknown[0]!r}; the names are {', '.join(sorted(known))}")
    return Condition(text.strip(), frozenset(names), holds)


def _compiled(node: ast.AST, names: set[str], depth: int) -> _Compiled:
    if depth > _MAX_DEPTH:
        raise ValueError(f"is nested more than {_MAX_DEPTH} deep")

    def part(inner: ast.AST) -> _Compiled:
        return _compiled(inner, names, depth + 1)

    # What is allowed is listed; attributes, subscripts, powers and all else fall through to the refusal below.
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        value = node.value
        return lambda _row: value
    if isinstance(node, ast.Name):
        name = node.id
        names.add(name)
        return lambda row: row[name]
    if isinstance(node, (ast.List, ast.Tuple)):
        parts = [part(element) for element in node.elts]
        return lambda row: [one(row) for one in parts]
    if isinstance(node, ast.BoolOp):
        parts = [part(value) for value in node.values]
        return _deciding(parts, isinstance(node.op, ast.Or))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inverted = part(node.operand)
        return lambda row: not inverted(row)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        unary, operand = _UNARY[type(node.op)], part(node.operand)
        return lambda row: unary(operand(row))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        binary, left, right = _BINARY[type(node.op)], part(node.left), part(node.right)
        return lambda row: binary(_number(left(row)), _number(right(row)))
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        return _comparison(node, part)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        called = FUNCTIONS.get(node.func.id)
        if called is None:
            raise ValueError(f"unknown function {node.func.id!r}; there are {', '.join(FUNCTIONS)}")
        function, arguments = called, [part(argument) for argument in node.args]
        return lambda row: function(*(_number(argument(row)) for argument in arguments))
    try:
        text = repr(ast.unparse(node))
    except RecursionError:  # nested far beyond the limit below this node
        text = type(node).__name__
    raise ValueError(f"{text} is not allowed")


def _comparison(node: ast.Compare, part: Callable[[ast.AST], _Compiled]) -> _Compiled:
    values = [part(value) for value in (node.left, *node.comparators)]
    compares = [_COMPARE[type(op)] for op in node.ops]

    def holds(row: Row) -> bool:
        left = values[0](row)
        for compare, value in zip(compares, values[1:], strict=True):
            right = value(row)
            if not compare(left, right):
                return False
            left = right
        return True

    return holds


def _deciding(parts: Sequence[_Compiled], decides: bool) -> _Compiled:
    """The first value that is as true as `decides`, else the last: ``or``, and ``and`` for False."""

    def decide(row: Row) -> Any:
        value: Any = None
        for part in parts:
            value = part(row)
            if bool(value) is decides:
                break
        return value

    return decide


def _number(value: Any) -> Any:
    """A number, or a TypeError: a string times a number would be a string as long as an attacker likes."""
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"{value!r} is no number")

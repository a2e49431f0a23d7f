"""Checks of what a caller hands in; every message names the thing, the value and the limit."""

import re
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.messages import shown

Scalar = TypeVar("Scalar", bound=np.generic)
Float = TypeVar("Float", bound=np.floating)


def _array(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:  # a list of lists of different lengths
        raise ValueError(f"{name}: no array of numbers: {error}") from None


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int in ``low .. high``.

    Raises
    ------
    ValueError
        If `value` is not an integer, or is outside the limits.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}: {shown(value)} is not an integer")
    number = int(value)
    if number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: {shown(number)}, but it must be {limits}")
    return number


def as_integers(name: str, values: ArrayLike, dtype: type[Scalar]) -> NDArray[Scalar]:
    """`values` as a contiguous array of the integer type `dtype`, checked not to lose anything.

    Raises
    ------
    ValueError
        If they are not integers, or one does not fit `dtype`.
    """
    array = _array(name, values)
    if array.dtype == dtype:
        return np.ascontiguousarray(array) if array.ndim else array
    if array.dtype.kind not in "iu":
        if array.size == 0:
            return np.zeros(array.shape, dtype)
        raise ValueError(f"{name}: dtype {array.dtype}, but it must hold integers")
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        found = f"values {array.min()} to {array.max()}"
        raise ValueError(f"{name}: {found}, but they must be {limits.min} to {limits.max}")
    return np.ascontiguousarray(array.astype(dtype))


def integer_matrix(name: str, values: ArrayLike, dtype: type[Scalar]) -> NDArray[Scalar]:
    """As `as_integers`, for a matrix with at least one row and one column."""
    array = as_integers(name, values, dtype)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name}: shape {array.shape}, but it must be (rows, columns), both at least 1")
    return array


@overload
def as_floats(name: str, values: ArrayLike) -> NDArray[np.float32]: ...
@overload
def as_floats(name: str, values: ArrayLike, dtype: type[Float]) -> NDArray[Float]: ...
def as_floats(name: str, values: ArrayLike, dtype: type[np.floating] = np.float32) -> NDArray[np.floating]:
    """`values` as a contiguous array of finite numbers of the type `dtype`.

    Raises
    ------
    ValueError
        If they are not numbers, one is not finite, or one is too large for that type.
    """
    array = _array(name, values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: dtype {array.dtype}, but it must hold numbers")
    given = array
    if array.dtype != dtype:
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    if not is_finite(array, dtype):
        bad = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        limit = f"but {np.dtype(dtype)} holds at most {float(np.finfo(dtype).max):.7g} in magnitude"
        why = limit if np.isfinite(given[bad]) else "but every number must be finite"
        raise ValueError(f"{name}: {given[bad]} at {tuple(int(b) for b in bad)}, {why}")
    return np.ascontiguousarray(array) if array.ndim else array


def is_finite(array: NDArray[Any], dtype: type[np.floating] = np.float32) -> bool:
    """Whether every number of `array` is finite in the floating-point type `dtype`."""
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype, copy=False)
        # A finite sum proves that all are finite; one that overflows proves nothing, and the numbers are looked at.
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def real_number(name: str, value: object) -> float:
    """`value` as a finite float.

    Raises
    ------
    ValueError
        If `value` is not a number, or not finite.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name}: {value!r} is not a number")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{name}: {number}, but it must be finite")
    return number


def separated(text: str) -> list[str]:
    """The items of a list with commas between, without the spaces around them.

    An item with a comma in it is put into double quotes, or the part of it that has the comma, as in
    ``"conv,1"=0.4,0.1``; ``""`` within them is a quote. A quote that ends nowhere is a character as any.
    """
    items = []
    for item in _ITEM.findall(text):
        quoted = _QUOTED.fullmatch(item)
        items.append((item if quoted is None else quoted[1].replace('""', '"') + quoted[2]).strip())
    return items


# An item may begin with a quoted part, where a comma, an equals sign or the end follows it.
_ITEM = re.compile(r'(?:^|(?<=,))((?:\s*"(?:[^"]|"")*"(?=\s*[,=]|\s*$))?[^,]*)')
_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"(.*)', re.DOTALL)


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """`array` as one that nobody can change: itself when its memory is read-only already, else a read-only copy."""
    memory: object = array
    while isinstance(memory, np.ndarray):
        if memory.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
            break
        memory = memory.base
    return array

"""Checks of what a caller hands in; every message names the thing, the value and the limit."""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int in ``low .. high``.

    Raises
    ------
    ValueError
        When it is no whole number, or lies outside.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}: {value!r} is not a whole number")
    number = int(value)
    if number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: {number}, but it must be {limits}")
    return number


def as_integers(name: str, values: ArrayLike, dtype: type[Scalar]) -> NDArray[Scalar]:
    """`values` as a contiguous array of the integer type `dtype`, checked not to lose anything.

    Raises
    ------
    ValueError
        When they are no integers, or one does not fit `dtype`.
    """
    array = np.asarray(values)
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


def as_floats(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """`values` as a contiguous float32 array of finite numbers.

    Raises
    ------
    ValueError
        When they are no numbers, or one is not finite (in float32).
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: dtype {array.dtype}, but it must hold numbers")
    if array.dtype != np.float32:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    # One sum tells in nearly every case; where it overflows, the numbers themselves are looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum()
    if not np.isfinite(total) and not np.isfinite(array).all():
        bad = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        raise ValueError(f"{name}: {array[bad]} at {tuple(int(b) for b in bad)}, but every number must be finite")
    return np.ascontiguousarray(array) if array.ndim else array


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A read-only view of `array`; the caller's own array keeps its flags."""
    view = array.view()
    view.flags.writeable = False
    return view

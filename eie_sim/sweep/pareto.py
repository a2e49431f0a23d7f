"""The front of points whose objectives are all to be small."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats

_BLOCK = 2048
"""Points compared with all others at a time."""


def front(values: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other one dominates: none is as good in every objective and better in one.

    Parameters
    ----------
    values : array_like of float, shape (n, objectives)
        To be small.

    Returns
    -------
    ndarray of bool, shape (n,)
        Equal points are on the front together, or not at all.

    Raises
    ------
    ValueError
        When `values` has another number of dimensions, or one is not finite.
    """
    points = checked_points(values)
    distinct, which = np.unique(points, axis=0, return_inverse=True)  # in order of the first objective, then the second
    kept = np.ones(len(distinct), np.bool_)
    if points.shape[1] == 2:  # a walk: each point of the front has a second objective below all before it
        best = np.minimum.accumulate(distinct[:, 1]) if len(distinct) else distinct[:, 1]
        kept[1:] = distinct[1:, 1] < best[:-1]
    else:
        for begin in range(0, len(distinct), _BLOCK):
            block = distinct[begin : begin + _BLOCK]
            dominated = np.zeros(len(block), np.bool_)
            for other in range(0, begin + len(block), _BLOCK):  # what dominates a point stands before it
                others = distinct[other : other + _BLOCK]
                as_good = np.all(others[None] <= block[:, None], axis=2)
                better = np.any(others[None] < block[:, None], axis=2)
                dominated |= np.any(as_good & better, axis=1)
            kept[begin : begin + len(block)] = ~dominated
    return kept[which.reshape(-1)]


def checked_points(values: ArrayLike) -> NDArray[np.float64]:
    """`values` as float64, shape (n, objectives).

    Raises
    ------
    ValueError
        If it has another number of dimensions, or one is not finite.
    """
    points = as_floats("values", values, np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise ValueError(f"values: shape {points.shape}, but it must be (n, objectives)")
    return points

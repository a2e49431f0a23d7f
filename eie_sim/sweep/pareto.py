"""Fronts and hypervolumes of points whose objectives are all to be small."""

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
    points = _points(values)
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


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """The volume that points dominate, up to a reference point; exact, by slices along one objective after another.

    Parameters
    ----------
    values : array_like of float, shape (n, objectives)
        To be small. Points that are not below the reference in every objective count for nothing.
    reference : array_like of float, shape (objectives,)

    Raises
    ------
    ValueError
        When shapes do not fit, or a number is not finite.
    """
    points, limit = _points(values), as_floats("reference", reference, np.float64)
    if limit.shape != points.shape[1:]:
        raise ValueError(f"reference: shape {limit.shape}, but there are {points.shape[1]} objectives")
    points = points[np.all(points < limit, axis=1)]
    return _volume(points[front(points)], limit) if len(points) else 0.0


def _points(values: ArrayLike) -> NDArray[np.float64]:
    points = as_floats("values", values, np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise ValueError(f"values: shape {points.shape}, but it must be (n, objectives)")
    return points


def _volume(points: NDArray[np.float64], limit: NDArray[np.float64]) -> float:
    if points.shape[1] == 1:
        return float(limit[0] - points.min())
    # Between two values of the last objective the dominated slice is the same: its volume times its height.
    points = points[np.argsort(points[:, -1], kind="stable")]
    ends = np.append(points[1:, -1], limit[-1])
    total = 0.0
    for at, (begin, end) in enumerate(zip(points[:, -1], ends, strict=True)):
        if end > begin:
            inner = points[: at + 1, :-1]
            total += float(end - begin) * _volume(inner[front(inner)], limit[:-1])
    return total

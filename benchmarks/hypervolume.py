"""The volume that a front dominates: what searches are judged by."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats
from eie_sim.sweep.pareto import checked_points, front


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
    points, limit = checked_points(values), as_floats("reference", reference, np.float64)
    if limit.shape != points.shape[1:]:
        raise ValueError(f"reference: shape {limit.shape}, but there are {points.shape[1]} objectives")
    points = points[np.all(points < limit, axis=1)]
    return _volume(points[front(points)], limit) if len(points) else 0.0


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

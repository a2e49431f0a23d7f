"""Which weights of a layer stay, and how they make up for those that go.

The optimal brain surgeon (Hassibi and Stork 1993) removes the weight that costs the outputs least and readjusts the
others by least squares, one weight at a time. A layer of millions of weights is pruned at once instead: alternating
directions (ADMM) between the least squares and the set of matrices of few weights find which ones stay, for growing
numbers of pruned weights (Boza, "Fast and Effective Weight Update for Pruned Large Language Models", 2024); conjugate
gradients readjust them, all rows together; then weights are exchanged for pruned ones that are worth more. Measured
beside the greedy column by column of SparseGPT (Frantar and Alistarh 2023) in docs/how-to/calibrate.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.calibration.problem import Block, Problem

Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]

_RAMP, _SETTLE = 16, 4
"""Iterations in which more and more weights are pruned, and with their final number."""

_GRADIENT_STEPS = 6
"""Conjugate gradients after each change of what is kept, from where the last one ended."""

_EXCHANGES, _EXCHANGED, _LESS = 4, 0.1, 3
"""Rounds, the fraction of the kept weights that may be exchanged in the first, and what divides it after a failure."""


class Pruned(NamedTuple):
    """A block after pruning.

    Attributes
    ----------
    kept : ndarray of bool, shape (n, m)
    weights : ndarray of float32, shape (n, m)
        Readjusted; 0 where nothing was kept.
    """

    kept: Mask
    weights: Matrix


def prune(problem: Problem, density: float) -> list[Pruned]:
    """Keep ``round(density * size)`` weights of a problem, or all that may be kept where those are fewer.

    Parameters
    ----------
    problem : Problem
    density : float
        0 .. 1.

    Returns
    -------
    list of Pruned
        One for each block.

    Raises
    ------
    ValueError
        If `density` is not in 0 .. 1.
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density: {density}, but it must be 0 to 1")
    allowed = [block.allowed for block in problem.blocks]
    n_allowed = sum(int(mask.sum()) for mask in allowed)
    count = min(round(density * sum(mask.size for mask in allowed)), n_allowed)
    if count in (0, n_allowed):
        kept = allowed if count else [np.zeros_like(mask) for mask in allowed]
        return [
            Pruned(mask, readjusted(block, mask, block.weights))
            for block, mask in zip(problem.blocks, kept, strict=True)
        ]
    return _exchanged(problem, _alternated(problem, count), count)


def largest(scores: Sequence[Matrix], count: int) -> list[Mask]:
    """Where the `count` largest of all scores are; of equal ones the first are taken."""
    if count <= 0:
        return [np.zeros(one.shape, np.bool_) for one in scores]
    together = np.concatenate([one.reshape(-1) for one in scores])
    least = np.partition(together, together.size - count)[together.size - count]
    chosen = together > least
    equal = np.flatnonzero(together == least)
    chosen[equal[: count - int(chosen.sum())]] = True
    ends = np.cumsum([one.size for one in scores])[:-1]
    return [part.reshape(one.shape) for part, one in zip(np.split(chosen, ends), scores, strict=True)]


def readjusted(block: Block, kept: Mask, start: Matrix, steps: int = 10 * _GRADIENT_STEPS) -> Matrix:
    """The weights of least error among those that are 0 outside `kept`, by conjugate gradients of each row.

    Parameters
    ----------
    block : Block
    kept : ndarray of bool, shape (n, m)
    start : ndarray of float32, shape (n, m)
        Where to begin; what is outside `kept` does not count.
    steps : int
        At most; it ends before where the gradient has vanished.
    """
    mask = kept.astype(np.float32)
    weights = start * block.scale * mask
    residual = -block.gradient(weights / block.scale) / block.scale * mask
    direction = residual.copy()
    square = np.einsum("ij,ij->i", residual, residual)
    enough = _VANISHED * max(float(square.max(initial=0)), float(np.finfo(np.float32).tiny))
    for _ in range(steps):
        if float(square.max(initial=0)) <= enough * _VANISHED:
            break
        product = (direction @ block.scaled) * mask
        curvature = np.einsum("ij,ij->i", direction, product)
        step = np.where(curvature > 0, square / np.where(curvature > 0, curvature, 1), 0)[:, np.newaxis]
        weights += step * direction
        residual -= step * product
        before, square = square, np.einsum("ij,ij->i", residual, residual)
        direction *= np.where(before > 0, square / np.where(before > 0, before, 1), 0)[:, np.newaxis]
        direction += residual
    return np.where(kept, weights / block.scale, 0).astype(np.float32)


_VANISHED = 1e-5
"""The gradient has vanished where it is so small a part of its first length."""


def _alternated(problem: Problem, count: int) -> list[Pruned]:
    """Alternating directions: least squares near the sparse matrix, and the sparse matrix near those."""
    blocks = problem.blocks
    n_allowed = sum(int(block.allowed.sum()) for block in blocks)
    wanted = [block.product / block.scale for block in blocks]
    sparse = [block.weights * block.scale for block in blocks]
    dual = [np.zeros_like(one) for one in sparse]
    kept: list[Mask] = []
    for step in range(1, _RAMP + _SETTLE + 1):
        for at, block in enumerate(blocks):
            # Scaled dual variables: minimise the error + penalty/2 * |w - sparse + dual|^2.
            dense = (wanted[at] + np.float32(block.penalty) * (sparse[at] - dual[at])) @ block.solver
            dual[at] += dense
        scores = [np.where(block.allowed, np.abs(one), -1) for block, one in zip(blocks, dual, strict=True)]
        # A cubic ramp: much is pruned late, when the weights that stay have had time to make up for the others.
        n_pruned = round((n_allowed - count) * min(1.0, step / _RAMP) ** 3)
        kept = largest(scores, n_allowed - n_pruned)
        sparse = [np.where(mask, one, 0) for mask, one in zip(kept, dual, strict=True)]
        for one, of_sparse in zip(dual, sparse, strict=True):
            one -= of_sparse
    found = []
    for block, mask, one in zip(blocks, kept, sparse, strict=True):
        found.append(Pruned(mask, readjusted(block, mask, one / block.scale, _GRADIENT_STEPS)))
    return found


def _exchanged(problem: Problem, pruned: list[Pruned], count: int) -> list[Pruned]:
    """Exchange kept weights for pruned ones that gain more than they cost, as long as the error falls."""
    fraction, best, gradients = _EXCHANGED, np.inf, None
    trial: list[Pruned] | None = pruned
    for left in range(_EXCHANGES, -1, -1):
        if trial is None:
            break
        found = [block.gradient(one.weights) for block, one in zip(problem.blocks, trial, strict=True)]
        error = sum(
            block.error_at(one.weights, gradient)
            for block, one, gradient in zip(problem.blocks, trial, found, strict=True)
        )
        if error < best:
            pruned, best, gradients = trial, error, found
        else:
            fraction /= _LESS
        assert gradients is not None  # the first error is finite
        trial = _exchange(problem, pruned, gradients, max(1, int(fraction * count))) if left else None
    return pruned


def _exchange(problem: Problem, pruned: list[Pruned], gradients: list[Matrix], most: int) -> list[Pruned] | None:
    """At most so many exchanges, the best ones; None where none is worth it."""
    gains, costs = [], []
    for block, (kept, weights), gradient in zip(problem.blocks, pruned, gradients, strict=True):
        # One weight alone, all others as they are: its best value makes the error smaller by gradient^2 / H_jj, and
        # removing it makes it larger by w^2 H_jj.
        gains.append(np.where(kept | ~block.allowed, -1, np.square(gradient / block.scale)))
        costs.append(np.where(kept, np.square(weights * block.scale), np.inf))
    most = min(most, sum(int((one >= 0).sum()) for one in gains))
    if not most:
        return None
    gain, cost = (np.concatenate([one.reshape(-1) for one in found]) for found in (gains, costs))
    added, removed = _ordered(-gain, most), _ordered(cost, most)
    worth = gain[added] > cost[removed]
    if not worth.any():
        return None
    chosen = np.concatenate([kept.reshape(-1) for kept, _ in pruned])
    chosen[added[worth]], chosen[removed[worth]] = True, False
    ends = np.cumsum([kept.size for kept, _ in pruned])[:-1]
    found = []
    for block, (kept, weights), part in zip(problem.blocks, pruned, np.split(chosen, ends), strict=True):
        mask = part.reshape(kept.shape)
        found.append(Pruned(mask, readjusted(block, mask, weights, _GRADIENT_STEPS)))
    return found


def _ordered(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Indices of the `count` smallest, in ascending order."""
    chosen = np.argpartition(values, count - 1)[:count] if count < values.size else np.arange(values.size)
    chosen.sort()
    return chosen[np.argsort(values[chosen], kind="stable")]

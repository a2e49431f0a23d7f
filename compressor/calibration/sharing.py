"""Shared weights that keep the outputs: error feedback, then codebook and codes fitted in turn.

The k-means of Deep Compression (`compressor.weight_sharing`) gives the first codebook. Weights are rounded to it column
by column, and the later columns make up for each error (GPTQ, Frantar et al. 2023, with a codebook in place of its
uniform grid). Then, in turn, the centroids are those of least error for the codes, a linear system of as many unknowns
as centroids, and each code is the best one while all others stay (coordinate descent). Neither makes the error larger.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.calibration.kernels import add_clusters, descend, feed_back
from compressor.calibration.problem import Block, Problem
from compressor.calibration.surgeon import Matrix, Pruned
from compressor.jit import in_threads
from compressor.weight_sharing import assign_codes, cluster

Codes = NDArray[np.uint8]

_STARTS = ("linear", "density", "exact")
"""Of the k-means, where none is asked for."""

_ROUNDS = 4
"""Fits of the centroids and the codes in turn; more gain less than one percent of the error."""

_SWEEPS = 3
"""Passes over the codes of a row in each round, at most."""

_COLUMNS = 128
"""Columns whose errors are gathered before the columns behind them make up for them, in one product."""

_LEAST_ROWS = 16
"""Rows that a thread takes, at least."""

_RIDGE = 1e-9
"""Of the linear system of the centroids, relative to its mean diagonal: two of the same weights have no solution."""


def share(
    problem: Problem, pruned: Sequence[Pruned], weight_bits: int, init: str | None = None, seed: int = 0
) -> tuple[Matrix, list[Codes]]:
    """The codebook and the codes of a pruned tensor.

    Parameters
    ----------
    problem : Problem
    pruned : sequence of Pruned
        One for each block.
    weight_bits, seed
        As for `compressor.weight_sharing.share_weights`.
    init : str or None
        As there, of the k-means; None: the start that gives the least error. Weights with long tails want "density".

    Returns
    -------
    codebook : ndarray of float32, shape (2**weight_bits,)
    codes : list of ndarray of uint8, shape (n, m)
        One for each block; 0 where no weight is kept.

    Raises
    ------
    ValueError
        As of `compressor.weight_sharing.share_weights`.
    """
    blocks = problem.blocks
    values = np.concatenate([weights[kept] for kept, weights in pruned])
    starts = [cluster(values, weight_bits, one, seed).codebook for one in (_STARTS if init is None else (init,))]
    if not values.size:
        return starts[0], [np.zeros(kept.shape, np.uint8) for kept, _ in pruned]
    candidates = [(start, codes) for start in starts for codes in _rounded(blocks, pruned, start)]
    errors = [_error(problem, *one) for one in candidates]
    codebook, codes = candidates[int(np.argmin(errors))]
    best = (min(errors), codebook, [one.copy() for one in codes])
    for _ in range(_ROUNDS):
        codebook, codes = _refitted(blocks, codebook, codes)
        found = (_descended(block, codebook, of_one) for block, of_one in zip(blocks, codes, strict=True))
        error = problem.relative(sum(found))
        if error >= best[0]:
            break
        best = (error, codebook, [one.copy() for one in codes])
    return best[1], best[2]


def _error(problem: Problem, codebook: Matrix, codes: Sequence[Codes]) -> float:
    return problem.error([codebook[one] for one in codes])


def _rounded(blocks: Sequence[Block], pruned: Sequence[Pruned], codebook: Matrix) -> Iterator[list[Codes]]:
    """Codes of the nearest centroids, and those with error feedback, which is no better where few weights are left."""
    yield [_nearest(one, codebook) for one in pruned]
    yield [_fed_back(block, one, codebook) for block, one in zip(blocks, pruned, strict=True)]


def _nearest(pruned: Pruned, codebook: Matrix) -> Codes:
    codes = np.zeros(pruned.kept.shape, np.uint8)
    codes[pruned.kept] = assign_codes(pruned.weights[pruned.kept], codebook)
    return codes


def _fed_back(block: Block, pruned: Pruned, codebook: Matrix) -> Codes:
    """Codes column by column, each error made up for by the columns behind it."""
    weights, factor, centroids = pruned.weights.copy(), block.factor, codebook[1:]
    codes = np.zeros(weights.shape, np.uint8)
    n_cols = weights.shape[1]
    for first in range(0, n_cols, _COLUMNS):
        here = slice(first, min(first + _COLUMNS, n_cols))
        own, errors = np.ascontiguousarray(weights[:, here]), np.empty((len(weights), here.stop - first), np.float32)
        kept, found = np.ascontiguousarray(pruned.kept[:, here]), np.empty(errors.shape, np.uint8)
        triangle = np.ascontiguousarray(factor[here, here])

        def round_rows(part: slice) -> None:
            feed_back(own[part], kept[part], triangle, centroids, found[part], errors[part])  # noqa: B023

        in_threads(round_rows, _parts(len(weights)))
        codes[:, here] = found
        weights[:, here.stop :] -= errors @ factor[here, here.stop :]
    return codes


def _refitted(blocks: Sequence[Block], codebook: Matrix, codes: Sequence[Codes]) -> tuple[Matrix, list[Codes]]:
    """The centroids of least error for these codes; sorted, and the codes with them."""
    n = len(codebook) - 1
    matrix, right = np.zeros((n, n)), np.zeros(n)
    for block, of_one in zip(blocks, codes, strict=True):
        parts = _parts(len(of_one))

        def add(part: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            own, of_part = np.zeros((n, n)), np.zeros(n)
            sums = np.zeros((n, len(block.hessian)), np.float32)  # noqa: B023
            add_clusters(of_one[part], block.hessian, block.product[part], sums, own, of_part)  # noqa: B023
            return own, of_part

        for own, of_part in in_threads(add, parts):
            matrix += own
            right += of_part
    used = np.flatnonzero(np.diag(matrix) > 0)
    if not used.size:
        return codebook, list(codes)
    system = matrix[np.ix_(used, used)]
    system[np.diag_indices_from(system)] += _RIDGE * np.trace(system) / used.size
    centroids = codebook[1:].copy()
    centroids[used] = np.linalg.solve(system, right[used])
    order = np.argsort(centroids, kind="stable")
    moved = np.zeros(n + 1, np.uint8)
    moved[1 + order] = np.arange(1, n + 1)
    return np.concatenate([np.zeros(1, np.float32), centroids[order]]), [moved[one] for one in codes]


def _descended(block: Block, codebook: Matrix, codes: Codes) -> float:
    """Improve codes in place; returns the squared error."""
    gradient, parts = block.gradient(codebook[codes]), _parts(len(codes))
    in_threads(lambda part: descend(gradient[part], block.hessian, codebook[1:], codes[part], _SWEEPS), parts)
    return block.error_at(codebook[codes], gradient)


def _parts(n_rows: int) -> list[slice]:
    """Rows in pieces that do not depend on the number of cores, so that sums over them do not."""
    return [slice(at, at + _LEAST_ROWS) for at in range(0, n_rows, _LEAST_ROWS)]

"""The loops over weights that no matrix product does: error feedback, coordinate descent, sums of clusters."""

import numpy as np

from compressor.jit import Arg, kernel


@kernel
def nearest(value: Arg, values: Arg) -> int:
    """Index of the nearest of the sorted `values`, the lower where two are equally near."""
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if value - values[middle] > values[middle + 1] - value:
            low = middle + 1
        else:
            high = middle
    return int(low)


@kernel
def feed_back(weights: Arg, kept: Arg, factor: Arg, centroids: Arg, codes: Arg, errors: Arg) -> None:
    """Round the kept weights of some columns, in order; the later columns of the block make up for each error.

    `weights` (n, b) is changed to what is left for each column when its turn comes; `factor` (b, b) is the block of
    the upper Cholesky factor of the inverse Hessian; `errors` (n, b) takes each error over its diagonal element.
    """
    n_rows, n_cols = weights.shape
    for i in range(n_rows):
        for j in range(n_cols):
            rounded = np.float32(0)
            codes[i, j] = 0
            if kept[i, j]:
                code = nearest(weights[i, j], centroids)
                codes[i, j] = code + 1
                rounded = centroids[code]
            error = (weights[i, j] - rounded) / factor[j, j]
            errors[i, j] = error
            for later in range(j + 1, n_cols):
                weights[i, later] -= error * factor[j, later]


@kernel
def descend(gradient: Arg, hessian: Arg, centroids: Arg, codes: Arg, sweeps: Arg) -> int:
    """Give each kept weight the shared weight that is best while all others stay; returns how many changed.

    `gradient` (n, m) is (shared - wanted) times the Hessian and is kept up to date. No step makes the error larger, for
    each minimises a parabola over the shared weights.
    """
    n_rows, n_cols = codes.shape
    changed = 0
    for i in range(n_rows):
        for _ in range(sweeps):
            before = changed
            for j in range(n_cols):
                code = codes[i, j]
                if code == 0 or hessian[j, j] <= 0:
                    continue
                now = centroids[code - 1]
                best = nearest(now - gradient[i, j] / hessian[j, j], centroids)
                step = centroids[best] - now
                if step != 0:
                    codes[i, j] = best + 1
                    changed += 1
                    for t in range(n_cols):
                        gradient[i, t] += step * hessian[j, t]
            if changed == before:
                break
    return int(changed)


@kernel
def add_clusters(codes: Arg, hessian: Arg, wanted: Arg, sums: Arg, matrix: Arg, right: Arg) -> None:
    """Add the normal equations of the centroids over some rows.

    With B of a row (m, K), which weight has which centroid: ``matrix += B^T H B`` and ``right += B^T H w``, where
    `wanted` is w H. `sums` (K, m) is working memory.
    """
    n_rows, n_cols = codes.shape
    n_clusters = len(right)
    for i in range(n_rows):
        sums[:] = 0
        for j in range(n_cols):
            if codes[i, j] > 0:
                cluster = codes[i, j] - 1
                right[cluster] += wanted[i, j]
                for t in range(n_cols):
                    sums[cluster, t] += hessian[j, t]
        for j in range(n_cols):
            if codes[i, j] > 0:
                cluster = codes[i, j] - 1
                for k in range(n_clusters):
                    matrix[k, cluster] += sums[k, j]

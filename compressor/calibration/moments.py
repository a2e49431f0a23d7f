"""Moments of the vectors that a matrix multiplies, in the compressed network and in the uncompressed one."""

import numpy as np
from numpy.typing import NDArray

from compressor.calibration.problem import Block, damped, damping_of

_VECTORS = 1024
"""Vectors that one product adds: it is in float32, and what it adds to is in float64."""


class Moments:
    """First and second moments of pairs of vectors.

    Parameters
    ----------
    size : int
        Numbers of a vector.

    Attributes
    ----------
    n : int
        Pairs so far.
    """

    def __init__(self, size: int) -> None:
        self.n = 0
        self._own = np.zeros((size, size))
        self._cross: NDArray[np.float64] | None = None  # as `_own` while all vectors are those of the originals
        self._sums = np.zeros((2, size))
        # About the first vectors' mean: squares of large means would swallow the digits of the differences.
        self._centre: NDArray[np.float32] | None = None
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0

    def add(self, vectors: NDArray[np.float32], originals: NDArray[np.float32]) -> None:
        """Add pairs.

        Parameters
        ----------
        vectors, originals : ndarray of float32, shape (n, size)
            In the network as it is compressed so far, and in the uncompressed one.
        """
        self._waiting.append(np.stack([vectors, originals]))
        self._n_waiting += len(vectors)
        if self._n_waiting >= _VECTORS:
            self._flush()

    def _flush(self) -> None:
        if not self._n_waiting:
            return
        together = np.concatenate(self._waiting, axis=1)
        self._waiting, self._n_waiting = [], 0
        if self._centre is None:
            self._centre = together.mean(axis=1, dtype=np.float64).astype(np.float32)
        for first in range(0, together.shape[1], _VECTORS):
            own, original = together[:, first : first + _VECTORS] - self._centre[:, np.newaxis]
            if self._cross is None and not np.array_equal(own, original):
                self._cross = self._own.copy()
            self._own += own.T @ own
            if self._cross is not None:
                self._cross += original.T @ own
            self._sums += np.stack([own, original]).sum(axis=1, dtype=np.float64)
            self.n += len(own)

    def means(self) -> NDArray[np.float64]:
        """Means of the vectors and of the originals; float64, shape (2, size)."""
        self._flush()
        if self._centre is None:
            return self._sums
        found: NDArray[np.float64] = self._centre + self._sums / self.n
        return found

    def block(
        self,
        weights: NDArray[np.float32],
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        has_bias: bool,
        damping: float,
    ) -> Block:
        """The least squares of a matrix whose outputs are to be those of the uncompressed network.

        Parameters
        ----------
        weights : ndarray of float32, shape (n, size)
            Of the uncompressed network.
        rows, columns : ndarray of int
            As of `Block`.
        has_bias : bool
            Whether a bias makes up for the mean of the error, so that its variance alone counts.
        damping : float

        Returns
        -------
        Block
            Its weights are those of least error before anything is pruned: ``W C (H + d)^-1`` with C the moments
            between both networks, damped towards W.
        """
        means, n = self.means(), max(self.n, 1)
        about = means - (0 if self._centre is None else self._centre)
        own = self._own / n - np.outer(about[0], about[0])
        cross = (self._own if self._cross is None else self._cross) / n - np.outer(about[1], about[0])
        if not has_bias:
            own += np.outer(means[0], means[0])
            cross += np.outer(means[1], means[0])
        hessian, added = damped(own, damping), damping_of(own, damping)
        wanted = weights  # where both networks have the same vectors
        if self._cross is not None:
            cross[np.diag_indices_from(cross)] += added
            wanted = np.linalg.solve(hessian, (weights @ cross).T).T
        return Block(rows, columns, np.ascontiguousarray(wanted, np.float32), weights != 0, hessian.astype(np.float32))

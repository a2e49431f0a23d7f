"""One tensor compressed on its calibration inputs: what the allocation of densities calls, again and again."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.calibration.problem import Problem
from compressor.calibration.sharing import share
from compressor.calibration.surgeon import prune


class CalibratedTensor(NamedTuple):
    """A tensor after pruning and sharing.

    Attributes
    ----------
    codes : ndarray of uint8, shape of the problem
        0 = no weight.
    codebook : ndarray of float32, shape (2**weight_bits,)
    error : float
        Squared error of the outputs on the calibration inputs, damping included, relative to their square.
    """

    codes: NDArray[np.uint8]
    codebook: NDArray[np.float32]
    error: float

    @property
    def weights(self) -> NDArray[np.float32]:
        """The decoded weights; float32, shape of the problem."""
        return self.codebook[self.codes]


def compress_problem(
    problem: Problem, density: float, weight_bits: int = 4, init: str | None = None, seed: int = 0
) -> CalibratedTensor:
    """Prune a tensor and share its weights so that its outputs on the calibration inputs change least.

    What depends on the inputs alone is computed at the first call and kept in `problem`, so that further densities
    cost less.

    Parameters
    ----------
    problem : Problem
    density : float
        0 .. 1: ``round(density * size)`` weights are kept, or all that were not zero where those are fewer.
    weight_bits : int
        1 .. 8.
    init : str or None
        As for `compressor.weight_sharing.share_weights`, of the codebook to begin with; None: the best of several.
    seed : int
        As there.

    Raises
    ------
    ValueError
        If an argument is out of its limits.
    """
    pruned = prune(problem, density)
    codebook, parts = share(problem, pruned, weight_bits, init, seed)
    codes = np.zeros(problem.shape, np.uint8)
    for block, of_one in zip(problem.blocks, parts, strict=True):
        codes[np.ix_(block.rows, block.columns)] = of_one
    return CalibratedTensor(codes, codebook, problem.error([codebook[one] for one in parts]))

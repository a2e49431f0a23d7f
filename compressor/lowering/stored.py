"""Stored tensors as lowerings take them: codes with their codebook, in the layout of their operator."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.lowering.winograd import N_ELEMENTS, transformed
from compressor.prune import find_cut, prune_columns
from compressor.types.packed_format import MAX_WEIGHT_BITS, weight_bits_of
from compressor.weight_sharing import assign_codes, cluster


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """The codes of a tensor.

    Attributes
    ----------
    name : str
    codes : ndarray of uint8, in the shape of the tensor
        0 = no weight.
    codebook : ndarray of float32, shape (2**bits,)
    bias : ndarray or None
        As `compressor.lowering.Lowering.biases` takes it.
    row_permutation : ndarray or None
        The order in which a machine is to store its rows, as of `compressor.types.packed.PackedLayer`.
    """

    name: str
    codes: NDArray[np.uint8]
    codebook: NDArray[np.float32]
    bias: NDArray[Any] | None = None
    row_permutation: NDArray[np.uint32] | None = None


def widened(codebook: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """A codebook for codes of more bits, which changes no code: what is added is 0 and is not used."""
    wide = np.zeros(1 << bits, np.float32)
    wide[: len(codebook)] = codebook
    return wide


def side_by_side(first: StoredTensor, second: StoredTensor, name: str) -> StoredTensor:
    """Two tensors of as many rows as one, [W R], with the values of both codebooks in one.

    Raises
    ------
    ValueError
        If there are more values than codes of the most bits.
    """
    tensors = (first, second)
    values = np.unique(np.concatenate([t.codebook[np.unique(t.codes)] for t in tensors]))
    values = values[values != 0]
    bits = max(1, len(values).bit_length())
    if bits > MAX_WEIGHT_BITS:
        raise ValueError(
            f"tensors: {first.name!r} and {second.name!r} are one matrix and have {len(values)} different weights, but "
            f"{MAX_WEIGHT_BITS} bits hold {(1 << MAX_WEIGHT_BITS) - 1}; share them in fewer bits"
        )
    codebook = widened(np.concatenate([np.zeros(1, np.float32), values]), bits)
    dense = np.concatenate([t.codebook[t.codes] for t in tensors], axis=1)
    codes = np.where(dense == 0, 0, 1 + np.searchsorted(values, dense)).astype(np.uint8)
    return StoredTensor(name, codes, codebook)


def compressed_kernels(
    kernels: StoredTensor, density: float = 1.0, n_codebooks: int = N_ELEMENTS
) -> list[StoredTensor]:
    """The 16 matrices of Winograd's transform, pruned and shared in as many bits as the kernels.

    Parameters
    ----------
    kernels : StoredTensor
        Of a convolution of 3 x 3.
    density : float
        What is kept of each matrix. At 1 those of its weights that are 0 stay 0: the transform of pruned kernels is
        denser than they are.
    n_codebooks : int
        16, one for each matrix, or 1 for all of them; then they are pruned together too.

    Raises
    ------
    ValueError
        If `density` is not in 0 .. 1, or there is another number of codebooks.
    """
    if n_codebooks not in (1, N_ELEMENTS):
        raise ValueError(f"winograd_codebooks: {n_codebooks}, but it must be 1 or {N_ELEMENTS}")
    bits = weight_bits_of(kernels.codebook)
    matrices = transformed(kernels.codebook[kernels.codes]).astype(np.float32)
    groups = matrices.reshape(n_codebooks, -1, matrices.shape[-1])
    codes, codebooks = np.zeros(groups.shape, np.uint8), []
    for number, group in enumerate(groups):
        kept = prune_columns(group, find_cut(group, density, None, None))
        codebooks.append(cluster(kept.values, bits, "linear", 0).codebook)
        shared = replace(kept, values=assign_codes(kept.values, codebooks[-1]))
        codes[number] = shared.dense()
    return [
        replace(kernels, codes=one, codebook=codebooks[number % n_codebooks], row_permutation=None)
        for number, one in enumerate(codes.reshape(matrices.shape))
    ]

"""The widths and sizes that the packed format allows, and what a codebook must be."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats

POINTER_BYTES = 2
"""One pointer in the pointer SRAM (EIE section IV: 16-bit pointers)."""

MAX_SIZE = 2**32 - 1
"""Most rows, columns or PEs of a layer: their numbers are uint32."""

MIN_INDEX_BITS, MAX_INDEX_BITS = 2, 8
MIN_WEIGHT_BITS, MAX_WEIGHT_BITS = 1, 8


def check_codebook(codebook: ArrayLike, weight_bits: int) -> NDArray[np.float32]:
    """`codebook` as float32, shape (2**weight_bits,).

    Raises
    ------
    ValueError
        When its length is another, a value is not finite, or value 0 is not zero.
    """
    book = as_floats("codebook", codebook)
    if book.shape != (1 << weight_bits,):
        raise ValueError(f"codebook: shape {book.shape}, but {weight_bits} weight bits need ({1 << weight_bits},)")
    if book[0] != 0:
        raise ValueError(f"codebook: value 0 is {book[0]}, but code 0 always means the value 0")
    return book


def weight_bits_of(codebook: ArrayLike) -> int:
    """Bits of a code of `codebook`, whose length must be a power of two.

    Raises
    ------
    ValueError
        When it is not, or out of limits.
    """
    length = np.asarray(codebook).size
    bits = max(length - 1, 0).bit_length()
    if length != 1 << bits or not MIN_WEIGHT_BITS <= bits <= MAX_WEIGHT_BITS:
        raise ValueError(
            f"codebook: {length} values, but it must have 2**weight_bits of them, "
            f"{1 << MIN_WEIGHT_BITS} to {1 << MAX_WEIGHT_BITS}"
        )
    return bits

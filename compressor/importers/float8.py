"""The 8-bit floating-point types of machine learning, for which NumPy has none: held as bytes, read as float32.

E4M3 (the variant "fn", without infinities) and E5M2 of Micikevicius et al., "FP8 Formats for Deep Learning", 2022.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def _table(exponent_bits: int, has_infinities: bool) -> NDArray[np.float32]:
    """The number of every byte."""
    mantissa_bits = 7 - exponent_bits
    codes = np.arange(128)
    exponent, mantissa = codes >> mantissa_bits, (codes & (2**mantissa_bits - 1)) / 2**mantissa_bits
    bias = 2 ** (exponent_bits - 1) - 1
    positive = np.where(exponent == 0, mantissa * 2.0 ** (1 - bias), (1 + mantissa) * 2.0 ** (exponent - bias))
    if has_infinities:
        positive[exponent == 2**exponent_bits - 1] = np.nan
        positive[(2**exponent_bits - 1) << mantissa_bits] = np.inf
    else:
        positive[127] = np.nan
    return np.concatenate([positive, -positive]).astype(np.float32)


_TABLES = {"F8_E4M3": _table(4, has_infinities=False), "F8_E5M2": _table(5, has_infinities=True)}

FLOAT8 = tuple(_TABLES)
"""Names of the types, as safetensors files have them."""


def from_float8(codes: NDArray[np.uint8], dtype: str) -> NDArray[np.float32]:
    """The numbers that `codes` are in the type `dtype`; nothing is rounded."""
    numbers: NDArray[np.float32] = _TABLES[dtype][codes]
    return numbers


def as_float8(values: NDArray[np.floating[Any]], dtype: str) -> NDArray[np.uint8]:
    """The code of each finite number in the type `dtype`, rounded to nearest, ties to even; NaN of one too large."""
    table = _TABLES[dtype]
    n_finite = int(np.isfinite(table[:128]).sum())
    numbers = table[:n_finite].astype(np.float64)
    # Half-way points between the numbers, and one beyond the last, from which on a number is too large.
    step = numbers[-1] - numbers[-2]
    middles = np.append((numbers[1:] + numbers[:-1]) / 2, numbers[-1] + step / 2)
    magnitudes = np.abs(values).astype(np.float64)
    codes = np.searchsorted(middles, magnitudes)
    is_tie = middles[np.minimum(codes, n_finite - 1)] == magnitudes
    codes += is_tie & (codes % 2 == 1)  # `searchsorted` took the lower neighbour of a tie, whose last bit may be odd
    codes[codes >= n_finite] = 127  # not a number
    encoded: NDArray[np.uint8] = (codes | (np.signbit(values) << 7)).astype(np.uint8)
    return encoded

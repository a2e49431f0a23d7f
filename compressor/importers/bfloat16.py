"""bfloat16, for which NumPy has no type: the upper half of a float32, held as 16-bit words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def from_bfloat16(words: NDArray[Any]) -> NDArray[np.float32]:
    """The float32 numbers whose upper halves are `words`, uint16; nothing is rounded."""
    return (words.astype(np.uint32) << 16).view(np.float32)


def as_bfloat16(values: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """The upper half of each finite number as float32, rounded to nearest, ties to even; maybe infinite."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # Half of the last place is added, less one where the place is even already, so that a tie stays there.
    half: NDArray[np.uint16] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return half

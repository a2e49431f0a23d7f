"""Magnitude pruning: the small weights of a tensor go, to a density, a threshold or a quality parameter.

Every way ends in a `PruningCut`, the magnitude from which on a weight stays; a mask, the kept values or the sparse
columns of a matrix follow from it. A zero is never kept. Pruning to a density keeps an exact count: among weights of
the same magnitude at the cut, those first in C order stay, so that the same tensor is always pruned alike.

The cut is found by counting magnitudes, not by sorting them: two passes over the bits of the weights and no copy of
the tensor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, real_number
from compressor.jit import Arg, available_cores, in_threads, kernel
from compressor.types.sparse import LEAST_FOR_THREADS, SparseColumns, sparse_columns

# The 31 bits of a float32 without its sign rise with its magnitude: counted as 16 high bits, then 15 low bits.
_LOW_BITS = 15
_HIGH_BINS, _LOW_BINS = 1 << 16, 1 << _LOW_BITS
_FIRST_INFINITE_BIN = 0x7F800000 >> _LOW_BITS

_LARGEST = float(np.finfo(np.float32).max)  # a cut above it keeps nothing

_BLOCK = 1 << 18  # weights in one block of the standard deviation: its temporaries stay in the cache


class PruningCut(NamedTuple):
    """Where a pruning cuts: weights of magnitude above `threshold` stay, and of those equal to it the first ones.

    Attributes
    ----------
    threshold : float
        Exactly a float32.
    tie_limit : int
        Weights with ``abs(w) == threshold`` stay when their flat index in C order is below it.
    """

    threshold: float
    tie_limit: int


def float_tensor(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """`values` as a float32 array in C order, of at least one number; not yet checked to be finite.

    No copy is made of what is float32 in C order already. Other types and orders are converted, at once.

    Raises
    ------
    ValueError
        If they are not numbers, there is none, or one is not finite in float32 (where a conversion is needed).
    """
    array = np.asarray(values)
    if array.dtype != np.float32:
        array = as_floats(name, array)
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"{name}: shape {array.shape}, but there must be at least one dimension and one number")
    return np.ascontiguousarray(array)


@kernel
def _count_high_bits(bits: Arg, low_bits: Arg, counts: Arg) -> None:
    for i in range(len(bits)):
        counts[(bits[i] & 0x7FFFFFFF) >> low_bits] += 1


@kernel
def _count_low_bits(bits: Arg, low_bits: Arg, high: Arg, counts: Arg) -> None:
    """Count the low bits of the magnitudes whose high bits are `high`."""
    for i in range(len(bits)):
        magnitude = bits[i] & 0x7FFFFFFF
        if magnitude >> low_bits == high:
            counts[magnitude - (high << low_bits)] += 1


@kernel
def _after_tie(bits: Arg, magnitude: Arg, wanted: Arg) -> int:
    """The flat index after the `wanted`-th weight of this magnitude."""
    at = 0
    while wanted > 0:  # ends: the counts have shown that there are so many
        wanted -= (bits[at] & 0x7FFFFFFF) == magnitude
        at += 1
    return at


def _slices(size: int) -> list[slice]:
    step = size if size < LEAST_FOR_THREADS else -(-size // available_cores())
    return [slice(at, min(at + step, size)) for at in range(0, size, step)]


def _high_counts(name: str, tensor: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many magnitudes have each value of the high bits; int64, shape (2**16,).

    Raises
    ------
    ValueError
        When a number is not finite: found by its bin, without a pass of its own.
    """
    bits = tensor.reshape(-1).view(np.uint32)

    def count(part: slice) -> NDArray[np.int64]:
        counts = np.zeros(_HIGH_BINS, np.int64)
        _count_high_bits(bits[part], _LOW_BITS, counts)
        return counts

    total: NDArray[np.int64] = np.sum(in_threads(count, _slices(bits.size)), axis=0)
    # Infinities and NaNs have the largest exponent, and so the largest of the high bits.
    if total[_FIRST_INFINITE_BIN:].any():
        as_floats(name, tensor)  # raises, and names the first
    return total


def _from_the_top(counts: NDArray[np.int64], wanted: int) -> tuple[int, int]:
    """The bin that holds the `wanted`-th largest, and how many of its own are wanted."""
    above = np.cumsum(counts[::-1])
    place = int(np.searchsorted(above, wanted))
    return len(counts) - 1 - place, wanted - int(above[place] - counts[::-1][place])


def cut_to_density(weights: ArrayLike, density: float, name: str = "weights") -> PruningCut:
    """The cut that keeps exactly ``round(density * size)`` weights, or all non-zeros where there are fewer.

    Parameters
    ----------
    weights : array_like of float, any shape
        float32 in C order is read in place; anything else is converted to it first.
    density : float
        Fraction of the weights to keep, 0 .. 1.
    name : str
        What the weights are called in an error.

    Raises
    ------
    ValueError
        When `density` is out of its limits, or a weight is not finite.
    """
    if not 0 <= real_number("density", density) <= 1:
        raise ValueError(f"density: {density}, but it must be 0 to 1")
    tensor = float_tensor(name, weights)
    counts = _high_counts(name, tensor)
    wanted = round(density * tensor.size)
    if wanted == 0:
        return PruningCut(_LARGEST, 0)
    bits = tensor.reshape(-1).view(np.uint32)
    high, wanted_of_high = _from_the_top(counts, wanted)

    def count(part: slice) -> NDArray[np.int64]:
        low_counts = np.zeros(_LOW_BINS, np.int64)
        _count_low_bits(bits[part], _LOW_BITS, high, low_counts)
        return low_counts

    low_counts: NDArray[np.int64] = np.sum(in_threads(count, _slices(bits.size)), axis=0)
    low, wanted_of_equal = _from_the_top(low_counts, wanted_of_high)
    magnitude = (high << _LOW_BITS) + low
    if magnitude == 0:  # fewer non-zeros than wanted: all of them stay
        return PruningCut(0.0, 0)
    threshold = float(np.uint32(magnitude).view(np.float32))  # the bits of a magnitude are those of its float32
    if low_counts[low] == wanted_of_equal:
        return PruningCut(threshold, tensor.size)
    return PruningCut(threshold, _after_tie(bits, magnitude, wanted_of_equal))


def cut_to_threshold(weights: ArrayLike, threshold: float, name: str = "weights") -> PruningCut:
    """The cut that removes the weights below `threshold` in magnitude, and keeps those equal to it.

    Raises
    ------
    ValueError
        When `threshold` is negative or not finite, or a weight is not finite.
    """
    if real_number("threshold", threshold) < 0:
        raise ValueError(f"threshold: {threshold}, but it must be at least 0")
    tensor = float_tensor(name, weights)
    _high_counts(name, tensor)  # every weight is finite
    return _at_least(float(threshold), tensor.size)


def cut_to_quality(weights: ArrayLike, quality: float, name: str = "weights") -> PruningCut:
    """The cut at ``quality * std(weights)``, the rule of Han et al. ("Learning both weights and connections", 3.3).

    The standard deviation is that of all weights of the tensor, zeros included, about their mean, in float64.

    Raises
    ------
    ValueError
        When `quality` is negative or not finite, or a weight is not finite.
    """
    if real_number("quality", quality) < 0:
        raise ValueError(f"quality: {quality}, but it must be at least 0")
    tensor = float_tensor(name, weights)
    return _at_least(float(quality) * standard_deviation(tensor, name), tensor.size)


def _at_least(threshold: float, size: int) -> PruningCut:
    """Keep what is at least `threshold` but zero: ties stay, unless they are zeros."""
    if threshold > _LARGEST:
        return PruningCut(_LARGEST, 0)
    nearest = np.float32(threshold)
    if float(nearest) < threshold:  # no float32 lies between: the next one up divides the float32s alike
        nearest = np.nextafter(nearest, np.float32(np.inf))
    return PruningCut(float(nearest), size if nearest > 0 else 0)


def standard_deviation(weights: ArrayLike, name: str = "weights") -> float:
    """The standard deviation of all `weights` about their mean, summed in float64 block by block.

    Raises
    ------
    ValueError
        When a weight is not finite.
    """
    tensor = float_tensor(name, weights)
    flat = tensor.reshape(-1)
    blocks = [flat[at : at + _BLOCK] for at in range(0, flat.size, _BLOCK)]
    mean = sum(in_threads(lambda block: float(block.sum(dtype=np.float64)), blocks)) / flat.size
    if not np.isfinite(mean):
        as_floats(name, tensor)  # raises, and names the first
    squares = in_threads(lambda block: float(np.square(np.subtract(block, mean, dtype=np.float64)).sum()), blocks)
    return float(np.sqrt(sum(squares) / flat.size))


def find_cut(
    weights: ArrayLike,
    density: float = 1.0,
    threshold: float | None = None,
    quality: float | None = None,
    name: str = "weights",
) -> PruningCut:
    """The cut to `threshold` or to `quality` where one is given, or else to `density`.

    Raises
    ------
    ValueError
        When both `threshold` and `quality` are given, or a value is out of its limits.
    """
    if threshold is not None and quality is not None:
        raise ValueError(f"threshold and quality: {threshold} and {quality}, but only one of the two can cut")
    if threshold is not None:
        return cut_to_threshold(weights, threshold, name)
    if quality is not None:
        return cut_to_quality(weights, quality, name)
    return cut_to_density(weights, density, name)


def prune_mask(weights: ArrayLike, cut: PruningCut) -> NDArray[np.bool_]:
    """Which weights stay; bool, the shape of `weights`, which may be a tensor of any kind."""
    tensor = float_tensor("weights", weights)
    magnitude = np.abs(tensor.reshape(-1))
    mask = magnitude > np.float32(cut.threshold)
    mask[: cut.tie_limit] |= magnitude[: cut.tie_limit] == np.float32(cut.threshold)
    return mask.reshape(tensor.shape)


def prune_columns(weights: ArrayLike, cut: PruningCut) -> SparseColumns:
    """The weights of a matrix that stay, as sparse columns of float32.

    Raises
    ------
    ValueError
        If `weights` is not a matrix.
    """
    matrix = float_tensor("weights", weights)
    if matrix.ndim != 2:
        raise ValueError(f"weights: shape {matrix.shape}, but it must be (outputs, inputs)")
    return sparse_columns(matrix, cut.threshold, cut.tie_limit)

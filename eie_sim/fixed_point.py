"""The one definition of the fixed-point arithmetic: quantise, multiply, shift, saturate.

The EIE paper names a 16-bit multiplier and a shift after it (section IV) and gives neither the split of the bits, nor
the rounding, nor the accumulator's width: those are this project's. A number of ``b`` bits with ``f`` fraction bits
stands for ``integer * 2**-f``; an accumulator has the fraction bits of the activations.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from eie_sim.arch import ArchConfig

# Sums of an accumulator (62 bits at most) and a product cut to this size stay inside int64.
_LARGEST_PRODUCT = 1 << 62

# Of a power of two that is a normal float64, and so is its inverse.
_LARGEST_NORMAL_POWER = 1022


@dataclass(frozen=True)
class FixedPoint:
    """The arithmetic of one call, every choice made.

    Attributes
    ----------
    bits : int
        Bits of a number.
    weight_frac_bits : int
        Fraction bits of the codebook.
    act_frac_bits : int, or ndarray of int32, shape (B, 1)
        Fraction bits of activations, accumulators and outputs: of all vectors, or of each of B.
    acc_bits : int
        Bits of the accumulator.
    half_even : bool
        Whether the shift rounds to nearest even; else it drops the low bits (rounds towards minus infinity).
    """

    bits: int
    weight_frac_bits: int
    act_frac_bits: int | NDArray[np.int32]
    acc_bits: int
    half_even: bool

    @classmethod
    def of(
        cls,
        arch: ArchConfig,
        codebook: NDArray[np.float32],
        acts: NDArray[np.floating],
        has_bias: bool,
        each: bool = False,
    ) -> "FixedPoint":
        """The arithmetic of `arch` for a codebook and an input vector; the 1 of a bias column is an input.

        With `each`, `acts` are B vectors, and each has fraction bits of its own.
        """
        bits = arch.number_bits
        if bits is None:
            raise ValueError(f"arithmetic: {arch.arithmetic} is not fixed point")
        weight_frac = arch.weight_frac_bits
        act_frac: int | NDArray[np.int32] | None = arch.act_frac_bits
        if weight_frac is None:
            weight_frac = most_frac_bits(float(codebook.min()), float(codebook.max()), bits)
        if act_frac is None and each:
            act_frac = np.empty((len(acts), 1), np.int32)
            _frac_bits_of_each(acts, bits, has_bias, act_frac)
        elif act_frac is None:
            top = max(float(acts.max()), 1.0) if has_bias else float(acts.max())
            act_frac = most_frac_bits(float(acts.min()), top, bits)
        return cls(bits, weight_frac, act_frac, arch.acc_bits or bits, arch.rounding == "half_even")

    def weights(self, codebook: NDArray[np.float32]) -> NDArray[np.int64]:
        """The codebook as integers; int64, its shape."""
        return quantise(codebook, self.bits, self.weight_frac_bits)

    def activations(self, acts: NDArray[np.floating]) -> NDArray[np.int64]:
        """Activations as integers; int64, their shape."""
        return quantise(acts, self.bits, self.act_frac_bits)

    def accumulators(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Values that accumulators are preloaded with, as integers; int64, their shape."""
        return quantise(values, self.acc_bits, self.act_frac_bits)

    def values(self, accumulators: NDArray[np.int64]) -> NDArray[np.float64]:
        """The numbers that accumulators stand for; float64, their shape."""
        places = self.act_frac_bits
        most = abs(places) if isinstance(places, int) else np.abs(places).max()
        if most > _LARGEST_NORMAL_POWER:
            return np.asarray(np.ldexp(accumulators.astype(np.float64), -places), np.float64)
        # The same, and sooner.
        return np.asarray(accumulators * (2.0**-places if isinstance(places, int) else np.ldexp(1.0, -places)))


@kernel
def most_frac_bits(low: Arg, high: Arg, bits: Arg) -> Arg:
    """The largest number of fraction bits with which `bits`-bit integers still hold ``low .. high``, rounded.

    ``bits - 1`` when both are 0. It may exceed `bits` (small numbers) or be negative (large ones).
    """
    size = max(abs(low), abs(high))
    if size == 0:
        return bits - 1
    frac = bits - 1 - math.frexp(size)[1] + 1  # one too many unless `low` is a negative power of two
    top = 1 << (bits - 1)
    while np.rint(np.ldexp(high, frac)) > top - 1 or np.rint(np.ldexp(low, frac)) < -top:
        frac -= 1
    return frac


@kernel
def _frac_bits_of_each(acts: Arg, bits: Arg, has_bias: Arg, frac_bits: Arg) -> None:
    for b in range(len(acts)):
        low, high = acts[b, 0], max(acts[b, 0], 1.0) if has_bias else acts[b, 0]
        for j in range(1, acts.shape[1]):
            low, high = min(low, acts[b, j]), max(high, acts[b, j])
        frac_bits[b, 0] = most_frac_bits(low, high, bits)


@kernel
def _quantise(values: Arg, bits: Arg, frac_bits: Arg, integers: Arg) -> None:
    top = np.int64(1) << (bits - 1)
    for b in range(len(integers)):
        row, frac = values[min(b, len(values) - 1)], frac_bits[min(b, len(frac_bits) - 1)]
        # A power of two multiplies exactly, and sooner than ldexp does it, where it is a normal number.
        scale = np.ldexp(1.0, frac) if abs(frac) <= _LARGEST_NORMAL_POWER else 0.0
        for j in range(len(row)):
            scaled = np.rint(row[j] * scale if scale > 0 else np.ldexp(row[j], frac))
            # Cut once more as an integer: float64 has no number as near to a large `top` as top - 1.
            integers[b, j] = min(np.int64(min(max(scaled, -float(top)), float(top - 1))), top - 1)


def quantise(values: NDArray[np.floating], bits: int, frac_bits: int | NDArray[np.int32]) -> NDArray[np.int64]:
    """`values` rounded half to even to `bits`-bit integers with `frac_bits` fraction bits, cut to the range.

    With `frac_bits` of shape (B, 1), `values` are (B, n), or (1, n) for B ways to round them.
    """
    rows = np.ascontiguousarray(values, np.float64).reshape(1 if values.ndim < 2 else len(values), -1)
    places = np.asarray(frac_bits, np.int32).reshape(-1)
    integers = np.empty((max(len(rows), len(places)), rows.shape[1]), np.int64)
    _quantise(rows, bits, places, integers)
    return integers if values.ndim == 2 else integers.reshape(values.shape)


@kernel
def multiply(weight: Arg, activation: Arg, shift: Arg, half_even: Arg) -> Arg:
    """The product of two integers of at most 32 bits, shifted right by `shift` (left when it is negative)."""
    product = np.int64(weight) * np.int64(activation)
    if shift <= 0:
        if product == 0:
            return product
        # Shifted left by more than that, any product is out of range.
        room = np.int64(_LARGEST_PRODUCT) >> -shift if shift >= -62 else np.int64(0)
        if product > room:
            return np.int64(_LARGEST_PRODUCT)
        if product < -room:
            return -np.int64(_LARGEST_PRODUCT)
        return product << -shift
    if shift > 62:  # beyond the bits of any product: rounded to nearest it is 0, cut off only its sign is left
        return np.int64(-1) if product < 0 and not half_even else np.int64(0)
    shifted = product >> shift
    if half_even:
        rest = product - (shifted << shift)
        half = np.int64(1) << (shift - 1)
        if rest > half or (rest == half and shifted & 1):
            shifted += 1
    return shifted


@kernel
def saturate(total: Arg, acc_bits: Arg) -> Arg:
    """`total` held to the range of an accumulator of `acc_bits` bits."""
    top = np.int64(1) << (acc_bits - 1)
    return min(max(np.int64(total), -top), top - 1)

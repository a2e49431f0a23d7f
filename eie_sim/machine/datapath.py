"""The numbers that flow through the arithmetic units: float32, or fixed point of some bits."""

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eie_sim.arch import ArchConfig
from eie_sim.fixed_point import FixedPoint, multiply, saturate

Number: TypeAlias = np.float32 | int
"""One activation, weight or accumulator: a float32, or the integer of a fixed-point number."""


class Datapath(Protocol):
    """What a multiplier and an adder do; one for all PEs.

    Attributes
    ----------
    weights : list of Number
        The codebook: the shared weight of each code.
    zero : Number
        An activation that is not there, and an empty accumulator.
    """

    weights: list[Number]
    zero: Number

    def activations(self, acts: NDArray[np.floating]) -> list[Number]:
        """Inputs as this arithmetic holds them."""
        ...

    def accumulators(self, values: NDArray[np.float32]) -> list[Number]:
        """Values that accumulators are preloaded with, as they hold them."""
        ...

    def multiply(self, weight: Number, activation: Number) -> Number:
        """Their product, as it goes to the adder."""
        ...

    def add(self, accumulator: Number, product: Number) -> tuple[Number, bool]:
        """The new accumulator, and whether it saturated."""
        ...

    def output(self, accumulators: list[Number]) -> NDArray[np.floating]:
        """The numbers that accumulators stand for."""
        ...


class Float32:
    """The arithmetic of the authors' simulator: a float32 product, then a float32 sum; no fused multiply-add."""

    zero: Number = np.float32(0)

    def __init__(self, codebook: NDArray[np.float32]) -> None:
        self.weights: list[Number] = list(codebook)

    def activations(self, acts: NDArray[np.floating]) -> list[Number]:
        """The inputs themselves."""
        return list(acts)

    def accumulators(self, values: NDArray[np.float32]) -> list[Number]:
        """The values themselves."""
        return list(values)

    def multiply(self, weight: Number, activation: Number) -> Number:
        """The product in float32."""
        return weight * activation

    def add(self, accumulator: Number, product: Number) -> tuple[Number, bool]:
        """The sum in float32; it never saturates."""
        return accumulator + product, False

    def output(self, accumulators: list[Number]) -> NDArray[np.floating]:
        """The accumulators; float32."""
        return np.array(accumulators, np.float32)


class Fixed:
    """Integers that stand for fixed-point numbers; what each operation means is written in `eie_sim.fixed_point`."""

    zero: Number = 0

    def __init__(self, form: FixedPoint, codebook: NDArray[np.float32]) -> None:
        self.form = form
        self.weights: list[Number] = form.weights(codebook).tolist()

    def activations(self, acts: NDArray[np.floating]) -> list[Number]:
        """The inputs as integers; a small one may round to 0."""
        integers: list[Number] = self.form.activations(acts).tolist()
        return integers

    def accumulators(self, values: NDArray[np.float32]) -> list[Number]:
        """The values as integers of the accumulator's bits, cut to its range."""
        integers: list[Number] = self.form.accumulators(values).tolist()
        return integers

    def multiply(self, weight: Number, activation: Number) -> Number:
        """The product, shifted back to the fraction bits of an activation."""
        return int(multiply(weight, activation, self.form.weight_frac_bits, self.form.half_even))

    def add(self, accumulator: Number, product: Number) -> tuple[Number, bool]:
        """The sum, held to the range of the accumulator."""
        total = accumulator + product
        held = int(saturate(total, self.form.acc_bits))
        return held, held != total

    def output(self, accumulators: list[Number]) -> NDArray[np.floating]:
        """The numbers that the accumulators stand for; float64."""
        return self.form.values(np.array(accumulators, np.int64))


def datapath(
    arch: ArchConfig, codebook: NDArray[np.float32], acts: NDArray[np.floating], has_bias: bool
) -> Float32 | Fixed:
    """The arithmetic that `arch` asks for, for one codebook and one input vector."""
    if arch.number_bits is None:
        return Float32(codebook)
    return Fixed(FixedPoint.of(arch, codebook, acts, has_bias), codebook)

"""Where the numbers of a tensor are in an ONNX graph in normal form, and how they get there and back.

Layouts, by operator (network contract, section 2): matrices are (outputs, inputs); a stack is one matrix for each index
of its leading axes; a transposed convolution is the kernel of the convolution it is computed as; a recurrent operator
is [W R] for each direction.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[Array, Array]
"""A part of the stored numbers and the part of the tensor that is the same numbers, both as views."""


@dataclass(frozen=True)
class Weights:
    """Where a tensor's numbers are stored.

    Attributes
    ----------
    sources : tuple of str
        Stored constants: one; W and R of a recurrent operator.
    layout : str
        ``"as stored"``, ``"transposed"``, ``"conv transpose"`` or ``"recurrent"``.
    shape : tuple of int
        Of the tensor.
    part : tuple of int
        Index into the leading axes of the stored numbers: of a stack, or of a direction.
    groups : int
        Of a transposed convolution.
    """

    sources: tuple[str, ...]
    layout: str
    shape: tuple[int, ...]
    part: tuple[int, ...] = ()
    groups: int = 1

    def read(self, stored: Callable[[str], Array]) -> NDArray[np.float32]:
        """The tensor, rounded to float32, from the stored numbers by their names."""
        found = np.empty(self.shape, np.float32)
        with np.errstate(all="ignore"):
            for there, here in self.pairs([stored(name) for name in self.sources], found):
                here[...] = there
        return found

    def pairs(self, stored: list[Array], tensor: Array) -> Iterator[Pair]:
        """Which numbers of the stored arrays are which of the tensor's."""
        parts = [array[self.part] for array in stored]
        if self.layout == "recurrent":
            n_inputs = parts[0].shape[1]
            yield parts[0], tensor[:, :n_inputs]
            yield parts[1], tensor[:, n_inputs:]
        elif self.layout == "conv transpose":
            (array,) = parts
            n_inputs, n_outputs, *kernel = array.shape
            grouped = array.reshape(self.groups, n_inputs // self.groups, n_outputs, *kernel)
            flip = (slice(None), slice(None), slice(None), *[slice(None, None, -1)] * len(kernel))
            here = tensor.reshape(self.groups, n_outputs, n_inputs // self.groups, *kernel)
            yield grouped[flip].swapaxes(1, 2), here
        else:
            there = parts[0].T if self.layout == "transposed" else parts[0]
            yield there, tensor.reshape(there.shape)


@dataclass(frozen=True)
class Bias:
    """Where the bias of a tensor is stored: one number for each row, or two that are added, Wb and Rb, of a direction.

    Attributes
    ----------
    source : str
    direction : int or None
        Of a recurrent operator.
    """

    source: str
    direction: int | None = None

    def read(self, stored: Callable[[str], Array]) -> NDArray[np.float32]:
        """The bias, rounded to float32 once."""
        array = stored(self.source)
        with np.errstate(all="ignore"):
            if self.direction is None:
                return np.asarray(array.reshape(-1), np.float32)
            halves: NDArray[np.float64] = array[self.direction].astype(np.float64).reshape(2, -1)
            return np.asarray(halves.sum(axis=0), np.float32)

    def put(self, array: Array, bias: NDArray[np.float32]) -> None:
        """Write a bias into the stored numbers; where it is the same, they stay."""
        if self.direction is None:
            view = array.reshape(-1)
            view[...] = np.where(view.astype(np.float32) == bias, view, bias)
            return
        halves = array[self.direction].reshape(2, -1)
        same = halves.astype(np.float64).sum(axis=0).astype(np.float32) == bias
        halves[0] = np.where(same, halves[0], bias)
        halves[1] = np.where(same, halves[1], 0)


def put_weights(weights: Weights, arrays: Mapping[str, Array], tensor: NDArray[np.float32]) -> None:
    """Write a tensor into the stored numbers `arrays`; a float64 that is the same in float32 keeps its other digits."""
    for there, here in weights.pairs([arrays[name] for name in weights.sources], tensor):
        there[...] = np.where(there.astype(np.float32) == here, there, here)

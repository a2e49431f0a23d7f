"""Conv and ConvTranspose as products: one for each output position (im2col)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.lowering.product import Array, Call, Cut, Operands, Run, Vectors, as_type_of, given, needed

Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]
"""Zeros before and after each axis; numbers below zero crop."""


class Window(Protocol):
    """Where a convolution looks."""

    @property
    def kernel(self) -> Sizes:
        """Sizes of the kernel."""
        ...

    @property
    def dilations(self) -> Sizes:
        """Distances of its positions."""
        ...

    @property
    def strides(self) -> Sizes:
        """Distances of the places that it looks at."""
        ...

    def padded(self, data: Array) -> Array:
        """The data with its zeros, in C order."""
        ...

    def uses(self, data: Array) -> int:
        """How often each weight is used."""
        ...


@dataclass(frozen=True)
class ConvWindow:
    """The window of a Conv.

    Attributes
    ----------
    kernel, dilations, strides : tuple of int
    auto_pad : str
    pads : tuple of int
        Begins of all axes, then ends.
    """

    kernel: Sizes
    dilations: Sizes
    strides: Sizes
    auto_pad: str
    pads: Sizes

    def padded(self, data: Array) -> Array:
        """The data with zeros around it."""
        return with_zeros(data, (1,) * len(self.kernel), self._around(data.shape[2:]))

    def uses(self, data: Array) -> int:
        """One for each output position."""
        padded = [
            size + before + after
            for size, (before, after) in zip(data.shape[2:], self._around(data.shape[2:]), strict=True)
        ]
        return int(data.shape[0] * prod(output_sizes(self, padded)))

    def _around(self, sizes: Sequence[int]) -> Pads:
        n_axes = len(self.kernel)
        if self.auto_pad == "NOTSET":
            return tuple(zip(self.pads[:n_axes], self.pads[n_axes:], strict=True))
        if self.auto_pad == "VALID":
            return ((0, 0),) * n_axes
        extents = _extents(self)
        totals = [
            max(0, (-(-size // stride) - 1) * stride + extent - size)
            for size, stride, extent in zip(sizes, self.strides, extents, strict=True)
        ]
        return tuple(_halves(total, self.auto_pad == "SAME_UPPER") for total in totals)


@dataclass(frozen=True)
class TransposedWindow:
    """The window of a ConvTranspose: a Conv of stride 1 over the input with stride - 1 zeros between its values.

    Attributes
    ----------
    kernel, dilations : tuple of int
    spread : tuple of int
        Strides of the ConvTranspose.
    auto_pad : str
    pads, output_padding : tuple of int
    output_shape : tuple of int, or None
        Of the axes of the kernel.
    """

    kernel: Sizes
    dilations: Sizes
    spread: Sizes
    auto_pad: str
    pads: Sizes
    output_padding: Sizes
    output_shape: Sizes | None

    @property
    def strides(self) -> Sizes:
        """Always 1."""
        return (1,) * len(self.kernel)

    def padded(self, data: Array) -> Array:
        """The data with zeros between its values and around it."""
        extents = _extents(self)
        around = []
        for axis, extent in enumerate(extents):
            full = self.spread[axis] * (data.shape[2 + axis] - 1) + extent + self.output_padding[axis]
            before, after = self._cut(axis, full, data.shape[2 + axis])
            around.append((extent - 1 - before, extent - 1 - after + self.output_padding[axis]))
        return with_zeros(data, self.spread, tuple(around))

    def uses(self, data: Array) -> int:
        """One for each input position: the zeros between them are no work of the operator."""
        return int(data.shape[0] * prod(data.shape[2:]))

    def _cut(self, axis: int, full: int, size: int) -> tuple[int, int]:
        """What is cut from the begin and the end of the full output along an axis."""
        n_axes = len(self.kernel)
        wanted = None if self.output_shape is None else self.output_shape[axis]
        if wanted is None and self.auto_pad.startswith("SAME"):
            wanted = min(full, size * self.spread[axis])  # where that is more, ONNX Runtime keeps the full output
        if wanted is not None:
            before, after = _halves(max(0, full - wanted), self.auto_pad == "SAME_UPPER")
            return before, after - max(0, wanted - full)
        if self.auto_pad == "VALID":
            return 0, 0
        return self.pads[axis], self.pads[n_axes + axis]


@dataclass(frozen=True)
class Im2col:
    """A convolution as products with vectors in the order (channel, kernel position).

    Attributes
    ----------
    window : Window
    groups : int
    """

    window: Window
    groups: int

    def matrices(self, tensors: Sequence[Array]) -> list[Cut]:
        """The kernels, one a row; those of a group have entries in the columns of its channels only."""
        (tensor,) = tensors
        n_rows = tensor.shape[0]
        entries = np.zeros((self.groups, n_rows // self.groups, self.groups, prod(tensor.shape[1:])), tensor.dtype)
        blocks = tensor.reshape(self.groups, n_rows // self.groups, -1)
        entries[np.arange(self.groups), :, np.arange(self.groups)] = blocks
        return [Cut(0, entries.reshape(n_rows, -1), tensor.size)]

    def biases(self, tensors: Sequence[Array | None]) -> list[NDArray[np.float32] | None]:
        """That of the kernels."""
        return list(tensors)

    def run(self, operands: Operands) -> Run:
        """One product for each (image, output position)."""
        data = needed(operands, 0)
        padded = self.window.padded(data)
        sizes = output_sizes(self.window, padded.shape[2:])
        # Numbers of a channel that one step along each axis passes over.
        steps = [prod(padded.shape[3 + axis :]) for axis in range(len(sizes))]
        channel = prod(padded.shape[2:])
        kernel, dilations, strides = self.window.kernel, self.window.dilations, self.window.strides
        places = places_of(sizes, [s * step for s, step in zip(strides, steps, strict=True)])
        taps = places_of(kernel, [d * step for d, step in zip(dilations, steps, strict=True)])
        n_images, n_channels = padded.shape[:2]
        starts = (np.arange(n_images)[:, np.newaxis] * (n_channels * channel) + places).reshape(-1)
        columns = (np.arange(n_channels)[:, np.newaxis] * channel + taps).reshape(-1)
        sums = yield Call(0, Vectors(padded, starts, columns), self.window.uses(data))
        return [with_channels(sums, (n_images, *sizes), given(operands, 2), data)]


def conv_window(attributes: Mapping[str, Any]) -> ConvWindow:
    """The window that a Conv's attributes say."""
    kernel, dilations, strides, pads = (
        tuple(attributes[name]) for name in ("kernel_shape", "dilations", "strides", "pads")
    )
    return ConvWindow(kernel, dilations, strides, attributes["auto_pad"], pads)


def transposed_window(attributes: Mapping[str, Any]) -> TransposedWindow:
    """The window that a ConvTranspose's attributes say."""
    kernel, dilations, spread, pads = (
        tuple(attributes[name]) for name in ("kernel_shape", "dilations", "strides", "pads")
    )
    n_axes = len(kernel)
    padding = tuple(attributes.get("output_padding") or (0,) * n_axes)
    shape = attributes.get("output_shape")
    wanted = tuple(shape[-n_axes:]) if shape else None
    return TransposedWindow(kernel, dilations, spread, attributes["auto_pad"], pads, padding, wanted)


def output_sizes(window: Window, padded: Sequence[int]) -> Sizes:
    """How many places a window has along each axis.

    Raises
    ------
    ValueError
        If there is none along an axis: the kernel is larger than the padded input.
    """
    sizes = []
    for size, extent, stride in zip(padded, _extents(window), window.strides, strict=True):
        if size < extent:
            raise ValueError(f"input: {size} numbers along an axis with their padding, but the kernel has {extent}")
        sizes.append((size - extent) // stride + 1)
    return tuple(sizes)


def places_of(sizes: Sequence[int], steps: Sequence[int]) -> NDArray[np.int64]:
    """Where the cells of a grid are, in C order, where a cell is `steps` from the one before it along each axis."""
    places = np.zeros(1, np.int64)
    for size, step in zip(sizes, steps, strict=True):
        places = (places[:, np.newaxis] + np.arange(size) * step).reshape(-1)
    return places


def with_zeros(data: Array, spread: Sizes, around: Pads) -> Array:
    """Images with zeros between their values and around them; what a negative pad cuts is cut after the zeros.

    Parameters
    ----------
    data : ndarray, shape (images, channels, sizes ...)
    spread : tuple of int
        Distance of neighbours.
    around : tuple of (int, int)
    """
    wide = [s * (size - 1) + 1 for s, size in zip(spread, data.shape[2:], strict=True)]
    sizes = [max(0, size + before + after) for size, (before, after) in zip(wide, around, strict=True)]
    padded = np.zeros((*data.shape[:2], *sizes), data.dtype)
    there, here = [slice(None)] * 2, [slice(None)] * 2
    for size, n_values, s, (before, _) in zip(sizes, data.shape[2:], spread, around, strict=True):
        first = max(0, -(before // s))  # the first value that is not cut
        last = min(n_values, -(-(size - before) // s))
        there.append(slice(first, max(first, last)))
        here.append(slice(before + first * s, max(0, before + (last - 1) * s + 1) if last > first else 0, s))
    padded[tuple(here)] = data[tuple(there)]
    return padded


def with_channels(sums: Array, sizes: Sizes, added: Array | None, data: Array) -> Array:
    """Sums (images x positions, channels) as (images, channels, positions), `added` to each channel."""
    n_rows = sums.shape[1]
    result = sums.reshape(sizes[0], prod(sizes[1:]), n_rows).swapaxes(1, 2).reshape(sizes[0], n_rows, *sizes[1:])
    if added is not None:
        result = result + added.astype(np.float64).reshape(-1, *[1] * (len(sizes) - 1))
    return as_type_of(result, data)


def _extents(window: Window) -> Sizes:
    return tuple(d * (k - 1) + 1 for d, k in zip(window.dilations, window.kernel, strict=True))


def _halves(total: int, smaller_first: bool) -> tuple[int, int]:
    small = total // 2
    return (small, total - small) if smaller_first else (total - small, small)

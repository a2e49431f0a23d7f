"""Whole networks on real inputs: what they answer through the machine, and how long each input takes.

Fully connected layers run on the machine, cycle for cycle. Convolutions before them are computed on the host in the
same arithmetic (`eie_sim.convolution`) and cost no cycles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, as_integers
from compressor.types.coded import CompressedModel
from eie_sim.arch import ArchConfig
from eie_sim.convolution import convolve, max_pool
from eie_sim.engines.chain import activate, run_layers
from eie_sim.fixed_point import most_frac_bits
from eie_sim.inference_graph import check_graph
from eie_sim.result import BatchResult


@dataclass(frozen=True, eq=False)
class Classification:
    """What a network answered to B inputs.

    Attributes
    ----------
    arch : ArchConfig
    layers : tuple of BatchResult
        Of the layers that ran on the machine, in order.
    predicted : ndarray of int64, shape (B,)
        The class of the largest output; the lowest of several.
    labels : ndarray of int64, shape (B,)
        The right answers.
    largest : float
        Largest magnitude of an input or a sum in any layer: what fixed point must hold.
    """

    arch: ArchConfig
    layers: tuple[BatchResult, ...]
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]
    largest: float

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Classification({self.correct} of {len(self)} right on {self.arch.name!r}, {self.arch.arithmetic})"

    @property
    def correct(self) -> int:
        """Right answers."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Right answers over all, 0 .. 1."""
        return self.correct / len(self)

    @property
    def cycles(self) -> NDArray[np.int64]:
        """Cycles of all layers on the machine together, for each input; int64, shape (B,)."""
        return np.asarray(sum(layer.cycles for layer in self.layers), np.int64)

    @property
    def time_us(self) -> NDArray[np.float64]:
        """The same in microseconds; float64, shape (B,)."""
        return self.cycles / self.arch.clock_hz * 1e6


def classify(
    model: CompressedModel,
    images: ArrayLike,
    labels: ArrayLike,
    arch: ArchConfig,
    engine: str = "fast",
    progress: Callable[[str, int, int], object] | None = None,
    chain: Sequence[str] | None = None,
) -> Classification:
    """Run B inputs through a network and compare its answers with the right ones.

    Parameters
    ----------
    model : CompressedModel
        Matrices, and before them convolutions of stride 1 without padding, each followed by its activation function
        and by 2 x 2 max-pooling, as in LeNet-5.
    images : array_like of float, shape (B, ...)
        Flattened in C order for a matrix; (B, height, width) or (B, channels, height, width) for a convolution.
    labels : array_like of int, shape (B,)
    arch : ArchConfig
        Layers are packed for it; its ``weight_bits`` must be those of the matrices.
    engine : str
        As for `eie_sim.simulate`.
    progress : function of (layer, done, total), or None
        Called when a layer is done.
    chain : sequence of str, or None
        Of a model without a graph: its matrices in the order in which they run.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError
        When the graph of the model is another network (`eie_sim.inference_graph.check_graph`), a shape does not fit, a
        convolution comes after a matrix, or a layer cannot run on the machine.
    """
    values: NDArray[np.floating] = as_floats("images", images, np.float64 if arch.number_bits else np.float32)
    right = as_integers("labels", labels, np.int64)
    if values.ndim < 2 or right.shape != values.shape[:1] or not len(right):
        raise ValueError(f"labels: shape {right.shape} for images of shape {values.shape}; there must be one for each")
    done = 0

    def tell(name: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(name, done, len(model.tensors))

    largest = [_magnitude(values)]

    def tell_convolution(name: str, size: float) -> None:
        largest.append(size)
        tell(name)

    matrices, inputs = on_the_host(model, values, arch, tell_convolution)
    packed = matrices.pack(arch.n_pe, arch.index_bits)
    if chain is not None and model.network is None:
        packed = packed.chain(*chain)
    results = []
    for batch in run_layers(packed, inputs, arch, engine):
        results.append(batch)
        assert batch.output is not None
        largest.append(_magnitude(batch.output))
        tell(batch.layer)
    assert results[-1].output is not None
    answers = activate(packed.activations[-1], results[-1].output)
    return Classification(arch, tuple(results), answers.argmax(axis=1).astype(np.int64), right, max(largest))


def on_the_host(
    model: CompressedModel,
    images: NDArray[np.floating],
    arch: ArchConfig,
    tell: Callable[[str, float], object] = lambda _name, _largest: None,
) -> tuple[CompressedModel, NDArray[np.floating]]:
    """What the host computes of a network: its convolutions, in the machine's arithmetic.

    Parameters
    ----------
    model, images, arch
        As for `classify`.
    tell : function of a layer's name and the largest magnitude of its sums
        Called when a convolution is done.

    Returns
    -------
    matrices : CompressedModel
        What is left for the machine.
    inputs : ndarray of float, shape (B, inputs of the first matrix)

    Raises
    ------
    ValueError
        When a convolution comes after a matrix, there is no matrix, or the graph of the model is another network.
    """
    kinds = [tensor.kind for tensor in model.tensors]
    n_before = kinds.index("linear") if "linear" in kinds else len(kinds)
    if set(kinds[:n_before]) - {"conv"} or set(kinds[n_before:]) != {"linear"}:
        raise ValueError(f"model: kinds {', '.join(kinds)}, but it must be convolutions, then matrices")
    check_graph(model)
    values = images[:, None] if n_before and images.ndim == 3 else images
    for tensor, function in zip(model.tensors[:n_before], model.activations, strict=False):
        sums = convolve(values, tensor, arch)
        values = max_pool(activate(function, sums))
        tell(tensor.name, _magnitude(sums))
    return model.select(*(tensor.name for tensor in model.tensors[n_before:])), values.reshape(len(values), -1)


def in_fixed_point(exact: Classification, bits: int = 16) -> ArchConfig:
    """The machine of a float32 run in fixed point, with as many fraction bits as hold every number of that run.

    The paper gives the width of its fixed point and not the place of the point (section IV); this is how ours is found.

    Raises
    ------
    ValueError
        When there is no such width; see `ArchConfig`.
    """
    frac_bits = most_frac_bits(-exact.largest, exact.largest, bits)
    return exact.arch.replace(arithmetic=f"fixed{bits}", act_frac_bits=frac_bits)


def _magnitude(values: NDArray[np.floating]) -> float:
    return float(np.abs(values).max())

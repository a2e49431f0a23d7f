"""Whole networks on labelled inputs: what they answer through the machine, and how long each input takes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_integers
from compressor.types.coded import CompressedModel
from eie_sim.arch import ArchConfig
from eie_sim.network import NetworkResult, plan_network, run_network


@dataclass(frozen=True, eq=False)
class Classification:
    """What a network answered to B inputs.

    Attributes
    ----------
    network : NetworkResult
        Of the B inferences.
    predicted : ndarray of int64, shape (B,)
        The class of the largest output; the lowest of several.
    labels : ndarray of int64, shape (B,)
        The right answers.
    """

    network: NetworkResult
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Classification({self.correct} of {len(self)} right on {self.arch.name!r}, {self.arch.arithmetic})"

    @property
    def arch(self) -> ArchConfig:
        """The machine."""
        return self.network.arch

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
        """Cycles of the machine for each input; int64, shape (B,)."""
        return self.network.latency_cycles

    @property
    def time_us(self) -> NDArray[np.float64]:
        """The same in microseconds; float64, shape (B,)."""
        return self.network.latency_us


def classify(
    model: CompressedModel,
    images: ArrayLike,
    labels: ArrayLike,
    arch: ArchConfig,
    engine: str = "fast",
    progress: Callable[[int, int], object] | None = None,
) -> Classification:
    """Run B inputs through a network and compare its answers with the right ones.

    Parameters
    ----------
    model : CompressedModel
        With the graph of its network, which has one input; its first output holds a score for each class.
    images : array_like of float, shape (B, ...)
        In C order, in the shape that the network takes or in another one of as many numbers.
    labels : array_like of int, shape (B,)
    arch : ArchConfig
        Its ``weight_bits`` must hold the codes of the network. In fixed point, fraction bits are chosen for each layer
        from the first inputs, unless the machine says them.
    engine : str
        As for `eie_sim.simulate`.
    progress : function of (done, total), or None
        Called when inputs are done.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError
        If `labels` are not one for each image, or as for `eie_sim.plan_network` and `eie_sim.run_network`.
    """
    values, right = np.asarray(images), as_integers("labels", labels, np.int64)
    if right.shape != values.shape[:1] or not len(right):
        raise ValueError(f"labels: shape {right.shape} for images of shape {values.shape}; there must be one for each")
    plan = plan_network(model, arch)
    if len(plan.inputs) == 1:
        sizes = [size for size in (plan.inputs[0].sizes or ())[1:] if isinstance(size, int)]
        if int(np.prod(sizes)) * len(values) == values.size:
            values = values.reshape(len(values), *sizes)
    network = run_network(plan, values, engine=engine, progress=progress)
    scores = next(iter(network.outputs.values()))
    return Classification(network, scores.argmax(axis=-1).reshape(-1).astype(np.int64), right)

"""How much each layer alone bears to be pruned, without retraining (NIPS 2015, section 4.3 and Fig. 6)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from compressor.training.layers import find_layers
from compressor.training.prune import Prune
from compressor.training.sharing import SharedWeights
from compressor.training.trainer import Progress, error_rate


class Sensitivity(NamedTuple):
    """The error when one layer is pruned and all others are left.

    Attributes
    ----------
    layer : str
    density : float
        Fraction of the layer's weights that is kept.
    error : float
        0 .. 1.
    """

    layer: str
    density: float
    error: float


def sensitivity_scan(
    model: nn.Module,
    data: object,
    densities: Sequence[float],
    layers: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> list[Sensitivity]:
    """Prune each layer alone to each of the densities and measure the error.

    Parameters
    ----------
    model : torch.nn.Module
        As it was afterwards. It has no shared weights; masks that it has count as the network before.
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
        Not the test set, if anything is chosen by the result.
    densities : sequence of float
        0 .. 1.
    layers : sequence of str, or None
        Names; None: all, in the order of the network.
    progress : function of (done, total, text), or None

    Raises
    ------
    ValueError
        When a density is out of its limits or a layer is not there.
    """
    present = find_layers(model)
    names = list(present) if layers is None else list(layers)
    if unknown := [name for name in names if name not in present]:
        raise ValueError(f"layers: there is no layer {unknown[0]!r}, only {', '.join(present)}")
    found: list[Sensitivity] = []
    for name in names:
        if isinstance(present[name].parametrization, SharedWeights):
            raise ValueError(f"model: {name!r} has shared weights, but what is pruned must be plain or masked")
        trained = present[name].trained
        for density in densities:
            mask = Prune({name: density}).masks(model)[name]
            with torch.no_grad():
                before = trained.detach().clone()
                try:
                    trained.mul_(mask)
                    error = error_rate(model, data)
                finally:
                    trained.copy_(before)
            found.append(Sensitivity(name, density, error))
            if progress is not None:
                progress(len(found), len(names) * len(densities), f"{name} at {density:.0%}")
    return found

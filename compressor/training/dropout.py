"""The dropout rule of pruning: ``Dr = Do * sqrt(Cir / Cio)`` (NIPS 2015, section 3.2, eq. 2).

A pruned layer has less to overfit with, so that retraining drops less: Do is the rate before, Cio and Cir the
connections of layer i before and after pruning. Layer i is the one whose outputs are dropped.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import sqrt

import torch
from torch import nn

from compressor.training.layers import find_layers

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def pruned_rate(rate: float, kept: int, connections: int) -> float:
    """The rate for retraining a layer of which `kept` of `connections` weights are left.

    Examples
    --------
    >>> pruned_rate(0.5, kept=9, connections=100)
    0.15
    """
    return rate * sqrt(kept / connections)


def dropout_rates(model: nn.Module) -> dict[str, float]:
    """The rate of each dropout module, and of each recurrent module that drops between its layers, by name."""
    rates = {}
    for name, module in model.named_modules():
        if isinstance(module, _DROPOUTS):
            rates[name] = float(module.p)
        elif isinstance(module, nn.RNNBase) and module.dropout:
            rates[name] = float(module.dropout)
    return rates


def set_dropout_rates(model: nn.Module, rates: Mapping[str, float]) -> None:
    """Give the named dropout and recurrent modules these rates."""
    modules = dict(model.named_modules())
    for name, rate in rates.items():
        module = modules[name]
        if isinstance(module, nn.RNNBase):
            module.dropout = rate
        else:
            module.p = rate


def pruned_rates(model: nn.Module, original: Mapping[str, float]) -> dict[str, float]:
    """The rule for every rate in `original`, those of the network before pruning.

    The layer of a dropout is the last one that `model` has before it, in the order in which its modules were made; a
    dropout before all layers keeps its rate, for inputs are not pruned. A recurrent module is a layer itself, of all
    its weights.
    """
    # Kept and all connections of each module; a recurrent one has several weights.
    of_module: dict[int, tuple[int, int]] = {}
    for layer in find_layers(model).values():
        kept, connections = of_module.get(id(layer.module), (0, 0))
        size = layer.weight.numel()
        # A weight that happens to be zero in a layer that is not pruned is a connection.
        left = size if layer.parametrization is None else int(torch.count_nonzero(layer.weight))
        of_module[id(layer.module)] = (kept + left, connections + size)
    rates = dict(original)
    last = (1, 1)
    for name, module in model.named_modules():
        last = of_module.get(id(module), last)
        if name in rates:
            rates[name] = pruned_rate(rates[name], *last)
    return rates


@contextmanager
def kept_dropout_rates(model: nn.Module) -> Iterator[dict[str, float]]:
    """The rates of `model`; after the block it has them again."""
    before = dropout_rates(model)
    try:
        yield before
    finally:
        set_dropout_rates(model, before)

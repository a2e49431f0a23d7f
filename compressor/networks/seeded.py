"""Weights drawn with a seed: the same on every machine, and the random state of the caller untouched."""

from math import prod, sqrt

import torch
from torch import nn

from compressor.checks import real_number, whole_number

MAX_SEED = 2**63 - 1

RELU_GAIN = sqrt(2)
"""Gain of He et al. (2015): a ReLU halves the power of what passes, which weights of twice the variance make up for."""


def initialise(module: nn.Module, seed: int, gain: float = 1.0) -> None:
    """Give a module made on the device "meta" its memory and draw its parameters, in their order, in place.

    Weights are uniform with the variance ``gain**2 / fan_in`` (gain 1 is Caffe's "xavier" filler, which the LeNets of
    the papers use), vectors, that is biases, 0. A module made on "meta" has not drawn anything yet, so that nothing is
    drawn twice, and drawing from a generator of its own leaves the global one as it was.

    Raises
    ------
    ValueError
        If `seed` is not an integer from 0 to `MAX_SEED`.
    """
    generator = torch.Generator().manual_seed(whole_number("seed", seed, 0, MAX_SEED))
    module.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                # Uniform on [-b, b] has variance b**2 / 3.
                bound = gain * sqrt(3 / prod(parameter.shape[1:]))
                parameter.uniform_(-bound, bound, generator=generator)


def dropout_layer(rate: float) -> nn.Dropout:
    """Dropout at `rate`.

    Raises
    ------
    ValueError
        If `rate` is not a number from 0 to below 1.
    """
    if not 0 <= real_number("dropout", rate) < 1:
        raise ValueError(f"dropout: {rate}, but it must be at least 0 and below 1")
    return nn.Dropout(rate)

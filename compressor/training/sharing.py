"""`SharedWeights`: a layer's weights are values of a small codebook, and training moves the codebook.

The weight in effect is ``codebook[code]`` (Deep Compression, section 3). Code 0 is the value 0 of pruned weights and
stays it. The gradient of a centroid is the sum of the gradients of its weights (eq. 3), in float64: a cluster may have
millions of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compressor.jit import Arg, kernel
from compressor.training.layers import Layer, find_layers
from compressor.training.masks import make_plain
from compressor.types.packed_format import check_codebook, weight_bits_of
from compressor.weight_sharing import assign_codes, cluster


@kernel
def _look_up(codes: Arg, codebook: Arg, weights: Arg) -> None:
    for i in range(len(codes)):
        weights[i] = codebook[codes[i]]


@kernel
def _add_up(places: Arg, codes: Arg, values: Arg, sums: Arg) -> None:
    """Add ``values[places[i]]`` to ``sums[0, codes[i]]``, four at a time: neighbours often have one code, and then an
    addition would have to wait for the one before it.
    """
    n_fours = len(codes) // 4 * 4
    for i in range(0, n_fours, 4):
        sums[0, codes[i]] += values[places[i]]
        sums[1, codes[i + 1]] += values[places[i + 1]]
        sums[2, codes[i + 2]] += values[places[i + 2]]
        sums[3, codes[i + 3]] += values[places[i + 3]]
    for i in range(n_fours, len(codes)):
        sums[0, codes[i]] += values[places[i]]


def _in_memory(tensor: Tensor) -> NDArray[Any]:
    """The values of a tensor without gaps in the order in which they lie in memory, which need not be C order."""
    return tensor.as_strided((tensor.numel(),), (1,)).numpy()


class _Lookup(torch.autograd.Function):
    """``codebook[codes]``, and back the sum over each cluster."""

    @staticmethod
    def forward(ctx: Any, codebook: Tensor, shared: "SharedWeights") -> Tensor:
        ctx.shared = shared
        weights = torch.empty_like(shared.codes, dtype=codebook.dtype)
        _look_up(_in_memory(shared.codes), codebook.detach().numpy(), _in_memory(weights))
        return weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.shared.cluster_sums(gradients[0]).to(gradients[0].dtype), None


class SharedWeights(nn.Module):
    """Parametrization of a weight by a codebook, which is what an optimizer sees as the parameter; on the CPU.

    Parameters
    ----------
    codes : Tensor of uint8, the shape of the weight
        0 = no weight. The weight in effect lies in memory as they do, contiguous or in channels_last.
    n_values : int
        Length of the codebook, a power of two. ``codebook[0] == 0``, and has no gradient.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, n_values: int) -> None:
        super().__init__()
        self.n_values = n_values
        self.register_buffer("codes", codes)
        self._find_places()

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._find_places()

    def _find_places(self) -> None:
        """Where there are weights, and their codes: all that a sum over a cluster reads."""
        flat = _in_memory(self.codes)
        self._places = np.flatnonzero(flat)
        self._codes_there = flat[self._places]

    def cluster_sums(self, values: Tensor) -> Tensor:
        """The sum of `values`, of the weight's shape, over each cluster; float64, shape (n_values,), 0 for code 0."""
        sums = np.zeros((4, self.n_values))
        values = values.detach()
        if values.stride() != self.codes.stride():
            values = torch.empty_like(self.codes, dtype=values.dtype).copy_(values)
        _add_up(self._places, self._codes_there, _in_memory(values), sums)
        return torch.from_numpy(sums.sum(0))

    def forward(self, codebook: Tensor) -> Tensor:
        """The weight in effect."""
        weight: Tensor = _Lookup.apply(codebook, self)  # type: ignore[no-untyped-call]
        return weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The codebook nearest to `weight`: the mean of each cluster, 0 for a code without a weight."""
        counts = np.bincount(self._codes_there, minlength=self.n_values)
        return (self.cluster_sums(weight) / torch.from_numpy(counts.clip(min=1))).to(weight.dtype)


def share_layer(layer: Layer, codebook: NDArray[np.float32], codes: NDArray[np.uint8]) -> None:
    """Put `layer` under `SharedWeights` with this codebook and these codes, in place of what it had.

    Raises
    ------
    ValueError
        When the shapes do not fit or the codebook is none.
    """
    book = check_codebook(codebook, weight_bits_of(codebook))
    if codes.size != layer.weight.numel():
        raise ValueError(f"codes: {codes.size} of them for the {layer.weight.numel()} weights of {layer.name!r}")
    if codes.size and codes.max() >= len(book):
        raise ValueError(f"codes: code {codes.max()} of {layer.name!r}, but its codebook ends at {len(book) - 1}")
    make_plain(layer)
    like = torch.empty_like(layer.weight, dtype=torch.uint8)
    shared = SharedWeights(like.copy_(torch.from_numpy(np.array(codes, np.uint8).reshape(like.shape))), len(book))
    parametrize.register_parametrization(layer.module, layer.parameter, shared)
    with torch.no_grad():
        layer.trained.copy_(torch.from_numpy(np.array(book)))


@dataclass(frozen=True)
class Share:
    """The step that shares the weights of each layer by k-means.

    Parameters
    ----------
    weight_bits : int, or mapping of layer name to int
        1 .. 8. One value is for all layers, a mapping for those it names; the others stay as they are.
    init : str
        Where the k-means begins; see `compressor.weight_sharing.share_weights`.
    seed : int
        For the initialisation "forgy".
    with_bias : bool
        Cluster the biases together with the weights, so that the codebook suits a machine that codes them too. The
        biases themselves stay as they are.

    Raises
    ------
    ValueError
        On `apply`, when a layer is not there or a value is out of its limits.
    """

    weight_bits: int | Mapping[str, int] = 5
    init: str = "linear"
    seed: int = 0
    with_bias: bool = False

    def apply(self, model: nn.Module) -> None:
        """Share the weights of `model`, in place; zeros stay zeros."""
        layers = find_layers(model)
        bits = self.weight_bits if isinstance(self.weight_bits, Mapping) else dict.fromkeys(layers, self.weight_bits)
        for name in bits:
            if name not in layers:
                raise ValueError(f"weight_bits: there is no layer {name!r}, only {', '.join(layers)}")
        for name, n_bits in bits.items():
            layer = layers[name]
            weights = layer.weight.detach().numpy()
            kept = weights[weights != 0]
            values = kept
            if self.with_bias and layer.bias is not None:
                bias = layer.bias.detach().numpy()
                values = np.concatenate([kept, bias[bias != 0]])
            try:
                codebook = cluster(values, n_bits, self.init, self.seed).codebook
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            codes = np.zeros(weights.shape, np.uint8)
            codes[weights != 0] = assign_codes(kept, codebook)
            share_layer(layer, codebook, codes)

"""From a trained network to a `CompressedModel` or a state dict, and back under its shared weights.

Plain weights come and go through `compressor.importers.pytorch`, which reads masks and shared weights as they are in
effect.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor._version import __version__
from compressor.importers.named_arrays import ASSUMED, named_arrays
from compressor.importers.pytorch import read_pytorch
from compressor.storage.files import replacing
from compressor.training.layers import find_layers
from compressor.training.sharing import SharedWeights, share_layer
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.dense import DenseModel


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a state dict as of the plain network: first the weights in effect, in order, then all others."""
    state = {layer.key(layer.parameter): layer.weight.detach() for layer in find_layers(model).values()}
    for name, tensor in model.state_dict().items():
        if "parametrizations" not in name.split("."):
            state.setdefault(name, tensor.detach())
    return state


def save_state_dict(model: nn.Module, path: str | PathLike[str]) -> None:
    """Write the state dict of the plain network, weights as they are in effect: pruned, shared. Whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with replacing(Path(path)) as file:
        torch.save(plain_state(model), file)


def compressed_model_of(
    model: nn.Module, *, activations: Sequence[str] | None = None, provenance: Mapping[str, str] | None = None
) -> CompressedModel:
    """The shared weights of `model` as codes and codebooks.

    Parameters
    ----------
    model : torch.nn.Module
        Of which at least one layer has shared weights. Biases stay float32; every other parameter, and the weights of
        layers that are not shared, go to `others` under their names in a state dict.
    activations : sequence of str, or None
        Activation function after each shared layer; None: as `compressor.importers.pytorch.read_pytorch` finds them.
    provenance : mapping of str to str, or None

    Raises
    ------
    ValueError
        When no layer has shared weights, or a number is not finite.
    """
    layers = find_layers(model).values()
    shared = [(layer, layer.parametrization) for layer in layers if isinstance(layer.parametrization, SharedWeights)]
    if not shared:
        raise ValueError(f"model: no layer of {type(model).__name__} has shared weights; apply Share first")
    dense = read_pytorch(model)
    read = {tensor.name: (tensor, function) for tensor, function in zip(dense.tensors, dense.activations, strict=True)}
    tensors, functions = [], []
    for layer, weights in shared:
        tensor, function = read.pop(layer.name)
        # Copies: what is exported does not change when training goes on.
        codes, codebook = weights.codes.numpy().flatten(), layer.trained.detach().numpy().copy()
        tensors.append(CodedTensor(tensor.name, tensor.shape, tensor.kind, codebook, codes, tensor.bias, tensor.gates))
        functions.append(function)
    # What is not shared is kept as it is, with its biases, under its names in a state dict.
    rest = tuple(tensor for tensor, _ in read.values())
    plain = named_arrays(DenseModel(rest, ("none",) * len(rest))) if rest else {}
    origin = {**dense.provenance, "compressor": __version__, **(provenance or {})}
    if activations:
        origin.pop(ASSUMED, None)
    return CompressedModel(tuple(tensors), tuple(activations or functions), origin, {**plain, **dense.others})


def load_shared(model: nn.Module, compressed: CompressedModel) -> None:
    """Put `model` under the codes and codebooks of `compressed`: to evaluate it, or to tune its centroids further.

    Parameters
    ----------
    model : torch.nn.Module
        The network that `compressed_model_of` was given, with any weights; changed in place.
    compressed : CompressedModel

    Raises
    ------
    ValueError
        When a layer or a parameter is not there or has another shape.
    """
    layers = find_layers(model)
    for tensor in compressed.tensors:
        if tensor.name not in layers:
            raise ValueError(f"model: there is no layer {tensor.name!r}, only {', '.join(layers)}")
        layer = layers[tensor.name]
        if tuple(layer.weight.shape) != tensor.shape or (layer.bias is None) != (tensor.bias is None):
            raise ValueError(f"model: {tensor.name!r} is {tuple(layer.weight.shape)}, not {tensor.shape} with its bias")
        share_layer(layer, tensor.codebook, tensor.codes)
        if layer.bias is not None and tensor.bias is not None:
            _fill(layer.bias, tensor.bias, tensor.name)
    state = model.state_dict()
    for name, array in compressed.others.items():
        if name not in state:
            raise ValueError(f"model: there is no parameter {name!r}")
        _fill(state[name], array, name)


def _fill(target: Tensor, values: NDArray[np.float32], name: str) -> None:
    if tuple(target.shape) != values.shape:
        raise ValueError(f"model: {name!r} is {tuple(target.shape)}, but {values.shape} was to be loaded")
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.array(values)))

"""From a trained network to a `CompressedModel` or a `DenseModel`, and back under its shared weights."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor._version import __version__
from compressor.coded import CodedTensor, CompressedModel
from compressor.dense import GATES, DenseModel
from compressor.importers.named_arrays import dense_model_of as dense_model_of_arrays
from compressor.training.layers import Layer, find_layers
from compressor.training.sharing import SharedWeights, share_layer


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a state dict as of the plain network: first the weights in effect, in order, then all others."""
    state = {layer.key(layer.parameter): layer.weight.detach() for layer in find_layers(model).values()}
    for name, tensor in model.state_dict().items():
        if "parametrizations" not in name.split("."):
            state.setdefault(name, tensor.detach())
    return state


def dense_model_of(
    model: nn.Module, *, activations: Sequence[str] | None = None, provenance: Mapping[str, str] | None = None
) -> DenseModel:
    """The weights in effect, zeros where they are pruned; parameters of other modules than layers go to `others`.

    Parameters
    ----------
    model : torch.nn.Module
    activations, provenance
        As for `compressed_model_of`.
    """
    state = plain_state(model)
    weights = {layer.key(layer.parameter) for layer in find_layers(model).values()}
    keep = [name for name, tensor in state.items() if name not in weights and tensor.is_floating_point()]
    biases = {layer.key(layer.bias_name) for layer in find_layers(model).values() if layer.bias_name is not None}
    return dense_model_of_arrays(
        {name: tensor.numpy() for name, tensor in state.items()},
        provenance=provenance,
        activations=activations,
        keep=[name for name in keep if name not in biases],
    )


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
        Activation function after each shared layer; None: "relu", but "none" after the last and after gate matrices.
    provenance : mapping of str to str, or None

    Raises
    ------
    ValueError
        When no layer has shared weights, or a number is not finite.
    """
    shared = [layer for layer in find_layers(model).values() if isinstance(layer.parametrization, SharedWeights)]
    if not shared:
        raise ValueError(f"model: no layer of {type(model).__name__} has shared weights; apply Share first")
    others = plain_state(model)
    tensors = tuple(_coded(layer) for layer in shared)
    for layer in shared:
        others.pop(layer.key(layer.parameter))
        if layer.bias_name is not None:
            others.pop(layer.key(layer.bias_name))
    if activations is None:
        activations = ["none" if t is tensors[-1] or t.kind in GATES else "relu" for t in tensors]
    kept = {name: _array(tensor) for name, tensor in others.items() if tensor.dtype.is_floating_point}
    return CompressedModel(tensors, tuple(activations), {"compressor": __version__, **(provenance or {})}, kept)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    # A copy: what is exported does not change when training goes on.
    return np.array(tensor.detach().to(torch.float32).numpy())


def _coded(layer: Layer) -> CodedTensor:
    codes = cast(SharedWeights, layer.parametrization).codes
    codebook = _array(layer.trained)
    bias = None if layer.bias is None else _array(layer.bias)
    return CodedTensor(
        layer.name, tuple(codes.shape), layer.kind, codebook, codes.numpy().reshape(-1).copy(), bias, layer.gates
    )


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

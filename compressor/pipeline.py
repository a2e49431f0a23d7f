"""`compress_layer` and `compress_model`: prune, share weights, pack, in this order.

A layer is dense only on the way in. Pruning turns it into sparse columns, and these are what is shared and packed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor import importers
from compressor._version import __version__
from compressor.checks import as_floats
from compressor.importers.meaning import is_called_weight
from compressor.importers.named_arrays import dense_model_of
from compressor.packing import with_bias
from compressor.prune import find_cut, float_tensor, prune_columns
from compressor.types.coded import CodedTensor, CompressedModel, nearest_codes
from compressor.types.dense import DenseModel, DenseTensor
from compressor.types.packed import PackedLayer
from compressor.types.sparse import SparseColumns
from compressor.weight_sharing import assign_codes, cluster


@dataclass(frozen=True)
class _Settings:
    """How one tensor is pruned and shared: the arguments of `compress_layer` of these names."""

    density: float
    threshold: float | None
    quality: float | None
    weight_bits: int
    init: str
    seed: int


class LayerCompression(NamedTuple):
    """A compressed layer and what the steps found.

    Attributes
    ----------
    layer : PackedLayer
    threshold : float
        Weights of smaller magnitude were pruned, and of those equal to it the last ones where a count had to be met.
    n_kept : int
        Weights that were kept, the bias apart.
    inertia : float
        Sum of the squared errors that sharing made, over the weights and the bias that were clustered.
    iterations : int
        Of the k-means.
    largest_bias_error : float
        Largest absolute difference between the bias and its codebook values; 0 without a bias.
    """

    layer: PackedLayer
    threshold: float
    n_kept: int
    inertia: float
    iterations: int
    largest_bias_error: float


class _Shared(NamedTuple):
    """A layer between weight sharing and packing."""

    codes: SparseColumns
    codebook: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    threshold: float
    inertia: float
    iterations: int


def _share(weights: NDArray[np.float32], bias: ArrayLike | None, settings: _Settings) -> _Shared:
    """Prune a matrix and share what is left of it, the non-zeros of the bias among them."""
    biases = None if bias is None else as_floats("bias", bias)
    if biases is not None and biases.shape != weights.shape[:1]:
        raise ValueError(f"bias: shape {biases.shape}, but {weights.shape[0]} outputs need ({weights.shape[0]},)")
    cut = find_cut(weights, settings.density, settings.threshold, settings.quality)
    kept = prune_columns(weights, cut)
    values = kept.values if biases is None else np.concatenate([kept.values, biases[biases != 0]])
    found = cluster(values, settings.weight_bits, settings.init, settings.seed)
    codes = SparseColumns(kept.indptr, kept.rows, assign_codes(kept.values, found.codebook), kept.shape)
    return _Shared(codes, found.codebook, biases, cut.threshold, found.inertia, found.iterations)


def compress_layer_report(
    weights: ArrayLike,
    density: float = 0.09,
    n_pe: int = 64,
    bias: ArrayLike | None = None,
    weight_bits: int = 4,
    index_bits: int = 4,
    init: str = "linear",
    name: str = "layer",
    threshold: float | None = None,
    quality: float | None = None,
    seed: int = 0,
    row_permutation: ArrayLike | None = None,
) -> LayerCompression:
    """As `compress_layer`, with what the steps found beside the layer."""
    matrix = float_tensor("weights", weights)
    shared = _share(matrix, bias, _Settings(density, threshold, quality, weight_bits, init, seed))
    bias_codes, error = None, 0.0
    if shared.bias is not None:
        bias_codes = nearest_codes(shared.bias, shared.codebook)
        error = float(np.abs(shared.codebook[bias_codes].astype(np.float64) - shared.bias).max())
    layer = PackedLayer.from_columns(
        with_bias(shared.codes, bias_codes),
        shared.codebook,
        n_pe=n_pe,
        index_bits=index_bits,
        row_permutation=row_permutation,
        name=name,
        bias=shared.bias,
    )
    return LayerCompression(layer, shared.threshold, len(shared.codes.rows), shared.inertia, shared.iterations, error)


def compress_layer(
    weights: ArrayLike,
    density: float = 0.09,
    n_pe: int = 64,
    bias: ArrayLike | None = None,
    weight_bits: int = 4,
    index_bits: int = 4,
    init: str = "linear",
    name: str = "layer",
    threshold: float | None = None,
    quality: float | None = None,
    seed: int = 0,
    row_permutation: ArrayLike | None = None,
) -> PackedLayer:
    """Prune a trained layer by magnitude, share its weights and pack it for a machine.

    Parameters
    ----------
    weights : array_like of float, shape (n_rows, n_cols) = (outputs, inputs)
        float32 in C order is read in place. Anything else is converted to it first, which takes a copy.
    density : float
        Fraction of the weights to keep, 0 .. 1: exactly ``round(density * size)`` of them, or all non-zeros where there
        are fewer.
    n_pe : int
        PEs of the machine.
    bias : array_like of float, shape (n_rows,), or None
        Its non-zeros are clustered together with the kept weights, and each bias gets the nearest codebook value,
        0 among them.
    weight_bits : int
        Bits of a code, 1 .. 8.
    index_bits : int
        Bits of a zero run, 2 .. 8.
    init : {"linear", "density", "forgy", "exact"}
        Where the k-means begins; see `compressor.weight_sharing.share_weights`.
    name : str
    threshold : float or None
        Prune what is smaller in magnitude, in place of `density`.
    quality : float or None
        Prune what is smaller than `quality` times the standard deviation of the weights, in place of `density`.
    seed : int
        For the initialisation "forgy".
    row_permutation : array_like of int, shape (n_rows,), or None
        ``row_permutation[i]`` = original row stored at ``i``.

    Returns
    -------
    PackedLayer
        `compress_layer_report` returns it together with the threshold, the errors and the iterations.

    Raises
    ------
    ValueError
        When a number is not finite, a shape does not fit, or an argument is out of its limits.

    Examples
    --------
    >>> layer = compress_layer([[0.5, 0.01], [0.02, -0.25]], density=0.5, n_pe=1)
    >>> layer.dense().tolist()
    [[0.5, 0.0], [0.0, -0.25]]
    """
    return compress_layer_report(
        weights, density, n_pe, bias, weight_bits, index_bits, init, name, threshold, quality, seed, row_permutation
    ).layer


def compress_model(
    weights: Any,
    density: float | Mapping[str, float] = 0.09,
    *,
    weight_bits: int | Mapping[str, int] = 4,
    init: str | Mapping[str, str] = "linear",
    threshold: float | Mapping[str, float] | None = None,
    quality: float | Mapping[str, float] | None = None,
    seed: int = 0,
    kinds: Mapping[str, str] | None = None,
    activations: Sequence[str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> CompressedModel:
    """Prune and share the tensors of a network, each on its own; ``.pack(n_pe, index_bits)`` gives a `PackedModel`.

    The layer a matrix packs to is the one that `compress_layer` makes of it with the same settings.

    Parameters
    ----------
    weights : mapping of name to array, or to (array, bias); state dict, torch.nn.Module, or DenseModel
        In the order of the network. A matrix is (outputs, inputs); a tensor of another shape is a convolution. A
        `DenseModel`, as importers return, brings its kinds, gates, activation functions and other parameters along; a
        module, and a mapping with names such as ``fc.weight`` or with arrays of one axis, are read as
        `compressor.importers.read_pytorch` and `compressor.importers.named_arrays.dense_model_of` read them.
    density, weight_bits, init : value, or mapping of name to value
        As for `compress_layer`. A mapping holds every name, but those with a threshold or a quality need no density.
    threshold, quality : float, mapping of name to float, or None
        In place of the density, for the named tensors or for all.
    seed : int
        For the initialisation "forgy".
    kinds : mapping of name to str, or None
        One of `compressor.types.dense.KINDS` for tensors that are not what their shape says.
    activations : sequence of str, or None
        Activation function after each tensor; None: "relu" after each but the last, which has "none".
    progress : function of (name, done, total), or None
        Called when a tensor is done.

    Raises
    ------
    ValueError
        When a setting names a tensor that is not there, or lacks one; otherwise as for `compress_layer`, with the name
        of the tensor before the message.
    """
    model = _model_in(weights)
    if model is not None:
        weights = {tensor.name: tensor for tensor in model.tensors}
        activations = model.activations if activations is None else activations
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights: {type(weights).__name__}, but it must be a mapping of name to weights or a module")
    names = list(weights)
    if not names:
        raise ValueError("weights: a model has at least one tensor")
    pruning = {"density": density, "threshold": threshold, "quality": quality}
    sharing = {"weight_bits": weight_bits, "init": init}
    given = {**pruning, **sharing}
    for what, setting in {**given, "kinds": kinds}.items():
        unknown = [name for name in setting if name not in weights] if isinstance(setting, Mapping) else []
        if unknown:
            raise ValueError(f"{what}: there is no tensor {unknown[0]!r}")
    tensors = []
    for done, name in enumerate(names, start=1):
        settings = _settings_of(name, given, seed)
        kind = None if kinds is None else kinds.get(name)
        try:
            tensors.append(_coded(name, weights[name], kind, settings))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if progress is not None:
            progress(name, done, len(names))
    functions = ["relu"] * (len(names) - 1) + ["none"] if activations is None else activations
    provenance = {
        **({} if model is None else model.provenance),
        "compressor": __version__,
        "pruning": _described(pruning),
        "weight_sharing": _described({**sharing, "seed": seed}),
    }
    others, network = ({}, None) if model is None else (model.others, model.network)
    return CompressedModel(tuple(tensors), tuple(functions), provenance, others, network)


def _model_in(weights: Any) -> DenseModel | None:
    """The network that `weights` is as a whole, a `DenseModel`, module or state dict; None: tensors one by one."""
    if isinstance(weights, DenseModel):
        return weights
    if hasattr(weights, "named_modules"):
        return importers.read_pytorch(weights)
    if not isinstance(weights, Mapping) or any(isinstance(value, tuple | DenseTensor) for value in weights.values()):
        return None
    if not any(is_called_weight(str(name)) or np.ndim(value) < 2 for name, value in weights.items()):
        return None
    is_torch = any(isinstance(value, Mapping) or hasattr(value, "detach") for value in weights.values())
    return importers.read_pytorch(weights) if is_torch else dense_model_of(weights)


def _coded(name: str, given: Any, kind: str | None, settings: _Settings) -> CodedTensor:
    """One tensor of a model; a convolution is pruned and shared as the matrix of its flattened filters."""
    gates: tuple[str, ...] = ()
    if isinstance(given, DenseTensor):
        given, kind, gates = (given.weights, given.bias), kind or given.kind, given.gates
    weights, bias = given if isinstance(given, tuple) else (given, None)
    tensor = float_tensor("weights", weights)
    shared = _share(tensor.reshape(tensor.shape[0], -1), bias, settings)
    codes = shared.codes.dense().astype(np.uint8, copy=False)
    kind = kind or ("linear" if tensor.ndim == 2 else "conv")
    return CodedTensor(name, tensor.shape, kind, shared.codebook, codes, shared.bias, gates)


def _settings_of(name: str, given: Mapping[str, Any], seed: int) -> _Settings:
    """What `given`, values or mappings of name to value, holds for one tensor."""
    own: dict[str, Any] = {
        what: setting.get(name) if isinstance(setting, Mapping) else setting for what, setting in given.items()
    }
    if own["threshold"] is not None or own["quality"] is not None:
        own["density"] = 1.0
    for what in ("density", "weight_bits", "init"):
        if own[what] is None:
            raise ValueError(f"{what}: there is none for tensor {name!r}")
    return _Settings(**own, seed=seed)


def _described(settings: Mapping[str, object]) -> str:
    """Settings as a string for the provenance, without those that are None."""
    plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in settings.items() if v is not None}
    return ", ".join(f"{key} {value}" for key, value in plain.items())

"""A network as named arrays: PyTorch's names tell which array is a matrix, a convolution, a gate matrix or a bias.

`dense_model_of` reads the names, `named_arrays` gives them back. The importers of PyTorch, safetensors and npz share
this file, so that a network is the same `DenseModel` whichever of them it came through.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats
from compressor.types.coded import CompressedModel
from compressor.types.dense import TORCH_GATES, DenseModel, DenseTensor

BARE_NAMES = "bare_array_names"
"""Key of the provenance: the weights that are named as their array is, without ``.weight``, as a JSON list."""

SKIPPED = "skipped_arrays"
"""Key of the provenance: the arrays that hold no floating-point numbers, as a JSON list."""

ASSUMED = "assumed_relu"
"""Key of the provenance: the tensors whose activation function no name tells, taken for "relu", as a JSON list."""

TIED = "tied_arrays"
"""Key of the provenance: for each array that is another one too, that one's name, as a JSON object."""

_WEIGHT, _BIAS = "weight", "bias"
_RECURRENT = re.compile(r"(?P<layer>(?:.*\.)?)weight_(?:ih|hh)(?P<which>(?:_l\d+)?(?:_reverse)?)", re.DOTALL)
_MOST_COPIES = 32  # of all arrays, under their other names: a transformer may use one layer as often
_CONV_DIMENSIONS = range(3, 6)  # outputs, inputs and 1 to 3 of the kernel


def dense_model_of(
    arrays: Mapping[str, ArrayLike],
    *,
    provenance: Mapping[str, str] | None = None,
    activations: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    order: Sequence[str] | None = None,
) -> DenseModel:
    """A network of named arrays, such as a PyTorch state dict.

    - An array of two dimensions is a matrix (outputs, inputs), kind "linear"; one of 3 to 5 a convolution.
    - ``<layer>.weight_ih_l0``, ``<layer>.weight_hh_l0`` and the like are gate matrices: of kind "lstm" where they have
      four rows for each hidden unit, "gru" where three, with the gates in PyTorch's order; else "linear".
    - ``fc.weight`` gives a tensor called ``fc``. Other arrays keep their whole name.
    - ``fc.bias`` is the bias of ``fc.weight``, ``bias_ih_l0`` that of ``weight_ih_l0``, if it has one value a row.
    - All else goes to `others`, such as a batch normalisation; arrays of other than floating-point numbers, such as
      its counter of batches, are left out and named in ``provenance["skipped_arrays"]``.

    Parameters
    ----------
    arrays : mapping of name to array_like of float
        In the order of the network. float64 is rounded to float32.
    provenance : mapping of str to str, or None
    activations : sequence of str, or None
        Activation function after each tensor. None: no name tells it, and it is taken for "relu", but "none" after the
        last and after gate matrices; ``provenance["assumed_relu"]`` names the tensors of the former.
    keep : sequence of str
        Patterns (`fnmatch`) of arrays or tensors that go to `others`, such as the matrix of an embedding, which its
        shape does not tell from a layer's.
    order : sequence of str, or None
        Every tensor's name once, first layer first, where the mapping is in another order than the network.

    Raises
    ------
    ValueError
        When nothing in it is a weight, a pattern matches nothing, a name of `order` is missing, or a number is not
        finite.

    Examples
    --------
    >>> model = dense_model_of({"fc.weight": [[0.5, 0.25]], "fc.bias": [1.0], "norm.weight": [2.0]})
    >>> [(t.name, t.kind, t.shape) for t in model.tensors], list(model.others)
    ([('fc', 'linear', (1, 2))], ['norm.weight'])
    """
    found = {name: np.asarray(array) for name, array in arrays.items()}
    numbers = {name: array for name, array in found.items() if array.dtype.kind == "f"}
    weights = _weights(numbers, keep)
    if not weights:
        raise ValueError(f"arrays: none of the {len(found)} is a weight matrix or a convolution")
    if order is not None:
        weights = _reordered(weights, order)
    tensors = []
    for name in weights:
        weight = _floats(name, numbers.pop(name))
        kind = _kind(name, weight, found)
        bias_name = _bias_name(name)
        has_bias = bias_name in numbers and bias_name not in weights and numbers[bias_name].shape == weight.shape[:1]
        bias = _floats(bias_name, numbers.pop(bias_name)) if has_bias else None
        tensors.append(DenseTensor(weights[name], weight, kind, bias, TORCH_GATES.get(kind, ())))
    assumed = []
    if activations is None:
        # Outputs are compared as they are; a recurrent layer applies its own functions, between its gates.
        activations = ["none" if t is tensors[-1] or t.kind in TORCH_GATES else "relu" for t in tensors]
        assumed = [t.name for t, function in zip(tensors, activations, strict=True) if function != "none"]
    told = {
        ASSUMED: assumed,
        BARE_NAMES: [name for name, tensor in weights.items() if _weight_name(tensor) != name],
        SKIPPED: [name for name in found if found[name].dtype.kind != "f"],
    }
    notes = {key: json.dumps(names) for key, names in told.items() if names}
    others = {name: _floats(name, array) for name, array in numbers.items()}
    return DenseModel(tuple(tensors), tuple(activations), {**(provenance or {}), **notes}, others)


def named_arrays(model: DenseModel | CompressedModel) -> dict[str, NDArray[np.float32]]:
    """The arrays of a model under the names that `dense_model_of` read; the inverse of it, but for skipped arrays.

    An array that is another one too, as ``provenance["tied_arrays"]`` says, comes under both names.

    Parameters
    ----------
    model : DenseModel or CompressedModel
        Of a compressed one, the decoded weights.

    Returns
    -------
    dict of str to ndarray of float32
        Weights and biases in the order of the tensors, then the others.

    Raises
    ------
    ValueError
        When two arrays would have one name.
    """
    bare = frozenset(_noted(model.provenance, BARE_NAMES))
    arrays: dict[str, NDArray[np.float32]] = {}
    for tensor in model.tensors:
        name = tensor.name if tensor.name in bare else _weight_name(tensor.name)
        _put(arrays, name, tensor.weights if isinstance(tensor, DenseTensor) else tensor.dense())
        if tensor.bias is not None:
            _put(arrays, _bias_name(name), tensor.bias)
    for name, other in model.others.items():
        _put(arrays, name, other)
    ties = {name: arrays[same] for name, same in noted_ties(model.provenance).items() if same in arrays}
    own, again = (sum(array.nbytes for array in each.values()) for each in (arrays, ties))
    # Attack: a provenance of a file that ties a megabyte to a thousand names.
    if again > _MOST_COPIES * own:
        raise ValueError(f"provenance: {TIED} makes {again} bytes of {own}, but at most {_MOST_COPIES} times as many")
    for name, array in ties.items():
        _put(arrays, name, array)
    return arrays


def changed_arrays(
    model: DenseModel | CompressedModel, current: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """The arrays of a model that are not, as float32, in `current` already, such as the content of a file.

    Raises
    ------
    ValueError
        When an array of the model is not in `current`, or with another shape or with other than floating-point numbers.
    """
    changed = {}
    elsewhere = tied_elsewhere(model, current)
    for name, array in named_arrays(model).items():
        if name not in current:
            if name in elsewhere:
                continue
            raise ValueError(f"array {name!r} of the model is not there")
        old = current[name]
        if old.shape != array.shape or old.dtype.kind != "f":
            raise ValueError(f"array {name!r}: {old.dtype} of shape {old.shape}, but the model's is {array.shape}")
        with np.errstate(over="ignore"):
            same = np.array_equal(old.astype(np.float32, copy=False).view(np.uint32), array.view(np.uint32))
        if not same:
            changed[name] = array
    return changed


def _reordered(weights: Mapping[str, str], order: Sequence[str]) -> dict[str, str]:
    array_of = {tensor: array for array, tensor in weights.items()}
    if isinstance(order, str) or sorted(map(str, order)) != sorted(array_of):
        strange = {str(name) for name in order} ^ set(array_of)
        what = f"{min(strange)!r} is not in both" if strange else "one is there twice"
        raise ValueError(f"order: must name each of the {len(array_of)} tensors once, but {what}")
    return {array_of[tensor]: tensor for tensor in order}


def _weights(numbers: Mapping[str, NDArray[Any]], keep: Sequence[str]) -> dict[str, str]:
    """Names of the arrays that are weights, and of the tensors they become."""
    if isinstance(keep, str) or not all(isinstance(pattern, str) for pattern in keep):
        raise ValueError(f"keep: {keep!r}, but it must be a sequence of patterns")
    unmatched = set(keep)
    weights = {}
    for name, array in numbers.items():
        # ``fc`` for ``fc.weight``, where this leads back and is no other's name; else the name itself.
        short = name.removesuffix(f".{_WEIGHT}")
        tensor = short if short and short not in numbers and _weight_name(short) == name else name
        kept_by = {pattern for pattern in keep if fnmatchcase(name, pattern) or fnmatchcase(tensor, pattern)}
        unmatched -= kept_by
        if not kept_by and array.size and (array.ndim == 2 or array.ndim in _CONV_DIMENSIONS):
            weights[name] = tensor
    if unmatched:
        raise ValueError(f"keep: no array of floating-point numbers matches {min(unmatched)!r}")
    return weights


def _floats(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    floats = as_floats(f"array {name!r}", array)
    if not np.may_share_memory(floats, array):
        floats.flags.writeable = False  # nobody else has it, so that a model need not copy it again
    return floats


def _weight_name(tensor_name: str) -> str:
    return tensor_name if _WEIGHT in tensor_name.rpartition(".")[2] else f"{tensor_name}.{_WEIGHT}"


def _bias_name(weight_name: str) -> str:
    layer, dot, parameter = weight_name.rpartition(".")
    if _WEIGHT not in parameter:
        return f"{weight_name}.{_BIAS}"
    return layer + dot + parameter.replace(_WEIGHT, _BIAS, 1)


def _kind(name: str, weight: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    if weight.ndim != 2:
        return "conv"
    recurrent = _RECURRENT.fullmatch(name)
    if recurrent is None:
        return "linear"
    # An LSTM with a projection: hidden states have its size, and only the projection tells the number of units.
    layer, which = recurrent["layer"], recurrent["which"]
    inner = arrays.get(f"{layer}weight_hr{which}", arrays.get(f"{layer}weight_hh{which}"))
    if inner is None or inner.ndim != 2:
        return "linear"
    rows_of_kind = {"lstm": 4 * inner.shape[1], "gru": 3 * inner.shape[1]}
    return next((kind for kind, rows in rows_of_kind.items() if rows == weight.shape[0]), "linear")


def noted_ties(provenance: Mapping[str, str]) -> dict[str, str]:
    """What `TIED` of a provenance says: for each array that is another one too, that one's name.

    Raises
    ------
    ValueError
        When it is no such text.
    """
    ties = _json_of(provenance, TIED, "{}")
    if not isinstance(ties, dict) or not all(isinstance(name, str) for name in ties.values()):
        raise ValueError(f"provenance: {TIED} is {provenance[TIED]!r:.100}, but it must map names to names")
    return ties


def tied_elsewhere(model: DenseModel | CompressedModel, current: Collection[str]) -> frozenset[str]:
    """Arrays of a model that are one with another that `current` names: a file may hold a tied array once."""
    groups: dict[str, set[str]] = {}
    for name, same in noted_ties(model.provenance).items():
        groups.setdefault(same, {same}).add(name)
    return frozenset().union(*(group for group in groups.values() if not group.isdisjoint(current)))


def assumed_functions(provenance: Mapping[str, str]) -> list[str]:
    """The tensors that `ASSUMED` of a provenance names.

    Raises
    ------
    ValueError
        When it is no list of names.
    """
    return _noted(provenance, ASSUMED)


def with_assumed(provenance: Mapping[str, str], told: Collection[str]) -> dict[str, str]:
    """`provenance` when the functions after the tensors `told` are not assumed any more.

    Raises
    ------
    ValueError
        As for `assumed_functions`.
    """
    left = [name for name in assumed_functions(provenance) if name not in told]
    others = {key: value for key, value in provenance.items() if key != ASSUMED}
    return {**others, ASSUMED: json.dumps(left)} if left else others


def _noted(provenance: Mapping[str, str], key: str) -> list[str]:
    names = _json_of(provenance, key, "[]")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"provenance: {key} is {provenance[key]!r:.100}, but it must be a JSON list of names")
    return names


def _json_of(provenance: Mapping[str, str], key: str, default: str) -> Any:
    try:
        return json.loads(provenance.get(key, default))
    except (ValueError, RecursionError):
        return None


def _put(arrays: dict[str, NDArray[np.float32]], name: str, array: NDArray[np.float32]) -> None:
    if name in arrays:
        raise ValueError(f"arrays: two of the model would be called {name!r}")
    arrays[name] = array

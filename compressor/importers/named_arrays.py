"""A network as named arrays: names and biases say which array is a matrix, a convolution, a gate matrix or a bias.

`dense_model_of` reads the names (`compressor.importers.meaning`), `named_arrays` gives them back. The importers of
PyTorch, safetensors and npz share this file, so that a network is the same `DenseModel` whichever of them it came
through.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, is_finite
from compressor.importers.meaning import (
    MASK,
    Meaning,
    bias_names,
    is_scale,
    kept_by_name,
    meaning_of,
    turned,
    turned_back,
    weight_name,
)
from compressor.importers.stored_parts import PARTS, joined, parts_of, scale_of, split
from compressor.types.coded import CompressedModel
from compressor.types.dense import TORCH_GATES, DenseModel, DenseTensor
from compressor.types.model_checks import OTHER_FUNCTION

BARE_NAMES = "bare_array_names"
"""Key of the provenance: the weights that are named as their array is, without ``.weight``, as a JSON list."""

SKIPPED = "skipped_arrays"
"""Key of the provenance: the arrays that hold no floating-point numbers, as a JSON list."""

ASSUMED = "assumed_relu"
"""Key of the provenance: the tensors whose activation function no name tells, taken for "relu", as a JSON list."""

NORMALISED = "normalised_layers"
"""Key of the provenance: for each tensor whose function is not taken for "relu", the array that speaks against it."""

TIED = "tied_arrays"
"""Key of the provenance: for each array that is another one too, that one's name, as a JSON object."""

KEPT_BECAUSE = "kept_arrays"
"""Key of the provenance: for each reason, the arrays of two axes and more that are not layers, as a JSON object."""

TRANSPOSED = "transposed_kernels"
"""Key of the provenance: the weights that are stored (inputs, outputs) and were read transposed, as a JSON list."""

BIAS_NAMES = "bias_names"
"""Key of the provenance: the bias of each weight whose name does not follow PyTorch's rule, as a JSON object."""

BIAS_SHAPES = "bias_shapes"
"""Key of the provenance: the shape of each bias that is stored as a row or a column, as a JSON object."""

ONE_AXIS = "one_axis_kernels"
"""Key of the provenance: the arrays of three axes that are read as convolutions by their names, as a JSON list."""

NOT_FINITE = "not_finite_arrays"
"""Key of the provenance: the arrays that were left out because a number in them is not finite, as a JSON list."""

_TORCH_RECURRENT = re.compile(r"(?P<layer>(?:.*\.)?)weight_(?:ih|hh)(?P<which>(?:_l\d+)?(?:_reverse)?)", re.DOTALL)
_KERAS_RECURRENT = re.compile(r"(?P<layer>(?:.*[./])?)(?:recurrent_)?kernel(?P<which>(?::\d+)?)", re.DOTALL)
_KERAS_GATES = {"lstm": TORCH_GATES["lstm"], "gru": ("z", "r", "n")}
_MOST_COPIES = 32  # of all arrays, under their other names: a transformer may use one layer as often


def dense_model_of(
    arrays: Mapping[str, ArrayLike],
    *,
    provenance: Mapping[str, str] | None = None,
    activations: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    order: Sequence[str] | None = None,
    take: Sequence[str] = (),
    kept: Mapping[str, str] | None = None,
    transposed: Sequence[str] = (),
    eight_bits: Collection[str] = (),
) -> DenseModel:
    """A network of named arrays, such as a PyTorch state dict.

    - An array of two axes is a matrix (outputs, inputs), kind "linear"; one of 3 to 5 axes a convolution where it is
      called weight or kernel, or has a bias as long as its first axis.
    - A weight that is stored in parts, pruned or with a weight norm, is read as the module computes with it
      (`compressor.importers.stored_parts`).
    - A weight that is stored (inputs, outputs), as a bias as long as its last axis or the names of Keras say, is read
      transposed and named in ``provenance["transposed_kernels"]``.
    - What names say is not a layer, such as an embedding table or a causal mask, is kept; the lists of patterns are in
      `compressor.importers.meaning`, the reasons in ``provenance["kept_arrays"]``.
    - ``<layer>.weight_ih_l0``, ``<layer>.weight_hh_l0`` and the like are gate matrices: of kind "lstm" where they have
      four rows for each hidden unit, "gru" where three, with the gates in PyTorch's order; else "linear".
    - ``fc.weight`` gives a tensor called ``fc``. Other arrays keep their whole name.
    - ``fc.bias`` is the bias of ``fc.weight``, ``bias_ih_l0`` that of ``weight_ih_l0``, ``dense/bias:0`` that of
      ``dense/kernel:0`` and ``b1`` that of ``W1``, if it has one value for each output.
    - All else goes to `others`, such as a batch normalisation; arrays of other than floating-point numbers, such as
      its counter of batches, are left out and named in ``provenance["skipped_arrays"]``, kept ones that are not finite
      in ``provenance["not_finite_arrays"]``.

    Parameters
    ----------
    arrays : mapping of name to array_like of float
        In the order of the network. float64 is rounded to float32.
    provenance : mapping of str to str, or None
    activations : sequence of str, or None
        Activation function after each tensor. None: the arrays do not give it, and it is taken for "relu", but "none"
        after the last and after gate matrices, and "host" where the array of a normalisation or the like lies before
        the next layer; ``provenance["assumed_relu"]`` and ``provenance["normalised_layers"]`` name the tensors.
    keep : sequence of str
        Patterns (`fnmatch`) of arrays or tensors that go to `others`, whatever their names say.
    order : sequence of str, or None
        Every tensor's name once, first layer first, where the mapping is in another order than the network.
    take : sequence of str
        Patterns of arrays or tensors that are layers, whatever their names say.
    kept : mapping of str to str, or None
        Where types say what is not a layer, as those of a module do: the reasons. No name is judged then.
    transposed : sequence of str
        With `kept`: the weights that are stored (inputs, outputs).
    eight_bits : collection of str
        Arrays that were stored in 8 bits; those with a scale are refused.

    Raises
    ------
    ValueError
        When nothing in it is a weight, a pattern matches nothing, `keep` and `take` match the same array, a name of
        `order` is missing, a number that is not kept is not finite, or a weight has a parametrisation that is not
        a weight norm.

    Examples
    --------
    >>> model = dense_model_of({"fc.weight": [[0.5, 0.25]], "fc.bias": [1.0], "norm.weight": [2.0]})
    >>> [(t.name, t.kind, t.shape) for t in model.tensors], list(model.others)
    ([('fc', 'linear', (1, 2))], ['norm.weight'])
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    found, stored = joined(given, lambda name: any(fnmatchcase(name, pattern) for pattern in keep), eight_bits)
    numbers = {name: array for name, array in found.items() if array.dtype.kind == "f"}
    aliases = {name: list(parts) for name, parts in parts_of(stored).items()}
    for other, name in noted_ties(provenance or {}).items():
        aliases.setdefault(name, []).append(other)
    meaning = meaning_of(numbers, keep, take, aliases=aliases, kept=kept, transposed=transposed)
    weights = meaning.layers if order is None else _reordered(meaning.layers, order)
    if not weights:
        raise ValueError(f"arrays: none of the {len(given)} is a weight matrix or a convolution")
    tensors = []
    for name in weights:
        own_bias = meaning.biases.get(name)
        bias = None
        if own_bias is not None:
            bias = _floats(own_bias, numbers.pop(own_bias).reshape(-1), f"--keep {name},{own_bias} leaves out both")
        weight = numbers.pop(name)
        weight = _floats(name, turned(weight) if name in meaning.transposed else weight, f"--keep {name} leaves it out")
        kind, gates = _kind(name, weight, found)
        tensors.append(DenseTensor(weights[name], weight, kind, bias, gates))
    others, left_out = _kept(numbers, meaning)
    assumed, normalised = [], {}
    if activations is None:
        normalised = _normalised(found, weights, others)
        # Outputs are compared as they are; a recurrent layer applies its own functions, between its gates.
        unknown = [t.name for t in tensors[:-1] if t.kind not in TORCH_GATES]
        normalised = {name: array for name, array in normalised.items() if name in unknown}
        assumed = [name for name in unknown if name not in normalised]
        usual = dict.fromkeys(assumed, "relu") | dict.fromkeys(normalised, OTHER_FUNCTION)
        activations = [usual.get(t.name, "none") for t in tensors]
    skipped = [name for name in found if found[name].dtype.kind != "f"]
    integers = {name: f"{found[name].dtype} numbers" for name in skipped if found[name].dtype.kind != "b"}
    reasons: dict[str, list[str]] = {}
    for name, why in (meaning.kept | {name: why for name, why in integers.items() if found[name].ndim > 1}).items():
        reasons.setdefault(why, []).append(name)
    if scales := [scale for name in weights if (scale := scale_of(name, others)) is not None]:
        reasons.setdefault("called a scale, but the weights are not quantised: not multiplied in", []).extend(scales)
    told = {
        ASSUMED: assumed,
        BARE_NAMES: [name for name, tensor in weights.items() if weight_name(tensor) != name],
        BIAS_NAMES: {name: bias for name, bias in meaning.biases.items() if bias_names(name)[0] != bias},
        BIAS_SHAPES: {bias: found[bias].shape for bias in meaning.biases.values() if found[bias].ndim > 1},
        KEPT_BECAUSE: reasons,
        NORMALISED: normalised,
        NOT_FINITE: left_out,
        SKIPPED: skipped,
        ONE_AXIS: [t.name for t, name in zip(tensors, weights, strict=True) if kept is None and found[name].ndim == 3],
        TRANSPOSED: [name for name in weights if name in meaning.transposed],
    }
    notes = {key: json.dumps(names) for key, names in told.items() if names}
    return DenseModel(tuple(tensors), tuple(activations), {**(provenance or {}), **stored, **notes}, others)


def _normalised(names: Iterable[str], weights: Mapping[str, str], others: Mapping[str, Any]) -> dict[str, str]:
    """The tensors behind which, in the order of `names`, a normalisation or the like comes, and its first array."""
    found: dict[str, str] = {}
    last = None
    for name in names:
        last = weights.get(name, last)
        if last is not None and name in others and others[name].ndim < 2 and is_scale(name):
            found.setdefault(last, name)
    return found


def _kept(numbers: Mapping[str, NDArray[Any]], meaning: Meaning) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """What is not a layer, and the names of what of it is left out: masks and the like that are not finite."""
    others, left_out = {}, []
    for name, array in numbers.items():
        is_kept = name in meaning.by_user or name in meaning.kept or kept_by_name(name, array.ndim) == MASK
        if is_kept and not is_finite(array):
            left_out.append(name)
        else:
            others[name] = _floats(name, array, f"--keep {name} leaves it out")
    return others, left_out


def kept_because(provenance: Mapping[str, str]) -> dict[str, str]:
    """Why arrays of two axes and more are not layers, by their names, as `dense_model_of` notes it.

    Raises
    ------
    ValueError
        If the note is malformed.
    """
    reasons = _json_of(provenance, KEPT_BECAUSE, "{}")
    if not isinstance(reasons, dict) or not all(isinstance(names, list) for names in reasons.values()):
        raise ValueError(f"provenance: {KEPT_BECAUSE} is {provenance[KEPT_BECAUSE]!r:.100}, but it must map reasons")
    return {str(name): why for why, names in reasons.items() for name in names}


def reading_notes(provenance: Mapping[str, str]) -> list[str]:
    """What a user should know of how arrays were read, one line each: transposed, kept and left out.

    Raises
    ------
    ValueError
        If a note is malformed.
    """
    lines = []
    if parts := parts_of(provenance):
        lines.append(f"stored in two parts: {_some(list(parts))}")
    if names := _noted(provenance, TRANSPOSED):
        lines.append(f"stored (inputs, outputs), read transposed: {_some(names)}")
    if names := _noted(provenance, ONE_AXIS):
        lines.append(
            f"three axes, read as a convolution over one axis: {_some(names)}; --keep NAME if it is the weight of a "
            "Bilinear layer"
        )
    by_reason: dict[str, list[str]] = {}
    skipped, not_finite = (dict.fromkeys(_noted(provenance, key)) for key in (SKIPPED, NOT_FINITE))
    reasons = kept_because(provenance)
    for name, why in reasons.items():
        if name not in skipped and name not in not_finite:
            by_reason.setdefault(why, []).append(name)
    if by_reason:
        each = "; ".join(f"{_some(names)} ({why})" for why, names in by_reason.items())
        lines.append(f"kept as they are: {each}; --take NAME makes a layer of one")
    if normalised := _names_of_names(provenance, NORMALISED):
        each = _some([f"{name} ({array} comes before the next layer)" for name, array in normalised.items()])
        lines.append(f"activation function not assumed to be relu after {each}: left to the host; --activation sets it")
    if not_finite:
        lines.append(f"left out, for they are not finite: {_some(list(not_finite))}")
    if integers := [f"{name} ({reasons[name]})" for name in reasons if name in skipped]:
        lines.append(f"left out, for they hold no floating-point numbers: {_some(integers)}")
    return lines


READING_KEYS = frozenset((BIAS_NAMES, BIAS_SHAPES, KEPT_BECAUSE, NORMALISED, NOT_FINITE, ONE_AXIS, PARTS, TRANSPOSED))
"""Keys of the provenance that `reading_notes` says in words, or that only writers need."""

_NAMED = 4  # arrays of a note


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def named_arrays(
    model: DenseModel | CompressedModel, current: Mapping[str, NDArray[Any]] | None = None
) -> dict[str, NDArray[np.float32]]:
    """The arrays of a model under the names that `dense_model_of` read; the inverse of it, but for skipped arrays.

    An array that is another one too, as ``provenance["tied_arrays"]`` says, comes under both names; a weight that was
    stored in parts comes in parts that make the same weight.

    Parameters
    ----------
    model : DenseModel or CompressedModel
        Of a compressed one, the decoded weights.
    current : mapping of str to ndarray, or None
        The content that the arrays are to be put into; parts of weights that stay as they are there are left out.

    Returns
    -------
    dict of str to ndarray of float32
        Weights and biases in the order of the tensors, then the others.

    Raises
    ------
    ValueError
        When two arrays would have one name.
    """
    bare, transposed = (frozenset(_noted(model.provenance, key)) for key in (BARE_NAMES, TRANSPOSED))
    biases, shapes = _names_of_names(model.provenance, BIAS_NAMES), _bias_shapes(model.provenance)
    arrays: dict[str, NDArray[np.float32]] = {}
    for tensor in model.tensors:
        name = tensor.name if tensor.name in bare else weight_name(tensor.name)
        weights = tensor.weights if isinstance(tensor, DenseTensor) else tensor.dense()
        _put(arrays, name, np.ascontiguousarray(turned_back(weights)) if name in transposed else weights)
        if tensor.bias is not None:
            bias_name = biases.get(name, bias_names(name)[0])
            _put(arrays, bias_name, tensor.bias.reshape(shapes.get(bias_name, -1)))
    for name, other in model.others.items():
        _put(arrays, name, other)
    arrays = split(arrays, model.provenance, current)
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
    for name, array in named_arrays(model, current).items():
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


def _floats(name: str, array: NDArray[Any], cure: str) -> NDArray[np.float32]:
    try:
        floats = as_floats(f"array {name!r}", array)
    except ValueError as error:
        raise ValueError(f"{error}; {cure}") from error
    if not np.may_share_memory(floats, array):
        floats.flags.writeable = False  # nobody else has it, so that a model need not copy it again
    return floats


def _kind(name: str, weight: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> tuple[str, tuple[str, ...]]:
    """The kind of a weight and its gates; the hidden state's matrix says how many units a recurrent layer has."""
    if weight.ndim != 2:
        return "conv", ()
    gates: Mapping[str, tuple[str, ...]] = TORCH_GATES
    if torch := _TORCH_RECURRENT.fullmatch(name):
        # An LSTM with a projection: hidden states have its size, and only the projection has the number of units.
        layer, which = torch["layer"], torch["which"]
        inner = arrays.get(f"{layer}weight_hr{which}", arrays.get(f"{layer}weight_hh{which}"))
        units = inner.shape[1] if inner is not None and inner.ndim == 2 else 0
    elif keras := _KERAS_RECURRENT.fullmatch(name):
        inner = arrays.get(f"{keras['layer']}recurrent_kernel{keras['which']}")
        units, gates = (inner.shape[0] if inner is not None and inner.ndim == 2 else 0), _KERAS_GATES
    else:
        return "linear", ()
    kind = next((kind for kind in gates if len(gates[kind]) * units == weight.shape[0]), "linear")
    return kind, gates.get(kind, ())


def noted_ties(provenance: Mapping[str, str]) -> dict[str, str]:
    """What `TIED` of a provenance says: for each array that is another one too, that one's name.

    Raises
    ------
    ValueError
        When it is no such text.
    """
    return _names_of_names(provenance, TIED)


def _bias_shapes(provenance: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """What `BIAS_SHAPES` says: whether a bias is a row or a column."""
    shapes = _json_of(provenance, BIAS_SHAPES, "{}")
    is_shape = isinstance(shapes, dict) and all(isinstance(s, list) and len(s) == 2 and 1 in s for s in shapes.values())
    if not is_shape:
        raise ValueError(
            f"provenance: {BIAS_SHAPES} is {provenance[BIAS_SHAPES]!r:.100}, but it must map biases to shapes"
        )
    return {name: (1, -1) if shape[0] == 1 else (-1, 1) for name, shape in shapes.items()}


def _names_of_names(provenance: Mapping[str, str], key: str) -> dict[str, str]:
    names = _json_of(provenance, key, "{}")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ValueError(f"provenance: {key} is {provenance[key]!r:.100}, but it must map names to names")
    return names


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
    assumed = [name for name in assumed_functions(provenance) if name not in told]
    normalised = {n: array for n, array in _names_of_names(provenance, NORMALISED).items() if n not in told}
    others = {key: value for key, value in provenance.items() if key not in (ASSUMED, NORMALISED)}
    left: dict[str, Any] = {ASSUMED: assumed, NORMALISED: normalised}
    return others | {key: json.dumps(names) for key, names in left.items() if names}


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

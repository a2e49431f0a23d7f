"""PyTorch modules, state dicts and files of them: weights in, decoded weights back out (extra ``train``).

Of a module, its types say what is a weight: the matrices of ``Linear``, of recurrent layers and of
``MultiheadAttention``, the kernels of ``Conv1d``, ``Conv2d`` and ``Conv3d``, and the transposed matrices of a class
called ``Conv1D``, as Hugging Face's GPT-2 has them; all else, such as embeddings and normalisations, is kept as it is.
Of a state dict, names, shapes and biases say it (`compressor.importers.named_arrays`).
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from compressor.checks import is_finite
from compressor.importers.meaning import kept_by_name
from compressor.importers.named_arrays import (
    NOT_FINITE,
    TIED,
    dense_model_of,
    named_arrays,
    tied_elsewhere,
    with_assumed,
)
from compressor.importers.stored_parts import parts_of
from compressor.importers.torch_file import check_torch_file
from compressor.storage.files import errors_name, memory_limit, replacing
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel
from compressor.types.model_checks import OTHER_FUNCTION

try:
    import torch
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("PyTorch models need PyTorch: pip install 'eie-sim[train]'") from error

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

_WEIGHTS: tuple[tuple[tuple[type[nn.Module], ...], tuple[str, ...]], ...] = (
    ((nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d), ("weight",)),
    ((nn.RNNBase, nn.RNNCellBase), ("weight_ih", "weight_hh", "weight_hr")),
    ((nn.MultiheadAttention,), ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")),
)
"""Modules, and how the names of their weights begin."""

_ACTIVATIONS: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}
_SAME_NUMBERS: tuple[type[nn.Module], ...] = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.Flatten, nn.Unflatten),
)
"""Modules that change no number at inference."""
_POOLING: tuple[type[nn.Module], ...] = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
)
"""Modules that the host runs after a convolution, as it runs the convolution itself."""
_STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model")  # where most checkpoints keep it
_NO_LAYERS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    ((nn.Embedding, nn.EmbeddingBag), "embedding table"),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), "transposed convolution"),
    ((nn.Bilinear,), "bilinear layer, a product of two inputs"),
)
"""Modules whose weights are not layers of the machine, and why."""
_PRUNED, _MASK = "_orig", "_mask"  # as torch.nn.utils.prune calls a weight and its mask
_HOOK_PARTS = (_PRUNED, "_g", "_v", "_u")  # as weight_norm and spectral_norm do, those of hooks

Source = str | PathLike[str] | nn.Module | Mapping[str, Any]


def read_pytorch(source: Source, *, keep: Sequence[str] = (), take: Sequence[str] = ()) -> DenseModel:
    """Read the weights of a PyTorch model.

    Parameters
    ----------
    source : torch.nn.Module, mapping of name to tensor, or path
        A file is one of ``torch.save`` with a state dict, or with a dictionary that has one as ``state_dict``,
        ``model_state_dict`` or ``model``, or under any other key if it has only one. Nothing in it is executed. A
        weight with parametrisations, or pruned by ``torch.nn.utils.prune``, is read as the module computes with it; of
        a state dict, pruned weights and those with a weight norm are.
    keep, take : sequence of str
        As for `compressor.importers.named_arrays.dense_model_of`: what is not a layer, and what is one.

    Returns
    -------
    DenseModel
        Names, kinds, gates and biases as `dense_model_of` gives them; every type of floating-point number becomes
        float32. Tensors that share their memory are read once, a layer's weights before others, and
        ``provenance["tied_arrays"]`` has their other names. The activation function of a layer in an ``nn.Sequential``
        is that of the module after it; "none" before another layer and at the end of the network; "host" where other
        modules follow, such as LeakyReLU, BatchNorm1d or two functions, and where the layer is used twice. Dropout,
        Flatten and pooling after a convolution do not count. Of any other layer it is taken for "relu", as
        `dense_model_of` does. Buffers of a module that are not finite, such as masks, are left out and
        named in ``provenance["not_finite_arrays"]``.

    Raises
    ------
    FormatError
        When a file is damaged, or holds more than tensors; a ValueError that names it.
    ValueError
        When there are no weights, or one is not finite, sparse, quantised or without memory.
    OSError
        When a file cannot be read.
    """
    if isinstance(source, nn.Module):
        return _model_of_module(source, keep, take)
    if isinstance(source, Mapping):
        return _model_of_tensors(_state_dict_in(source), "PyTorch state dict", keep, take)
    path = Path(source)
    with errors_name(path):
        found, limit = _load(path)
        return _model_of_tensors(_state_dict_in(found), f"PyTorch {path.name}", keep, take, limit)


def write_pytorch(model: CompressedModel, like: Source, path: str | PathLike[str]) -> None:
    """Write `state_dict_of` to a file of ``torch.save``, whole or not at all.

    Where `like` is a checkpoint that holds its state dict among other things, these are written as they are.

    Raises
    ------
    FormatError, ValueError
        As for `state_dict_of`.
    OSError
        When a file cannot be read or written.
    """
    whole: Source = like
    key = None
    if isinstance(like, Mapping):
        key = _key_of_state_dict(like)
    elif not isinstance(like, nn.Module):
        with errors_name(Path(like)):
            whole, _ = _load(Path(like))
            key = _key_of_state_dict(whole)
    state = state_dict_of(model, whole)
    content = state if key is None else {**cast("Mapping[str, Any]", whole), key: state}
    with replacing(Path(path)) as file:
        torch.save(content, file)


def state_dict_of(model: CompressedModel, like: Source) -> dict[str, Any]:
    """The state dict of `like` with the decoded weights, the biases and the other parameters of `model` in it.

    Parameters
    ----------
    model : CompressedModel
        Made of what `read_pytorch` gives of `like`, or of a part of it.
    like : torch.nn.Module, mapping of name to tensor, or path
        It is not changed. What of it has parametrisations comes as a plain weight.

    Returns
    -------
    dict
        In the types and on the devices of `like`. Tensors that share their memory there share it here; those in which
        nothing changes in float32 are the same tensors.

    Raises
    ------
    ValueError
        When something of `model` is not in `like`, has another shape there, or does not fit its type.
    """
    state = _state_of(like)
    names_of: dict[object, list[str]] = {}
    for name, found in _tensors_in(state).items():
        names_of.setdefault(_identity(found), []).append(name)
    tied_to = {name: names for names in names_of.values() for name in names}
    written: dict[str, NDArray[np.float32]] = {}
    new = _as_state_dict(state, state)
    elsewhere = tied_elsewhere(model, state)
    parts = {name for plain, both in parts_of(model.provenance).items() for name in (plain, *both)}
    current = {name: _array(name, tensor) for name, tensor in _tensors_in(state).items() if name in parts}
    for name, values in named_arrays(model, current).items():
        if name in elsewhere and name not in state:
            continue
        if name not in tied_to or not state[name].is_floating_point():
            raise ValueError(f"like: there is no tensor {name!r} of floating-point numbers")
        tensor: Tensor = state[name]
        if tuple(tensor.shape) != values.shape:
            raise ValueError(f"like: {name!r} has shape {tuple(tensor.shape)}, but the model's is {values.shape}")
        first = tied_to[name][0]
        if not np.array_equal(written.setdefault(first, values), values):
            raise ValueError(f"model: {name!r} and {first!r} are one tensor, but have different values")
        if not np.array_equal(_array(name, tensor).astype(np.float32), values):
            changed = torch.from_numpy(values.copy()).to(tensor.dtype)
            # Of 8 bits PyTorch makes the largest number of one that is too large.
            limit = torch.finfo(tensor.dtype).max * (1 + torch.finfo(tensor.dtype).eps / 2)
            if not torch.isfinite(changed.to(torch.float32)).all() or float(np.abs(values).max(initial=0)) > limit:
                raise ValueError(f"{name}: {np.abs(values).max()} is too large for {tensor.dtype}")
            new.update(dict.fromkeys(tied_to[name], changed.to(tensor.device)))
    return new


def load_into(model: CompressedModel, module: nn.Module) -> None:
    """Put the decoded weights, the biases and the other parameters of `model` into `module`.

    Raises
    ------
    ValueError
        As for `state_dict_of`; when the module has parametrisations, which would change the weights again. Nothing of
        it has changed then.
    """
    for name, part in module.named_modules():
        if parametrize.is_parametrized(part) or _pruned(part) or _hooked(part):
            raise ValueError(f"module: {name or type(part).__name__!r} has parametrisations; remove them first")
    module.load_state_dict(state_dict_of(model, module))


# Files ----------------------------------------------------------------------------------------------------------------


def _load(path: Path) -> tuple[Mapping[str, Any], int]:
    """The mapping in a file, and the bytes that its tensors may take."""
    size = check_torch_file(path)
    try:
        # Not mapped: only then PyTorch compares the sizes that the pickle declares with those of the archive.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except OSError:
        raise
    except Exception as error:  # its errors are of every kind; the archive is sound, so it is what is in it
        is_refused = isinstance(error, UnpicklingError)
        reason = "PyTorch does not load it as weights only" if is_refused else str(error).partition("\n")[0]
        raise ValueError(f"no plain state dict: {reason}") from None
    if not isinstance(found, Mapping):
        raise ValueError(f"source: {type(found).__name__}, but it must be a module, a state dict or a file of one")
    return found, memory_limit(size) // 3


def _state_dict_in(found: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping that holds tensors, or the one in it that does."""
    key = _key_of_state_dict(found)
    state = found if key is None else found[key]
    if not all(isinstance(name, str) for name in state):
        raise ValueError("source: every name in a state dict must be a text")
    return _as_state_dict(state, state)


def _key_of_state_dict(found: Mapping[str, Any]) -> str | None:
    """Where in a checkpoint the state dict is; None when it is one itself."""
    # A checkpoint may have a tensor beside its state dict, but no state dict has a mapping in it.
    inner = [key for key, value in found.items() if isinstance(value, Mapping) and _tensors_in(value)]
    layers = [key for key in inner if any(tensor.dim() > 1 for tensor in _tensors_in(found[key]).values())]
    usual = [key for key in _STATE_DICT_KEYS if key in inner][:1]
    for key, other in ((key, other) for key in usual for other in layers):
        # Values are not compared: strides of 0 could make that take for ever.
        if _layout(found[other]) == _layout(found[key]) and _identities(found[other]) != _identities(found[key]):
            raise ValueError(
                f"source: {key!r} and {other!r} hold two versions of the same tensors; save or pass one of them alone"
            )
    for keys in (usual, inner, layers):
        if len(keys) == 1:
            return keys[0]
    if inner:
        raise ValueError(f"source: {', '.join(map(repr, inner))} each hold tensors; save or pass one of them alone")
    if not _tensors_in(found):
        raise ValueError("source: there is no tensor in it, nor in a dictionary in it")
    return None


def _as_state_dict(items: Mapping[str, Any], like: object) -> dict[str, Any]:
    """A state dict of `items` with the versions of modules that PyTorch keeps beside those of `like`."""
    state: OrderedDict[str, Any] = OrderedDict(items)
    if hasattr(like, "_metadata"):
        state._metadata = like._metadata  # type: ignore[attr-defined]
    return state


def _tensors_in(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _layout(state: Mapping[str, Any]) -> dict[str, object]:
    return {name: tuple(tensor.shape) for name, tensor in _tensors_in(state).items()}


def _identities(state: Mapping[str, Any]) -> dict[str, object]:
    return {name: _identity(tensor) for name, tensor in _tensors_in(state).items()}


def _check_packed(state: Mapping[str, Any]) -> None:
    """Refuse a state dict with tensors within a tuple or an object, which nothing here would see."""
    for name, value in state.items():
        is_within = isinstance(value, tuple | list) and any(isinstance(item, Tensor) for item in value)
        if is_within or isinstance(value, torch.ScriptObject):
            raise ValueError(f"{name}: packed weights, such as those of a quantised module; save the float weights")


# Tensors --------------------------------------------------------------------------------------------------------------


def _has_memory(tensor: Tensor) -> bool:
    """Whether its numbers lie one by one in memory."""
    lazy = isinstance(tensor, nn.UninitializedParameter | nn.UninitializedBuffer)
    return not lazy and tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized


def _identity(tensor: Tensor) -> object:
    """The same for tensors that are the same memory."""
    if not _has_memory(tensor) or tensor.numel() == 0:
        return id(tensor)
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _array(name: str, tensor: Tensor) -> NDArray[Any]:
    """The numbers of a tensor, float32 where NumPy has no type for them."""
    if not _has_memory(tensor):
        raise ValueError(f"{name}: a tensor that is sparse, quantised or without memory is not read; make it dense")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    if plain.is_floating_point() and plain.dtype not in (torch.float16, torch.float32, torch.float64):
        plain = plain.to(torch.float32)
    array: NDArray[Any] = plain.numpy()
    return array


def _model_of_tensors(
    state: Mapping[str, Any], source: str, keep: Sequence[str], take: Sequence[str], limit: int | None = None
) -> DenseModel:
    _check_packed(state)
    tensors = _tensors_in(state)
    # What names say is not a layer comes last, so that a matrix that an embedding shares is a layer's.
    first = _distinct(sorted(tensors.items(), key=lambda item: kept_by_name(item[0], item[1].dim()) is not None))
    distinct = {name: first[name] for name in tensors if name in first}
    needed = sum((4 if t.is_floating_point() else t.element_size()) * t.numel() for t in distinct.values())
    # Attack: a tensor with strides of 0, which shows the same few bytes any number of times.
    if limit is not None and needed > limit:
        raise ValueError(f"the tensors take {needed} bytes, but at most {limit} for a file of this size")
    arrays = {name: _array(name, tensor) for name, tensor in distinct.items()}
    if limit is not None:  # of a file, so nobody else has them, and they need not be copied
        for array in arrays.values():
            array.flags.writeable = False
    return dense_model_of(
        arrays, provenance={"source": source, **_ties(distinct, tensors)}, keep=keep, take=take,
        eight_bits=[name for name, t in distinct.items() if t.is_floating_point() and t.element_size() == 1],
    )  # fmt: skip


def _ties(distinct: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """What is noted of the tensors that `distinct` leaves out because they are others' memory."""
    first = {_identity(tensor): name for name, tensor in distinct.items()}
    others = {name: _identity(t) for name, t in tensors.items() if name not in distinct and t.is_floating_point()}
    ties = {name: first[identity] for name, identity in others.items() if identity in first}
    return {TIED: json.dumps(ties)} if ties else {}


def _distinct(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Each tensor under the first of its names."""
    found: dict[object, tuple[str, Tensor]] = {}
    for name, tensor in tensors:
        found.setdefault(_identity(tensor), (name, tensor))
    return dict(found.values())


# Modules --------------------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """A tensor of a module."""

    name: str
    tensor: Tensor
    why_kept: str | None  # None: a weight of a layer
    is_buffer: bool = False
    is_transposed: bool = False


def _model_of_module(module: nn.Module, keep: Sequence[str], take: Sequence[str]) -> DenseModel:
    _check_packed(module.state_dict())
    parts = list(_parts(module))
    # Weights first, so that a matrix that an embedding shares is a layer's; then in the order of the module again.
    first = sorted(parts, key=lambda part: part.why_kept is not None)
    distinct = _distinct((part.name, part.tensor) for part in first)
    arrays, left_out = {}, []
    for part in parts:
        if part.name in distinct:
            array = _array(part.name, part.tensor)
            if part.is_buffer and array.dtype.kind == "f" and not is_finite(array):
                left_out.append(part.name)
            else:
                arrays[part.name] = array
    found = {"source": f"PyTorch module {type(module).__name__}"}
    found |= {NOT_FINITE: json.dumps(left_out)} if left_out else {}
    found |= _ties({name: distinct[name] for name in arrays}, {part.name: part.tensor for part in parts})
    model = dense_model_of(
        arrays,
        provenance=found,
        keep=keep,
        take=take,
        kept={part.name: part.why_kept for part in parts if part.why_kept is not None},
        transposed=[part.name for part in parts if part.is_transposed],
    )
    following = _following(module)
    names = [tensor.name.removesuffix(".weight") for tensor in model.tensors]
    functions = [following.get(name, usual) for name, usual in zip(names, model.activations, strict=True)]
    return DenseModel(model.tensors, tuple(functions), with_assumed(model.provenance, following), model.others)


def _parts(module: nn.Module) -> Iterable[_Part]:
    """Every parameter and buffer that the module's state dict has, those with parametrisations as they work."""
    persistent = module.state_dict().keys()
    for prefix, part in module.named_modules():
        if "parametrizations" in prefix.split("."):
            continue
        begins = tuple(name for types, names in _WEIGHTS if isinstance(part, types) for name in names)
        is_transposed = _is_transposed(part)
        begins += ("weight",) if is_transposed else ()
        called = type(part).__name__
        why = next((why for types, why in _NO_LAYERS if isinstance(part, types)), f"a parameter of {called}")
        dot = f"{prefix}." if prefix else ""
        for name, tensor in _parameters(part).items():
            is_weight = bool(begins) and name.startswith(begins)
            yield _Part(dot + name, tensor, None if is_weight else why, is_transposed=is_weight and is_transposed)
        masks, hooked = {f"{name}{_MASK}" for name in _pruned(part)}, _hooked(part)
        for name, buffer in part.named_buffers(recurse=False):
            if dot + name in persistent and name not in masks and _without(name, _HOOK_PARTS) not in hooked:
                yield _Part(dot + name, buffer, f"a buffer of {called}", is_buffer=True)


def _is_transposed(part: nn.Module) -> bool:
    """Whether a module is a ``Conv1D`` of Hugging Face's transformers: a weight (inputs, outputs), bias (outputs)."""
    weight, bias = (getattr(part, name, None) for name in ("weight", "bias"))
    if type(part).__name__ != "Conv1D" or not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
        return False
    return weight.dim() == 2 and bias.shape == weight.shape[1:]


def _parameters(part: nn.Module) -> dict[str, Tensor]:
    """The parameters of a module, not of those in it, by the names that it computes with."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        hooked = _hooked(part)
        if parametrize.is_parametrized(part):
            found |= {name: getattr(part, name) for name in part.parametrizations}  # type: ignore[union-attr]
        masks = _pruned(part)
        for name, tensor in part.named_parameters(recurse=False):
            plain = name.removesuffix(_PRUNED)
            if (own := _without(name, _HOOK_PARTS)) in hooked:
                found[own] = hooked[own]
            else:
                found[plain if plain in masks else name] = tensor * masks[plain] if plain in masks else tensor
    order = list(getattr(part, "_flat_weights_names", ()))  # of a recurrent layer
    return {name: found[name] for name in sorted(found, key=lambda n: order.index(n) if n in order else len(order))}


def _hooked(part: nn.Module) -> dict[str, Tensor]:
    """The weights that hooks of ``weight_norm`` and ``spectral_norm`` compute from their parts before each call."""
    with torch.no_grad():
        hooks = part._forward_pre_hooks.values()
        weights = {hook.name: hook.compute_weight(part) for hook in hooks if isinstance(hook, WeightNorm)}
        return weights | {
            hook.name: hook.compute_weight(part, do_power_iteration=False)
            for hook in hooks
            if isinstance(hook, SpectralNorm)
        }


def _without(name: str, suffixes: Iterable[str]) -> str:
    """`name` without that of `suffixes` that it ends in."""
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)


def _pruned(part: nn.Module) -> dict[str, Tensor]:
    """Masks of the parameters that ``torch.nn.utils.prune`` has pruned."""
    masks = {name.removesuffix(_MASK): mask for name, mask in part.named_buffers(recurse=False) if name.endswith(_MASK)}
    names = {name for name, _ in part.named_parameters(recurse=False)}
    return {name: mask for name, mask in masks.items() if f"{name}{_PRUNED}" in names}


def _following(module: nn.Module) -> dict[str, str]:
    """The activation functions of the layers in an ``nn.Sequential``, where the modules of it say which."""
    found: dict[str, str] = {}
    for prefix, part in module.named_modules():  # outer ones first, which know what follows on inner ones
        if not _is_sequence(part):
            continue
        steps = list(_steps(prefix, part))
        uses = Counter(_weight_id(step) for _, step in steps)
        for at, (name, layer) in enumerate(steps):
            if isinstance(layer, _WEIGHTS[0][0]) or _is_transposed(layer):
                function = _function_after(layer, [step for _, step in steps[at + 1 :]], part is module)
                if uses[_weight_id(layer)] > 1:  # other modules follow on each use
                    function = OTHER_FUNCTION
                if function is not None:
                    found.setdefault(name, function)
    return found


def _is_sequence(part: nn.Module) -> bool:
    return isinstance(part, nn.Sequential) and type(part).forward is nn.Sequential.forward


def _steps(prefix: str, sequence: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """The modules that change numbers, in the order in which they run, each as often as it does."""
    for name, part in sequence._modules.items():
        whole = f"{prefix}.{name}" if prefix else name
        if part is not None and _is_sequence(part):
            yield from _steps(whole, part)
        elif part is not None and not isinstance(part, _SAME_NUMBERS):
            yield whole, part


def _weight_id(part: nn.Module) -> int:
    """The same for layers that share their weight."""
    weight = part._parameters.get("weight")
    return id(part if weight is None else weight)


def _function_after(layer: nn.Module, steps: Sequence[nn.Module], is_whole: bool) -> str | None:
    """The function between a layer and the next of `steps` with weights; None where `steps` do not say it."""
    every = tuple(kind for kinds, _ in _WEIGHTS for kind in kinds)
    between = list(takewhile(lambda step: not isinstance(step, every) and not _is_transposed(step), steps))
    is_matrix = isinstance(layer, nn.Linear) or _is_transposed(layer)
    functions = [step for step in between if is_matrix or not isinstance(step, _POOLING)]
    if not functions:
        return "none" if is_whole or len(between) < len(steps) else None
    return _ACTIVATIONS.get(type(functions[0]), OTHER_FUNCTION) if len(functions) == 1 else OTHER_FUNCTION


def _state_of(like: Source) -> dict[str, Any]:
    """The state dict of a model, with plain weights in place of those with parametrisations."""
    if isinstance(like, Mapping):
        return _state_dict_in(like)
    if not isinstance(like, nn.Module):
        with errors_name(Path(like)):
            return _state_dict_in(_load(Path(like))[0])
    state = like.state_dict()
    plain = {part.name: part.tensor for part in _parts(like)}
    new: dict[str, Any] = {}
    for name, value in state.items():
        before, parametrized, rest = name.rpartition("parametrizations.")
        found = before + rest.partition(".")[0] if parametrized else _without(name, (_MASK, *_HOOK_PARTS))
        if name in plain or found not in plain:
            new[name] = value
        else:
            new[found] = plain[found]
    return _as_state_dict(new, state)

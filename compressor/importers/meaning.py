"""What named arrays mean: which are layers, which of these are stored (inputs, outputs), which are kept, and why.

Shapes alone do not say it: an embedding table, a causal mask and a layer are all matrices. Names, and the length of the
bias that belongs to an array, do. The patterns of names are here and nowhere else; `keep` and `take` override them.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_WEIGHT, _BIAS = "weight", "bias"
_MOST_AXES = 5  # outputs, inputs and 1 to 3 of the kernel

KEPT_TABLES = {
    "embedding table": ("*embed*", "emb", "*_emb", "emb_*", "wte", "wpe", "lut"),
    "table of positions": ("*position*", "*pos_enc*", "*rel_pos*", "*attention_bias"),
}
"""Modules whose weight is not a layer, unless it has a bias, which no table has; by the reason."""

_LAYERS_ALL_THE_SAME = ("embed_out", "*unembed", "*embed*proj*")  # such as the output layer of GPT-NeoX

MASK = "mask"
SCALE = "scale or statistics"

KEPT_PARAMETERS = {
    MASK: ("*mask", "*masks"),
    "bias with several axes, such as one of positions or a causal mask": ("*bias*",),
    "token": ("*token", "*tokens"),
    "positions": ("*pos_emb*", "*position*", "*pos_enc*", "*rel_pos*", "pe", "*_cached", "*freqs*", "*grid"),
    "embedding": ("*embed", "*embeds", "*embedding", "*embeddings"),
    SCALE: ("*scale", "*scales", "*gamma", "*beta", "*_mean", "*_std", "*_var", "*_variance"),
}  # fmt: skip
"""Arrays with a name of their own that are not layers."""

KEPT_KERNELS = {
    "transposed convolution": ("*deconv*", "*upconv*", "*conv*transpose*"),
    "depthwise kernel of Keras": ("*depthwise_kernel*",),
}
"""Arrays of 3 to 5 axes that are not kernels of a convolution; matched against the whole name."""

KEPT_STACKS = {"stacked matrices of experts": ("*expert*", "*moe*")}
"""The same, of arrays of 3 axes, also where they have a bias."""

_GPT = re.compile(r"(.*[./])?(c_attn|c_proj|c_fc|q_attn)\.weight", re.DOTALL)  # Conv1D of Hugging Face's GPT
_RECURRENT = re.compile(r"(?:.*\.)?weight_(?:ih|hh|hr)(?:_l\d+)?(?:_reverse)?", re.DOTALL)
_NAMED_WEIGHT = re.compile(r"(?P<module>.*?)[._/]?(?:weights?|kernel)(?P<number>:\d+)?", re.DOTALL)
_BARE_WEIGHT = re.compile(r"[wW]_?\d*")
_KERAS = re.compile(r"(?:.*[._/])?kernel(?::\d+)?", re.DOTALL)


class Meaning(NamedTuple):
    """What arrays are.

    Attributes
    ----------
    layers : dict of str to str
        Names of the arrays that are weights of layers, and of the tensors they become, in order.
    biases : dict of str to str
        The name of the bias of each array in `layers` that has one.
    transposed : frozenset of str
        Those of `layers` that are stored (inputs, outputs), or (kernel ..., inputs, outputs).
    kept : dict of str to str
        Why arrays of two axes and more are not layers, and biases belong to none.
    by_user : frozenset of str
        Arrays that the user keeps.
    """

    layers: dict[str, str]
    biases: dict[str, str]
    transposed: frozenset[str]
    kept: dict[str, str]
    by_user: frozenset[str]


def meaning_of(
    arrays: Mapping[str, NDArray[Any]],
    keep: Sequence[str] = (),
    take: Sequence[str] = (),
    *,
    aliases: Mapping[str, Sequence[str]] | None = None,
    kept: Mapping[str, str] | None = None,
    transposed: Sequence[str] = (),
) -> Meaning:
    """What each of `arrays`, floating-point numbers by name, is.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    keep, take : sequence of str
        Patterns (`fnmatch`) of arrays or tensors that are not layers, or are layers, whatever their names say.
    aliases : mapping of str to sequence of str, or None
        Other names of arrays that patterns may match, such as those of the parts that one was stored in.
    kept, transposed : mapping of str to str, sequence of str
        Where types say what is not a layer, as in a module: the reasons. No name and no bias is judged then.

    Raises
    ------
    ValueError
        If a pattern matches nothing, both match one array, or what is to be taken cannot be a layer.
    """
    tensor_of = {name: _tensor_name(name, arrays) for name in arrays}
    chosen = {
        what: _matching(what, patterns, tensor_of, aliases or {}) for what, patterns in (("keep", keep), ("take", take))
    }
    if both := sorted(chosen["keep"] & chosen["take"]):
        raise ValueError(f"take: {both[0]!r} is matched by keep too; name it in one of them")
    bias_of = _biases(arrays, chosen["take"])
    claimed = {bias for bias in bias_of.values() if arrays[bias].ndim > 1}
    reasons: dict[str, str] = {}
    for name, array in arrays.items():
        by_types = None if kept is None else kept.get(name)
        impossible = _impossible(array)
        if name in chosen["take"]:
            if impossible is not None:
                raise ValueError(f"take: {name!r} cannot be a layer: {impossible}")
        elif name in chosen["keep"]:
            reasons[name] = "--keep"
        elif impossible is not None or by_types is not None:
            reasons[name] = by_types or str(impossible)
        elif kept is None and (reason := _why_kept(name, arrays, bias_of.get(name))) is not None:
            reasons[name] = reason
    layers = {name: tensor_of[name] for name in arrays if name not in reasons and name not in claimed}
    around = layers.keys() & (transposed if kept is not None else _transposed(layers, bias_of, arrays))
    own = {name: bias_of[name] for name in layers if name in bias_of}
    own = {name: bias for name, bias in own.items() if arrays[bias].size == _rows(arrays[name], name in around)}
    told = {name: why for name, why in reasons.items() if arrays[name].ndim > 1 and arrays[name].size}
    for name, bias in bias_of.items():
        if name in layers and name not in own:
            rows = _rows(arrays[name], name in around)
            told[bias] = f"a bias of {arrays[bias].size} values, but {name!r} has {rows} outputs"
    owned = set(own.values())
    told = {name: why for name, why in told.items() if name not in owned}
    return Meaning(layers, own, frozenset(around), told, frozenset(chosen["keep"]))


def _why_kept(name: str, arrays: Mapping[str, NDArray[Any]], bias: str | None) -> str | None:
    """Why the array of this name is not a layer, judged by its neighbours too; None where it is one."""
    array = arrays[name]
    n_biases = None if bias is None else arrays[bias].size
    is_biased_matrix = array.ndim == 2 and n_biases in array.shape  # which no table is
    if not is_biased_matrix and (reason := kept_by_name(name, array.ndim)) is not None:
        # A mask may be one of weights, which nothing says how to apply.
        of = (name.removesuffix("_mask"), _layer_of(name)[0] + _WEIGHT) if reason == MASK else ()
        masked = next((n for n in of if n != name and n in arrays and arrays[n].shape == array.shape), None)
        return reason if masked is None else f"mask, not applied to {masked!r}"
    alike = next((n for n in bias_names(name) if n in arrays and arrays[n].shape == array.shape), None)
    if alike is not None and bias is None:
        return f"a normalisation or the like: {alike!r} has the same shape"
    if not is_called_weight(name) and _is_mask(array):
        return "mask: it holds nothing but infinities, 0 and 1"
    return None if array.ndim == 2 else _why_no_kernel(name, array, n_biases)


def kept_by_name(name: str, n_axes: int) -> str | None:
    """Why an array of this name is not a layer, by its name alone; None where it may be one."""
    named = _NAMED_WEIGHT.fullmatch(name)
    path = re.split(r"[./]", name if named is None else named["module"])
    own = next((part for part in reversed(path) if not part.isdigit()), "").partition(":")[0]
    if named is None:
        return _first_match(own, KEPT_PARAMETERS)
    is_layer = n_axes != 2 or any(fnmatchcase(own, pattern) for pattern in _LAYERS_ALL_THE_SAME)
    return None if is_layer else _first_match(own, KEPT_TABLES)


def is_scale(name: str) -> bool:
    """Whether a vector of this name, not a bias, is the scale or the statistics of a normalisation, or of a PReLU."""
    return is_called_weight(name) or kept_by_name(name, 1) == SCALE


def _why_no_kernel(name: str, array: NDArray[Any], n_biases: int | None) -> str | None:
    """As `_why_kept`, of an array with 3 to 5 axes."""
    is_keras = _KERAS.fullmatch(name) is not None
    if array.ndim == 3 and (reason := _first_match(name.lower(), KEPT_STACKS)) is not None:
        return reason
    if n_biases is not None and n_biases == (array.shape[-1] if is_keras else array.shape[0]):
        return None
    if (reason := _first_match(name.lower(), KEPT_KERNELS)) is not None:
        return reason
    if n_biases is not None and n_biases not in (array.shape[0], array.shape[-1]):
        return f"transposed or other convolution: its bias of {n_biases} is not as long as its first axis"
    if n_biases is not None and not is_keras and n_biases == array.shape[1] and "weight" in _last(name):
        return f"transposed convolution: its bias of {n_biases} is as long as its second axis"
    if n_biases is None and not is_called_weight(name):
        return f"{array.ndim} axes, but neither is it called weight or kernel, nor has it a bias"
    return None


def bias_names(name: str) -> list[str]:
    """Names that the bias of the weight `name` may have; the first is PyTorch's."""
    layer, parameter = _layer_of(name)
    names = [layer + parameter.replace(_WEIGHT, _BIAS, 1) if _WEIGHT in parameter else f"{name}.{_BIAS}"]
    names += [layer + parameter.replace(old, new) for old, new in _OTHER_BIASES if old in parameter]
    if _BARE_WEIGHT.fullmatch(parameter):
        names.append(layer + parameter.replace("W", "b").replace("w", "b"))
    return names


_OTHER_BIASES = (("weights", "biases"), ("kernel", _BIAS))


def _layer_of(name: str) -> tuple[str, str]:
    """The part of a name before its last component, and that component."""
    at = max(name.rfind("."), name.rfind("/")) + 1
    return name[:at], name[at:]


def _last(name: str) -> str:
    return _layer_of(name)[1]


def weight_name(tensor_name: str) -> str:
    """The name of the array of a tensor, where it is PyTorch's."""
    return tensor_name if _WEIGHT in tensor_name.rpartition(".")[2] else f"{tensor_name}.{_WEIGHT}"


def _tensor_name(name: str, arrays: Mapping[str, Any]) -> str:
    """``fc`` for ``fc.weight``, where this leads back and is no other's name; else the name itself."""
    short = name.removesuffix(f".{_WEIGHT}")
    return short if short and short not in arrays and weight_name(short) == name else name


def _matching(
    what: str, patterns: Sequence[str], tensor_of: Mapping[str, str], aliases: Mapping[str, Sequence[str]]
) -> set[str]:
    """The arrays that patterns of the user match."""
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f"{what}: {patterns!r}, but it must be a sequence of patterns")
    matched: set[str] = set()
    for pattern in patterns:
        names = {
            name
            for name, tensor in tensor_of.items()
            if any(fnmatchcase(called, pattern) for called in (name, tensor, *aliases.get(name, ())))
        }
        if not names:
            raise ValueError(f"{what}: no array of floating-point numbers matches {pattern!r}")
        matched |= names
    return matched


def _impossible(array: NDArray[Any]) -> str | None:
    """Why an array of this shape cannot be a layer."""
    if array.ndim < 2 or array.ndim > _MOST_AXES or not array.size:
        return f"shape {array.shape}, but a layer has 2 to {_MOST_AXES} axes, none of them empty"
    return None


def _first_match(name: str, patterns: Mapping[str, Sequence[str]]) -> str | None:
    return next((why for why, some in patterns.items() if any(fnmatchcase(name, p) for p in some)), None)


def _is_mask(array: NDArray[Any]) -> bool:
    """Whether an array holds infinities, and beside them 0 and 1 alone."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):  # which says it of nearly all without a copy
            return False
    finite = array[~np.isinf(array)]
    return finite.size < array.size and bool(np.isin(finite, (0, 1)).all())


def is_called_weight(name: str) -> bool:
    """Whether a name says that an array is the weight of a layer, as PyTorch, Keras and NumPy's users write it."""
    return _WEIGHT in _last(name) or bool(_KERAS.fullmatch(name) or _BARE_WEIGHT.fullmatch(_last(name)))


def _biases(arrays: Mapping[str, NDArray[Any]], taken: Collection[str]) -> dict[str, str]:
    """The bias that belongs to each array by its name: a vector, or a row or column as long as one of its axes."""
    found: dict[str, str] = {}
    free = {name for name, array in arrays.items() if array.size == max(array.shape, default=0) and name not in taken}
    for name, array in arrays.items():
        ends = (array.shape[0], array.shape[-1]) if array.ndim > 1 else ()
        for bias in bias_names(name):
            if bias in free and (arrays[bias].ndim == 1 or (arrays[bias].ndim == 2 and arrays[bias].size in ends)):
                found[name] = bias
                free.discard(bias)
                break
    return found


# Which way round ------------------------------------------------------------------------------------------------------


def turned(array: NDArray[Any]) -> NDArray[Any]:
    """A kernel stored (kernel ..., inputs, outputs) as (outputs, inputs, kernel ...)."""
    return np.moveaxis(array, (-1, -2), (0, 1))


def turned_back(array: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `turned`."""
    return np.moveaxis(array, (0, 1), (-1, -2))


def _rows(array: NDArray[Any], is_transposed: bool) -> int:
    return int(array.shape[-1 if is_transposed else 0])


def _transposed(layers: Mapping[str, str], biases: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The layers that are stored (inputs, outputs).

    A bias says it where it is as long as one of both axes; a name says it of Keras and Flax; of matrices for which
    nothing says it, their neighbours in the same file do, where all that are sure agree.
    """
    sure: dict[str, bool | None] = {}
    for name in layers:
        first, last = arrays[name].shape[0], arrays[name].shape[-1]
        n_biases = arrays[biases[name]].size if name in biases else None
        if _RECURRENT.fullmatch(name):
            sure[name] = False
        elif n_biases is not None and first != last and n_biases in (first, last):
            sure[name] = n_biases == last
        else:
            sure[name] = True if _KERAS.fullmatch(name) else None if arrays[name].ndim == 2 else False
    families: dict[bool, set[bool | None]] = {True: set(), False: set()}
    for name, says in sure.items():
        if arrays[name].ndim == 2:
            families[_GPT.fullmatch(name) is not None].add(says)
    agreed = {is_gpt for is_gpt, family in families.items() if True in family and False not in family}
    return [n for n, says in sure.items() if says or (says is None and (_GPT.fullmatch(n) is not None) in agreed)]

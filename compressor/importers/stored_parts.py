"""Weights that a state dict stores in parts: pruned ones with their mask, and normalised ones with their norm.

- ``fc.weight_orig`` and ``fc.weight_mask`` (``torch.nn.utils.prune``) are ``fc.weight``, the product of both.
- ``fc.weight_g`` and ``fc.weight_v`` (``torch.nn.utils.weight_norm``), in the newer form
  ``fc.parametrizations.weight.original0`` and ``original1``, are ``fc.weight`` = g v / ``|v|``.
- What other parametrisations compute follows from no name, and spectral normalisation needs a step of a power
  iteration that PyTorch does not store: both are refused.

`joined` makes the weights, `split` puts them back in parts with which a module computes the same.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS = "stored_in_parts"
"""Key of the provenance: the parts of each weight that was stored in two, as a JSON object."""

_MASKED, _NORMALISED = "mask", "weight_norm"
_SUFFIXES = {("_orig", "_mask"): _MASKED, ("_g", "_v"): _NORMALISED}
_PARAMETRISED = re.compile(r"(?P<module>(?:.*\.)?)parametrizations\.(?P<name>[^.]+)\.(?P<part>.+)", re.DOTALL)
_SCALES = ("_scale_inv", "_scale")  # of weights in 8 bits

Arrays = Mapping[str, NDArray[Any]]


class _Parts(NamedTuple):
    """How a weight is stored: two arrays, and for a weight norm the shape of the first."""

    kind: str
    first: str
    second: str
    norm_shape: tuple[int, ...] = ()


def joined(
    arrays: Arrays, is_kept: Callable[[str], bool], eight_bits: Collection[str] = ()
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """`arrays` with the weights themselves in place of their parts, and the note that `split` needs.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    is_kept : function of name
        Whether the user keeps the array of this name as it is: nothing of it is refused then.
    eight_bits : collection of str
        Floating-point arrays that were stored in 8 bits, so that a scale belongs to them.

    Raises
    ------
    ValueError
        If a parametrisation is not a weight norm, a mask holds other numbers than 0 and 1, or shapes do not fit.
    """
    found = {plain: parts for plain, parts in _found(arrays, is_kept).items() if plain not in arrays}
    begins = {parts.first: plain for plain, parts in found.items()}
    rest = {parts.second for parts in found.values()}
    whole: dict[str, NDArray[Any]] = {}
    for name in arrays:
        if not is_kept(name):
            _check_refused(name, arrays, eight_bits)
    for name, array in arrays.items():
        if name in begins:
            whole[begins[name]] = _value(begins[name], found[begins[name]], arrays)
        elif name not in rest:
            whole[name] = array
    if found and (again := _found(whole, is_kept)):
        raise ValueError(f"array {min(again)!r}: its parts are stored in parts again; remove one of both before saving")
    notes = {plain: [*parts[:3], list(parts.norm_shape)] for plain, parts in found.items()}
    return whole, {PARTS: json.dumps(notes)} if notes else {}


def split(
    arrays: Mapping[str, NDArray[np.float32]], provenance: Mapping[str, str], current: Arrays | None = None
) -> dict[str, NDArray[np.float32]]:
    """`arrays` with the parts of the weights that were `joined` in their place.

    A mask is where the weight is not zero; the parts of a weight norm are the weight and its norm. Of `current`, the
    content of the original, parts that make the same weight stay as they are, and so does a mask that leaves the weight
    as it is: these are not in the result. Where `current` has the weight itself, nothing is split.

    Raises
    ------
    ValueError
        If the note in the provenance is malformed, or two arrays would have one name.
    """
    there: Arrays = {} if current is None else current
    notes = _noted(provenance)
    new: dict[str, NDArray[np.float32]] = {}
    for name, weight in arrays.items():
        stored = {name: weight} if name not in notes or name in there else _stored(name, weight, notes[name], there)
        if both := stored.keys() & new.keys():
            raise ValueError(f"arrays: two of the model would be called {min(both)!r}")
        new |= stored
    return new


def parts_of(provenance: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The names of the two parts of each weight that the note of `joined` in a provenance names."""
    return {plain: (parts.first, parts.second) for plain, parts in _noted(provenance).items()}


# What is stored how ---------------------------------------------------------------------------------------------------


def _found(arrays: Arrays, is_kept: Callable[[str], bool]) -> dict[str, _Parts]:
    """The weights that are stored in parts, by their own names."""
    found = {}
    parametrised: dict[tuple[str, str], list[str]] = {}
    for name in arrays:
        for (first, second), kind in _SUFFIXES.items():
            plain, other = name.removesuffix(first), name.removesuffix(first) + second
            is_pair = name.endswith(first) and other in arrays and not is_kept(name)
            if is_pair and (kind == _MASKED or "weight" in _last(plain)):
                found[plain] = _Parts(kind, name, other, arrays[name].shape if kind == _NORMALISED else ())
        match = _PARAMETRISED.fullmatch(name)
        if match is not None and not is_kept(name):
            parametrised.setdefault((match["module"], match["name"]), []).append(match["part"])
    for (module, own), parts in parametrised.items():
        prefix = f"{module}parametrizations.{own}."
        if sorted(parts) != ["original0", "original1"]:
            what = "spectral norm" if "0._u" in parts else "a parametrisation that is not a weight norm"
            raise ValueError(
                f"array {prefix + parts[0]!r}: {module + own!r} has {what}, which names do not describe; "
                "call torch.nn.utils.parametrize.remove_parametrizations before saving, or leave it out with "
                f"--keep '{prefix}*'"
            )
        first, second = f"{prefix}original0", f"{prefix}original1"
        found[module + own] = _Parts(_NORMALISED, first, second, arrays[first].shape)
    return found


def scale_of(name: str, arrays: Collection[str]) -> str | None:
    """The name of the array that is called the scale of the weight `name`."""
    return next((name + end for end in _SCALES if name + end in arrays and "weight" in _last(name)), None)


def _check_refused(name: str, arrays: Arrays, eight_bits: Collection[str]) -> None:
    """Refuse old-style spectral norm, and integers or 8-bit numbers whose scale is apart."""
    plain = name.removesuffix("_orig")
    if plain != name and f"{plain}_u" in arrays:
        raise ValueError(
            f"array {name!r}: spectral norm, for {plain + '_u'!r} is there too: its weight does not follow from the "
            f"names; call torch.nn.utils.remove_spectral_norm before saving, or leave it out with --keep '{plain}_*'"
        )
    scale = scale_of(name, arrays)
    is_quantised = arrays[name].dtype.kind in "iu" or name in eight_bits
    if scale is not None and is_quantised and arrays[name].ndim > 1:
        raise ValueError(
            f"array {name!r}: must be multiplied by its scale {scale!r}, which no two writers store alike; save the "
            f"weights as float32 or float16, or leave it out with --keep '{name}*'"
        )


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]


# Numbers --------------------------------------------------------------------------------------------------------------


def _value(plain: str, parts: _Parts, arrays: Arrays) -> NDArray[Any]:
    """The weight that two parts make; a weight norm in float64, rounded once."""
    first, second = arrays[parts.first], arrays[parts.second]
    if parts.kind == _MASKED:
        if first.shape != second.shape:
            raise ValueError(f"array {parts.second!r}: shape {second.shape}, but {parts.first!r} has {first.shape}")
        if not np.isin(second, (0, 1)).all():
            value = second[~np.isin(second, (0, 1))].flat[0]
            raise ValueError(f"array {parts.second!r}: {value} in a mask of 0 and 1; --keep '{plain}_*' keeps both")
        masked: NDArray[Any] = np.where(second != 0, first, first.dtype.type(0))
        return masked
    axes = _reduced(first.shape, second.shape)
    if axes is None:
        raise ValueError(
            f"array {parts.first!r}: shape {first.shape} is not that of a norm of {parts.second!r}, {second.shape}; "
            f"--keep '{plain}_*' keeps both"
        )
    direction = second.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        normalised: NDArray[Any] = (first * (direction / _norm(direction, axes))).astype(np.float32)
    return normalised


def _reduced(norm_shape: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes of a weight over which a norm of `norm_shape` is taken: all but one at most; None where it fits none."""
    every = tuple(range(len(shape)))
    if norm_shape == ():
        return every
    for own in every:
        if norm_shape == tuple(size if axis == own else 1 for axis, size in enumerate(shape)):
            return tuple(axis for axis in every if axis != own)
    return None


def _norm(values: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    norm: NDArray[np.float64] = np.sqrt(np.sum(values * values, axis=axes, keepdims=True))
    return norm


def _is_same(weight: NDArray[np.float32], other: NDArray[Any]) -> bool:
    with np.errstate(over="ignore"):
        return np.array_equal(weight, other.astype(np.float32))


def _stored(plain: str, weight: NDArray[np.float32], parts: _Parts, current: Arrays) -> dict[str, NDArray[np.float32]]:
    """The parts of `weight` by their names, without those that `current` has already."""
    is_there = parts.first in current and parts.second in current
    if is_there and _is_same(weight, _value(plain, parts, current)):
        return {}
    if parts.kind == _MASKED:
        is_masked = is_there and _is_same(weight, weight * (current[parts.second] != 0))
        mask = {} if is_masked else {parts.second: (weight != 0).astype(np.float32)}
        return {parts.first: weight, **mask}
    axes = _reduced(parts.norm_shape, weight.shape)
    if axes is None:
        raise ValueError(f"provenance: {PARTS} has a norm of shape {parts.norm_shape} for {plain!r}, {weight.shape}")
    norm = _norm(weight.astype(np.float64), axes)
    # Where all weights of a norm are pruned, a direction of zeros would make the module divide by zero.
    direction = np.where(norm == 0, np.float32(1), weight)
    return {parts.first: norm.astype(np.float32).reshape(parts.norm_shape), parts.second: direction}


def _noted(provenance: Mapping[str, str]) -> dict[str, _Parts]:
    try:
        notes = json.loads(provenance.get(PARTS, "{}"))
        found = {plain: _Parts(note[0], note[1], note[2], tuple(note[3])) for plain, note in notes.items()}
        for parts in found.values():
            if parts.kind not in (_MASKED, _NORMALISED) or not all(isinstance(n, str) for n in parts[1:3]):
                raise ValueError
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ValueError(
            f"provenance: {PARTS} is {provenance[PARTS]!r:.100}, but it must map each weight to its parts"
        ) from None
    return found

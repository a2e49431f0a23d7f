"""Inputs of a network cut into samples, one for each inference, and the outputs of inferences put together."""

from collections.abc import Mapping, Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from zipfile import is_zipfile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.importers import npz
from compressor.storage.files import errors_name, file_size

if TYPE_CHECKING:
    from onnx import ValueInfoProto

Inputs = Mapping[str, ArrayLike] | ArrayLike | str | PathLike[str]
"""Arrays by the names of inputs, or an ``.npz`` file of them; an array alone where there is one input."""

_NUMPY = b"\x93NUMPY"

Axes = Mapping[str, int | None]
"""The axis of inputs and outputs along which samples are; None: an input that is the same for all of them."""


class End(NamedTuple):
    """An input or an output of a network.

    Attributes
    ----------
    name : str
    sizes : tuple of (int or str), or None
        A str is the name of a size that is open, "" where it has none; None in all where the number of axes is open.
    dtype : dtype
    """

    name: str
    sizes: tuple[int | str, ...] | None
    dtype: np.dtype[Any]


def end_of(value: "ValueInfoProto") -> End:
    """The input or output that a graph declares so."""
    from onnx import helper

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.elem_type:
        return End(value.name, None, np.dtype(object))
    sizes = None
    if tensor.HasField("shape"):
        known = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else d.dim_param for d in tensor.shape.dim]
        sizes = tuple(known)
    return End(value.name, sizes, helper.tensor_dtype_to_np_dtype(tensor.elem_type))


class Interface(Protocol):
    """What a network takes and gives; a `NetworkPlan` has it."""

    @property
    def inputs(self) -> tuple[End, ...]:
        """Without those that are fixed."""
        ...

    @property
    def outputs(self) -> tuple[End, ...]:
        """In the order of the graph."""
        ...

    @property
    def constants(self) -> Mapping[str, Any]:
        """Values that follow from constants, outputs among them."""
        ...

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Values of the inputs that are fixed."""
        ...


class Samples:
    """The samples that are in inputs.

    Samples are along axis 0, or along the axis that `batch_axis` names. Where the graph fixes the size of that axis, a
    sample is that many: one, as a rule. An input that has one sample where others have more is the same for all, or
    what the first begins with, where `feedback` gives it a value later.

    Parameters
    ----------
    plan : Interface
    inputs : Inputs
    batch_axis : Axes
    feedback : mapping of str to str
        Outputs that the next sample takes as inputs, and these; one that is not given begins with zeros.

    Attributes
    ----------
    axes : dict of str to (int or None)
        The axis of each output along which samples are put together: 0, or the one that the graph calls as an input's;
        None of an output that is constant.

    Raises
    ------
    ValueError
        If an input is missing, unknown or of a shape or type that the graph does not take, or inputs have different
        numbers of samples.
    OSError
        If a file cannot be read.
    """

    def __init__(self, plan: Interface, inputs: Inputs, batch_axis: Axes, feedback: Mapping[str, str]) -> None:
        # The ends alone: samples travel to other processes, and the plan would with them.
        self._inputs, self._outputs, self._axes = plan.inputs, plan.outputs, dict(batch_axis)
        names = [one.name for one in plan.inputs]
        ends = {*names, *(one.name for one in plan.outputs)}
        if unknown := sorted({*batch_axis} - ends):
            raise ValueError(f"batch_axis: {unknown[0]!r}, but the network has {', '.join(sorted(ends))}")
        outputs = {one.name for one in plan.outputs}
        for output, name in feedback.items():
            if output not in outputs or name not in names:
                what, have = (output, outputs) if output not in outputs else (name, set(names))
                raise ValueError(f"feedback: {what!r}, but it must be one of {', '.join(sorted(have))}")
        given = _arrays(plan, inputs)
        self._parts: dict[str, list[NDArray[Any]]] = {}
        for one in plan.inputs:
            if one.name in given:
                self._parts[one.name] = self._cut(one, given[one.name])
            elif one.name in feedback.values():
                sizes = [size if isinstance(size, int) else 1 for size in one.sizes or ()]
                self._parts[one.name] = [np.zeros(sizes, one.dtype)]
            else:
                raise ValueError(f"inputs: {one.name!r} is missing; the network takes {', '.join(names)}")
        counts = {name: len(parts) for name, parts in self._parts.items() if len(parts) != 1}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise ValueError(f"inputs: different numbers of samples ({found}); batch_axis names the axis of each")
        self.n = next(iter(counts.values()), 1)
        axes = [(one.sizes, self._axes.get(one.name, 0)) for one in plan.inputs]
        symbols = {sizes[axis] for sizes, axis in axes if sizes and axis is not None}
        self.axes = {
            one.name: None if one.name in plan.constants else self._output_axis(one, symbols) for one in plan.outputs
        }

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, number: int) -> dict[str, NDArray[Any]]:
        """The inputs of a sample."""
        return {name: parts[number if len(parts) > 1 else 0] for name, parts in self._parts.items()}

    def part(self, numbers: range) -> "Samples":
        """Some of the samples, in the same order."""
        found = copy(self)
        found.n = len(numbers)
        found._parts = {
            name: parts if len(parts) == 1 else parts[numbers.start : numbers.stop]
            for name, parts in self._parts.items()
        }
        return found

    def chosen(self, numbers: Sequence[int]) -> "Samples":
        """Some of the samples, in the order of `numbers`."""
        found = copy(self)
        found.n = len(numbers)
        found._parts = {
            name: parts if len(parts) == 1 else [parts[number] for number in numbers]
            for name, parts in self._parts.items()
        }
        return found

    def contents(self) -> list[object]:
        """All that decides what is run of each sample, and how outputs are put together."""
        return [self._axes, self.axes, self._parts]

    def _cut(self, end: End, array: NDArray[Any]) -> list[NDArray[Any]]:
        """The part of an input that each sample takes."""
        axis, sizes = self._axes.get(end.name, 0), end.sizes
        if axis is not None and not -array.ndim <= axis < max(array.ndim, 1):
            raise ValueError(f"batch_axis: {axis} of {end.name!r}, but it has {array.ndim} axes")
        if sizes is not None and len(sizes) != array.ndim:
            raise ValueError(f"inputs: {end.name!r} has shape {array.shape}, but the network takes {_shape(end)}")
        if axis is None or not array.ndim:
            return [array]
        size = sizes[axis] if sizes is not None else ""
        of_one = size if isinstance(size, int) and size else 1
        fits = sizes is None or all(
            isinstance(want, str) or want == has or at == axis % array.ndim
            for at, (want, has) in enumerate(zip(sizes, array.shape, strict=True))
        )
        if not fits or array.shape[axis] % of_one:
            raise ValueError(f"inputs: {end.name!r} has shape {array.shape}, but the network takes {_shape(end)}")
        return np.split(array, array.shape[axis] // of_one, axis) if array.shape[axis] else []

    def blank(self) -> dict[str, NDArray[Any]]:
        """A sample of zeros, where there is none."""
        return {
            one.name: np.zeros([size if isinstance(size, int) else 1 for size in one.sizes or ()], one.dtype)
            if not self._parts[one.name]
            else self._parts[one.name][0]
            for one in self._inputs
        }

    def together(self, outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The outputs of samples as one array each; errors as of `together`."""
        return {
            end.name: together([one[end.name] for one in outputs], self.axes[end.name], end.name)
            for end in self._outputs
        }

    def _output_axis(self, end: End, symbols: set[int | str]) -> int | None:
        called = [at for at, size in enumerate(end.sizes or ()) if isinstance(size, str) and size and size in symbols]
        return self._axes.get(end.name, called[0] if len(called) == 1 else 0)


def together(parts: Sequence[Any], axis: int | None, name: str) -> Any:
    """The parts of an output along the axis of the samples; None: all have the same.

    Raises
    ------
    ValueError
        If they do not fit each other.
    """
    if axis is None or len(parts) == 1:
        return parts[0]
    if not all(isinstance(part, np.ndarray) for part in parts):  # a sequence of tensors
        return [one for part in parts for one in part]
    try:
        return np.concatenate([np.atleast_1d(part) for part in parts], axis)
    except ValueError:
        shapes = ", ".join(sorted({str(part.shape) for part in parts}))
        raise ValueError(f"outputs: {name!r} has shapes {shapes:.200}; run these inputs apart") from None


def _arrays(plan: Interface, inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Inputs by name, in the types of the graph."""
    if isinstance(inputs, (str, PathLike)):
        inputs = read_arrays(Path(inputs))
    given: dict[str, Any] = dict(inputs) if isinstance(inputs, Mapping) else {"": inputs}
    names = [one.name for one in plan.inputs]
    if "" in given and "" not in names:
        if len(names) != 1:
            raise ValueError(f"inputs: one array, but the network takes {', '.join(names)}; give a dict")
        given = {names[0]: given[""]}
    found = {}
    kinds = {one.name: one.dtype for one in plan.inputs}
    for name, values in given.items():
        if name in plan.fixed:
            if not np.array_equal(np.asarray(values).reshape(-1), np.asarray(plan.fixed[name]).reshape(-1)):
                raise ValueError(
                    f"inputs: {name!r} is {values!r:.60}, but the plan fixes it at {plan.fixed[name]!r:.60}"
                )
            continue
        if name not in kinds:
            raise ValueError(f"inputs: {name!r} is not an input of the network, which takes {', '.join(names)}")
        array = np.asarray(values)
        kind = kinds[name]
        if kind.kind in "iub" and not np.can_cast(array.dtype, kind, "same_kind"):
            raise ValueError(f"inputs: {name!r} has dtype {array.dtype}, but the network takes {kind}")
        found[name] = array.astype(kind, copy=False)
    return found


def _shape(end: End) -> str:
    return "(" + ", ".join(str(size) if size != "" else "any" for size in end.sizes or ()) + ")"


def read_arrays(file: Path) -> dict[str, NDArray[Any]] | NDArray[Any]:
    """The arrays of a ``.npz`` file by name, or that of a ``.npy`` file.

    Raises
    ------
    FormatError
        If it is neither, or holds something else than numbers; a ValueError that names the file.
    OSError
        If it cannot be read.
    """
    file_size(file)  # a pipe would hang
    with errors_name(file):
        with file.open("rb") as content:
            if content.read(len(_NUMPY)) != _NUMPY:
                if not is_zipfile(content):
                    raise ValueError("is not an .npz or .npy file of arrays")
                return npz.read_arrays(file)
        try:
            return np.asarray(np.load(file, allow_pickle=False))
        except (ValueError, EOFError, MemoryError, OverflowError, SyntaxError):
            raise ValueError("is not an .npz or .npy file of arrays") from None

"""The tensors of an ONNX model: where they are in it, and their floating-point numbers as arrays and back."""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.bfloat16 import as_bfloat16, from_bfloat16

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

Floats = NDArray[np.floating[Any]]


class _Type(NamedTuple):
    """How a floating-point type of ONNX is stored."""

    stored: np.dtype[Any]  # in raw_data
    field: str  # where the numbers are when they are not in raw_data


_TYPES = {  # by their numbers in onnx.TensorProto.DataType
    1: _Type(np.dtype("<f4"), "float_data"),
    10: _Type(np.dtype("<f2"), "int32_data"),
    11: _Type(np.dtype("<f8"), "double_data"),
    16: _Type(np.dtype("<u2"), "int32_data"),
}
_BFLOAT16 = 16
_MAYBE_WEIGHTS = frozenset({*_TYPES, 2, 3, *range(17, 24)})  # and uint8, int8, and those of 8 or 4 bits
_FEW = 64  # elements of a constant that need not be accounted for
_SMALL = 4096  # elements: sizes, axes and the like, whose numbers shape inference may need
_EXTERNAL = 1  # onnx.TensorProto.DataLocation


# Where they are -------------------------------------------------------------------------------------------------------


def all_tensors(model: "ModelProto") -> Iterator["TensorProto"]:
    """Every tensor of a model, those of its functions included."""
    yield from _tensors_in_graph(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_in_graph(graph: "GraphProto") -> Iterator["TensorProto"]:
    yield from graph.initializer
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Any) -> Iterator["TensorProto"]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield from _tensors_in_graph(graph)


def is_external(tensor: "TensorProto") -> bool:
    """Whether the bytes of a tensor are in a file beside the model."""
    return tensor.data_location == _EXTERNAL


def is_wide(tensor: "TensorProto") -> bool:
    """Whether `tensor` may be weights: numbers of 8 bits or with a binary point, more than 64 over two axes or more."""
    return tensor.data_type in _MAYBE_WEIGHTS and prod(tensor.dims) > _FEW and sum(n > 1 for n in tensor.dims) > 1


def is_large(tensor: "TensorProto") -> bool:
    """Whether `tensor` has more numbers than shape inference may need: it is no list of sizes, axes or the like."""
    return prod(shape_of(tensor)) > _SMALL


def is_float(tensor: "TensorProto") -> bool:
    """Whether `tensor` holds floating-point numbers that are read."""
    return is_float_type(tensor.data_type)


def is_float_type(data_type: int) -> bool:
    """Whether a type of ONNX is one of floating-point numbers that are read."""
    return data_type in _TYPES


def shape_of(tensor: "TensorProto") -> tuple[int, ...]:
    """The shape that a tensor declares.

    Raises
    ------
    ValueError
        When a size is negative.
    """
    shape = tuple(tensor.dims)
    if min(shape, default=0) < 0:
        raise ValueError(f"tensor {tensor.name!r}: shape {shape} has a negative size")
    return shape


# Numbers --------------------------------------------------------------------------------------------------------------


def floats_of(tensor: "TensorProto", external: bytes | None) -> Floats:
    """The numbers of a floating-point tensor, maybe read-only; float32 in place of bfloat16.

    Parameters
    ----------
    tensor : TensorProto
    external : bytes or None
        Its bytes where `is_external`.

    Raises
    ------
    ValueError
        If there are more or fewer numbers than its shape needs.
    """
    kind = _TYPES[tensor.data_type]
    shape = shape_of(tensor)
    if external is not None:
        flat = np.frombuffer(external, np.uint8)
    elif tensor.HasField("raw_data"):
        flat = np.frombuffer(tensor.raw_data, np.uint8)
    else:  # one by one in a field of the message
        field = getattr(tensor, kind.field)
        if kind.field == "int32_data":  # 16 bits each, the number's own, in a field of 32
            words = np.fromiter(field, np.int64, len(field))
            if words.size and (words.min() < 0 or words.max() > 0xFFFF):
                raise ValueError(f"tensor {tensor.name!r}: a number of 16 bits is {words.max()}")
            flat = words.astype("<u2").view(np.uint8)
        else:
            flat = np.fromiter(field, kind.stored, len(field)).view(np.uint8)
    # Attack: a shape of terabytes over a few bytes; nothing has been allocated by the shape yet.
    if flat.size != prod(shape) * kind.stored.itemsize:
        raise ValueError(
            f"tensor {tensor.name!r}: {flat.size} bytes, "
            f"but shape {shape} needs {prod(shape)} times {kind.stored.itemsize}"
        )
    array = flat.view(kind.stored).reshape(shape)
    if tensor.data_type == _BFLOAT16:
        return from_bfloat16(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def put_floats(tensor: "TensorProto", values: Floats) -> None:
    """Write `values`, of the tensor's shape, into it in its own type, rounded to nearest.

    Raises
    ------
    ValueError
        When one is too large for that type.
    """
    if tensor.data_type == _BFLOAT16:
        stored = as_bfloat16(values)
        finite = (stored & 0x7F80) != 0x7F80
    else:
        with np.errstate(over="ignore"):
            stored = values.astype(_TYPES[tensor.data_type].stored)
        finite = np.isfinite(stored)
    if not finite.all():
        raise ValueError(f"tensor {tensor.name!r}: {np.abs(values).max()} is too large for its type")
    put_bytes(tensor, stored.tobytes())


def numbers_of(tensor: "TensorProto", external: bytes | None) -> NDArray[Any]:
    """The numbers of a tensor of any type; arguments and errors as of `floats_of`."""
    if is_float(tensor):
        return floats_of(tensor, external)
    from onnx import TensorProto, numpy_helper

    if external is not None:
        tensor = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=external)
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"tensor {tensor.name!r}: {first}") from None


def put_numbers(tensor: "TensorProto", values: NDArray[Any]) -> None:
    """Write `values`, of the tensor's shape, into it in its own type; floating-point numbers as `put_floats` does."""
    if is_float(tensor) and np.isfinite(values).all():
        put_floats(tensor, values)
    else:
        from onnx import helper

        put_bytes(tensor, values.astype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).tobytes())


_NUMBERS = ("float_data", "int32_data", "int64_data", "double_data", "external_data", "data_location")


def clear_numbers(tensor: "TensorProto") -> None:
    """Leave a tensor its name, type and shape alone."""
    for field in (*_NUMBERS, "raw_data"):
        tensor.ClearField(field)


def has_numbers(tensor: "TensorProto") -> bool:
    """Whether a tensor has numbers, or needs none."""
    return tensor.HasField("raw_data") or any(len(getattr(tensor, f)) for f in _NUMBERS[:5]) or 0 in tensor.dims


def stored_type(tensor: "TensorProto") -> np.dtype[Any]:
    """How the numbers of a floating-point tensor are stored."""
    return _TYPES[tensor.data_type].stored


def put_bytes(tensor: "TensorProto", content: bytes) -> None:
    """Make `content` the bytes of a tensor, wherever they were before."""
    clear_numbers(tensor)
    tensor.raw_data = content

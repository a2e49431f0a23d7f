"""The file below `read_onnx` and `write_onnx`: an ONNX model that is checked before it is trusted, and its tensors.

A protobuf message of two bytes takes hundreds in memory, and a tensor may declare any shape or name any file. So sizes
are added up before the file is parsed, a shape is compared with the bytes that are there before an array is made, and
other files are read only in the model's own folder.
"""

from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.storage.files import file_size, memory_limit, replacing

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

Floats = NDArray[np.floating[Any]]

MAX_BYTES = 2**31 - 1
"""Longest protobuf message, so longest ONNX file; larger models keep their weights in files beside it."""

# Most bytes that a message, a text and a number take in the parser and in the checker together; measured with onnx 1.23
# on files of nothing else, and rounded up.
_MESSAGE_BYTES, _TEXT_BYTES, _NUMBER_BYTES = 600, 100, 50
_COPIES = 3  # of the file: as read, in the parser, in the checker

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_LONGEST_VARINT = 10  # bytes


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
_EXTERNAL = 1  # onnx.TensorProto.DataLocation


class OnnxFile:
    """A checked ONNX model and the numbers of its tensors.

    Parameters
    ----------
    path : path

    Raises
    ------
    ValueError
        When it is no ONNX model, or takes too much memory; the message does not name the file.
    ImportError
        When the onnx library is not installed.
    OSError
        When it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = path.resolve().parent
        size = file_size(path)
        if size > MAX_BYTES:
            raise ValueError(f"{size} bytes, but an ONNX file has at most {MAX_BYTES}")
        content = path.read_bytes()
        _check_memory(content)
        self.model = _parsed(content)
        self._others = self._other_files()
        self._check_other_bytes(size)
        # The library finds other files beside a path only; it need not read the model a second time otherwise.
        _check(str(path) if self._others else content)

    def floats(self, tensor: "TensorProto") -> Floats:
        """The numbers of a floating-point tensor, maybe read-only; float32 in place of bfloat16.

        Raises
        ------
        ValueError
            When there are more or fewer numbers than its shape needs.
        """
        kind = _TYPES[tensor.data_type]
        shape = shape_of(tensor)
        if tensor.data_location == _EXTERNAL:
            flat = np.frombuffer(self._other_bytes(tensor), np.uint8)
        elif tensor.HasField("raw_data"):
            flat = np.frombuffer(tensor.raw_data, np.uint8)
        else:
            flat = _numbers(tensor, kind).view(np.uint8)
        if flat.size != prod(shape) * kind.stored.itemsize:
            raise ValueError(
                f"tensor {tensor.name!r}: {flat.size} bytes, "
                f"but shape {shape} needs {prod(shape)} times {kind.stored.itemsize}"
            )
        array = flat.view(kind.stored).reshape(shape)
        if tensor.data_type == _BFLOAT16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def embed_all(self) -> None:
        """Take the numbers that stand in other files into the model."""
        for tensor in _all_tensors(self.model):
            if tensor.data_location == _EXTERNAL:
                _put_bytes(tensor, self._other_bytes(tensor))

    def save(self, path: Path) -> None:
        """Write the model to `path`, whole or not at all.

        Raises
        ------
        ValueError
            When it has become too large for one file.
        """
        size = self.model.ByteSize()
        if size > MAX_BYTES:
            raise ValueError(f"the model takes {size} bytes, but an ONNX file has at most {MAX_BYTES}")
        with replacing(path) as file:
            file.write(self.model.SerializeToString(deterministic=True))

    def _other_files(self) -> dict[str, Path]:
        """The files beside the model that its tensors name."""
        tensors = [tensor for tensor in _all_tensors(self.model) if tensor.data_location == _EXTERNAL]
        locations = sorted({_external(tensor).get("location", "") for tensor in tensors})
        return {location: self._other_file(location) for location in locations}

    def _check_other_bytes(self, size: int) -> None:
        """Many tensors may name the same bytes: add them up before they are read."""
        limit = memory_limit(size + sum(file_size(path) for path in set(self._others.values()))) // _COPIES
        tensors = [tensor for tensor in _all_tensors(self.model) if tensor.data_location == _EXTERNAL]
        needed = sum(end - begin for begin, end in map(self._stretch, tensors))
        if needed > limit:
            raise ValueError(
                f"external data: the tensors take {needed} bytes, but at most {limit} for files of this size"
            )

    def _other_file(self, location: str) -> Path:
        """The file that a tensor names; it must be in the model's folder, whatever links lead there."""
        if not location or "\0" in location:
            raise ValueError(f"external data: location {location!r} is no file")
        found = (self._folder / location).resolve()
        if not found.is_relative_to(self._folder):
            raise ValueError(f"external data: location {location!r} leads out of the model's folder")
        try:
            file_size(found)
        except OSError as error:
            raise ValueError(f"external data: location {location!r} cannot be read: {error.strerror}") from None
        return found

    def _stretch(self, tensor: "TensorProto") -> tuple[int, int]:
        """Where in its file the bytes of a tensor begin and end."""
        entries = _external(tensor)
        size = file_size(self._others[entries.get("location", "")])
        begin = _whole("offset", entries.get("offset", "0"))
        end = begin + _whole("length", entries["length"]) if "length" in entries else size
        if not begin <= end <= size:
            raise ValueError(f"tensor {tensor.name!r}: bytes {begin} to {end} of its file, but there are {size}")
        return begin, end

    def _other_bytes(self, tensor: "TensorProto") -> bytes:
        begin, end = self._stretch(tensor)
        with self._others[_external(tensor).get("location", "")].open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)


def is_float(tensor: "TensorProto") -> bool:
    """Whether `tensor` holds numbers that `OnnxFile.floats` gives."""
    return tensor.data_type in _TYPES


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


def put_floats(tensor: "TensorProto", values: Floats) -> None:
    """Write `values`, of the tensor's shape, into it in its own type, rounded to nearest.

    Raises
    ------
    ValueError
        When one is too large for that type.
    """
    if tensor.data_type == _BFLOAT16:
        stored = _as_bfloat16(values)
        finite = (stored & 0x7F80) != 0x7F80
    else:
        with np.errstate(over="ignore"):
            stored = values.astype(_TYPES[tensor.data_type].stored)
        finite = np.isfinite(stored)
    if not finite.all():
        raise ValueError(f"tensor {tensor.name!r}: {np.abs(values).max()} is too large for its type")
    _put_bytes(tensor, stored.tobytes())


# Tensors --------------------------------------------------------------------------------------------------------------


def _numbers(tensor: "TensorProto", kind: _Type) -> NDArray[Any]:
    """Numbers that stand one by one in a field of the message."""
    field = getattr(tensor, kind.field)
    if kind.field != "int32_data":
        return np.fromiter(field, kind.stored, len(field))
    words = np.fromiter(field, np.int64, len(field))  # 16 bits each, the number's own
    if words.size and (words.min() < 0 or words.max() > 0xFFFF):
        raise ValueError(f"tensor {tensor.name!r}: a number of 16 bits is {words.max()}")
    return words.astype("<u2")


def _as_bfloat16(values: Floats) -> NDArray[np.uint16]:
    """The upper half of each float32, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    half: NDArray[np.uint16] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return half


def _put_bytes(tensor: "TensorProto", content: bytes) -> None:
    for field in ("float_data", "int32_data", "double_data", "external_data", "data_location"):
        tensor.ClearField(field)
    tensor.raw_data = content


def _external(tensor: "TensorProto") -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _whole(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"external data: {what} {text!r:.80} is no whole number")
    return int(text)


def _all_tensors(model: "ModelProto") -> Iterator["TensorProto"]:
    yield from tensors_in(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)


def tensors_in(graph: "GraphProto") -> Iterator["TensorProto"]:
    """Every tensor of a graph, of its nodes and of the graphs inside them."""
    yield from graph.initializer
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Any) -> Iterator["TensorProto"]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield from tensors_in(graph)


# The file -------------------------------------------------------------------------------------------------------------


def _parsed(content: bytes) -> "ModelProto":
    library = _onnx()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    model: ModelProto = library.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(f"no ONNX model: {error}") from None
    return model


def _check(model: str | bytes) -> None:
    """Have the library check the structure: known operators, their inputs and attributes, the order of the nodes."""
    checker = _onnx().checker
    try:
        checker.check_model(model)
    except (checker.ValidationError, RuntimeError, TypeError, IndexError, OverflowError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ValueError(f"no valid ONNX model: {first}") from None


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise ImportError("ONNX files need the onnx library: pip install 'eie-sim[onnx]'") from None
    return onnx


def _check_memory(content: bytes) -> None:
    """Add up what parsing will take, message by message, before any of it is done."""
    limit = memory_limit(len(content))
    needed = _COPIES * len(content)
    waiting: list[tuple[Any, int, int]] = [(_onnx().ModelProto.DESCRIPTOR, 0, len(content))]
    while waiting:
        message, at, end = waiting.pop()
        fields = _fields(message)
        while at < end:
            key, at = _varint(content, at, end)
            number, wire = key >> 3, key & 7
            needed += _NUMBER_BYTES
            if wire == _VARINT:
                _, at = _varint(content, at, end)
            elif wire in (_FIXED32, _FIXED64):
                at += 4 if wire == _FIXED32 else 8
            elif wire == _LENGTH:
                length, begin = _varint(content, at, end)
                at = begin + length
                field = fields.get(number)
                if at <= end and field is not None and field.message_type is not None:
                    waiting.append((field.message_type, begin, at))
                    needed += _MESSAGE_BYTES
                elif field is not None and field.is_packable:
                    needed += _NUMBER_BYTES * _packed_numbers(content[begin:at], field)
                else:
                    needed += _TEXT_BYTES
            else:
                raise ValueError(f"no ONNX model: byte {at} begins a field of unknown wire type {wire}")
            if at > end:
                raise ValueError(f"no ONNX model: a field ends at byte {at}, but what it is part of ends at {end}")
            if needed > limit:
                raise ValueError(f"its parts take more than the {limit} bytes of memory allowed for its {len(content)}")


class _Field(NamedTuple):
    message_type: Any  # descriptor, or None
    is_packable: bool  # numbers that may stand one after another in one field
    number_bytes: int  # of fixed size, or 0


@cache
def _fields(message: Any) -> dict[int, _Field]:
    sizes = {1: 8, 6: 8, 16: 8, 2: 4, 7: 4, 15: 4}  # fixed-size types by their numbers in protobuf's FieldDescriptor
    texts = {9, 10, 11, 12}  # string, group, message, bytes
    return {f.number: _Field(f.message_type, f.type not in texts, sizes.get(f.type, 0)) for f in message.fields}


def _packed_numbers(packed: bytes, field: _Field) -> int:
    """Numbers in a packed field, those of fixed size as the bytes they are already counted by."""
    if field.number_bytes:
        return 0
    return int(np.count_nonzero(np.frombuffer(packed, np.uint8) < 0x80))


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at byte `at`, and where it ends."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at + shift >= end:
            raise ValueError("no ONNX model: it is cut short within a number")
        byte = content[at + shift]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError(f"no ONNX model: the number at byte {at} has more than {_LONGEST_VARINT} bytes")

"""Networks in safetensors files: read as named arrays; decoded weights written, or put in the place of the original's.

A file is 8 bytes of header length, a JSON header of names, types, shapes and places, and the bytes of the tensors. All
of the header is checked here before anything relies on it. Networks of other origin hold more types than our own files,
which `compressor.storage.container` reads.
"""

from collections.abc import Callable, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as container_bytes

from compressor.importers.named_arrays import changed_arrays, dense_model_of, named_arrays
from compressor.storage.container import MAX_HEADER_BYTES, strict_json
from compressor.storage.files import errors_name, file_size, replacing
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the upper half of an F32, which NumPy has no type for
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_MAX_DIMENSIONS = 32  # NumPy 1.26 has no more
_MAX_SIZE = 2**32 - 1  # of one dimension; a shape such as (0, 2**64) has no bytes, yet no array can have it


class _Spec(NamedTuple):
    """A tensor's place in the data: bytes ``begin .. end - 1``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _File(NamedTuple):
    """The bytes of a file whose header is checked; the data begin at `start`."""

    content: NDArray[np.uint8]
    start: int
    specs: tuple[_Spec, ...]

    def part(self, spec: _Spec) -> NDArray[np.uint8]:
        return self.content[self.start + spec.begin : self.start + spec.end]


def read_safetensors(
    path: str | PathLike[str],
    activations: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    order: Sequence[str] | None = None,
) -> DenseModel:
    """Read a network from a safetensors file by the names of its tensors; see `named_arrays.dense_model_of`.

    Parameters
    ----------
    path : str or path
        Numbers in F64, F32, F16 and BF16 become float32; tensors of integers are left out and named in the provenance.
    activations, keep, order
        As for `named_arrays.dense_model_of`. Writers sort the tensors of a file by their names; `order` says which
        layer comes first.

    Returns
    -------
    DenseModel

    Raises
    ------
    FormatError
        When the file is malformed, holds numbers that are not finite, or no weights; a ValueError that names the file,
        the tensor, the value and the limit.
    OSError
        When it cannot be read.
    """
    with errors_name(Path(path)):
        file = _read(Path(path))
        file.content.flags.writeable = False  # so that a model need not copy it
        arrays = {spec.name: _array(spec, file.part(spec)) for spec in file.specs}
        source = {"source": f"safetensors {Path(path).name}"}
        return dense_model_of(arrays, provenance=source, activations=activations, keep=keep, order=order)


def write_safetensors(
    model: CompressedModel | DenseModel, path: str | PathLike[str], like: str | PathLike[str] | None = None
) -> None:
    """Write the decoded weights of `model` under their original names, whole or not at all.

    Parameters
    ----------
    model : CompressedModel or DenseModel
    path : str or path
        By convention ends in ``.safetensors``. A file that is there is replaced.
    like : str, path or None
        The file that the model was read from: all of it is kept, byte for byte, but the tensors whose values differ;
        these keep their type, F16 and BF16 rounded to the nearest. None: every tensor is F32.

    Raises
    ------
    ValueError
        When `like` is malformed or has not the tensors of the model, or a value does not fit its type.
    OSError
        When a file cannot be read or written.
    """
    content = _new_content(model) if like is None else _changed_content(model, Path(like))
    with replacing(Path(path)) as file:
        file.write(content)


# Writing --------------------------------------------------------------------------------------------------------------


def _new_content(model: CompressedModel | DenseModel) -> bytes:
    arrays = named_arrays(model)
    if _METADATA in arrays:
        raise ValueError(f"array {_METADATA!r}: no tensor of a safetensors file can have this name")
    content: bytes = container_bytes(arrays, {"format": "pt"})  # names and layouts are PyTorch's
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"header: {length} bytes of names, but at most {MAX_HEADER_BYTES} are read again")
    return content


def _changed_content(model: CompressedModel | DenseModel, like: Path) -> memoryview:
    with errors_name(like):
        file = _read(like)
        specs = {spec.name: spec for spec in file.specs}
        current = {spec.name: _array(spec, file.part(spec)) for spec in file.specs}
        for name, array in changed_arrays(model, current).items():
            encoded = _ENCODERS[specs[name].dtype](array)
            if not np.isfinite(_decoded(encoded, specs[name].dtype)).all():
                raise ValueError(f"array {name!r}: {np.abs(array).max()} is too large for {specs[name].dtype}")
            file.part(specs[name])[:] = encoded.reshape(-1).view(np.uint8)
    return file.content.data


def _bfloat16(array: NDArray[np.float32]) -> NDArray[Any]:
    """The upper halves, rounded to nearest, to even where two are equally near."""
    bits = array.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")


def _cast(dtype: str) -> Callable[[NDArray[np.float32]], NDArray[Any]]:
    def encode(array: NDArray[np.float32]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            return array.astype(_DTYPES[dtype])

    return encode


_ENCODERS = {"F64": _cast("F64"), "F32": _cast("F32"), "F16": _cast("F16"), "BF16": _bfloat16}


# Reading --------------------------------------------------------------------------------------------------------------


def _read(path: Path) -> _File:
    size = file_size(path)
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < _LENGTH_BYTES:
            raise ValueError(f"length: {size} bytes, but a safetensors file has {_LENGTH_BYTES} before its header")
        if length > size - _LENGTH_BYTES:
            raise ValueError(
                f"header length: {length} bytes, but the file has {size}; it is cut short or another format"
            )
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"header length: {length} bytes, but at most {MAX_HEADER_BYTES} are read")
        header = file.read(length)
        start = _LENGTH_BYTES + length
        specs = _specs(header, size - start)
        file.seek(0)
        content = np.fromfile(file, np.uint8, size)
    if len(content) != size:
        raise ValueError(f"length: the file has changed from {size} to {len(content)} bytes while it was read")
    return _File(content, start, specs)


def _specs(header: bytes, n_bytes: int) -> tuple[_Spec, ...]:
    """The tensors in the order of their data, of which they take every byte once."""
    if not header.startswith(b"{"):
        raise ValueError("header: must be a JSON object that begins with its first byte")
    try:
        found = strict_json("header", header.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"header: byte {error.start} is no UTF-8") from None
    metadata = found.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"header: {_METADATA} must map texts to texts")
    specs = sorted((_spec(name, entry) for name, entry in found.items()), key=lambda spec: (spec.begin, spec.end))
    at = 0
    for spec in specs:
        if spec.begin != at:
            raise ValueError(f"tensor {spec.name!r}: begins at byte {spec.begin} of the data, not at {at}")
        at = spec.end
    if at != n_bytes:
        raise ValueError(f"data: {n_bytes} bytes, but the tensors end at {at}")
    return tuple(specs)


def _spec(name: str, entry: object) -> _Spec:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r}: must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"tensor {name!r}: dtype {dtype!r}, but it must be one of {', '.join(_DTYPES)}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS or max(shape, default=0) > _MAX_SIZE:
        raise ValueError(
            f"tensor {name!r}: shape {shape!r}, but it must be at most {_MAX_DIMENSIONS} numbers up to {_MAX_SIZE}"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"tensor {name!r}: data_offsets {offsets!r}, but they must be [begin, end]")
    needed = prod(shape) * _DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != needed:
        raise ValueError(f"tensor {name!r}: {offsets[1] - offsets[0]} bytes, but {dtype} of {shape} needs {needed}")
    return _Spec(name, dtype, tuple(shape), *offsets)


def _are_sizes(found: object) -> bool:
    # JSON's true and 1.0 are equal to 1 in Python, and are no sizes.
    return isinstance(found, list) and all(type(number) is int and number >= 0 for number in found)


def _array(spec: _Spec, part: NDArray[np.uint8]) -> NDArray[Any]:
    """The values of a tensor; of a kind other than "f" where they are no floating-point numbers."""
    width = _DTYPES[spec.dtype].itemsize
    if part.ctypes.data % width:
        part = part.copy()  # compiled kernels take aligned arrays only
    return _decoded(part.view(_DTYPES[spec.dtype]), spec.dtype).reshape(spec.shape)


def _decoded(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    return (values.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else values

"""A strict reader of safetensors containers: everything checked, nothing copied.

A container is 8 bytes of header length (little-endian), a JSON header, and the bytes of the tensors one after another.
The library's own NumPy reader copies every tensor; this one maps the file, and checks a thing before it relies on it.
Messages here name the thing, the value and the limit; `compressor.storage.files.errors_name` adds the file.
"""

import json
import mmap
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from compressor.storage.files import file_size

MAX_HEADER_BYTES = 2 * 2**20
"""Longest header read or written: some 3000 layers. Parsed JSON may take 40x its text, and must stay below 100 MB."""

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "U32": np.dtype("<u4"), "U8": np.dtype("u1")}
"""The tensor types our files use, by their safetensors names."""

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_LONGEST_NUMBER = 19  # digits of 2**63
_MAX_DIMENSIONS = 2  # our files hold vectors and matrices
_MAX_SIZE = 2**32 - 1  # of one dimension; a shape such as (0, 2**64) has no bytes, yet no array can have it


@dataclass(frozen=True)
class TensorSpec:
    """Where a tensor stands in the data part of a container: bytes ``begin .. end - 1``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class Container:
    """A container whose structure is checked: the tensors fill `data` without gap or overlap.

    Attributes
    ----------
    metadata : dict of str to str
    specs : tuple of TensorSpec
        In the order of the data.
    data : ndarray of uint8
        The data part, read-only; a view of the map where the file is mapped.
    data_start : int
        Bytes of the file before the data part.
    """

    metadata: dict[str, str]
    specs: tuple[TensorSpec, ...]
    data: NDArray[np.uint8]
    data_start: int

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every tensor by its name, as a read-only view."""
        return {s.name: self.data[s.begin : s.end].view(DTYPES[s.dtype]).reshape(s.shape) for s in self.specs}


def read_container(path: Path, mapped: bool = True, kind: str = "safetensors container") -> Container:
    """Read the container at `path`; `kind` is what a message says that another file is not.

    Raises
    ------
    ValueError
        When it is malformed.
    OSError
        When it cannot be read.
    """
    size = file_size(path)
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        if size < _LENGTH_BYTES:
            raise ValueError(f"no {kind}: {size} bytes, but it has at least {_LENGTH_BYTES}")
        if length > size - _LENGTH_BYTES:
            if file.read(1) != b"{":
                raise ValueError(f"no {kind}: it begins with {prefix!r}, and no header follows")
            raise ValueError(
                f"header length: {length} bytes, but only {size - _LENGTH_BYTES} follow it; the file is cut short"
            )
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"header length: {length} bytes, but at most {MAX_HEADER_BYTES} are read")
        header = file.read(length)
        if mapped:
            # The map keeps the file open for itself, and lives as long as a view of it.
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        else:
            file.seek(0)
            content = np.frombuffer(file.read(size), np.uint8)
    if len(content) != size or len(header) != length:
        raise ValueError(f"length: the file has changed from {size} to {len(content)} bytes while it was read")
    data = content[_LENGTH_BYTES + length :]
    metadata, specs = _parse_header(header)
    _check_layout(specs, len(data), _LENGTH_BYTES + length)
    return Container(metadata, specs, data, _LENGTH_BYTES + length)


def strict_json(what: str, text: str) -> Any:
    """Parse JSON of limited depth, without a key twice in one object, without NaN and numbers beyond 64 bits.

    Raises
    ------
    ValueError
        When `text` is something else; the message begins with `what`.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except RecursionError:
        raise ValueError(f"{what}: is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{what}: is no strict JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice in one object")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits, but at most {_LONGEST_NUMBER} are read")
    return int(digits)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _parse_header(header: bytes) -> tuple[dict[str, str], tuple[TensorSpec, ...]]:
    if not header.startswith(b"{"):
        raise ValueError("header: must be a JSON object that begins with its first byte")
    try:
        text = header.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"header: byte {error.start} is no UTF-8") from None
    found = strict_json("header", text)
    metadata = found.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"header: {_METADATA} must map texts to texts")
    specs = [_tensor_spec(name, value) for name, value in found.items()]
    return metadata, tuple(sorted(specs, key=lambda spec: (spec.begin, spec.end)))


def _tensor_spec(name: str, found: object) -> TensorSpec:
    if not isinstance(found, dict) or found.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r}: must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name!r}: dtype {dtype!r}, but it must be one of {', '.join(DTYPES)}")
    if not _are_numbers(shape) or len(shape) > _MAX_DIMENSIONS or max(shape, default=0) > _MAX_SIZE:
        raise ValueError(
            f"tensor {name!r}: shape {shape!r}, but it must be at most {_MAX_DIMENSIONS} numbers up to {_MAX_SIZE}"
        )
    if not _are_numbers(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"tensor {name!r}: data_offsets {offsets!r}, but they must be [begin, end]")
    needed = prod(shape) * DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != needed:
        raise ValueError(
            f"tensor {name!r}: {offsets[1] - offsets[0]} bytes, but {dtype} of shape {shape} needs {needed}"
        )
    return TensorSpec(name, dtype, tuple(shape), *offsets)


def _are_numbers(found: object) -> bool:
    # JSON's true and 1.0 are equal to 1 in Python, and are no sizes.
    return isinstance(found, list) and all(type(number) is int and number >= 0 for number in found)


def _check_layout(specs: tuple[TensorSpec, ...], n_bytes: int, data_start: int) -> None:
    at = 0
    for spec in specs:
        if spec.begin != at:
            raise ValueError(
                f"tensor {spec.name!r}: begins at byte {spec.begin} of the data, but the one before ends at {at}"
            )
        if spec.end > n_bytes:
            raise ValueError(f"tensor {spec.name!r}: ends at byte {spec.end} of the data, but there are {n_bytes}")
        width = DTYPES[spec.dtype].itemsize
        if (data_start + spec.begin) % width:
            raise ValueError(
                f"tensor {spec.name!r}: begins at byte {data_start + spec.begin} of the file, "
                f"but {spec.dtype} must begin at a multiple of {width}"
            )
        at = spec.end
    if at != n_bytes:
        raise ValueError(f"data: {n_bytes} bytes, but the tensors end at {at}")

"""The one reader and writer of safetensors containers, ours and those of other programs.

A container is 8 bytes of header length (little-endian), a JSON header, and the bytes of the tensors one after another.
The library's own NumPy reader copies every tensor; this one can map the file instead, and checks a thing before it
relies on it. `ContainerRules` says what a kind of file may hold: ours have three types, and tensors that begin where a
kernel can take them. Messages here name the thing, the value and the limit; `compressor.storage.files.errors_name`
adds the file.
"""

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from compressor.storage.files import file_size
from compressor.storage.strict_json import strict_json

_LENGTH_BYTES = 8

MAX_HEADER_BYTES = 2 * 2**20
"""Longest header read or written: some 3000 layers. Parsed JSON may take 40x its text, and must stay below 100 MB."""

_METADATA = "__metadata__"

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "U32": np.dtype("<u4"), "U8": np.dtype("u1")}
"""The tensor types our files use, by their safetensors names."""

_MAX_SIZE = 2**32 - 1  # of one dimension


@dataclass(frozen=True)
class ContainerRules:
    """What one kind of container may hold.

    Attributes
    ----------
    kind : str
        What a message calls the file: ``".eie file"``.
    dtypes : mapping of str to dtype
        The types of tensors by their safetensors names.
    max_dimensions : int
    aligned : bool
        Whether a tensor must begin at a multiple of its item's size, as compiled kernels need it.
    """

    kind: str
    dtypes: Mapping[str, np.dtype[Any]]
    max_dimensions: int
    aligned: bool


class TensorSpec(NamedTuple):
    """Where a tensor is in the data part of a container: bytes ``begin .. end - 1``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class Container:
    """A container whose structure is checked: the tensors fill the data part without gap or overlap.

    Attributes
    ----------
    rules : ContainerRules
    metadata : dict of str to str
    specs : tuple of TensorSpec
        In the order of the data.
    content : ndarray of uint8
        The whole file, read-only; a view of the map where the file is mapped.
    data_start : int
        Bytes of the file before the data part.
    """

    rules: ContainerRules
    metadata: dict[str, str]
    specs: tuple[TensorSpec, ...]
    content: NDArray[np.uint8]
    data_start: int

    def part(self, spec: TensorSpec) -> NDArray[np.uint8]:
        """The bytes of a tensor, as a view."""
        return self.content[self.data_start + spec.begin : self.data_start + spec.end]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every tensor by its name, as a read-only view."""
        return {s.name: self.part(s).view(self.rules.dtypes[s.dtype]).reshape(s.shape) for s in self.specs}


def read_container(path: Path, rules: ContainerRules, mapped: bool) -> Container:
    """Read the container at `path`.

    Raises
    ------
    ValueError
        If it is malformed, or breaks a rule.
    OSError
        If it cannot be read.
    """
    size = file_size(path)
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        start = data_start(prefix)
        length = start - _LENGTH_BYTES
        if size < _LENGTH_BYTES:
            raise ValueError(f"no {rules.kind}: {size} bytes, but it has at least {_LENGTH_BYTES}")
        # Attack: a header that declares more bytes than the file holds. Also what any other kind of file looks like.
        if start > size:
            if file.read(1) != b"{":
                raise ValueError(f"no {rules.kind}: it begins with {prefix!r}, and no header follows")
            raise ValueError(
                f"header length: {length} bytes, but only {size - _LENGTH_BYTES} follow it; the file is cut short"
            )
        # Attack: a file that is all header, of which every byte takes 40 once it is parsed.
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"header length: {length} bytes, but at most {MAX_HEADER_BYTES} are read")
        header = file.read(length)
        # Attack: a large file with a bad header; it is refused before its tensors are read. A short header is one of a
        # file that has changed, as below.
        metadata, specs = _scanned_header(header, size - start, rules) if len(header) == length else ({}, ())
        if mapped:
            # The map keeps the file open for itself, and lives as long as a view of it.
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        else:
            file.seek(0)
            content = np.fromfile(file, np.uint8, size)
            content.flags.writeable = False
    # Attack: a file that changes under the reader, so that what was checked is not what is used.
    if len(content) != size or len(header) != length:
        raise ValueError(f"length: the file has changed from {size} to {len(content)} bytes while it was read")
    return Container(rules, metadata, specs, content, start)


def container_content(tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str], header_holds: str) -> bytes:
    """The bytes of a container; the same tensors and metadata (one entry at most) give the same bytes.

    Raises
    ------
    ValueError
        If the header, which holds `header_holds`, would be longer than is read again.
    """
    if _METADATA in tensors:
        raise ValueError(f"array {_METADATA!r}: no tensor of a safetensors file can have this name")
    content: bytes = save(dict(tensors), metadata)
    length = data_start(content) - _LENGTH_BYTES
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"header: {length} bytes of {header_holds}, but at most {MAX_HEADER_BYTES} are read again")
    return content


def data_start(content: bytes) -> int:
    """Bytes of a container before the bytes of its tensors."""
    return _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")


def _scanned_header(
    header: bytes, n_bytes: int, rules: ContainerRules
) -> tuple[dict[str, str], tuple[TensorSpec, ...]]:
    """The metadata, and the tensors in the order of their `n_bytes` bytes of data, of which they take each once."""
    # The library allows no white space here, and a file that only we read would be another file for it.
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
    specs = [_checked_spec(name, entry, rules) for name, entry in found.items()]
    in_order = sorted(specs, key=lambda spec: (spec.begin, spec.end))
    # Attacks: tensors that overlap, so that a small file becomes a large model; gaps that hide bytes.
    start = _LENGTH_BYTES + len(header)
    at = 0
    for spec in in_order:
        if spec.begin != at:
            raise ValueError(
                f"tensor {spec.name!r}: begins at byte {spec.begin} of the data, but the one before ends at {at}"
            )
        if spec.end > n_bytes:
            raise ValueError(f"tensor {spec.name!r}: ends at byte {spec.end} of the data, but there are {n_bytes}")
        width = rules.dtypes[spec.dtype].itemsize
        if rules.aligned and (start + spec.begin) % width:
            raise ValueError(
                f"tensor {spec.name!r}: begins at byte {start + spec.begin} of the file, "
                f"but {spec.dtype} must begin at a multiple of {width}"
            )
        at = spec.end
    if at != n_bytes:
        raise ValueError(f"data: {n_bytes} bytes, but the tensors end at {at}")
    return metadata, tuple(in_order)


def _checked_spec(name: str, entry: object, rules: ContainerRules) -> TensorSpec:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r}: must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in rules.dtypes:
        raise ValueError(f"tensor {name!r}: dtype {dtype!r}, but it must be one of {', '.join(rules.dtypes)}")
    # Attack: the shape (0, 2**64), which needs no bytes and so agrees with its offsets, yet no array can have it.
    most = rules.max_dimensions
    if not _are_sizes(shape) or len(shape) > most or max(shape, default=0) > _MAX_SIZE:
        raise ValueError(f"tensor {name!r}: shape {shape!r}, but it must be at most {most} numbers up to {_MAX_SIZE}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"tensor {name!r}: data_offsets {offsets!r}, but they must be [begin, end]")
    # Attack: a shape of terabytes over a few bytes of data.
    needed = prod(shape) * rules.dtypes[dtype].itemsize
    if offsets[1] - offsets[0] != needed:
        raise ValueError(
            f"tensor {name!r}: {offsets[1] - offsets[0]} bytes, but {dtype} of shape {shape} needs {needed}"
        )
    return TensorSpec(name, dtype, tuple(shape), *offsets)


def _are_sizes(found: object) -> bool:
    # JSON's true and 1.0 are equal to 1 in Python, and are no sizes.
    return isinstance(found, list) and all(type(number) is int and number >= 0 for number in found)

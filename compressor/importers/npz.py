"""Networks in NumPy's ``.npz`` archives: read as named arrays; decoded weights written, or in the original's place.

An archive is a zip file of ``<name>.npy``. NumPy's reader allocates what a header declares; here the declared sizes of
all arrays are checked against what the archive may take before the first is allocated, and nothing is unpickled.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.named_arrays import changed_arrays, dense_model_of, named_arrays
from compressor.importers.zip_archive import opened_zip
from compressor.storage.files import check_suffix, errors_name, file_size, memory_limit, replacing
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

_SUFFIX = ".npy"
_MAX_NAME_BYTES = 2**16 - 1  # of a zip's member
_MAX_DIRECTORY_BYTES = 2**20  # of the zip: some 15 000 arrays; Python's objects for it take 20x as much
_MAX_HEADER_BYTES = 10_000  # of an array, as in numpy.lib.format
_PIECE = 2**20  # bytes read at a time
_WORKING_BYTES = 32 * 2**20
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # those of numpy.savez; others can ask for any memory
_PREFIX = re.compile(rb"\x93NUMPY([\x01-\x03])\x00")
_HEADER = re.compile(
    r"""\s*\{\s*'descr'\s*:\s*'(?P<descr>[<>|=]?[biufcSUVmMO?][0-9]{0,9})'\s*,
    \s*'fortran_order'\s*:\s*(?P<fortran>True|False)\s*,
    \s*'shape'\s*:\s*\((?P<shape>\s*(?:[0-9]{1,19}\s*,\s*(?:[0-9]{1,19}\s*,\s*)*(?:[0-9]{1,19}\s*)?)?)\)\s*,?\s*\}\s*""",
    re.VERBOSE,
)


class _Member(NamedTuple):
    """An array of an archive: what its header says."""

    info: zipfile.ZipInfo
    name: str
    dtype: np.dtype[Any]
    is_fortran: bool
    shape: tuple[int, ...]
    begin: int  # of the data, in the uncompressed member

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def memory(self) -> int:
        """Most bytes that this array needs on its way to float32: itself, a copy in another type or order, a check."""
        is_as_kept = self.dtype == np.float32 and not self.is_fortran
        return self.n_bytes + prod(self.shape) * (1 if is_as_kept else 5)


def read_npz(
    path: str | PathLike[str],
    activations: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    order: Sequence[str] | None = None,
    take: Sequence[str] = (),
) -> DenseModel:
    """Read a network from an ``.npz`` archive by the names of its arrays; see `named_arrays.dense_model_of`.

    Parameters
    ----------
    path : str or path
        float64 and float16 become float32; arrays of anything but floating-point numbers are left out and named in the
        provenance.
    activations, keep, order, take
        As for `named_arrays.dense_model_of`.

    Returns
    -------
    DenseModel

    Raises
    ------
    FormatError
        When the archive is malformed, holds Python objects, numbers that are not finite or no weights, or would take
        more memory than ten times its size and 100 MB; a ValueError that names the file, the array, the value and the
        limit.
    OSError
        When it cannot be read.
    """
    with errors_name(Path(path)):
        arrays = read_arrays(Path(path))
        source = {"source": f"npz {Path(path).name}"}
        return dense_model_of(arrays, provenance=source, activations=activations, keep=keep, order=order, take=take)


def write_npz(
    model: CompressedModel | DenseModel,
    path: str | PathLike[str],
    like: str | PathLike[str] | None = None,
    compressed: bool = False,
) -> None:
    """Write the decoded weights of `model` under their original names, whole or not at all.

    Parameters
    ----------
    model : CompressedModel or DenseModel
    path : str or path
        By convention ends in ``.npz``. A file that is there is replaced.
    like : str, path or None
        The archive that the model was read from: all its arrays are written in its order and their types, those of the
        model with its values. None: the arrays of the model alone, as float32.
    compressed : bool
        Deflate the arrays, as `numpy.savez_compressed`.

    Raises
    ------
    ValueError
        When `like` is malformed or has not the arrays of the model, a value does not fit its type, or a name no zip;
        if `path` ends as another format does.
    OSError
        When a file cannot be read or written.
    """
    check_suffix(Path(path), ".npz", "a NumPy archive")
    arrays: dict[str, NDArray[Any]]
    if like is None:
        arrays = {**named_arrays(model)}
    else:
        with errors_name(Path(like)):
            arrays = read_arrays(Path(like))
            for name, array in changed_arrays(model, arrays).items():
                with np.errstate(over="ignore"):
                    encoded = array.astype(arrays[name].dtype)
                if not np.isfinite(encoded).all():
                    raise ValueError(f"array {name!r}: {np.abs(array).max()} is too large for {encoded.dtype}")
                arrays[name] = encoded
    with replacing(Path(path)) as file:
        write_arrays(arrays, file, compressed)


def write_arrays(arrays: Mapping[str, NDArray[Any]], file: IO[bytes], compressed: bool = False) -> None:
    """Write arrays as an ``.npz`` archive; the same arrays give the same bytes.

    Raises
    ------
    ValueError
        If a name cannot be in a zip file, or an array holds Python objects.
    OSError
        If the file cannot be written.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member_name = name + _SUFFIX
            n_bytes = len(member_name.encode(errors="replace"))
            is_text = member_name.encode(errors="ignore").decode() == member_name
            if n_bytes > _MAX_NAME_BYTES or "\0" in name or not is_text:
                raise ValueError(f"array {name[:100]!r}: no zip file can have this name of {n_bytes} bytes in it")
            info = zipfile.ZipInfo(member_name)  # dated 1980
            info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


# Reading --------------------------------------------------------------------------------------------------------------


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an archive, in their own types; none is allocated before all headers have been scanned.

    Raises
    ------
    ValueError
        If the archive is malformed, holds Python objects, or would take more memory than ten times its size and 100 MB.
    OSError
        If it cannot be read.
    """
    size = file_size(path)
    with opened_zip(path, _MAX_DIRECTORY_BYTES) as archive:
        members = [_scanned(archive, info) for info in archive.infolist()]
        # Attack: a name twice, of which one reader takes the first array and another the last.
        if len({member.name for member in members}) < len(members):
            raise ValueError("directory: two arrays have the same name")
        # Attacks: a kilobyte that inflates to gigabytes; a directory that names the same member again and again.
        memory = sum(member.memory for member in members) + _WORKING_BYTES
        if memory > memory_limit(size):
            raise ValueError(f"arrays: unpacking takes {memory} bytes, but {size} may take {memory_limit(size)}")
        return {member.name: _array(archive, member) for member in members}


def _scanned(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    """The array of a member by its header, without its data."""
    name = info.filename.removesuffix(_SUFFIX)
    if name == info.filename or not name:
        raise ValueError(f"member {info.filename!r}: is no array, whose name would end in {_SUFFIX}")
    # Attack: LZMA and bzip2, whose dictionaries take what memory the member asks for.
    if info.compress_type not in _METHODS or info.flag_bits & 1:
        raise ValueError(f"array {name!r}: is encrypted or compressed by method {info.compress_type}")
    with archive.open(info) as stream:
        prefix = stream.read(8)
        version = _PREFIX.fullmatch(prefix)
        if version is None:
            raise ValueError(f"array {name!r}: begins with {prefix!r}, which no .npy does")
        length_bytes = 2 if version[1] == b"\x01" else 4
        length = int.from_bytes(stream.read(length_bytes), "little")
        # Attack: a header of gigabytes.
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"array {name!r}: header of {length} bytes, but at most {_MAX_HEADER_BYTES} are read")
        header = stream.read(length).decode("latin1")
    # Attack: NumPy evaluates this text as Python; deeply nested, it exhausts the parser's stack.
    found = _HEADER.fullmatch(header)
    if found is None:
        raise ValueError(f"array {name!r}: header {header[:100]!r} is not that of a plain array")
    try:
        dtype = np.dtype(found["descr"])
    except (TypeError, ValueError):
        raise ValueError(f"array {name!r}: there is no type {found['descr']!r}") from None
    # Attacks: a pickle, which may run anything; a type of no bytes, of which any number fits into the file.
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"array {name!r}: holds Python objects or nothing, type {found['descr']!r}, which is not read")
    shape = tuple(int(number) for number in re.findall("[0-9]+", found["shape"]))
    member = _Member(info, name, dtype, found["fortran"] == "True", shape, len(prefix) + length_bytes + length)
    # Attack: a shape of terabytes over a few bytes of data.
    if member.begin + member.n_bytes != info.file_size:
        raise ValueError(f"array {name!r}: {info.file_size} bytes, but its header declares {member.n_bytes} of data")
    return member


def _array(archive: zipfile.ZipFile, member: _Member) -> NDArray[Any]:
    data = np.empty(member.n_bytes, np.uint8)
    with archive.open(member.info) as stream:
        stream.read(member.begin)
        at = 0
        while at < len(data):
            piece = stream.read(min(_PIECE, len(data) - at))
            if not piece:
                raise ValueError(f"array {member.name!r}: ends after {at} of {len(data)} bytes")
            data[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
        if stream.read(1):  # at the end the checksum is looked at
            raise ValueError(f"array {member.name!r}: more than the {len(data)} bytes of data it declares")
    data.flags.writeable = False
    return data.view(member.dtype).reshape(member.shape, order="F" if member.is_fortran else "C")

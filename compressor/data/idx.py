"""Reading files in the format of MNIST ("idx"), zipped or not; nothing in a file is believed before it is checked.

An idx file of bytes is a big-endian header of 32-bit numbers, the magic number ``0x0800 + dimensions`` and the size of
each dimension, and then the bytes in C order, to the end of the file.
"""

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.storage.files import errors_name, file_size, memory_limit

_GZIP = b"\x1f\x8b"  # first bytes of a zipped file; an idx file begins with two zeros
_BYTES = 0x0800  # magic number of unsigned bytes, without the dimensions
_WORD = 4  # bytes of a number in the header


def read_idx(path: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """The array in the idx file at `path`; read-only.

    Whether the file is zipped is seen by its content. A zipped file may take as much memory as every file here:
    `compressor.storage.files.memory_limit`.

    Parameters
    ----------
    path : Path
    n_dimensions : int
        3 for images, 1 for labels.

    Raises
    ------
    compressor.storage.files.FormatError
        When the file is something else, cut short, or longer than its header says.
    OSError
        When it cannot be read.
    """
    whole_number("n_dimensions", n_dimensions, 1, 255)
    with errors_name(path):
        size = file_size(path)
        with path.open("rb") as file:
            zipped = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not zipped:
                return _read(file, n_dimensions, size)
            try:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    return _read(cast(BinaryIO, unzipped), n_dimensions, memory_limit(size))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ValueError(f"gzip: {error}") from None


def _read(file: BinaryIO, n_dimensions: int, limit: int) -> NDArray[np.uint8]:
    """The array that `file` holds, of which at most `limit` bytes are read."""
    length = _WORD * (1 + n_dimensions)
    header = file.read(length)
    magic, expected = int.from_bytes(header[:_WORD], "big"), _BYTES + n_dimensions
    if len(header) >= _WORD and magic != expected:
        raise ValueError(f"magic number: {magic}, but bytes in {n_dimensions} dimensions have {expected}")
    if len(header) < length:
        raise ValueError(f"header: {len(header)} bytes, but it has {length}; the file is cut short")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=_WORD))
    if min(shape) < 1:
        raise ValueError(f"sizes: {shape}, but each must be at least 1")
    needed = prod(shape)
    if needed > limit - length:
        raise ValueError(f"sizes: {shape} need {needed} bytes, but at most {limit - length} can follow the header")
    # One byte more than needed, so that the end of the file is seen, and with it the checksum of a zipped one.
    data = file.read(needed + 1)
    if len(data) != needed:
        found = "more" if len(data) > needed else f"{len(data)}"
        raise ValueError(f"data: {found} bytes follow the header, but sizes {shape} need {needed}")
    return np.frombuffer(data, np.uint8).reshape(shape)

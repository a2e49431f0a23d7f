"""Reads input vectors from a ``.npy`` file that nobody has vouched for."""

import io
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats
from compressor.storage.files import file_size
from compressor.types.packed import PackedLayer

NUMPY_MAGIC = b"\x93NUMPY"


def read_acts(path: Path, layer: PackedLayer) -> NDArray[np.float32]:
    """Input vectors from a ``.npy`` file; float32, shape (n_cols,) or (B, n_cols).

    Raises
    ------
    ValueError
        When it is no such file, does not fit `layer`, or a number is not finite.
    OSError
        When it cannot be read.
    """
    acts = as_floats(str(path), load_npy(path))
    if acts.ndim not in (1, 2) or acts.shape[-1] != layer.n_cols:
        wanted = f"({layer.n_cols},) or (B, {layer.n_cols})"
        raise ValueError(f"{path}: shape {acts.shape}, but layer {layer.name!r} takes {wanted}")
    if acts.shape[0] == 0:
        raise ValueError(f"{path}: no input vector")
    return acts


def load_npy(path: Path) -> NDArray[Any]:
    """The array of a ``.npy`` file; a header that declares more than the file holds is refused.

    Raises
    ------
    ValueError
        When it is no such file.
    OSError
        When it cannot be read.
    """
    file_size(path)
    content = path.read_bytes()
    if not content.startswith(NUMPY_MAGIC):
        raise ValueError(f"{path}: no .npy file (numpy.save writes one)")
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, TypeError, SyntaxError, OverflowError, EOFError, MemoryError, tokenize.TokenError) as error:
        if _holds_objects(content):
            raise ValueError(f"{path}: holds objects of Python, but must hold numbers") from None
        raise ValueError(
            f"{path}: malformed .npy file: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    return np.asarray(array)


def _holds_objects(content: bytes) -> bool:
    """Whether the header of a file that could not be read declares a type of Python objects: a pickle."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    stream = io.BytesIO(content)
    try:
        _, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (KeyError, ValueError, TypeError, SyntaxError, OverflowError, EOFError, MemoryError, tokenize.TokenError):
        return False
    return bool(dtype.hasobject)

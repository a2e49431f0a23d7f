"""Networks in safetensors files: read as named arrays; decoded weights written, or put in the place of the original's.

The files are read and checked by `compressor.storage.container`. Networks of other origin hold more types than our own
files, in tensors that may begin at any byte.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.importers.bfloat16 import as_bfloat16, from_bfloat16
from compressor.importers.float8 import FLOAT8, as_float8, from_float8
from compressor.importers.named_arrays import changed_arrays, dense_model_of, named_arrays
from compressor.storage.container import ContainerRules, TensorSpec, container_content, read_container
from compressor.storage.files import check_suffix, errors_name, replacing
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # see compressor.importers.bfloat16
    **dict.fromkeys(FLOAT8, np.dtype("u1")),  # see compressor.importers.float8
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
_RULES = ContainerRules("safetensors file", _DTYPES, max_dimensions=32, aligned=False)  # NumPy 1.26 has no more


def read_safetensors(
    path: str | PathLike[str],
    activations: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    order: Sequence[str] | None = None,
    take: Sequence[str] = (),
) -> DenseModel:
    """Read a network from a safetensors file by the names of its tensors; see `named_arrays.dense_model_of`.

    Parameters
    ----------
    path : str or path
        Numbers in F64, F32, F16, BF16, F8_E4M3 and F8_E5M2 become float32; tensors of integers are left out and named
        in the provenance.
    activations, keep, order, take
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
        file = read_container(Path(path), _RULES, mapped=False)
        arrays = {spec.name: _array(spec, file.part(spec)) for spec in file.specs}
        source = {"source": f"safetensors {Path(path).name}"}
        return dense_model_of(
            arrays, provenance=source, activations=activations, keep=keep, order=order, take=take,
            eight_bits=[spec.name for spec in file.specs if spec.dtype in FLOAT8],
        )  # fmt: skip


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
        these keep their type, the narrower ones rounded to the nearest. None: every tensor is F32.

    Raises
    ------
    ValueError
        When `like` is malformed or has not the tensors of the model, or a value does not fit its type; if `path` ends
        as another format does.
    OSError
        When a file cannot be read or written.
    """
    check_suffix(Path(path), ".safetensors", "a safetensors file")
    content: bytes | memoryview
    if like is None:  # names and layouts are PyTorch's
        content = container_content(named_arrays(model), {"format": "pt"}, "names")
    else:
        with errors_name(Path(like)):
            source = read_container(Path(like), _RULES, mapped=False)
            source.content.flags.writeable = True  # nobody else has it
            specs = {spec.name: spec for spec in source.specs}
            current = {spec.name: _array(spec, source.part(spec)) for spec in source.specs}
            for name, array in changed_arrays(model, current).items():
                dtype = specs[name].dtype
                encoded = _encoded(array, dtype)
                if not np.isfinite(_decoded(encoded, dtype)).all():
                    raise ValueError(f"array {name!r}: {np.abs(array).max()} is too large for {dtype}")
                source.part(specs[name])[:] = encoded.reshape(-1).view(np.uint8)
            content = source.content.data
    with replacing(Path(path)) as file:
        file.write(content)


# Numbers --------------------------------------------------------------------------------------------------------------


def _array(spec: TensorSpec, part: NDArray[np.uint8]) -> NDArray[Any]:
    """The values of a tensor; of a kind other than "f" where they are no floating-point numbers."""
    width = _DTYPES[spec.dtype].itemsize
    if part.ctypes.data % width:
        part = part.copy()  # compiled kernels take aligned arrays only
    return _decoded(part.view(_DTYPES[spec.dtype]), spec.dtype).reshape(spec.shape)


def _decoded(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    if dtype in FLOAT8:
        return from_float8(values, dtype)
    return from_bfloat16(values) if dtype == "BF16" else values


def _encoded(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    if dtype in FLOAT8:
        return as_float8(values, dtype)
    with np.errstate(over="ignore"):
        return as_bfloat16(values) if dtype == "BF16" else values.astype(_DTYPES[dtype])

"""`.eie` files: a `PackedModel` in a safetensors container, versioned, with a digest, read without a copy.

Format version 1. The tensors of a layer are ``<name>.codebook`` (F32), ``<name>.pointers`` (U32), ``<name>.codes`` and
``<name>.runs`` (U8), and where rows are permuted ``<name>.row_permutation`` (U32), as in `PackedLayer`. The container's
only metadata entry, ``eie_model``, is a JSON document: sorted keys, no white space, ASCII::

    {"format": "eie-packed-model", "format_version": 1, "layers": [{"activation": ..., "index_bits": ..., "n_cols": ...,
     "n_pe": ..., "n_rows": ..., "name": ..., "weight_bits": ...}, ...], "package_version": ..., "provenance": {...},
     "sha256": ...}

``sha256`` covers the rest of the document, the table of tensors and their bytes. It finds damage; it proves no origin,
for anybody can compute it, so everything else is checked as if it were not there. The same model gives the same bytes:
that is why the metadata is one entry, for the library writes several in random order.
"""

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as container_bytes

from compressor._version import __version__
from compressor.checks import whole_number
from compressor.container import DTYPES, MAX_HEADER_BYTES, read_container, strict_json
from compressor.files import errors_name, replacing
from compressor.packed import (
    MAX_INDEX_BITS,
    MAX_SIZE,
    MAX_WEIGHT_BITS,
    MIN_INDEX_BITS,
    MIN_WEIGHT_BITS,
    PackedLayer,
    PackedModel,
)

FORMAT = "eie-packed-model"
FORMAT_VERSION = 1
_METADATA_KEY = "eie_model"
_DOCUMENT_KEYS = {"format", "format_version", "layers", "package_version", "provenance", "sha256"}
_LIMITS = {
    "n_rows": (1, MAX_SIZE),
    "n_cols": (1, MAX_SIZE),
    "n_pe": (1, MAX_SIZE),
    "weight_bits": (MIN_WEIGHT_BITS, MAX_WEIGHT_BITS),
    "index_bits": (MIN_INDEX_BITS, MAX_INDEX_BITS),
}
_LAYER_KEYS = {"name", "activation", *_LIMITS}
_DTYPE_OF = {
    "codebook": DTYPES["F32"],
    "codes": DTYPES["U8"],
    "runs": DTYPES["U8"],
    "pointers": DTYPES["U32"],
    "row_permutation": DTYPES["U32"],
}
_OPTIONAL_FIELD = "row_permutation"


def save_model(model: PackedModel | PackedLayer, path: str | PathLike[str]) -> None:
    """Write `model` to `path`, whole or not at all.

    Parameters
    ----------
    model : PackedModel or PackedLayer
        A layer alone is saved as a model of one layer without an activation function.
    path : str or path
        By convention ends in ``.eie``. A file that is there is replaced.

    Raises
    ------
    ValueError
        When the model does not fit the format: a size of 2**32 or more, or too much provenance.
    OSError
        When the file cannot be written; what stood at `path` is still there.
    """
    if isinstance(model, PackedLayer):
        model = PackedModel((model,), ("none",))
    with errors_name(Path(path)):
        content = _content(model)
    with replacing(Path(path)) as file:
        file.write(content)


def load_model(path: str | PathLike[str], mmap: bool = True) -> PackedModel:
    """Read and check a file of `save_model`.

    Parameters
    ----------
    path : str or path
    mmap : bool
        True: the arrays are views of the mapped file, which must then not be changed in place while the model is used
        (`save_model` over it is safe). False: the file is read into memory.

    Returns
    -------
    PackedModel
        Arrays are read-only.

    Raises
    ------
    FormatError
        When anything in the file is not as it must be; a ValueError that names the file, the thing and the limit.
    OSError
        When the file cannot be read.
    """
    with errors_name(Path(path)):
        container = read_container(Path(path), mapped=mmap, kind=".eie file")
        document = _checked_document(container.metadata)
        tensors = container.tensors()
        _check_digest(document, tensors)
        entries = document["layers"]
        _check_tensor_names(entries, set(tensors))
        layers = tuple(_layer(entry, tensors) for entry in entries)
        return PackedModel(layers, tuple(entry["activation"] for entry in entries), document["provenance"])


# Writing --------------------------------------------------------------------------------------------------------------


def _content(model: PackedModel) -> bytes:
    for layer in model.layers:
        _check_writable(layer)
    tensors = {name: array for layer in model.layers for name, array in _tensors_of(layer).items()}
    document: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layers": [_entry(layer, act) for layer, act in zip(model.layers, model.activations, strict=True)],
        "package_version": __version__,
        "provenance": dict(model.provenance),
    }
    document["sha256"] = _digest(document, tensors)
    content = container_bytes(tensors, {_METADATA_KEY: _canonical(document)})
    length = int.from_bytes(content[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(
            f"header: {length} bytes of layers and provenance, but at most {MAX_HEADER_BYTES} are read again"
        )
    return content


def _check_writable(layer: PackedLayer) -> None:
    for size in ("n_rows", "n_cols", "n_pe"):
        whole_number(f"{size} of layer {layer.name!r}", getattr(layer, size), *_LIMITS[size])
    try:
        layer.name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"name: {layer.name!r} of a layer cannot be written as UTF-8") from None


def _tensors_of(layer: PackedLayer) -> dict[str, NDArray[Any]]:
    arrays = {field: getattr(layer, field) for field in _DTYPE_OF}
    return {f"{layer.name}.{field}": array for field, array in arrays.items() if array is not None}


def _entry(layer: PackedLayer, activation: str) -> dict[str, object]:
    return {"name": layer.name, "activation": activation, **{size: getattr(layer, size) for size in _LIMITS}}


# Reading --------------------------------------------------------------------------------------------------------------


def _checked_document(metadata: dict[str, str]) -> dict[str, Any]:
    if metadata.keys() != {_METADATA_KEY}:
        raise ValueError(f"metadata: keys {sorted(metadata)}, but an .eie file has {_METADATA_KEY!r} alone")
    text = metadata[_METADATA_KEY]
    document = strict_json(_METADATA_KEY, text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{_METADATA_KEY}: must be a JSON object with format {FORMAT!r}")
    _check_version(document.get("format_version"))
    _check_keys("document", document, _DOCUMENT_KEYS)
    _check_text("package_version", document["package_version"])
    _check_text("sha256", document["sha256"])
    _check_entries(document["layers"])
    _check_provenance(document["provenance"])
    if text != _canonical(document):
        raise ValueError("document: is not in canonical form (sorted keys, no white space, ASCII)")
    return document


def _check_digest(document: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
    stated = document["sha256"]
    found = _digest({key: value for key, value in document.items() if key != "sha256"}, tensors)
    if found != stated:
        raise ValueError(f"sha256: the file says {stated}, but its content has {found}: it is damaged")


def _check_version(version: object) -> None:
    if type(version) is int and version > FORMAT_VERSION:
        raise ValueError(
            f"format_version: {version}, but eie-sim {__version__} reads up to {FORMAT_VERSION}: "
            f"a newer version of eie-sim wrote the file"
        )
    if type(version) is not int or version != FORMAT_VERSION:
        raise ValueError(f"format_version: {version!r}, but it must be {FORMAT_VERSION}")


def _check_entries(entries: object) -> None:
    if not isinstance(entries, list):
        raise ValueError("layers: must be a list")
    names = set()
    for number, entry in enumerate(entries):
        where = f"layer {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: must be an object")
        _check_keys(where, entry, _LAYER_KEYS)
        _check_text(f"name of {where}", entry["name"])
        _check_text(f"activation of {where}", entry["activation"])
        for size, limits in _LIMITS.items():
            whole_number(f"{size} of {where}", entry[size], *limits)
        # Found here, before thousands of entries with one name check the same large tensors again and again.
        if entry["name"] in names:
            raise ValueError(f"name of {where}: {entry['name']!r} is there twice")
        names.add(entry["name"])


def _check_provenance(found: object) -> None:
    if not isinstance(found, dict):
        raise ValueError("provenance: must map texts to texts")
    for key, value in found.items():
        _check_text(f"provenance {key!r}", value)


def _check_keys(what: str, found: dict[str, Any], wanted: set[str]) -> None:
    if unknown := sorted(found.keys() - wanted):
        raise ValueError(f"{what}: unknown key {unknown[0]!r}")
    if missing := sorted(wanted - found.keys()):
        raise ValueError(f"{what}: {missing[0]!r} is missing")


def _check_text(what: str, found: object) -> None:
    if not isinstance(found, str):
        raise ValueError(f"{what}: {found!r}, but it must be a text")


def _check_tensor_names(entries: list[dict[str, Any]], names: set[str]) -> None:
    possible = {f"{entry['name']}.{field}" for entry in entries for field in _DTYPE_OF}
    if unknown := sorted(names - possible):
        raise ValueError(f"tensor {unknown[0]!r}: belongs to no layer")
    needed = {name for name in possible if not name.endswith(f".{_OPTIONAL_FIELD}")}
    if missing := sorted(needed - names):
        raise ValueError(f"tensor {missing[0]!r}: is missing")


def _layer(entry: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> PackedLayer:
    """The layer of an entry; `PackedLayer` checks the rest, once the sizes it allocates by are known to be real."""
    name = entry["name"]
    arrays = {field: tensors.get(f"{name}.{field}") for field in _DTYPE_OF}
    for field, array in arrays.items():
        if array is not None and array.dtype != _DTYPE_OF[field]:
            raise ValueError(f"tensor '{name}.{field}': dtype {array.dtype}, but it must be {_DTYPE_OF[field]}")
    _check_sizes(entry, arrays)
    try:
        return PackedLayer(name, **{size: entry[size] for size in _LIMITS}, **arrays)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None


def _check_sizes(entry: dict[str, Any], arrays: dict[str, NDArray[Any] | None]) -> None:
    name, n_rows, n_cols, n_pe = (entry[key] for key in ("name", "n_rows", "n_cols", "n_pe"))
    pointers, order = arrays["pointers"], arrays[_OPTIONAL_FIELD]
    if pointers is None or pointers.shape not in [(n_cols + 1, n_pe), (n_cols + 2, n_pe)]:
        shape = None if pointers is None else pointers.shape
        raise ValueError(f"layer {name!r}: pointers of shape {shape}, but n_cols is {n_cols} and n_pe is {n_pe}")
    if order is None:
        return
    if order.shape != (n_rows,):
        raise ValueError(f"layer {name!r}: row_permutation of shape {order.shape}, but n_rows is {n_rows}")
    if order.max() >= n_rows:
        raise ValueError(f"layer {name!r}: row_permutation names row {order.max()}, but n_rows is {n_rows}")


# Both -----------------------------------------------------------------------------------------------------------------


def _canonical(document: object) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _digest(document: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> str:
    """SHA-256 of the document, of the names, types and shapes of the tensors, and of their bytes in order of name."""
    in_order = sorted(tensors.items())
    table = [[name, array.dtype.str, list(array.shape)] for name, array in in_order]
    found = hashlib.sha256(f"{_canonical(document)}\n{_canonical(table)}\n".encode())
    for _, array in in_order:
        found.update(np.ascontiguousarray(array).reshape(-1).data)
    return found.hexdigest()

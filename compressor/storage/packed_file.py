"""`.eie` files: a `PackedModel` in a safetensors container, versioned, with a digest, read without a copy.

Format version 2. The tensors of a layer are ``<name>.codebook`` (F32), ``<name>.pointers`` (U32), ``<name>.codes`` and
``<name>.runs`` (U8), where rows are permuted ``<name>.row_permutation`` (U32), and where the bias is known
``<name>.bias`` (F32), as in `PackedLayer`. ``graph`` (U8) is the ONNX model that they are from, without their numbers,
and ``others`` (F32) the parameters of it that no layer holds, in order of name. The container's only metadata entry,
``eie_model``, is a JSON document: sorted keys, no white space, ASCII::

    {"chained": ..., "format": "eie-packed-model", "format_version": 2, "layers": [{"activation": ...,
     "index_bits": ..., "n_cols": ..., "n_pe": ..., "n_rows": ..., "name": ..., "weight_bits": ...}, ...],
     "network": {...},
     "others": {<name>: <shape>, ...}, "package_version": ..., "provenance": {...}, "sha256": ...}

``chained`` says whether each layer takes the activated output of the one before; ``network`` is null where no graph is
known. A model that is a chain and has neither graph nor others nor a bias is written in version 1, which is a chain by
its nature.

``sha256`` covers the rest of the document, the table of tensors and their bytes (`compressor.storage.document`). The
same model gives the same bytes.
"""

from collections.abc import Mapping
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.storage.coded_document import checked_shapes
from compressor.storage.container import DTYPES, read_container
from compressor.storage.document import DocumentKind, check_digest, check_keys, check_text, network_of
from compressor.storage.files import check_suffix, errors_name, replacing
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import MAX_INDEX_BITS, MAX_SIZE, MAX_WEIGHT_BITS, MIN_INDEX_BITS, MIN_WEIGHT_BITS
from compressor.types.packed_model import PackedModel

FORMAT = "eie-packed-model"
FORMAT_VERSION = 2
_DOCUMENT = DocumentKind(
    ".eie file",
    "eie_model",
    FORMAT,
    {1: frozenset({"layers"}), FORMAT_VERSION: frozenset({"layers", "chained", "network", "others"})},
)
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
    "bias": DTYPES["F32"],
}
_OPTIONAL_FIELDS = ("row_permutation", "bias")


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
        When the model does not fit the format: a size of 2**32 or more, or too much provenance; or `path` ends as
        the files of another format.
    OSError
        When the file cannot be written; what stood at `path` is still there.
    """
    check_suffix(Path(path), ".eie", "a packed model")
    if isinstance(model, PackedLayer):
        model = PackedModel((model,), ("none",))
    with errors_name(Path(path)):
        tensors: dict[str, NDArray[Any]] = {}
        entries = []
        for layer, activation in zip(model.layers, model.activations, strict=True):
            for size in ("n_rows", "n_cols", "n_pe"):
                whole_number(f"{size} of layer {layer.name!r}", getattr(layer, size), *_LIMITS[size])
            try:
                layer.name.encode()
            except UnicodeEncodeError:
                raise ValueError(f"name: {layer.name!r} of a layer cannot be written as UTF-8") from None
            arrays = {field: getattr(layer, field) for field in _DTYPE_OF}
            tensors |= {f"{layer.name}.{field}": array for field, array in arrays.items() if array is not None}
            sizes = {size: getattr(layer, size) for size in _LIMITS}
            entries.append({"name": layer.name, "activation": activation, **sizes})
        fields: dict[str, Any] = {"layers": entries}
        has_bias = any(layer.bias is not None for layer in model.layers)
        if model.network is not None or model.others or has_bias or not model.chained:
            others = sorted(model.others.items())
            fields |= {
                "chained": model.chained,
                "network": None if model.network is None else model.network.plain(),
                "others": {name: list(array.shape) for name, array in others},
            }
            if model.network is not None:
                tensors["graph"] = np.frombuffer(model.network.onnx, np.uint8)
            if any(array.size for _, array in others):
                tensors["others"] = np.concatenate([array.reshape(-1) for _, array in others])
        content = _DOCUMENT.content(fields, model.provenance, tensors)
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
        container = read_container(Path(path), _DOCUMENT.rules, mapped=mmap)
        document = _DOCUMENT.read(container.metadata)
        _check_entries(document["layers"])
        tensors = container.tensors()
        check_digest(document, tensors)
        entries = document["layers"]
        extra = _Extra(document, tensors.pop("graph", None), tensors.pop("others", None))
        # Files of version 1 have no bias but a column of codes.
        fields = _DTYPE_OF if document["format_version"] == FORMAT_VERSION else _DTYPE_OF.keys() - {"bias"}
        possible = {f"{entry['name']}.{field}" for entry in entries for field in fields}
        if unknown := sorted(tensors.keys() - possible):
            raise ValueError(f"tensor {unknown[0]!r}: belongs to no layer")
        needed = {name for name in possible if name.rpartition(".")[2] not in _OPTIONAL_FIELDS}
        if missing := sorted(needed - tensors.keys()):
            raise ValueError(f"tensor {missing[0]!r}: is missing")
        layers = tuple(_layer(entry, tensors) for entry in entries)
        functions = tuple(entry["activation"] for entry in entries)
        return PackedModel(layers, functions, document["provenance"], extra.network, extra.others, extra.chained)


# Reading --------------------------------------------------------------------------------------------------------------


class _Extra:
    """What format version 2 has beside the layers.

    Parameters
    ----------
    document : mapping
    graph, others : ndarray or None
        The tensors of these names.
    """

    def __init__(self, document: Mapping[str, Any], graph: NDArray[Any] | None, others: NDArray[Any] | None) -> None:
        self.chained = document.get("chained", True)
        if not isinstance(self.chained, bool):
            raise ValueError(f"chained: {self.chained!r}, but it must be true or false")
        found = document.get("network")
        if found is None and graph is not None:
            raise ValueError("tensor 'graph': is there, but the document has no network")
        self.network = None if found is None else network_of(found, graph)
        shapes = checked_shapes(document.get("others", {}))
        numbers = np.zeros(0, np.float32) if others is None else others
        needed = sum(prod(shape) for shape in shapes.values())
        if numbers.dtype != np.float32 or numbers.shape != (needed,):
            raise ValueError(f"tensor 'others': {numbers.dtype} of shape {numbers.shape}, but {needed} are needed")
        self.others: dict[str, NDArray[np.float32]] = {}
        at = 0
        for name, shape in sorted(shapes.items()):
            self.others[name] = numbers[at : at + prod(shape)].reshape(shape)
            at += prod(shape)


def _check_entries(entries: object) -> None:
    if not isinstance(entries, list):
        raise ValueError("layers: must be a list")
    names = set()
    for number, entry in enumerate(entries):
        where = f"layer {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: must be an object")
        check_keys(where, entry, _LAYER_KEYS)
        check_text(f"name of {where}", entry["name"])
        check_text(f"activation of {where}", entry["activation"])
        for size, limits in _LIMITS.items():
            whole_number(f"{size} of {where}", entry[size], *limits)
        # Attack: thousands of entries with one name, each of which checks the same large tensors again.
        if entry["name"] in names:
            raise ValueError(f"name of {where}: {entry['name']!r} is there twice")
        names.add(entry["name"])


def _layer(entry: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> PackedLayer:
    """The layer of an entry; `PackedLayer` checks the rest, once the sizes it allocates by are known to be real."""
    name = entry["name"]
    arrays = {field: tensors.get(f"{name}.{field}") for field in _DTYPE_OF}
    for field, array in arrays.items():
        if array is not None and array.dtype != _DTYPE_OF[field]:
            raise ValueError(f"tensor '{name}.{field}': dtype {array.dtype}, but it must be {_DTYPE_OF[field]}")
    # Attack: rows, columns and PEs by the billion, by which `PackedLayer` allocates before it compares them.
    n_rows, n_cols, n_pe = (entry[key] for key in ("n_rows", "n_cols", "n_pe"))
    pointers, order = arrays["pointers"], arrays["row_permutation"]
    if pointers is None or pointers.shape not in [(n_cols + 1, n_pe), (n_cols + 2, n_pe)]:
        shape = None if pointers is None else pointers.shape
        raise ValueError(f"layer {name!r}: pointers of shape {shape}, but n_cols is {n_cols} and n_pe is {n_pe}")
    if order is not None and order.shape != (n_rows,):
        raise ValueError(f"layer {name!r}: row_permutation of shape {order.shape}, but n_rows is {n_rows}")
    if order is not None and order.max() >= n_rows:
        raise ValueError(f"layer {name!r}: row_permutation names row {order.max()}, but n_rows is {n_rows}")
    try:
        return PackedLayer(name, **{size: entry[size] for size in _LIMITS}, **arrays)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None

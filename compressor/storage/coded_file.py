"""`.dcz` files: a `CompressedModel` in a safetensors container, entropy coded, versioned, with a digest.

Format version 2. What the layers have is stored one layer after the other in a handful of tensors, and a tensor of no
bytes is left out: ``codebooks``, ``biases`` and ``others`` (F32; `others` in order of name); ``codes`` and ``runs``
(U8), the data of the streams; ``tables`` (U8), the code table of a layer's codes, then that of its runs; ``graph``
(U8), the ONNX model without the numbers that the file holds itself (`compressor.types.network.Network`). The
container's only metadata entry, ``dcz_model``, is a JSON document (`compressor.storage.document`)::

    {"format": "deep-compression-model", "format_version": 2, "layers": {...}, "network": {...},
     "others": {<name>: <shape>, ...}, "package_version": ..., "provenance": {...}, "sha256": ...}

``layers`` maps each field of `compressor.storage.coded_document.LayerRecord` to a list with one value for each layer,
or with a single value that holds for all. ``network`` says what each tensor is used for, and what of the graph was
kept. A model without a graph is written in version 1, which has neither.

Codes and runs are the relative index of `compressor.coding.flat_index`,
coded by `compressor.coding.streams`. In dense mode, where ``index_bits`` and ``run_coder`` are null, the codes are
those of all cells and there are no runs. The same model, saved with the same settings, gives the same bytes.

Memory: a file of a few bytes can rightly declare any number of cells, for zeros cost next to nothing. So the memory
that reading will take is computed from the document first, and a file that needs more than
`compressor.storage.files.memory_limit`, ten times its size and 100 MB, is refused. A cell takes a byte in memory; every
model of up to some 80 million cells passes whatever its file's size, and VGG-16 (138 million, 11 MB) is well inside.
Nothing is padded to pass, and `save_compressed` writes any model: who reads a sparser giant, from a source he trusts,
gives `max_memory_bytes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from compressor.checks import whole_number
from compressor.coding.streams import CODERS
from compressor.coding.tensor_streams import TensorStreams, encode_cells
from compressor.storage.coded_document import (
    MAX_LAYERS,
    LayerRecord,
    checked_layers,
    checked_shapes,
    columns_of,
    record_of,
)
from compressor.storage.coded_parts import StoredTensors, tensors_of
from compressor.storage.container import data_start, read_container
from compressor.storage.document import DocumentKind, check_digest, network_of
from compressor.storage.files import check_suffix, errors_name, memory_limit, replacing
from compressor.types.coded import CompressedModel
from compressor.types.packed_format import MAX_INDEX_BITS, MIN_INDEX_BITS

FORMAT = "deep-compression-model"
FORMAT_VERSION = 2
_KEYS = frozenset({"layers", "others"})
_DOCUMENT = DocumentKind(".dcz file", "dcz_model", FORMAT, {1: _KEYS, FORMAT_VERSION: _KEYS | {"network"}})
_BEST = (None, *range(MIN_INDEX_BITS, MAX_INDEX_BITS + 1))

IndexBits: TypeAlias = int | str | Sequence[int | None] | None
"""Bits of a run, None for dense mode, several of these of which the smallest is taken, or ``"best"``: of all."""


def save_compressed(
    model: CompressedModel,
    path: str | PathLike[str],
    coder: str | Sequence[str] = "huffman",
    index_bits: IndexBits | Mapping[str, IndexBits] = "best",
) -> None:
    """Write `model` to `path`, whole or not at all.

    Parameters
    ----------
    model : CompressedModel
    path : str or path
        By convention ends in ``.dcz``. A file that is there is replaced.
    coder : str or sequence of str
        ``"fixed"`` or ``"huffman"``; of several, each stream takes the one that makes it smallest.
    index_bits : int, None, sequence of these, or "best"; or a mapping of these from the name of every tensor
        Bits of a run of zeros, 2 .. 8; None stores the codes of all cells without an index. Of several, each layer
        takes the one that makes it smallest, measured with the coder and its tables; ``"best"`` is None and every
        width.

    Raises
    ------
    ValueError
        When a setting is none of these, or the model does not fit the format: more than 1024 layers, or too much
        provenance; or `path` ends as the files of another format.
    OSError
        When the file cannot be written; what stood at `path` is still there.
    """
    check_suffix(Path(path), ".dcz", "a compressed model")
    with errors_name(Path(path)):
        content = store(model, coder, index_bits).content
    with replacing(Path(path)) as file:
        file.write(content)


def load_compressed(path: str | PathLike[str], max_memory_bytes: int | None = None) -> CompressedModel:
    """Read and check a file of `save_compressed`.

    Parameters
    ----------
    path : str or path
    max_memory_bytes : int or None
        Most memory that reading may take; None: ten times the file and 100 MB, which is right for a file that anybody
        may have made.

    Returns
    -------
    CompressedModel
        Equal to the one that was saved, its numbers bit for bit.

    Raises
    ------
    FormatError
        When anything in the file is not as it must be, or it needs more memory; a ValueError that names the file, the
        thing and the limit.
    OSError
        When the file cannot be read.
    """
    return read_stored(path, max_memory_bytes).model


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model, its streams, and the sizes of the file that holds them.

    Attributes
    ----------
    model : CompressedModel
    streams : tuple of TensorStreams
        Of each of its tensors.
    header_bytes : int
        Bytes of the file before its tensors: the container's header with the document in it.
    file_bytes : int
    content : bytes
        The file; empty where it was read.
    """

    model: CompressedModel
    streams: tuple[TensorStreams, ...]
    header_bytes: int
    file_bytes: int
    content: bytes = b""


def store(
    model: CompressedModel,
    coder: str | Sequence[str] = "huffman",
    index_bits: IndexBits | Mapping[str, IndexBits] = "best",
) -> StoredModel:
    """`model` as `save_compressed` would write it."""
    if len(model.tensors) > MAX_LAYERS:
        raise ValueError(f"tensors: {len(model.tensors)}, but a .dcz file holds at most {MAX_LAYERS}")
    coders = tuple(coder) if isinstance(coder, (list, tuple)) else (coder,)
    for name in coders or (coder,):  # an empty choice is no choice
        if name not in CODERS:
            raise ValueError(f"coder: {name!r}, but it must be one or several of {', '.join(CODERS)}")
    widths = _widths(index_bits, [tensor.name for tensor in model.tensors])
    streams = tuple(
        encode_cells(tensor.codes, tensor.weight_bits, coders, options)
        for tensor, options in zip(model.tensors, widths, strict=True)
    )
    records = [record_of(*layer) for layer in zip(model.tensors, model.activations, streams, strict=True)]
    fields = {
        "layers": columns_of(records),
        "others": {name: list(array.shape) for name, array in model.others.items()},
        **({} if model.network is None else {"network": model.network.plain()}),
    }
    content = _DOCUMENT.content(fields, model.provenance, tensors_of(model, streams))
    return StoredModel(model, streams, data_start(content), len(content), content)


def read_stored(path: str | PathLike[str], max_memory_bytes: int | None = None) -> StoredModel:
    """As `load_compressed`, with the streams and the sizes of the file."""
    if max_memory_bytes is not None:
        whole_number("max_memory_bytes", max_memory_bytes, 0)
    with errors_name(Path(path)):
        container = read_container(Path(path), _DOCUMENT.rules, mapped=False)
        header_bytes, file_bytes = container.data_start, len(container.content)
        document, tensors = _DOCUMENT.read(container.metadata), container.tensors()
        check_digest(document, tensors)
        layers, shapes = checked_layers(document["layers"]), checked_shapes(document["others"])
        graph = tensors.pop("graph", None)
        network = None if "network" not in document else network_of(document["network"], graph)
        if graph is not None and network is None:
            raise ValueError("tensor 'graph': is there, but the document has no network")
        stored = StoredTensors(tensors, layers, shapes)
        # Attack: a file of a few bytes that declares terabytes of zeros, which are coded in next to nothing.
        needed = _memory_needed(layers, header_bytes, file_bytes + stored.float_bytes)
        limit = memory_limit(file_bytes) if max_memory_bytes is None else max_memory_bytes
        if needed > limit:
            raise ValueError(
                f"memory: {sum(layer.n_cells for layer in layers)} cells need {needed} bytes, but a file of "
                f"{file_bytes} may take {limit}; max_memory_bytes gives more to a file from a source you trust"
            )
        streams = tuple(stored.next_streams(layer) for layer in layers)
        coded = tuple(stored.next_tensor(*both) for both in zip(layers, streams, strict=True))
        activations = tuple(layer.activation for layer in layers)
        model = CompressedModel(coded, activations, document["provenance"], stored.others(), network)
    return StoredModel(model, streams, header_bytes, file_bytes)


# Settings -------------------------------------------------------------------------------------------------------------


def _widths(index_bits: object, names: list[str]) -> list[tuple[int | None, ...]]:
    if not isinstance(index_bits, Mapping):
        return [_options(index_bits)] * len(names)
    if strangers := [name for name in index_bits if name not in names]:
        raise ValueError(f"index_bits: there is no tensor {strangers[0]!r}")
    if missing := [name for name in names if name not in index_bits]:
        raise ValueError(f"index_bits: there is no setting for tensor {missing[0]!r}")
    return [_options(index_bits[name]) for name in names]


def _options(index_bits: object) -> tuple[int | None, ...]:
    """The widths to choose from."""
    if index_bits == "best":
        return _BEST
    several = tuple(index_bits) if isinstance(index_bits, (list, tuple)) else (index_bits,)
    if not several:
        raise ValueError(f"index_bits: {index_bits!r} gives nothing to choose from")
    return tuple(
        None if bits is None else whole_number("index_bits", bits, MIN_INDEX_BITS, MAX_INDEX_BITS) for bits in several
    )


# Memory ---------------------------------------------------------------------------------------------------------------

_BASE_BYTES = 10_000_000  # what any reading takes: modules, decoding tables
_BYTES_A_LAYER = 10_000  # objects
_BYTES_A_HEADER_BYTE = 40  # of parsed JSON, at most
# Of a stream while it is decoded, besides its symbols: unpacked bits; words of 64 bits and a padded copy.
_BYTES_A_DATA_BYTE = {"fixed": 9, "huffman": 3, None: 0}


def _memory_needed(layers: Sequence[LayerRecord], header_bytes: int, kept_bytes: int) -> int:
    """Bytes of memory that reading takes at its peak, at most; `kept_bytes` besides the cells."""
    cells = sum(layer.n_cells for layer in layers)
    overhead = _BASE_BYTES + _BYTES_A_LAYER * len(layers) + _BYTES_A_HEADER_BYTE * header_bytes
    decoding = 0  # one layer at a time: its entries, and one of its streams on the way to them
    for layer in layers:
        entries = 0 if layer.index_bits is None else 2 * layer.entries
        codes = _BYTES_A_DATA_BYTE[layer.code_coder] * layer.code_bytes
        runs = _BYTES_A_DATA_BYTE[layer.run_coder] * layer.run_bytes
        decoding = max(decoding, entries + max(codes, runs))
    return cells + kept_bytes + overhead + decoding

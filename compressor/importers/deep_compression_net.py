"""The Deep Compression authors' file ``.net``: codes into a codebook with 4-bit zero runs, and uncompressed biases.

Little-endian, without a mark, a version, names, shapes or a checksum; what is in it follows from the network's layers.
First the numbers of entries of all layers, uint32; then layer after layer

- the codebook, float32: 256 values where "conv" is in the layer's name, else 16
- the bias, float32, one for each output
- the codes, 8 or 4 bits each, two of 4 bits to a byte, the first in the low bits
- the runs, 4 bits each, packed in the same way

An entry stands `run` + 1 cells after the one before, over the whole layer in C order. Sixteen or more cells without
a weight are stepped over by fillers, entries of code 0 and run 15; every layer has exactly one such encoding.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from compressor.checks import as_floats, whole_number
from compressor.coding import fixed_width
from compressor.coding.flat_index import FlatEntries, decode_flat, encode_flat
from compressor.coding.symbols import Bytes, no_table
from compressor.importers.graphs import SQUEEZENET, with_graph
from compressor.networks.shapes import SQUEEZENET_1_0
from compressor.storage.files import check_suffix, errors_name, file_size, memory_limit, replacing
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.packed_format import check_codebook

LAYER_MARKS = ("conv", "fc", "ip")
"""The format holds the layers with one of these in their name."""

CONV_BITS, OTHER_BITS = 8, 4
"""Bits of a code, with "conv" in the layer's name and without."""

RUN_BITS = 4
_COUNT, _FLOAT = np.dtype("<u4"), np.dtype("<f4")
_UNPACKING = 8  # bytes of memory for an entry while its layer is unpacked
_WORKING_BYTES = 32 * 2**20  # memory of all small things


class _Layer(NamedTuple):
    """A layer as the file must hold it: everything that follows from its name, shape and number of entries."""

    name: str
    shape: tuple[int, ...]
    n_entries: int

    @property
    def kind(self) -> str:
        return "linear" if len(self.shape) == 2 and "conv" not in self.name else "conv"

    @property
    def n_cells(self) -> int:
        return int(np.prod(self.shape, dtype=object))

    @property
    def code_bits(self) -> int:
        return CONV_BITS if "conv" in self.name else OTHER_BITS

    @property
    def part_bytes(self) -> tuple[int, int, int, int]:
        """Bytes of the codebook, the bias, the codes and the runs."""
        codes, runs = (-(-self.n_entries * bits // 8) for bits in (self.code_bits, RUN_BITS))
        return _FLOAT.itemsize * 2**self.code_bits, _FLOAT.itemsize * self.shape[0], codes, runs


def read_deep_compression_net(
    path: str | PathLike[str],
    shapes: Mapping[str, Sequence[int]] = SQUEEZENET_1_0,
    activations: Sequence[str] | None = None,
) -> CompressedModel:
    """Read a model of the Deep Compression authors, such as their ``compressed_SqueezeNet.net``.

    Parameters
    ----------
    path : str or path
    shapes : mapping of str to tuple of int
        Names and shapes of the layers in order, such as those of `compressor.networks.shapes`; the file says neither.
    activations : sequence of str, or None
        Activation function after each layer; None: "relu" after each, as in SqueezeNet. With others there is no graph.

    Returns
    -------
    CompressedModel
        With the graph of the network where it is SqueezeNet 1.0: 227 x 227 pixels, blue, green and red less their
        means, to the 1,000 scores that a softmax takes. Of others the graph is not known, and it is a set of matrices.
        `write_deep_compression_net` writes it back byte for byte.

    Raises
    ------
    FormatError
        When the file does not hold these layers, or is malformed; a ValueError that names the file, the layer, the
        value and the limit.
    ValueError
        When `shapes` are no layers of this format.
    OSError
        When the file cannot be read.
    """
    if not isinstance(shapes, Mapping) or not shapes:
        raise ValueError("shapes: must map at least one layer's name to the shape of its weights")
    table = {}
    for name, shape in shapes.items():
        _check_name(name)
        table[name] = tuple(whole_number(f"shape of {name!r}", n, 1, 2**32 - 1) for n in shape)
        if len(table[name]) < 2:
            raise ValueError(f"shape of {name!r}: {table[name]}, but weights have at least two dimensions")
    functions = ["relu"] * len(table) if activations is None else activations
    size = file_size(Path(path))
    with errors_name(Path(path)), Path(path).open("rb") as file:
        layers = _scanned(file, size, table)
        tensors = tuple(_read_layer(file, layer) for layer in layers)
        model = CompressedModel(tensors, tuple(functions), {"source": f"Deep Compression {Path(path).name}"})
    is_squeezenet = list(table.items()) == list(SQUEEZENET_1_0.items()) and set(model.activations) == {"relu"}
    return with_graph(SQUEEZENET, model) if is_squeezenet else model


def write_deep_compression_net(model: CompressedModel, path: str | PathLike[str]) -> None:
    """Write `model` in the format of the Deep Compression authors, whole or not at all.

    The format keeps no names, shapes, activation functions, graph or provenance: whoever reads it must know the
    network. The authors' own decoder fails on a layer without any weight.

    Parameters
    ----------
    model : CompressedModel
        Every tensor with a bias and "conv", "fc" or "ip" in its name; 8-bit codes where it is "conv", else 4-bit.
    path : str or path
        By convention ends in ``.net``. A file that is there is replaced.

    Raises
    ------
    ValueError
        When the model holds what the format cannot, or `path` ends as another format does.
    OSError
        When the file cannot be written; what stood at `path` is still there.
    """
    check_suffix(Path(path), ".net", "a file of the Deep Compression authors' format")
    if model.others:
        raise ValueError(f"others: {next(iter(model.others))!r} has no place in a .net file, which holds layers only")
    entries = []
    for tensor in model.tensors:
        _check_name(tensor.name)
        layer = _Layer(tensor.name, tensor.shape, 0)  # what a reader will take it for
        if tensor.kind != layer.kind:
            raise ValueError(f"kind: {tensor.kind!r} of {tensor.name!r} and its gates have no place in a .net file")
        if len(tensor.shape) < 2:
            raise ValueError(f"shape: {tensor.shape} of {tensor.name!r}, but weights have at least two dimensions")
        if tensor.weight_bits != layer.code_bits:
            raise ValueError(f"weight_bits: {tensor.weight_bits} of {tensor.name!r}, but it must be {layer.code_bits}")
        if tensor.bias is None:
            raise ValueError(f"bias: {tensor.name!r} has none, but every layer of a .net file has one")
        if tensor.codes.size > np.iinfo(_COUNT).max:
            raise ValueError(f"shape: {tensor.shape} of {tensor.name!r} has more cells than 32 bits count")
        entries.append(encode_flat(tensor.codes, RUN_BITS))
    with replacing(Path(path)) as file:
        file.write(np.array([len(codes) for codes, _ in entries], _COUNT).tobytes())
        for tensor, (codes, runs) in zip(model.tensors, entries, strict=True):
            assert tensor.bias is not None  # was checked
            file.write(tensor.codebook.astype(_FLOAT).tobytes())
            file.write(tensor.bias.astype(_FLOAT).tobytes())
            for symbols, bits in ((codes, tensor.weight_bits), (runs, RUN_BITS)):
                file.write(fixed_width.encode(symbols, bits)[1].tobytes())


def _check_name(name: str) -> None:
    if not any(mark in name for mark in LAYER_MARKS):
        raise ValueError(f"name: {name!r}, but a .net file holds layers with {', '.join(LAYER_MARKS)} in their name")


# Reading --------------------------------------------------------------------------------------------------------------


def _scanned(file: BinaryIO, size: int, shapes: Mapping[str, tuple[int, ...]]) -> list[_Layer]:
    """The layers with their numbers of entries, which must explain the size of the file to the byte."""
    header = file.read(len(shapes) * _COUNT.itemsize)
    if len(header) != len(shapes) * _COUNT.itemsize:
        raise ValueError(
            f"size: {size} bytes, but the entry counts of {len(shapes)} layers alone take {len(shapes) * 4}"
        )
    counts = np.frombuffer(header, _COUNT).tolist()
    layers = [_Layer(name, shape, count) for (name, shape), count in zip(shapes.items(), counts, strict=True)]
    for layer in layers:
        if layer.n_entries > layer.n_cells:
            raise ValueError(
                f"{layer.name}: {layer.n_entries} entries, but shape {layer.shape} has {layer.n_cells} cells"
            )
    # Attack: counts by which gigabytes are allocated for a few bytes that follow.
    needed = len(header) + sum(sum(layer.part_bytes) for layer in layers)
    if needed != size:
        raise ValueError(f"size: {size} bytes, but its entry counts and the given shapes make {needed}")
    # Attack: a short file of a layer with terabytes of zeros, which take no entries.
    unpacking = _UNPACKING * max(layer.n_entries for layer in layers)
    memory = sum(layer.n_cells for layer in layers) + unpacking + _WORKING_BYTES
    if memory > memory_limit(size):
        raise ValueError(f"shapes: reading takes {memory} bytes, but a file of {size} may take {memory_limit(size)}")
    return layers


def _read_layer(file: BinaryIO, layer: _Layer) -> CodedTensor:
    codebook, bias, codes, runs = (np.frombuffer(file.read(n), np.uint8) for n in layer.part_bytes)
    try:
        book = check_codebook(codebook.view(_FLOAT), layer.code_bits)
        biases = as_floats("bias", bias.view(_FLOAT))
        entries = FlatEntries(_unpacked("codes", codes, layer), _unpacked("runs", runs, layer))
        cells = decode_flat(entries, RUN_BITS, layer.n_cells)
        cells.flags.writeable = False  # so that the tensor need not copy them
        return CodedTensor(layer.name, layer.shape, layer.kind, book, cells, biases)
    except ValueError as error:
        raise ValueError(f"{layer.name}: {error}") from error


def _unpacked(what: str, data: Bytes, layer: _Layer) -> Bytes:
    try:
        bits = RUN_BITS if what == "runs" else layer.code_bits
        return fixed_width.decode(no_table(), data, layer.n_entries, bits)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error

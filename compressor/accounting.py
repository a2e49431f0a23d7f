"""What compression gains, step by step and layer by layer, in the columns of the Deep Compression tables.

Sizes are counted twice. By *the paper's rule* (Deep Compression, tables 2 to 5), a layer of n weights takes

    entries x (weight bits + index bits) + 2**weight_bits x 32   of   32 n bits,

where entries are the weights that are kept and the fillers; after Huffman coding the bits are the mean lengths of the
words. Code tables, biases and headers are free. By *the file*, every byte of the `.dcz` file stands in some column, and
the sum is its size.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.coding.flat_index import flat_statistics
from compressor.coding.huffman import code_lengths, encoded_bits
from compressor.coding.tensor_streams import encode_cells
from compressor.storage.coded_file import IndexBits, StoredModel, load_compressed, read_stored, store
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.packed_format import MAX_INDEX_BITS, MIN_INDEX_BITS

FLOAT_BITS = 32
"""Bits of a weight before compression, of a codebook value and of a bias."""

NET_INDEX_BITS = 4
"""Bits of a run in the authors' ``.net`` files."""

_LONGEST_WORD = 63
"""Bits; longer than any word that Huffman's code gives to a number of symbols that memory holds."""


@dataclass(frozen=True)
class PaperRule:
    """Bits of a layer, or of several, by the rule of the paper's tables.

    Attributes
    ----------
    n_weights : int
        Zeros included.
    n_kept : int
        Weights that are not 0.
    n_entries : int
        Kept weights and fillers.
    code_bits, run_bits : int
        Of the codes and of the runs of all entries, at fixed width.
    code_bits_huffman, run_bits_huffman : int
        The same in words of a Huffman code for each layer and stream.
    codebook_bits : int
    """

    n_weights: int
    n_kept: int
    n_entries: int
    code_bits: int
    run_bits: int
    code_bits_huffman: int
    run_bits_huffman: int
    codebook_bits: int

    @property
    def weight_bits(self) -> float:
        """Bits of a code, the mean over all entries; 0 where there are none."""
        return self._mean(self.code_bits)

    @property
    def weight_bits_huffman(self) -> float:
        """Bits of a code after Huffman coding, the mean over all entries (the column "weight bits (P+Q+H)")."""
        return self._mean(self.code_bits_huffman)

    @property
    def index_bits(self) -> float:
        """Bits of a run, the mean over all entries."""
        return self._mean(self.run_bits)

    @property
    def index_bits_huffman(self) -> float:
        """Bits of a run after Huffman coding, the mean over all entries (the column "index bits (P+Q+H)")."""
        return self._mean(self.run_bits_huffman)

    @property
    def dense_bits(self) -> int:
        """Bits of the weights before compression."""
        return FLOAT_BITS * self.n_weights

    @property
    def pruned_bits(self) -> int:
        """Bits of the kept weights, not shared, without an index (P)."""
        return FLOAT_BITS * self.n_kept

    @property
    def shared_bits(self) -> int:
        """Bits of codes, runs and codebook at fixed width (P+Q)."""
        return self.code_bits + self.run_bits + self.codebook_bits

    @property
    def huffman_bits(self) -> int:
        """Bits of codes, runs and codebook after Huffman coding (P+Q+H)."""
        return self.code_bits_huffman + self.run_bits_huffman + self.codebook_bits

    @property
    def kept(self) -> float:
        """Kept weights over all: the rate after pruning (P), a fraction."""
        return self.pruned_bits / self.dense_bits

    @property
    def shared_rate(self) -> float:
        """Rate after pruning and sharing (P+Q), a fraction."""
        return self.shared_bits / self.dense_bits

    @property
    def huffman_rate(self) -> float:
        """Rate after pruning, sharing and Huffman coding (P+Q+H), a fraction."""
        return self.huffman_bits / self.dense_bits

    def _mean(self, bits: int) -> float:
        return bits / self.n_entries if self.n_entries else 0.0


@dataclass(frozen=True)
class FileBytes:
    """Bytes of a `.dcz` file that belong to a layer, or to several."""

    codebook: int
    bias: int
    tables: int
    codes: int
    runs: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.codebook + self.bias + self.tables + self.codes + self.runs


@dataclass(frozen=True)
class AccountRow:
    """A layer, or all of them, by both counts.

    Attributes
    ----------
    name : str
    n_biases : int
    paper : PaperRule
    file : FileBytes
    stored : str
        How the file stores it, as ``"huffman codes, dense"``; empty for layers that differ.
    """

    name: str
    n_biases: int
    paper: PaperRule
    file: FileBytes
    stored: str

    @property
    def dense_bytes(self) -> int:
        """Bytes of weights and biases before compression."""
        return FLOAT_BITS // 8 * (self.paper.n_weights + self.n_biases)

    @property
    def file_rate(self) -> float:
        """Bytes in the file over bytes before compression, a fraction."""
        return self.file.total / self.dense_bytes


@dataclass(frozen=True)
class Accounting:
    """Where the bits of a model and the bytes of its file are.

    Attributes
    ----------
    rows : tuple of AccountRow
        One a layer.
    total : AccountRow
        The sum of the rows.
    n_others : int
        Numbers that are not compressed.
    header_bytes : int
        Of the file: the container's header, and in it names, shapes, provenance and digest.
    others_bytes : int
        Of the file: what is not compressed.
    graph_bytes : int
        Of the file: the ONNX graph.
    file_bytes : int
        Size of the file: ``header_bytes + others_bytes + graph_bytes + total.file.total``.
    """

    rows: tuple[AccountRow, ...]
    total: AccountRow
    n_others: int
    header_bytes: int
    others_bytes: int
    graph_bytes: int
    file_bytes: int

    @property
    def dense_bytes(self) -> int:
        """Bytes of weights, biases, others and the graph before compression."""
        return self.total.dense_bytes + FLOAT_BITS // 8 * self.n_others + self.graph_bytes

    @property
    def file_rate(self) -> float:
        """Size of the file over bytes before compression, a fraction."""
        return self.file_bytes / self.dense_bytes


def account(
    model: CompressedModel,
    coder: str | Sequence[str] = "huffman",
    index_bits: IndexBits | Mapping[str, IndexBits] = "best",
) -> Accounting:
    """The accounting of `model` and of the file that `compressor.save_compressed` would write with these settings.

    Raises
    ------
    ValueError, ImportError
        As `compressor.save_compressed`.

    Notes
    -----
    The paper has no dense mode: where the file stores a layer so, the paper's rule takes the index width that makes
    the rate after Huffman coding best.
    """
    return _account(store(model, coder, index_bits))


def account_file(path: str | PathLike[str], max_memory_bytes: int | None = None) -> Accounting:
    """The accounting of a `.dcz` file; arguments and errors as of `compressor.load_compressed`."""
    return _account(read_stored(path, max_memory_bytes))


def paper_rule(tensor: CodedTensor, index_bits: int | None = None) -> PaperRule:
    """What the rule of the paper's tables gives for one layer.

    Parameters
    ----------
    tensor : CodedTensor
    index_bits : int or None
        2 .. 8; None takes the width with the best rate after Huffman coding.
    """
    statistics = flat_statistics(tensor.codes)
    rules = []
    for width in range(MIN_INDEX_BITS, MAX_INDEX_BITS + 1) if index_bits is None else [index_bits]:
        n_entries = statistics.entries(width)
        rule = PaperRule(
            n_weights=tensor.codes.size,
            n_kept=int(statistics.code_counts[1:].sum()),
            n_entries=n_entries,
            code_bits=n_entries * tensor.weight_bits,
            run_bits=n_entries * width,
            code_bits_huffman=_huffman_bits(statistics.entry_code_counts(width)),
            run_bits_huffman=_huffman_bits(statistics.run_counts(width)),
            codebook_bits=FLOAT_BITS * tensor.codebook.size,
        )
        rules.append(rule)
    return min(rules, key=lambda rule: rule.huffman_bits)


# Other tools ----------------------------------------------------------------------------------------------------------


def general_coders(source: CompressedModel | bytes | str | PathLike[str]) -> dict[str, int | None]:
    """Bytes that general-purpose tools need for the same content: what they would do in the place of Huffman coding.

    Parameters
    ----------
    source : CompressedModel, path of a .dcz file, or bytes
        Of a model, what is compressed is `fixed_width_content`; bytes are compressed as they are.

    Returns
    -------
    dict
        ``zlib`` (level 9), ``zstd`` (19) and ``brotli`` (11); None where the library is not installed, which the extra
        ``formats`` brings. Brotli takes some seconds a megabyte.
    """
    if not isinstance(source, (bytes, CompressedModel)):
        source = load_compressed(source)
    content = source if isinstance(source, bytes) else fixed_width_content(source)
    zstandard, brotli = _optional("zstandard"), _optional("brotli")
    return {
        "zlib": len(zlib.compress(content, 9)),
        "zstd": None if zstandard is None else len(zstandard.ZstdCompressor(level=19).compress(content)),
        "brotli": None if brotli is None else len(brotli.compress(content, quality=11)),
    }


def fixed_width_content(model: CompressedModel, index_bits: int = NET_INDEX_BITS) -> bytes:
    """Codebook, bias, codes and runs of each layer at fixed width, as in the authors' ``.net`` files, then the others.

    Neither names nor shapes nor lengths are in it: it is what coding can make smaller.
    """
    parts: list[NDArray[Any]] = []
    for tensor in model.tensors:
        streams = encode_cells(tensor.codes, tensor.weight_bits, ("fixed",), (index_bits,))
        bias = [] if tensor.bias is None else [tensor.bias]
        parts += [tensor.codebook, *bias, streams.codes.data, *([] if streams.runs is None else [streams.runs.data])]
    others = [array for _, array in sorted(model.others.items())]
    return b"".join(part.tobytes() for part in [*parts, *others])


def _optional(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError:
        return None


# Both counts ----------------------------------------------------------------------------------------------------------


def _account(stored: StoredModel) -> Accounting:
    model = stored.model
    rows = []
    for tensor, streams in zip(model.tensors, stored.streams, strict=True):
        file = FileBytes(
            codebook=tensor.codebook.nbytes,
            bias=0 if tensor.bias is None else tensor.bias.nbytes,
            tables=streams.table_bytes,
            codes=len(streams.codes.data),
            runs=streams.run_bytes,
        )
        how = f"{streams.codes.coder} codes, "
        how += "dense" if streams.runs is None else f"{streams.runs.coder} runs of {streams.index_bits} bits"
        n_biases = 0 if tensor.bias is None else tensor.bias.size
        rows.append(AccountRow(tensor.name, n_biases, paper_rule(tensor, streams.index_bits), file, how))
    total = AccountRow(
        name="total",
        n_biases=sum(row.n_biases for row in rows),
        paper=PaperRule(**_sums(row.paper for row in rows)),
        file=FileBytes(**_sums(row.file for row in rows)),
        stored=rows[0].stored if len({row.stored for row in rows}) == 1 else "",
    )
    n_others = sum(array.size for array in model.others.values())
    others_bytes = sum(array.nbytes for array in model.others.values())
    graph_bytes = 0 if model.network is None else len(model.network.onnx)
    return Accounting(tuple(rows), total, n_others, stored.header_bytes, others_bytes, graph_bytes, stored.file_bytes)


def _sums(parts: Iterable[Any]) -> dict[str, int]:
    """The sum of each field of dataclasses of one type."""
    found = list(parts)
    return {field.name: sum(getattr(part, field.name) for part in found) for field in fields(found[0])}


def _huffman_bits(counts: NDArray[np.int64]) -> int:
    return encoded_bits(counts, code_lengths(counts, _LONGEST_WORD))

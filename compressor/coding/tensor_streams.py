"""A coded tensor as the streams that are stored: codes and runs, or every cell's code, whichever takes fewer bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.coding.flat_index import FlatEntries, decode_flat, encode_flat, flat_statistics
from compressor.coding.huffman import code_lengths, encoded_bits
from compressor.coding.streams import EncodedStream, decode_stream, encode_stream
from compressor.coding.symbols import Bytes


@dataclass(frozen=True, eq=False)
class TensorStreams:
    """The streams of one tensor.

    Attributes
    ----------
    index_bits : int or None
        Bits of a run; None where the codes of all cells are stored without an index (*dense mode*).
    codes : EncodedStream
    runs : EncodedStream or None
    """

    index_bits: int | None
    codes: EncodedStream
    runs: EncodedStream | None

    @property
    def table_bytes(self) -> int:
        """Bytes of the code tables."""
        return len(self.codes.table) + (0 if self.runs is None else len(self.runs.table))

    @property
    def run_bytes(self) -> int:
        """Bytes of the runs' data."""
        return 0 if self.runs is None else len(self.runs.data)

    @property
    def n_bytes(self) -> int:
        """Bytes of data and tables."""
        return self.table_bytes + len(self.codes.data) + self.run_bytes


def encode_cells(cells: Bytes, weight_bits: int, coders: Sequence[str], widths: Iterable[int | None]) -> TensorStreams:
    """The smallest of the streams that `coders` make of `cells` with an index of one of `widths` bits.

    Parameters
    ----------
    cells : ndarray of uint8, shape (n_cells,)
        Codes of all cells in C order.
    weight_bits : int
    coders : sequence of str
        Of `compressor.coding.streams.CODERS`; codes and runs each take the best of them.
    widths : iterable of int or None
        None is dense mode. Of streams of one size the first is taken, in the order of `widths`, then of `coders`.

    Notes
    -----
    Sizes are measured on the encoded streams, tables included; but what cannot become the smallest, by the lengths of
    its words alone, is not encoded.
    """
    statistics = flat_statistics(cells)
    options = []
    for at, width in enumerate(widths):
        # How often each symbol occurs, and its bits: of the codes, then of the runs where there is an index.
        counted = [(statistics.code_counts, weight_bits)]
        if width is not None:
            counted = [(statistics.entry_code_counts(width), weight_bits), (statistics.run_counts(width), width)]
        bound = sum(min(_fewest_bytes(coder, *one) for coder in coders) for one in counted)
        options.append((bound, at, width, counted))
    best: tuple[int, int, TensorStreams] | None = None
    # The most promising first: once it is encoded, most others cannot become smaller any more.
    for bound, at, width, counted in sorted(options, key=lambda option: option[:2]):
        if best is None or (bound, at) < best[:2]:
            symbols = (cells,) if width is None else encode_flat(cells, width, statistics.entries(width))
            codes, *runs = (
                _smallest(each, bits, coders, counts) for each, (counts, bits) in zip(symbols, counted, strict=True)
            )
            streams = TensorStreams(width, codes, runs[0] if runs else None)
            if best is None or (streams.n_bytes, at) < best[:2]:
                best = (streams.n_bytes, at, streams)
    assert best is not None, "at least one width is asked for"
    return best[2]


def decode_cells(streams: TensorStreams, n_cells: int) -> Bytes:
    """The codes of all cells; uint8 (n_cells,), read-only.

    Raises
    ------
    ValueError
        When the streams are not what `encode_cells` makes of some `n_cells` cells.
    """
    codes = _decoded("codes", streams.codes)
    if streams.index_bits is None or streams.runs is None:
        cells = codes
        if len(cells) != n_cells:
            raise ValueError(f"codes: {len(cells)} of them, but there are {n_cells} cells")
    else:
        cells = decode_flat(FlatEntries(codes, _decoded("runs", streams.runs)), streams.index_bits, n_cells)
    cells.flags.writeable = False
    return cells


def _decoded(what: str, stream: EncodedStream) -> Bytes:
    try:
        return decode_stream(stream)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _smallest(symbols: Bytes, symbol_bits: int, coders: Sequence[str], counts: NDArray[np.int64]) -> EncodedStream:
    best: EncodedStream | None = None
    for coder in coders:
        if best is None or _fewest_bytes(coder, counts, symbol_bits) < len(best.table) + len(best.data):
            stream = encode_stream(symbols, symbol_bits, coder)
            if best is None or len(stream.table) + len(stream.data) < len(best.table) + len(best.data):
                best = stream
    assert best is not None, "at least one coder is asked for"
    return best


def _fewest_bytes(coder: str, counts: NDArray[np.int64], symbol_bits: int) -> int:
    """Bytes that `coder` needs at least for symbols that occur `counts` times, without its table."""
    if coder == "fixed":
        return -(-int(counts.sum()) * symbol_bits // 8)
    return -(-encoded_bits(counts, code_lengths(counts)) // 8)

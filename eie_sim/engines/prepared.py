"""What the fast engine reads of a layer, laid out for streaming: derived once, kept in memory, never in a file.

It depends on the layer alone, never on inputs or on the machine's queue depth, row width or arithmetic.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, available_cores, in_threads, kernel
from compressor.types.packed import PackedLayer
from eie_sim.engines._prefetch import CACHE_LINE_BYTES
from eie_sim.engines.layer_cache import LayerCache

LANES = 16
"""PEs are padded to a multiple of this, so that vector loops over PEs have no rest. A padded PE holds no entry."""


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """Per column and PE: addresses, first and last destination, fillers; per column: its real entries.

    Columns are the ``n_cols`` inputs and, with a bias, one more; lanes are the PEs, padded to a multiple of `LANES`.
    Every array has the smallest unsigned type that holds its values, so that a walk over it streams as few bytes as it
    can.

    Attributes
    ----------
    address : ndarray of uint16 or uint32, shape (columns + 1, lanes)
        The pointers ``p[k, j]``; in 32 bits where these or the number of columns need more than 16.
    longest : int
        Entries of the longest column in any PE; at least 1.
    first_row, last_row : ndarray of unsigned int, shape (columns, lanes)
        Local row (accumulator number) of the first and of the last entry. `first_row` is the type's largest value where
        the column has no entry in the PE or begins with a filler; `last_row` is that value less one where there is no
        entry. The two marks differ, so that comparing a first row with a last row is false when either is a mark.
    fillers : ndarray of unsigned int, shape (columns, lanes), or (0, lanes)
        Fillers of each column and PE; no row at all when the layer has no filler.
    real_indptr : ndarray of int64, shape (columns + 1,)
        Real entries of column ``j`` are ``real_entries[real_indptr[j] : real_indptr[j + 1]]``.
    real_entries : ndarray of unsigned int, shape (n_real,)
        ``row << weight_bits | code``, `row` in stored order; rows rise inside a column. A column adds to each row once,
        so that no order inside it changes a sum; in this one, sums are walked along their cache lines.
    build_seconds : float
        What deriving it took.
    """

    address: NDArray[np.unsignedinteger[Any]]
    longest: int
    first_row: NDArray[np.unsignedinteger[Any]]
    last_row: NDArray[np.unsignedinteger[Any]]
    fillers: NDArray[np.unsignedinteger[Any]]
    real_indptr: NDArray[np.int64]
    real_entries: NDArray[np.unsignedinteger[Any]]
    build_seconds: float

    @cached_property
    def by_lane(self) -> tuple[NDArray[np.unsignedinteger[Any]], ...]:
        """`address`, `first_row`, `last_row` and `fillers` in one dimension."""
        return self.address.ravel(), self.first_row.ravel(), self.last_row.ravel(), self.fillers.ravel()

    @cached_property
    def by_lane_wide(self) -> tuple[NDArray[np.unsignedinteger[Any]], ...]:
        """`by_lane` with addresses in 32 bits: for queues so deep, or SRAM rows so wide, that 16 are too few."""
        address = self.by_lane[0]
        if address.dtype != np.uint32:
            address = address.astype(np.uint32)
            address.flags.writeable = False
        return address, *self.by_lane[1:]

    @cached_property
    def lanes(self) -> int:
        """PEs, padded to a multiple of `LANES`."""
        return int(self.address.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of memory all its arrays take."""
        arrays = (self.address, self.first_row, self.last_row, self.fillers, self.real_indptr, self.real_entries)
        return sum(array.nbytes for array in arrays)


@kernel
def _survey(
    codes: Arg,
    runs: Arg,
    pointers: Arg,
    base: Arg,
    start: Arg,
    stop: Arg,
    no_first: Arg,
    no_last: Arg,
    first_row: Arg,
    last_row: Arg,
    fillers: Arg,
) -> None:
    for j in range(start, stop):
        for k in range(pointers.shape[1]):
            begin, end = base[k] + pointers[j, k], base[k] + pointers[j + 1, k]
            local = -1
            n_fillers = 0
            for e in range(begin, end):
                local += int(runs[e]) + 1
                n_fillers += codes[e] == 0
            fillers[j, k] = n_fillers
            last_row[j, k] = local if end > begin else no_last
            first_row[j, k] = runs[begin] if end > begin and codes[begin] != 0 else no_first


@kernel
def _gather(
    codes: Arg,
    runs: Arg,
    pointers: Arg,
    base: Arg,
    start: Arg,
    stop: Arg,
    weight_bits: Arg,
    rows_per_pe: Arg,
    real_indptr: Arg,
    real_entries: Arg,
) -> None:
    n_pe = pointers.shape[1]
    place = np.empty(rows_per_pe, np.int64)  # of the next entry of each local row: a counting sort
    for j in range(start, stop):
        place[:] = 0
        for k in range(n_pe):
            local = -1
            for e in range(base[k] + pointers[j, k], base[k] + pointers[j + 1, k]):
                local += int(runs[e]) + 1
                place[local] += codes[e] != 0
        at = real_indptr[j]
        for local in range(rows_per_pe):
            found = place[local]
            place[local] = at
            at += found
        for k in range(n_pe):
            local = -1
            for e in range(base[k] + pointers[j, k], base[k] + pointers[j + 1, k]):
                local += int(runs[e]) + 1
                if codes[e] != 0:
                    real_entries[place[local]] = ((local * n_pe + k) << weight_bits) | int(codes[e])
                    place[local] += 1


_PREPARED: LayerCache[PreparedLayer] = LayerCache()
_PREPARING = Lock()


def prepared(layer: PackedLayer) -> PreparedLayer:
    """The streaming form of `layer`: derived on the first call, then kept as long as the layer lives."""
    found = _PREPARED.get(layer)
    if found is None:
        with _PREPARING:  # one thread derives it, on all cores; the others wait for it
            found = _PREPARED.get(layer)
            if found is None:
                found = _derive(layer)
                _PREPARED.keep(layer, found)
    return found


def in_cache_lines(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """A new array that begins at a cache line, so that the vectors that kernels load of it are not in two."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + CACHE_LINE_BYTES, np.uint8)
    skip = -memory.ctypes.data % CACHE_LINE_BYTES
    found: NDArray[Any] = memory[skip : skip + size].view(dtype).reshape(shape)
    return found


def _derive(layer: PackedLayer) -> PreparedLayer:
    began = time.perf_counter()
    columns, n_pe = layer.pointers.shape[0] - 1, layer.n_pe
    rows_per_pe = -(-layer.n_rows // n_pe)
    per_pe = layer.entries_per_pe
    base = np.cumsum(per_pe) - per_pe
    # Two values above every row stay free for the marks.
    row_type = np.min_scalar_type(rows_per_pe + 1)
    no_first = int(np.iinfo(row_type).max)
    lanes = -(-n_pe // LANES) * LANES
    first_row, last_row = in_cache_lines((columns, lanes), row_type), in_cache_lines((columns, lanes), row_type)
    first_row[:], last_row[:] = no_first, no_first - 1
    fillers = np.zeros((columns, lanes), row_type)  # every filler skips a row at least
    step = max(1, -(-columns // (4 * available_cores())))
    chunks = [(at, min(at + step, columns)) for at in range(0, columns, step)]

    def survey(chunk: tuple[int, int]) -> None:
        _survey(
            layer.codes, layer.runs, layer.pointers, base, *chunk, no_first, no_first - 1, first_row, last_row, fillers
        )

    in_threads(survey, chunks)
    real = np.diff(layer.pointers.astype(np.int64), axis=0).sum(axis=1) - fillers.sum(axis=1, dtype=np.int64)
    real_indptr = np.zeros(columns + 1, np.int64)
    np.cumsum(real, out=real_indptr[1:])
    largest_word = (layer.n_rows << layer.weight_bits) - 1
    real_entries = np.empty(real_indptr[-1], np.promote_types(np.min_scalar_type(largest_word), np.uint16))

    def gather(chunk: tuple[int, int]) -> None:
        widths = (layer.weight_bits, rows_per_pe)
        _gather(layer.codes, layer.runs, layer.pointers, base, *chunk, *widths, real_indptr, real_entries)

    in_threads(gather, chunks)
    narrow = max(int(per_pe.max()), columns) <= np.iinfo(np.uint16).max
    address = in_cache_lines((columns + 1, lanes), np.uint16 if narrow else np.uint32)
    address[:] = 0
    address[:, :n_pe] = layer.pointers
    longest = max((int((address[at + 1 : end + 1] - address[at:end]).max()) for at, end in chunks), default=0)
    for array in (address, first_row, last_row, fillers, real_indptr, real_entries):
        array.flags.writeable = False
    return PreparedLayer(
        address=address,
        longest=max(longest, 1),
        first_row=first_row,
        last_row=last_row,
        fillers=fillers if layer.n_fillers else fillers[:0],
        real_indptr=real_indptr,
        real_entries=real_entries,
        build_seconds=time.perf_counter() - began,
    )

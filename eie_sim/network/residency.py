"""What a machine keeps of a network and what it loads, on one chip or several.

Where everything is resident, as in the paper, each matrix is one block and nothing is loaded. With a DRAM
(`ArchConfig.dram_bytes_per_s`):

- A matrix whose entries do not fit the SRAMs is cut into the fewest blocks of consecutive stored rows that do. A block
  is a matrix of its own and takes all input vectors. It has a pointer to every column, however few rows it has.
- Blocks stay in order of use, each that leaves room for the largest of those that do not stay, since that one has to be
  loaded somewhere. So where all fit together, all stay.
- What a node needs besides is loaded at each inference before its first product, all at once where it fits beside what
  stays. That overlaps the products of the node before where what that one needs fits too; a block that the node before
  has loaded is there already. Where it does not fit at once, a matrix is loaded when it is called and another one was
  called before, and a matrix of several blocks at every call: once for all vectors of a convolution, at each step of a
  recurrence. These loads overlap nothing.

Several chips (`ArchConfig.n_chips`) have equal parts of the rows of every matrix, to a row, and each its own SRAMs and
DRAM. A call takes as long as on the slowest chip. Then the outputs go over the link to the first chip, but for its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from compressor.relative_index import decode
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import POINTER_BYTES
from compressor.types.sparse import SparseColumns
from eie_sim.arch import ArchConfig
from eie_sim.capacity import check_capacity, stored_pointers


class Size(NamedTuple):
    """Room in the SRAMs of every PE.

    Attributes
    ----------
    spmat_rows : int
        Rows of the sparse-matrix SRAM, those of the fullest PE: a matrix has the same addresses in all of them.
    pointers : int
    """

    spmat_rows: int
    pointers: int

    def fits(self, room: "Size") -> bool:
        """Whether there is so much of both."""
        return self.spmat_rows <= room.spmat_rows and self.pointers <= room.pointers

    def at_most(self, other: "Size") -> "Size":
        """The smaller of each."""
        return Size(min(self.spmat_rows, other.spmat_rows), min(self.pointers, other.pointers))

    def at_least(self, other: "Size") -> "Size":
        """The larger of each."""
        return Size(max(self.spmat_rows, other.spmat_rows), max(self.pointers, other.pointers))


_NOTHING = Size(0, 0)


def _together(sizes: Iterable[Size]) -> Size:
    return Size(*map(sum, zip(_NOTHING, *sizes, strict=True)))


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive stored rows of a matrix, packed as a matrix of its own.

    Attributes
    ----------
    layer : PackedLayer
    rows : slice or ndarray of uint32
        Which outputs of the matrix they are.
    size : Size
        What it takes of the SRAMs; all of a memory that is too small for it.
    n_bytes : int
        Of its entries and pointers, in all PEs.
    """

    layer: PackedLayer
    rows: slice | NDArray[np.uint32]
    size: Size
    n_bytes: int


Matrices = tuple[tuple[Block, ...], ...]
"""The blocks of each matrix of a node."""


@dataclass(frozen=True)
class Load:
    """What a chip loads for a node at each inference.

    Attributes
    ----------
    ahead : int
        Bytes that are loaded before the first product, where all that the node needs fits at once.
    overlaps : bool
        Whether that can go on during the products of the node before.
    in_turn : tuple of int
        Of each matrix, bytes that are loaded when it is called, where not all of the node fits at once.
    cut : tuple of bool
        Of each matrix, whether that is more than one block, so that no call finds the one it begins with.
    """

    ahead: int
    overlaps: bool
    in_turn: tuple[int, ...]
    cut: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Chip:
    """One chip's rows of a network.

    Attributes
    ----------
    blocks : dict of str to Matrices
        By node, in the order of use.
    kept : list of Block
        That stay for ever.
    loads : dict of str to Load
        By node.
    """

    blocks: dict[str, Matrices]
    kept: list[Block]
    loads: dict[str, Load]


class Residency:
    """How the matrices of a network are arranged on a machine.

    Parameters
    ----------
    matrices : mapping of str to sequence of PackedLayer
        Of each node, in the order of use. One that several nodes need is the same object in all of them.
    arch : ArchConfig

    Attributes
    ----------
    chips : tuple of Chip

    Raises
    ------
    CapacityError
        If something cannot fit however it is cut, and `arch` has ``strict_capacity``.

    Warns
    -----
    CapacityWarning
        When something cannot fit: a matrix where everything is to be resident; else a single row of one, its pointers,
        its inputs or its outputs.
    """

    def __init__(self, matrices: Mapping[str, Sequence[PackedLayer]], arch: ArchConfig) -> None:
        self._arch = arch
        cut = {id(layer): _cut(layer, arch) for layers in matrices.values() for layer in layers}
        for of_chips in cut.values():
            all(check_capacity(block.layer, arch) for blocks in of_chips for block in blocks)  # one warning a matrix
        self.chips = tuple(
            _chip({name: tuple(cut[id(layer)][chip] for layer in layers) for name, layers in matrices.items()}, arch)
            for chip in range(arch.n_chips)
        )

    def blocks(self, node: str, matrix: int) -> list[tuple[Block, ...]]:
        """The blocks of a matrix on each chip."""
        return [chip.blocks[node][matrix] for chip in self.chips]

    def loaded(
        self, node: str, calls: NDArray[np.int64], changes: NDArray[np.int64], before: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bytes that a node loads on all chips together in each inference, and cycles that its products wait for them.

        Parameters
        ----------
        node : str
        calls : ndarray of int64, shape (B, matrices)
            How often each inference calls each matrix, all of its vectors at once.
        changes : ndarray of int64, shape (B, matrices)
            Those calls that follow one of another matrix, or none.
        before : ndarray of int64, shape (B,)
            Cycles of the node before.
        """
        n_bytes, waits = np.zeros(len(calls), np.int64), np.zeros(len(calls), np.int64)
        if self._arch.dram_bytes_per_s is None:
            return n_bytes, waits
        for chip in self.chips:
            load = chip.loads[node]
            in_turn = np.where(load.cut, calls, changes) @ np.array(load.in_turn, np.int64)
            ahead = self._cycles(np.full(len(calls), load.ahead), self._arch.dram_bytes_per_s)
            hidden = before if load.overlaps else np.zeros_like(before)
            wait = np.maximum(ahead - hidden, 0) + self._cycles(in_turn, self._arch.dram_bytes_per_s)
            n_bytes += load.ahead + in_turn
            waits = np.maximum(waits, wait)  # the others wait for the slowest
        return n_bytes, waits

    def outputs_over_link(self, node: str, matrix: int) -> int:
        """Outputs of a product that go over the link: all but those of the first chip, where they are gathered."""
        others = self.blocks(node, matrix)[1:]
        return sum(block.layer.n_rows for blocks in others for block in blocks)

    def link_cycles(self, n_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cycles that so many bytes take over the link."""
        rate = self._arch.link_bytes_per_s
        return np.zeros_like(n_bytes) if rate is None else self._cycles(n_bytes, rate)

    def _cycles(self, n_bytes: NDArray[np.int64], bytes_per_s: float) -> NDArray[np.int64]:
        return np.asarray(np.ceil(n_bytes * self._arch.clock_hz / bytes_per_s), np.int64)


def _room(arch: ArchConfig) -> Size:
    entries, pointers, *_ = arch.sram_limits
    return Size(entries // arch.entries_per_spmat_row, pointers)


# Cutting --------------------------------------------------------------------------------------------------------------


def _cut(layer: PackedLayer, arch: ArchConfig) -> list[tuple[Block, ...]]:
    """The blocks of a matrix on each chip: rows as evenly as they go, then the fewest blocks that fit."""
    if arch.n_chips == 1 and (arch.dram_bytes_per_s is None or _size(layer, arch).spmat_rows <= _room(arch).spmat_rows):
        return [(_block(layer, slice(None), arch),)]
    rows = _Rows(layer, arch)
    ends = [chip * layer.n_rows // arch.n_chips for chip in range(arch.n_chips + 1)]
    return [tuple(rows.blocks(first, last)) for first, last in pairwise(ends)]


def _size(layer: PackedLayer, arch: ArchConfig) -> Size:
    pointers = stored_pointers(layer, arch)
    return Size(-(-int(pointers[-1].max()) // arch.entries_per_spmat_row), len(pointers))


def _block(layer: PackedLayer, rows: slice | NDArray[np.uint32], arch: ArchConfig) -> Block:
    pointers = stored_pointers(layer, arch)
    bits = pointers[-1].astype(np.int64) * (arch.weight_bits + arch.index_bits)
    n_bytes = int(np.sum(-(-bits // 8))) + len(pointers) * POINTER_BYTES * layer.n_pe
    return Block(layer, rows, _size(layer, arch).at_most(_room(arch)), n_bytes)


def _ascending(numbers: NDArray[Any], limit: int) -> NDArray[np.int64]:
    """Places of numbers below `limit` in ascending order, equal ones as they are; of 16 bits they sort far sooner."""
    return np.argsort(numbers.astype(np.min_scalar_type(limit)), kind="stable")


class _Rows:
    """A matrix taken apart into its stored rows."""

    def __init__(self, layer: PackedLayer, arch: ArchConfig) -> None:
        self._layer, self._arch = layer, arch
        apart = decode(layer.encoding, layer.n_rows)
        order = _ascending(apart.rows, layer.n_rows)
        self._columns = np.repeat(np.arange(apart.shape[1], dtype=np.int32), np.diff(apart.indptr))[order]
        self._codes = apart.values[order]
        self._ends = np.concatenate([[0], np.cumsum(np.bincount(apart.rows, minlength=layer.n_rows))])

    def blocks(self, first: int, last: int) -> list[Block]:
        """The fewest blocks of rows `first` to `last` that fit; one where there is no DRAM, none of no rows."""
        if first == last:
            return []
        starts = [first, *(self._starts(first, last) if self._arch.dram_bytes_per_s is not None else []), last]
        return [self._block(*ends) for ends in pairwise(starts)]

    def _starts(self, first: int, last: int) -> list[int]:
        """Rows at which further blocks begin."""
        arch, layer = self._arch, self._layer
        starts = np.zeros(last - first, np.int64)
        n_columns = len(stored_pointers(layer, arch)) - 1
        scratch = np.zeros(arch.n_pe, np.int64), np.zeros((arch.n_pe, n_columns), np.int32)
        limits = arch.index_bits, arch.sram_limits[0]
        count = _block_starts(self._ends[first : last + 1], self._columns, *limits, *scratch, starts)
        return [first + int(start) for start in starts[:count]]

    def _block(self, first: int, last: int) -> Block:
        layer, (begin, end) = self._layer, self._ends[[first, last]]
        columns, n_columns = self._columns[begin:end], len(layer.pointers) - 1
        order = _ascending(columns, n_columns)
        rows = np.repeat(np.arange(last - first, dtype=np.uint32), np.diff(self._ends[first : last + 1]))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n_columns))])
        places = layer.row_permutation
        outputs = slice(first, last) if places is None else places[first:last]
        packed = PackedLayer.from_columns(
            SparseColumns(indptr, rows[order], self._codes[begin:end][order], (last - first, layer.n_cols)),
            layer.codebook,
            n_pe=layer.n_pe,
            index_bits=layer.index_bits,
            name=f"{layer.name}, rows {first} to {last - 1}",
            bias=None if layer.bias is None else layer.bias[outputs],
        )
        return _block(packed, outputs, self._arch)


@kernel
def _block_starts(
    ends: Arg, columns: Arg, index_bits: Arg, most_entries: Arg, entries: Arg, last_row: Arg, starts: Arg
) -> int:
    """Rows at which all blocks but the first begin; returns how many.

    A block takes rows until the next one would make a PE too full; a row that alone is too much for its PE is a block
    of its own. That gives the fewest: a PE with fewer rows, at either end, never has more entries. `entries` of each PE
    and the `last_row` of each PE and column are scratch; rows are counted from 1 there, so that 0 is none. PEs go on in
    turn through all blocks: which is which does not matter here.
    """
    n_pe, n_columns = last_row.shape
    start, count, fullest = 0, 0, 0
    for row in range(len(ends) - 1):
        pe = row % n_pe
        for _ in range(2):  # again where the row begins a block: more of its zeros are before the first row
            added = 0
            for at in range(ends[row], ends[row + 1]):
                if columns[at] < n_columns:  # else a bias column that is not stored
                    before = last_row[pe, columns[at]] - 1
                    zeros = (row - before) // n_pe - 1 if before >= start else (row - start) // n_pe
                    added += 1 + (zeros >> index_bits)  # a filler takes 2**index_bits rows
            if row == start or max(fullest, entries[pe] + added) <= most_entries:
                break
            start = row
            starts[count] = row
            count += 1
            entries[:] = 0
            fullest = 0
        entries[pe] += added
        fullest = max(fullest, entries[pe])
        for at in range(ends[row], ends[row + 1]):
            if columns[at] < n_columns:
                last_row[pe, columns[at]] = row + 1
    return int(count)


# Keeping and loading --------------------------------------------------------------------------------------------------


def _chip(blocks: dict[str, Matrices], arch: ArchConfig) -> Chip:
    """Keep what fits and plan the loads of the rest."""
    distinct = list({id(block): block for of_node in blocks.values() for block in _all(of_node)}.values())
    if arch.dram_bytes_per_s is None:
        return Chip(blocks, distinct, {})
    kept = _kept(distinct, _room(arch))
    taken = _together(block.size for block in kept)
    room = Size(*(has - used for has, used in zip(_room(arch), taken, strict=True)))
    resident, loads = {id(block) for block in kept}, {}
    # Blocks of the node before that may be there while a node's own are loaded, and those that are still there then.
    beside: dict[int, Block] | None = None
    present: set[int] = set()
    for name, of_node in blocks.items():
        needed = {id(block): block for block in _all(of_node) if id(block) not in resident}
        if _together(block.size for block in needed.values()).fits(room):
            ahead = sum(block.n_bytes for key, block in needed.items() if key not in present)
            both = {**(beside or {}), **needed}
            overlaps = beside is not None and _together(block.size for block in both.values()).fits(room)
            loads[name] = Load(ahead, overlaps, (0,) * len(of_node), (False,) * len(of_node))
            present = set(needed)
        else:
            rest = [[block for block in of_matrix if id(block) not in resident] for of_matrix in of_node]
            in_turn = tuple(sum(block.n_bytes for block in of_matrix) for of_matrix in rest)
            loads[name] = Load(0, False, in_turn, tuple(len(of_matrix) > 1 for of_matrix in rest))
            present = set()
        beside = needed
    return Chip(blocks, kept, loads)


def _all(matrices: Matrices) -> Iterable[Block]:
    return (block for of_matrix in matrices for block in of_matrix)


def _kept(blocks: Sequence[Block], room: Size) -> list[Block]:
    """Those that stay, in order of use: each that leaves room for the largest of what does not stay."""
    largest_so_far = accumulate((block.size for block in reversed(blocks)), Size.at_least, initial=_NOTHING)
    after = list(largest_so_far)[-2::-1]  # the largest of all blocks after each
    kept, taken, largest = [], _NOTHING, _NOTHING
    for block, rest in zip(blocks, after, strict=True):
        if _together([taken, block.size, largest.at_least(rest)]).fits(room):
            kept.append(block)
            taken = _together([taken, block.size])
        else:
            largest = largest.at_least(block.size)
    return kept

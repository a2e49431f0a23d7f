"""The loops of the fast engine: the recurrence of the cycle contract, and the numbers.

Written for the vector units: in `_serve` everything of one broadcast happens in one loop over the PEs without a
branch, on 32-bit integers in one block of memory whose rows lie a fixed distance apart, so that the compiler needs no
proof that they do not overlap. What a PE keeps between broadcasts:

    FREE     the edge at which its pointer read is next free (``f`` of the contract)
    END      the same after its last column with entries
    BUBBLES  broadcasts without an entry in this PE
    ENTRIES  entries walked
    BYPASS   bypasses
    READS    sparse-matrix rows read
    ROW      the row in the row buffer, -1 when empty
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor._jit import Arg, kernel
from eie_sim.fixed_point import multiply, saturate

BLOCK = 1024
"""PEs of one block of state."""

# Rows of a block lie this far apart: further than a block is long, and no multiple of 4 KiB (rows that far apart would
# fall into the same sets of the first-level cache).
_STRIDE = BLOCK + 16

STATE_ROWS = 7
_FREE, _END, _BUBBLES, _ENTRIES, _BYPASS, _READS, _ROW = (np.uint64(row * _STRIDE) for row in range(STATE_ROWS))
_NONE, _ONE = np.int32(0), np.int32(1)


class Machine(NamedTuple):
    """What the timing depends on besides the layer and its inputs."""

    n_pe: int
    n_cols: int
    depth: int
    row_shift: int
    """log2 of the entries in an SRAM row, or -1 where that is no power of two."""
    entries_per_row: int


class Broadcast(NamedTuple):
    """What happened to the broadcast as a whole."""

    last_load: int
    stalls: int
    bubbles: int


def new_state(lanes: int) -> NDArray[np.int32]:
    """The state of `lanes` PEs before the first cycle; int32, shape (blocks, STATE_ROWS, _STRIDE)."""
    state = np.zeros((-(-lanes // BLOCK), STATE_ROWS, _STRIDE), np.int32)
    state[:, 0] = 1
    state[:, 6] = -1
    return state


@kernel
def find_active(acts: Arg, columns: Arg) -> int:
    """Write the columns of the active inputs to `columns` (one longer than `acts`); returns how many there are."""
    found = 0
    for column in range(len(acts)):
        columns[found] = column
        found += acts[column] != 0
    return found


@kernel
def _serve(
    state: Arg, offset: Arg, here: Arg, after: Arg, before: Arg, n: Arg, wake: Arg, arrays: Arg, row: Arg
) -> Arg:
    """One broadcast in one block of PEs; returns the edge at which the last of them is free again.

    ``here``, ``after`` and ``before`` are the places of this column, the next one in memory and the one broadcast
    before in the flattened arrays; ``wake`` is the first edge at which a waiting PE can take it.
    """
    address, first_row, last_row = arrays
    shift, inverse = row
    latest = _NONE
    for k in range(n):
        begin = np.int32(address[here + k])
        end = np.int32(address[after + k])
        entries = np.int32(end - begin)
        walks = entries > _NONE
        free = state[offset + _FREE + k]
        # Two issues in a row to one accumulator: a bypass. The marks of first_row and last_row match nothing.
        same = first_row[here + k] == last_row[before + k]
        state[offset + _BYPASS + k] = np.int32(state[offset + _BYPASS + k] + np.int32((free >= wake) & same))
        free = np.int32(max(free, wake) + max(entries, _ONE))
        state[offset + _FREE + k] = free
        latest = max(latest, free)
        # Edges and rows only rise: max() stands for "if it walks", without a masked store that would hold up the next
        # broadcast's load.
        state[offset + _END + k] = max(state[offset + _END + k], free if walks else _NONE)
        state[offset + _BUBBLES + k] = np.int32(state[offset + _BUBBLES + k] + np.int32(entries == _NONE))
        state[offset + _ENTRIES + k] = np.int32(state[offset + _ENTRIES + k] + entries)
        # Rows first_read .. last_read are read, but for first_read when it is the one in the buffer.
        if shift >= 0:
            first_read = np.int32(begin >> (shift & np.int32(31)))
            last_read = np.int32(np.int32(end - _ONE) >> (shift & np.int32(31)))
        else:
            first_read = np.int32((np.float64(begin) + 0.5) * inverse)
            last_read = np.int32((np.float64(end) - 0.5) * inverse)
        last_read = last_read if walks else np.int32(-1)
        buffered = state[offset + _ROW + k]
        reads = np.int32(last_read - max(buffered, np.int32(first_read - _ONE)))
        state[offset + _READS + k] = np.int32(state[offset + _READS + k] + max(reads, _NONE))
        state[offset + _ROW + k] = max(buffered, last_read)
    return latest


@kernel
def run_timing(
    columns: Arg, n_inputs: Arg, machine: Arg, lanes: Arg, arrays: Arg, state: Arg, push: Arg, pop: Arg
) -> Arg:
    """The recurrence of the contract over all broadcasts.

    Parameters
    ----------
    columns : int32 (J,)
        Pointer column of each broadcast; with a bias, the last one is the bias.
    n_inputs : int
        How many of them are inputs.
    machine : Machine
    lanes : int
        PEs, padded.
    arrays : tuple of ndarray
        `address`, `first_row`, `last_row` of the `PreparedLayer`, flat.
    state : int32, flat
        As `new_state`; holds the counts at the end.
    push, pop : int64 (J,)
        Out: edge of each push, and the latest pop of each broadcast.

    Returns
    -------
    Broadcast
    """
    n_pe, depth = machine.n_pe, machine.depth
    row = (np.int32(machine.row_shift), 1.0 / machine.entries_per_row)
    input_rows = (machine.n_cols + n_pe - 1) // n_pe
    rows = input_rows + (len(columns) > n_inputs)
    blocks = (lanes + BLOCK - 1) // BLOCK
    width, block_state = np.uint64(lanes), np.uint64(STATE_ROWS * _STRIDE)
    before = np.uint64(columns[0]) * width if len(columns) else np.uint64(0)
    j, load, stalls, bubbles, latest = 0, 1, 0, 0, 1
    for r in range(rows):
        row_end = (r + 1) * n_pe if r < input_rows else machine.n_cols + 1
        stop = n_inputs if r < input_rows else len(columns)
        earliest = load + 1
        last_lane_pushed, pushed = False, False
        while j < stop and columns[j] < row_end:
            edge = earliest
            if depth == 1:
                edge = max(edge, latest - 1)
            elif j >= depth - 1:
                edge = max(edge, 1 + pop[j - (depth - 1)])
            push[j] = edge
            pop[j] = max(edge + 1, latest)
            stalls += edge - earliest
            here = np.uint64(columns[j]) * width
            latest = 0
            for b in range(blocks):
                skip = np.uint64(b * BLOCK)
                n = min(width - skip, np.uint64(BLOCK))
                at = here + skip
                served = _serve(
                    state, np.uint64(b) * block_state, at, at + width, before + skip, n, np.int32(edge + 1), arrays, row
                )
                latest = max(latest, served)
            last_lane_pushed, pushed = columns[j] == row_end - 1, True
            before = here
            earliest = edge + 1
            j += 1
        if r < rows - 1:
            if pushed and last_lane_pushed:
                load = push[j - 1]
            else:
                load = (push[j - 1] if pushed else load) + 1
                bubbles += 1
    return Broadcast(load, stalls, bubbles)


@kernel
def expand_schedule(columns: Arg, push: Arg, pointers: Arg, pop_cycle: Arg, entries: Arg) -> None:
    """Pop edges and entries of every PE and broadcast, (n_pe, J), from the push edges."""
    for k in range(pointers.shape[1]):
        free = 1
        for j in range(len(columns)):
            n = np.int64(pointers[columns[j] + 1, k]) - np.int64(pointers[columns[j], k])
            pop_cycle[k, j] = max(free, push[j] + 1)
            entries[k, j] = n
            free = pop_cycle[k, j] + max(1, n)


@kernel
def sum_columns(columns: Arg, counts: Arg, totals: Arg) -> None:
    """Add the rows of `counts` that `columns` name to `totals`."""
    for j in range(len(columns)):
        for k in range(len(totals)):
            totals[k] += counts[columns[j], k]


@kernel
def accumulate_float32(
    columns: Arg, acts: Arg, codebook: Arg, indptr: Arg, words: Arg, weight_bits: Arg, sums: Arg
) -> None:
    """Add up products in float32, each rounded before it is added, in the order of the entries."""
    code_mask = np.uint64((1 << weight_bits) - 1)
    shift = np.uint64(weight_bits)
    products = np.empty(len(codebook), np.float32)
    for j in range(len(columns)):
        for code in range(len(codebook)):
            products[code] = codebook[code] * acts[j]
        for e in range(indptr[columns[j]], indptr[columns[j] + 1]):
            word = np.uint64(words[e])
            sums[word >> shift] += products[word & code_mask]


@kernel
def accumulate_fixed(
    columns: Arg,
    acts: Arg,
    codebook: Arg,
    indptr: Arg,
    words: Arg,
    weight_bits: Arg,
    rule: Arg,
    sums: Arg,
    saturations: Arg,
) -> None:
    """Add up shifted products in saturating accumulators, in the order of the entries; `rule` from `FixedPoint`."""
    shift, half_even, acc_bits = rule
    n_pe = len(saturations)
    products = np.empty(len(codebook), np.int64)
    code_mask = len(codebook) - 1
    for j in range(len(columns)):
        for code in range(len(codebook)):
            products[code] = multiply(codebook[code], acts[j], shift, half_even)
        for e in range(indptr[columns[j]], indptr[columns[j] + 1]):
            word = np.int64(words[e])
            row = word >> weight_bits
            total = sums[row] + products[word & code_mask]
            held = saturate(total, acc_bits)
            sums[row] = held
            if held != total:
                saturations[row % n_pe] += 1

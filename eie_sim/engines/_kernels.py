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

import numpy as np

from compressor._jit import Arg, inlined, kernel
from eie_sim.engines._prefetch import CACHE_LINE_BYTES, prefetch
from eie_sim.fixed_point import multiply, saturate

_BLOCK = 1024
"""PEs of one block of state."""

# Rows of a block lie this far apart: further than a block is long, and no multiple of 4 KiB (rows that far apart would
# fall into the same sets of the first-level cache).
_STRIDE = _BLOCK + 16
_FREE, _END, _BUBBLES, _ENTRIES, _BYPASS, _READS, _ROW = (np.uint64(row * _STRIDE) for row in range(7))
_BLOCK_STATE = 7 * _STRIDE
_NONE, _ONE = np.int32(0), np.int32(1)

# Shifts are cut to this many bits, which keeps the vectors at 32-bit lanes; wider SRAM rows take a division.
_LARGEST_SHIFT = 15

_PIPELINE_EDGES = 5
"""After its last entry is issued, a PE is seen complete this many edges after it is free (contract, PE rule 3)."""

_AHEAD = 6
"""Broadcasts ahead whose cache lines are asked for: about one memory latency."""


@inlined
def _find_active(acts: Arg, columns: Arg) -> int:
    """Write the columns of the active inputs to `columns`; returns how many, or -1 when an input is not finite."""
    found = 0
    finite = True
    for column in range(len(acts)):
        columns[found] = column
        found += acts[column] != 0
        finite &= acts[column] - acts[column] == 0
    return found if finite else -1


@inlined
def _serve(
    state: Arg,
    offset: Arg,
    at: Arg,
    before: Arg,
    n: Arg,
    width: Arg,
    wake: Arg,
    shift: Arg,
    address: Arg,
    first_row: Arg,
    last_row: Arg,
) -> Arg:
    """One broadcast in one block of `n` PEs; returns the edge at which the last of them is free again.

    ``at`` and ``before`` are the places of this column and of the one broadcast before in the flat arrays, ``width``
    the length of a column there, ``wake`` the first edge at which a waiting PE can take it, ``shift`` turns an address
    into an SRAM row.
    """
    latest = _NONE
    for k in range(n):
        begin, end = np.int32(address[at + k]), np.int32(address[at + width + k])
        entries = np.int32(end - begin)
        walks = entries > _NONE
        free = state[offset + _FREE + k]
        # Two issues in a row to one accumulator: a bypass. The marks of first_row and last_row match nothing.
        same = first_row[at + k] == last_row[before + k]
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
        first_read, last_read = np.int32(begin >> shift), np.int32(np.int32(end - _ONE) >> shift)
        last_read = last_read if walks else np.int32(-1)
        buffered = state[offset + _ROW + k]
        reads = np.int32(last_read - max(buffered, np.int32(first_read - _ONE)))
        state[offset + _READS + k] = np.int32(state[offset + _READS + k] + max(reads, _NONE))
        state[offset + _ROW + k] = max(buffered, last_read)
    return latest


@inlined
def _count_row_reads(columns: Arg, n_pe: Arg, lanes: Arg, address: Arg, entries_per_row: Arg, reads: Arg) -> None:
    """Row reads where the entries in an SRAM row are no power of two, so that `_serve` cannot count them."""
    buffered = np.full(n_pe, -1, np.int64)
    reads[:] = 0
    for j in range(len(columns)):
        at = columns[j] * lanes
        for k in range(n_pe):
            begin, end = int(address[at + k]), int(address[at + lanes + k])
            if end > begin:
                first_read, last_read = begin // entries_per_row, (end - 1) // entries_per_row
                reads[k] += last_read - max(buffered[k], first_read - 1)
                buffered[k] = last_read


@inlined
def _ask_for(column: Arg, lanes: Arg, address: Arg, first_row: Arg, last_row: Arg, fillers: Arg) -> None:
    """Prefetch what `_serve` will read of a column."""
    at = column * lanes
    for k in range(0, 2 * lanes, CACHE_LINE_BYTES // address.itemsize):
        prefetch(address, at + k)
    for k in range(0, lanes, CACHE_LINE_BYTES // first_row.itemsize):
        prefetch(first_row, at + k)
        prefetch(last_row, at + k)
        if len(fillers):
            prefetch(fillers, at + k)


@inlined
def _new_state(lanes: Arg) -> Arg:
    """The state of `lanes` PEs before the first cycle."""
    state = np.empty((lanes + _BLOCK - 1) // _BLOCK * _BLOCK_STATE, np.int32)
    for lane in range(lanes):
        at = np.uint64(lane // _BLOCK * _BLOCK_STATE + lane % _BLOCK)
        for row in (_END, _BUBBLES, _ENTRIES, _BYPASS, _READS):
            state[at + row] = 0
        state[at + _FREE] = 1
        state[at + _ROW] = -1
    return state


@inlined
def _run_timing(columns: Arg, n_inputs: Arg, timing: Arg, flat: Arg, state: Arg, push: Arg) -> Arg:
    """The recurrence of the contract over all broadcasts.

    Returns the edges of the last load and of the first push (0 without one), the stalls and the scan bubbles.
    """
    n_pe, lanes, n_cols, has_bias, depth, row_shift, _ = timing
    shift = np.int32(max(row_shift, 0) & _LARGEST_SHIFT)
    address, first_row, last_row, fillers = flat
    blocks, width = (lanes + _BLOCK - 1) // _BLOCK, np.uint64(lanes)
    input_rows = (n_cols + n_pe - 1) // n_pe
    rows = input_rows + has_bias
    pop = np.empty(len(columns), np.int32)  # the latest pop of each broadcast
    before = np.uint64(columns[0]) * width if len(columns) else np.uint64(0)
    keep_push = len(push) > 0
    j, load, stalls, bubbles, latest, first, edge = 0, 1, 0, 0, 1, 0, 0
    for r in range(rows):
        row_end = (r + 1) * n_pe if r < input_rows else n_cols + 1
        stop = n_inputs if r < input_rows else len(columns)
        earliest = load + 1
        last_lane_pushed, pushed = False, False
        while j < stop and columns[j] < row_end:
            edge = earliest
            if depth == 1:
                edge = max(edge, latest - 1)
            elif j >= depth - 1:
                edge = max(edge, 1 + int(pop[j - (depth - 1)]))
            if keep_push:
                push[j] = edge
            first = first if j else edge
            pop[j] = max(edge + 1, latest)
            stalls += edge - earliest
            # The machine that runs this foresees neighbours by itself.
            if j + _AHEAD < len(columns) and columns[j + _AHEAD] != columns[j + _AHEAD - 1] + 1:
                _ask_for(columns[j + _AHEAD], lanes, address, first_row, last_row, fillers)
            at = np.uint64(columns[j]) * width
            last_free, wake = _NONE, np.int32(edge + 1)
            for b in range(blocks):
                skip, offset = np.uint64(b * _BLOCK), np.uint64(b * _BLOCK_STATE)
                n = min(width - skip, np.uint64(_BLOCK))
                free = _serve(
                    state, offset, at + skip, before + skip, n, width, wake, shift, address, first_row, last_row
                )
                last_free = max(last_free, free)
            latest, before = int(last_free), at
            last_lane_pushed, pushed = columns[j] == row_end - 1, True
            earliest = edge + 1
            j += 1
        if r < rows - 1:
            if pushed and last_lane_pushed:
                load = edge
            else:
                load = (edge if pushed else load) + 1
                bubbles += 1
    return load, first, stalls, bubbles


@inlined
def _settle(columns: Arg, timing: Arg, flat: Arg, state: Arg, load: Arg, fill: Arg, table: Arg) -> Arg:
    """Fill the table of counts from the final state and the edge of the first push; returns the cycles."""
    n_pe, lanes, _, _, _, row_shift, entries_per_row = timing
    address, fillers = flat[0], flat[3]
    for k in range(n_pe):
        table[3, k] = 0
    if len(fillers):
        for j in range(len(columns)):
            at = np.uint64(columns[j]) * np.uint64(lanes)
            for k in range(np.uint64(n_pe)):
                table[3, k] += fillers[at + k]
    cycles = load
    for k in range(n_pe):
        at = np.uint64(k // _BLOCK * _BLOCK_STATE + k % _BLOCK)
        drained = state[at + _END] + _PIPELINE_EDGES if state[at + _END] else 0
        cycles = max(cycles, state[at + _FREE], drained)
    for k in range(n_pe):
        at = np.uint64(k // _BLOCK * _BLOCK_STATE + k % _BLOCK)
        entries, empty, bypasses = state[at + _ENTRIES], state[at + _BUBBLES], state[at + _BYPASS]
        writes = entries - table[3, k]
        drain = cycles - state[at + _FREE] + 1
        table[0, k] = len(columns)
        table[1, k] = state[at + _READS]
        table[2, k] = entries
        table[4, k] = writes
        table[5, k] = writes - bypasses
        table[6, k] = bypasses
        table[7, k] = 0
        table[8, k] = entries
        table[9, k] = empty
        table[10, k] = cycles - fill - drain - entries - empty
        table[11, k] = fill
        table[12, k] = drain
    if row_shift < 0:
        _count_row_reads(columns, n_pe, lanes, address, entries_per_row, table[1])
    return cycles


@kernel
def run_counts(acts: Arg, timing: Arg, flat: Arg, columns: Arg, push: Arg, table: Arg) -> Arg:
    """Timing and all counters of one input vector.

    Parameters
    ----------
    acts : float32 or int64 (n_cols,)
    timing : tuple of int
        What the timing depends on besides the entries: n_pe, lanes (PEs, padded), n_cols, has_bias, queue depth, log2
        of the entries in an SRAM row (-1 where that is no power of two up to 2**15), entries in an SRAM row. A plain
        tuple, because numba takes long to recognise any other kind at a call.
    flat : tuple of ndarray
        `PreparedLayer.by_lane`.
    columns : int32 (n_cols + 1,), or (0,) when they are not asked for
        Out: pointer column of each broadcast; with a bias, the last one is the bias.
    push : int64 (n_cols + 1,), or (0,) when they are not asked for
        Out: edge of each push.
    table : int64 (len(PER_PE), n_pe)
        Out: the counts of each PE, rows in the order of `eie_sim.result.PER_PE`.

    Returns
    -------
    broadcasts, cycles, stalls, scan bubbles : int
        -1 broadcasts: an input is not finite, and nothing was counted.
    """
    _, lanes, n_cols, has_bias, _, _, _ = timing
    found = columns if len(columns) else np.empty(n_cols + 1, np.int32)
    n_inputs = _find_active(acts, found)
    if n_inputs < 0:
        return -1, 0, 0, 0
    found[n_inputs] = n_cols
    broadcasts = n_inputs + has_bias
    sent = found[:broadcasts]
    state = _new_state(lanes)
    load, first, stalls, bubbles = _run_timing(sent, n_inputs, timing, flat, state, push)
    cycles = _settle(sent, timing, flat, state, load, first, table)
    return int(broadcasts), int(cycles), int(stalls), int(bubbles)


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


@inlined
def _ask_for_entries(indptr: Arg, words: Arg, column: Arg) -> None:
    for e in range(indptr[column], indptr[column + 1], CACHE_LINE_BYTES // words.itemsize):
        prefetch(words, np.uint64(e))


@kernel
def accumulate_float32(acts: Arg, columns: Arg, indptr: Arg, words: Arg, codebook: Arg, sums: Arg) -> None:
    """Add up products in float32, each rounded before it is added, in the order of the entries.

    `columns` as `run_counts` left them (of the broadcasts alone), `indptr` and `words` the two real_* arrays of the
    `PreparedLayer`, `sums` zeros, in stored order.
    """
    code_mask, shift = np.uint64(len(codebook) - 1), np.uint64(0)
    while (len(codebook) >> shift) > 1:
        shift += np.uint64(1)
    products = np.empty(len(codebook), np.float32)
    for j in range(len(columns)):
        column = columns[j]
        if j + 1 < len(columns) and columns[j + 1] != column + 1:
            _ask_for_entries(indptr, words, columns[j + 1])
        act = acts[column] if column < len(acts) else np.float32(1)
        for code in range(len(codebook)):
            products[code] = codebook[code] * act
        for e in range(np.uint64(indptr[column]), np.uint64(indptr[column + 1])):
            word = np.uint64(words[e])
            sums[word >> shift] += products[word & code_mask]


@kernel
def accumulate_fixed(
    acts: Arg, one: Arg, columns: Arg, indptr: Arg, words: Arg, weights: Arg, rule: Arg, sums: Arg, saturations: Arg
) -> None:
    """Add up shifted products in saturating accumulators, in the order of the entries; all numbers int64.

    As `accumulate_float32`; `one` is what a bias is multiplied by, `rule` the right shift of products, whether it
    rounds half to even, and the bits of an accumulator; `saturations` counts for each PE.
    """
    product_shift, half_even, acc_bits = rule
    n_pe = len(saturations)
    products = np.empty(len(weights), np.int64)
    for j in range(len(columns)):
        column = columns[j]
        act = acts[column] if column < len(acts) else one
        for code in range(len(weights)):
            products[code] = multiply(weights[code], act, product_shift, half_even)
        for e in range(indptr[column], indptr[column + 1]):
            word = int(words[e])
            row = word // len(weights)
            total = sums[row] + products[word % len(weights)]
            held = saturate(total, acc_bits)
            sums[row] = held
            if held != total:
                saturations[row % n_pe] += 1

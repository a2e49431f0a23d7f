"""The loops of the fast engine: the recurrence of the cycle contract, and the numbers.

Written for the vector units: in `_serve` everything of one broadcast happens in one loop over the PEs without a
branch, in one block of memory whose rows lie a fixed distance apart, so that the compiler needs no proof that they do
not overlap. Words are as wide as the addresses of the layer, mostly 16 bits: twice the PEs in a vector that 32 bits
would give. What a PE keeps between broadcasts:

    FREE     the edge at which its pointer read is next free (``f`` of the contract), counted from a moving base
    BYPASS   bypasses
    FILLERS  fillers walked
    WALKS    broadcasts with an entry in this PE
    ENTRIES  entries walked
    READS    entries in the sparse-matrix rows read
    ROW      the address after the row in the row buffer, 0 when it is empty

FILLERS and the last four do not depend on timing: `tally` counts them for many broadcasts at once.
"""

import numpy as np

from compressor.jit import Arg, inlined, kernel
from eie_sim.engines._lanes import LANES, in_cache_lines, sum_columns, sum_columns_pair, tally, tally_pair
from eie_sim.engines._prefetch import CACHE_LINE_BYTES, prefetch
from eie_sim.fixed_point import multiply, saturate

_BLOCK = 64
"""PEs of one block of state, whose rows lie one after another."""

_WHOLE_BLOCK = np.uint64(_BLOCK)

_FREE, _BYPASS, _FILLERS, _WALKS, _ENTRIES, _READS, _ROW = (np.uint64(row * _BLOCK) for row in range(7))
_BLOCK_STATE = 7 * _BLOCK

_PIPELINE_EDGES = 5
"""After its last entry is issued, a PE is seen complete this many edges after it is free (contract, PE rule 3)."""

_TALLIED = 64
"""Broadcasts after which `tally` looks at them."""

AHEAD = 6
"""Broadcasts ahead whose cache lines are asked for, where they may be in memory: about its latency."""


@inlined
def _find_active(acts: Arg, columns: Arg) -> int:
    """Write the columns of the active inputs to `columns`; returns how many, or -1 when an input is not finite."""
    found = 0
    finite = True
    for column in range(len(acts)):
        columns[found] = column  # kept if the next line moves on: no branch, since it could not be predicted
        found += acts[column] != 0
        finite &= acts[column] - acts[column] == 0  # infinity less itself is not a number, and that is not 0
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
    address: Arg,
    first_row: Arg,
    last_row: Arg,
) -> Arg:
    """One broadcast in one block of `n` PEs; returns the edge at which the last of them is free again.

    ``at`` and ``before`` are the places of this column and of the one broadcast before in the flat arrays, ``width``
    the length of a column there, ``wake`` the first edge at which a waiting PE can take it. Edges are counted from the
    base of `_run_timing`.
    """
    word = state.dtype.type
    latest, one = word(0), word(1)
    for k in range(n):
        begin, end = address[at + k], address[at + width + k]
        entries = word(end - begin)
        free = state[offset + _FREE + k]
        # Two issues in a row to one accumulator: a bypass. The marks of first_row and last_row match nothing.
        same = first_row[at + k] == last_row[before + k]
        state[offset + _BYPASS + k] = word(state[offset + _BYPASS + k] + word((free >= wake) & same))
        free = word(max(free, wake) + max(entries, one))
        state[offset + _FREE + k] = free
        latest = max(latest, free)
    return latest


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
def _new_state(lanes: Arg, word: Arg) -> Arg:
    """The state of `lanes` PEs before the first cycle, in numbers of the type `word`."""
    state = in_cache_lines((lanes + _BLOCK - 1) // _BLOCK * _BLOCK_STATE, word)
    for at in range(len(state)):
        state[at] = 0
    for lane in range(lanes):
        state[_place(lane) + _FREE] = 1
    return state


@inlined
def _place(lane: Arg) -> Arg:
    """Where the numbers of a lane stand in each row of the state."""
    return np.uint64(lane // _BLOCK * _BLOCK_STATE + lane % _BLOCK)


@inlined
def _move_base(state: Arg, lanes: Arg, distance: Arg) -> None:
    """Count the free edges from a base `distance` later, before the edge at which the next broadcast wakes PEs."""
    word = state.dtype.type
    for lane in range(lanes):
        at = _place(lane) + _FREE
        state[at] = word(max(int(state[at]) - distance, 0))


@inlined
def _last_drained(state: Arg, at: Arg, width: Arg, address: Arg) -> int:
    """The edge at which the last PE that walks in this broadcast, just served, is seen complete; 0 when none walks."""
    latest = 0
    for lane in range(width):
        if address[at + width + lane] != address[at + lane]:
            latest = max(latest, int(state[_place(lane) + _FREE]) + _PIPELINE_EDGES)
    return latest


@inlined
def _run_timing(columns: Arg, n_inputs: Arg, timing: Arg, flat: Arg, state: Arg, push: Arg) -> Arg:
    """The recurrence of the contract over all broadcasts.

    Returns the edges of the last load and of the first push (0 without one), the stalls, the scan bubbles, the edge at
    which the last entry is seen complete (0 without one; or one that is no later than the edge at which its PE is free)
    and the base of the free edges. All edges here are counted from the start, but those in `state` and in `_serve` from
    the base, which moves before a number outgrows its word.
    """
    n_pe, lanes, n_cols, has_bias, depth, row_shift, _, ahead = timing
    row_address, address, first_row, last_row, fillers = flat
    word = state.dtype.type
    in_row = (1 << row_shift) - 1
    blocks, width = (lanes + _BLOCK - 1) // _BLOCK, np.uint64(lanes)
    input_rows = (n_cols + n_pe - 1) // n_pe
    rows = input_rows + has_bias
    largest = 1 << (8 * address.itemsize - 1)  # the other half of a word's range is for what queues may hold
    pop = np.empty(len(columns), np.int32)  # the latest pop of each broadcast
    before = np.uint64(columns[0]) * width if len(columns) else np.uint64(0)
    keep_push, keep_fillers = len(push) > 0, len(fillers) > 0
    tallied = 0
    j, load, stalls, bubbles, latest, first, edge, base, drained = 0, 1, 0, 0, 1, 0, 0, 0, 0
    for r in range(rows):
        # The bias is a row of its own (scan rule 5); the packed layer keeps it as column n_cols.
        row_end = (r + 1) * n_pe if r < input_rows else n_cols + 1
        stop = n_inputs if r < input_rows else len(columns)
        earliest = load + 1
        last_lane_pushed, pushed = False, False
        while j < stop and columns[j] < row_end:
            edge = earliest
            if depth == 1:  # lock-step: every PE is free one edge after the push
                edge = max(edge, latest - 1)
            elif j >= depth - 1:  # a place is free once the last PE has popped it (scan rule 4)
                edge = max(edge, 1 + int(pop[j - (depth - 1)]))
            if keep_push:
                push[j] = edge
            first = first if j else edge
            pop[j] = max(edge + 1, latest)  # of the PE that is free last, and all others pop no later
            stalls += edge - earliest
            # The machine that runs this foresees neighbours by itself.
            if ahead > 0 and j + ahead < len(columns) and columns[j + ahead] != columns[j + ahead - 1] + 1:
                _ask_for(columns[j + ahead], lanes, address, first_row, last_row, fillers)
            if edge + 1 - base >= largest:
                _move_base(state, lanes, edge - base)
                base = edge
            at, wake, last_free = np.uint64(columns[j]) * width, word(edge + 1 - base), word(0)
            for b in range(blocks):
                skip, offset = np.uint64(b * _BLOCK), np.uint64(b * _BLOCK_STATE)
                n = min(width - skip, np.uint64(_BLOCK))
                here, there = at + skip, before + skip
                # A whole block, as in a machine of 64 PEs, has a length that the compiler knows: a third quicker.
                if n == _WHOLE_BLOCK:
                    free = _serve(state, offset, here, there, _WHOLE_BLOCK, width, wake, address, first_row, last_row)
                else:
                    free = _serve(state, offset, here, there, n, width, wake, address, first_row, last_row)
                last_free = max(last_free, free)
            latest, before = base + int(last_free), at
            # Every broadcast takes a PE an edge at least: what it walked before the last few is complete when it is
            # free.
            if j >= len(columns) - _PIPELINE_EDGES:
                drained = max(drained, base + _last_drained(state, at, width, address))
            last_lane_pushed, pushed = columns[j] == row_end - 1, True
            earliest = edge + 1
            j += 1
        # What is counted apart is still in a cache then.
        if j - tallied >= _TALLIED or r == rows - 1:
            length, apart = lanes // LANES, _BLOCK // LANES
            for lane in range(0, lanes, 2 * LANES):
                pe, place = lane // LANES, int(_place(lane) + _WALKS) // LANES
                of_fillers = int(_place(lane) + _FILLERS) // LANES
                if lane + LANES < lanes:
                    tally_pair(columns, tallied, j, length, pe, in_row, row_address, address, state, place, apart)
                    if keep_fillers:
                        sum_columns_pair(columns, tallied, j, length, pe, fillers, state, of_fillers)
                else:
                    tally(columns, tallied, j, length, pe, in_row, row_address, address, state, place, apart)
                    if keep_fillers:
                        sum_columns(columns, tallied, j, length, pe, fillers, state, of_fillers)
            tallied = j
        if r < rows - 1:
            if pushed and last_lane_pushed:  # the next row loads at the same edge (scan rule 3)
                load = edge
            else:
                load = (edge if pushed else load) + 1
                bubbles += 1
    return load, first, stalls, bubbles, drained, base


@inlined
def _settle(columns: Arg, timing: Arg, state: Arg, ends: Arg, table: Arg) -> Arg:
    """Fill the table of counts from the final state and what `_run_timing` returned; returns the cycles."""
    n_pe, _, _, _, _, row_shift, preloaded, _ = timing
    load, fill, _, _, drained, base = ends
    cycles = max(load, drained)
    for k in range(n_pe):
        cycles = max(cycles, base + int(state[_place(k) + _FREE]))
    for k in range(n_pe):
        at = _place(k)
        entries, fillers, bypasses = int(state[at + _ENTRIES]), int(state[at + _FILLERS]), int(state[at + _BYPASS])
        empty = len(columns) - int(state[at + _WALKS])
        drain = cycles - base - int(state[at + _FREE]) + 1
        # In the order of `eie_sim.result.PER_PE`.
        table[k] = len(columns)  # every broadcast is a read of both pointers
        table[n_pe + k] = int(state[at + _READS]) >> row_shift
        table[2 * n_pe + k] = entries
        table[3 * n_pe + k] = fillers
        table[4 * n_pe + k] = entries - fillers  # writes
        table[5 * n_pe + k] = entries - fillers - bypasses  # reads
        table[6 * n_pe + k] = bypasses
        table[7 * n_pe + k] = 0  # saturations, which the numbers count
        table[8 * n_pe + k] = entries  # busy: one a cycle
        table[9 * n_pe + k] = empty  # bubbles
        table[10 * n_pe + k] = cycles - fill - drain - entries - empty  # starved
        table[11 * n_pe + k] = fill
        table[12 * n_pe + k] = drain
        table[13 * n_pe + k] = (preloaded + n_pe - 1 - k) // n_pe  # rows i with i mod n_pe == k
    return cycles


@kernel
def run_counts(acts: Arg, timing: Arg, flat: Arg, columns: Arg, push: Arg, table: Arg) -> Arg:
    """Timing and all counters of one input vector.

    Parameters
    ----------
    acts : float32 or int64 (n_cols,)
    timing : tuple of int
        What the timing depends on besides the entries: n_pe, lanes (PEs, padded), n_cols, has_bias, queue depth, log2
        of the row addresses in an SRAM row; the rows of which the accumulators are preloaded; and how many broadcasts
        ahead memory is asked for, 0 for never. A plain tuple, because numba takes long to recognise any other kind at a
        call.
    flat : tuple of ndarray
        Row addresses, and `PreparedLayer.by_lane`, or `by_lane_wide`. Row addresses are the addresses where a power of
        two of entries is in an SRAM row; else ``2 * row``, one more within the row: as many rows begin and end between
        two of them, and a shift tells the row instead of a division.
    columns : int32 (n_cols + 1,), or (0,) when they are not asked for
        Out: pointer column of each broadcast; with a bias, the last one is the bias.
    push : int64 (n_cols + 1,), or (0,) when they are not asked for
        Out: edge of each push.
    table : int64 (len(PER_PE) * n_pe,)
        Out: the counts of each PE, one kind after another in the order of `eie_sim.result.PER_PE`.

    Returns
    -------
    broadcasts, cycles, stalls, scan bubbles : int
        -1 broadcasts: an input is not finite, and nothing was counted.
    """
    _, lanes, n_cols, has_bias, _, _, _, _ = timing
    found = columns if len(columns) else np.empty(n_cols + 1, np.int32)
    n_inputs = _find_active(acts, found)
    if n_inputs < 0:
        return -1, 0, 0, 0
    found[n_inputs] = n_cols  # the bias, broadcast always (scan rule 5); cut off again where there is none
    broadcasts = n_inputs + has_bias
    sent = found[:broadcasts]
    state = _new_state(lanes, flat[0].dtype.type)
    ends = _run_timing(sent, n_inputs, timing, flat, state, push)
    cycles = _settle(sent, timing, state, ends, table)
    return int(broadcasts), int(cycles), int(ends[2]), int(ends[3])


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
def accumulate_float32(acts: Arg, columns: Arg, indptr: Arg, words: Arg, codebook: Arg, sums: Arg) -> None:
    """Add up products in float32, each rounded before it is added, in the order of the entries.

    `columns` as `run_counts` left them (of the broadcasts alone), `indptr` and `words` the two real_* arrays of the
    `PreparedLayer`, `sums` what the accumulators start at, in stored order.
    """
    code_mask, shift = np.uint64(len(codebook) - 1), np.uint64(0)
    while (len(codebook) >> shift) > 1:
        shift += np.uint64(1)
    products = np.empty(len(codebook), np.float32)
    for j in range(len(columns)):
        column = columns[j]
        # A next column that follows at once is prefetched by the hardware; any other needs the hint.
        if j + 1 < len(columns) and columns[j + 1] != column + 1:
            for e in range(indptr[columns[j + 1]], indptr[columns[j + 1] + 1], CACHE_LINE_BYTES // words.itemsize):
                prefetch(words, np.uint64(e))
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

"""The loops of the fast engine: the recurrence of the cycle contract, and the numbers.

Written for the vector units. The edges of a few broadcasts follow from what PEs served before them, so `_serve` takes
these broadcasts together and what PEs keep stays in registers. Words are as wide as the addresses of the layer, mostly
16 bits: twice the PEs in a vector that 32 bits would give. What a PE keeps between broadcasts:

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
from eie_sim.engines._lanes import (
    LANES,
    in_cache_lines,
    serve,
    serve_block,
    serve_pair,
    sum_columns,
    sum_columns_pair,
    tally,
    tally_pair,
)
from eie_sim.engines._prefetch import CACHE_LINE_BYTES, prefetch
from eie_sim.fixed_point import multiply, saturate

_BLOCK = 64
"""PEs of one block of state, whose rows lie one after another."""

_FREE, _BYPASS, _FILLERS, _WALKS, _ENTRIES, _READS, _ROW = (np.uint64(row * _BLOCK) for row in range(7))
_BLOCK_STATE = 7 * _BLOCK

_PIPELINE_EDGES = 5
"""After its last entry is issued, a PE is seen complete this many edges after it is free (contract, PE rule 3)."""

_GROUP = 8
"""Broadcasts that PEs are served at once, at most."""

_COUNTED = 64
"""Broadcasts after which `_count_apart` looks at them."""

AHEAD = 6
"""Broadcasts ahead whose cache lines are asked for, where they may be in memory: about its latency."""


@inlined
def _find_active(acts: Arg, timing: Arg, columns: Arg, gaps: Arg) -> Arg:
    """Write the columns of the active inputs, and of a bias, to `columns`, and the scan bubbles before each to `gaps`.

    Returns how many, or -1 when an input is not finite, and all scan bubbles.
    """
    n_pe, _, n_cols, has_bias, _, _, _, _, _ = timing
    finite = True
    for column in range(n_cols):
        finite &= acts[column] - acts[column] == 0  # infinity less itself is not a number, and that is not 0
    bubbles, found, one = 0, np.uint64(0), np.uint64(1)
    for begin in range(0, n_cols, n_pe):
        # The next row of activations loads at the edge of the push of the last lane (scan rule 3).
        bubbles += begin > 0 and acts[begin - 1] == 0
        before = found
        for column in range(np.uint64(begin), np.uint64(min(begin + n_pe, n_cols))):
            columns[found] = column  # kept if the next line moves on: no branch, since it could not be predicted
            found += one if acts[column] != 0 else np.uint64(0)
        for at in range(before, found):
            gaps[at] = bubbles
    if has_bias:  # a row of its own, broadcast always (scan rule 5); the packed layer keeps it as column n_cols
        bubbles += n_cols > 0 and (n_cols % n_pe != 0 or acts[n_cols - 1] == 0)
        columns[found], gaps[found] = n_cols, bubbles
        found += one
    return np.int64(found) if finite else -1, bubbles


@inlined
def _serve(
    columns: Arg,
    first: Arg,
    stop: Arg,
    lanes: Arg,
    flat: Arg,
    wakes: Arg,
    latest: Arg,
    state: Arg,
    base: Arg,
    free: Arg,
    pop: Arg,
) -> int:
    """Serve the broadcasts ``first .. stop - 1`` in all PEs, of which the last is free at the edge `free`.

    ``wakes[i]`` is the first edge at which a waiting PE can take broadcast ``first + i``, counted from `base`. Where a
    PE pops a broadcast later than `pop` says, `pop` is put right. Returns the edge at which the last PE is free again.
    """
    _, address, first_row, last_row, _ = flat
    for number in range(stop - first):
        latest[number] = 0
    before, width, apart = int(columns[max(first - 1, 0)]), lanes // LANES, _BLOCK // LANES
    arrays = (address, first_row, last_row, state)
    lane = 0
    while lane < lanes:
        n, pe, place = lanes - lane, lane // LANES, int(_place(lane) + _FREE) // LANES
        if n >= 4 * LANES:
            serve_block(columns, first, stop, before, width, pe, wakes, *arrays, place, apart, latest)
            lane += 4 * LANES
        elif n >= 2 * LANES:
            serve_pair(columns, first, stop, before, width, pe, wakes, *arrays, place, apart, latest)
            lane += 2 * LANES
        else:
            serve(columns, first, stop, before, width, pe, wakes, *arrays, place, apart, latest)
            lane += LANES
    last = int(free)
    for j in range(first, stop):
        pop[j] = max(int(pop[j]), last)  # of the PE that is free last; all others pop no later
        last = int(base) + int(latest[j - first])
    return last


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
def new_work(timing: Arg, flat: Arg) -> Arg:
    """Memory that `run_timing` takes for a run, and the next: the state of the PEs, and what is kept of broadcasts."""
    _, lanes, n_cols, _, _, _, _, _, _ = timing
    word = flat[0].dtype
    state = in_cache_lines((lanes + _BLOCK - 1) // _BLOCK * _BLOCK_STATE, word)
    return state, np.empty(_GROUP, word), np.empty(_GROUP, word), np.empty((2, n_cols + 1), np.int32)


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
def _last_drained(state: Arg, at: Arg, lanes: Arg, address: Arg) -> int:
    """The edge at which the last PE that walks in this broadcast, just served, is seen complete; 0 when none walks."""
    word = state.dtype.type
    latest = word(0)
    for lane in range(np.uint64(lanes)):
        if address[at + np.uint64(lanes) + lane] != address[at + lane]:
            latest = max(latest, state[_place(lane) + _FREE])
    return int(latest) + _PIPELINE_EDGES if latest else 0


@inlined
def _count_apart(columns: Arg, first: Arg, stop: Arg, timing: Arg, flat: Arg, state: Arg) -> None:
    """Count what does not depend on timing, of the broadcasts ``first .. stop - 1``."""
    _, lanes, _, _, _, row_shift, _, _, _ = timing
    row_address, address, _, _, fillers = flat
    length, apart, in_row = lanes // LANES, _BLOCK // LANES, (1 << row_shift) - 1
    for lane in range(0, lanes, 2 * LANES):
        pe, place = lane // LANES, int(_place(lane) + _WALKS) // LANES
        of_fillers = int(_place(lane) + _FILLERS) // LANES
        if lane + LANES < lanes:
            tally_pair(columns, first, stop, length, pe, in_row, row_address, address, state, place, apart)
            if len(fillers):
                sum_columns_pair(columns, first, stop, length, pe, fillers, state, of_fillers)
        else:
            tally(columns, first, stop, length, pe, in_row, row_address, address, state, place, apart)
            if len(fillers):
                sum_columns(columns, first, stop, length, pe, fillers, state, of_fillers)


@inlined
def run_timing(acts: Arg, timing: Arg, flat: Arg, columns: Arg, push: Arg, work: Arg, count: Arg) -> Arg:
    """The recurrence of the contract over all broadcasts, from inputs to the state of the PEs after the last cycle.

    Parameters
    ----------
    acts, timing, flat
        As for `run_counts`.
    columns : int32 (n_cols + 1,)
        Out: as of `run_counts`.
    push
        Out: as of `run_counts`.
    work
        That of `new_work`; its state afterwards is what `add_state` takes.
    count : bool
        Whether to count what does not depend on timing, too.

    Returns
    -------
    broadcasts, cycles, stalls, scan bubbles : int
        -1 broadcasts: an input is not finite.
    fill : int
        Edge at which the first broadcast is pushed into the queues, 0 without one.
    base : int
        What free edges in the state are counted from.
    """
    state, wakes, latests, (gaps, pop) = work[0], work[1], work[2], (work[3][0], work[3][1])
    _, lanes, _, _, depth, _, _, latency, ahead = timing
    _, address, first_row, last_row, fillers = flat
    word = state.dtype.type
    for at in range(len(state)):
        state[at] = 0
    for block in range(0, len(state), _BLOCK_STATE):
        for k in range(_BLOCK):
            state[block + k] = 1  # where _FREE is
    n, bubbles = _find_active(acts, timing, columns, gaps)
    largest = 1 << (8 * state.itemsize - 1)  # the other half of a word's range is for what queues may hold
    # Edges follow from what PEs served before the group, so that they serve a group at once.
    group = min(depth, _GROUP)
    # Every broadcast takes a PE an edge at least: what it walked before the last few is complete when it is free.
    last_few = n - _PIPELINE_EDGES
    j = stalls = gap = base = drained = counted = 0
    edge = latest = 1
    # All edges here are counted from the start; those in `state` and `wakes` from the base, which moves before a number
    # outgrows its word.
    while j < n:
        stop = min(j + group, last_few) if j < last_few else j + 1
        for at in range(j, stop):
            earliest = edge + 1 + gaps[at] - gap
            found = earliest
            if depth == 1:  # lock-step: every PE is free one edge after the push
                if at > 0:
                    found = max(found, latest - 1 + latency)
            elif at >= depth - 1:  # a place is free once the last PE has popped it (scan rule 4)
                found = max(found, 1 + latency + int(pop[at - (depth - 1)]))
            if found + 1 + latency - base >= largest:
                if at > j:
                    stop = at
                    break
                _move_base(state, lanes, found - base)
                base = found
            stalls += found - earliest
            edge, gap = found, int(gaps[at])
            wake = edge + latency + 1
            wakes[at - j], pop[at] = word(wake - base), max(wake, latest)
            if len(push):
                push[at] = edge
            # The machine that runs this foresees neighbours by itself.
            if ahead > 0 and at + ahead < n and columns[at + ahead] != columns[at + ahead - 1] + 1:
                _ask_for(columns[at + ahead], lanes, address, first_row, last_row, fillers)
        latest = _serve(columns, j, stop, lanes, flat, wakes, latests, state, base, latest, pop)
        if j >= last_few:
            drained = max(
                drained, base + _last_drained(state, np.uint64(columns[j]) * np.uint64(lanes), lanes, address)
            )
        j = stop
        # What is counted apart is still in a cache then.
        if count and (j - counted >= _COUNTED or j == n):
            _count_apart(columns, counted, j, timing, flat, state)
            counted = j
    # Rows of activations without an active input load after the last push.
    cycles = max(edge + bubbles - gap, latest, drained)
    return n, cycles, stalls, bubbles, 2 + int(gaps[0]) + latency if n > 0 else 0, base


@inlined
def add_state(state: Arg, times: Arg, totals: Arg) -> None:
    """Add the state of a run, `times` times, to int64 numbers in the same order."""
    for at in range(len(state)):
        totals[at] += times * np.int64(state[at])


@inlined
def settle(sums: Arg, timing: Arg, totals: Arg, table: Arg) -> None:
    """Fill the table of counts of one run, or of several together.

    Parameters
    ----------
    sums : tuple of int
        Runs, broadcasts, cycles, edges at which the first broadcast is in the queues, bases of the free edges.
    timing, table
        As for `run_counts`.
    totals
        What `add_state` added up.
    """
    n_pe, _, _, _, _, row_shift, preloaded, _, _ = timing
    runs, broadcasts, cycles, fill, base = sums
    for k in range(n_pe):
        at = _place(k)
        entries, fillers, bypasses = totals[at + _ENTRIES], totals[at + _FILLERS], totals[at + _BYPASS]
        empty = broadcasts - totals[at + _WALKS]
        drain = cycles - base - totals[at + _FREE] + runs
        # In the order of `eie_sim.result.PER_PE`.
        table[k] = broadcasts  # every broadcast is a read of both pointers
        table[n_pe + k] = totals[at + _READS] >> row_shift
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
        table[13 * n_pe + k] = runs * ((preloaded + n_pe - 1 - k) // n_pe)  # rows i with i mod n_pe == k


@kernel
def run_counts(acts: Arg, timing: Arg, flat: Arg, columns: Arg, push: Arg, table: Arg) -> Arg:
    """Timing and all counters of one input vector.

    Parameters
    ----------
    acts : float32 or int64 (n_cols,)
    timing : tuple of int
        What the timing depends on besides the entries: n_pe, lanes (PEs, padded), n_cols, has_bias, queue depth, log2
        of the row addresses in an SRAM row; the rows of which the accumulators are preloaded; the broadcast latency;
        and how many broadcasts ahead memory is asked for, 0 for never. A plain tuple, because numba takes long to
        recognise any other kind at a call.
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
    sent = columns if len(columns) else np.empty(timing[2] + 1, np.int32)
    work = new_work(timing, flat)
    n, cycles, stalls, bubbles, fill, base = run_timing(acts, timing, flat, sent, push, work, True)
    if n >= 0:
        totals = np.zeros(len(work[0]), np.int64)
        add_state(work[0], 1, totals)
        settle((1, n, cycles, fill, base), timing, totals, table)
    return int(n), int(cycles), int(stalls), int(bubbles)


@kernel
def expand_schedule(columns: Arg, arrival: Arg, pointers: Arg, pop_cycle: Arg, entries: Arg) -> None:
    """Pop edges and entries of every PE and broadcast, (n_pe, J), from the edges at which they reach the queues."""
    for k in range(pointers.shape[1]):
        free = 1
        for j in range(len(columns)):
            n = np.int64(pointers[columns[j] + 1, k]) - np.int64(pointers[columns[j], k])
            pop_cycle[k, j] = max(free, arrival[j] + 1)
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

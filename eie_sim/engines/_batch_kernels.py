"""The loops of the fast engine over many input vectors: each call works through a chunk of them.

Timing and counters are those of `_kernels.run_counts`, vector after vector. Sums are computed for `LANES` vectors
side by side, so that an entry is read once for all of them. Then products of zero inputs are added too, which changes
no bit. A float32 sum starts at +0 or at a bias that is not -0, and rounding to nearest gives -0 only for -0 plus -0:
no sum ever is -0, and any other number plus a zero of either sign is itself. In fixed point such a product is the
integer 0, and a sum in range stays there.
"""

import numpy as np

from compressor.jit import Arg, inlined, kernel
from eie_sim.engines._kernels import accumulate_fixed, accumulate_float32, add_state, new_work, run_timing, settle
from eie_sim.engines._lanes import LANES, add_products, add_saturating, in_cache_lines, multiply_narrow
from eie_sim.fixed_point import multiply

_ALONE = 4
"""Additions of a vector alone that take as long as one for all lanes."""


@kernel
def count_each(acts: Arg, timing: Arg, flat: Arg, ran: Arg, tables: Arg) -> None:
    """Timing and counters of every vector.

    Parameters
    ----------
    acts : float32 (B, n_cols)
        Finite numbers.
    timing, flat
        As for `run_counts`.
    ran : int64 (B, 4)
        Out: what `run_counts` returns.
    tables : int64 (B, len(PER_PE) * n_pe)
        Out: what `run_counts` fills.
    """
    columns, no_push, work = np.empty(acts.shape[1] + 1, np.int32), np.empty(0, np.int64), new_work(timing, flat)
    totals = np.empty(len(work[0]), np.int64)
    for b in range(len(acts)):
        n, cycles, stalls, bubbles, fill, base = run_timing(acts[b], timing, flat, columns, no_push, work, True)
        ran[b, 0], ran[b, 1], ran[b, 2], ran[b, 3] = n, cycles, stalls, bubbles
        totals[:] = 0
        add_state(work[0], 1, totals)
        settle((1, n, cycles, fill, base), timing, totals, tables[b])


@kernel
def count_together(acts: Arg, times: Arg, timing: Arg, flat: Arg, ran: Arg, total: Arg) -> None:
    """As `count_each`, but `total`, int64 (len(PER_PE) * n_pe,), is of all vectors, each `times` times, int64 (B,).

    Where `total` has no number, there is timing alone.
    """
    columns, no_push, work = np.empty(acts.shape[1] + 1, np.int32), np.empty(0, np.int64), new_work(timing, flat)
    totals, counts = np.zeros(len(work[0]), np.int64), len(total) > 0
    runs = all_broadcasts = all_cycles = fills = bases = 0
    for b in range(len(acts)):
        n, cycles, stalls, bubbles, fill, base = run_timing(acts[b], timing, flat, columns, no_push, work, counts)
        ran[b, 0], ran[b, 1], ran[b, 2], ran[b, 3] = n, cycles, stalls, bubbles
        if counts:
            add_state(work[0], times[b], totals)
            runs, all_broadcasts, all_cycles = (
                runs + times[b],
                all_broadcasts + times[b] * n,
                all_cycles + times[b] * cycles,
            )
            fills, bases = fills + times[b] * fill, bases + times[b] * base
    if counts:
        settle((runs, all_broadcasts, all_cycles, fills, bases), timing, totals, total)


@inlined
def _hash(words: Arg, factors: Arg) -> Arg:
    """A hash of which every bit depends on every bit of the words."""
    found, half = np.uint64(0), np.uint64(32)
    for j in range(len(words)):  # a sum of products: its order is free, so that the vector units can have it
        word = np.uint64(words[j])
        # The low half of a float64 is zero in most numbers that people give, and a product would keep it so.
        found += (word ^ (word >> half)) * factors[j]
    for factor in (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)):  # MurmurHash3's finalizer
        found = (found ^ (found >> np.uint64(33))) * factor
    return found ^ (found >> np.uint64(33))


@inlined
def _same(a: Arg, b: Arg) -> Arg:
    j = 0
    while j < len(a) and a[j] == b[j]:
        j += 1
    return j == len(a)


@kernel
def hash_vectors(words: Arg, hashes: Arg) -> None:
    """Fill ``hashes``, uint64 (B,), from the bits of the inputs, uint32 or uint64 (B, n_cols)."""
    factors, factor = np.empty(words.shape[1], np.uint64), np.uint64(1)
    for j in range(len(factors)):
        factor = factor * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)  # Knuth's, for MMIX
        factors[j] = factor | np.uint64(1)
    for b in range(len(words)):
        hashes[b] = _hash(words[b], factors)


@kernel
def find_distinct(words: Arg, hashes: Arg, firsts: Arg, which: Arg) -> int:
    """Find the vectors that repeat.

    Parameters
    ----------
    words, hashes
        As for `hash_vectors`.
    firsts : int64 (B,)
        Out: the first of each kind of vector.
    which : int64 (B,)
        Out: the kind of each vector, a place in `firsts`.

    Returns
    -------
    int
        Kinds.
    """
    size = 2
    while size < 2 * len(words):
        size *= 2
    slots = np.empty(size, np.int64)
    for at in range(size):
        slots[at] = -1
    kinds = 0
    for b in range(len(words)):
        key = hashes[b]
        place = np.int64(key & np.uint64(size - 1))  # signed: numba makes a float of an unsigned number and another
        while slots[place] >= 0:
            kind = slots[place]
            if hashes[firsts[kind]] == key and _same(words[firsts[kind]], words[b]):
                break
            place = (place + 1) & (size - 1)
        if slots[place] < 0:
            slots[place], firsts[kinds] = kinds, b
            kinds += 1
        which[b] = slots[place]
    return kinds


@inlined
def _put_side_by_side(acts: Arg, begin: Arg, end: Arg, indptr: Arg, lanes: Arg, columns: Arg) -> Arg:
    """Put the vectors ``begin .. end - 1`` into `lanes`, (columns, LANES).

    Returns how many columns are active in one vector at least, which `columns` then names, or 0 where it is quicker to
    run each vector alone.
    """
    n_cols = acts.shape[1]
    for first in range(0, n_cols, LANES):  # blocks of a cache line: both arrays are walked along their lines
        for lane in range(LANES):
            for column in range(first, min(first + LANES, n_cols)):
                lanes[column, lane] = acts[begin + lane, column] if begin + lane < end else 0
    found, alone, together = 0, 0, 0
    for column in range(n_cols):
        active = 0
        for lane in range(LANES):
            active += lanes[column, lane] != 0
        entries = indptr[column + 1] - indptr[column]
        alone += active * entries
        together += entries if active else 0
        columns[found] = column
        found += active > 0
    return found if _ALONE * together < alone else 0


@inlined
def _active_columns(acts: Arg, has_bias: Arg, columns: Arg) -> Arg:
    found = 0
    for column in range(len(acts)):
        columns[found] = column
        found += acts[column] != 0
    columns[found] = len(acts)
    return columns[: found + has_bias]


@inlined
def _take_apart(lanes: Arg, begin: Arg, end: Arg, order: Arg, out: Arg) -> None:
    """Put the sums of `lanes`, (rows, LANES) in stored order, into ``out[begin:end]`` in original order."""
    n_rows = out.shape[1]
    for first in range(0, n_rows, LANES):
        for lane in range(end - begin):
            for row in range(first, min(first + LANES, n_rows)):
                out[begin + lane, order[row]] = lanes[row, lane]


@inlined
def _bits_of(codebook: Arg) -> int:
    bits = 0
    while len(codebook) >> bits > 1:
        bits += 1
    return bits


@kernel
def sums_float32(
    acts: Arg, has_bias: Arg, indptr: Arg, words: Arg, codebook: Arg, starts: Arg, order: Arg, out: Arg
) -> None:
    """The outputs of every vector: those of `accumulate_float32`, bit for bit.

    Parameters
    ----------
    acts : float32 (B, n_cols)
    has_bias : int
        Whether column `n_cols` is a bias, which is multiplied by 1.
    indptr, words
        The two real_* arrays of the `PreparedLayer`.
    codebook : float32 (codes,)
    starts : float32 (n_rows,)
        What accumulators start at, in stored order; none is -0.
    order : uint32 (n_rows,)
        Original row of each stored one.
    out : float32 (B, n_rows)
        Out: rows in original order.
    """
    n_cols, n_rows, code_bits = acts.shape[1], len(starts), _bits_of(codebook)
    columns, one = np.empty(n_cols + 1, np.int32), np.empty(n_rows, np.float32)
    inputs = in_cache_lines((n_cols + 1) * LANES, np.float32).reshape((n_cols + 1, LANES))
    sums = in_cache_lines(n_rows * LANES, np.float32).reshape((n_rows, LANES))
    for lane in range(LANES):
        inputs[n_cols, lane] = 1
    for begin in range(0, len(acts), LANES):
        end = min(begin + LANES, len(acts))
        found = _put_side_by_side(acts, begin, end, indptr, inputs, columns)
        if found:
            columns[found] = n_cols
            for row in range(n_rows):
                for lane in range(LANES):
                    sums[row, lane] = starts[row]
            for j in range(found + has_bias):
                column = columns[j]
                add_products(sums, words, indptr[column], indptr[column + 1], code_bits, codebook, inputs, column)
            _take_apart(sums, begin, end, order, out)
        else:
            for b in range(begin, end):
                for row in range(n_rows):
                    one[row] = starts[row]
                accumulate_float32(acts[b], _active_columns(acts[b], has_bias, columns), indptr, words, codebook, one)
                for row in range(n_rows):
                    out[b, order[row]] = one[row]


@kernel
def sums_fixed(
    acts: Arg,
    ones: Arg,
    has_bias: Arg,
    indptr: Arg,
    words: Arg,
    weights: Arg,
    rule: Arg,
    starts: Arg,
    order: Arg,
    sums: Arg,
    out: Arg,
    saturations: Arg,
) -> None:
    """The outputs of every vector in fixed point: those of `accumulate_fixed`, and the saturations.

    Parameters
    ----------
    acts : int64 (B, n_cols)
    ones : int64 (B,)
        What a bias column is multiplied by.
    has_bias, indptr, words, order
        As for `sums_float32`.
    weights : int64 (codes,)
    rule
        As for `accumulate_fixed`.
    starts : int64 (B, n_rows), or (1, n_rows) where all vectors start alike
        What accumulators start at, in stored order.
    sums : int32 or int64 (n_rows, LANES)
        Work space, of a type that holds the sum of any accumulator and any product. With int32, numbers have at most
        16 bits, accumulators 31, and the shift is 0 to 30.
    out : int64 (B, n_rows)
        Out: rows in original order.
    saturations : int64 (B, n_pe)
        Out.
    """
    shift, half_even, acc_bits = rule
    n_cols, n_rows, n_pe, code_bits = acts.shape[1], out.shape[1], saturations.shape[1], _bits_of(weights)
    number = sums.dtype.type
    narrow, top = sums.itemsize == 4, (1 << (acc_bits - 1)) - 1
    below_half, odd = (1 << (shift - 1)) - 1 if narrow and half_even and shift > 0 else 0, int(half_even and shift > 0)
    columns, one = np.empty(n_cols + 1, np.int32), np.empty(n_rows, np.int64)
    inputs = in_cache_lines((n_cols + 1) * LANES, sums.dtype).reshape((n_cols + 1, LANES))
    products = in_cache_lines(len(weights) * LANES, sums.dtype).reshape((len(weights), LANES))
    cut, short_weights = np.empty((n_pe, LANES), np.int32), np.empty(len(weights), sums.dtype)
    for code in range(len(weights)):
        short_weights[code] = number(weights[code])
    for begin in range(0, len(acts), LANES):
        end = min(begin + LANES, len(acts))
        found = _put_side_by_side(acts, begin, end, indptr, inputs, columns)
        if found:
            columns[found] = n_cols
            for lane in range(LANES):
                inputs[n_cols, lane] = number(ones[min(begin + lane, end - 1)])
            for row in range(n_rows):
                for lane in range(LANES):
                    sums[row, lane] = number(starts[min(begin + lane, end - 1, len(starts) - 1), row])
            for k in range(n_pe):
                for lane in range(LANES):
                    cut[k, lane] = 0
            for j in range(found + has_bias):
                column = columns[j]
                if narrow:
                    multiply_narrow(products, short_weights, inputs, column, len(weights), shift, below_half, odd)
                else:
                    for code in range(len(weights)):
                        for lane in range(LANES):
                            products[code, lane] = number(
                                multiply(weights[code], inputs[column, lane], shift, half_even)
                            )
                add_saturating(sums, words, indptr[column], indptr[column + 1], code_bits, products, top, cut, n_pe)
            _take_apart(sums, begin, end, order, out)
            for lane in range(end - begin):
                for k in range(n_pe):
                    saturations[begin + lane, k] = cut[k, lane]
        else:
            for b in range(begin, end):
                for row in range(n_rows):
                    one[row] = starts[min(b, len(starts) - 1), row]
                for k in range(n_pe):
                    saturations[b, k] = 0
                sent = _active_columns(acts[b], has_bias, columns)
                accumulate_fixed(acts[b], ones[b], sent, indptr, words, weights, rule, one, saturations[b])
                for row in range(n_rows):
                    out[b, order[row]] = one[row]

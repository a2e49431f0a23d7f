"""A random layer with the statistics of a pruned one, drawn directly in sparse form, and inputs for it.

With ``LN(v) = exp(s z - s^2 / 2)``, ``z ~ N(0, 1)``, ``s^2 = ln(1 + v^2)`` (mean 1, coefficient of variation v):

- columns ``c_j ~ LN(column_spread)``, divided by their mean;
- rows ``r_i ~ LN(row_spread)``, divided by their mean, times ``1 + row_trend (1 - 2 i / n_rows)``, again divided;
- ``u_ib ~ LN(interaction)``, independent for every row i and block b of columns;
- a weight stands at (i, j) with probability ``P_ij = min(1, s c_j r_i u_ib)``, independently of all others; ``s`` makes
  the mean of P over the whole matrix the weight density;
- inputs: ``g_j = rho g_(j-1) + sqrt(1 - rho^2) e_j``, ``e ~ N(0, 1)``, ``rho = exp(-1 / act_run)``; the
  ``round(act_density n_cols)`` largest g are active.

Codes of the weights are uniform over 1 .. 2^weight_bits - 1 and values of active inputs are ``|N(0, 1)|``: no figure of
the paper depends on either, and they imitate no network.

Columns are drawn in pieces of fixed size with a random stream each, so the bytes do not depend on the number of cores.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from compressor.jit import Arg, in_threads, kernel
from compressor.types.sparse import SparseColumns
from eie_sim.networks.statistics import LayerStatistics

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

# Cells of the matrix in one piece of work: their random bits (4 bytes each) stay in the L2 cache. Part of the
# definition of the streams: another value draws other layers.
_CELLS_PER_PIECE = 1 << 18

_BLOCKS_PER_PIECE = 32
"""Blocks of the interaction that share a random stream; part of the definition too."""

_TOLERANCE = 1e-9
"""How near the mean of P comes to the weight density, relative."""

_SMALLEST_INPUT = np.float32(2.0**-14)
"""An active input is not zero, in 16-bit fixed point with the fraction that |N(0, 1)| leaves room for either (ours)."""


class Factors(NamedTuple):
    """``P_ij = min(1, columns[j] * rows[block_of[j], i])``: the scale s is in `columns`, the interaction in `rows`."""

    columns: Floats
    rows: Floats
    block_of: NDArray[np.int64]


@kernel
def _cut(columns: Arg, rows: Arg, first_columns: Arg, scale: Arg) -> tuple[float, int]:
    """Of ``p = scale * columns[j] * rows[b, i]``: the sum over the cells where it is at most 1; how many others."""
    total, others = 0.0, 0
    for b in range(len(first_columns) - 1):
        start, stop = first_columns[b], first_columns[b + 1]
        largest, of_block = 0.0, 0.0
        for j in range(start, stop):  # a loop: numba's max() and sum() take a second to compile
            largest = max(largest, columns[j])
            of_block += columns[j]
        largest *= scale
        of_block *= scale
        for i in range(rows.shape[1]):
            if largest * rows[b, i] <= 1:
                total += of_block * rows[b, i]
            else:
                for j in range(start, stop):
                    p = scale * columns[j] * rows[b, i]
                    total += p * (p <= 1)
                    others += p > 1
    return total, others


@kernel
def _draw_columns(bits: Arg, columns: Arg, rows: Arg, block_of: Arg, drawn: Arg, counts: Arg) -> None:
    """Rows of the weights of some columns; `drawn` has room for one row more than there are cells."""
    at = 0
    for j in range(len(columns)):
        before = at
        threshold = columns[j] * 4294967296.0  # P in units of 2^-32, the value of one random bit
        row = rows[block_of[j]]
        for i in range(len(row)):
            drawn[at] = i  # kept if the next line moves on: no branch, since it could not be predicted
            at += bits[j, i] < threshold * row[i]
        counts[j] = at - before


def _spread(rng: Generator, variation: float, shape: tuple[int, ...]) -> Floats:
    sigma = np.sqrt(np.log1p(variation**2))
    values = rng.standard_normal(shape)
    values *= sigma
    values -= sigma**2 / 2
    np.exp(values, out=values)
    return values


def _pieces(n: int, step: int) -> list[tuple[int, int]]:
    return list(pairwise([*range(0, n, step), n]))


def _scale(columns: Floats, rows: Floats, block_of: NDArray[np.int64], density: float) -> float:
    """The s that makes the mean of P the density; the mean is taken over every cell, not over a sample."""
    first_columns = np.concatenate([np.searchsorted(block_of, np.arange(len(rows))), [len(columns)]])
    wanted = density * len(columns) * rows.shape[1]
    scale = float(wanted / (np.add.reduceat(columns, first_columns[:-1]) @ rows.sum(axis=1)))
    total, ones = _cut(columns, rows, first_columns, scale)
    while wanted - ones - total > _TOLERANCE * wanted:
        # Newton's step. The sum of P over s is concave and made of straight pieces: from below a step never goes too
        # far, and every step leaves a piece for good, so the loop ends.
        scale *= (wanted - ones) / total
        total, ones = _cut(columns, rows, first_columns, scale)
    return scale


def draw_factors(n_rows: int, n_cols: int, statistics: LayerStatistics, seed: SeedSequence) -> Factors:
    """Draw the factors of P and find their scale."""
    block_of = np.maximum(np.arange(n_cols) - statistics.block_offset, 0) // (statistics.block_columns or n_cols)
    pieces = _pieces(int(block_of[-1]) + 1, _BLOCKS_PER_PIECE)
    first, *streams = seed.spawn(1 + len(pieces))
    rng = default_rng(first)
    columns = _spread(rng, statistics.column_spread, (n_cols,))
    columns /= columns.mean()
    row_factors = _spread(rng, statistics.row_spread, (n_rows,))
    row_factors /= row_factors.mean()
    row_factors *= 1 + statistics.row_trend * (1 - 2 * np.arange(n_rows) / n_rows)
    row_factors /= row_factors.mean()  # the trend moved the mean of the rows that were drawn

    def rows_of_blocks(piece: tuple[tuple[int, int], SeedSequence]) -> Floats:
        (start, stop), stream = piece
        drawn = _spread(default_rng(stream), statistics.interaction, (stop - start, n_rows))
        return np.multiply(drawn, row_factors, out=drawn)

    rows = np.concatenate(in_threads(rows_of_blocks, zip(pieces, streams, strict=True)))
    return Factors(columns * _scale(columns, rows, block_of, statistics.weight_density), rows, block_of)


def draw_weights(
    n_rows: int, n_cols: int, statistics: LayerStatistics, weight_bits: int, seed: SeedSequence
) -> SparseColumns:
    """Codes of the weights that are not zero, rows rising inside every column."""
    seed_of_factors, seed_of_cells = seed.spawn(2)
    columns, rows, block_of = draw_factors(n_rows, n_cols, statistics, seed_of_factors)
    pieces = _pieces(n_cols, max(1, _CELLS_PER_PIECE // n_rows))

    def draw(piece: tuple[tuple[int, int], SeedSequence]) -> tuple[NDArray[np.int64], NDArray[np.uint32], Codes]:
        (start, stop), stream = piece
        rng = default_rng(stream)
        cells = (stop - start) * n_rows
        words = rng.integers(0, 2**64 - 1, -(-cells // 2), np.uint64, endpoint=True)
        bits = words.view(np.uint32)[:cells].reshape(-1, n_rows)
        drawn, counts = np.empty(cells + 1, np.uint32), np.empty(stop - start, np.int64)
        _draw_columns(bits, columns[start:stop], rows, block_of[start:stop], drawn, counts)
        kept = drawn[: counts.sum()].copy()
        return counts, kept, rng.integers(1, 1 << weight_bits, len(kept), np.uint8)

    counts, drawn, codes = zip(
        *in_threads(draw, zip(pieces, seed_of_cells.spawn(len(pieces)), strict=True)), strict=True
    )
    indptr = np.concatenate([[0], *counts]).cumsum()
    return SparseColumns(indptr, np.concatenate(drawn), np.concatenate(codes), (n_rows, n_cols))


def draw_acts(n_cols: int, statistics: LayerStatistics, n_vectors: int, seed: SeedSequence) -> NDArray[np.float32]:
    """Input vectors, float32 (n_vectors, n_cols): exactly ``round(act_density n_cols)`` active inputs in each.

    The first vectors are the same whatever their number.
    """
    return next(acts_in_chunks(n_cols, statistics, n_vectors, seed, n_vectors), np.zeros((0, n_cols), np.float32))


def acts_in_chunks(
    n_cols: int, statistics: LayerStatistics, n_vectors: int, seed: SeedSequence, most: int
) -> Iterator[NDArray[np.float32]]:
    """The vectors of `draw_acts`, at most `most` of them at a time."""
    rng = default_rng(seed)  # one stream for all, which each vector continues: chunks change no number
    n_active = round(statistics.act_density * n_cols)
    for begin in range(0, n_vectors, max(most, 1)):
        acts = np.zeros((min(most, n_vectors - begin), n_cols), np.float32)
        for vector in acts:
            activity = _correlated(rng.standard_normal(n_cols), statistics.act_run)
            values = np.abs(rng.standard_normal(n_cols, np.float32))
            active = np.argsort(-activity, kind="stable")[:n_active]
            vector[active] = np.maximum(values[active], _SMALLEST_INPUT)
        yield acts


def _correlated(noise: Floats, run: float) -> Floats:
    """The g of the module docstring: each value keeps ``exp(-1 / run)`` of the one before it."""
    if run == 0:
        return noise
    keep = np.exp(-1 / run)
    noise[1:] *= np.sqrt(1 - keep**2)
    return np.array(list(accumulate(noise.tolist(), lambda before, new: keep * before + new)))

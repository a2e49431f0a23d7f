"""Other orders of rows, for balance: rows go to PEs so that these have equal work (EIE leaves row i to PE i mod N).

The order is fixed when a layer is packed; outputs come in that order. Where another layer follows, its columns can be
packed in the same order, and nothing is left to do; else an index of the rows undoes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor._jit import Arg, kernel
from compressor.interleave import rows_in_pe
from compressor.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cost import energy
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.engines.base import simulate

Order = NDArray[np.int64]

STRATEGIES = ("as it is", "greedy", "by columns")


@dataclass(frozen=True)
class Permuted:
    """One layer in one order of rows.

    Attributes
    ----------
    strategy : str
    cycles, entries, fillers : int
        Walked, on the given input.
    load_balance : float
    energy_nj : float
    saved_pct : float
        Cycles less than in the order of the layer, percent.
    index_bits : int
        An index that undoes the order; 0 for none.
    """

    strategy: str
    cycles: int
    entries: int
    fillers: int
    load_balance: float
    energy_nj: float
    saved_pct: float
    index_bits: int


def greedy(weights: NDArray[np.int64], n_pe: int) -> Order:
    """Rows by falling weight, each to the PE with the least so far that has a place: equal totals.

    Parameters
    ----------
    weights : ndarray of int64, shape (n,)
        Weights of rows, or of groups of rows that stay together.
    n_pe : int

    Returns
    -------
    ndarray of int64, shape (n,)
        ``row_permutation[i]`` = the row stored at i, in PE ``i mod n_pe``; inside a PE rows keep their order.
    """
    places = rows_in_pe(len(weights), n_pe).copy()
    load = np.zeros(n_pe, np.int64)
    home = np.empty(len(weights), np.int64)
    for row in np.argsort(-weights, kind="stable"):
        open_load = np.where(places > 0, load, np.iinfo(np.int64).max)
        pe = int(open_load.argmin())
        home[row] = pe
        load[pe] += weights[row]
        places[pe] -= 1
    return _stored(home, n_pe)


@kernel
def _by_columns(order: Arg, indptr: Arg, columns: Arg, places: Arg, held: Arg, load: Arg, home: Arg) -> None:
    for at in range(len(order)):
        row = order[at]
        best, best_cost = -1, 0
        for pe in range(len(places)):
            if places[pe] > 0:
                cost = 0
                for e in range(indptr[row], indptr[row + 1]):
                    cost += held[pe, columns[e]]
                if best < 0 or cost < best_cost or (cost == best_cost and load[pe] < load[best]):
                    best, best_cost = pe, cost
        home[row] = best
        places[best] -= 1
        load[best] += indptr[row + 1] - indptr[row]
        for e in range(indptr[row], indptr[row + 1]):
            held[best, columns[e]] += 1


def by_columns(layer: PackedLayer, n_pe: int) -> Order:
    """Rows by falling weight, each to the PE whose rows share the fewest columns with it: equal columns.

    A broadcast is as long as its longest column part, so that equal columns count, and equal totals follow.
    """
    sparse = layer.sparse_codes()
    counts = np.bincount(sparse.rows, minlength=layer.n_rows).astype(np.int64)
    column_of = np.repeat(np.arange(len(sparse.indptr) - 1), np.diff(sparse.indptr))
    by_row = np.argsort(sparse.rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    home = np.empty(layer.n_rows, np.int64)
    held = np.zeros((n_pe, len(sparse.indptr) - 1), np.int32)
    order = np.argsort(-counts, kind="stable")
    places = rows_in_pe(layer.n_rows, n_pe).copy()
    _by_columns(order, indptr, column_of[by_row], places, held, np.zeros(n_pe, np.int64), home)
    return _stored(home, n_pe)


def _stored(home: NDArray[np.int64], n_pe: int) -> Order:
    """The order in which PE `home[row]` holds each row."""
    order = np.empty(len(home), np.int64)
    for pe in range(n_pe):
        order[pe::n_pe] = np.flatnonzero(home == pe)
    return order


def gates_together(order_of_units: Order, n_gates: int, n_pe: int) -> Order:
    """The order of the gate rows of an LSTM that keeps the gates of a unit in one PE, from one of its units.

    Rows are gate after gate, as `n_gates` blocks of units; the cell's update needs the gates of a unit side by side.

    Raises
    ------
    ValueError
        When the number of units is no multiple of the number of PEs, so that blocks would begin in different PEs.
    """
    units = len(order_of_units)
    if units % n_pe:
        raise ValueError(f"units: {units}, but gates stay together only where they are a multiple of {n_pe} PEs")
    return np.concatenate([gate * units + order_of_units for gate in range(n_gates)])


def permutations(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig,
    strategies: Sequence[str] = STRATEGIES,
    calibration: str = DEFAULT,
) -> list[Permuted]:
    """The same layer and inputs in several orders of rows.

    Raises
    ------
    ValueError
        When a strategy is unknown, or as for `eie_sim.simulate`.
    """
    rows: list[Permuted] = []
    plain = simulate(layer, acts, arch, output=False).cycles
    for strategy in strategies:
        packed = layer if strategy == "as it is" else layer.repack(row_permutation=order_by(layer, strategy, arch.n_pe))
        result = simulate(packed, acts, arch, output=False)
        rows.append(
            Permuted(
                strategy,
                result.cycles,
                result.entries_walked,
                int(result.counts.fillers.sum()),
                result.load_balance,
                energy(result, calibration).total_nj,
                100 * (1 - result.cycles / plain),
                0 if packed is layer else layer.n_rows * max(layer.n_rows - 1, 1).bit_length(),
            )
        )
    return rows


def order_by(layer: PackedLayer, strategy: str, n_pe: int) -> Order:
    """The order of rows of one of `STRATEGIES`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if strategy == "as it is":
        return np.arange(layer.n_rows)
    if strategy == "greedy":
        return greedy(row_weights(layer), n_pe)
    if strategy == "by columns":
        return by_columns(layer, n_pe)
    raise ValueError(f"strategy: {strategy!r}, but it must be one of {', '.join(STRATEGIES)}")


def row_weights(layer: PackedLayer) -> NDArray[np.int64]:
    """Real weights of each row, in original order; int64, shape (n_rows,)."""
    return np.bincount(layer.sparse_codes().rows, minlength=layer.n_rows).astype(np.int64)

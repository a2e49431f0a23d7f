"""Other orders of rows, for balance: rows go to PEs so that these have equal work (EIE leaves row i to PE i mod N).

The order is fixed when a layer is packed; outputs come in that order. Where another layer follows, its columns can be
packed in the same order, and nothing is left to do; else an index of the rows undoes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import whole_number
from compressor.interleave import rows_in_pe
from compressor.jit import Arg, kernel
from compressor.types.packed import PackedLayer
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
    split_units : int
        Units of a recurrent layer whose gates are in more than one PE; 0 where rows stand alone.
    """

    strategy: str
    cycles: int
    entries: int
    fillers: int
    load_balance: float
    energy_nj: float
    saved_pct: float
    index_bits: int
    split_units: int


def greedy(layer: PackedLayer, n_pe: int, n_gates: int = 1) -> Order:
    """Rows by falling weight, each to the PE with the least so far that has a place: equal totals.

    Parameters
    ----------
    layer : PackedLayer
    n_pe : int
    n_gates : int
        Gates of a recurrent layer, whose rows come gate after gate. The rows of a unit go to one PE, where its cell is
        updated without a word to another; the units for which no PE has a place left for all gates (where the rows of
        a PE are no multiple of `n_gates`) are those of the least weight, and are counted by `split_units`.

    Returns
    -------
    ndarray of int64, shape (n_rows,)
        ``row_permutation[i]`` = the row stored at i, in PE ``i mod n_pe``; inside a PE rows keep their order.

    Raises
    ------
    ValueError
        When the rows are no multiple of `n_gates`.
    """
    weights = row_weights(layer)
    load = np.zeros(n_pe, np.int64)

    def place(groups: Order, places: Order, home: Order) -> None:
        for rows in groups:
            pe = int(np.where(places >= len(rows), load, np.iinfo(np.int64).max).argmin())
            home[rows] = pe
            load[pe] += weights[rows].sum()
            places[pe] -= len(rows)

    return _order(weights, n_pe, n_gates, place)


@kernel
def _by_columns(groups: Arg, indptr: Arg, columns: Arg, places: Arg, held: Arg, load: Arg, home: Arg) -> None:
    size = groups.shape[1]
    for at in range(groups.shape[0]):
        best, best_cost = -1, 0
        for pe in range(len(places)):
            if places[pe] >= size:
                cost = 0
                for g in range(size):
                    for e in range(indptr[groups[at, g]], indptr[groups[at, g] + 1]):
                        cost += held[pe, columns[e]]
                if best < 0 or cost < best_cost or (cost == best_cost and load[pe] < load[best]):
                    best, best_cost = pe, cost
        places[best] -= size
        for g in range(size):
            row = groups[at, g]
            home[row] = best
            load[best] += indptr[row + 1] - indptr[row]
            for e in range(indptr[row], indptr[row + 1]):
                held[best, columns[e]] += 1


def by_columns(layer: PackedLayer, n_pe: int, n_gates: int = 1) -> Order:
    """Rows by falling weight, each to the PE whose rows share the fewest columns with it: equal columns.

    A broadcast is as long as its longest column part, so that equal columns count, and equal totals follow. Arguments
    and errors as for `greedy`.
    """
    sparse = layer.sparse_codes()
    weights = row_weights(layer)
    column_of = np.repeat(np.arange(len(sparse.indptr) - 1), np.diff(sparse.indptr))
    columns = column_of[np.argsort(sparse.rows, kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(weights)]).astype(np.int64)
    held, load = np.zeros((n_pe, len(sparse.indptr) - 1), np.int32), np.zeros(n_pe, np.int64)

    def place(groups: Order, places: Order, home: Order) -> None:
        _by_columns(groups, indptr, columns, places, held, load, home)

    return _order(weights, n_pe, n_gates, place)


def _order(weights: Order, n_pe: int, n_gates: int, place: Callable[[Order, Order, Order], None]) -> Order:
    """The stored order of rows that `place` gave a PE, group by group; it is given groups (n, rows of a group)."""
    n_rows = len(weights)
    _check_gates(n_rows, n_gates)
    whole_number("n_pe", n_pe, 1)
    units = np.arange(n_rows).reshape(n_gates, -1).T
    units = units[np.argsort(-weights[units].sum(axis=1), kind="stable")]
    places = rows_in_pe(n_rows, n_pe).astype(np.int64)
    home = np.empty(n_rows, np.int64)
    # So many units find a PE with places for all their gates; the gates of the others go where a place is left.
    whole = int((places // n_gates).sum())
    place(np.ascontiguousarray(units[:whole]), places, home)
    rest = units[whole:].ravel()
    place(rest[np.argsort(-weights[rest], kind="stable")][:, None], places, home)
    order = np.empty(n_rows, np.int64)
    for pe in range(n_pe):  # the stored row i is in PE i mod n_pe
        order[pe::n_pe] = np.flatnonzero(home == pe)
    return order


def _check_gates(n_rows: int, n_gates: int) -> None:
    if n_gates < 1 or n_rows % n_gates:
        raise ValueError(f"n_gates: {n_gates}, but the {n_rows} rows must be a multiple of it")


def split_units(order: Order, n_pe: int, n_gates: int) -> int:
    """Units whose gates are in more than one PE, in a stored order of rows.

    Raises
    ------
    ValueError
        When the rows are no multiple of `n_gates`.
    """
    _check_gates(len(order), n_gates)
    home = np.empty(len(order), np.int64)
    home[order] = np.arange(len(order)) % n_pe
    gates = home.reshape(n_gates, -1)
    return int(np.any(gates != gates[0], axis=0).sum())


def permutations(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig,
    strategies: Sequence[str] = STRATEGIES,
    calibration: str = DEFAULT,
    n_gates: int = 1,
) -> list[Permuted]:
    """The same layer and inputs in several orders of rows.

    Parameters
    ----------
    layer, acts, arch
        As for `eie_sim.simulate`.
    strategies : sequence of str
        Of `STRATEGIES`.
    calibration : str
        Of the energies.
    n_gates : int
        Gates of a recurrent layer, whose rows `greedy` and `by_columns` keep in one PE; 1: every row goes alone.

    Raises
    ------
    ValueError
        When a strategy is unknown, or as for `eie_sim.simulate`.
    """
    rows: list[Permuted] = []
    plain = simulate(layer, acts, arch, output=False).cycles
    for strategy in [strategies] if isinstance(strategies, str) else strategies:
        order = order_by(layer, strategy, arch.n_pe, n_gates)
        packed = layer if strategy == "as it is" else layer.repack(row_permutation=order)
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
                0 if packed.row_permutation is None else layer.n_rows * max(layer.n_rows - 1, 1).bit_length(),
                split_units(order, arch.n_pe, n_gates),
            )
        )
    return rows


def order_by(layer: PackedLayer, strategy: str, n_pe: int, n_gates: int = 1) -> Order:
    """The order of rows of one of `STRATEGIES`.

    Raises
    ------
    ValueError
        When there is none of that name, or as for `greedy`.
    """
    if strategy == "as it is":
        kept = layer.row_permutation
        return np.arange(layer.n_rows) if kept is None else kept.astype(np.int64)
    if strategy == "greedy":
        return greedy(layer, n_pe, n_gates)
    if strategy == "by columns":
        return by_columns(layer, n_pe, n_gates)
    raise ValueError(f"strategy: {strategy!r}, but it must be one of {', '.join(STRATEGIES)}")


def row_weights(layer: PackedLayer) -> NDArray[np.int64]:
    """Real weights of each row, in original order; int64, shape (n_rows,)."""
    return np.bincount(layer.sparse_codes().rows, minlength=layer.n_rows).astype(np.int64)

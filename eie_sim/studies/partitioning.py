"""The three ways to divide a matrix among PEs (EIE section VII-A): rows, columns, blocks; with what they communicate.

A simple model for all three alike, so that they can be compared: a PE takes a cycle for each weight of an active column
that it holds (no fillers, no queues); a broadcast sends one active input a cycle to a group of PEs; a reduction adds
the partial sums of a group in a tree, a number a cycle on every link, so that the first one leaves it after as many
cycles as it has stages.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from compressor.checks import as_floats
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig


@dataclass(frozen=True)
class Partitioned:
    """One way to divide a layer.

    Attributes
    ----------
    name : str
    pe_rows, pe_columns : int
        The grid of PEs: rows of the matrix go to `pe_rows` groups, columns to `pe_columns`.
    work_cycles : int
        Weights of the busiest PE.
    broadcast_cycles : int
        Active inputs of the busiest group of PEs that share columns.
    reduction_cycles : int
        Adding up the partial sums of the PEs that share rows; 0 with one of them.
    balance : float
        Mean weights of a PE over those of the busiest.
    """

    name: str
    pe_rows: int
    pe_columns: int
    work_cycles: int
    broadcast_cycles: int
    reduction_cycles: int
    balance: float

    @property
    def cycles(self) -> int:
        """Broadcast and work overlap; the reduction follows."""
        return max(self.work_cycles, self.broadcast_cycles) + self.reduction_cycles


def partitionings(layer: PackedLayer, acts: ArrayLike, arch: ArchConfig) -> list[Partitioned]:
    """Rows to PEs (EIE), columns to PEs, and the blocks between, for a power of two of PEs.

    Parameters
    ----------
    layer : PackedLayer
        With a bias column, that is one more active column, unless `arch` preloads the bias.
    acts : array_like of float, shape (n_cols,)
    arch : ArchConfig
        Its number of PEs and `bias` alone matter.

    Raises
    ------
    ValueError
        When the PEs are no power of two, or the inputs do not fit the layer.
    """
    n_pe = arch.n_pe
    if n_pe < 1 or n_pe & (n_pe - 1):
        raise ValueError(f"n_pe: {n_pe}, but it must be a power of two")
    vector = as_floats("acts", acts)
    if vector.shape != (layer.n_cols,):
        raise ValueError(f"acts: shape {vector.shape}, but layer {layer.name!r} takes ({layer.n_cols},)")
    active = np.append(np.flatnonzero(vector), [layer.n_cols] * arch.broadcasts_bias(layer)).astype(np.int64)
    sparse = layer.sparse_codes()
    column_of = np.repeat(np.arange(len(sparse.indptr) - 1), np.diff(sparse.indptr))
    walked = np.isin(column_of, active)
    rows, columns = sparse.rows[walked].astype(np.int64), column_of[walked]
    found = []
    for power in range(n_pe.bit_length()):
        pe_columns = 1 << power
        pe_rows = n_pe // pe_columns
        homes = rows % pe_rows * pe_columns + columns % pe_columns
        weights = np.bincount(homes, minlength=n_pe)
        busiest = int(weights.max())
        # `power` stages of the tree; the first sum takes as many cycles, each further one of the PE a cycle more.
        reduction = ceil(layer.n_rows / pe_rows) + power - 1 if power else 0
        found.append(
            Partitioned(
                "rows" if pe_columns == 1 else "columns" if pe_rows == 1 else f"{pe_rows} x {pe_columns}",
                pe_rows,
                pe_columns,
                busiest,
                int(np.bincount(active % pe_columns, minlength=pe_columns).max()),
                reduction,
                float(weights.mean() / busiest) if busiest else 1.0,
            )
        )
    return found

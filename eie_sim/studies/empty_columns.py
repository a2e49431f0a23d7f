"""Skipping columns that have no entry in a PE: each costs EIE a cycle (contract, PE rule 2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import simulate
from eie_sim.studies.recurrence import cycles_with


@dataclass(frozen=True)
class EmptyColumns:
    """What skipping empty columns would save.

    Attributes
    ----------
    cycles : int
        Of EIE.
    skipping_cycles : int
        If an empty column took a PE no cycle; it still takes a place in the queue until the PE reaches it.
    bubble_share : float
        PE-cycles of EIE that empty columns take.
    index_bytes : int
        For a bit a column and PE that tells which are empty, known before the pointers are read.
    """

    cycles: int
    skipping_cycles: int
    bubble_share: float
    index_bytes: int

    @property
    def saved_pct(self) -> float:
        """Cycles saved, percent."""
        return 100 * (1 - self.skipping_cycles / self.cycles)


def skip_empty_columns(layer: PackedLayer, acts: ArrayLike, arch: ArchConfig) -> EmptyColumns:
    """The cycles of a machine whose PEs pass over columns without an entry, beside EIE's.

    Raises
    ------
    ValueError
        As for `eie_sim.simulate`, or when the queue depth is 1.
    """
    result = simulate(layer, acts, arch, output=False, schedule=True)
    assert result.schedule is not None
    skipping = cycles_with(result.schedule, result.schedule.entries, arch.act_queue_depth)
    share = int(np.sum(result.counts.bubble_cycles)) / (arch.n_pe * result.cycles)
    columns = int(layer.pointers.shape[0]) - 1
    return EmptyColumns(result.cycles, skipping, share, -(-columns * arch.n_pe // 8))

"""More PEs: where the cycles go, with fillers and empty columns apart (EIE section VI-B, Figs 11 to 13)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cost import energy
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.engines.base import simulate


@dataclass(frozen=True)
class Scaled:
    """One layer on one number of PEs.

    Attributes
    ----------
    n_pe, cycles : int
    speedup : float
        Against the first number of PEs.
    real_share, filler_share, empty_share, starved_share, ends_share : float
        Of all PE-cycles: real weights, fillers, columns without an entry in the PE, empty queue, fill and drain. They
        sum to 1.
    energy_nj : float
    """

    n_pe: int
    cycles: int
    speedup: float
    real_share: float
    filler_share: float
    empty_share: float
    starved_share: float
    ends_share: float
    energy_nj: float

    @property
    def efficiency(self) -> float:
        """Share of PE-cycles that process a real weight."""
        return self.real_share


def more_pes(
    layer: PackedLayer, acts: ArrayLike, arch: ArchConfig, numbers: Sequence[int], calibration: str = DEFAULT
) -> list[Scaled]:
    """The same layer and inputs on machines of several numbers of PEs, as if it fitted each of them.

    Fewer fillers are needed on more PEs, since a PE's rows are further apart and its runs of zeros shorter; but more
    columns have no entry in a PE, each of which costs it a cycle.

    Raises
    ------
    ValueError
        When a number of PEs is none, or as for `eie_sim.simulate`.
    """
    rows: list[Scaled] = []
    first_cycles = 0
    for n_pe in numbers:
        machine = arch.replace(n_pe=n_pe)
        result = simulate(layer.repack(n_pe=n_pe), acts, machine, output=False)
        first_cycles = first_cycles or result.cycles
        counts, all_cycles = result.counts, n_pe * result.cycles
        fillers = int(np.sum(counts.fillers))
        ends = int(np.sum(counts.fill_cycles) + np.sum(counts.drain_cycles))
        rows.append(
            Scaled(
                n_pe,
                result.cycles,
                first_cycles / result.cycles,
                (int(np.sum(counts.busy_cycles)) - fillers) / all_cycles,
                fillers / all_cycles,
                int(np.sum(counts.bubble_cycles)) / all_cycles,
                int(np.sum(counts.starved_cycles)) / all_cycles,
                ends / all_cycles,
                energy(result, calibration).total_nj,
            )
        )
    return rows

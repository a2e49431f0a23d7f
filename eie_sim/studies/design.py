"""Queue depth and SRAM width by energy-delay product: what Figs 8 and 9 of EIE choose by other measures."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cost import area, energy
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.engines.base import simulate


@dataclass(frozen=True)
class DesignPoint:
    """One layer on one machine.

    Attributes
    ----------
    act_queue_depth, spmat_width_bits : int
    cycles : int
    energy_nj, edp_nj_us, area_mm2 : float
    row_reads_nj : float
        Of the energy, that of reading rows.
    """

    act_queue_depth: int
    spmat_width_bits: int
    cycles: int
    energy_nj: float
    edp_nj_us: float
    area_mm2: float
    row_reads_nj: float


def depths_and_widths(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig,
    depths: Sequence[int],
    widths: Sequence[int],
    calibration: str = DEFAULT,
) -> list[DesignPoint]:
    """Every depth with every width; a deeper queue and a wider row cost energy and area as CACTI says.

    Raises
    ------
    ValueError
        When a depth or width is out of its limits, or as for `eie_sim.simulate`.
    """
    points = []
    for depth in depths:
        for width in widths:
            machine = arch.replace(act_queue_depth=depth, spmat_width_bits=width)
            result = simulate(layer, acts, machine, output=False)
            cost = energy(result, calibration)
            points.append(
                DesignPoint(
                    depth,
                    width,
                    result.cycles,
                    cost.total_nj,
                    cost.edp_nj_us,
                    area(machine).total_mm2,
                    cost.by_cause_nj["spmat_row_reads"],
                )
            )
    return points

"""The width of a relative index, layer by layer: shorter indices need more fillers, longer ones more bits an entry."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cost import energy
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.engines.base import simulate


@dataclass(frozen=True)
class IndexWidth:
    """One layer with indices of one width.

    Attributes
    ----------
    index_bits : int
    entries, fillers : int
        Stored in all PEs.
    spmat_bytes : int
        Of all entries, without the rest of a last row.
    cycles : int
    row_reads : int
        Rows of the sparse-matrix SRAM: wider entries, fewer in a row.
    energy_nj : float
    """

    index_bits: int
    entries: int
    fillers: int
    spmat_bytes: int
    cycles: int
    row_reads: int
    energy_nj: float


def index_widths(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig,
    widths: Sequence[int] = tuple(range(2, 9)),
    calibration: str = DEFAULT,
) -> list[IndexWidth]:
    """The same layer and inputs with indices of several widths.

    Raises
    ------
    ValueError
        As for `PackedLayer.repack` and `eie_sim.simulate`.
    """
    rows = []
    for width in widths:
        packed, machine = layer.repack(index_bits=width), arch.replace(index_bits=width)
        result = simulate(packed, acts, machine, output=False)
        bits = packed.n_entries * (packed.weight_bits + width)
        rows.append(
            IndexWidth(
                width,
                packed.n_entries,
                packed.n_fillers,
                -(-bits // 8),
                result.cycles,
                int(result.counts.spmat_row_reads.sum()),
                energy(result, calibration).total_nj,
            )
        )
    return rows

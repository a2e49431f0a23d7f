"""The area of a machine: Table II, its SRAMs scaled by CACTI, its queue and registers by what they hold.

The arithmetic is that of 16 bits, whatever numbers the machine computes with: the paper gives no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eie_sim import paper
from eie_sim.arch import ACT_BYTES, ArchConfig, preset
from eie_sim.cost.energy import lnzd_nodes
from eie_sim.cost.prices import LNZD, UNITS
from eie_sim.cost.technology import SCALINGS, memory, scaling

FILLER = "filler cell"


class NoAreaScaling(ValueError):
    """The scaling rule does not say how areas shrink, so a machine has no area by it."""


@dataclass(frozen=True)
class AreaReport:
    """The area of a machine.

    Attributes
    ----------
    pe_um2 : mapping of str to float
        Of each unit of one PE, and its filler cells.
    lnzd_um2 : float
        Of the whole leading-non-zero tree.
    n_pe : int
    """

    pe_um2: Mapping[str, float]
    lnzd_um2: float
    n_pe: int

    @property
    def total_mm2(self) -> float:
        """All PEs and the tree."""
        return (self.n_pe * sum(self.pe_um2.values()) + self.lnzd_um2) * 1e-6

    @property
    def by_unit_mm2(self) -> Mapping[str, float]:
        """All PEs' area of each unit, and the tree."""
        return {unit: self.n_pe * value * 1e-6 for unit, value in self.pe_um2.items()} | {LNZD: self.lnzd_um2 * 1e-6}


def area(arch: ArchConfig, rule: str = "paper") -> AreaReport:
    """The area of `arch`.

    Raises
    ------
    NoAreaScaling
        If the rule does not say how areas shrink; a ValueError.
    ValueError
        If the rule is unknown, or the node is neither 45 nor 28 nm.
    """
    usual = preset(paper.MACHINE)
    shrunk = scaling(arch.technology_nm, rule).area
    if shrunk is None:
        raise NoAreaScaling(f"scaling: {rule!r} does not say how areas shrink")
    factors = {
        "spmat_read": memory(arch.spmat_bytes, arch.spmat_width_bits).area_mm2
        / memory(usual.spmat_bytes, usual.spmat_width_bits).area_mm2,
        "ptr_read": memory(arch.ptr_bytes / 2, 16).area_mm2 / memory(usual.ptr_bytes / 2, 16).area_mm2,
        "act_queue": arch.act_queue_depth / usual.act_queue_depth,
        "act_rw": (arch.act_regfile_entries * ACT_BYTES + arch.act_sram_bytes)
        / (usual.act_regfile_entries * ACT_BYTES + usual.act_sram_bytes),
    }
    pe = {unit: paper.TABLE_II.given(unit, "area_um2") * factors.get(unit, 1.0) * shrunk for unit in (*UNITS, FILLER)}
    return AreaReport(pe, lnzd_nodes(arch) * paper.LNZD_UNIT.given("lnzd", "area_um2") * shrunk, arch.n_pe)


def area_band(arch: ArchConfig) -> Mapping[str, AreaReport]:
    """The area of a machine at 28 nm by every published rule that says how areas shrink; the first is the paper's.

    Raises
    ------
    ValueError
        When the machine is at neither 45 nor 28 nm.
    """
    return {rule: area(arch, rule) for rule, scaling in SCALINGS.items() if scaling.area is not None}

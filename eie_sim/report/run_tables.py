"""The tables of a report about the run alone: compute, inferences, bandwidth, energy, calibrations, area."""

from collections.abc import Sequence

from eie_sim.arch import ArchConfig, preset
from eie_sim.columns import Row
from eie_sim.cost import CALIBRATIONS, area
from eie_sim.cost.technology import SCALINGS
from eie_sim.paper import MACHINE
from eie_sim.report.priced import PricedRow, by_input, energy_of_row, number
from eie_sim.report.report_columns import SHARED

_POINTER_BYTES_A_COLUMN = 2 * 2
"""Two pointers of 16 bits: where a column begins and where it ends."""


def is_scaled(arch: ArchConfig) -> bool:
    """Whether the node differs from the paper's, so that energies and areas depend on a scaling rule."""
    return arch.technology_nm != preset(MACHINE).technology_nm


def compute_rows(ran: Sequence[PricedRow], arch: ArchConfig, rule: str) -> list[Row]:
    """The rows of ``COMPUTE_REPORT``."""
    # Not every rule says how areas shrink.
    known = not is_scaled(arch) or SCALINGS[rule].area is not None
    area_mm2 = area(arch, rule).total_mm2 if known else None
    return [
        {
            **{name: one.row[name] for name in SHARED},
            "energy_nj": one.energy.total_nj,
            "power_w": one.energy.power_w,
            "pj_per_mac": one.energy.pj_per_mac,
            "edp_nj_us": one.energy.edp_nj_us,
            "area_mm2": area_mm2,
            "calibration": one.energy.calibration,
            "missing_bytes": one.missing_bytes,
            "dram_nj": None if one.missing_bytes is None else 8 * one.missing_bytes * arch.dram_pj_per_bit * 1e-3,
        }
        for one in ran
    ]


def inference_rows(ran: Sequence[PricedRow]) -> list[Row]:
    """The rows of ``INFERENCE_REPORT``: the layers of each input vector, one after another."""
    rows: list[Row] = []
    for input_number, places in by_input(ran).items():
        layers = [ran[at] for at in places]
        spent = sum(one.energy.total_nj for one in layers)
        time_us = sum(one.energy.time_us for one in layers)
        macs = sum(one.energy.macs for one in layers)
        rows.append(
            {
                "input": input_number,
                "layers": len(layers),
                "cycles": sum(int(number(one.row, "cycles")) for one in layers),
                "time_us": time_us,
                "energy_nj": spent,
                "power_w": spent / time_us * 1e-3,
                "pj_per_mac": spent * 1e3 / macs if macs else None,
                "edp_nj_us": spent * time_us,
                "calibration": layers[0].energy.calibration,
            }
        )
    return rows


def bandwidth_row(row: Row, arch: ArchConfig) -> Row:
    """The row of ``BANDWIDTH_REPORT`` for a row of results."""
    cycles = number(row, "cycles")
    number_bytes = (arch.number_bits or 16) / 8  # the paper's registers have 16 bits; float32 has none of its own
    return {
        **{name: row[name] for name in ("layer", "input", "cycles")},
        "spmat_bytes_per_cycle": number(row, "spmat_row_reads") * arch.spmat_width_bits / 8 / cycles,
        "ptr_bytes_per_cycle": _POINTER_BYTES_A_COLUMN * number(row, "ptr_reads") / cycles,
        "acc_bytes_per_cycle": (number(row, "acc_reads") + number(row, "acc_writes")) * number_bytes / cycles,
        "broadcasts_per_cycle": number(row, "broadcasts") / cycles,
    }


def energy_rows(ran: Sequence[PricedRow]) -> list[Row]:
    """The rows of ``ENERGY_REPORT``: every cause of energy in every unit."""
    return [
        {
            **{name: one.row[name] for name in ("layer", "input")},
            **{"unit": x.unit, "cause": x.cause, "count": x.count, "each_pj": x.each_pj, "energy_nj": x.nj},
        }
        for one in ran
        for x in one.energy.rows
    ]


def calibration_rows(ran: Sequence[PricedRow], arch: ArchConfig) -> list[Row]:
    """The rows of ``CALIBRATION_REPORT``: the energy by every calibration and every rule that applies."""
    rows: list[Row] = []
    for one in ran:
        for name in CALIBRATIONS:
            for rule, shown in _rules(arch).items():
                spent = energy_of_row(one.row, arch, name, rule, one.dram_bytes)
                rows.append(
                    {
                        **{key: one.row[key] for key in ("layer", "input")},
                        "calibration": name,
                        "scaling_rule": shown,
                        "energy_nj": spent.total_nj,
                        "power_w": spent.power_w,
                        "edp_nj_us": spent.edp_nj_us,
                    }
                )
    return rows


def area_rows(arch: ArchConfig) -> list[Row]:
    """The rows of ``AREA_REPORT``: every unit, by every rule that says how areas shrink."""
    return [
        {"unit": unit, "scaling_rule": shown, "area_mm2": mm2}
        for rule, shown in _rules(arch).items()
        if not shown or SCALINGS[rule].area is not None
        for unit, mm2 in area(arch, rule).by_unit_mm2.items()
    ]


def _rules(arch: ArchConfig) -> dict[str, str]:
    """The scaling rules that apply to a machine, and what a table calls them; at 45 nm any one, called nothing."""
    return {rule: rule for rule in SCALINGS} if is_scaled(arch) else {next(iter(SCALINGS)): ""}

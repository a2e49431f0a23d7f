"""A run beside the baselines: the rows of ``eie-sim report``; `eie_sim.report.report_columns` defines their columns.

Everything follows from the rows of results (`eie_sim.report.tables`), so that a saved run can be compared as well as a
new one. Energy is by a named calibration; the time of a baseline is published, modelled or measured, and says which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, geometric_mean
from typing import Any

from eie_sim.arch import ArchConfig
from eie_sim.baselines.cpu_measurement import CpuMeasurement
from eie_sim.baselines.devices import Device
from eie_sim.columns import Cell, Row
from eie_sim.cost import EnergyReport
from eie_sim.report.baseline_rows import ALL, baseline_density, baselines_beside, comparison_rows
from eie_sim.report.priced import check_rows, number, priced_rows
from eie_sim.report.results_file import Results
from eie_sim.report.run_tables import (
    area_rows,
    bandwidth_row,
    calibration_rows,
    compute_rows,
    energy_rows,
    inference_rows,
    is_scaled,
)


@dataclass(frozen=True)
class RunReport:
    """A run with its energy, its area and the baselines.

    Attributes
    ----------
    machine : ArchConfig
    engine, version : str
    calibration : str
    rule : str
        How energies and areas shrink; "" at 45 nm, where nothing does.
    assumptions : tuple of str
        Of the calibration and the rule.
    tables : mapping of str to sequence of dict
        Rows of each of `eie_sim.report.report_columns.REPORTS`.
    notes : tuple of str
        What a reader should know, from the run and from the comparison.
    origins : mapping of str to str
        Where weights and inputs of each layer come from.
    chained : bool
    weight_densities : mapping of str to float or None
        By which the sparse baselines of each layer are modelled: Table III for the paper's layers, else as packed.
    devices : tuple of Device
        That stand beside it.
    energies : tuple of EnergyReport
        Of each row of ``COMPUTE_REPORT``.
    """

    machine: ArchConfig
    engine: str
    version: str
    calibration: str
    rule: str
    assumptions: tuple[str, ...]
    tables: Mapping[str, Sequence[Row]]
    notes: tuple[str, ...]
    origins: Mapping[str, str]
    chained: bool
    weight_densities: Mapping[str, float | None] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    energies: tuple[EnergyReport, ...] = ()


def run_report(
    results: Results,
    devices: Sequence[Device],
    calibration: str,
    rule: str = "paper",
    measured: CpuMeasurement | None = None,
    batches: Sequence[int] = (1,),
    accelerators: bool = False,
    dram: bool = False,
) -> RunReport:
    """Everything that ``eie-sim report`` shows.

    Parameters
    ----------
    results : Results
        Of a run, new or read from a file.
    devices : sequence of Device
        To model, and to set beside their published times where there are any.
    calibration, rule : str
        As for `eie_sim.cost.energy`.
    measured : CpuMeasurement or None
        Of this or another host; its layers are found by name and size.
    batches : sequence of int
        Batch sizes of the baselines; EIE computes one input vector after another.
    accelerators : bool
        Whether the FPGA and the ASICs of EIE Table V stand beside Alex-7.
    dram : bool
        Whether what does not fit the SRAMs is read from DRAM for every input vector; else energies are as if it
        fitted, as in the paper.

    Raises
    ------
    ValueError
        If the results are empty or contradict themselves; the calibration or the rule is unknown; two devices have one
        name; or there is a device and nothing to compare with.
    """
    names = [device.name for device in devices]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"device: {twice[0]!r} is there twice")
    arch = ArchConfig.from_dict(dict(results.arch))
    check_rows(results, arch)
    ran = priced_rows(results, arch, calibration, rule, dram)
    notes = list(results.notes)
    missing = {name: facts.missing_bytes for name, facts in results.layers.items() if facts.missing_bytes}
    if missing:
        told = ", ".join(f"{name} {n_bytes:,} bytes" for name, n_bytes in missing.items())
        energies = "energy_nj is as if all fitted; see dram_nj"
        if dram:
            energies = "energy_nj reads them from DRAM for every input"
        notes.append(f"No place in the SRAMs: {told}. Cycles are as if all fitted, as in the paper; {energies}.")
    mean_inputs = {
        name: fmean(one.act_density for one in ran if one.layer == name) for name in dict.fromkeys(x.layer for x in ran)
    }
    beside = [
        baselines_beside(one, devices, batches, measured, accelerators, notes, mean_inputs[one.layer]) for one in ran
    ]
    # Devices were asked for: a report without any would look as if nothing was wrong with the batch size.
    if devices and not any(beside):
        raise ValueError(f"batch: no device has an efficiency for {', '.join(map(str, batches))}: {notes[-1]}")
    tables: dict[str, Sequence[Row]] = {
        "COMPUTE_REPORT": compute_rows(ran, arch, rule),
        "INFERENCE_REPORT": inference_rows(ran) if results.chained else [],
        "BANDWIDTH_REPORT": [bandwidth_row(row, arch) for row in results.rows],
        "ENERGY_REPORT": energy_rows(ran),
        "CALIBRATION_REPORT": calibration_rows(ran, arch),
        "AREA_REPORT": area_rows(arch),
        "COMPARISON_REPORT": comparison_rows(ran, beside, results.chained),
    }
    if measured is not None:
        notes.insert(0, f"Measured on {measured.host.cpu}, {measured.host.cores} cores")
    return RunReport(
        machine=arch,
        engine=results.engine,
        version=results.version,
        calibration=calibration,
        rule=rule if is_scaled(arch) else "",
        assumptions=ran[0].energy.assumptions,
        tables=tables,
        notes=tuple(dict.fromkeys(notes)),
        origins={name: str(origin) for name, origin in results.origins.items()},
        chained=results.chained,
        weight_densities={one.layer: baseline_density(one) for one in ran},
        devices=tuple(devices),
        energies=tuple(one.energy for one in ran),
    )


def headline(report: RunReport) -> list[dict[str, Any]]:
    """Speed-up and energy ratio against each baseline, in order: of whole inferences where the layers are a chain.

    Means over layers, or over the inputs of inferences, are geometric.
    """
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in report.tables["COMPARISON_REPORT"]:
        # Of a chain whole inferences count; single layers of it are no inference.
        if (row["layer"] == ALL) == report.chained:
            groups.setdefault((row["baseline"], row["kind"], row["made_by"], row["batch"]), []).append(row)
    of_inference = {row["layer"] for row in report.tables["COMPUTE_REPORT"]}
    found = []
    for (baseline, kind, made_by, batch), rows in groups.items():
        ratios = [value for row in rows if isinstance(value := row["energy_ratio"], (int, float))]
        found.append(
            {
                "baseline": baseline,
                "kind": kind,
                "made_by": made_by,
                "batch": batch,
                "layers": len(of_inference if report.chained else {row["layer"] for row in rows}),
                "inputs": len({row["input"] for row in rows}),
                "speedup": geometric_mean([number(row, "speedup") for row in rows]),
                "energy_ratio": geometric_mean(ratios) if len(ratios) == len(rows) else None,
            }
        )
    return found

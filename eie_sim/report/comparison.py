"""A run beside the baselines: the rows of ``eie-sim report``, and the definition of each of their columns, once.

Everything follows from the rows of results (`eie_sim.report.tables`), so that a saved run can be compared as well as a
new one. Energy is by a named calibration; the time of a baseline is published, modelled or measured, and says which.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eie_sim.arch import ArchConfig
from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES, CpuMeasurement
from eie_sim.baselines.devices import Device, Kind
from eie_sim.baselines.published import KINDS, published_power_w, published_time_us
from eie_sim.baselines.roofline import dense_work, frame_time, sparse_work
from eie_sim.columns import ENERGY, Cell, Row
from eie_sim.cost import EnergyReport, area, energy_of_events
from eie_sim.networks import published_layers
from eie_sim.report.results_file import Results
from eie_sim.report.tables import column_definitions
from eie_sim.result import Counts

_SHARED = (
    *("layer", "input", "n_rows", "n_cols", "n_pe", "cycles", "time_us"),
    *("theoretical_us", "load_balance", "real_work", "gops", "dense_gops"),
)
"""Columns that are those of a results file."""

_OF_RESULTS = column_definitions()

COMPUTE_COLUMNS: Mapping[str, Mapping[str, str]] = {
    **{name: _OF_RESULTS[name] for name in _SHARED},
    **ENERGY,
}
"""Unit and definition of every column of the compute report."""

BANDWIDTH_COLUMNS: Mapping[str, Mapping[str, str]] = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input", "cycles")},
    "spmat_bytes_per_cycle": {"unit": "bytes/cycle", "definition": "Sparse-matrix rows read, all PEs, a cycle."},
    "ptr_bytes_per_cycle": {"unit": "bytes/cycle", "definition": "Pointers read, two a column, all PEs, a cycle."},
    "acc_bytes_per_cycle": {"unit": "bytes/cycle", "definition": "Destination registers read and written, a cycle."},
    "broadcasts_per_cycle": {"unit": "inputs/cycle", "definition": "Active inputs sent to all queues, a cycle."},
}
"""Unit and definition of every column of the bandwidth report; means over the run."""

ACCESS_COLUMNS: Mapping[str, Mapping[str, str]] = {
    name: _OF_RESULTS[name]
    for name in (
        *("layer", "input", "broadcasts", "ptr_reads", "spmat_row_reads", "entries", "fillers"),
        *("acc_reads", "acc_writes", "bypasses"),
    )
}
"""Unit and definition of every column of the detailed access report."""

ENERGY_COLUMNS: Mapping[str, Mapping[str, str]] = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input")},
    "unit": {"unit": "", "definition": "Unit of the PE, the leading-non-zero tree (lnzd), or DRAM."},
    "cause": {"unit": "", "definition": "The event that costs, or clock, leakage, scan, dram."},
    "count": {"unit": "", "definition": "Events, PE-cycles (clock), node-cycles (scan), PE-us (leakage), bits (dram)."},
    "each_pj": {"unit": "pJ", "definition": "Energy of one of them."},
    "energy_nj": {"unit": "nJ", "definition": "count x each_pj. The rows of a layer sum to its energy."},
}
"""Unit and definition of every column of the energy report."""

COMPARISON_COLUMNS: Mapping[str, Mapping[str, str]] = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input", "time_us")},
    "energy_nj": COMPUTE_COLUMNS["energy_nj"],
    "baseline": {"unit": "", "definition": "The device, or the library, threads and caches of a measured host."},
    "kind": {"unit": "", "definition": "dense, sparse, or sparse that skips zero inputs too."},
    "made_by": {
        "unit": "",
        "definition": "published (EIE Table IV), modelled (roofline) or measured (eie-sim measure).",
    },
    "batch": {"unit": "inputs", "definition": "Input vectors that the baseline computes together."},
    "baseline_us": {"unit": "us", "definition": "Its time for one input vector."},
    "speedup": {"unit": "x", "definition": "baseline_us / time_us."},
    "baseline_uj": {"unit": "uJ", "definition": "Its energy for one input vector; empty where no power is known."},
    "energy_ratio": {"unit": "x", "definition": "baseline_uj over energy_nj, in the same unit: times less energy."},
    "energy_by": {"unit": "", "definition": "Where the baseline's energy or power comes from."},
}
"""Unit and definition of every column of the comparison."""

REPORTS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "COMPUTE_REPORT": COMPUTE_COLUMNS,
    "BANDWIDTH_REPORT": BANDWIDTH_COLUMNS,
    "DETAILED_ACCESS_REPORT": ACCESS_COLUMNS,
    "ENERGY_REPORT": ENERGY_COLUMNS,
    "COMPARISON_REPORT": COMPARISON_COLUMNS,
}
"""The reports by the names that users of SCALE-Sim know, and their columns."""


@dataclass(frozen=True)
class RunReport:
    """A run with its energy, its area and the baselines.

    Attributes
    ----------
    machine : ArchConfig
    engine, version : str
    calibration, rule : str
    assumptions : tuple of str
        Of the calibration.
    tables : mapping of str to sequence of dict
        Rows of each of `REPORTS`.
    notes : tuple of str
    """

    machine: ArchConfig
    engine: str
    version: str
    calibration: str
    rule: str
    assumptions: tuple[str, ...]
    tables: Mapping[str, Sequence[Row]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Baseline:
    """One time beside a layer's."""

    name: str
    kind: str
    made_by: str
    batch: int
    time_us: float
    energy_uj: float | None
    energy_by: str


def run_report(
    results: Results,
    devices: Sequence[Device],
    calibration: str,
    rule: str = "paper",
    measured: CpuMeasurement | None = None,
    batches: Sequence[int] = (1,),
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

    Raises
    ------
    ValueError
        When the results lack a column that is needed, or there is no such calibration or rule.
    """
    arch = ArchConfig.from_dict(dict(results.arch))
    reports = [_energy_of(row, arch, calibration, rule) for row in results.rows]
    area_mm2 = area(arch, rule).total_mm2
    pairs = list(zip(results.rows, reports, strict=True))
    notes: list[str] = []
    tables: dict[str, Sequence[Row]] = {
        "COMPUTE_REPORT": [_compute_row(row, report, area_mm2) for row, report in pairs],
        "BANDWIDTH_REPORT": [_bandwidth_row(row, arch) for row in results.rows],
        "DETAILED_ACCESS_REPORT": [{name: row[name] for name in ACCESS_COLUMNS} for row in results.rows],
        "ENERGY_REPORT": [line for row, report in pairs for line in _energy_rows(row, report)],
        "COMPARISON_REPORT": [
            _comparison_row(row, report, baseline)
            for row, report in pairs
            for baseline in _baselines(row, devices, batches, measured, notes)
        ],
    }
    assumptions = reports[0].assumptions if reports else ()
    if measured is not None:
        notes.insert(0, f"measured on: {measured.host.cpu}, {measured.host.cores} cores")
    told = tuple(dict.fromkeys(notes))
    return RunReport(arch, results.engine, results.version, calibration, rule, assumptions, tables, told)


def _energy_of(row: Row, arch: ArchConfig, calibration: str, rule: str) -> EnergyReport:
    events = {event: int(_number(row, event)) for event in Counts.EVENTS}
    return energy_of_events(str(row["layer"]), arch, int(_number(row, "cycles")), events, calibration, rule)


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    if not isinstance(value, (int, float)):
        raise ValueError(f"results: layer {row.get('layer')!r} has {name} {value!r}, but a report needs a number")
    return value


def _compute_row(row: Row, report: EnergyReport, area_mm2: float) -> Row:
    return {
        **{name: row[name] for name in _SHARED},
        "energy_nj": report.total_nj,
        "power_w": report.power_w,
        "pj_per_mac": report.pj_per_mac,
        "edp_nj_us": report.edp_nj_us,
        "area_mm2": area_mm2,
        "calibration": report.calibration,
    }


def _bandwidth_row(row: Row, arch: ArchConfig) -> Row:
    cycles = _number(row, "cycles")
    number_bytes = (arch.number_bits or 16) / 8
    pointers = 2 * 2 * _number(row, "ptr_reads")  # two pointers of two bytes
    return {
        **{name: row[name] for name in ("layer", "input", "cycles")},
        "spmat_bytes_per_cycle": _number(row, "spmat_row_reads") * arch.spmat_width_bits / 8 / cycles,
        "ptr_bytes_per_cycle": pointers / cycles,
        "acc_bytes_per_cycle": (_number(row, "acc_reads") + _number(row, "acc_writes")) * number_bytes / cycles,
        "broadcasts_per_cycle": _number(row, "broadcasts") / cycles,
    }


def _energy_rows(row: Row, report: EnergyReport) -> list[Row]:
    keys = {name: row[name] for name in ("layer", "input")}
    return [
        {**keys, "unit": x.unit, "cause": x.cause, "count": x.count, "each_pj": x.each_pj, "energy_nj": x.nj}
        for x in report.rows
    ]


def _comparison_row(row: Row, report: EnergyReport, baseline: _Baseline) -> Row:
    energy_uj = baseline.energy_uj
    ratio: Cell = None if energy_uj is None else energy_uj / (report.total_nj * 1e-3)
    return {
        **{name: row[name] for name in ("layer", "input", "time_us")},
        "energy_nj": report.total_nj,
        "baseline": baseline.name,
        "kind": baseline.kind,
        "made_by": baseline.made_by,
        "batch": baseline.batch,
        "baseline_us": baseline.time_us,
        "speedup": baseline.time_us / _number(row, "time_us"),
        "baseline_uj": energy_uj,
        "energy_ratio": ratio,
        "energy_by": baseline.energy_by,
    }


def _baselines(
    row: Row, devices: Sequence[Device], batches: Sequence[int], measured: CpuMeasurement | None, notes: list[str]
) -> list[_Baseline]:
    found: list[_Baseline] = []
    for device in devices:
        for kind in KINDS:
            for batch in batches:
                found += _of_device(row, device, kind, batch, notes)
    return found if measured is None else found + _measured(row, measured, batches, notes)


def _of_device(row: Row, device: Device, kind: Kind, batch: int, notes: list[str]) -> list[_Baseline]:
    layer = str(row["layer"])
    found = []
    power_w, power_by = device.power_w, f"power of the device ({device.name})"
    if device.published_as is not None and _is_published(row) and batch in (1, 64):
        power_w, power_by = published_power_w(device, layer, kind, batch)
        time_us = published_time_us(device, layer, kind, batch)
        found.append(_Baseline(device.name, kind, "published", batch, time_us, time_us * power_w, power_by))
    try:
        model = device.efficiency(kind, batch)
    except ValueError as error:
        notes.append(str(error))
        return found
    outputs, inputs = int(_number(row, "n_rows")), int(_number(row, "n_cols"))
    density = weight_density(row)
    if kind == "sparse" and not density:
        notes.append(
            f"{layer}: nothing was walked, so that its density is not known and no sparse baseline is modelled"
        )
        return found
    work = dense_work(inputs, outputs, batch) if kind == "dense" else sparse_work(inputs, outputs, density, batch)
    time_us = frame_time(device, work, model).time_us
    found.append(_Baseline(device.name, kind, "modelled", batch, time_us, time_us * power_w, power_by))
    return found


def weight_density(row: Row) -> float:
    """Share of weights that are not zero: Table III for the paper's layers, else of the columns that were walked."""
    if _is_published(row):
        return published_layers()[str(row["layer"])].weight_density
    cells = _number(row, "n_rows") * _number(row, "broadcasts")
    return min(_number(row, "acc_writes") / cells, 1.0) if cells else 0.0


def _is_published(row: Row) -> bool:
    layer = published_layers().get(str(row["layer"]))
    return layer is not None and (layer.outputs, layer.inputs) == (row["n_rows"], row["n_cols"])


def _measured(row: Row, measured: CpuMeasurement, batches: Sequence[int], notes: list[str]) -> list[_Baseline]:
    layer = next((x for x in measured.layers if x.name == row["layer"]), None)
    if layer is None or (layer.n_rows, layer.n_cols) != (row["n_rows"], row["n_cols"]):
        notes.append(f"{row['layer']}: not among the layers that were measured, or of another size there")
        return []
    kinds = {method.name: method.kind for method in measured.methods}
    found = []
    for cell in measured.cells:
        if cell.layer != layer.name or cell.batch not in batches:
            continue
        if len(cell.samples_us) < LEAST_SAMPLES:
            notes.append(f"{cell.condition}: {len(cell.samples_us)} quiet samples of {LEAST_SAMPLES}; left out")
        elif cell.median_us is not None:
            threads = f"{cell.threads} thread{'s' if cell.threads > 1 else ''}"
            name = f"{cell.method}, {threads}, {cell.cache}"
            energy_by = "no source was named" if measured.energy is None else measured.energy.source
            energy_uj = cell.energy_uj
            found.append(
                _Baseline(name, kinds[cell.method], "measured", cell.batch, cell.median_us, energy_uj, energy_by)
            )
    return found


def headline(report: RunReport) -> list[dict[str, Any]]:
    """Geometric means over the rows of speed-up and energy ratio against each baseline, in order."""
    from statistics import geometric_mean

    key: Callable[[Row], tuple[Cell, ...]] = lambda row: tuple(row[n] for n in ("baseline", "kind", "made_by", "batch"))  # noqa: E731
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in report.tables["COMPARISON_REPORT"]:
        groups.setdefault(key(row), []).append(row)
    found = []
    for (baseline, kind, made_by, batch), rows in groups.items():
        ratios = [value for row in rows if isinstance(value := row["energy_ratio"], (int, float))]
        found.append(
            {
                "baseline": baseline,
                "kind": kind,
                "made_by": made_by,
                "batch": batch,
                "layers": len(rows),
                "speedup": geometric_mean([_number(row, "speedup") for row in rows]),
                "energy_ratio": geometric_mean(ratios) if len(ratios) == len(rows) else None,
            }
        )
    return found

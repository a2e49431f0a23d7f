"""A run beside the baselines: the rows of ``eie-sim report``; `eie_sim.report.report_columns` defines their columns.

Everything follows from the rows of results (`eie_sim.report.tables`), so that a saved run can be compared as well as a
new one. Energy is by a named calibration; the time of a baseline is published, modelled or measured, and says which.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean
from typing import Any

from eie_sim.arch import ArchConfig, preset
from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES, CpuMeasurement, MeasuredLayer
from eie_sim.baselines.devices import Device, Kind
from eie_sim.baselines.platforms import platforms
from eie_sim.baselines.published import KINDS, published_power_w, published_time_us
from eie_sim.baselines.roofline import dense_work, frame_time, sparse_work
from eie_sim.columns import Cell, Row
from eie_sim.cost import CALIBRATIONS, EnergyReport, area, energy_of_events
from eie_sim.cost.technology import DRAM_BIT, SCALINGS
from eie_sim.networks import published_as, published_layer
from eie_sim.paper import MACHINE
from eie_sim.report.report_columns import ACCESS, SHARED
from eie_sim.report.results_file import Results
from eie_sim.result import Counts

ALL = "(all)"
"""In place of a layer's name: all layers of a chain together."""

_ALIKE = 1.3
"""A layer that is called as one of the paper's nine is taken for it when its densities are within this factor."""

_OTHER_INPUTS = 1.1
"""Densities further apart than this factor are told of: another layer, or other inputs, were measured."""

_TABLE_V_LAYER = "Alex-7"

_POSITIVE = ("n_rows", "n_cols", "n_pe", "cycles")
_NUMBERS = ("time_us", "theoretical_us", "load_balance", "real_work", "gops", "dense_gops")


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

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.name, self.kind, self.made_by, self.batch


@dataclass(frozen=True)
class _Ran:
    """A row of results, and its energy."""

    row: Row
    energy: EnergyReport
    weight_density: float | None

    @property
    def layer(self) -> str:
        return str(self.row["layer"])

    @property
    def act_density(self) -> float:
        return min(_number(self.row, "broadcasts") / _number(self.row, "n_cols"), 1.0)


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
        When the results are none, or contradict themselves; there is no such calibration or rule; two devices have one
        name; or there is a device and nothing to compare with.
    """
    names = [device.name for device in devices]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"device: {twice[0]!r} is there twice")
    arch = ArchConfig.from_dict(dict(results.arch))
    _check(results, arch)
    ran = [_ran(row, results, arch, calibration, rule, dram) for row in results.rows]
    notes = [*results.notes, *_fit_notes(results, dram)]
    beside = [_baselines(one, devices, batches, measured, accelerators, notes) for one in ran]
    if devices and not any(beside):
        raise ValueError(f"batch: no device has an efficiency for {', '.join(map(str, batches))}: {notes[-1]}")
    tables: dict[str, Sequence[Row]] = {
        "COMPUTE_REPORT": [_compute_row(one, results, _area(arch, rule)) for one in ran],
        "INFERENCE_REPORT": _inference_rows(ran, results.chained),
        "BANDWIDTH_REPORT": [_bandwidth_row(one.row, arch) for one in ran],
        "DETAILED_ACCESS_REPORT": [{name: one.row[name] for name in ACCESS} for one in ran],
        "ENERGY_REPORT": [line for one in ran for line in _energy_rows(one)],
        "CALIBRATION_REPORT": [line for row in results.rows for line in _calibration_rows(row, results, arch, dram)],
        "AREA_REPORT": _area_rows(arch),
        "COMPARISON_REPORT": [
            *(_comparison_row(one, x) for one, found in zip(ran, beside, strict=True) for x in found),
            *_comparison_of_all(ran, beside, results.chained),
        ],
    }
    if measured is not None:
        notes.insert(0, f"Measured on {measured.host.cpu}, {measured.host.cores} cores")
    scaled = arch.technology_nm != preset(MACHINE).technology_nm
    origins = {name: str(origin) for name, origin in results.origins.items()}
    return RunReport(
        arch, results.engine, results.version, calibration, rule if scaled else "", ran[0].energy.assumptions,
        tables, tuple(dict.fromkeys(notes)), origins, results.chained,
        {one.layer: _baseline_density(one, _is_published(one, [])) for one in ran}, tuple(devices),
    )  # fmt: skip


# What there must be ---------------------------------------------------------------------------------------------------


def _check(results: Results, arch: ArchConfig) -> None:
    if not results.rows:
        raise ValueError("results: there are no rows, so that there is nothing to report")
    for row in results.rows:
        for name in (*_POSITIVE, *Counts.EVENTS, "fillers", "bypasses"):
            value, least = row.get(name), int(name in _POSITIVE)
            if type(value) is not int or value < least:
                raise ValueError(f"{_of(row)} has {name} {value!r}, but it must be a whole number of at least {least}")
        for name in _NUMBERS:
            if not math.isfinite(_number(row, name)) or _number(row, name) < 0:
                raise ValueError(f"{_of(row)} has {name} {row[name]!r}, but it must be at least 0")
        expected = _number(row, "cycles") / arch.clock_hz * 1e6
        if not math.isclose(_number(row, "time_us"), expected, rel_tol=1e-6):
            raise ValueError(
                f"{_of(row)} has time_us {row['time_us']}, but its cycles take {expected:g} us at this clock"
            )
        if row["n_pe"] != arch.n_pe:
            raise ValueError(f"{_of(row)} has n_pe {row['n_pe']}, but the machine has {arch.n_pe}")


def _of(row: Row) -> str:
    return f"results: layer {row.get('layer')!r}"


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    if not isinstance(value, (int, float)):
        raise ValueError(f"{_of(row)} has {name} {value!r}, but a report needs a number")
    return value


def _fit_notes(results: Results, dram: bool) -> list[str]:
    """What to say of layers that do not fit the SRAMs."""
    without = {name: facts.missing_bytes for name, facts in results.layers.items() if facts.missing_bytes}
    if not without:
        return []
    told = ", ".join(f"{name} {missing:,} bytes" for name, missing in without.items())
    energies = (
        "energy_nj reads them from DRAM for every input" if dram else "energy_nj is as if all fitted; see dram_nj"
    )
    return [f"No place in the SRAMs: {told}. Cycles are as if all fitted, as in the paper; {energies}."]


# The run itself -------------------------------------------------------------------------------------------------------


def _energy(row: Row, results: Results, arch: ArchConfig, calibration: str, rule: str, dram: bool) -> EnergyReport:
    events = {event: int(_number(row, event)) for event in Counts.EVENTS}
    facts = results.layers.get(str(row["layer"]))
    missing = facts.missing_bytes if dram and facts is not None else 0
    return energy_of_events(str(row["layer"]), arch, int(_number(row, "cycles")), events, calibration, rule, missing)


def _ran(row: Row, results: Results, arch: ArchConfig, calibration: str, rule: str, dram: bool) -> _Ran:
    facts = results.layers.get(str(row["layer"]))
    density = walked_density(row) if facts is None else facts.weight_density
    return _Ran(row, _energy(row, results, arch, calibration, rule, dram), density)


def walked_density(row: Row) -> float | None:
    """Share of weights that are not zero among the columns that were walked; None when none was."""
    cells = _number(row, "n_rows") * _number(row, "broadcasts")
    return min(_number(row, "acc_writes") / cells, 1.0) if cells else None


def _area(arch: ArchConfig, rule: str) -> float | None:
    """The area; None where the rule does not say how areas shrink."""
    return (
        None
        if arch.technology_nm != preset(MACHINE).technology_nm and SCALINGS[rule].area is None
        else area(arch, rule).total_mm2
    )


def _compute_row(one: _Ran, results: Results, area_mm2: float | None) -> Row:
    facts = results.layers.get(one.layer)
    missing = None if facts is None else facts.missing_bytes
    reading = None if missing is None else 8 * missing * DRAM_BIT.value * 1e-3
    return {
        **{name: one.row[name] for name in SHARED},
        "energy_nj": one.energy.total_nj,
        "power_w": one.energy.power_w,
        "pj_per_mac": one.energy.pj_per_mac,
        "edp_nj_us": one.energy.edp_nj_us,
        "area_mm2": area_mm2,
        "calibration": one.energy.calibration,
        "missing_bytes": missing,
        "dram_nj": reading,
    }


def _inputs(ran: Sequence[_Ran]) -> dict[int, list[_Ran]]:
    """What ran with each input vector."""
    found: dict[int, list[_Ran]] = {}
    for one in ran:
        found.setdefault(int(_number(one.row, "input")), []).append(one)
    return found


def _inference_rows(ran: Sequence[_Ran], chained: bool) -> list[Row]:
    rows: list[Row] = []
    for number, layers in _inputs(ran).items() if chained else ():
        spent = sum(one.energy.total_nj for one in layers)
        time_us = sum(one.energy.time_us for one in layers)
        macs = sum(one.energy.macs for one in layers)
        rows.append(
            {
                "input": number,
                "layers": len(layers),
                "cycles": sum(int(_number(one.row, "cycles")) for one in layers),
                "time_us": time_us,
                "energy_nj": spent,
                "power_w": spent / time_us * 1e-3,
                "pj_per_mac": spent * 1e3 / macs if macs else None,
                "edp_nj_us": spent * time_us,
                "calibration": layers[0].energy.calibration,
            }
        )
    return rows


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


def _energy_rows(one: _Ran) -> list[Row]:
    keys = {name: one.row[name] for name in ("layer", "input")}
    return [
        {**keys, "unit": x.unit, "cause": x.cause, "count": x.count, "each_pj": x.each_pj, "energy_nj": x.nj}
        for x in one.energy.rows
    ]


def _rules(arch: ArchConfig) -> tuple[str, ...]:
    """The scaling rules that say something of a machine; at 45 nm none is needed."""
    return (next(iter(SCALINGS)),) if arch.technology_nm == preset(MACHINE).technology_nm else tuple(SCALINGS)


def _calibration_rows(row: Row, results: Results, arch: ArchConfig, dram: bool) -> list[Row]:
    rules = _rules(arch)
    found = []
    for name in CALIBRATIONS:
        for rule in rules:
            spent = _energy(row, results, arch, name, rule, dram)
            found.append(
                {
                    **{key: row[key] for key in ("layer", "input")},
                    "calibration": name,
                    "scaling_rule": rule if len(rules) > 1 else "",
                    "energy_nj": spent.total_nj,
                    "power_w": spent.power_w,
                    "edp_nj_us": spent.edp_nj_us,
                }
            )
    return found


def _area_rows(arch: ArchConfig) -> list[Row]:
    rules = _rules(arch)
    return [
        {"unit": unit, "scaling_rule": rule if len(rules) > 1 else "", "area_mm2": mm2}
        for rule in rules
        if len(rules) == 1 or SCALINGS[rule].area is not None
        for unit, mm2 in area(arch, rule).by_unit_mm2.items()
    ]


# The baselines --------------------------------------------------------------------------------------------------------


def _comparison_row(one: _Ran, baseline: _Baseline) -> Row:
    keys = {name: one.row[name] for name in ("layer", "input", "time_us")}
    return _beside(keys, one.energy.time_us, one.energy.total_nj, baseline)


def _beside(keys: Row, time_us: float, energy_nj: float, baseline: _Baseline) -> Row:
    energy_uj = baseline.energy_uj
    ratio: Cell = None if energy_uj is None else energy_uj / (energy_nj * 1e-3)
    return {
        **keys,
        "energy_nj": energy_nj,
        "baseline": baseline.name,
        "kind": baseline.kind,
        "made_by": baseline.made_by,
        "batch": baseline.batch,
        "baseline_us": baseline.time_us,
        "speedup": baseline.time_us / time_us,
        "baseline_uj": energy_uj,
        "energy_ratio": ratio,
        "energy_by": baseline.energy_by,
    }


def _comparison_of_all(ran: Sequence[_Ran], beside: Sequence[Sequence[_Baseline]], chained: bool) -> list[Row]:
    """Whole inferences beside each baseline that has a time for every layer."""
    if not chained:
        return []
    of = {id(one): {x.key: x for x in found} for one, found in zip(ran, beside, strict=True)}
    rows = []
    for number, layers in _inputs(ran).items():
        time_us, spent = sum(one.energy.time_us for one in layers), sum(one.energy.total_nj for one in layers)
        for key, first in of[id(layers[0])].items():
            parts = [of[id(one)].get(key) for one in layers]
            if None in parts:
                continue
            energies = [x.energy_uj for x in parts if x is not None]
            summed = _Baseline(
                *key,
                sum(x.time_us for x in parts if x is not None),
                None if None in energies else sum(x for x in energies if x is not None),
                first.energy_by,
            )
            rows.append(_beside({"layer": ALL, "input": number, "time_us": time_us}, time_us, spent, summed))
    return rows


def _baselines(
    one: _Ran,
    devices: Sequence[Device],
    batches: Sequence[int],
    measured: CpuMeasurement | None,
    accelerators: bool,
    notes: list[str],
) -> list[_Baseline]:
    found: list[_Baseline] = []
    known = _is_published(one, notes)
    for device in devices:
        for kind in KINDS:
            for batch in batches:
                found += _of_device(one, device, kind, batch, known, notes)
    if accelerators and known and one.layer == _TABLE_V_LAYER:
        found += [
            _Baseline(p.name, "own", "published", 1, p.time_us, p.energy_uj, f"{p.source}{'; ' * bool(p.note)}{p.note}")
            for p in platforms().values()
            if p.kind in ("FPGA", "ASIC") and not p.name.startswith("EIE") and p.name != "TrueNorth"
        ]
    return found if measured is None else found + _measured(one, measured, batches, notes)


def _is_published(one: _Ran, notes: list[str]) -> bool:
    """Whether a layer is one of the paper's nine: name and size, and about its densities."""
    layer = published_as(one.layer, int(_number(one.row, "n_rows")), int(_number(one.row, "n_cols")))
    if layer is None:
        return False
    alike = _alike(one.weight_density, layer.weight_density, _ALIKE) and _alike(
        one.act_density, layer.act_density, _ALIKE
    )
    if not alike:
        notes.append(
            f"{one.layer}: has another density of weights or inputs than the paper's layer of this name, so that no "
            "published time stands beside it"
        )
    return alike


def _alike(ours: float | None, theirs: float, factor: float) -> bool:
    return ours is not None and theirs / factor <= ours <= theirs * factor


def _of_device(one: _Ran, device: Device, kind: Kind, batch: int, known: bool, notes: list[str]) -> list[_Baseline]:
    power_w, power_by = device.power_w, f"power of the device ({device.name})"
    found = []
    if device.published_as is not None and known and batch in (1, 64):
        power_w, power_by = published_power_w(device, one.layer, kind, batch)
        time_us = published_time_us(device, one.layer, kind, batch)
        found.append(_Baseline(device.name, kind, "published", batch, time_us, time_us * power_w, power_by))
    try:
        model = device.efficiency(kind, batch)
    except ValueError as error:
        notes.append(str(error))
        return found
    shape = int(_number(one.row, "n_cols")), int(_number(one.row, "n_rows"))
    density = _baseline_density(one, known)
    if kind == "sparse" and not density:
        notes.append(
            f"{one.layer}: nothing was walked, so that its density is not known: no sparse baseline is modelled"
        )
        return found
    work = dense_work(*shape, batch) if kind == "dense" else sparse_work(*shape, density or 0.0, batch)
    time_us = frame_time(device, work, model).time_us
    found.append(_Baseline(device.name, kind, "modelled", batch, time_us, time_us * power_w, power_by))
    return found


def _baseline_density(one: _Ran, known: bool) -> float | None:
    return published_layer(one.layer).weight_density if known else one.weight_density


def _measured(one: _Ran, measured: CpuMeasurement, batches: Sequence[int], notes: list[str]) -> list[_Baseline]:
    layer = next((x for x in measured.layers if x.name == one.layer), None)
    if layer is None or (layer.n_rows, layer.n_cols) != (one.row["n_rows"], one.row["n_cols"]):
        notes.append(f"Not among the layers that were measured, or of another size there: {one.layer}")
        return []
    notes += _other_densities(one, layer)
    kinds = {method.name: method.kind for method in measured.methods}
    energy_by = "no source was named" if measured.energy is None else measured.energy.source
    found = []
    for cell in measured.cells:
        if cell.layer != layer.name or cell.batch not in batches or cell.median_us is None:
            continue
        few = len(cell.samples_us) < LEAST_SAMPLES
        made_by = f"measured, {len(cell.samples_us)} samples" if few else "measured"
        threads = f"{cell.threads} thread{'s' if cell.threads > 1 else ''}"
        name = f"{cell.method}, {threads}, {cell.cache}"
        found.append(
            _Baseline(name, kinds[cell.method], made_by, cell.batch, cell.median_us, cell.energy_uj, energy_by)
        )
    return found


def _other_densities(one: _Ran, layer: MeasuredLayer) -> list[str]:
    """What to say where something else was measured than simulated."""
    notes = []
    for what, ours, theirs in (
        ("weights", one.weight_density, layer.weight_density),
        ("inputs", one.act_density, layer.act_density),
    ):
        if not _alike(ours, theirs, _OTHER_INPUTS):
            simulated = "an unknown share" if ours is None else f"{100 * ours:.1f} %"
            notes.append(
                f"{one.layer}: measured with {100 * theirs:.1f} % of its {what} not zero, simulated with {simulated}"
            )
    return notes


# Means ----------------------------------------------------------------------------------------------------------------


def headline(report: RunReport) -> list[dict[str, Any]]:
    """Speed-up and energy ratio against each baseline, in order: of whole inferences where the layers are a chain.

    Means over layers, or over the inputs of inferences, are geometric.
    """
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in report.tables["COMPARISON_REPORT"]:
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
                "speedup": geometric_mean([_number(row, "speedup") for row in rows]),
                "energy_ratio": geometric_mean(ratios) if len(ratios) == len(rows) else None,
            }
        )
    return found

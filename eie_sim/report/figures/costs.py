"""The data of figures that show energy, and a run beside the baselines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np
from numpy.typing import NDArray

from eie_sim.baselines.devices import Device, devices
from eie_sim.baselines.roofline import dense_work, sparse_work
from eie_sim.columns import Row
from eie_sim.cost import EnergyReport
from eie_sim.report.comparison import ALL, RunReport, walked_density

Floats = NDArray[np.float64]


# Energy ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EnergyBreakdown:
    """The energy of one input vector in each unit, for several layers.

    Attributes
    ----------
    layers, units : tuple of str
    energy_nj : ndarray of float64, shape (units, layers)
    calibration : str
        What the energies are made from.
    """

    layers: tuple[str, ...]
    units: tuple[str, ...]
    energy_nj: Floats
    calibration: str

    @property
    def finding(self) -> str:
        """Which unit takes most, over all layers."""
        of_unit = self.energy_nj.sum(axis=1)
        most = int(of_unit.argmax())
        share = 100 * of_unit[most] / of_unit.sum() if of_unit.sum() else 0.0
        return f"{self.units[most]} takes {share:.0f} % of the energy"

    @property
    def note(self) -> str:
        """What the energies are made from."""
        return f"energy of one input vector by calibration {self.calibration}"


def energy_breakdown(reports: Iterable[EnergyReport]) -> EnergyBreakdown:
    """The energy of each unit in each layer.

    Parameters
    ----------
    reports : iterable of EnergyReport
        Of `eie_sim.cost.energy`, all by one calibration.

    Raises
    ------
    ValueError
        When there is no report, or they are by several calibrations.
    """
    found = tuple(reports)
    made_by = sorted({one.calibration for one in found})
    if len(made_by) != 1:
        told = f"of {len(made_by)} calibrations ({', '.join(made_by)})" if found else "none there"
        raise ValueError(f"reports: {told}, but a figure shows energies of one calibration")
    parts = [one.by_unit_nj for one in found]
    units = tuple(dict.fromkeys(unit for of_layer in parts for unit in of_layer))
    energy_nj = np.array([[of_layer.get(unit, 0.0) for of_layer in parts] for unit in units])
    return EnergyBreakdown(tuple(one.layer for one in found), units, energy_nj, made_by[0])


# Baselines ------------------------------------------------------------------------------------------------------------

MEAN = "geo mean"
"""In place of a layer's name: the geometric mean over the layers, as in EIE Figs 6 and 7."""


@dataclass(frozen=True)
class BaselineSeries:
    """One baseline beside every layer.

    Attributes
    ----------
    name : str
    kind : str
        ``"dense"``, ``"sparse"`` or ``"own"``, as in the comparison.
    made_by : str
        Published, modelled or measured.
    times_slower, times_energy : tuple of float or None
        Its time and its energy over those of EIE, for each place on the axis; None where there is none.
    """

    name: str
    kind: str
    made_by: str
    times_slower: tuple[float | None, ...]
    times_energy: tuple[float | None, ...]

    @property
    def label(self) -> str:
        """Name, kind and origin as a text."""
        return f"{self.name}, {self.made_by}" if self.kind == "own" else f"{self.name} {self.kind}, {self.made_by}"


@dataclass(frozen=True)
class BaselineBars:
    """Times and energies of baselines over those of EIE (EIE Figs 6 and 7).

    Attributes
    ----------
    layers : tuple of str
        Places on the axis; with several layers `MEAN` is the last.
    series : tuple of BaselineSeries
    batch : int
        Input vectors that the baselines compute together.
    calibration : str
        What the energies of EIE are made from.
    """

    layers: tuple[str, ...]
    series: tuple[BaselineSeries, ...]
    batch: int
    calibration: str

    @property
    def finding(self) -> str:
        """How much faster EIE is, on average over the layers."""
        return self._finding("EIE is {} times as fast as the baselines", [s.times_slower[-1] for s in self.series])

    @property
    def energy_finding(self) -> str:
        """How much less energy it takes, on average over the layers."""
        return self._finding("The baselines take {} times the energy", [s.times_energy[-1] for s in self.series])

    def _finding(self, text: str, last: Sequence[float | None]) -> str:
        # The names without their origins: the legend has those.
        names = [series.label.partition(",")[0] for series in self.series]
        known = [(value, name) for value, name in zip(last, names, strict=True) if value is not None]
        if not known:
            return text.format("an unknown number of")
        ends = dict.fromkeys((min(known), max(known)))
        return text.format(" to ".join(f"{_factor(value)} ({name})" for value, name in ends))

    @property
    def note(self) -> str:
        """What stands beside what."""
        without = list(dict.fromkeys(series.name for series in self.series if series.times_slower[-1] is None))
        mean = f"\nthe titles give means over the layers, without {' and '.join(without)}" if without else ""
        return (
            f"baselines at batch {self.batch}, EIE one input vector after another; energy of EIE by calibration "
            f"{self.calibration}{mean}"
        )


def _factor(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def baseline_bars(report: RunReport, batch: int = 1) -> BaselineBars:
    """Times and energies of the baselines of a report over those of EIE.

    Where a baseline has a published or measured time for every layer, its modelled one is left out. Several input
    vectors of a layer are averaged geometrically.

    Raises
    ------
    ValueError
        When the report has no baseline of that batch size.
    """
    rows = [row for row in report.tables["COMPARISON_REPORT"] if row["batch"] == batch and row["layer"] != ALL]
    if not rows:
        raise ValueError(f"batch: {batch}, but the report has no baseline of that batch size")
    layers = tuple(dict.fromkeys(str(row["layer"]) for row in rows))
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["baseline"]), str(row["kind"]), str(row["made_by"])), []).append(row)
    all_series = [_series(key, of_one, layers) for key, of_one in groups.items()]
    known = {(s.name, s.kind) for s in all_series if s.made_by != "modelled" and None not in s.times_slower}
    kept = tuple(s for s in all_series if s.made_by != "modelled" or (s.name, s.kind) not in known)
    places = (*layers, MEAN) if len(layers) > 1 else layers
    return BaselineBars(places, kept, batch, report.calibration)


def _series(key: tuple[str, str, str], rows: Sequence[Row], layers: Sequence[str]) -> BaselineSeries:
    return BaselineSeries(*key, _over_layers(rows, "speedup", layers), _over_layers(rows, "energy_ratio", layers))


def _over_layers(rows: Sequence[Row], column: str, layers: Sequence[str]) -> tuple[float | None, ...]:
    of_layer: dict[str, list[float]] = {}
    for row in rows:
        value = row[column]
        if isinstance(value, (int, float)):
            of_layer.setdefault(str(row["layer"]), []).append(value)
    values = [geometric_mean(of_layer[layer]) if layer in of_layer else None for layer in layers]
    known = [value for value in values if value is not None]
    mean = geometric_mean(known) if len(known) == len(layers) else None
    return (*values, mean) if len(layers) > 1 else tuple(values)


# Roofline -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roof:
    """What a machine can do at most, and what it does with each layer.

    Attributes
    ----------
    name : str
    peak_gops : float
        Billions of operations a second; a multiply-add is two.
    bandwidth_gb_s : float
        Billions of bytes a second.
    points : mapping of str to sequence of (str, float, float)
        For each kind of library, or of machine: layer, operations a byte, and billions of operations a second.
    """

    name: str
    peak_gops: float
    bandwidth_gb_s: float
    points: Mapping[str, Sequence[tuple[str, float, float]]]

    def at(self, ops_per_byte: float) -> float:
        """Most billions of operations a second at that many operations a byte."""
        return min(self.peak_gops, self.bandwidth_gb_s * ops_per_byte)


@dataclass(frozen=True)
class Roofline:
    """Machines with their roofs, and the layers on them; EIE is the first.

    Attributes
    ----------
    roofs : tuple of Roof
    layers : tuple of str
    batch : int
        Input vectors that the devices compute together.
    """

    roofs: tuple[Roof, ...]
    layers: tuple[str, ...]
    batch: int

    @property
    def finding(self) -> str:
        """What share of its peak EIE reaches."""
        eie = self.roofs[0]
        if not eie.points:
            return "EIE did nothing, for no input was active"
        shares = [100 * gops / eie.peak_gops for points in eie.points.values() for _, _, gops in points]
        low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
        return f"EIE reaches {low if low == high else f'{low} to {high}'} % of its peak of {eie.peak_gops:,.0f} GOP/s"

    note = (
        "Operations: two for each weight that a machine multiplies (EIE: those not zero, with an active input).\n"
        "Bytes: of EIE, rows of the sparse-matrix SRAMs read; of the devices, float32 matrix, indices and vectors in "
        "DRAM.\nA device can be above its slope: its cache may hold a layer from one call to the next."
    )
    """What the axes mean."""


def roofline(report: RunReport, known: Mapping[str, Device] | None = None, batch: int = 1) -> Roofline:
    """EIE and the devices of a report with their roofs, and where each layer lies.

    For EIE the roof is one multiply-add a cycle in each PE, the slope one row of the sparse-matrix SRAM a cycle in each
    PE; its bytes are those of the rows that were read. For a device both are those of `Device`, and its bytes those of
    `eie_sim.baselines.roofline`.

    Parameters
    ----------
    report : RunReport
    known : mapping of str to Device, or None
        Devices by name; None: those built in. A baseline that is none of them has no roof and is left out.
    batch : int
        Input vectors that the devices compute together.
    """
    rows = report.tables["COMPUTE_REPORT"]
    accesses = report.tables["DETAILED_ACCESS_REPORT"]
    eie = _roof_of_eie(report, list(zip(rows, accesses, strict=True)))
    by_name = devices() if known is None else known
    of_device: dict[str, list[Row]] = {}
    for row in report.tables["COMPARISON_REPORT"]:
        if row["baseline"] in by_name and row["batch"] == batch and row["layer"] != ALL:
            of_device.setdefault(str(row["baseline"]), []).append(row)
    work = {str(row["layer"]): {**row, **access} for row, access in zip(rows, accesses, strict=True)}
    roofs = [_roof_of_device(by_name[name], found, work, batch) for name, found in of_device.items()]
    return Roofline((eie, *roofs), tuple(work), batch)


def _roof_of_eie(report: RunReport, rows: Sequence[tuple[Row, Row]]) -> Roof:
    arch = report.machine
    row_bytes = arch.spmat_width_bits / 8
    giga_cycles = arch.n_pe * arch.clock_hz / 1e9
    points = [
        (str(row["layer"]), 2 * _value(access, "acc_writes") / (read * row_bytes), _value(row, "gops"))
        for row, access in rows
        if (read := _value(access, "spmat_row_reads")) and _value(access, "acc_writes")
    ]
    return Roof("EIE", 2 * giga_cycles, giga_cycles * row_bytes, {"EIE": points} if points else {})


def _roof_of_device(device: Device, rows: Sequence[Row], layers: Mapping[str, Row], batch: int) -> Roof:
    points: dict[str, dict[str, tuple[str, float, float]]] = {}
    for row in rows:
        kind, layer = str(row["kind"]), str(row["layer"])
        shape = int(_value(layers[layer], "n_cols")), int(_value(layers[layer], "n_rows"))
        density = walked_density(layers[layer])
        if kind == "sparse" and not density:
            continue
        work = dense_work(*shape, batch) if kind == "dense" else sparse_work(*shape, density or 0.0, batch)
        ops_per_byte = work.flops / (work.matrix_bytes + work.vector_bytes)
        gops = work.flops / batch / _value(row, "baseline_us") / 1e3
        of_kind = points.setdefault(kind, {})
        if layer not in of_kind or row["made_by"] != "modelled":  # what was timed goes before what was modelled
            of_kind[layer] = (layer, ops_per_byte, gops)
    found = {kind: list(of_kind.values()) for kind, of_kind in points.items()}
    return Roof(device.name, device.peak_flops_per_s / 1e9, device.bandwidth_bytes_per_s / 1e9, found)


def _value(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, (int, float))
    return value

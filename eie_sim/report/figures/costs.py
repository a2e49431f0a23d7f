"""The data of figures that show energy, and a run beside the baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np
from numpy.typing import NDArray

from eie_sim.columns import Row, digits
from eie_sim.cost import EnergyReport
from eie_sim.report.baseline_rows import ALL
from eie_sim.report.comparison import RunReport

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
        If there is no report, or they are by several calibrations.
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

WHOLE = "all, one after another"
"""In place of a layer's name: whole inferences, where the layers are a chain."""


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
        Places on the axis; with several layers the last is `MEAN`, or `WHOLE` where they are a chain.
    series : tuple of BaselineSeries
    batch : int
        Input vectors that the baselines compute together.
    calibration : str
        What the energies of EIE are made from.
    baselines : tuple of str
        Names of all of the report, as of `baselines_of`.
    """

    layers: tuple[str, ...]
    series: tuple[BaselineSeries, ...]
    batch: int
    calibration: str
    baselines: tuple[str, ...]

    @property
    def finding(self) -> str:
        """How much faster EIE is, over all layers."""
        return self._finding("EIE is {} times as fast", [s.times_slower[-1] for s in self.series])

    @property
    def energy_finding(self) -> str:
        """How much less energy it takes, over all layers."""
        return self._finding("Baselines take {} times the energy", [s.times_energy[-1] for s in self.series])

    def _finding(self, text: str, last: Sequence[float | None]) -> str:
        # The names without their origins: the legend has those.
        names = [series.label.partition(",")[0] for series in self.series]
        known = [(value, name) for value, name in zip(last, names, strict=True) if value is not None]
        if not known:
            return text.format("an unknown number of")
        ends = dict.fromkeys((min(known), max(known)))
        return text.format(" to ".join(f"{digits(value)} ({name})" for value, name in ends))

    @property
    def note(self) -> str:
        """What stands beside what."""
        without = _names(series.name for series in self.series if series.times_slower[-1] is None)
        what = "whole inferences" if self.layers[-1] == WHOLE else "means over the layers"
        mean = f"\nthe titles give {what}, without {without}" if without else ""
        unknown = _names(series.label for series in self.series if not any(series.times_energy))
        energy = f"\nno energy is known of {unknown}" if unknown else ""
        return (
            f"baselines at batch {self.batch}, EIE one input vector after another; energy of EIE by calibration "
            f"{self.calibration}{mean}{energy}"
        )


def _names(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def baselines_of(report: RunReport) -> tuple[str, ...]:
    """Names of all baselines of a report, in its order: by its place, a baseline has one colour in all pictures."""
    return tuple(dict.fromkeys(str(row["baseline"]) for row in report.tables["COMPARISON_REPORT"]))


def baseline_bars(report: RunReport, batch: int = 1) -> BaselineBars:
    """Times and energies of the baselines of a report over those of EIE.

    Where a baseline has a published or measured time for every layer, its modelled one is left out. Several input
    vectors of a layer are averaged geometrically.

    Raises
    ------
    ValueError
        If the report has no baseline of that batch size.
    """
    rows = [row for row in report.tables["COMPARISON_REPORT"] if row["batch"] == batch]
    if not rows:
        raise ValueError(f"batch: {batch}, but the report has no baseline of that batch size")
    layers = tuple(dict.fromkeys(str(row["layer"]) for row in rows if row["layer"] != ALL))
    last = WHOLE if report.chained else MEAN
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["baseline"]), str(row["kind"]), str(row["made_by"])), []).append(row)
    all_series = []
    for key, of_one in groups.items():
        over = (_over_layers(of_one, column, layers, report.chained) for column in ("speedup", "energy_ratio"))
        all_series.append(BaselineSeries(*key, *over))
    # A model is no news where a time is published or measured for every layer.
    known = {(s.name, s.kind) for s in all_series if s.made_by != "modelled" and None not in s.times_slower}
    kept = tuple(s for s in all_series if s.made_by != "modelled" or (s.name, s.kind) not in known)
    places = (*layers, last) if len(layers) > 1 else layers
    return BaselineBars(places, kept, batch, report.calibration, baselines_of(report))


def _over_layers(rows: Sequence[Row], column: str, layers: Sequence[str], chained: bool) -> tuple[float | None, ...]:
    of_layer: dict[str, list[float]] = {}
    for row in rows:
        value = row[column]
        if isinstance(value, (int, float)):
            of_layer.setdefault(str(row["layer"]), []).append(value)
    values = [geometric_mean(of_layer[layer]) if layer in of_layer else None for layer in layers]
    # A mean over some of the layers would not compare with that of another baseline.
    known = [value for value in values if value is not None]
    over_all = geometric_mean(known) if len(known) == len(layers) else None
    if chained:
        over_all = geometric_mean(of_layer[ALL]) if ALL in of_layer else None
    return (*values, over_all) if len(layers) > 1 else tuple(values)

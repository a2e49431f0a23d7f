"""The data of layers side by side."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from eie_sim.columns import Row, digits, percent
from eie_sim.report.tables import by_layer

CYCLE_CLASSES = ("real weight", "filler", "empty column", "starved", "fill and drain")
"""Where the cycles of PEs go: the counters' five classes, but for busy cycles, which are told apart by what is issued,
and for the two ends of a run, which are taken together."""


@dataclass(frozen=True)
class LayerTime:
    """One layer: its time, the paper's, and where the PE-cycles go.

    Attributes
    ----------
    layer : str
    time_us : float
        Mean over the input vectors.
    paper_us : float or None
        EIE Table IV, "actual"; None where the table has no such layer or another machine ran.
    shares : tuple of float
        Shares of all PE-cycles, in the order of `CYCLE_CLASSES`; they sum to 1.
    """

    layer: str
    time_us: float
    paper_us: float | None
    shares: tuple[float, ...]

    @property
    def busy(self) -> float:
        """Share of the PE-cycles that issue an entry, filler or not: the load balance."""
        return self.shares[0] + self.shares[1]

    @property
    def deviation_pct(self) -> float | None:
        """Time less the paper's, in percent of the latter."""
        return None if self.paper_us is None else 100 * (self.time_us / self.paper_us - 1)


@dataclass(frozen=True)
class LayerTimes:
    """Layers side by side.

    Attributes
    ----------
    layers : tuple of LayerTime
    note : str
        What ran, for the foot of the figure; "" for nothing.
    """

    layers: tuple[LayerTime, ...]
    note: str = ""

    @property
    def finding(self) -> str:
        """Both findings."""
        return f"{self.times_finding}; {self.shares_finding}"

    @property
    def times_finding(self) -> str:
        """How far the times lie from the paper's, or their range where the paper has none."""
        deviations = [abs(x.deviation_pct) for x in self.layers if x.deviation_pct is not None]
        if deviations:
            which = "All" if len(deviations) == len(self.layers) else f"{len(deviations)} of {len(self.layers)}"
            # Rounded up, so that "within" holds; noise of the floating point must not add a tenth.
            within = math.ceil(round(max(deviations) * 10, 6)) / 10
            return f"{which} times within {within:.1f} % of the paper's"
        who = "One input vector takes" if len(self.layers) == 1 else "One input vector takes a layer"
        return f"{who} {_span([x.time_us for x in self.layers], digits)} µs"

    @property
    def shares_finding(self) -> str:
        """How busy the PEs are."""
        return f"PEs are busy {_span([100 * x.busy for x in self.layers], percent)} % of the time"


def _span(values: Sequence[float], text: Callable[[float], str]) -> str:
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def layer_times(rows: Iterable[Row], note: str = "") -> LayerTimes:
    """Times and shares of cycles of the layers of a table of results.

    Parameters
    ----------
    rows : iterable of Row
        Of `eie_sim.report.tables.result_row`; several input vectors of a layer are averaged.
    note : str

    Raises
    ------
    ValueError
        If there is no row.
    """
    of_layers = by_layer(list(rows))
    if not of_layers:
        raise ValueError("rows: there is none, but a figure shows at least one layer")
    vectors = max(map(len, of_layers.values()))
    of_several = f"means of {vectors} input vectors" if vectors > 1 else ""
    layers = []
    for layer, of_layer in of_layers.items():
        fillers = _sum(of_layer, "fillers")
        cycles = (
            _sum(of_layer, "busy_cycles") - fillers,
            fillers,
            _sum(of_layer, "bubble_cycles"),
            _sum(of_layer, "starved_cycles"),
            _sum(of_layer, "fill_cycles") + _sum(of_layer, "drain_cycles"),
        )
        paper_us = of_layer[0]["paper_time_us"]
        assert paper_us is None or isinstance(paper_us, (int, float))
        shares = tuple(part / sum(cycles) for part in cycles)
        layers.append(LayerTime(layer, _sum(of_layer, "time_us") / len(of_layer), paper_us, shares))
    return LayerTimes(tuple(layers), "; ".join(filter(None, (note, of_several))))


def _sum(rows: Sequence[Row], column: str) -> float:
    values = [row[column] for row in rows]
    return sum(value for value in values if isinstance(value, (int, float)))

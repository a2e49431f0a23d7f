"""The data of figures: pure functions of results, as plain frozen values. `eie_sim.report.plots` draws them.

Each figure knows its finding, which is its title.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.packed import PackedLayer
from eie_sim.columns import Row
from eie_sim.inference import Classification
from eie_sim.report.tables import by_layer
from eie_sim.result import SimResult
from eie_sim.views import utilisation

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CYCLE_CLASSES = ("real weight", "filler", "empty column", "starved", "fill and drain")
"""Where the cycles of PEs go: the counters' five classes, but for busy cycles, which are told apart by what is issued,
and for the two ends of a run, which are taken together."""

FLOAT_BITS = 32
"""A weight, a row index or a column pointer before compression: float32 and uint32, as sparse libraries hold them."""


# Times of layers ------------------------------------------------------------------------------------------------------


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
            return f"{which} times within {_up_to_tenth(max(deviations)):.1f} % of the paper's"
        return f"One input vector takes {_span([x.time_us for x in self.layers], microseconds)} µs"

    @property
    def shares_finding(self) -> str:
        """How busy the PEs are."""
        return f"PEs are busy {_span([100 * x.busy for x in self.layers], '{:.0f}'.format)} % of the time"


def _up_to_tenth(value: float) -> float:
    return math.ceil(round(value * 10, 6)) / 10


def _span(values: Sequence[float], text: Callable[[float], str]) -> str:
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def microseconds(time_us: float) -> str:
    """A time as a text without its unit: three digits, more only where they stand before the point."""
    return f"{time_us:.0f}" if time_us >= 1000 else f"{time_us:.3g}"


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
        When there is no row.
    """
    layers = tuple(_layer_time(layer, of_layer) for layer, of_layer in by_layer(list(rows)).items())
    if not layers:
        raise ValueError("rows: there is none, but a figure shows at least one layer")
    return LayerTimes(layers, note)


def _layer_time(layer: str, rows: Sequence[Row]) -> LayerTime:
    fillers = _sum(rows, "fillers")
    cycles = (
        _sum(rows, "busy_cycles") - fillers,
        fillers,
        _sum(rows, "bubble_cycles"),
        _sum(rows, "starved_cycles"),
        _sum(rows, "fill_cycles") + _sum(rows, "drain_cycles"),
    )
    paper_us = rows[0]["paper_time_us"]
    assert paper_us is None or isinstance(paper_us, (int, float))
    shares = tuple(part / sum(cycles) for part in cycles)
    return LayerTime(layer, _sum(rows, "time_us") / len(rows), paper_us, shares)


def _sum(rows: Sequence[Row], column: str) -> float:
    values = [row[column] for row in rows]
    return sum(value for value in values if isinstance(value, (int, float)))


# PEs over time --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UtilisationMap:
    """How busy each PE is over the time of one layer.

    Attributes
    ----------
    layer : str
    time_us : ndarray of float64, shape (bins + 1,)
        Limits of the bins, from 0.
    busy_share : ndarray of float64, shape (n_pe, bins)
        Busy cycles over cycles.
    busy_share_of_bin : ndarray of float64, shape (bins,)
        The same over all PEs.
    busy_share_of_pe : ndarray of float64, shape (n_pe,)
        The same over the whole time.
    """

    layer: str
    time_us: Floats
    busy_share: Floats
    busy_share_of_bin: Floats
    busy_share_of_pe: Floats

    @property
    def finding(self) -> str:
        """How busy the PEs are, and the least busy one."""
        share, time_us = self.busy_share_of_pe, microseconds(self.time_us[-1])
        return (
            f"{self.layer} keeps {len(share)} PEs busy {100 * share.mean():.1f} % of {time_us} µs, "
            f"the least busy one {100 * share.min():.1f} %"
        )


def utilisation_map(result: SimResult, bins: int = 160) -> UtilisationMap:
    """How busy each PE is in each of `bins` stretches of the time of `result`.

    Raises
    ------
    ValueError
        When the result has no schedule, or `bins` is no whole number of at least 1.
    """
    if result.schedule is None:
        raise ValueError(f"schedule: the result of {result.layer!r} has none; simulate(..., schedule=True) keeps it")
    found = utilisation(result.schedule, bins)
    return UtilisationMap(
        result.layer,
        (found.first_cycle - 1) / result.arch.clock_hz * 1e6,
        found.busy_share,
        found.busy_cycles.sum(axis=0) / (found.width_cycles * result.arch.n_pe),
        found.busy_cycles.sum(axis=1) / result.cycles,
    )


# What compression makes of a layer ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class WeightHistogram:
    """The weights of a layer before and after pruning, and the values that those kept share.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
    kept, pruned : ndarray of int64, shape (bins,)
    shared_values : ndarray of float64, rising
        The codebook without the value 0.
    """

    edges: Floats
    kept: Integers
    pruned: Integers
    shared_values: Floats

    @property
    def finding(self) -> str:
        """How many weights are kept, and how many values they have."""
        kept = 100 * self.kept.sum() / (self.kept.sum() + self.pruned.sum())
        return f"{kept:.1f} % of the weights are kept, and share {len(self.shared_values)} values"


def weight_histogram(weights: ArrayLike, mask: ArrayLike, codebook: ArrayLike, bins: int = 120) -> WeightHistogram:
    """Count weights by value.

    Parameters
    ----------
    weights : array_like of float, any shape
    mask : array_like of bool, the same shape
        Which are kept, as of `compressor.prune.prune_mask`.
    codebook : array_like of float
        Value 0 first.
    bins : int
    """
    values, kept = np.asarray(weights, np.float64), np.asarray(mask, bool)
    of_kept, edges = np.histogram(values[kept], bins, (values.min(), values.max()))
    of_all, _ = np.histogram(values, edges)
    shared = np.unique(np.asarray(codebook, np.float64)[1:])
    return WeightHistogram(edges, of_kept.astype(np.int64), (of_all - of_kept).astype(np.int64), shared)


@dataclass(frozen=True, eq=False)
class RunHistogram:
    """Zero runs of the entries of a packed layer.

    Attributes
    ----------
    real : ndarray of int64, shape (2**index_bits,)
        Real weights with 0, 1, ... zeros before them.
    fillers : int
        They all have the longest run.
    """

    real: Integers
    fillers: int

    @property
    def finding(self) -> str:
        """How many entries are fillers."""
        share = 100 * self.fillers / max(1, self.fillers + int(self.real.sum()))
        return f"A run is at most {len(self.real) - 1} zeros: {share:.1f} % of the entries are fillers"


def run_histogram(layer: PackedLayer) -> RunHistogram:
    """Count the entries of a packed layer by their zero runs."""
    real = np.bincount(layer.runs[layer.codes != 0], minlength=1 << layer.index_bits)
    return RunHistogram(real.astype(np.int64), layer.n_fillers)


@dataclass(frozen=True)
class StoredSize:
    """What a layer takes after one step of its compression, in bits.

    Attributes
    ----------
    step : str
    weights_bits : int
        Values or codes, fillers' and the codebook's included.
    indices_bits : int
        Row indices or zero runs.
    pointers_bits : int
        Where columns begin.
    """

    step: str
    weights_bits: int
    indices_bits: int
    pointers_bits: int

    @property
    def n_bytes(self) -> float:
        """All of it in bytes."""
        return (self.weights_bits + self.indices_bits + self.pointers_bits) / 8


@dataclass(frozen=True)
class StoredSizes:
    """What a layer takes after each step of its compression."""

    steps: tuple[StoredSize, ...]

    def times_smaller(self, step: StoredSize) -> float:
        """The first step's size over that of `step`."""
        return self.steps[0].n_bytes / step.n_bytes

    @property
    def finding(self) -> str:
        """From where to where."""
        first, last = self.steps[0], self.steps[-1]
        return f"{megabytes(first)} become {megabytes(last)}: {self.times_smaller(last):.1f} times smaller"


def megabytes(size: StoredSize) -> str:
    """The size as a text, in MB (10^6 bytes), or kB below a tenth of one."""
    return f"{size.n_bytes / 1e6:.1f} MB" if size.n_bytes >= 1e5 else f"{size.n_bytes / 1e3:.1f} kB"


def stored_sizes(layer: PackedLayer) -> StoredSizes:
    """What `layer` takes when dense, pruned, with shared weights, and packed for the machine.

    The two steps in between are compressed sparse columns with a row index of 32 bits for each weight, as sparse
    libraries hold them; a bias counts as one more column.
    """
    columns = len(layer.pointers) - 1
    real = layer.n_entries - layer.n_fillers
    codebook, pointers = FLOAT_BITS * len(layer.codebook), FLOAT_BITS * (columns + 1)
    packed_pointers = 8 * layer.pointer_bytes_per_pe * layer.n_pe
    return StoredSizes(
        (
            StoredSize("dense float32", FLOAT_BITS * layer.n_rows * columns, 0, 0),
            StoredSize("pruned", FLOAT_BITS * real, FLOAT_BITS * real, pointers),
            StoredSize("weights shared", layer.weight_bits * real + codebook, FLOAT_BITS * real, pointers),
            StoredSize(
                f"packed for {layer.n_pe} PEs",
                layer.weight_bits * layer.n_entries + codebook,
                layer.index_bits * layer.n_entries,
                packed_pointers,
            ),
        )
    )


# A network's answers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class AnsweredDigits:
    """Images with the answers of a network, the wrong ones first, and the latency of every image in each run.

    Attributes
    ----------
    model : str
    images : ndarray of uint8, shape (n, height, width)
        Those shown.
    labels, predicted : ndarray of int64, shape (n,)
        Of the images shown, in the last run.
    latencies_us : mapping of str to ndarray
        For each arithmetic, the latency of every image in microseconds.
    accuracies : mapping of str to float
    """

    model: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    latencies_us: Mapping[str, NDArray[np.float64]]
    accuracies: Mapping[str, float]

    @property
    def finding(self) -> str:
        """What the figure shows, in a line."""
        shares = ", ".join(f"{100 * share:.1f} % in {name}" for name, share in self.accuracies.items())
        return f"{self.model} through the machine: {shares} right"

    @property
    def latency_finding(self) -> str:
        """How long an image takes."""
        times = next(iter(self.latencies_us.values()))
        return f"An image takes {microseconds(float(times.min()))} to {microseconds(float(times.max()))} us"


def answered_digits(
    model: str, images: NDArray[np.uint8], runs: Sequence[Classification], shown: int = 24
) -> AnsweredDigits:
    """The data of a figure of a network's answers.

    Parameters
    ----------
    model : str
    images : ndarray of uint8, shape (B, height, width)
    runs : sequence of Classification
        Of these images.
    shown : int
        How many images are shown: those answered wrongly in the last run, then others in order.
    """
    last = runs[-1]
    order = np.argsort(last.predicted == last.labels, kind="stable")[:shown]
    return AnsweredDigits(
        model,
        images[order],
        last.labels[order],
        last.predicted[order],
        {run.arch.arithmetic: run.time_us for run in runs},
        {run.arch.arithmetic: run.accuracy for run in runs},
    )

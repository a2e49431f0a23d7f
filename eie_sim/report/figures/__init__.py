"""The data of figures: pure functions of results, as plain frozen values. `eie_sim.report.plots` draws them.

Each figure knows its finding, which is its title.
"""

from eie_sim.report.figures.answers import AnsweredDigits, answered_digits
from eie_sim.report.figures.compressed_layer import (
    FLOAT_BITS,
    PackedHistograms,
    RunHistogram,
    StoredSize,
    StoredSizes,
    ValueHistogram,
    WeightHistogram,
    megabytes,
    packed_histograms,
    run_histogram,
    shared_weights,
    stored_sizes,
    weight_histogram,
)
from eie_sim.report.figures.costs import (
    BaselineBars,
    BaselineSeries,
    EnergyBreakdown,
    baseline_bars,
    energy_breakdown,
)
from eie_sim.report.figures.curves import Curve, CurvePanel, CurvePanels
from eie_sim.report.figures.cycles import (
    STATE_NAMES,
    LayerBreakdown,
    LoadBalance,
    StallBreakdown,
    layer_breakdown,
    load_balance,
    stall_breakdown,
)
from eie_sim.report.figures.dots import DotPanel, DotPanels, DotRow
from eie_sim.report.figures.layers import CYCLE_CLASSES, LayerTime, LayerTimes, layer_times
from eie_sim.report.figures.network import NetworkPath, network_path
from eie_sim.report.figures.over_time import (
    BroadcastRate,
    QueueMap,
    UtilisationMap,
    broadcast_rate,
    queue_map,
    utilisation_map,
)
from eie_sim.report.figures.roofs import Roof, Roofline, roofline

__all__ = [
    "CYCLE_CLASSES",
    "FLOAT_BITS",
    "STATE_NAMES",
    "AnsweredDigits",
    "BaselineBars",
    "BaselineSeries",
    "BroadcastRate",
    "Curve",
    "CurvePanel",
    "CurvePanels",
    "DotPanel",
    "DotPanels",
    "DotRow",
    "EnergyBreakdown",
    "LayerBreakdown",
    "LayerTime",
    "LayerTimes",
    "LoadBalance",
    "NetworkPath",
    "PackedHistograms",
    "QueueMap",
    "Roof",
    "Roofline",
    "RunHistogram",
    "StallBreakdown",
    "StoredSize",
    "StoredSizes",
    "UtilisationMap",
    "ValueHistogram",
    "WeightHistogram",
    "answered_digits",
    "baseline_bars",
    "broadcast_rate",
    "energy_breakdown",
    "layer_breakdown",
    "layer_times",
    "load_balance",
    "megabytes",
    "network_path",
    "packed_histograms",
    "queue_map",
    "roofline",
    "run_histogram",
    "shared_weights",
    "stall_breakdown",
    "stored_sizes",
    "utilisation_map",
    "weight_histogram",
]  # fmt: skip

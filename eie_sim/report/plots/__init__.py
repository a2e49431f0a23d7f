"""Draws the figures of `eie_sim.report.figures`, each in the file of the same name.

It is the only package that imports matplotlib.

Figures are plain `matplotlib.figure.Figure` objects: no window, no display and no global state is needed. The same data
gives the same bytes: `save` and `as_png` write no date and no version.

Colours are told apart by their lightness too, so that the figures can be read in grey and by the colour-blind.
"""

from eie_sim.report.plots.answers import answered_digits
from eie_sim.report.plots.compressed_layer import (
    packed_layer,
    run_histogram,
    shared_weights,
    stored_sizes,
    weight_histogram,
)
from eie_sim.report.plots.costs import baseline_bars, energy_breakdown
from eie_sim.report.plots.curves import curve_panels
from eie_sim.report.plots.cycles import layer_breakdown, load_balance, stall_breakdown
from eie_sim.report.plots.dots import dot_panels
from eie_sim.report.plots.layers import layer_times
from eie_sim.report.plots.network import network_path
from eie_sim.report.plots.over_time import broadcast_rate, queue_map, utilisation_map
from eie_sim.report.plots.roofs import roofline
from eie_sim.report.plots.styles import (
    CLASS_COLOURS,
    DPI,
    FORMATS,
    STATE_COLOURS,
    STYLES,
    WIDTH_IN,
    Figure,
    as_png,
    rendered,
    save,
    style,
)
from eie_sim.report.plots.sweeps import axis_curve, parallel_coordinates, pareto_front, sweep_map
from eie_sim.report.plots.timeline import timeline

__all__ = [
    "CLASS_COLOURS",
    "DPI",
    "FORMATS",
    "STATE_COLOURS",
    "STYLES",
    "WIDTH_IN",
    "Figure",
    "answered_digits",
    "as_png",
    "axis_curve",
    "baseline_bars",
    "broadcast_rate",
    "curve_panels",
    "dot_panels",
    "energy_breakdown",
    "layer_breakdown",
    "layer_times",
    "load_balance",
    "network_path",
    "packed_layer",
    "parallel_coordinates",
    "pareto_front",
    "queue_map",
    "rendered",
    "roofline",
    "run_histogram",
    "save",
    "shared_weights",
    "stall_breakdown",
    "stored_sizes",
    "style",
    "sweep_map",
    "timeline",
    "utilisation_map",
    "weight_histogram",
]

"""Draws the figures of `figures` and of the modules beside it; the only package of the project that imports matplotlib.

Figures are plain `matplotlib.figure.Figure` objects: no window, no display and no global state is needed. The same data
gives the same bytes: `save` and `as_png` write no date and no version.

Colours are told apart by their lightness too, so that the figures can be read in grey and by the colour-blind.
"""

from eie_sim.report.plots.answers import answered_digits
from eie_sim.report.plots.compressed_layer import run_histogram, stored_sizes, weight_histogram
from eie_sim.report.plots.compression import curve_panels, size_panels, spread_panels, stage_sizes, weights_panels
from eie_sim.report.plots.machine_diagram import machine
from eie_sim.report.plots.over_time import utilisation_map
from eie_sim.report.plots.reproduction import dot_panels, reproduced_networks
from eie_sim.report.plots.styles import CLASS_COLOURS, DPI, FORMATS, WIDTH_IN, as_png, rendered, save
from eie_sim.report.plots.sweeps import axis_curve, parallel_coordinates, pareto_front, sweep_map
from eie_sim.report.plots.times import layer_times

__all__ = [
    "CLASS_COLOURS",
    "DPI",
    "FORMATS",
    "WIDTH_IN",
    "answered_digits",
    "as_png",
    "axis_curve",
    "curve_panels",
    "dot_panels",
    "layer_times",
    "machine",
    "parallel_coordinates",
    "pareto_front",
    "rendered",
    "reproduced_networks",
    "run_histogram",
    "save",
    "size_panels",
    "spread_panels",
    "stage_sizes",
    "stored_sizes",
    "sweep_map",
    "utilisation_map",
    "weight_histogram",
    "weights_panels",
]

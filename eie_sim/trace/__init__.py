"""Traces: a run as a file for the viewers of waveforms and timelines.

`write_perfetto` writes the JSON of the trace-event format (``ui.perfetto.dev``), `write_vcd` a value change dump
(GTKWave). Both are functions of a `Schedule`, its `PackedLayer` and its `ArchConfig`, of any engine. `read_perfetto`
counts the events of a file again: of a whole run it finds the counters of the simulation.

A window of cycles and some of the PEs can be asked for, so that a long run on many PEs opens.
"""

from eie_sim.trace.counts import COUNTED, TraceCounts, trace_counts
from eie_sim.trace.cuts import Cut, cut, default_window
from eie_sim.trace.perfetto import write_perfetto
from eie_sim.trace.perfetto_file import Trace, read_perfetto
from eie_sim.trace.vcd import write_vcd

__all__ = [
    "COUNTED",
    "Cut",
    "Trace",
    "TraceCounts",
    "cut",
    "default_window",
    "read_perfetto",
    "trace_counts",
    "write_perfetto",
    "write_vcd",
]

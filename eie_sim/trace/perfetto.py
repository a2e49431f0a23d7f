"""Traces for Perfetto: the JSON of the trace-event format, for ``ui.perfetto.dev`` and other viewers

One process is the machine; ``ccu``, ``lnzd`` and each unit of a PE (``pe3.ptr_read``) are its threads. **One
microsecond of the trace is one clock cycle**, and a time is the number of the cycle: the format counts in microseconds,
and cycles are whole numbers at any clock. The clock stands in ``otherData``, with everything else that was simulated.

============== =================================================================================================
track          slices
============== =================================================================================================
``ccu``        a push, named by its column, in the cycle before the queues have it; ``stall``, with the PEs whose queues
               were full and for how many cycles each
``lnzd``       ``scan bubble``: nothing left in the lane register, the next row is loaded
``ptr_read``   what the PE does, without a gap: the column in service (its fillers inside), or ``starved``, ``fill``,
               ``drain``
``spmat_read`` ``row 12``: a row of the sparse-matrix SRAM is read
``arithmetic`` the column whose weights are multiplied
``act_rw``     the column whose sums are written
============== =================================================================================================

Counters: ``pe3.act_queue`` (activations that wait), ``act_queue`` (those of all traced PEs) and ``utilisation`` (traced
PEs that issue an entry).
"""

import json
from collections.abc import Sequence
from itertools import islice
from os import PathLike
from typing import Any

from compressor._version import __version__
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import Schedule
from eie_sim.trace.counts import TraceCounts, trace_counts
from eie_sim.trace.cuts import Cut, cut
from eie_sim.trace.files import new_text
from eie_sim.trace.perfetto_events import events
from eie_sim.views import Window

FORMAT, FORMAT_VERSION = "eie-sim-trace", 1
"""In ``otherData``: what the file is."""

TIME = "1 us is 1 clock cycle; a time is the number of the cycle, counted from 1"

_TOGETHER = 1000  # events that are encoded at a time: one by one takes half as long again

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def write_perfetto(
    path: str | PathLike[str],
    schedule: Schedule,
    layer: PackedLayer,
    arch: ArchConfig,
    window: Window | None = None,
    pes: Sequence[int] | None = None,
) -> TraceCounts:
    """Write a run as a trace for Perfetto; gzipped where `path` ends in ``.gz``.

    Parameters
    ----------
    path : str or path
    schedule : Schedule
    layer : PackedLayer
        The layer that was run.
    arch : ArchConfig
        The machine it was run on.
    window : (int, int) or None
        First cycle, and the first one after the last; None: the run.
    pes : sequence of int or None
        Which PEs; None: all. The broadcast is traced in any case.

    Returns
    -------
    TraceCounts
        What `read_perfetto` finds in the file.

    Raises
    ------
    ValueError
        If the schedule is of another layer or machine, or the window or a PE is not in the run.
    OSError
        If the file cannot be written; nothing is left behind then.
    """
    of = cut(schedule, layer, arch, window, pes)
    counts = trace_counts(of)
    with new_text(path) as file:
        head = {"displayTimeUnit": "ns", "otherData": about(of, counts)}
        file.write(_encode(head)[:-1] + ',"traceEvents":[\n')
        ahead, separator = events(of), ""
        while some := list(islice(ahead, _TOGETHER)):
            # Every event on a line of its own. Inside a string a quotation mark would follow a backslash: what is
            # replaced is the space between two events.
            file.write(separator + _encode(some)[1:-1].replace('},{"ph"', '},\n{"ph"'))
            separator = ",\n"
        file.write("\n]}\n")
    return counts


def about(of: Cut, counts: TraceCounts) -> dict[str, Any]:
    """What a trace says of itself (``otherData``)."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "eie_sim_version": __version__,
        "layer": of.layer.name,
        "machine": of.arch.name,
        "clock_hz": of.arch.clock_hz,
        "time": TIME,
        "cycles": of.schedule.cycles,
        "n_pe": of.schedule.n_pe,
        "window": list(of.window),
        "pes": of.pes.tolist(),
        "counters": counts.plain(),
        "parameters": of.arch.model_dump(),
    }

"""Derived views: what every unit did over time, as functions of a `Schedule` and its `PackedLayer`.

Nothing here knows an engine, and nothing is sampled: every cycle of the run is counted once, so that a view sums
exactly to the counters of the same run. Where a view has one number for every cycle, a *window* of cycles and some of
the PEs can be asked for, so that a long run fits into memory.

The rules are those of ``docs/cycle-contract.md``: "Scan and broadcast", "A PE" and "Counters".
"""

from eie_sim.views.broadcast import (
    BROADCAST_STATES,
    IDLE,
    PUSH,
    SCAN_BUBBLE,
    STALL,
    broadcast_cycles,
    broadcast_states,
)
from eie_sim.views.entries import Walk, walk
from eie_sim.views.parts import Window, check_together, chosen_pes, limits, window_of
from eie_sim.views.pes import (
    BUBBLE,
    DRAIN,
    ENTRY,
    FILL,
    FILLER,
    PE_STATES,
    STARVED,
    PETotals,
    Utilisation,
    pe_states,
    pe_totals,
    utilisation,
)
from eie_sim.views.queues import PERCENTILES, QueueOccupancy, queue_occupancy, waiting
from eie_sim.views.stalls import BroadcastStalls, broadcast_stalls, full_queues

__all__ = [
    "BROADCAST_STATES", "BUBBLE", "DRAIN", "ENTRY", "FILL", "FILLER", "IDLE", "PERCENTILES", "PE_STATES", "PUSH",
    "SCAN_BUBBLE", "STALL", "STARVED", "BroadcastStalls", "PETotals", "QueueOccupancy", "Utilisation", "Walk", "Window",
    "broadcast_cycles", "broadcast_stalls", "broadcast_states", "check_together", "chosen_pes", "full_queues", "limits",
    "pe_states", "pe_totals", "queue_occupancy", "utilisation", "waiting", "walk", "window_of",
]  # fmt: skip

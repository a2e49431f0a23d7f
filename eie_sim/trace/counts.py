"""What the units did in the cycles and PEs that are traced, under the names of `eie_sim.result.Counts`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eie_sim.result import PER_PE, Counts
from eie_sim.trace.cuts import ACT_RW, ARITHMETIC, SPMAT_READ, Cut, at_unit, entries, groups
from eie_sim.views import BUBBLE, DRAIN, ENTRY, FILL, FILLER, STARVED, broadcast_states, pe_states

Integers = NDArray[np.int64]

COUNTED = tuple(name for name in PER_PE if name not in ("saturations", "bias_writes"))
"""Counters of each PE that a trace holds: all that follow from the schedule.

Saturations depend on the numbers, and biases are written before the first cycle.
"""


@dataclass(frozen=True, eq=False)
class TraceCounts:
    """Counters of a traced part of a run. Of the whole run they are those of the simulation.

    Attributes
    ----------
    pes : tuple of int
        The PEs that were traced.
    window : (int, int)
        First cycle, and the first one after the last.
    broadcast : mapping of str to int
        For each of `Counts.SCALARS`.
    per_pe : mapping of str to ndarray of int64, shape (len(pes),)
        For each of `COUNTED`. An event counts in the cycle in which it is seen at its unit.
    """

    pes: tuple[int, ...]
    window: tuple[int, int]
    broadcast: Mapping[str, int]
    per_pe: Mapping[str, Integers]

    def plain(self) -> dict[str, int | list[int]]:
        """All counters by name, as JSON has them."""
        return {**self.broadcast, **{name: found.tolist() for name, found in self.per_pe.items()}}


def trace_counts(of: Cut) -> TraceCounts:
    """Counters of a part of a run, from the views of its schedule."""
    states = np.bincount(broadcast_states(of.schedule, of.window), minlength=len(Counts.SCALARS))
    broadcast = dict(zip(Counts.SCALARS, states.tolist(), strict=True))
    of_pes = pe_states(of.schedule, of.layer, of.window, of.pes.tolist())
    cycles = {place: np.count_nonzero(of_pes == place, axis=1).astype(np.int64) for place in range(DRAIN + 1)}
    busy = cycles[ENTRY] + cycles[FILLER]
    begin, end = of.window
    pop = of.schedule.pop_cycle[of.pes]
    in_groups = [_at_units(of, pes) for pes in groups(of)]
    per_pe = {
        "entries": busy,
        "fillers": cycles[FILLER],
        "busy_cycles": busy,
        "bubble_cycles": cycles[BUBBLE],
        "starved_cycles": cycles[STARVED],
        "fill_cycles": cycles[FILL],
        "drain_cycles": cycles[DRAIN],
        # Both pointers of a column are read in the cycle in which its activation is popped.
        "ptr_reads": ((pop >= begin) & (pop < end)).sum(axis=1),
        **{name: np.concatenate([one[name] for one in in_groups]) for name in in_groups[0]},
    }
    return TraceCounts(tuple(of.pes.tolist()), of.window, broadcast, {name: per_pe[name] for name in COUNTED})


def _at_units(of: Cut, pes: Integers) -> dict[str, Integers]:
    """What the units after the pointer read do; an entry reaches each of them a fixed number of cycles later."""
    found = entries(of, pes=pes)

    def of_each_pe(flag: str, delay: int) -> Integers:
        here = at_unit(found, delay, of.window)
        return np.bincount(here.pe[getattr(here, flag)], minlength=len(pes)).astype(np.int64)

    multiplied, bypasses = of_each_pe("real", ARITHMETIC), of_each_pe("bypass", ARITHMETIC)
    return {
        "spmat_row_reads": of_each_pe("reads_row", SPMAT_READ),
        "acc_writes": of_each_pe("real", ACT_RW),
        "acc_reads": multiplied - bypasses,
        "bypasses": bypasses,
    }

"""Every entry that a PE issues, with its address and its row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.result import Schedule
from eie_sim.views.parts import Integers, Window, check_together, chosen_pes, cycles_of, stored_columns, window_of


@dataclass(frozen=True, eq=False)
class Walk:
    """Entries issued in a window, PE after PE, each PE's in order; shape (entries,) each, int64 but for the codes.

    Attributes
    ----------
    pe : ndarray
        Place of the PE among those asked for.
    served : ndarray
        For which broadcast.
    cycle : ndarray
        In which it was issued.
    address, address_before : ndarray
        Its local address in the sparse-matrix SRAM, and that of the entry which the PE issued before it, even before
        the window; -1 where there was none.
    code : ndarray
        0 for a filler.
    row : ndarray
        Where its sum belongs, or where a filler has moved to: the row in the PE, counted from 0.
    """

    pe: Integers
    served: Integers
    cycle: Integers
    address: Integers
    address_before: Integers
    code: NDArray[np.uint8]
    row: Integers


def walk(
    schedule: Schedule, layer: PackedLayer, window: Window | None = None, pes: Sequence[int] | None = None
) -> Walk:
    """Every entry that the pointer read of each PE issues, with its address and its row of the output.

    Parameters
    ----------
    schedule, layer, window, pes
        As in `pe_states`.

    Raises
    ------
    ValueError
        As for `pe_states`.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    check_together(schedule, layer)
    pop, entries = schedule.pop_cycle[chosen], schedule.entries[chosen]
    # Services with entries that reach into the window, whole: a row is a sum over the runs before it in its column.
    pe, served = np.nonzero((entries > 0) & (pop < end) & (pop + entries > begin))
    first = layer.pointers[stored_columns(schedule, layer)[served], chosen[pe]].astype(np.int64)
    lengths = entries[pe, served]
    address = cycles_of(first, first + lengths)
    stored = address + np.repeat(layer.entry_base[chosen[pe]], lengths)
    starts = np.cumsum(lengths) - lengths
    # Within a service addresses follow one another; its first entry follows the last one of an earlier service.
    before = address - 1
    before[starts] = _last_address_before(schedule, layer, chosen)[pe, served]
    steps = np.concatenate([[0], np.cumsum(layer.runs[stored].astype(np.int64) + 1)])
    row = steps[1:] - np.repeat(steps[starts], lengths) - 1
    issued = pop[pe, served]
    cycle = cycles_of(issued, issued + lengths)
    # Services at the edges reach out of the window.
    inside = (cycle >= begin) & (cycle < end)
    return Walk(
        np.repeat(pe, lengths)[inside],
        np.repeat(served, lengths)[inside],
        cycle[inside],
        address[inside],
        before[inside],
        layer.codes[stored][inside],
        row[inside],
    )


def _last_address_before(schedule: Schedule, layer: PackedLayer, pes: Integers) -> Integers:
    """Local address of the last entry issued before each service, -1 where there is none; shape (PEs, J)."""
    places = np.arange(len(schedule.column))
    # The latest service with entries up to each one, moved by one place: the latest before it.
    latest = np.full((len(pes), len(places) + 1), -1, np.int64)
    latest[:, 1:] = np.maximum.accumulate(np.where(schedule.entries[pes] > 0, places, -1), axis=1)
    latest = latest[:, :-1]
    end = layer.pointers[stored_columns(schedule, layer)[latest] + 1, pes[:, None]].astype(np.int64)
    return np.where(latest >= 0, end - 1, -1)

"""Which part of a run is viewed: a window of cycles, some of the PEs, bins; each checked against the run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.types.packed import PackedLayer
from eie_sim.result import Schedule

Integers = NDArray[np.int64]
Window = tuple[int, int]
"""First cycle, and the first one after the last; cycles are counted from 1."""


def window_of(schedule: Schedule, window: Window | None) -> Window:
    """`window`, checked; None: the run.

    Raises
    ------
    ValueError
        If it is not in the run.
    """
    if window is None:
        return 1, schedule.cycles + 1
    begin, end = (whole_number("window", one, 1) for one in window)
    if end <= begin:
        raise ValueError(f"window: ends with cycle {end - 1}, before its first cycle {begin}")
    if end > schedule.cycles + 1:
        raise ValueError(f"window: cycles {begin} to {end - 1}, but the run has cycles 1 to {schedule.cycles}")
    return begin, end


def chosen_pes(schedule: Schedule, pes: Sequence[int] | None) -> Integers:
    """`pes` as an array, checked; None: all.

    Raises
    ------
    ValueError
        If one is not in the machine.
    """
    if pes is None:
        return np.arange(schedule.n_pe)
    return np.array([whole_number("pes", pe, 0, schedule.n_pe - 1) for pe in pes], np.int64)


def check_together(schedule: Schedule, layer: PackedLayer) -> None:
    """Refuse a schedule that is not one of this layer.

    Raises
    ------
    ValueError
        If its PEs, its columns or its entries differ from those of the layer.
    """
    if schedule.n_pe != layer.n_pe:
        raise ValueError(f"schedule: of {schedule.n_pe} PEs, but {layer.name} is packed for {layer.n_pe}")
    columns = stored_columns(schedule, layer)
    if columns.size and columns.max() >= len(layer.pointers) - 1:
        raise ValueError(f"schedule: broadcasts column {columns.max()}, which {layer.name} does not have")
    lengths = layer.pointers[columns + 1].astype(np.int64) - layer.pointers[columns]
    if not np.array_equal(lengths.T, schedule.entries):
        raise ValueError(f"schedule: walks other entries than {layer.name} has: it is the schedule of another layer")


def stored_columns(schedule: Schedule, layer: PackedLayer) -> Integers:
    """Row of the layer's pointers for each broadcast: its column; the bias follows the last one."""
    return np.asarray(np.where(schedule.column == schedule.bias_column, layer.n_cols, schedule.column), np.int64)


def limits(schedule: Schedule, bins: int) -> Integers:
    """First cycle of each of `bins` bins, and the first one after the run; int64, shape (bins + 1,).

    Raises
    ------
    ValueError
        If `bins` is not an integer of at least 1.
    """
    bins = min(whole_number("bins", bins, 1), schedule.cycles)
    return 1 + np.arange(bins + 1, dtype=np.int64) * schedule.cycles // bins


def cycles_of(first: Integers, end: Integers) -> Integers:
    """``first[0] .. end[0] - 1, first[1] .. end[1] - 1, ...``; where an end is not behind its first, nothing."""
    lengths = np.maximum(end - first, 0)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return np.asarray(np.arange(total) + np.repeat(first - (ends - lengths), lengths), np.int64)

"""What of a run is traced: some of its cycles and some of its PEs, with what the units of the PEs did in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import Schedule
from eie_sim.views import Window, broadcast_stalls, check_together, chosen_pes, walk, window_of

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

SPMAT_READ, ARITHMETIC, ACT_RW = 1, 3, 5
"""Cycles after its issue in which an entry is at a unit: its row is read; it is multiplied; its sum is written
(``docs/cycle-contract.md``, "A PE", rule 3)."""

MOST_PE_CYCLES = 2**20
"""PEs times cycles that are traced where nobody asks for a window: about 160 MB of JSON, 10 MB with gzip."""

_AT_ONCE = 2**19  # PEs times cycles whose entries are held at a time


@dataclass(frozen=True, eq=False)
class Cut:
    """A part of a run; make it with `cut`, which checks it.

    Attributes
    ----------
    schedule : Schedule
    layer : PackedLayer
    arch : ArchConfig
    window : (int, int)
        First cycle, and the first one after the last; cycles are counted from 1.
    pes : ndarray of int64, shape (PEs,)
        Which PEs, ascending.
    """

    schedule: Schedule
    layer: PackedLayer
    arch: ArchConfig
    window: Window
    pes: Integers

    @property
    def n_cycles(self) -> int:
        """Cycles of the window."""
        return self.window[1] - self.window[0]

    @property
    def is_whole(self) -> bool:
        """Whether it is every cycle of every PE."""
        return self.window == (1, self.schedule.cycles + 1) and len(self.pes) == self.schedule.n_pe

    @cached_property
    def names(self) -> list[str]:
        """What each broadcast is called: ``column 17``, or ``bias``."""
        bias = self.schedule.bias_column
        return ["bias" if column == bias else f"column {column}" for column in self.schedule.column.tolist()]

    @cached_property
    def free_cycle(self) -> Integers:
        """First cycle after each service; shape (n_pe, J)."""
        return np.asarray(self.schedule.pop_cycle + np.maximum(1, self.schedule.entries), np.int64)


def cut(
    schedule: Schedule,
    layer: PackedLayer,
    arch: ArchConfig,
    window: Window | None = None,
    pes: Sequence[int] | None = None,
) -> Cut:
    """A part of a run, checked.

    Parameters
    ----------
    schedule : Schedule
    layer : PackedLayer
        The layer that was run.
    arch : ArchConfig
        The machine it was run on.
    window : (int, int) or None
        First cycle, and the first one after the last; None: the run.
    pes : sequence of int or None
        Which PEs; None: all.

    Raises
    ------
    ValueError
        If the schedule is of another layer or machine, or the window or a PE is not in the run.
    """
    checked = window_of(schedule, window)
    chosen = np.sort(chosen_pes(schedule, pes))
    if not len(chosen):
        raise ValueError("pes: none, but a trace is of one PE at least")
    if len(twice := chosen[1:][np.diff(chosen) == 0]):
        raise ValueError(f"pes: {twice[0]} is there twice")
    check_together(schedule, layer)
    if layer.packing != arch.packing:
        raise ValueError(
            f"arch: {arch.name!r} has n_pe, weight_bits, index_bits {arch.packing}, but layer {layer.name!r} is packed "
            f"for {layer.packing}"
        )
    broadcast_stalls(schedule, arch.act_queue_depth)  # refuses the schedule of another depth
    return Cut(schedule, layer, arch, checked, chosen)


def default_window(schedule: Schedule, n_traced: int) -> Window:
    """The cycles to trace where nobody asks for some: as many from the first on as `MOST_PE_CYCLES` has room for.

    Parameters
    ----------
    schedule : Schedule
    n_traced : int
        PEs that are traced.
    """
    return 1, min(schedule.cycles, max(1, MOST_PE_CYCLES // n_traced)) + 1


def groups(of: Cut) -> Iterator[Integers]:
    """The PEs in groups whose entries are held at a time."""
    together = max(1, _AT_ONCE // of.n_cycles)
    for first in range(0, len(of.pes), together):
        yield of.pes[first : first + together]


@dataclass(frozen=True, eq=False)
class Entries:
    """Entries on their way through the units of some PEs, PE after PE, each PE's in order; shape (entries,) each.

    Attributes
    ----------
    pe : ndarray of int64
        Place of the PE among those asked for.
    served : ndarray of int64
        For which broadcast.
    cycle : ndarray of int64
        In which it was issued.
    address, sram_row : ndarray of int64
        Its local address in the sparse-matrix SRAM, and the row of the SRAM that holds it.
    reads_row : ndarray of bool
        Whether that row has to be read: it was not the last one read.
    real : ndarray of bool
        False for a filler.
    bypass : ndarray of bool
        Whether the adder's output is taken in place of the destination register.
    row : ndarray of int64
        Row in the PE where its sum belongs.
    """

    pe: Integers
    served: Integers
    cycle: Integers
    address: Integers
    sram_row: Integers
    reads_row: Flags
    real: Flags
    bypass: Flags
    row: Integers

    def where(self, chosen: Flags) -> "Entries":
        """Some of them."""
        return Entries(**{name: values[chosen] for name, values in vars(self).items()})


def entries(of: Cut, window: Window | None = None, pes: Integers | None = None) -> Entries:
    """The entries that any unit of some PEs can hold in a window: those issued in it, and shortly before.

    Parameters
    ----------
    of : Cut
    window, pes
        None: those of the cut.
    """
    begin, end = window or of.window
    # An entry may bypass the one issued a cycle before: one cycle more than the pipeline is long.
    chosen = (of.pes if pes is None else pes).tolist()
    found = walk(of.schedule, of.layer, (max(1, begin - ACT_RW - 1), end), chosen)
    width = of.arch.entries_per_spmat_row
    sram_row = found.address // width
    real = found.code != 0
    bypass = np.zeros(len(real), np.bool_)
    follows = (np.diff(found.pe) == 0) & (np.diff(found.cycle) == 1) & (np.diff(found.row) == 0)
    # Only real entries bypass: a filler is never written (docs/cycle-contract.md, "A PE", rule 3).
    bypass[1:] = follows & real[1:] & real[:-1]
    # The row buffer holds the row of the last entry issued, even if that was before the window.
    reads_row = sram_row != found.address_before // width  # -1 is in no row
    return Entries(found.pe, found.served, found.cycle, found.address, sram_row, reads_row, real, bypass, found.row)


def at_unit(found: Entries, delay: int, window: Window) -> Entries:
    """Those that are at a unit in a window; `delay` is `SPMAT_READ`, `ARITHMETIC`, `ACT_RW`, or 0 for the issue."""
    begin, end = window
    cycle = found.cycle + delay
    return found.where((cycle >= begin) & (cycle < end))

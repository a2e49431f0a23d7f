"""The data of a timeline: every cycle of a short run, or of a window of a long one, unit by unit.

`eie_sim.report.plots` draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.report.figures.over_time import scheduled
from eie_sim.result import Schedule, SimResult
from eie_sim.views import STALL, Window, broadcast_states, full_queues, pe_states, waiting, window_of

MOST_CELLS = 4096
"""PEs times cycles that can still be told apart in one picture."""


@dataclass(frozen=True)
class Span:
    """Something that lasts: ``[cycle, end)``, and what it is about."""

    cycle: int
    end: int
    label: str


@dataclass(frozen=True, eq=False)
class Timeline:
    """Every cycle of a window.

    Attributes
    ----------
    layer : str
    cycles : int
        Of the whole run.
    first_cycle : int
    pes : tuple of int
    states : ndarray of uint8, shape (PEs, cycles)
        As `eie_sim.views.pe_states`.
    waiting : ndarray of int32, shape (PEs, cycles)
        As `eie_sim.views.waiting`.
    full : ndarray of bool, shape (PEs, cycles)
        As `eie_sim.views.full_queues`.
    broadcast : ndarray of uint8, shape (cycles,)
        As `eie_sim.views.broadcast_states`.
    pushes : tuple of Span
        What the broadcast found, in the cycle in which it found it.
    services : tuple of tuple of Span
        What each PE served when.
    n_pe : int
        PEs of the machine.
    """

    layer: str
    cycles: int
    first_cycle: int
    pes: tuple[int, ...]
    states: NDArray[np.uint8]
    waiting: NDArray[np.int32]
    full: NDArray[np.bool_]
    broadcast: NDArray[np.uint8]
    pushes: tuple[Span, ...]
    services: tuple[tuple[Span, ...], ...]
    n_pe: int

    @property
    def end(self) -> int:
        """The first cycle after the window."""
        return self.first_cycle + len(self.broadcast)

    @property
    def pes_told(self) -> str:
        """Which PEs, of how many."""
        some, of = self.pes, self.n_pe
        if len(some) == of:
            return "all PEs"
        in_a_row = len(some) > 1 and list(some) == list(range(some[0], some[-1] + 1))
        return f"PEs {some[0]} to {some[-1]} of {of}" if in_a_row else f"PE {', '.join(map(str, some))} of {of}"

    @property
    def note(self) -> str:
        """What the numbers are, and of which PEs."""
        return (
            f"{self.pes_told}; in a lane: the column that is broadcast or served; below it: "
            "activations that wait, in bold orange where the queue is full and holds the broadcast up"
        )

    @property
    def finding(self) -> str:
        """How long it is, and how long the broadcast waited."""
        stalls = int((self.broadcast == STALL).sum())
        whole = len(self.broadcast) == self.cycles
        window = f"cycles {self.first_cycle:,} to {self.end - 1:,} of {self.cycles:,}"
        cycles = f"{self.cycles:,} cycles" if whole else window
        return f"{self.layer}: {cycles}, in {stalls:,} of which a full queue holds the broadcast up"


def timeline(
    result: SimResult, layer: PackedLayer, window: Window | None = None, pes: Sequence[int] | None = None
) -> Timeline:
    """Every cycle of a run, or of a window, for all PEs or some.

    Raises
    ------
    ValueError
        If the result has no schedule or is of another layer, the window or a PE is not in the run, or there is more
        to show than can be told apart.
    """
    schedule = scheduled(result)
    begin, end = window_of(schedule, window)
    chosen = tuple(range(schedule.n_pe) if pes is None else pes)
    if (end - begin) * len(chosen) > MOST_CELLS:
        raise ValueError(
            f"timeline: {len(chosen)} PEs in {end - begin} cycles, but at most {MOST_CELLS} can be told apart; give a "
            "window or some of the PEs"
        )
    states = pe_states(schedule, layer, (begin, end), chosen)
    return Timeline(
        result.layer,
        result.cycles,
        begin,
        chosen,
        states,
        waiting(schedule, (begin, end), chosen),
        full_queues(schedule, result.arch.act_queue_depth, (begin, end), chosen),
        broadcast_states(schedule, (begin, end)),
        tuple(_in_window(schedule, schedule.push_cycle - 1, schedule.push_cycle, (begin, end))),
        tuple(
            tuple(_in_window(schedule, pop, pop + np.maximum(1, entries), (begin, end)))
            for pop, entries in ((schedule.pop_cycle[k], schedule.entries[k]) for k in chosen)
        ),
        schedule.n_pe,
    )


def _in_window(schedule: Schedule, first: NDArray[np.int64], last: NDArray[np.int64], window: Window) -> list[Span]:
    return [
        Span(cycle, end, "bias" if column == schedule.bias_column else str(column))
        for cycle, end, column in zip(first.tolist(), last.tolist(), schedule.column.tolist(), strict=True)
        if cycle < window[1] and end > window[0]
    ]

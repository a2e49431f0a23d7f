"""The data of figures that show where cycles and work go."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.columns import pes
from eie_sim.report.figures.over_time import scheduled
from eie_sim.result import BatchTotal, SimResult
from eie_sim.views import ENTRY, FILLER, PE_STATES, STARVED, broadcast_stalls, pe_totals

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

STATE_NAMES = ("real weight", "filler", "empty column", "starved", "before the first input", "after the last input")
"""What figures call the states of `eie_sim.views.PE_STATES`, in their order."""


# Each PE --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StallBreakdown:
    """Where the cycles of each PE of one layer go, and for how long each PE stalls the broadcast.

    Attributes
    ----------
    layer : str
    states : ndarray of int64, shape (len(eie_sim.views.PE_STATES), n_pe)
        Cycles of each PE in each state; of a PE they sum to the cycles of the run.
    stall_cycles : int
        Cycles in which the broadcast stalls, the counter ``broadcast_stalls``.
    alone : ndarray of int64, shape (n_pe,)
        Those in which the queue of this PE alone is full.
    with_others : ndarray of int64, shape (n_pe,)
        Those in which it is one of several.
    """

    layer: str
    states: Integers
    stall_cycles: int
    alone: Integers
    with_others: Integers

    @property
    def finding(self) -> str:
        """Where the cycles go."""
        shares = 100 * self.states.sum(axis=1) / max(1, self.states.sum())
        return (
            f"{self.layer}: PEs issue weights in {shares[ENTRY]:.1f} % of their cycles, fillers in "
            f"{shares[FILLER]:.1f} %, and starve in {shares[STARVED]:.1f} %"
        )

    @property
    def stall_finding(self) -> str:
        """Which PE stalls the broadcast most."""
        if not self.stall_cycles:
            return "No full queue holds the broadcast up"
        alone = 100 * self.alone.sum() / self.stall_cycles
        held = self.alone + self.with_others
        most = int(held.argmax())
        return (
            f"The broadcast is held up in {self.stall_cycles:,} cycles, {alone:.0f} % of them by one PE alone; "
            f"PE {most} holds it up longest, {held[most]:,}"
        )


def stall_breakdown(result: SimResult, layer: PackedLayer) -> StallBreakdown:
    """Where the cycles of each PE go, and which PEs stall the broadcast.

    Parameters
    ----------
    result : SimResult
        With its schedule.
    layer : PackedLayer
        The layer that was run; it knows where its fillers are.

    Raises
    ------
    ValueError
        If the result has no schedule, or one of another layer.
    """
    schedule = scheduled(result)
    totals = pe_totals(schedule, layer)
    states = np.stack([getattr(totals, state) for state in PE_STATES])
    stalls = broadcast_stalls(schedule, result.arch.act_queue_depth)
    return StallBreakdown(result.layer, states, stalls.cycles, stalls.alone, stalls.full - stalls.alone)


# Each layer -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LayerBreakdown:
    """Where the PE-cycles of several layers go.

    Attributes
    ----------
    layers : tuple of str
    states : ndarray of int64, shape (len(eie_sim.views.PE_STATES), layers)
        Cycles of all PEs in each state; of a layer they sum to its PE-cycles.
    """

    layers: tuple[str, ...]
    states: Integers

    @property
    def shares(self) -> Floats:
        """Shares of the PE-cycles of each layer; the states of a layer sum to 1."""
        return np.asarray(self.states / np.maximum(1, self.states.sum(axis=0)), np.float64)

    @property
    def finding(self) -> str:
        """In which layer PEs work least."""
        working = 100 * self.shares[ENTRY]
        least = int(working.argmin())
        if len(self.layers) == 1:
            return f"PEs of {self.layers[0]} walk weights in {working[0]:.0f} % of their cycles"
        return (
            f"PEs walk weights in {working[least]:.0f} to {working.max():.0f} % of their cycles, "
            f"least in {self.layers[least]}"
        )


def layer_breakdown(results: Iterable[SimResult | BatchTotal]) -> LayerBreakdown:
    """Where the PE-cycles of layers go, by the counters of their runs; no schedule is needed.

    Raises
    ------
    ValueError
        If there is no result.
    """
    found = tuple(results)
    if not found:
        raise ValueError("results: there is none, but a figure shows at least one layer")
    states = []
    for counts in (one.counts for one in found):
        # The counters do not tell weights from fillers: an entry issued is busy either way.
        fillers = counts.fillers.sum()
        classes = (counts.bubble_cycles, counts.starved_cycles, counts.fill_cycles, counts.drain_cycles)
        states.append([counts.busy_cycles.sum() - fillers, fillers, *(cycles.sum() for cycles in classes)])
    return LayerBreakdown(tuple(one.layer for one in found), np.array(states, np.int64).T)


# Balance --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LoadBalance:
    """How evenly the work of one layer is spread over the PEs.

    Attributes
    ----------
    layer : str
    pes : ndarray of int64, shape (n_pe,)
        The PEs, that with most work first.
    entries : ndarray of int64, shape (n_pe,)
        Entries that each of them walks, fillers included.
    """

    layer: str
    pes: Integers
    entries: Integers

    @property
    def lorenz(self) -> Floats:
        """Share of the work that the 0, 1, 2, ... PEs with the least of it do; shape (n_pe + 1,), from 0 to 1."""
        work = self.entries if self.entries.any() else np.ones_like(self.entries)  # no work is the same for all
        # PEs are sorted by work, the most first; a Lorenz curve begins with the least.
        least_first = np.concatenate([[0], np.cumsum(work[::-1])])
        return np.asarray(least_first / least_first[-1], np.float64)

    @property
    def gini(self) -> float:
        """Gini coefficient of the work: 0 when all PEs do the same, near 1 when one does all."""
        n_pe, total = len(self.entries), int(self.entries.sum())
        # The usual formula over ranks; the busiest PE, which is first here, has the highest rank.
        ranks = np.arange(n_pe, 0, -1)
        return 2 * float(ranks @ self.entries) / (n_pe * total) - (n_pe + 1) / n_pe if total else 0.0

    @property
    def finding(self) -> str:
        """How much more than the mean the busiest PE does."""
        mean = self.entries.mean()
        if not mean:
            return f"{self.layer}: no PE has any work"
        if self.entries[0] == self.entries[-1]:
            what = "has all" if len(self.entries) == 1 else "have the same"
            return f"{self.layer}: {pes(len(self.entries))} {what} work"
        over = 100 * (self.entries[0] / mean - 1)
        return f"{self.layer}: PE {self.pes[0]} has the most work, {over:.1f} % above the mean"


def load_balance(result: SimResult | BatchTotal) -> LoadBalance:
    """How evenly the processed entries are spread over the PEs; no schedule is needed."""
    entries = result.counts.entries
    order = np.argsort(-entries, kind="stable")
    return LoadBalance(result.layer, order, entries[order])

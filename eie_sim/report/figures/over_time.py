"""The data of figures that show what the units do over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eie_sim.columns import digits, pes
from eie_sim.result import Schedule, SimResult
from eie_sim.views import PUSH, STALL, broadcast_cycles, limits, queue_occupancy, utilisation

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def scheduled(result: SimResult) -> Schedule:
    """The schedule of a result.

    Raises
    ------
    ValueError
        If it has none.
    """
    if result.schedule is None:
        raise ValueError(f"schedule: the result of {result.layer!r} has none; simulate(..., schedule=True) keeps it")
    return result.schedule


@dataclass(frozen=True, eq=False)
class UtilisationMap:
    """How busy each PE is over the time of one layer.

    Attributes
    ----------
    layer : str
    time_us : ndarray of float64, shape (bins + 1,)
        Limits of the bins, from 0.
    busy_share : ndarray of float64, shape (n_pe, bins)
        Busy cycles over cycles.
    busy_share_of_bin : ndarray of float64, shape (bins,)
        The same over all PEs.
    busy_share_of_pe : ndarray of float64, shape (n_pe,)
        The same over the whole time.
    """

    layer: str
    time_us: Floats
    busy_share: Floats
    busy_share_of_bin: Floats
    busy_share_of_pe: Floats

    @property
    def finding(self) -> str:
        """How busy the PEs are, and the least busy one."""
        share, time_us = self.busy_share_of_pe, digits(self.time_us[-1])
        told = f"{self.layer} keeps {pes(len(share))} busy {100 * share.mean():.1f} % of {time_us} µs"
        return told if len(share) == 1 else f"{told}, the least busy one {100 * share.min():.1f} %"


def utilisation_map(result: SimResult, bins: int = 160) -> UtilisationMap:
    """How busy each PE is in each of `bins` bins of the time of `result`.

    Raises
    ------
    ValueError
        If the result has no schedule, or `bins` is not an integer of at least 1.
    """
    found = utilisation(scheduled(result), bins)
    return UtilisationMap(
        result.layer,
        _limits_us(found.first_cycle, result),
        found.busy_share,
        found.busy_cycles.sum(axis=0) / (found.width_cycles * result.arch.n_pe),
        found.busy_cycles.sum(axis=1) / result.cycles,
    )


@dataclass(frozen=True, eq=False)
class QueueMap:
    """How many activations wait for each PE over the time of one layer.

    Attributes
    ----------
    layer : str
    places : int
        Activations that can wait: the depth of the queue less the one being served, and 1 at least.
    time_us : ndarray of float64, shape (bins + 1,)
        Limits of the bins, from 0.
    mean : ndarray of float64, shape (n_pe, bins)
        Waiting activations, on average over the cycles of the bin.
    percentiles : ndarray of float64, shape (len(eie_sim.views.PERCENTILES), bins)
        Of the waiting activations of all PEs in all cycles of the bin.
    mean_of_pe : ndarray of float64, shape (n_pe,)
        Waiting activations, on average over the whole time.
    """

    layer: str
    places: int
    time_us: Floats
    mean: Floats
    percentiles: Floats
    mean_of_pe: Floats

    @property
    def finding(self) -> str:
        """How many wait, and where the fewest do."""
        waiting = self.mean_of_pe
        told = f"{self.layer}: on average {waiting.mean():.1f} of at most {self.places} activations wait for a PE"
        least = f"{waiting.min():.1f}"
        return told if least == f"{waiting.mean():.1f}" else f"{told}, for PE {waiting.argmin()} only {least}"


def queue_map(result: SimResult, bins: int = 160) -> QueueMap:
    """How many activations wait for each PE in each of `bins` bins of the time of `result`.

    Raises
    ------
    ValueError
        As for `utilisation_map`.
    """
    schedule = scheduled(result)
    found = queue_occupancy(schedule, bins)
    return QueueMap(
        result.layer,
        max(1, result.arch.act_queue_depth - 1),
        _limits_us(found.first_cycle, result),
        found.mean,
        found.percentiles,
        found.total.sum(axis=1) / schedule.cycles,
    )


@dataclass(frozen=True, eq=False)
class BroadcastRate:
    """What the broadcast does over the time of one layer.

    Attributes
    ----------
    layer : str
    time_us : ndarray of float64, shape (bins + 1,)
        Limits of the bins, from 0.
    cycles : ndarray of int64, shape (len(eie_sim.views.BROADCAST_STATES), bins)
        Cycles in each state; over the bins they sum to the counters.
    """

    layer: str
    time_us: Floats
    cycles: Integers

    @property
    def shares(self) -> Floats:
        """Shares of the cycles of each bin; the states of a bin sum to 1."""
        return np.asarray(self.cycles / self.cycles.sum(axis=0), np.float64)

    @property
    def finding(self) -> str:
        """How often it pushes, and how often it stalls."""
        push, stall = (100 * self.cycles[state].sum() / self.cycles.sum() for state in (PUSH, STALL))
        return f"{self.layer}: an activation is broadcast in {push:.1f} % of the cycles, held up in {stall:.1f} %"


def broadcast_rate(result: SimResult, bins: int = 160) -> BroadcastRate:
    """What the broadcast does in each of `bins` bins of the time of `result`.

    Raises
    ------
    ValueError
        As for `utilisation_map`.
    """
    schedule = scheduled(result)
    time_us = _limits_us(limits(schedule, bins), result)
    return BroadcastRate(result.layer, time_us, broadcast_cycles(schedule, bins))


def _limits_us(first_cycle: Integers, result: SimResult) -> Floats:
    return np.asarray((first_cycle - 1) / result.arch.clock_hz * 1e6, np.float64)

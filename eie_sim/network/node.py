"""What the products of one operator of a network took, in all and for each inference."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eie_sim.arch import ArchConfig
from eie_sim.cost.energy import BIAS_WRITES, energy_of_events
from eie_sim.result import Counts


@dataclass(frozen=True, eq=False)
class Spread:
    """How often each value was there: what is left of any number of them.

    Attributes
    ----------
    values : ndarray of int64
        Distinct, ascending.
    times : ndarray of int64
    """

    values: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.int64]) -> "Spread":
        """That of an array."""
        distinct, times = np.unique(values, return_counts=True)
        return cls(distinct, times.astype(np.int64))

    def with_more(self, other: "Spread") -> "Spread":
        """That of both."""
        values, place = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        times = np.zeros(len(values), np.int64)
        np.add.at(times, place, np.concatenate([self.times, other.times]))
        return Spread(values, times)

    @property
    def count(self) -> int:
        """How many values there were."""
        return int(self.times.sum())

    @property
    def total(self) -> int:
        """Their sum."""
        return int(self.values @ self.times)

    @property
    def median(self) -> float:
        """Their median; 0 of none."""
        if not self.count:
            return 0.0
        ends = np.cumsum(self.times)
        middle = np.searchsorted(ends, [(self.count - 1) // 2, self.count // 2], side="right")
        return float(self.values[middle].mean())


def bytes_uj(n_bytes: Any, pj_per_bit: float) -> Any:
    """Energy of bytes that are moved, a number or an array of them, in uJ."""
    return n_bytes * 8 * pj_per_bit * 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class NodeResult:
    """An operator of a network on the machine, all of its products.

    Attributes
    ----------
    name : str
    operator : str
        ONNX operator.
    level : int
        How many times the machine had its turn before.
    arch : ArchConfig
        With the fraction bits of this node.
    spread : Spread
        Of the cycles of its products.
    counts : Counts
        Summed over the products; counters of the PEs are int64, shape (n_pe,), each of one PE in all chips.
    cycles_each : ndarray of int64, shape (B,)
        Cycles of the products of each inference; of several chips those of the slowest, call by call.
    energy_uj_each : ndarray of float64, shape (B,)
        Energy of each inference, with that of DRAM and link.
    load_bytes_each, link_bytes_each : ndarray of int64, shape (B,)
        Bytes that each inference loads from DRAM, and that go over the link between chips.
    load_wait_each, link_wait_each : ndarray of int64, shape (B,)
        Cycles that each inference waits for the loads and for the link.
    n_weights, n_kept : int
        Weights of the operator, and those that are not 0.
    n_inputs : int
        Numbers of an input vector.
    macs_dense, macs_pruned : int
        Multiply-accumulates of the operator with all of its weights, and with those that are not 0.
    winograd_error : float or None
        Of a convolution that is lowered by Winograd's transform: the largest difference of its outputs from those of
        im2col, as ONNX Runtime computes them from the stored kernels and the same inputs, over the largest magnitude of
        these; of the inference where it is largest. None of any other node.
    """

    name: str
    operator: str
    level: int
    arch: ArchConfig
    spread: Spread
    counts: Counts[int]
    cycles_each: NDArray[np.int64]
    energy_uj_each: NDArray[np.float64]
    load_bytes_each: NDArray[np.int64]
    link_bytes_each: NDArray[np.int64]
    load_wait_each: NDArray[np.int64]
    link_wait_each: NDArray[np.int64]
    n_weights: int
    n_kept: int
    n_inputs: int
    macs_dense: int
    macs_pruned: int
    winograd_error: float | None = None

    @property
    def products(self) -> int:
        """Matrix-vector products: of each block of a matrix, on each chip."""
        return self.spread.count

    @property
    def cycles(self) -> int:
        """Cycles of all products together, chips at the same time."""
        return int(self.cycles_each.sum())

    @property
    def latency_cycles_each(self) -> NDArray[np.int64]:
        """Cycles of each inference, waits included; int64, shape (B,)."""
        return self.cycles_each + self.load_wait_each + self.link_wait_each

    @property
    def wait_cycles(self) -> int:
        """Cycles waited for loads and for the link."""
        return int(self.load_wait_each.sum() + self.link_wait_each.sum())

    @property
    def load_bytes(self) -> int:
        """Bytes loaded from DRAM."""
        return int(self.load_bytes_each.sum())

    @property
    def dram_uj(self) -> float:
        """Energy of the DRAM."""
        return float(bytes_uj(self.load_bytes, self.arch.dram_pj_per_bit))

    @property
    def link_bytes(self) -> int:
        """Bytes over the link between chips."""
        return int(self.link_bytes_each.sum())

    @property
    def link_uj(self) -> float:
        """Energy of the link between chips."""
        return float(bytes_uj(self.link_bytes, self.arch.link_pj_per_bit))

    @property
    def cycles_min(self) -> int:
        """Of the shortest product; 0 without one."""
        return int(self.spread.values[0]) if self.products else 0

    @property
    def cycles_median(self) -> float:
        """Of the product in the middle."""
        return self.spread.median

    @property
    def cycles_max(self) -> int:
        """Of the longest product; 0 without one."""
        return int(self.spread.values[-1]) if self.products else 0

    @property
    def macs_performed(self) -> int:
        """Multiply-accumulates of weights that are not 0 with inputs that are not 0."""
        return int(self.counts.acc_writes.sum())

    @property
    def fillers(self) -> int:
        """Padding zeros processed."""
        return int(self.counts.fillers.sum())

    @property
    def saturations(self) -> int:
        """Sums cut to the range of the fixed point."""
        return int(self.counts.saturations.sum())

    @property
    def density(self) -> float:
        """Weights that are not 0 over all."""
        return self.n_kept / self.n_weights

    @property
    def load_balance(self) -> float:
        """Entries processed over PE-cycles, 0 .. 1."""
        pe_cycles = self.arch.n_chips * self.arch.n_pe * self.cycles
        return int(self.counts.entries.sum()) / pe_cycles if self.cycles else 1.0

    @property
    def energy_uj(self) -> float:
        """Energy of all products, priced from the summed counts, of DRAM and of the link.

        A chip that waits costs as much as one that computes, but for events.
        """
        events = {name: int(np.sum(getattr(self.counts, name))) for name in (*Counts.EVENTS, BIAS_WRITES)}
        cycles = self.arch.n_chips * (self.cycles + self.wait_cycles)
        return energy_of_events(self.name, self.arch, cycles, events).total_nj * 1e-3 + self.dram_uj + self.link_uj

    @property
    def frac_bits(self) -> int | None:
        """Fraction bits of its numbers in fixed point."""
        return self.arch.act_frac_bits if self.arch.number_bits is not None else None

    def with_more(self, other: "NodeResult") -> "NodeResult":
        """The same node over the inferences of both."""
        counted = [one.name for one in fields(self.counts)]
        counts: dict[str, Any] = {name: getattr(self.counts, name) + getattr(other.counts, name) for name in counted}
        mine = {one.name: getattr(self, one.name) for one in fields(self)}
        errors = [one.winograd_error for one in (self, other) if one.winograd_error is not None]
        each = [name for name in mine if name.endswith("_each")]
        return NodeResult(
            **{
                **mine,
                **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in each},
                "spread": self.spread.with_more(other.spread),
                "counts": Counts(**counts),
                "macs_dense": self.macs_dense + other.macs_dense,
                "macs_pruned": self.macs_pruned + other.macs_pruned,
                "winograd_error": max(errors, default=None),
            }
        )

    def __repr__(self) -> str:
        return f"NodeResult({self.name!r}: {self.products} products, {self.cycles} cycles)"

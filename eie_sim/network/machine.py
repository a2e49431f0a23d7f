"""The products of a network on the machine, with what they count; or exactly, to see how large numbers become."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats
from compressor.lowering import Call, Vectors
from eie_sim.cost.energy import BIAS_WRITES, energy_of_events
from eie_sim.engines.base import engine_named
from eie_sim.fixed_point import most_frac_bits
from eie_sim.network.node import NodeResult, Spread, bytes_uj
from eie_sim.network.plan import MachineNode, NetworkPlan
from eie_sim.result import PER_PE, BatchResult, Counts, KeptCounts

Array = NDArray[Any]

_BLOCK_BYTES = 1 << 25
"""Of the input vectors that are gathered at once, and of what is counted for each of them."""

_FEW = 64
"""Vectors of one sample that run together with those of others: fewer would leave lanes of the kernels empty."""

_EVENTS = (*Counts.EVENTS, BIAS_WRITES)


class Multiplier(Protocol):
    """Computes products."""

    def products(self, node: MachineNode, calls: Sequence[tuple[int, Call]]) -> list[Array]:
        """The sums (n, n_rows) of each call of one matrix; a call is of a sample, whose number is before it."""
        ...


class _Tally:
    """What the products of a node count, in all and for each sample."""

    def __init__(self, node: MachineNode, plan: NetworkPlan, n_samples: int) -> None:
        self.node, self.arch, self._residency = node, plan.arch_of(node.name), plan.residency
        self.spread = Spread.of(np.empty(0, np.int64))
        self.scalars = dict.fromkeys(Counts.SCALARS, 0)
        self.tables = np.zeros((len(PER_PE), plan.arch.n_pe), np.int64)
        self.cycles = np.zeros(n_samples, np.int64)
        self.events = np.zeros((n_samples, len(_EVENTS)), np.int64)
        self.uses = [0] * len(node.matrices)
        self.link_bytes = np.zeros(n_samples, np.int64)
        self.calls, self.changes = (np.zeros((n_samples, len(node.matrices)), np.int64) for _ in range(2))
        self._last = np.full(n_samples, -1)  # the matrix that each sample called last

    def called(self, matrix: int, sample: int, n_vectors: int, uses: int) -> None:
        """Note a call of a matrix by a sample."""
        self.uses[matrix] += uses
        if n_vectors:
            self.calls[sample, matrix] += 1
            self.changes[sample, matrix] += self._last[sample] != matrix
            self._last[sample] = matrix
            outputs = n_vectors * self._residency.outputs_over_link(self.node.name, matrix)
            self.link_bytes[sample] += outputs * self.arch.number_bytes

    def add(self, batch: BatchResult, which: NDArray[np.int64] | int) -> None:
        """Add a batch of the sample `which`, whose counters are summed; or one whose vectors are of several samples."""
        counts = batch.counts
        self.spread = self.spread.with_more(Spread.of(batch.cycles))
        for name in self.scalars:
            self.scalars[name] += int(getattr(counts, name).sum())
        table = np.stack([getattr(counts, name) for name in PER_PE], axis=-2)
        self.tables += table if table.ndim == 2 else table.sum(axis=0)
        if isinstance(which, int):
            self.events[which] += [int(getattr(counts, name).sum()) for name in _EVENTS]
            return
        columns = [getattr(counts, name) for name in _EVENTS]
        each = np.stack([column if column.ndim == 1 else column.sum(axis=1) for column in columns], axis=1)
        np.add.at(self.events, which, each)

    def result(self, prices: Sequence[float], before: NDArray[np.int64]) -> NodeResult:
        """All of it, priced by the cycle and by each event; `before` are the cycles of the node before."""
        kept, arch = self.node.n_kept, self.arch
        counts: dict[str, Any] = {**self.scalars, **dict(zip(PER_PE, self.tables, strict=True))}
        load_bytes, load_waits = self._residency.loaded(self.node.name, self.calls, self.changes, before)
        link_waits = self._residency.link_cycles(self.link_bytes)
        of_all_chips = arch.n_chips * (self.cycles + load_waits + link_waits)
        machine_uj = _summed([of_all_chips, *self.events.T], prices) * 1e-3
        outside_uj = bytes_uj(load_bytes, arch.dram_pj_per_bit) + bytes_uj(self.link_bytes, arch.link_pj_per_bit)
        return NodeResult(
            name=self.node.name,
            operator=self.node.use.operator,
            level=self.node.level,
            arch=arch,
            spread=self.spread,
            counts=Counts(**counts),
            cycles_each=self.cycles,
            energy_uj_each=machine_uj + outside_uj,
            load_bytes_each=load_bytes,
            link_bytes_each=self.link_bytes,
            load_wait_each=load_waits,
            link_wait_each=link_waits,
            n_weights=sum(self.node.n_weights),
            n_kept=sum(kept),
            n_inputs=max(layer.n_cols for layer in self.node.matrices),
            macs_dense=sum(uses * n for uses, n in zip(self.uses, self.node.n_weights, strict=True)),
            macs_pruned=sum(uses * n for uses, n in zip(self.uses, kept, strict=True)),
        )


def _summed(columns: Sequence[NDArray[np.int64]], prices: Sequence[float]) -> NDArray[np.float64]:
    """The columns times their prices, one after another: a sum in BLAS depends on how many rows there are."""
    found = np.zeros(len(columns[0]))
    for column, price in zip(columns, prices, strict=True):
        found += column * price
    return found


class Machine:
    """The machine of a plan, on which samples of a network run.

    Parameters
    ----------
    plan : NetworkPlan
    engine : str
    numbers : range
        Of the samples.
    """

    def __init__(self, plan: NetworkPlan, engine: str, numbers: range) -> None:
        self._engine, self._first, n_samples = engine_named(engine), numbers.start, len(numbers)
        self._arch, self._residency = plan.arch, plan.residency
        self._tallies = {name: _Tally(node, plan, n_samples) for name, node in plan.nodes.items()}
        self._in_order_of_use = [node.name for node in plan.in_order_of_use]
        self._dtype = np.float32 if plan.arch.number_bits is None else np.float64

    def products(self, node: MachineNode, calls: Sequence[tuple[int, Call]]) -> list[Array]:
        """As of `Multiplier`."""
        tally, matrix = self._tallies[node.name], calls[0][1].matrix
        results: list[Array] = [np.empty(0)] * len(calls)
        few = []
        for at, (sample, call) in enumerate(calls):
            tally.called(matrix, sample - self._first, len(call.vectors), call.uses)
            if len(call.vectors) < _FEW:
                few.append(at)
            else:
                results[at] = self._run(node, matrix, call.vectors, sample - self._first)
        if few:
            parts = [calls[at][1].vectors.block() for at in few]
            which = np.repeat([calls[at][0] - self._first for at in few], [len(part) for part in parts])
            sums = self._run(node, matrix, Vectors.of(np.concatenate(parts)), which)
            ends = np.cumsum([len(part) for part in parts])
            for at, own in zip(few, np.split(sums, ends[:-1]), strict=True):
                results[at] = own
        return results

    def _run(self, node: MachineNode, matrix: int, vectors: Vectors, which: NDArray[np.int64] | int) -> Array:
        """Run vectors of the sample `which`, or each of a sample of its own, all of one call of each sample."""
        tally, layer = self._tallies[node.name], node.matrices[matrix]
        chips = self._residency.blocks(node.name, matrix)
        counts: KeptCounts = "sum" if isinstance(which, int) else "each"
        step = max(1, _BLOCK_BYTES // (vectors.source.itemsize * layer.n_cols + len(PER_PE) * 8 * layer.n_pe))
        sums = np.empty((len(vectors), layer.n_rows), self._dtype)
        samples, sample_of = np.unique(which, return_inverse=True)
        sample_of = np.broadcast_to(sample_of.reshape(-1), len(vectors))
        cycles = np.zeros((len(chips), len(samples)), np.int64)
        for first in range(0, len(vectors), step):
            now = slice(first, first + step)
            inputs = as_floats("inputs", vectors.block(now.start, now.stop), self._dtype)
            for of_chip, blocks in zip(cycles, chips, strict=True):
                for block in blocks:
                    batch = self._engine.run_batch(block.layer, inputs, tally.arch, True, counts)
                    sums[now, block.rows] = batch.output
                    tally.add(batch, which if isinstance(which, int) else which[now])
                    np.add.at(of_chip, sample_of[now], batch.cycles)
        # The products of a call do not wait for each other, but what follows the call waits for the slowest chip.
        tally.cycles[samples] += cycles.max(axis=0)
        return sums

    def results(self) -> dict[str, NodeResult]:
        """What was counted, by node."""
        # Energy is a sum of cycles and events, each times its price in nJ.
        nothing = dict.fromkeys(_EVENTS, 0)
        amounts = [(1, nothing), *((0, nothing | {event: 1}) for event in _EVENTS)]
        prices = [energy_of_events("", self._arch, cycles, events).total_nj for cycles, events in amounts]
        before = {}
        for name, following in pairwise(self._in_order_of_use):
            before[following] = self._tallies[name].cycles
        return {name: tally.result(prices, before.get(name, tally.cycles)) for name, tally in self._tallies.items()}


class Exact:
    """Products in float64, and between which numbers the inputs, biases and sums of each node are."""

    def __init__(self) -> None:
        self._limits: dict[str, tuple[float, float]] = {}
        self._dense: dict[tuple[str, int], tuple[Array, Array]] = {}

    def products(self, node: MachineNode, calls: Sequence[tuple[int, Call]]) -> list[Array]:
        """As of `Multiplier`."""
        key = (node.name, calls[0][1].matrix)
        layer = node.matrices[key[1]]
        if key not in self._dense:  # a recurrent layer needs it at each step
            bias = layer.preloaded_bias()
            starts = np.zeros(layer.n_rows) if bias is None else bias.astype(np.float64)
            self._dense[key] = layer.dense().astype(np.float64).T, starts
            if layer.has_bias:  # a column of codes, which is an input of 1
                self._see(node.name, np.ones(1))
        weights, starts = self._dense[key]
        step = max(1, _BLOCK_BYTES // (8 * layer.n_cols))
        results: list[Array] = []
        for _, call in calls:
            sums = np.empty((len(call.vectors), layer.n_rows))
            for first in range(0, len(sums), step):
                vectors = call.vectors.block(first, first + step).astype(np.float64)
                sums[first : first + step] = vectors @ weights + starts
                self._see(node.name, vectors)
            self._see(node.name, sums, starts)
            results.append(sums)
        return results

    def _see(self, name: str, *arrays: Array) -> None:
        low, high = self._limits.get(name, (0.0, 0.0))
        low = min(low, *(float(array.min(initial=0)) for array in arrays))
        self._limits[name] = (low, max(high, *(float(array.max(initial=0)) for array in arrays)))

    def frac_bits(self, names: Sequence[str], bits: int, room: float) -> Mapping[str, int]:
        """The most fraction bits of each node that hold `room` times every number that was seen."""
        limits = {name: self._limits.get(name, (0.0, 0.0)) for name in names}
        return {
            name: min(most_frac_bits(room * low, room * high, bits), _MOST_FRAC_BITS)
            for name, (low, high) in limits.items()
        }


_MOST_FRAC_BITS = 256
"""That an `ArchConfig` takes."""

"""The products of a network on the machine, with what they count; or exactly, to see how large numbers become."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats
from compressor.lowering import Call, Vectors
from compressor.types.packed import PackedLayer
from eie_sim.cost.energy import BIAS_WRITES, energy_of_events
from eie_sim.engines.base import engine_named
from eie_sim.fixed_point import most_frac_bits
from eie_sim.network.node import NodeResult, Spread
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
        self.node, self.arch = node, plan.arch_of(node.name)
        self.spread = Spread.of(np.empty(0, np.int64))
        self.scalars = dict.fromkeys(Counts.SCALARS, 0)
        self.tables = np.zeros((len(PER_PE), plan.arch.n_pe), np.int64)
        self.cycles = np.zeros(n_samples, np.int64)
        self.events = np.zeros((n_samples, len(_EVENTS)), np.int64)
        self.uses = [0] * len(node.matrices)

    def add(self, batch: BatchResult, which: NDArray[np.int64] | int) -> None:
        """Add a batch of the sample `which`, whose counters are summed; or one whose vectors are of several samples."""
        counts = batch.counts
        self.spread = self.spread.with_more(Spread.of(batch.cycles))
        for name in self.scalars:
            self.scalars[name] += int(getattr(counts, name).sum())
        table = np.stack([getattr(counts, name) for name in PER_PE], axis=-2)
        self.tables += table if table.ndim == 2 else table.sum(axis=0)
        if isinstance(which, int):
            self.cycles[which] += batch.cycles.sum()
            self.events[which] += [int(getattr(counts, name).sum()) for name in _EVENTS]
            return
        np.add.at(self.cycles, which, batch.cycles)
        columns = [getattr(counts, name) for name in _EVENTS]
        each = np.stack([column if column.ndim == 1 else column.sum(axis=1) for column in columns], axis=1)
        np.add.at(self.events, which, each)

    def result(self, prices: Sequence[float]) -> NodeResult:
        """All of it, priced by the cycle and by each event."""
        kept = self.node.n_kept
        counts: dict[str, Any] = {**self.scalars, **dict(zip(PER_PE, self.tables, strict=True))}
        return NodeResult(
            name=self.node.name,
            operator=self.node.use.operator,
            arch=self.arch,
            spread=self.spread,
            counts=Counts(**counts),
            cycles_each=self.cycles,
            energy_uj_each=_summed([self.cycles, *self.events.T], prices) * 1e-3,
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
        self._arch = plan.arch
        self._tallies = {name: _Tally(node, plan, n_samples) for name, node in plan.nodes.items()}
        self._dtype = np.float32 if plan.arch.number_bits is None else np.float64

    def products(self, node: MachineNode, calls: Sequence[tuple[int, Call]]) -> list[Array]:
        """As of `Multiplier`."""
        tally, matrix = self._tallies[node.name], calls[0][1].matrix
        layer = node.matrices[matrix]
        results: list[Array] = [np.empty(0)] * len(calls)
        few = []
        for at, (sample, call) in enumerate(calls):
            tally.uses[matrix] += call.uses
            if len(call.vectors) < _FEW:
                few.append(at)
            else:
                results[at] = self._run(layer, tally, call.vectors, sample - self._first)
        if few:
            parts = [calls[at][1].vectors.block() for at in few]
            which = np.repeat([calls[at][0] - self._first for at in few], [len(part) for part in parts])
            sums = self._run(layer, tally, Vectors.of(np.concatenate(parts)), which)
            ends = np.cumsum([len(part) for part in parts])
            for at, own in zip(few, np.split(sums, ends[:-1]), strict=True):
                results[at] = own
        return results

    def _run(self, layer: PackedLayer, tally: _Tally, vectors: Vectors, which: NDArray[np.int64] | int) -> Array:
        """Run vectors of the sample `which`, or each of a sample of its own."""
        counts: KeptCounts = "sum" if isinstance(which, int) else "each"
        step = max(1, _BLOCK_BYTES // (vectors.source.itemsize * layer.n_cols + len(PER_PE) * 8 * layer.n_pe))
        sums = np.empty((len(vectors), layer.n_rows), self._dtype)
        for first in range(0, len(vectors), step):
            block = slice(first, first + step)
            inputs = as_floats("inputs", vectors.block(block.start, block.stop), self._dtype)
            batch = self._engine.run_batch(layer, inputs, tally.arch, True, counts)
            sums[block] = batch.output
            tally.add(batch, which if isinstance(which, int) else which[block])
        return sums

    def results(self) -> dict[str, NodeResult]:
        """What was counted, by node."""
        # Energy is a sum of cycles and events, each times its price in nJ.
        nothing = dict.fromkeys(_EVENTS, 0)
        amounts = [(1, nothing), *((0, nothing | {event: 1}) for event in _EVENTS)]
        prices = [energy_of_events("", self._arch, cycles, events).total_nj for cycles, events in amounts]
        return {name: tally.result(prices) for name, tally in self._tallies.items()}


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

"""The whole machine: one LNZD, one CCU, N PEs on one clock, loaded with a layer and its inputs."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.machine.broadcast_pipeline import BroadcastPipeline
from eie_sim.machine.ccu import CCU
from eie_sim.machine.clock import Clock, Unit
from eie_sim.machine.datapath import datapath
from eie_sim.machine.lnzd import LNZD
from eie_sim.machine.pe import PE, Parts
from eie_sim.result import Schedule, UnitCounts


class Machine:
    """A machine with one layer in its SRAMs and one input vector in its source registers, ready to run once.

    Parameters
    ----------
    layer : PackedLayer
        Packed for this machine.
    acts : ndarray of float, shape (n_cols,)
    arch : ArchConfig
    parts : Parts
        The units of every PE.
    lnzd, ccu : type
        The scan and the broadcast.

    Attributes
    ----------
    layer : PackedLayer
    arch : ArchConfig
    clock : Clock
    lnzd : LNZD
    ccu : CCU
    pes : list of PE
    units : list of Unit
        All of them; append your own to have it clocked with the rest.
    broadcasts_bias : bool
        Whether a column of the layer is its bias and is broadcast.
    cycles : int
        Cycles the layer took; 0 before it has run.
    """

    def __init__(
        self,
        layer: PackedLayer,
        acts: NDArray[np.floating],
        arch: ArchConfig,
        parts: Parts | None = None,
        lnzd: type[LNZD] = LNZD,
        ccu: type[CCU] = CCU,
    ) -> None:
        self.layer = layer
        self.arch = arch
        self.clock = Clock()
        self.cycles = 0
        self.n_rows_of_inputs = -(-layer.n_cols // layer.n_pe)
        self.broadcasts_bias = arch.broadcasts_bias(layer)
        self.datapath = datapath(arch, layer.codebook, acts, self.broadcasts_bias)
        # The last row of lanes is padded with zeros, which are never found (contract, scan).
        inputs = self.datapath.activations(acts) + [self.datapath.zero] * (-layer.n_cols % layer.n_pe)
        self.pes = [
            PE(k, self.clock, layer, arch, self.datapath, inputs[k :: layer.n_pe], parts or Parts())
            for k in range(layer.n_pe)
        ]
        rows = [[pe.act_rw.source[r] for pe in self.pes] for r in range(self.n_rows_of_inputs)]
        bias = self.datapath.activations(np.ones(1, np.float32))[0] if self.broadcasts_bias else None
        self.lnzd = lnzd(rows, bias)
        starts = layer.preloaded_bias() if arch.preloads_bias else None
        if starts is not None:
            if layer.row_permutation is not None:
                starts = starts[layer.row_permutation]
            for k, pe in enumerate(self.pes):
                pe.act_rw.preload(self.datapath.accumulators(starts[k :: layer.n_pe]))
        latency = arch.broadcast_latency
        between = [BroadcastPipeline(self.pes, latency, arch.act_queue_depth)] if latency else []
        self.ccu = ccu(self.clock, self.lnzd, self.pes, *between)
        self.units: list[Unit] = [self.lnzd, self.ccu, *between, *(unit for pe in self.pes for unit in pe.units)]

    def run(self, order: Iterable[Unit] | None = None) -> int:
        """Run until the layer has drained; the number of cycles, which is the first in which no unit is active.

        Parameters
        ----------
        order : iterable of Unit or None
            The units in the order in which their processes are created. Nothing depends on it; None: as in `units`.

        Raises
        ------
        RuntimeError
            When it has run already.
        """
        if self.cycles:
            raise RuntimeError("machine: it has run already; build another for another run")
        # The authors' float32 overflows to infinity without a word, so does this one.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self.cycles = self.clock.run(self.units if order is None else order, self._drained)
        return self.cycles

    def _drained(self) -> bool:
        return not any(unit.active for unit in self.units)

    def output(self) -> NDArray[np.floating]:
        """Sums before the activation function, rows in original order; shape (n_rows,), float32 or float64."""
        n_pe = self.layer.n_pe
        # Row i of the layer as it is stored; the permutation leads back to the order it was given in.
        stored = [self.pes[i % n_pe].act_rw.destination[i // n_pe] for i in range(self.layer.n_rows)]
        values = self.datapath.output(stored)
        if self.layer.row_permutation is None:
            return values
        out = np.empty_like(values)
        out[self.layer.row_permutation] = values
        return out

    def counts(self) -> UnitCounts:
        """What every unit has counted."""

        def of_each_pe(count: Callable[[PE], int]) -> NDArray[np.int64]:
            return np.array([count(pe) for pe in self.pes], np.int64)

        return UnitCounts(
            broadcasts=len(self.ccu.broadcasts),
            broadcast_stalls=self.ccu.broadcast_stalls,
            scan_bubbles=self.ccu.scan_bubbles,
            idle_cycles=self.ccu.idle_cycles,
            ptr_reads=of_each_pe(lambda pe: pe.ptr_read.ptr_reads),
            spmat_row_reads=of_each_pe(lambda pe: pe.spmat_read.spmat_row_reads),
            entries=of_each_pe(lambda pe: pe.spmat_read.entries),
            fillers=of_each_pe(lambda pe: pe.arithmetic.fillers),
            acc_writes=of_each_pe(lambda pe: pe.act_rw.acc_writes),
            acc_reads=of_each_pe(lambda pe: pe.act_rw.acc_reads),
            bypasses=of_each_pe(lambda pe: pe.arithmetic.bypasses),
            saturations=of_each_pe(lambda pe: pe.arithmetic.saturations),
            busy_cycles=of_each_pe(lambda pe: pe.busy_cycles),
            bubble_cycles=of_each_pe(lambda pe: pe.bubble_cycles),
            starved_cycles=of_each_pe(lambda pe: pe.starved_cycles),
            fill_cycles=of_each_pe(lambda pe: pe.fill_cycles),
            drain_cycles=of_each_pe(lambda pe: pe.drain_cycles),
            bias_writes=of_each_pe(lambda pe: pe.act_rw.bias_writes),
        )

    def schedule(self) -> Schedule:
        """When every broadcast was pushed, and when each PE took it."""
        n_broadcasts = len(self.ccu.broadcasts)
        pushes = np.array(self.ccu.broadcasts, np.int64).reshape(n_broadcasts, 2)
        pops = np.array([pe.ptr_read.pops for pe in self.pes], np.int64).reshape(len(self.pes), n_broadcasts, 2)
        return Schedule(
            column=pushes[:, 0].copy(),
            push_cycle=pushes[:, 1].copy(),
            pop_cycle=pops[:, :, 0].copy(),
            entries=pops[:, :, 1].copy(),
            n_pe=self.layer.n_pe,
            n_rows_of_inputs=self.n_rows_of_inputs,
            has_bias=self.broadcasts_bias,
            cycles=self.cycles,
            broadcast_latency=self.arch.broadcast_latency,
        )

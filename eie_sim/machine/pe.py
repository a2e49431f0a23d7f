"""The processing element: its units, wired together, and what becomes of its cycles (EIE section IV, Fig. 4)."""

from dataclasses import dataclass

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.machine.act_queue import ActQueue
from eie_sim.machine.act_rw import ActRW
from eie_sim.machine.arithmetic import Arithmetic
from eie_sim.machine.clock import Clock, Unit
from eie_sim.machine.datapath import Datapath, Number
from eie_sim.machine.ptr_read import PtrRead
from eie_sim.machine.spmat_read import SpmatRead


@dataclass(frozen=True)
class Parts:
    """The class of each unit of a PE; put your own subclass in the place of one."""

    act_queue: type[ActQueue] = ActQueue
    ptr_read: type[PtrRead] = PtrRead
    spmat_read: type[SpmatRead] = SpmatRead
    arithmetic: type[Arithmetic] = Arithmetic
    act_rw: type[ActRW] = ActRW


class PE(Unit):
    """PE `k` of the machine: rows ``i`` with ``i mod N == k``, inputs ``a[j]`` with ``j mod N == k``.

    As a unit it only watches: each of its cycles is busy (an entry issued), a bubble (an empty column), or idle. An
    idle stretch is fill before the first service and starved between two. The latest one may turn out to be either, or
    the drain: that is known when service resumes or the layer ends, so until then it counts as drain.

    Parameters
    ----------
    k : int
    clock : Clock
    layer : PackedLayer
    arch : ArchConfig
    datapath : Datapath
    source : list of Number
        Its inputs.
    parts : Parts

    Attributes
    ----------
    busy_cycles, bubble_cycles, fill_cycles, starved_cycles : int
    drain_cycles : int
        Idle since the last service.
    """

    def __init__(
        self,
        k: int,
        clock: Clock,
        layer: PackedLayer,
        arch: ArchConfig,
        datapath: Datapath,
        source: list[Number],
        parts: Parts,
    ) -> None:
        base, count = int(layer.entry_base[k]), int(layer.entries_per_pe[k])
        codes, runs = (a[base : base + count].tobytes() for a in (layer.codes, layer.runs))
        n_rows = len(range(k, layer.n_rows, layer.n_pe))
        self.act_queue = parts.act_queue(arch.act_queue_depth)
        self.ptr_read = parts.ptr_read(clock, self.act_queue, pointer_sram(layer, k))
        self.spmat_read = parts.spmat_read(self.ptr_read, codes, runs, arch.entries_per_spmat_row)
        self.act_rw = parts.act_rw(source, n_rows, datapath.zero)
        self.arithmetic = parts.arithmetic(self.spmat_read, self.act_rw, datapath)
        self.units: tuple[Unit, ...] = (
            self, self.act_queue, self.ptr_read, self.spmat_read, self.arithmetic, self.act_rw,
        )  # fmt: skip
        self.lock_step = arch.act_queue_depth == 1
        self.busy_cycles = self.bubble_cycles = 0
        self.fill_cycles = self.starved_cycles = self.drain_cycles = 0
        self._in_service = self._issuing = False

    @property
    def full(self) -> bool:
        """Whether nothing more may be broadcast to this PE in this cycle.

        With a queue of depth 1 all PEs work in lock-step: an activation comes only when the PE will be done with all it
        has one cycle after this one.
        """
        if not self.lock_step:
            return self.act_queue.full
        # A latch holds one activation: its service, and what is left of the one before.
        latched = sum(self.ptr_read.service_cycles(activation) for activation in self.act_queue.waiting)
        return max(self.ptr_read.cycles_left - 1, 0) + latched > 1

    def sample(self) -> None:
        """See what the pointer read does in this cycle."""
        self._in_service = self.ptr_read.cycles_left > 0
        self._issuing = self.ptr_read.issue is not None

    def commit(self) -> None:
        """Count the cycle in its class."""
        if not self._in_service:
            self.drain_cycles += 1
            return
        if self.busy_cycles + self.bubble_cycles == 0:
            self.fill_cycles = self.drain_cycles
        else:
            self.starved_cycles += self.drain_cycles
        self.drain_cycles = 0
        self.busy_cycles += self._issuing
        self.bubble_cycles += not self._issuing


def pointer_sram(layer: PackedLayer, k: int) -> list[int]:
    """Pointers of PE `k`, one for each column index that can be broadcast, and one more.

    The bias is broadcast as the first column of a row of its own, ``R * N``; a packed layer keeps it as column
    ``n_cols``. The columns between are empty here: their pointers repeat.
    """
    pointers: list[int] = layer.pointers[:, k].tolist()
    gap = -layer.n_cols % layer.n_pe if layer.has_bias else 0
    return pointers[: layer.n_cols] + [pointers[layer.n_cols]] * gap + pointers[layer.n_cols :]

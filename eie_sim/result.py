"""What a simulation gives back: counts, schedule, outputs, and the figures that follow from them.

Two engines run one contract, so there is one set of result types; whoever reads a result cannot tell, and need not
know, which engine made it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig

Scalar = TypeVar("Scalar")
Integers = NDArray[np.int64]


class _Lasting:
    """What is copied or sent to another process stays read-only there."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if "_table" in state:  # what was made of it is made again
            for name in (*_PLACES, "counts"):
                state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(state)


@dataclass(frozen=True, eq=False, repr=False)
class Counts(_Lasting, Generic[Scalar]):
    """What each unit did. Scalars are of the whole machine; arrays are int64, shape (n_pe,).

    In a batch of B inputs, scalars are int64 (B,) and arrays (B, n_pe), or (n_pe,) where they are summed.

    Attributes
    ----------
    broadcasts : int
        Activations sent to all queues, the bias included.
    broadcast_stalls : int
        Cycles in which an active input was found and some queue was full.
    scan_bubbles : int
        Cycles in which the lane register had nothing left and the next row was loaded.
    idle_cycles : int
        The other cycles of the broadcast. The four sum to the run's cycles.
    ptr_reads : ndarray
        Pointer pairs read (each touches the even and the odd bank).
    spmat_row_reads : ndarray
        Rows of the sparse-matrix SRAM read.
    entries : ndarray
        Entries walked, fillers included.
    fillers : ndarray
        Fillers walked.
    acc_writes, acc_reads, bypasses : ndarray
        Writes and reads of destination registers, and reads saved because the adder's output was at hand.
    saturations : ndarray
        Accumulations that were cut to the accumulator's range (0 in float32).
    busy_cycles, bubble_cycles, starved_cycles, fill_cycles, drain_cycles : ndarray
        Classes of a PE's cycles: an entry issued; an empty column; nothing to do; before its first activation; after
        its last. The five sum to the run's cycles.
    bias_writes : ndarray
        Destination registers written with a bias before the first cycle; 0 where the bias is a column.
    """

    broadcasts: Scalar
    broadcast_stalls: Scalar
    scan_bubbles: Scalar
    idle_cycles: Scalar
    ptr_reads: Integers
    spmat_row_reads: Integers
    entries: Integers
    fillers: Integers
    acc_writes: Integers
    acc_reads: Integers
    bypasses: Integers
    saturations: Integers
    busy_cycles: Integers
    bubble_cycles: Integers
    starved_cycles: Integers
    fill_cycles: Integers
    drain_cycles: Integers
    bias_writes: Integers

    def __repr__(self) -> str:
        known = [f.name for f in fields(self) if hasattr(self, f.name)]  # a batch may keep no counters of PEs
        sums = ", ".join(f"{name}={np.sum(getattr(self, name))}" for name in known)
        return f"Counts(sums over the machine: {sums})"

    EVENTS: ClassVar[tuple[str, ...]] = (
        "broadcasts",
        "ptr_reads",
        "spmat_row_reads",
        "entries",
        "acc_reads",
        "acc_writes",
    )
    """The events that cost tables price; classes of cycles never are. `bias_writes` cost what `acc_writes` do."""

    SCALARS: ClassVar[tuple[str, ...]] = ("broadcasts", "broadcast_stalls", "scan_bubbles", "idle_cycles")
    """The fields that count for the whole machine."""

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: the rows of `result_of_table`, each of which becomes an array of its own
        # when somebody reads it first. Making all 14 takes 2.5 us, two thirds of a warm call on a layer of 64 x 16.
        place = _PLACES.get(name)
        if place is None or "_table" not in self.__dict__:
            kept = " (counts='none' of a batch keeps no counters of PEs)" if place is not None else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{kept}")
        table = self.__dict__["_table"]
        table.flags.writeable = False
        return self.__dict__.setdefault(name, table.reshape(len(PER_PE), -1)[place])


def freeze(record: object) -> None:
    """Make every array of a dataclass read-only: a result stays what was simulated."""
    for f in fields(record):  # type: ignore[arg-type]
        value = getattr(record, f.name, None)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


UnitCounts = Counts[int]
"""The counts of one input vector: scalars are int, the others int64, shape (n_pe,)."""

BatchCounts = Counts[Integers]
"""The counts of B input vectors: scalars are int64, shape (B,), the others (B, n_pe)."""

PER_PE = tuple(f.name for f in fields(Counts) if f.name not in Counts.SCALARS)
"""The fields that count for each PE, in order."""

_PLACES = {name: place for place, name in enumerate(PER_PE)}


@dataclass(frozen=True, eq=False)
class Schedule(_Lasting):
    """When everything happened: enough, with the layer, to tell the state of every unit in every cycle.

    Attributes
    ----------
    column : ndarray of int64, shape (J,)
        Column of each broadcast, in order; ``n_rows_of_inputs * n_pe`` for the bias.
    push_cycle : ndarray of int64, shape (J,)
        Edge at which it left the leading-non-zero unit; without a broadcast latency that is when it was pushed into
        every queue.
    pop_cycle : ndarray of int64, shape (n_pe, J)
        Edge at which each PE took it from its queue: its first cycle of service.
    entries : ndarray of int64, shape (n_pe, J)
        Entries each PE walked for it.
    n_pe : int
    n_rows_of_inputs : int
        Activation rows of `n_pe` lanes, the bias row apart: ``ceil(n_cols / n_pe)``.
    has_bias : bool
    cycles : int
    broadcast_latency : int
        Cycles from there to the queues.
    """

    column: Integers
    push_cycle: Integers
    pop_cycle: Integers
    entries: Integers
    n_pe: int
    n_rows_of_inputs: int
    has_bias: bool
    cycles: int
    broadcast_latency: int = 0

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def arrival_cycle(self) -> Integers:
        """Edge at which each broadcast was pushed into every queue; int64, shape (J,)."""
        return self.push_cycle + self.broadcast_latency

    @property
    def bias_column(self) -> int:
        """Column index that the bias is broadcast as; -1 without one, which no column is."""
        return self.n_rows_of_inputs * self.n_pe if self.has_bias else -1


class _Figures(_Lasting):
    """Figures of merit that follow from cycles and counts alone (definitions: EIE Table IV, Figs 8, 12, 13)."""

    cycles: int
    arch: ArchConfig
    n_rows: int
    n_cols: int
    counts: UnitCounts

    @property
    def time_us(self) -> float:
        """Actual time in microseconds: cycles over the clock (Table IV, "actual")."""
        return self.cycles / self.arch.clock_hz * 1e6

    @property
    def theoretical_us(self) -> float:
        """Time in microseconds if all PEs were always busy (Table IV, "theoretical")."""
        return self.entries_walked / self.arch.n_pe / self.arch.clock_hz * 1e6

    @property
    def entries_walked(self) -> int:
        """Entries walked by all PEs, fillers included."""
        return int(self.counts.entries.sum())

    @property
    def load_balance(self) -> float:
        """Entries walked over PE-cycles, 0 .. 1 (Figs 8 and 13); fillers count as work."""
        return self.entries_walked / (self.arch.n_pe * self.cycles)

    @property
    def real_work(self) -> float:
        """Real weights over entries walked, 0 .. 1 (Fig. 12); 1 when nothing was walked."""
        walked = self.entries_walked
        return 1 - int(self.counts.fillers.sum()) / walked if walked else 1.0

    @property
    def gops(self) -> float:
        """Billions of useful operations a second: a multiplication and an addition for each real weight walked."""
        return 2 * int(self.counts.acc_writes.sum()) / self.time_us / 1e3

    @property
    def dense_gops(self) -> float:
        """Billions of operations a second that a dense machine would need for the same time."""
        return 2 * self.n_rows * self.n_cols / self.time_us / 1e3


@dataclass(frozen=True, eq=False, repr=False)
class SimResult(_Figures):
    """One layer on one machine with one input vector.

    Attributes
    ----------
    cycles : int
        The number of the first cycle in which nothing is left to do.
    output : ndarray, shape (n_rows,), or None
        Sums before the activation function, rows in original order: float32, or float64 in fixed point. None when not
        asked for.
    counts : UnitCounts
    schedule : Schedule or None
        None when not asked for.
    arch : ArchConfig
    layer : str
        Name of the layer.
    n_rows, n_cols : int
        Its outputs and inputs.
    engine, version : str
        Which engine of which version of the package made it.
    """

    cycles: int
    output: NDArray[np.floating] | None
    counts: UnitCounts
    schedule: Schedule | None
    arch: ArchConfig
    layer: str
    n_rows: int
    n_cols: int
    engine: str
    version: str

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: the counts of `result_of_table`. Made at once they take an eighth of such a
        # call, for the reason that `Counts` gives.
        known = self.__dict__
        if name != "counts" or "_ran" not in known:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        broadcasts, cycles, stalls, bubbles = known["_ran"]
        counts: UnitCounts = object.__new__(Counts)
        counts.__dict__.update(
            broadcasts=broadcasts,
            broadcast_stalls=stalls,
            scan_bubbles=bubbles,
            idle_cycles=cycles - broadcasts - stalls - bubbles,
            _table=known["_table"],
        )
        return known.setdefault(name, counts)

    def on(self, arch: ArchConfig) -> "SimResult":
        """The same run on a machine that differs in nothing that it depends on, such as the clock.

        Raises
        ------
        ValueError
            When cycles, counts or outputs would be others there.
        """
        if arch.timed_by != self.arch.timed_by:
            raise ValueError(f"arch: {arch.name!r} differs from {self.arch.name!r} in what cycles depend on")
        moved = object.__new__(SimResult)
        moved.__dict__.update(self.__dict__, arch=arch)
        return moved

    def __repr__(self) -> str:
        return (
            f"SimResult({self.layer!r} on {self.arch.name!r}: {self.cycles} cycles, {self.time_us:.4g} us, "
            f"load balance {self.load_balance:.3f}, engine {self.engine!r})"
        )


def result_of_table(
    ran: tuple[int, int, int, int],
    table: Integers,
    output: NDArray[np.floating] | None,
    schedule: Schedule | None,
    arch: ArchConfig,
    layer: PackedLayer,
    engine: str,
) -> SimResult:
    """A result from the broadcasts, cycles, stalls and scan bubbles of a run and the table of its counts.

    The arrays of its counts lie one after another in `table`, int64 (len(PER_PE) * n_pe,), which becomes theirs.
    """
    # Twice as quick as the constructor, which sets one attribute of a frozen class after another.
    result = object.__new__(SimResult)
    result.__dict__.update(
        cycles=ran[1],
        output=output,
        schedule=schedule,
        arch=arch,
        layer=layer.name,
        n_rows=layer.n_rows,
        n_cols=layer.n_cols,
        engine=engine,
        version=__version__,
        _ran=ran,
        _table=table,
    )
    return result


@dataclass(frozen=True, eq=False, repr=False)
class BatchTotal(_Figures):
    """All vectors of a batch together: its figures of merit are means over them, weighted by their cycles.

    Attributes
    ----------
    vectors : int
    cycles : int
        Of all vectors.
    counts : UnitCounts
        Sums over all vectors.
    arch, layer, n_rows, n_cols, engine, version
        As in `SimResult`.
    """

    vectors: int
    cycles: int
    counts: UnitCounts
    arch: ArchConfig
    layer: str
    n_rows: int
    n_cols: int
    engine: str
    version: str

    def __repr__(self) -> str:
        return f"BatchTotal({self.layer!r} on {self.arch.name!r}: {self.vectors} inputs, {self.cycles} cycles)"

    @property
    def dense_gops(self) -> float:
        """Billions of operations a second that a dense machine would need for the same time."""
        return self.vectors * super().dense_gops

    @property
    def output(self) -> None:
        """None: sums have no outputs."""


KeptCounts = Literal["each", "sum", "none"]
"""What a batch keeps of the counters of the PEs: those of every vector, their sums, nothing."""

KEPT_COUNTS: tuple[KeptCounts, ...] = get_args(KeptCounts)


def batch_counts(ran: Integers, tables: Integers | None) -> BatchCounts:
    """The counts of a batch of B vectors.

    Parameters
    ----------
    ran : ndarray of int64, shape (B, 4)
        Broadcasts, cycles, stalls and scan bubbles.
    tables : ndarray of int64, shape (B, len(PER_PE), n_pe) or (len(PER_PE), n_pe), or None
        The counters of the PEs, in the order of `PER_PE`: of each vector, summed, or none.
    """
    broadcasts, cycles, stalls, bubbles = ran.T.copy()
    counts: BatchCounts = object.__new__(Counts)
    counts.__dict__.update(
        broadcasts=broadcasts,
        broadcast_stalls=stalls,
        scan_bubbles=bubbles,
        idle_cycles=cycles - broadcasts - stalls - bubbles,
    )
    if tables is not None:
        counts.__dict__.update({name: tables[..., place, :] for name, place in _PLACES.items()})
    return counts


@dataclass(frozen=True, eq=False, repr=False)
class BatchResult(_Lasting):
    """One layer on one machine with B input vectors, one after another; each from an empty machine.

    Attributes
    ----------
    cycles : ndarray of int64, shape (B,)
    output : ndarray, shape (B, n_rows), or None
        As in `SimResult`.
    counts : BatchCounts
        The counters of the PEs are those of every vector where `kept` is ``"each"``, (B, n_pe); their sums where it is
        ``"sum"``, (n_pe,); and not there where it is ``"none"``.
    arch, layer, n_rows, n_cols, engine, version
        As in `SimResult`.
    kept : str
        One of `KEPT_COUNTS`.
    """

    cycles: Integers
    output: NDArray[np.floating] | None
    counts: BatchCounts
    arch: ArchConfig
    layer: str
    n_rows: int
    n_cols: int
    engine: str
    version: str
    kept: KeptCounts = "each"

    def __post_init__(self) -> None:
        freeze(self)
        freeze(self.counts)

    def _of_each(self) -> BatchCounts:
        """The counts, where they are those of every vector.

        Raises
        ------
        ValueError
            When the batch does not keep them.
        """
        if self.kept != "each":
            raise ValueError(f"counts: {self.kept!r} keeps no counters of each vector; counts='each' does")
        return self.counts

    def total(self) -> BatchTotal:
        """All vectors together: what reports, figures and `eie_sim.cost.energy.energy` take of a batch.

        Raises
        ------
        ValueError
            When the batch keeps no counters, or has no vector.
        """
        if self.kept == "none":
            raise ValueError(
                "counts: 'none' keeps no counters, but a total needs them; counts='sum' and 'each' keep them"
            )
        if not len(self):
            raise ValueError("acts: 0 input vectors, but a total needs at least one")
        summed = {f.name: np.asarray(getattr(self.counts, f.name)) for f in fields(self.counts)}
        one: dict[str, Any] = {
            name: int(counts.sum()) if name in Counts.SCALARS else counts.reshape(-1, self.arch.n_pe).sum(axis=0)
            for name, counts in summed.items()
        }
        return BatchTotal(
            len(self), int(self.cycles.sum()), Counts(**one),
            self.arch, self.layer, self.n_rows, self.n_cols, self.engine, self.version,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.cycles)

    def __repr__(self) -> str:
        return f"BatchResult({self.layer!r} on {self.arch.name!r}: {len(self)} inputs, engine {self.engine!r})"

    @property
    def time_us(self) -> NDArray[np.float64]:
        """Actual time of each input in microseconds; float64, shape (B,)."""
        return self.cycles / self.arch.clock_hz * 1e6

    @property
    def theoretical_us(self) -> NDArray[np.float64]:
        """Time of each input in microseconds if all PEs were always busy; float64, shape (B,)."""
        return np.asarray(self._of_each().entries.sum(axis=1) / self.arch.n_pe / self.arch.clock_hz * 1e6, np.float64)

    @property
    def load_balance(self) -> NDArray[np.float64]:
        """Entries walked over PE-cycles of each input; float64, shape (B,)."""
        return np.asarray(self._of_each().entries.sum(axis=1) / (self.arch.n_pe * self.cycles), np.float64)

    def __getitem__(self, index: int) -> SimResult:
        """The result of one of the inputs."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"input {index} of a batch of {len(self)}")
        counts = self._of_each()
        picked: dict[str, Any] = {f.name: getattr(counts, f.name)[index] for f in fields(counts)}
        # Scalars of one run are Python's own, as an engine gives them; rows of the arrays stay views of the batch.
        one: dict[str, Any] = {n: int(v) if n in Counts.SCALARS else v for n, v in picked.items()}
        return SimResult(
            int(self.cycles[index]),
            None if self.output is None else self.output[index],
            Counts(**one), None, self.arch, self.layer, self.n_rows, self.n_cols, self.engine, self.version,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ModelResult:
    """The layers of a model one after another on one machine, one input vector.

    Attributes
    ----------
    layers : tuple of SimResult
    output : ndarray, shape (n_rows of the last layer,)
        After the last activation function.
    """

    layers: tuple[SimResult, ...]
    output: NDArray[np.floating]

    def __repr__(self) -> str:
        return f"ModelResult({self.cycles} cycles, {self.time_us:.4g} us: {', '.join(map(repr, self.layers))})"

    @property
    def cycles(self) -> int:
        """Cycles of all layers together."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def time_us(self) -> float:
        """Time of all layers together, in microseconds."""
        return sum(layer.time_us for layer in self.layers)

    @property
    def theoretical_us(self) -> float:
        """Time of all layers together in microseconds if all PEs were always busy."""
        return sum(layer.theoretical_us for layer in self.layers)

    @property
    def load_balance(self) -> float:
        """Entries walked over PE-cycles of all layers together, 0 .. 1."""
        return self.theoretical_us / self.time_us

    @property
    def gops(self) -> float:
        """Billions of useful operations a second over all layers together."""
        return sum(layer.gops * layer.time_us for layer in self.layers) / self.time_us


def differences(a: SimResult, b: SimResult) -> list[str]:
    """Names of what differs between two results, engine and version apart; empty when they agree in every field.

    Integers are compared with ``==`` and outputs bit for bit (but that a zero is a zero, whatever its sign).
    """
    names = [n for n in ("cycles", "arch", "layer", "n_rows", "n_cols") if getattr(a, n) != getattr(b, n)]
    if not _same(a.output, b.output):
        names.append("output")
    counted = [f.name for f in fields(a.counts)]
    names += [f"counts.{n}" for n in counted if not _same(getattr(a.counts, n), getattr(b.counts, n))]
    if a.schedule is None or b.schedule is None:
        return names + (["schedule"] if a.schedule is not b.schedule else [])
    return names + [
        f"schedule.{f.name}"
        for f in fields(a.schedule)
        if not _same(getattr(a.schedule, f.name), getattr(b.schedule, f.name))
    ]


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return type(a) is type(b) and a == b


def batch_of_runs(
    results: Sequence[SimResult], layer: PackedLayer, arch: ArchConfig, engine: str, output: bool, kept: KeptCounts
) -> BatchResult:
    """The batch of vectors that an engine runs one by one.

    Parameters
    ----------
    results : sequence of SimResult
        Of each vector; maybe none.
    layer : PackedLayer
    arch : ArchConfig
    engine : str
    output : bool
        Whether the results have outputs.
    kept : str
        One of `KEPT_COUNTS`.
    """
    found = [result.counts for result in results]
    # The shapes are given, for a batch may have no input.
    ran = [(c.broadcasts, r.cycles, c.broadcast_stalls, c.scan_bubbles) for c, r in zip(found, results, strict=True)]
    per_pe = [[getattr(c, name) for name in PER_PE] for c in found]
    tables: Integers | None = np.array(per_pe, np.int64).reshape(len(results), len(PER_PE), layer.n_pe)
    if kept != "each":
        tables = tables.sum(axis=0) if kept == "sum" and tables is not None else None
    dtype: type[np.floating] = np.float32 if arch.number_bits is None else np.float64
    outputs = np.array([r.output for r in results], dtype).reshape(len(results), layer.n_rows) if output else None
    return BatchResult(
        cycles=np.array([result.cycles for result in results], np.int64),
        output=outputs,
        counts=batch_counts(np.array(ran, np.int64).reshape(len(results), 4), tables),
        arch=arch,
        layer=layer.name,
        n_rows=layer.n_rows,
        n_cols=layer.n_cols,
        engine=engine,
        version=__version__,
        kept=kept,
    )

"""The fast engine: the recurrence of the cycle contract and the numbers, each in a few compiled loops.

It shares no code with the reference machine. What depends on the layer alone is prepared once and kept with the layer;
nothing that depends on the inputs is kept.
"""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor._jit import in_threads
from compressor._version import __version__
from compressor.packed import PackedLayer
from compressor.prepared import PreparedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines import _kernels
from eie_sim.fixed_point import FixedPoint
from eie_sim.result import BatchCounts, BatchResult, Counts, Schedule, SimResult, UnitCounts

NAME = "fast"

# Edges are counted in 32 bits inside the kernels.
_MOST_CYCLES = 2**31 - 1

# Entries in an SRAM row for which the kernel shifts instead of dividing.
_SHIFTED_ROWS = frozenset(1 << shift for shift in range(16))

# More than the edges that fill and drain a machine.
_PIPELINE = 16


def run(layer: PackedLayer, acts: NDArray[np.float32], arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
    """Run one input vector; see `eie_sim.engines.base.Engine`."""
    _check_size(layer)
    cycles, counts, sums, plan = _run_one(layer, layer.prepared(), acts, arch, output, schedule)
    return SimResult(
        cycles, sums, counts, plan, arch, layer.name, layer.n_rows, layer.n_cols, NAME, __version__
    )  # fmt: skip


def run_batch(layer: PackedLayer, acts: NDArray[np.float32], arch: ArchConfig, output: bool) -> BatchResult:
    """Run many input vectors on all cores; see `eie_sim.engines.base.Engine`."""
    _check_size(layer)
    prepared = layer.prepared()
    runs = in_threads(lambda vector: _run_one(layer, prepared, vector, arch, output, False), acts)
    cycles = np.array([cycles for cycles, *_ in runs], np.int64)
    names = [field.name for field in fields(Counts)]
    empty = {name: np.zeros((0,) if name in Counts.SCALARS else (0, layer.n_pe), np.int64) for name in names}
    stacked = {name: np.array([getattr(counts, name) for _, counts, *_ in runs], np.int64) for name in names}
    counts: BatchCounts = Counts(**(stacked if runs else empty))
    sums: NDArray[Any] | None = None
    if output:
        kind = np.float64 if arch.number_bits else np.float32
        sums = np.array([sums for *_, sums, _ in runs], kind).reshape(len(runs), layer.n_rows)
    return BatchResult(cycles, sums, counts, arch, layer.name, layer.n_rows, layer.n_cols, NAME, __version__)


def _check_size(layer: PackedLayer) -> None:
    # Every broadcast costs a PE its entries or one cycle, and the scan at most two cycles.
    bound = layer.n_entries + 3 * layer.pointers.shape[0] + _PIPELINE
    if bound > _MOST_CYCLES:
        raise ValueError(f"layer {layer.name!r}: may take {bound} cycles, but this engine counts to {_MOST_CYCLES}")


def _run_one(
    layer: PackedLayer,
    prepared: PreparedLayer,
    acts: NDArray[np.float32],
    arch: ArchConfig,
    output: bool,
    schedule: bool,
) -> tuple[int, UnitCounts, NDArray[Any] | None, Schedule | None]:
    fixed = None if arch.number_bits is None else FixedPoint.of(arch, layer.codebook, acts, layer.has_bias)
    values = acts if fixed is None else fixed.activations(acts)
    columns = np.empty(layer.n_cols + 1, np.int32)
    n_inputs = _kernels.find_active(values, columns)
    columns[n_inputs] = layer.n_cols
    columns = columns[: n_inputs + layer.has_bias]
    push = np.empty(len(columns), np.int64)
    table = np.empty((len(_kernels.PER_PE), layer.n_pe), np.int64)
    lanes = prepared.address.shape[1]
    totals = _kernels.run_counts(columns, n_inputs, _machine(layer, arch), lanes, prepared.by_lane, push, table)
    cycles, stalls, bubbles = (int(total) for total in totals)
    idle = cycles - len(columns) - stalls - bubbles
    counts: UnitCounts = Counts(len(columns), stalls, bubbles, idle, *table)
    plan = _schedule(layer, columns, push, cycles) if schedule else None
    sums = _accumulate(layer, prepared, columns, values, fixed, counts.saturations) if output else None
    return cycles, counts, sums, plan


def _machine(layer: PackedLayer, arch: ArchConfig) -> _kernels.Machine:
    per_row = arch.entries_per_spmat_row
    shift = per_row.bit_length() - 1 if per_row in _SHIFTED_ROWS else -1
    return _kernels.Machine(layer.n_pe, layer.n_cols, arch.act_queue_depth, shift, per_row)


def _schedule(layer: PackedLayer, columns: NDArray[np.int32], push: NDArray[np.int64], cycles: int) -> Schedule:
    rows = -(-layer.n_cols // layer.n_pe)
    pop_cycle = np.empty((layer.n_pe, len(columns)), np.int64)
    entries = np.empty_like(pop_cycle)
    _kernels.expand_schedule(columns, push, layer.pointers, pop_cycle, entries)
    column = columns.astype(np.int64)
    if layer.has_bias:
        column[-1] = rows * layer.n_pe
    return Schedule(column, push, pop_cycle, entries, layer.n_pe, rows, layer.has_bias, cycles)


def _accumulate(
    layer: PackedLayer,
    prepared: PreparedLayer,
    columns: NDArray[np.int32],
    values: NDArray[Any],
    fixed: FixedPoint | None,
    saturations: NDArray[np.int64],
) -> NDArray[Any]:
    """The outputs in original order of rows; adds to `saturations`."""
    entries = (prepared.real_indptr, prepared.real_entries)
    if fixed is None:
        sums: NDArray[Any] = np.zeros(layer.n_rows, np.float32)
        one = np.float32(1)
        with np.errstate(over="ignore", invalid="ignore"):  # as the compiled kernel; numbers beyond float32 are inf
            _kernels.accumulate_float32(columns, values, one, layer.codebook, entries, layer.weight_bits, sums)
    else:
        totals = np.zeros(layer.n_rows, np.int64)
        rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits, layer.weight_bits)
        unit = fixed.activations(np.ones(1, np.float32))[0]
        _kernels.accumulate_fixed(
            columns, values, unit, fixed.weights(layer.codebook), entries, rule, totals, saturations
        )
        sums = fixed.values(totals)
    if layer.row_permutation is None:
        return sums
    ordered = np.empty_like(sums)
    ordered[layer.row_permutation] = sums
    return ordered

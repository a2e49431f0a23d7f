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

# After its last entry an entry's way through the pipeline takes this many edges (contract, PE rule 3).
_PIPELINE_EDGES = 5


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
    bound = layer.n_entries + 3 * layer.pointers.shape[0] + _PIPELINE_EDGES
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
    cycles, counts, push = _count(layer, prepared, columns, n_inputs, arch)
    plan = _schedule(layer, columns, push, cycles) if schedule else None
    if not output:
        return cycles, counts, None, plan
    one = np.float32(1) if fixed is None else fixed.activations(np.ones(1, np.float32))[0]
    operands = np.append(values[columns[:n_inputs]], [one] * layer.has_bias).astype(values.dtype)
    return cycles, counts, _accumulate(layer, prepared, columns, operands, fixed, counts.saturations), plan


def _count(
    layer: PackedLayer, prepared: PreparedLayer, columns: NDArray[np.int32], n_inputs: int, arch: ArchConfig
) -> tuple[int, UnitCounts, NDArray[np.int64]]:
    """Cycles, all counts (saturations 0) and the push edges."""
    n_pe, lanes = layer.n_pe, prepared.address.shape[1]
    per_row = arch.entries_per_spmat_row
    shift = per_row.bit_length() - 1 if per_row & (per_row - 1) == 0 else -1
    machine = _kernels.Machine(n_pe, layer.n_cols, arch.act_queue_depth, shift, per_row)
    state = _kernels.new_state(lanes)
    push, pop = np.empty(len(columns), np.int64), np.empty(len(columns), np.int64)
    arrays = (prepared.address.ravel(), prepared.first_row.ravel(), prepared.last_row.ravel())
    last_load, stalls, bubbles = _kernels.run_timing(
        columns, n_inputs, machine, lanes, arrays, state.reshape(-1), push, pop
    )
    by_pe = state[:, :, : _kernels.BLOCK].transpose(1, 0, 2).reshape(_kernels.STATE_ROWS, -1)[:, :n_pe]
    free, end, empty, entries, bypasses, reads, _ = by_pe.astype(np.int64)
    cycles = int(max(last_load, free.max(), end.max() + _PIPELINE_EDGES if end.any() else 0))
    fillers = np.zeros(lanes, np.int64)
    if prepared.fillers is not None:
        _kernels.sum_columns(columns, prepared.fillers, fillers)
    fill = np.full(n_pe, push[0] if len(push) else 0, np.int64)
    drain = cycles - free + 1
    writes = entries - fillers[:n_pe]
    counts = UnitCounts(
        broadcasts=len(columns),
        broadcast_stalls=int(stalls),
        scan_bubbles=int(bubbles),
        idle_cycles=cycles - len(columns) - int(stalls) - int(bubbles),
        ptr_reads=np.full(n_pe, len(columns), np.int64),
        spmat_row_reads=reads,
        entries=entries,
        fillers=fillers[:n_pe],
        acc_writes=writes,
        acc_reads=writes - bypasses,
        bypasses=bypasses,
        saturations=np.zeros(n_pe, np.int64),
        busy_cycles=entries,
        bubble_cycles=empty,
        starved_cycles=cycles - fill - drain - entries - empty,
        fill_cycles=fill,
        drain_cycles=drain,
    )
    return cycles, counts, push


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
    operands: NDArray[Any],
    fixed: FixedPoint | None,
    saturations: NDArray[np.int64],
) -> NDArray[Any]:
    """The outputs in original order of rows; adds to `saturations`."""
    entries = (prepared.real_indptr, prepared.real_entries, layer.weight_bits)
    if fixed is None:
        sums: NDArray[Any] = np.zeros(layer.n_rows, np.float32)
        _kernels.accumulate_float32(columns, operands, layer.codebook, *entries, sums)
    else:
        totals = np.zeros(layer.n_rows, np.int64)
        rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits)
        weights = fixed.weights(layer.codebook)
        _kernels.accumulate_fixed(columns, operands, weights, *entries, rule, totals, saturations)
        sums = fixed.values(totals)
    if layer.row_permutation is None:
        return sums
    ordered = np.empty_like(sums)
    ordered[layer.row_permutation] = sums
    return ordered

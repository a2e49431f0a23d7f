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
from compressor.checks import as_floats
from compressor.packed import PackedLayer
from compressor.prepared import PreparedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines import _kernels
from eie_sim.engines.base import Inputs
from eie_sim.fixed_point import FixedPoint
from eie_sim.result import PER_PE, BatchCounts, BatchResult, Counts, Schedule, SimResult, UnitCounts, counts_of_table

NAME = "fast"

# Edges are counted in 32 bits inside the kernels.
_MOST_CYCLES = 2**31 - 1

# Entries in an SRAM row for which the kernel shifts instead of dividing.
_SHIFTED_ROWS = frozenset(1 << shift for shift in range(16))

# Given to the kernel where nobody asks for them.
_NO_COLUMNS, _NO_EDGES = np.empty(0, np.int32), np.empty(0, np.int64)

# More than the edges that fill and drain a machine.
_PIPELINE = 16


def run(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
    """Run one input vector; see `eie_sim.engines.base.Engine`."""
    cycles, counts, sums, plan = _run_one(layer, layer.prepared(), acts, arch, output, schedule)
    return SimResult(cycles, sums, counts, plan, arch, layer.name, layer.n_rows, layer.n_cols, NAME, __version__)


def run_batch(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool) -> BatchResult:
    """Run many input vectors on all cores; see `eie_sim.engines.base.Engine`."""
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


_Run = tuple[int, UnitCounts, NDArray[Any] | None, Schedule | None]


def _run_one(
    layer: PackedLayer, prepared: PreparedLayer, acts: Inputs, arch: ArchConfig, output: bool, plan: bool
) -> _Run:
    last = prepared.of_machine.get("timing")
    if last is None or last[0] is not arch:
        last = prepared.of_machine["timing"] = (arch, _timing(layer, prepared, arch))
    timing = last[1]
    columns = np.empty(layer.n_cols + 1, np.int32) if output or plan else _NO_COLUMNS
    push = np.empty(layer.n_cols + 1, np.int64) if plan else _NO_EDGES
    table = np.empty((len(PER_PE), layer.n_pe), np.int64)
    fixed = None
    values: NDArray[Any] = _read_only(acts)
    active: NDArray[Any] = values
    if arch.number_bits is not None:
        acts = as_floats("acts", acts, np.float64)
        fixed = FixedPoint.of(arch, layer.codebook, acts, layer.has_bias)
        values = fixed.activations(acts)
        # The timing asks of an input only whether it is zero: in the type of the floats, for one compiled kernel.
        active = _read_only((values != 0).astype(np.float32))
    broadcasts, cycles, stalls, bubbles = _kernels.run_counts(active, timing, prepared.by_lane, columns, push, table)
    if broadcasts < 0:
        as_floats("acts", acts)  # says which input is not finite
    columns = columns[:broadcasts]
    sums = _sums(layer, prepared, columns, values, fixed, table) if output else None
    counts = counts_of_table(broadcasts, stalls, bubbles, cycles - broadcasts - stalls - bubbles, table)
    schedule = _schedule(layer, columns, push[:broadcasts].copy(), cycles) if plan else None
    return cycles, counts, sums, schedule


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: numba compiles a kernel once more for an array that can be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _sums(
    layer: PackedLayer,
    prepared: PreparedLayer,
    columns: NDArray[np.int32],
    values: NDArray[Any],
    fixed: FixedPoint | None,
    table: NDArray[np.int64],
) -> NDArray[Any]:
    """The outputs in original order of rows; puts the saturations into the table of counts."""
    entries = (prepared.real_indptr, prepared.real_entries)
    if fixed is None:
        sums: NDArray[Any] = np.zeros(layer.n_rows, np.float32)
        _kernels.accumulate_float32(values, columns, *entries, layer.codebook, sums)
        return _in_original_order(layer, sums)
    one = fixed.activations(np.ones(1, np.float32))[0]
    rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits)
    totals = np.zeros(layer.n_rows, np.int64)
    saturations = table[PER_PE.index("saturations")]
    _kernels.accumulate_fixed(values, one, columns, *entries, fixed.weights(layer.codebook), rule, totals, saturations)
    return _in_original_order(layer, fixed.values(totals))


def _timing(layer: PackedLayer, prepared: PreparedLayer, arch: ArchConfig) -> tuple[int, ...]:
    # Every broadcast costs a PE its entries or one cycle, and the scan at most two cycles.
    bound = layer.n_entries + 3 * layer.pointers.shape[0] + _PIPELINE
    if bound > _MOST_CYCLES:
        raise ValueError(f"layer {layer.name!r}: may take {bound} cycles, but this engine counts to {_MOST_CYCLES}")
    per_row = min(arch.entries_per_spmat_row, _MOST_CYCLES)  # more than any layer here has
    shift = per_row.bit_length() - 1 if per_row in _SHIFTED_ROWS else -1
    depth = min(arch.act_queue_depth, _MOST_CYCLES)
    return layer.n_pe, prepared.lanes, layer.n_cols, int(layer.has_bias), depth, shift, per_row


def _in_original_order(layer: PackedLayer, sums: NDArray[Any]) -> NDArray[Any]:
    if layer.row_permutation is not None:
        stored, sums = sums, np.empty_like(sums)
        sums[layer.row_permutation] = stored
    sums.flags.writeable = False
    return sums


def _schedule(layer: PackedLayer, columns: NDArray[np.int32], push: NDArray[np.int64], cycles: int) -> Schedule:
    rows = -(-layer.n_cols // layer.n_pe)
    pop_cycle = np.empty((layer.n_pe, len(columns)), np.int64)
    entries = np.empty_like(pop_cycle)
    _kernels.expand_schedule(columns, push, layer.pointers, pop_cycle, entries)
    column = columns.astype(np.int64)
    if layer.has_bias:
        column[-1] = rows * layer.n_pe
    return Schedule(column, push, pop_cycle, entries, layer.n_pe, rows, layer.has_bias, cycles)

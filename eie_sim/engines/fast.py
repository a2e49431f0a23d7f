"""The fast engine: the recurrence of the cycle contract and the numbers, each in a few compiled loops.

It shares no code with the reference machine. What depends on the layer alone is prepared once and kept while the layer
lives; nothing that depends on the inputs is kept.
"""

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.checks import as_floats
from compressor.jit import in_threads
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines import _batch_kernels, _kernels
from eie_sim.engines._lanes import LANES
from eie_sim.engines.layer_cache import LayerCache
from eie_sim.engines.prepared import in_cache_lines, prepared
from eie_sim.engines.protocol import Inputs
from eie_sim.fixed_point import FixedPoint
from eie_sim.result import PER_PE, BatchResult, KeptCounts, Schedule, SimResult, batch_counts, result_of_table

NAME = "fast"

# Cycles of a run that the kernels can count, also where words have 32 bits.
_MOST_CYCLES = 2**31 - 1

# Edges that a PE may be behind the broadcast where the kernel counts in 16 bits.
_MOST_BEHIND = 2**15 - 1

_LARGEST_ADDRESS = 2**16 - 1

# Bytes of a layer's streams that are still in a cache when the next vector of a batch asks for them.
_CACHED_BYTES = 2**23

# Given to the kernel where nobody asks for them.
_NO_COLUMNS, _NO_EDGES = np.empty(0, np.int32), np.empty(0, np.int64)

_COUNT = np.dtype(np.int64)

# Vectors of a chunk times numbers of the layer (entries, rows, columns), about: a millisecond or two, so that calls of
# kernels cost little and cores come out even.
_NUMBERS_OF_A_CHUNK = 2**21

_MOST_LANES_OF_A_CHUNK = 256

# Inputs that are hashed at once: a few tenths of a millisecond, as long as it takes to start threads.
_WORDS_HASHED = 2**21

# More than the edges that fill and drain a machine.
_PIPELINE = 16


class _Plan(NamedTuple):
    """What a run asks for besides the inputs and what is derived from the layer alone."""

    arch: ArchConfig
    numbers: tuple[int, ...]
    """Of the layer and the machine, as `run_counts` takes them."""

    streams: tuple[NDArray[Any], ...]
    """The layer in words that are wide enough, as `run_counts` takes it."""

    batch_numbers: tuple[int, ...]
    """`numbers` where the vector before has brought the layer into a cache."""

    counts: int
    """Numbers in the table of counts."""

    in_fixed_point: bool
    broadcasts_bias: bool
    starts: NDArray[np.float32] | None
    """What accumulators are preloaded with, in stored order of rows; None: with 0."""


_PLANS: LayerCache[_Plan] = LayerCache()


def run(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
    """Run one input vector; see `eie_sim.engines.protocol.Engine`."""
    # In a run out of a cold cache, the way to the kernel takes as long as the kernel does: every object on it is a page
    # of memory to find. So the way is short, and the plan of the machine that ran last is kept.
    plan = _plan(layer, arch)
    table = np.empty(plan.counts, _COUNT)
    if output or schedule or plan.in_fixed_point:
        return _run_and_more(layer, acts, plan, table, output, schedule)
    # The only call whose inputs may be arrays that can be written to: it costs numba another kernel, once, and saves a
    # view each time.
    ran = _kernels.run_counts(acts, plan.numbers, plan.streams, _NO_COLUMNS, _NO_EDGES, table)
    if ran[0] < 0:
        as_floats("acts", acts)  # says which input is not finite
    return result_of_table(ran, table, None, None, arch, layer, NAME)


def _plan(layer: PackedLayer, arch: ArchConfig) -> _Plan:
    plan = _PLANS.get(layer)
    if plan is None or plan.arch is not arch:
        plan = _make_plan(layer, arch)
        _PLANS.keep(layer, plan)
    return plan


def run_batch(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, counts: KeptCounts) -> BatchResult:
    """Run many input vectors on all cores; see `eie_sim.engines.protocol.Engine`."""
    plan = _plan(layer, arch)
    times, step = np.ones(len(acts), np.int64), _vectors_of_a_chunk(layer)
    words, hashes = _as_words(acts), np.empty(len(acts), np.uint64)
    hashed = _chunks(len(acts), max(_WORDS_HASHED // max(layer.n_cols, 1), 1))
    in_threads(lambda chunk: _batch_kernels.hash_vectors(words[chunk], hashes[chunk]), hashed)
    firsts, which = np.empty(len(acts), np.int64), np.empty(len(acts), np.int64)
    n_distinct = _batch_kernels.find_distinct(words, hashes, firsts, which)
    repeated = 2 * n_distinct <= len(acts)
    if repeated:
        acts, times = acts[firsts[:n_distinct]], np.bincount(which, minlength=n_distinct).astype(np.int64)
    kind = np.float64 if plan.in_fixed_point else np.float32
    work = _BatchWork(
        ran=np.empty((len(acts), 4), np.int64),
        tables=np.empty((len(acts), plan.counts), np.int64) if counts == "each" else None,
        sums=np.empty((len(acts), layer.n_rows), kind) if output else None,
    )
    vectors = _read_only(acts)
    total, adding = np.zeros(plan.counts if counts == "sum" else 0, np.int64), Lock()

    def run_chunk(chunk: slice) -> None:
        found = _run_chunk(layer, plan, vectors[chunk], times[chunk], work.of(chunk), np.zeros_like(total))
        with adding:  # at once: kept until the end, the sums of chunks would take memory for every vector
            np.add(total, found, out=total)

    in_threads(run_chunk, _chunks(len(acts), step))
    if repeated:
        work = work.of(which)
    tables = total if counts == "sum" else work.tables
    if tables is not None:
        tables = tables.reshape(*tables.shape[:-1], len(PER_PE), layer.n_pe)
    return BatchResult(
        cycles=work.ran[:, 1].copy(),
        output=work.sums,
        counts=batch_counts(work.ran, tables),
        arch=arch,
        layer=layer.name,
        n_rows=layer.n_rows,
        n_cols=layer.n_cols,
        engine=NAME,
        version=__version__,
        kept=counts,
    )


class _BatchWork(NamedTuple):
    """What the chunks of a batch fill, each its own vectors; None is not asked for."""

    ran: NDArray[np.int64]
    tables: NDArray[np.int64] | None
    sums: NDArray[Any] | None

    def of(self, vectors: slice | NDArray[np.int64]) -> "_BatchWork":
        """That of some of the vectors."""
        tables = None if self.tables is None else self.tables[vectors]
        return _BatchWork(self.ran[vectors], tables, None if self.sums is None else self.sums[vectors])


def _as_words(acts: Inputs) -> NDArray[np.unsignedinteger[Any]]:
    """The bits of the inputs: vectors are the same only where these are."""
    return _read_only(acts.view(np.uint32 if acts.itemsize == 4 else np.uint64))


def _vectors_of_a_chunk(layer: PackedLayer) -> int:
    """How many vectors go through the kernels at once: fixed by the layer, so that nothing depends on the cores."""
    numbers = layer.n_entries + layer.n_cols + layer.n_rows
    return LANES * min(max(_NUMBERS_OF_A_CHUNK // (LANES * numbers), 1), _MOST_LANES_OF_A_CHUNK)


def _chunks(vectors: int, step: int) -> list[slice]:
    return [slice(at, at + step) for at in range(0, vectors, step)]


def _run_chunk(
    layer: PackedLayer,
    plan: _Plan,
    acts: Inputs,
    times: NDArray[np.int64],
    work: _BatchWork,
    total: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Run the vectors of a chunk; returns `total`, filled with their counters, each vector's `times` times.

    `total` is all zeros, or empty where no sum is asked for.
    """
    values: NDArray[Any] = acts
    active, fixed = values, None
    if plan.in_fixed_point:
        fixed = FixedPoint.of(plan.arch, layer.codebook, acts, plan.broadcasts_bias, each=True)
        values = fixed.activations(acts)
        active = _read_only((values != 0).astype(np.float32))
    if work.tables is None:
        _batch_kernels.count_together(active, times, plan.batch_numbers, plan.streams, work.ran, total)
    else:
        _batch_kernels.count_each(active, plan.batch_numbers, plan.streams, work.ran, work.tables)
    if work.sums is None:
        return total
    streamed = prepared(layer)
    entries = (int(plan.broadcasts_bias), streamed.real_indptr, streamed.real_entries)
    if fixed is None:
        zero = np.zeros(layer.n_rows, np.float32) if plan.starts is None else plan.starts
        _batch_kernels.sums_float32(values, *entries, layer.codebook, zero, _order(layer), work.sums)
        return total
    ones = np.broadcast_to(fixed.activations(np.ones((1, 1), np.float32)).ravel(), len(values)).copy()
    starts = np.zeros((1, layer.n_rows), np.int64)
    if plan.starts is not None:
        starts = fixed.accumulators(plan.starts[np.newaxis])
    rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits)
    # What the narrow sums of the kernel hold.
    narrow = fixed.bits <= 16 and fixed.acc_bits <= 31 and 0 <= fixed.weight_frac_bits <= 30
    lanes = in_cache_lines((layer.n_rows, LANES), np.int32 if narrow else np.int64)
    sums = np.empty((len(values), layer.n_rows), np.int64)
    saturations = np.empty((len(values), layer.n_pe), np.int64)
    _batch_kernels.sums_fixed(
        values, ones, *entries, fixed.weights(layer.codebook), rule, starts, _order(layer), lanes, sums, saturations
    )
    work.sums[:] = fixed.values(sums)
    place = PER_PE.index("saturations")
    if len(total):
        total.reshape(len(PER_PE), -1)[place] = times @ saturations
    if work.tables is not None:
        work.tables.reshape(len(values), len(PER_PE), -1)[:, place] = saturations
    return total


def _order(layer: PackedLayer) -> NDArray[np.uint32]:
    """Original row of each stored one."""
    return np.arange(layer.n_rows, dtype=np.uint32) if layer.row_permutation is None else layer.row_permutation


def _run_and_more(
    layer: PackedLayer, acts: Inputs, plan: _Plan, table: NDArray[np.int64], output: bool, schedule: bool
) -> SimResult:
    """Run one input vector where more than the counts is asked for, or the inputs are to be rounded first."""
    columns = np.empty(layer.n_cols + 1, np.int32) if output or schedule else _NO_COLUMNS
    push = np.empty(layer.n_cols + 1, np.int64) if schedule else _NO_EDGES
    fixed = None
    values: NDArray[Any] = _read_only(acts)
    active: NDArray[Any] = values
    if plan.in_fixed_point:
        acts = as_floats("acts", acts, np.float64)
        fixed = FixedPoint.of(plan.arch, layer.codebook, acts, plan.broadcasts_bias)
        values = fixed.activations(acts)
        # The timing asks of an input only whether it is zero: in the type of the floats, for one compiled kernel.
        active = _read_only((values != 0).astype(np.float32))
    ran = _kernels.run_counts(active, plan.numbers, plan.streams, columns, push, table)
    broadcasts, cycles, *_ = ran
    if broadcasts < 0:
        as_floats("acts", acts)  # says which input is not finite
    columns = columns[:broadcasts]
    sums = _sums(layer, plan, columns, values, fixed, table) if output else None
    times = _schedule(layer, plan, columns, push[:broadcasts].copy(), cycles) if schedule else None
    return result_of_table(ran, table, sums, times, plan.arch, layer, NAME)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: numba compiles a kernel once more for an array that can be written to."""
    view = array.view()
    view.setflags(write=False)  # out of a cold cache quicker than by `flags`
    return view


def _sums(
    layer: PackedLayer,
    plan: _Plan,
    columns: NDArray[np.int32],
    values: NDArray[Any],
    fixed: FixedPoint | None,
    table: NDArray[np.int64],
) -> NDArray[Any]:
    """The outputs in original order of rows; puts the saturations into the table of counts."""
    streamed = prepared(layer)
    entries = (streamed.real_indptr, streamed.real_entries)
    if fixed is None:
        sums: NDArray[Any] = np.zeros(layer.n_rows, np.float32) if plan.starts is None else plan.starts.copy()
        _kernels.accumulate_float32(values, columns, *entries, layer.codebook, sums)
        return _in_original_order(layer, sums)
    one = fixed.activations(np.ones(1, np.float32))[0]
    rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits)
    totals = np.zeros(layer.n_rows, np.int64) if plan.starts is None else fixed.accumulators(plan.starts)
    saturations = table.reshape(len(PER_PE), -1)[PER_PE.index("saturations")]
    _kernels.accumulate_fixed(values, one, columns, *entries, fixed.weights(layer.codebook), rule, totals, saturations)
    return _in_original_order(layer, fixed.values(totals))


def _make_plan(layer: PackedLayer, arch: ArchConfig) -> _Plan:
    # Every broadcast costs a PE its entries or one cycle, the scan at most two, and a queue of two a round trip.
    latency = arch.broadcast_latency
    bound = layer.n_entries + (3 + 2 * latency) * layer.pointers.shape[0] + _PIPELINE
    if bound > _MOST_CYCLES:
        raise ValueError(f"layer {layer.name!r}: may take {bound} cycles, but this engine counts to {_MOST_CYCLES}")
    streamed = prepared(layer)
    depth = min(arch.act_queue_depth, _MOST_CYCLES)
    broadcasts_bias = arch.broadcasts_bias(layer)
    starts = layer.preloaded_bias() if arch.preloads_bias else None
    if starts is not None and layer.row_permutation is not None:
        starts = starts[layer.row_permutation]
    preloaded = 0 if starts is None else layer.n_rows
    lanes, columns = streamed.lanes, layer.n_cols
    # A PE is behind the broadcast by what its queue can hold; the kernel keeps half the range of a word for that.
    behind = (depth + 2) * streamed.longest + 2 * latency
    per_row = min(arch.entries_per_spmat_row, layer.n_entries + 1)  # then all entries are in one row
    shift = per_row.bit_length() - 1
    shifted = 1 << shift == per_row
    last_row_ends = layer.entries_of_fullest_pe + max(per_row, 2)
    narrow = behind <= _MOST_BEHIND and last_row_ends <= _LARGEST_ADDRESS
    by_lane = streamed.by_lane if narrow else streamed.by_lane_wide
    streams = (by_lane[0] if shifted else _row_addresses(by_lane[0], per_row), *by_lane)
    numbers = (layer.n_pe, lanes, columns, int(broadcasts_bias), depth, shift if shifted else 1, preloaded, latency)
    cached = sum(stream.nbytes for stream in by_lane) <= _CACHED_BYTES
    ahead = _kernels.AHEAD
    table = len(PER_PE) * layer.n_pe
    for_batches = (*numbers, 0 if cached else ahead)
    in_fixed_point = arch.number_bits is not None
    return _Plan(arch, (*numbers, ahead), streams, for_batches, table, in_fixed_point, broadcasts_bias, starts)


def _row_addresses(address: NDArray[Any], per_row: int) -> NDArray[Any]:
    """Addresses by which a shift tells the SRAM row; see `_kernels.run_counts`."""
    row, within = np.divmod(address, address.dtype.type(per_row))
    found = in_cache_lines(address.shape, address.dtype)
    found[:] = 2 * row + (within != 0)
    found.flags.writeable = False
    return found


def _in_original_order(layer: PackedLayer, sums: NDArray[Any]) -> NDArray[Any]:
    if layer.row_permutation is not None:
        stored, sums = sums, np.empty_like(sums)
        sums[layer.row_permutation] = stored
    sums.flags.writeable = False
    return sums


def _schedule(
    layer: PackedLayer, plan: _Plan, columns: NDArray[np.int32], push: NDArray[np.int64], cycles: int
) -> Schedule:
    rows = -(-layer.n_cols // layer.n_pe)
    pop_cycle = np.empty((layer.n_pe, len(columns)), np.int64)
    entries = np.empty_like(pop_cycle)
    latency = plan.arch.broadcast_latency
    _kernels.expand_schedule(columns, push + latency, layer.pointers, pop_cycle, entries)
    column = columns.astype(np.int64)
    if plan.broadcasts_bias:
        column[-1] = rows * layer.n_pe
    return Schedule(column, push, pop_cycle, entries, layer.n_pe, rows, plan.broadcasts_bias, cycles, latency)

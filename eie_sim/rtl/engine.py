"""The engine ``rtl``: a layer on the hardware description, cycle for cycle, by Verilator. Fixed point only.

The host rounds inputs, codebook and bias, and loads the memories; everything else is done and counted by the hardware.
"""

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.fixed_point import most_frac_bits, quantise
from eie_sim.result import BatchResult, Counts, KeptCounts, Schedule, SimResult, batch_of_runs, freeze
from eie_sim.rtl.model import COUNTERS, Model, Report, Work, model
from eie_sim.rtl.parameters import Parameters, pointer_words

NAME = "rtl"
MOST_SHIFT = 63
"""The shift of a product is an input of 6 bits."""

Inputs = NDArray[np.float32] | NDArray[np.float64]


def run(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
    """Run one input vector; see `eie_sim.engines.protocol.Engine`.

    Raises
    ------
    ValueError
        If the machine computes in float32 or shifts by less than 0 or more than 63 bits, an input is not finite, or a
        tool that builds the model is missing.
    """
    hardware = model(Parameters.of(arch, layer))
    work, act_frac_bits = work_of(layer, np.asarray(acts, np.float64), arch)
    with hardware.lock:
        load(hardware, layer, arch)
        report = hardware.run(work)
    return _result(layer, arch, report, act_frac_bits, output, schedule)


def run_batch(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, counts: KeptCounts) -> BatchResult:
    """Run many input vectors one after another; see `eie_sim.engines.protocol.Engine`."""
    hardware = model(Parameters.of(arch, layer))
    results = []
    with hardware.lock:
        load(hardware, layer, arch)
        for vector in acts:
            work, act_frac_bits = work_of(layer, np.asarray(vector, np.float64), arch)
            results.append(_result(layer, arch, hardware.run(work), act_frac_bits, output, False))
    return batch_of_runs(results, layer, arch, NAME, output, counts)


def load(hardware: Model, layer: PackedLayer, arch: ArchConfig) -> None:
    """Write pointers and entries of `layer` into the memories of `hardware`, by the back door."""
    for pe, (even, odd, rows) in enumerate(memory_images(layer, arch, hardware.parameters)):
        for view, words in ((hardware.even[pe], even), (hardware.odd[pe], odd), (hardware.rows[pe], rows)):
            view[: len(words), : words.shape[1]] = words[:, : view.shape[1]]


def memory_images(
    layer: PackedLayer, arch: ArchConfig, parameters: Parameters
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Even pointers, odd pointers and rows of the sparse matrix of each PE.

    Returns
    -------
    list of (uint8 (words, 8), uint8 (words, 8), uint8 (rows, bytes of a row))
        Words as little-endian bytes.
    """
    broadcasts_bias = arch.broadcasts_bias(layer)
    pointers = np.empty((pointer_words(layer) - (not broadcasts_bias), layer.n_pe), np.uint64)
    pointers[: layer.n_cols] = layer.pointers[: layer.n_cols]
    pointers[layer.n_cols :] = layer.pointers[layer.n_cols]  # lanes beyond the last input have no entry
    if broadcasts_bias:
        pointers[-1] = layer.pointers[layer.n_cols + 1]
    row, place = np.divmod(pointers, np.uint64(parameters.row_entries))
    words = np.ascontiguousarray((row << np.uint64(parameters.place_bits) | place).T)
    entries = layer.codes.astype(np.uint16) | layer.runs.astype(np.uint16) << np.uint16(layer.weight_bits)
    images = []
    for pe, (begin, size) in enumerate(zip(layer.entry_base, layer.entries_per_pe, strict=True)):
        rows = _rows(entries[begin : begin + size], layer.weight_bits + layer.index_bits, parameters)
        even, odd = (np.ascontiguousarray(words[pe, half::2]).view(np.uint8).reshape(-1, 8) for half in (0, 1))
        images.append((even, odd, rows))
    return images


def _rows(entries: NDArray[np.uint16], entry_bits: int, parameters: Parameters) -> NDArray[np.uint8]:
    """Entries as bytes of the rows that hold them, the first in the lowest bits."""
    n_rows = -(-len(entries) // parameters.row_entries)
    padded = np.zeros(n_rows * parameters.row_entries, np.uint16)
    padded[: len(entries)] = entries
    bits = np.unpackbits(padded.view(np.uint8).reshape(-1, 2), axis=1, count=entry_bits, bitorder="little")
    return np.packbits(bits.reshape(n_rows, parameters.spmat_width), axis=1, bitorder="little")


def work_of(layer: PackedLayer, acts: NDArray[np.float64], arch: ArchConfig) -> tuple[Work, int]:
    """What the hardware is given, and the fraction bits of its sums."""
    bits = arch.number_bits
    assert bits is not None  # refused by `Parameters.of`
    if not np.isfinite(acts).all():
        raise ValueError(f"acts: input {int(np.argmin(np.isfinite(acts)))} is not finite")
    shift = arch.weight_frac_bits
    if shift is None:
        shift = most_frac_bits(float(layer.codebook.min()), float(layer.codebook.max()), bits)
    if not 0 <= shift <= MOST_SHIFT:
        raise ValueError(
            f"weight_frac_bits: {shift}, but the engine 'rtl' shifts by 0 to {MOST_SHIFT} bits; set weight_frac_bits"
        )
    has_bias = arch.broadcasts_bias(layer)
    act_frac_bits = arch.act_frac_bits
    if act_frac_bits is None:
        held = np.append(acts, 1.0) if has_bias else acts
        act_frac_bits = most_frac_bits(float(held.min()), float(held.max()), bits)
    bias = layer.preloaded_bias() if arch.preloads_bias else None
    if bias is not None and layer.row_permutation is not None:
        bias = bias[layer.row_permutation]
    work = Work(
        inputs=quantise(acts, bits, act_frac_bits),
        codebook=quantise(layer.codebook, bits, shift),
        n_rows=layer.n_rows,
        shift=shift,
        bias_value=int(quantise(np.ones(1), bits, act_frac_bits)[0]) if has_bias else None,
        bias=None if bias is None else quantise(bias, arch.acc_bits or bits, act_frac_bits),
        # Each entry and each column of a PE takes a cycle at most, one PE after another, and each broadcast travels
        # there and back; more than any layer needs.
        limit=layer.n_entries + (layer.n_cols + 2) * (layer.n_pe + 2 + 2 * arch.broadcast_latency) + 16,
    )
    return work, act_frac_bits


def _result(
    layer: PackedLayer, arch: ArchConfig, report: Report, act_frac_bits: int, output: bool, schedule: bool
) -> SimResult:
    counted = dict(zip(COUNTERS, report.counts, strict=True))
    if not output:  # no numbers are asked for, and saturations are about numbers
        counted["saturations"] = np.zeros(layer.n_pe, np.int64)
    idle = report.cycles - report.broadcasts - report.stalls - report.bubbles
    counts = Counts(report.broadcasts, report.stalls, report.bubbles, idle, **counted)
    freeze(counts)
    sums = None
    if output:
        sums = np.empty(layer.n_rows)
        sums[slice(None) if layer.row_permutation is None else layer.row_permutation] = np.ldexp(
            report.sums.astype(np.float64), -act_frac_bits
        )
        sums.flags.writeable = False
    n_rows_of_inputs = -(-layer.n_cols // layer.n_pe)
    timetable = Schedule(
        column=report.columns,
        push_cycle=report.pushes,
        pop_cycle=report.pops,
        entries=report.entries,
        n_pe=layer.n_pe,
        n_rows_of_inputs=n_rows_of_inputs,
        has_bias=arch.broadcasts_bias(layer),
        cycles=report.cycles,
        broadcast_latency=arch.broadcast_latency,
    )
    return SimResult(
        report.cycles, sums, counts, timetable if schedule else None, arch, layer.name, layer.n_rows, layer.n_cols,
        NAME, __version__,
    )  # fmt: skip

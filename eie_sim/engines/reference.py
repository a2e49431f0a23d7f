"""The reference engine: builds the machine of `eie_sim.machine`, runs it clock cycle by clock cycle, and reads it out.

It is slow and literal. What it says is what the cycle contract says; the fast engine is tested against it.
"""

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.checks import as_floats
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.protocol import Inputs
from eie_sim.machine.machine import Machine
from eie_sim.result import PER_PE, BatchResult, KeptCounts, SimResult, batch_counts, freeze

NAME = "reference"


def run(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
    """Run one input vector; see `eie_sim.engines.protocol.Engine`."""
    machine = Machine(layer, as_floats("acts", acts, np.float32 if arch.number_bits is None else np.float64), arch)
    machine.run()
    return read_out(machine, output, schedule)


def read_out(machine: Machine, output: bool = True, schedule: bool = False) -> SimResult:
    """The result of a machine that has run: also of one with units of your own.

    Parameters
    ----------
    machine : Machine
    output, schedule : bool
        As for `eie_sim.simulate`. Without outputs no saturations are reported either.
    """
    counts = machine.counts()
    if not output:  # the fast engine computes no numbers then, and both must say the same
        counts.saturations[:] = 0
    freeze(counts)
    sums = machine.output() if output else None
    if sums is not None:
        sums.flags.writeable = False
    layer = machine.layer
    return SimResult(
        cycles=machine.cycles,
        output=sums,
        counts=counts,
        schedule=machine.schedule() if schedule else None,
        arch=machine.arch,
        layer=layer.name,
        n_rows=layer.n_rows,
        n_cols=layer.n_cols,
        engine=NAME,
        version=__version__,
    )


def run_batch(layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, counts: KeptCounts) -> BatchResult:
    """Run many input vectors one after another; see `eie_sim.engines.protocol.Engine`."""
    results = [run(layer, vector, arch, output, schedule=False) for vector in acts]
    found = [result.counts for result in results]
    # The shapes are given, for a batch may have no input.
    ran = [(c.broadcasts, r.cycles, c.broadcast_stalls, c.scan_bubbles) for c, r in zip(found, results, strict=True)]
    per_pe = [[getattr(c, name) for name in PER_PE] for c in found]
    tables: NDArray[np.int64] | None = np.array(per_pe, np.int64).reshape(len(results), len(PER_PE), layer.n_pe)
    if counts != "each":
        tables = tables.sum(axis=0) if counts == "sum" and tables is not None else None
    outputs: NDArray[np.floating] | None = None
    if output:
        dtype: type[np.floating] = np.float32 if arch.number_bits is None else np.float64
        outputs = np.array([result.output for result in results], dtype).reshape(len(results), layer.n_rows)
    return BatchResult(
        cycles=np.array([result.cycles for result in results], np.int64),
        output=outputs,
        counts=batch_counts(np.array(ran, np.int64).reshape(len(results), 4), tables),
        arch=arch,
        layer=layer.name,
        n_rows=layer.n_rows,
        n_cols=layer.n_cols,
        engine=NAME,
        version=__version__,
        kept=counts,
    )

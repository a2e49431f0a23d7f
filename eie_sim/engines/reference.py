"""The reference engine: builds the machine of `eie_sim.machine`, runs it clock cycle by clock cycle, and reads it out.

It is slow and literal. What it says is what the cycle contract says; the fast engine is tested against it.
"""

import numpy as np

from compressor._version import __version__
from compressor.checks import as_floats
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.protocol import Inputs
from eie_sim.machine.machine import Machine
from eie_sim.result import BatchResult, KeptCounts, SimResult, batch_of_runs, freeze

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
    return batch_of_runs(results, layer, arch, NAME, output, counts)

"""Compiles the largest kernel beside the first run, on a core that would be idle.

Numba compiles a kernel once for the layers whose addresses have 16 bits and once for those of 32. The nine published
layers need both, one after the other; where neither is on disk yet, a process of its own makes the second one while the
run begins. Nothing waits for it, and nothing is missing when it fails: the run compiles what it does not find.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from compressor.jit import available_cores, will_be_kept
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines._kernels import run_counts
from eie_sim.engines.base import simulate

_ROWS_OF_WIDE_ENTRIES = 2**12 + 1
"""Rows from which an entry of 4-bit weights has 32 bits in `PreparedLayer`."""

_PES = 64
"""PEs enough that a local row has 8 bits, as in the published layers."""

_DEPTH_OF_WIDE_ADDRESSES = 2**15
"""A queue so deep that the fast engine counts in 32 bits."""


_started: "list[subprocess.Popen[bytes]]" = []  # a process that nobody holds would be warned of


def start() -> bool:
    """Compile in a process of its own if the disk has nothing yet and there is a core for it; whether it does."""
    if available_cores() == 1 or not sys.executable or not will_be_kept(run_counts):
        return False
    # -P: a folder of the same name where the user stands is no package of ours; the path says where ours is.
    root = str(Path(__file__).parents[2])
    command = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import compile_wide; compile_wide()"
    try:
        nothing = subprocess.DEVNULL
        process = subprocess.Popen([sys.executable, "-P", "-c", command], stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        return False
    _started.append(process)
    return True


def compile_wide() -> None:
    """Run a layer of one weight as a large layer is run."""
    layer = PackedLayer(
        name="one weight",
        n_rows=_ROWS_OF_WIDE_ENTRIES,
        n_cols=1,
        n_pe=_PES,
        weight_bits=4,
        index_bits=4,
        codebook=np.arange(16, dtype=np.float32),
        codes=np.ones(1, np.uint8),
        runs=np.zeros(1, np.uint8),
        pointers=np.array([[0] * _PES, [1] + [0] * (_PES - 1)], np.uint32),
    )
    simulate(layer, [1.0], ArchConfig(n_pe=_PES, act_queue_depth=_DEPTH_OF_WIDE_ADDRESSES))

"""What an engine is; the modules of engines and `eie_sim.engines.base`, which loads them, both build on it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import BatchResult, KeptCounts, SimResult

Inputs = NDArray[np.float32] | NDArray[np.float64]
"""Input vectors as engines take them: float32, or float64 for a machine in fixed point."""


class Engine(Protocol):
    """One answer to the cycle contract. The module of an engine has these two functions; its inputs are checked."""

    def run(self, layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, schedule: bool) -> SimResult:
        """Run one input vector, (n_cols,); a ValueError if an input is not finite."""
        ...

    def run_batch(
        self, layer: PackedLayer, acts: Inputs, arch: ArchConfig, output: bool, counts: KeptCounts
    ) -> BatchResult:
        """Run many input vectors, (B, n_cols), all of them finite."""
        ...

"""The simulations that the tables and figures stand on: each is run once."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from compressor.importers import read_eie_simulator
from compressor.jit import in_threads
from compressor.types.packed import PackedLayer
from eie_sim import ArchConfig, preset, simulate
from eie_sim.cost import energy
from eie_sim.networks import FITS
from eie_sim.paper import LAYERS, MACHINE, SPMAT_WIDTHS_BITS
from eie_sim.result import SimResult
from eie_sim.workload import Workload, calibrated_layer

ALEX8_ROWS = 1000
ALEX8 = "Alex-8 (real)"


@dataclass(frozen=True)
class Machine:
    """What of the paper's machine a figure changes."""

    n_pe: int = 64
    act_queue_depth: int = 8
    spmat_width_bits: int = 64

    @property
    def arch(self) -> ArchConfig:
        """The machine with these changes."""
        return preset(MACHINE).replace(
            n_pe=self.n_pe, act_queue_depth=self.act_queue_depth, spmat_width_bits=self.spmat_width_bits
        )


class Bench:
    """Runs the calibrated layers, and the real Alex-8 where its data is.

    Parameters
    ----------
    seeds : int
        Draws of each layer.
    alex8 : Path or None
        Folder of the EIE authors' data.
    """

    def __init__(self, seeds: int = 3, alex8: Path | None = None) -> None:
        self.seeds, self.alex8 = seeds, alex8
        self.fits = tuple(FITS)
        self._results: dict[tuple[str, str, int, Machine], SimResult] = {}
        self._unkept: dict[tuple[str, str, int], tuple[int, ...]] = {}
        self._lock = Lock()

    @property
    def note(self) -> str:
        """What was run, for the foot of a figure."""
        return f"layers drawn with statistics fitted to the paper's figures; mean of {self.seeds} seeds"

    def run(self, machines: Iterable[Machine]) -> None:
        """Run every layer on these machines, for every fit and seed; what was run before is not run again."""
        wanted = tuple(machines)
        jobs = [(layer, fit, seed) for layer in LAYERS for fit in self.fits for seed in range(self.seeds)]
        in_threads(lambda job: self._run_layer(*job, wanted), jobs)

    def _run_layer(self, layer: str, fit: str, seed: int, machines: Sequence[Machine]) -> None:
        missing = [m for m in machines if (layer, fit, seed, m) not in self._results]
        if not missing:
            return
        workload: Workload = calibrated_layer(layer, seed, fit=fit)
        found = results_on(workload.layer, workload.acts, missing)
        with self._lock:
            self._unkept[layer, fit, seed] = unkept_reads(workload.layer, workload.acts)
            self._results.update({(layer, fit, seed, machine): result for machine, result in found.items()})

    def mean(self, layer: str, fit: str, machine: Machine, value: Callable[[SimResult], float]) -> float:
        """Mean over the seeds of a value of the results; `run` comes first."""
        return statistics.fmean(value(self._results[layer, fit, seed, machine]) for seed in range(self.seeds))

    def densities(self, layer: str, fit: str) -> tuple[float, float]:
        """Percent of weights in the columns that are walked, and of inputs that are active; mean of the seeds."""
        self.run([Machine()])
        return (
            self.mean(
                layer, fit, Machine(), lambda r: 100 * r.counts.acc_writes.sum() / r.n_rows / r.counts.broadcasts
            ),
            self.mean(layer, fit, Machine(), lambda r: 100 * r.counts.broadcasts / r.n_cols),
        )

    def unkept_row_reads(self, layer: str, fit: str) -> list[float]:
        """Row reads on 64 PEs at each width of Fig. 9 if no row were kept between columns; mean of the seeds."""
        return [statistics.fmean(of_width) for of_width in zip(*self._unkept_of(layer, fit), strict=True)]

    def _unkept_of(self, layer: str, fit: str) -> list[tuple[int, ...]]:
        self.run([Machine()])
        return [self._unkept[layer, fit, seed] for seed in range(self.seeds)]

    def real_alex8(self, machines: Iterable[Machine]) -> dict[Machine, SimResult] | None:
        """The real Alex-8 on these machines; None where its data is not."""
        if self.alex8 is None:
            return None
        layer, acts = read_eie_simulator(self.alex8, n_rows=ALEX8_ROWS, n_pe=64)
        return results_on(layer, acts, tuple(machines))


def of_energy(name: str, calibration: str) -> Callable[[SimResult], float]:
    """A figure of the energy of a result, by one calibration; for `Bench.mean`."""
    return lambda result: float(getattr(energy(result, calibration), name))


def unkept_reads(layer: PackedLayer, acts: NDArray[np.float32]) -> tuple[int, ...]:
    """Row reads at each width of Fig. 9 if the row buffer were emptied at the end of every column."""
    columns = np.flatnonzero(acts)
    begin, end = (layer.pointers[columns + after].astype(np.int64) for after in (0, 1))
    reads = []
    for width in SPMAT_WIDTHS_BITS:
        entries = Machine(spmat_width_bits=width).arch.entries_per_spmat_row
        reads.append(int(np.sum(np.where(end > begin, (end - 1) // entries - begin // entries + 1, 0))))
    return tuple(reads)


def results_on(layer: PackedLayer, acts: NDArray[np.float32], machines: Sequence[Machine]) -> dict[Machine, SimResult]:
    """Counts of one layer on several machines, packed once for each number of PEs."""
    packed = packed_for(layer, sorted({machine.n_pe for machine in machines}))
    return {machine: simulate(packed[machine.n_pe], acts, machine.arch, output=False) for machine in machines}


def packed_for(layer: PackedLayer, numbers: Sequence[int]) -> dict[int, PackedLayer]:
    """The layer on machines of several numbers of PEs; it is taken apart once for all."""
    pack = layer.packer()
    return {n_pe: pack(n_pe) for n_pe in numbers}

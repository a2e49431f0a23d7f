"""The measuring process of one number of threads; `measure_cpu` starts it and reads what it says, a JSON text a line.

The number of threads stands in its environment before anything is imported: BLAS and OpenMP libraries read it once.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.storage.packed_file import load_model
from eie_sim.baselines.cpu_measurement import MeasuredCell
from eie_sim.baselines.cpu_methods import Call, Method, Problem, Weights, method_named
from eie_sim.baselines.energy_sources import Rapl
from eie_sim.baselines.host import cache_streamer, loaded_blas
from eie_sim.baselines.sampling import SETTLE_S, Sampler, Samples

TASK_FILE = "task.json"

ENERGY_S = 0.5
"""Time over which the energy of a hot call is measured: the counters move in steps of about a millisecond."""


@dataclass(frozen=True)
class MeasuringTask:
    """What a process is to measure; a JSON object in its folder.

    Attributes
    ----------
    layers : sequence of str
        Names; layer `i` is in ``<i>.eie``, its inputs in ``<i>.npy``, shape (B, n_cols).
    methods : sequence of str
    batches : sequence of int
    threads : int
    caches : sequence of str
    samples : int
    limit_s : float
    flush_bytes : int
    powercap : str or None
        Folder of the energy counters; None: no energy is measured.
    """

    layers: Sequence[str]
    methods: Sequence[str]
    batches: Sequence[int]
    threads: int
    caches: Sequence[str]
    samples: int
    limit_s: float
    flush_bytes: int
    powercap: str | None


Say = Callable[[dict[str, Any]], None]


def main(folder: str) -> None:
    """Measure what the task in `folder` wants; what libraries print goes to stderr, stdout is for messages."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as messages:
        os.dup2(2, 1)

        def say(message: dict[str, Any]) -> None:
            messages.write(json.dumps(message, allow_nan=False) + "\n")
            messages.flush()

        measure(Path(folder), say)


def measure(folder: Path, say: Say) -> None:
    """Measure all cells of the task in `folder`; `say` hears of each, and last what libraries were loaded."""
    task = MeasuringTask(**json.loads((folder / TASK_FILE).read_text(encoding="utf-8")))
    rapl = None if task.powercap is None else Rapl(Path(task.powercap))
    bench = Bench(task, Sampler(task.samples, task.limit_s), cache_streamer(task.flush_bytes), rapl, say)
    for at in range(len(task.layers)):
        (layer,) = load_model(folder / f"{at}.eie").layers
        vectors = np.load(folder / f"{at}.npy", allow_pickle=False)
        weights = Weights(layer)
        for batch in task.batches:
            # A batch of one is a vector: libraries have a kernel of its own for it (GEMV, not GEMM).
            inputs = vectors[0] if batch == 1 else vectors[:batch].T
            bench.measure(task.layers[at], Problem(weights, np.ascontiguousarray(inputs)), batch)
    say({"blas": [blas.model_dump() for blas in loaded_blas()]})


@dataclass(frozen=True)
class Bench:
    """Samples the methods of a task on one problem after another."""

    task: MeasuringTask
    sampler: Sampler
    flush: Callable[[], object]
    rapl: Rapl | None
    say: Say

    def measure(self, layer: str, problem: Problem, batch: int) -> None:
        """Every method on one problem, checked before it is timed."""
        self.say({"doing": f"{layer}, batch {batch}: checking results"})
        calls: dict[str, Call] = {}
        for name in self.task.methods:
            method: Method = method_named(name)
            calls[name] = method.prepare(problem, self.task.threads)
            problem.check(name, calls[name]())  # a wrong result would be fast
        settle_s = SETTLE_S if self.task.threads > 1 else 0.0
        for cache in self.task.caches:
            if cache == "cold":
                self.say({"doing": f"{layer}, batch {batch}, cold"})
                for name, samples in self.sampler.cold(calls, self.flush, settle_s).items():
                    # A counter that moves once a millisecond cannot tell a cold call from the flush before it.
                    self._report(layer, name, batch, "cold", samples, None)
                continue
            for name, call in calls.items():
                self.say({"doing": f"{layer} {name}, batch {batch}, hot"})
                if settle_s:
                    self.sampler.pause(settle_s)
                samples = self.sampler.hot(call)
                energy_uj = None if self.rapl is None else energy_of_calls(self.rapl, call) / batch
                self._report(layer, name, batch, "hot", samples, energy_uj)

    def _report(
        self, layer: str, method: str, batch: int, cache: str, samples: Samples, energy_uj: float | None
    ) -> None:
        cell = MeasuredCell.of_samples(
            [round(seconds / batch * 1e6, 6) for seconds in samples.kept_s],
            layer=layer,
            method=method,
            batch=batch,
            threads=self.task.threads,
            cache=cache,
            thrown_away=samples.thrown_away,
            energy_uj=energy_uj,
        )
        self.say({"cell": cell.model_dump(mode="json")})


def energy_of_calls(
    rapl: Rapl,
    call: Callable[[], NDArray[np.float32]],
    seconds: float = ENERGY_S,
    clock: Callable[[], float] | None = None,
) -> float:
    """Energy of one call, in uJ: of as many as fit into `seconds`, at least one."""
    now = clock or time.perf_counter
    calls = 0
    before, began = rapl.read_uj(), now()  # a package's counter: what else runs there is in it
    while calls == 0 or now() - began < seconds:
        call()
        calls += 1
    return rapl.since_uj(before) / calls


if __name__ == "__main__":
    main(sys.argv[1])

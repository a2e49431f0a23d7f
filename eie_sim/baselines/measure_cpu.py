"""`measure_cpu`: how long this host takes for layers that EIE runs, dense and sparse."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from compressor.checks import real_number, whole_number
from compressor.jit import available_cores
from compressor.storage.packed_file import save_model
from eie_sim.baselines.cpu_measurement import (
    CACHE_STATES,
    LEAST_SAMPLES,
    CacheState,
    CpuMeasurement,
    MeasuredCell,
    MeasuredLayer,
    MeasuredMethod,
    MeasuringProcess,
)
from eie_sim.baselines.cpu_methods import Method, chosen_methods
from eie_sim.baselines.cpu_worker import TASK_FILE, MeasuringTask
from eie_sim.baselines.energy_sources import POWERCAP, EnergySource
from eie_sim.baselines.host import UNKNOWN, Blas, describe_host, flush_bytes, version_of
from eie_sim.baselines.published import BATCHES
from eie_sim.baselines.sampling import involuntary_switches
from eie_sim.workload import Workload

LIMIT_S = 30.0
"""Seconds that sampling one cell may take."""

MAX_BATCH, MAX_SAMPLES = 4096, 10**6

_THREADS_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# These would make the process another one than a user of the library has.
_NOT_INHERITED = ("OPENBLAS_CORETYPE", "NUMBA_DISABLE_JIT", "PYTHONWARNINGS", "COVERAGE_PROCESS_START")

# Its arguments are this process's sys.path, so that it imports what this one would.
_START = "import sys; sys.path[:] = sys.argv[2:]; from eie_sim.baselines.cpu_worker import main; main(sys.argv[1])"

_LONGEST_COMPLAINT = 300

Progress = Callable[[int, int, str], object]
"""Told cells done, cells in all, and what is being done."""


def measure_cpu(
    workloads: Sequence[Workload],
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] | None = None,
    caches: Sequence[CacheState] = CACHE_STATES,
    libraries: Sequence[str] | None = None,
    samples: int = LEAST_SAMPLES,
    limit_s: float = LIMIT_S,
    energy: EnergySource | None = None,
    progress: Progress | None = None,
    streamed_bytes: int | None = None,
    powercap: Path = POWERCAP,
) -> CpuMeasurement:
    """Time layers on this host, with every library that is installed.

    Parameters
    ----------
    workloads : sequence of Workload
        Layers of different names. A batch takes the first vectors; where there are fewer, they are repeated.
    batches : sequence of int
        Input vectors that are computed together.
    threads : sequence of int or None
        Numbers of threads, each in a process of its own; None: one, and one for every core there is.
    caches : sequence of {"cold", "hot"}
        cold: all caches are emptied before a sample. hot: the same call again and again.
    libraries : sequence of str or None
        numpy, scipy, torch or numba; None: all of them. Those that are not installed are named in the result.
    samples : int
        Quiet samples of each cell: those during which the system took no core away.
    limit_s : float
        Seconds that a cell may take; then it has fewer samples, see `CpuMeasurement.short_cells`.
    energy : EnergySource or None
        Where energies come from; None: there are none. Counters (`rapl`) measure hot cells alone.
    progress : function or None
        Told cells done, cells in all, and what is being done.
    streamed_bytes : int or None
        What goes through the caches before a cold sample; None: twice the largest cache, at least 256 MiB.
    powercap : path
        Folder of the energy counters.

    Raises
    ------
    ValueError
        When there is no layer, two have one name, or a number is out of its limits.
    ImportError
        When none of `libraries` is installed.
    ChildProcessError
        When a measuring process fails, also because a result is not numpy's; it names what that said last.
    """
    conditions = check_conditions(batches, threads, caches, libraries, samples, limit_s)
    layers = list(workloads)
    names = [workload.name for workload in layers]
    if not layers:
        raise ValueError("workloads: there is none, but at least one layer must be measured")
    if len(set(names)) != len(names):
        raise ValueError(f"workloads: two layers are called {next(n for n in names if names.count(n) > 1)!r}")
    host = describe_host()
    task = MeasuringTask(
        layers=names,
        methods=[method.name for method in conditions.methods],
        batches=conditions.batches,
        threads=1,
        caches=conditions.caches,
        samples=conditions.samples,
        limit_s=conditions.limit_s,
        flush_bytes=flush_bytes(host) if streamed_bytes is None else whole_number("streamed_bytes", streamed_bytes, 0),
        powercap=str(powercap) if energy is not None and energy.source == "rapl" else None,
    )
    cells, processes = _run_all(layers, task, conditions.threads, progress)
    if energy is not None and energy.power_w is not None:  # a constant power prices what no counter measured
        for at, cell in enumerate(cells):
            if cell.median_us is not None:
                cells[at] = cell.model_copy(update={"energy_uj": energy.energy_uj(cell.median_us)})
    return CpuMeasurement(
        host=host,
        processes=tuple(processes),
        quiet_by="nothing counts what disturbs a sample here: all are kept"
        if involuntary_switches() is None
        else "no involuntary context switch of any thread during the sample (getrusage)",
        flush_bytes=task.flush_bytes,
        samples_wanted=conditions.samples,
        limit_s=conditions.limit_s,
        energy=energy,
        absent=conditions.absent,
        layers=tuple(
            MeasuredLayer(
                name=workload.name,
                n_rows=workload.layer.n_rows,
                n_cols=workload.layer.n_cols,
                weight_density=workload.layer.density,
                act_density=float(np.count_nonzero(workload.acts) / workload.acts.size),
                origin=str(workload.origin),
            )
            for workload in layers
        ),
        methods=tuple(
            MeasuredMethod(
                name=method.name,
                library=method.library,
                version=version_of(method.library) or UNKNOWN,
                kernel=method.kernel,
                kind=method.kind,
            )
            for method in conditions.methods
        ),
        batches=conditions.batches,
        threads=conditions.threads,
        caches=conditions.caches,
        cells=tuple(cells),
    )


@dataclass(frozen=True)
class Conditions:
    """Under what a layer is timed, checked: see `measure_cpu`."""

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    caches: tuple[CacheState, ...]
    methods: tuple[Method, ...]
    absent: dict[str, str]
    samples: int
    limit_s: float


def check_conditions(
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] | None = None,
    caches: Sequence[str] = CACHE_STATES,
    libraries: Sequence[str] | None = None,
    samples: int = LEAST_SAMPLES,
    limit_s: float = LIMIT_S,
) -> Conditions:
    """The arguments of `measure_cpu` as it understands them, before minutes go into a measurement.

    Raises
    ------
    ValueError, ImportError
        As `measure_cpu` does.
    """
    states = tuple(state for state in CACHE_STATES if state in caches)
    if not states or set(states) != set(caches):
        raise ValueError(f"caches: {', '.join(caches)!r}, but they must be of {', '.join(CACHE_STATES)}")
    limit = real_number("limit_s", limit_s)
    if limit <= 0:
        raise ValueError(f"limit_s: {limit:g}, but it must be above 0")
    cores = available_cores()
    methods, absent = chosen_methods(libraries)
    return Conditions(
        batches=_numbers("batches", batches, MAX_BATCH),
        threads=_numbers("threads", (1, cores) if threads is None else threads, cores),
        caches=states,
        methods=tuple(methods),
        absent=absent,
        samples=whole_number("samples", samples, 1, MAX_SAMPLES),
        limit_s=limit,
    )


def _numbers(name: str, values: Sequence[int], most: int) -> tuple[int, ...]:
    """The numbers in rising order, each once."""
    found = sorted({whole_number(name, value, 1, most) for value in values})
    if not found:
        raise ValueError(f"{name}: there is none, but at least one is needed")
    return tuple(found)


# The measuring processes ----------------------------------------------------------------------------------------------


def _run_all(
    layers: Sequence[Workload], task: MeasuringTask, counts: Sequence[int], progress: Progress | None
) -> tuple[list[MeasuredCell], list[MeasuringProcess]]:
    """The cells of all processes, one process after the other."""
    per_process = len(task.layers) * len(task.methods) * len(task.batches) * len(task.caches)
    total = per_process * len(counts)
    cells: list[MeasuredCell] = []
    processes: list[MeasuringProcess] = []

    def report(doing: str) -> None:
        if progress is not None:
            progress(len(cells), total, doing)

    report("writing the layers down")
    with TemporaryDirectory(prefix="eie-sim-measure-") as name:
        folder = Path(name)
        _write_layers(layers, max(task.batches), folder)
        for threads in counts:
            (folder / TASK_FILE).write_text(json.dumps(asdict(replace(task, threads=threads))), encoding="utf-8")
            blas: list[Blas] = []
            for message in _messages_of_process(folder, threads):
                if "cell" in message:
                    cells.append(MeasuredCell.model_validate_json(json.dumps(message["cell"])))
                    report(_doing(cells[-1].layer, threads))
                elif "doing" in message:
                    report(_doing(message["doing"], threads))
                else:
                    blas = [Blas(**found) for found in message["blas"]]
            processes.append(MeasuringProcess(threads=threads, blas=tuple(blas)))
    return cells, processes


def _doing(what: str, threads: int) -> str:
    return f"{what}, {threads} thread{'s' if threads > 1 else ''}"


def _write_layers(layers: Sequence[Workload], n_vectors: int, folder: Path) -> None:
    for at, workload in enumerate(layers):
        vectors = workload.acts if workload.is_batch else workload.acts[None]
        # As files, not pickles: the other process checks what it reads.
        save_model(workload.layer, folder / f"{at}.eie")
        np.save(folder / f"{at}.npy", vectors[np.arange(n_vectors) % len(vectors)])  # repeated where there are fewer


def _messages_of_process(folder: Path, threads: int) -> Iterator[dict[str, Any]]:
    """What a fresh process with that many threads says, while it says it; the process ends with the iteration.

    Raises
    ------
    ChildProcessError
        When it does not end well.
    """
    complaints = folder / "stderr.txt"
    with complaints.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", _START, str(folder), *sys.path],
            env=_environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert child.stdout is not None
            finished = False
            for line in child.stdout:
                try:
                    message = json.loads(line)
                except ValueError:  # a process that dies may leave half a line
                    continue
                if isinstance(message, dict):
                    finished = "blas" in message
                    yield message
            status = child.wait()
        finally:
            with suppress(OSError):  # it may have ended by itself
                child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
    if status != 0 or not finished:
        said = complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f": {said[-1][:_LONGEST_COMPLAINT]}" if said else " and said nothing"
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        raise ChildProcessError(f"the measuring process ({_doing('cpu', threads)}) ended with {how}{last}")


def _environment(threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    # Threads of Intel's OpenMP (MKL) would spin for 200 ms after a call, beside whatever is timed next.
    return {**kept, "KMP_BLOCKTIME": "20", **dict.fromkeys(_THREADS_VARIABLES, str(threads))}

"""Runs a sweep: computes the points that a store does not have, on any executor, and writes each answer when it comes.

Points of one workload go to a worker together, which makes, packs and simulates what they share once. The process that
runs the sweep is the only one that writes.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from os import PathLike
from typing import NamedTuple

import numpy as np

from compressor._version import __version__
from compressor.jit import available_cores
from eie_sim.arch import ArchConfig
from eie_sim.columns import Row
from eie_sim.executors import CallersExecutor, Processes, leave_a_process_that_begins, run_on, workers_of
from eie_sim.sweep.columns import METRICS
from eie_sim.sweep.evaluate import compute
from eie_sim.sweep.plan import SweepPlan, plan_for
from eie_sim.sweep.records import Answer
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import DONE, FAILED, Store
from eie_sim.sweep.tasks import Sharing, again, tasks_of

Progress = Callable[[int, int, int], object]
"""Called with how many points are done, of how many, and how many of them failed."""


@dataclass(frozen=True)
class Summary:
    """What a sweep did.

    Attributes
    ----------
    points : int
        Of the space; those that are the same point by another name count once.
    there : int
        That the store had already, those that failed before among them unless they were to be computed again.
    done : int
        Computed now.
    failed : int
        That the store has as failed, now or before.
    simulated : int
        Runs of a machine among them; the others share one of these.
    seconds : float
    """

    points: int
    there: int
    done: int
    failed: int
    simulated: int
    seconds: float


def run_sweep(
    space: Space,
    store: str | PathLike[str],
    jobs: int | None = None,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: Progress = lambda _done, _of, _failed: None,
    note: bool = True,
    warn: Callable[[str], object] = lambda _text: None,
) -> Summary:
    """Compute the points of `space` that the file `store` does not have.

    Rows do not depend on the executor or on the number of workers. A point that cannot be computed is a row with its
    error. An interrupted sweep goes on when it is run again.

    Parameters
    ----------
    space : Space
    store : str or path
        Created if it does not exist.
    jobs : int or None
        Processes of this computer; 1: none but this one; None: as many as there are cores.
    executor : concurrent.futures.Executor or None
        What computes instead, such as ``dask.distributed.Client(address).get_executor()`` or an
        ``mpi4py.futures.MPIPoolExecutor``. Its workers need this package, and the files of the space at the same
        places.
    retry_failed : bool
        Whether points that failed before are computed again.
    progress : function of (done, of, failed)
    note : bool
        Whether the store notes that this sweep was run; its conditions are then those of what is shown.
    warn : function of str
        Called with what a user should know while the sweep waits, such as that a cluster has no worker left.

    Raises
    ------
    ValueError
        As for `plan`.
    StoreError
        When the store cannot be written; what was written before is whole.
    LostWorkers
        When no worker is left that could go on, or none can start, as in a script without
        ``if __name__ == "__main__":`` (`WorkersCannotStart`); nothing is stored then.
    """
    began = time.perf_counter()
    leave_a_process_that_begins("run_sweep")
    planned = plan_for(space, store, retry_failed)  # before a store is made: a space may be refused
    wanted = workers_of(executor) if executor is not None else jobs or available_cores()
    tasks = tasks_of(planned, wanted)
    # Before a store is made too: workers may be unable to start.
    several = executor is None and wanted > 1 and len(tasks) > 1
    processes = Processes(min(wanted, len(tasks)), "run_sweep", compute) if several else None
    with nullcontext() if processes is None else closing(processes), Store(store, create=True) as opened:
        if note:
            opened.begin(space.name, space.model_dump_json(by_alias=True), json.dumps(space.where), now(), planned.keys)
        writer = _Writer(planned, opened, progress)
        writer.take_impossible()  # first, so that a sweep that is stopped at once has them
        try:
            if executor is not None:
                run_on(CallersExecutor(executor, compute), tasks, writer.take, warn, again)
            elif processes is not None:
                run_on(processes, tasks, writer.take, warn, again)
            else:
                for task in tasks:
                    writer.take(compute(task))
        finally:
            writer.flush()  # Ctrl-C may come between the answers of a task and their transaction
        failed = len(opened.failed_keys().intersection(planned.keys))
    return Summary(
        planned.distinct, planned.there, writer.done, failed, planned.simulations(), time.perf_counter() - began
    )


def now() -> str:
    """Date and time, for what is noted of a sweep."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# Writing --------------------------------------------------------------------------------------------------------------


class _Writer:
    """Puts answers into the store."""

    def __init__(self, planned: SweepPlan, store: Store, progress: Progress) -> None:
        self._planned, self._store, self._progress = planned, store, progress
        self._host = platform.node()
        self._rows: list[Row] = []
        self.done = self.failed = 0
        self._report()

    def _report(self) -> None:
        self._progress(self.done + self.failed, len(self._planned.missing), self.failed)

    def take_impossible(self) -> None:
        """Record the points whose machine cannot be built."""
        missing = ((at, self._planned.machine(at)) for at in self._planned.missing.tolist())
        self.take([Answer(at, None, why) for at, why in missing if not isinstance(why, ArchConfig)])

    def take(self, answers: Sequence[Answer]) -> None:
        """Write the answers of a task, in one transaction."""
        planned = self._planned
        for answer in answers:
            failed = answer.metrics is None
            self._rows.append(
                {
                    "key": planned.keys[answer.number],
                    **planned.inputs(answer.number),
                    "status": FAILED if failed else DONE,
                    "error": answer.error or None,
                    **(answer.metrics or dict.fromkeys(METRICS)),
                    "workload_sha256": planned.request(answer.number).digest,
                    "package_version": __version__,
                    "host": self._host,
                    "seconds": answer.seconds,
                }
            )
            self.failed += failed
            self.done += not failed
        self.flush()

    def flush(self) -> None:
        """Write what is not yet written."""
        rows, self._rows = self._rows, []
        if rows:
            self._store.add(rows)
            self._report()


# Beforehand, and afterwards -------------------------------------------------------------------------------------------

_TRIED = 24
"""Points of a task that are tried."""


class Estimate(NamedTuple):
    """Seconds that points would take one process, and how many of them were tried to know it."""

    seconds: float
    tried: int


def estimate(planned: SweepPlan, seconds: float = 5.0) -> Estimate:
    """How long the missing points would take one process, from some that are tried.

    Parameters
    ----------
    planned : SweepPlan
    seconds : float
        Most time to spend.
    """
    tasks = tasks_of(planned)
    began, tried, spent = time.perf_counter(), 0, 0.0
    for at in np.random.default_rng(0).permutation(len(tasks)):
        task = tasks[at]
        few = replace(task, points=task.points[:: max(1, len(task.points) // _TRIED)])
        compute(few)  # compiles what is not compiled yet
        times = [time.perf_counter()]
        tried += len(task.points)
        try:
            bits = few.points[0].machine.weight_bits
            make, forget = partial(few.request.make, bits), partial(few.request.forget, bits)
            for step in (make, forget, partial(compute, few), partial(compute, few)):
                step()
                times.append(time.perf_counter())
        except (ValueError, OSError):
            continue  # a workload that cannot be read fails at once
        made, _, packed_and_run, run = np.diff(times).tolist()
        packings, packed = (len({Sharing.of(point.machine).packing for point in x.points}) for x in (task, few))
        spent += made + (packed_and_run - run) * packings / packed + run / len(few.points) * len(task.points)
        if times[-1] - began > seconds:
            break
    return Estimate(spent / tried * len(planned.missing) if tried else 0.0, tried)


def failures(store: Store) -> Iterator[tuple[str, int]]:
    """Errors of the points that failed, the most frequent first, with how many."""
    counted: dict[str, int] = {}
    for row in store.rows(("status", "error")):
        if row["status"] == FAILED:
            counted[str(row["error"])] = counted.get(str(row["error"]), 0) + 1
    yield from sorted(counted.items(), key=lambda one: (-one[1], one[0]))

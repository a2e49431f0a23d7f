"""Runs a sweep: computes the points that a store does not have, on any executor, and writes each answer when it comes.

Points of one workload go to a worker together, which makes, packs and simulates what they share once. The process that
runs the sweep is the only one that writes.
"""

import json
import os
import platform
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from multiprocessing import get_context, parent_process
from os import PathLike
from pathlib import Path
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from compressor._jit import available_cores
from compressor._version import __version__
from eie_sim.arch import ArchConfig
from eie_sim.columns import Cell
from eie_sim.sweep.columns import INPUTS, MACHINE, METRICS, NO_BASELINE, PRICING
from eie_sim.sweep.evaluate import Answer, Baseline, Priced, Task, compute, parsed_baseline
from eie_sim.sweep.space import Points, Space, Value, check_alone
from eie_sim.sweep.store import DONE, FAILED, Store, is_begun
from eie_sim.sweep.workloads import Request

MOST_POINTS = 2048
"""Points of one task: a worker that is killed loses a second or two."""

MOST_SIMULATIONS = 256
"""Runs of a machine of one task, for the same reason."""

_TASKS_A_WORKER = 8
"""Into how many tasks a small sweep is cut for each worker: all have work until the end, and little is lost when it is
interrupted. Points of one packing are packed once for each task that they are in."""

MOST_ATTEMPTS = 3
"""Workers that one point may kill before it is recorded as failed."""

_UNKNOWN_WORKERS = 16
"""Workers that an executor is taken to have where it does not say; more get less ahead of them, fewer more."""

_AHEAD = 2
"""Tasks given to each worker at a time: one that it works on, one that waits."""

Progress = Callable[[int, int, int], object]
"""Told how many points are done, of how many, and how many of them failed."""

_LOOK_S = 5.0
"""How long to wait for an answer before asking why none comes."""


class LostWorkers(RuntimeError):
    """All workers are gone, such as with the scheduler of a cluster; the store holds what was done before."""


@dataclass(frozen=True)
class Summary:
    """What a sweep did.

    Attributes
    ----------
    points : int
        Of the space; those that are the same point by another name count once.
    there : int
        That the store had already.
    done, failed : int
        Computed now.
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


@dataclass
class Plan:
    """The points of a space that a store does not have.

    Attributes
    ----------
    space : Space
    points : Points
    keys : list of str
        Of every point.
    machines : list of ArchConfig or str
        Every machine that occurs, or why there is none.
    machine_of : ndarray of int64
        Which of them each point has.
    missing : ndarray of int64
        Points to compute.
    there : int
    """

    space: Space
    points: Points
    keys: list[str]
    machines: list[ArchConfig | str]
    machine_of: NDArray[np.int64]
    missing: NDArray[np.int64]
    there: int
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    request_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def distinct(self) -> int:
        """Points that are not another one by a second name."""
        return len(self.missing) + self.there

    def simulations(self) -> int:
        """Runs of a machine that the missing points need."""
        machines = {arch.timed_by: at for at, arch in enumerate(self.machines) if isinstance(arch, ArchConfig)}
        timing = np.array([machines[a.timed_by] if isinstance(a, ArchConfig) else -1 for a in self.machines], np.int64)
        orders, _ = self.points.groups(("order",))
        which = np.stack([self.request_of, orders, timing[self.machine_of]])[:, self.missing]
        return int(np.unique(which[:, which[2] >= 0], axis=1).shape[1])


def plan(space: Space, store: Store | None, retry_failed: bool = False) -> Plan:
    """Find the points of `space`, check them, and leave out those that `store` has.

    Raises
    ------
    ValueError, OSError
        When the space is empty, a value can stand in no machine, or a workload or a baseline is none.
    """
    points = space.points()
    check_alone(points, space.machine)
    baselines = {
        str(name): parsed_baseline(str(name), space.folder) for name in points.values["baseline"] if name != NO_BASELINE
    }
    request_of, first = points.groups(("workload", "fit", "seed"))
    requests = [_request(space, points, int(at)) for at in first]
    for request in {(one.name, one.folder): one for one in requests}.values():
        request.check()
    machine_of, first = points.groups(MACHINE)
    machines = [_machine(points, int(at)) for at in first]
    keys = _keys(points, [one.digest for one in requests], request_of, machines, machine_of, baselines)
    there = store.keys(failed_too=not retry_failed) if store is not None else set()
    _, distinct = np.unique(np.array(keys), return_index=True)
    missing = np.array([at for at in np.sort(distinct) if keys[at] not in there], np.int64)
    there_already = len(distinct) - len(missing)
    return Plan(space, points, keys, machines, machine_of, missing, there_already, baselines, requests, request_of)


def plan_for(space: Space, store: str | PathLike[str], retry_failed: bool = False) -> Plan:
    """`plan`, for the file of a store that may not be there yet.

    Raises
    ------
    ValueError, OSError
        As for `plan`.
    """
    if not is_begun(Path(store)):
        return plan(space, None)
    with Store(store) as opened:
        return plan(space, opened, retry_failed)


def _request(space: Space, points: Points, at: int) -> Request:
    name, fit, seed = (points.value(column, at) for column in ("workload", "fit", "seed"))
    assert isinstance(seed, int)
    return Request(str(name), str(space.folder), str(fit), seed, space.acts, space.act_density)


def _machine(points: Points, at: int) -> ArchConfig | str:
    try:
        return ArchConfig(**{name: points.value(name, at) for name in MACHINE})
    except ValueError as error:
        return str(error)


def _keys(
    points: Points,
    contents: Sequence[str],
    request_of: NDArray[np.int64],
    machines: Sequence[ArchConfig | str],
    machine_of: NDArray[np.int64],
    baselines: Mapping[str, Baseline],
) -> list[str]:
    """The digest of everything that determines each point."""
    of_machine = []
    _, first = points.groups(MACHINE)
    for machine, at in zip(machines, first, strict=True):
        valid = isinstance(machine, ArchConfig)
        fields = {n: getattr(machine, n) if valid else points.value(n, int(at)) for n in MACHINE}
        of_machine.append(_digest(fields))
    rest = ("order", *PRICING)
    rest_of, first = points.groups(rest)
    of_rest = [_digest(_told_of(points, rest, int(at), baselines)) for at in first]
    version = f"eie-sim sweep 1 {__version__}".encode()
    return [
        sha256(b"\0".join((version, contents[r].encode(), of_machine[m], of_rest[p]))).hexdigest()
        for r, m, p in zip(request_of.tolist(), machine_of.tolist(), rest_of.tolist(), strict=True)
    ]


def _told_of(points: Points, names: Sequence[str], at: int, baselines: Mapping[str, Baseline]) -> dict[str, object]:
    """Some inputs of a point; of a baseline its contents, not the name of its file."""
    found: dict[str, object] = {name: points.value(name, at) for name in names}
    if found["baseline"] != NO_BASELINE:
        device, kind = baselines[str(found["baseline"])]
        found["baseline"] = [device.model_dump(mode="json"), kind]
    return found


def _digest(fields: Mapping[str, object]) -> bytes:
    return sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest().encode()


def _tasks(planned: Plan, workers: int = 1) -> list[Task]:
    """The missing points of a plan as tasks, those of the most points first, so that workers end together."""
    points = planned.points
    order_of, _ = points.groups(("order",))
    priced_of, first = points.groups(tuple(PRICING))
    priced = [_priced(points, int(at)) for at in first]
    groups: dict[tuple[int, int], list[int]] = {}
    for at in planned.missing.tolist():
        if isinstance(planned.machines[planned.machine_of[at]], ArchConfig):
            groups.setdefault((int(planned.request_of[at]), int(order_of[at])), []).append(at)
    tasks = []
    most = min(MOST_SIMULATIONS, -(-planned.simulations() // (_TASKS_A_WORKER * workers)))
    # Tasks of one workload stand together, so that a worker makes it once and finds it packed.
    for (request, _), members in sorted(groups.items(), key=lambda group: -len(group[1])):
        # Points of one packing stand together, and in it those of one simulation.
        machines = {at: planned.machines[planned.machine_of[at]] for at in members}
        members.sort(key=lambda at: (_packing(machines[at]), at))
        order = str(points.value("order", members[0]))
        for part in _cut([_packing(machines[at]) for at in members], members, most):
            task_points = tuple((at, machines[at], priced[priced_of[at]]) for at in part)
            tasks.append(Task(planned.requests[request], order, task_points, baselines=planned.baselines))
    return tasks


def _cut(sorts: Sequence[tuple[int, int, str]], members: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    """Sorted points in parts of some simulations each; where packings change, half as many are enough for a part."""
    begin = simulations = 0
    for at, (sort, before) in enumerate(zip(sorts, [None, *sorts], strict=False)):
        changed = before is None or sort[:2] != before[:2]
        if at > begin and sort != before:
            full = simulations >= most or (changed and 2 * simulations >= most)
            if full:
                yield members[begin:at]
                begin, simulations = at, 0
        if at - begin >= MOST_POINTS:
            yield members[begin:at]
            begin, simulations = at, 0
        simulations += sort != before or at == begin
    yield members[begin:]


def _packing(machine: ArchConfig | str) -> tuple[int, int, str]:
    assert isinstance(machine, ArchConfig)
    return machine.n_pe, machine.index_bits, repr(machine.timed_by)


def _priced(points: Points, at: int) -> Priced:
    calibration, rule, baseline, batch = (points.value(name, at) for name in PRICING)
    assert isinstance(batch, int)
    return str(calibration), str(rule), str(baseline), batch


# Writing --------------------------------------------------------------------------------------------------------------


def _row(planned: Plan, at: int, error: str, metrics: Sequence[Cell] | None, host: str, seconds: float) -> list[Cell]:
    machine = planned.machines[planned.machine_of[at]]
    fields = machine.__dict__ if isinstance(machine, ArchConfig) else {}
    inputs: list[Value] = [fields[name] if name in fields else planned.points.value(name, at) for name in INPUTS]
    request = planned.requests[planned.request_of[at]]
    status = DONE if metrics is not None else FAILED
    cells = metrics if metrics is not None else [None] * len(METRICS)
    return [planned.keys[at], *inputs, status, error or None, *cells, request.digest, __version__, host, seconds]


# Running --------------------------------------------------------------------------------------------------------------


def run_sweep(
    space: Space,
    store: str | PathLike[str],
    jobs: int | None = None,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: Progress = lambda _done, _of, _failed: None,
    note: bool = True,
    told: Callable[[str], object] = lambda _text: None,
) -> Summary:
    """Compute the points of `space` that the file `store` does not have.

    Rows do not depend on the executor or on the number of workers. A point that cannot be computed is a row with its
    error. An interrupted sweep goes on when it is run again.

    Parameters
    ----------
    space : Space
    store : str or path
        Made where there is none.
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
    told : function of str
        Given what a user should know while the sweep waits, such as that a cluster has no worker left.

    Raises
    ------
    ValueError
        As for `plan`.
    StoreError
        When the store cannot be written; what was written before is whole.
    LostWorkers
        When no worker is left that could go on.
    """
    began = time.perf_counter()
    planned = plan_for(space, store, retry_failed)  # no store is made for a space that is none
    with Store(store, create=True) as opened:
        if note:
            opened.begin(space.name, space.model_dump_json(by_alias=True), json.dumps(space.where), now(), planned.keys)
        writer = _Writer(planned, opened, progress)
        writer.impossible()
        wanted = _Given(executor).workers if executor is not None else jobs or available_cores()
        tasks = _tasks(planned, wanted)
        workers = min(wanted, max(len(tasks), 1))
        try:
            if executor is not None:
                _run_on(_Given(executor), tasks, writer, told)
            elif workers == 1:
                for task in tasks:
                    writer.take(compute(task))
            else:
                _run_on(_Processes(workers), tasks, writer, told)
        finally:
            writer.flush()
    return Summary(
        planned.distinct, planned.there, writer.done, writer.failed, planned.simulations(), time.perf_counter() - began
    )


def now() -> str:
    """Date and time, for what is noted of a sweep."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Writer:
    """Puts answers into the store."""

    def __init__(self, planned: Plan, store: Store, progress: Progress) -> None:
        self._planned, self._store, self._progress = planned, store, progress
        self._host = platform.node()
        self._rows: list[list[Cell]] = []
        self.done = self.failed = 0
        self._tell()

    def _tell(self) -> None:
        self._progress(self.done + self.failed, len(self._planned.missing), self.failed)

    def impossible(self) -> None:
        """Record the points for which there is no machine."""
        for at in self._planned.missing.tolist():
            machine = self._planned.machines[self._planned.machine_of[at]]
            if not isinstance(machine, ArchConfig):
                self._rows.append(_row(self._planned, at, machine, None, self._host, 0.0))
                self.failed += 1
        self.flush()

    def take(self, answers: Sequence[Answer]) -> None:
        """Write the answers of a task, in one transaction."""
        for one in answers:
            self._rows.append(_row(self._planned, one.number, one.error, one.metrics, self._host, one.seconds))
            if one.metrics is None:
                self.failed += 1
            else:
                self.done += 1
        self.flush()

    def flush(self) -> None:
        """Write what is not yet written."""
        rows, self._rows = self._rows, []
        if rows:
            self._store.add(rows)
            self._tell()


class _Processes:
    """Processes of this computer, made anew when one of them has died."""

    lose_all = True
    """Whether all that was given to it is lost with one worker, and nobody knows whose fault it was."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Not forked: numba's threads and those of BLAS do not survive it.
        return ProcessPoolExecutor(self.workers, get_context("spawn"), _begin_worker)

    def submit(self, task: Task) -> "Future[list[Answer]]":
        """Give a task to a worker."""
        try:
            return self._pool.submit(compute, task)
        except BrokenProcessPool:
            self.renew()
            return self._pool.submit(compute, task)

    def trouble(self) -> str:
        """None: a process that dies is seen at once."""
        return ""

    def renew(self) -> None:
        """Start again after a worker has died."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new()

    def close(self, at_once: bool) -> None:
        """Stop."""
        if at_once:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Given:
    """An executor of the caller's, who closes it."""

    lose_all = False

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.workers = int(getattr(executor, "_max_workers", None) or _UNKNOWN_WORKERS)

    def submit(self, task: Task) -> "Future[list[Answer]]":
        """Give a task to a worker."""
        try:
            return self._executor.submit(compute, task)
        except Exception as error:
            raise LostWorkers(f"the executor takes no more tasks ({type(error).__name__}: {error})") from error

    def trouble(self) -> str:
        """Why no answer may come, if the executor knows."""
        ask: Callable[[], str] = getattr(self._executor, "trouble", str)
        try:
            return ask()
        except OSError:  # its scheduler does not answer: the tasks will say so
            return ""

    def renew(self) -> None:
        """The executor replaces its workers itself."""

    def close(self, at_once: bool) -> None:
        """Nothing: it is the caller's."""


def _begin_worker() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the process that runs the sweep, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_it() -> None:
        parent.join()
        os._exit(1)

    Thread(target=end_with_it, daemon=True).start()


def _run_on(
    workers: _Processes | _Given, tasks: Sequence[Task], writer: _Writer, told: Callable[[str], object]
) -> None:
    waiting, suspects = deque(tasks), deque[Task]()
    running: dict[Future[list[Answer]], Task] = {}
    died_in_a_row = 0
    clean = False
    said = ""
    try:
        while waiting or suspects or running:
            # A task that was lost beside others runs alone: if its worker dies again, it is known whose fault it is.
            while waiting and not suspects and len(running) < _AHEAD * workers.workers:
                task = waiting.popleft()
                running[workers.submit(task)] = task
            if suspects and not running:
                task = suspects.popleft()
                running[workers.submit(task)] = task
            done, _ = wait(running, _LOOK_S, return_when=FIRST_COMPLETED)
            if not done:
                if (trouble := workers.trouble()) and trouble != said:
                    told(trouble)
                said = trouble
                continue
            lost: list[Task] = []
            alone = len(running) == 1
            for future in done:
                task = running.pop(future)
                answers = _answers(future)
                if answers is None:
                    lost.append(task)
                else:
                    writer.take(answers)
                    died_in_a_row = 0
            if not lost:
                continue
            died_in_a_row += 1
            if died_in_a_row > _MOST_DEATHS:
                raise LostWorkers(f"workers died {died_in_a_row} times, and nothing was done in between")
            if workers.lose_all:
                lost += running.values()
                running.clear()
                workers.renew()
            if alone or not workers.lose_all:
                for task in lost:
                    again, given_up = _again(task)
                    suspects.extend(again)
                    writer.take(given_up)
            else:
                suspects.extend(lost)
        clean = True
    finally:
        for future in running:
            future.cancel()
        workers.close(at_once=not clean)


_MOST_DEATHS = 40
"""Deaths of workers without an answer in between: enough to find one point that kills among a full task."""


def _answers(future: "Future[list[Answer]]") -> list[Answer] | None:
    """The answers of a task; None when its worker died.

    Raises
    ------
    LostWorkers
        When nobody is left to do it.
    """
    error = None if future.cancelled() else future.exception()
    if error is None and not future.cancelled():
        return future.result()
    if isinstance(error, BrokenProcessPool) or type(error).__name__ in _WORKER_DIED:
        return None
    name = "CancelledError" if error is None else type(error).__name__
    raise LostWorkers(f"the workers are lost ({name}{': ' + str(error) if str(error or '') else ''})")


_WORKER_DIED = frozenset({"KilledWorker", "BrokenExecutor", "TerminatedWorkerError"})
"""Names of errors that say that one worker died; KilledWorker is dask's, which has tried several of them."""


def _again(task: Task) -> tuple[list[Task], list[Answer]]:
    """What to do with a task whose worker died: its halves again, or give up on the one point that is left."""
    if len(task.points) > 1:
        middle = len(task.points) // 2
        halves = [task.points[:middle], task.points[middle:]]
        return [replace(task, points=half, attempt=0) for half in halves], []
    if task.attempt + 1 < MOST_ATTEMPTS:
        return [replace(task, attempt=task.attempt + 1)], []
    (number, _, _) = task.points[0]
    return [], [Answer(number, None, f"its worker died {MOST_ATTEMPTS} times", 0.0)]


_TRIED = 24
"""Points of a task that are tried."""


def estimate(planned: Plan, seconds: float = 5.0) -> tuple[float, int]:
    """Seconds that the missing points would take one process, from some that are tried, and how many were tried.

    Parameters
    ----------
    planned : Plan
    seconds : float
        Most time to spend.
    """
    tasks = _tasks(planned)
    began, tried, spent = time.perf_counter(), 0, 0.0
    for at in np.random.default_rng(0).permutation(len(tasks)):
        task = tasks[at]
        few = replace(task, points=task.points[:: max(1, len(task.points) // _TRIED)])
        compute(few)  # compiles what is not compiled yet
        times = [time.perf_counter()]
        tried += len(task.points)
        try:
            for step in (few.request.make, few.request.forget, partial(compute, few), partial(compute, few)):
                step()
                times.append(time.perf_counter())
        except (ValueError, OSError):
            continue  # a workload that cannot be read fails at once
        made, _, packed_and_run, run = np.diff(times).tolist()
        packings, here = (len({_packing(machine)[:2] for _, machine, _ in x.points}) for x in (task, few))
        spent += made + (packed_and_run - run) * packings / here + run / len(few.points) * len(task.points)
        if times[-1] - began > seconds:
            break
    return (spent / tried * len(planned.missing) if tried else 0.0), tried


def failures(store: Store) -> Iterator[tuple[str, int]]:
    """Errors of the points that failed, the most frequent first, with how many."""
    counted: dict[str, int] = {}
    for row in store.rows(("status", "error")):
        if row["status"] == FAILED:
            counted[str(row["error"])] = counted.get(str(row["error"]), 0) + 1
    yield from sorted(counted.items(), key=lambda one: (-one[1], one[0]))

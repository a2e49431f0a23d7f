"""Who computes tasks, those of a sweep or parts of a data set: processes of this computer, or an executor of the
caller's, such as a Dask cluster; and what happens when one of them dies.
"""

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

from compressor.jit import begin_worker

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_UNKNOWN_WORKERS = 16
"""Workers that an executor is taken to have where it does not say; more get less ahead of them, fewer more."""

_AHEAD = 2
"""Tasks given to each worker at a time: one that it works on, one that waits."""

_LOOK_S = 5.0
"""How long to wait for an answer before asking why none comes."""


class LostWorkers(RuntimeError, OSError):  # the latter: command lines end with one line
    """All workers are gone, such as with the scheduler of a cluster; what was stored before is whole."""


class WorkersCannotStart(LostWorkers):
    """New processes end before they take a task, such as those of a script without ``if __name__ == "__main__":``."""


_CURE = (
    'put the call under `if __name__ == "__main__":` in a script that is saved as a file, or pass jobs=1 (--jobs 1), '
    "which needs no other process"
)


def leave_a_process_that_begins(caller: str) -> None:
    """End this process if it is a new one that still imports the script which started it.

    A script without ``if __name__ == "__main__":`` would run its sweep again in each of its workers.

    Parameters
    ----------
    caller : str
        Name of the function that starts processes, for messages.

    Raises
    ------
    SystemExit
        With one line that says so: as an error it would be a page of traceback from every worker.
    """
    # What multiprocessing itself looks at before it refuses to start a process here.
    if getattr(current_process(), "_inheriting", False):
        # The process that started this one says what to do.
        sys.exit(f"{caller}: called by a process that is still importing the script")


_compute: Any = None
"""What a worker process calls with each task."""


def _begin(reader: Connection, lock: Lock) -> None:
    global _compute
    begin_worker()
    with lock:
        _compute = reader.recv()


def _send(writer: Connection, compute: object, copies: int) -> None:
    with writer, suppress(BrokenPipeError):  # nobody reads any more
        for _ in range(copies):
            writer.send(compute)


def _compute_task(task: Any) -> Any:
    return _compute(task)


class Processes(Generic[Task, Answer]):
    """Processes of this computer, made anew when one of them has died.

    Parameters
    ----------
    workers : int
    caller : str
        Name of the function that starts them, for messages.
    compute : function of a task
        Returns its answers. Each process gets it once, with all that it holds.

    Raises
    ------
    WorkersCannotStart
        If the first of them ends before it takes a task: no task is to blame.
    """

    lose_all = True
    """Whether all that was given to it is lost with one worker, and nobody knows whose fault it was."""

    def __init__(self, workers: int, caller: str, compute: Callable[[Task], Sequence[Answer]]) -> None:
        self.workers, self._caller, self._compute = workers, caller, compute
        script = getattr(sys.modules["__main__"], "__file__", None)
        if getattr(sys.modules["__main__"], "__spec__", None) is None and script and not Path(script).exists():
            raise WorkersCannotStart(f"{caller}: {script} is not a file that worker processes can import; {_CURE}")
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Not forked: numba's threads and those of BLAS do not survive it.
        context = get_context("spawn")
        # What processes compute goes through a pipe and is not among their arguments: where these are many bytes and a
        # process ends before it reads them, the one that starts it waits for ever.
        self._reader, writer = context.Pipe(duplex=False)
        Thread(target=_send, args=(writer, self._compute, self.workers), daemon=True).start()
        pool = ProcessPoolExecutor(self.workers, context, _begin, (self._reader, context.Lock()))
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            self._reader.close()
            raise WorkersCannotStart(f"{self._caller}: a worker process ended before it took a task; {_CURE}") from None
        return pool

    def submit(self, task: Task) -> "Future[Sequence[Answer]]":
        """Give a task to a worker."""
        try:
            return self._pool.submit(_compute_task, task)
        except BrokenProcessPool:  # it died between two tasks, so that no future says so
            self.renew()
            return self._pool.submit(_compute_task, task)

    def trouble(self) -> str:
        """None: a process that dies is seen at once."""
        return ""

    def renew(self) -> None:
        """Start again after a worker has died."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reader.close()
        self._pool = self._new()

    def close(self, at_once: bool = False) -> None:
        """Stop."""
        if at_once:
            # The pool itself only waits for its tasks, which may take minutes after Ctrl-C.
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.close()


def check_workers_start(caller: str) -> None:
    """Start a worker and stop it, for whoever writes something before the first task.

    Parameters
    ----------
    caller : str
        As for `Processes`.

    Raises
    ------
    WorkersCannotStart
        If it ends at once.
    """
    Processes[object, object](1, caller, _compute_task).close()  # it gets no task


def workers_of(executor: Executor) -> int:
    """How many tasks an executor works on at once, as far as it says."""
    return int(getattr(executor, "_max_workers", None) or _UNKNOWN_WORKERS)


def _call(compute: Callable[[Task], Sequence[Answer]], task: Task) -> Sequence[Answer]:
    return compute(task)


def _itself(value: Any) -> Any:
    return value


def _on_all_workers(client: Any, value: object) -> Any:
    """A future of `value` that each worker of a Dask cluster has, for tasks that take it.

    It is the result of a task and not scattered: the scheduler makes it again when all workers that have it are lost.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")  # once, not with each task
        future = client.submit(_itself, value, pure=False)
    client.replicate([future])  # or Dask would give most tasks to the one worker that has it
    return future


class CallersExecutor(Generic[Task, Answer]):
    """An executor of the caller's, who closes it.

    Parameters
    ----------
    executor : Executor
    compute : function of a task
        As for `Processes`.
    holds_much : bool
        Whether `compute` holds so much that it should not travel with each task. On a Dask cluster each worker then
        gets it once; any other executor sends it with each task.
    """

    lose_all = False

    def __init__(
        self, executor: Executor, compute: Callable[[Task], Sequence[Answer]], holds_much: bool = False
    ) -> None:
        self._executor, self._compute = executor, compute
        self.workers = workers_of(executor)
        # Dask's executors have a client.
        self._client = getattr(executor, "_client", None) if holds_much else None
        self._there: Any = None

    def submit(self, task: Task) -> "Future[Sequence[Answer]]":
        """Give a task to a worker."""
        try:
            if self._client is None:
                return self._executor.submit(self._compute, task)
            if self._there is None:
                self._there = _on_all_workers(self._client, self._compute)
            return self._executor.submit(_call, self._there, task)
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


def run_on(
    workers: Processes[Task, Answer] | CallersExecutor[Task, Answer],
    tasks: Sequence[Task],
    take: Callable[[Sequence[Answer]], object],
    warn: Callable[[str], object],
    again: Callable[[Task], tuple[Sequence[Task], Sequence[Answer]]],
) -> None:
    """Have tasks done, in any order.

    Parameters
    ----------
    workers : Processes or CallersExecutor
        Closed in the end.
    tasks : sequence of Task
    take : function of a sequence of Answer
        Called with the answers of each task when they come.
    warn : function of str
        Called with why no answer may come.
    again : function of a Task
        What to do with a task whose worker died: tasks to try in its place, and answers where it is given up.

    Raises
    ------
    LostWorkers
        When no worker is left that could go on.
    """
    waiting: deque[Task] = deque(tasks)
    suspects: deque[Task] = deque()
    running: dict[Future[Sequence[Answer]], Task] = {}
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
                    warn(trouble)
                said = trouble
                continue
            lost: list[Task] = []
            alone = len(running) == 1  # before any is taken away: then it is known who killed the worker
            for future in done:
                task = running.pop(future)
                answers = _answers(future)
                if answers is None:
                    lost.append(task)
                else:
                    take(answers)
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
                    parts, given_up = again(task)
                    suspects.extend(parts)
                    take(given_up)
            else:
                suspects.extend(lost)
        clean = True
    finally:
        for future in running:
            future.cancel()
        workers.close(at_once=not clean)


_MOST_DEATHS = 40
"""Deaths of workers without an answer in between: enough to find one point that kills among a full task."""


def _answers(future: "Future[Sequence[Answer]]") -> Sequence[Answer] | None:
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

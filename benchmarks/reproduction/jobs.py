"""Runs side by side, one process each, with one bar of progress for each and an estimate of what is left."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import Manager, get_context
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.reproduction.runs import Run, RunResult, run

_POLL_S = 0.5

_SPEED_OVER_S = 600.0
"""Time remaining is estimated from this much of the past: an epoch of the largest network takes a minute or two."""


def run_all(runs: Sequence[Run], workers: int) -> list[RunResult]:
    """The results, in the order of `runs`.

    Parameters
    ----------
    runs : sequence of Run
    workers : int
        Processes; with 1 everything runs in this one.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=_SPEED_OVER_S) as shown:
        bars = [shown.add_task(what.name, total=None) for what in runs]
        if workers == 1:
            return [run(what, _on(shown, bar, what)) for what, bar in zip(runs, bars, strict=True)]
        return _in_processes(runs, workers, shown, bars)


def _on(shown: Progress, bar: TaskID, what: Run) -> Callable[[int, int, str], None]:
    return lambda done, total, text: shown.update(bar, completed=done, total=total, description=f"{what.name}: {text}")


def _in_processes(runs: Sequence[Run], workers: int, shown: Progress, bars: Sequence[TaskID]) -> list[RunResult]:
    # Spawned: a fork of a process in which torch has started threads may hang.
    with Manager() as manager, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        told = manager.Queue()
        futures = [pool.submit(_run, what, at, told) for at, what in enumerate(runs)]
        try:
            while not all(future.done() for future in futures):
                _show(told, [_on(shown, bar, what) for bar, what in zip(bars, runs, strict=True)])
                _raise_failure(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _run(what: Run, at: int, told: Any) -> RunResult:
    return run(what, lambda done, total, text: told.put((at, done, total, text)))


def _show(told: Any, bars: Sequence[Callable[[int, int, str], None]]) -> None:
    try:
        at, *progress = told.get(timeout=_POLL_S)
    except queue.Empty:
        return
    bars[at](*progress)


def _raise_failure(futures: Sequence[Future[RunResult]]) -> None:
    """What went wrong in one of them is seen at once, not when the others have ended hours later."""
    for future in futures:
        if future.done():
            future.result()

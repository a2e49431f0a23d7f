"""Samples in parts, which any process computes: how they are cut, what a worker is given and what it answers."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from compressor.samples import Samples
from eie_sim.executors import CallersExecutor, LostWorkers, Processes, run_on, workers_of
from eie_sim.network.result import NetworkResult

MOST_SAMPLES = 64
"""Of a part where nothing else is asked for: what is lost when a run is killed."""

_PARTS_A_WORKER = 4
"""Into how many parts few samples are cut for each worker, so that all have work until the end."""

_MOST_ATTEMPTS = 3
"""Workers that one part may kill before it is given up."""


class Part(NamedTuple):
    """Samples for a worker.

    Attributes
    ----------
    first : int
        Number of the first of them.
    samples : Samples
    attempt : int
        How often it was given to a worker that died.
    """

    first: int
    samples: Samples
    attempt: int = 0


class Done(NamedTuple):
    """What became of a part.

    Attributes
    ----------
    first : int
        As of the part.
    result : NetworkResult or None
        None if the samples were refused.
    error : str
        Why they were, in one line; else "".
    """

    first: int
    result: NetworkResult | None
    error: str = ""


def parts_of(samples: Samples, there: Iterable[range], size: int | None, workers: int) -> list[Part]:
    """The samples that are not `there`, in parts of `size`; None: of a size that gives each worker some.

    A run without samples has one part of none, which says what shape its outputs have.
    """
    missing, done = [], 0
    for one in [*there, range(len(samples), len(samples))]:
        missing.append(range(done, one.start))
        done = one.stop
    if size is None:
        size = min(MOST_SAMPLES, max(1, -(-sum(map(len, missing)) // (_PARTS_A_WORKER * workers))))
    cut = [gap[at : at + size] for gap in missing for at in range(0, len(gap), size)]
    return [Part(numbers.start, samples.part(numbers)) for numbers in cut or [range(0)] * (not len(samples))]


def run_parts(
    parts: Sequence[Part],
    compute: Callable[[Part], list[Done]],
    take: Callable[[Done], object],
    jobs: int,
    executor: Executor | None,
    warn: Callable[[str], object],
) -> None:
    """Have parts computed, in any order.

    Parameters
    ----------
    parts : sequence of Part
    compute : function of a Part
        Each worker gets it once, with the plan that it holds.
    take : function of a Done
        Called when a part is done.
    jobs : int
        Processes; 1: none but this one.
    executor : Executor or None
        What computes instead.
    warn : function of str
        Called with why no answer may come.

    Raises
    ------
    ValueError
        If samples are refused.
    LostWorkers
        When no worker is left that could go on, or a part ends several of them.
    """

    def take_all(answers: Sequence[Done]) -> None:
        for done in answers:
            if done.error:
                raise ValueError(done.error)
            take(done)

    jobs = min(jobs, len(parts))
    if executor is not None:
        run_on(CallersExecutor(executor, compute, holds_much=True), parts, take_all, warn, _again)
    elif jobs > 1:
        run_on(Processes(jobs, "run_network", compute), parts, take_all, warn, _again)
    else:
        for part in parts:
            take_all(compute(part))


def jobs_of(jobs: int, executor: Executor | None) -> int:
    """How many parts are computed at once."""
    return jobs if executor is None else workers_of(executor)


def _again(part: Part) -> tuple[list[Part], list[Done]]:
    """The part whose worker died once more, unless others died of it too."""
    if part.attempt + 1 < _MOST_ATTEMPTS:
        return [part._replace(attempt=part.attempt + 1)], []
    last = part.first + len(part.samples) - 1
    raise LostWorkers(
        f"samples {part.first} to {last}: their worker died {_MOST_ATTEMPTS} times; a smaller chunk takes less memory"
    )

"""A point on its way from the plan to a row: what a worker is given, and what it answers. All of it goes by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from eie_sim.arch import ArchConfig
from eie_sim.columns import Row
from eie_sim.sweep.baseline import Baseline
from eie_sim.sweep.workloads import WorkloadName


class Prices(NamedTuple):
    """What a simulated point is priced by: the columns `eie_sim.sweep.columns.PRICING`, under the same names."""

    calibration: str
    scaling_rule: str
    baseline: str
    batch: int


class Point(NamedTuple):
    """A point as a worker computes it; its workload is that of the task.

    Attributes
    ----------
    number : int
        Its place in the plan, which comes back with the answer.
    machine : ArchConfig
    prices : Prices
    """

    number: int
    machine: ArchConfig
    prices: Prices


@dataclass(frozen=True)
class Task:
    """Points of one workload, for one worker.

    Attributes
    ----------
    request : WorkloadName
    order : str
        Of the rows of each layer.
    points : tuple of Point
    attempt : int
        How often it was given to a worker that died.
    baselines : mapping of str to Baseline
        What the names of baselines stand for.
    """

    request: WorkloadName
    order: str
    points: tuple[Point, ...]
    attempt: int = 0
    baselines: Mapping[str, Baseline] = field(default_factory=dict)


class Answer(NamedTuple):
    """What became of one point.

    Attributes
    ----------
    number : int
        That of the point.
    metrics : dict or None
        Every column of `eie_sim.sweep.columns.METRICS`; None if the point failed.
    error : str
        Why it failed, in one line; else "".
    seconds : float
        Time of the worker for this point; what points share is divided among them.
    """

    number: int
    metrics: Row | None
    error: str = ""
    seconds: float = 0.0

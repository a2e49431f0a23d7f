"""Searches a space for the front between objectives instead of computing all of it (Optuna, extra ``search``).

A study lives in a file of Optuna's own beside the store and goes on where it was stopped; the points it asks for are
rows of the store like any other, and a point that is there is not computed again.
"""

import hashlib
import json
import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from eie_sim.columns import Row
from eie_sim.executors import check_workers_start, leave_a_process_that_begins
from eie_sim.sweep.axes import Range, Value
from eie_sim.sweep.baseline import parsed_baseline
from eie_sim.sweep.columns import METRICS, NO_BASELINE
from eie_sim.sweep.expressions import Condition
from eie_sim.sweep.plan import plan
from eie_sim.sweep.points import Points
from eie_sim.sweep.run import now, run_sweep
from eie_sim.sweep.select import LARGER_IS_BETTER
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store

SAMPLERS = ("nsga2", "tpe")

_OVER = ("workload", "seed", "fit")
"""Axes that are no choice: every trial runs all of them, and its objectives are geometric means."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    trials : int
        Machines that were tried, all sessions together.
    inputs : tuple of dict
        The axes of each machine on the front.
    values : tuple of tuple of float
        Its objectives, in the order in which they were given.
    tried : tuple of tuple of float
        Objectives of every machine that was tried and could be computed.
    """

    trials: int
    inputs: tuple[Mapping[str, Value], ...]
    values: tuple[tuple[float, ...], ...]
    tried: tuple[tuple[float, ...], ...]


def search(
    space: Space,
    store: str | PathLike[str],
    objectives: Sequence[str],
    trials: int,
    sampler: str = "nsga2",
    seed: int = 0,
    batch: int = 16,
    jobs: int | None = 1,
    progress: Callable[[int, int], object] = lambda _done, _of: None,
) -> SearchResult:
    """Search the axes of `space` for the front between `objectives`.

    Parameters
    ----------
    space : Space
        Lists and ranges are the choices; ``workload``, ``seed`` and ``fit`` are no choice, each trial runs them all.
    store : str or path
        Created if it does not exist; the study is the file of the same name and ``.optuna``.
    objectives : sequence of str
        Metrics; each is made small, or large where larger is better.
    trials : int
        Total number of machines to try, those of earlier sessions counted.
    sampler : {"nsga2", "tpe"}
    seed : int
        The same seed and batch size try the same machines, if the study was never interrupted.
    batch : int
        Machines that are asked for together: they share what they can, and run on `jobs` processes.
    jobs : int or None
        As for `run_sweep`.

    Raises
    ------
    ImportError
        Without the extra ``search``.
    ValueError
        If an objective or the sampler is unknown, or there is nothing to choose.
    LostWorkers
        As for `run_sweep`.
    """
    leave_a_process_that_begins("search")
    optuna = _optuna()
    if unknown := [name for name in objectives if name not in METRICS]:
        raise ValueError(f"objective: {unknown[0]!r}; there are {', '.join(METRICS)}")
    if not objectives:
        raise ValueError("objectives: there is none, but a search needs one metric at least")
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler: {sampler!r}, but it must be one of {', '.join(SAMPLERS)}")
    choices = {name: _choices(name, space) for name in space.axes if name not in _OVER}
    if not any(len(values) > 1 for values in choices.values()):
        raise ValueError(f"sweep {space.name!r}: there is nothing to choose between")
    if jobs != 1:
        check_workers_start("search")  # before the store and the study have anything of this search
    with Store(store, create=True) as opened:
        conditions = json.dumps(space.where)
        opened.begin(f"{space.name} search", space.model_dump_json(by_alias=True), conditions, now())
    study = _study(optuna, Path(store), objectives, sampler, seed, space)
    while (done := len(study.get_trials(deepcopy=False, states=_ended(optuna)))) < trials:
        # All of a batch are asked for before any is computed, so that what is tried does not depend on `jobs`.
        asked = [study.ask() for _ in range(min(batch, trials - done))]
        machines = [
            {name: values[trial.suggest_categorical(name, range(len(values)))] for name, values in choices.items()}
            for trial in asked
        ]
        results = _computed(space, store, machines, objectives, jobs)
        for trial, machine, values in zip(asked, machines, results, strict=True):
            trial.set_user_attr("machine", machine)
            if values is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, values)
        progress(done + len(asked), trials)
    # One machine may have been tried often.
    of_machine = {json.dumps(trial.user_attrs["machine"]): trial for trial in reversed(study.best_trials)}
    best = sorted(of_machine.values(), key=lambda trial: (trial.values, trial.number))
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    return SearchResult(
        len(study.get_trials(deepcopy=False, states=_ended(optuna))),
        tuple(trial.user_attrs["machine"] for trial in best),
        tuple(tuple(trial.values) for trial in best),
        tuple(tuple(trial.values) for trial in complete),
    )


def _ended(optuna: Any) -> tuple[Any, ...]:
    return (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)


def _choices(name: str, space: Space) -> tuple[Value, ...]:
    axis = space.axes[name]
    if isinstance(axis, Range):
        return axis.values(name)
    return tuple(dict.fromkeys(axis if isinstance(axis, list) else [axis]))


def _study(optuna: Any, store: Path, objectives: Sequence[str], sampler: str, seed: int, space: Space) -> Any:
    # Machines of a generation: some for each value of the largest axis, few enough for many generations.
    population = int(np.clip(2 * max(len(_choices(name, space)) for name in space.axes if name not in _OVER), 16, 50))
    samplers = {
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=population),
        "tpe": lambda: optuna.samplers.TPESampler(
            seed=seed, multivariate=True, n_startup_trials=20, constant_liar=True
        ),
    }
    journal = optuna.storages.journal.JournalFileBackend(str(store.with_suffix(".optuna")))
    return optuna.create_study(
        study_name=f"{space.name} {sampler} {seed} {','.join(objectives)} {_contents(space)}",
        storage=optuna.storages.JournalStorage(journal),
        directions=["maximize" if name in LARGER_IS_BETTER else "minimize" for name in objectives],
        sampler=samplers[sampler](),
        load_if_exists=True,
    )


def _over(space: Space) -> Points:
    """What every machine runs."""
    return Space(axes={name: space.axes[name] for name in _OVER if name in space.axes}).points()


def _contents(space: Space) -> str:
    """A digest of the choices and of what they are judged by, files included: of others the study knows nothing."""
    over = _over(space)
    ran = space.with_points([{name: over.value(name, at) for name in _OVER} for at in range(len(over))])
    requests = plan(ran, None).requests
    names = _choices("baseline", space) if "baseline" in space.axes else ()
    baselines = [parsed_baseline(str(name), space.folder) for name in names if name != NO_BASELINE]
    contents = [
        space.model_dump(mode="json"), space.machine.model_dump(mode="json"),
        [one.digest for one in requests], [[one.device.model_dump(mode="json"), one.kind] for one in baselines],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def _computed(
    space: Space,
    store: str | PathLike[str],
    machines: Sequence[Mapping[str, Value]],
    objectives: Sequence[str],
    jobs: int | None,
) -> list[tuple[float, ...] | None]:
    """The objectives of each machine, geometric means over what ran on it."""
    over = _over(space)
    points = [
        {**machine, **{name: over.value(name, at) for name in _OVER}} for machine in machines for at in range(len(over))
    ]
    part = space.with_points(points)
    run_sweep(part, store, jobs=jobs, note=False)
    keys = plan(part, None).keys
    with Store(store) as opened:
        opened.extend(keys)
        asked = {name for one in space.conditions for name in one.names}
        known = opened.of_keys(keys, sorted(asked | set(objectives)))
    # Equal points are one point of the space.
    place = {point: at for at, point in enumerate(dict.fromkeys(tuple(sorted(one.items())) for one in points))}
    rows = [known.get(keys[place[tuple(sorted(one.items()))]]) for one in points]
    return [_means(rows[at : at + len(over)], objectives, space.conditions) for at in range(0, len(rows), len(over))]


def _means(
    rows: Sequence[Row | None], objectives: Sequence[str], conditions: Sequence[Condition]
) -> tuple[float, ...] | None:
    """Geometric means; None where a row is missing, failed, or does not meet a condition."""
    there = [row for row in rows if row is not None and all(one.holds(row) for one in conditions)]
    columns = [[value for row in there if isinstance(value := row[name], (int, float))] for name in objectives]
    # Optuna takes a trial without values as failed; a mean over fewer rows would compare with nothing.
    if any(len(column) < len(rows) or min(column) <= 0 for column in columns):
        return None
    return tuple(statistics.geometric_mean(column) for column in columns)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ImportError("a search needs pip install 'eie-sim[search]'") from None
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna

"""Simulates a job: every workload or the chain of layers, with capacity warnings and a progress bar."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.capacity import CapacityWarning, check_capacity, check_model_capacity
from eie_sim.cli.console import Printer
from eie_sim.cli.inputs import each_announced
from eie_sim.columns import Row
from eie_sim.cost import missing_bytes
from eie_sim.engines.base import simulate, simulate_batch
from eie_sim.engines.chain import walk
from eie_sim.origin import Origin
from eie_sim.report.results_file import LayerFacts, Results
from eie_sim.report.tables import result_row
from eie_sim.result import SimResult
from eie_sim.sources import Job
from eie_sim.workload import Workload

Vectors = NDArray[np.floating]
"""Input vectors, (B, n_cols)."""


@dataclass(frozen=True, eq=False)
class LayerRuns:
    """One layer with some input vectors.

    Attributes
    ----------
    results : sequence of SimResult
        Of each input vector; the first with its schedule where schedules were asked for.
    output : ndarray or None
        Of all input vectors, shape (B, n_rows).
    """

    results: Sequence[SimResult]
    output: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class RanLayer:
    """One layer of a job that ran.

    Attributes
    ----------
    workload : Workload
        The layer and its inputs; in a chain, those of the first layer.
    layer : PackedLayer
    missing_bytes : int
        What of it has no place in the SRAMs.
    runs : LayerRuns
    """

    workload: Workload
    layer: PackedLayer
    missing_bytes: int
    runs: LayerRuns


def simulate_job(
    job: Job,
    arch: ArchConfig,
    engine: str,
    printer: Printer,
    keep_outputs: bool = False,
    seen: Callable[[PackedLayer, SimResult], object] | None = None,
) -> Results:
    """Simulate all of `job` on `arch`; warnings and progress go to `printer`.

    Parameters
    ----------
    job : Job
    arch : ArchConfig
    engine : str
    printer : Printer
    keep_outputs : bool
        Whether the results keep the outputs of every layer.
    seen : function of a layer and a result, or None
        Called with each layer and the result of its first input vector, schedule included.

    Raises
    ------
    ValueError
        If a layer cannot run on the machine, or the engine is unknown.
    """
    rows: list[Row] = []
    origins: dict[str, Origin] = {}
    outputs: dict[str, NDArray[np.floating]] = {}
    facts: dict[str, LayerFacts] = {}
    for ran in each_layer(job, arch, engine, printer, schedules=seen is not None):
        name, results, output = ran.layer.name, ran.runs.results, ran.runs.output
        facts[name] = LayerFacts(ran.layer.density, ran.missing_bytes)
        rows += [result_row(result, number) for number, result in enumerate(results)]
        origins[name] = ran.workload.origin
        if keep_outputs and output is not None:
            outputs[name] = output if ran.workload.is_batch else output[0]
        if seen is not None:
            seen(ran.layer, results[0])
    chained = job.chain is not None
    notes = tuple(printer.notes)
    return Results(rows, arch.model_dump(), engine, origins, notes, chained, layers=facts, outputs=outputs)


def each_layer(
    job: Job,
    arch: ArchConfig,
    engine: str,
    printer: Printer,
    vectors: Callable[[Workload], Vectors] | None = None,
    schedules: bool = False,
) -> Iterator[RanLayer]:
    """Simulate a job layer by layer, with a progress bar; capacity warnings and notes go to `printer`.

    Parameters
    ----------
    job : Job
    arch : ArchConfig
    engine : str
    printer : Printer
    vectors : function of a Workload, or None
        Picks the input vectors, (B, n_cols); None: all.
    schedules : bool
        Whether the result of the first vector of each layer keeps its schedule.

    Raises
    ------
    ValueError
        If a layer cannot run on the machine, or the engine is unknown.
    """
    picked = all_vectors if vectors is None else vectors

    def run(layer: PackedLayer, values: Vectors) -> LayerRuns:
        if not schedules:
            batch = simulate_batch(layer, values, arch, engine)
            return LayerRuns([batch[at] for at in range(len(batch))], batch.output)
        # The first vector once, with its schedule; only the others as a batch.
        first = simulate(layer, values[0], arch, engine, schedule=True)
        assert first.output is not None
        if len(values) == 1:
            return LayerRuns([first], first.output[None])
        rest = simulate_batch(layer, values[1:], arch, engine)
        assert rest.output is not None
        return LayerRuns([first, *(rest[at] for at in range(len(rest)))], np.vstack([first.output, rest.output]))

    def ran_layers() -> Iterator[RanLayer]:
        if job.chain is None:
            for workload in each_announced(job, printer.note):
                tell_capacity(partial(check_capacity, workload.layer, arch), printer)
                (missing,) = missing_bytes(workload.layer, arch)
                yield RanLayer(workload, workload.layer, missing, run(workload.layer, picked(workload)))
            return
        (workload,), layers = job, job.chain.layers
        for layer in layers:
            tell_capacity(partial(check_capacity, layer, arch), printer)
        tell_capacity(partial(check_model_capacity, job.chain, arch), printer)
        ran = walk(layers, job.chain.activations, picked(workload), run)
        for layer, missing, runs in zip(layers, missing_bytes(job.chain, arch), ran, strict=True):
            yield RanLayer(workload, layer, missing, runs)

    with capacity_told_once(), printer.progress(len(job.names)) as advance:
        advance(job.names[0])
        for number, ran in enumerate(ran_layers(), 1):
            yield ran
            advance(job.names[min(number, len(job.names) - 1)], done=1)


@contextmanager
def capacity_told_once() -> Iterator[None]:
    """No capacity warnings from the engines: `tell_capacity` has reported them, in one line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacityWarning)
        yield


def tell_capacity(check: Callable[[], object], printer: Printer) -> None:
    """Report what `check` warns of, in one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CapacityWarning)
        check()
    for warning in caught:
        printer.warn(str(warning.message))


# Input vectors --------------------------------------------------------------------------------------------------------


def all_vectors(workload: Workload) -> Vectors:
    """All input vectors of a workload, (B, n_cols)."""
    return workload.acts if workload.is_batch else workload.acts[None]


def one_vector(number: int | None, printer: Printer) -> Callable[[Workload], Vectors]:
    """Picks one input vector of a workload, counted from 0; None: the first, and a note where there are more.

    Raises
    ------
    ValueError
        From the function that is returned, if there is no such vector.
    """

    def pick(workload: Workload) -> Vectors:
        vectors = all_vectors(workload)
        if number is None and len(vectors) > 1:
            printer.note(
                f"{workload.layer.name}: has {len(vectors)} input vectors, of which the first is shown; "
                "--input N chooses"
            )
        at = number or 0
        if at >= len(vectors):
            name = workload.layer.name
            raise ValueError(f"--input: {at}, but layer {name!r} has the input vectors 0 to {len(vectors) - 1}")
        return vectors[at : at + 1]

    return pick

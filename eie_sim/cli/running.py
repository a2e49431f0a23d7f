"""Simulates a job: every workload or the chain of layers, with capacity warnings and a progress bar."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

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
from eie_sim.report.tables import RowTable, result_row
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
    rows : sequence of dict
        Of each input vector, as `eie_sim.report.tables.result_row` makes them, in place of results with the counters
        of every PE, so that many vectors fit into the memory.
    first : SimResult
        Of the first input vector, with its schedule where schedules were asked for.
    output : ndarray or None
        Of all input vectors, shape (B, n_rows), where outputs were kept.
    """

    rows: Sequence[Row]
    first: SimResult
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
    rows = RowTable()
    origins: dict[str, Origin] = {}
    outputs: dict[str, NDArray[np.floating]] = {}
    facts: dict[str, LayerFacts] = {}
    for ran in each_layer(job, arch, engine, printer, schedules=seen is not None, keep_outputs=keep_outputs):
        name, output = ran.layer.name, ran.runs.output
        facts[name] = LayerFacts(ran.layer.density, ran.missing_bytes)
        rows.extend(ran.runs.rows)
        origins[name] = ran.workload.origin
        if keep_outputs and output is not None:
            outputs[name] = output if ran.workload.is_batch else output[0]
        if seen is not None:
            seen(ran.layer, ran.runs.first)
    chained = job.chain is not None
    notes = tuple(printer.notes)
    return Results(rows, arch.model_dump(), engine, origins, notes, chained, layers=facts, outputs=outputs)


def each_layer(
    job: Job,
    arch: ArchConfig,
    engine: str,
    printer: Printer,
    vectors: Callable[[Workload], Iterable[Vectors]] | None = None,
    schedules: bool = False,
    keep_outputs: bool = False,
) -> Iterator[RanLayer]:
    """Simulate a job layer by layer, with a progress bar; capacity warnings and notes go to `printer`.

    Parameters
    ----------
    job : Job
    arch : ArchConfig
    engine : str
    printer : Printer
    vectors : function of a Workload, or None
        Picks the input vectors, some (B, n_cols) after another; None: all.
    schedules : bool
        Whether the result of the first vector of each layer keeps its schedule.
    keep_outputs : bool
        Whether the outputs of all vectors are kept; those of a chain are, which its next layer needs.

    Raises
    ------
    ValueError
        If a layer cannot run on the machine, or the engine is unknown.
    """
    picked = all_vectors if vectors is None else vectors

    def run(layer: PackedLayer, chunks: Iterable[Vectors], keep: bool = keep_outputs) -> LayerRuns:
        rows = RowTable()
        outputs: list[NDArray[np.floating]] = []
        first: SimResult | None = None

        def take(result: SimResult) -> None:
            rows.append(result_row(result, len(rows)))
            if keep and result.output is not None:
                outputs.append(result.output)

        for values in chunks:
            if first is None and schedules:
                # The first vector once, with its schedule; only the others as a batch.
                first, values = simulate(layer, values[0], arch, engine, schedule=True), values[1:]
                take(first)
            batch = simulate_batch(layer, values, arch, engine)
            for at in range(len(batch)):
                take(batch[at])
            first = first or batch[0]
        assert first is not None
        return LayerRuns(rows, first, np.array(outputs) if outputs else None)

    def run_in_chain(layer: PackedLayer, values: Vectors) -> LayerRuns:
        return run(layer, (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK)), keep=True)

    def ran_layers() -> Iterator[RanLayer]:
        if job.chain is None:
            for workload in each_announced(job, printer.note):
                tell_inputs(workload, printer)
                tell_capacity(partial(check_capacity, workload.layer, arch), printer)
                (missing,) = missing_bytes(workload.layer, arch)
                yield RanLayer(workload, workload.layer, missing, run(workload.layer, picked(workload)))
            return
        (workload,), layers = job, job.chain.layers
        tell_inputs(workload, printer)
        for layer in layers:
            tell_capacity(partial(check_capacity, layer, arch), printer)
        tell_capacity(partial(check_model_capacity, job.chain, arch), printer)
        given = np.concatenate(list(picked(workload)))
        ran = walk(layers, job.chain.activations, given, run_in_chain)
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


def tell_inputs(workload: Workload, printer: Printer) -> None:
    """Say of inputs from a file that they are not like what a ReLU gives, in one line."""
    if workload.origin.inputs != "file":
        return
    odd = ["some are negative"] * bool(workload.acts.min() < 0) + ["none is 0"] * bool(workload.acts.all())
    if odd:
        printer.note(
            f"layer {workload.layer.name!r}: of its inputs {' and '.join(odd)}: right for an image, but outputs of a "
            "ReLU are never negative, and most of its layers have zeros, which EIE skips"
        )


# Input vectors --------------------------------------------------------------------------------------------------------


_CHUNK = 256
"""Input vectors that are drawn and simulated together: many for every core, and their counters some megabytes."""


def all_vectors(workload: Workload) -> Iterator[Vectors]:
    """All input vectors of a workload, some (B, n_cols) after another."""
    return workload.vectors(_CHUNK)


def one_vector(number: int | None, printer: Printer) -> Callable[[Workload], Iterable[Vectors]]:
    """Picks one input vector of a workload, counted from 0; None: the first, and a note where there are more.

    Raises
    ------
    ValueError
        From the function that is returned, if there is no such vector.
    """

    def pick(workload: Workload) -> list[Vectors]:
        if number is None and workload.n_vectors > 1:
            printer.note(
                f"{workload.layer.name}: has {workload.n_vectors} input vectors, of which the first is shown; "
                "--input N chooses"
            )
        at = number or 0
        if at >= workload.n_vectors:
            name = workload.layer.name
            raise ValueError(f"--input: {at}, but layer {name!r} has the input vectors 0 to {workload.n_vectors - 1}")
        return [next(islice(workload.vectors(1), at, None))]

    return pick

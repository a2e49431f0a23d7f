"""Simulates a plan: every workload or the chain of layers, with capacity warnings and a progress bar."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.capacity import CapacityWarning, check_capacity, check_model_capacity
from eie_sim.cli.console import Printer
from eie_sim.cli.inputs import Plan
from eie_sim.columns import Row
from eie_sim.cost import missing_bytes
from eie_sim.engines.base import activate, run_layers, simulate, simulate_batch, simulate_model
from eie_sim.report.results_file import LayerFacts, Results
from eie_sim.report.tables import result_row
from eie_sim.result import BatchResult, SimResult
from eie_sim.workload import Workload

Seen: TypeAlias = Callable[[PackedLayer, SimResult], None]
"""Is given each layer with the result of its first input vector, schedule included."""


def simulate_plan(
    plan: Plan, arch: ArchConfig, engine: str, printer: Printer, keep_outputs: bool = False, seen: Seen | None = None
) -> Results:
    """Simulate all of `plan` on `arch`; warnings and progress go to `printer`, and what happened to `seen`.

    Raises
    ------
    ValueError
        When a layer cannot run on the machine, or the engine is unknown.
    """
    rows: list[Row] = []
    origins: dict[str, str] = {}
    outputs: dict[str, NDArray[np.floating]] = {}
    facts: dict[str, LayerFacts] = {}
    batches = _of_layers(plan, arch, engine, printer) if plan.chain is None else _of_chain(plan, arch, engine, printer)
    with capacity_told_once(), printer.progress(len(plan.names)) as advance:
        advance(plan.names[0])
        for number, (workload, layer, first, missing, batch) in enumerate(batches, 1):
            facts[layer.name] = LayerFacts(layer.density, missing)
            rows += [result_row(batch[at], at) for at in range(len(batch))]
            origins[batch.layer] = workload.origin
            if keep_outputs and batch.output is not None:
                outputs[batch.layer] = batch.output if workload.is_batch else batch.output[0]
            if seen is not None:
                seen(layer, simulate(layer, first, arch, engine, output=False, schedule=True))
            advance(plan.names[min(number, len(plan.names) - 1)], done=1)
    chained = plan.chain is not None
    notes = tuple(printer.notes)
    return Results(rows, arch.model_dump(), engine, origins, notes, chained, layers=facts, outputs=outputs)


@contextmanager
def capacity_told_once() -> Iterator[None]:
    """No capacity warnings from the engines: `tell_capacity` has told them, in one line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacityWarning)
        yield


def tell_capacity(check: Callable[[], object], printer: Printer) -> None:
    """Tell what `check` warns of, in one line each."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CapacityWarning)
        check()
    for warning in told:
        printer.warn(str(warning.message))


def simulate_scheduled(
    plan: Plan, arch: ArchConfig, engine: str, printer: Printer, number: int | None = None
) -> Iterator[tuple[Workload, PackedLayer, SimResult]]:
    """Simulate all of `plan` with schedules, one input vector; layer by layer.

    Parameters
    ----------
    plan : Plan
    arch : ArchConfig
    engine : str
    printer : Printer
    number : int or None
        Which of several input vectors, counted from 0; None: the first, and that there are more is told.

    Raises
    ------
    ValueError
        When a layer cannot run on the machine, the engine is unknown, or there is no such input vector.
    """
    if plan.chain is None:
        for workload in plan.workloads:
            tell_capacity(partial(check_capacity, workload.layer, arch), printer)
            with capacity_told_once():
                found = simulate(
                    workload.layer, _one(workload, number, printer), arch, engine, output=False, schedule=True
                )
            yield workload, workload.layer, found
        return
    (workload,) = plan.workloads
    for layer in plan.chain.layers:
        tell_capacity(partial(check_capacity, layer, arch), printer)
    tell_capacity(partial(check_model_capacity, plan.chain, arch), printer)
    with capacity_told_once():
        of_model = simulate_model(plan.chain, _one(workload, number, printer), arch, engine, schedule=True)
    for layer, result in zip(plan.chain.layers, of_model.layers, strict=True):
        yield workload, layer, result


def _one(workload: Workload, number: int | None, printer: Printer) -> NDArray[np.float32]:
    n_vectors = len(_vectors(workload))
    if number is None and n_vectors > 1:
        printer.note(
            f"{workload.layer.name}: has {n_vectors} input vectors, of which the first is shown; --input N chooses"
        )
    return vector_of(workload, number or 0)


def vector_of(workload: Workload, number: int) -> NDArray[np.float32]:
    """One input vector of a workload, counted from 0.

    Raises
    ------
    ValueError
        When there is no such vector.
    """
    vectors = _vectors(workload)
    if number >= len(vectors):
        raise ValueError(f"--input: {number}, but the input vectors are 0 to {len(vectors) - 1}")
    return np.asarray(vectors[number])


_Ran: TypeAlias = tuple[Workload, PackedLayer, NDArray[np.floating], int, BatchResult]
"""What ran: a workload, one of its layers, the first input vector of that, what of it has no place in the SRAMs, in
bytes, and the results."""


def _of_layers(plan: Plan, arch: ArchConfig, engine: str, printer: Printer) -> Iterator[_Ran]:
    """Each layer with inputs of its own."""
    for workload in plan.workloads:
        tell_capacity(partial(check_capacity, workload.layer, arch), printer)
        (missing,) = missing_bytes(workload.layer, arch)
        vectors = _vectors(workload)
        yield workload, workload.layer, vectors[0], missing, simulate_batch(workload.layer, vectors, arch, engine)


def _of_chain(plan: Plan, arch: ArchConfig, engine: str, printer: Printer) -> Iterator[_Ran]:
    """The layers one after another, all vectors at once: what `simulate_model` does with each, on all cores."""
    assert plan.chain is not None
    (workload,) = plan.workloads
    for layer in plan.chain.layers:
        tell_capacity(partial(check_capacity, layer, arch), printer)
    tell_capacity(partial(check_model_capacity, plan.chain, arch), printer)
    missing = missing_bytes(plan.chain, arch)
    batches = run_layers(plan.chain, _vectors(workload), arch, engine)
    first: NDArray[np.floating] = _vectors(workload)[0]
    functions = plan.chain.activations
    for layer, function, has_no_place, batch in zip(plan.chain.layers, functions, missing, batches, strict=True):
        yield workload, layer, first, has_no_place, batch
        assert batch.output is not None
        first = activate(function, batch.output[0])


def _vectors(workload: Workload) -> NDArray[np.float32]:
    return workload.acts if workload.is_batch else workload.acts[None]

"""Simulates a plan: every workload or the chain of layers, with capacity warnings and a progress bar."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from compressor.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.capacity import CapacityWarning, check_capacity
from eie_sim.cli.console import Advance, Printer
from eie_sim.cli.inputs import Plan
from eie_sim.engines.base import engine_named, simulate, simulate_batch, simulate_model
from eie_sim.report.results_file import Results
from eie_sim.report.tables import Row, result_row
from eie_sim.workload import Workload


def simulate_plan(plan: Plan, arch: ArchConfig, engine: str, printer: Printer) -> Results:
    """Simulate all of `plan` on `arch`; warnings and progress go to `printer`.

    Raises
    ------
    ValueError
        When the engine is unknown, or a layer cannot run on the machine.
    """
    engine_named(engine)  # before minutes go into drawing layers
    rows: list[Row] = []
    origins: dict[str, str] = {}
    with _capacity_told_once(), printer.progress(len(plan.names)) as advance:
        advance(plan.names[0])
        for number, workload in enumerate(plan.workloads):
            if plan.chain is None:
                rows += _layer_rows(workload, arch, engine, printer)
                origins[workload.name] = workload.origin
                advance(plan.names[min(number + 1, len(plan.names) - 1)], done=1)
            else:
                rows += _chain_rows(plan, workload, arch, engine, printer, advance)
                origins = dict.fromkeys(plan.names, workload.origin)
    return Results(rows, arch.model_dump(), engine, origins, tuple(printer.notes), plan.chain is not None)


@contextmanager
def _capacity_told_once() -> Iterator[None]:
    """No capacity warnings from the engines: `_tell_capacity` has told them, in one line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacityWarning)
        yield


def _tell_capacity(layer: PackedLayer, arch: ArchConfig, printer: Printer) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CapacityWarning)
        check_capacity(layer, arch)
    for warning in told:
        printer.warn(str(warning.message))


def _layer_rows(workload: Workload, arch: ArchConfig, engine: str, printer: Printer) -> list[Row]:
    _tell_capacity(workload.layer, arch, printer)
    if not workload.is_batch:
        return [result_row(simulate(workload.layer, workload.acts, arch, engine))]
    batch = simulate_batch(workload.layer, workload.acts, arch, engine, output=arch.number_bits is not None)
    return [result_row(batch[number], number) for number in range(len(batch))]


def _chain_rows(
    plan: Plan, workload: Workload, arch: ArchConfig, engine: str, printer: Printer, advance: Advance
) -> list[Row]:
    assert plan.chain is not None
    for layer in plan.chain.layers:
        _tell_capacity(layer, arch, printer)
    vectors = workload.acts if workload.is_batch else workload.acts[None]
    rows: list[Row] = []
    for number, vector in enumerate(vectors):
        advance(f"input {number + 1} of {len(vectors)}")
        result = simulate_model(plan.chain, vector, arch, engine)
        rows += [result_row(layer, number) for layer in result.layers]
    advance("", done=len(plan.names))
    layer_order = {name: at for at, name in enumerate(plan.names)}
    return sorted(rows, key=lambda row: layer_order[str(row["layer"])])

"""What ``eie-sim trace`` does: reads its options, runs the one layer, and finds who writes the file."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.capacity import check_capacity
from eie_sim.cli.console import Printer
from eie_sim.cli.inputs import Plan, Planner, Request
from eie_sim.cli.running import capacity_told_once, tell_capacity, vector_of
from eie_sim.engines.base import simulate, simulate_model
from eie_sim.result import Schedule
from eie_sim.trace import TraceCounts, write_perfetto, write_vcd
from eie_sim.trace.vcd import pyvcd
from eie_sim.views import Window

_LONGEST_NUMBER = 18  # digits


def writer_for(out: Path) -> Callable[..., TraceCounts]:
    """Who writes a file of that name.

    Raises
    ------
    ValueError
        When its name ends otherwise.
    ImportError
        When it needs an extra that is not installed.
    """
    name = out.name.lower().removesuffix(".gz")
    if name.endswith(".json"):
        return write_perfetto
    if name.endswith(".vcd"):
        pyvcd()
        return write_vcd
    raise ValueError(f"--out: {out}: its name must end in .json, .json.gz, .vcd or .vcd.gz")


# Cycles and PEs -------------------------------------------------------------------------------------------------------


def chosen_window(text: str | None, cycles: int) -> Window | None:
    """The window ``FIRST:END`` of a run; a side that is left out is that of the run. None: not asked for.

    Raises
    ------
    ValueError
        When it is written otherwise.
    """
    if text is None:
        return None
    found = re.fullmatch(rf"(\d{{0,{_LONGEST_NUMBER}}}):(\d{{0,{_LONGEST_NUMBER}}})", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f"--window: {text!r}, but it must be FIRST:END, such as 1:1001 for cycles 1 to 1000")
    first, end = found.groups()
    return int(first or 1), int(end or cycles + 1)


def chosen_pes(text: str, n_pe: int) -> list[int]:
    """The PEs of a list such as ``0,5-8``.

    Raises
    ------
    ValueError
        When it is written otherwise, or the machine has no such PE.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(rf"(\d{{1,{_LONGEST_NUMBER}}})(?:-(\d{{1,{_LONGEST_NUMBER}}}))?", part.strip(), re.ASCII)
        if found is None:
            raise ValueError(f"--pes: {text!r}, but it must be a list of PEs such as 0,5-8")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < n_pe:
            raise ValueError(f"--pes: {part.strip()}, but the machine has PEs 0 to {n_pe - 1}")
        chosen.update(range(first, last + 1))
    return sorted(chosen)


# The run --------------------------------------------------------------------------------------------------------------


def run_one_layer(
    request: Request, number: int, arch: ArchConfig, engine: str, printer: Printer
) -> tuple[PackedLayer, Schedule]:
    """Simulate the layer of a request; the layer as it ran, and its schedule.

    Parameters
    ----------
    request : Request
        With ``layers`` where there are several; in a chain, the layers before it run too.
    number : int
        Which input vector, counted from 0.
    arch : ArchConfig
    engine : str
    printer : Printer
        Is told what a user should know.

    Raises
    ------
    ValueError
        When there are several layers and none is asked for, when there is no such input vector, or as for `Planner`.
    """
    chain = _in_a_chain(request, arch, printer)
    if chain is not None and request.layers is not None:
        return _run_chain(chain, request.layers, number, arch, engine, printer)
    plan = Planner(request, arch, printer.note).plan()
    if len(plan.names) > 1:
        raise ValueError(f"--layers: a trace is of one layer; give one of {', '.join(plan.names)}")
    (workload,) = plan.workloads
    acts = vector_of(workload, number)
    tell_capacity(partial(check_capacity, workload.layer, arch), printer)
    with capacity_told_once():
        result = simulate(workload.layer, acts, arch, engine, output=False, schedule=True)
    assert result.schedule is not None
    return workload.layer, result.schedule


def _in_a_chain(request: Request, arch: ArchConfig, printer: Printer) -> Plan | None:
    """The whole chain of layers where the one asked for is part of one, and its inputs are not given."""
    file = request.file
    if file is None or request.layers is None or file.suffix.lower() not in (".eie", ".dcz"):
        return None
    said: list[str] = []
    try:
        plan = Planner(replace(request, layers=None), arch, said.append).plan()
    except ValueError:  # it is told when the layer is looked for alone
        return None
    if plan.chain is None or request.layers not in plan.names:
        return None
    for note in said:
        printer.note(note)
    return plan


def _run_chain(
    plan: Plan, name: str, number: int, arch: ArchConfig, engine: str, printer: Printer
) -> tuple[PackedLayer, Schedule]:
    assert plan.chain is not None
    at = list(plan.names).index(name)
    model = replace(plan.chain, layers=plan.chain.layers[: at + 1], activations=plan.chain.activations[: at + 1])
    (workload,) = plan.workloads
    acts = vector_of(workload, number)
    if at:
        printer.note(f"layer {name!r} gets the outputs of {', '.join(plan.names[:at])}")
    for layer in model.layers:
        tell_capacity(partial(check_capacity, layer, arch), printer)
    with capacity_told_once():
        result = simulate_model(model, acts, arch, engine, schedule=True).layers[at]
    assert result.schedule is not None
    return model.layers[at], result.schedule

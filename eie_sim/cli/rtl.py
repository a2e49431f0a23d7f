"""``eie-sim rtl``: the hardware in SystemVerilog, as a folder that other tools take."""

from functools import partial
from pathlib import Path
from typing import Annotated

from eie_sim.cli.options import (
    INPUT_PANEL,
    OUTPUT_PANEL,
    ActDensity,
    Acts,
    Arch,
    EieSimulator,
    Fit,
    Json,
    Layers,
    Name,
    Preset,
    Rows,
    Seed,
    Set,
    TracedFile,
    WeightDensity,
    option,
)  # fmt: skip

_OUT = "A new or empty folder for sources, memory images, expected results, testbench and Makefile."
_INPUT = "Which of several input vectors, counted from 0. Default: 0."


def export(
    out: Annotated[Path, option(OUTPUT_PANEL, _OUT, "DIR")],
    file: TracedFile = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    acts: Acts = None,
    number: Annotated[int | None, option(INPUT_PANEL, _INPUT, "N", "--input", min=0)] = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
    seed: Seed = 0,
    fit: Fit = None,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Write a machine in SystemVerilog, one layer with its inputs, and a testbench that checks every result."""
    from compressor.storage.files import creating_folder
    from eie_sim.capacity import check_capacity
    from eie_sim.cli.console import Printer, printable
    from eie_sim.cli.inputs import asked_for
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.running import capacity_told_once, one_vector, tell_capacity, tell_inputs
    from eie_sim.engines.base import simulate
    from eie_sim.rtl.export import exported_files
    from eie_sim.rtl.parameters import Parameters
    from eie_sim.sources.options import ALL_VECTORS

    printer = Printer()
    machine = chosen_machine(preset, arch, settings, printer.note)
    Parameters.of(machine)  # what the hardware does not compute is refused before a layer is read
    with creating_folder(out) as folder:
        notes: list[str] = []  # said when nothing can be refused any more
        job = asked_for(
            file, eie_simulator, machine, notes.append, rows=rows, name=name, layers=layers, acts=acts,
            act_density=act_density, weight_density=weight_density, seed=seed, fit=fit, max_vectors=ALL_VECTORS,
        )  # fmt: skip
        if len(job.names) > 1:
            raise ValueError(f"--layers: an export is of one layer; give one of {', '.join(job.names)}")
        (workload,) = job
        for note in notes:
            printer.note(note)
        tell_inputs(workload, printer)
        tell_capacity(partial(check_capacity, workload.layer, machine), printer)
        ((vector,),) = one_vector(number, printer)(workload)
        with capacity_told_once():
            result = simulate(workload.layer, vector, machine)
        for target, contents in exported_files(workload.layer, vector, result, str(workload.origin)).items():
            (folder / target).write_text(contents, encoding="utf-8", newline="\n")
    if as_json:
        printer.json({"folder": str(out), "layer": result.layer, "machine": machine.name, "cycles": result.cycles})
    else:
        printer.lines([f"{printable(result.layer)} on {printable(machine.name)}: {result.cycles:,} cycles"])
        printer.remark(f"In {printable(str(out))}, `make verilator` or `make icarus` runs it; README.md says more.")


COMMANDS = (export,)

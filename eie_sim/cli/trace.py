"""``eie-sim trace``: one layer's run as a file for a viewer of timelines or waveforms."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eie_sim.cli.options import (
    INPUT_PANEL,
    MACHINE_PANEL,
    ActDensity,
    Acts,
    Arch,
    BatchAxis,
    Chain,
    Compression,
    Density,
    EieSimulator,
    Feedback,
    Fit,
    Fix,
    Inputs,
    Json,
    Layers,
    Lowering,
    Name,
    Node,
    Photo,
    Preset,
    Product,
    Rows,
    Seed,
    Set,
    Shape,
    TracedFile,
    WeightBits,
    WeightDensity,
    option,
)  # fmt: skip

if TYPE_CHECKING:
    from eie_sim.cli.console import Printer
    from eie_sim.trace import Cut

TRACE_PANEL = "The trace"

_LAYER = "The layer to trace, where several run; in a chain it gets the outputs of the layers before it."
_INPUT = "Which of several input vectors, of a network which inference, counted from 0. Default: 0."
_ENGINE = "fast (default), or reference; both have the same schedule."
_OUT = "Where to write: .json or .json.gz for Perfetto (ui.perfetto.dev), .vcd or .vcd.gz for GTKWave (extra vcd)."
_WINDOW = "Cycles FIRST to END - 1, counted from 1; either may be left out. Default: all; of a large run, the first."
_PES = "These PEs only, such as 0,5-8. Default: all."


def trace(
    out: Annotated[Path, option(TRACE_PANEL, _OUT, "FILE")],
    file: TracedFile = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    chain: Chain = None,
    layer: Annotated[str | None, option(TRACE_PANEL, _LAYER, "NAME")] = None,
    acts: Acts = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
    number: Annotated[int | None, option(INPUT_PANEL, _INPUT, "N", "--input", min=0)] = None,
    seed: Seed = 0,
    fit: Fit = None,
    inputs: Inputs = None,
    photo: Photo = None,
    node: Node = None,
    product: Product = None,
    density: Density = None,
    weight_bits: WeightBits = None,
    compression: Compression = None,
    fix: Fix = None,
    shape: Shape = None,
    lowering: Lowering = None,
    batch_axis: BatchAxis = None,
    feedback: Feedback = None,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    engine: Annotated[str, option(MACHINE_PANEL, _ENGINE, "NAME")] = "fast",
    window: Annotated[str | None, option(TRACE_PANEL, _WINDOW, "FIRST:END")] = None,
    pes: Annotated[str | None, option(TRACE_PANEL, _PES, "N,N-N")] = None,
    as_json: Json = False,
) -> None:
    """Write the run of a layer, or of one product of a network, as a file for Perfetto or GTKWave."""
    from compressor.console.targets import check_target_file
    from eie_sim.cli.console import Printer
    from eie_sim.cli.inputs import asked_for
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.network_options import NetworkOptions, product_of_network
    from eie_sim.cli.tracing import chosen_pes, chosen_window, part_of, run_last_layer, writer_for
    from eie_sim.engines.base import engine_named
    from eie_sim.sources.options import ALL_VECTORS
    from eie_sim.trace import cut

    printer = Printer()
    write = writer_for(out)
    check_target_file("--out", out)
    engine_named(engine)
    chosen_window(window, 1)  # a mistake in it is told before the run
    whole = NetworkOptions(
        inputs, photo, density, weight_bits, compression, fix, shape, lowering, batch_axis, feedback
    )  # fmt: skip
    of_layers = {
        "--eie-simulator": eie_simulator, "--rows": rows, "--name": name, "--layers": layers, "--layer": layer,
        "--chain": chain, "--acts": acts, "--act-density": act_density, "--weight-density": weight_density,
        "--fit": fit,
    }  # fmt: skip
    if file is not None and whole.are_of_a_network(file, of_layers):
        part, machine = product_of_network(file, whole, (node, product, number), (preset, arch, settings), printer)
        number = None
        some = None if pes is None else chosen_pes(pes, machine.n_pe)
    else:
        whole.refuse_without_network({"--node": node, "--product": product})
        machine = chosen_machine(preset, arch, settings, printer.note)
        some = None if pes is None else chosen_pes(pes, machine.n_pe)
        notes: list[str] = []  # said when nothing can be refused any more
        job = asked_for(
            file, eie_simulator, machine, notes.append, rows=rows, name=name, layers=layers, chain=chain, acts=acts,
            act_density=act_density, weight_density=weight_density, seed=seed, fit=fit, max_vectors=ALL_VECTORS,
        )  # fmt: skip
        part = part_of(job, layer)
        for note in notes:
            printer.note(note)
    ran, schedule = run_last_layer(part, number, machine, engine, printer)
    shown = cut(schedule, ran, machine, chosen_window(window, schedule.cycles), some)
    if window is None:
        shown = _bounded(shown, printer)
    counts = write(out, schedule, ran, machine, shown.window, shown.pes.tolist())
    if as_json:
        told = {"layer": ran.name, "machine": machine.name, "clock_hz": machine.clock_hz, "cycles": schedule.cycles}
        where = {"file": str(out), "file_bytes": out.stat().st_size, "window": list(counts.window)}
        printer.json({**where, **told, "pes": list(counts.pes), "counters": counts.plain()})
    else:
        _print(shown, out, printer)


def _bounded(part: "Cut", printer: "Printer") -> "Cut":
    """`part` with no more cycles than open well; what is left out is said."""
    from dataclasses import replace

    from eie_sim.trace import default_window

    window = default_window(part.schedule, len(part.pes))
    if window == part.window:
        return part
    printer.note(
        f"traces cycles 1 to {window[1] - 1} of {part.schedule.cycles}, for {len(part.pes)} PEs make a large file; "
        "--window 1: takes all, --pes takes fewer PEs"
    )
    return replace(part, window=window)


def _print(part: "Cut", out: Path, printer: "Printer") -> None:
    from eie_sim.cli.console import printable

    (begin, end), of = part.window, part.schedule
    printer.lines(
        [
            f"{printable(part.layer.name)} on {printable(part.arch.name)}: cycles {begin:,} to {end - 1:,} of "
            f"{of.cycles:,}, {len(part.pes)} of {of.n_pe} PEs, {out.stat().st_size:,} bytes in {printable(str(out))}"
        ]
    )
    is_vcd = out.name.lower().removesuffix(".gz").endswith(".vcd")
    viewer, unit = ("GTKWave", "ns") if is_vcd else ("ui.perfetto.dev", "us")
    printer.remark(f"Open it in {viewer}. There, 1 {unit} is 1 cycle of {part.arch.clock_hz / 1e6:g} MHz.")

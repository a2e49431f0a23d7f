"""``eie-sim plot``: pictures of what every unit did, and of a run beside the baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eie_sim.cli.options import (
    INPUT_PANEL,
    OUTPUT_PANEL,
    ActDensity,
    Acts,
    Arch,
    BatchAxis,
    Chain,
    Compression,
    Density,
    DrawnFile,
    EieSimulator,
    Feedback,
    Fit,
    Fix,
    Inputs,
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
    WeightBits,
    WeightDensity,
    option,
)  # fmt: skip

if TYPE_CHECKING:
    from compressor.types.packed import PackedLayer
    from eie_sim.arch import ArchConfig
    from eie_sim.cli.console import Printer
    from eie_sim.cli.network_options import NetworkOptions
    from eie_sim.report import plots
    from eie_sim.report.comparison import RunReport
    from eie_sim.result import SimResult
    from eie_sim.sources import Job

OF_A_LAYER = ("utilisation", "queues", "broadcast", "stalls", "balance", "timeline", "weights", "runs", "sizes")
"""Kinds of pictures that are drawn for each layer."""

OF_ALL_LAYERS = ("times", "layers", "energy", "baselines", "roofline")
"""Kinds of pictures that show all layers together."""

_KIND = (
    f"Which pictures. Of each layer: {', '.join(OF_A_LAYER)}; of all layers: {', '.join(OF_ALL_LAYERS)}. Default: all."
)
_INPUT = "Which of several input vectors, counted from 0. Default: 0."
_BINS = "Stretches of time in pictures over time. Default: 160."
_MOST_BINS = 10_000
_WINDOW = "Cycles FIRST to END - 1 of the timeline, counted from 1. Default: the first 70."
_PES = "PEs of the timeline, such as 0,5-8. Default: the first 16."
_FIRST_CYCLES, _FIRST_PES = 70, 16
"""What a timeline shows that can be read: text stands in its cells."""


def plot(
    out: Annotated[Path, option(OUTPUT_PANEL, "Folder for the pictures.", "DIR")],
    file: DrawnFile = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    chain: Chain = None,
    acts: Acts = None,
    number: Annotated[int | None, option(INPUT_PANEL, _INPUT, "N", "--input", min=0)] = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
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
    kind: Annotated[str | None, option(OUTPUT_PANEL, _KIND, "A,B,...")] = None,
    formats: Annotated[str, option(OUTPUT_PANEL, "png (default), svg, pdf.", "A,B,...", "--format")] = "png",
    style: Annotated[str, option(OUTPUT_PANEL, "screen (default), or paper for two-column pages.", "NAME")] = "screen",
    bins: Annotated[int, option(OUTPUT_PANEL, _BINS, "N", min=1, max=_MOST_BINS)] = 160,
    window: Annotated[str | None, option(OUTPUT_PANEL, _WINDOW, "FIRST:END")] = None,
    pes: Annotated[str | None, option(OUTPUT_PANEL, _PES, "N,N-N")] = None,
) -> None:
    """Draw where time, work and energy go: of each layer, of all of them beside the baselines, or of a network."""
    from compressor.console.targets import check_target_folder
    from eie_sim.cli.console import Printer
    from eie_sim.cli.inputs import asked_for
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.network_options import NetworkOptions, product_of_network
    from eie_sim.cli.tracing import chosen_pes, chosen_window
    from eie_sim.report import plots
    from eie_sim.sources.options import ALL_VECTORS

    printer = Printer()
    kinds = _chosen("--kind", kind, (*OF_A_LAYER, *OF_ALL_LAYERS))
    endings = _chosen("--format", formats, plots.FORMATS)
    if style not in plots.STYLES:
        raise ValueError(f"--style: {style!r}, but it must be one of {', '.join(plots.STYLES)}")
    chosen_window(window, 1)  # a mistake in it is told before the run
    whole = NetworkOptions(
        inputs, photo, density, weight_bits, compression, fix, shape, lowering, batch_axis, feedback
    )  # fmt: skip
    of_layers = {
        "--eie-simulator": eie_simulator, "--rows": rows, "--name": name, "--layers": layers, "--chain": chain,
        "--acts": acts, "--act-density": act_density, "--weight-density": weight_density, "--fit": fit,
    }  # fmt: skip
    if file is not None and whole.are_of_a_network(file, of_layers):
        if node is None:
            of_a_product = {"--product": product, "--input": number, "--kind": kind, "--window": window, "--pes": pes}
            for given, value in of_a_product.items():
                if value is not None:
                    raise ValueError(f"{given}: is for a product of a network, which --node names")
            _plot_network(file, whole, (preset, arch, settings), endings, style, out, printer)
            return
        job, machine = product_of_network(file, whole, (node, product, number), (preset, arch, settings), printer)
        number = None
    else:
        whole.refuse_without_network({"--node": node, "--product": product})
        machine = chosen_machine(preset, arch, settings, printer.note)
        job = asked_for(
            file, eie_simulator, machine, printer.note, rows=rows, name=name, layers=layers, chain=chain, acts=acts,
            act_density=act_density, weight_density=weight_density, seed=seed, fit=fit, max_vectors=ALL_VECTORS,
        )  # fmt: skip
    some = range(min(_FIRST_PES, machine.n_pe)) if pes is None else chosen_pes(pes, machine.n_pe)
    check_target_folder("--out", out, ())
    _write(_Ran.of(job, machine, number, printer), endings, _How(kinds, style, bins, window, some), out, printer)


def _plot_network(
    file: str,
    whole: "NetworkOptions",
    machine_options: "tuple[str | None, Path | None, Sequence[str] | None]",
    endings: Sequence[str],
    style: str,
    out: Path,
    printer: "Printer",
) -> None:
    """Draw a whole network: its nodes along the way."""
    from compressor.console.targets import check_target_folder
    from compressor.storage.files import replacing_in
    from eie_sim.cli.network_options import asked_network, network_machine
    from eie_sim.cli.network_run import simulate_network
    from eie_sim.report import figures, plots

    check_target_folder("--out", out, [f"network.{ending}" for ending in endings])
    asked = asked_network(file, whole, printer)
    plan = asked.plan(network_machine(asked.model, *machine_options, printer))
    data = figures.network_path(simulate_network(asked, plan, "fast", printer), asked.name)
    with replacing_in(out) as folder:
        with plots.style(style):
            figure = plots.network_path(data)
        for ending in endings:
            plots.save(figure, folder / f"network.{ending}")
    printer.note(f"wrote network as {' and '.join(endings)} in {out}; --node NAME draws one of its products")


def _chosen(name: str, text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names in `text`, in the order of `known`; all of them without it."""
    if text is None:
        return tuple(known)
    wanted = [part.strip() for part in text.split(",")]
    if unknown := [part for part in wanted if part not in known]:
        raise ValueError(f"{name}: {unknown[0]!r}, but it must be some of {', '.join(known)}")
    return tuple(one for one in known if one in wanted)


@dataclass(frozen=True)
class _How:
    """Which pictures are drawn, and how."""

    kinds: Sequence[str]
    style: str
    bins: int
    window: str | None
    pes: Sequence[int]

    def cycles(self, result: "SimResult") -> tuple[int, int]:
        """The window of the timeline in a run."""
        from eie_sim.cli.tracing import chosen_window

        return chosen_window(self.window, result.cycles) or (1, min(_FIRST_CYCLES, result.cycles) + 1)


@dataclass(frozen=True)
class _Ran:
    """What was simulated: each layer with its result."""

    machine: "ArchConfig"
    layers: "Sequence[tuple[PackedLayer, SimResult]]"

    @classmethod
    def of(cls, job: "Job", machine: "ArchConfig", number: int | None, printer: "Printer") -> "_Ran":
        from eie_sim.cli.running import each_layer, one_vector

        ran = each_layer(job, machine, "fast", printer, one_vector(number, printer), schedules=True)
        return cls(machine, [(one.layer, one.runs.first) for one in ran])

    @property
    def results(self) -> "list[SimResult]":
        return [result for _, result in self.layers]

    @cached_property
    def report(self) -> "RunReport":
        """The run beside the built-in devices; several pictures show parts of it."""
        from eie_sim.baselines.devices import devices
        from eie_sim.cost import missing_bytes
        from eie_sim.cost.calibrations import DEFAULT
        from eie_sim.report.comparison import run_report
        from eie_sim.report.results_file import LayerFacts, Results
        from eie_sim.report.tables import result_row

        facts = {
            layer.name: LayerFacts(layer.density, sum(missing_bytes(layer, self.machine))) for layer, _ in self.layers
        }
        rows = [result_row(result) for result in self.results]
        results = Results(rows, self.machine.model_dump(), "fast", {}, (), False, layers=facts)
        return run_report(results, list(devices().values()), DEFAULT, accelerators=True)


Draw = Callable[[], "plots.Figure"]


def _of_layer(layer: "PackedLayer", result: "SimResult", how: _How) -> Mapping[str, Draw]:
    from eie_sim.report import figures, plots
    from eie_sim.report.figures.timeline import timeline

    bins = how.bins
    found: dict[str, Draw] = {
        "utilisation": lambda: plots.utilisation_map(figures.utilisation_map(result, bins)),
        "queues": lambda: plots.queue_map(figures.queue_map(result, bins)),
        "broadcast": lambda: plots.broadcast_rate(figures.broadcast_rate(result, bins)),
        "stalls": lambda: plots.stall_breakdown(figures.stall_breakdown(result, layer)),
        "balance": lambda: plots.load_balance(figures.load_balance(result)),
        "weights": lambda: plots.shared_weights(figures.shared_weights(layer)),
        "runs": lambda: plots.run_histogram(figures.run_histogram(layer)),
        "sizes": lambda: plots.stored_sizes(figures.stored_sizes(layer)),
    }
    if "timeline" in how.kinds:
        # At once: a window that is not in the run is told before anything is written.
        found["timeline"] = partial(plots.timeline, timeline(result, layer, how.cycles(result), how.pes))
    return found


def _of_all(ran: _Ran) -> Mapping[str, Draw]:
    from eie_sim.cost import energy
    from eie_sim.report import figures, plots
    from eie_sim.report.tables import result_row

    results = ran.results
    return {
        "times": lambda: plots.layer_times(figures.layer_times(map(result_row, results), ran.machine.name)),
        "layers": lambda: plots.layer_breakdown(figures.layer_breakdown(results)),
        "energy": lambda: plots.energy_breakdown(figures.energy_breakdown(map(energy, results))),
        "baselines": lambda: plots.baseline_bars(figures.baseline_bars(ran.report)),
        "roofline": lambda: plots.roofline(figures.roofline(ran.report)),
    }


def _write(ran: _Ran, endings: Sequence[str], how: _How, out: Path, printer: "Printer") -> None:
    """All pictures, or none of them."""
    from compressor.console.targets import check_target_folder
    from compressor.storage.files import replacing_in
    from eie_sim.cli.saving import file_stems
    from eie_sim.report import plots

    stems = file_stems(layer.name for layer, _ in ran.layers)
    pictures: dict[str, Draw] = {}  # by the file's name without its ending
    for layer, result in ran.layers:
        drawn = _of_layer(layer, result, how)
        pictures |= {f"{kind}-{stems[layer.name]}": drawn[kind] for kind in how.kinds if kind in drawn}
    together = _of_all(ran)
    pictures |= {kind: together[kind] for kind in how.kinds if kind in together}
    check_target_folder("--out", out, [f"{name}.{ending}" for name in pictures for ending in endings])
    with replacing_in(out) as folder:
        for name, draw in pictures.items():
            with plots.style(how.style):
                figure = draw()
            for ending in endings:
                plots.save(figure, folder / f"{name}.{ending}")
    each = f" as {' and '.join(endings)}" if len(endings) > 1 else ""
    printer.note(f"wrote {', '.join(pictures)}{each} in {out}")

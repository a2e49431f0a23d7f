"""``eie-sim measure``: how long this host takes for the same layers, dense and sparse; or for a whole network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eie_sim.cli.options import (
    INPUT_PANEL,
    OUTPUT_PANEL,
    ActDensity,
    BatchAxis,
    EieSimulator,
    Fix,
    Json,
    Layers,
    MeasuredFile,
    Name,
    Rows,
    Seed,
    Shape,
    WeightDensity,
    option,
)  # fmt: skip

if TYPE_CHECKING:
    from rich.text import Text

    from compressor.console.grid import Group
    from eie_sim.baselines.cpu_measurement import CpuMeasurement, MeasuredCell
    from eie_sim.cli.console import Printer
    from eie_sim.workload import Workload

MEASURE_PANEL = "How to measure"

INTERRUPTED = 130

QUICK_SAMPLES = 5

_BATCH = "Input vectors that are computed together. Default: 1,64."
_THREADS = "Numbers of threads, each in a process of its own; all: one a core. Default: 1,all."
_CACHE = "cold: all caches emptied before a sample; hot: the same call again and again. Default: cold,hot."
_LIBRARIES = "Of numpy, scipy, torch, numba. Default: all that are installed."
_SAMPLES = "Quiet samples of each time, those in which nobody took a core away. Default: 20."
_LIMIT = "Seconds that one time may take; then it has fewer samples, and says so. Default: 30."
_ENERGY = (
    "rapl: counters of this processor; paper: the power of the paper's CPU (Table V); tdp: --tdp-watts. Default: no "
    "energy."
)
_QUICK_HELP = (
    f"A look, not a measurement: {QUICK_SAMPLES} samples, batch 1, one thread, cold, where no option says otherwise."
)
_INPUTS = (
    "Time ONNX Runtime on a network instead (.onnx, .dcz, .net), whole and by node, on the first sample of these: "
    "arrays by the names of its inputs, or an .npy where there is one."
)
_DEVICE = "Where ONNX Runtime runs a network: cpu (default) or cuda."
_OUT = "Write the measurement there, as JSON; that of a network as CSV where the name ends so."


def measure(
    file: MeasuredFile = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
    seed: Seed = 0,
    inputs: Annotated[Path | None, option(INPUT_PANEL, _INPUTS, "FILE.npz")] = None,
    fix: Fix = None,
    shape: Shape = None,
    batch_axis: BatchAxis = None,
    batch: Annotated[str | None, option(MEASURE_PANEL, _BATCH, "N,N,...")] = None,
    threads: Annotated[str | None, option(MEASURE_PANEL, _THREADS, "N,all,...")] = None,
    cache: Annotated[str | None, option(MEASURE_PANEL, _CACHE, "cold,hot")] = None,
    libraries: Annotated[str | None, option(MEASURE_PANEL, _LIBRARIES, "A,B,...")] = None,
    samples: Annotated[int | None, option(MEASURE_PANEL, _SAMPLES, "N", min=1)] = None,
    limit: Annotated[float | None, option(MEASURE_PANEL, _LIMIT, "SECONDS", min=0.001)] = None,
    energy: Annotated[str | None, option(MEASURE_PANEL, _ENERGY, "rapl|paper|tdp")] = None,
    tdp_watts: Annotated[
        float | None, option(MEASURE_PANEL, "Constant power of the processor for --energy tdp.", "W")
    ] = None,
    device: Annotated[str | None, option(MEASURE_PANEL, _DEVICE, "cpu|cuda")] = None,
    quick: Annotated[bool, option(MEASURE_PANEL, _QUICK_HELP, None, "--quick")] = False,
    as_json: Json = False,
    out: Annotated[Path | None, option(OUTPUT_PANEL, _OUT, "FILE.json")] = None,
) -> None:
    """Time this host on the layers: dense and sparse, with every library that is installed.

    Batch 1 and 64, one and all threads, hot and cold caches: some minutes for the nine layers. Times are medians of
    quiet samples; do not use the machine meanwhile.

    With --inputs a whole network, dense, in ONNX Runtime: `eie-sim measure model.onnx --inputs x.npz`.
    """
    from compressor.console.targets import check_target_file
    from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES, write_cpu_measurement
    from eie_sim.baselines.energy_sources import energy_source
    from eie_sim.baselines.measure_cpu import LIMIT_S, check_conditions, measure_cpu
    from eie_sim.cli.console import Printer
    from eie_sim.cli.network_times import check_network, time_network

    of_networks = {"--fix": fix, "--shape": shape, "--batch-axis": batch_axis, "--device": device}
    of_layers = {
        "--eie-simulator": eie_simulator, "--rows": rows, "--name": name, "--layers": layers,
        "--act-density": act_density, "--weight-density": weight_density, "--seed": seed or None, "--batch": batch,
        "--cache": cache, "--libraries": libraries, "--energy": energy, "--tdp-watts": tdp_watts,
    }  # fmt: skip
    if check_network(file, inputs, of_networks, of_layers):
        assert file is not None
        assert inputs is not None
        printer = Printer()
        with _nothing_when_interrupted(printer):
            time_network(
                file, inputs, device or "cpu", out, as_json, printer, fix=fix, shape=shape, batch_axis=batch_axis,
                threads=_threads(threads or ("1" if quick else "1,all")),
                samples=samples or (QUICK_SAMPLES if quick else LEAST_SAMPLES),
                limit_s=limit or LIMIT_S,
            )  # fmt: skip
        return
    batches, counts, states = batch or "1,64", threads or "1,all", cache or "cold,hot"
    if quick:
        batches, counts, states = batch or "1", threads or "1", cache or "cold"
    asked = None if libraries is None else _texts("--libraries", libraries)
    conditions = check_conditions(
        _numbers("--batch", batches),
        _threads(counts),
        _texts("--cache", states),
        asked,
        samples or (QUICK_SAMPLES if quick else LEAST_SAMPLES),
        limit or LIMIT_S,
    )
    source = energy_source(energy, tdp_watts)
    if out is not None:
        check_target_file("--out", out)
    printer = Printer()
    workloads = _workloads(
        file, eie_simulator, max(conditions.batches), printer, rows=rows, name=name, layers=layers,
        act_density=act_density, weight_density=weight_density, seed=seed,
    )  # fmt: skip
    with _nothing_when_interrupted(printer), printer.counting() as count:
        measurement = measure_cpu(
            workloads,
            batches=conditions.batches,
            threads=conditions.threads,
            caches=conditions.caches,
            libraries=asked,
            samples=conditions.samples,
            limit_s=conditions.limit_s,
            energy=source,
            progress=count,
        )
    for library, how in measurement.absent.items():
        printer.note(f"{library} is not installed and was not measured ({how})")
    if short := measurement.short_cells():
        more = f", and {len(short) - 1} more like it" if len(short) > 1 else ""
        printer.warn(
            f"{short[0].condition}: {len(short[0].samples_us)} quiet samples of {measurement.samples_wanted} in "
            f"{measurement.limit_s:g} s{more}; is the machine busy?"
        )
    if out is not None:
        write_cpu_measurement(measurement, out)
        printer.note(f"wrote {out}")
    if as_json:
        typer.echo(measurement.to_json())
    else:
        _print(measurement, printer)


@contextmanager
def _nothing_when_interrupted(printer: "Printer") -> Iterator[None]:
    """An interrupt is a note, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        printer.note("interrupted: nothing was written")
        raise typer.Exit(INTERRUPTED) from None


# What to measure ------------------------------------------------------------------------------------------------------


def _texts(name: str, text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ValueError(f"{name}: {text!r}, but it must name at least one")
    return found


def _numbers(name: str, text: str) -> list[int]:
    for part in _texts(name, text):
        if not (part.isascii() and part.isdecimal()):
            raise ValueError(f"{name}: {part!r} is not an integer")
    return [int(part) for part in _texts(name, text)]


def _threads(text: str) -> list[int]:
    from compressor.jit import available_cores

    parts = _texts("--threads", text)
    return _numbers("--threads", ",".join(str(available_cores()) if part == "all" else part for part in parts))


def _workloads(
    file: str | None, eie_simulator: Path | None, n_vectors: int, printer: "Printer", **options: Any
) -> "list[Workload]":
    """The layers, and as many inputs as the largest batch takes."""
    from eie_sim.cli.inputs import asked_for

    job = asked_for(file, eie_simulator, None, lambda _: None, chain=False, n_vectors=n_vectors, **options)
    for note in job.notes:
        if note.cure is None:  # that inputs are drawn is no news here: times hardly depend on them
            printer.note(note.text)
    workloads = []
    with printer.progress(len(job.names)) as advance:
        for name, make in zip(job.names, job.makers, strict=True):
            advance(f"preparing {name}")
            workloads.append(make())
            advance(f"preparing {name}", done=1)
    return workloads


# What was found -------------------------------------------------------------------------------------------------------


def _print(measurement: "CpuMeasurement", printer: "Printer") -> None:
    from compressor.console.grid import grid

    for threads in measurement.threads:
        for batch in measurement.batches:
            for cache in measurement.caches:
                title = f"batch {batch}, {threads} thread{'s' if threads > 1 else ''}, {cache} caches"
                groups = _groups(measurement, batch, threads, cache)
                laid_out = grid(groups, printer.out.width, printer.out)
                printer.lines([f"us per input vector, {title}:", "", *laid_out.lines, ""])
                if remark := laid_out.remark("--json and --out"):
                    printer.remark(remark)
    for line in _remarks(measurement):
        printer.remark(line)


def _groups(measurement: "CpuMeasurement", batch: int, threads: int, cache: str) -> "list[Group]":
    from compressor.console.grid import Group, column
    from eie_sim.cli.console import short

    names = [layer.name for layer in measurement.layers]
    groups = [column("layer", [short(name) for name in names], left=True)]
    for at, method in enumerate(measurement.methods):
        cells = [measurement.cell(name, method.name, batch, threads, cache) for name in names]
        groups.append(Group(method.name, ("median", "+-%"), [_median_and_spread(cell) for cell in cells], at))
    for pair in measurement.pairs()[:1]:
        ratios = []
        for name in names:
            cells = [measurement.cell(name, method, batch, threads, cache) for method in pair]
            known = all(cell.median_us is not None for cell in cells)
            ratios.append(f"{measurement.ratio(name, pair, batch, threads, cache):.2f}" if known else "-")
        dense, sparse = pair
        groups.append(column(f"{dense} / {sparse.rpartition('-')[2]}", ratios))
    return groups


def _median_and_spread(cell: "MeasuredCell") -> "list[Text]":
    """The median, and half the distance of the quartiles in percent of their middle."""
    from rich.text import Text

    from eie_sim.columns import digits

    if cell.median_us is None or cell.q1_us is None or cell.q3_us is None:
        return [Text("-"), Text("-", "dim")]
    spread = 100 * (cell.q3_us - cell.q1_us) / (cell.q3_us + cell.q1_us)
    return [Text(digits(cell.median_us)), Text(f"{spread:.0f}", "dim")]


def _remarks(measurement: "CpuMeasurement") -> list[str]:
    host = measurement.host
    counts = [len(cell.samples_us) for cell in measurement.cells]
    caches = ", ".join(f"L{c.level} {c.kind.lower()} {c.size_bytes // 1024:,} KB" for c in host.caches) or "unknown"
    blas = {f"{b.library} {b.version} {b.kernel}": None for p in measurement.processes for b in p.blas}
    samples = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    source = measurement.energy
    energy = "No energy: no source was named (--energy)."
    if source is not None:
        watts = "" if source.power_w is None else f", {source.power_w:g} W"
        energy = f"Energy, in --json and --out: {source.source}{watts}: {source.note}."
    return [
        f"Median of {samples} quiet samples; +-%: half the distance of the quartiles.",
        f"{host.cpu}, {host.cores} cores; caches: {caches}.",
        f"Python {host.python}, {', '.join(f'{k} {v}' for k, v in host.versions.items())}; {'; '.join(blas)}.",
        energy,
    ]

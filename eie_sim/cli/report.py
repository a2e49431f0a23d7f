"""``eie-sim report``: a run beside the baselines: cycles, time, energy, area, speed-up and energy efficiency."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    EieSimulator,
    Feedback,
    Fit,
    Fix,
    Inputs,
    Json,
    Layers,
    Lowering,
    MaxVectors,
    Name,
    Photo,
    Preset,
    Rows,
    Set,
    Shape,
    WeightBits,
    WeightDensity,
    Yes,
    all_vectors_or,
    option,
)  # fmt: skip

if TYPE_CHECKING:
    from compressor.console.grid import Group
    from eie_sim.baselines.devices import Device
    from eie_sim.cli.console import Printer
    from eie_sim.columns import Cell, Row
    from eie_sim.report.comparison import RunReport
    from eie_sim.report.results_file import Results

COST_PANEL = "Energy and baselines"

_FILE = (
    "Results of `eie-sim run --json` or --out (results.json), or what `eie-sim run` takes. Without it: the nine "
    "layers of the EIE paper."
)
_CALIBRATION = "What energies are made from. Default: table2-8cycle; the table shows all of them side by side."
_RULE = "How energy and area shrink at 28 nm. Default: paper."
_DEVICE = (
    "A device in place of the default ones: i7-5930K, 'Titan X', 'Tegra K1' (all three by default, and beside Alex-7 "
    "the accelerators of EIE Table V) or a TOML file; may be repeated."
)
_CPU = "A measurement of `eie-sim measure --out`; times of --quick are marked as of few samples."
_DRAM = "Count what does not fit the SRAMs as read from DRAM for every input; else energy is as if it fitted."
_BATCH = "Input vectors that the baselines compute together: 1 (default), 64 or 1,64."
_HTML = "Write one page for a browser, with pictures, maps of PEs over time and tables to sort; it needs nothing else."
_OUT = (
    "Write report.json, report.md and COMPUTE_REPORT.csv, ENERGY_REPORT.csv ... there; of a whole network report.json, "
    "NODES.csv and BASELINE_NODES.csv."
)


def report(
    what: Annotated[str | None, typer.Argument(metavar="FILE", help=_FILE, show_default=False)] = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    chain: Chain = None,
    acts: Acts = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
    seed: Annotated[int | None, option(INPUT_PANEL, "Seed of everything drawn. Default: 0.", "N", min=0)] = None,
    fit: Fit = None,
    max_vectors: MaxVectors = None,
    yes: Yes = False,
    inputs: Inputs = None,
    photo: Photo = None,
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
    calibration: Annotated[str | None, option(COST_PANEL, _CALIBRATION, "NAME")] = None,
    rule: Annotated[str, option(COST_PANEL, _RULE, "NAME")] = "paper",
    device: Annotated[list[str] | None, option(COST_PANEL, _DEVICE, "NAME|FILE.toml")] = None,
    cpu: Annotated[Path | None, option(COST_PANEL, _CPU, "FILE.json")] = None,
    batch: Annotated[str, option(COST_PANEL, _BATCH, "N,N")] = "1",
    dram: Annotated[bool, option(COST_PANEL, _DRAM, None, "--dram")] = False,
    as_json: Json = False,
    out: Annotated[Path | None, option(OUTPUT_PANEL, _OUT, "DIR")] = None,
    html: Annotated[Path | None, option(OUTPUT_PANEL, _HTML, "FILE.html", "--html")] = None,
) -> None:
    """Set a run beside the baselines: time, energy, area, speed-up and energy efficiency, modelled and measured."""
    from contextlib import nullcontext

    from compressor.console.targets import check_target_file, check_target_folder
    from compressor.jit import available_cores
    from compressor.storage.files import errors_name
    from eie_sim.baselines.cpu_measurement import read_cpu_measurement
    from eie_sim.cli.console import Printer
    from eie_sim.cli.inputs import asked_for
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.network_options import NetworkOptions, asked_network, network_machine
    from eie_sim.cli.running import simulate_job
    from eie_sim.cost import CALIBRATIONS
    from eie_sim.cost.calibrations import DEFAULT
    from eie_sim.cost.technology import SCALINGS
    from eie_sim.engines import warm_up
    from eie_sim.report.comparison import run_report
    from eie_sim.report.html.album import OF_A_LAYER, Album
    from eie_sim.report.html.details import Detail
    from eie_sim.report.report_columns import REPORTS
    from eie_sim.report.report_text import to_json

    printer = Printer()
    whole = NetworkOptions(
        inputs, photo, density, weight_bits, compression, fix, shape, lowering, batch_axis, feedback
    )  # fmt: skip
    of_layers = {
        "--eie-simulator": eie_simulator, "--rows": rows, "--name": name, "--layers": layers, "--chain": chain,
        "--acts": acts, "--act-density": act_density, "--weight-density": weight_density, "--seed": seed, "--fit": fit,
        "--max-vectors": max_vectors, "--yes": yes, "--calibration": calibration, "--cpu": cpu, "--dram": dram,
        "--batch": None if batch == "1" else batch, "--rule": None if rule == "paper" else rule,
    }  # fmt: skip
    if what is not None and whole.are_of_a_network(what, of_layers):
        from eie_sim.cli.network_report import report_network

        asked = asked_network(what, whole, printer)
        machine = network_machine(asked.model, preset, arch, settings, printer)
        report_network(asked, machine, _devices(device), as_json, out, html, printer)
        return
    whole.refuse_without_network()
    chosen = DEFAULT if calibration is None else calibration
    if chosen not in CALIBRATIONS:
        raise ValueError(f"--calibration: {chosen!r}, but it must be one of {', '.join(CALIBRATIONS)}")
    if rule not in SCALINGS:
        raise ValueError(f"--rule: {rule!r}, but it must be one of {', '.join(SCALINGS)}")
    devices = _devices(device)
    batches = _batches(batch)
    measured = None if cpu is None else read_cpu_measurement(cpu, least_samples=0)  # what has few is left out
    file = _results_file(what)
    if out is not None:
        check_target_folder("--out", out, ["report.json", "report.md", *(f"{name}.csv" for name in REPORTS)])
    if html is not None:
        check_target_file("--html", html)
    details: list[Detail] | None = None if html is None else []
    album: Album | None = None
    if file is not None:
        of_a_run = (eie_simulator, rows, name, chain, acts, act_density, weight_density, seed, fit)
        _refuse_a_new_run(file, (*of_a_run, preset, arch, settings, max_vectors, yes or None))
        results = _kept_results(file, layers)
    else:
        machine = chosen_machine(preset, arch, settings, printer.note)
        if (what, eie_simulator, layers) == (None, None, None):
            warm_up.start()
        job = asked_for(
            what, eie_simulator, machine, printer.note, rows=rows, name=name, layers=layers, chain=chain, acts=acts,
            act_density=act_density, weight_density=weight_density, seed=seed or 0, fit=fit,
            max_vectors=all_vectors_or(max_vectors, yes),
        )  # fmt: skip
        if html is not None:  # its processes begin while the layers are simulated
            album = Album(available_cores(), OF_A_LAYER * len(job.names))
        seen = None if details is None else lambda layer, result: details.append(Detail(layer, result))
        results = simulate_job(job, machine, "fast", printer, seen=seen)
    with nullcontext() if file is None else errors_name(file):
        found = run_report(results, devices, chosen, rule, measured, batches, accelerators=not device, dram=dram)
    if out is not None:
        _save(found, out, printer)
    if html is not None and details is not None:
        from eie_sim.cli.pages import write_report_page

        write_report_page(html, results, found, details, printer, album)
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    else:
        _print(found, printer)


def _results_file(what: str | None) -> Path | None:
    """The file of results that is meant, of a folder of `eie-sim run --out` its results.json; None: a new run."""
    from eie_sim.report.results_file import refuse_table

    if what is None:
        return None
    file = Path(what)
    inside = file / "results.json"
    if file.is_dir() and inside.is_file():
        return inside
    refuse_table(file)
    return file if file.suffix.lower() == ".json" else None


def _refuse_a_new_run(file: Path, given: Sequence[object]) -> None:
    """Refuse options that only a simulation can use, where `file` has the results of one."""
    if any(one is not None and one != [] for one in given):
        raise ValueError(
            f"{file}: was simulated already; options of the machine and of inputs, but for --layers, are for a new run"
        )


def _kept_results(file: Path, layers: str | None) -> "Results":
    """The results in a file, of the layers that are asked for."""
    from compressor.checks import separated
    from eie_sim.report.results_file import read_results

    results = read_results(file)
    if layers is None:
        return results
    wanted = separated(layers)
    there = list(dict.fromkeys(str(row["layer"]) for row in results.rows))
    if unknown := [name for name in wanted if name not in there]:
        raise ValueError(f"--layers: {unknown[0]!r}, but {file} has {', '.join(there)}")
    return replace(
        results,
        rows=[row for row in results.rows if row["layer"] in wanted],
        origins={name: origin for name, origin in results.origins.items() if name in wanted},
        chained=results.chained and set(there) == set(wanted),  # some layers of a chain are no inference
    )


def _devices(names: Sequence[str] | None) -> "list[Device]":
    from eie_sim.baselines.devices import device, devices, read_device

    if not names:
        return list(devices().values())
    return [read_device(name) if name.lower().endswith(".toml") else device(name) for name in names]


def _batches(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"--batch: {text!r}, but it must be whole numbers of at least 1, separated by commas")
    return tuple(dict.fromkeys(map(int, parts)))


def _save(found: "RunReport", out: Path, printer: "Printer") -> None:
    from compressor.storage.files import replacing_in
    from eie_sim.report.report_columns import REPORTS
    from eie_sim.report.report_text import to_csv, to_json, to_markdown
    from eie_sim.report.results_file import write_text

    with replacing_in(out) as folder:
        write_text(to_json(found), folder / "report.json")
        write_text(to_markdown(found), folder / "report.md")
        for name in REPORTS:
            write_text(to_csv(found, name), folder / f"{name}.csv")
    printer.note(f"wrote report.json, report.md and {len(REPORTS)} CSV files in {out}")


# On the terminal ------------------------------------------------------------------------------------------------------


def _print(found: "RunReport", printer: "Printer") -> None:
    from compressor.console.grid import column, grid
    from eie_sim.cli.console import printable, short
    from eie_sim.report.comparison import headline
    from eie_sim.report.report_text import means_of
    from eie_sim.report.tables import by_layer, summary

    rows = found.tables["COMPUTE_REPORT"]
    machine = found.machine
    title = (
        f"{machine.name}: {machine.n_pe} PE{'s' * (machine.n_pe > 1)}, {machine.clock_hz / 1e6:g} MHz, "
        f"{_figure(rows[0]['area_mm2'])} mm2"
    )

    def show(groups: "list[Group]") -> None:
        table = grid(groups, printer.out.width, printer.out)
        printer.lines(table.lines)
        if (left_out := table.remark("--json and --out")) is not None:
            printer.remark(left_out)
        printer.lines([""])

    several = len({row["input"] for row in rows}) > 1
    printer.lines([title, ""])
    per_layer = by_layer(rows)
    names = column("layer", [short(name) for name in per_layer], left=True)
    groups = [names, *_shown(list(per_layer.values()))]
    if any(row["missing_bytes"] for row in rows):
        groups.append(column("no place, bytes", [_figure(group[0]["missing_bytes"]) for group in per_layer.values()]))
    show(groups)
    if found.chained:
        sums = found.tables["INFERENCE_REPORT"]
        numbers = dict.fromkeys((str(sums[0]["input"]), str(sums[-1]["input"])))
        show([column("inference", [" to ".join(numbers)]), *_shown([sums])])
    by_name: dict[str, list[Row]] = {}
    for row in found.tables["CALIBRATION_REPORT"]:
        key = " ".join(filter(None, (str(row["calibration"]), str(row["scaling_rule"]))))
        if row["scaling_rule"] in ("", found.rule):
            by_name.setdefault(key, []).append(row)
    groups = [column("median energy, nJ" if several else "energy, nJ", [short(name) for name in per_layer], left=True)]
    for name, priced in by_name.items():
        of_layers = (summary(group, ["energy_nj"])["energy_nj"]["median"] for group in by_layer(priced).values())
        groups.append(column(name, [_figure(value) for value in of_layers]))
    show(groups)
    areas = _areas(found)
    units = list(dict.fromkeys([*(str(row["unit"]) for row in found.tables["ENERGY_REPORT"]), *areas]))
    total = sum(_of_units(found, unit) for unit in units)
    groups = [column("energy by unit", units, left=True)]
    groups.append(column("%", [f"{100 * _of_units(found, unit) / total:.1f}" for unit in units]))
    show([*groups, column("area, mm2", [_figure(areas.get(unit)) for unit in units])])
    means = headline(found)
    if means:
        groups = [
            column("against", [printable(str(row["baseline"])) for row in means], left=True),
            column("weights", [str(row["kind"]) for row in means], left=True),
            column("its time", [str(row["made_by"]) for row in means], left=True),
            column("batch", [str(row["batch"]) for row in means]),
            column("layers", [str(row["layers"]) for row in means]),
            column("times faster", [_figure(row["speedup"]) for row in means]),
            column("times less energy", [_figure(row["energy_ratio"]) for row in means]),
        ]
        show(groups)
        kinds = {str(row["kind"]) for row in means}
        told = "".join(f" {text}" for kind, text in _KINDS.items() if kind in kinds)
        printer.remark(f"Against the baselines: {means_of(found)}.{told}")
    if several:
        printer.remark(
            "min, median and max over the input vectors of a layer; each begins on an empty machine. --out and --json "
            "have every vector."
        )
    rule = f", scaling rule {found.rule}" if found.rule else ""
    printer.remark(f"Energy by {found.calibration}{rule}: " + "; ".join(found.assumptions) + ".")
    for note in found.notes:
        printer.remark(note)
    printer.remark("Every layer beside every baseline, energy by unit and event, every rule: --out, --json.")


def _shown(rows_of_each: "Sequence[Sequence[Row]]") -> "list[Group]":
    """The columns of `_SHOWN` that the rows have, one line for each sequence of them; of several its statistics."""
    from rich.text import Text

    from compressor.console.grid import Group, column
    from eie_sim.report.tables import STATISTICS, summary

    groups = []
    for name, (title, scale) in _SHOWN.items():
        if name not in rows_of_each[0][0]:
            continue
        if max(map(len, rows_of_each)) == 1:
            groups.append(column(title, [_figure(rows[0][name], scale) for rows in rows_of_each]))
            continue
        known = [[row for row in rows if row[name] is not None] for rows in rows_of_each]
        values = [summary(rows, [name])[name] if rows else dict.fromkeys(STATISTICS) for rows in known]
        cells = [[Text(_figure(value[which], scale)) for which in STATISTICS] for value in values]
        groups.append(Group(title, STATISTICS, cells, _KEPT.index(name)))
    return groups


_SHOWN = {
    "cycles": ("cycles", 1),
    "time_us": ("time us", 1),
    "load_balance": ("load balance %", 100),
    "gops": ("GOP/s", 1),
    "dense_gops": ("dense GOP/s", 1),
    "energy_nj": ("energy nJ", 1),
    "power_w": ("power W", 1),
    "pj_per_mac": ("pJ/MAC", 1),
    "edp_nj_us": ("EDP nJ us", 1),
}
"""Columns on the terminal: what they are called there, and times what they are shown."""


_KEPT = ("cycles", "time_us", "energy_nj", "load_balance", "power_w", "gops", "pj_per_mac", "dense_gops", "edp_nj_us")
"""The same in the order in which statistics of many input vectors are kept where the terminal is narrow."""


_KINDS = {
    "skipping": "Skipping: sparse, and zero inputs skipped too.",
    "own": "Own: an accelerator of EIE Table V, with weights in its own form.",
}


def _of_units(found: "RunReport", unit: str) -> float:
    """Energy of a unit over all rows, nJ."""
    values = [row["energy_nj"] for row in found.tables["ENERGY_REPORT"] if row["unit"] == unit]
    return sum(value for value in values if isinstance(value, (int, float)))


def _areas(found: "RunReport") -> "dict[str, Cell]":
    rows = found.tables["AREA_REPORT"]
    return {str(row["unit"]): row["area_mm2"] for row in rows if row["scaling_rule"] in ("", found.rule)}


def _figure(value: "Cell", scale: int = 1) -> str:
    from eie_sim.columns import digits

    if not isinstance(value, (int, float)):
        return "-" if value is None else str(value)
    return digits(value * scale)

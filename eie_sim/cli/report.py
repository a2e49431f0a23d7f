"""``eie-sim report``: a run beside the baselines: cycles, time, energy, area, speed-up and energy efficiency."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eie_sim.cli.options import INPUT_PANEL, OUTPUT_PANEL, Arch, Json, Preset, Set, option

if TYPE_CHECKING:
    from eie_sim.arch import ArchConfig
    from eie_sim.baselines.devices import Device
    from eie_sim.cli.console import Printer
    from eie_sim.columns import Cell
    from eie_sim.report.comparison import RunReport
    from eie_sim.report.results_file import Results

COST_PANEL = "Energy and baselines"

_FILE = (
    "Results of `eie-sim run --json` or --out (results.json), or what `eie-sim run` takes. Without it: the nine "
    "layers of the EIE paper."
)
_CALIBRATION = "What energies are made from. Default: table2-8cycle; the table shows all of them side by side."
_RULE = "How energy and area shrink at 28 nm. Default: paper."
_DEVICE = "A device: i7-5930K, 'Titan X', 'Tegra K1' or a TOML file; may be repeated. Default: these three."
_CPU = "A measurement of `eie-sim measure --out`."
_BATCH = "Input vectors that the baselines compute together: 1 (default), 64 or 1,64."
_OUT = "Write report.json, report.md and COMPUTE_REPORT.csv, ENERGY_REPORT.csv ... there."


def report(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=_FILE, show_default=False)] = None,
    layers: Annotated[str | None, option(INPUT_PANEL, "These layers only.", "A,B,...")] = None,
    acts: Annotated[Path | None, option(INPUT_PANEL, "Inputs, as for `eie-sim run`.", "FILE.npy")] = None,
    seed: Annotated[int, option(INPUT_PANEL, "Seed of everything drawn. Default: 0.", "N", min=0)] = 0,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    calibration: Annotated[str | None, option(COST_PANEL, _CALIBRATION, "NAME")] = None,
    rule: Annotated[str, option(COST_PANEL, _RULE, "NAME")] = "paper",
    device: Annotated[list[str] | None, option(COST_PANEL, _DEVICE, "NAME|FILE.toml")] = None,
    cpu: Annotated[Path | None, option(COST_PANEL, _CPU, "FILE.json")] = None,
    batch: Annotated[str, option(COST_PANEL, _BATCH, "N,N")] = "1",
    as_json: Json = False,
    markdown: Annotated[bool, option(OUTPUT_PANEL, "Print Markdown on stdout.", None, "--markdown")] = False,
    out: Annotated[Path | None, option(OUTPUT_PANEL, _OUT, "DIR")] = None,
) -> None:
    """Set a run beside the baselines: time, energy, area, speed-up and energy efficiency, modelled and measured."""
    if as_json and markdown:
        raise ValueError("--json and --markdown: both want stdout; give one of them")
    from compressor.console.targets import check_target_folder
    from eie_sim.baselines.cpu_measurement import read_cpu_measurement
    from eie_sim.cli.console import Printer
    from eie_sim.cost import CALIBRATIONS
    from eie_sim.cost.calibrations import DEFAULT
    from eie_sim.report.comparison import REPORTS, run_report
    from eie_sim.report.report_text import to_json, to_markdown

    printer = Printer()
    chosen = calibration or DEFAULT
    if chosen not in CALIBRATIONS:
        raise ValueError(f"--calibration: {chosen!r}, but it must be one of {', '.join(CALIBRATIONS)}")
    devices = _devices(device)
    batches = _batches(batch)
    measured = None if cpu is None else read_cpu_measurement(cpu, least_samples=0)  # what has few is left out
    if out is not None:
        check_target_folder("--out", out, ["report.json", "report.md", *(f"{name}.csv" for name in REPORTS)])
    results = _results(file, layers, acts, seed, (preset, arch, settings), printer)
    found = run_report(results, devices, chosen, rule, measured, batches)
    if out is not None:
        _save(found, out, printer)
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    elif markdown:
        sys.stdout.write(to_markdown(found))
    else:
        others = [run_report(results, (), name, rule) for name in CALIBRATIONS]
        _print(found, others, printer)


def _results(
    file: Path | None,
    layers: str | None,
    acts: Path | None,
    seed: int,
    machine_options: tuple[str | None, Path | None, list[str] | None],
    printer: "Printer",
) -> "Results":
    from eie_sim.report.results_file import read_results

    if file is None or file.suffix.lower() != ".json":
        return _run(file, layers, acts, seed, machine_options, printer)
    if any(machine_options) or acts is not None:
        raise ValueError(f"{file}: was simulated already; --preset, --arch, --set and --acts are for a new run")
    results = read_results(file)
    if layers is None:
        return results
    wanted = [name.strip() for name in layers.split(",")]
    there = list(dict.fromkeys(str(row["layer"]) for row in results.rows))
    if unknown := [name for name in wanted if name not in there]:
        raise ValueError(f"--layers: {unknown[0]!r}, but {file} has {', '.join(there)}")
    from dataclasses import replace

    return replace(results, rows=[row for row in results.rows if row["layer"] in wanted])


def _run(
    file: Path | None,
    layers: str | None,
    acts: Path | None,
    seed: int,
    machine_options: tuple[str | None, Path | None, list[str] | None],
    printer: "Printer",
) -> "Results":
    from eie_sim.cli.inputs import Planner, Request
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.running import simulate_plan

    machine: ArchConfig = chosen_machine(*machine_options)
    request = Request(file, None, None, None, layers, acts, None, None, seed, None)
    plan = Planner(request, machine, printer.note).plan()
    return simulate_plan(plan, machine, "fast", printer)


def _devices(names: Sequence[str] | None) -> "list[Device]":
    from eie_sim.baselines.devices import device, devices, read_device

    if not names:
        return list(devices().values())
    return [read_device(name) if name.lower().endswith(".toml") else device(name) for name in names]


def _batches(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"--batch: {text!r}, but it must be whole numbers of at least 1, separated by commas")
    return tuple(dict.fromkeys(map(int, parts)))


def _save(found: "RunReport", out: Path, printer: "Printer") -> None:
    from compressor.files import replacing_in
    from eie_sim.report.comparison import REPORTS
    from eie_sim.report.report_text import to_csv, to_json, to_markdown
    from eie_sim.report.results_file import write_text

    with replacing_in(out) as folder:
        write_text(to_json(found), folder / "report.json")
        write_text(to_markdown(found), folder / "report.md")
        for name in REPORTS:
            write_text(to_csv(found, name), folder / f"{name}.csv")
    printer.note(f"wrote report.json, report.md and {len(REPORTS)} CSV files in {out}")


# On the terminal ------------------------------------------------------------------------------------------------------


def _print(found: "RunReport", others: "Sequence[RunReport]", printer: "Printer") -> None:
    from eie_sim.cli.console import printable, short
    from eie_sim.cli.grid import column, grid
    from eie_sim.report.comparison import headline

    rows = found.tables["COMPUTE_REPORT"]
    machine = found.machine
    area_mm2 = rows[0]["area_mm2"] if rows else None
    title = f"{machine.name}: {machine.n_pe} PEs, {machine.clock_hz / 1e6:g} MHz, {_figure(area_mm2)} mm2"
    shown = {
        "cycles": "cycles",
        "time_us": "time us",
        "load_balance": "load balance",
        "gops": "GOP/s",
        "dense_gops": "dense GOP/s",
        "energy_nj": "energy nJ",
        "power_w": "power W",
        "pj_per_mac": "pJ/MAC",
        "edp_nj_us": "EDP nJ us",
    }
    names = [short(str(row["layer"])) for row in rows]
    groups = [column("layer", names, left=True)]
    groups += [column(told, [_figure(row[name]) for row in rows]) for name, told in shown.items()]
    printer.lines([title, "", *grid(groups, printer.out.width, printer.out).lines, ""])
    by_name = {other.calibration: other.tables["COMPUTE_REPORT"] for other in others}
    groups = [column("energy nJ", names, left=True)]
    groups += [column(name, [_figure(row["energy_nj"]) for row in of]) for name, of in by_name.items()]
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])
    means = headline(found)
    groups = [
        column("geometric means against", [printable(str(row["baseline"])) for row in means], left=True),
        column("weights", [str(row["kind"]) for row in means], left=True),
        column("time", [str(row["made_by"]) for row in means], left=True),
        column("batch", [str(row["batch"]) for row in means]),
        column("layers", [str(row["layers"]) for row in means]),
        column("speed-up", [_figure(row["speedup"]) for row in means]),
        column("less energy", [_figure(row["energy_ratio"]) for row in means]),
    ]
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])
    printer.remark(f"Energy by {found.calibration}, scaling rule {found.rule}: " + "; ".join(found.assumptions) + ".")
    for note in found.notes:
        printer.remark(note)
    printer.remark("Every layer beside every baseline, energy by unit and event: --out, --json, --markdown.")


def _figure(value: "Cell") -> str:
    if not isinstance(value, (int, float)):
        return "-" if value is None else str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"

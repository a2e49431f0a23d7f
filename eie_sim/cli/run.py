"""``eie-sim run``: simulate the paper's nine layers, or one's own."""

from pathlib import Path
from typing import Annotated

import typer

from eie_sim.cli.options import INPUT_PANEL, MACHINE_PANEL, OUTPUT_PANEL, Arch, Json, Preset, Set


def run(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A packed model (.eie), a SCALE-Sim GEMM topology (.csv: Layer, M, N, K) or a sparse matrix "
            "(MatrixMarket .mtx). Without it: the nine layers of the EIE paper.",
            show_default=False,
        ),
    ] = None,
    eie_simulator: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A data folder of the EIE authors' own simulator.", rich_help_panel=INPUT_PANEL
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Outputs of the layer in that folder. Default: 1000.", rich_help_panel=INPUT_PANEL
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the layer; a published one, such as Alex-8, sets the paper's figures beside it.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="These layers only.", rich_help_panel=INPUT_PANEL)
    ] = None,
    acts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Inputs of shape (n_cols,), or (B, n_cols) for B vectors. Default: drawn.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    act_density: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="0..1",
            help="Share of active inputs where they are drawn for a file. Default: 1.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    weight_density: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="0..1",
            help="Weight density of a topology's layers without Sparsity. Default: 1.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed of everything drawn.", rich_help_panel=INPUT_PANEL)
    ] = 0,
    fit: Annotated[
        str | None,
        typer.Option(
            metavar="all_points|pe64",
            help="What the nine layers were fitted to: all figures (default), or the 64-PE machine's alone.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="fast|reference",
            help="reference models every unit and is much slower; the results are the same.",
            rich_help_panel=MACHINE_PANEL,
        ),
    ] = "fast",
    as_json: Json = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write CSV, one row a layer and input vector; - for stdout.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write results.json and results.csv there.", rich_help_panel=OUTPUT_PANEL),
    ] = None,
) -> None:
    """Simulate layers, cycle for cycle, and print a table: the paper's nine layers, or those of a file."""
    if as_json and str(csv) == "-":
        raise ValueError("--json and --csv -: both want stdout; give --csv a file")
    from eie_sim.cli.console import Printer
    from eie_sim.cli.inputs import Planner, Request
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.result_table import print_results
    from eie_sim.cli.running import simulate_plan
    from eie_sim.cli.saving import check_targets, save

    printer = Printer()
    machine = chosen_machine(preset, arch, settings)
    request = Request(
        file, eie_simulator, rows, name, layers, acts, act_density, weight_density, seed, fit
    )  # fmt: skip
    check_targets(csv, out)
    plan = Planner(request, machine, printer.note).plan()
    results = simulate_plan(plan, machine, engine, printer)
    on_stdout = save(results, as_json, csv, out, printer)
    if not on_stdout:
        print_results(results, machine, plan.remarks, printer)

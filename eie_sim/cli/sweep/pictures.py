"""``eie-sim sweep plot`` and ``html``: the machines of a store as pictures, and as one page."""

from pathlib import Path
from typing import Annotated

from eie_sim.cli.options import OUTPUT_PANEL, option
from eie_sim.cli.sweep.shared import All, Objectives, StoreFile, Where, front_metrics, how_many, machines_in, split

_METRICS = "More metrics to choose as axes."


def plot(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "Folder for the pictures.", "DIR")],
    by: Annotated[str, option("Rows", "The metric of curves and maps. Default: edp.", "NAME")] = "edp",
    objectives: Objectives = "latency,energy,area",
    where: Where = None,
    all_sweeps: All = False,
    kind: Annotated[str, option(OUTPUT_PANEL, "png (default), svg or pdf.", "NAME")] = "png",
) -> None:
    """Draw Pareto fronts, a curve for each axis, a map for each pair of axes, and parallel coordinates."""
    from itertools import combinations

    from compressor.console.targets import check_target_folder
    from compressor.storage.files import replacing_in
    from eie_sim.cli.console import Printer
    from eie_sim.report import plots
    from eie_sim.report.figures import sweeps
    from eie_sim.sweep import select

    if kind not in plots.FORMATS:
        raise ValueError(f"--kind: {kind!r}, but it must be one of {', '.join(plots.FORMATS)}")
    column = select.metric(by)
    wanted = front_metrics(objectives)
    found = machines_in(store, where, list(dict.fromkeys([column, *wanted])), all_sweeps).found
    axes = select.varying(found)
    drawn = {
        f"pareto_{x}_{y}": plots.pareto_front(sweeps.pareto_front(found, x, y, axes))
        for x, y in combinations(wanted, 2)
    }
    drawn |= {f"{column}_over_{a}": plots.axis_curve(sweeps.axis_curve(found, a, column)) for a in axes}
    for a, b in combinations(axes, 2):
        drawn[f"{column}_over_{a}_{b}"] = plots.sweep_map(sweeps.heat_map(found, a, b, column))
    if axes:
        lines = sweeps.parallel_coordinates(found, axes, wanted)
        drawn["parallel_coordinates"] = plots.parallel_coordinates(lines)
    # All are drawn before the folder is touched, which then gets all of them or none.
    names = [f"{name}.{kind}" for name in drawn]
    check_target_folder("--out", out, names)
    with replacing_in(out) as folder:
        for name, figure in zip(names, drawn.values(), strict=True):
            plots.save(figure, folder / name)
    Printer().note(f"wrote {len(names)} pictures of {how_many(found)} in {out}")


def html(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "The page.", "FILE.html")],
    objectives: Objectives = "latency,energy,area",
    metrics: Annotated[str, option("Rows", _METRICS, "A,B,...")] = "edp,power,load_balance,gops",
    where: Where = None,
    all_sweeps: All = False,
) -> None:
    """Write one page for a browser: a chart with axes to choose, machines to pick, the file of each to copy."""
    from compressor.console.targets import check_target_file
    from eie_sim.cli.console import Printer
    from eie_sim.report.html.sweep_page import SweepFacts, sweep_page
    from eie_sim.report.results_file import write_text
    from eie_sim.sweep import select

    wanted = front_metrics(objectives)
    also = [select.metric(name) for name in split(metrics)]
    check_target_file("--out", out)
    machines = machines_in(store, where, list(dict.fromkeys([*wanted, *also])), all_sweeps)
    facts = SweepFacts(
        machines.sweep, ", ".join(machines.versions), machines.workloads, machines.conditions, machines.notes
    )
    write_text(sweep_page(machines.found, wanted, facts), out)
    Printer().note(f"wrote {out}, a page of {how_many(machines.found)}")

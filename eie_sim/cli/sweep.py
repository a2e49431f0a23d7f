"""``eie-sim sweep``: run a space of machines and workloads, and look at what came out."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eie_sim.cli.options import OUTPUT_PANEL, Json, option

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from eie_sim.cli.console import Printer
    from eie_sim.columns import Cell, Row
    from eie_sim.report.html.sweep_page import SweepFacts
    from eie_sim.sweep.expressions import Condition
    from eie_sim.sweep.machines import Machines
    from eie_sim.sweep.run import Summary
    from eie_sim.sweep.select import Candidate
    from eie_sim.sweep.space import Space
    from eie_sim.sweep.store import Store

INTERRUPTED = 130

_SPACE = "The space, a TOML file: axes, how points are taken from them, conditions."
_STORE = "The store, an SQLite file. Default: the name of the space, beside it, with .sqlite."
_JOBS = "Processes; 1: this one alone. Default: as many as there are cores."
_SEARCH_JOBS = "Processes; 1 (default): this one alone."
_DASK = "Address of a Dask scheduler (extra: distributed), such as tcp://host:8786, whose workers compute."
_DRY = "Count the points, try a few, estimate the time; compute and write nothing."
_RETRY = "Compute points again that failed before."
_WHERE = (
    "A condition on rows, such as 'fits_sram and area_mm2 < 50'; may be repeated. It does not hold where a "
    "column that it asks for is empty."
)
_COLUMNS = "Columns to show. Default: those that vary, and the main figures."
_BY = "What to be best by: latency, energy, edp, area, power or any metric."
_ALL = "All sweeps of the store, not the one that was run last."
_OBJECTIVES = "Two or more metrics; the machines that no other one beats in all of them."

_METRICS = "More metrics to choose as axes."

Where = Annotated[list[str] | None, option("Rows", _WHERE, "CONDITION")]
All = Annotated[bool, option("Rows", _ALL, None, "--all-sweeps")]
StoreFile = Annotated[Path, typer.Argument(metavar="STORE", help="A store that `eie-sim sweep run` wrote.")]


def run(
    space: Annotated[Path, typer.Argument(metavar="SPACE.toml", help=_SPACE)],
    store: Annotated[Path | None, option("How to run", _STORE, "FILE")] = None,
    jobs: Annotated[int | None, option("How to run", _JOBS, "N", min=1)] = None,
    dask: Annotated[str | None, option("How to run", _DASK, "URL")] = None,
    dry_run: Annotated[bool, option("How to run", _DRY, None, "--dry-run")] = False,
    retry_failed: Annotated[bool, option("How to run", _RETRY, None, "--retry-failed")] = False,
    as_json: Json = False,
) -> None:
    """Compute the points of a space that the store does not have; run again, it goes on where it was stopped."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.run import run_sweep
    from eie_sim.sweep.space import Space
    from eie_sim.sweep.store import Store

    printer = Printer()
    if dask is not None and jobs is not None:
        raise ValueError("--dask and --jobs: the cluster has as many workers as it has; give one of them")
    wanted = Space.from_toml(space)
    target = space.with_suffix(".sqlite") if store is None else store
    if dry_run:
        _dry_run(wanted, target, retry_failed, as_json, printer)
        return
    _tell_drawn(wanted, printer)
    with _executor(dask) as executor, printer.counting() as count:
        try:
            summary = run_sweep(
                wanted, target, jobs, executor, retry_failed,
                lambda done, of, failed: count(done, of, f"{failed} failed" if failed else wanted.name),
                warn=printer.warn,
            )  # fmt: skip
        except KeyboardInterrupt:
            printer.note(f"interrupted; what is done is in {target}, and the same command goes on from there")
            raise typer.Exit(INTERRUPTED) from None
    with Store(target) as opened:
        _print_summary(summary, opened, target, as_json, printer)


def _tell_drawn(wanted: "Space", printer: "Printer") -> None:
    """Say where inputs of files come from: results depend on how many of them are active."""
    from eie_sim.sweep.workloads import is_file

    if wanted.acts is None and any(is_file(str(name)) for name in wanted.workloads()):
        active = "all" if wanted.act_density == 1 else f"{100 * wanted.act_density:g} %"
        printer.note(f"inputs of files are drawn, {active} of them active (acts gives real ones, act_density a share)")


def _executor(address: str | None) -> "AbstractContextManager[Executor | None]":
    from contextlib import nullcontext

    if address is None:
        return nullcontext()
    from eie_sim.sweep.cluster import dask_executor

    return dask_executor(address)


def _dry_run(wanted: "Space", target: Path, retry_failed: bool, as_json: bool, printer: "Printer") -> None:
    from eie_sim.sweep.plan import plan_for
    from eie_sim.sweep.run import estimate

    planned = plan_for(wanted, target, retry_failed)
    seconds, tried = estimate(planned)
    found = {
        "points": planned.distinct,
        "there": planned.there,
        "missing": len(planned.missing),
        "simulations": planned.simulations(),
        "seconds_of_one_process": round(seconds, 1),
    }
    if as_json:
        printer.json(found)
        return
    printer.lines(
        [
            f"{planned.distinct:,} points, {planned.there:,} of them in {target}; {len(planned.missing):,} missing, "
            f"which need {found['simulations']:,} simulations.",
            f"About {_duration(seconds)} for one process"
            + (", estimated by computing a few of them." if tried else "."),
        ]
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _print_summary(summary: "Summary", store: "Store", target: Path, as_json: bool, printer: "Printer") -> None:
    from eie_sim.sweep.run import failures

    if as_json:
        printer.json({**summary.__dict__, "store": str(target), "rows": len(store)})
        return
    rate = f", {(summary.done + summary.failed) / summary.seconds:,.0f} a second" if summary.seconds else ""
    printer.lines(
        [
            f"{summary.points:,} points: {summary.there:,} were there, {summary.done:,} computed with "
            f"{summary.simulated:,} simulations in {_duration(summary.seconds)}{rate}; {summary.failed:,} failed.",
            f"{len(store):,} rows in {target}",
        ]
    )
    if summary.failed:
        for error, count in list(failures(store))[:5]:
            printer.warn(f"{count:,} points failed: {error}")


# Looking --------------------------------------------------------------------------------------------------------------


def query(
    store: StoreFile,
    where: Where = None,
    columns: Annotated[str | None, option("Rows", _COLUMNS, "A,B,...")] = None,
    sort: Annotated[str | None, option("Rows", "Column to sort by; -NAME: falling.", "NAME")] = None,
    limit: Annotated[int, option("Rows", "Rows on the terminal. Default: 20.", "N", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show rows of a store; --json gives all of them."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.columns import INPUTS
    from eie_sim.sweep.select import matching
    from eie_sim.sweep.store import EXPORTED, Store

    printer = Printer()
    with Store(store) as opened:
        rows = matching(opened.rows(EXPORTED), _conditions(where))
    for name in [*_split(columns), *([sort.lstrip("-")] if sort else [])]:
        if name not in EXPORTED:
            raise ValueError(f"column {name!r}: there are {', '.join(EXPORTED)}")
    if sort is not None:
        name = sort.lstrip("-")
        known: list[tuple[Any, Row]] = [(row[name], row) for row in rows if row[name] is not None]
        known.sort(key=itemgetter(0), reverse=sort.startswith("-"))
        rows = [row for _, row in known] + [row for row in rows if row[name] is None]
    if as_json:
        wanted = _split(columns) or list(EXPORTED)
        printer.json([{name: row[name] for name in wanted} for row in rows])
        return
    shown = _split(columns) or [
        *(name for name in INPUTS if len({row[name] for row in rows}) > 1),
        *(name for name in ("cycles", "time_us", "energy_nj", "edp_nj_us", "area_mm2", "error") if _any(rows, name)),
    ]
    if rows:
        _print_rows(printer, shown, [[row[name] for name in shown] for row in rows[:limit]])
    printer.remark(f"{len(rows):,} rows" + (f", the first {limit:,} of them" if len(rows) > limit else "") + ".")


def _any(rows: "Sequence[Row]", name: str) -> bool:
    return any(row[name] is not None for row in rows)


def best(
    store: StoreFile,
    by: Annotated[str, option("Rows", _BY, "NAME")] = "edp",
    where: Where = None,
    all_sweeps: All = False,
    count: Annotated[int, option("Rows", "Machines. Default: 10.", "N", min=1)] = 10,
    as_json: Json = False,
) -> None:
    """The best machines, each by the geometric mean over all workloads and seeds that ran on it."""
    from eie_sim.sweep import select

    column = select.metric(by)
    metrics = list(dict.fromkeys([column, "time_us", "energy_nj", "area_mm2"]))
    found = _candidates(store, where, [column], all_sweeps, metrics[1:])
    _print_candidates(select.best(found, column, count), found, metrics, as_json)


def pareto(
    store: StoreFile,
    objectives: Annotated[str, option("Rows", _OBJECTIVES, "A,B,...")] = "latency,energy,area",
    where: Where = None,
    all_sweeps: All = False,
    as_json: Json = False,
) -> None:
    """The machines that no other one beats in every objective."""
    from eie_sim.sweep import select

    metrics = _front_metrics(objectives)
    found = _candidates(store, where, metrics, all_sweeps)
    _print_candidates(select.pareto(found, metrics), found, metrics, as_json)


def plot(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "Folder for the pictures.", "DIR")],
    by: Annotated[str, option("Rows", "The metric of curves and maps. Default: edp.", "NAME")] = "edp",
    objectives: Annotated[str, option("Rows", _OBJECTIVES, "A,B,...")] = "latency,energy,area",
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
    wanted = _front_metrics(objectives)
    found = _candidates(store, where, list(dict.fromkeys([column, *wanted])), all_sweeps)
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
    names = [f"{name}.{kind}" for name in drawn]
    check_target_folder("--out", out, names)
    with replacing_in(out) as folder:
        for name, figure in zip(names, drawn.values(), strict=True):
            plots.save(figure, folder / name)
    Printer().note(f"wrote {len(names)} pictures of {_machines_told(found)} in {out}")


def html(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "The page.", "FILE.html")],
    objectives: Annotated[str, option("Rows", _OBJECTIVES, "A,B,...")] = "latency,energy,area",
    metrics: Annotated[str, option("Rows", _METRICS, "A,B,...")] = "edp,power,load_balance,gops",
    where: Where = None,
    all_sweeps: All = False,
) -> None:
    """Write one page for a browser: a chart with axes to choose, machines to pick, the file of each to copy."""
    from compressor.console.targets import check_target_file
    from eie_sim.cli.console import Printer
    from eie_sim.report.html.sweep_page import sweep_page
    from eie_sim.report.results_file import write_text
    from eie_sim.sweep import select

    wanted = _front_metrics(objectives)
    also = [select.metric(name) for name in _split(metrics)]
    check_target_file("--out", out)
    machines = _machines(store, where, list(dict.fromkeys([*wanted, *also])), all_sweeps)
    found = machines.found
    write_text(sweep_page(found, wanted, _facts(store, where, all_sweeps, machines.notes)), out)
    Printer().note(f"wrote {out}, a page of {_machines_told(found)}")


def _machines_told(found: "Sequence[Candidate]") -> str:
    return "one machine" if len(found) == 1 else f"{len(found):,} machines"


def _front_metrics(objectives: str) -> list[str]:
    from eie_sim.sweep import select

    metrics = list(dict.fromkeys(select.metric(name) for name in _split(objectives)))
    if len(metrics) < 2:
        raise ValueError(f"--objectives: {objectives!r}, but a front is between two metrics at least")
    return metrics


def _facts(file: Path, where: Sequence[str] | None, all_sweeps: bool, notes: Sequence[str]) -> "SweepFacts":
    from eie_sim.report.html.sweep_page import SweepFacts
    from eie_sim.sweep.machines import conditions_of
    from eie_sim.sweep.store import Store

    with Store(file) as store:
        told = ["workload", "package_version"]
        rows = list(store.rows(told, done_only=True, of_last_sweep=not all_sweeps))
        sweeps, told_conditions = store.sweeps(), conditions_of(store)
    texts = {name: [str(value) for value in dict.fromkeys(row[name] for row in rows)] for name in rows[0]}
    name = sweeps[-1].name if sweeps else file.stem
    return SweepFacts(
        name, ", ".join(texts["package_version"]), texts["workload"], [*told_conditions, *(where or ())], notes
    )


def search(
    space: Annotated[Path, typer.Argument(metavar="SPACE.toml", help=_SPACE)],
    store: Annotated[Path | None, option("How to run", _STORE, "FILE")] = None,
    objectives: Annotated[str, option("Rows", "Metrics to search the front of.", "A,B,...")] = "latency,energy,area",
    trials: Annotated[int, option("How to run", "Machines to have tried in the end. Default: 200.", "N", min=1)] = 200,
    sampler: Annotated[str, option("How to run", "nsga2 (default) or tpe.", "NAME")] = "nsga2",
    seed: Annotated[int, option("How to run", "Of the sampler. Default: 0.", "N", min=0)] = 0,
    jobs: Annotated[int | None, option("How to run", _SEARCH_JOBS, "N", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Search a space for its front instead of computing all of it (Optuna, extra: search); it can be resumed."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep import search as searching
    from eie_sim.sweep import select
    from eie_sim.sweep.space import Space

    printer = Printer()
    wanted = Space.from_toml(space)
    target = space.with_suffix(".sqlite") if store is None else store
    metrics = list(dict.fromkeys(select.metric(name) for name in _split(objectives)))
    with printer.counting() as count:
        found = searching.search(
            wanted, target, metrics, trials, sampler, seed, jobs=jobs,
            progress=lambda done, of: count(done, of, wanted.name),
        )  # fmt: skip
    if as_json:
        rows = [{**a, **dict(zip(metrics, b, strict=True))} for a, b in zip(found.inputs, found.values, strict=True)]
        printer.json({"trials": found.trials, "front": rows})
        return
    if not found.inputs:
        printer.warn(
            f"no machine that was tried has a value above 0 of {', '.join(metrics)} and meets the conditions; "
            "`eie-sim sweep query` shows what became of them"
        )
        return
    axes = list(found.inputs[0])
    rows_shown = [[*(a[n] for n in axes), *b] for a, b in zip(found.inputs, found.values, strict=True)]
    _print_rows(printer, [*axes, *metrics], rows_shown)
    printer.remark(f"{len(found.values):,} machines on the front of {found.trials:,} that were tried.")


def export(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "A .csv or .parquet file (extra: parquet).", "FILE")],
) -> None:
    """Write all rows, sorted, without times and hosts: the same bytes whoever computed them."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.store import Store

    kind = out.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise ValueError(f"--out: {out}, but its name must end in .csv or .parquet")
    with Store(store) as opened:
        count = opened.export_csv(out) if kind == ".csv" else opened.export_parquet(out)
    Printer().note(f"wrote {count:,} rows to {out}")


def _conditions(where: Sequence[str] | None) -> "list[Condition]":
    from eie_sim.sweep.columns import CONDITIONS
    from eie_sim.sweep.expressions import condition

    return [condition(text, CONDITIONS) for text in where or ()]


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _machines(
    file: Path,
    where: Sequence[str] | None,
    metrics: Sequence[str],
    all_sweeps: bool = False,
    shown: Sequence[str] = (),
) -> "Machines":
    """Machines of a store; what was left out is told."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.machines import machines_of
    from eie_sim.sweep.store import Store

    printer = Printer()
    with Store(file) as store:
        machines = machines_of(store, metrics, where or (), all_sweeps, shown)
    if machines.failed:
        printer.warn(
            f"{machines.failed:,} of {machines.rows:,} points failed and count nowhere; `eie-sim sweep query` tells why"
        )
    for note in machines.notes:
        printer.note(note)
    return machines


def _candidates(
    file: Path,
    where: Sequence[str] | None,
    metrics: Sequence[str],
    all_sweeps: bool = False,
    shown: Sequence[str] = (),
) -> "list[Candidate]":
    return _machines(file, where, metrics, all_sweeps, shown).found


def _print_candidates(
    shown: "Sequence[Candidate]", of: "Sequence[Candidate]", metrics: Sequence[str], as_json: bool
) -> None:
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.columns import METRICS
    from eie_sim.sweep.select import varying

    printer = Printer()
    if as_json:
        values = [{name: one.values.get(name) for name in metrics} for one in shown]
        printer.json([{**one.inputs, **of, "rows": one.rows} for one, of in zip(shown, values, strict=True)])
        return
    inputs = varying(of)
    headings = [*inputs, *(" ".join(filter(None, (name, METRICS[name]["unit"]))) for name in metrics)]
    _print_rows(
        printer, headings, [[*(one.inputs[n] for n in inputs), *(one.values.get(n) for n in metrics)] for one in shown]
    )
    rows = of[0].rows
    over = f"geometric means over the {rows:,} workloads and seeds of each" if rows > 1 else "one workload each"
    printer.remark(f"{len(shown):,} of {len(of):,} machines; {over}.")


def _print_rows(printer: "Printer", headings: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
    from eie_sim.cli.grid import column, grid

    groups = [
        column(name, [_figure(row[at]) for row in rows], left=any(isinstance(row[at], str) for row in rows))
        for at, name in enumerate(headings)
    ]
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([*table.lines, ""])
    if (left_out := table.remark("--json")) is not None:
        printer.remark(left_out)


def _figure(value: "Cell") -> str:
    from eie_sim.cli.console import short
    from eie_sim.columns import digits

    if value is None:
        return "-"
    return short(value) if isinstance(value, str) else digits(value, 4)

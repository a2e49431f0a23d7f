"""``eie-sim sweep run``: compute the points of a space that the store does not have, or say how long it would take."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eie_sim.cli.options import Json, option
from eie_sim.cli.sweep.shared import SpaceFile, Target

if TYPE_CHECKING:
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.run import Summary
    from eie_sim.sweep.space import Space

ALL_FAILED, INTERRUPTED = 1, 130
"""Exit codes."""

_JOBS = "Processes; 1: this one alone. Default: as many as there are cores."
_DASK = "Address of a Dask scheduler (extra: distributed), such as tcp://host:8786, whose workers compute."
_DRY = "Count the points, try a few, estimate the time; compute and write nothing."
_RETRY = "Compute points again that failed before."


def run(
    space: SpaceFile,
    store: Target = None,
    jobs: Annotated[int | None, option("How to run", _JOBS, "N", min=1)] = None,
    dask: Annotated[str | None, option("How to run", _DASK, "URL")] = None,
    dry_run: Annotated[bool, option("How to run", _DRY, None, "--dry-run")] = False,
    retry_failed: Annotated[bool, option("How to run", _RETRY, None, "--retry-failed")] = False,
    as_json: Json = False,
) -> None:
    """Compute the points of a space that the store does not have; run again, it goes on where it was stopped."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.cluster import dask_executor
    from eie_sim.sweep.run import failures, run_sweep
    from eie_sim.sweep.space import Space
    from eie_sim.sweep.store import Store
    from eie_sim.sweep.workloads import is_file

    printer = Printer()
    if dask is not None and jobs is not None:
        raise ValueError("--dask and --jobs: the cluster has as many workers as it has; give one of them")
    wanted = Space.from_toml(space)
    target = space.with_suffix(".sqlite") if store is None else store
    if dry_run:
        _dry_run(wanted, target, retry_failed, as_json, printer)
        return
    if wanted.inputs is not None or wanted.photo is not None:
        printer.note("of whole networks, every figure is the sum over all inferences of the inputs")
    elif wanted.acts is None and any(is_file(str(name)) for name in wanted.workloads()):
        # Results depend on how many inputs are active.
        active = "all" if wanted.act_density == 1 else f"{100 * wanted.act_density:g} %"
        printer.note(f"inputs of files are drawn, {active} of them active (acts gives real ones, act_density a share)")
    with nullcontext() if dask is None else dask_executor(dask) as executor, printer.counting() as count:
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
        rows, errors = len(opened), list(failures(opened)) if summary.failed else []
    all_failed = 0 < summary.points == summary.failed
    if as_json:
        printer.json({**summary.__dict__, "store": str(target), "rows": rows})
    else:
        _print_summary(summary, rows, target, printer)
        for error, number in errors[1 if all_failed else 0 : _MOST_ERRORS]:
            printer.warn(f"{number:,} points failed: {error}")
    if all_failed:
        printer.warn(f"all {summary.points:,} points failed, the most with: {errors[0][0]}")
        raise typer.Exit(ALL_FAILED)


def _print_summary(summary: "Summary", rows: int, target: Path, printer: "Printer") -> None:
    tried = summary.points - summary.there
    failed_before = summary.failed - (tried - summary.done)
    there = f"{summary.there:,} were there" + (f" ({failed_before:,} of them failed before)" if failed_before else "")
    rate = f", {tried / summary.seconds:,.0f} a second" if summary.seconds else ""
    printer.lines(
        [
            f"{summary.points:,} points: {there}, {summary.done:,} computed with "
            f"{summary.simulated:,} simulations in {_duration(summary.seconds)}{rate}; {summary.failed:,} failed.",
            f"{rows:,} rows in {target}",
        ]
    )
    if failed_before:
        printer.note("--retry-failed computes points again that failed before")


_MOST_ERRORS = 5
"""Errors that are shown of a sweep, the most frequent ones."""


def _dry_run(wanted: "Space", target: Path, retry_failed: bool, as_json: bool, printer: "Printer") -> None:
    from eie_sim.sweep.plan import plan_for
    from eie_sim.sweep.run import estimate
    from eie_sim.sweep.store import Store, is_begun

    planned = plan_for(wanted, target, retry_failed)
    estimated = estimate(planned)
    failed = 0
    if is_begun(target):
        with Store(target) as opened:
            failed = len(opened.failed_keys().intersection(planned.keys))
    found = {
        "points": planned.distinct,
        "there": planned.there,
        "failed": failed,
        "missing": len(planned.missing),
        "simulations": planned.simulations(),
        "seconds_of_one_process": round(estimated.seconds, 1),
    }
    if as_json:
        printer.json(found)
        return
    before = f" ({failed:,} failed before{'' if retry_failed else '; --retry-failed computes them again'})"
    there = f"{planned.there:,} of them in {target}{before if failed else ''}"
    printer.lines(
        [
            f"{planned.distinct:,} points, {there}; {len(planned.missing):,} missing, "
            f"which need {found['simulations']:,} simulations.",
            f"About {_duration(estimated.seconds)} for one process"
            + (", estimated by computing a few of them." if estimated.tried else "."),
        ]
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"

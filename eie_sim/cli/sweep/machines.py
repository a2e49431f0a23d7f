"""``eie-sim sweep best`` and ``pareto``: the machines of a store that are better than others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from eie_sim.cli.options import Json, option
from eie_sim.cli.sweep.shared import All, Objectives, StoreFile, Where, front_metrics, machines_in, print_rows

if TYPE_CHECKING:
    from eie_sim.sweep.select import Candidate

_BY = "What to be best by: latency, energy, edp, area, power or any metric."


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
    found = machines_in(store, where, [column], all_sweeps, metrics[1:]).found
    _print_candidates(select.best(found, column, count), found, metrics, as_json)


def pareto(
    store: StoreFile,
    objectives: Objectives = "latency,energy,area",
    where: Where = None,
    all_sweeps: All = False,
    as_json: Json = False,
) -> None:
    """The machines that no other one beats in every objective."""
    from eie_sim.sweep import select

    metrics = front_metrics(objectives)
    found = machines_in(store, where, metrics, all_sweeps).found
    _print_candidates(select.pareto(found, metrics), found, metrics, as_json)


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
    print_rows(
        printer, headings, [[*(one.inputs[n] for n in inputs), *(one.values.get(n) for n in metrics)] for one in shown]
    )
    rows = of[0].rows
    over = f"geometric means over the {rows:,} workloads and seeds of each" if rows > 1 else "one workload each"
    printer.remark(f"{len(shown):,} of {len(of):,} machines; {over}.")

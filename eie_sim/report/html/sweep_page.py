"""A sweep as one page: a chart whose axes are chosen, machines to pick in it, and the file of the machine picked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from eie_sim.columns import Cell, Row, digits
from eie_sim.report.figures import sweeps
from eie_sim.report.html.album import Album
from eie_sim.report.html.markup import Markup, element, join, json_block
from eie_sim.report.html.page import Section, page
from eie_sim.report.html.tables import data_table, pairs
from eie_sim.report.report_columns import Definitions
from eie_sim.sweep.columns import MACHINE, METRICS, definition
from eie_sim.sweep.select import LARGER_IS_BETTER, MACHINE_AND_PRICES, Candidate, cell_order, pareto, varying
from eie_sim.text_formats import literal

_SCRIPTS = ("page.js", "pareto.js")

MOST_POINTS = 2000
"""Machines of the chart; of more, those of every front and an even sample of the rest."""


@dataclass(frozen=True)
class SweepFacts:
    """Where the machines of a page come from.

    Attributes
    ----------
    name : str
        Of the sweep.
    version : str
        Of eie-sim, that made the rows.
    workloads : sequence of str
        What ran on every machine.
    conditions : sequence of str
        Which every machine here meets.
    notes : sequence of str
        What else a reader should know, of `eie_sim.sweep.machines.Machines`.
    """

    name: str
    version: str
    workloads: Sequence[str]
    conditions: Sequence[str]
    notes: Sequence[str] = ()


def sweep_page(machines: Sequence[Candidate], objectives: Sequence[str], facts: SweepFacts) -> str:
    """The page of a sweep. The same machines give the same bytes.

    Parameters
    ----------
    machines : sequence of Candidate
        With the same metrics each.
    objectives : sequence of str
        Two metrics or more, those of the front; the first two are the chart's axes at first.
    facts : SweepFacts
    """
    axes, album = varying(machines), Album()
    metrics = list(machines[0].values)
    best = pareto(machines, objectives)
    shown = _drawn(machines, best)
    lead = (
        f"{len(best):,} of {len(machines):,} machines are beaten by none in {', '.join(objectives)}; "
        f"computed by eie-sim {facts.version}."
    )
    pictures = [album.front(sweeps.pareto_front(machines, x, y, axes)) for x, y in combinations(objectives, 2)] + [
        album.curve(sweeps.axis_curve(machines, axis, objectives[0])) for axis in axes
    ]
    sections = [
        Section("summary", "What was swept", (_summary(machines, axes, facts),)),
        Section("chart", "Choose a machine", _chart(len(shown), len(machines))),
        Section("machines", "The machines", (_table(shown, axes, metrics, len(machines)),)),
        Section("pictures", "Fronts and axes", (element("div", *pictures, class_="pictures"),)),
    ]
    after = join(json_block("sweep-data", _data(shown, metrics, axes)), album.sheet())
    return album.put_into(page(f"Sweep {facts.name}", lead, sections, _SCRIPTS, after))


def _drawn(machines: Sequence[Candidate], best: Sequence[Candidate]) -> list[Candidate]:
    """The machines of the chart, those of the front first."""
    on_front = {id(one) for one in best}
    others = [one for one in machines if id(one) not in on_front]
    if len(machines) > MOST_POINTS:
        # Of any two metrics that may be chosen, the front must be whole.
        fronts = (pareto(machines, pair) for pair in combinations(machines[0].values, 2))
        kept = {id(one) for front in fronts for one in front}
        kept |= {id(one) for one in machines[:: -(-len(machines) // MOST_POINTS)]}
        others = [one for one in others if id(one) in kept]
    return [*best, *others]


# What was swept -------------------------------------------------------------------------------------------------------


def _summary(machines: Sequence[Candidate], axes: Sequence[str], facts: SweepFacts) -> Markup:
    fixed = {name: machines[0].inputs[name] for name in MACHINE_AND_PRICES if name not in axes}
    of_axes = [(name, ", ".join(map(_plain, _values(machines, name)))) for name in axes]
    of_fixed = ", ".join(f"{name} {_plain(value)}" for name, value in fixed.items() if value is not None)
    rows = machines[0].rows
    return pairs(
        [
            ("Workloads of the store", ", ".join(facts.workloads)),
            ("Each figure", f"geometric mean over {rows} workloads and seeds" if rows > 1 else "of one workload"),
            ("Conditions", "; ".join(facts.conditions) or "none"),
            *(("Note", note) for note in facts.notes),
            *((f"Axis {name}", values) for name, values in of_axes),
            ("The same for all", of_fixed),
            ("Computed by", f"eie-sim {facts.version}"),
        ]
    )


def _values(machines: Sequence[Candidate], name: str) -> list[Cell]:
    return sorted({one.inputs[name] for one in machines}, key=cell_order)


def _plain(value: Cell) -> str:
    return digits(value, _EXACT) if isinstance(value, (int, float)) else str(value)


_EXACT = 9
"""Digits of an input: a clock is shown to the Hz."""


# The chart ------------------------------------------------------------------------------------------------------------


def _chart(shown: int, of: int) -> tuple[Markup | None, ...]:
    how = (
        "Point at a machine to read it and click to pick it; with the keyboard, left and right move along the "
        "horizontal axis, up and down along the vertical one, Enter picks. The line joins the machines that none "
        "beats on the two axes chosen."
    )
    left_out = f"{shown:,} of {of:,} machines are drawn: those of every front, and an even sample of the rest."
    return (
        element("p", how, class_="note"),
        element("p", left_out, class_="note") if shown < of else None,
        element("div", id_="pareto"),
        element("p", element("label", "The machine picked, for --arch FILE.toml:", for_="toml")),
        element(
            "textarea",
            id_="toml",
            rows=14,
            readonly=True,
            data_copy=True,
            spellcheck="false",
            placeholder="Nothing is picked yet.",
        ),
    )


def _table(shown: Sequence[Candidate], axes: Sequence[str], metrics: Sequence[str], of: int) -> Markup:
    columns: Definitions = {**{name: definition(name) for name in (*axes, *metrics)}, "fits": _FITS}
    rows: list[Row] = [
        {
            **{name: one.inputs[name] for name in axes},
            **{name: one.values[name] for name in metrics},
            "fits": "yes" if one.fits else "no",
        }
        for one in shown
    ]
    if not axes:  # one machine alone
        columns = {"machine": {"unit": "", "definition": "The only one."}, **columns}
        rows = [{"machine": "the only one", **row} for row in rows]
    caption = "Machines, those of the front first" + (f"; {len(shown):,} of {of:,}" if len(shown) < of else "")
    return data_table("machine-table", caption, columns, rows, linked=True)


_FITS = {"unit": "", "definition": "Whether its SRAMs hold every workload; no: simulated as if they did."}


def _data(shown: Sequence[Candidate], metrics: Sequence[str], axes: Sequence[str]) -> dict[str, object]:
    """What the page's script needs: metrics, and inputs as distinct values with a place among them for each machine."""
    inputs: list[dict[str, object]] = []
    for name in MACHINE_AND_PRICES:
        values = _values(shown, name)
        places = {value: at for at, value in enumerate(values)}
        inputs.append(
            {
                "name": name,
                "machine": name in MACHINE,
                "shown": [_plain(value) for value in values],
                "toml": [None if value is None else literal(value) for value in values],
                "at": [places[one.inputs[name]] for one in shown] if len(values) > 1 else None,
            }
        )
    return {
        "metrics": [
            {
                "name": name,
                "label": sweeps.label(name),
                "told": METRICS[name]["definition"],
                "more": name in LARGER_IS_BETTER,
                "values": [one.values[name] for one in shown],
            }
            for name in metrics
        ],
        "inputs": inputs,
        "axes": list(axes),
        "fits": [one.fits for one in shown],
    }

"""A `RunReport` as JSON, CSV and Markdown. The same report gives the same bytes: no date and no path stands in one."""

import json
from collections.abc import Mapping, Sequence

from eie_sim.columns import Cell, Row, digits
from eie_sim.report.comparison import RunReport, headline
from eie_sim.report.report_columns import HEADLINE, REPORTS, by_unit
from eie_sim.report.tables import over_inputs
from eie_sim.text_formats import JsonKind, csv_text, markdown

KIND = JsonKind("report", "eie-sim-report", version=1, most_bytes=2**30)

_DIGITS = 4
"""Significant digits of a number in Markdown; JSON and CSV have all."""


_OVER_INPUTS = (
    "Of {:,} input vectors: min, median and max of each column by itself; the CSV files and report.json have every one."
)


def to_json(report: RunReport) -> str:
    """The report as a JSON document: every table, the definition of every column."""
    document = {
        **KIND.head,
        "eie_sim_version": report.version,
        "engine": report.engine,
        "machine": report.machine.model_dump(),
        "calibration": report.calibration,
        "scaling_rule": report.rule,
        "assumptions": list(report.assumptions),
        "notes": list(report.notes),
        "origins": dict(report.origins),
        "chained": report.chained,
        "columns": REPORTS,
        "headline": headline(report),
        "reports": {name: list(rows) for name, rows in report.tables.items()},
    }
    return json.dumps(document, indent=2, allow_nan=False)


def to_csv(report: RunReport, name: str) -> str:
    """One of `REPORTS` as CSV: a heading, then its rows; what is not known is an empty cell.

    Raises
    ------
    ValueError
        If there is no report of that name.
    """
    if name not in REPORTS:
        raise ValueError(f"report: {name!r}, but it must be one of {', '.join(REPORTS)}")
    return csv_text(list(REPORTS[name]), report.tables[name])


def to_markdown(report: RunReport) -> str:
    """The reports for a reader, without bandwidths; the definition of every column of every report.

    Of many input vectors, the least, the median and the largest value of each column.
    """
    machine, tables = report.machine, report.tables
    by = report.calibration + (f", scaling rule {report.rule}" if report.rule else "")
    n_inputs = len({row["input"] for row in tables["COMPUTE_REPORT"]})
    parts = [
        f"# {markdown(machine.name)}: {machine.n_pe} PE{'s' * (machine.n_pe > 1)}, {machine.clock_hz / 1e6:g} MHz, "
        f"{machine.technology_nm:g} nm",
        f"eie-sim {report.version}, engine {report.engine}; energy by {by}.",
        *([_OVER_INPUTS.format(n_inputs)] if n_inputs > 1 else []),
        *_list("## Notes", report.notes),
        *_list("## Weights and inputs", [f"{layer}: {origin}" for layer, origin in report.origins.items()]),
        "## Against the baselines: " + means_of(report),
        _table(tuple(HEADLINE), headline(report)),
    ]
    shown = ["COMPUTE_REPORT", *["INFERENCE_REPORT"] * report.chained, "CALIBRATION_REPORT", "AREA_REPORT"]
    for name in (*shown, "COMPARISON_REPORT"):
        parts += [f"## {name}", _table(list(REPORTS[name]), over_inputs(tables[name]))]
    energies = over_inputs(energy_by_unit(tables["ENERGY_REPORT"]))
    parts += ["## Energy by unit, nJ", _table(list(energies[0]), energies)]
    parts += _list("## What the energy assumes", report.assumptions)
    parts.append("## Columns")
    defined = {"Against the baselines": HEADLINE, **REPORTS, "Energy by unit": by_unit(list(energies[0])[2:])}
    for name, columns in defined.items():
        rows: list[Row] = [{"column": column, **told} for column, told in columns.items()]
        parts.append(f"### {name}\n\n{_table(['column', 'unit', 'definition'], rows)}")
    return "\n\n".join(parts) + "\n"


def means_of(report: RunReport) -> str:
    """What the figures of `headline` are."""
    return "all of these layers, one after another" if report.chained else "geometric means over the layers"


def _list(heading: str, texts: Sequence[str]) -> list[str]:
    return [heading, "\n".join(f"- {markdown(text)}" for text in texts)] if texts else []


def energy_by_unit(rows: Sequence[Row]) -> list[Row]:
    """One row for each layer and input vector from the rows of ``ENERGY_REPORT``, with a column a unit, in nJ."""
    units = list(dict.fromkeys(str(row["unit"]) for row in rows))
    found: dict[tuple[Cell, Cell], Row] = {}
    for row in rows:
        energy_nj = row["energy_nj"]
        assert isinstance(energy_nj, (int, float))
        line = found.setdefault(
            (row["layer"], row["input"]), {"layer": row["layer"], "input": row["input"], **dict.fromkeys(units, 0.0)}
        )
        so_far = line[str(row["unit"])]
        assert isinstance(so_far, (int, float))
        line[str(row["unit"])] = so_far + energy_nj
    return list(found.values())


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> str:
    cells = ([markdown(cell_text(row[name])) for name in columns] for row in rows)
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell_text(cell: Cell) -> str:
    """A cell for a reader: four digits, or a whole number of thousands."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else digits(cell, _DIGITS)

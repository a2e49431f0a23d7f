"""A `RunReport` as JSON, CSV and Markdown. The same report gives the same bytes: no date and no path stands in one."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from compressor.json_file import JsonKind
from eie_sim.columns import Cell, Row
from eie_sim.report.comparison import REPORTS, RunReport, headline

KIND = JsonKind("report", "eie-sim-report", version=1, most_bytes=2**30)

_DIGITS = 4
"""Significant digits of a number in Markdown; JSON and CSV have all."""


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
        When there is no report of that name.
    """
    if name not in REPORTS:
        raise ValueError(f"report: {name!r}, but it must be one of {', '.join(REPORTS)}")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(REPORTS[name]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(report.tables[name])
    return text.getvalue()


def to_markdown(report: RunReport) -> str:
    """The compute report, the comparison and their headline, with the definition of every column."""
    machine = report.machine
    parts = [
        f"# {machine.name}: {machine.n_pe} PEs, {machine.clock_hz / 1e6:g} MHz, {machine.technology_nm:g} nm",
        f"eie-sim {report.version}, engine {report.engine}; energy by {report.calibration}, scaling {report.rule}.",
        "## Against the baselines, geometric means over the layers",
        _table(["baseline", "kind", "made_by", "batch", "layers", "speedup", "energy_ratio"], headline(report)),
        "## Compute report",
        _table(list(REPORTS["COMPUTE_REPORT"]), report.tables["COMPUTE_REPORT"]),
        "## Comparison",
        _table(list(REPORTS["COMPARISON_REPORT"]), report.tables["COMPARISON_REPORT"]),
        "## What the energy assumes",
        "\n".join(f"- {text}" for text in report.assumptions),
    ]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    parts += ["## Columns", _definitions()]
    return "\n\n".join(parts) + "\n"


def _definitions() -> str:
    columns = {**REPORTS["COMPUTE_REPORT"], **REPORTS["COMPARISON_REPORT"]}
    rows: list[Row] = [
        {"column": name, "unit": c["unit"], "definition": c["definition"]} for name, c in columns.items()
    ]
    return _table(["column", "unit", "definition"], rows)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_text(row[name]) for name in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.{_DIGITS}g}" if abs(cell) < 10**_DIGITS else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else cell.replace("|", "/").replace("\n", " ")

"""Writes results where the options say: JSON or CSV on stdout, a CSV file, a folder with both and a picture."""

import sys
from pathlib import Path

from eie_sim.cli.console import Printer
from eie_sim.report.results_file import Results, to_csv, to_json, write_text

PICTURE = "times.png"


def _draw(results: Results, path: Path) -> None:
    from eie_sim.report import figures, plots  # matplotlib takes its time to load

    note = f"{results.arch['name']}, engine {results.engine}, eie-sim {results.version}"
    plots.save(plots.layer_times(figures.layer_times(results.rows, note)), path)


def check_targets(csv: Path | None, out: Path | None) -> None:
    """Make the folder and look for that of the CSV file, before minutes go into a simulation.

    Raises
    ------
    ValueError, OSError
        When one cannot be there.
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    if csv is not None and not csv.parent.is_dir():
        raise ValueError(f"--csv: {csv.parent}: no such folder")
    if csv is not None and csv.is_dir():
        raise ValueError(f"--csv: {csv}: is a folder")


def save(results: Results, as_json: bool, csv: Path | None, out: Path | None, printer: Printer) -> bool:
    """Write `results`; returns whether stdout is taken, so that no table may follow.

    Raises
    ------
    OSError
        When a file or folder cannot be written.
    """
    csv_on_stdout = str(csv) == "-"
    if out is not None:
        write_text(to_json(results), out / "results.json")
        write_text(to_csv(results), out / "results.csv")
        _draw(results, out / PICTURE)
        printer.note(f"wrote results.json, results.csv and {PICTURE} in {out}")
    if csv is not None and not csv_on_stdout:
        write_text(to_csv(results), csv)
        printer.note(f"wrote {csv}")
    if as_json:
        sys.stdout.write(to_json(results) + "\n")
    elif csv_on_stdout:
        sys.stdout.write(to_csv(results))
    return as_json or csv_on_stdout

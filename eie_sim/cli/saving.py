"""Writes results where the options say: JSON or CSV on stdout, a CSV file, a folder with all there is."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from compressor.console.targets import check_target_file, check_target_folder
from compressor.models import MODELS
from compressor.storage.files import check_suffix, replacing_in
from eie_sim.cli.console import Printer
from eie_sim.cli.digits import Answers
from eie_sim.report.results_file import Results, to_csv, to_json, write_text

JSON, CSV, PICTURE, DIGITS = "results.json", "results.csv", "times.png", "digits.png"

_LONGEST_STEM = 100  # characters of a layer's name in a file name, of the 255 bytes that file systems allow


def output_files(layers: Iterable[str]) -> dict[str, str]:
    """A file name for the outputs of each layer: ``outputs-<layer>.npy``."""
    return {layer: f"outputs-{stem}.npy" for layer, stem in file_stems(layers).items()}


def file_stems(layers: Iterable[str]) -> dict[str, str]:
    """A part of a file name for each layer.

    What is no ASCII letter, digit, dot, hyphen or underscore becomes an underscore. A name that another layer has,
    be it in other case, gets a number, so that it stays one's own on every file system.
    """
    taken: set[str] = set()
    found: dict[str, str] = {}
    for layer in layers:
        stem = name = _safe(layer)
        number = 1
        while name.lower() in taken:  # file systems of macOS and Windows take both cases for one name
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        found[layer] = name
    return found


def _safe(layer: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", layer)[:_LONGEST_STEM]


def check_targets(csv: Path | None, out: Path | None) -> None:
    """Make the folder and look whether the files can be written, before minutes go into a simulation.

    Raises
    ------
    ValueError, OSError
        When one cannot be there.
    """
    if out is not None:
        outputs = [file.name for file in out.glob("outputs-*.npy")]
        check_target_folder("--out", out, [JSON, CSV, PICTURE, DIGITS, *outputs])
    if csv is not None and str(csv) != "-":
        check_suffix(csv, ".csv", "a table of results")
        check_target_file("--csv", csv)


def save(
    results: Results,
    as_json: bool,
    csv: Path | None,
    out: Path | None,
    printer: Printer,
    answers: Answers | None = None,
) -> bool:
    """Write `results`, and a picture of `answers`; returns whether stdout is taken, so that no table may follow.

    Raises
    ------
    ValueError
        When a number is not finite and JSON is wanted.
    OSError
        When a file or folder cannot be written.
    """
    csv_on_stdout = str(csv) == "-"
    if out is not None:
        _save_folder(results, answers, out, printer)
    if csv is not None and not csv_on_stdout:
        write_text(to_csv(results), csv)
        printer.note(f"wrote {csv}")
    if as_json:
        sys.stdout.write(to_json(results) + "\n")
    elif csv_on_stdout:
        sys.stdout.write(to_csv(results))
    return as_json or csv_on_stdout


def _save_folder(results: Results, answers: Answers | None, out: Path, printer: Printer) -> None:
    """All files of the folder, or none of them."""
    from eie_sim.report import figures, plots  # matplotlib takes its time to load

    note = f"{results.arch['name']}, engine {results.engine}, eie-sim {results.version}"
    files = output_files(results.outputs)
    with replacing_in(out) as folder:
        write_text(to_json(results), folder / JSON)
        write_text(to_csv(results), folder / CSV)
        plots.save(plots.layer_times(figures.layer_times(results.rows, note)), folder / PICTURE)
        if answers is not None:
            last = answers.runs[-1][0]
            runs = [run for name, run in answers.runs if name == last]
            shown = figures.answered_digits(MODELS[last], answers.digits.images, runs)
            plots.save(plots.answered_digits(shown), folder / DIGITS)
        for layer, outputs in results.outputs.items():
            np.save(folder / files[layer], outputs, allow_pickle=False)
    written = [JSON, CSV, PICTURE] + [DIGITS] * (answers is not None)
    if len(files) == 1:
        written += files.values()
    elif files:
        written.append(f"outputs-<layer>.npy of {len(files)} layers")
    printer.note(f"wrote {', '.join(written[:-1])} and {written[-1]} in {out}")
    for layer, file in files.items():
        if file != f"outputs-{_safe(layer)}.npy":  # it is not to be guessed
            printer.note(f"the outputs of layer {layer!r} are in {file}")

"""``eie-sim compare``: two results files, cell by cell."""

from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eie_sim.cli.options import Json

if TYPE_CHECKING:
    from eie_sim.cli.console import Printer
    from eie_sim.report.results_file import Results


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Results of `eie-sim run --json`, or a folder of --out.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same.")],
    exact: Annotated[bool, typer.Option("--exact", help="Exit with 1 when any cell or row differs.")] = False,
    as_json: Json = False,
) -> None:
    """Show where two results files differ: layer, column, both values, and the deviation of B from A."""
    from eie_sim.cli.console import Printer
    from eie_sim.report.results_file import read_results

    a, b = read_results(first), read_results(second)
    document = differences(a, b)
    printer = Printer()
    if as_json:
        printer.json(document)
    else:
        _print(document, printer)
    if exact and (document["cells"] or document["only_in_a"] or document["only_in_b"]):
        raise typer.Exit(1)


def differences(a: "Results", b: "Results") -> dict[str, Any]:
    """What differs between two results: rows that only one has, cells, and (not counted) fields of the machine.

    Engine and version are not compared: they may differ where results must not.
    """
    rows_a = {(row["layer"], row["input"]): row for row in a.rows}
    rows_b = {(row["layer"], row["input"]): row for row in b.rows}
    shared = [key for key in rows_a if key in rows_b]
    # Not counted: the same layer on two machines is what many compare.
    machine = {
        name: {"a": a.arch.get(name), "b": b.arch.get(name)}
        for name in {**a.arch, **b.arch}
        if a.arch.get(name) != b.arch.get(name)
    }
    cells = []
    for layer, number in shared:
        ours, theirs = rows_a[layer, number], rows_b[layer, number]
        for name in {**ours, **theirs}:
            a_cell, b_cell = ours.get(name), theirs.get(name)
            if a_cell != b_cell:
                cells.append(
                    {
                        "layer": layer,
                        "input": number,
                        "column": name,
                        "a": a_cell,
                        "b": b_cell,
                        "deviation_percent": _deviation(a_cell, b_cell),
                    }
                )
    return {
        "rows_compared": len(shared),
        # Less two: layer and input name a row and are no cells of it.
        "cells_compared": sum(len({**rows_a[key], **rows_b[key]}) - 2 for key in shared),
        "cells": cells,
        "only_in_a": [_key(key) for key in rows_a if key not in rows_b],
        "only_in_b": [_key(key) for key in rows_b if key not in rows_a],
        "machine": machine,
    }


def _key(key: tuple[Any, Any]) -> dict[str, Any]:
    return {"layer": key[0], "input": key[1]}


def _deviation(a: object, b: object) -> float | None:
    """Of `b` from `a` in percent; None where there is none, as from 0, or none that a float holds."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and a:
        with suppress(OverflowError):
            percent = 100 * (b - a) / abs(a)
            return percent if isfinite(percent) else None
    return None


def _print(document: dict[str, Any], printer: "Printer") -> None:
    from rich.text import Text

    from compressor.console.grid import column, grid
    from eie_sim.cli.console import printable, short

    for name, values in document["machine"].items():
        printer.lines([printable(f"machine: {name}: {values['a']} in A, {values['b']} in B")])
    for side in ("a", "b"):
        for key in document[f"only_in_{side}"]:
            printer.lines([printable(f"only in {side.upper()}: layer {key['layer']}, input {key['input']}")])
    compared = f"{document['cells_compared']:,} cells in {document['rows_compared']:,} rows"
    if not document["cells"]:
        printer.lines([Text.assemble(("no difference", "bold"), f" in {compared}")])
        return
    printer.lines([Text.assemble((f"{len(document['cells']):,} differences", "bold"), f" in {compared}"), ""])
    cells = document["cells"]
    deviations = [cell["deviation_percent"] for cell in cells]
    groups = [
        column("layer", [short(cell["layer"]) for cell in cells], left=True),
        column("column", [short(cell["column"]) for cell in cells], left=True),
        column("A", [_text(cell["a"]) for cell in cells]),
        column("B", [_text(cell["b"]) for cell in cells]),
        column("B - A %", ["-" if d is None else f"{d:+.2f}" for d in deviations]),
    ]
    if any(cell["input"] for cell in cells):  # a batch: which of its inputs
        groups.insert(1, column("input", [str(cell["input"]) for cell in cells]))
    printer.lines(grid(groups, printer.out.width, printer.out).lines)


def _text(value: object) -> str:
    from eie_sim.cli.console import short

    if value is None:
        return "-"
    if isinstance(value, str):
        return short(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"

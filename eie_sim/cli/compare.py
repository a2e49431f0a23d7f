"""``eie-sim compare``: two results files, cell by cell."""

from collections.abc import Iterator
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
    first: Annotated[Path, typer.Argument(metavar="A.json", help="From `eie-sim run --json` or --out.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="The same.")],
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
    machine = {
        name: {"a": a.arch.get(name), "b": b.arch.get(name)}
        for name in {**a.arch, **b.arch}
        if a.arch.get(name) != b.arch.get(name)
    }
    return {
        "rows_compared": len(shared),
        "cells_compared": sum(len({**rows_a[key], **rows_b[key]}) - 2 for key in shared),
        "cells": [cell for key in shared for cell in _cells(rows_a[key], rows_b[key])],
        "only_in_a": [_key(key) for key in rows_a if key not in rows_b],
        "only_in_b": [_key(key) for key in rows_b if key not in rows_a],
        "machine": machine,
    }


def _key(key: tuple[Any, Any]) -> dict[str, Any]:
    return {"layer": key[0], "input": key[1]}


def _cells(a: dict[str, Any], b: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in {**a, **b}:
        if a.get(name) != b.get(name):
            yield {
                "layer": a["layer"],
                "input": a["input"],
                "column": name,
                "a": a.get(name),
                "b": b.get(name),
                "deviation_percent": _deviation(a.get(name), b.get(name)),
            }


def _deviation(a: object, b: object) -> float | None:
    """Of `b` from `a` in percent; None where there is none, as from 0, or none that a float holds."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and a:
        with suppress(OverflowError):
            percent = 100 * (b - a) / abs(a)
            return percent if isfinite(percent) else None
    return None


def _print(document: dict[str, Any], printer: "Printer") -> None:
    from rich.text import Text

    from compressor.console.grid import grid
    from eie_sim.cli.console import printable

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
    printer.lines(grid(_groups(document["cells"]), printer.out.width, printer.out).lines)


def _groups(cells: list[dict[str, Any]]) -> list[Any]:
    from compressor.console.grid import column
    from eie_sim.cli.console import short

    groups = [column("layer", [short(cell["layer"]) for cell in cells], left=True)]
    if any(cell["input"] for cell in cells):
        groups.append(column("input", [str(cell["input"]) for cell in cells]))
    deviations = [cell["deviation_percent"] for cell in cells]
    return [
        *groups,
        column("column", [short(cell["column"]) for cell in cells], left=True),
        column("A", [_text(cell["a"]) for cell in cells]),
        column("B", [_text(cell["b"]) for cell in cells]),
        column("B - A %", ["-" if d is None else f"{d:+.2f}" for d in deviations]),
    ]


def _text(value: object) -> str:
    from eie_sim.cli.console import short

    if value is None:
        return "-"
    if isinstance(value, str):
        return short(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"

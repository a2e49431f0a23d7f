"""What the commands of ``eie-sim sweep`` share: their options, how they read a store, how they print rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eie_sim.cli.options import option

if TYPE_CHECKING:
    from eie_sim.cli.console import Printer
    from eie_sim.columns import Cell
    from eie_sim.sweep.machines import Machines
    from eie_sim.sweep.select import Candidate

_SPACE = "The space, a TOML file: axes, how points are taken from them, conditions."
_STORE = "The store, an SQLite file. Default: the name of the space, beside it, with .sqlite."
_WHERE = (
    "A condition on rows, such as 'fits_sram and area_mm2 < 50'; may be repeated. It does not hold where a "
    "column that it asks for is empty."
)
_ALL = "All sweeps of the store, not the one that was run last."
_OBJECTIVES = "Two or more metrics; the machines that no other one beats in all of them."

SpaceFile = Annotated[Path, typer.Argument(metavar="SPACE.toml", help=_SPACE)]
Target = Annotated[Path | None, option("How to run", _STORE, "FILE")]
StoreFile = Annotated[Path, typer.Argument(metavar="STORE", help="A store that `eie-sim sweep run` wrote.")]
Where = Annotated[list[str] | None, option("Rows", _WHERE, "CONDITION")]
All = Annotated[bool, option("Rows", _ALL, None, "--all-sweeps")]
Objectives = Annotated[str, option("Rows", _OBJECTIVES, "A,B,...")]


def split(text: str | None) -> list[str]:
    """The parts of a list with commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def front_metrics(objectives: str) -> list[str]:
    """The columns of ``--objectives``.

    Raises
    ------
    ValueError
        If they are fewer than two.
    """
    from eie_sim.sweep import select

    metrics = list(dict.fromkeys(select.metric(name) for name in split(objectives)))
    if len(metrics) < 2:
        raise ValueError(f"--objectives: {objectives!r}, but a front is between two metrics at least")
    return metrics


def machines_in(
    file: Path, where: Sequence[str] | None, metrics: Sequence[str], all_sweeps: bool, shown: Sequence[str] = ()
) -> "Machines":
    """`machines_of` the store in a file; what was left out is said on stderr."""
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


def how_many(found: "Sequence[Candidate]") -> str:
    """The number of machines, in words."""
    return "one machine" if len(found) == 1 else f"{len(found):,} machines"


def print_rows(printer: "Printer", headings: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
    """Print a table, as wide as the terminal; what does not fit is named."""
    from compressor.console.grid import column, grid
    from eie_sim.cli.console import short
    from eie_sim.columns import digits

    def figure(value: "Cell") -> str:
        if value is None:
            return "-"
        return short(value) if isinstance(value, str) else digits(value, 4)

    groups = [
        column(name, [figure(row[at]) for row in rows], left=any(isinstance(row[at], str) for row in rows))
        for at, name in enumerate(headings)
    ]
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([*table.lines, ""])
    if (left_out := table.remark("--json")) is not None:
        printer.remark(left_out)

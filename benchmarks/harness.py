"""What the benchmarks share: timings, figures beside their bars, and ``--check`` and ``--json`` for each of them.

A benchmark is a function that returns a `Report`; `command` turns it into a command line:

    if __name__ == "__main__":
        sys.exit(command("pack_speed", __doc__, measure))
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from compressor.jit import available_cores
from eie_sim.baselines.host import cpu_model, load_1min
from eie_sim.capacity import CapacityWarning


@dataclass(frozen=True)
class Timing:
    """Wall-clock samples of one thing; seconds."""

    samples_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples_s)

    @property
    def least_s(self) -> float:
        """The smallest of the samples."""
        return min(self.samples_s)

    @property
    def spread(self) -> float:
        """Largest over smallest sample: near 1 on a quiet machine."""
        return max(self.samples_s) / min(self.samples_s)


@dataclass(frozen=True)
class Figure:
    """One measured number and the bar it must meet.

    Parameters
    ----------
    name : str
    value : float or None
        None: it could not be measured here; `note` says why.
    unit : str
        "" for a ratio.
    bar : float or None
        The limit; None: no limit, the figure is for information.
    side : {"at most", "at least"}
        Which side of `bar` is good.
    note : str
    """

    name: str
    value: float | None
    unit: str = ""
    bar: float | None = None
    side: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the bar is met; without a bar always, and never when nothing could be measured."""
        if self.bar is None:
            return True
        if self.value is None:
            return False
        return self.value <= self.bar if self.side == "at most" else self.value >= self.bar


@dataclass(frozen=True)
class Table:
    """Rows behind the figures, such as one a layer."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Report:
    """Everything a benchmark found."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    """What else a reader needs to know, such as the name of the BLAS kernel."""

    @property
    def met(self) -> bool:
        """Whether every bar is met."""
        return all(figure.met for figure in self.figures)


def timings(
    functions: Mapping[str, Callable[[], object]],
    repeats: int,
    before: Callable[[], object] | None = None,
    warm_up: int = 1,
) -> dict[str, Timing]:
    """Wall-clock times of several functions, taken in turn, so that a slow spell of the machine hits all of them.

    Parameters
    ----------
    functions : mapping of name to function without arguments
    repeats : int
        Samples of each.
    before : function or None
        Called before every sample, outside the clock; `eie_sim.baselines.host.cache_streamer` makes the samples
        cold.
    warm_up : int
        Calls of each function before the first sample, where kernels are compiled.
    """
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(warm_up):
        for function in functions.values():
            function()
    for _ in range(repeats):
        for name, function in functions.items():
            if before is not None:
                before()
            began = time.perf_counter()
            function()
            samples[name].append(time.perf_counter() - began)
    return {name: Timing(tuple(of_one)) for name, of_one in samples.items()}


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean of positive numbers."""
    return statistics.geometric_mean(values)


def environment() -> dict[str, object]:
    """The machine and the versions that a figure depends on."""
    return {
        "cpu": cpu_model(),
        "cores": available_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "load_1min": load_1min(),
    }


def as_json(name: str, report: Report) -> str:
    """The report as JSON text: figures (each with `met`), tables as lists of records, facts and the environment."""
    content: dict[str, Any] = {
        "benchmark": name,
        "met": report.met,
        "figures": [{**asdict(figure), "met": figure.met} for figure in report.figures],
        "tables": {
            table.title: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in report.tables
        },
        "facts": dict(report.facts),
        "environment": environment(),
    }
    return json.dumps(content, indent=2, default=str)  # a path is a fact too


def show(name: str, report: Report, console: Console) -> None:
    """Print the tables, then every figure beside its bar."""
    for table in report.tables:
        console.print(_rich_table(table.title, table.columns, table.rows))
    rows = [_figure_row(figure) for figure in report.figures]
    console.print(_rich_table(name, ("figure", "measured", "bar", "", "note"), rows))
    facts = {**environment(), **report.facts}
    console.print(", ".join(f"{key}: {value}" for key, value in facts.items()), style="dim", highlight=False)


def _figure_row(figure: Figure) -> tuple[str, ...]:
    bar = "" if figure.bar is None else f"{figure.side} {_text(figure.bar)} {figure.unit}".rstrip()
    measured = "not measured" if figure.value is None else f"{_text(figure.value)} {figure.unit}".rstrip()
    verdict = "" if figure.bar is None else ("[green]met[/]" if figure.met else "[red]MISSED[/]")
    return figure.name, measured, bar, verdict, figure.note


def _rich_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> RichTable:
    table = RichTable(title=title, title_justify="left")
    for at, column in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[at], (int, float)) for row in rows)
        table.add_column(column, justify="right" if numbers or column == "measured" else "left")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    return table


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.1f}" if 1e3 <= abs(cell) < 1e7 else f"{cell:.4g}"


@contextmanager
def as_if_it_fitted() -> Iterator[None]:
    """No warning of capacity: the paper itself runs a layer whose pointers its SRAM cannot hold (VGG-6)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacityWarning)
        yield


def blas_environment(cores: int) -> dict[str, str]:
    """Variables of a process in which BLAS runs on so many threads, and on the kernel that it chooses itself."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    return environment | {f"{library}_NUM_THREADS": str(cores) for library in ("OPENBLAS", "MKL", "OMP")}


def found_alex8() -> Path | None:
    """The EIE authors' Alex-8, where the folder of `EIE_SIM_ALEX8` or one beside the project has it."""
    folder = Path(os.environ.get("EIE_SIM_ALEX8", Path(__file__).parents[2] / "shared" / "reference" / "alex8"))
    return folder if (folder / "act.dat").exists() else None


def alex8_folder(text: str) -> Path:
    """A folder that holds the EIE authors' Alex-8; the `type` of an option."""
    if not (Path(text) / "act.dat").is_file():
        raise argparse.ArgumentTypeError(f"{text}: there is no act.dat")
    return Path(text)


def add_alex8_option(parser: argparse.ArgumentParser) -> None:
    """``--alex8 DIR``, for benchmarks that run the authors' layer where it is."""
    parser.add_argument(
        "--alex8", type=alex8_folder, default=found_alex8(), metavar="DIR", help="the EIE authors' Alex-8 data"
    )


def positive(text: str) -> int:
    """A number of samples or repeats from the command line, at least 1; the `type` of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def command(
    name: str,
    description: str | None,
    measure: Callable[[argparse.Namespace], Report],
    argv: Sequence[str] | None = None,
    add_options: Callable[[argparse.ArgumentParser], object] | None = None,
) -> int:
    """Run a benchmark as a command; returns the exit code.

    Parameters
    ----------
    name : str
        The benchmark, as in ``python -m benchmarks.<name>``.
    description : str or None
        For ``--help``; the docstring of the benchmark.
    measure : function of the parsed options
        Does the work and returns the report.
    argv : sequence of str or None
        Arguments; None for those of the process.
    add_options : function of the parser, or None
        Adds options of this benchmark alone.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}".removesuffix(".__main__"),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed or not measured")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    if add_options is not None:
        add_options(parser)
    options = parser.parse_args(argv)
    try:
        report = measure(options)
    except ImportError as error:
        if error.name is not None:  # a module that is not where it must be: a defect, not a missing extra
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(as_json(name, report))
    else:
        # Piped, the tables are not cut to the width of a terminal that is not there.
        show(name.replace("__main__", "benchmarks"), report, Console(width=None if sys.stdout.isatty() else 180))
    if options.check and not report.met:
        missed = ", ".join(figure.name for figure in report.figures if not figure.met)
        print(f"{name}: missed: {missed}", file=sys.stderr)
        return 1
    return 0

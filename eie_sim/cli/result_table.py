"""The table of ``eie-sim run``: results beside the paper's figures, of layers without such, or of batches."""

from collections.abc import Callable, Sequence
from statistics import fmean

from rich.text import Text

from compressor.console.grid import Group, grid
from eie_sim import paper
from eie_sim.arch import ArchConfig
from eie_sim.cli.console import Printer, printable, short
from eie_sim.columns import Cell, Row
from eie_sim.report.results_file import Results
from eie_sim.report.tables import COMPARED, Compared, by_layer, summary

GOOD, FAIR = 2.5, 5.0
"""Deviations up to here are green and yellow, in percent or points; the calibration keeps cycles within 2.5 %."""

_STATISTICS = ("min", "median", "max")

_BATCH = (
    "all vectors: the sum over the input vectors of a layer that were run; min, median and max: of one of them. Each "
    "begins on an empty machine."
)

Format = Callable[[float], str]


def _decimals(digits: int, scale: float = 1) -> Format:
    return lambda value: f"{value * scale:,.{digits}f}"


def _time(value: float) -> str:
    return f"{value:,.{3 if value < 1 else 2 if value < 1000 else 0}f}"


_whole = _decimals(0)
_percent = _decimals(1, 100)

# Title, format, and rank (the highest is left out first) of the columns with figures of the paper.
_BESIDE_PAPER: dict[str, tuple[str, Format, int]] = {
    "time_us": ("time us", _time, 0),
    "theoretical_us": ("theoretical us", _time, 5),
    "load_balance": ("load balance %", _percent, 0),
    "real_work": ("real work %", _percent, 6),
}
_BESIDE_PAPER_LEGEND = (
    "sim: this run; paper: EIE, ISCA 2016, Table IV (times), Figs 8 and 13 (load balance), Fig. 12 (real work); dev: "
    "sim less paper, in percent of it, or in points. GOP/s of 64 PEs at 800 MHz (EIE, abstract): "
    f"{paper.HEADLINES['gops']:g} at most, {paper.HEADLINES['dense_equivalent_gops']:,.0f} dense-equivalent."
)
_GOPS = ("gops", "GOP/s", _decimals(1), 7)
_MORE = (
    ("dense_gops", "dense GOP/s", _whole, 8),
    ("entries", "entries", _whole, 9),
    ("broadcasts", "broadcasts", _whole, 10),
    ("broadcast_stalls", "stalls", _whole, 11),
    ("spmat_row_reads", "row reads", _whole, 12),
)


def print_results(results: Results, arch: ArchConfig, remarks: Sequence[str], printer: Printer) -> None:
    """Print the machine, the table and what a reader must know."""
    parts = (
        f"{arch.n_pe} PE{'s' if arch.n_pe > 1 else ''}",
        f"{arch.clock_hz / 1e6:g} MHz",
        f"queue {arch.act_queue_depth}",
        f"{arch.spmat_width_bits}-bit rows",
        f"{arch.weight_bits}+{arch.index_bits}-bit entries",
        arch.arithmetic,
        f"engine {results.engine}",
    )
    printer.lines([Text.assemble((printable(arch.name), "bold"), ": ", ", ".join(parts)), ""])
    if any(len(rows) > 1 for rows in by_layer(results.rows).values()):
        groups, below = _batch_groups(results), [_BATCH, *remarks]
    elif any(row[c.paper_column] is not None for row in results.rows for c in COMPARED):
        groups, below = _paper_groups(results), [_BESIDE_PAPER_LEGEND, *remarks]
    else:
        groups, below = _plain_groups(results), list(remarks)
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([*table.lines, ""])
    left_out = table.remark("--json, --csv and --out")
    for remark in below if left_out is None else [*below, left_out]:
        printer.remark(remark)


def _layer_group(names: Sequence[Cell], closing: str | None) -> Group:
    cells = [Text(short(str(name))) for name in names]
    return Group("layer", ("",), [[cell] for cell in cells] + ([[Text(closing, "bold")]] if closing else []), left=True)


def _number(cell: Cell) -> float:
    assert isinstance(cell, (int, float))
    return cell


def _column(rows: Sequence[Row], name: str, title: str, form: Format, rank: int, closing: Sequence[Text] = ()) -> Group:
    """One column as a group, with a closing cell where the table has a closing row."""
    return Group(title, ("",), [[Text(form(_number(row[name])))] for row in rows] + [[cell] for cell in closing], rank)


def _plain_groups(results: Results) -> list[Group]:
    rows = results.rows
    total = results.totals[0] if results.chained else None

    def column(name: str, title: str, form: Format, rank: int = 0) -> Group:
        closing = [] if total is None else [Text(form(_number(total[name])) if name in total else "", "bold")]
        return _column(rows, name, title, form, rank, closing)

    return [
        _layer_group([row["layer"] for row in rows], None if total is None else "total"),
        column("n_rows", "outputs", _whole, 8),
        column("n_cols", "inputs", _whole, 8),
        column("broadcasts", "active", _whole, 5),
        column("cycles", "cycles", _whole),
        column("time_us", "time us", _time),
        column("theoretical_us", "theoretical us", _time, 5),
        column("load_balance", "load balance %", _percent),
        column("real_work", "real work %", _percent, 4),
        *(column(*spec) for spec in (_GOPS, *_MORE) if spec[0] != "broadcasts"),
    ]


# Beside the paper -----------------------------------------------------------------------------------------------------


def _paper_groups(results: Results) -> list[Group]:
    rows = results.rows
    one = len(rows) == 1
    closing = [] if one else [Text("")]
    return [
        _layer_group([row["layer"] for row in rows], None if one else "mean |dev|"),
        _column(rows, "cycles", "cycles", _whole, 0, closing),
        *(_compared_group(rows, compared, closing) for compared in COMPARED),
        *(_column(rows, *spec, closing=closing) for spec in (_GOPS, *_MORE)),
    ]


def _compared_group(rows: Sequence[Row], compared: Compared, closing: Sequence[Text]) -> Group:
    title, form, rank = _BESIDE_PAPER[compared.measured]
    found = [abs(_number(d)) for row in rows if (d := row[compared.deviation_column]) is not None]
    if not found:  # the paper has no such figure for this machine
        return _column(rows, compared.measured, title, form, rank, closing)
    paper_form = _decimals(1, 100 if compared.deviation_unit == "points" else 1)
    cells = [
        [
            Text(form(_number(row[compared.measured]))),
            _or_dash(row[compared.paper_column], lambda value: Text(paper_form(value), "dim")),
            _or_dash(row[compared.deviation_column], lambda value: _deviation(value, compared.deviation_unit)),
        ]
        for row in rows
    ]
    if closing:
        mean = f"{fmean(found):.1f}{_sign_of(compared.deviation_unit)}"
        cells.append([Text(""), Text(""), Text(mean, "bold")])
    return Group(title, ("sim", "paper", "dev"), cells, rank)


def _sign_of(unit: str) -> str:
    return "%" if unit == "percent" else ""


def _or_dash(cell: Cell, show: Callable[[float], Text]) -> Text:
    return Text("-", "dim") if cell is None else show(_number(cell))


def _deviation(value: float, unit: str) -> Text:
    size = abs(value)
    style = "green" if size <= GOOD else "yellow" if size <= FAIR else "red"
    text = f"{value:+.1f}"
    return Text((text if text.strip("+-0.") else "0.0") + _sign_of(unit), style)


# Batches --------------------------------------------------------------------------------------------------------------


def _batch_groups(results: Results) -> list[Group]:
    per_layer = by_layer(results.rows)
    names = ("cycles", "time_us", "load_balance", "broadcasts", "gops")
    found = [summary(rows, names) for rows in per_layer.values()]
    totals = summary(results.totals, ("cycles", "time_us")) if results.chained else {}
    counts = [[Text(f"{len(rows):,}")] for rows in per_layer.values()] + [[Text("")]] * bool(totals)

    def group(name: str, title: str, form: Format, rank: int = 0) -> Group:
        cells = [[Text(form(layer[name][which])) for which in _STATISTICS] for layer in found]
        if totals:
            closing = totals.get(name)
            cells.append([Text(form(closing[which]) if closing else "", "bold") for which in _STATISTICS])
        return Group(title, _STATISTICS, cells, rank)

    summed = [*per_layer.values(), *([results.totals] if totals else [])]
    sums = [
        [Text(form(sum(_number(row[name]) for row in rows))) for name, form in (("cycles", _whole), ("time_us", _time))]
        for rows in summed
    ]
    return [
        _layer_group(list(per_layer), "total" if totals else None),
        Group("vectors", ("",), counts),
        Group("all vectors", ("cycles", "time us"), sums),
        group("cycles", "cycles", _whole),
        group("time_us", "time us", _time, 1),
        group("load_balance", "load balance %", _percent, 2),
        group("broadcasts", "active inputs", _whole, 3),
        group("gops", "GOP/s", _decimals(1), 4),
    ]

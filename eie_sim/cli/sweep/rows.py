"""``eie-sim sweep query`` and ``export``: the rows of a store, some of them or all."""

from pathlib import Path
from typing import Annotated

from eie_sim.cli.options import OUTPUT_PANEL, Json, option
from eie_sim.cli.sweep.shared import StoreFile, Where, print_rows, split

_MAIN = ("cycles", "time_us", "energy_nj", "edp_nj_us", "area_mm2", "error")

_COLUMNS = "Columns to show. Default: those that vary, and the main figures."


def query(
    store: StoreFile,
    where: Where = None,
    columns: Annotated[str | None, option("Rows", _COLUMNS, "A,B,...")] = None,
    sort: Annotated[str | None, option("Rows", "Column to sort by; -NAME: descending.", "NAME")] = None,
    limit: Annotated[int, option("Rows", "Rows on the terminal. Default: 20.", "N", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show rows of a store; --json gives all of them."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.columns import CONDITIONS, INPUTS
    from eie_sim.sweep.expressions import condition
    from eie_sim.sweep.select import in_order, matching
    from eie_sim.sweep.store import EXPORTED, Store

    printer = Printer()
    with Store(store) as opened:
        rows = matching(opened.rows(EXPORTED), [condition(text, CONDITIONS) for text in where or ()])
    for name in [*split(columns), *([] if sort is None else [sort.lstrip("-")])]:
        if name not in EXPORTED:
            raise ValueError(f"column {name!r}: there are {', '.join(EXPORTED)}")
    if sort is not None:
        rows = in_order(rows, sort.lstrip("-"), descending=sort.startswith("-"))
    if as_json:
        wanted = split(columns) or list(EXPORTED)
        printer.json([{name: row[name] for name in wanted} for row in rows])
        return
    shown = split(columns) or [
        *(name for name in INPUTS if len({row[name] for row in rows}) > 1),
        *(name for name in _MAIN if any(row[name] is not None for row in rows)),
    ]
    if rows:
        print_rows(printer, shown, [[row[name] for name in shown] for row in rows[:limit]])
    printer.remark(f"{len(rows):,} rows" + (f", the first {limit:,} of them" if len(rows) > limit else "") + ".")


def export(
    store: StoreFile,
    out: Annotated[Path, option(OUTPUT_PANEL, "A .csv or .parquet file (extra: parquet).", "FILE")],
) -> None:
    """Write all rows, sorted, without times and hosts: the same bytes whoever computed them."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep.store import Store

    kind = out.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise ValueError(f"--out: {out}, but its name must end in .csv or .parquet")
    with Store(store) as opened:
        count = opened.export_csv(out) if kind == ".csv" else opened.export_parquet(out)
    Printer().note(f"wrote {count:,} rows to {out}")

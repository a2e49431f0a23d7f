"""Tables of a page: a caption, headings that are defined below, cells that the page's script sorts and filters."""

from collections.abc import Mapping, Sequence

from eie_sim.columns import Cell
from eie_sim.report.html.markup import Markup, element, join, name_of
from eie_sim.report.report_columns import Definitions
from eie_sim.report.report_text import cell_text

MOST_ROWS = 1000
"""Rows of one table; more are in the files that hold all."""

MOST_INPUTS = 10
"""Input vectors of one table: every layer is in the tables of a run of thousands, and the page stays small."""

_ALL = "The CSV and JSON files of --out and --json hold all."

_LONG = 40
"""Characters of a cell that is broken into lines."""


def data_table(
    name: str, caption: str, definitions: Definitions, rows: Sequence[Mapping[str, Cell]], linked: bool = False
) -> Markup:
    """Rows as a table, with the definition of each column below it.

    Parameters
    ----------
    name : str
        Its id on the page.
    caption : str
    definitions : mapping of str to mapping
        Unit and definition of each column, in order; every row has them all.
    rows : sequence of mapping
        Of which at most `MOST_ROWS` and, where they are of input vectors, those of the first `MOST_INPUTS` are shown; a
        note says how many there are.
    linked : bool
        Whether each row has its number as ``data-link``, for a chart of the same rows.
    """
    inputs = list(dict.fromkeys(row["input"] for row in rows)) if "input" in definitions else []
    of_inputs = [row for row in rows if row["input"] in inputs[:MOST_INPUTS]] if inputs else rows
    shown = of_inputs[:MOST_ROWS]
    numeric = {column for column in definitions if any(isinstance(row[column], (int, float)) for row in shown)}
    headings, terms = [], []
    for column, told in definitions.items():
        name_shown, unit = name_of(column), told["unit"]
        of_unit = element("span", f" {unit}", class_="unit") if unit else None
        kind = "number" if column in numeric else None
        # A unit that ends the name is not said twice.
        heading = (name_shown, None if column.endswith(f"_{unit.lower()}") else of_unit)
        headings.append(element("th", *heading, scope="col", class_=kind))
        terms.append(element("div", element("dt", name_shown, of_unit), element("dd", told["definition"])))
    body = [
        element(
            "tr",
            *(_cell(row[column], at == 0) for at, column in enumerate(definitions)),
            data_link=str(n) if linked else None,
        )
        for n, row in enumerate(shown)
    ]
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *headings)),
        element("tbody", Markup("\n".join(body))),
        id_=name,
        data_table=True,
    )
    left_out = [
        f"The first {most:,} of {count:,} {what}. "
        for most, count, what in (
            (MOST_INPUTS, len(inputs), "input vectors"),
            (MOST_ROWS, len(of_inputs), "rows of these" if len(inputs) > MOST_INPUTS else "rows"),
        )
        if count > most
    ]
    return join(
        scrolled(table, caption),
        element("p", *left_out, _ALL, class_="note") if left_out else None,
        element("details", element("summary", "What the columns mean"), element("dl", *terms), class_="defined"),
    )


def scrolled(table: Markup, label: str) -> Markup:
    """A wide table scrolls for itself, also by keyboard, and not the page."""
    return element("div", table, class_="scroll", role="region", aria_label=label, tabindex=0)


def _cell(value: Cell, first: bool) -> Markup:
    shown = value if isinstance(value, str) else cell_text(value)
    number = isinstance(value, (int, float))
    # What is shown is rounded; the page's script sorts and filters by the exact value.
    exact = repr(value) if number and repr(value) != shown else None
    name, scope = ("th", "row") if first else ("td", None)
    kind = "number" if number else "long" if len(shown) > _LONG else None
    return element(name, shown, scope=scope, class_=kind, data_v=exact)


def pairs(rows: Sequence[tuple[str, str | Markup]]) -> Markup:
    """Names and what they are, as a list of definitions."""
    return element("dl", *(element("div", element("dt", a), element("dd", b)) for a, b in rows), class_="pairs")

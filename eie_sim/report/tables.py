"""The rows of a table of results, and its columns: those of `eie_sim.columns`, and the paper's figures beside them.

A row is one layer with one input vector. Where the layer is one of the paper's nine and the paper gives a figure for
that very machine, the figure and the deviation from it stand in the row too; everywhere else these cells are None.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from eie_sim import paper
from eie_sim.arch import ArchConfig, preset
from eie_sim.columns import MEASURED, OUTPUT_DIGEST, Cell, Row, plain
from eie_sim.networks import published_as
from eie_sim.result import BatchTotal, SimResult

KEYS = ("layer", "input")
"""The columns that name a row."""


_OF_A_RESULT = (*MEASURED, OUTPUT_DIGEST)


@dataclass(frozen=True)
class Compared:
    """A column beside which the paper has a figure.

    Attributes
    ----------
    measured : str
        Name of the column of `MEASURED`.
    source : str
        Table or figure of the paper.
    published : function of a layer's name and an ArchConfig
        The paper's figure in the unit of the column; None where the paper has none for that machine.
    deviation_unit : {"percent", "points"}
        Percent of the paper's figure, or percentage points for a ratio.
    """

    measured: str
    source: str
    published: Callable[[str, ArchConfig], float | None]
    deviation_unit: str

    @property
    def paper_column(self) -> str:
        """Name of the column that holds the paper's figure."""
        return f"paper_{self.measured}"

    @property
    def deviation_column(self) -> str:
        """Name of the column that holds the deviation."""
        return f"deviation_{self.measured.removesuffix('_us')}_{self.deviation_unit}"

    def deviation(self, measured: float, published: float) -> float:
        """How far `measured` lies from `published`, in `deviation_unit`."""
        if self.deviation_unit == "points":
            return 100 * (measured - published)
        return 100 * (measured - published) / published


def _is_paper_machine(arch: ArchConfig, *free: str) -> bool:
    """Whether timing is that of the machine of Table IV, but for the fields in `free`."""
    machine = preset(paper.MACHINE)
    fields = {"n_pe", "clock_hz", "act_queue_depth", "weight_bits", "index_bits"} - set(free)
    return all(getattr(arch, name) == getattr(machine, name) for name in fields)


def _table_iv(row: str) -> Callable[[str, ArchConfig], float | None]:
    return lambda layer, arch: paper.TABLE_IV.at(row, layer) if _is_paper_machine(arch) else None


def _ratio(percent: float | None) -> float | None:
    """Printed with a decimal in the paper; 95.9 / 100 must not become 0.9590000000000001 in a file."""
    return None if percent is None else round(percent / 100, 6)


def _published_load_balance(layer: str, arch: ArchConfig) -> float | None:
    """Fig. 8 for queues of any depth on 64 PEs, Fig. 13 for any number of PEs with queues of 8; no clock is in them."""
    if _is_paper_machine(arch, "clock_hz", "act_queue_depth") and arch.act_queue_depth in paper.QUEUE_DEPTHS:
        return _ratio(paper.FIG_8.at(layer, arch.act_queue_depth))
    if _is_paper_machine(arch, "clock_hz", "n_pe") and arch.n_pe in paper.PES:
        return _ratio(paper.FIG_13.at(layer, arch.n_pe))
    return None


def _published_real_work(layer: str, arch: ArchConfig) -> float | None:
    """Fig. 12: fillers depend on the number of PEs and the width of a run, on nothing else of the machine."""
    if _is_paper_machine(arch, "clock_hz", "act_queue_depth", "n_pe") and arch.n_pe in paper.PES:
        return _ratio(paper.FIG_12.at(layer, arch.n_pe))
    return None


COMPARED = (
    Compared("time_us", "Table IV", _table_iv("eie actual"), "percent"),
    Compared("theoretical_us", "Table IV", _table_iv("eie theoretical"), "percent"),
    Compared("load_balance", "Figs 8, 13", _published_load_balance, "points"),
    Compared("real_work", "Fig. 12", _published_real_work, "points"),
)
"""The columns beside which the paper has figures."""


def is_published(result: SimResult | BatchTotal) -> bool:
    """Whether the layer has the name and the size of one of the paper's nine."""
    return published_as(result.layer, result.n_rows, result.n_cols) is not None


def result_row(result: SimResult | BatchTotal, number: int = 0) -> Row:
    """The row of one result; `number` is that of the input vector, from 0.

    That of a summed batch has sums, and one more column, ``vectors``; the paper has no figures of sums.
    """
    is_sum = isinstance(result, BatchTotal)
    row: Row = {"layer": result.layer, "input": number, **{c.name: plain(c.value(result)) for c in _OF_A_RESULT}}
    for compared in COMPARED:
        known = not is_sum and is_published(result)
        published = compared.published(result.layer, result.arch) if known else None
        measured = row[compared.measured]
        assert isinstance(measured, (int, float))
        row[compared.paper_column] = published
        row[compared.deviation_column] = None if published is None else compared.deviation(measured, published)
    return row | {"vectors": result.vectors} if is_sum else row


class RowTable(Sequence[Row]):
    """Rows kept column by column, since millions of dicts would fill the memory: each is made when it is read."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._columns: dict[str, array[Any] | list[Cell]] = {}
        self._length = 0
        self.extend(rows)

    def append(self, row: Row) -> None:
        """Add a row; all have the same columns."""
        for name, cell in row.items():
            column = self._columns.get(name)
            if column is None:
                code = _CODES.get(type(cell))
                column = self._columns[name] = [] if code is None else array(code)
            elif isinstance(column, array) and _CODES.get(type(cell)) != column.typecode:
                column = self._columns[name] = list(column)  # such as a figure of the paper, which one layer lacks
            column.append(cell)
        self._length += 1

    def extend(self, rows: Iterable[Row]) -> None:
        """Add some rows."""
        for row in rows:
            self.append(row)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"row {index} of {self._length}")
        return {name: column[index] for name, column in self._columns.items()}

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented


_CODES: Mapping[type, str] = {int: "q", float: "d"}


def column_definitions() -> dict[str, dict[str, str]]:
    """Unit and definition of every column of a row, in order."""
    units = {c.name: c.unit for c in MEASURED}
    found = {
        "layer": {"unit": "", "definition": "Name of the layer."},
        "input": {"unit": "", "definition": "Number of the input vector, from 0."},
        **{c.name: {"unit": c.unit, "definition": c.definition} for c in _OF_A_RESULT},
    }
    for c in COMPARED:
        found[c.paper_column] = {
            "unit": units[c.measured],
            "definition": f"{c.measured} in the paper (EIE {c.source}).",
        }
        of = "percent of the paper's" if c.deviation_unit == "percent" else "percentage points"
        found[c.deviation_column] = {
            "unit": c.deviation_unit,
            "definition": f"{c.measured} less the paper's, in {of}.",
        }
    return found


COLUMNS = tuple(column_definitions())
"""Names of all columns of a row, in order."""


def summary(rows: Sequence[Mapping[str, Cell]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Least, median and largest value of some columns over the rows of a batch."""
    from statistics import median

    found = {}
    for name in names:
        values = [value for row in rows if isinstance(value := row[name], (int, float))]
        found[name] = {"min": min(values), "median": median(values), "max": max(values)}
    return found


STATISTICS = ("min", "median", "max")
"""What `summary` gives of a column."""


def over_inputs(rows: Sequence[Row]) -> list[Row]:
    """Rows of many input vectors as three for each layer: the least, the median and the largest value of each column.

    Which of them a row has stands in its column ``input``. Rows of one input vector stay as they are.
    """
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in rows:
        # What distinguishes rows beside the input is in words, but for the batch size of a baseline.
        names = (cell for name, cell in row.items() if isinstance(cell, str) or name == "batch")
        groups.setdefault(tuple(names), []).append(row)
    if all(len(group) == 1 for group in groups.values()):
        return list(rows)
    found = []
    for group in groups.values():
        numbers = [n for n in group[0] if n != "input" and all(isinstance(row[n], (int, float)) for row in group)]
        values = summary(group, numbers)
        found += [
            {**group[0], **{name: values[name][which] for name in numbers}, "input": which} for which in STATISTICS
        ]
    return found


def by_layer(rows: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
    """The rows of each layer, in order."""
    found: dict[str, RowTable] = {}
    for row in rows:
        found.setdefault(str(row["layer"]), RowTable()).append(row)
    return found

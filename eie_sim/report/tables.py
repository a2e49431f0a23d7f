"""The columns of a table of results: name, unit and definition of each, once. Tables, JSON and CSV use them.

A row is one layer with one input vector. Where the layer is one of the paper's nine and the paper gives a figure for
that very machine, the figure and the deviation from it stand in the row too; everywhere else these cells are None.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from eie_sim import paper
from eie_sim.arch import ArchConfig
from eie_sim.networks import published_layers
from eie_sim.presets import preset
from eie_sim.result import SimResult

Cell: TypeAlias = int | float | str | None
Row: TypeAlias = dict[str, Cell]

KEYS = ("layer", "input")
"""The columns that name a row."""


@dataclass(frozen=True)
class Column:
    """One column of a table of results.

    Attributes
    ----------
    name : str
        Key in JSON and heading in CSV; ends in the unit where it could be mistaken.
    unit : str
        "" for a name, "ratio" for 0 .. 1.
    definition : str
    value : function of a SimResult
    """

    name: str
    unit: str
    definition: str
    value: Callable[[SimResult], Cell]


def _field(name: str) -> Callable[[SimResult], Cell]:
    return lambda result: getattr(result, name)


def _total(name: str) -> Callable[[SimResult], Cell]:
    return lambda result: int(getattr(result.counts, name).sum())


def _scalar(name: str) -> Callable[[SimResult], Cell]:
    return lambda result: int(getattr(result.counts, name))


def _output_sha256(result: SimResult) -> Cell:
    output = result.output
    if output is None:
        return None
    return hashlib.sha256(output.astype(output.dtype.newbyteorder("<")).tobytes()).hexdigest()


MEASURED = (
    Column("n_rows", "outputs", "Outputs of the layer.", _field("n_rows")),
    Column("n_cols", "inputs", "Inputs of the layer, the bias apart.", _field("n_cols")),
    Column("n_pe", "PEs", "Processing elements of the machine.", lambda r: r.arch.n_pe),
    Column("cycles", "cycles", "Number of the first cycle in which nothing is left to do.", _field("cycles")),
    Column("time_us", "us", "cycles / clock (EIE Table IV, actual).", _field("time_us")),
    Column(
        "theoretical_us",
        "us",
        "entries / n_pe / clock: the time if all PEs were always busy (EIE Table IV, theoretical).",
        _field("theoretical_us"),
    ),
    Column(
        "load_balance",
        "ratio",
        "entries / (n_pe x cycles), fillers counted as work (EIE Figs 8 and 13).",
        _field("load_balance"),
    ),
    Column("real_work", "ratio", "(entries - fillers) / entries (EIE Fig. 12).", _field("real_work")),
    Column("gops", "GOP/s", "2 x (entries - fillers) / time: operations on real weights.", _field("gops")),
    Column(
        "dense_gops",
        "GOP/s",
        "2 x n_rows x n_cols / time: what a dense machine would need for the same time.",
        _field("dense_gops"),
    ),
    Column("entries", "entries", "Entries walked by all PEs, fillers included.", _total("entries")),
    Column("fillers", "entries", "Filler zeros walked.", _total("fillers")),
    Column("broadcasts", "inputs", "Active inputs sent to all queues, the bias included.", _scalar("broadcasts")),
    Column(
        "broadcast_stalls",
        "cycles",
        "Cycles in which an active input was found and some queue was full.",
        _scalar("broadcast_stalls"),
    ),
    Column(
        "scan_bubbles",
        "cycles",
        "Cycles in which the lane register had nothing left and the next row of inputs was loaded.",
        _scalar("scan_bubbles"),
    ),
    Column(
        "idle_cycles", "cycles", "The other cycles of the broadcast; the four sum to cycles.", _scalar("idle_cycles")
    ),
    Column("ptr_reads", "reads", "Pairs of pointers read; each touches both banks.", _total("ptr_reads")),
    Column("spmat_row_reads", "reads", "Rows of the sparse-matrix SRAMs read.", _total("spmat_row_reads")),
    Column("acc_reads", "reads", "Destination registers read.", _total("acc_reads")),
    Column("acc_writes", "writes", "Destination registers written: one for each real weight.", _total("acc_writes")),
    Column("bypasses", "reads", "Reads saved because the adder's output was at hand.", _total("bypasses")),
    Column("saturations", "sums", "Accumulations cut to the range of the fixed point.", _total("saturations")),
    Column("busy_cycles", "PE-cycles", "An entry is issued; summed over PEs as the next four.", _total("busy_cycles")),
    Column("bubble_cycles", "PE-cycles", "A column without an entry in the PE.", _total("bubble_cycles")),
    Column("starved_cycles", "PE-cycles", "The queue is empty.", _total("starved_cycles")),
    Column("fill_cycles", "PE-cycles", "Before the first activation.", _total("fill_cycles")),
    Column("drain_cycles", "PE-cycles", "After the last. The five sum to n_pe x cycles.", _total("drain_cycles")),
)
"""The numbers a simulation measures."""

OUTPUT_DIGEST = Column(
    "output_sha256",
    "hexadecimal digits",
    "SHA-256 of the bytes of the output vector: sums before the activation function, rows in original order, "
    "little-endian float32 (float64 in fixed point); empty where outputs were not computed.",
    _output_sha256,
)
"""What two runs whose outputs agree in every bit agree in."""


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


def is_published(result: SimResult) -> bool:
    """Whether the layer has the name and the size of one of the paper's nine."""
    layer = published_layers().get(result.layer)
    return layer is not None and (layer.outputs, layer.inputs) == (result.n_rows, result.n_cols)


def _plain(cell: Cell) -> Cell:
    """A number of Python's own: JSON writes no other, and not every engine is compiled."""
    return cell.item() if isinstance(cell, np.generic) else cell


def result_row(result: SimResult, number: int = 0) -> Row:
    """The row of one result; `number` is that of the input vector, from 0."""
    row: Row = {"layer": result.layer, "input": number, **{c.name: _plain(c.value(result)) for c in _OF_A_RESULT}}
    for compared in COMPARED:
        published = compared.published(result.layer, result.arch) if is_published(result) else None
        measured = row[compared.measured]
        assert isinstance(measured, (int, float))
        row[compared.paper_column] = published
        row[compared.deviation_column] = None if published is None else compared.deviation(measured, published)
    return row


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


def by_layer(rows: Sequence[Row]) -> Mapping[str, list[Row]]:
    """The rows of each layer, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["layer"]), []).append(row)
    return found
